"""Where a pass is: what `DataLoader.state_dict` keeps, and how a new pass goes on from there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...core.generator import Generator, default_generator

if TYPE_CHECKING:
    from .dataloader import DataLoader

_VERSION = 1


def _own_generators(loader: DataLoader[Any]) -> list[Generator]:
    """The generators that the order may come from, without the default one."""
    places = (loader, loader.sampler, loader.batch_sampler, getattr(loader.batch_sampler, "sampler", None))
    found = [getattr(place, "generator", None) for place in places]
    return list({id(g): g for g in found if isinstance(g, Generator) and g is not default_generator}.values())


class Progress:
    """How far a pass has come: how many batches it has given, and the states of the generators as it
    began.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        self.given = 0
        self.states: list[Any] = [g.get_state() for g in (default_generator, *_own_generators(loader))]

    def finish(self) -> None:
        """The pass is over: the next one begins anew."""
        self.given, self.states = 0, []


def state_of(loader: DataLoader[Any]) -> dict[str, Any]:
    """What is to be known in order to go on."""
    progress = loader._progress
    states = progress.states if progress is not None else []
    default, *own = states or [None, *(g.get_state() for g in _own_generators(loader))]
    given = 0 if progress is None else progress.given
    return {"version": _VERSION, "batches": given, "default": default, "generators": own}


def check(state: Any, loader: DataLoader[Any]) -> None:
    """ValueError unless this is a state of such a loader."""
    keys = {"version", "batches", "default", "generators"}
    if not isinstance(state, dict) or set(state) != keys or state["version"] != _VERSION:
        raise ValueError(
            f"DataLoader.load_state_dict: expected what state_dict() returned, got {state!r:.80}"
        )
    own = len(_own_generators(loader))
    if len(state["generators"]) != own:
        raise ValueError(
            f"DataLoader.load_state_dict: the state has {len(state['generators'])} generators of the loader "
            f"and its samplers, this loader has {own}; build it with the same arguments"
        )


@contextlib.contextmanager
def resumed(loader: DataLoader[Any], state: dict[str, Any] | None) -> Iterator[int | None]:
    """While a pass begins, generators are where they were when the pass to be resumed began; the default one
    is put back afterwards. Gives how many batches to skip (None: the pass is a new one).
    """
    if state is None:
        yield None
        return
    for generator, own in zip(_own_generators(loader), state["generators"], strict=True):
        generator.set_state(own)
    if state["default"] is None:
        yield None
        return
    before = default_generator.get_state()
    default_generator.set_state(state["default"])
    try:
        yield state["batches"]
    finally:
        default_generator.set_state(before)
