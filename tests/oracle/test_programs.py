"""Random programs mean the same in PyTorch and in Flambeau, whenever Flambeau does the work."""

from contextlib import suppress
from typing import Any

import pytest
from programs import WITH_GRAD, WITHOUT_GRAD, World, check, flambeau_worlds, write_program

from flambeau import recorder
from flambeau.core.config import config

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.oracle, pytest.mark.slow]

CHUNK, CHUNKS = 1_000, 6
LENGTH = 25


@pytest.fixture(autouse=True)
def _restored():
    mode = config.mode
    yield
    config.mode = mode
    recorder.relax()


def look_at_histories(env: dict[str, Any]) -> None:
    """Asks views for their gradient functions: PyTorch brings these up to date only when somebody does, and
    what a write in place raises depends on it."""
    for x in list(env.values()):
        if isinstance(x, torch.Tensor):
            with suppress(RuntimeError):  # the history is one that is forbidden
                x.grad_fn  # noqa: B018


def lie_contiguously(t: Any) -> None:
    """Gives a fresh result the strides that it has in Flambeau, where they don't depend on the operands'."""
    plain = torch.empty(t.shape, dtype=t.dtype)
    if t.stride() != plain.stride():
        t.data = plain.copy_(t.data)


TORCH = World(
    torch,
    lambda x: isinstance(x, torch.Tensor),
    lambda t: t.detach().numpy(),
    look_at_histories,
    lie_contiguously,
)


@pytest.mark.parametrize("kinds", [WITH_GRAD, WITHOUT_GRAD], ids=["with grad", "without grad"])
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_programs(chunk, kinds):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        worlds = flambeau_worlds(chunk)
        for seed in range(CHUNK * chunk, CHUNK * (chunk + 1)):
            check(write_program(seed, LENGTH, kinds), TORCH, worlds)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("kinds", [WITH_GRAD, WITHOUT_GRAD], ids=["with grad", "without grad"])
def test_programs_as_native_code(kinds):
    worlds = flambeau_worlds(0, "compile")
    for seed in range(20_000, 20_300):
        check(write_program(seed, LENGTH, kinds), TORCH, worlds)
