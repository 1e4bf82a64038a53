"""Memory shared with PyTorch through DLPack, both ways, and with NumPy through both at once."""

import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

DTYPES = ["float64", "float32", "float16", "int64", "int8", "uint8", "bool", "complex64"]


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("there, here", [(torch, flambeau), (flambeau, torch)], ids=["import", "export"])
def test_dlpack(there, here, name):
    theirs = there.zeros(2, 3, dtype=getattr(there, name)).t()
    ours = here.from_dlpack(theirs)
    assert str(ours.dtype) == str(theirs.dtype)
    assert (tuple(ours.shape), ours.stride()) == ((3, 2), theirs.stride())
    theirs[1, 0] = 1
    assert ours.tolist() == theirs.tolist() and ours[1, 0].item() == 1
    ours[2] = 1
    assert ours.tolist() == theirs.tolist() and theirs[2, 1].item() == 1


@pytest.mark.parametrize("there, here", [(torch, flambeau), (flambeau, torch)], ids=["import", "export"])
def test_views_of_what_came_through_dlpack(there, here):
    theirs = there.arange(6.0)
    ours = here.from_dlpack(theirs).view(2, 3)[:, 1]
    theirs.mul_(10)
    assert ours.tolist() == [10, 40]
    ours.add_(1)
    assert theirs.tolist() == [0, 11, 20, 30, 41, 50]


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (1, 1), (2, 1, 3)])
def test_shapes(shape):
    theirs = torch.zeros(shape)
    assert flambeau.from_dlpack(theirs).shape == shape
    assert torch.from_dlpack(flambeau.zeros(shape)).shape == shape


def test_three_parties_on_one_memory():
    array = np.zeros(3)
    ours, theirs = flambeau.from_numpy(array), torch.from_numpy(array)
    theirs += 1
    ours[0] = 5
    array[2] = 7
    assert ours.tolist() == theirs.tolist() == array.tolist() == [5, 1, 7]


@pytest.mark.parametrize("T", [torch, flambeau], ids=["PyTorch", "Flambeau"])
def test_what_can_t_be_exchanged(T):
    with pytest.raises(BufferError):
        T.ones(2, requires_grad=True).__dlpack__()
    with pytest.raises(RuntimeError, match="requires grad"):
        T.ones(2, requires_grad=True).numpy()
    with T.no_grad():
        assert T.ones(2, requires_grad=True).numpy().tolist() == [1, 1]
    with pytest.raises(ValueError, match="negative"):
        T.from_numpy(np.arange(3)[::-1])
    with pytest.raises(TypeError):
        T.from_numpy(np.array(["a"]))
