"""The short-time Fourier transform: spectra of overlapping pieces of a signal, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core.tensor import Tensor
from ..core.warning import warn
from ..ops import fft as ops
from ..ops.kinds import make_constant
from ..ops.op import check_tensor
from ..ops.view import pad, window_sum
from . import indexing, reduction, shape
from .casting import in_float32

PAD_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap", "constant": ""}


@in_float32
def stft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Tensor:
    """The spectra (..., frequencies, pieces) of pieces of `n_fft` numbers, `hop_length` apart, of signals
    (..., n).

    A piece is multiplied by `window` (ones by default; its `win_length` numbers in the middle, zeros around
    them). With `center` the signal is padded by n_fft // 2 at both ends (`pad_mode`: "reflect",
    "replicate", "circular" or "constant"), so that pieces lie around their times; without,
    `align_to_window` pads such that the first window begins where the signal does. `onesided`, the default
    for real signals, keeps n_fft // 2 + 1 frequencies; `normalized` divides by √n_fft. `return_complex`
    must be given for real signals; False (deprecated) gives real and imaginary parts as a last dimension.
    RuntimeError for lengths that don't fit.

    >>> import flambeau as torch
    >>> torch.stft(torch.ones(8), 4, return_complex=True).shape
    torch.Size([3, 9])
    """
    x = check_tensor("stft", "input", input)
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    if center and align_to_window is not None:
        raise RuntimeError("stft: align_to_window should only be set when center=False")
    if x.dtype.category < dt.FLOAT or x.ndim not in (1, 2):
        raise RuntimeError(
            f"stft: expected a 1D or 2D tensor of floating or complex values, got {x.dtype.name} of shape "
            f"{tuple(x.shape)}"
        )
    if center:
        x = _extended(x, n_fft // 2, pad_mode)
    elif align_to_window:
        x = _extended(x, (n_fft - width) // 2, "constant")
    if not 0 < n_fft <= x.shape[-1]:
        raise RuntimeError(
            f"stft: expected 0 < n_fft <= {x.shape[-1]} (the padded signal), got n_fft={n_fft}"
        )
    if hop <= 0:
        raise RuntimeError(f"stft: expected hop_length > 0, got hop_length={hop}")
    w = _window("stft", window, width, n_fft, x)
    is_complex = x.is_complex() or w.is_complex()
    if return_complex is None and not is_complex:
        raise RuntimeError("stft requires the return_complex parameter be given for real inputs; give True")
    if onesided and is_complex:
        raise RuntimeError("stft: Cannot have onesided output if window or input is complex")
    pieces = shape.unfold(x, -1, n_fft, hop)
    pieces = pieces if window is None and width == n_fft else pieces * w
    dims = (pieces.ndim - 1,)
    if is_complex or onesided is False:
        spectra = ops.fft_c2c(pieces, dims, int(normalized), True)
    else:
        spectra = ops.fft_r2c(pieces, dims, int(normalized))
    result: Tensor = spectra.transpose(-1, -2)
    return result if return_complex or return_complex is None else shape.view_as_real(result)


def _extended(x: Tensor, amount: int, mode: str) -> Tensor:
    """The signals with so many numbers more at both ends."""
    if mode not in PAD_MODES:
        raise NotImplementedError(
            f"stft: Unrecognised padding mode {mode}; choose one of {', '.join(PAD_MODES)}"
        )
    if mode == "constant":
        zero = make_constant(np.zeros((), x.dtype.np))
        return pad(x, zero, (*[(0, 0)] * (x.ndim - 1), (amount, amount)))
    n = x.shape[-1]
    if amount > n or (mode == "reflect" and amount == n) or n == 0:
        raise RuntimeError(
            f"stft: Padding size should be less than the corresponding input dimension, but got padding of "
            f"{amount} ({mode}) for signals of {n} numbers; choose a smaller n_fft or center=False"
        )
    places: Any = np.pad(np.arange(n), amount, mode=PAD_MODES[mode])  # type: ignore[call-overload]
    return indexing.index_select(x, x.ndim - 1, make_constant(places))


def _window(what: str, window: Tensor | None, width: int, n_fft: int, x: Tensor) -> Tensor:
    """The window with zeros around it."""
    if not 0 < width <= n_fft:
        raise RuntimeError(f"{what}: expected 0 < win_length <= n_fft, got win_length={width}, n_fft={n_fft}")
    if window is None:
        window = x.new_ones(width, dtype=x.dtype.to_real())
    elif tuple(window.shape) != (width,):
        raise RuntimeError(
            f"{what}: expected a 1D window tensor of size equal to win_length={width}, but got a window of "
            f"shape {tuple(window.shape)}"
        )
    left = (n_fft - width) // 2
    zero = make_constant(np.zeros((), window.dtype.np))
    return pad(window, zero, ((left, n_fft - width - left),)) if width < n_fft else window


def istft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Tensor:
    """The signals (..., n) of whose pieces `stft` with the same arguments gives the spectra.

    Pieces are transformed back, multiplied by the window once more, added where they overlap, and divided
    by the sum of the squared windows there: RuntimeError where that is 0. `length` says how long the signal
    was (its end may not reach a whole piece).

    >>> import flambeau as torch
    >>> x = torch.arange(8.)
    >>> torch.istft(torch.stft(x, 4, return_complex=True), 4)
    tensor([0., 1., 2., 3., 4., 5., 6., 7.])
    """
    x = check_tensor("istft", "input", input)
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    onesided = _check_spectra(x, n_fft, hop, width, onesided)
    if window is not None and window.is_complex() and not return_complex:
        raise RuntimeError("istft: the window is complex, but return_complex is False; set it to True")
    w = _window("istft", window, width, n_fft, x)
    spectra = x.transpose(-1, -2)
    dims, scaling = (x.ndim - 1,), 1 if normalized else 2
    if return_complex:
        if onesided:
            raise RuntimeError("istft: complex output is not compatible with onesided spectra")
        pieces = ops.fft_c2c(spectra, dims, scaling, False)
    else:
        half = spectra if onesided else shape.narrow(spectra, -1, 0, ops.half(n_fft))
        pieces = ops.fft_c2r(half, dims, scaling, n_fft)
    count, rank = x.shape[-1], x.ndim - 1
    whole = n_fft + hop * (count - 1)
    signal = window_sum(pieces * w, whole, rank - 1, hop)
    weight = window_sum(shape.expand(w * w, count, n_fft), whole, 0, hop)
    first = n_fft // 2 if center else 0
    last = min(whole, first + length) if length is not None else whole - first
    signal, weight = signal[..., first:last], weight[first:last]
    if weight.numel() and float(reduction.amin(weight.detach().abs())) <= 1e-11:
        raise RuntimeError(
            "istft: window overlap add min: the windows leave numbers of the signal without weight; choose a "
            "smaller hop_length or another window"
        )
    return _lengthened(signal / weight, length)


def _check_spectra(x: Tensor, n_fft: int, hop: int, width: int, onesided: bool | None) -> bool:
    """Whether the spectra are onesided; RuntimeError if they are none, or lengths don't fit."""
    if not x.is_complex():
        raise RuntimeError(
            f"istft requires a complex-valued input tensor matching the output from stft with "
            f"return_complex=True, got {x.dtype.name}; use view_as_complex"
        )
    if x.ndim not in (2, 3) or x.numel() == 0:
        raise RuntimeError(
            f"istft: expected a tensor with 2 or 3 dimensions that is not empty, got shape {tuple(x.shape)}"
        )
    if not 0 < hop <= width:
        raise RuntimeError(f"istft: expected 0 < hop_length <= win_length, got {hop} and {width}")
    one = x.shape[-2] != n_fft if onesided is None else onesided
    if x.shape[-2] != (ops.half(n_fft) if one else n_fft):
        raise RuntimeError(
            f"istft: expected the frequency dimension (2nd to the last) of the input to match n_fft={n_fft} "
            f"when onesided={one}, but got {x.shape[-2]}"
        )
    return one


def _lengthened(signal: Tensor, length: int | None) -> Tensor:
    missing = 0 if length is None else length - signal.shape[-1]
    if missing <= 0:
        return signal
    warn(
        "istft: The length of signal is shorter than the length parameter. Result is being padded with zeros "
        "in the tail. Please check your center and hop_length settings."
    )
    zero = make_constant(np.zeros((), signal.dtype.np))
    return pad(signal, zero, (*[(0, 0)] * (signal.ndim - 1), (0, missing)))
