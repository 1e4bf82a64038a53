"""Subclasses of Tensor in functions, by `__torch_function__`."""

import copy
import pickle
import subprocess
import sys

import pytest

import flambeau as torch
import flambeau.nn.functional as F

PROGRAM = "import flambeau as torch; a = torch.add; print(torch.add is a, torch.add.__class__.__name__)"


class Plain(torch.Tensor):
    pass


class Loud(torch.Tensor):
    calls = []  # noqa: RUF012

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.calls.append(func.__name__)
        return super().__torch_function__(func, types, args, kwargs or {})


class Switched(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return HANDLED[func](*args, **(kwargs or {})) if func in HANDLED else NotImplemented


HANDLED = {torch.mean: lambda x: "the mean", F.relu: lambda x, inplace=False: "relu", torch.Tensor.exp: len}


def test_a_program_without_subclasses_has_plain_functions():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "function"]


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x + 1, lambda x: 1 - x, lambda x: x @ x, lambda x: torch.ones(2) * x, lambda x: x.sum(),
        lambda x: torch.cat([torch.ones(1), x]), lambda x: F.relu(x), lambda x: x[0], lambda x: x.T,
        lambda x: x.double(), lambda x: x.detach(), lambda x: x.data, lambda x: x == 1, lambda x: x.clone(),
        lambda x: torch.nn.ReLU()(x), lambda x: torch.nn.Linear(2, 1)(x), lambda x: torch.zeros_like(x),
        lambda x: x.reshape(1, 2).max(1).values, lambda x: x.unbind()[1], lambda x: x.add_(1),
        lambda x: x.new_zeros(2),
    ],
)  # fmt: skip
def test_results_are_of_the_subclass(f):
    assert type(f(Plain([1.0, 2.0]))) is Plain


def test_what_is_no_tensor_stays_as_it_is():
    x = Plain([1.0, 2.0])
    assert x.tolist() == [1, 2] and type(x.shape) is torch.Size and x[0].item() == 1 and len(x) == 2


def test_gradients_flow():
    x = Plain([1.0, 2.0]).requires_grad_()
    (x * x).sum().backward()
    assert x.grad.tolist() == [2, 4]


def test_parameters_count_as_plain_tensors():
    assert type(torch.nn.Parameter(torch.ones(2)) + 1) is torch.Tensor
    assert type(torch.nn.Parameter(torch.ones(2)).sum()) is torch.Tensor


@pytest.mark.parametrize(
    ("f", "names"),
    [
        (lambda x: x + 1, ["add"]), (lambda x: 2 * x, ["mul"]), (lambda x: 1 - x, ["__rsub__"]),
        (lambda x: 1 / x, ["__rdiv__"]), (lambda x: -x, ["neg"]), (lambda x: x @ x, ["matmul"]),
        (lambda x: x**2, ["pow"]), (lambda x: x == x, ["__eq__"]), (lambda x: x.add_(1), ["add_"]),
        (lambda x: torch.stack([x, x]), ["stack"]), (lambda x: F.relu(x), ["relu"]),
        (lambda x: x.T, ["__get__"]),
    ],
)  # fmt: skip
def test_an_override_sees_each_call(f, names):
    x = torch.ones(2).as_subclass(Loud)
    Loud.calls.clear()
    assert type(f(x)) is Loud
    assert Loud.calls == names


def test_functions_are_keys_from_before_the_first_subclass():
    x = torch.ones(2).as_subclass(Switched)
    assert torch.mean(x) == "the mean" and F.relu(x) == "relu"
    with pytest.raises(TypeError, match=r"no implementation found for 'add' .*'Switched'"):
        torch.add(x, 1)


def test_the_more_special_class_decides():
    class More(Plain):
        pass

    assert type(Plain([1.0]) + More([1.0])) is More
    with pytest.raises(TypeError, match="no implementation found"):
        Plain([1.0]) + torch.ones(1).as_subclass(Switched)


def test_objects_that_are_no_tensors():
    class Metres:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return f"{func.__name__} of metres"

    assert torch.overrides.has_torch_function((Metres(),)) and torch.overrides.is_tensor_like(Metres())
    assert torch.add(Metres(), 1) == "add of metres"
    assert torch.add(torch.ones(1), Metres()) == "add of metres"


def test_protocol_switched_off():
    x = Plain([1.0])
    with torch.overrides.DisableTorchFunctionSubclass():
        assert type(x + 1) is torch.Tensor and type(torch.add(x, 1)) is torch.Tensor
        assert not torch.overrides.has_torch_function((x,))
    assert type(x + 1) is Plain


def test_public_functions_keep_their_names_and_pickle():
    assert torch.add.__name__ == "add" and torch.add.__doc__
    assert pickle.loads(pickle.dumps(torch.add)) == torch.add


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_keep_the_class(copied):
    x = Plain([1.0, 2.0])
    x.note = "mine"
    y = copied(x)
    assert type(y) is Plain and y.note == "mine" and y.tolist() == [1, 2]
    y[0] = 5
    assert x.tolist() == [1, 2]


def test_as_subclass_keeps_history_and_memory():
    x = torch.ones(2, requires_grad=True)
    y = (x * 2).as_subclass(Plain)
    y.sum().backward()
    assert x.grad.tolist() == [2, 2]
    z = torch.zeros(2)
    z.as_subclass(Plain)[0] = 3
    assert z.tolist() == [3, 0]
    with pytest.raises(TypeError, match="expected a subclass of Tensor"):
        x.as_subclass(int)
