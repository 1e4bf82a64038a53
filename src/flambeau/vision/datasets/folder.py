"""Datasets that are folders: one for each class, with a file for each item."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ..pictures import pillow
from .checks import Path
from .vision import Transform, VisionDataset

__all__ = ["IMG_EXTENSIONS", "DatasetFolder", "ImageFolder", "default_loader", "pil_loader"]

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")

Valid = Callable[[str], bool]


def has_file_allowed_extension(filename: str, extensions: str | tuple[str, ...]) -> bool:
    """Whether a name ends so, whatever the case.

    >>> from flambeau.vision.datasets.folder import has_file_allowed_extension
    >>> has_file_allowed_extension("a.PNG", (".png", ".jpg"))
    True
    """
    return filename.lower().endswith(extensions if isinstance(extensions, str) else tuple(extensions))


def is_image_file(filename: str) -> bool:
    """Whether a name ends as that of a picture.

    >>> from flambeau.vision.datasets.folder import is_image_file
    >>> is_image_file("a.txt")
    False
    """
    return has_file_allowed_extension(filename, IMG_EXTENSIONS)


def find_classes(directory: Path) -> tuple[list[str], dict[str, int]]:
    """The names of the folders in a folder, sorted, and their numbers.

    Raises:
        FileNotFoundError: there is none.

    >>> import os, tempfile
    >>> from flambeau.vision.datasets.folder import find_classes
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     os.makedirs(os.path.join(folder, "dog")); os.makedirs(os.path.join(folder, "cat"))
    ...     find_classes(folder)
    (['cat', 'dog'], {'cat': 0, 'dog': 1})
    """
    if not os.path.isdir(directory):
        raise FileNotFoundError(
            f"find_classes: there is no folder {os.fspath(directory)!r}; it should have one folder a class"
        )
    classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
    if not classes:
        raise FileNotFoundError(f"Couldn't find any class folder in {directory}.")
    return classes, {name: i for i, name in enumerate(classes)}


def make_dataset(
    directory: Path,
    class_to_idx: dict[str, int] | None = None,
    extensions: str | tuple[str, ...] | None = None,
    is_valid_file: Valid | None = None,
    allow_empty: bool = False,
) -> list[tuple[str, int]]:
    """The paths of all files below the folders of classes, sorted, each with the number of its class.

    Args:
        directory: the folder of the folders.
        class_to_idx: numbers of classes, by default those of `find_classes`.
        extensions: how names end.
        is_valid_file: tells which paths count, instead of `extensions`.
        allow_empty: whether classes may have no file.

    Raises:
        ValueError: both or neither of `extensions` and `is_valid_file`, or no class.
        FileNotFoundError: a class without a file.

    >>> import os, tempfile
    >>> from flambeau.vision.datasets.folder import make_dataset
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     os.makedirs(os.path.join(folder, "cat"))
    ...     open(os.path.join(folder, "cat", "a.png"), "w").close()
    ...     [(os.path.relpath(path, folder), n) for path, n in make_dataset(folder, extensions=".png")]
    [('cat/a.png', 0)]
    """
    directory = os.path.expanduser(directory)
    if class_to_idx is None:
        class_to_idx = find_classes(directory)[1]
    elif not class_to_idx:
        raise ValueError("'class_to_index' must have at least one entry to collect any samples.")
    if (extensions is None) == (is_valid_file is None):
        raise ValueError("Both extensions and is_valid_file cannot be None or not None at the same time")
    valid = is_valid_file or (lambda path: has_file_allowed_extension(path, extensions or ()))
    found: list[tuple[str, int]] = []
    empty = []
    for name in sorted(class_to_idx):
        files = [path for path in _walk(os.path.join(directory, name)) if valid(path)]
        found += [(path, class_to_idx[name]) for path in files]
        if not files:
            empty.append(name)
    if empty and not allow_empty:
        supported = extensions if isinstance(extensions, str) else ", ".join(extensions or ())
        raise FileNotFoundError(
            f"Found no valid file for the classes {', '.join(empty)}."
            + (f" Supported extensions are: {supported}" if extensions is not None else "")
        )
    return found


def _walk(folder: str) -> list[str]:
    """All files below a folder, sorted folder by folder."""
    return [
        os.path.join(root, name)
        for root, _, names in sorted(os.walk(folder, followlinks=True))
        for name in sorted(names)
    ]


def pil_loader(path: Path) -> Any:
    """The picture in a file, in "RGB".

    >>> import os, tempfile
    >>> from PIL import Image
    >>> from flambeau.vision.datasets.folder import pil_loader
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("L", (2, 1)).save(os.path.join(folder, "a.png"))
    ...     pil_loader(os.path.join(folder, "a.png")).mode
    'RGB'
    """
    with open(path, "rb") as file:
        return pillow().open(file).convert("RGB")


default_loader = pil_loader


class DatasetFolder(VisionDataset):
    """Items in files, in a folder for each class: root/class/…/file.

    Args:
        root: the folder of the folders.
        loader: a function that reads a file.
        extensions: how the names of files end.
        transform: a function of the item.
        target_transform: a function of the number of the class.
        is_valid_file: tells which paths count, instead of `extensions`.
        allow_empty: whether classes may have no file.

    Raises:
        ValueError, FileNotFoundError: see `make_dataset`.

    >>> from flambeau.vision.datasets import DatasetFolder
    >>> DatasetFolder("no folder", open, ".txt")
    Traceback (most recent call last):
    FileNotFoundError: ...
    """

    def __init__(
        self,
        root: Path,
        loader: Callable[[str], Any],
        extensions: str | tuple[str, ...] | None = None,
        transform: Transform = None,
        target_transform: Transform = None,
        is_valid_file: Valid | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.classes, self.class_to_idx = self.find_classes(self.root)
        self.samples = self.make_dataset(
            self.root, self.class_to_idx, extensions, is_valid_file, allow_empty=allow_empty
        )
        self.targets = [label for _, label in self.samples]
        self.loader = loader
        self.extensions = extensions

    make_dataset = staticmethod(make_dataset)

    def find_classes(self, directory: Path) -> tuple[list[str], dict[str, int]]:
        """The names of the classes, and their numbers: a subclass may have its own."""
        return find_classes(directory)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self._transformed(self.loader(path), target)

    def __len__(self) -> int:
        return len(self.samples)


class ImageFolder(DatasetFolder):
    """Pictures in a folder for each class: root/class/…/name.png.

    Args:
        root: the folder of the folders.
        transform: a function of the picture ("RGB").
        target_transform: a function of the number of the class.
        loader: a function that reads a file.
        is_valid_file: tells which paths count, by default those of pictures (`IMG_EXTENSIONS`).
        allow_empty: whether classes may have no picture.

    Raises:
        FileNotFoundError: no folder, no class, or a class without a picture.

    >>> import os, tempfile
    >>> from PIL import Image
    >>> from flambeau.vision.datasets import ImageFolder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     os.makedirs(os.path.join(folder, "cat"))
    ...     Image.new("RGB", (4, 3)).save(os.path.join(folder, "cat", "a.png"))
    ...     data = ImageFolder(folder)
    ...     data.classes, len(data), data[0][0].size, data[0][1]
    (['cat'], 1, (4, 3), 0)
    """

    def __init__(
        self,
        root: Path,
        transform: Transform = None,
        target_transform: Transform = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Valid | None = None,
        allow_empty: bool = False,
    ) -> None:
        extensions = IMG_EXTENSIONS if is_valid_file is None else None
        super().__init__(root, loader, extensions, transform, target_transform, is_valid_file, allow_empty)
        self.imgs = self.samples
