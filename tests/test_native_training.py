"""Whole training steps as native code: equal to the interpreter's up to rounding, and to themselves to the
last bit, with any number of threads and from a kernel cache that is cold or warm."""

import subprocess
import sys

import numpy as np
import pytest

import flambeau as torch
from flambeau.core.config import config

nn, F = torch.nn, torch.nn.functional


class Convolutions(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.second, self.down = nn.Conv2d(8, 16, 3, stride=2), nn.Conv2d(8, 16, 1, stride=2)
        self.head = nn.Linear(16 * 4, 5)

    def forward(self, x):
        x = F.relu(self.norm(self.first(x)))
        x = F.max_pool2d(F.gelu(self.second(x) + self.down(x)[:, :, :-1, :-1]), 2)
        return self.head(F.dropout(x.flatten(1), 0.1))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.norm = nn.Embedding(11, 16), nn.LayerNorm(16)
        self.qkv, self.out, self.head = nn.Linear(16, 48), nn.Linear(16, 16), nn.Linear(16, 5)

    def forward(self, words):
        x = self.words(words)
        q, k, v = (t.unflatten(-1, (2, 8)).transpose(1, 2) for t in self.qkv(self.norm(x)).chunk(3, -1))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.head((x + self.out(y.transpose(1, 2).flatten(2))).mean(1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.lstm, self.head = (
            nn.Embedding(11, 6),
            nn.LSTM(6, 9, batch_first=True),
            nn.Linear(9, 5),
        )

    def forward(self, words):
        return self.head(self.lstm(self.words(words))[0][:, -1])


CASES = {
    "convolutions": (Convolutions, lambda r: r.standard_normal((6, 2, 10, 10)).astype(np.float32), "SGD"),
    "attention": (Attention, lambda r: r.integers(0, 11, (6, 9)), "SGD"),
    "recurrent": (Recurrent, lambda r: r.integers(0, 11, (6, 7)), "Adam"),
}


def train(name, steps=4):
    """The losses of some steps, and all parameters after them."""
    make, data, optimizer = CASES[name]
    r = np.random.default_rng(0)
    x, y = torch.tensor(data(r)), torch.tensor(r.integers(0, 5, 6))
    torch.manual_seed(0)
    model = make()
    rule = getattr(torch.optim, optimizer)(model.parameters(), lr=0.01)
    losses = []
    for _ in range(steps):
        rule.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        rule.step()
        losses.append(loss.item())
    return losses, np.concatenate([p.detach().numpy().ravel() for p in model.parameters()])


@pytest.fixture(autouse=True)
def compiled(monkeypatch):
    monkeypatch.setattr(config, "mode", "compile")


@pytest.mark.parametrize("name", CASES)
def test_native_steps_are_the_interpreter_s(name, monkeypatch):
    losses, parameters = train(name)
    monkeypatch.setattr(config, "mode", "interpret")
    expected, reference = train(name)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    np.testing.assert_allclose(parameters, reference, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("name", CASES)
def test_any_number_of_threads_gives_the_same_bits(name):
    threads = torch.get_num_threads()
    try:
        found = set()
        for n in (1, 2, 3):
            torch.set_num_threads(n)
            losses, parameters = train(name)
            found.add((*losses, parameters.tobytes()))
    finally:
        torch.set_num_threads(threads)
    assert len(found) == 1


@pytest.mark.slow
def test_a_cold_and_a_warm_cache_give_the_same_bits(tmp_path):
    code = (
        "import sys; sys.path.insert(0, 'tests'); import test_native_training as t;"
        "[print(n, t.train(n)[0], t.train(n)[1].tobytes().hex()[-64:]) for n in t.CASES]"
    )
    env = {
        "FLAMBEAU_MODE": "compile",
        "FLAMBEAU_CACHE_DIR": str(tmp_path),
        "PATH": "",
        "PYTHONPATH": ":".join(sys.path),
    }
    runs = [
        subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
        for _ in range(2)
    ]
    assert runs[0].returncode == 0, runs[0].stderr
    assert any(tmp_path.rglob("*")) and runs[0].stdout == runs[1].stdout
