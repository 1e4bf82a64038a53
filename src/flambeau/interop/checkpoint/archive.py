"""Zip archives as checkpoints are: records that are not compressed, each at an aligned place of the file."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from .settings import get_crc32_options

ALIGNMENT = 64
LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
END64, LOCATOR = b"PK\x06\x06", b"PK\x06\x07"
_LOCAL = struct.Struct("<4s5H3I2H")  # version, flags, method, time, date, crc, two sizes, two lengths
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_MOST16, _MOST32 = 0xFFFF, 0xFFFFFFFF
_UTF8 = 1 << 11
_DATE = 1 << 5 | 1  # the first day of 1980: equal contents give equal files


class Record(NamedTuple):
    """Where a record's bytes lie, how many there are, and their checksum."""

    start: int
    size: int
    checksum: int
    header: int


# ----- Writing -----


class Writer:
    """Writes records into a file, one after the other; `finish` makes it an archive."""

    def __init__(self, file: BinaryIO, folder: str) -> None:
        self.file, self.folder = file, folder
        self.place = 0
        self.entries: list[tuple[bytes, Record]] = []

    def add(self, name: str, data: bytes | np.ndarray) -> None:
        """Writes a record."""
        content: Any = data if isinstance(data, bytes) else data.reshape(-1).view(np.uint8).data
        full, size = f"{self.folder}/{name}".encode(), len(content)
        checksum = zlib.crc32(content) if get_crc32_options() else 0
        extra = b"" if size < _MOST32 else struct.pack("<2H2Q", 1, 16, size, size)
        short = min(size, _MOST32)
        start = self.place + _LOCAL.size + len(full) + len(extra) + 4
        padding = -start % ALIGNMENT
        extra += struct.pack("<2H", 0x4246, padding) + b"Z" * padding
        sizes = (checksum, short, short, len(full), len(extra))
        header = _LOCAL.pack(LOCAL, 45 if size >= _MOST32 else 20, _UTF8, 0, 0, _DATE, *sizes)
        self.entries.append((full, Record(start + padding, size, checksum, self.place)))
        for part in (header, full, extra, content):
            self.file.write(part)
        self.place = start + padding + size

    def finish(self) -> None:
        """Writes the table of contents."""
        table = self.place
        for name, record in self.entries:
            self._write(_central(name, record))
        count, size = len(self.entries), self.place - table
        if count >= _MOST16 or size >= _MOST32 or table >= _MOST32:
            end = self.place
            self._write(_END64.pack(END64, _END64.size - 12, 45, 45, 0, 0, count, count, size, table))
            self._write(_LOCATOR.pack(LOCATOR, 0, end, 1))
        few = min(count, _MOST16)
        self._write(_END.pack(END, 0, 0, few, few, min(size, _MOST32), min(table, _MOST32), 0))

    def _write(self, data: bytes) -> None:
        self.file.write(data)
        self.place += len(data)


def _central(name: bytes, record: Record) -> bytes:
    """A record's entry in the table of contents; numbers that don't fit stand in its extra field."""
    large = [x for x in (record.size, record.size, record.header) if x >= _MOST32]
    extra = struct.pack(f"<2H{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    short = [min(x, _MOST32) for x in (record.size, record.size)]
    version = 45 if large else 20
    numbers = (0, _DATE, record.checksum, *short, len(name), len(extra), 0, 0, 0, 0)
    place = min(record.header, _MOST32)
    return _CENTRAL.pack(CENTRAL, version, version, _UTF8, 0, *numbers, place) + name + extra


# ----- Reading -----


class Damaged(RuntimeError):
    """The file is no whole archive, or no checkpoint."""


class Archive:
    """The records of an archive, by name without the folder that they all lie in.

    What the file says is checked before it is believed: places lie within the file, records don't overlap,
    nothing is compressed; so no more memory is used than the file is long.
    """

    def __init__(self, file: BinaryIO, mapped: np.ndarray | None = None) -> None:
        self.file, self.mapped = file, mapped
        self.length = file.seek(0, os.SEEK_END)
        count, size, table = self._end()
        names = dict(self._entries(self._bytes(table, size, "the table of contents"), count))
        places = sorted((r.header, r.start + r.size) for r in names.values())
        for (_, end), (start, _) in pairwise([*places, (table, table)]):
            if end > start:
                raise Damaged("records overlap")
        folders = {name.split("/")[0] for name in names}
        if len(folders) != 1 or any("/" not in name for name in names):
            raise Damaged(f"records lie in {len(folders)} folders instead of one")
        (self.folder,) = folders
        self.records = {name[len(self.folder) + 1 :]: record for name, record in names.items()}

    def _bytes(self, start: int, size: int, what: str) -> bytes:
        if start < 0 or start + size > self.length:
            raise Damaged(f"{what} would end at byte {start + size} of {self.length}")
        self.file.seek(start)
        data = self.file.read(size)
        if len(data) != size:
            raise Damaged(f"{what} could not be read: got {len(data)} bytes of {size}")
        return data

    def _end(self) -> tuple[int, int, int]:
        """The number of records, and the size and the place of their table."""
        tail = self._bytes(
            max(0, self.length - _END.size - _MOST16), min(self.length, _END.size + _MOST16), ""
        )
        at = tail.rfind(END)
        if at < 0 or len(tail) - at < _END.size:
            raise Damaged("its end is missing: it is not whole")
        *_, count, size, table, comment = _END.unpack_from(tail, at)
        if at + _END.size + comment != len(tail):
            raise Damaged("bytes follow its end")
        place = self.length - len(tail) + at - _LOCATOR.size
        if place >= 0:
            sign, _, end, _ = _LOCATOR.unpack(self._bytes(place, _LOCATOR.size, ""))
            if sign == LOCATOR:
                numbers = _END64.unpack(self._bytes(end, _END64.size, "the long end"))
                if numbers[0] != END64:
                    raise Damaged("its long end is not where it should be")
                count, size, table = numbers[-3:]
        return count, size, table

    def _entries(self, table: bytes, count: int) -> Iterator[tuple[str, Record]]:
        at, seen = 0, set()
        for _ in range(count):
            if at + _CENTRAL.size > len(table):
                raise Damaged(f"its table of contents has fewer than the {count} entries that it should have")
            sign, _, _, flags, method, _, _, checksum, *rest = _CENTRAL.unpack_from(table, at)
            packed, size, length, extra, comment, _, _, _, header = rest
            at += _CENTRAL.size
            raw = table[at : at + length]
            fields = table[at + length : at + length + extra]
            at += length + extra + comment
            if sign != CENTRAL or at > len(table):
                raise Damaged("its table of contents is damaged")
            name = _checked_name(raw)
            if name in seen:
                raise Damaged(f"it has two records {name!r}")
            seen.add(name)
            if method or packed != size or flags & 1:
                raise Damaged(f"record {name!r} is compressed or encrypted; write it again without")
            size, header = _long(fields, size, packed, header)
            yield name, Record(self._start(name, header, size), size, checksum, header)

    def _start(self, name: str, header: int, size: int) -> int:
        """Where a record's bytes begin."""
        sign, *_, length, extra = _LOCAL.unpack(self._bytes(header, _LOCAL.size, f"record {name!r}"))
        start: int = header + _LOCAL.size + length + extra
        if sign != LOCAL:
            raise Damaged(f"record {name!r} is not where it should be")
        if start + size > self.length:
            raise Damaged(f"record {name!r} would end at byte {start + size} of {self.length}")
        return start

    def __contains__(self, name: str) -> bool:
        return name in self.records

    def size(self, name: str) -> int:
        """How many bytes a record has; Damaged if there is none."""
        if name not in self.records:
            raise Damaged(f"record {name!r} is missing")
        return self.records[name].size

    def read(self, name: str) -> bytes:
        """The bytes of a record."""
        size, record = self.size(name), self.records[name]
        data = self._bytes(record.start, size, f"record {name!r}")
        self._check(name, zlib.crc32(data))
        return data

    def read_into(self, name: str, array: np.ndarray) -> None:
        """Fills an array, which is as large as the record."""
        record = self.records[name]
        octets = array.reshape(-1).view(np.uint8)
        self.file.seek(record.start)
        view, done = octets.data, 0
        while done < record.size:
            count = _read_into(self.file, view[done:])
            if not count:
                raise Damaged(f"record {name!r} could not be read: got {done} bytes of {record.size}")
            done += count
        self._check(name, zlib.crc32(view))

    def part(self, name: str) -> np.ndarray | None:
        """The record in the mapped file; None if that isn't mapped."""
        record = self.records[name]
        return None if self.mapped is None else self.mapped[record.start : record.start + record.size]

    def _check(self, name: str, checksum: int) -> None:
        if get_crc32_options() and checksum != self.records[name].checksum:
            raise Damaged(
                f"record {name!r} is damaged: its checksum is {checksum:08x} instead of "
                f"{self.records[name].checksum:08x} (if the file was written without checksums, call "
                "torch.serialization.set_crc32_options(False))"
            )


def _read_into(file: Any, view: memoryview) -> int:
    """Reads what the file gives at once; how many bytes that were."""
    if hasattr(file, "readinto"):
        return int(file.readinto(view))
    data = file.read(len(view))
    view[: len(data)] = data
    return len(data)


def _checked_name(raw: bytes) -> str:
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        raise Damaged(f"the name of a record, {raw!r}, is no text") from None
    if "\\" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise Damaged(f"a record is named {name!r}, which is no place within the archive")
    return name


def _long(fields: bytes, size: int, packed: int, header: int) -> tuple[int, int]:
    """The size and the place of a record, which may stand in its extra fields."""
    at = 0
    while at + 4 <= len(fields):
        kind, length = struct.unpack_from("<2H", fields, at)
        if kind == 1:
            words = fields[at + 4 : at + 4 + length]
            numbers = iter(struct.unpack(f"<{len(words) // 8}Q", words[: len(words) // 8 * 8]))
            size, packed, header = (next(numbers, x) if x == _MOST32 else x for x in (size, packed, header))
            break
        at += 4 + length
    return size, header
