"""Pictures of ten kinds of things, few with labels and many without."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from .arrays import ArrayDataset
from .checks import Path, check_integrity, verify_str_arg
from .utils import download_and_extract_archive
from .vision import Transform

__all__ = ["STL10"]


class STL10(ArrayDataset):
    """Pictures "RGB" of 96 x 96 (Coates et al.): 5000 to train, 8000 to test, 100000 without labels.

    `data` is an array of bytes (N, 3, 96, 96), `labels` one of int64 (N,), -1 where there is none.

    Args:
        root: the folder; the files are in its stl10_binary.
        split: "train", "test", "unlabeled" or "train+unlabeled".
        folds: one of the ten parts of the training set, 0 to 9, or all of it.
        transform: a function of the picture.
        target_transform: a function of the number of the kind.
        download: whether to fetch the files if they are not there.

    Raises:
        ValueError: another split or fold.
        RuntimeError: files are not there, have another checksum, or can't be fetched.

    >>> from flambeau.vision import datasets
    >>> datasets.STL10.splits
    ('train', 'train+unlabeled', 'unlabeled', 'test')
    """

    base_folder = "stl10_binary"
    url = "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"
    filename = "stl10_binary.tar.gz"
    tgz_md5 = "91f7769df0f17e558f3565bffb0c7dfb"
    class_names_file = "class_names.txt"
    folds_list_file = "fold_indices.txt"
    train_list: list[list[str]] = [  # noqa: RUF012
        ["train_X.bin", "918c2871b30a85fa023e0c44e0bee87f"],
        ["train_y.bin", "5a34089d4802c674881badbb80307741"],
        ["unlabeled_X.bin", "5242ba1fed5e4be9e1e742405eb56ca4"],
    ]
    test_list: list[list[str]] = [  # noqa: RUF012
        ["test_X.bin", "7f263ba9f9e0b06b93213547f721ac82"],
        ["test_y.bin", "36f9794fa4beb8a2c72628de14fa638e"],
    ]
    splits = ("train", "train+unlabeled", "unlabeled", "test")
    _targets_name = "labels"

    def __init__(
        self,
        root: Path,
        split: str = "train",
        folds: int | None = None,
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = verify_str_arg(split, "split", self.splits)
        if folds is not None and not (isinstance(folds, int) and 0 <= folds < 10):
            raise ValueError(
                f"STL10: Value for argument folds should be in the range [0, 10), but got {folds}."
            )
        self.folds = folds
        if download:
            self.download()
        if not self._check_integrity():
            raise RuntimeError(
                f"STL10: Dataset not found or corrupted in {self._path('')}. You can use download=True to "
                "download it"
            )
        self.data, self.labels = self._load()
        names = self._path(self.class_names_file)
        if os.path.isfile(names):
            with open(names) as file:
                self.classes = file.read().splitlines()

    def _path(self, name: str) -> str:
        return os.path.join(self.root, self.base_folder, name).rstrip(os.sep)

    def _load(self) -> tuple[np.ndarray, np.ndarray]:
        if self.split == "test":
            return self._read(self.test_list[0][0], self.test_list[1][0])
        unlabeled = self.train_list[2][0]
        if self.split == "unlabeled":
            return self._read(unlabeled)
        data, labels = self._read(self.train_list[0][0], self.train_list[1][0])
        if self.folds is not None:
            with open(self._path(self.folds_list_file)) as file:
                chosen = np.array(file.read().splitlines()[self.folds].split(), np.int64)
            data, labels = data[chosen], labels[chosen]
        if self.split == "train":
            return data, labels
        more, none = self._read(unlabeled)
        return np.concatenate([data, more]), np.concatenate([labels, none])

    def _read(self, images: str, labels: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Images, column by column in the file, and their labels, counted from 1 there."""
        pixels = np.fromfile(self._path(images), np.uint8).reshape(-1, 3, 96, 96).transpose(0, 1, 3, 2)
        if labels is None:
            return pixels, np.full(len(pixels), -1, np.int64)
        return pixels, np.fromfile(self._path(labels), np.uint8).astype(np.int64) - 1

    def _images(self, index: Any) -> np.ndarray:
        return np.moveaxis(super()._images(index), -3, -1)

    def _check_integrity(self) -> bool:
        return all(check_integrity(self._path(name), md5) for name, md5 in self.train_list + self.test_list)

    def download(self) -> None:
        """Fetches and unpacks the files, unless they are there."""
        if not self._check_integrity():
            download_and_extract_archive(self.url, self.root, filename=self.filename, md5=self.tgz_md5)

    def extra_repr(self) -> str:
        return f"Split: {self.split}"
