"""Discrete Fourier transforms, as in `torch.fft`.

A forward transform of x_0 … x_(n-1) along a dimension is X_k = Σ_j x_j exp(-2πi jk / n), a backward one
(`i…`) has +2πi and is divided by n. `norm` moves the division: "backward" (the default) divides backward
transforms, "forward" the forward ones, "ortho" each by √n. The `r…` functions transform real numbers to the
half of the spectrum that determines the other, X_(n-k) = conj(X_k); `h…` ones are their mirror image: from
half a signal to a real spectrum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core.device import device as Device
from ..core.dtype import dtype as DType
from ..core.tensor import Tensor, from_array
from ..ops import fft as ops
from ..ops.kinds import cast, floating, make_constant
from ..ops.op import check_tensor, wrap_dim
from ..ops.view import pad
from . import joining, shape
from .calling import deliver
from .casting import in_float32
from .creation import finish

Extents = int | Sequence[int] | None
Dims = int | Sequence[int] | None
LAST_TWO = (-2, -1)
SCALINGS = {None: 0, "backward": 0, "ortho": 1, "forward": 2}


# ----- arguments -----


def _input(what: str, x: Tensor, real: bool = False) -> Tensor:
    """The input in a dtype that can be transformed."""
    d = check_tensor(f"fft.{what}", "input", x).dtype
    if d in dt.HALVES:
        raise RuntimeError(f"fft.{what}: Unsupported dtype {d.name}; convert with .float()")
    if real and d.is_complex:
        raise RuntimeError(f"fft.{what}: {what} expects a real input tensor, but got {d.name}; take .real")
    return x if d.category >= dt.FLOAT else cast(x, floating(d))


def _scaling(what: str, norm: str | None, forward: bool) -> int:
    if norm not in SCALINGS:
        raise RuntimeError(
            f'fft.{what}: Invalid normalization mode: "{norm}"; choose "backward", "ortho" or "forward"'
        )
    return SCALINGS[norm] if forward else 2 - SCALINGS[norm]


def _one(what: str, n: int | None, dim: int, x: Tensor) -> tuple[tuple[int, ...], list[int]]:
    """The dimension and how many numbers to take along it."""
    for name, value in (("n", n), ("dim", dim)):
        if value is not None and not hasattr(value, "__index__"):
            raise TypeError(f"fft.{what}: argument '{name}' must be int, not {type(value).__name__}")
    if x.ndim == 0:
        raise IndexError(
            f"fft.{what}: Dimension specified as {dim} but tensor has no dimensions; use fftn, or unsqueeze "
            "it"
        )
    d = wrap_dim(f"fft.{what}", dim, x.ndim)
    return (d,), [x.shape[d] if n is None else n]


def _several(what: str, s: Extents, dim: Dims, x: Tensor) -> tuple[tuple[int, ...], list[int]]:
    """The dimensions and how many numbers to take along each."""
    extents = None if s is None else [s] if isinstance(s, int) else list(s)
    if dim is not None:
        given = (dim,) if isinstance(dim, int) else tuple(dim)
        dims = tuple(wrap_dim(f"fft.{what}", d, x.ndim) for d in given)
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"fft.{what}: FFT dims must be unique, got {given}")
        if extents is not None and len(extents) != len(dims):
            raise RuntimeError(
                f"fft.{what}: When given, dim and shape arguments must have the same length, got {given} and "
                f"{extents}"
            )
    else:
        count = x.ndim if extents is None else len(extents)
        if count > x.ndim:
            raise RuntimeError(
                f"fft.{what}: Got shape with {count} values but input tensor only has {x.ndim} dimensions."
            )
        dims = tuple(range(x.ndim - count, x.ndim))
    own = [x.shape[d] for d in dims]
    return dims, own if extents is None else [o if e == -1 else e for e, o in zip(extents, own, strict=True)]


def _sized(what: str, x: Tensor, dims: tuple[int, ...], extents: list[int]) -> Tensor:
    """The first so many numbers along each dimension, zeros after the last."""
    for e in extents:
        if e < 1:
            raise RuntimeError(f"fft.{what}: Invalid number of data points ({e}) specified")
    for d, extent in zip(dims, extents, strict=True):
        if x.shape[d] > extent:
            x = shape.narrow(x, d, 0, extent)
    missing = {d: e - x.shape[d] for d, e in zip(dims, extents, strict=True)}
    if any(missing.values()):
        zero = make_constant(np.zeros((), x.dtype.np))
        x = pad(x, zero, tuple((0, missing.get(d, 0)) for d in range(x.ndim)))
    return x


def _deliver(what: str, result: Tensor, out: Tensor | None) -> Tensor:
    if isinstance(out, Tensor) and out.dtype.category != result.dtype.category:
        kind = "complex" if result.is_complex() else "floating point"
        raise RuntimeError(f"fft.{what}: {what} expects a {kind} output tensor, but got {out.dtype.name}")
    return deliver(f"fft.{what}", result, out)


# ----- the three transforms -----

Where = tuple[tuple[int, ...], list[int]]


def _complex(what: str, x: Tensor, where: Where, norm: Any, forward: bool, out: Any) -> Tensor:
    scaling = _scaling(what, norm, forward)
    return _deliver(what, ops.fft_c2c(_sized(what, x, *where), where[0], scaling, forward), out)


def _to_half(what: str, x: Tensor, where: Where, norm: Any, forward: bool, out: Any) -> Tensor:
    scaling = _scaling(what, norm, forward)
    if not where[0]:
        raise RuntimeError(f"fft.{what}: {what} must transform at least one axis")
    y = ops.fft_r2c(_sized(what, x, *where), where[0], scaling)
    return _deliver(what, y if forward else y.conj(), out)


def _from_half(
    what: str, x: Tensor, where: Where, n: int | None, norm: Any, forward: bool, out: Any
) -> Tensor:
    """`n` numbers along the last dimension, where `where` counts those of the input."""
    scaling, (dims, extents) = _scaling(what, norm, forward), where
    if not dims:
        raise RuntimeError(f"fft.{what}: {what} must transform at least one axis")
    last = 2 * (x.shape[dims[-1]] - 1) if n is None or n == -1 else n
    if last < 1:
        raise RuntimeError(f"fft.{what}: Invalid number of data points ({last}) specified")
    y = _sized(
        what, x if x.is_complex() else cast(x, x.dtype.to_complex()), dims, [*extents[:-1], ops.half(last)]
    )
    return _deliver(what, ops.fft_c2r(y.conj() if forward else y, dims, scaling, last), out)


def _last(s: Extents) -> int | None:
    return None if s is None else s if isinstance(s, int) else list(s)[-1] if len(s) else None


# ----- one dimension -----


@in_float32
def fft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The forward transform along `dim`, of its first `n` numbers (with zeros after the last).

    RuntimeError for 16-bit floats, for fewer than one number or another `norm`; IndexError for a 0-d tensor.

    >>> import flambeau as torch
    >>> torch.fft.fft(torch.tensor([1., 2., 3., 4.]))
    tensor([10.+0.j, -2.+2.j, -2.+0.j, -2.-2.j])
    """
    x = _input("fft", input)
    return _complex("fft", x, _one("fft", n, dim, x), norm, True, out)


@in_float32
def ifft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The backward transform along `dim`: undoes `fft`. Arguments and errors are `fft`'s.

    >>> import flambeau as torch
    >>> torch.fft.ifft(torch.tensor([4., 0., 0., 0.]))
    tensor([1.+0.j, 1.+0.j, 1.+0.j, 1.+0.j])
    """
    x = _input("ifft", input)
    return _complex("ifft", x, _one("ifft", n, dim, x), norm, False, out)


@in_float32
def rfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The first n // 2 + 1 numbers of `fft` of real ones. RuntimeError for complex numbers.

    >>> import flambeau as torch
    >>> torch.fft.rfft(torch.tensor([1., 2., 3., 4.]))
    tensor([10.+0.j, -2.+2.j, -2.+0.j])
    """
    x = _input("rfft", input, real=True)
    return _to_half("rfft", x, _one("rfft", n, dim, x), norm, True, out)


@in_float32
def irfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """Undoes `rfft`: `n` real numbers, by default the even number 2 (m - 1) of which m are kept.

    The imaginary part of the first number (for an even `n` also of the last) is ignored.

    >>> import flambeau as torch
    >>> torch.fft.irfft(torch.fft.rfft(torch.tensor([1., 2., 3.])), n=3)
    tensor([1., 2., 3.])
    """
    x = _input("irfft", input)
    return _from_half("irfft", x, _one("irfft", None, dim, x), n, norm, False, out)


@in_float32
def hfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`fft` of a signal of which the other half is the conjugate of `input`, backwards: `n` real numbers.

    >>> import flambeau as torch
    >>> torch.fft.hfft(torch.tensor([1., 2., 3.]))
    tensor([ 8., -2.,  0., -2.])
    """
    x = _input("hfft", input)
    return _from_half("hfft", x, _one("hfft", None, dim, x), n, norm, True, out)


@in_float32
def ihfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """Undoes `hfft`: the first n // 2 + 1 numbers of `ifft` of real ones. RuntimeError for complex numbers.

    >>> import flambeau as torch
    >>> torch.fft.ihfft(torch.tensor([8., -2., 0., -2.])).real
    tensor([1., 2., 3.])
    """
    x = _input("ihfft", input, real=True)
    return _to_half("ihfft", x, _one("ihfft", n, dim, x), norm, False, out)


# ----- several dimensions -----


@in_float32
def fftn(
    input: Tensor, s: Extents = None, dim: Dims = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`fft` along each of the dimensions `dim`, of the first `s` numbers of each (-1: of all).

    Without `dim` it is the last dimensions that `s` is for, or all. RuntimeError for dimensions given
    twice, or not as many as sizes.

    >>> import flambeau as torch
    >>> torch.fft.fftn(torch.ones(2, 2))
    tensor([[4.+0.j, 0.+0.j],
            [0.+0.j, 0.+0.j]])
    """
    x = _input("fftn", input)
    return _complex("fftn", x, _several("fftn", s, dim, x), norm, True, out)


@in_float32
def ifftn(
    input: Tensor, s: Extents = None, dim: Dims = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """Undoes `fftn`.

    >>> import flambeau as torch
    >>> torch.fft.ifftn(torch.fft.fftn(torch.ones(2, 2))).real
    tensor([[1., 1.],
            [1., 1.]])
    """
    x = _input("ifftn", input)
    return _complex("ifftn", x, _several("ifftn", s, dim, x), norm, False, out)


@in_float32
def rfftn(
    input: Tensor, s: Extents = None, dim: Dims = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`rfft` along the last of the dimensions, `fft` along the others. RuntimeError for complex numbers.

    >>> import flambeau as torch
    >>> torch.fft.rfftn(torch.ones(3, 4)).shape
    torch.Size([3, 3])
    """
    x = _input("rfftn", input, real=True)
    return _to_half("rfftn", x, _several("rfftn", s, dim, x), norm, True, out)


@in_float32
def irfftn(
    input: Tensor, s: Extents = None, dim: Dims = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """Undoes `rfftn`: the last of the sizes is that of the result, by default the even one.

    >>> import flambeau as torch
    >>> torch.fft.irfftn(torch.fft.rfftn(torch.ones(3, 4))).shape
    torch.Size([3, 4])
    """
    x = _input("irfftn", input)
    return _from_half("irfftn", x, _several("irfftn", s, dim, x), _last(s), norm, False, out)


def hfftn(
    input: Tensor, s: Extents = None, dim: Dims = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`hfft` along the last of the dimensions, `fft` along the others.

    >>> import flambeau as torch
    >>> torch.fft.hfftn(torch.ones(2, 2))
    tensor([[4., 0.],
            [0., 0.]])
    """
    x = _input("hfftn", input)
    return _from_half("hfftn", x, _several("hfftn", s, dim, x), _last(s), norm, True, out)


def ihfftn(
    input: Tensor, s: Extents = None, dim: Dims = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """Undoes `hfftn`. RuntimeError for complex numbers.

    >>> import flambeau as torch
    >>> torch.fft.ihfftn(torch.tensor([[4., 0.], [0., 0.]])).real
    tensor([[1., 1.],
            [1., 1.]])
    """
    x = _input("ihfftn", input, real=True)
    return _to_half("ihfftn", x, _several("ihfftn", s, dim, x), norm, False, out)


# ----- two dimensions -----


@in_float32
def fft2(
    input: Tensor,
    s: Extents = None,
    dim: Dims = LAST_TWO,
    norm: str | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """`fftn` along two dimensions, by default the last.

    >>> import flambeau as torch
    >>> torch.fft.fft2(torch.ones(2, 2)).real
    tensor([[4., 0.],
            [0., 0.]])
    """
    return fftn(input, s, dim, norm, out=out)


@in_float32
def ifft2(
    input: Tensor,
    s: Extents = None,
    dim: Dims = LAST_TWO,
    norm: str | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """`ifftn` along two dimensions, by default the last.

    >>> import flambeau as torch
    >>> torch.fft.ifft2(torch.ones(2, 2)).real
    tensor([[1., 0.],
            [0., 0.]])
    """
    return ifftn(input, s, dim, norm, out=out)


@in_float32
def rfft2(
    input: Tensor,
    s: Extents = None,
    dim: Dims = LAST_TWO,
    norm: str | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """`rfftn` along two dimensions, by default the last.

    >>> import flambeau as torch
    >>> torch.fft.rfft2(torch.ones(5, 4, 4)).shape
    torch.Size([5, 4, 3])
    """
    return rfftn(input, s, dim, norm, out=out)


@in_float32
def irfft2(
    input: Tensor,
    s: Extents = None,
    dim: Dims = LAST_TWO,
    norm: str | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """`irfftn` along two dimensions, by default the last.

    >>> import flambeau as torch
    >>> torch.fft.irfft2(torch.ones(4, 3)).shape
    torch.Size([4, 4])
    """
    return irfftn(input, s, dim, norm, out=out)


def hfft2(
    input: Tensor,
    s: Extents = None,
    dim: Dims = LAST_TWO,
    norm: str | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """`hfftn` along two dimensions, by default the last.

    >>> import flambeau as torch
    >>> torch.fft.hfft2(torch.ones(4, 3)).shape
    torch.Size([4, 4])
    """
    return hfftn(input, s, dim, norm, out=out)


def ihfft2(
    input: Tensor,
    s: Extents = None,
    dim: Dims = LAST_TWO,
    norm: str | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """`ihfftn` along two dimensions, by default the last.

    >>> import flambeau as torch
    >>> torch.fft.ihfft2(torch.ones(4, 4)).shape
    torch.Size([4, 3])
    """
    return ihfftn(input, s, dim, norm, out=out)


# ----- frequencies, and their order -----


def fftfreq(
    n: int,
    d: float = 1.0,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """The frequencies of the `n` numbers that `fft` gives, for a spacing of `d`: 0, 1, …, -2, -1 over n d.

    RuntimeError for whole numbers as dtype or a negative `n`.

    >>> import flambeau as torch
    >>> torch.fft.fftfreq(4)
    tensor([ 0.0000,  0.2500, -0.5000, -0.2500])
    """
    numbers = np.arange(n)
    order = np.where(numbers < (n + 1) // 2, numbers, numbers - n)
    return _frequencies("fftfreq", order, n, d, out, dtype, device, requires_grad)


def rfftfreq(
    n: int,
    d: float = 1.0,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """The frequencies of the n // 2 + 1 numbers that `rfft` gives, for a spacing of `d`: 0, 1, … over n d.

    >>> import flambeau as torch
    >>> torch.fft.rfftfreq(4)
    tensor([0.0000, 0.2500, 0.5000])
    """
    return _frequencies("rfftfreq", np.arange(ops.half(n)), n, d, out, dtype, device, requires_grad)


def _frequencies(
    what: str, order: np.ndarray, n: int, d: float, out: Any, dtype: Any, device: Any, requires_grad: bool
) -> Tensor:
    kind: DType = dtype or (out.dtype if out is not None else dt.get_default_dtype())
    if n < 0:
        raise RuntimeError(f"fft.{what}: Trying to create tensor with negative dimension {n}: [{n}]")
    if kind.category < dt.FLOAT:
        raise RuntimeError(f"fft.{what}: {what} requires a floating point or complex dtype, got {kind.name}")
    if kind.is_complex:
        raise NotImplementedError(f"fft.{what}: not implemented for {kind.name}; make real ones and convert")
    values = order.astype(kind.np if kind not in dt.HALVES else np.float32) * (1.0 / (n * d) if n else 0.0)
    return finish(deliver(f"fft.{what}", from_array(values.astype(kind.np)), out), device, requires_grad)


def fftshift(input: Tensor, dim: Dims = None) -> Tensor:
    """The numbers that `fftn` gives with frequency 0 in the middle of the dimensions (of all by default).

    >>> import flambeau as torch
    >>> torch.fft.fftshift(torch.fft.fftfreq(4))
    tensor([-0.5000, -0.2500,  0.0000,  0.2500])
    """
    dims = _shifted("fftshift", input, dim)
    return joining.roll(input, [input.shape[d] // 2 for d in dims], dims) if dims else input.clone()


def ifftshift(input: Tensor, dim: Dims = None) -> Tensor:
    """Undoes `fftshift`.

    >>> import flambeau as torch
    >>> torch.fft.ifftshift(torch.arange(-2, 3))
    tensor([ 0,  1,  2, -2, -1])
    """
    dims = _shifted("ifftshift", input, dim)
    return joining.roll(input, [-(input.shape[d] // 2) for d in dims], dims) if dims else input.clone()


def _shifted(what: str, x: Tensor, dim: Dims) -> list[int]:
    check_tensor(f"fft.{what}", "input", x)
    given = range(x.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
    return [wrap_dim(f"fft.{what}", d, x.ndim) for d in given]
