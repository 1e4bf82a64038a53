"""Drawing random numbers. Recorded like anything else; done in the order of recording, even if nobody reads
the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core.dtype import FLOAT, dtype
from ..core.generator import Generator, default_generator
from ..core.node import Node
from ..core.realize import user_line
from ..core.record import submit
from ..core.tensor import Tensor, make
from .op import Op
from .samples import Sample


class Draw(Op):
    """Numbers from a generator: `draw(shape, dtype, *parameters, generator=)`. Tensor inputs come first."""

    kind = "random"
    effect = True
    widens = False
    checks = True

    def __call__(
        self,
        tensors: tuple[Tensor, ...],
        shape: tuple[int, ...],
        d: dtype,
        generator: Generator,
        *parameters: Any,
    ) -> Tensor:
        nodes = tuple(t._current() for t in tensors)
        if not tensors:  # a draw of nothing raises now what the draw would raise, and uses up no numbers
            self.numpy((0,), d, generator, *parameters)
        node = Node(self, nodes, (shape, d, generator, *parameters), shape, d)
        node.site = user_line()
        t = make(node)
        submit(node)
        return t

    def on_sample(self, tensors: Any, attrs: dict[str, Any]) -> Tensor:
        shape, d, *parameters = attrs.values()
        return self(tuple(tensors), shape, d, default_generator.manual_seed(7), *parameters)


def _draw(name: str, method: str, parameters: str, samples: Any) -> Draw:
    def numpy(shape: tuple[int, ...], d: dtype, generator: Generator, *values: Any) -> np.ndarray:
        return np.asarray(
            getattr(generator, method)(shape, dtype=d.np, **dict(zip(names, values, strict=True)))
        )

    names = parameters.split()
    return Draw(name, numpy, inputs="", attrs="shape d generator " + parameters, samples=lambda: samples)


def _samples(**parameters: Any) -> list[Sample]:
    return [
        Sample((), {"shape": (3, 20), "d": dt.float32, **parameters}),
        Sample((), {"shape": (5,), "d": dt.float64, **parameters}),
    ]


uniform = _draw("uniform", "uniform", "low high", _samples(low=0.0, high=1.0))
normal = _draw("normal", "normal", "mean std contiguous", _samples(mean=0.0, std=1.0, contiguous=True))
log_normal = _draw("log_normal", "log_normal", "mean std", _samples(mean=1.0, std=2.0))
exponential = _draw("exponential", "exponential", "rate", _samples(rate=1.0))
cauchy = _draw("cauchy", "cauchy", "median sigma", _samples(median=0.0, sigma=1.0))
geometric = _draw("geometric", "geometric", "p", _samples(p=0.5))
bernoulli = _draw("bernoulli", "bernoulli", "p", _samples(p=0.5))
integers = _draw(
    "random", "random", "low high", [Sample((), {"shape": (7,), "d": dt.int64, "low": 0, "high": 10})]
)

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
