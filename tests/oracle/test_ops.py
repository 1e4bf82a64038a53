"""Every operation against its peer in PyTorch, on the samples of its record and in many dtypes."""

import importlib
import pkgutil

import ml_dtypes
import numpy as np
import pytest
from both import as_numpy, words

import flambeau
from flambeau import ops as room
from flambeau.core import dtype as dt
from flambeau.ops.op import Op
from flambeau.ops.samples import spread

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:ComplexHalf support", "ignore:var... degrees of freedom")

for module in pkgutil.iter_modules(room.__path__):
    importlib.import_module(f"{room.__name__}.{module.name}")


# ----- the table -----


def dims(f):
    """A peer that takes `dim=`; an empty tuple means no reduction, which most of PyTorch reads as all."""
    return lambda T, x, dims, keepdim=False: (
        f(T, x, dims, keepdim) if dims else f(T, x.unsqueeze(0), 0, False)
    )


def arg(f):
    return lambda T, x, dims, keepdim=False: f(T)(x, dim=dims if dims is None else dims[0], keepdim=keepdim)


def one_by_one(f):
    """A peer that reduces one dimension at a time."""

    def peer(T, x, dims, keepdim=False):
        for d in reversed(dims):
            x = f(T)(x, dim=d, keepdim=keepdim)
        return x if dims else f(T)(x.unsqueeze(0), dim=0)

    return peer


def median(T, x, dims, keepdim=False):
    rest = tuple(d for d in range(x.ndim) if d not in dims)
    rows = x.permute(rest + tuple(dims)).flatten(len(rest)) if dims else x.unsqueeze(-1)
    found = rows.median(-1).values
    return found.reshape([1 if d in dims else e for d, e in enumerate(x.shape)]) if keepdim else found


def ranged(T, x, ranges):
    return x[tuple(slice(a, a + (n - 1) * s + 1 if n else a, s) for a, n, s in ranges)]


def slice_scatter(T, x, part, ranges):
    x = x.clone()
    ranged(T, x, ranges).copy_(part)
    return x


def index(T, x, *indices, dims):
    key = [slice(None)] * x.ndim
    for d, i in zip(dims, indices, strict=True):
        key[d] = i
    return x[tuple(key)]


def index_put(T, x, src, *indices, dims, accumulate):
    assert dims == tuple(range(len(dims)))
    return x.index_put(indices, src, accumulate=accumulate)


def window_sum(T, g, extent, dim, step):
    return T.ops.aten.unfold_backward(
        g, (*g.shape[:dim], extent, *g.shape[dim + 1 : -1]), dim, g.shape[-1], step
    )


def hermitian(T, x):
    return x.tril() + x.tril(-1).mH


def slogdet(T, x):
    sign, log = T.linalg.slogdet(x)
    return sign * log


def qr(T, x, complete):
    q, r = T.linalg.qr(x, "complete" if complete else "reduced")
    return T.cat([q, r.mT], -2)


def eigh(T, x):
    w, v = T.linalg.eigh(hermitian(T, x))
    return v * T.arange(1, len(w.mT) + 1).to(w.dtype) @ v.mH + w.diag_embed()


def eig(T, x):
    w, v = T.linalg.eig(x)
    return v * (w * w * w).unsqueeze(-2) @ T.linalg.inv(v)


def svd(T, x, full):
    u, s, vh = T.linalg.svd(x, full)
    k = s.shape[-1]
    counting = T.arange(1, k + 1).to(s.dtype)
    return u[..., :k] * counting @ vh[..., :k, :] + (s * counting).sum(-1)[..., None, None]


def conv(T, x, w, stride, padding, dilation, groups):
    """A convolution whose padding may differ between the two ends."""
    x = T.nn.functional.pad(x, [n for pair in reversed(padding) for n in pair])
    f = (T.conv1d, T.conv2d, T.conv3d)[len(stride) - 1]
    return f(x, w, None, stride, 0, dilation, groups)


def conv_input_grad(T, y, w, spatial, stride, padding, dilation, groups):
    x = T.zeros(len(y), w.shape[1] * groups, *spatial, dtype=y.dtype, requires_grad=True)
    return T.autograd.grad(conv(T, x, w.conj(), stride, padding, dilation, groups), x, y, create_graph=True)[
        0
    ]


def conv_weight_grad(T, y, x, kernel, stride, padding, dilation, groups):
    w = T.zeros(y.shape[1], x.shape[1] // groups, *kernel, dtype=y.dtype, requires_grad=True)
    return T.autograd.grad(conv(T, x.conj(), w, stride, padding, dilation, groups), w, y, create_graph=True)[
        0
    ]


def place_class(T, y, labels, classes, ignore):
    dim = 1 if y.ndim else 0
    there = (labels != ignore).unsqueeze(dim)
    out = y.new_zeros(*y.shape[:dim], classes, *y.shape[dim:])
    return out.scatter_add(dim, labels.unsqueeze(dim).where(there, 0), y.unsqueeze(dim).where(there, 0))


def pick_class(T, x, labels, ignore):
    return -T.nn.functional.nll_loss(x, labels, ignore_index=ignore, reduction="none")


def standardize(T, x, eps, dims):
    deviation = x - x.mean(dims, True)
    return deviation / ((deviation * deviation).mean(dims, True) + eps).sqrt()


def theirs(d):
    return getattr(torch, d.name)


SPECIAL = words("""
    erfcx ndtri log_ndtr zeta i1 i0e i1e entr xlog1py airy_ai bessel_j0 bessel_j1 bessel_y0 bessel_y1
    modified_bessel_k0 modified_bessel_k1 scaled_modified_bessel_k0 scaled_modified_bessel_k1
    spherical_bessel_j0 chebyshev_polynomial_t chebyshev_polynomial_u chebyshev_polynomial_v
    chebyshev_polynomial_w shifted_chebyshev_polynomial_t shifted_chebyshev_polynomial_u
    shifted_chebyshev_polynomial_v shifted_chebyshev_polynomial_w hermite_polynomial_h hermite_polynomial_he
    laguerre_polynomial_l legendre_polynomial_p
""")


def of_special(name):
    return lambda T, *xs: getattr(T.special, name)(*xs)


def resample(T, x, rows, weights, back, shares, dim):
    along = [-1 if d == dim else 1 for d in range(x.ndim)]
    return sum(x.index_select(dim, r) * w.reshape(along) for r, w in zip(rows, weights, strict=True))


PEERS = {
    "resample": resample,
    **{name: of_special(name) for name in SPECIAL},
    "frexp_mantissa": lambda T, x: T.frexp(x).mantissa,
    "frexp_exponent": lambda T, x: T.frexp(x).exponent,
    "cast": lambda T, x, d: x.to(theirs(d)),
    "leaky_relu": lambda T, x, slope: T.where(x > 0, x, x * slope),
    "hardtanh": lambda T, x, low, high: T.nn.functional.hardtanh(x, low.item(), high.item()),
    "clamp": lambda T, x, low, high: T.clamp(x, low.item(), high.item()),
    "softshrink": lambda T, x, width: T.nn.functional.softshrink(x, width.item()),
    "elu": lambda T, x, scale, rate: T.ops.aten.elu(x, scale.item(), 1, rate.item()),
    "gelu": lambda T, x: T.nn.functional.gelu(x),
    "gelu_tanh": lambda T, x: T.nn.functional.gelu(x, approximate="tanh"),
    "silu": lambda T, x: T.nn.functional.silu(x),
    "mish": lambda T, x: T.nn.functional.mish(x),
    "softplus": lambda T, x, rate, limit: T.nn.functional.softplus(x, rate.item(), limit.item()),
    "logsigmoid": lambda T, x: T.nn.functional.logsigmoid(x),
    "binary_cross_entropy": lambda T, x, target: T.nn.functional.binary_cross_entropy(
        x, target, reduction="none"
    ),
    "smooth_l1": lambda T, x, width: T.nn.functional.smooth_l1_loss(
        x, T.zeros_like(x), beta=width.item(), reduction="none"
    ),
    "conv": conv,
    "conv_input_grad": conv_input_grad,
    "conv_weight_grad": conv_weight_grad,
    "linear": lambda T, x, w: T.nn.functional.linear(x, w),
    "affine": lambda T, x, w, b: T.nn.functional.linear(x, w) + b,
    "linear_weight_grad": lambda T, y, x: y.reshape(-1, y.shape[-1]).T @ x.reshape(-1, x.shape[-1]),
    "relu_grad": lambda T, g, y: T.where(y <= 0, T.zeros_like(g), g),
    "add_scaled": lambda T, x, y, alpha: x + y * alpha,
    "embedding": lambda T, w, rows, padding, by_frequency: T.nn.functional.embedding(
        rows, w, padding if padding >= 0 else None, scale_grad_by_freq=by_frequency
    ),
    "pick_class": pick_class,
    "place_class": place_class,
    "standardize": standardize,
    "scatter_prod": lambda T, x, index, src, dim: x.scatter_reduce(
        dim, index, src[tuple(map(slice, index.shape))], "prod"
    ),
    "scatter_extreme": lambda T, x, index, src, dim, largest: x.scatter_reduce(
        dim, index, src[tuple(map(slice, index.shape))], "amax" if largest else "amin"
    ),
    "left_shift": lambda T, x, y: T.bitwise_left_shift(x, y),
    "right_shift": lambda T, x, y: T.bitwise_right_shift(x, y),
    "trunc_divide": lambda T, x, y: T.div(x, y, rounding_mode="trunc"),
    "polygamma": lambda T, x, n: T.polygamma(n, x),
    "reshape": lambda T, x, shape: x.reshape(shape),
    "squeeze": lambda T, x, dims: x.squeeze(dims),
    "unsqueeze": lambda T, x, dim: x.unsqueeze(dim),
    "permute": lambda T, x, order: x.permute(order),
    "transpose": lambda T, x, order: x.permute(order),
    "expand": lambda T, x, shape: x.expand(shape),
    "slice": ranged,
    "slice_scatter": slice_scatter,
    "window_sum": window_sum,
    "unfold": lambda T, x, dim, size, step: x.unfold(dim, size, step),
    "strided_part": lambda T, x, shape, strides, offset, own, start: (  # the sample's rows are 4 apart
        T.cat([x, T.zeros_like(x[:, :1])], 1).as_strided(shape, strides, offset)
    ),
    "as_strided": lambda T, x, shape, strides, offset: x.as_strided(shape, strides, offset),
    "view_dtype": lambda T, x, d, ratio: x.view(theirs(d)),
    "concatenate": lambda T, *xs, dim: T.cat(xs, dim),
    "pad": lambda T, x, value, pads: T.nn.functional.pad(
        x, [n for p in reversed(pads) for n in p], value=value.item()
    ),
    "full": lambda T, value, shape, d: T.full(shape, value.item(), dtype=theirs(d)),
    "overwrite": lambda T, old, new: old.clone().copy_(new),
    "index": index,
    "index_put": index_put,
    "gather": lambda T, x, i, dim: T.gather(x, dim, i),
    "scatter": lambda T, x, i, src, dim: T.scatter(x, dim, i, src),
    "scatter_add": lambda T, x, i, src, dim: T.scatter_add(x, dim, i, src),
    "argsort": lambda T, x, dim, descending, stable: T.argsort(
        x, dim=dim, descending=descending, stable=stable
    ),
    "topk_index": lambda T, x, k, dim, largest: T.topk(x, k, dim, largest).indices,
    "bincount": lambda T, x, length: T.bincount(x, minlength=length),
    "sum": dims(lambda T, x, d, k: T.sum(x, d, k)),
    "mean": dims(lambda T, x, d, k: T.mean(x, d, k)),
    "prod": one_by_one(lambda T: T.prod),
    "amax": dims(lambda T, x, d, k: T.amax(x, d, k)),
    "amin": dims(lambda T, x, d, k: T.amin(x, d, k)),
    "any": dims(lambda T, x, d, k: T.any(x, d, k)),
    "all": dims(lambda T, x, d, k: T.all(x, d, k)),
    "variance": dims(lambda T, x, d, k: T.var(x, d, correction=0, keepdim=k)),
    "median": median,
    "argmax": arg(lambda T: T.argmax),
    "argmin": arg(lambda T: T.argmin),
    "logsumexp": dims(lambda T, x, d, k: T.logsumexp(x, d, k)),
    "euclid": dims(lambda T, x, d, k: T.linalg.vector_norm(x, 2, d, k)),
    "cumsum": lambda T, x, dim: T.cumsum(x, dim, dtype=x.dtype),
    "cumprod": lambda T, x, dim: T.cumprod(x, dim, dtype=x.dtype),
    "cummax_index": lambda T, x, dim: T.cummax(x, dim).indices,
    "cummin_index": lambda T, x, dim: T.cummin(x, dim).indices,
    "cholesky": lambda T, x: T.linalg.cholesky(hermitian(T, x)),
    "inv": lambda T, x, strict: T.linalg.inv(x),
    "solve": lambda T, x, y: T.linalg.solve(x, y),
    "solve_triangular": lambda T, x, y, upper, unit: T.linalg.solve_triangular(
        x, y, upper=upper, unitriangular=unit
    ),
    "cofactor": lambda T, x: T.linalg.det(x)[..., None, None] * T.linalg.inv(x).mT,
    "slogdet": slogdet,
    "qr": qr,
    "eigh": eigh,
    "eig": eig,
    "svd": svd,
    "pinv": lambda T, x, atol, rtol: T.linalg.pinv(x, atol=atol.real.item(), rtol=rtol.real.item()),
}

ROOMS = {
    "alignment": "test_nn_functions.py",
    "attention": "test_attention.py",
    "blend": "test_optim.py",
    "fft": "test_functions.py",
    "indefinite": "test_linalg.py",
    "factors": "test_linalg.py",
    "linalg": "test_linalg.py",
    "loss": "test_functional.py",
    "pool": "test_reference_kernels.py",
    "random": "test_generator.py",
    "recurrent": "test_rnn.py",
    "spectra": "test_linalg.py",
    "systems": "test_linalg.py",
}
NO_PEER = {
    "view_as_complex": "its function checks dtypes and strides; compared in test_functions.py",
    "pick": "takes one of several results; nobody calls it",
    "phase_free": "passes its input on",
    **{
        name: f"compared in {ROOMS[place]}"
        for name, op in Op.registry.items()
        if (place := op.samples.__module__.rpartition(".")[2]) in ROOMS
    },
}

GIVEN = {"cast", "view_dtype", "full"}  # the result's dtype is an attribute: the samples' own dtype is enough
WHOLE, COMPLEX = "bool uint8 int8 int16 int32 int64", "complex64 complex128"
DIFFERENT = {  # dtypes that aren't compared, and why
    " ".join(SPECIAL): ("float16 bfloat16", "PyTorch has most of them in 32 and 64 bits only"),
    "heaviside frexp_mantissa frexp_exponent": (COMPLEX + WHOLE, "the functions refuse them"),
    "fmax fmin": (COMPLEX, "the functions refuse them"),
    "argmax argmin": ("bool", "the functions refuse it; max and min use the operations"),
    "polygamma leaky_relu": (WHOLE, "the functions convert or refuse whole numbers"),
    "pick_class place_class": (WHOLE + COMPLEX, "the functions refuse all but floats"),
    "conv conv_input_grad conv_weight_grad": (
        WHOLE,
        "PyTorch can't differentiate whole numbers, or has no padding for them",
    ),
    "topk_index": (WHOLE, "which of equal elements comes first is nobody's promise"),
    "add_scaled relu_grad": ("bool", "the functions never use them for truth values"),
    "matmul linear affine linear_weight_grad": (
        "bool",
        "PyTorch refuses only where there is something to compute",
    ),
    "complex": ("float16 bfloat16", "PyTorch has no complex type so narrow, Flambeau widens to complex64"),
    "hardtanh smooth_l1 pad": (COMPLEX, "PyTorch's parameters are real numbers"),
    "silu embedding select_scatter scatter_prod": (COMPLEX, "PyTorch has no complex gradient"),
    "standardize": (COMPLEX, "PyTorch's layers refuse them"),
    "resample": (f"bool {COMPLEX}", "the functions refuse them"),
}


def compared(name, d):
    """Whether an operation is compared in this dtype."""
    return not any(name in names.split() and d.name in dtypes for names, (dtypes, _) in DIFFERENT.items())


OPS = [name for name in Op.registry if name not in NO_PEER]
every = pytest.mark.parametrize("name", OPS)


def peer(name):
    return PEERS.get(name) or (lambda T, *xs, **attrs: getattr(T, name)(*xs, **attrs))


# ----- helpers -----


def as_torch(array):
    if array.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(np.array(array).view(np.uint16)).view(torch.bfloat16)
    return torch.from_numpy(np.array(array))


def retyped(arrays, d):
    """The floating arrays as `d` (whole numbers at least 1), complex ones as its complex counterpart, the
    rest as it is."""

    def convert(a):
        if a.dtype.kind == "c":
            return a.astype(d.to_complex().np)
        if a.dtype.kind != "f":
            return a
        return np.asarray(np.abs(a).round().clip(1) if d.category <= dt.INTEGER else a).astype(d.np)

    return [convert(a) for a in arrays]


def outcome(f):
    try:
        return f()
    except (RuntimeError, TypeError, ValueError, IndexError) as e:
        return e


CLOSE = {
    "float64": 1e-12,
    "float32": 2e-5,
    "float16": 2e-3,
    "bfloat16": 1.6e-2,
    "complex128": 1e-12,
    "complex64": 2e-5,
}


def assert_close(got, want, label, scale=1.0):
    assert got.dtype == want.dtype and got.shape == want.shape, (
        f"{label}: {got.dtype}{got.shape}, PyTorch {want.dtype}{want.shape}"
    )
    tolerance = CLOSE.get(str(want.dtype), 0) * scale
    wide = [a.astype(np.float64) if a.dtype.kind in "fV" else a for a in (got, want)]
    np.testing.assert_allclose(*wide, rtol=tolerance, atol=tolerance, err_msg=label)


# ----- tests -----


def test_every_operation_has_a_peer():
    assert not [name for name in OPS if name not in PEERS and not hasattr(torch, name)]
    assert not set(PEERS) - set(Op.registry)


@every
@pytest.mark.parametrize("d", dt.ALL, ids=lambda d: d.name)
def test_values(name, d):
    if (name in GIVEN and d is not dt.float64) or not compared(name, d):
        return
    for i, (arrays, attrs) in enumerate(Op.registry[name].samples()):
        own = arrays if name in GIVEN else retyped(arrays, d)
        check_values(name, f"{name}, sample {i}, {d.name}", own, attrs)


def check_values(name, label, arrays, attrs):
    want = outcome(lambda: peer(name)(torch, *[as_torch(a) for a in arrays], **attrs))
    got = outcome(lambda: value(Op.registry[name].on_sample([flambeau.tensor(a) for a in arrays], attrs)))
    if isinstance(want, Exception) or isinstance(got, Exception):
        early = isinstance(got, NotImplementedError) and isinstance(want, torch.Tensor) and want.numel() == 0
        assert early or isinstance(got, type(want)), f"{label}: {got!r}, PyTorch {want!r}"
    else:
        assert_close(got, as_numpy(want), label, LOOSE.get(name, 1))


def value(t):
    return t._value("oracle")


BESSEL = dict.fromkeys(["airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1"], 1e5)
# PyTorch's have few digits; a cast to narrow types
LOOSE = {**BESSEL, "polygamma": 1e4, "digamma": 1e2, "cast": 1e5}
NOT_THERE = {"floor_divide", "full", "pad"}  # PyTorch has no gradient (towards the number)


@every
@pytest.mark.parametrize("d", [dt.float64, dt.complex128], ids=lambda d: d.name)
def test_gradients(name, d):
    op = Op.registry[name]
    if op.grads is None or name in NOT_THERE or (name in GIVEN and d.is_complex) or not compared(name, d):
        return
    for i, (arrays, attrs) in enumerate(op.samples()):
        check_gradients(name, f"{name}, sample {i}, {d.name}", retyped(arrays, d), attrs)


def check_gradients(name, label, arrays, attrs):
    op = Op.registry[name]
    ways = [k for k, a in enumerate(arrays) if a.dtype.kind in "fc" and op.rule(k) is not None]
    got = outcome(lambda: gradients(flambeau, op.on_sample, flambeau.tensor, arrays, attrs, ways))
    want = outcome(
        lambda: gradients(torch, lambda xs, kw: peer(name)(torch, *xs, **kw), as_torch, arrays, attrs, ways)
    )
    if isinstance(want, Exception) or isinstance(got, Exception):
        assert isinstance(want, Exception) and isinstance(got, Exception), (
            f"{label}: {got!r}, PyTorch {want!r}"
        )
        return
    for k, a, b in zip(ways, got, want, strict=True):
        assert_close(value(a), as_numpy(b), f"{label}, input {k}", 10 * LOOSE.get(name, 1))


def gradients(T, f, tensor, arrays, attrs, ways):
    xs = [tensor(a) for a in arrays]
    for k in ways:
        xs[k].requires_grad_()
    out = f(xs, attrs)
    w = spread(tuple(out.shape), -1.0, 1.0)
    weights = T.asarray(w + 0.5j * w if out.is_complex() else w).to(out.dtype)
    return T.autograd.grad((out * weights).sum().abs(), [xs[k] for k in ways])
