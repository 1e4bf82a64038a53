"""Random numbers, compared with PyTorch's: single draws and long sequences of draws from one generator.

Run as a script, this file writes PyTorch's numbers to tests/golden/generator.json.
"""

import copy
import json
import math
import random
import zlib
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from flambeau.core.generator import Generator

torch = pytest.importorskip("torch")

GOLDEN = Path(__file__).parents[1] / "golden" / "generator.json"
FLOATS = ["float32", "float64", "float16", "bfloat16"]
INTEGERS = ["int64", "int32", "int16", "int8", "uint8"]
SIZES = [0, 1, 2, 3, 7, 15, 16, 17, 31, 32, 33, 100, 623, 624, 625, 1248, 5000]
SEEDS = [0, 1, 42, 2**31, 2**32 - 1, 2**32 + 7, 2**63, -1, -(2**63)]


# ----- The same draw, there and here -----


def as_numpy(tensor):
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.uint16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()


def as_torch(array):
    if array.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(array.view(np.uint16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def numpy_dtype(name):
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


FILL = {
    "uniform": lambda t, g, low=0.0, high=1.0: t.uniform_(low, high, generator=g),
    "normal": lambda t, g, mean=0.0, std=1.0, contiguous=True: t.normal_(mean, std, generator=g),
    "log_normal": lambda t, g, mean=1.0, std=2.0: t.log_normal_(mean, std, generator=g),
    "exponential": lambda t, g, rate=1.0: t.exponential_(rate, generator=g),
    "cauchy": lambda t, g, median=0.0, sigma=1.0: t.cauchy_(median, sigma, generator=g),
    "geometric": lambda t, g, p: t.geometric_(p, generator=g),
    "bernoulli": lambda t, g, p: t.bernoulli_(p if isinstance(p, float) else as_torch(p), generator=g),
}


def theirs(g, name, dtype="float32", shape=None, **given):
    kind = getattr(torch, dtype)
    if name == "randperm":
        return as_numpy(torch.randperm(shape, dtype=kind, generator=g))
    if name == "multinomial":
        weights = as_torch(np.asarray(given["probabilities"], numpy_dtype(dtype)))
        return torch.multinomial(weights, given["num_samples"], given["replacement"], generator=g).numpy()
    scattered = not given.get("contiguous", True)
    t = torch.empty((shape, 2), dtype=kind)[:, 0] if scattered else torch.empty(shape, dtype=kind)
    if name != "random":
        return as_numpy(FILL[name](t, g, **given).contiguous())
    bounds = [given["low"], given.get("high")] if "low" in given else []
    return as_numpy(t.random_(*bounds, generator=g))


def ours(g, name, dtype="float32", shape=None, **given):
    kind = numpy_dtype(dtype)
    if name == "randperm":
        return g.randperm(shape, kind)
    if name == "multinomial":
        weights = np.asarray(given["probabilities"], kind)
        return g.multinomial(weights, given["num_samples"], given["replacement"])
    return getattr(g, name)(shape, dtype=kind, **given)


def last_digits(a, b):
    """The distance of float64 numbers in last digits."""
    a, b = [np.where(x < 0, np.iinfo(np.int64).min - x.view(np.int64), x.view(np.int64)) for x in (a, b)]
    return np.abs(a - b).max(initial=0)


def assert_same(mine, other, name):
    assert mine.dtype == other.dtype and mine.shape == other.shape
    if mine.dtype == np.float64 and name != "uniform":
        assert last_digits(mine, other) <= 1  # PyTorch's C library need not be the one in use here
    else:
        np.testing.assert_array_equal(mine, other)


def check(seed, *draws):
    g, h = Generator().manual_seed(seed), torch.Generator().manual_seed(seed)
    for draw in draws:
        assert_same(ours(g, **draw), theirs(h, **draw), draw["name"])
    np.testing.assert_array_equal(g.get_state(), h.get_state().numpy())


def draws(name, dtypes, *givens, **given):
    return [{"name": name, "dtype": d} | given | g for g in givens or ({},) for d in dtypes]


AFTERWARDS = {"name": "uniform", "shape": 3}


# ----- Single draws -----


@pytest.mark.parametrize("seed", SEEDS)
def test_seeds(seed):
    check(seed, {"name": "uniform", "shape": 1000}, {"name": "normal", "shape": 1000})
    assert Generator().manual_seed(seed).initial_seed() == torch.Generator().manual_seed(seed).initial_seed()


RANGE = [{"low": -0.3, "high": 0.7}, {"low": 2.0, "high": 2.0}, {"low": -1 / 28, "high": 1 / 28}]
MOMENTS = [{"mean": 0.3, "std": 1.7}, {"std": 0.02}, {"mean": 5.0, "std": 0.0}]
FLOATING = [
    *draws("uniform", FLOATS, {}, *RANGE, {"low": 1.0, "high": 3.3}),
    *draws("normal", FLOATS, {}, *MOMENTS, MOMENTS[0] | {"contiguous": False}),
    *draws("exponential", FLOATS, {}, {"rate": 0.3}),
    *draws("cauchy", FLOATS, {}, {"median": 1.1, "sigma": 0.7}),
    *draws("log_normal", FLOATS, {}, {"mean": 0.1, "std": 0.3}),
    *draws("geometric", FLOATS, {"p": 0.25}, {"p": 0.01}),
    *draws("bernoulli", FLOATS, {"p": 0.3}, {"p": 0.0}, {"p": 1.0}),
]


@pytest.mark.parametrize("draw", FLOATING, ids=str)
def test_floating_draws(draw):
    for n in SIZES:
        sized = draw | {"shape": n}
        check(n + 1, sized, sized, AFTERWARDS)


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS, "bool"])
def test_random_of_one_dtype(dtype):
    for n in SIZES:
        draw = {"name": "random", "dtype": dtype, "shape": n}
        check(n, draw, draw, AFTERWARDS)


LEAST = -(2**63)
RANGES = {
    "int64": [
        *((0, 1), (0, 10), (-7, 50000), (0, 2**28 - 1), (0, 2**28), (-5, 2**32 - 1), (0, 2**32)),
        *((3, 2**32 + 4), (LEAST, 2**63 - 1), (-(2**62), 2**62), (-9, None), (5, None), (LEAST, None)),
    ],
    "int32": [(0, 10), (-(2**31), 2**31), (0, 2**28), (-3, 2**30), (5, None)],
    "int16": [(0, 10), (-(2**15), 2**15), (5, None)],
    "int8": [(0, 10), (-128, 128), (5, None)],
    "uint8": [(0, 10), (0, 256), (5, None)],
    "bool": [(0, 2), (0, 1), (1, 2), (0, None), (1, None)],
    "float32": [(0, 10), (-5, 2**24), (0, 2**24 + 1), (5, None), (LEAST, None)],
    "float64": [(0, 10), (-5, 2**53), (0, 2**40), (5, None), (LEAST, None)],
    "float16": [(0, 10), (-2048, 2049), (5, None)],
    "bfloat16": [(0, 10), (-256, 257), (5, None), (LEAST, None)],
}


@pytest.mark.parametrize("dtype", RANGES)
def test_random_in_a_range(dtype):
    for low, high in RANGES[dtype]:
        draw = {"name": "random", "dtype": dtype, "shape": 100, "low": low, "high": high}
        check(5, draw, draw, AFTERWARDS)


BEYOND = [
    ("float32", 0, 2**30 + 1),
    ("float32", -(2**25) - 1, 2**25 + 3),
    ("float16", -3001, 60000),
    ("float16", -65503, 65504),
    ("bfloat16", -70001, 1025),
    ("float64", -(2**60) - 1, 2**60 + 1),
]


@pytest.mark.parametrize("dtype, low, high", BEYOND)
def test_a_range_beyond_the_mantissa_shrinks_and_warns(dtype, low, high):
    mine, other = Generator().manual_seed(1), torch.Generator().manual_seed(1)
    with pytest.warns(UserWarning, match="only"):
        a = ours(mine, "random", dtype, 1000, low=low, high=high)
    with pytest.warns(UserWarning, match="out of bounds"):
        b = theirs(other, "random", dtype, 1000, low=low, high=high)
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_geometric_in_integers(dtype):
    check(3, *draws("geometric", [dtype], {"p": 0.5}, {"p": 0.02}, {"p": 0.001}, shape=1000), AFTERWARDS)


@pytest.mark.parametrize("dtype", [*INTEGERS, "bool"])
def test_bernoulli_in_integers(dtype):
    check(3, *draws("bernoulli", [dtype], shape=1000, p=0.4), AFTERWARDS)


@pytest.mark.parametrize("dtype", FLOATS)
def test_bernoulli_of_a_tensor(dtype):
    p = np.linspace(0, 1, 60).reshape(3, 20).astype(numpy_dtype(dtype))
    for shape in ((3, 20), (4, 3, 20)):
        check(3, *draws("bernoulli", ["float32", "int64"], {"p": p}, {"p": p[:, :1].copy()}, shape=shape))


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS])
def test_randperm(dtype):
    sizes = [0, 1, 2, 3, 10, 100, 128]
    if np.dtype(numpy_dtype(dtype)).itemsize >= 4:
        sizes += [256, 2049, 10000, 60000]
    for n in sizes:
        check(n, *draws("randperm", [dtype], {"shape": n}, {"shape": n}), AFTERWARDS)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("replacement", [False, True])
def test_multinomial(dtype, replacement):
    weights = np.random.default_rng(0).random((5, 23)) + 0.01
    weights[:, 3] = 0
    halves_tie = (
        dtype in ("float16", "bfloat16") and not replacement
    )  # and PyTorch orders ties in its own way
    for k in (1,) if halves_tie else (1, 2, 20):
        for p in (weights, weights[0]):
            given = {"probabilities": p, "num_samples": k, "replacement": replacement}
            check(k, *draws("multinomial", [dtype], given, given), AFTERWARDS)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_draws(dtype):
    g, h = Generator().manual_seed(1), torch.Generator().manual_seed(1)
    for shape in ((3,), (20,), (4, 5)):
        a, b = g.normal(shape, dtype, 0.5, 2.0), theirs(h, "normal", dtype, shape, mean=0.5, std=2.0)
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-15)
        np.testing.assert_array_equal(g.uniform(shape, dtype), theirs(h, "uniform", dtype, shape))


MILLIONS = [
    *draws("uniform", ["float32"]),
    *draws("normal", ["float32", "float64", "bfloat16"], {}, {"mean": 0.1, "std": 0.7}),
    *draws("bernoulli", ["float32"], p=0.1),
    *draws("exponential", ["float32"]),
    *draws("random", ["int64"], low=0, high=1000),
    *draws("randperm", ["int64"]),
]


@pytest.mark.parametrize("draw", MILLIONS, ids=str)
def test_a_million(draw):
    check(11, draw | {"shape": 10**6 + 5}, AFTERWARDS)


# ----- What callers draw -----


@pytest.mark.parametrize("dtype", FLOATS)
def test_dropout_mask(dtype):
    torch.manual_seed(4)
    out = torch.nn.functional.dropout(torch.ones(7, 50, dtype=getattr(torch, dtype)), 0.3)
    mask = Generator().manual_seed(4).bernoulli((7, 50), 1 - 0.3)
    np.testing.assert_array_equal(mask, (out != 0).float().numpy())


def test_initial_weights_of_a_layer():
    torch.manual_seed(4)
    layer = torch.nn.Linear(28, 10)
    g, bound = Generator().manual_seed(4), 1 / math.sqrt(28)
    np.testing.assert_array_equal(g.uniform((10, 28), low=-bound, high=bound), layer.weight.detach().numpy())
    np.testing.assert_array_equal(g.uniform(10, low=-bound, high=bound), layer.bias.detach().numpy())


# ----- Sequences of draws -----


def some_draw(rng):
    n = rng.choice([1, 2, 3, 5, 15, 16, 17, 40, 100, 700])
    floating = rng.choice(FLOATS)
    p = (np.arange(n) % 7 / 7).astype(np.float32)
    weights = {"probabilities": p + 0.1, "num_samples": 1 + n // 3}
    choices = [
        *draws("uniform", [floating], low=-1.0, high=rng.choice([1.0, 2.5])),
        *draws("normal", [floating], {"mean": rng.choice([0.0, 0.5])}, {"contiguous": False}),
        *draws("log_normal", ["float32"]),
        *draws("exponential", [floating]),
        *draws("cauchy", ["float32"]),
        *draws("geometric", ["int32"], p=0.3),
        *draws("bernoulli", [floating], p=rng.choice([0.2, p])),
        *draws("random", [rng.choice(INTEGERS + FLOATS)]),
        *draws("random", ["int64"], low=-3, high=rng.choice([5, 2**40])),
        *draws("randperm", ["int64"]),
        *draws("multinomial", ["float32"], weights, replacement=rng.random() < 0.5),
    ]
    return {"shape": n} | rng.choice(choices)


@pytest.mark.parametrize("seed", range(30))
def test_sequences(seed):
    rng = random.Random(seed)
    check(seed, *(some_draw(rng) for _ in range(40)))


@pytest.mark.parametrize("seed", range(5))
def test_states_are_exchanged(seed):
    rng = random.Random(seed)
    g, h = Generator().manual_seed(seed), torch.Generator()
    for _ in range(30):
        draw = some_draw(rng)
        h.set_state(torch.from_numpy(g.get_state().numpy()))
        assert_same(ours(copy.deepcopy(g), **draw), theirs(h, **draw), draw["name"])
        g = Generator().set_state(h.get_state().numpy())


# ----- The golden file -----

MANY = 10**5
WEIGHTS = [[1, 2, 0, 3, 4], 4], [[[1, 2, 3], [9, 1, 0]], 1]
RECORDED = [
    draws("uniform", FLOATS, {"shape": 5}, {"shape": 3, "low": -0.3, "high": 0.7})
    + draws("uniform", ["float32"], shape=MANY),
    draws("normal", FLOATS, *({"shape": n} for n in (1, 3, 16, 18)), {"shape": 20, "mean": 0.3, "std": 1.7})
    + draws("normal", ["float32", "bfloat16"], shape=MANY + 3)
    + draws("normal", ["float32"], shape=17, contiguous=False),
    draws("random", [*FLOATS, *INTEGERS], {"shape": 4}, {"shape": 4, "low": 0, "high": 100})
    + draws("random", ["int64"], *({"low": low, "high": high} for low, high in RANGES["int64"]), shape=4)
    + draws("random", ["int64"], shape=MANY, low=0, high=50257),
    draws("randperm", ["int64", "int32", "uint8", "float32"], {"shape": 2}, {"shape": 10})
    + draws("randperm", ["int64"], shape=60000),
    draws("bernoulli", ["float32", "bool", "int64"], shape=12, p=0.3)
    + draws("bernoulli", ["float32"], *({"p": np.linspace(0, 1, 6, dtype=d)} for d in FLOATS[:2]), shape=6)
    + draws("bernoulli", ["float32"], shape=MANY, p=0.9),
    [draw for name in ("exponential", "cauchy", "log_normal") for draw in draws(name, FLOATS, shape=5)]
    + draws("geometric", ["float32", "int64", "uint8"], shape=5, p=0.2),
    [
        {"name": "multinomial", "dtype": d, "probabilities": p, "num_samples": k, "replacement": replacement}
        for d in FLOATS[:2]
        for p, k in WEIGHTS
        for replacement in (False, True)
    ],
]


def recorded():
    """Sequences of draws with PyTorch's numbers: the numbers themselves, or a checksum of many."""
    sequences = []
    for seed, sequence in enumerate(RECORDED):
        g = torch.Generator().manual_seed(seed)
        sequences.append(
            {"seed": seed, "draws": [plain(draw) | result(theirs(g, **draw)) for draw in sequence]}
        )
    return sequences


def plain(draw):
    return {k: [str(v.dtype), *v.tolist()] if isinstance(v, np.ndarray) else v for k, v in draw.items()}


def result(array):
    if array.size > 100:
        return {"crc32": zlib.crc32(array.tobytes())}
    return {"values": (array.astype(np.float64) if array.dtype.itemsize == 2 else array).tolist()}


def as_text(sequences):
    """JSON with a draw on each line."""
    lines = [",\n".join(map(json.dumps, sequence["draws"])) for sequence in sequences]
    texts = [
        f'{{"seed": {s["seed"]}, "draws": [\n{text}\n]}}' for s, text in zip(sequences, lines, strict=True)
    ]
    return "[" + ",\n".join(texts) + "]\n"


def test_the_golden_file_holds_pytorchs_numbers():
    assert json.loads(GOLDEN.read_text("utf-8")) == recorded()


if __name__ == "__main__":
    GOLDEN.write_text(as_text(recorded()), "utf-8")
