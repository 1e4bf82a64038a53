"""Memory that NumPy sees too: every kind of view shows at once what is written on either side."""

import numpy as np
import pytest

import flambeau as torch

VIEWS = {
    "slice": lambda x: x[1:, ::2],
    "select": lambda x: x[1],
    "transpose": lambda x: x.t(),
    "reshape": lambda x: x.view(3, 4),
    "expand": lambda x: x.unsqueeze(0).expand(2, 4, 3),
    "diagonal": lambda x: x.diagonal(),
    "unfold": lambda x: x.unfold(0, 2, 1),
    "as_strided": lambda x: x.as_strided((2, 2), (4, 3), 1),
    "windows of a transposed view": lambda x: x.t().unfold(1, 2, 2),
    "other dtype": lambda x: x.view(torch.int64),
}


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("exported", [False, True])
def test_views_of_shared_memory_show_what_numpy_writes(name, exported):
    array = np.arange(12.0).reshape(4, 3)
    x = torch.from_numpy(array)
    if exported:  # the view is there before the memory is handed out
        x = torch.tensor(array)
    seen = VIEWS[name](x)
    if exported:
        array = x.numpy()
    array[...] = np.arange(12.0).reshape(4, 3) * -1.5
    want = VIEWS[name](torch.tensor(array))
    assert torch.equal(seen, want)
    assert torch.equal(seen + 0, want)
    x.mul_(2)
    assert array[1, 0] == -9
    assert torch.equal(seen, VIEWS[name](torch.tensor(array)))


@pytest.mark.parametrize("view", [torch.view_as_real, torch.real, torch.imag])
def test_parts_of_complex_numbers_are_shared(view):
    array = np.array([1 + 2j, 3 - 1j], np.complex64)
    seen = view(torch.from_numpy(array))
    array[0] = 5 - 7j
    assert torch.equal(seen, view(torch.tensor(array)))
    seen.zero_()
    assert torch.equal(view(torch.tensor(array)), torch.zeros_like(seen))


def test_gradients_flow_through_views_of_shared_memory():
    array = np.ones(4)
    x = torch.from_numpy(array).requires_grad_()
    array[1] = 3
    (x.view(2, 2)[0] ** 2).sum().backward()
    assert x.grad.tolist() == [2, 6, 0, 0]


def test_memory_keeps_its_address():
    x = torch.arange(4.0) + 1
    y = x.view(2, 2)
    assert x.data_ptr() == x.data_ptr() == y[0].data_ptr() == y[1].data_ptr() - 8
