"""Random numbers: generators whose streams are PyTorch's on the CPU, number for number.

A generator draws 32-bit words from a Mersenne Twister; `streams` turns words into numbers. The same seed and
the same sequence of calls give the numbers of PyTorch 2.13 on an x86-64 CPU with AVX2, to the last digit.
Where PyTorch asks the C library for a logarithm, sine or exponential in float64, the last digit is that of
the C library here. Draws fill row-major, as PyTorch fills contiguous tensors.
"""

from __future__ import annotations

import math
import operator
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import ml_dtypes
import numpy as np

from . import streams
from .config import config
from .device import cpu, resolve
from .device import device as Device
from .quiet import quiet
from .realize import recorder
from .streams import LARGEST, MANTISSA, WORDS, Array
from .tensor import Tensor, from_array

if TYPE_CHECKING:
    import numpy.typing as npt

Shape = int | tuple[int, ...]

DEFAULT_SEED = 67280421310721
LARGE = 1 << 14  # elements that are worth native code
FEW = 16  # and of float32 normals, for which NumPy takes some sixty operations

# Draws a large array natively: `native(what, address of the engine's state, shape, dtype, *numbers)`, or None
# for one that it doesn't do. The package's root sets it.
native: Callable[..., Array | None] | None = None

# The layout in memory of PyTorch's CPU generator: its state goes from one to the other and back.
STATE = np.dtype(
    [
        ("seed", "u8"), ("left", "i4"), ("seeded", "i4"), ("next", "u8"), ("key", "u8", WORDS),
        ("unused_x", "f8"), ("normal", "f8"), ("unused_rho", "f8"), ("has_normal", "i4"),
        ("unused_normal", "f4"), ("unused_flag", "u1"),
    ],
    align=True,
)  # fmt: skip


class Generator:
    """A source of random numbers, with a state of its own.

    Functions that draw take one as `generator=`; without it they draw from the default generator.

    Errors: RuntimeError for a device that is not available.

    >>> import flambeau as torch
    >>> a, b = [torch.rand(3, generator=torch.Generator().manual_seed(7)) for _ in range(2)]
    >>> torch.equal(a, b)
    True
    """

    __slots__ = ("__weakref__", "_address", "_bits", "_device", "_lock", "_normal", "_seed")
    _bits: np.random.MT19937 | None  # made at the first draw: numpy.random is slow to import
    _address: int  # of the engine's state, once it is known
    _normal: float | None  # the second normal of a pair of which one was asked for

    def __init__(self, device: Device | str | None = None) -> None:
        self._device = resolve(cpu if device is None else device)
        if self._device.type == "meta":
            raise RuntimeError("Generator: device 'meta' has no numbers to draw; leave it out, for 'cpu'")
        self._lock = threading.RLock()
        self._bits, self._address = None, -1
        self._reseed(DEFAULT_SEED)

    # ----- State -----

    @property
    def device(self) -> Device:
        """The device whose tensors this generator fills.

        >>> import flambeau as torch
        >>> torch.Generator().device
        device(type='cpu')
        """
        return self._device

    def manual_seed(self, seed: int) -> Self:
        """Starts the stream that belongs to `seed`, and returns the generator.

        A negative seed stands for 2**64 + seed. The numbers depend on the low 32 bits.

        Errors: RuntimeError if `seed` is no int, ValueError outside [-2**63, 2**64).

        >>> import flambeau as torch
        >>> torch.Generator().manual_seed(-1).initial_seed() == 2**64 - 1
        True
        """
        if isinstance(seed, bool) or not hasattr(seed, "__index__"):
            raise RuntimeError(f"manual_seed: expected an int, got {type(seed).__name__}; pass int(seed)")
        seed = operator.index(seed)
        recorder.flush("random state")  # draws recorded before this take their numbers from the old stream
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"manual_seed: {seed} is outside [-2**63, 2**64); take it modulo 2**64")
        self._reseed(seed % 2**64)
        return self

    def seed(self) -> int:
        """Starts a new stream from a seed that the operating system draws, and returns that seed.

        >>> import flambeau as torch
        >>> g = torch.Generator()
        >>> g.seed() == g.initial_seed()
        True
        """
        recorder.flush("random state")
        seed = int.from_bytes(os.urandom(8), "little") >> 1
        self._reseed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed that the current stream began with.

        >>> import flambeau as torch
        >>> torch.Generator().manual_seed(3).initial_seed()
        3
        """
        return self._seed

    def get_state(self) -> Tensor:
        """The whole state as 5056 bytes (uint8), in the layout of PyTorch's CPU generator.

        >>> import flambeau as torch
        >>> g = torch.Generator().manual_seed(3)
        >>> len(g.get_state())
        5056
        """
        recorder.flush("random state")
        with self._lock:
            key = self._engine().state["state"]
            fresh = self._is_fresh(key)
            state = np.zeros((), STATE)
            state["seed"], state["seeded"], state["key"] = self._seed, 1, key["key"]
            state["next"] = 0 if fresh else key["pos"]
            state["left"] = 1 if fresh else WORDS + 1 - key["pos"]
            state["has_normal"], state["normal"] = self._normal is not None, self._normal or 0.0
        return from_array(state.reshape(1).view(np.uint8))

    def set_state(self, new_state: Tensor | npt.ArrayLike) -> Self:
        """Takes over a state that `get_state` returned, here or in PyTorch, and returns the generator.

        Errors: TypeError unless uint8, RuntimeError unless 5056 bytes of a valid state.

        >>> import flambeau as torch
        >>> g = torch.Generator().manual_seed(3)
        >>> torch.Generator().set_state(g.get_state()).initial_seed()
        3
        """
        recorder.flush("random state")
        array = np.asarray(new_state)
        hint = "pass what get_state() returned"
        if array.dtype != np.uint8:
            raise TypeError(f"set_state: expected a uint8 state, got {array.dtype}; {hint}")
        if array.size != STATE.itemsize:
            raise RuntimeError(f"set_state: expected {STATE.itemsize} bytes, got {array.size}; {hint}")
        state = np.ascontiguousarray(array).reshape(-1).view(STATE)[0]
        left, position = int(state["left"]), int(state["next"])
        fresh = (left, position) == (1, 0)
        if not state["seeded"] or not (fresh or 1 <= position <= WORDS == left + position - 1):
            raise RuntimeError(f"set_state: invalid state, {left} words left after {position}; {hint}")
        with self._lock:
            self._reseed(int(state["seed"]))
            words = {"key": state["key"].astype(np.uint32), "pos": position or WORDS}
            self._engine().state = {"bit_generator": "MT19937", "state": words}  # type: ignore[typeddict-item]
            self._normal = float(state["normal"]) if state["has_normal"] else None
        return self

    def clone_state(self) -> Self:
        """A new generator with the same state, which goes on on its own.

        >>> import flambeau as torch
        >>> torch.Generator().manual_seed(3).clone_state().initial_seed()
        3
        """
        return type(self)(self._device).set_state(self.get_state())

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._device,), self.get_state().numpy().copy()

    __setstate__ = set_state

    def _reseed(self, seed: int) -> None:
        with self._lock:
            self._seed = seed
            if self._bits is not None:
                streams.reseed(self._bits, seed)
            self._normal = None

    def _is_fresh(self, key: Any) -> bool:
        """Whether nothing has been drawn since the seeding."""
        begun = streams.engine(self._seed).state["state"]
        return key["pos"] == WORDS and np.array_equal(key["key"], begun["key"])

    def _engine(self) -> np.random.MT19937:
        if self._bits is None:
            self._bits = streams.engine(self._seed)
        return self._bits

    def address(self) -> int:
        """Where the state lies for as long as the generator lives (see `streams.memory`); 0 if that isn't
        known."""
        with self._lock:
            if self._address < 0:
                self._address = streams.memory(self._engine())
            return self._address

    def _native(self, what: str, shape: Shape, dtype: npt.DTypeLike, *numbers: float) -> Array | None:
        """A large array drawn by native code; None if it is to be done here."""
        count = _count(shape)
        if count < FEW or native is None or config.mode in ("interpret", "eager"):
            return None
        if count < LARGE and (what != "normal" or np.dtype(dtype).itemsize == 8):
            return None
        with self._lock:
            address = self.address()
            return native(what, address, _tuple(shape), np.dtype(dtype), *numbers) if address else None

    def _words(self, count: int) -> Array:
        drawn = self._native("words", count, np.uint32)
        if drawn is not None:
            return drawn
        with self._lock:
            return self._engine().random_raw(count).astype(np.uint32)

    def _doubles(self, count: int) -> Array:
        if count < FEW:
            return np.array(self._few(count))
        drawn = self._native("uniform", count, np.float64, 0.0, 1.0)
        return streams.unit_double(self._words(2 * count)) if drawn is None else drawn

    def _few(self, count: int) -> list[float]:
        """So few uniforms that Python is sooner done with them than NumPy."""
        with self._lock:
            words = self._engine().random_raw(2 * count).tolist()
        pairs = zip(words[0::2], words[1::2], strict=True)
        return [((high << 32 | low) & 2**53 - 1) * 2**-53 for high, low in pairs]

    # ----- Draws: each returns an array of this shape and dtype -----

    def uniform(
        self, shape: Shape, dtype: npt.DTypeLike = np.float32, low: float = 0.0, high: float = 1.0
    ) -> Array:
        """Uniform in [low, high): `rand`, `uniform_`."""
        if (dtype := np.dtype(dtype)).kind == "c":
            return _complex(self.uniform((*_tuple(shape), 2), _part(dtype), low, high), dtype)
        check_uniform(dtype, low, high)
        drawn = self._native("uniform", shape, dtype, low, high)
        if drawn is not None:
            return drawn
        n = _count(shape)
        u = self._doubles(n) if dtype == np.float64 else streams.unit_float(self._words(n))
        if (low, high) == (0, 1):
            if dtype == u.dtype:
                return u.reshape(shape)
        else:
            u = streams.fused(u, float(u.dtype.type(high) - u.dtype.type(low)), low)
        out = streams.cast(u, dtype)
        first, last = streams.cast(np.array([low, high]), dtype)
        out[out == last] = first  # rounded up to the bound that is not included
        return out.reshape(shape)

    def normal(
        self,
        shape: Shape,
        dtype: npt.DTypeLike = np.float32,
        mean: float = 0.0,
        std: float = 1.0,
        contiguous: bool = True,
    ) -> Array:
        """Normal with this mean and standard deviation: `randn`, `normal_`.

        Sixteen and more numbers are drawn in blocks, fewer one by one. A tensor that is not contiguous is
        filled one by one whatever its size: ask for that with `contiguous=False`.
        """
        if (dtype := np.dtype(dtype)).kind == "c":
            parts = self.normal((*_tuple(shape), 2), _part(dtype), mean, std / math.sqrt(2), contiguous)
            return _complex(parts, dtype)
        check_normal(dtype, mean, std)
        n = _count(shape)
        drawn = self._native("normal", shape, dtype, mean, std) if contiguous else None
        if drawn is not None:
            return drawn
        if n < 16 or not contiguous:
            return streams.cast(streams.fused(self._normals(n), std, mean), dtype).reshape(shape)
        whole, rest = n // 16 * 16, n % 16
        tail = 16 if rest else 0  # the last 16 numbers are drawn once more, over what was there
        count = whole + tail + (0 if dtype.itemsize == 2 else rest)
        u = self._doubles(count) if dtype == np.float64 else streams.unit_float(self._words(count))
        blocks = np.concatenate([u[:whole], u[count - tail :]]).reshape(-1, 16)
        z = streams.normal_blocks(blocks, mean, std).ravel()
        return streams.cast(np.concatenate([z[: n - tail], z[whole:]]), dtype).reshape(shape)

    def log_normal(
        self, shape: Shape, dtype: npt.DTypeLike = np.float32, mean: float = 1.0, std: float = 2.0
    ) -> Array:
        """The exponential of normals with this mean and standard deviation: `log_normal_`."""
        check_log_normal(dtype := np.dtype(dtype), mean, std)
        x = streams.fused(self._normals(_count(shape)), std, mean)
        with np.errstate(over="ignore"):
            x = streams.each(_exp, x) if dtype == np.float64 else np.exp(x)
        return streams.cast(x, dtype).reshape(shape)

    def _normals(self, count: int) -> Array:
        """Standard normals in float64, drawn in pairs; the second of a pair is kept if it is one too many."""
        with self._lock:
            z = [] if self._normal is None or count == 0 else [self._normal]
            pairs = (count - len(z) + 1) // 2
            n = 2 * pairs
            z.extend(streams.polar_pairs(self._few(n) if n < FEW else self._doubles(n).tolist()))
            if count:
                self._normal = z.pop() if len(z) > count else None
        return np.array(z, np.float64)

    def exponential(self, shape: Shape, dtype: npt.DTypeLike = np.float32, rate: float = 1.0) -> Array:
        """Exponential with this rate (lambda): `exponential_`."""
        check_exponential(dtype := np.dtype(dtype), rate)
        drawn = self._native("exponential", shape, dtype, rate)
        if drawn is not None:
            return drawn
        u = self._doubles(_count(shape))
        log = streams.each(math.log1p, -u) if dtype == np.float64 else np.log1p(-u)
        return streams.cast(-1.0 / rate * log, dtype).reshape(shape)

    def cauchy(
        self, shape: Shape, dtype: npt.DTypeLike = np.float32, median: float = 0.0, sigma: float = 1.0
    ) -> Array:
        """Cauchy around `median` with scale `sigma`: `cauchy_`."""
        check_cauchy(dtype := np.dtype(dtype), median, sigma)
        drawn = self._native("cauchy", shape, dtype, median, sigma)
        if drawn is not None:
            return drawn
        angle = math.pi * (self._doubles(_count(shape)) - 0.5)
        tangent = streams.each(math.tan, angle) if dtype == np.float64 else np.tan(angle)
        return streams.cast(streams.fused(tangent, sigma, median), dtype).reshape(shape)

    def geometric(self, shape: Shape, p: float, dtype: npt.DTypeLike = np.float32) -> Array:
        """The number of trials up to the first success, each of probability `p`: `geometric_`."""
        check_geometric(dtype := np.dtype(dtype), p)
        with np.errstate(divide="ignore"):
            trials = np.ceil(np.log(self._doubles(_count(shape))) / math.log1p(-p))
        if dtype not in MANTISSA:
            trials = trials.astype(np.int64)  # too large a number wraps
        return streams.cast(trials, dtype).reshape(shape)

    def bernoulli(self, shape: Shape, p: float | Array = 0.5, dtype: npt.DTypeLike = np.float32) -> Array:
        """1 with probability `p`, else 0: `bernoulli_`, and with p = 1 - dropout's p the mask of `dropout`.

        `p` is a number, or an array that broadcasts to `shape`, one probability for each element.
        """
        dtype = np.dtype(dtype)
        if isinstance(p, np.ndarray):
            check_chances(p)
        check_bernoulli(dtype, 0.5 if isinstance(p, np.ndarray) else p)
        drawn = None if isinstance(p, np.ndarray) else self._native("bernoulli", shape, dtype, p)
        if drawn is not None:
            return drawn
        single = isinstance(p, np.ndarray) and p.dtype != np.float64
        chance: Array = np.asarray(p, np.float32 if single else np.float64)
        n = _count(shape)
        u = streams.unit_float(self._words(n)) if single else self._doubles(n)
        return (u.reshape(shape) < np.broadcast_to(chance, shape)).astype(dtype)

    def random(
        self, shape: Shape, dtype: npt.DTypeLike = np.int64, low: int | None = None, high: int | None = None
    ) -> Array:
        """Integers in [low, high): `randint`, `random_`.

        Without `high` up to the dtype's largest (2**digits in a floating dtype), without `low` from 0.
        """
        dtype = np.dtype(dtype)
        check_integers(dtype, low, high)
        n = _count(shape)
        first, span, is_wide = streams.integer_spread(dtype, low, high)
        drawn = None if is_wide else self._native("random", shape, dtype, first, span)
        if drawn is not None:
            return drawn
        words = streams.wide(self._words(2 * n)) if is_wide else self._words(n)
        return streams.cast(streams.integers(words, first, span), dtype).reshape(shape)

    def randperm(self, n: int, dtype: npt.DTypeLike = np.int64) -> Array:
        """A random permutation of 0, 1, ..., n - 1: `randperm`."""
        dtype = np.dtype(dtype)
        if dtype.kind in "bc":
            raise NotImplementedError(f"randperm: not defined for {dtype}; ask for int64")
        if n < 0:
            raise RuntimeError(f"randperm: expects n >= 0, got n={n}")
        if dtype != ml_dtypes.bfloat16 and n > streams.largest_integer(dtype) + 1:
            raise RuntimeError(f"randperm: {dtype} holds no permutation of {n} numbers; ask for int64")
        if n < 2:
            return np.arange(n).astype(dtype)
        drawn = self._native("permutation", n, np.int64)
        if drawn is not None:
            return drawn.astype(dtype, copy=False)
        large = n >= 2**32 // 20  # there the remainder of a 32-bit word is too uneven
        words = streams.wide(self._words(2 * (n - 1))) if large else self._words(n - 1)
        targets = np.arange(n)
        targets[:-1] += (words % np.arange(n, 1, -1, dtype=words.dtype)).astype(np.int64)
        return streams.swapped(targets).astype(dtype)

    @quiet
    def multinomial(self, probabilities: Array, num_samples: int, replacement: bool = False) -> Array:
        """Indices (int64), drawn in proportion to each row of weights: (m, n) or (n,) -> (m, k) or (k,).

        Without replacement a row's largest weights[i] / exponential[i] win; equal ones, which occur only in
        the half types and among zero weights, in the order of their index.
        """
        p = probabilities
        check_multinomial(p.shape, p.dtype, num_samples, replacement)
        check_weights(p)
        if p.size == 0:
            return np.empty((*p.shape[:-1], num_samples), np.int64)
        if not replacement or num_samples == 1:
            score = _wider(p / self.exponential(p.shape, p.dtype))
            if num_samples == 1:
                return np.asarray(np.argmax(score, -1, keepdims=True))
            return np.argsort(-score, -1, kind="stable")[..., :num_samples]
        total = np.cumsum(_wider(p), axis=-1)
        if not np.isfinite(total[..., -1]).all():
            raise RuntimeError(
                "multinomial: the sum of the weights overflows; divide each row by its largest"
            )
        share = (total / total[..., -1:]).astype(np.float64)
        share[..., -1] = 1
        u = self._doubles(share[..., 0].size * num_samples).reshape(*p.shape[:-1], num_samples)
        if share.size * num_samples < LARGE:
            return (share[..., None, :] < u[..., None]).sum(-1)
        rows = zip(share.reshape(-1, p.shape[-1]), u.reshape(-1, num_samples), strict=True)
        return np.stack([np.searchsorted(s, v) for s, v in rows]).reshape(u.shape)


def _tuple(shape: Shape) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)


def _count(shape: Shape) -> int:
    return math.prod(_tuple(shape))


def _part(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.float32 if dtype == np.complex64 else np.float64)


def _complex(parts: Array, dtype: np.dtype[Any]) -> Array:
    return parts.view(dtype)[..., 0]


def _wider(x: Array) -> Array:
    """The half types as float32, in which PyTorch adds and compares them."""
    return x.astype(np.float32) if x.dtype.itemsize == 2 else x


def _exp(x: float) -> float:
    return math.exp(x) if x < 709 else float(np.exp(x))  # beyond it math.exp may raise, where infinity is due


def check_uniform(dtype: np.dtype[Any], low: float, high: float) -> None:
    """What `uniform` takes. As in all of these checks, numbers are only compared."""
    _check_floating("uniform", dtype)
    most = LARGEST[dtype]
    if not -most <= low <= high <= most or high - low > most:
        raise RuntimeError(
            f"uniform: expects from <= to with a difference finite in {dtype}, got from={low}, to={high}"
        )


def check_normal(dtype: np.dtype[Any], mean: float, std: float) -> None:
    """What `normal` takes."""
    _check_floating("normal", dtype)
    if not std >= 0:
        raise RuntimeError(f"normal: expects std >= 0, got std={std}")


def check_log_normal(dtype: np.dtype[Any], mean: float, std: float) -> None:
    """What `log_normal` takes."""
    _check_floating("log_normal", dtype)
    if not std > 0:
        raise RuntimeError(f"log_normal: expects std > 0, got std={std}")


def check_exponential(dtype: np.dtype[Any], rate: float) -> None:
    """What `exponential` takes."""
    _check_floating("exponential", dtype, RuntimeError)
    if not rate > 0:
        raise RuntimeError(f"exponential: expects lambda > 0, got lambda={rate}")


def check_cauchy(dtype: np.dtype[Any], median: float, sigma: float) -> None:
    """What `cauchy` takes."""
    _check_floating("cauchy", dtype, RuntimeError)
    if not sigma > 0:
        raise RuntimeError(f"cauchy: expects sigma > 0, got sigma={sigma}")


def check_geometric(dtype: np.dtype[Any], p: float) -> None:
    """What `geometric` takes."""
    if dtype.kind in "bc":
        raise NotImplementedError(f"geometric: not defined for {dtype}; draw integers or floats")
    if not 0 < p < 1:
        raise RuntimeError(f"geometric: expects p in (0, 1), got p={p}")


def check_bernoulli(dtype: np.dtype[Any], p: float) -> None:
    """What `bernoulli` takes."""
    if dtype.kind == "c":
        raise NotImplementedError(f"bernoulli: not defined for {dtype}; draw real numbers")
    if not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli: expects p in [0, 1], got p={p}")


def check_integers(dtype: np.dtype[Any], low: int | None, high: int | None) -> None:
    """What `random` takes."""
    if dtype.kind == "c":
        raise RuntimeError(f"random: expects a boolean, integral or floating dtype, got {dtype}")
    if not all(-(2**63) <= bound < 2**63 for bound in (low, high) if bound is not None):
        raise ValueError(f"random: from={low} or to={high} doesn't fit in int64")
    first, span, _ = streams.integer_spread(dtype, low, high)
    if low is not None and span < 2**64:
        streams.warn_of_rounding(dtype, first, first + span - 1, stacklevel=3)


def check_chances(p: Array) -> None:
    """What `bernoulli` takes as probabilities of the single elements."""
    if p.dtype not in MANTISSA:
        raise NotImplementedError(f"bernoulli: expects floating probabilities, got {p.dtype}")
    if (wrong := ~((p >= 0) & (p <= 1))).any():
        raise RuntimeError(f"bernoulli: expects p in [0, 1], got p={p[wrong].flat[0]}")


def _check_floating(name: str, dtype: np.dtype[Any], error: type[Exception] = NotImplementedError) -> None:
    if dtype not in MANTISSA:
        raise error(f"{name}: expects a floating dtype, got {dtype}; draw in float32 and convert")


def check_multinomial(
    shape: tuple[int, ...], dtype: np.dtype[Any], num_samples: int, replacement: bool
) -> None:
    """What `multinomial` takes, but for the weights' values."""
    if len(shape) not in (1, 2):
        raise RuntimeError(f"multinomial: expects 1 or 2 dimensions of weights, got shape {shape}")
    if dtype not in MANTISSA:
        raise RuntimeError(f"multinomial: expects floating weights, got {dtype}; convert them first")
    if num_samples <= 0:
        raise RuntimeError(f"multinomial: expects num_samples > 0, got {num_samples}")
    if not replacement and num_samples > shape[-1]:
        raise RuntimeError(
            f"multinomial: can't draw {num_samples} of {shape[-1]} once each, pass replacement=True"
        )


def check_weights(p: Array) -> None:
    """What `multinomial` takes as weights."""
    weights = _wider(p)
    with np.errstate(over="ignore"):
        total = weights.sum(-1)
    if weights.min(initial=0) >= 0 and (total > 0).all() and (total < np.inf).all():
        return
    if (wrong := ~((weights >= 0) & (weights < np.inf))).any():
        raise RuntimeError(f"multinomial: expects finite weights >= 0, got {weights[wrong][0]}")
    if not (weights > 0).any(-1).all():
        raise RuntimeError("multinomial: expects a positive sum of weights in each row, got a row of zeros")


default_generator = Generator()
default_generator.seed()
