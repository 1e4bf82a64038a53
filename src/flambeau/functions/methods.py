"""The tensor's methods and operators: one table, attached once."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from ..core.dtype import INTEGER, get_default_dtype
from ..core.ghost import ghost_of
from ..core.modes import modes
from ..core.printing import format_tensor
from ..core.tensor import Tensor, _share_memory
from ..ops import pointwise as ops
from ..ops.view import clone as copy_of
from . import (
    attributes,
    calculus,
    choice,
    convert,
    copying,
    creation,
    einsum,
    elementary,
    indexing,
    joining,
    legacy,
    linear,
    mapping,
    masking,
    matrix,
    memory,
    pointwise,
    random,
    rectifiers,
    reduction,
    scattering,
    shape,
    sorting,
    sparsity,
    stacking,
    statistics,
    stft,
    strides,
)
from .calling import in_place

FAMILIES: dict[ModuleType, str] = {
    pointwise: """
        neg negative sign sgn square reciprocal floor ceil trunc fix sqrt rsqrt exp exp2 expm1
        log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh arcsin arccos
        arctan arcsinh arccosh arctanh sigmoid erf erfc erfinv lgamma digamma relu bitwise_not logical_not
        round frac add sub subtract mul multiply div divide true_divide floor_divide remainder fmod
        pow atan2 arctan2 hypot eq ne lt le gt ge not_equal less less_equal greater
        greater_equal logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor
        bitwise_left_shift bitwise_right_shift
        | abs absolute float_power isnan isinf isfinite signbit angle positive conj maximum minimum logaddexp
    """,
    elementary: """
        copysign heaviside deg2rad rad2deg gcd lcm ldexp nextafter xlogy conj_physical sinc i0 igamma igammac
        mvlgamma
        | fmax fmin isreal isposinf isneginf frexp logaddexp2 resolve_conj resolve_neg
    """,
    rectifiers: "| hardshrink prelu",
    choice: "clamp clip clamp_min clamp_max logit lerp addcmul addcdiv nan_to_num | isclose allclose equal",
    reduction: """
        cumsum cumprod
        | sum nansum mean prod all any amax amin aminmax argmax argmin max min var std logsumexp norm
        logcumsumexp cummax cummin softmax log_softmax
    """,
    shape: """
        | reshape view view_as reshape_as flatten ravel unflatten squeeze unsqueeze permute transpose
        swapaxes swapdims t movedim moveaxis expand expand_as broadcast_to narrow select
        unbind diagonal diag diag_embed unfold as_strided
    """,
    joining: """
        | split split_with_sizes chunk tensor_split flip fliplr flipud rot90 roll repeat tile
        repeat_interleave sum_to_size unsafe_chunk unsafe_split unsafe_split_with_sizes
    """,
    indexing: """
        scatter scatter_add index_add index_copy index_fill index_put tril triu
        | gather take_along_dim index_select take copy_
    """,
    linear: "addmm addmv addr baddbmm addbmm | matmul mm bmm mv dot vdot outer ger",
    matrix: """
        | adjoint cholesky cholesky_inverse cholesky_solve cross det geqrf inverse logdet lu lu_solve
        matrix_exp matrix_power orgqr ormqr pinverse qr slogdet svd trace triangular_solve
    """,
    einsum: "| inner kron",
    sorting: "| argsort sort msort topk kthvalue median unique unique_consecutive bincount",
    random: (
        "| uniform_ normal_ log_normal_ exponential_ cauchy_ geometric_ bernoulli_ random_ bernoulli "
        "multinomial"
    ),
    creation: "| new_zeros new_ones new_empty new_full new_tensor",
    memory: "| contiguous clone",
    calculus: "| diff",
    scattering: """
        index_reduce put scatter_reduce
        | as_strided_scatter diagonal_scatter fill_diagonal_ nonzero_static select_scatter slice_scatter
    """,
    stacking: "| diagflat dsplit hsplit vsplit",
    statistics: """
        renorm
        | corrcoef cov dist histc histogram mode nanmean nanmedian nanquantile quantile
    """,
    strides: "| narrow_copy new_empty_strided resize_ resize_as_",
    masking: "masked_fill masked_scatter | masked_select nonzero argwhere count_nonzero",
    mapping: "| apply_ map_ map2_ is_conj is_neg is_nonzero is_same_size is_set_to is_signed",
    stft: "| stft istft",
    sparsity: f"| {sparsity.NAMES}",
    convert: "| to type_as cpu cuda",
    legacy: "| new",
    attributes: """
        | untyped_storage storage storage_type set_ resize resize_as const_data_ptr dim_order get_device
        is_pinned pin_memory share_memory_ is_shared record_stream
        xpu is_inference is_distributed as_subclass module_load
    """,
}
"""Methods by family; of those before the bar there is an in-place variant too."""


def attach() -> None:
    """Gives the tensor its methods."""
    for family, names in FAMILIES.items():
        changing, _, plain = names.partition("|")
        for name in changing.split():
            f = getattr(family, name)
            setattr(Tensor, name, f)
            reads_first = family is linear or name.endswith("_fill")  # as in PyTorch
            setattr(Tensor, name + "_", in_place(f, name + "_", reads_first))
        for name in plain.split():
            setattr(Tensor, name, getattr(family, name))
    for name, f in {**OPERATORS, **SPECIAL, **convert.CONVERTERS}.items():
        if f.__name__ == "operator":
            f.__name__ = f.__qualname__ = name
        setattr(Tensor, name, f)
    for name, get in PROPERTIES.items():
        setattr(Tensor, name, property(get, doc=get.__doc__))
    for name, attribute in attributes.properties().items():
        setattr(Tensor, name, attribute)


# ----- operators -----


def _binary(op: Any) -> Any:
    def operator(self: Tensor, other: Any) -> Any:
        try:
            return op(self, other)
        except (TypeError, NotImplementedError):
            dense = isinstance(other, (Tensor, bool, int, float, complex))
            if not dense or getattr(other, "_sparse", False):
                return NotImplemented  # the other operand may know what to do
            raise

    return operator


def _reversed(op: Any) -> Any:
    def operator(self: Tensor, other: Any) -> Any:
        return op(other, self)

    return operator


def _in_place_operator(f: Any, name: str) -> Any:
    method = in_place(f, name)

    def operator(self: Tensor, other: Any) -> Tensor:
        return method(self, other)

    return operator


def _contains(self: Tensor, element: Any) -> bool:
    if not isinstance(element, Tensor | bool | int | float | complex):
        raise RuntimeError(
            "Tensor.__contains__ only supports Tensor or scalar, but you passed in a "
            f"{type(element).__name__}"
        )
    return bool((self == element).any().item())


def _reversed_dims(self: Tensor) -> Tensor:
    return self if self.ndim == 0 else joining.flip(self, 0)


def _iterate(self: Tensor) -> Any:
    if self.ndim == 0:
        raise TypeError("iteration over a 0-d tensor")
    return iter(shape.unbind(self, 0))


def _invert(self: Tensor) -> Tensor:
    if self.dtype.category > INTEGER:
        raise TypeError(
            f"~ (operator.invert) is only implemented on integer and Boolean-type tensors, got {self.dtype}"
        )
    return pointwise.bitwise_not(self)


def _rpow(self: Tensor, other: Any) -> Tensor:
    return pointwise.pow(other, self)


OPERATORS: dict[str, Any] = {
    "__add__": _binary(ops.add),
    "__radd__": _binary(ops.add),
    "__sub__": _binary(ops.sub),
    "__rsub__": _reversed(ops.sub),
    "__mul__": _binary(ops.mul),
    "__rmul__": _binary(ops.mul),
    "__truediv__": _binary(ops.div),
    "__rtruediv__": _reversed(ops.div),
    "__div__": _binary(ops.div),
    "__rdiv__": _reversed(ops.div),
    "__floordiv__": _binary(pointwise.floor_divide),
    "__rfloordiv__": _reversed(pointwise.floor_divide),
    "__mod__": _binary(pointwise.remainder),
    "__rmod__": _reversed(pointwise.remainder),
    "__pow__": _binary(pointwise.pow),
    "__rpow__": _rpow,
    "__matmul__": linear.matmul,
    "__rmatmul__": linear._rmatmul,
    "__and__": _binary(ops.bitwise_and),
    "__rand__": _binary(ops.bitwise_and),
    "__or__": _binary(ops.bitwise_or),
    "__ror__": _binary(ops.bitwise_or),
    "__xor__": _binary(ops.bitwise_xor),
    "__rxor__": _binary(ops.bitwise_xor),
    "__lshift__": _binary(ops.left_shift),
    "__rlshift__": _reversed(ops.left_shift),
    "__rshift__": _binary(ops.right_shift),
    "__rrshift__": _reversed(ops.right_shift),
    "__eq__": _binary(ops.eq),
    "__ne__": _binary(ops.ne),
    "__lt__": _binary(ops.lt),
    "__le__": _binary(ops.le),
    "__gt__": _binary(ops.gt),
    "__ge__": _binary(ops.ge),
    "__neg__": pointwise.neg,
    "__pos__": pointwise.positive,
    "__abs__": pointwise.abs,
    "__invert__": _invert,
    "__getitem__": indexing.getitem,
    "__setitem__": indexing.setitem,
    "__contains__": _contains,
    "__iter__": _iterate,
    "__reversed__": _reversed_dims,
    **{
        f"__i{name}__": _in_place_operator(f, f"__i{name}__")
        for name, f in {
            "add": ops.add, "sub": ops.sub, "mul": ops.mul, "truediv": ops.div,
            "floordiv": pointwise.floor_divide,
            "mod": pointwise.remainder, "pow": pointwise.pow, "and": ops.bitwise_and, "or": ops.bitwise_or,
            "xor": ops.bitwise_xor,
            "lshift": ops.left_shift, "rshift": ops.right_shift,
        }.items()
    },
}  # fmt: skip

# ----- what has no function of its own -----


def _type(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The name of the tensor's type, or the tensor converted to a dtype."""
    return convert.type_(self, dtype, non_blocking)


def _fill_(self: Tensor, value: Any) -> Tensor:
    """Overwrites all elements with a number (or a 0-d tensor)."""
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(
            f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions."
        )
    part, value = self, copy_of(value) if isinstance(value, Tensor) else value
    for d, (extent, stride) in enumerate(zip(self.shape, self.stride(), strict=True)):
        if stride == 0 and extent > 1:  # an expanded dimension: one of its elements is all of them
            part = shape.narrow(part, d, 0, 1)
    indexing.copy_(part, value)
    return self


def _zero_(self: Tensor) -> Tensor:
    """Overwrites all elements with zero."""
    return _fill_(self, 0)


def _detach_(self: Tensor) -> Tensor:
    """Takes this tensor out of the recorded history."""
    if self._is_view():
        raise RuntimeError("detach_: Can't detach views in-place. Use detach() instead.")
    self._edge = None
    return self


def _restride(name: str, f: Any) -> Any:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        seen = f(self, *args, **kwargs)
        grad_of_leaf = self.is_leaf and self.requires_grad
        if grad_of_leaf:
            raise RuntimeError(
                f"{name}: a leaf Variable that requires grad is being used in an in-place operation."
            )
        edge, base = seen._edge, seen._base
        _share_memory(self, seen)
        self._edge, self._base = edge if modes.grad else self._edge, None if base is self else base
        self._counter.count += 1
        self._derived = self._counter.count
        return self

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"Changes this tensor itself to what `{name[:-1]}` shows of it."
    return method


def _repr(self: Tensor) -> str:
    edge = self.grad_fn
    ghost = ghost_of(self)
    if ghost is not None and ghost.real is not None:
        text = repr(ghost.real).replace("\n", "\n    ")
        at = f"lvl={ghost.level.depth}, bdim={0 if ghost.batched else None}"
        return f"BatchedTensor({at}, value=\n    {text}\n)"
    return format_tensor(
        self._value("print") if ghost is None else None,
        shape=tuple(self.shape),
        dtype_name=self.dtype.name,
        default_dtype_name=get_default_dtype().name,
        requires_grad=self.requires_grad,
        grad_fn=None if edge is None else edge.name(),
        prefix=self._repr_prefix,
    )


def _format(self: Tensor, spec: str) -> str:
    return (
        self.item().__format__(spec)
        if self.ndim == 0 and spec
        else (str(self.item()) if self.ndim == 0 else object.__format__(self, spec))
    )


Tensor._repr_prefix = "tensor("
Tensor._construct = staticmethod(legacy._construct)
SPECIAL: dict[str, Any] = {
    "__repr__": _repr,
    "__format__": _format,
    "__deepcopy__": copying.deepcopy,
    "__reduce_ex__": copying.reduce_ex,
    "where": choice._where_method,
    "abs_": pointwise._abs_,
    "absolute_": pointwise._abs_,
    "float_power_": pointwise._float_power_,
    "type": _type,
    "polygamma": elementary._polygamma_method,
    "polygamma_": in_place(elementary._polygamma_method, "polygamma_"),
    "fill_": _fill_,
    "zero_": _zero_,
    "detach_": _detach_,
    "squeeze_": _restride("squeeze_", shape.squeeze),
    "unsqueeze_": _restride("unsqueeze_", shape.unsqueeze),
    "t_": _restride("t_", shape.t),
    "transpose_": _restride("transpose_", shape.transpose),
    "swapaxes_": _restride("swapaxes_", shape.transpose),
    "swapdims_": _restride("swapdims_", shape.transpose),
    "as_strided_": _restride("as_strided_", shape.as_strided),
    "ndimension": Tensor.dim,
}


def _transposed(self: Tensor) -> Tensor:
    """The dimensions in reverse order."""
    return shape.permute(self, *reversed(range(self.ndim)))


def _matrix_transposed(self: Tensor) -> Tensor:
    """The last two dimensions swapped."""
    if self.ndim < 2:
        raise RuntimeError(
            f"tensor.mT is only supported on matrices or batches of matrices. Got {self.ndim}-D tensor."
        )
    return shape.transpose(self, -2, -1)


def _hermitian(self: Tensor) -> Tensor:
    """The conjugated transposed matrix."""
    if self.ndim not in (0, 2):
        raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {self.ndim}-D tensor.")
    return pointwise.conj(shape.t(self))


def _real(self: Tensor) -> Tensor:
    """The real part, as a view."""
    return shape.real(self)


def _imag(self: Tensor) -> Tensor:
    """The imaginary part, as a view."""
    return shape.imag(self)


PROPERTIES: dict[str, Any] = {
    "T": _transposed,
    "mT": _matrix_transposed,
    "mH": matrix.adjoint,
    "H": _hermitian,
    "real": _real,
    "imag": _imag,
}
