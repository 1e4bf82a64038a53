"""Whole calls, recorded once and replayed: what `flambeau.compile` does."""

from .compiled import compile

__all__ = ["compile"]
