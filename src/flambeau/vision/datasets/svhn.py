"""House numbers seen from the street."""

from __future__ import annotations

import os

import numpy as np

from .arrays import ArrayDataset
from .checks import Path, check_integrity, verify_str_arg
from .matfile import read_mat
from .utils import download_url
from .vision import Transform

__all__ = ["SVHN"]


class SVHN(ArrayDataset):
    """Digits of house numbers (Netzer et al.): pictures "RGB" of 32 x 32.

    `data` is an array of bytes (N, 3, 32, 32), `labels` one of int64 (N,).

    Args:
        root: the folder of the files, train_32x32.mat and others.
        split: "train", "test" or "extra".
        transform: a function of the picture.
        target_transform: a function of the digit.
        download: whether to fetch the file if it is not there.

    Raises:
        ValueError: another split.
        RuntimeError: the file is not there, has another checksum, or can't be fetched.

    >>> from flambeau.vision import datasets
    >>> datasets.SVHN("no folder", "valid")
    Traceback (most recent call last):
    ValueError: Unknown value 'valid' for argument split. Valid values are {'train', 'test', 'extra'}.
    """

    split_list: dict[str, list[str]] = {  # noqa: RUF012
        "train": [
            "http://ufldl.stanford.edu/housenumbers/train_32x32.mat",
            "train_32x32.mat",
            "e26dedcc434d2e4c54c9b2d4a06d8373",
        ],
        "test": [
            "http://ufldl.stanford.edu/housenumbers/test_32x32.mat",
            "test_32x32.mat",
            "eb5a983be6a315427106f1b164d9cef3",
        ],
        "extra": [
            "http://ufldl.stanford.edu/housenumbers/extra_32x32.mat",
            "extra_32x32.mat",
            "a93ce644f1a588dc4d68dda5feec44a7",
        ],
    }
    _targets_name = "labels"

    def __init__(
        self,
        root: Path,
        split: str = "train",
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = verify_str_arg(split, "split", tuple(self.split_list))
        self.url, self.filename, self.file_md5 = self.split_list[split]
        if download:
            self.download()
        if not self._check_integrity():
            raise RuntimeError(
                f"SVHN: Dataset not found or corrupted: {os.path.join(self.root, self.filename)}. You can "
                "use download=True to download it"
            )
        arrays = read_mat(os.path.join(self.root, self.filename))
        self.data = np.ascontiguousarray(arrays["X"].transpose(3, 2, 0, 1))
        self.labels = arrays["y"].astype(np.int64).reshape(-1) % 10  # 10 stands for the digit 0

    def _images(self, index: object) -> np.ndarray:
        return np.moveaxis(super()._images(index), -3, -1)

    def _check_integrity(self) -> bool:
        return check_integrity(os.path.join(self.root, self.filename), self.file_md5)

    def download(self) -> None:
        """Fetches the file, unless it is there."""
        download_url(self.url, self.root, self.filename, self.file_md5)

    def extra_repr(self) -> str:
        return f"Split: {self.split}"
