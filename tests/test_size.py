"""`Size`: a tuple of ints that stays a `Size`."""

import copy
import pickle

import numpy as np
import pytest

from flambeau.core.size import Size

SHAPE = Size([2, 3, 4])
FIVE, HALF = (5,), (0.5,)


def test_a_size_is_a_tuple():
    assert SHAPE == (2, 3, 4) and hash(SHAPE) == hash((2, 3, 4)) and {SHAPE: 1}[(2, 3, 4)] == 1
    assert SHAPE != [2, 3, 4]
    assert np.zeros(SHAPE).shape == SHAPE
    rows, *rest = SHAPE
    assert (rows, rest) == (2, [3, 4])


def test_repr():
    assert (repr(SHAPE), repr(Size())) == ("torch.Size([2, 3, 4])", "torch.Size([])")


@pytest.mark.parametrize(
    "result, expected",
    [
        (SHAPE[1:], (3, 4)),
        (SHAPE[::-1], (4, 3, 2)),
        (SHAPE + FIVE, (2, 3, 4, 5)),
        (FIVE + SHAPE, (5, 2, 3, 4)),
        (Size([1]) + Size([2]), (1, 2)),
        (Size([1]) * 3, (1, 1, 1)),
        (2 * Size([1, 2]), (1, 2, 1, 2)),
        (sum([Size([1]), Size([2])], ()), (1, 2)),
        (copy.deepcopy(SHAPE), (2, 3, 4)),
        *((pickle.loads(pickle.dumps(SHAPE, protocol)), (2, 3, 4)) for protocol in range(6)),
    ],
)
def test_what_is_made_of_a_size_is_a_size(result, expected):
    assert type(result) is Size and result == expected


def test_items_become_ints():
    assert all(type(extent) is int for extent in Size([np.int64(2), np.uint8(3), True]))
    assert type(SHAPE[0]) is int


def test_arithmetic_with_arrays_is_numpys():
    np.testing.assert_array_equal(SHAPE + np.array([1, 1, 1]), [3, 4, 5])
    np.testing.assert_array_equal(SHAPE * np.array([1, 2, 1]), [2, 6, 4])


def test_numel():
    assert (SHAPE.numel(), Size().numel(), Size([4, 0]).numel()) == (24, 1, 0)
    assert Size([2**40, 2**40]).numel() == 2**80  # exact, where 64 bits would wrap


@pytest.mark.parametrize(
    "bad, error, text",
    [
        ([1, 2.5], TypeError, r"torch.Size: takes an iterable of int, item 1 is 2.5 \(float\)"),
        ("12", TypeError, "item 0 is '1'"),
        (5, TypeError, "not iterable"),
        ([2**63], ValueError, "item 0 is 9223372036854775808, beyond 64 bits"),
    ],
)
def test_a_bad_extent_is_named(bad, error, text):
    with pytest.raises(error, match=text):
        Size(bad)


def test_lists_and_fractions_do_not_join():
    with pytest.raises(TypeError):
        SHAPE + list(FIVE)
    with pytest.raises(TypeError, match=r"item 3 is 0\.5"):
        SHAPE + HALF
    with pytest.raises(TypeError):
        SHAPE * 1.5
