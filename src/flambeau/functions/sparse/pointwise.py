"""Functions of the elements that are there, and arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core import dtype as dt
from ...core.layout import sparse_coo
from ...core.modes import modes
from ...core.tensor import Tensor
from ...ops.index import index_put
from ...ops.kinds import cast
from ...ops.op import check_tensor
from .. import pointwise as dense
from ..calling import write
from ..joining import cat as dense_cat
from ..shape import reshape
from .convert import as_coo, coalesce, compressed, picked, sparse_mask
from .tensor import SparseTensor, coordinate, refusal

LINEAR = "neg negative conj_physical"  # of sums they are the sums: elements that are there twice stay so
UNARY = """
    abs absolute asin arcsin asinh arcsinh atan arctan atanh arctanh ceil deg2rad rad2deg erf erfinv expm1
    floor frac isinf isnan log1p nan_to_num relu round sgn sign sin sinh sqrt tan tanh trunc fix square
    isneginf isposinf signbit angle positive
"""


def of_elements(name: str, f: Any, merged: bool) -> Any:
    """A function with f(0) = 0, of the elements that are there."""

    def function(input: SparseTensor, *args: Any, **kwargs: Any) -> SparseTensor:
        if kwargs.pop("out", None) is not None:
            raise refusal(f"{name}: with out=")
        t = coalesce(input) if merged and input._form is sparse_coo else input
        return t._with(f(t._entries, *args, **kwargs))

    function.__name__ = function.__qualname__ = name
    return function


def _is_number(x: Any) -> bool:
    return isinstance(x, bool | int | float | complex) or (
        isinstance(x, Tensor) and x.ndim == 0 and not isinstance(x, SparseTensor)
    )


def mul(input: Any, other: Any, *, out: Tensor | None = None) -> SparseTensor:
    """The product with a number, with a dense tensor (which broadcasts to the sparse one's shape), or with a
    sparse tensor of the same shape: sparse."""
    if not isinstance(input, SparseTensor):
        input, other = other, input
    if out is not None:
        raise refusal("mul: with out=")
    if _is_number(other):
        return input._with(input._entries * other)
    if isinstance(other, SparseTensor):
        return _mul_sparse(input, other)
    wide = check_tensor("mul", "other", other).expand(input.shape)
    return input._with(input._entries * sparse_mask(wide, input)._entries)


def _mul_sparse(a: SparseTensor, b: SparseTensor) -> SparseTensor:
    if a.shape != b.shape:
        raise RuntimeError(
            f"mul: operands of sizes {list(a.shape)} and {list(b.shape)}: sparse tensors don't broadcast"
        )
    x, y = coalesce(as_coo(a)), coalesce(as_coo(b))
    if x.sparse_dim() != y.sparse_dim():
        raise RuntimeError(
            f"mul: expected the same number of sparse dimensions, got {x.sparse_dim()} and {y.sparse_dim()}"
        )
    _, left, right = np.intersect1d(x._flat(), y._flat(), assume_unique=True, return_indices=True)
    entries = picked(x._entries, left) * picked(y._entries, right)
    found = coordinate(x._array()[:, left], entries, x._node.shape, True)
    return found if a._form is sparse_coo else compressed(found, a._form)


def div(input: SparseTensor, other: Any, *, rounding_mode: str | None = None) -> SparseTensor:
    """The quotient by a number (or a 0-d tensor). RuntimeError for any other divisor."""
    if not isinstance(input, SparseTensor) or not _is_number(other):
        raise RuntimeError(
            "div: Sparse division requires a scalar or zero-dim dense tensor divisor (got shape "
            f"{list(other.shape)} for divisor)"
        )
    t = coalesce(input) if rounding_mode and input._form is sparse_coo else input
    return t._with(dense.div(t._entries, other, rounding_mode=rounding_mode))


def floor_divide(input: SparseTensor, other: Any) -> SparseTensor:
    """The quotient by a number, rounded down."""
    return div(input, other, rounding_mode="floor")


def pow(input: SparseTensor, exponent: Any) -> SparseTensor:
    """A power of each element that is there. RuntimeError for the exponent 0, which makes ones of zeros."""
    if not isinstance(input, SparseTensor) or not _is_number(exponent):
        raise refusal("pow: with a tensor as the exponent")
    if exponent == 0:
        raise RuntimeError("pow: sparse tensors can't be raised to the power 0; use .to_dense()")
    t = coalesce(input) if input._form is sparse_coo else input
    return t._with(t._entries**exponent)


# ----- sums -----


def add(input: Any, other: Any, *, alpha: Any = 1, out: Tensor | None = None) -> Any:
    """input + alpha * other: sparse if both are, dense for a dense `input` (or one in CSR layout plus a dense
    tensor). RuntimeError for a sparse tensor plus a dense one or a number."""
    if out is not None:
        raise refusal("add: with out=")
    if not isinstance(other, SparseTensor):
        csr = isinstance(input, SparseTensor) and input._form is not sparse_coo
        if csr and isinstance(other, Tensor) and alpha == 1:
            return _add_to_dense(other, input, 1)
        raise RuntimeError(
            "add(sparse, dense) is not supported. Use add(dense, sparse) instead, with a dense tensor of the "
            "same shape."
        )
    if not isinstance(input, SparseTensor):
        if not isinstance(input, Tensor):
            raise RuntimeError("add(sparse, dense) is not supported. Use add(dense, sparse) instead.")
        return _add_to_dense(input, other, alpha)
    if input.shape != other.shape or input.sparse_dim() != other.sparse_dim():
        raise RuntimeError(
            f"add: Expected sizes of 'self' and 'other' to match, but {list(input.shape)} (sparse_dim "
            f"{input.sparse_dim()}) != {list(other.shape)} (sparse_dim {other.sparse_dim()})"
        )
    return _add_sparse(input, other, alpha)


def _add_sparse(a: SparseTensor, b: SparseTensor, alpha: Any) -> SparseTensor:
    d = dt.promote_types(a.dtype, b.dtype)
    more = b._entries if alpha == 1 else b._entries * alpha
    if a._places is b._places and a._pointers is b._pointers and a._form is b._form:
        return a._with(cast(a._entries, d) + cast(more, d))
    x, y = as_coo(a), as_coo(b)
    if y is not b:
        more = y._entries if alpha == 1 else y._entries * alpha
    entries = dense_cat([cast(x._entries, d), cast(more, d)])
    found = coordinate(np.concatenate([x._array(), y._array()], 1), entries, a._node.shape)
    if x._coalesced and y._coalesced:
        found = coalesce(found)
    return found if a._form is sparse_coo else compressed(found, a._form)


def _add_to_dense(x: Tensor, t: SparseTensor, alpha: Any) -> Tensor:
    if x.shape != t.shape:
        raise RuntimeError(
            f"add: expected 'self' and 'other' to have same size, but self has size {list(x.shape)} while "
            f"other has size {list(t.shape)} (sizes do not broadcast)"
        )
    d = dt.promote_types(x.dtype, t.dtype)
    entries = t._elements() if alpha == 1 else t._elements() * alpha
    rows = tuple(t._index(i) for i in range(t.sparse_dim()))
    if not rows:
        return cast(x, d) + reshape(entries.sum(0), x._node.shape)
    if d is dt.bool_:
        return x | t.to_dense()
    return index_put(cast(x, d), cast(entries, d), rows, tuple(range(len(rows))), True)


def sub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """input - alpha * other, where `add` takes them."""
    if not isinstance(other, SparseTensor):
        return add(input, other)
    return add(input, other, alpha=-alpha)


def rsub(self: SparseTensor, other: Any) -> Any:
    """other - self"""
    return sub(other, self)


def radd(self: SparseTensor, other: Any) -> Any:
    """other + self"""
    return add(other, self)


# ----- in place -----


def in_place(name: str, f: Any) -> Any:
    """The in-place variant of a function of sparse tensors, `name_`; of dense ones with a sparse operand,
    too."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        found = f(self, *args, **kwargs)
        if not isinstance(self, SparseTensor):
            return write(name, self, found)
        if modes.grad and self.is_leaf and self.requires_grad:
            raise RuntimeError(
                f"{name}: a leaf Variable that requires grad is being used in an in-place operation."
            )
        if not isinstance(found, SparseTensor) or found.shape != self.shape:
            raise refusal(f"{name}: with a result that is not sparse or has another shape")
        if not dt.can_cast(found.dtype, self.dtype):
            raise RuntimeError(
                f"{name}: result type {found.dtype.name} can't be cast to the desired output type "
                f"{self.dtype.name}"
            )
        return self._become(
            found if found.dtype is self.dtype else found._with(cast(found._entries, self.dtype))
        )

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"In-place version of `{name.strip('_')}`."
    return method


def copied(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """What `copy_` makes of a tensor: the elements of another of the same layout."""
    if not isinstance(self, SparseTensor) or not isinstance(src, SparseTensor):
        raise RuntimeError(
            "copy_: copy_() between dense and sparse Tensors is not implemented! Use .to_dense() or "
            ".to_sparse()"
        )
    return src._with(cast(src._entries, self.dtype).clone())


def zeroed(self: SparseTensor) -> SparseTensor:
    """What `zero_` makes of a tensor: no elements, or (compressed) zeros at the same places."""
    if self._form is not sparse_coo:
        return self._with(self._entries.detach() * 0)
    array = np.zeros((self.sparse_dim(), 0), np.int64)
    return coordinate(array, picked(self._entries, np.zeros(0)), self._node.shape, True)


def any_of(input: SparseTensor) -> Tensor:
    """Whether some element is not zero."""
    return coalesce(as_coo(input))._entries.any()


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two sparse tensors have the same elements at the same places."""
    if not isinstance(input, SparseTensor) or not isinstance(other, SparseTensor):
        raise refusal("equal: of a dense and a sparse tensor")
    return input.shape == other.shape and bool((input.to_dense() == other.to_dense()).all())
