"""The aspects in which an entry of PyTorch's OpInfo database is compared.

Each gives the first difference that it finds (a word, a sentence), None if there is none, and SKIP where
PyTorch itself has no such aspect.
"""

import functools
import warnings

import numpy as np
from opinfo import (
    ENTRIES,
    LIMIT,
    Sample,
    apart,
    counterpart,
    here,
    judge,
    nearer,
    ours,
    samples,
    tensors,
    torch,
    transposed,
)

import flambeau

SKIP = ("-", "")
MISSING = ("missing", "no such name")


def forward(*dtypes, limit=LIMIT):
    """Values, dtypes and shapes of the function's results."""

    def aspect(name):
        tried = [s for d in dtypes if d in ENTRIES[name].dtypes for s in samples(name, d, limit=limit)]
        return each(name, counterpart(ENTRIES[name]), tried)

    return aspect


def each(name, f, tried):
    result = SKIP
    for sample in tried:
        want = sample.call(ENTRIES[name].op, torch)
        half = any(t.dtype is torch.complex32 for t in tensors(want, torch))
        if isinstance(want, Exception) or half:  # there are no complex numbers of 16 bits
            continue
        result = found(name, sample, sample.here().call(f, flambeau), want, ENTRIES[name].op)
        if result:
            return result
    return result


def found(name, sample, got, want, theirs=None):
    """The difference with the call that shows it; none where Flambeau is nearer to the truth than PyTorch."""
    difference = judge(name, got, want)
    if difference and difference[0] == "values" and theirs and nearer(sample, theirs, got, want):
        return None
    return difference and (difference[0], f"{name}{sample}: {difference[1]}")


def plain_dtype(name):
    """float32, or the first dtype that an entry has."""
    dtypes = ENTRIES[name].dtypes
    choice = [torch.float32, torch.int64, torch.bool, torch.complex64, torch.float64]
    return next((d for d in choice if d in dtypes), None)


def strided(name):
    """As forward, of tensors whose elements don't lie side by side."""
    tried = [apart(s) for s in samples(name, plain_dtype(name))]
    return each(name, counterpart(ENTRIES[name]), tried)


def layout(name):
    """Strides of the results, of inputs contiguous and transposed."""
    op, result = ENTRIES[name], SKIP
    for sample in [t for s in samples(name, plain_dtype(name)) for t in (s, transposed(s))]:
        want, got = sample.call(op.op, torch), sample.here().call(counterpart(op), flambeau)
        for a, b in zip(tensors(got, flambeau), tensors(want, torch), strict=False):
            if b.layout is torch.strided and b.numel() > 1:
                result = None
                if a.stride() != b.stride():
                    return "strides", f"{name}{sample}: {a.stride()}, PyTorch {b.stride()}"
    return result


def view(name):
    """Whether results are views of the input, the input itself, or new."""
    op, result = ENTRIES[name], SKIP
    for sample in samples(name, plain_dtype(name)):
        mine = sample.here()
        want, got = sample.call(op.op, torch), mine.call(counterpart(op), flambeau)
        pairs = zip(tensors(got, flambeau), tensors(want, torch), strict=False)
        if not isinstance(sample.input, torch.Tensor) or sample.input.layout is not torch.strided:
            continue
        for a, b in pairs:
            result = None
            facts = relation(a, mine.input, flambeau), relation(b, sample.input, torch)
            if facts[0] != facts[1] and b.numel():
                return f"{facts[0]}, not {facts[1]}", f"{name}{sample}: {facts[0]}, PyTorch {facts[1]}"
    return result


def relation(result, x, T):
    if result is x:
        return "the input"
    if T is flambeau:
        return "a view" if result._storage is not None and result._storage is x._storage else "new"
    shares = result.layout is torch.strided and result.untyped_storage()._cdata == x.untyped_storage()._cdata
    return "a view" if shares else "new"


# ----- gradients -----


def gradient(name):
    """First derivatives in float64."""
    return derivatives(name, 1) if ENTRIES[name].supports_autograd else SKIP


def gradgrad(name):
    """Second derivatives in float64."""
    return derivatives(name, 2) if ENTRIES[name].supports_gradgrad else SKIP


def derivatives(name, order):
    op, result = ENTRIES[name], SKIP
    if torch.float64 not in op.dtypes:
        return SKIP
    for sample in samples(name, torch.float64, True):
        mine = sample.here()
        want = differentiate(torch, sample.call(op.op, torch), leaves(sample), order)
        if isinstance(want, Exception):
            continue
        got = differentiate(flambeau, mine.call(counterpart(op), flambeau), leaves(mine), order)
        result = found(name, sample, got, want)
        if result:
            return result
    return result


def leaves(x):
    """The tensors that require gradients, in the arguments of a sample."""
    if isinstance(x, Sample):
        return leaves([x.input, *x.args, *x.kwargs.values()])
    if isinstance(x, (list, tuple)):
        return [t for i in x for t in leaves(i)]
    return [x] if getattr(x, "requires_grad", False) else []


def differentiate(T, result, inputs, order):
    """Of the results, weighted by fixed numbers, towards the inputs; None counts as zeros."""
    if isinstance(result, Exception):
        return result
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            outputs = leaves(result)
            for left in range(order, 0, -1):
                weights = [
                    T.asarray(np.linspace(0.5, 1.5, y.numel()).reshape(tuple(y.shape))) for y in outputs
                ]
                weights = [w.to(y.dtype) for w, y in zip(weights, outputs, strict=True)]
                found = [None] * len(inputs)
                if outputs:
                    found = T.autograd.grad(
                        outputs, inputs, weights, allow_unused=True, create_graph=left > 1
                    )
                outputs = leaves([g for g in found if g is not None])
            zeros = zip(inputs, found, strict=True)
            return [T.zeros_like(x) if g is None else g.detach() for x, g in zeros]
        except Exception as error:
            return error


# ----- variants -----


def method(name):
    """The method gives what PyTorch's gives."""
    op = ENTRIES[name]
    return variant(name, op.name, op.method_variant, [plain_dtype(name)])


def in_place(name):
    """So does the method that writes in place, or it raises the same error."""
    op = ENTRIES[name]
    return variant(name, f"{op.name.rstrip('_')}_", op.inplace_variant, [plain_dtype(name), torch.int64])


def variant(name, spelling, theirs, dtypes):
    if theirs is None:
        return SKIP
    f = getattr(flambeau.Tensor, spelling, None)
    if "testing" in (getattr(theirs, "__module__", None) or ""):
        f = ours(theirs)
    if isinstance(theirs, functools.partial):
        f = functools.partial(here(theirs.func), **theirs.keywords)
    if f is None:
        spelled = getattr(theirs, "__name__", spelling)  # iadd for __iadd__, and functions of operator
        f = getattr(flambeau.Tensor, f"__{spelled.strip('_')}__", None)
    if f is None:
        return MISSING
    result = SKIP
    for sample in [s for d in dict.fromkeys(dtypes) if d in ENTRIES[name].dtypes for s in samples(name, d)]:
        if not isinstance(sample.input, torch.Tensor) or sample.broadcasts:
            continue
        want = sample.call(theirs, torch, lambda x: x.clone())
        result = found(name, sample, sample.here().call(f, flambeau, lambda x: x.clone()), want, theirs)
        if result:
            return result
    return result


def out(name):
    """`out=` that fits, that is empty, transposed, of a wrong shape, of another dtype."""
    op, result = ENTRIES[name], SKIP
    if not op.supports_out:
        return SKIP
    for sample in samples(name, plain_dtype(name), limit=3):
        plain = sample.call(op.op, torch)
        if not tensors(plain, torch) or tensors(plain, torch)[0].layout is not torch.strided:
            continue
        for change in CHANGES:
            want = deliver(torch, op.op, sample, plain, change)
            got = deliver(flambeau, counterpart(op), sample, plain, change)
            if not isinstance(want, Exception):  # in another dtype, it is as exact as in its own
                got, want = (narrowed(x, plain) for x in (got, want))
            result = found(name, sample, got, want, op.op)
            if result:
                return result[0], f"out= {change.__name__}: {result[1]}"
    return result


def deliver(T, f, sample, plain, change):
    """What lies in `out`, after the call. `out` is made of what comes without it."""
    target = remade(plain, change)
    if T is flambeau:
        sample, target = sample.here(), here(target)
    result = sample.call(f, T, out=target)
    return result if isinstance(result, Exception) else sample.gauge(target)


def remade(x, change):
    """A result with its tensors changed."""
    return change(x) if isinstance(x, torch.Tensor) else tuple(remade(i, change) for i in x)


def narrowed(x, plain):
    """A result in float64 in the dtype of the plain result."""
    if isinstance(x, (list, tuple)) and len(x) == len(plain):
        return tuple(map(narrowed, x, plain))
    is_wide = str(getattr(x, "dtype", "")) in ("torch.float64", "torch.complex128")
    return x.to(plain.dtype if isinstance(x, torch.Tensor) else here(plain.dtype)) if is_wide else x


def fitting(y):
    return torch.zeros_like(y)


def empty(y):
    return torch.empty(0, dtype=y.dtype)


def spaced(y):
    return torch.zeros(*y.shape, 2, dtype=y.dtype)[..., 0]


def whole_numbers(y):
    return torch.zeros(y.shape, dtype=torch.int64)


def wider(y):
    return torch.zeros(y.shape, dtype=torch.complex128 if y.dtype.is_complex else torch.float64)


CHANGES = (fitting, empty, spaced, whole_numbers, wider)


def errors(name):
    """Calls that PyTorch refuses raise the same class of exception."""
    op = ENTRIES[name]
    if op.error_inputs_func is None:
        return SKIP
    result = SKIP
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrong = list(op.error_inputs_func(op, "cpu"))
    for error in wrong:
        s = error.sample_input
        sample = Sample(s.input, s.args, s.kwargs)
        if isinstance(s.input, torch.Tensor) and s.input.ndim > 64:  # which no tensor here may have
            continue
        if name.startswith("__") and not isinstance(s.input, torch.Tensor):  # no method of a tensor
            continue
        if not isinstance(sample.call(op.op, torch), Exception):  # refused by other devices only
            continue
        try:
            got = sample.here().call(counterpart(op), flambeau)
            [t.tolist() for t in tensors(got, flambeau)]  # raised late, when the value is asked for
        except Exception as raised:
            got = raised
        kinds = error.error_type if isinstance(error.error_type, tuple) else (error.error_type,)
        if not isinstance(got, kinds):
            want = kinds[0]("as expected")
            return found(name, sample, got, want)
        result = None
    return result


FEW = max(1, LIMIT // 2)
ASPECTS = {
    "float": forward(torch.float32, torch.float64),
    "half": forward(torch.bfloat16, torch.float16, limit=FEW),
    "int": forward(torch.int64, torch.int32, torch.uint8, limit=FEW),
    "bool": forward(torch.bool, limit=FEW),
    "complex": forward(torch.complex64, torch.complex128, limit=FEW),
    "strided": strided,
    "gradient": gradient,
    "gradgrad": gradgrad,
    "method": method,
    "in_place": in_place,
    "out": out,
    "errors": errors,
    "layout": layout,
    "view": view,
}


def assess(name, aspects=tuple(ASPECTS)):
    """For each aspect of an entry: `pass`, `-` (PyTorch has none), `missing` or a word, and a sentence."""
    if counterpart(ENTRIES[name]) is None:
        return dict.fromkeys(aspects, MISSING)
    results = {}
    for aspect in aspects:
        try:
            results[aspect] = ASPECTS[aspect](name) or ("pass", "")
        except Exception as error:
            results[aspect] = f"fails {type(error).__name__}", f"{name}: {error!r}"
    return results
