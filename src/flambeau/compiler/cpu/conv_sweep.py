"""Kernels run one after another for each item, such as an image: pad it, then convolve it. Each item is done
by one thread, from start to end, so that what one kernel hands to the next stays in that core's cache, and a
convolution is one call.

Where items are too few to be shared out evenly, each kernel is a call of its own, for all items.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir

from ...core.dtype import dtype
from ...core.node import numel
from ...runtime.calls import Address, Word
from ...runtime.kernels import Kernel, kernel
from ..calls import Array, Plan, strides_of
from .emit import I64, Function, i64

MOST_WORDS = 128  # of a kernel in a sweep


class Moved(NamedTuple):
    """A word that depends on the item: how much is added for each outer, inner and repeated one."""

    word: Word
    outer: int = 0
    inner: int = 0
    repeat: int = 0


Words = list[Word | Moved]


def moved(x: Array, outer: int, inner: int = 0, repeat: int = 0) -> Moved:
    """The place of x, whose items are so many elements apart."""
    size = x.dtype.itemsize
    return Moved(x.address, outer * size, inner * size, repeat * size)


class Sweep:
    """Kernels for `outers` * `inners` items. An item may consist of `repeats` parts that are done one after
    the other; `parts` counts them all, so that the last outer item may have fewer.

    If `alone`, an item is a task, and the kernels' words speak of one item (of one part); otherwise of all.
    """

    def __init__(
        self, plan: Plan, outers: int, inners: int = 1, repeats: int = 1, parts: int = 0, alone: bool = True
    ) -> None:
        self.plan, self.alone, self.tasks = plan, alone, outers * inners
        self.head: Words = [0, inners, repeats, parts or outers * repeats]
        self.own: dict[int, int] = {}  # buffers of which each thread has its own, and how far apart they are
        self.steps: list[tuple[Kernel, Words, int, int]] = []

    def memory(self, shape: tuple[int, ...], d: dtype, slack: int = 0) -> Array:
        """Room for what one step hands to the next: of the shape that the words speak of."""
        nbytes = -(-(numel(shape) * d.itemsize + slack) // 64) * 64
        buffer = self.plan.scratch(nbytes * (self.plan.threads if self.alone else 1))
        if self.alone:
            self.own[buffer] = nbytes
        return Array(buffer, 0, shape, strides_of(shape), d)

    def add(self, code: Kernel, words: Words, tasks: int, grain: int = 1) -> None:
        """Adds a step."""
        if tasks > 0:
            self.steps.append((code, words, tasks, grain))

    def end(self, grain: int = 1) -> None:
        """Adds the calls; `grain` counts items."""
        if not self.alone or (self.tasks == 1 and self.head[2:] == [1, 1]):
            for code, words, tasks, size in self.steps:
                self.plan.call(code, [w.word if isinstance(w, Moved) else w for w in words], tasks, size)
            return
        flat: list[Word] = [len(self.steps), *self.head[1:]]  # type: ignore[list-item]
        for code, words, tasks, _ in self.steps:
            assert len(words) <= MOST_WORDS
            moves = [m for i, w in enumerate(words) if (m := self._move(i, w))]
            base = [w.word if isinstance(w, Moved) else w for w in words]
            flat += [code, len(words), tasks, len(moves), *base, *(n for m in moves for n in m)]
        self.plan.call(kernel("conv_sweep", 0, _emit, True), flat, self.tasks, grain)

    def _move(self, number: int, w: Word | Moved) -> tuple[int, ...] | None:
        outer, inner, repeat = w[1:] if isinstance(w, Moved) else (0, 0, 0)
        word = w.word if isinstance(w, Moved) else w
        own = self.own.get(word.buffer, 0) if isinstance(word, Address) else 0
        return (number, outer, inner, repeat, own) if outer or inner or repeat or own else None


def _emit(module: Any) -> None:
    """Words: the number of steps, inner items, repeats and parts, then for each step the kernel, the numbers
    of its words, its tasks and its moves, its words, and for each move the word's number and what is added
    for each outer, inner and repeated item and for each thread."""
    f = Function(module, "conv_sweep")
    b, local = f.b, f.local(I64, MOST_WORDS)
    count, inners, repeats, parts = (f.word(i) for i in range(4))
    kind = ir.FunctionType(ir.VoidType(), [I64.as_pointer(), I64, I64, I64]).as_pointer()
    with f.loop(f.begin, f.end, name="item") as t:
        outer, inner = b.sdiv(t, inners), b.srem(t, inners)
        rounds = f.minimum(repeats, b.sub(parts, b.mul(outer, repeats)))
        with (
            f.loop(0, rounds, name="repeat") as repeat,
            f.carry(0, count, 1, [f.at(f.words, i64(4))], name="step") as step,
        ):
            (place,) = step.values
            code, n, tasks, moves = (f.load(f.at(place, i64(i)), 8) for i in range(4))
            words = f.at(place, i64(4))
            with f.loop(0, n, name="word") as i:
                f.store(f.load(f.at(words, i), 8), f.at(local, i), 8)
            table = f.at(words, n)
            with f.loop(0, moves, name="move") as i:
                number, *steps = (f.load(f.at(table, b.add(b.mul(i, i64(5)), i64(k))), 8) for k in range(5))
                target = f.at(local, number)
                total = f.load(target, 8)
                for by, item in zip(steps, (outer, inner, repeat, f.thread), strict=True):
                    total = b.add(total, b.mul(by, item))
                f.store(total, target, 8)
            b.call(b.inttoptr(code, kind), [local, i64(0), tasks, f.thread])
            step.next = [f.at(table, b.mul(moves, i64(5)))]
    f.finish()
