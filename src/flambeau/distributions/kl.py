"""Kullback-Leibler divergences, looked up by the classes of the two distributions."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from ..core.tensor import Tensor
from .distribution import Distribution

__all__ = ["kl_divergence", "register_kl"]

Rule = Callable[[Any, Any], Tensor]
Pair = tuple[type[Any], type[Any]]

_KL_REGISTRY: dict[Pair, Rule] = {}
_KL_MEMOIZE: dict[Pair, Rule | None] = {}


def register_kl(type_p: type[Any], type_q: type[Any]) -> Callable[[Rule], Rule]:
    """A decorator that makes a function the divergence of distributions of these classes (and of their
    subclasses, where nothing is registered that is closer). TypeError for what is no class of distributions.

    >>> from flambeau.distributions import Normal, kl_divergence, register_kl
    >>> class Mine(Normal): ...
    >>> @register_kl(Mine, Normal)
    ... def always_seven(p, q):
    ...     return p.loc * 0 + 7
    >>> kl_divergence(Mine(0.0, 1.0), Normal(0.0, 1.0))
    tensor(7.)
    """
    for name, given in (("type_p", type_p), ("type_q", type_q)):
        if not (isinstance(given, type) and issubclass(given, Distribution)):
            raise TypeError(f"Expected {name} to be a Distribution subclass but got {given}")

    def register(rule: Rule) -> Rule:
        _KL_REGISTRY[type_p, type_q] = rule
        _KL_MEMOIZE.clear()
        return rule

    return register


def _closeness(pair: Pair, types: Pair) -> tuple[int, int]:
    """How many steps up the two class hierarchies a registered pair is from these classes."""
    p, q = (t.__mro__.index(c) for c, t in zip(pair, types, strict=True))
    return p, q


def _dispatch_kl(type_p: type[Any], type_q: type[Any]) -> Rule | None:
    """The closest rule; a RuntimeWarning if it depends on which of the two classes comes first."""
    types = (type_p, type_q)
    matches = [pair for pair in _KL_REGISTRY if issubclass(type_p, pair[0]) and issubclass(type_q, pair[1])]
    if not matches:
        return None
    left = min(matches, key=lambda pair: _closeness(pair, types))
    right = min(matches, key=lambda pair: _closeness(pair, types)[::-1])
    if _KL_REGISTRY[left] is not _KL_REGISTRY[right]:
        warnings.warn(
            f"Ambiguous kl_divergence({type_p.__name__}, {type_q.__name__}). Please register_kl("
            f"{left[0].__name__}, {right[1].__name__})",
            RuntimeWarning,
            stacklevel=3,
        )
    return _KL_REGISTRY[left]


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """The Kullback-Leibler divergence of q from p, the mean over samples of p of log p(x) - log q(x): a
    tensor of their batch shape.

    NotImplementedError if there is no formula for the two.

    >>> import flambeau as torch
    >>> from flambeau.distributions import Normal, kl_divergence
    >>> kl_divergence(Normal(0.0, 1.0), Normal(2.0, 1.0))
    tensor(2.)
    """
    types = (type(p), type(q))
    if types not in _KL_MEMOIZE:
        _KL_MEMOIZE[types] = _dispatch_kl(*types)
    rule = _KL_MEMOIZE[types]
    if rule is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {types[0].__name__} and q type {types[1].__name__}; "
            f"estimate it from samples of p, or register one by register_kl"
        )
    return rule(p, q)
