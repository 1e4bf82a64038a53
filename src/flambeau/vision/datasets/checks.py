"""Checksums of files, and checks of arguments."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from typing import Any

__all__ = ["calculate_md5", "check_integrity", "check_md5", "verify_str_arg"]

Path = str | os.PathLike[str]


def calculate_md5(fpath: Path, chunk_size: int = 1024 * 1024) -> str:
    """A file's MD5 checksum, in hexadecimal digits.

    >>> import os
    >>> from flambeau.vision.datasets.utils import calculate_md5
    >>> calculate_md5(os.devnull)
    'd41d8cd98f00b204e9800998ecf8427e'
    """
    digest = hashlib.md5(usedforsecurity=False)
    with open(fpath, "rb") as file:
        while block := file.read(chunk_size):
            digest.update(block)
    return digest.hexdigest()


def check_md5(fpath: Path, md5: str, **kwargs: Any) -> bool:
    """Whether a file has this checksum.

    >>> import os
    >>> from flambeau.vision.datasets.utils import check_md5
    >>> check_md5(os.devnull, "d41d8cd98f00b204e9800998ecf8427e")
    True
    """
    return md5 == calculate_md5(fpath, **kwargs)


def check_integrity(fpath: Path, md5: str | None = None) -> bool:
    """Whether there is such a file, and it has this checksum, if one is given.

    >>> from flambeau.vision.datasets.utils import check_integrity
    >>> check_integrity("no such file")
    False
    """
    return os.path.isfile(fpath) and (md5 is None or check_md5(fpath, md5))


def verify_str_arg(
    value: Any,
    arg: str | None = None,
    valid_values: Iterable[str] | None = None,
    custom_msg: str | None = None,
) -> str:
    """The value. ValueError if it is no text, or none of the valid ones.

    >>> from flambeau.vision.datasets.utils import verify_str_arg
    >>> verify_str_arg("train", "split", ("train", "test"))
    'train'
    """
    if not isinstance(value, str):
        named = f" for argument {arg}" if arg else ""
        raise ValueError(f"Expected type str{named}, but got type {type(value)}.")
    valid = None if valid_values is None else list(valid_values)
    if valid is not None and value not in valid:
        listed = "', '".join(valid)
        raise ValueError(
            custom_msg or f"Unknown value '{value}' for argument {arg}. Valid values are {{'{listed}'}}."
        )
    return value
