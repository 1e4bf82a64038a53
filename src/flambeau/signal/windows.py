"""Windows: weights that fade towards the ends of a stretch of a signal (`torch.signal.windows`).

Each has `M` points. A symmetric one (`sym=True`) is for filters; the other is a period of a periodic signal,
for spectra: the symmetric one of M + 1 points without its last.

>>> import flambeau as torch
>>> torch.signal.windows.hann(5)
tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ..core.dtype import dtype as DType
from ..core.dtype import float32, float64, get_default_dtype
from ..core.tensor import Tensor
from ..functions.creation import empty, ones
from ..functions.elementary import i0
from ..functions.pointwise import abs, cos, exp, sin, sqrt
from ..functions.ranges import linspace

__all__ = [
    "bartlett",
    "blackman",
    "cosine",
    "exponential",
    "gaussian",
    "general_cosine",
    "general_hamming",
    "hamming",
    "hann",
    "kaiser",
    "nuttall",
]


def _options(name: str, M: int, dtype: DType | None, layout: Any, device: Any) -> dict[str, Any]:
    """The arguments for what makes tensors; ValueError for a negative length, a dtype or a layout that is
    none for windows."""
    if M < 0:
        raise ValueError(f"{name}: requires non-negative window length, got M={M}")
    d = get_default_dtype() if dtype is None else dtype
    if d not in (float32, float64):
        raise ValueError(
            f"{name}: expects float32 or float64 dtypes, got: {d}; convert the window with .to()"
        )
    if layout not in (None, "strided"):
        raise ValueError(f"{name}: is implemented for strided tensors only, got: {layout}")
    return {"dtype": d, "device": device}


def _short(M: int, options: dict[str, Any]) -> Tensor:
    """A window of no point, or one."""
    return ones(1, **options) if M else empty(0, **options)


def exponential(
    M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, dtype: DType | None = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """exp(-|n - center| / tau). ValueError for tau <= 0, or a center of a symmetric window.

    >>> import flambeau as torch
    >>> torch.signal.windows.exponential(3)
    tensor([0.3679, 1.0000, 0.3679])
    """
    options = _options("exponential", M, dtype, layout, device)
    if tau <= 0:
        raise ValueError(f"exponential: Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("exponential: Center must be None for symmetric windows; give sym=False")
    middle = (M if not sym and M > 1 else M - 1) / 2 if center is None else center
    k = linspace(-middle / tau, (M - 1 - middle) / tau, M, **options)
    return exp(-abs(k)).requires_grad_(requires_grad)


def cosine(
    M: int, *, sym: bool = True, dtype: DType | None = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """sin(pi * (n + 1/2) / M): half a wave.

    >>> import flambeau as torch
    >>> torch.signal.windows.cosine(3)
    tensor([0.5000, 1.0000, 0.5000])
    """
    options = _options("cosine", M, dtype, layout, device)
    step = math.pi / max(M + 1 if not sym and M > 1 else M, 1)
    return sin(linspace(step / 2, (M - 0.5) * step, M, **options)).requires_grad_(requires_grad)


def gaussian(
    M: int, *, std: float = 1.0, sym: bool = True, dtype: DType | None = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """exp(-(n - middle)² / (2 * std²)). ValueError for std <= 0.

    >>> import flambeau as torch
    >>> torch.signal.windows.gaussian(3)
    tensor([0.6065, 1.0000, 0.6065])
    """
    options = _options("gaussian", M, dtype, layout, device)
    if std <= 0:
        raise ValueError(f"gaussian: Standard deviation must be positive, got: {std} instead.")
    scale, middle = 1 / (std * math.sqrt(2)), (M if not sym and M > 1 else M - 1) / 2
    k = linspace(-middle * scale, (M - 1 - middle) * scale, M, **options)
    return exp(-(k * k)).requires_grad_(requires_grad)


def kaiser(
    M: int, *, beta: float = 12.0, sym: bool = True, dtype: DType | None = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """i0(beta * sqrt(1 - t²)) / i0(beta), t from -1 to 1. ValueError for beta < 0.

    >>> import flambeau as torch
    >>> torch.signal.windows.kaiser(3, beta=2.0)
    tensor([0.4387, 1.0000, 0.4387])
    """
    options = _options("kaiser", M, dtype, layout, device)
    if beta < 0:
        raise ValueError(f"kaiser: beta must be non-negative, got: {beta} instead.")
    if M < 2:
        return _short(M, options).requires_grad_(requires_grad)
    end = min(beta, (M - 1) * 2 * beta / (M - sym) - beta)
    k = linspace(-beta, end, M, **options)
    top = i0(ones((), **options) * beta)
    return (i0(sqrt(beta * beta - k * k)) / top).requires_grad_(requires_grad)


def bartlett(
    M: int, *, sym: bool = True, dtype: DType | None = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """1 - |t|, t from -1 to 1: a triangle.

    >>> import flambeau as torch
    >>> torch.signal.windows.bartlett(5)
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    options = _options("bartlett", M, dtype, layout, device)
    if M < 2:
        return _short(M, options).requires_grad_(requires_grad)
    k = linspace(-1, (M - 1) * 2 / (M - sym) - 1, M, **options)
    return (1 - abs(k)).requires_grad_(requires_grad)


def general_cosine(
    M: int, *, a: Iterable[float], sym: bool = True, dtype: DType | None = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The sum of (-1)**i * a[i] * cos(i * t), t from 0 to 2*pi. ValueError without coefficients.

    >>> import flambeau as torch
    >>> torch.signal.windows.general_cosine(3, a=[0.5, 0.5])
    tensor([0., 1., 0.])
    """
    return _waves("general_cosine", M, a, sym, dtype, layout, device, requires_grad)


def _waves(
    name: str, M: int, a: Iterable[float], sym: bool, dtype: DType | None, layout: Any, device: Any,
    requires_grad: bool,
) -> Tensor:  # fmt: skip
    options = _options(name, M, dtype, layout, device)
    if not isinstance(a, Iterable):
        raise TypeError(f"{name}: Coefficients must be a list/tuple, got {type(a).__name__}")
    weights = list(a)
    if not weights:
        raise ValueError(f"{name}: Coefficients cannot be empty")
    if M < 2:
        return _short(M, options).requires_grad_(requires_grad)
    k = linspace(0, (M - 1) * 2 * math.pi / (M - sym), M, **options)
    window = ones(M, **options) * weights[0]
    for i, weight in enumerate(weights[1:], 1):
        window = window + cos(k * i) * (weight if i % 2 == 0 else -weight)
    return window.requires_grad_(requires_grad)


def general_hamming(
    M: int, *, alpha: float = 0.54, sym: bool = True, dtype: DType | None = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """alpha - (1 - alpha) * cos(t), t from 0 to 2*pi.

    >>> import flambeau as torch
    >>> torch.signal.windows.general_hamming(3, alpha=0.6)
    tensor([0.2000, 1.0000, 0.2000])
    """
    return _waves("general_hamming", M, (alpha, 1 - alpha), sym, dtype, layout, device, requires_grad)


def _named(name: str, what: str, result: str, *a: float) -> Any:
    """A sum of waves with fixed weights."""

    def window(
        M: int, *, sym: bool = True, dtype: DType | None = None, layout: Any = None, device: Any = None,
        requires_grad: bool = False,
    ) -> Tensor:  # fmt: skip
        return _waves(name, M, a, sym, dtype, layout, device, requires_grad)

    window.__name__ = window.__qualname__ = name
    window.__doc__ = (
        f"{what}, t from 0 to 2*pi.\n\n"
        f"    >>> import flambeau as torch\n    >>> torch.signal.windows.{name}(3)\n    {result}\n    "
    )
    return window


hamming = _named("hamming", "0.54 - 0.46 * cos(t)", "tensor([0.0800, 1.0000, 0.0800])", 0.54, 0.46)
hann = _named("hann", "(1 - cos(t)) / 2", "tensor([0., 1., 0.])", 0.5, 0.5)
blackman = _named(
    "blackman", "0.42 - 0.5 * cos(t) + 0.08 * cos(2 * t)",
    "tensor([-1.4901e-08,  1.0000e+00, -1.4901e-08])", 0.42, 0.5, 0.08,
)  # fmt: skip
nuttall = _named(
    "nuttall", "Nuttall's sum of four cosines", "tensor([3.6280e-04, 1.0000e+00, 3.6280e-04])",
    0.3635819, 0.4891775, 0.1365995, 0.0106411,
)  # fmt: skip
