"""The public functions and the tensor's methods against PyTorch's.

The tables are expressions (see `both`), made here for the families of many alike functions, and read from the
files in `expressions`. Values, dtypes, shapes, Python types and the classes of errors must agree.
`test_every_name_is_here` keeps the tables complete.
"""

import inspect
import re
from pathlib import Path

import pytest
from both import difference, lines, run, words

import flambeau

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

FLOATS = words("""
    sqrt rsqrt exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh asinh
    acosh atanh arcsin arccos arctan arcsinh arccosh arctanh sigmoid erf erfc erfinv lgamma digamma
    logit
""")
REALS = words("""
    abs absolute neg negative sign sgn square reciprocal floor ceil trunc fix round frac relu
    nan_to_num
""")
TRUTHS = words("""
    isnan isinf isfinite signbit logical_not angle bitwise_not conj positive
""")
COMPARE = words("""
    eq ne lt le gt ge not_equal less less_equal greater greater_equal
""")
LOGIC = words("""
    logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor
""")
SHIFTS = ["bitwise_left_shift", "bitwise_right_shift"]
ARITHMETIC = words("""
    add sub mul div subtract multiply divide true_divide floor_divide remainder fmod pow float_power
    atan2 arctan2 hypot maximum minimum logaddexp
""")
OVER = words("""
    sum mean prod amax amin all any argmax argmin max min logsumexp std var nansum median cumsum
    cumprod cummax cummin logcumsumexp
""")


# ----- families of functions that are called alike -----


def of_one(name):
    yield from (
        f"T.{name}({x})" for x in ("f", "p", "h", "w", "i", "b", "c", "k", "n", "s", "r", "e", "f.t()", "1.0")
    )
    yield f"p.{name}()"


def of_two(name):
    pairs = (
        "f,d f,2 i,2 i,2.5 f,s s,f i,j u,i b,i b,q c,f h,w f,v e,v f,m n,0.5 n,n n,0. i,0.5 2,f 3,i f,z "
        "b,2 i,True"
    )
    yield from (f"T.{name}({pair})" for pair in pairs.split())
    yield f"f.{name}(d)"


def in_place_of_two(name):
    for pair in ("f,d", "i,j", "i,f", "u,i", "b,q", "f,2", "i,2.5", "v,f", "f,v", "d,c", "k,i"):
        yield f"{pair[0]}.{name}_({pair[2:]})"


def over(name):
    for x in ("f", "i", "b", "u", "h", "c", "x", "n", "s", "e", "v"):
        for arguments in ("", ", 0", ", -1", ", 1, True", ", dim=0, keepdim=True"):
            yield f"T.{name}({x}{arguments})"
    yield f"T.{name}(f, 5)"


def operators():
    pairs = [
        ("f", "d"),
        ("2", "f"),
        ("3", "i"),
        ("i", "2"),
        ("i", "j"),
        ("b", "q"),
        ("True", "b"),
        ("2.5", "i"),
    ]
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
    ):
        yield from (f"{x} {op} {y}" for x, y in [*pairs, ("f", "None"), ("f", "'a'")])
    for op in ("+", "-", "*", "/", "//", "%", "**", "&", "|", "^", "<<", ">>"):
        for x, y in (("f", "d"), ("i", "j"), ("i", "2"), ("i", "2.5"), ("b", "q"), ("f", "2"), ("v", "f")):
            yield f"{x} {op}= {y}; {x}"


def to_out():
    for name in (*FLOATS, *REALS, "bitwise_not", "logical_not", "angle", "isnan"):
        yield from (f"T.{name}(p, out={out})" for out in ("o", "oi", "oe"))
    for name in (*ARITHMETIC, *COMPARE, *LOGIC):
        yield from (
            f"T.{name}({x}, out={y})"
            for x, y in (("f, d", "o"), ("f, d", "oi"), ("i, j", "o"), ("f, v", "oe"))
        )


IN_PLACE = [n for n in ARITHMETIC if n not in ("maximum", "minimum", "logaddexp")]
TABLES = {name: list(of_one(name)) for name in (*FLOATS, *REALS, *TRUTHS)}
TABLES |= {name: list(of_two(name)) for name in (*ARITHMETIC, *COMPARE, *LOGIC, *SHIFTS)}
TABLES |= {f"{name}_": list(in_place_of_two(name)) for name in (*IN_PLACE, *COMPARE, *LOGIC, *SHIFTS)}
TABLES |= {f"{name} over dimensions": list(over(name)) for name in OVER}
TABLES["in place"] = [
    f"{x}.{name}_()"
    for name in (*FLOATS, *REALS, "bitwise_not", "logical_not")
    for x in ("p", "i", "b", "c", "f[0]")
]
TABLES |= {"operators": list(operators()), "out=": list(to_out())}
TABLES |= {
    path.stem: lines(path.read_text())
    for path in sorted((Path(__file__).parent / "expressions").glob("*.txt"))
}


@pytest.mark.parametrize("table", TABLES)
def test_expressions(table):
    found = {e: difference(run(flambeau, e), run(torch, e)) for e in TABLES[table]}
    wrong = [f"{expression}: {what}" for expression, what in found.items() if what]
    assert not wrong, "\n".join(wrong)


# ----- completeness -----

ELSEWHERE = {  # what other files compare
    "test_autograd.py": """
        enable_grad inference_mode is_grad_enabled is_inference_mode_enabled no_grad set_grad_enabled backward
        data detach_ grad
        grad_fn output_nr register_hook register_post_accumulate_grad_hook retain_grad retains_grad is_leaf
    """,
    "test_linalg.py": """
        cdist chain_matmul cholesky cross det einsum inner inverse kron logdet matrix_exp matrix_power
        pinverse qr slogdet svd
        tensordot trace
    """,
    "test_printing.py": "set_printoptions",
    "test_sparse.py": """
        ccol_indices coalesce col_indices crow_indices dense_dim is_coalesced row_indices sparse_dim
        sparse_mask to_dense to_sparse to_sparse_bsc to_sparse_bsr to_sparse_coo to_sparse_csc to_sparse_csr
    """,
    "test_promotion.py": "finfo iinfo",
}
# nothing to compare, or hardware
OWN = "synchronize get_num_threads set_num_threads data_ptr cuda pin_memory from_file"


def public_names(space):
    """The functions of a namespace; modules, classes and constants aside."""
    for name in dir(space):
        thing = inspect.getattr_static(space, name)
        if (
            not name.startswith("_")
            and (callable(thing) or isinstance(thing, property))
            and not isinstance(thing, type)
        ):
            yield name


def test_every_name_is_here():
    text = "\n".join(e for table in TABLES.values() for e in table)
    known = {n for names in (*ELSEWHERE.values(), OWN) for n in names.split()}
    functions = set(re.findall(r"\bT\.(\w+)", text)) | known
    methods = set(re.findall(r"[\w)\]]\.(\w+)", text)) | functions
    assert not [n for n in public_names(flambeau) if n not in functions]
    assert not [n for n in public_names(flambeau.Tensor) if n not in methods]


def test_no_name_is_made_up():
    ours = {"synchronize", "recorder", "annotations"}
    assert not [n for n in public_names(flambeau) if not hasattr(torch, n) and n not in ours]
    assert not [n for n in public_names(flambeau.Tensor) if not hasattr(torch.Tensor, n)]
