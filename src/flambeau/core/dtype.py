"""Data types, and PyTorch's rules for which type an operation on several of them has."""

from __future__ import annotations

from functools import cache

import ml_dtypes
import numpy as np

BOOL, INTEGER, FLOAT, COMPLEX = range(4)  # categories, in the order of promotion
STORED = 2.5  # floats that are kept and converted, but hardly computed with: neither FLOAT nor COMPLEX


class dtype:
    """The type of a tensor's elements.

    >>> import flambeau as torch
    >>> torch.float32.itemsize, torch.float32.is_floating_point, torch.int64
    (4, True, torch.int64)
    """

    __slots__ = ("category", "is_complex", "is_floating_point", "is_signed", "itemsize", "name", "np")
    name: str
    np: np.dtype
    itemsize: int
    category: float
    is_floating_point: bool
    is_complex: bool
    is_signed: bool

    def __init__(self, name: str, scalar: type, category: float) -> None:
        self.name, self.np, self.category = name, np.dtype(scalar), category
        self.itemsize = self.np.itemsize
        self.is_floating_point, self.is_complex = category in (FLOAT, STORED), category == COMPLEX
        self.is_signed = not name.startswith("uint") and category != BOOL

    def __repr__(self) -> str:
        return f"torch.{self.name}"  # the field's name for it; programs and printed tensors rely on it

    def __reduce__(self) -> str:
        return (
            "bool_" if self.category == BOOL else self.name
        )  # by name: there is one instance, in this module

    def to_real(self) -> dtype:
        """The type of the real part."""
        return {"complex64": float32, "complex128": float64}.get(self.name, self)

    def to_complex(self) -> dtype:
        """The complex type whose parts have this type (half types widen to complex64)."""
        return self if self.is_complex else complex128 if self is float64 else complex64


float64 = double = dtype("float64", np.float64, FLOAT)
float32 = float_ = dtype("float32", np.float32, FLOAT)
float16 = half = dtype("float16", np.float16, FLOAT)
bfloat16 = dtype("bfloat16", ml_dtypes.bfloat16, FLOAT)
int64 = long = dtype("int64", np.int64, INTEGER)
int32 = int_ = dtype("int32", np.int32, INTEGER)
int16 = short = dtype("int16", np.int16, INTEGER)
int8 = dtype("int8", np.int8, INTEGER)
uint8 = dtype("uint8", np.uint8, INTEGER)
bool_ = dtype("bool", np.bool_, BOOL)
complex64 = cfloat = dtype("complex64", np.complex64, COMPLEX)
complex128 = cdouble = dtype("complex128", np.complex128, COMPLEX)

uint16 = dtype("uint16", np.uint16, INTEGER)
uint32 = dtype("uint32", np.uint32, INTEGER)
uint64 = dtype("uint64", np.uint64, INTEGER)
float8_e4m3fn = dtype("float8_e4m3fn", ml_dtypes.float8_e4m3fn, STORED)
float8_e5m2 = dtype("float8_e5m2", ml_dtypes.float8_e5m2, STORED)

ALL = (float64, float32, float16, bfloat16, int64, int32, int16, int8, uint8, bool_, complex64, complex128)
HALVES = (float16, bfloat16)  # stored in 16 bits, computed in float32
WIDE_UNSIGNED = (uint16, uint32, uint64)
FOREIGN = frozenset((bfloat16, float8_e4m3fn, float8_e5m2))  # what NumPy has no Python number for
RARE = (
    *WIDE_UNSIGNED,
    float8_e4m3fn,
    float8_e5m2,
)  # kept and converted; computed with by NumPy, where at all
_FROM_NUMPY = {d.np: d for d in (*ALL, *RARE)}


def from_numpy(np_dtype: np.dtype) -> dtype:
    """The dtype for a NumPy dtype; TypeError for one without a counterpart."""
    try:
        return _FROM_NUMPY[np.dtype(np_dtype)]
    except KeyError:
        names = ", ".join(d.name for d in ALL)
        raise TypeError(
            f"can't make a tensor of NumPy dtype {np_dtype}; the supported dtypes are {names}"
        ) from None


_default = float32


def get_default_dtype() -> dtype:
    """The dtype of tensors made from Python floats (float32 unless changed).

    >>> import flambeau as torch
    >>> torch.get_default_dtype()
    torch.float32
    """
    return _default


def set_default_dtype(d: dtype, /) -> None:
    """Sets the dtype of tensors made from Python floats; TypeError unless it is a floating dtype.

    >>> import flambeau as torch
    >>> torch.set_default_dtype(torch.float64); torch.tensor(1.5).dtype
    torch.float64
    >>> torch.set_default_dtype(torch.float32)
    """
    global _default
    if not isinstance(d, dtype) or not d.is_floating_point:
        raise TypeError(
            f"set_default_dtype: only floating-point dtypes are supported as the default, got {d}"
        )
    _default = d


def of_scalar(value: object) -> dtype:
    """The dtype a Python number has by itself: bool, int64, the default float, or its complex counterpart."""
    if isinstance(value, (bool, np.bool_)):
        return bool_
    if isinstance(value, (int, np.integer)):
        return int64
    if isinstance(value, (float, np.floating)):
        return _default
    if isinstance(value, (complex, np.complexfloating)):
        return _default.to_complex()
    raise TypeError(f"expected a number, got {type(value).__name__}")


@cache
def promote_types(a: dtype, b: dtype) -> dtype:
    """The smallest dtype that both convert to, by category first (bool < integer < float < complex).

    RuntimeError for a float8 type and another dtype, and for uint16, uint32 or uint64 and another whole or
    bool one.

    >>> import flambeau as torch
    >>> torch.promote_types(torch.uint8, torch.int8), torch.promote_types(torch.float16, torch.bfloat16)
    (torch.int16, torch.float32)
    """
    if a is b:
        return a
    for x, y in ((a, b), (b, a)):
        if x.category == STORED or (x in WIDE_UNSIGNED and y.category <= INTEGER):
            what = "Float8 Types" if x.category == STORED else "uint16, uint32, uint64 types"
            raise RuntimeError(
                f"Promotion for {what} is not supported, attempted to promote {a} and {b}; convert one of "
                f"them"
            )
    if a.category < b.category:
        a, b = b, a
    if a.category != b.category:
        return complex128 if a is complex64 and b is float64 else a
    if a.category == INTEGER:  # uint8 and a signed type: the next signed type that holds both
        pair = {a, b}
        if pair == {uint8, int8}:
            return int16
    elif {a, b} == {float16, bfloat16}:
        return float32
    return a if a.itemsize > b.itemsize else b


@cache
def combine(full: dtype | None, zero_dim: dtype | None, scalar: dtype | None) -> dtype:
    """The result type of operands with dimensions, 0-d tensors, and Python numbers.

    A later group counts only if its category is higher than that of all the groups before it.
    """
    result = _higher(full, _higher(zero_dim, scalar))
    assert result is not None
    return result


def _higher(first: dtype | None, second: dtype | None) -> dtype | None:
    """The first, if it is there and the second's category isn't higher; of floats and complex numbers, the
    complex type of the floats."""
    if first is None or second is None:
        return first or second
    if first.category >= second.category:
        return first
    return first.to_complex() if first.is_floating_point else second


def can_cast(a: dtype, b: dtype, /) -> bool:
    """Whether a result of dtype `a` may be stored in dtype `b` (the category may not fall; bool only takes
    bool).

    >>> import flambeau as torch
    >>> torch.can_cast(torch.float64, torch.float32), torch.can_cast(torch.float32, torch.int64)
    (True, False)
    """
    return a.category <= b.category
