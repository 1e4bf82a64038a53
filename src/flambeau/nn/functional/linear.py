"""Linear and bilinear maps."""

from __future__ import annotations

from functools import lru_cache

from ...core.dtype import FLOAT, dtype
from ...core.modes import modes
from ...core.node import numel
from ...core.record import record
from ...core.tensor import Tensor
from ...functions.calling import deliver
from ...functions.casting import lowered, uncast
from ...functions.linear import matmul
from ...ops import conv as ops
from ...ops.op import check_tensor
from ...ops.view import permute
from .arguments import Shape, flat, same_dtype


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None, *, out: Tensor | None = None) -> Tensor:
    """x @ weight.T + bias: (*, in) to (*, out), with a weight (out, in) or, for one output without its
    dimension, (in).

    RuntimeError for sizes or dtypes that don't fit.

    >>> import flambeau as torch
    >>> torch.nn.functional.linear(torch.tensor([1., 2.]), torch.tensor([[3., 4.]]), torch.tensor([0.5]))
    tensor([11.5000])
    """
    if modes.autocast is not None and out is None:
        return lowered(linear, input, weight, bias)
    if out is not None:
        return deliver("linear", linear(input, weight, bias), out)
    if isinstance(input, Tensor) and isinstance(weight, Tensor) and isinstance(bias, Tensor):
        x, w, b = input._node, weight._node, bias._node
        shape = _usual_shape(x.shape, w.shape, b.shape, x.dtype, w.dtype, b.dtype)
        if shape is not None:
            return record(ops.affine, (input, weight, bias), (), shape, x.dtype)
    _check_linear(check_tensor("linear", "input", input), check_tensor("linear", "weight", weight), bias)
    if weight.ndim == 1:
        return matmul(input, weight)
    y: Tensor = ops.linear(input, weight)
    if bias is None:
        return y
    return y + _fitting(bias, y._node.shape)


@lru_cache(maxsize=4096)
def _usual_shape(x: Shape, w: Shape, b: Shape, *dtypes: dtype) -> Shape | None:
    """The shape of the result for (*, in), (out, in) and (out) of one floating dtype; None for all others."""
    fits = len(w) == 2 and b == w[:1] and x[-1:] == w[1:]
    return (*x[:-1], w[0]) if fits and len(set(dtypes)) == 1 and dtypes[0].category >= FLOAT else None


def _fitting(bias: Tensor, shape: Shape) -> Tensor:
    """The bias; RuntimeError unless it broadcasts to the output."""
    last = shape[len(shape) - bias.ndim :]
    if bias.ndim > len(shape) or any(b not in (1, e) for b, e in zip(bias._node.shape, last, strict=True)):
        raise RuntimeError(
            f"linear: the bias of shape {tuple(bias.shape)} can't broadcast to the output of shape {shape}; "
            f"it should be ({shape[-1]},)"
        )
    return bias


def _check_linear(x: Tensor, w: Tensor, bias: Tensor | None) -> None:
    if x.ndim == 0 or w.ndim not in (1, 2):
        raise RuntimeError(
            "linear: both arguments to linear need to be at least 1D and weight at most 2D, but they are "
            f"{x.ndim}D and {w.ndim}D"
        )
    same_dtype("linear", x, weight=w, bias=bias)
    features, expected = x._node.shape[-1], w._node.shape[-1]
    if features != expected:
        raise RuntimeError(
            f"linear: input has {features} features (shape {tuple(x.shape)}), weight expects {expected} "
            f"(shape {tuple(w.shape)}): mat1 and mat2 shapes cannot be multiplied; reshape the input or "
            f"build Linear({features}, ...)"
        )
    if w.ndim == 1 and bias is not None:
        raise RuntimeError(
            "linear: a bias needs a weight matrix (out, in), got a 1-D weight; unsqueeze(0) it"
        )


@uncast
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y[o] = sum over i, j of x1[i] * weight[o, i, j] * x2[j], plus bias[o]: (*, in1) and (*, in2) to (*,
    out).

    RuntimeError for sizes that don't fit.

    >>> import flambeau as torch
    >>> torch.nn.functional.bilinear(torch.tensor([2.]), torch.tensor([3.]), torch.ones(1, 1, 1))
    tensor([6.])
    """
    x1, x2, w = (
        check_tensor("bilinear", n, t)
        for n, t in (("input1", input1), ("input2", input2), ("weight", weight))
    )
    same_dtype("bilinear", x1, input2=x2, weight=w, bias=bias)
    a, b = x1._node.shape, x2._node.shape
    if len(a) != len(b) or a[:-1] != b[:-1]:
        raise RuntimeError(
            f"bilinear: input dimensions do not match: got {tuple(a)} and {tuple(b)}; all but the last must "
            "be equal"
        )
    if w.ndim != 3 or w._node.shape[1:] != (a[-1], b[-1]):
        raise RuntimeError(
            f"bilinear: input1 of {a[-1]} and input2 of {b[-1]} features need a weight of shape (out, "
            f"{a[-1]}, {b[-1]}), got {tuple(w.shape)}"
        )
    out = w._node.shape[0]
    rows = numel(a[:-1])
    mixed = matmul(
        flat(x1, rows, a[-1]), flat(permute.plain(w, ((1, 0, 2),)), a[-1], out * b[-1])
    )  # (rows, out * in2)
    y = flat(matmul(flat(mixed, rows, out, b[-1]), flat(x2, rows, b[-1], 1)), *a[:-1], out)
    return y if bias is None else y + bias
