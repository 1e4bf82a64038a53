"""Comparisons that say what differs."""

from __future__ import annotations

import cmath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core import dtype as dt
from ..core.dtype import dtype as DType
from ..core.tensor import Tensor
from ..functions.choice import isclose
from ..functions.creation import as_tensor
from ..functions.reduction import all as all_of

Message = str | Callable[[str], str] | None

TOLERANCES = {
    dt.float16: (1e-3, 1e-5),
    dt.bfloat16: (1.6e-2, 1e-5),
    dt.float32: (1.3e-6, 1e-5),
    dt.float64: (1e-7, 1e-7),
    dt.complex64: (1.3e-6, 1e-5),
    dt.complex128: (1e-7, 1e-7),
}
"""Relative and absolute, by dtype: (0, 0) for all others."""


@dataclass
class _Options:
    allow_subclasses: bool
    rtol: float | None
    atol: float | None
    equal_nan: bool
    check_device: bool
    check_dtype: bool
    check_layout: bool
    check_stride: bool
    msg: Message

    def tolerances(self, *dtypes: DType) -> tuple[float, float]:
        """Those that were given, or the widest of the dtypes'."""
        if self.rtol is not None and self.atol is not None:
            return self.rtol, self.atol
        of = [TOLERANCES.get(d, (0.0, 0.0)) for d in dtypes]
        return max(r for r, _ in of), max(a for _, a in of)


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: Message = None,
) -> None:
    """Checks that |actual - expected| <= atol + rtol · |expected| everywhere, and that shapes and dtypes
    agree.

    Takes tensors, numbers, None, and sequences and mappings of these, nested as they like.

    Args:
        actual, expected: what to compare.
        allow_subclasses: whether objects of related types may be compared.
        rtol, atol: the tolerances, both or neither; without them, those of the dtype (float32: 1.3e-6, 1e-5).
        equal_nan: whether NaN equals NaN.
        check_device, check_dtype, check_layout, check_stride: what must agree besides values and shape.
        msg: the error's text, or a function from the usual text to it.

    Raises:
        AssertionError: they differ; the text says where and by how much.
        ValueError: only one tolerance is given.
        TypeError: the two can't be compared.

    Example:
        >>> import flambeau as torch
        >>> torch.testing.assert_close(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.000001]))
        >>> torch.testing.assert_close({"a": [1, 2.5]}, {"a": [1, 2.5]})
    """
    if (rtol is None) != (atol is None):
        raise ValueError(
            f"assert_close: rtol and atol must both be given or neither, got rtol={rtol}, atol={atol}"
        )
    options = _Options(
        allow_subclasses, rtol, atol, equal_nan, check_device, check_dtype, check_layout, check_stride, msg
    )
    _compare(actual, expected, options, "")


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """As `assert_close` for values alone: dtypes and the like may differ.

    >>> import flambeau as torch
    >>> torch.testing.assert_allclose(torch.tensor([1.0]), torch.tensor([1.0], dtype=torch.float64))
    """
    actual, expected = _tensor(actual), _tensor(expected)
    assert_close(
        actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_device=True, check_dtype=False,
        check_stride=False, msg=msg or None,
    )  # fmt: skip


def _tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else as_tensor(x)


def _fail(options: _Options, text: str, place: str) -> AssertionError:
    if place:
        text += f"\n\nThe failure occurred for item {place}"
    if callable(options.msg):
        text = options.msg(text)
    return AssertionError(text if options.msg is None or callable(options.msg) else options.msg)


def _compare(actual: Any, expected: Any, options: _Options, place: str) -> None:
    if _both(actual, expected, Sequence) and not isinstance(actual, str) and not isinstance(expected, str):
        if len(actual) != len(expected):
            raise _fail(
                options, f"The length of the sequences mismatch: {len(actual)} != {len(expected)}", place
            )
        for i, (a, e) in enumerate(zip(actual, expected, strict=True)):
            _compare(a, e, options, f"{place}[{i}]")
    elif _both(actual, expected, Mapping):
        if set(actual) != set(expected):
            missing, extra = (
                sorted(map(repr, set(expected) - set(actual))),
                sorted(map(repr, set(actual) - set(expected))),
            )
            raise _fail(
                options,
                f"The keys of the mappings do not match: missing {', '.join(missing) or 'none'}; not "
                f"expected {', '.join(extra) or 'none'}",
                place,
            )
        for key in expected:
            _compare(actual[key], expected[key], options, f"{place}[{key!r}]")
    elif actual is None or expected is None:
        if actual is not expected:
            raise _fail(options, f"None mismatch: {actual!r} is not {expected!r}", place)
    elif _both(actual, expected, bool):
        if actual is not expected:
            raise _fail(options, f"Booleans mismatch: {actual} is not {expected}", place)
    elif _is_number(actual) and _is_number(expected):
        _compare_numbers(actual, expected, options, place)
    else:
        _compare_tensors(*_comparable(actual, expected, options), options, place)


def _both(actual: Any, expected: Any, kind: type) -> bool:
    return isinstance(actual, kind) and isinstance(expected, kind)


def _is_number(x: Any) -> bool:
    return isinstance(x, int | float | complex) and not isinstance(x, bool)


def _comparable(actual: Any, expected: Any, options: _Options) -> tuple[Tensor, Tensor]:
    related = isinstance(actual, type(expected)) or isinstance(expected, type(actual))
    if related and (options.allow_subclasses or type(actual) is type(expected)):
        try:
            return _tensor(actual), _tensor(expected)
        except (TypeError, ValueError, RuntimeError):
            pass
    raise TypeError(
        f"assert_close: no way to compare a {type(actual).__name__} with a {type(expected).__name__}; give "
        f"both as tensors, numbers, or sequences or mappings of these"
    )


def _compare_numbers(actual: Any, expected: Any, options: _Options, place: str) -> None:
    if options.check_dtype and type(actual) is not type(expected):
        raise _fail(options, f"The (d)types do not match: {type(actual)} != {type(expected)}.", place)
    kinds = {int: dt.int64, float: dt.float64, complex: dt.complex128}
    rtol, atol = options.tolerances(kinds[type(actual)], kinds[type(expected)])
    if actual == expected or (options.equal_nan and cmath.isnan(actual) and cmath.isnan(expected)):
        return
    far = abs(actual - expected)
    if not cmath.isfinite(far) or far > atol + rtol * abs(expected):
        kind = "equal" if not rtol and not atol else "close"
        relative = far / abs(expected) if expected else float("inf")
        text = f"Scalars are not {kind}!\n\nExpected {expected} but got {actual}.\nAbsolute difference: {far}"
        text += "" if kind == "equal" else f" (up to {atol} allowed)"
        text += f"\nRelative difference: {relative}" + ("" if kind == "equal" else f" (up to {rtol} allowed)")
        raise _fail(options, text, place)


def _compare_tensors(actual: Tensor, expected: Tensor, options: _Options, place: str) -> None:
    if actual._sparse and expected._sparse:
        _compare_sparse(actual, expected, options, place)
        return
    aspects = (
        ("shape", "shape", True),
        ("device", "device", options.check_device),
        ("dtype", "dtype", options.check_dtype),
        ("layout", "layout", options.check_layout),
        ("stride()", "stride", options.check_stride),
    )
    for what, name, checked in aspects:
        a, e = getattr(actual, name), getattr(expected, name)
        a, e = (a(), e()) if name == "stride" else (a, e)
        if checked and a != e:
            raise _fail(options, f"The values for attribute '{what}' do not match: {a} != {e}.", place)
    rtol, atol = options.tolerances(actual.dtype, expected.dtype)
    d = dt.promote_types(actual.dtype, expected.dtype)
    actual, expected = actual.detach().to(d), expected.detach().to(d)
    close = isclose(actual, expected, rtol=rtol, atol=atol, equal_nan=options.equal_nan)
    if not all_of(close):
        raise _fail(options, _mismatch(actual, expected, close, rtol, atol), place)


def _compare_sparse(actual: Any, expected: Any, options: _Options, place: str) -> None:
    """The parts of sparse tensors, one by one."""
    for name, checked in (("shape", True), ("dtype", options.check_dtype), ("layout", options.check_layout)):
        a, e = getattr(actual, name), getattr(expected, name)
        if checked and a != e:
            raise _fail(options, f"The values for attribute '{name}' do not match: {a} != {e}.", place)
    if actual.layout is not expected.layout or actual.is_sparse:
        actual, expected = actual.to_sparse().coalesce(), expected.to_sparse().coalesce()
    if actual._nnz() != expected._nnz():
        text = f"The number of specified values does not match: {actual._nnz()} != {expected._nnz()}"
        raise _fail(options, text, place)
    for a, e in zip(actual._parts(), expected._parts(), strict=True):
        if isinstance(a, Tensor):
            _compare_tensors(a, e, options, place)


def _mismatch(actual: Tensor, expected: Tensor, close: Tensor, rtol: float, atol: float) -> str:
    """What differs, and where the most."""
    exact = not rtol and not atol
    wide = dt.complex128 if actual.is_complex() else dt.float64
    actual, expected = actual.to(wide), expected.to(wide)
    if actual.ndim == 0:
        far = abs((actual - expected).item())
        size = abs(expected.item())
        return (
            f"Scalars are not {'equal' if exact else 'close'}!\n\nExpected {expected.item()} but got "
            f"{actual.item()}.\nAbsolute difference: {far}{_allowed(atol, exact)}\nRelative difference: "
            f"{far / size if size else float('inf')}{_allowed(rtol, exact)}"
        )
    wrong, total = int((~close).sum()), close.numel()
    lines = [
        f"Tensor-likes are not {'equal' if exact else 'close'}!",
        "",
        f"Mismatched elements: {wrong} / {total} ({wrong / total:.1%})",
    ]
    distance = (actual - expected).abs()
    for name, values, allowed in (
        ("absolute", distance, atol),
        ("relative", distance / expected.abs(), rtol),
    ):
        values = values.masked_fill(close, 0.0)
        where = int(values.argmax())
        value = values.reshape(-1)[where].item()
        lines.append(
            f"Greatest {name} difference: {value} at index {_index(where, tuple(actual.shape))}"
            f"{_allowed(allowed, exact)}"
        )
    return "\n".join(lines)


def _allowed(tolerance: float, exact: bool) -> str:
    return "" if exact else f" (up to {tolerance} allowed)"


def _index(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The index of an element, given its number."""
    index = []
    for extent in reversed(shape):
        flat, i = divmod(flat, extent)
        index.append(i)
    return tuple(reversed(index))
