"""Packing the smaller operand of a convolution's contraction: panels of columns, contiguous along n."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...core.dtype import dtype
from ...runtime.calls import Word
from ...runtime.kernels import Kernel, kernel
from ...runtime.target import host
from ..calls import Array, Plan
from . import conv_lanes as lane
from .conv_sweep import Moved, Sweep
from .emit import STORED, Function, i64

_CHUNK = 256  # k in a task


class Source(NamedTuple):
    """What to pack: element (group, outer, inner, k, n) lies at the sum of its strides, in elements, in
    `array`. One of the strides of k and n is 1."""

    array: Array
    group: int
    outer: int
    inner: int
    k: int
    n: int


def packed_array(
    memory: Plan | Sweep, d: dtype, groups: int, outers: int, inners: int, k: int, n: int, vectors: int
) -> Array:
    """Memory for packed elements: [group][outer][panel][inner][k][column], with panels of `vectors`
    vectors."""
    width = vectors * host().lanes(d.itemsize)
    shape = (groups, outers, -(-n // width), inners, k, width)
    return memory.memory(shape, d) if isinstance(memory, Sweep) else memory.array(shape, d)


def plan_pack(plan: Plan, source: Source, packed: Array, n: int) -> None:
    """Adds the call that packs elements; what lies beyond column n - 1 is arbitrary."""
    plan.call(*_pack(source, source.array.address, packed, n))


def pack_step(sweep: Sweep, source: Source, place: Moved, packed: Array, n: int) -> None:
    """The same as a step of a sweep, whose items lie at `place`."""
    sweep.add(*_pack(source, place, packed, n))


def _pack(source: Source, place: Word | Moved, packed: Array, n: int) -> tuple[Kernel, Any, int, int]:
    """The kernel that packs, its words, its tasks and their grain."""
    d = packed.dtype
    groups, outers, panels, inners, k, width = packed.shape
    chunks, straight = -(-k // _CHUNK), source.n == 1
    words = [
        place, packed.address, k, n, source.group, source.outer, source.inner,
        source.k if straight else source.n, outers, panels, inners, chunks, width,
    ]  # fmt: skip
    code = kernel("conv_pack", (d.name, straight), lambda m: _emit(m, d, straight), True)
    grain = 1 + (1 << 13) // (min(k, _CHUNK) * width)
    return code, words, groups * outers * panels * inners * chunks, grain


def _emit(module: Any, d: dtype, straight: bool) -> None:
    f = Function(module, "conv_pack")
    b, lanes = f.b, host().lanes(d.itemsize)
    src, dst = f.pointer(0, STORED[d]), f.pointer(1, STORED[d])
    k, n, by_group, by_outer, by_inner, step = (f.word(i) for i in range(2, 8))
    outers, panels, inners, chunks, width = (f.word(i) for i in range(8, 13))
    # What the next task reads is far from what this one does, so that the processor wouldn't foresee it.
    ahead = b.select(b.icmp_signed(">", inners, i64(1)), by_inner, i64(_CHUNK))
    last = b.sub(n, i64(1))
    with f.loop(f.begin, f.end, name="task") as t:
        above, chunk = b.sdiv(t, chunks), b.srem(t, chunks)
        target = f.at(dst, b.mul(b.mul(above, k), width))
        above, inner = b.sdiv(above, inners), b.srem(above, inners)
        above, panel = b.sdiv(above, panels), b.srem(above, panels)
        group, outer = b.sdiv(above, outers), b.srem(above, outers)
        start = b.add(b.mul(group, by_group), b.add(b.mul(outer, by_outer), b.mul(inner, by_inner)))
        source, k0 = f.at(src, start), b.mul(chunk, i64(_CHUNK))
        k1 = f.minimum(b.add(k0, i64(_CHUNK)), k)
        with f.loop(0, width, lanes, name="vector") as v:
            n0, here = b.add(b.mul(panel, width), v), f.at(target, v)
            if straight:
                _copy(f, f.at(source, n0), step, lane.between(f, n0, n, lanes), here, k0, k1, width)
            else:
                places = [f.minimum(b.add(n0, i64(i)), last) for i in range(lanes)]
                columns = [f.at(source, b.mul(place, step)) for place in places]
                for c in columns:
                    lane.prefetch(f, f.at(c, b.add(k0, ahead)))
                _turn(f, columns, here, k0, k1, width)
    f.finish()


def _copy(f: Function, src: Any, step: Any, mask: Any, dst: Any, k0: Any, k1: Any, width: Any) -> None:
    """Packs one vector of columns that are next to each other."""
    b = f.b
    with f.loop(k0, k1, name="k") as k:
        row = lane.load(f, f.at(src, b.mul(k, step)), mask)
        f.store(row, f.at(dst, b.mul(k, width), row.type), 16)


def _turn(f: Function, columns: list[Any], dst: Any, k0: Any, k1: Any, width: Any) -> None:
    """Packs one vector of columns, each of which is contiguous along k, by turning squares in registers."""
    b, lanes = f.b, len(columns)
    with f.loop(k0, k1, lanes, name="k") as k:
        left = b.sub(k1, k)
        mask = lane.first(f, left, lanes)
        rows = lane.turned(f, [lane.load(f, f.at(c, k), mask) for c in columns])
        place = f.at(dst, b.mul(k, width))
        for i, row in enumerate(rows):
            with f.when(b.icmp_signed("<", i64(i), left)):
                f.store(row, f.at(place, b.mul(width, i64(i)), row.type), 16)
