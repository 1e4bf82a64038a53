"""The text of a tensor, character for character PyTorch's: numbers, nesting, ellipses, suffixes.

A tensor is printed in three steps: pick what is shown (`_corners`), write each shown element as a cell and
find the common width (`_cells`), arrange the cells in brackets and lines (`_brackets`). Time and memory go
with what is shown, not with the size of the tensor.
"""

from __future__ import annotations

import contextlib
import math
import operator
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np


# ----- Options -----
class _Options(NamedTuple):
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: float = 80
    sci_mode: bool | None = None


_PROFILES = {
    "default": _Options(),
    "short": _Options(precision=2, edgeitems=2),
    "full": _Options(threshold=math.inf),
}
_options = _Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: float | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors are printed from now on. What is left at None stays as it is, except `sci_mode`.

    Args:
        precision: digits after the decimal point (4 at the start).
        threshold: a tensor with more elements than this is summarised (1000); `math.inf` shows everything.
        edgeitems: how many items a summary keeps at both ends of each dimension (3).
        linewidth: characters a line may take (80).
        profile: `"default"`, `"short"` (precision 2, edgeitems 2) or `"full"` (no summary); the arguments
            above override it.
        sci_mode: True writes 1.0000e+00, False never does. None, which every call without it sets again,
            lets the values decide: scientific if, of the magnitudes of finite nonzero elements, the largest
            is above 1e8, or above 1000 times the smallest, or the smallest is below 1e-4.

    TypeError or ValueError if an option has the wrong type, is negative or is unknown; nothing changes then.

    >>> import flambeau as torch
    >>> torch.set_printoptions(precision=2, threshold=5)
    >>> torch.arange(7) / 6
    tensor([0.00, 0.17, 0.33,  ..., 0.67, 0.83, 1.00])
    >>> torch.set_printoptions(profile="default")
    """
    global _options
    if profile is not None and profile not in _PROFILES:
        raise ValueError(f"set_printoptions: unknown profile {profile!r}; use one of {', '.join(_PROFILES)}")
    base = _options if profile is None else _PROFILES[profile]
    _options = _Options(
        base.precision if precision is None else _count("precision", precision),
        base.threshold if threshold is None else _bound("threshold", threshold),
        base.edgeitems if edgeitems is None else _count("edgeitems", edgeitems),
        base.linewidth if linewidth is None else _bound("linewidth", linewidth),
        sci_mode,
    )


def get_printoptions() -> dict[str, Any]:
    """The current options, as a dictionary that `set_printoptions(**options)` takes back.

    >>> from flambeau.core.printing import get_printoptions
    >>> get_printoptions()
    {'precision': 4, 'threshold': 1000, 'edgeitems': 3, 'linewidth': 80, 'sci_mode': None}
    """
    return _options._asdict()


@contextlib.contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Set print options inside a `with` block; arguments as for `set_printoptions`.

    >>> import numpy as np
    >>> from flambeau.core.printing import format_tensor, printoptions
    >>> with printoptions(sci_mode=True, precision=1):
    ...     format_tensor(np.float32([1, 20]), dtype_name="float32")
    'tensor([1.0e+00, 2.0e+01])'
    """
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


def _count(name: str, value: int) -> int:
    try:
        count = operator.index(value)
    except TypeError:
        raise TypeError(f"set_printoptions: {name} must be an int, got {value!r}; pass e.g. 4") from None
    if count < 0:
        raise ValueError(f"set_printoptions: {name} must be at least 0, got {count}; pass 0 or more")
    return count


def _bound(name: str, value: float) -> float:
    way_out = "pass an int, or math.inf for no limit"
    try:
        unordered = math.isnan(value)
    except TypeError:
        raise TypeError(f"set_printoptions: {name} must be a number, got {value!r}; {way_out}") from None
    if unordered:
        raise ValueError(f"set_printoptions: {name} must be a number, got nan; {way_out}")
    return value


# ----- The whole text -----
def format_tensor(
    value: np.ndarray | None,
    *,
    dtype_name: str,
    shape: tuple[int, ...] = (),
    default_dtype_name: str = "float32",
    device: str | None = None,
    requires_grad: bool = False,
    grad_fn: str | None = None,
    prefix: str = "tensor(",
) -> str:
    """The repr of a tensor that holds `value`.

    Args:
        value: the elements, any shape; bfloat16 and float8 as ml_dtypes arrays. None: there are none, on the
            meta device.
        dtype_name: the dtype as printed after `torch.`; shown unless the elements imply it.
        shape: the shape, which is shown where there is no value.
        default_dtype_name: the default floating dtype, which need not be shown.
        device: shown as `device='...'`; None when it is the default one.
        requires_grad: shown as `requires_grad=True` if there is no `grad_fn`.
        grad_fn: the name of the gradient function, shown as `grad_fn=<...>`.
        prefix: what comes first, the opening bracket included; further lines are indented by its last line.
            For a parameter `"Parameter containing:\\ntensor("`, for a subclass its name and `"("`.

    >>> import numpy as np
    >>> from flambeau.core.printing import format_tensor
    >>> print(format_tensor(np.eye(2), dtype_name="float64", requires_grad=True))
    tensor([[1., 0.],
            [0., 1.]], dtype=torch.float64, requires_grad=True)
    """
    suffixes = [f"device='{device}'"] if device is not None else []
    if value is None:
        suffixes += ["device='meta'", f"size={shape}"]
        show_size, implied = False, {default_dtype_name}
    elif value.size == 0:
        # Without elements the dtype cannot be seen, and [] looks like shape (0,).
        show_size, implied = value.ndim != 1, {default_dtype_name}
    else:
        complex_name = "complex128" if default_dtype_name == "float64" else "complex64"
        show_size, implied = _options.edgeitems == 0, {default_dtype_name, complex_name, "int64", "bool"}
    if show_size and value is not None:
        suffixes.append(f"size={value.shape}")
    if dtype_name not in implied:
        suffixes.append(f"dtype=torch.{dtype_name}")
    if grad_fn is not None:
        suffixes.append(f"grad_fn=<{grad_fn}>")
    elif requires_grad:
        suffixes.append("requires_grad=True")
    indent = len(prefix) - prefix.rfind("\n") - 1
    return _append_suffixes(prefix + ("..." if value is None else _contents(value, indent)), suffixes, indent)


def format_sparse(parts: list[tuple[str, np.ndarray]], suffixes: list[str], apart: bool) -> str:
    """The repr of a sparse tensor: its parts by name, one below the other, and what else there is to say,
    which begins a line of its own if it is to be `apart`.

    >>> import numpy as np
    >>> from flambeau.core.printing import format_sparse
    >>> print(format_sparse([("indices", np.array([[0]])), ("values", np.array([2]))], ["size=(3,)"], True))
    tensor(indices=tensor([[0]]),
           values=tensor([2]),
           size=(3,))
    """
    indent = len("tensor(")
    texts = []
    for name, value in parts:
        opening = f"{name}=tensor("
        size = f", size={value.shape}" if value.size == 0 else ""
        texts.append(f"{opening}{_contents(value, indent + len(opening))}{size})")
    text = "tensor(" + f",\n{' ' * indent}".join(texts)
    return _append_suffixes(text, suffixes, indent, apart)


def _append_suffixes(text: str, suffixes: list[str], indent: int, apart: bool = False) -> str:
    used = _options.linewidth if apart else len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        used += len(suffix) + 2
        if used > _options.linewidth:
            text += f",\n{' ' * indent}{suffix}"
            used = indent + len(suffix)
        else:
            text += f", {suffix}"
    return text + ")"


def _contents(value: np.ndarray, indent: int) -> str:
    if value.size == 0:
        return "[]"
    shown = _corners(value) if value.ndim and value.size > _options.threshold else value
    cells, width = _cells(shown.reshape(-1))
    if value.ndim == 0:
        return cells[0]
    return _brackets(iter(cells), width, shown.shape, value.shape, indent)


def _corners(value: np.ndarray) -> np.ndarray:
    """What a summary shows: of each dimension of more than 2 `edgeitems`, as many from both ends."""
    edge = _options.edgeitems
    kept = [range(n) if n <= 2 * edge else [*range(edge), *range(n - edge, n)] for n in value.shape]
    return value[np.ix_(*kept)]


# ----- Elements -----
def _cells(flat: np.ndarray) -> tuple[list[str], int]:
    """Each element as text, padded on the left, and the width that line breaking counts with."""
    if flat.dtype.kind == "c":
        reals, real_width = _padded(*_real_cells(flat.real))
        imags, imag_width = _real_cells(flat.imag)
        cells = [f"{x}{'' if y.startswith('-') else '+'}{y}j" for x, y in zip(reals, imags, strict=True)]
        return cells, real_width + imag_width + 1
    return _padded(*_real_cells(flat))


def _padded(cells: list[str], width: int) -> tuple[list[str], int]:
    return [cell.rjust(width) for cell in cells], width


def _real_cells(flat: np.ndarray) -> tuple[list[str], int]:
    if flat.dtype.kind in "biu":
        cells = [str(item) for item in flat.tolist()]
        return cells, max(map(len, cells), default=1)
    flat = flat.astype(np.float64)
    items = flat.tolist()
    # Zeros, infinities and NaN decide neither the style nor the width, so a lone "-inf" sticks out.
    counted = np.isfinite(flat) & (flat != 0)
    magnitudes = np.abs(flat[counted])
    if magnitudes.size and _is_scientific(magnitudes):
        cells = [f"{item:.{_options.precision}e}" for item in items]
    elif np.array_equal(magnitudes, np.ceil(magnitudes)):
        cells = [f"{item:.0f}." if math.isfinite(item) else str(item) for item in items]
    else:
        cells = [f"{item:.{_options.precision}f}" for item in items]
    widths = (len(cell) for cell, counts in zip(cells, counted.tolist(), strict=True) if counts)
    return cells, max(widths, default=1)


def _is_scientific(magnitudes: np.ndarray) -> bool:
    if _options.sci_mode is not None:
        return bool(_options.sci_mode)
    low, high = float(magnitudes.min()), float(magnitudes.max())
    return high / low > 1000.0 or high > 1.0e8 or low < 1.0e-4


# ----- Arrangement -----
def _brackets(
    cells: Iterator[str], width: int, shown: tuple[int, ...], shape: tuple[int, ...], indent: int
) -> str:
    """One pair of brackets with the next cells in it; `shown` is what is left of `shape` in a summary."""
    count, is_row = shown[0], len(shape) == 1
    if is_row:
        items = list(islice(cells, count))
    else:
        items = [_brackets(cells, width, shown[1:], shape[1:], indent + 1) for _ in range(count)]
    if count < shape[0]:
        items.insert(count // 2, " ..." if is_row and count else "...")
    if is_row:
        fitting = min(len(items), (_options.linewidth - indent) / (width + 2))
        step = max(1, int(fitting))
        items = [", ".join(items[i : i + step]) for i in range(0, len(items), step)]
    newlines = "\n" * max(1, len(shape) - 1)
    return "[" + f",{newlines}{' ' * (indent + 1)}".join(items) + "]"
