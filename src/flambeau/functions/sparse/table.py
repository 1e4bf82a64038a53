"""Which functions and methods know sparse tensors: the one table that is looked at when one turns up."""

from __future__ import annotations

import functools
from typing import Any

from ...core.tensor import Tensor
from .. import convert as dense_convert
from . import convert, pointwise, products, rearrange, reduction
from .tensor import SparseTensor

_FAMILIES: dict[Any, str] = {
    convert: """
        to_dense to_sparse to_sparse_coo to_sparse_csr to_sparse_csc to_sparse_bsr to_sparse_bsc coalesce
        is_coalesced indices values crow_indices col_indices ccol_indices row_indices sparse_mask clone to
        _indices _values
    """,
    products: "mm matmul mv bmm addmm smm hspmm sspaddmm",
    pointwise: "mul div add sub pow floor_divide equal",
    reduction: "sum norm",
    rearrange: """
        permute transpose t unsqueeze select unbind index_select narrow_copy cat stack sparse_resize_
        sparse_resize_and_clear_ zeros_like new_zeros
    """,
}
_RENAMED = {
    "multiply": pointwise.mul, "divide": pointwise.div, "true_divide": pointwise.div,
    "subtract": pointwise.sub, "swapaxes": rearrange.transpose, "swapdims": rearrange.transpose,
    "concat": rearrange.cat, "concatenate": rearrange.cat, "any": pointwise.any_of,
    "linear": products.linear_layer, "empty_like": rearrange.zeros_like,
    "__mul__": pointwise.mul, "__rmul__": pointwise.mul, "__truediv__": pointwise.div,
    "__add__": pointwise.add, "__radd__": pointwise.radd, "__sub__": pointwise.sub,
    "__rsub__": pointwise.rsub, "__pow__": pointwise.pow, "__matmul__": products.matmul,
    "__rmatmul__": products.rmatmul, "__getitem__": rearrange.getitem, "__iter__": rearrange.iterate,
    "__floordiv__": pointwise.floor_divide,
}  # fmt: skip
_CHANGING = {
    "add_": pointwise.add, "sub_": pointwise.sub, "mul_": pointwise.mul, "div_": pointwise.div,
    "pow_": pointwise.pow, "__iadd__": pointwise.add, "__isub__": pointwise.sub, "__imul__": pointwise.mul,
    "__itruediv__": pointwise.div, "copy_": pointwise.copied, "zero_": pointwise.zeroed,
}  # fmt: skip
_MIXED = """
    add sub subtract mul multiply mm matmul addmm linear cat concat concatenate stack sparse_mask
"""  # the first argument may be dense
# Methods of dense tensors that take sparse operands.
_EITHER = """
    add sub mul mm matmul addmm __matmul__ add_ sub_ mul_ addmm_ copy_ __iadd__ __isub__ __imul__
"""


def _table() -> dict[str, Any]:
    table: dict[str, Any] = {}
    for family, names in _FAMILIES.items():
        table.update({name: getattr(family, name) for name in names.split()})
    for name in pointwise.UNARY.split():
        table[name] = pointwise.of_elements(name, getattr(Tensor, name), True)
        table[f"{name}_"] = pointwise.in_place(f"{name}_", table[name])
    for name in pointwise.LINEAR.split():
        table[name] = pointwise.of_elements(name, getattr(Tensor, name), False)
        table[f"{name}_"] = pointwise.in_place(f"{name}_", table[name])
    table.update({"__neg__": table["neg"], "__abs__": table["abs"], "conj": table["conj_physical"]})
    table.update(_RENAMED)
    table.update({name: pointwise.in_place(name, f) for name, f in _CHANGING.items()})
    table["addmm_"] = products.addmm_
    for name in dense_convert.CONVERTERS:
        table[name] = _conversion(dense_convert.CONVERTERS[name])
    table.update({"cpu": convert.to, "type": _type, "detach": SparseTensor.detach})
    return table


def _conversion(f: Any) -> Any:
    @functools.wraps(f)
    def convert(self: SparseTensor, *args: Any, **kwargs: Any) -> SparseTensor:
        return self._with(f(self._entries, *args, **kwargs))

    return convert


def _type(self: SparseTensor, dtype: Any = None) -> Any:
    """The name of the tensor's type, or the tensor converted to a dtype."""
    if dtype is None:
        return dense_convert.type_(self).replace("torch.", "torch.sparse.")
    return self._with(self._entries.type(dtype))


def _adjoint(self: SparseTensor) -> Any:
    """The matrix transposed, with conjugated elements."""
    return rearrange.t(self).conj()


def _either(method: Any, sparse: Any) -> Any:
    @functools.wraps(method)
    def asking(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        for x in (*args, *kwargs.values()) if kwargs else args:
            if type(x) is SparseTensor:
                return sparse(self, *args, **kwargs)
        return method(self, *args, **kwargs)

    return asking


def attach() -> None:
    """Fills the table, and gives sparse tensors their methods."""
    table = SparseTensor.table
    table.update(_table())
    SparseTensor.mixed = frozenset(_MIXED.split())
    for name in table.keys() - {"detach"}:
        setattr(SparseTensor, name, table[name])
    for name, view in {
        **dict.fromkeys(("T", "mT"), rearrange.transposed),
        "H": _adjoint,
        "mH": _adjoint,
    }.items():
        setattr(SparseTensor, name, property(view))
    for name in _EITHER.split():
        setattr(Tensor, name, _either(getattr(Tensor, name), table[name]))
