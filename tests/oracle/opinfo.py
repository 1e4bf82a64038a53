"""PyTorch's own sample inputs (its OpInfo database) for the functions that Flambeau has too.

Entries, samples, arguments and functions made Flambeau's, and the comparison of results in PyTorch's
tolerances.
"""

import functools
import os
import sys
import types
import unittest
import warnings
from itertools import islice

import numpy as np
import pytest
from both import as_numpy

import flambeau
import flambeau.nn.functional

torch = pytest.importorskip("torch")
sys.modules.setdefault(
    "expecttest", types.SimpleNamespace(TestCase=unittest.TestCase)
)  # imported there, not needed here
database = pytest.importorskip("torch.testing._internal.common_methods_invocations")

LIMIT = int(os.environ.get("FLAMBEAU_OPINFO_LIMIT", "6"))  # samples of an entry, a dtype and an aspect
# Values are not set by these.
UNSET = {"empty", "empty_like", "empty_permuted", "empty_strided", "new_empty", "new_empty_strided"}
# Which of equal elements is meant is nobody's promise.
UNSET |= {"argsort"}
CHOICES = {"kthvalue", "mode", "topk", "sort", "median", "nanmedian", "max", "min"}
NAMES = {  # what the database calls otherwise than the function's name
    "__getitem__": "Tensor.__getitem__",
    "max_pool2d_with_indices_backward": "nn.functional.max_pool2d_with_indices_backward",
}


def label(op):
    """The name of an entry in the table: `norm`, `norm-fro`."""
    return f"{op.name}-{op.variant_test_name}".strip("-")


ENTRIES = {label(op): op for op in database.op_db if not op.name.startswith("jiterator")}


# ----- Flambeau's functions -----


def counterpart(op):
    """Flambeau's function for an entry, its method if there is none; None if there is neither. What the
    database wraps is wrapped alike."""
    name = NAMES.get(op.name, op.name)
    method = getattr(flambeau.Tensor, name, None) or getattr(flambeau.Tensor, f"{name}_", None)
    found = named(name)
    if not callable(found) or isinstance(found, flambeau.dtype):
        found = method
    wrapped = "testing" in (getattr(op.op, "__module__", None) or "")
    return ours(op.op) if found is not None and wrapped else found


def named(name):
    """What is called `nn.functional.relu`."""
    found = flambeau
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def ours(function):
    """A function of the database's with Flambeau in PyTorch's place."""
    if not isinstance(function, types.FunctionType):
        return function
    names = {**function.__globals__, "torch": flambeau, "F": flambeau.nn.functional}
    names["wrapper_set_seed"] = lambda op, *args, **kwargs: op(*args, **kwargs)
    cells = tuple(types.CellType(here(cell.cell_contents)) for cell in function.__closure__ or ())
    made = types.FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, cells or None
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def here(x, shared=None):
    """PyTorch's arguments as Flambeau's: tensors keep values, strides and `requires_grad`, and what lies in
    one storage lies in one here too if a dictionary for the `shared` storages is given.
    """
    if isinstance(x, torch.Tensor):
        return tensor_here(x.resolve_conj().resolve_neg(), {} if shared is None else shared)
    if isinstance(x, (torch.dtype, torch.layout, torch.memory_format)):
        return getattr(flambeau, str(x).removeprefix("torch."))
    if isinstance(x, torch.device):
        return str(x)
    if isinstance(x, torch.Size):
        return flambeau.Size(x)
    if isinstance(x, (list, tuple)):
        return type(x)(here(i, shared) for i in x) if type(x) in (list, tuple) else x
    if isinstance(x, torch.nn.Module):
        return getattr(flambeau.nn, type(x).__name__)()
    if isinstance(x, torch.Generator):
        return flambeau.Generator().manual_seed(x.initial_seed())
    builtin = getattr(x, "__module__", None) or ""
    if callable(x) and builtin.startswith("torch.nn.functional"):
        return getattr(flambeau.nn.functional, x.__name__)
    return ours(x) if isinstance(x, types.FunctionType) else x


def tensor_here(x, shared):
    if x.layout is torch.sparse_coo:
        t = flambeau.sparse_coo_tensor(here(x.detach()._indices()), here(x.detach()._values()), x.shape)
        return (t.coalesce() if x.is_coalesced() else t).requires_grad_(x.requires_grad)
    if x.layout is torch.sparse_csr:
        parts = (x.crow_indices(), x.col_indices(), x.detach().values())
        return flambeau.sparse_csr_tensor(*map(here, parts), x.shape).requires_grad_(x.requires_grad)
    storage = x.untyped_storage()
    order = sorted(range(x.ndim), key=lambda d: -x.stride(d))
    whole = x.permute(order).is_contiguous() and storage.nbytes() == x.numel() * x.element_size()
    if whole and storage._cdata not in shared:
        t = flambeau.tensor(as_numpy(x).transpose(order).copy())
        shared[storage._cdata] = t
        t = t.permute(*[order.index(d) for d in range(x.ndim)]) if x.ndim > 1 else t
    else:
        if storage._cdata not in shared:
            count = storage.nbytes() // x.element_size()
            shared[storage._cdata] = flambeau.tensor(
                as_numpy(x.detach().as_strided((count,), (1,), 0)).copy()
            )
        t = shared[storage._cdata].as_strided(tuple(x.shape), x.stride(), x.storage_offset())
    return t.detach().requires_grad_(x.requires_grad)


# ----- samples and calls -----


class Sample:
    """The arguments of one call; `gauge` makes results unique that are so only up to signs or phases."""

    def __init__(self, input, args=(), kwargs=None, gauge=None, broadcasts=False):
        self.input, self.args, self.kwargs = input, tuple(args), dict(kwargs or {})
        self.gauge, self.broadcasts = gauge or (lambda x: x), broadcasts

    def here(self):
        """The same with Flambeau's arguments."""
        shared = {}
        kwargs = {k: here(v, shared) for k, v in self.kwargs.items()}
        return Sample(here(self.input, shared), here(self.args, shared), kwargs, ours(self.gauge))

    def call(self, f, T, fresh=lambda x: x, **more):
        """The result, or the exception."""
        T.manual_seed(42)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return self.gauge(f(fresh(self.input), *self.args, **self.kwargs, **more))
            except Exception as error:
                return error

    def __str__(self):
        return f"({', '.join(map(show, (self.input, *self.args)))}, {self.kwargs})"


def show(x):
    return f"{str(x.dtype)[6:]}{list(x.shape)}" if isinstance(x, torch.Tensor) else repr(x)


@functools.lru_cache(maxsize=8)
def samples(name, dtype, requires_grad=False, limit=LIMIT):
    """Samples of an entry, the same each time; none in a dtype that the entry has not."""
    op = ENTRIES[name]
    torch.manual_seed(0)
    np.random.seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = list(
                islice(op.sample_inputs_func(op, torch.device("cpu"), dtype, requires_grad), 8 * limit)
            )
        except Exception:
            return []
    found = found[:: max(1, -(-len(found) // limit))]
    return [Sample(s.input, s.args, s.kwargs, s.output_process_fn_grad, s.broadcasts_input) for s in found]


def rearranged(sample, change):
    """The sample with other tensors of the same values."""

    def changed(x):
        if isinstance(x, (list, tuple)):
            return type(x)(map(changed, x)) if type(x) in (list, tuple) else x
        strided = isinstance(x, torch.Tensor) and x.layout is torch.strided
        return change(x) if strided else x

    kwargs = {k: changed(v) for k, v in sample.kwargs.items()}
    return Sample(changed(sample.input), changed(sample.args), kwargs, sample.gauge, sample.broadcasts)


def apart(sample):
    """The sample with tensors whose elements don't lie side by side."""
    from torch.testing._internal.common_utils import noncontiguous_like

    return rearranged(sample, noncontiguous_like)


def transposed(sample):
    """The sample with tensors whose dimensions lie in reverse order."""
    order = lambda x: tuple(range(x.ndim - 1, -1, -1))  # noqa: E731
    return rearranged(sample, lambda x: x.permute(order(x)).contiguous().permute(order(x)))


# ----- comparison -----

TESTS = {None, "test_numpy_ref", "test_numpy_refs", "test_out", "test_variant_consistency_eager"}


@functools.cache
def tolerance(name, dtype):
    """Relative and absolute: PyTorch's for the dtype, and what the entry's own tests allow beyond."""
    relative, absolute = torch.testing._comparison.default_tolerances(dtype)
    if dtype.is_complex:
        absolute = max(absolute, torch.testing._comparison.default_tolerances(dtype.to_real())[1])
    for info in ENTRIES[name].decorators or ():
        test = getattr(info, "test_name", None) or None
        if getattr(info, "device_type", None) not in (None, "cpu"):
            continue
        if test not in TESTS and not str(test).startswith("test_reference_numerics"):
            continue
        for decorator in getattr(info, "decorators", None) or (info,):
            given = getattr(decorator, "d", {}).get(dtype)
            if isinstance(given, float):
                absolute = max(absolute, given)
            elif given is not None:
                relative, absolute = max(relative, given.rtol), max(absolute, given.atol)
    return relative, absolute


def judge(name, got, want):
    """What is different, as a word for the table and a sentence; None if nothing is. Flambeau's is first."""
    if isinstance(want, Exception):
        if isinstance(got, Exception):
            same = isinstance(got, type(want))
            return None if same else (f"raises {type(got).__name__}", f"{got!r}, PyTorch {want!r}")
        return "accepts", f"accepts, PyTorch {want!r}"
    if isinstance(got, Exception):
        return f"raises {type(got).__name__}", repr(got)
    if isinstance(want, (tuple, list)) and not isinstance(want, torch.Size):
        if not isinstance(got, (tuple, list)) or len(got) != len(want):
            return "structure", f"{type(got)}, PyTorch {type(want)}"
        if ENTRIES[name].name in CHOICES:
            got, want = got[:1], want[:1]
        found = (judge(name, g, w) for g, w in zip(got, want, strict=True))
        return next((f for f in found if f), None)
    if isinstance(want, torch.Tensor):
        return judge_tensor(name, got, want)
    if isinstance(want, (int, float, complex)):
        same = got == want or np.isclose(got, want, 1e-6, 1e-6, equal_nan=True)
        return None if same and type(got) is type(want) else ("values", f"{got!r}, PyTorch {want!r}")
    return None if str(got).replace("flambeau", "torch") == str(want) else ("values", f"{got!r}, {want!r}")


def judge_tensor(name, got, want):
    if not isinstance(got, flambeau.Tensor):
        return "structure", f"{type(got)}, PyTorch a tensor"
    if got.dtype.name != str(want.dtype).removeprefix("torch."):
        return "dtype", f"{got.dtype}, PyTorch {want.dtype}"
    if tuple(got.shape) != tuple(want.shape):
        return "shape", f"{tuple(got.shape)}, PyTorch {tuple(want.shape)}"
    if ENTRIES[name].name in UNSET:
        return None
    try:
        a = array(got)
    except Exception as error:  # raised when the value was asked for
        return f"raises {type(error).__name__}", repr(error)
    b = array(want)
    if (a.dtype, a.shape) != (b.dtype, b.shape):
        return "dtype", f"{a.dtype}{a.shape}, PyTorch {b.dtype}{b.shape}"
    if want.dtype.is_floating_point or want.dtype.is_complex:
        wide = np.complex128 if want.dtype.is_complex else np.float64
        same = np.isclose(a.astype(wide), b.astype(wide), *tolerance(name, want.dtype), equal_nan=True)
    else:
        same = a == b
    return None if same.all() else ("values", f"{a}, PyTorch {b}")


def array(t):
    """The values of a tensor of either library's."""
    if isinstance(t, torch.Tensor):
        t = t.resolve_conj().resolve_neg()
    return as_numpy(t if t.layout in (torch.strided, flambeau.strided) else t.to_dense())


def nearer(sample, theirs, got, want):
    """Whether Flambeau's results are (almost) as near as PyTorch's to what PyTorch gives in float64."""
    double = {torch.float32: torch.float64, torch.float16: torch.float64, torch.bfloat16: torch.float64}
    double[torch.complex64] = torch.complex128
    wide = rearranged(sample, lambda x: x.to(double.get(x.dtype, x.dtype)))
    wide.kwargs = {k: double.get(v, v) if isinstance(v, torch.dtype) else v for k, v in wide.kwargs.items()}
    exact = wide.call(theirs, torch, lambda x: x.clone() if isinstance(x, torch.Tensor) else x)
    if isinstance(exact, Exception):
        return False
    triples = zip(tensors(got, flambeau), tensors(want, torch), tensors(exact, torch), strict=True)
    with np.errstate(all="ignore"):
        return all(_error(g, e) <= 2 * _error(w, e) + rounding(w, e) for g, w, e in triples)


def rounding(t, exact):
    """What long sums in single precision may lose."""
    single = t.dtype in (torch.float32, torch.complex64)
    return 16 * 2.0**-23 * (1 + float(exact.abs().nan_to_num(0, 0, 0).max())) if single and t.numel() else 0


def _error(t, exact):
    """The largest error; infinite if something is not a number that should be one."""
    kind = np.complex128 if exact.dtype.is_complex else np.float64
    a, b = array(t).astype(kind), array(exact).astype(kind)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    return float(np.nan_to_num(np.max(np.where(same, 0, abs(a - b)), initial=0), nan=np.inf))


def tensors(x, T):
    """The tensors in a result."""
    if isinstance(x, (list, tuple)):
        return [t for i in x for t in tensors(i, T)]
    return [x] if isinstance(x, T.Tensor) else []
