"""The special functions of `torch.special` that nothing else needs."""

from __future__ import annotations

import math
from typing import Any, Protocol

from ..core import dtype as dt
from ..core.tensor import Tensor
from ..ops import elementary as parts
from ..ops import pointwise as ops
from ..ops import special
from ..ops.kinds import cast, floating, opmath
from ..ops.op import check_tensor
from . import reduction
from .calling import deliver
from .elementary import documented, of_both, of_one, underivable
from .pointwise import Operand, Unary

_ROOM = "torch.special"


class OfX(Protocol):
    """A function of one tensor `x`, element by element."""

    def __call__(self, x: Tensor, *, out: Tensor | None = None) -> Tensor: ...


class OfDegree(Protocol):
    """A polynomial at `x` of degree `n`: tensors, or a tensor and a number."""

    def __call__(self, x: Operand, n: Operand, *, out: Tensor | None = None) -> Tensor: ...


def softmax(input: Tensor, dim: int, *, dtype: dt.dtype | None = None) -> Tensor:
    """exp(x) over the sum of exp(x) along `dim`.

    >>> import flambeau as torch
    >>> torch.special.softmax(torch.zeros(2), 0)
    tensor([0.5000, 0.5000])
    """
    return reduction.softmax(input, dim, dtype=dtype)


def log_softmax(input: Tensor, dim: int, *, dtype: dt.dtype | None = None) -> Tensor:
    """The logarithm of softmax along `dim`.

    >>> import flambeau as torch
    >>> torch.special.log_softmax(torch.zeros(2), 0)
    tensor([-0.6931, -0.6931])
    """
    return reduction.log_softmax(input, dim, dtype=dtype)


# ----- entropy and the normal distribution -----

entr = of_one(
    "entr", parts.entr, "-x * log(x), 0 at 0 and -inf below", "torch.tensor([0.5, 0., -1.])",
    "tensor([0.3466, 0.0000,   -inf])", _ROOM,
)  # fmt: skip
xlog1py = of_both(
    "xlog1py", parts.xlog1py, "input * log1p(other), 0 where `input` is 0 (NaN where `other` is)",
    "torch.tensor([0., 2.]), torch.tensor([-1., 0.])", "tensor([0., 0.])", _ROOM,
)  # fmt: skip
erfcx = of_one(
    "erfcx", special.erfcx, "exp(x²) * erfc(x), which doesn't vanish for large x", "torch.tensor([0., 50.])",
    "tensor([1.0000, 0.0113])", _ROOM,
)  # fmt: skip
ndtri = of_one(
    "ndtri", special.ndtri, "the quantile of the standard normal distribution: the inverse of ndtr",
    "torch.tensor([0.5, 0.975])", "tensor([0.0000, 1.9600])", _ROOM,
)  # fmt: skip
log_ndtr = of_one(
    "log_ndtr", special.log_ndtr, "the logarithm of ndtr, exact far below 0", "torch.tensor([0., -30.])",
    "tensor([  -0.6931, -454.3213])", _ROOM,
)  # fmt: skip


def ndtr(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The standard normal distribution function: erfc(-x / sqrt(2)) / 2.

    >>> import flambeau as torch
    >>> torch.special.ndtr(torch.tensor([0., 1.96]))
    tensor([0.5000, 0.9750])
    """
    d = floating(check_tensor("ndtr", "input", input)._node.dtype)
    x = cast(input, opmath(d))
    return deliver("ndtr", cast(ops.mul(ops.erfc(ops.mul(x, -math.sqrt(0.5))), 0.5), d), out)


# ----- the zeta function -----

zeta = of_both(
    "zeta", lambda x, q: special.zeta(underivable("zeta", x), q),
    "Hurwitz's zeta function, the sum of (other + k)**-input over k >= 0: infinite for `input` 1, NaN below; "
    "no gradient towards `input`",
    "torch.tensor([2., 4.]), 1", "tensor([1.6449, 1.0823])", _ROOM,
)  # fmt: skip

# ----- Bessel functions -----

i0e = of_one(
    "i0e", special.i0e, "exp(-|x|) * i0(x)", "torch.tensor([0., 100.])", "tensor([1.0000, 0.0399])", _ROOM
)
i1 = of_one(
    "i1", special.i1, "the modified Bessel function of the first kind, of order 1", "torch.tensor([0., 1.])",
    "tensor([0.0000, 0.5652])", _ROOM,
)  # fmt: skip
i1e = of_one(
    "i1e", special.i1e, "exp(-|x|) * i1(x)", "torch.tensor([0., 100.])", "tensor([0.0000, 0.0397])", _ROOM
)


def _bessel(name: str, what: str, result: str) -> Unary:
    """The function of `input` that records the operation of its name."""
    op = getattr(special, name)
    what = f"the {what}; no gradient comes through it, as in PyTorch"
    return of_one(name, op, what, "torch.tensor([1.])", result, _ROOM)


def _of_x(name: str, what: str, result: str) -> OfX:
    """As `_bessel`, of an argument called `x`."""
    op = getattr(special, name)

    def function(x: Tensor, *, out: Tensor | None = None) -> Tensor:
        return deliver(name, op(check_tensor(name, "x", x)), out)

    what = f"the {what}; no gradient comes through it, as in PyTorch"
    return documented(function, name, what, "torch.tensor([1.])", result, _ROOM)


def _constant(name: str, op: Any, order: int, result: str) -> Unary:
    """A function that PyTorch has twice: this one has no gradient."""
    what = f"the modified Bessel function of the first kind, of order {order}; no gradient comes through it"
    return of_one(name, lambda x: op(x.detach()), what, "torch.tensor([1.])", result, _ROOM)


bessel_j0 = _bessel("bessel_j0", "Bessel function of the first kind, of order 0", "tensor([0.7652])")
bessel_j1 = _bessel("bessel_j1", "Bessel function of the first kind, of order 1", "tensor([0.4401])")
bessel_y0 = _bessel("bessel_y0", "Bessel function of the second kind, of order 0", "tensor([0.0883])")
bessel_y1 = _bessel("bessel_y1", "Bessel function of the second kind, of order 1", "tensor([-0.7812])")
modified_bessel_i0 = _constant("modified_bessel_i0", special.i0, 0, "tensor([1.2661])")
modified_bessel_i1 = _constant("modified_bessel_i1", special.i1, 1, "tensor([0.5652])")
_SECOND = "modified Bessel function of the second kind, of order"
modified_bessel_k0 = _bessel("modified_bessel_k0", f"{_SECOND} 0", "tensor([0.4210])")
modified_bessel_k1 = _bessel("modified_bessel_k1", f"{_SECOND} 1", "tensor([0.6019])")
scaled_modified_bessel_k0 = _of_x(
    "scaled_modified_bessel_k0", f"{_SECOND} 0, times exp(x)", "tensor([1.1445])"
)
scaled_modified_bessel_k1 = _of_x(
    "scaled_modified_bessel_k1", f"{_SECOND} 1, times exp(x)", "tensor([1.6362])"
)
spherical_bessel_j0 = _of_x(
    "spherical_bessel_j0", "spherical Bessel function of the first kind, of order 0: sin(x) / x",
    "tensor([0.8415])",
)  # fmt: skip
airy_ai = _of_x("airy_ai", "Airy function Ai", "tensor([0.1353])")

# ----- orthogonal polynomials -----


def _polynomial(name: str, what: str, result: str) -> OfDegree:
    op = getattr(special, name)

    def function(x: Operand, n: Operand, *, out: Tensor | None = None) -> Tensor:
        return deliver(name, op(x, n), out)

    what = f"the {what} of degree n at x, 0 for negative degrees; no gradient comes through it"
    return documented(function, name, what, "torch.tensor([0.5]), torch.tensor([2])", result, _ROOM)


_KINDS = "Chebyshev polynomial of the {} kind"
_SHIFTED = "Chebyshev polynomial of the {} kind on the interval from 0 to 1,"
chebyshev_polynomial_t = _polynomial("chebyshev_polynomial_t", _KINDS.format("first"), "tensor([-0.5000])")
chebyshev_polynomial_u = _polynomial("chebyshev_polynomial_u", _KINDS.format("second"), "tensor([0.])")
chebyshev_polynomial_v = _polynomial("chebyshev_polynomial_v", _KINDS.format("third"), "tensor([-1.])")
chebyshev_polynomial_w = _polynomial("chebyshev_polynomial_w", _KINDS.format("fourth"), "tensor([1.])")
shifted_chebyshev_polynomial_t = _polynomial(
    "shifted_chebyshev_polynomial_t", _SHIFTED.format("first"), "tensor([-1.])"
)
shifted_chebyshev_polynomial_u = _polynomial(
    "shifted_chebyshev_polynomial_u", _SHIFTED.format("second"), "tensor([-1.])"
)
shifted_chebyshev_polynomial_v = _polynomial(
    "shifted_chebyshev_polynomial_v", _SHIFTED.format("third"), "tensor([-1.])"
)
shifted_chebyshev_polynomial_w = _polynomial(
    "shifted_chebyshev_polynomial_w", _SHIFTED.format("fourth"), "tensor([-1.])"
)
hermite_polynomial_h = _polynomial(
    "hermite_polynomial_h", "Hermite polynomial, as physicists define it,", "tensor([-1.])"
)
hermite_polynomial_he = _polynomial(
    "hermite_polynomial_he", "Hermite polynomial, as probabilists define it,", "tensor([-0.7500])"
)
laguerre_polynomial_l = _polynomial("laguerre_polynomial_l", "Laguerre polynomial", "tensor([0.1250])")
legendre_polynomial_p = _polynomial("legendre_polynomial_p", "Legendre polynomial", "tensor([-0.1250])")
