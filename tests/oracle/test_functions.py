"""The public functions and the tensor's methods against PyTorch's, family by family.

Each line of a table is an expression (see `both`). Values, dtypes, shapes, Python types and the classes of
errors must agree. `test_every_name_is_here` keeps the tables complete.
"""

from pathlib import Path

import pytest
from both import difference, lines, run

import flambeau

torch = pytest.importorskip("torch")

FLOATS = [
    "sqrt",
    "rsqrt",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "arcsin",
    "arccos",
    "arctan",
    "arcsinh",
    "arccosh",
    "arctanh",
    "sigmoid",
    "erf",
    "erfc",
    "erfinv",
    "lgamma",
    "digamma",
    "logit",
]
REALS = [
    "abs",
    "absolute",
    "neg",
    "negative",
    "sign",
    "sgn",
    "square",
    "reciprocal",
    "floor",
    "ceil",
    "trunc",
    "fix",
    "round",
    "frac",
    "relu",
    "nan_to_num",
]
TRUTHS = ["isnan", "isinf", "isfinite", "signbit", "logical_not"]
COMPARE = ["eq", "ne", "lt", "le", "gt", "ge", "not_equal", "less", "less_equal", "greater", "greater_equal"]
LOGIC = ["logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor"]
ARITHMETIC = [
    "add",
    "sub",
    "mul",
    "div",
    "subtract",
    "multiply",
    "divide",
    "true_divide",
    "floor_divide",
    "remainder",
    "fmod",
    "pow",
    "float_power",
    "atan2",
    "arctan2",
    "hypot",
    "maximum",
    "minimum",
    "logaddexp",
]
IN_PLACE = [n for n in ARITHMETIC if n not in ("maximum", "minimum", "logaddexp")]


def unary(name):
    yield from (f"T.{name}({x})" for x in "fphwibckn")
    yield from (f"T.{name}({x})" for x in ("s", "r", "e", "f.t()"))
    yield f"T.{name}(1.0)"
    yield f"p.{name}()"


def binary(name):
    pairs = (
        "f,d f,2 i,2 i,2.5 f,s s,f i,j u,i b,i b,q c,f h,w f,v e,v f,m n,0.5 n,n n,0. i,0.5 2,f 3,i f,z "
        "b,2 i,True"
    )
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

# ----- reductions -----

OVER = [
    "sum",
    "mean",
    "prod",
    "amax",
    "amin",
    "all",
    "any",
    "argmax",
    "argmin",
    "max",
    "min",
    "logsumexp",
    "std",
    "var",
    "nansum",
    "median",
    "cumsum",
    "cumprod",
    "cummax",
    "cummin",
    "logcumsumexp",
]
TABLES["reductions"] = [
    f"T.{name}({x}{arguments})"
    for name in OVER
    for x in ("f", "i", "b", "u", "h", "c", "x", "n", "s", "e", "v")
    for arguments in ("", ", 0", ", -1", ", 1, True", ", dim=0, keepdim=True", ", 5")
]
for path in sorted((Path(__file__).parent / "expressions").glob("*.txt")):
    TABLES[path.stem] = lines(path.read_text())


@pytest.mark.parametrize("table", TABLES)
def test_expressions(table):
    wrong = []
    for expression in TABLES[table]:
        found = difference(run(flambeau, expression), run(torch, expression))
        if found and expression not in KNOWN:
            wrong.append(f"{expression}: {found}")
    assert not wrong, "\n".join(wrong)


KNOWN = {}
