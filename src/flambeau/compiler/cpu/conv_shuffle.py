"""Phases, computed as if they were channels, brought into their places between each other."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from ...core.dtype import dtype
from ...runtime.kernels import kernel
from ...runtime.target import host
from ..calls import Array
from . import conv_lanes as lane
from .conv_finish import Ending, Writer
from .conv_sweep import Sweep, Words
from .emit import I64, STORED, Function, i64

_OWN = 13  # words before those of the results


class Shuffle(NamedTuple):
    """Where phases go: results (B, C, *S) of which a group has `channels` channels. For each of them there
    are prod(`strides`) phases, each of `extents` pixels: pixel j of phase q goes to j * stride + q."""

    ending: Ending
    channels: int
    strides: tuple[int, ...]
    extents: tuple[int, ...]

    def step(self, sweep: Sweep, phases: Array, images: int, groups: int) -> None:
        """Adds the step for items of so many images and groups. `phases` is (images, groups * channels *
        phases, *extents), contiguous."""
        out, d = self.ending.out, phases.dtype
        gap = 3 - len(self.strides)
        size, extents, strides = ((1,) * gap + tuple(n) for n in (out.shape[2:], self.extents, self.strides))
        volume, across = prod(extents), strides[2]
        form = min(across, 3)
        x = np.arange(size[2], dtype=np.int64)
        table: Any = 0
        if form == 3:
            places = (x % across * volume + x // across) * d.itemsize
            table = Array(sweep.plan.table(places), 0, (), (), d).address
        channels = groups * self.channels
        words: Words = [phases.address, table, *size, *extents, *strides, volume, channels]
        words += self.ending.words(out.strides[0], channels * out.strides[1], channels)
        key = (d.name, form, self.ending.key)
        code = kernel("conv_shuffle", key, lambda m: _emit(m, d, form, self.ending), True)
        sweep.add(code, words, images * channels * size[0] * size[1], 1 + (1 << 14) // size[2])


def _emit(module: Any, d: dtype, form: int, ending: Ending) -> None:
    """A task is a row of the result."""
    f, lanes = Function(module, "conv_shuffle"), host().lanes(d.itemsize)
    b = f.b
    source = f.pointer(0, STORED[d])
    size, extents, strides = ([f.word(2 + 3 * g + i) for i in range(3)] for g in range(3))
    volume, channels = f.word(11), f.word(12)
    writer = Writer(f, ending, _OWN, lanes)
    with f.loop(f.begin, f.end, name="row") as t:
        above, y = b.sdiv(t, size[1]), b.srem(t, size[1])
        plane, z = b.sdiv(above, size[0]), b.srem(above, size[0])
        phase = b.add(b.mul(plane, strides[0]), b.srem(z, strides[0]))
        phase = b.mul(b.add(b.mul(phase, strides[1]), b.srem(y, strides[1])), strides[2])
        row = b.add(b.mul(b.sdiv(z, strides[0]), extents[1]), b.sdiv(y, strides[1]))
        start = f.at(source, b.add(b.mul(phase, volume), b.mul(row, extents[2])))
        channel, target = b.srem(plane, channels), b.mul(t, size[2])

        def put(value: Any, x: Any) -> None:
            writer.store(value, b.add(target, x), channel, lane.first(f, b.sub(size[2], x), lanes))

        if form == 2:
            with f.loop(0, extents[2], lanes, name="x") as x:
                mask = lane.first(f, b.sub(extents[2], x), lanes)
                pair = [lane.load(f, f.at(start, b.add(x, p)), mask) for p in (i64(0), volume)]
                for i, value in enumerate(lane.turned(f, pair)):
                    put(value, b.add(b.mul(x, i64(2)), i64(i * lanes)))
        else:
            with f.loop(0, size[2], lanes, name="x") as x:
                mask = lane.first(f, b.sub(size[2], x), lanes)
                if form == 1:
                    put(lane.load(f, f.at(start, x), mask), x)
                else:
                    places = lane.load(f, f.at(f.pointer(1, I64), x), mask)
                    put(lane.gather(f, start, places, mask), x)
    f.finish()
