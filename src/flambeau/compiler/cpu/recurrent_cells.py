"""What recurrent layers compute for one unit of one sequence, in the scalar language.

Forward, `p` are the gates' hidden products, `x` what comes in for them, `s` the other values by name; the
result is the new value of each state, and what is kept for the gradient. Backward, `a` is what was kept, and
the results are the gradients of what comes in, those of the hidden products if they differ, and those of the
states (of `h` only what doesn't come by way of the products).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..expression import Expr, fma, sigmoid, tanh, where

Values = dict[str, Expr]


class Cell(NamedTuple):
    """A kind of recurrent layer. `gates`: hidden products a unit; `kept`: values kept for the gradient;
    `states`: what it carries from step to step; `direct`: those whose gradient goes on to the step before
    other than by the products; `biased`: whether it has a bias of its own for the last product."""

    gates: int
    kept: int
    states: tuple[str, ...]
    direct: tuple[str, ...]
    biased: bool
    forward: Callable[[list[Expr], list[Expr], Values], tuple[Values, list[Expr]]]
    backward: Callable[[list[Expr], Values], tuple[list[Expr], list[Expr], Values]]


def _lstm(p: list[Expr], x: list[Expr], s: Values) -> tuple[Values, list[Expr]]:
    i, f, g, o = sigmoid(p[0] + x[0]), sigmoid(p[1] + x[1]), tanh(p[2] + x[2]), sigmoid(p[3] + x[3])
    c = fma(f, s["c"], i * g)
    return {"h": o * tanh(c), "c": c}, [i, f, g, o]


def _lstm_backward(a: list[Expr], s: Values) -> tuple[list[Expr], list[Expr], Values]:
    i, f, g, o = a
    t, dh = tanh(fma(f, s["c"], i * g)), s["dh"] + s["g"]
    dc = fma(dh * o, 1.0 - t * t, s["dc"])
    di, df, dg, do = dc * g * (i * (1.0 - i)), dc * s["c"] * (f * (1.0 - f)), dc * i * (1.0 - g * g), dh * t
    return [di, df, dg, do * (o * (1.0 - o))], [], {"c": dc * f}


def _gru(p: list[Expr], x: list[Expr], s: Values) -> tuple[Values, list[Expr]]:
    r, z, inner = sigmoid(p[0] + x[0]), sigmoid(p[1] + x[1]), p[2] + s["b"]
    n = tanh(fma(r, inner, x[2]))
    return {"h": fma(z, s["h"] - n, n)}, [r, z, n, inner]


def _gru_backward(a: list[Expr], s: Values) -> tuple[list[Expr], list[Expr], Values]:
    r, z, n, inner = a
    dh = s["dh"] + s["g"]
    dn = dh * (1.0 - z) * (1.0 - n * n)
    dr, dz = dn * inner * (r * (1.0 - r)), dh * (s["h"] - n) * (z * (1.0 - z))
    return [dr, dz, dn], [dr, dz, dn * r], {"h": dh * z}


def _tanh(p: list[Expr], x: list[Expr], s: Values) -> tuple[Values, list[Expr]]:
    return {"h": tanh(p[0] + x[0])}, []


def _tanh_backward(a: list[Expr], s: Values) -> tuple[list[Expr], list[Expr], Values]:
    return [(s["dh"] + s["g"]) * (1.0 - s["h"] * s["h"])], [], {}


def _relu(p: list[Expr], x: list[Expr], s: Values) -> tuple[Values, list[Expr]]:
    a = p[0] + x[0]
    return {"h": where(a < 0.0, 0.0, a)}, []


def _relu_backward(a: list[Expr], s: Values) -> tuple[list[Expr], list[Expr], Values]:
    return [where(s["h"] > 0.0, s["dh"] + s["g"], 0.0)], [], {}


CELLS = {
    "lstm": Cell(4, 4, ("h", "c"), ("c",), False, _lstm, _lstm_backward),
    "gru": Cell(3, 4, ("h",), ("h",), True, _gru, _gru_backward),
    "tanh": Cell(1, 0, ("h",), (), False, _tanh, _tanh_backward),
    "relu": Cell(1, 0, ("h",), (), False, _relu, _relu_backward),
}
