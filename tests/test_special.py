"""The room of special functions, and that of windows: examples, gradients, errors."""

import doctest

import pytest

import flambeau as torch

NAMES = [*((torch.special, n) for n in torch.special.__all__)]
NAMES += [(torch.signal.windows, n) for n in torch.signal.windows.__all__]


@pytest.mark.parametrize("room, name", NAMES, ids=lambda x: x if isinstance(x, str) else "")
def test_examples(room, name):
    """Of functions that a table makes, which no search of a module's text finds."""
    function = getattr(room, name)
    test = doctest.DocTestParser().get_doctest(function.__doc__, {}, name, None, 0)
    assert test.examples
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    assert doctest.DocTestRunner(optionflags=flags).run(test).failed == 0


@pytest.mark.parametrize(
    "f, args",
    [
        (torch.igamma, (torch.ones(2), torch.ones(2))),
        (torch.igammac, (torch.ones(2), torch.ones(2))),
        (torch.special.zeta, (torch.ones(2) * 2, torch.ones(2))),
        (torch.heaviside, (torch.ones(2), torch.ones(2))),
    ],
)
def test_what_has_no_derivative_says_so_when_it_is_wanted(f, args):
    x = args[0].clone().requires_grad_()
    y = f(x, args[1])
    with pytest.raises(NotImplementedError, match="is not implemented"):
        y.sum().backward()


@pytest.mark.parametrize("name", ["airy_ai", "bessel_j0", "modified_bessel_i0", "scaled_modified_bessel_k1"])
def test_what_is_constant_for_autograd(name):
    assert not getattr(torch.special, name)(torch.ones(2, requires_grad=True)).requires_grad


def test_errors():
    x = torch.tensor([0.5])
    with pytest.raises(RuntimeError, match="not implemented for complex"):
        torch.fmax(x + 1j, x)
    with pytest.raises(RuntimeError, match="different dtypes"):
        torch.heaviside(x, x.double())
    with pytest.raises(RuntimeError, match="negative n"):
        torch.polygamma(-1, x)
    with pytest.raises(RuntimeError, match="p has to be"):
        torch.mvlgamma(x, 0)
    with pytest.raises(NotImplementedError, match="gcd"):
        torch.gcd(x, x)
    with pytest.raises(RuntimeError, match="floating-point"):
        torch.frexp(torch.tensor([1]))
    with pytest.raises(ValueError, match="non-negative window length"):
        torch.signal.windows.hann(-1)
    with pytest.raises(ValueError, match="float32 or float64"):
        torch.signal.windows.hann(3, dtype=torch.float16)
    with pytest.raises(RuntimeError, match="non-negative window_length"):
        torch.hann_window(-1)


def test_names_at_the_top_level():
    x = torch.tensor([-1.0, 4.0])
    assert torch.relu_(x) is x and x.tolist() == [0.0, 4.0]
    assert torch.sqrt_(x).tolist() == [0.0, 2.0]
    assert torch.conv1d is torch.nn.functional.conv1d
    with pytest.raises(AttributeError):
        assert torch.no_such_name_
