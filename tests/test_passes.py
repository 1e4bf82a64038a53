"""The compiler's graph and the passes over it: what each gives for which graph."""

import math

import ml_dtypes
import numpy as np
import pytest

import flambeau as torch
import flambeau.nn.functional
from flambeau import recorder
from flambeau.compiler import graph as g
from flambeau.compiler import passes
from flambeau.compiler.graph import CONST, Graph, Value, from_trace, parse, verify
from flambeau.core.config import config
from flambeau.core.dtype import ALL, from_numpy
from flambeau.core.node import LEAF


def traced(f, monkeypatch):
    """The graph of what `f` records."""
    found, execute = [], recorder.execute
    with monkeypatch.context() as m:
        m.setattr(config, "mode", "interpret")
        m.setattr("flambeau.core.realize.FEW", -1)  # a trace even of a single operation
        recorder.relax()
        recorder.flush("test")
        m.setattr(recorder, "execute", lambda work: (found.append(from_trace(work)), execute(work))[1])
        kept = f()
        recorder.flush("test")
    assert kept is not None
    return found[-1]


def operations(graph):
    return [v.op.name for v in graph.values if v.op not in (LEAF, CONST)]


# ----- the specification -----


def leaf(shape=(2, 3), d=torch.float32):
    return Value(LEAF, (), (0,), shape, d)


def pair():
    x = leaf()
    y = g.pointwise("exp", x)
    return x, y, Graph([x], [y], [])


def test_what_passes_is_right():
    verify(pair()[2])


def broken_order(x, y, graph):
    graph.values.reverse()


def broken_number(x, y, graph):
    y.number = 7


def broken_leaf(x, y, graph):
    x.inputs = (g.const(1, torch.float32),)
    graph.values.insert(0, x.inputs[0])
    for i, v in enumerate(graph.values):
        v.number = i


def broken_output(x, y, graph):
    graph.outputs.append(g.pointwise("neg", x))


def broken_shape(x, y, graph):
    y.shape = [2, 3]


def broken_dtype(x, y, graph):
    y.dtype = np.float32


def broken_attribute(x, y, graph):
    y.attrs = ([1, 2],)


def broken_pick(x, y, graph):
    x.dtype, x.shape = (torch.float32, torch.int64), ((2, 3), (2, 3))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (broken_order, "reads v0, which doesn't come before it"),
        (broken_number, "number 7 at place 1"),
        (broken_leaf, "leaf has inputs"),
        (broken_output, "the output neg is no value"),
        (broken_shape, "shape"),
        (broken_dtype, "dtype"),
        (broken_attribute, "unhashable"),
        (broken_pick, "only pick may"),
    ],
)
def test_what_breaks_the_specification_is_found(spoil, message):
    x, y, graph = pair()
    spoil(x, y, graph)
    with pytest.raises((ValueError, TypeError), match=message):
        verify(graph)


# ----- graphs as text -----


@pytest.mark.parametrize("d", ALL, ids=lambda d: d.name)
def test_numbers_survive_as_text(d):
    numbers = [True, 0, -3, 0.1, -0.0, math.inf, -math.inf, math.nan, 1e-310, 2**63, 1 + 2j]
    leaves, outputs = [leaf((), d)], [g.const(n, d) for n in numbers]
    text = str(Graph(leaves, [*leaves, *outputs], []))
    again = parse(text)
    assert str(again) == text
    back = [v.attrs[0] for v in again.outputs[1:]]
    assert [type(x) for x in back] == [type(x) for x in numbers]
    assert [repr(x) for x in back] == [repr(x) for x in numbers]


def step(x, w):
    """Most kinds of attributes."""
    torch.manual_seed(1)
    y = torch.nn.functional.dropout((x @ w).softmax(-1), 0.5)
    top, at = y.permute(1, 0)[1:, ::2].max(0)
    z = torch.nn.functional.pad(y.sum((0, 1), keepdim=True), (1, 0), value=math.inf)
    return [top, at.to(torch.uint8), z.as_strided((2, 2), (0, 1)), y[torch.tensor([0, -1]) * 1]]


def test_programs_survive_as_text(monkeypatch):
    x, w = torch.ones(4, 5), torch.ones(5, 6)
    graph = traced(lambda: step(x, w), monkeypatch)
    for graph in (graph, passes.run(graph, check=True)):  # noqa: B020
        again = parse(str(graph), given=torch.default_generator)
        verify(again)
        assert str(again) == str(graph)
        assert [v.op for v in again.effects] == [v.op for v in graph.effects] != []


def test_an_operation_with_several_results_survives_as_text():
    x = leaf()
    many = Value(g.registry["max_pool"], (x,), (), ((2, 3), (2,)), (torch.float32, torch.int64))
    graph = Graph([x], [many], [])
    assert str(parse(str(graph))) == str(graph)


# ----- common subexpressions -----


def test_equal_values_become_one():
    graph = parse("""
x = leaf((3,), float32)
a = value('exp', (), (3,), float32, x)
b = value('exp', (), (3,), float32, x)
c = value('add', (), (3,), float32, a, b)
d = value('add', (), (3,), float32, b, a)
outputs(c, d)""")
    merged = passes.merge(graph)
    verify(merged)
    assert operations(merged) == ["exp", "add"]
    assert merged.outputs[0] is merged.outputs[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("value('const', (1,), (), float32)", "value('const', (1.0,), (), float32)"),
        ("value('const', (True,), (), int64)", "value('const', (1,), (), int64)"),
        ("value('const', (0.0,), (), float32)", "value('const', (-0.0,), (), float32)"),
        ("value('sum', ((0,), True), (1,), float32, x)", "value('sum', ((0,), False), (1,), float32, x)"),
        ("value('cast', (int8,), (3,), int8, x)", "value('cast', (uint8,), (3,), uint8, x)"),
        ("value('sub', (), (3,), float32, x, y)", "value('sub', (), (3,), float32, y, x)"),
    ],
)
def test_values_that_differ_stay_apart(one, other):
    leaves = "x = leaf((3,), float32)\ny = leaf((3,), float32)\n"
    merged = passes.merge(parse(f"{leaves}a = {one}\nb = {other}\noutputs(a, b)"))
    assert merged.outputs[0] is not merged.outputs[1]


def test_draws_of_random_numbers_are_never_merged(monkeypatch):
    graph = traced(lambda: [torch.rand(3), torch.rand(3)], monkeypatch)
    assert operations(passes.run(graph)).count("uniform") == 2


# ----- algebra -----

SIMPLER = [
    ("value('mul', (), (3,), float32, x, value('const', (1,), (), float32))", "x"),
    ("value('div', (), (3,), float32, x, value('const', (1.0,), (), float32))", "x"),
    ("value('sub', (), (3,), float32, x, value('const', (0,), (), float32))", "x"),
    ("value('clone', (), (3,), float32, x)", "x"),
    ("value('cast', (float32,), (3,), float32, x)", "x"),
    ("value('neg', (), (3,), float32, value('neg', (), (3,), float32, x))", "x"),
    ("value('reshape', ((3,),), (3,), float32, value('reshape', ((1, 3),), (1, 3), float32, x))", "x"),
    ("value('expand', ((3,),), (3,), float32, x)", "x"),
    ("value('permute', ((0,),), (3,), float32, x)", "x"),
    ("value('overwrite', (), (3,), float32, y, x)", "x"),
    (
        "value('overwrite', (), (3,), float32, x, value('const', (2,), (), float32))",
        "value('expand', ((3,),), (3,), float32, value('const', (2,), (), float32))",
    ),
    (
        "value('permute', ((1, 0, 2),), (2, 4, 3), float32, "
        "value('permute', ((2, 1, 0),), (4, 2, 3), float32, z))",
        "value('permute', ((1, 2, 0),), (2, 4, 3), float32, z)",
    ),
    (
        "value('transpose', ((0, 2, 1),), (3, 2, 4), float32, "
        "value('permute', ((0, 2, 1),), (3, 4, 2), float32, z))",
        "z",
    ),
]
LEAVES = "x = leaf((3,), float32)\ny = leaf((3,), float32)\nz = leaf((3, 2, 4), float32)\n"


@pytest.mark.parametrize(("before", "after"), SIMPLER)
def test_simpler(before, after):
    simpler = passes.simplify(parse(f"{LEAVES}outputs({before})"))
    verify(simpler)
    assert str(simpler) == str(parse(f"{LEAVES}outputs({after})"))


@pytest.mark.parametrize(
    "value",
    [
        "value('add', (), (3,), float32, x, value('const', (0,), (), float32))",  # -0.0 + 0 is 0.0
        "value('mul', (), (3,), float32, x, value('const', (0,), (), float32))",  # nan * 0 is nan
        "value('sub', (), (3,), float32, x, x)",  # inf - inf is nan
        "value('mul', (), (1, 3), float32, x, value('const', (1,), (1, 1), float32))",  # another shape
        "value('cast', (float32,), (3,), float32, value('cast', (int8,), (3,), int8, x))",  # loses digits
    ],
)
def test_what_would_change_a_bit_is_left_alone(value):
    graph = parse(f"{LEAVES}outputs({value})")
    assert str(passes.simplify(graph)) == str(graph)


# ----- expansions -----


def evaluated(graph, arrays):
    """The outputs, by each operation's reference."""
    values = dict(zip(graph.leaves, arrays, strict=True))
    with np.errstate(all="ignore"):
        for v in graph.values:
            if v.op is CONST:
                values[v] = np.asarray(v.attrs[0], v.dtype.np)
            elif v not in values:
                values[v] = np.asarray(v.op.numpy(*(values[x] for x in v.inputs), *v.attrs)).astype(
                    v.dtype.np
                )
    return [values[v] for v in graph.outputs]


def examples():
    for name in sorted(passes._expansions):
        op = g.registry[name]
        for i, sample in enumerate(op.samples()):
            if (
                name not in ("any", "all") or 0 not in sample.arrays[0].shape
            ):  # NumPy has no largest of no bytes
                yield pytest.param(op, sample, id=f"{name}{i}")


@pytest.mark.parametrize(("op", "sample"), list(examples()))
@pytest.mark.parametrize("d", [np.float64, np.float32, ml_dtypes.bfloat16], ids=["double", "single", "half"])
def test_expansions_mean_what_the_operation_means(op, sample, d):
    arrays = [a.astype(d) if a.dtype.kind == "f" else a for a in sample.arrays]
    with torch.no_grad():
        tensors = [torch.tensor(a) for a in arrays]
        wanted = op.on_sample(tensors, sample.attrs)
    leaves = [Value(LEAF, (), (i,), a.shape, from_numpy(a.dtype)) for i, a in enumerate(arrays)]
    wanted._value("test")
    attrs = _attributes(op, sample, arrays)
    v = Value(op, tuple(leaves), attrs, tuple(wanted.shape), wanted.dtype)
    graph = passes.expand(Graph(leaves, [v], []))
    verify(graph)
    if 0 not in arrays[0].shape:
        assert op.name not in operations(graph)
    (found,) = evaluated(graph, arrays)
    assert (found.dtype, found.shape) == (wanted.dtype.np, tuple(wanted.shape))
    close = {np.float64: 1e-12, np.float32: 2e-6}.get(d, 0.02)
    np.testing.assert_allclose(found.astype(np.float64), wanted.double().numpy(), close, close)


def _attributes(op, sample, arrays):
    """A sample's attributes as the graph has them."""
    attrs = dict(sample.attrs)
    if op.kind == "reduction":
        dims = attrs["dims"]
        attrs = {
            "dims": tuple(range(arrays[0].ndim)) if dims is None else dims,
            "keepdim": attrs.get("keepdim", False),
        }
    return tuple(attrs.values())


def test_who_fails_in_an_expansion_is_the_operation_itself():
    graph = parse("""
x = leaf((3, 4), bfloat16)
w = leaf((3,), int64)
labels = value('gather', (0,), (3,), int64, w, w)
y = value('cross_entropy', (-100,), (), bfloat16, x, labels)
outputs(y)""")
    for slot, v in enumerate(graph.values):
        v.slot = slot
    checked = [(v.op.name, v.slot) for v in passes.expand(graph).values if v.op is not LEAF and v.op.checks]
    assert checked == [("gather", 2), ("pick_class", 3)]


def test_all_passes_together(monkeypatch):
    x = torch.ones(3, 4)

    def f():
        y = (x * 1).clone()
        return [y.softmax(1) + 0, y.softmax(1), y.log_softmax(1)]

    graph = passes.run(traced(f, monkeypatch), check=True)
    assert operations(graph).count("exp") == 1
    assert operations(graph).count("amax") == 1
