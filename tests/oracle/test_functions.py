"""The public functions and the tensor's methods against PyTorch's, family by family.

Each line of a table is an expression (see `both`). Values, dtypes, shapes, Python types and the classes of errors must agree.
`test_every_name_is_here` keeps the tables complete.
"""

import re

import pytest
from both import difference, lines, run

import flambeau

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

FLOATS = """
    sqrt rsqrt exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh arcsin arccos
    arctan arcsinh arccosh arctanh sigmoid erf erfc erfinv lgamma digamma logit
""".split()
REALS = "abs absolute neg negative sign sgn square reciprocal floor ceil trunc fix round frac relu nan_to_num".split()
TRUTHS = "isnan isinf isfinite signbit logical_not".split()
COMPARE = "eq ne lt le gt ge not_equal less less_equal greater greater_equal".split()
LOGIC = "logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor".split()
ARITHMETIC = """
    add sub mul div subtract multiply divide true_divide floor_divide remainder fmod pow float_power atan2 arctan2 hypot
    maximum minimum logaddexp
""".split()
IN_PLACE = [n for n in ARITHMETIC if n not in ("maximum", "minimum", "logaddexp")]


def unary(name):
    yield from (f"T.{name}({x})" for x in "fphwibckn")
    yield from (f"T.{name}({x})" for x in ("s", "r", "e", "f.t()"))
    yield f"T.{name}(1.0)"
    yield f"p.{name}()"


def binary(name):
    pairs = "f,d f,2 i,2 i,2.5 f,s s,f i,j u,i b,i b,q c,f h,w f,v e,v f,m n,0.5 n,n n,0. i,0.5 2,f 3,i f,z b,2 i,True"
    yield from (f"T.{name}({pair})" for pair in pairs.split())
    yield f"f.{name}(d)"


TABLES = {
    name: list(unary(name)) for name in (*FLOATS, *REALS, *TRUTHS, "angle", "bitwise_not", "conj", "positive")
}
TABLES |= {
    name: list(binary(name))
    for name in (*ARITHMETIC, *COMPARE, *LOGIC, "bitwise_left_shift", "bitwise_right_shift")
}
TABLES["in place, of one"] = [
    f"{x}.{name}_()"
    for name in (*FLOATS, *REALS, "bitwise_not", "logical_not")
    for x in ("p", "i", "b", "c", "f[0]")
]
TABLES["in place, of two"] = [
    f"{pair[0]}.{name}_({pair[2:]})"
    for name in (*IN_PLACE, *COMPARE, *LOGIC, "bitwise_left_shift", "bitwise_right_shift")
    for pair in ("f,d", "i,j", "i,f", "u,i", "b,q", "f,2", "i,2.5", "v,f", "f,v", "d,c", "k,i")
]
TABLES["in place, through operators"] = [
    f"{x} {op}= {y}; {x}"
    for op in ("+", "-", "*", "/", "//", "%", "**", "&", "|", "^", "<<", ">>")
    for x, y in (("f", "d"), ("i", "j"), ("i", "2"), ("i", "2.5"), ("b", "q"), ("f", "2"), ("v", "f"))
]
TABLES["operators"] = [
    f"{x} {op} {y}"
    for op in (
        "+",
        "-",
        "*",
        "/",
        "//",
        "%",
        "**",
        "&",
        "|",
        "^",
        "<<",
        ">>",
        "==",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
    )
    for x, y in (
        ("f", "d"),
        ("2", "f"),
        ("3", "i"),
        ("i", "2"),
        ("i", "j"),
        ("b", "q"),
        ("True", "b"),
        ("2.5", "i"),
        ("f", "None"),
        ("f", "'a'"),
    )
]
TABLES["out= of functions of one"] = [
    f"T.{name}({x}, out={out})"
    for name in (*FLOATS, *REALS, *TRUTHS, "bitwise_not", "angle")
    for x, out in (("p", "o"), ("p", "oi"), ("p", "d"), ("p", "oe"))
]
TABLES["out= of functions of two"] = [
    f"T.{name}({x}, out={out})"
    for name in (*ARITHMETIC, *COMPARE, *LOGIC)
    for x, out in (("f, d", "o"), ("f, d", "oi"), ("i, j", "o"), ("f, v", "oe"))
]

TABLES["pointwise, further arguments"] = lines("""
    T.add(f, d, alpha=2)
    T.add(i, j, alpha=2)
    T.add(i, j, alpha=2.5)
    T.add(f, 1, alpha=3)
    T.add(u, u, alpha=-2)
    f.add_(f, alpha=0.5)
    T.sub(f, d, alpha=2)
    T.sub(i, 1, alpha=3)
    f.sub_(f, alpha=0.5)
    T.rsub(f, 2)
    T.rsub(f, d, alpha=2)
    i.rsub(10)
    T.rsub(b, 1)
    T.div(i, j, rounding_mode="trunc")
    T.div(i, j, rounding_mode="floor")
    T.div(f, 0.7, rounding_mode="trunc")
    T.div(f, 0.7, rounding_mode="floor")
    T.div(n, 0., rounding_mode="floor")
    T.div(f, 2, rounding_mode="round")
    T.div(i, 0, rounding_mode="floor")
    i.div_(j, rounding_mode="floor")
    i.div_(j)
    i // 0
    i % 0
    T.fmod(i, 0)
    i // T.tensor([[1, 0, 1]])
    f // 0
    f % 0
    T.round(f, decimals=1)
    T.round(T.tensor([123.456, -1.005]), decimals=2)
    T.round(T.tensor([123.456, 150.]), decimals=-2)
    T.round(i, decimals=-1)
    T.round(T.tensor([0.5, 1.5, 2.5, -0.5]))
    T.logit(p, 0.4)
    T.logit(p, eps=0.4)
    T.logit(f)
    T.clamp(f, -1, 1)
    T.clamp(f, min=0)
    T.clamp(f, max=0.5)
    T.clamp(f, 1, -1)
    T.clamp(i, -1.5, 2.5)
    T.clamp(i, 0, 3)
    T.clamp(f, v)
    T.clamp(f, v, d)
    T.clamp(f, v, 1)
    T.clamp(n, 0, 1)
    T.clamp(f, nan, 1)
    T.clamp(f)
    T.clamp(f, None, 1)
    T.clip(f, 0, 1)
    f.clip(max=1)
    f.clip_(0, 1)
    f.clamp_(0, 1)
    f.clamp_(min=v)
    i.clamp_(0.5)
    T.clamp_min(f, 0)
    T.clamp_min(f, v)
    f.clamp_min_(0)
    T.clamp_max(f, 0)
    f.clamp_max(v)
    f.clamp_max_(0)
    T.clamp(f, 0, 1, out=o)
    T.lerp(f, f * 2, 0.3)
    T.lerp(f, f * 2, 0.7)
    T.lerp(f, f * 2, p)
    T.lerp(f, d, 0.5)
    T.lerp(i, j, 0.5)
    f.lerp_(f * 3, 0.25)
    f.lerp(f + 1, v)
    T.addcmul(f, f, p)
    T.addcmul(f, f, p, value=2)
    T.addcmul(i, i, j, value=2)
    T.addcmul(i, i, j, value=2.5)
    T.addcmul(f, v, d)
    f.addcmul_(f, p, value=0.5)
    T.addcmul(h, h, h, value=0.1)
    T.addcdiv(f, f, p)
    T.addcdiv(f, f, p, value=2)
    T.addcdiv(i, i, j)
    T.addcdiv(f, i, j)
    T.addcdiv(f, i, p)
    f.addcdiv_(f, p, value=-0.5)
    T.nan_to_num(n, 1., 2., -3.)
    T.nan_to_num(n.half())
    T.nan_to_num(n.double(), posinf=7)
    T.nan_to_num(T.complex(n, n))
    n.nan_to_num_(0.5)
    T.complex(f, f)
    T.complex(f, d)
    T.complex(i, i)
    T.complex(d, d)
    T.complex(n, n)
    T.isclose(f, f + 1e-7)
    T.isclose(f, f * 1.1, rtol=0.2)
    T.isclose(i, i + 1, atol=1)
    T.isclose(n, n)
    T.isclose(n, n, equal_nan=True)
    T.isclose(f, d)
    T.isclose(f, f, rtol=-1)
    T.isclose(u, u.flip(0), rtol=0.5)
    f.isclose(f)
    T.allclose(f, f + 1e-9)
    T.allclose(f, f + 1)
    T.allclose(n, n, equal_nan=True)
    f.allclose(f)
    T.equal(f, f)
    T.equal(f, v)
    T.equal(i, i.float())
    T.equal(f, d / 2)
    f.equal(f)
    T.where(b, f, d)
    T.where(b, f, 0)
    T.where(b, i, 0.5)
    T.where(b, 1, 2)
    T.where(b, 1, 2.5)
    T.where(b, s, i)
    T.where(b, r, f)
    T.where(b)
    T.where(f)
    T.where(i, f, f)
    T.where(u, f, f)
    T.where(b, f, m)
    T.where(b, v, 0, out=o)
    f.where(b, 0)
    f.where(b, d)
    i.where(b, 0.5)
    T.where(f > 0, f, nan)
    T.float_power(i, 2)
    T.float_power(2, f)
    f.float_power_(2)
    d.float_power_(2)
    T.pow(2, f)
    T.pow(2, i)
    T.pow(i, 2)
    T.pow(i, -1)
    T.pow(i, 0.5)
    T.pow(i.abs(), j)
    T.pow(i, j)
    T.pow(f, 2)
    T.pow(f, -2)
    T.pow(p, 0.5)
    T.pow(f, 0)
    T.pow(n, 0)
    T.pow(c, 2)
    T.pow(c, 0.5)
    T.pow(b, 2)
    T.pow(u, 2)
    T.pow(f, True)
    2 ** f
    2 ** i
    f ** 2
    i ** 2.0
    (-8) ** T.tensor([1/3])
    T.sigmoid(T.tensor([-1000., 1000.]))
    T.logaddexp(n, n)
    T.logaddexp(T.tensor([-inf, 800.]), T.tensor([-inf, 801.]))
    T.atan2(n, T.tensor([0., 0., 0., -1., -1., 0., -0.]))
    T.maximum(n, T.zeros(7))
    T.minimum(n, T.zeros(7))
    T.maximum(i, d)
    abs(f)
    abs(c)
    -f
    -b
    +f
    +b
    ~b
    ~i
    ~f
    ~u
    f.abs_()
    c.abs_()
    c.absolute_()
    i << 2
    i >> 1
    1 << i.abs()
    i << -1
    i << 64
    i << 63
    i >> 64
    i >> -1
    k << 31
    k << 32
    k >> 40
    u << 7
    u >> 3
    u << 8
    i.__lshift__(1)
    T.bitwise_left_shift(i, j.abs())
    T.bitwise_right_shift(2 ** i.abs(), j.abs())
    T.bitwise_and(5, i)
    T.conj(c)
    c.conj().real
    T.positive(f)
    T.neg(u)
    c == c
    c < c
    T.real(c)
    T.real(f)
    T.imag(c)
    T.imag(f)
    c.real
    c.imag
    f.real
    f.imag
    c.real.add_(1); c
    c.imag.mul_(2); c
    T.view_as_real(c)
    T.view_as_real(f)
    T.view_as_complex(x[:, :, :2])
    T.view_as_complex(f)
    T.view_as_complex(i)
    T.angle(c)
    T.angle(i)
    T.relu(b)
    T.relu(u)
    f.relu_()
    T.sgn(c)
    T.square(b)
""")

# ----- reductions -----

OVER = "sum mean prod amax amin all any argmax argmin max min logsumexp std var nansum median cumsum cumprod cummax cummin logcumsumexp".split()
TABLES["reductions"] = [
    f"T.{name}({x}{arguments})"
    for name in OVER
    for x in ("f", "i", "b", "u", "h", "c", "x", "n", "s", "e", "v")
    for arguments in ("", ", 0", ", -1", ", 1, True", ", dim=0, keepdim=True", ", 5")
]
TABLES["reductions, further arguments"] = lines("""
    T.sum(x, (0, 2))
    T.sum(x, [0, -1], keepdim=True)
    T.sum(x, ())
    T.sum(x, (0, 0))
    T.sum(x, None)
    T.sum(f, dtype=T.float64)
    T.sum(f, 0, dtype=T.int64)
    T.sum(u, dtype=T.uint8)
    T.sum(b, 1)
    T.sum(f, 0, out=v)
    T.sum(i, 0, out=v)
    T.sum(f, 'a')
    x.sum(0, 1)
    x.sum((1,))
    x.sum(axis=1)
    x.mean(axis=(0, 1), keepdims=True)
    T.mean(x, (0, 2))
    T.mean(i, dtype=T.float32)
    T.mean(f, dtype=T.float64)
    T.mean(h)
    T.prod(i)
    T.prod(f, 1, dtype=T.float64)
    T.prod(u)
    T.prod(x, (0, 1))
    T.amax(x, (0, 2))
    T.amax(x, (0, 2), keepdim=True)
    T.amin(x, ())
    T.aminmax(x)
    T.aminmax(x, dim=1)
    T.aminmax(x, dim=1, keepdim=True)
    T.aminmax(e)
    f.aminmax().max
    T.all(x, (0, 1))
    T.any(b, dim=None)
    T.argmax(x)
    T.argmax(x, keepdim=True)
    T.argmax(f, dim=None, keepdim=True)
    T.argmax(T.tensor([1, 3, 3, 2]))
    T.argmin(T.tensor([[1., nan], [nan, 0.]]), 1)
    T.max(f, d.float())
    T.max(f, other=d.float())
    T.min(f, v)
    T.max(f, 1).values
    T.max(f, dim=1, keepdim=True).indices
    T.max(T.tensor([1., nan, 3., nan]), 0)
    T.max(T.tensor([2, 5, 5]), 0)
    T.max(f, 0, out=(T.empty(3), T.empty(3, dtype=T.int64)))
    T.max(f, (0, 1))
    T.cummax(T.tensor([1., 3., 3., nan, 5.]), 0)
    T.cummin(T.tensor([3., 1., 1., nan, 0.]), 0)
    T.cumsum(i, 0, dtype=T.float32)
    T.cumsum(b, 1)
    T.cumsum(h, 1)
    T.cumsum(f, 1, out=o)
    T.cumprod(u, 1)
    f.cumsum_(0)
    f.cumprod_(1)
    i.cumsum_(0, dtype=T.int64)
    T.logsumexp(x, (0, 1))
    T.logsumexp(T.tensor([-inf, -inf]), 0)
    T.logsumexp(T.tensor([inf, 1.]), 0)
    T.logsumexp(T.tensor([1000., 1000.]), 0)
    T.logcumsumexp(T.tensor([-inf, 0., 1000.]), 0)
    T.std(f, 1, False)
    T.std(f, unbiased=False)
    T.std(f, False)
    T.std(f, dim=1, correction=2)
    T.std(f, correction=0)
    T.std(x, (0, 1), keepdim=True)
    T.std(s)
    T.std(T.tensor([1.]))
    T.std(T.tensor([1.]), correction=0)
    T.std(T.zeros(0))
    T.std(i)
    T.var(f, 1, True)
    T.var(x, [0, 2], unbiased=False)
    T.var(x, 0, correction=5)
    T.var(c)
    T.var(T.tensor([1e8, 1e8 + 1], dtype=T.float64))
    T.std_mean(f, 1)
    T.std_mean(f, unbiased=False)
    T.var_mean(f)
    T.var_mean(x, (0, 2), keepdim=True)
    T.norm(f)
    T.norm(f, 1)
    T.norm(f, inf)
    T.norm(f, -inf)
    T.norm(f, 0)
    T.norm(f, 3)
    T.norm(f, p='fro')
    T.norm(f, 2, 1)
    T.norm(x, 2, (0, 2), True)
    T.norm(i)
    T.norm(c)
    T.norm(c, 1)
    T.norm(f, dtype=T.float64)
    f.norm(dim=0)
    f.norm(2, -1, keepdim=True)
    T.softmax(f, 0)
    T.softmax(f, -1, dtype=T.float64)
    T.softmax(i, 0)
    T.softmax(i, 0, dtype=T.float32)
    T.softmax(s, 0)
    T.softmax(T.tensor([-inf, 0.]), 0)
    T.softmax(T.tensor([-inf, -inf]), 0)
    T.softmax(T.tensor([1000., 0.]), 0)
    T.softmax(h, 1)
    T.softmax(f, 2)
    T.softmax(e, 0)
    f.softmax(1)
    T.log_softmax(f, 1)
    T.log_softmax(i, 1)
    T.log_softmax(f, 0, dtype=T.float64)
    f.log_softmax(-1)
    T.count_nonzero(i)
    T.count_nonzero(i, 0)
    T.count_nonzero(x, (0, 1))
    T.nansum(n)
    T.nansum(T.tensor([[1., nan], [nan, 2.]]), 0)
    T.nansum(T.tensor([nan, 1.]), dtype=T.float64)
    T.median(T.tensor([3, 1, 2, 4]))
    T.median(T.tensor([[3., nan, 1.], [2., 5., 4.]]), 1)
    T.median(x, 0, keepdim=True)
    T.median(T.zeros(0))
    T.kthvalue(f, 2)
    T.kthvalue(f, 1, 0, True)
    T.kthvalue(f, 4)
    T.trace(m)
""")
