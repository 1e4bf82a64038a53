"""Flambeau: deep learning with PyTorch's interface, in Python down to the machine code.

>>> import flambeau as torch
>>> x = torch.tensor([1., 2.], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad
tensor([2., 4.])
"""

from __future__ import annotations

import importlib as _importlib
import math as _math
from typing import TYPE_CHECKING, Any

from .compiler import graph as _graph
from .compiler.draw import draw as _draw
from .compiler.tiers import execute as _execute
from .core import generator as _generator
from .core.config import config
from .core.device import device
from .core.dtype import (
    bfloat16,
    can_cast,
    cdouble,
    cfloat,
    complex64,
    complex128,
    double,
    dtype,
    float16,
    float32,
    float64,
    get_default_dtype,
    half,
    int8,
    int16,
    int32,
    int64,
    long,
    promote_types,
    set_default_dtype,
    short,
    uint8,
)
from .core.exchange import from_dlpack
from .core.generator import Generator, default_generator
from .core.limits import finfo, iinfo
from .core.printing import set_printoptions
from .core.realize import recorder
from .core.size import Size
from .core.tensor import Tensor
from .functions import methods
from .functions.choice import (
    addcdiv,
    addcmul,
    allclose,
    clamp,
    clamp_max,
    clamp_min,
    clip,
    complex,
    equal,
    isclose,
    lerp,
    logit,
    nan_to_num,
    where,
)
from .functions.convert import is_complex, is_floating_point, is_tensor, numel, result_type
from .functions.creation import (
    as_tensor,
    asarray,
    empty,
    empty_like,
    from_numpy,
    full,
    full_like,
    ones,
    ones_like,
    tensor,
    zeros,
    zeros_like,
)
from .functions.einsum import einsum, inner, kron, tensordot
from .functions.indexing import (
    argwhere,
    count_nonzero,
    gather,
    index_add,
    index_copy,
    index_fill,
    index_put,
    index_select,
    masked_fill,
    masked_scatter,
    masked_select,
    nonzero,
    scatter,
    scatter_add,
    take,
    take_along_dim,
    tril,
    triu,
)
from .functions.joining import (
    atleast_1d,
    cat,
    chunk,
    concat,
    concatenate,
    flip,
    fliplr,
    flipud,
    hstack,
    meshgrid,
    repeat_interleave,
    roll,
    rot90,
    row_stack,
    split,
    stack,
    tensor_split,
    tile,
    vstack,
)
from .functions.linear import (
    addbmm,
    addmm,
    addmv,
    addr,
    baddbmm,
    bmm,
    dot,
    ger,
    matmul,
    mm,
    mv,
    outer,
    vdot,
)
from .functions.matrix import (
    cdist,
    chain_matmul,
    cholesky,
    cross,
    det,
    inverse,
    logdet,
    matrix_exp,
    matrix_power,
    pinverse,
    qr,
    slogdet,
    svd,
    trace,
)
from .functions.pointwise import (
    abs,
    absolute,
    acos,
    acosh,
    add,
    angle,
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    bitwise_and,
    bitwise_left_shift,
    bitwise_not,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    ceil,
    conj,
    cos,
    cosh,
    digamma,
    div,
    divide,
    eq,
    erf,
    erfc,
    erfinv,
    exp,
    exp2,
    expm1,
    fix,
    float_power,
    floor,
    floor_divide,
    fmod,
    frac,
    ge,
    greater,
    greater_equal,
    gt,
    hypot,
    isfinite,
    isinf,
    isnan,
    le,
    less,
    less_equal,
    lgamma,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    lt,
    maximum,
    minimum,
    mul,
    multiply,
    ne,
    neg,
    negative,
    not_equal,
    positive,
    pow,
    reciprocal,
    relu,
    remainder,
    round,
    rsqrt,
    rsub,
    sgn,
    sigmoid,
    sign,
    signbit,
    sin,
    sinh,
    sqrt,
    square,
    sub,
    subtract,
    tan,
    tanh,
    true_divide,
    trunc,
)
from .functions.random import (
    bernoulli,
    get_rng_state,
    initial_seed,
    manual_seed,
    multinomial,
    normal,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
    seed,
    set_rng_state,
)
from .functions.ranges import (
    arange,
    eye,
    linspace,
    logspace,
    tril_indices,
    triu_indices,
)
from .functions.reduction import (
    all,
    amax,
    amin,
    aminmax,
    any,
    argmax,
    argmin,
    cummax,
    cummin,
    cumprod,
    cumsum,
    log_softmax,
    logcumsumexp,
    logsumexp,
    max,
    mean,
    min,
    nansum,
    norm,
    prod,
    softmax,
    std,
    std_mean,
    sum,
    var,
    var_mean,
)
from .functions.shape import (
    as_strided,
    broadcast_shapes,
    broadcast_tensors,
    broadcast_to,
    clone,
    diag,
    diag_embed,
    diagonal,
    flatten,
    imag,
    moveaxis,
    movedim,
    narrow,
    permute,
    ravel,
    real,
    reshape,
    select,
    squeeze,
    swapaxes,
    swapdims,
    t,
    transpose,
    unbind,
    unflatten,
    unsqueeze,
    view_as_complex,
    view_as_real,
)
from .functions.sorting import (
    argsort,
    bincount,
    bucketize,
    isin,
    kthvalue,
    median,
    msort,
    searchsorted,
    sort,
    topk,
    unique,
    unique_consecutive,
)
from .ops.op import Op as _Op
from .runtime.threads import get_num_threads, set_num_threads

recorder.execute = _execute
_generator.native = _draw
_graph.registry = _Op.registry
methods.attach()

from . import autograd  # noqa: E402 - its formulas use the tensor's methods
from .autograd import (  # noqa: E402
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .core import dtype as _dtypes  # noqa: E402
from .functions import random  # noqa: E402

# Names that are Python's own, so that they can't be imported above without hiding those.
if TYPE_CHECKING:
    from . import cpu, cuda, interop, linalg, nn, optim, profiler, utils
    from .interop.files import load, save
    from .profiler.explaining import explain
    from .replay import compile

bool, int, float = _dtypes.bool_, _dtypes.int32, _dtypes.float32
inf, nan, pi, e = _math.inf, _math.nan, _math.pi, _math.e
newaxis = None
strided = "strided"
contiguous_format, preserve_format, channels_last = "contiguous_format", "preserve_format", "channels_last"
__version__ = "0.1.0"

# Loaded when first asked for, so that importing Flambeau stays quick.
_LAZY = ("cpu", "cuda", "interop", "linalg", "nn", "optim", "profiler", "utils")
_LAZY_FROM = {
    "compile": ".replay",
    "explain": ".profiler.explaining",
    "load": ".interop.files",
    "save": ".interop.files",
}


__all__ = [
    "Generator", "Size", "Tensor", "__version__", "abs", "absolute", "acos", "acosh", "add", "addbmm",
    "addcdiv", "addcmul", "addmm", "addmv", "addr", "all", "allclose", "amax", "amin", "aminmax", "angle",
    "any", "arange", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "argmax",
    "argmin", "argsort", "argwhere", "as_strided", "as_tensor", "asarray", "asin", "asinh", "atan", "atan2",
    "atanh", "atleast_1d", "autograd", "baddbmm", "bernoulli", "bfloat16", "bincount", "bitwise_and",
    "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "bmm", "bool",
    "broadcast_shapes", "broadcast_tensors", "broadcast_to", "bucketize", "can_cast", "cat", "cdist",
    "cdouble", "ceil", "cfloat", "chain_matmul", "channels_last", "cholesky", "chunk", "clamp", "clamp_max",
    "clamp_min", "clip", "clone", "compile", "compiler", "complex", "complex128", "complex64", "concat",
    "concatenate", "config", "conj", "contiguous_format", "cos", "cosh", "count_nonzero", "cpu", "cross",
    "cuda", "cummax", "cummin", "cumprod", "cumsum", "default_generator", "det", "device", "diag",
    "diag_embed", "diagonal", "digamma", "div", "divide", "dot", "double", "dtype", "e", "einsum", "empty",
    "empty_like", "enable_grad", "eq", "equal", "erf", "erfc", "erfinv", "exp", "exp2", "explain", "expm1",
    "eye", "finfo", "fix", "flatten", "flip", "fliplr", "flipud", "float", "float16", "float32", "float64",
    "float_power", "floor", "floor_divide", "fmod", "frac", "from_dlpack", "from_numpy", "full", "full_like",
    "gather", "ge", "ger", "get_default_dtype", "get_num_threads", "get_rng_state", "greater",
    "greater_equal", "gt", "half", "hstack", "hypot", "iinfo", "imag", "index_add", "index_copy",
    "index_fill", "index_put", "index_select", "inf", "inference_mode", "initial_seed", "inner", "int",
    "int16", "int32", "int64", "int8", "interop", "inverse", "is_complex", "is_floating_point",
    "is_grad_enabled", "is_inference_mode_enabled", "is_tensor", "isclose", "isfinite", "isin", "isinf",
    "isnan", "kron", "kthvalue", "le", "lerp", "less", "less_equal", "lgamma", "linalg", "linspace", "load",
    "log", "log10", "log1p", "log2", "log_softmax", "logaddexp", "logcumsumexp", "logdet", "logical_and",
    "logical_not", "logical_or", "logical_xor", "logit", "logspace", "logsumexp", "long", "lt", "manual_seed",
    "masked_fill", "masked_scatter", "masked_select", "matmul", "matrix_exp", "matrix_power", "max",
    "maximum", "mean", "median", "meshgrid", "min", "minimum", "mm", "moveaxis", "movedim", "msort", "mul",
    "multinomial", "multiply", "mv", "nan", "nan_to_num", "nansum", "narrow", "ne", "neg", "negative",
    "newaxis", "nn", "no_grad", "nonzero", "norm", "normal", "not_equal", "numel", "ones", "ones_like",
    "optim", "outer", "permute", "pi", "pinverse", "positive", "pow", "preserve_format", "prod", "profiler",
    "promote_types", "qr", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "random",
    "randperm", "ravel", "real", "reciprocal", "relu", "remainder", "repeat_interleave", "reshape",
    "result_type", "roll", "rot90", "round", "row_stack", "rsqrt", "rsub", "save", "scatter", "scatter_add",
    "searchsorted", "seed", "select", "set_default_dtype", "set_grad_enabled", "set_num_threads",
    "set_printoptions", "set_rng_state", "sgn", "short", "sigmoid", "sign", "signbit", "sin", "sinh",
    "slogdet", "softmax", "sort", "split", "sqrt", "square", "squeeze", "stack", "std", "std_mean", "strided",
    "sub", "subtract", "sum", "svd", "swapaxes", "swapdims", "synchronize", "t", "take", "take_along_dim",
    "tan", "tanh", "tensor", "tensor_split", "tensordot", "tile", "topk", "trace", "transpose", "tril",
    "tril_indices", "triu", "triu_indices", "true_divide", "trunc", "uint8", "unbind", "unflatten", "unique",
    "unique_consecutive", "unsqueeze", "utils", "var", "var_mean", "vdot", "view_as_complex", "view_as_real",
    "vstack", "where", "zeros", "zeros_like",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return _importlib.import_module(f".{name}", __name__)
    if name in _LAZY_FROM:
        return getattr(_importlib.import_module(_LAZY_FROM[name], __name__), name)
    raise AttributeError(f"module 'flambeau' has no attribute {name!r}")


def synchronize() -> None:
    """Does all pending work.

    >>> import flambeau as torch
    >>> y = torch.ones(2) + 1; torch.synchronize()
    """
    recorder.flush("synchronize")
