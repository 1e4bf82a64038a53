"""Parts of complex numbers as views: each sees what is written through the other, and so does autograd."""

import numpy as np
import pytest

import flambeau as torch


def numbers(n=3):
    return torch.complex(torch.arange(float(n)), torch.arange(float(n)) + 10)


def test_writing_to_a_part_changes_the_number():
    x = numbers()
    x.real.add_(1)
    x.imag[0] = -1
    assert x.tolist() == [1 - 1j, 2 + 11j, 3 + 12j]
    torch.view_as_real(x)[2].zero_()
    assert x[2].item() == 0


def test_pairs_of_floats_are_seen_as_numbers():
    x = torch.arange(8.0).reshape(4, 2)
    y = torch.view_as_complex(x)
    assert y._base is x._base and y.stride() == (1,) and y.data_ptr() == x.data_ptr()
    y[1:3].mul_(1j)
    assert x.tolist() == [[0, 1], [-3, 2], [-5, 4], [6, 7]]
    x.fill_(2)
    assert y.tolist() == [2 + 2j] * 4


def test_there_and_back_is_the_same_memory():
    x = numbers()
    torch.view_as_complex(torch.view_as_real(x)[1:]).real.fill_(7)
    assert x.real.tolist() == [0, 7, 7]
    y = torch.zeros(3, 4)
    torch.view_as_complex(y[:, 2:]).fill_(1 + 2j)
    assert y.tolist() == [[0, 0, 1, 2]] * 3


def test_numpy_sees_them_too():
    x = torch.zeros(2, 2)
    torch.view_as_complex(x).numpy()[0] = 3 + 4j
    assert x.tolist() == [[3, 4], [0, 0]]
    array = np.zeros(4)
    torch.view_as_complex(torch.from_numpy(array).reshape(2, 2)).add_(1j)
    assert array.tolist() == [0, 1, 0, 1]


def test_infinity_stays_in_its_part():
    x = torch.view_as_complex(torch.tensor([[1.0, float("inf")]]))
    assert x.real.tolist() == [1.0] and x.imag.tolist() == [float("inf")]


@pytest.mark.parametrize(
    "pairs, message",
    [
        (lambda: torch.ones(2, 3), "last dimension of size 2"),
        (lambda: torch.ones(2, 4)[:, ::2], "last dimension with stride 1"),
        (lambda: torch.ones(5)[1:3], "divisible by 2"),
        (lambda: torch.ones(3, 3)[:, :2], "divisible by 2"),
        (lambda: torch.ones(3, 2).int(), "only supported for float and double"),
    ],
)
def test_what_can_not_be_seen_as_complex(pairs, message):
    with pytest.raises(RuntimeError, match=message):
        torch.view_as_complex(pairs())


def test_gradients_go_through_parts():
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: torch.view_as_complex(x) ** 2, x)
    assert torch.autograd.gradgradcheck(lambda x: torch.view_as_complex(x) ** 2, x)

    def written(x):
        y = x * 2
        torch.view_as_complex(y)[1:].mul_(1j * x[0, 0])
        y = torch.view_as_complex(y)
        y.real.pow_(2)
        return y

    assert torch.autograd.gradcheck(written, x)


def test_a_square_in_place_of_a_part_can_be_differentiated():
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2
    y[1:].pow_(2)
    y.sum().backward()
    assert x.grad.tolist() == [2, 16, 24]
