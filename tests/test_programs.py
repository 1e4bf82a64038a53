"""Random programs mean the same to NumPy and to Flambeau, whenever Flambeau does the work."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import (
    EVERYTHING,
    NUMPY,
    WITHOUT_GRAD,
    Statement,
    check,
    difference,
    flambeau_worlds,
    run,
    shrink,
    write_program,
)

from flambeau import recorder
from flambeau.core.config import config

LENGTH = 25


@pytest.fixture(autouse=True)
def _restored():
    mode = config.mode
    yield
    config.mode = mode
    recorder.relax()


@pytest.mark.parametrize("chunk", range(6))
def test_programs_mean_what_numpy_means(chunk):
    worlds = flambeau_worlds(chunk)
    for seed in range(100 * chunk, 100 * chunk + 100):
        check(write_program(seed, LENGTH, WITHOUT_GRAD), NUMPY, worlds)


@pytest.mark.parametrize("chunk", range(4))
def test_programs_mean_the_same_whenever_they_are_run(chunk):
    worlds = flambeau_worlds(chunk)
    eager = worlds.pop("each")
    for seed in range(100 * chunk, 100 * chunk + 100):
        check(write_program(seed, LENGTH, EVERYTHING), eager, worlds)


@pytest.mark.parametrize("kinds", [WITHOUT_GRAD, EVERYTHING], ids=["without grad", "with grad"])
def test_programs_mean_the_same_as_native_code(kinds):
    for seed in range(1000, 1050):
        eager = flambeau_worlds(seed)["each"]
        check(write_program(seed, LENGTH, kinds), eager, flambeau_worlds(seed, "compile"))


SHARED = [
    "t1 = torch.tensor([-3.0, 5.0], dtype=torch.float32)", "t2 = t1.neg()",
    "t3 = torch.zeros([2, 2], dtype=torch.float32)", "t3.copy_(t2)",
    "a1 = t2.numpy()", "t2[0] = 7", "a1[1] = 9",
]  # fmt: skip


def test_a_value_that_lies_in_shared_memory_is_copied_from_it():
    worlds = flambeau_worlds(0, "compile") | flambeau_worlds(0)
    check([Statement(line) for line in SHARED], NUMPY, worlds)


@given(st.integers(0, 2**32), st.integers(10, 60))
@settings(max_examples=40, deadline=None)
def test_programs_of_any_length(seed, length):
    check(write_program(seed, length, WITHOUT_GRAD), NUMPY, flambeau_worlds(seed))


PROGRAM = [
    Statement("t1 = torch.zeros([3], dtype=torch.float64)", "t1"),
    Statement("t2 = t1[1:]"),
    Statement("t2.add_(1)"),
    Statement("look()"),
    Statement("t1.view(2)"),
]


def test_a_difference_is_found_and_shown_by_a_short_program():
    world = flambeau_worlds(0)["never"]
    wrong = world._replace(before=lambda env: None, read=lambda t: t._value("test") * 2)
    assert difference(run(PROGRAM, world), run(PROGRAM, NUMPY)) == ""
    assert difference(run(PROGRAM, world), run(PROGRAM, wrong)).startswith("line 4: t1, value")
    message = r"^broken: line 4: t1, value: .*\n\nt1 = .*\nt2 = .*\nt2.add_\(1\)$"
    with pytest.raises(AssertionError, match=message):
        check(PROGRAM, world, {"broken": wrong})
    assert shrink(PROGRAM, lambda p: "add" * (PROGRAM[2] in p)) == [PROGRAM[2]]


def test_errors_are_part_of_a_log():
    log = run(PROGRAM, flambeau_worlds(0)["each"])
    assert log[4] == "RuntimeError" and log[:3] == [None, None, None]


def test_a_program_that_one_pass_of_llvm_could_not_take():
    """LLVM's `new_gvn` stopped the process at one of its kernels."""
    for kinds in (WITHOUT_GRAD, EVERYTHING):
        eager = flambeau_worlds(103370)["each"]
        check(write_program(103370, LENGTH, kinds), eager, flambeau_worlds(103370, "compile"))
