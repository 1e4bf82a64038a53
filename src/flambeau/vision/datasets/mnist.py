"""Handwritten digits and their relatives, in idx files."""

from __future__ import annotations

import os
import shutil
import string
import urllib.error
import warnings
from typing import Any

import numpy as np

import flambeau as torch
from flambeau import Tensor

from .archives import extract_archive
from .arrays import ArrayDataset
from .checks import Path, check_integrity, verify_str_arg
from .fetching import fetch
from .idx import read_idx
from .utils import download_and_extract_archive
from .vision import Transform

__all__ = ["EMNIST", "KMNIST", "MNIST", "QMNIST", "FashionMNIST"]

_DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


class MNIST(ArrayDataset):
    """Handwritten digits (LeCun et al.): 60000 + 10000 pictures "L" of 28 x 28, and what they are.

    `data` is a tensor of bytes (N, 28, 28), `targets` one of int64 (N,). A `DataLoader` reads whole batches
    at once where the transform is `ToTensor`, alone or followed by `Normalize`.

    Args:
        root: the folder; the files are in its MNIST/raw, as idx files, or as .gz files of them.
        train: whether it is the training set.
        transform: a function of the picture.
        target_transform: a function of the number.
        download: whether to fetch the files that are not there.

    Raises:
        RuntimeError: the files are not there, can't be fetched, or are damaged.

    >>> from flambeau.vision import datasets
    >>> datasets.MNIST("no folder")
    Traceback (most recent call last):
    RuntimeError: MNIST: Dataset not found in no folder/MNIST/raw. You can use download=True to download it
    """

    mirrors: list[str] = [  # noqa: RUF012
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ]
    resources: Any = [  # noqa: RUF012
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    training_file = "training.pt"
    test_file = "test.pt"
    classes: list[str] = [f"{i} - {name}" for i, name in enumerate(_DIGITS)]  # noqa: RUF012

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
        if not self._check_exists():
            raise RuntimeError(
                f"{type(self).__name__}: Dataset not found in {self.raw_folder}. You can use download=True "
                "to download it"
            )
        self.data, self.targets = self._load_data()

    def _files(self) -> tuple[str, str]:
        """The names of the images' and the labels' file."""
        part = "train" if self.train else "t10k"
        return f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"

    def _check_exists(self) -> bool:
        paths = [os.path.join(self.raw_folder, name) for name in self._files()]
        return all(check_integrity(path) or check_integrity(f"{path}.gz") for path in paths)

    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        images, labels = (read_idx(os.path.join(self.raw_folder, name)) for name in self._files())
        if images.dtype != np.uint8 or images.ndim != 3 or len(images) != len(labels):
            raise RuntimeError(
                f"{type(self).__name__}: {self._files()[0]} should hold bytes (N, H, W), each N with "
                f"a label, got {images.dtype} {images.shape} and labels {labels.shape}"
            )
        return images, labels

    def _load_data(self) -> tuple[Tensor, Tensor]:
        images, labels = self._arrays()
        return torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))

    def download(self) -> None:
        """Fetches the files that are not there."""
        if self._check_exists():
            return
        os.makedirs(self.raw_folder, exist_ok=True)
        for name, md5 in self.resources:
            path = os.path.join(self.raw_folder, name)
            if not check_integrity(path, md5):
                try:
                    fetch([mirror + name for mirror in self.mirrors], path, md5)
                except urllib.error.URLError as error:
                    raise RuntimeError(f"{type(self).__name__}: Error downloading {name}: {error}") from error
            extract_archive(path)

    @property
    def raw_folder(self) -> str:
        return os.path.join(self.root, type(self).__name__, "raw")

    @property
    def processed_folder(self) -> str:
        return os.path.join(self.root, type(self).__name__, "processed")

    @property
    def class_to_idx(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.classes)}

    def _renamed(self, old: str, new: str) -> Tensor:
        warnings.warn(f"{old} has been renamed {new}", stacklevel=3)
        value: Tensor = getattr(self, new)
        return value

    train_labels = property(lambda self: self._renamed("train_labels", "targets"))
    test_labels = property(lambda self: self._renamed("test_labels", "targets"))
    train_data = property(lambda self: self._renamed("train_data", "data"))
    test_data = property(lambda self: self._renamed("test_data", "data"))

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


class FashionMNIST(MNIST):
    """Clothes (Xiao et al.), in the shape of `MNIST`; arguments and errors too.

    >>> from flambeau.vision import datasets
    >>> datasets.FashionMNIST.classes[9]
    'Ankle boot'
    """

    mirrors = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]  # noqa: RUF012
    resources = [  # noqa: RUF012
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    classes = [  # noqa: RUF012
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ]


class KMNIST(MNIST):
    """Cursive Japanese letters (Clanuwat et al.), in the shape of `MNIST`; arguments and errors too.

    >>> from flambeau.vision import datasets
    >>> datasets.KMNIST.classes[:3]
    ['o', 'ki', 'su']
    """

    mirrors = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]  # noqa: RUF012
    resources = [  # noqa: RUF012
        ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    ]
    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]  # noqa: RUF012


_LETTERS = sorted(string.digits + string.ascii_letters)
_MERGED = sorted(set(_LETTERS) - set("cijklmopsuvwxyz"))  # whose small and capital letters look alike


class EMNIST(MNIST):
    """Handwritten digits and letters (Cohen et al.).

    Args:
        root: the folder; the files are in its EMNIST/raw.
        split: "byclass", "bymerge", "balanced", "letters", "digits" or "mnist".
        kwargs: those of `MNIST`.

    Raises:
        ValueError: another split.
        RuntimeError: as `MNIST`.

    >>> from flambeau.vision import datasets
    >>> len(datasets.EMNIST.classes_split_dict["balanced"])
    47
    """

    url = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
    md5 = "58c8d27c78d21e728a6bc7b3cc06412e"
    splits = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    classes_split_dict: dict[str, list[str]] = {  # noqa: RUF012
        "byclass": _LETTERS,
        "bymerge": _MERGED,
        "balanced": _MERGED,
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": list(string.digits),
        "mnist": list(string.digits),
    }

    def __init__(self, root: Path, split: str, **kwargs: Any) -> None:
        self.split = verify_str_arg(split, "split", self.splits)
        super().__init__(root, **kwargs)
        self.classes = self.classes_split_dict[self.split]

    def _files(self) -> tuple[str, str]:
        prefix = f"emnist-{self.split}-{'train' if self.train else 'test'}"
        return f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"

    def download(self) -> None:
        if self._check_exists():
            return
        os.makedirs(self.raw_folder, exist_ok=True)
        download_and_extract_archive(self.url, self.raw_folder, md5=self.md5)
        folder = os.path.join(self.raw_folder, "gzip")
        for name in os.listdir(folder):
            if name.endswith(".gz"):
                extract_archive(os.path.join(folder, name), self.raw_folder)
        shutil.rmtree(folder)


_QMNIST = "https://raw.githubusercontent.com/facebookresearch/qmnist/master/"


class QMNIST(MNIST):
    """`MNIST` restored from its source (Yadav and Bottou), with 60000 pictures to test.

    Args:
        root: the folder; the files are in its QMNIST/raw.
        what: "train", "test", "test10k" (those of `MNIST`), "test50k" (the others) or "nist" (all digits).
        compat: whether an item's target is its number, or a tensor of all that is known.
        train: "train" or "test", if `what` doesn't say.
        kwargs: those of `MNIST`.

    Raises:
        ValueError: another `what`.
        RuntimeError: as `MNIST`.

    >>> from flambeau.vision import datasets
    >>> sorted(datasets.QMNIST.subsets)
    ['nist', 'test', 'test10k', 'test50k', 'train']
    """

    subsets: dict[str, str] = {  # noqa: RUF012
        "train": "train",
        "test": "test",
        "test10k": "test",
        "test50k": "test",
        "nist": "nist",
    }
    resources: Any = {  # noqa: RUF012
        "train": [
            (_QMNIST + "qmnist-train-images-idx3-ubyte.gz", "ed72d4157d28c017586c42bc6afe6370"),
            (_QMNIST + "qmnist-train-labels-idx2-int.gz", "0058f8dd561b90ffdd0f734c6a30e5e4"),
        ],
        "test": [
            (_QMNIST + "qmnist-test-images-idx3-ubyte.gz", "1394631089c404de565df7b7aeaf9412"),
            (_QMNIST + "qmnist-test-labels-idx2-int.gz", "5b5b05890a5e13444e108efe57b788aa"),
        ],
        "nist": [
            (_QMNIST + "xnist-images-idx3-ubyte.xz", "7f124b3b8ab81486c9d8c2749c17f834"),
            (_QMNIST + "xnist-labels-idx2-int.xz", "5ed0e788978e45d4a8bd4b7caec3d79d"),
        ],
    }

    def __init__(
        self, root: Path, what: str | None = None, compat: bool = True, train: bool = True, **kwargs: Any
    ) -> None:
        what = what if what is not None else "train" if train else "test"
        self.what = verify_str_arg(what, "what", tuple(self.subsets))
        self.compat = compat
        super().__init__(root, train, **kwargs)

    def _files(self) -> tuple[str, str]:
        images, labels = (
            os.path.splitext(os.path.basename(url))[0] for url, _ in self.resources[self.subsets[self.what]]
        )
        return images, labels

    def _load_data(self) -> tuple[Tensor, Tensor]:
        data, targets = super()._load_data()
        part = {"test10k": slice(10000), "test50k": slice(10000, None)}.get(self.what, slice(None))
        return data[part], targets[part]

    def _labels(self) -> Any:
        return super()._labels()[:, 0]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        target = int(self._labels()[index]) if self.compat else self.targets[index]
        return self._transformed(self._picture(self._images(index)), target)

    def __getbatch__(self, indices: Any) -> Any:
        return super().__getbatch__(indices) if self.compat else NotImplemented

    def download(self) -> None:
        if self._check_exists():
            return
        for url, md5 in self.resources[self.subsets[self.what]]:
            download_and_extract_archive(url, self.raw_folder, md5=md5)

    def extra_repr(self) -> str:
        return f"Split: {self.what}"
