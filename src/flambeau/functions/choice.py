"""Choice between elements, limits, mixtures, and closeness."""

from __future__ import annotations

import math
from typing import Any

from ..core import dtype as dt
from ..core.tensor import Tensor
from ..ops import blend
from ..ops import pointwise as ops
from ..ops.creation import full
from ..ops.kinds import cast, floating, result_type
from ..ops.op import check_tensor
from .calling import deliver
from .pointwise import Number, Operand, _floating, _together


def where(
    condition: Tensor,
    input: Operand | None = None,
    other: Operand | None = None,
    *,
    out: Tensor | None = None,
) -> Any:
    """`input` where `condition`, else `other`, with broadcasting; with the condition alone, its nonzero
    positions as a tuple.

    >>> import flambeau as torch
    >>> torch.where(torch.tensor([True, False]), torch.tensor([1, 2]), 0)
    tensor([1, 0])
    """
    check_tensor("where", "condition", condition)
    if input is None and other is None:
        from .masking import nonzero

        return nonzero(condition, as_tuple=True)
    if condition._node.dtype not in (dt.bool_, dt.uint8):
        raise RuntimeError(
            f"where: expected condition to be a boolean tensor, but got a tensor with dtype {condition.dtype}"
        )
    if condition._node.dtype is dt.uint8:
        condition = cast(condition, dt.bool_)
    return deliver("where", choose(condition, input, other), out)


choose = ops.select  # `where` after the checks


def _where_method(self: Tensor, condition: Tensor, other: Operand) -> Tensor:
    """This tensor's elements where `condition`, else `other`'s."""
    return where(condition, self, other)


def clamp(input: Tensor, min: Any = None, max: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Limits to [min, max]; either may be missing, a number or a tensor. Where the limits cross, max wins;
    NaN stays.

    >>> import flambeau as torch
    >>> torch.clamp(torch.tensor([-2., 0., 2.]), -1, 1)
    tensor([-1.,  0.,  1.])
    """
    if min is None and max is None:
        raise RuntimeError("clamp: At least one of 'min' or 'max' must not be None")
    d = result_type("clamp", [v for v in (input, min, max) if v is not None])
    if d.is_complex or (d is dt.bool_ and min is not None and max is not None):
        raise NotImplementedError(f'clamp: "clamp_cpu" not implemented for dtype {d}; cast the input first')
    x = input if input._node.dtype is d else cast(input, d)
    if d.category == dt.FLOAT and _is_bound(min) and _is_bound(max):
        low, high = -math.inf if min is None else min, math.inf if max is None else max
        return deliver("clamp", blend.clamp(x, low, high), out)
    min, max = (full(v, (), d) if isinstance(v, float) and v != v else v for v in (min, max))
    if min is not None:
        x = choose(ops.lt(x, min) if not isinstance(min, Tensor) else ops.lt(x, min) | ops.isnan(min), min, x)
    if max is not None:
        x = choose(ops.gt(x, max) if not isinstance(max, Tensor) else ops.gt(x, max) | ops.isnan(max), max, x)
    return deliver("clamp", x if x._node.dtype is d else cast(x, d), out)


def _is_bound(x: Any) -> bool:
    """Whether a limit is a number other than NaN, or missing."""
    return x is None or (isinstance(x, (int, float)) and x == x)


clip = clamp


def clamp_min(input: Tensor, min: Any, *, out: Tensor | None = None) -> Tensor:
    """Limits from below.

    >>> import flambeau as torch
    >>> torch.clamp_min(torch.tensor([-1., 2.]), 0)
    tensor([0., 2.])
    """
    return clamp(input, min, out=out)


def clamp_max(input: Tensor, max: Any, *, out: Tensor | None = None) -> Tensor:
    """Limits from above.

    >>> import flambeau as torch
    >>> torch.clamp_max(torch.tensor([-1., 2.]), 0)
    tensor([-1.,  0.])
    """
    return clamp(input, None, max, out=out)


def logit(input: Tensor, eps: float | None = None, *, out: Tensor | None = None) -> Tensor:
    """log(x / (1 - x)), the inverse of sigmoid; with `eps`, x is first clamped to [eps, 1 - eps].

    >>> import flambeau as torch
    >>> torch.logit(torch.tensor([0.5]))
    tensor([0.])
    """
    x = check_tensor("logit", "input", input)
    if eps is not None:
        x = clamp(x.to(floating(x._node.dtype)), eps, 1 - eps)
    return deliver("logit", ops.logit(x), out)


def lerp(input: Tensor, end: Tensor, weight: Operand, *, out: Tensor | None = None) -> Tensor:
    """input + weight * (end - input), counted from the nearer end.

    >>> import flambeau as torch
    >>> torch.lerp(torch.tensor([0.]), torch.tensor([10.]), 0.25)
    tensor([2.5000])
    """
    xs = [x for x in (input, end, weight) if isinstance(x, Tensor)]
    for x in xs:
        if x._node.dtype is not input._node.dtype:
            raise RuntimeError(
                f"lerp: expected dtype {input.dtype} for `end` and `weight` but got dtype {x.dtype}; "
                f"convert it with .to()"
            )
    if input._node.dtype.category < dt.FLOAT:
        _floating("lerp", input)
    what = "lerp.Tensor" if isinstance(weight, Tensor) else "lerp"
    return deliver(what, blend.lerp(input, end, weight), out)


def addcmul(
    input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1, out: Tensor | None = None
) -> Tensor:
    """input + value * tensor1 * tensor2.

    >>> import flambeau as torch
    >>> torch.addcmul(torch.tensor([1.]), torch.tensor([2.]), torch.tensor([3.]), value=10)
    tensor([61.])
    """
    d = result_type("addcmul", (input, tensor1, tensor2))
    if d is dt.bool_:
        raise NotImplementedError(
            'addcmul: "addcmul_cpu" not implemented for dtype torch.bool; convert one to a number type'
        )
    x, a, b = _together(d, input, tensor1, tensor2)
    value = value if d.category >= dt.FLOAT else int(value.real)
    return deliver("addcmul", (x + (a * b if value == 1 else (a * value) * b)).to(d), out)


def addcdiv(
    input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1, out: Tensor | None = None
) -> Tensor:
    """input + value * tensor1 / tensor2.

    >>> import flambeau as torch
    >>> torch.addcdiv(torch.tensor([1.]), torch.tensor([6.]), torch.tensor([3.]), value=10)
    tensor([21.])
    """
    if tensor1.dtype.category < dt.FLOAT and tensor2.dtype.category < dt.FLOAT:
        raise RuntimeError(
            "addcdiv: Integer division with addcdiv is not supported; convert tensor1 or tensor2 with "
            ".float()"
        )
    d = result_type("addcdiv", (input, tensor1, tensor2))
    x, a, b = _together(d, input, tensor1, tensor2)
    return deliver("addcdiv", (x + (a / b if value == 1 else (a * value) / b)).to(d), out)


def nan_to_num(
    input: Tensor,
    nan: float = 0.0,
    posinf: float | None = None,
    neginf: float | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """NaN and infinities replaced by numbers (infinities by the dtype's extremes unless given).

    >>> import flambeau as torch
    >>> torch.nan_to_num(torch.tensor([float('nan'), 1.]))
    tensor([0., 1.])
    """
    if check_tensor("nan_to_num", "input", input)._node.dtype.category < dt.FLOAT:
        return deliver("nan_to_num", input.clone(), out)
    if input._node.dtype.is_complex:
        parts = (nan_to_num(part, nan, posinf, neginf) for part in (input.real, input.imag))
        return deliver("nan_to_num", ops.make_complex(*parts), out)
    import ml_dtypes

    limits = ml_dtypes.finfo(input.dtype.np)  # type: ignore[no-untyped-call]
    high = float(limits.max) if posinf is None else posinf
    low = float(limits.min) if neginf is None else neginf
    x = choose(ops.isnan(input), nan, input)
    x = choose(ops.eq(input, float("inf")), high, x)
    return deliver("nan_to_num", choose(ops.eq(input, float("-inf")), low, x), out)


def complex(real: Tensor, imag: Tensor, *, out: Tensor | None = None) -> Tensor:
    """real + i imag.

    >>> import flambeau as torch
    >>> torch.complex(torch.tensor([1.]), torch.tensor([2.]))
    tensor([1.+2.j])
    """
    if real.dtype not in (dt.float16, dt.float32, dt.float64) or imag.dtype not in (
        dt.float16,
        dt.float32,
        dt.float64,
    ):
        raise RuntimeError(
            f"complex: Expected both inputs to be Half, Float or Double tensors but got {real.dtype} and "
            f"{imag.dtype}"
        )
    if real.dtype is not imag.dtype:
        raise RuntimeError(
            f"complex: Expected object of scalar type {real.dtype.name} but got {imag.dtype.name} for "
            f"second argument"
        )
    return deliver("complex", ops.make_complex(real, imag), out)


def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Tensor:
    """|input - other| <= atol + rtol * |other|, element by element.

    >>> import flambeau as torch
    >>> torch.isclose(torch.tensor([1., 2.]), torch.tensor([1., 2.1]))
    tensor([ True, False])
    """
    if input.dtype is not other.dtype:
        raise RuntimeError(f"isclose: {input.dtype} did not match {other.dtype}")
    if not (rtol >= 0 and atol >= 0):
        raise RuntimeError(
            f"isclose: rtol and atol must be greater than or equal to zero, but got {rtol} and {atol}"
        )
    close = ops.eq(input, other)
    if equal_nan and input.dtype.category >= dt.FLOAT:
        close = close | (ops.isnan(input) & ops.isnan(other))
    x, y = (t.to(floating(t.dtype)) for t in (input, other))
    allowed, error = atol + ops.absolute(y * rtol), ops.absolute(x - y)
    return close | (ops.isfinite(error) & ops.le(error, allowed))


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether all elements are close (see `isclose`).

    >>> import flambeau as torch
    >>> torch.allclose(torch.tensor([1.]), torch.tensor([1. + 1e-9]))
    True
    """
    return bool(isclose(input, other, rtol, atol, equal_nan).all().item())


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether shapes and all elements are equal.

    >>> import flambeau as torch
    >>> torch.equal(torch.tensor([1, 2]), torch.tensor([1, 2]))
    True
    """
    check_tensor("equal", "other", other)
    if input._node.shape != other._node.shape:
        return False
    return bool(ops.eq(input, other).all().item())
