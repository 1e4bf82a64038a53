"""Drawing random numbers. Recorded like anything else; done in the order of recording, even if nobody reads
the numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core import generator as checks
from ..core import rejection
from ..core.dtype import FLOAT, dtype
from ..core.generator import Generator, default_generator
from ..core.ghost import Ghost, ghost_of, on_meta
from ..core.modes import modes
from ..core.node import Node
from ..core.realize import recorder, user_line
from ..core.record import submit
from ..core.tensor import Tensor, make
from .kinds import custom, number_node
from .op import Op
from .reference import implicit
from .samples import Sample, spread
from .view import concatenate


class Draw(Op):
    """Numbers from a generator: `draw(tensors, shape, dtype, generator, *numbers, *settings)`.

    `numbers` are the names of parameters that are operands like tensors: a new one is no new program. `check`
    raises for those that the operation doesn't take.
    """

    kind = "random"
    effect = True
    widens = False
    checks = True
    numbers: tuple[str, ...] = ()
    check: Callable[..., None] | None = None

    def __call__(
        self,
        tensors: tuple[Tensor, ...],
        shape: tuple[int, ...],
        d: dtype,
        generator: Generator,
        *parameters: Any,
    ) -> Tensor:
        numbers, settings = parameters[: len(self.numbers)], parameters[len(self.numbers) :]
        if self.check is not None:
            self.check(d.np, *parameters)
        if modes.levels:
            return self._for_batch(tensors, shape, d, generator, parameters)
        if recorder.ghosts and any(map(ghost_of, tensors)):
            return on_meta(shape, d)
        nodes = tuple(t._current() for t in tensors)
        nodes += tuple(number_node(self.name, x, dt.float64) for x in numbers)
        node = Node(self, nodes, (shape, d, generator, *settings), shape, d)
        node.site = user_line()
        t = make(node)
        submit(node)
        return t

    def _for_batch(
        self, tensors: tuple[Tensor, ...], shape: tuple[int, ...], d: dtype, generator: Generator, rest: Any
    ) -> Tensor:
        """What is drawn inside of a vmap: by its `randomness` the same for all elements, or for each its
        own."""
        *outer, level = modes.levels
        if level.randomness == "error":
            raise RuntimeError(
                "vmap: called random operation while in randomness error mode. Please either use the "
                "'same' or "
                f"'different' randomness flags on vmap or perform the randomness operation ({self.name}) "
                "out of "
                "vmap"
            )
        ghosts = [ghost_of(t) for t in tensors]
        along = [g is not None and g.level is level and g.batched for g in ghosts]
        reals: list[Any] = [
            t if g is None or g.level is not level else g.real for t, g in zip(tensors, ghosts, strict=True)
        ]
        modes.levels = tuple(outer)
        try:
            if level.randomness == "same":
                if any(along):
                    raise RuntimeError(
                        f"{self.name}: Vmap does not currently support same randomness with a batched "
                        "tensor input"
                    )
                return self(tuple(reals), shape, d, generator, *rest)
            drawn = self._different(reals, along, level.size, shape, d, generator, rest)
        finally:
            modes.levels = (*outer, level)
        return make(Ghost(shape, d, level, drawn, True))

    def _different(
        self,
        xs: list[Any],
        along: list[bool],
        size: int,
        shape: Any,
        d: dtype,
        generator: Generator,
        rest: Any,
    ) -> Tensor:
        """One draw for each element: at once if it is one of so many numbers."""
        if self.numbers or self.name in ("random", "bernoulli_each"):
            xs = [x.reshape((size, *(1,) * (len(shape) + 1 - x.ndim), *x.shape[1:])) if b else x
                for x, b in zip(xs, along, strict=True)]  # fmt: skip
            return self(tuple(xs), (size, *shape), d, generator, *rest)
        rows = []
        for i in range(size):
            row = tuple(x.select(0, i) if b else x for x, b in zip(xs, along, strict=True))
            rows.append(self(row, shape, d, generator, *rest).unsqueeze(0))
        return concatenate(*rows, 0)

    def on_sample(self, tensors: Any, attrs: dict[str, Any]) -> Tensor:
        shape, d, *parameters = attrs.values()
        return self(tuple(tensors), shape, d, default_generator.manual_seed(7), *parameters)


def _draw(name: str, numbers: str, check: Any, samples: Any, method: str = "", settings: str = "") -> Draw:
    count, draw = len(numbers.split()), getattr(Generator, method or name)

    def numpy(*args: Any) -> np.ndarray:
        values = dict(zip(names, (*map(float, args[:count]), *args[count + 3 :]), strict=True))
        shape, d, generator = args[count : count + 3]
        return np.asarray(draw(generator, shape, dtype=d.np, **values))

    names = (*numbers.split(), *settings.split())
    attrs = f"shape d generator {settings}"
    op = Draw(name, numpy, inputs=numbers, attrs=attrs, samples=lambda: samples, check=check)
    op.numbers = op.inputs
    return op


def _samples(**parameters: Any) -> list[Sample]:
    return [
        Sample((), {"shape": (3, 20), "d": dt.float32, **parameters}),
        Sample((), {"shape": (5,), "d": dt.float64, **parameters}),
    ]


uniform = _draw("uniform", "low high", checks.check_uniform, _samples(low=0.0, high=1.0))
normal = _draw(
    "normal", "mean std", lambda d, mean, std, contiguous: checks.check_normal(d, mean, std),
    _samples(mean=0.0, std=1.0, contiguous=True), settings="contiguous",
)  # fmt: skip
log_normal = _draw("log_normal", "mean std", checks.check_log_normal, _samples(mean=1.0, std=2.0))
exponential = _draw("exponential", "rate", checks.check_exponential, _samples(rate=1.0))
cauchy = _draw("cauchy", "median sigma", checks.check_cauchy, _samples(median=0.0, sigma=1.0))
geometric = _draw("geometric", "p", checks.check_geometric, _samples(p=0.5))
bernoulli = _draw("bernoulli", "p", checks.check_bernoulli, _samples(p=0.5))
integers = _draw(
    "random", "", checks.check_integers,
    [Sample((), {"shape": (7,), "d": dt.int64, "low": 0, "high": 10})], settings="low high",
)  # fmt: skip

permutation = Draw(
    "randperm", lambda shape, d, generator: generator.randperm(shape[0], dtype=d.np), inputs="",
    attrs="shape d generator",
    samples=lambda: [Sample((), {"shape": (9,), "d": dt.int64})],
)  # fmt: skip
bernoulli_each = Draw(
    "bernoulli_each", lambda p, shape, d, generator: generator.bernoulli(shape, p, dtype=d.np), inputs="p",
    accepts=(FLOAT, FLOAT),
    attrs="shape d generator",
    samples=lambda: [Sample((np.array([0.0, 0.3, 1.0]),), {"shape": (2, 3), "d": dt.float32})],
)  # fmt: skip
multinomial = Draw(
    "multinomial",
    lambda weights, shape, d, generator, count, replacement: generator.multinomial(
        weights, count, replacement
    ),
    inputs="weights", attrs="shape d generator count replacement",
    samples=lambda: [
        Sample((np.array([0.1, 0.2, 0.7]),), {"shape": (2,), "d": dt.int64, "count": 2, "replacement": r})
        for r in (False, True)
    ],
)  # fmt: skip


def _rejection(name: str, numpy: Any, inputs: str) -> Draw:
    """A draw for each element of its inputs, of their shape and dtype."""

    def drawn(*args: Any) -> np.ndarray:
        *parameters, _, _, generator = args
        return np.asarray(numpy(generator, *parameters))

    def samples() -> list[Sample]:
        given = tuple(spread((4, 5), 0.1, 0.9, seed=i) for i in range(len(inputs.split())))
        return [Sample(given, {"shape": (4, 5), "d": dt.float64})]

    attrs = "shape d generator"
    return Draw(name, drawn, inputs=inputs, attrs=attrs, accepts=(FLOAT, FLOAT), samples=samples)


standard_gamma = _rejection("standard_gamma", rejection.standard_gamma, "alpha")
dirichlet = _rejection("sample_dirichlet", rejection.dirichlet, "alpha")
poisson = _rejection("poisson", rejection.poisson, "rate")
binomial = _rejection("binomial", rejection.binomial, "count p")


def _no_second_derivative(g: Tensor) -> Tensor:
    raise NotImplementedError(
        "the derivative of how gamma and Dirichlet numbers move is not implemented; differentiate once"
    )


standard_gamma_grad = custom(
    "standard_gamma_grad",
    lambda alpha, x: implicit.gamma_grad(alpha, x).astype(x.dtype),
    lambda alpha, x: (x._node.shape, x._node.dtype),
    "pointwise",
    inputs="alpha x",
    accepts=(FLOAT, FLOAT),
    grad=dict.fromkeys(("alpha", "x"), _no_second_derivative),
    samples=lambda: [Sample((spread((3, 4), 0.1, 9.0), spread((3, 4), 0.1, 9.0, seed=1)))],
)
dirichlet_grad = custom(
    "dirichlet_grad",
    lambda x, alpha, total: implicit.dirichlet_grad(x, alpha, total).astype(x.dtype),
    lambda x, alpha, total: (x._node.shape, x._node.dtype),
    "pointwise",
    inputs="x alpha total",
    accepts=(FLOAT, FLOAT),
    grad=dict.fromkeys(("x", "alpha", "total"), _no_second_derivative),
    samples=lambda: [
        Sample(
            (spread((3, 4), 0.1, 0.9), spread((3, 4), 0.1, 9.0, seed=1), spread((3, 4), 9.1, 12.0, seed=2))
        )
    ],
)
