"""How public functions deliver: to a new tensor, to `out=`, or in place."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from ..core import dtype as dt
from ..core.gradient import next_number
from ..core.inplace import assign, check_writable, read_before_write
from ..core.modes import modes
from ..core.tensor import Tensor, _redirect
from ..core.warning import warn
from ..ops.creation import overwrite
from ..ops.kinds import cast
from ..ops.view import clone
from .casting import plain

F = TypeVar("F", bound=Callable[..., Any])
_NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim"}
# What writes to `out=` of its own dtype only; all others cast to wider ones.
_EXACT_NAMES = """
    abs addbmm addmm addmv alias_copy amax amin aminmax arange argmax argmin as_strided_copy avg_pool2d
    avg_pool3d baddbmm bitwise_not bmm bucketize ceil complex conj_physical cross cummax cummin diag
    diagonal_copy dot empty expand_copy eye floor frac frexp full gather gelu hardshrink histc histogram
    index_add index_copy index_reduce index_select inner isin kthvalue lerp.Tensor linalg.cholesky
    linalg.cholesky_ex linalg.cross linalg.det linalg.eigh linalg.eigvalsh linalg.inv linalg.inv_ex
    linalg.ldl_factor linalg.ldl_factor_ex linalg.ldl_solve linalg.lu_factor
    linalg.lu_factor_ex linalg.lu_solve linalg.matrix_norm linalg.multi_dot linalg.norm linalg.qr
    linalg.slogdet linalg.solve linalg.solve_ex linalg.solve_triangular linalg.svdvals linalg.vecdot
    linalg.vector_norm linear linspace log_softmax logcumsumexp logsigmoid logspace lu_solve masked_select
    matmul max.dim median min.dim mm mode msort mv nan_to_num nanquantile narrow_copy neg nonzero norm
    ones ormqr permute_copy polar qr quantile rand randn renorm round scatter scatter_add scatter_reduce
    searchsorted sgn sign signbit slice_scatter softmax softplus softshrink sort split_with_sizes_copy
    squeeze_copy t_copy take take_along_dim tensordot topk transpose_copy triangular_solve tril triu trunc
    unbind_copy unfold_copy unsqueeze_copy vdot view_copy where zeros
"""
_EXACT = frozenset(_EXACT_NAMES.split())


def numpy_names(function: F) -> F:
    """The function, taking NumPy's `axis` for `dim` and `keepdims` for `keepdim` too, as PyTorch's do."""

    @functools.wraps(function)
    def renaming(*args: Any, **kwargs: Any) -> Any:
        for theirs, ours in _NUMPY_NAMES.items() if kwargs else ():
            if theirs in kwargs and ours not in kwargs:
                kwargs[ours] = kwargs.pop(theirs)
        return function(*args, **kwargs)

    return renaming  # type: ignore[return-value]


def deliver(what: str, result: Tensor, out: Tensor | None, *apart: Tensor) -> Tensor:
    """The result itself, or `out` holding it: resized if its shape differs, cast if its dtype does.

    RuntimeError if gradients would be lost, the category of the dtype would fall, or `out` shares memory with
    an operand that must lie `apart`.
    """
    if out is None:
        return result
    if not isinstance(out, Tensor):
        raise TypeError(f"{what}: argument 'out' must be Tensor, not {type(out).__name__}")
    if modes.grad and (result.requires_grad or out.requires_grad):
        raise RuntimeError(
            f"{what}(): functions with out=... arguments don't support automatic differentiation, but one "
            f"of the arguments requires grad."
        )
    for x in apart:
        if out is x or (out._storage is not None and out._storage is x._storage):
            raise RuntimeError(
                f"{what}: unsupported operation: some elements of the input tensor and the written-to tensor "
                "refer to a single memory location. Please clone() the tensor first."
            )
    if what in _EXACT and out._node.dtype is not result._node.dtype:
        raise RuntimeError(
            f"{what}: Expected out tensor to have dtype {result.dtype.name}, but got {out.dtype.name} instead"
        )
    if out._node.shape != result._node.shape:
        if apart:
            check_writable(out, what)
        if out.numel():
            warn(
                f"{what}: an output with one or more elements was resized since it had shape "
                f"{list(out.shape)}, which does not match the "
                f"required output shape {list(result.shape)}"
            )
        _redirect(out, clone(result_as(what, result, out)))
        out._counter.count += 1
        return out
    return write(what, out, result)


def deliver_all(what: str, results: Any, out: Any) -> Any:
    """Several results, or the tensors of `out` holding them."""
    if out is None:
        return results
    if not isinstance(out, (tuple, list)) or len(out) != len(results):
        raise TypeError(f"{what}: argument 'out' must be a tuple of {len(results)} tensors")
    return type(results)(*[deliver(what, r, o) for r, o in zip(results, out, strict=True)])


def result_as(what: str, result: Tensor, target: Tensor) -> Tensor:
    """The result in the target's dtype; RuntimeError if that would lower its category."""
    d = target._node.dtype
    if result._node.dtype is d:
        return result
    if not dt.can_cast(result._node.dtype, d):
        raise RuntimeError(
            f"{what}: result type {result.dtype.name} can't be cast to the desired output type {d.name}"
        )
    return cast(result, d)


def write(what: str, target: Tensor, result: Tensor) -> Tensor:
    """Makes `result` the content of `target`, after the checks; returns `target`."""
    check_writable(target, what)
    if result._node.shape != target._node.shape:
        raise RuntimeError(
            f"{what}: output with shape {list(target.shape)} doesn't match the broadcast shape "
            f"{list(result.shape)}"
        )
    result = result_as(what, result, target)
    if result._storage is not None:  # someone's memory: copy it
        result = clone(result)
    return assign(target, result, overwrite)


def in_place(f: Callable[..., Tensor], name: str, reads_first: bool = False) -> Callable[..., Tensor]:
    """The in-place variant of a function of a tensor: `name_`. `reads_first`: its operands may overlap."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if "out" in kwargs:
            raise TypeError(f"{name}() got an unexpected keyword argument 'out'")
        check_writable(self, name, *(() if reads_first else (*args, *kwargs.values())))
        old, since = self._current(), next_number()
        if modes.autocast is None:
            result = f(self, *args, **kwargs)
        else:  # the tensor has its dtype
            with plain():
                result = f(self, *args, **kwargs)
        if result._edge is not None:
            read_before_write(result, old, since)
        return write(name, self, result)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = (
        f"In-place version of `{name.strip('_')}`: changes this tensor (and all views of it) and returns it."
    )
    return method


def shape_of(what: str, size: tuple[int, ...], named: Any = None) -> tuple[int, ...]:
    """A shape from `f(2, 3)`, `f((2, 3))` or, by name, `f(size=(2, 3))`. TypeError for anything but whole
    numbers."""
    if named is not None:
        if size:
            raise TypeError(f"{what}: got the sizes twice, {size} and by name {named}")
        size = (named,)
    if len(size) == 1 and not isinstance(size[0], (int, Tensor)):
        size = tuple(size[0])
    try:
        shape = tuple([s if type(s) is int else s.__index__() for s in size])
    except (AttributeError, TypeError):
        raise TypeError(f"{what}: sizes must be whole numbers, got {size}") from None
    return shape


def positive_shape(what: str, size: tuple[int, ...], named: Any = None) -> tuple[int, ...]:
    """As `shape_of`; RuntimeError for a negative extent."""
    shape = shape_of(what, size, named)
    if shape and min(shape) < 0:
        raise RuntimeError(
            f"{what}: Trying to create tensor with negative dimension {min(shape)}: {list(shape)}"
        )
    return shape
