"""The sum of parts of a long sum."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from ...core.dtype import dtype
from ...core.node import numel
from ...runtime.kernels import kernel
from ...runtime.target import host
from ..calls import Array, Plan
from . import conv_lanes as lane
from .emit import STORED, Function, vector

_CHUNK = 1024  # elements in a task


def plan_sum(plan: Plan, parts: Array, out: Array) -> None:
    """Adds the call for out = the sum of `parts` along the first dimension, in order; both are contiguous."""
    d, n = out.dtype, numel(out.shape)
    code = kernel("conv_sum", d.name, lambda m: _emit(m, d), True)
    plan.call(code, [parts.address, out.address, parts.shape[0], n], -(-n // _CHUNK), 8)


def _emit(module: Any, d: dtype) -> None:
    f = Function(module, "conv_sum")
    b, lanes = f.b, host().lanes(d.itemsize)
    parts, out = f.pointer(0, STORED[d]), f.pointer(1, STORED[d])
    count, n = f.word(2), f.word(3)
    zero = ir.Constant(vector(STORED[d], lanes), None)
    with f.loop(
        b.mul(f.begin, ir.Constant(n.type, _CHUNK)),
        f.minimum(b.mul(f.end, ir.Constant(n.type, _CHUNK)), n),
        lanes,
    ) as i:
        mask = lane.first(f, b.sub(n, i), lanes)
        with f.carry(0, count, 1, [zero], name="part") as c:
            c.next = [b.fadd(c.values[0], lane.load(f, f.at(parts, b.add(b.mul(c.i, n), i)), mask))]
        lane.store(f, c.values[0], f.at(out, i), mask)
    f.finish()
