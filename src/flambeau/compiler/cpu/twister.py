"""The Mersenne Twister in native code: many words at a time.

The state is NumPy's own, in place: 624 words and how many of them are used up. Word k of the stream depends
on words k - 624, k - 623 and k - 227, all more than a vector away from it: a vector of them is made at once.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from ...runtime.target import host
from .emit import I32, I64, Function, i64, vector

WORDS = 624
_LATER = 397  # in the state, the third word lies this much after the one it makes
_SPARE = 16  # words at the end of arrays, for vectors that reach over it
_UPPER, _LOWER, _MATRIX = 0x80000000, 0x7FFFFFFF, 0x9908B0DF


class Words:
    """The stream of words inside of a kernel; `close` writes the state back after the last of them."""

    def __init__(self, f: Function, state: Any) -> None:
        self.f, self.state, self.lanes = f, state, host().lanes(4)
        self.kind = vector(I32, self.lanes)
        self.key, self.used = f.local(I32, WORDS + _SPARE), f.local(I64)
        self._copy(self.key, state)
        used = f.b.load(f.at(state, i64(WORDS)))
        f.b.store(f.b.zext(used, I64), self.used)

    def close(self) -> None:
        """Writes the state back."""
        f = self.f
        self._copy(self.state, self.key)
        f.b.store(f.b.trunc(f.b.load(self.used), I32), f.at(self.state, i64(WORDS)))

    def fill(self, out: Any, count: Any) -> None:
        """Puts the next `count` words into `out`, which has room for a vector more."""
        f, b = self.f, self.f.b
        used = b.load(self.used)
        used = b.select(b.icmp_signed("==", used, i64(WORDS)), i64(0), used)
        rounds = b.sdiv(b.add(b.add(used, count), i64(WORDS - 1)), i64(WORDS))
        with f.carry(0, rounds, 1, [out, count], name="round") as carried:
            place, left = carried.values
            with f.when(b.icmp_signed("==", b.load(self.used), i64(WORDS))):
                self._twist()
                b.store(i64(0), self.used)
            first = b.load(self.used)
            n = f.minimum(b.sub(i64(WORDS), first), left)
            with f.loop(0, n, self.lanes, name="word") as i:
                word = self._temper(self._read(b.add(first, i)))
                f.store(word, f.at(place, i, self.kind), 4)
            b.store(b.add(first, n), self.used)
            carried.next = [f.at(place, n), b.sub(left, n)]

    def _copy(self, to: Any, source: Any) -> None:
        f = self.f
        with f.loop(0, WORDS, self.lanes, name="copy") as i:
            f.store(f.load(f.at(source, i, self.kind), 4), f.at(to, i, self.kind), 4)

    def _read(self, i: Any) -> Any:
        return self.f.load(self.f.at(self.key, i, self.kind), 4)

    def _twist(self) -> None:
        """The next 624 words over the last ones. The first of them also goes to the end, where it follows the
        last one in a vector."""
        lanes = self.lanes
        turn = -(-(WORDS - _LATER) // lanes) * lanes
        self._step(i64(0), _LATER)
        self.f.store(self._read(i64(0)), self.f.at(self.key, i64(WORDS), self.kind), 4)
        for start, stop, other in ((lanes, turn, _LATER), (turn, WORDS, _LATER - WORDS)):
            with self.f.loop(start, stop, lanes, name="twist") as i:
                self._step(i, other)

    def _step(self, i: Any, other: int) -> None:
        f, b = self.f, self.f.b
        this, following, third = (self._read(b.add(i, i64(k))) for k in (0, 1, other))
        mixed = b.or_(b.and_(this, self._all(_UPPER)), b.and_(following, self._all(_LOWER)))
        odd = b.neg(b.and_(following, self._all(1)))
        made = b.xor(third, b.xor(b.lshr(mixed, self._all(1)), b.and_(odd, self._all(_MATRIX))))
        f.store(made, f.at(self.key, i, self.kind), 4)

    def _temper(self, y: Any) -> Any:
        b = self.f.b
        y = b.xor(y, b.lshr(y, self._all(11)))
        y = b.xor(y, b.and_(b.shl(y, self._all(7)), self._all(0x9D2C5680)))
        y = b.xor(y, b.and_(b.shl(y, self._all(15)), self._all(0xEFC60000)))
        return b.xor(y, b.lshr(y, self._all(18)))

    def _all(self, number: int) -> ir.Constant:
        return ir.Constant(self.kind, [number] * self.lanes)
