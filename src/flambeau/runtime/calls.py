"""Calls of kernels: what native code walks."""

from __future__ import annotations

from typing import NamedTuple

from .kernels import Kernel


class Address(NamedTuple):
    """`offset` bytes after the start of a buffer; a word of a call that is filled in when the program
    runs."""

    buffer: int
    offset: int = 0


Word = int | Address | Kernel  # a kernel: where its code is


class Call(NamedTuple):
    """One run of a kernel over `tasks` tasks. No thread is given fewer than `grain` of them (a call with less
    than two grains runs on one thread)."""

    kernel: Kernel
    words: tuple[Word, ...]
    tasks: int
    grain: int
