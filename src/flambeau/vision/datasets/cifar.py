"""Small pictures of ten or a hundred kinds of things, in pickles of arrays."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from flambeau.interop.checkpoint.unpickle import Machine

from .arrays import ArrayDataset
from .checks import Path, check_integrity
from .utils import download_and_extract_archive
from .vision import Transform

__all__ = ["CIFAR10", "CIFAR100"]


def _read(path: str) -> dict[str, Any]:
    """The dict in a pickle; nothing in it is run."""
    with open(path, "rb") as file:
        content = Machine({}).read(file.read())
    if not isinstance(content, dict):
        raise RuntimeError(f"{path} holds no dict, but a {type(content).__name__}")
    return {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in content.items()}


class CIFAR10(ArrayDataset):
    """Pictures of ten kinds of things (Krizhevsky): 50000 + 10000 pictures "RGB" of 32 x 32.

    `data` is an array of bytes (N, 32, 32, 3), `targets` a list. A `DataLoader` reads whole batches at once
    where the transform is `ToTensor`, alone or followed by `Normalize`.

    Args:
        root: the folder; the files are in its cifar-10-batches-py.
        train: whether it is the training set.
        transform: a function of the picture.
        target_transform: a function of the number of the kind.
        download: whether to fetch the files if they are not there.

    Raises:
        RuntimeError: files are not there, have another checksum, or can't be fetched.

    >>> from flambeau.vision import datasets
    >>> datasets.CIFAR10("no folder")
    Traceback (most recent call last):
    RuntimeError: CIFAR10: Dataset not found or corrupted in no folder/cifar-10-batches-py. You can use
    download=True to download it
    """

    base_folder = "cifar-10-batches-py"
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    filename = "cifar-10-python.tar.gz"
    tgz_md5 = "c58f30108f718f92721af3b95e74349a"
    train_list: list[list[str]] = [  # noqa: RUF012
        ["data_batch_1", "c99cafc152244af753f735de768cd75f"],
        ["data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"],
        ["data_batch_3", "54ebc095f3ab1f0389bbae665268c751"],
        ["data_batch_4", "634d18415352ddfa80567beed471001a"],
        ["data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"],
    ]
    test_list: list[list[str]] = [["test_batch", "40351d587109b95175f43aff81a1287e"]]  # noqa: RUF012
    meta: dict[str, str] = {  # noqa: RUF012
        "filename": "batches.meta",
        "key": "label_names",
        "md5": "5ff9c542aee3614f3951f8cda6e48888",
    }

    def __init__(
        self,
        root: Path,
        train: bool = True,
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        if not self._check_integrity():
            raise RuntimeError(
                f"{type(self).__name__}: Dataset not found or corrupted in {self._path('')}. You can use "
                "download=True to download it"
            )
        parts = [_read(self._path(name)) for name, _ in (self.train_list if train else self.test_list)]
        rows = np.concatenate([part["data"] for part in parts])
        self.data = np.ascontiguousarray(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        key = "labels" if "labels" in parts[0] else "fine_labels"
        self.targets = [int(label) for part in parts for label in part[key]]
        self.classes = list(_read(self._path(self.meta["filename"]))[self.meta["key"]])
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}

    def _path(self, name: str) -> str:
        return os.path.join(self.root, self.base_folder, name).rstrip(os.sep)

    def _check_integrity(self) -> bool:
        files = [*self.train_list, *self.test_list, (self.meta["filename"], self.meta["md5"])]
        return all(check_integrity(self._path(name), md5) for name, md5 in files)

    def download(self) -> None:
        """Fetches and unpacks the files, unless they are there."""
        if not self._check_integrity():
            download_and_extract_archive(self.url, self.root, filename=self.filename, md5=self.tgz_md5)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


class CIFAR100(CIFAR10):
    """Pictures of a hundred kinds of things, in the shape of `CIFAR10`; arguments and errors too.

    >>> from flambeau.vision import datasets
    >>> datasets.CIFAR100.base_folder
    'cifar-100-python'
    """

    base_folder = "cifar-100-python"
    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    filename = "cifar-100-python.tar.gz"
    tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    train_list = [["train", "16019d7e3df5f24257cddd939b257f8d"]]  # noqa: RUF012
    test_list = [["test", "f0ef6b0ae62326f3e7ffdfab6717acfc"]]  # noqa: RUF012
    meta = {  # noqa: RUF012
        "filename": "meta",
        "key": "fine_label_names",
        "md5": "7973b15100ade9c7d40fb424638fde48",
    }
