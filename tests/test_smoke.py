"""A walk through Flambeau in a few seconds, for a first look at a change; `make test` does it in eager mode
too."""

import numpy as np
import pytest

import flambeau as torch


def test_arithmetic_is_that_of_numpy():
    x, y = np.arange(6.0).reshape(2, 3), np.array([[2.0], [-1.0]])
    got = (torch.tensor(x) * torch.tensor(y) - 1).exp().sum(0)
    np.testing.assert_allclose(got.numpy(), np.exp(x * y - 1).sum(0))


def test_views_see_writes():
    x = torch.zeros(2, 3)
    row, before = x[1], x + 0
    row += 1
    x[:, 0] = 5
    assert row.tolist() == [5, 1, 1] and x.tolist() == [[5, 0, 0], [5, 1, 1]]
    assert not before.any()


def test_gradients_and_their_gradients():
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    (g,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
    g.sum().backward()
    assert g.tolist() == [3, 12, 27] and x.grad.tolist() == [6, 12, 18]


def test_a_network_learns():
    torch.manual_seed(0)
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    data = torch.utils.data.TensorDataset(x, torch.tensor([0, 1, 1, 0]))
    model = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(60):
        for inputs, labels in torch.utils.data.DataLoader(data, batch_size=2, shuffle=True):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
    assert model(x).argmax(1).tolist() == [0, 1, 1, 0]


def test_parameters_move_to_another_model():
    one, other = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    other.load_state_dict(one.state_dict())
    x = torch.randn(4, 3)
    assert torch.equal(one(x), other(x))


def test_a_wrong_shape_is_refused_at_the_call():
    with pytest.raises(RuntimeError, match=r"\(2, 3\).*\(2,\)"):
        torch.ones(2, 3) + torch.ones(2)


def test_the_same_seed_gives_the_same_numbers():
    torch.manual_seed(7)
    first = torch.rand(5)
    torch.manual_seed(7)
    assert torch.equal(torch.rand(5), first) and not torch.equal(torch.rand(5), first)
