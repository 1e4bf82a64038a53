"""Where each operation's planner is; its module is loaded when it is first wanted."""

from __future__ import annotations

import importlib
from functools import cache

from ..planner import FINISHERS, PLANNERS, Finisher, Planner

_MODULES = {
    "contraction": "matmul linear",
    "linear": "affine linear_weight_grad",
    "conv": "conv conv_weight_grad conv_input_grad",
    "pool": "max_pool avg_pool avg_pool_grad adaptive_avg_pool adaptive_max_index "
    "adaptive_avg_pool_grad pool_take pool_put",
    "attention": "attention attention_grad",
    "recurrent": "lstm lstm_backward gru gru_backward rnn rnn_backward",
    "scatter": "index_put scatter scatter_add",
    "sort": "argsort topk_index",
    "search": "searchsorted",
    "scan": "cumsum cumprod cummax_index cummin_index logcumsumexp",
    "draws": "uniform normal bernoulli exponential cauchy random randperm",
}
_PLACES = {name: module for module, names in _MODULES.items() for name in names.split()}


@cache
def planner_of(name: str) -> Planner | None:
    """The planner of an operation; None if there is none."""
    if name not in _PLACES:
        return None
    importlib.import_module(f"{__package__}.{_PLACES[name]}")
    return PLANNERS[name]


@cache
def finisher_of(name: str) -> Finisher | None:
    """What plans an operation together with what follows it element by element; None if nothing does."""
    if planner_of(name) is not None:
        importlib.import_module(f"{__package__}.linear")  # finishes what `contraction` plans, too
    return FINISHERS.get(name)
