"""Unpacking: no file of an archive gets out of its folder."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import pathlib
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from typing import IO, Any

from .checks import Path

__all__ = ["extract_archive"]

_OPENERS: dict[str, Callable[..., Any]] = {".bz2": bz2.open, ".gz": gzip.open, ".xz": lzma.open}
_ALIASES = {".tbz": (".tar", ".bz2"), ".tbz2": (".tar", ".bz2"), ".tgz": (".tar", ".gz")}
_ARCHIVES = (".tar", ".zip")

Entry = tuple[str, bool, Callable[[], IO[bytes]]]
"""A name, whether it is a folder, and what opens it."""


def _kind(file: Path) -> tuple[str, str | None, str | None]:
    """The suffix, the archive's type and the compression, by a file's name."""
    suffixes = pathlib.Path(file).suffixes
    if not suffixes:
        raise RuntimeError(
            f"extract_archive: File '{file}' has no suffixes that could be used to detect the archive type "
            "and compression."
        )
    last = suffixes[-1]
    if last in _ALIASES:
        return (last, *_ALIASES[last])
    if last in _ARCHIVES:
        return last, last, None
    if last in _OPENERS:
        inner = suffixes[-2] if len(suffixes) > 1 and suffixes[-2] in _ARCHIVES else None
        return (inner or "") + last, inner, last
    known = sorted({*_ALIASES, *_ARCHIVES, *_OPENERS})
    raise RuntimeError(
        f"extract_archive: Unknown compression or archive type: '{last}'. Known suffixes are: {known}."
    )


def extract_archive(from_path: Path, to_path: Path | None = None, remove_finished: bool = False) -> Path:
    """Unpacks a tar or zip archive, or a compressed file, by its suffix.

    Args:
        from_path: the archive (.tar, .tar.gz, .tgz, .tar.bz2, .tar.xz, .zip) or file (.gz, .bz2, .xz).
        to_path: the folder for what is in it, by default its own.
        remove_finished: whether to remove the archive after that.

    Returns:
        The folder, or the unpacked file.

    Raises:
        RuntimeError: an unknown suffix, a damaged archive, or an entry that leads out of the folder, is a
            link, or is no file.

    >>> import gzip, os, pathlib, tempfile
    >>> from flambeau.vision.datasets.utils import extract_archive
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with gzip.open(os.path.join(folder, "a.txt.gz"), "wt") as file:
    ...         _ = file.write("data")
    ...     pathlib.Path(extract_archive(os.path.join(folder, "a.txt.gz"))).read_text()
    'data'
    """
    folder = os.path.dirname(os.fspath(from_path)) if to_path is None else os.fspath(to_path)
    suffix, archive, compression = _kind(from_path)
    try:
        if archive is None:
            name = os.path.basename(os.fspath(from_path)).removesuffix(suffix)
            target = os.path.join(folder, name)
            _write(lambda: _OPENERS[compression or ""](from_path, "rb"), target)
        else:
            target = folder
            _unpack(_tar(from_path) if archive == ".tar" else _zip(from_path, compression), folder)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise RuntimeError(f"extract_archive: {from_path} is damaged: {error}") from error
    if remove_finished:
        os.remove(from_path)
    return target if isinstance(from_path, str) else pathlib.Path(target)


def _write(opened: Callable[[], Any], target: str) -> None:
    """A file with the content of another; it appears when it is whole."""
    part = f"{target}.part"
    with opened() as source, open(part, "wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
    os.replace(part, target)


def _unpack(entries: Iterator[Entry], folder: str) -> None:
    root = os.path.realpath(folder)
    for name, is_folder, opened in entries:
        target = os.path.realpath(os.path.join(root, name))
        drive = os.path.splitdrive(name)[0]
        if drive or os.path.isabs(name) or os.path.commonpath([root, target]) != root:
            raise RuntimeError(f"extract_archive: the entry {name!r} leads out of the folder {folder}")
        os.makedirs(target if is_folder else os.path.dirname(target), exist_ok=True)
        if not is_folder:
            _write(opened, target)


def _tar(path: Path) -> Iterator[Entry]:
    with tarfile.open(path, "r:*") as archive:
        for member in archive:
            if not (member.isdir() or member.isreg()):
                raise RuntimeError(
                    f"extract_archive: the entry {member.name!r} of {path} is a link or a device; unpack it "
                    "yourself, if you trust it"
                )
            yield member.name, member.isdir(), lambda m=member: archive.extractfile(m)  # type: ignore[misc]


def _zip(path: Path, compression: str | None) -> Iterator[Entry]:
    opener = _OPENERS[compression] if compression else open
    with opener(path, "rb") as file, zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if stat.S_ISLNK(info.external_attr >> 16):
                raise RuntimeError(
                    f"extract_archive: the entry {info.filename!r} of {path} is a link; unpack it yourself, "
                    "if you trust it"
                )
            yield info.filename, info.is_dir(), lambda i=info: archive.open(i)  # type: ignore[misc]
