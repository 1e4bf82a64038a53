"""Random numbers: with the same seed and the same calls, those of PyTorch on the CPU."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core.device import device as Device
from ..core.device import resolve
from ..core.dtype import dtype as DType
from ..core.generator import Generator, check_multinomial, check_weights, default_generator
from ..core.ghost import ghost_of, on_meta
from ..core.inplace import check_writable, touch
from ..core.tensor import Tensor
from ..ops import random as ops
from ..ops.kinds import broadcast, result_type
from ..ops.op import check_tensor
from ..ops.view import inverse
from .calling import deliver, positive_shape, write
from .creation import finish
from .shape import permute, view_as_complex

# ----- state -----


def manual_seed(seed: int) -> Generator:
    """Starts the default generator's stream that belongs to `seed`, and returns the generator.

    >>> import flambeau as torch
    >>> _ = torch.manual_seed(0); torch.rand(2)
    tensor([0.4963, 0.7682])
    """
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Starts a new stream of the default generator from the operating system's randomness; returns its seed.

    >>> import flambeau as torch
    >>> torch.seed() == torch.initial_seed()
    True
    """
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that the default generator's stream began with.

    >>> import flambeau as torch
    >>> _ = torch.manual_seed(5); torch.initial_seed()
    5
    """
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The default generator's state, as bytes.

    >>> import flambeau as torch
    >>> torch.get_rng_state().dtype
    torch.uint8
    """
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Sets the default generator's state.

    >>> import flambeau as torch
    >>> s = torch.get_rng_state(); a = torch.rand(2); torch.set_rng_state(s); torch.equal(a, torch.rand(2))
    True
    """
    default_generator.set_state(new_state)


@contextlib.contextmanager
def fork_rng(devices: Any = None, enabled: bool = True, device_type: str = "cuda") -> Iterator[None]:
    """Puts the default generator back afterwards to where it was.

    `devices` and `device_type` say which accelerators' generators are put back too: there are none.

    >>> import flambeau as torch
    >>> s = torch.get_rng_state()
    >>> with torch.random.fork_rng():
    ...     _ = torch.rand(3)
    >>> torch.equal(s, torch.get_rng_state())
    True
    """
    state = get_rng_state() if enabled else None
    try:
        yield
    finally:
        if state is not None:
            set_rng_state(state)


# ----- new tensors -----


def _new(
    op: Any,
    shape: tuple[int, ...],
    d: DType | None,
    generator: Generator | None,
    out: Tensor | None,
    device: Any,
    requires_grad: bool,
    *parameters: Any,
) -> Tensor:
    if d is not None and out is not None and out.dtype is not d:
        raise RuntimeError(f"{op.name}: dtype {d} does not match dtype of out parameter ({out.dtype})")
    d = d or (out.dtype if out is not None else dt.get_default_dtype())
    if out is None and resolve(device).type == "meta":
        return finish(on_meta(shape, d), device, requires_grad)
    return finish(
        deliver(op.name, _draw(op, shape, d, generator or default_generator, *parameters), out),
        device,
        requires_grad,
    )


def _draw(op: Any, shape: tuple[int, ...], d: DType, generator: Generator, *parameters: Any) -> Tensor:
    """Of complex numbers both parts are drawn; normal ones share the variance."""
    if not d.is_complex or op not in (ops.normal, ops.uniform):
        return op((), shape, d, generator, *parameters)
    if op is ops.normal:
        mean, std, *rest = parameters
        parameters = (mean, std * math.sqrt(0.5), *rest)
    return view_as_complex(op((), (*shape, 2), d.to_real(), generator, *parameters))


def _number(x: Any) -> Any:
    """A parameter as a number (of a recorded call perhaps, which is left as it is)."""
    return x if isinstance(x, int | float) else float(x)


def _floating(what: str, d: DType | None) -> None:
    if d is not None and d.category < dt.FLOAT:
        raise NotImplementedError(
            f'{what}: "{what}_cpu" not implemented for dtype {d}; draw floats, or use randint'
        )


def rand(
    *shape: Any,
    size: Any = None,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Uniform numbers in [0, 1).

    >>> import flambeau as torch
    >>> _ = torch.manual_seed(0); torch.rand(2)
    tensor([0.4963, 0.7682])
    """
    _floating("rand", dtype)
    return _new(
        ops.uniform,
        positive_shape("rand", shape, size),
        dtype,
        generator,
        out,
        device,
        requires_grad,
        0.0,
        1.0,
    )


def randn(
    *shape: Any,
    size: Any = None,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Normal numbers with mean 0 and standard deviation 1.

    >>> import flambeau as torch
    >>> _ = torch.manual_seed(0); torch.randn(2)
    tensor([ 1.5410, -0.2934])
    """
    _floating("randn", dtype)
    return _new(
        ops.normal,
        positive_shape("randn", shape, size),
        dtype,
        generator,
        out,
        device,
        requires_grad,
        0.0,
        1.0,
        True,
    )


def randint(
    low: int = 0,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Whole numbers in [low, high): `randint(high, size)` or `randint(low, high, size)`.

    >>> import flambeau as torch
    >>> _ = torch.manual_seed(0); torch.randint(10, (3,))
    tensor([4, 9, 3])
    """
    if size is None:
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    d = dtype or dt.int64
    low, high, generator = int(low), int(high), generator or default_generator
    if low >= high:
        raise RuntimeError(
            f"randint: random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
        )
    return _new(
        ops.integers,
        positive_shape("randint", tuple(size)),
        d,
        generator,
        out,
        device,
        requires_grad,
        low,
        high,
    )


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DType = dt.int64,
    layout: Any = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The numbers 0 to n - 1 in random order.

    >>> import flambeau as torch
    >>> _ = torch.manual_seed(0); torch.randperm(4)
    tensor([0, 1, 3, 2])
    """
    if n < 0:
        raise RuntimeError(f"randperm: n must be non-negative, got {n}")
    _check_permutation(n, dtype)
    return _new(ops.permutation, (int(n),), dtype, generator, out, device, requires_grad)


def _check_permutation(n: int, d: DType) -> None:
    if d.category not in (dt.INTEGER, dt.FLOAT):
        raise NotImplementedError(f"randperm: not defined for {d}; ask for int64")
    if d.category == dt.INTEGER and n > np.iinfo(d.np).max + 1:
        raise RuntimeError(f"randperm: {d} holds no permutation of {n} numbers; ask for int64")


def _like(
    what: str, function: Any, x: Tensor, dtype: DType | None, device: Any, requires_grad: bool, *args: Any
) -> Tensor:
    check_tensor(what, "input", x)
    device = x.device if device is None else device
    return function(*args, tuple(x.shape), dtype=dtype or x.dtype, device=device, requires_grad=requires_grad)


def rand_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Uniform numbers in [0, 1), in `input`'s shape and dtype.

    >>> import flambeau as torch
    >>> torch.rand_like(torch.zeros(2, 3)).shape
    torch.Size([2, 3])
    """
    return _like("rand_like", rand, input, dtype, device, requires_grad)


def randn_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Standard normal numbers in `input`'s shape and dtype.

    >>> import flambeau as torch
    >>> torch.randn_like(torch.zeros(2, 3)).shape
    torch.Size([2, 3])
    """
    return _like("randn_like", randn, input, dtype, device, requires_grad)


def randint_like(
    input: Tensor,
    low: int,
    high: int | None = None,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Whole numbers in [low, high) (or [0, low)), in `input`'s shape and dtype.

    >>> import flambeau as torch
    >>> torch.randint_like(torch.zeros(2), 5).dtype
    torch.float32
    """
    bounds = (0, low) if high is None else (low, high)
    return _like("randint_like", randint, input, dtype, device, requires_grad, *bounds)


def normal(
    mean: Any,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    **kwargs: Any,
) -> Tensor:
    """Normal numbers: `normal(mean, std, size)` for numbers, else one for each element of the tensors `mean`
    or `std`.

    >>> import flambeau as torch
    >>> _ = torch.manual_seed(0); torch.normal(torch.zeros(2), 1.0)
    tensor([ 1.5410, -0.2934])
    """
    generator = generator or default_generator
    if not isinstance(std, Tensor) and std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        shape = positive_shape("normal", tuple(size))
        d = kwargs.get("dtype")
        return _new(
            ops.normal,
            shape,
            d,
            generator,
            out,
            kwargs.get("device"),
            kwargs.get("requires_grad", False),
            _number(mean),
            _number(std),
            True,
        )
    if isinstance(std, Tensor) and not ghost_of(std) and (std._value("standard deviations") < 0).any():
        raise RuntimeError("normal expects all elements of std >= 0.0")
    tensors = [x for x in (mean, std) if isinstance(x, Tensor)]
    shape, d = broadcast("normal", *[x._node.shape for x in tensors]), result_type("normal", tensors)
    scale = 1.0 if isinstance(std, Tensor) else _number(std)
    if out is not None:
        d = out.dtype
        _floating("normal", d)
    drawn = _draw(ops.normal, shape, d, generator, 0.0, scale, True)
    drawn = (drawn * std if isinstance(std, Tensor) else drawn) + mean
    return deliver("normal", drawn.detach(), out)


def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None, out: Tensor | None = None
) -> Tensor:
    """1 with the probability that `input` gives for each element (or with `p`), else 0. RuntimeError for p
    outside [0, 1].

    >>> import flambeau as torch
    >>> torch.bernoulli(torch.tensor([0., 1.]))
    tensor([0., 1.])
    """
    generator = generator or default_generator
    shape, d = tuple(input.shape), input.dtype
    if p is not None:
        return deliver("bernoulli", ops.bernoulli((), shape, d, generator, _number(p)), out)
    target = out.dtype if isinstance(out, Tensor) else d
    ops.bernoulli_each.check_dtype(d)
    value = None if ghost_of(input) else input._value("probabilities")
    if value is not None and value.size and not bool(((value >= 0) & (value <= 1)).all()):
        raise RuntimeError(
            f"bernoulli: Expected p_in >= 0 && p_in <= 1, got values from {value.min()} to {value.max()}"
        )
    return deliver("bernoulli", ops.bernoulli_each((input,), shape, d, generator).to(target), out)


def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Indices drawn in proportion to the weights in each row. RuntimeError for weights that are no
    distribution.

    >>> import flambeau as torch
    >>> torch.multinomial(torch.tensor([0., 1., 0.]), 1)
    tensor([1])
    """
    generator = generator or default_generator
    weights = input._current()
    check_multinomial(weights.shape, weights.dtype.np, num_samples, replacement)
    if weights.value is not None:  # else they are checked when they are known
        check_weights(weights.value)
    if out is not None and out.dtype is not dt.int64:
        raise RuntimeError(f"multinomial expects Long tensor out, got: {out.dtype}")
    shape = (*input.shape[:-1], num_samples)
    return deliver(
        "multinomial", ops.multinomial((input,), shape, dt.int64, generator, num_samples, replacement), out
    )


# ----- in place -----


def _order(t: Tensor) -> tuple[int, ...] | None:
    """The dimensions by falling stride if they aren't so already: memory is filled in its own order."""
    if t.is_contiguous():
        return None
    strides = t.stride()
    order = tuple(sorted(range(t.ndim), key=lambda d: -strides[d]))
    return None if order == tuple(range(t.ndim)) else order


def _fill(what: str, t: Tensor, op: Any, generator: Generator | None, *parameters: Any) -> Tensor:
    """Overwrites `t` with draws, in the order of its memory."""
    check_writable(t, what)
    if t.is_meta:
        return touch(t)
    order = _order(t)
    shape = tuple(t.shape) if order is None else tuple(t.shape[d] for d in order)
    drawn = _draw(op, shape, t.dtype, generator or default_generator, *parameters)
    return write(what, t, drawn if order is None else permute(drawn, inverse(order)))


def uniform_(
    self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None, **kwargs: float
) -> Tensor:
    """Fills with uniform numbers in [from, to). RuntimeError if from > to."""
    low, high = _number(kwargs.pop("from", from_)), _number(to)
    if kwargs:
        raise TypeError(f"uniform_() got an unexpected keyword argument '{next(iter(kwargs))}'")
    if not low <= high:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={low} > to={high}")
    _floating("uniform_", self.dtype)
    return _fill("uniform_", self, ops.uniform, generator, low, high)


def normal_(
    self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fills with normal numbers. RuntimeError for a negative standard deviation."""
    if not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    _floating("normal_", self.dtype)
    return _fill("normal_", self, ops.normal, generator, _number(mean), _number(std), self.is_contiguous())


def log_normal_(
    self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None
) -> Tensor:
    """Fills with numbers whose logarithm is normal. RuntimeError unless std > 0."""
    if not std > 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std}")
    return _fill("log_normal_", self, ops.log_normal, generator, _number(mean), _number(std))


def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fills with exponentially distributed numbers of rate `lambd` > 0."""
    if not lambd > 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
    return _fill("exponential_", self, ops.exponential, generator, _number(lambd))


def cauchy_(
    self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fills with Cauchy distributed numbers. RuntimeError unless sigma > 0."""
    if not sigma > 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma}")
    return _fill("cauchy_", self, ops.cauchy, generator, _number(median), _number(sigma))


def geometric_(self: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Fills with the number of trials until the first success of probability `p` in (0, 1)."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
    return _fill("geometric_", self, ops.geometric, generator, _number(p))


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fills with 1 with probability `p` (a number, or a tensor that broadcasts), else 0."""
    generator = generator or default_generator
    if isinstance(p, Tensor):
        _floating("bernoulli_", p.dtype)
        check_writable(self, "bernoulli_")
        drawn = ops.bernoulli_each((p,), tuple(self.shape), self.dtype, generator)
        return write("bernoulli_", self, drawn)
    return _fill("bernoulli_", self, ops.bernoulli, generator, _number(p))


def random_(
    self: Tensor,
    from_: int | None = None,
    to: int | None = None,
    *,
    generator: Generator | None = None,
    **kwargs: int,
) -> Tensor:
    """Fills with whole numbers in [from, to): `random_()`, `random_(to)`, `random_(from, to)`."""
    low: int | None = kwargs.pop("from", from_)
    if kwargs:
        raise TypeError(f"random_() got an unexpected keyword argument '{next(iter(kwargs))}'")
    if from_ is not None and to is None:
        low, to = 0, from_
    generator = generator or default_generator
    if low is not None and to is not None and low >= to:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={to}")
    return _fill("random_", self, ops.integers, generator, low, to)
