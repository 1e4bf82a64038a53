"""The same expression in Flambeau and in PyTorch, and the comparison of what comes out.

An expression may use `T` (the library) and the tensors of `things`, made anew for each; statements before the
last `;` are done first. A table is a text with one expression a line.
"""

import math
import warnings

import ml_dtypes
import numpy as np

CLOSE = {
    "float64": 1e-9,
    "float32": 1e-5,
    "float16": 2e-3,
    "bfloat16": 2e-2,
    "complex128": 1e-9,
    "complex64": 1e-5,
}


def things(T):
    """The names that expressions use: f, d, h, w floats of 32, 64, 16 bits and bfloat16; p in (0, 1); i, j,
    k, u whole numbers; b, q truth values; c, z complex; s, r single numbers; v a vector, m a matrix, x of
    three dimensions; n special; e empty; at, a places; o, oi, oe to write into.
    """
    f = T.tensor([[-1.5, 0.25, 2.0], [3.5, -0.75, 0.5]])
    i = T.tensor([[3, -2, 7], [0, 5, -4]])
    c = T.tensor([[1 + 2j, -1j, 0.5 + 0j], [-2 - 1j, 3 + 0.5j, 0.25j]])
    made = {
        "f": f, "d": f.double() * 2, "h": f.half(), "w": f.bfloat16(),
        "p": T.tensor([[0.3, 0.7, 0.9], [0.1, 0.5, 0.6]]),
        "i": i, "j": T.tensor([[2, 3, -2], [1, -5, 4]]), "k": i.int(),
        "u": T.tensor([[1, 200, 3], [0, 5, 255]], dtype=T.uint8),
        "b": T.tensor([[True, False, True], [False, True, False]]),
        "q": T.tensor([[True, True, False], [False, True, False]]),
        "c": c, "z": c.to(T.complex128) * 2, "s": T.tensor(1.5), "r": T.tensor(3),
        "v": T.tensor([1.0, -2.0, 3.0]),
        "m": T.tensor([[2.0, 1.0, 0.5], [1.0, 3.0, -1.0], [0.25, 0.0, 1.5]]),
        "x": T.arange(24.0).reshape(2, 3, 4),
        "n": T.tensor([math.nan, math.inf, -math.inf, 0.0, -0.0, 1.5, -2.5]), "e": T.zeros(0, 3),
        "at": T.tensor([2, 0]),
        "a": T.tensor([[0, 2, 1], [1, 1, 0]]), "o": T.zeros(2, 3), "oi": T.zeros(2, 3, dtype=T.int64),
        "oe": T.empty(0),
    }  # fmt: skip
    return {"T": T, "nan": math.nan, "inf": math.inf, "np": np, **made}


def lines(text):
    """The expressions of a table."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


def words(text):
    """The names in a text."""
    return text.split()


def run(T, expression):
    """The value of an expression, or its exception. What is pending is done, so that late errors are seen."""
    names = things(T)
    *before, last = expression.split("; ")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for statement in before:
                exec(statement, names)
            return plain(eval(last, names))
        except Exception as error:
            return error


def plain(result):
    """Tensors as arrays (with their dtype's name), everything else as it is, in nested tuples."""
    if isinstance(result, (tuple, list)) and type(result).__name__ != "Size":
        return tuple(plain(r) for r in result)
    if hasattr(result, "requires_grad"):
        return as_numpy(result)
    return str(result) if type(result).__module__.startswith(("torch", "flambeau")) else result


def as_numpy(t):
    """A tensor's values as an array of its dtype."""
    t = t.detach()
    if hasattr(t, "_node"):
        return np.array(t._value("comparison"))
    if str(t.dtype) == "torch.bfloat16":
        return t.float().numpy().astype(ml_dtypes.bfloat16)
    return t.numpy(force=True)


def difference(got, want, tolerance=1.0):
    """What is different, in words; an empty text if nothing is. The first result is Flambeau's."""
    if isinstance(got, Exception) or isinstance(want, Exception):
        same = isinstance(want, Exception) and isinstance(got, type(want))
        return "" if same else f"{got!r}, PyTorch {want!r}"
    if isinstance(want, tuple):
        if not isinstance(got, tuple) or len(got) != len(want):
            return f"{got!r}, PyTorch {want!r}"
        return next((d for d in map(difference, got, want) if d), "")
    if isinstance(want, np.ndarray):
        return array_difference(got, want, tolerance)
    same = (
        got == want
        or (want != want and got != got)
        or (isinstance(want, float) and math.isclose(got, want, rel_tol=1e-5))
    )
    return "" if same and type(got) is type(want) else f"{got!r}, PyTorch {want!r}"


def array_difference(got, want, tolerance):
    if not isinstance(got, np.ndarray) or (got.dtype, got.shape) != (want.dtype, want.shape):
        return f"{getattr(got, 'dtype', got)}{getattr(got, 'shape', '')}, PyTorch {want.dtype}{want.shape}"
    close = CLOSE.get(str(want.dtype), 0) * tolerance
    a, b = (x.astype(np.float64) if x.dtype.kind in "fV" else x for x in (got, want))
    same = (a == b) | np.isclose(a, b, close, close, equal_nan=True)
    return "" if same.all() else f"{got}, PyTorch {want}"
