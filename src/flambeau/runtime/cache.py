"""Machine code on disk: what was compiled once is only linked by the next process.

An entry is a file whose name says what it was made from, down to the processor and the compiler's own source.
Whatever is wrong with the folder or an entry (missing, damaged, somebody else's, no room) makes it a miss,
never an error.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from .target import host

CAPACITY = 256 << 20  # bytes; the entries unused for longest are dropped beyond it
_MAGIC = b"flambeau kernel 1\n"
_PACKAGE = Path(__file__).resolve().parents[1]
_FOLDERS = tuple(f"{_PACKAGE / name}{os.sep}" for name in ("compiler", "runtime"))  # where code is emitted
_DAY = 86_400.0
_STARTED = time.time()


class Summary(NamedTuple):
    """What a cache folder holds."""

    folder: Path
    entries: int
    nbytes: int


def folder() -> Path | None:
    """Where entries are: FLAMBEAU_CACHE_DIR, or `flambeau/kernels` in the user's cache folder; None if
    FLAMBEAU_CACHE=0."""
    if os.environ.get("FLAMBEAU_CACHE", "") == "0":
        return None
    chosen = os.environ.get("FLAMBEAU_CACHE_DIR", "")
    if chosen:
        return Path(chosen)
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        return (base if base.is_absolute() else Path.home() / ".cache") / "flambeau" / "kernels"
    except RuntimeError:  # no home
        return None


def name(symbol: str, key: Any, emit: Any) -> str | None:
    """The entry of a kernel for this processor; None for a key that isn't the same in every process, and for
    kernels that aren't emitted by Flambeau itself: who knows when their source changes?"""
    code = getattr(getattr(emit, "func", emit), "__code__", None)
    if code is None or not code.co_filename.startswith(_FOLDERS):
        return None
    try:
        text = f"{symbol}\n{_canonical(key)}\n{_origin()}"
    except (TypeError, OSError):
        return None
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


def _canonical(key: Any) -> str:
    if isinstance(key, tuple):
        return f"{type(key).__name__}({','.join(map(_canonical, key))})"
    if key is None or type(key) in (bool, int, str, float):
        return repr(key)
    raise TypeError(f"{key!r} may be another in another process")


@cache
def _origin() -> str:
    """What code depends on besides its key: the processor, LLVM, and the source of the compiler. Raises
    OSError if that isn't known."""
    import llvmlite.binding as llvm

    target = host()
    files = sorted(file for folder in _FOLDERS for file in Path(folder).rglob("*.py"))
    found = [(str(f.relative_to(_PACKAGE)), f.stat()) for f in files]
    if any(status.st_mtime > _STARTED - 1 for _, status in found):
        raise OSError("the source was changed after it was loaded")
    sources = [(file, status.st_size, status.st_mtime_ns) for file, status in found]
    return (
        f"{llvm.llvm_version_info}\n{llvm.get_process_triple()}\n{target.cpu}\n{target.features}\n{sources}"
    )


def load(entry: str) -> bytes | None:
    """The code of an entry, if it is there and sound."""
    place = _trusted()
    if place is None:
        return None
    path = place / entry
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
        with open(handle, "rb") as file:
            status = os.fstat(handle)
            if not _ours(status):
                return None
            content = file.read()
        if status.st_mtime < time.time() - _DAY:
            os.utime(path)
    except OSError:
        return None
    code = content[len(_MAGIC) + 32 :]
    return code if content == _sealed(entry, code) else None


def store(entry: str, code: bytes) -> None:
    """Keeps code under an entry's name: for other processes it appears whole or not at all."""
    place = _trusted(create=True)
    if place is None:
        return
    try:
        handle, temporary = tempfile.mkstemp(prefix=f"{entry}.", suffix=".new", dir=place)
        try:
            with open(handle, "wb") as file:
                file.write(_sealed(entry, code))
            os.replace(temporary, place / entry)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError:
        return
    if entry.startswith("00"):  # every 256th new entry
        prune(CAPACITY)


def _sealed(entry: str, code: bytes) -> bytes:
    """The content of an entry's file."""
    return _MAGIC + hashlib.blake2b(entry.encode() + code, digest_size=32).digest() + code


def _ours(status: os.stat_result) -> bool:
    """Whether only this user can have written a file."""
    return not hasattr(os, "geteuid") or (status.st_uid == os.geteuid() and not status.st_mode & 0o022)


def _trusted(create: bool = False) -> Path | None:
    """The folder, if only this user can write in it."""
    place = folder()
    if place is None:
        return None
    try:
        if create:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = place.stat()
    except OSError:
        return None
    return place if stat.S_ISDIR(status.st_mode) and _ours(status) else None


def _entries(place: Path) -> list[tuple[float, int, str]]:
    """Time of last use, size and path of each file that the cache wrote."""
    found = []
    try:
        with os.scandir(place) as files:
            for file in files:
                base = file.name.split(".")[0]
                if len(base) == 40 and file.is_file(follow_symlinks=False):
                    status = file.stat(follow_symlinks=False)
                    found.append((status.st_mtime, status.st_size, file.path))
    except OSError:
        pass
    return found


def summary() -> Summary | None:
    """Entries and bytes of the cache; None if it is switched off."""
    place = folder()
    if place is None:
        return None
    found = _entries(place)
    return Summary(place, len(found), sum(size for _, size, _ in found))


def prune(capacity: int) -> int:
    """Deletes the entries unused for longest until at most `capacity` bytes are left (and what processes left
    unfinished). Returns the number of deleted bytes."""
    place = _trusted()
    if place is None:
        return 0
    found = sorted(_entries(place))
    total = sum(size for _, size, _ in found)
    deleted = 0
    for used, size, path in found:
        unfinished = path.endswith(".new") and used < time.time() - _DAY
        if total - deleted <= capacity and not unfinished:
            continue
        try:
            os.unlink(path)
            deleted += size
        except OSError:
            pass
    return deleted
