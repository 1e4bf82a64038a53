"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def checked_path(what: str, path: str | os.PathLike[str]) -> str:
    """A path as text. IsADirectoryError for a folder, TypeError for what is no path."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{what}: expected a path, got {type(path).__name__}")
    text = os.fspath(path)
    if os.path.isdir(text):
        raise IsADirectoryError(f"{what}: {text} is a directory, not a file")
    return text


@contextmanager
def replacing(path: str) -> Iterator[str]:
    """The name of a temporary file beside `path`, which takes its place if the block ends well.

    The new file is on the disk before it gets the name, and has the old one's permissions.
    """
    path = os.path.realpath(path)  # a link stays a link
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"save: there is no folder {folder} to write {name} into; make it first")
    temporary = os.path.join(folder, f".{name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb"):
            pass
        mode = os.stat(path if os.path.exists(path) else temporary).st_mode
        yield temporary
        os.chmod(temporary, stat.S_IMODE(mode))
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
    _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    """Has the change of a name survive a loss of power, where the system lets folders be synced."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
