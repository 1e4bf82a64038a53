"""`Size`, compared with PyTorch's."""

import operator

import numpy as np
import pytest

from flambeau.core.size import Size

torch = pytest.importorskip("torch")

SIZES = [(), (2,), (2, 3), (4, 0, 5), (True, 7)]


@pytest.mark.parametrize("shape", SIZES)
def test_a_size_behaves_as_pytorchs(shape):
    a, b = Size(shape), torch.Size(shape)
    assert (repr(a), str(a), f"{a}") == (repr(b), str(b), f"{b}")
    assert a.numel() == b.numel()
    assert (hash(a), a == tuple(b)) == (hash(b), True)
    uses = [
        lambda s: s + tuple(range(2)),
        lambda s: tuple(range(2)) + s,
        lambda s: s + s,
        lambda s: 2 * s,
        lambda s: s * 0,
        lambda s: s[::-1],
        lambda s: s[1:],
        lambda s: sum([s, s], ()),
        lambda s: s + np.ones(len(s), int),
        list,
    ]
    for use in uses:
        assert repr(use(a)) == repr(use(b))


@pytest.mark.parametrize("bad", [5, None, [1.5], ["a"], "12", [None], [1, [2]], [np.float32(2)]])
def test_a_size_refuses_what_pytorch_refuses(bad):
    with pytest.raises((TypeError, ValueError)) as theirs:
        torch.Size(bad)
    with pytest.raises(theirs.type):
        Size(bad)


@pytest.mark.parametrize(
    "operation, other",
    [("add", [1]), ("add", 1), ("add", (1.5,)), ("mul", 1.5), ("mul", (2,)), ("getitem", 7)],
)
def test_operations_raise_alike(operation, other):
    apply = getattr(operator, operation)
    with pytest.raises((TypeError, IndexError)) as theirs:
        apply(torch.Size([2, 3]), other)
    with pytest.raises(theirs.type):
        apply(Size([2, 3]), other)
