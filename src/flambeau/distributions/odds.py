"""Distributions that are given by probabilities or by logits."""

from __future__ import annotations

from typing import Any

from ..core.size import Size
from ..core.tensor import Tensor
from .distribution import Distribution
from .utils import broadcast_all, lazy_property, logits_to_probs, probs_to_logits


def only_one(probs: Any, logits: Any) -> None:
    """ValueError unless one of the two is given."""
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")


class Odds(Distribution):
    """Given by `probs` or by `logits`; the other of the two is computed when it is asked for."""

    _over_categories = False  # probabilities of categories along the last dimension, not of single events

    def _give(self, probs: Any, logits: Any, *others: Any) -> tuple[Tensor, ...]:
        """Takes over the parameter; returns the others, broadcast with it."""
        only_one(probs, logits)
        *rest, param = broadcast_all(*others, logits if probs is None else probs)
        if probs is None:
            self.logits = param
        else:
            self.probs = param
        self._given = "logits" if probs is None else "probs"
        return tuple(rest)

    @property
    def _param(self) -> Tensor:
        param: Tensor = vars(self)[self._given]
        return param

    @lazy_property
    def logits(self) -> Tensor:
        """The log-odds; of categories the log-probabilities."""
        return probs_to_logits(self.probs, not self._over_categories)

    @lazy_property
    def probs(self) -> Tensor:
        """The probabilities."""
        return logits_to_probs(self.logits, not self._over_categories)

    @property
    def param_shape(self) -> Size:
        """The shape of `probs` and `logits`."""
        return self._param.shape
