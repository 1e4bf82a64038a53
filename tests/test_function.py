"""Custom functions: a backward of one's own."""

import gc
import warnings
import weakref

import pytest

import flambeau as torch
from flambeau.autograd import Function, gradcheck, gradgradcheck
from flambeau.autograd.function import FunctionCtx, once_differentiable


def leaf(*values):
    return torch.tensor(values, requires_grad=True)


def function(forward, backward, name="Mine", **rest):
    return type(
        name, (Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward), **rest}
    )


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        assert not torch.is_grad_enabled()
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x * x


class Exp(Function):
    """In two steps, with the result saved."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x, scale=1.0):
        return (x * scale).exp()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.scale = inputs[1]
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * y * ctx.scale, None


@pytest.mark.parametrize("f", [Cube, Exp])
def test_can_be_differentiated_twice(f):
    x = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64, requires_grad=True)
    assert gradcheck(f.apply, x)
    assert gradgradcheck(f.apply, x)


def test_arguments_by_name_and_default():
    x = leaf(1.0, 2.0)
    Exp.apply(x, scale=2.0).sum().backward()
    assert x.grad.tolist() == pytest.approx([2 * 7.389056, 2 * 54.59815])
    with pytest.raises(TypeError, match="'speed'"):
        Exp.apply(x, speed=2.0)
    with pytest.raises(TypeError, match="no position: k"):
        function(lambda ctx, x, *, k: x * k, lambda ctx, g: g).apply(x, k=2)


def test_what_the_graph_shows():
    x = leaf(1.0, 2.0)
    y = Exp.apply(x)
    assert repr(y) == "tensor([2.7183, 7.3891], grad_fn=<ExpBackward>)"
    assert type(y.grad_fn).__name__ == y.grad_fn.name() == "ExpBackward"
    assert y.grad_fn.next_functions == ((x.grad_fn or x._edge, 0),)
    assert y.grad_fn.scale == 1.0
    assert y.grad_fn.saved_tensors[0].grad_fn is y.grad_fn
    with pytest.raises(AttributeError, match="nothing"):
        _ = y.grad_fn.nothing


def test_a_saved_leaf_is_the_leaf():
    x = leaf(1.0)
    assert Cube.apply(x).grad_fn.saved_tensors[0] is x


def test_attributes_of_the_context_are_free():
    def forward(ctx, x):
        ctx.edges, ctx.outputs, ctx.name, ctx.hooks, ctx.seq = "edges", 2, "name", 3, 4
        return x * 2

    f = function(forward, lambda ctx, g: g * ctx.outputs * ctx.hooks * ctx.seq)
    x = leaf(1.0)
    f.apply(x).sum().backward()
    assert x.grad.item() == 24


def test_several_results():
    seen = []

    def backward(ctx, a, b, c):
        seen.append((a, b.tolist(), c))
        return b

    def forward(ctx, x):
        y = x > 1
        ctx.mark_non_differentiable(y)
        return "first", x * 2, y

    text, y, larger = function(forward, backward).apply(leaf(1.0, 2.0))
    assert (text, y.requires_grad, larger.requires_grad, larger.tolist()) == (
        "first",
        True,
        False,
        [False, True],
    )
    assert y.output_nr == 1
    (y * 5).sum().backward()
    assert seen[0][:2] == (None, [5, 5]) and seen[0][2].dtype is torch.bool


def test_gradients_nobody_asked_for_are_dropped():
    x, w = leaf(2.0), leaf(3.0)
    f = function(lambda ctx, x, w: x * w, lambda ctx, g: (g * 3, g * 2))
    assert torch.autograd.grad(f.apply(x, w), w)[0].item() == 2
    assert x.grad is None


def test_without_gradients_nothing_is_kept():
    x = torch.ones(2)
    y = Cube.apply(x)
    assert y.grad_fn is None
    with torch.no_grad():
        assert Cube.apply(leaf(1.0)).grad_fn is None


# ----- memory -----


def test_saved_tensors_are_freed_by_the_pass():
    x = leaf(1.0)
    y = Cube.apply(x)
    y.sum().backward(retain_graph=True)
    assert len(y.grad_fn.saved_tensors) == 1
    y.sum().backward()
    for again in (lambda: y.grad_fn.saved_tensors, lambda: y.sum().backward()):
        with pytest.raises(RuntimeError, match=r"CubeBackward: .*second time"):
            again()
    assert x.grad.item() == 6


def test_calls_are_freed_without_the_garbage_collector():
    gc.collect()
    gc.disable()
    try:
        for f in (Cube, Exp):
            y = f.apply(leaf(1.0))
            call = weakref.ref(y.grad_fn)
            y.sum().backward(retain_graph=True)
            del y
            assert call() is None
    finally:
        gc.enable()


def test_a_long_chain_of_calls():
    class Same(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g

    y = x = leaf(1.0)
    for _ in range(5000):
        y = Same.apply(y)
    y.backward()
    assert x.grad.item() == 1


# ----- values that are written to -----


def _add_one(ctx, x):
    x.add_(1)
    ctx.mark_dirty(x)
    return x


def test_a_written_argument_becomes_the_result():
    f = function(_add_one, lambda ctx, g: g * 10)
    x = leaf(1.0, 2.0)
    h = x * 2
    part = h[1:]
    assert f.apply(part) is part
    assert h.tolist() == [2, 5]
    (h * h).sum().backward()
    assert x.grad.tolist() == [2 * 2 * 2, 2 * 5 * 10 * 2]


def test_a_written_argument_must_be_returned_and_no_leaf():
    with pytest.raises(RuntimeError, match="Mine: Some elements marked as dirty"):
        function(lambda ctx, x: _add_one(ctx, x) * 2, lambda ctx, g: g).apply(leaf(1.0) * 1)
    with pytest.raises(RuntimeError, match="Mine: a leaf Variable that requires grad"):
        function(_add_one, lambda ctx, g: g).apply(leaf(1.0))


def test_an_argument_returned_as_it_is():
    f = function(lambda ctx, x: x, lambda ctx, g: g * 10)
    x = leaf(1.0, 2.0)
    y = f.apply(x)
    assert y is not x and y.tolist() == [1, 2]
    y.sum().backward()
    assert x.grad.tolist() == [10, 10]
    with torch.no_grad():
        x.add_(1)
    assert y.tolist() == [2, 3]


@pytest.mark.parametrize(
    "forward", [lambda ctx, x: x, lambda ctx, x: x.view(2, 1), lambda ctx, x: (x * 1)[:1]]
)
def test_writing_to_a_view_would_bypass_backward(forward):
    f = function(forward, lambda ctx, g: g.expand(2, 1).reshape(2))
    h = leaf(1.0, 2.0) * 1
    for write in (lambda y: y.mul_(2), lambda y: y[0].mul_(2), lambda y: y.view(-1).exp_()):
        with pytest.raises(RuntimeError, match="Output of Mine is a view and is being modified inplace"):
            write(f.apply(h))
    y = f.apply(h)
    with torch.no_grad():
        y.mul_(0)
    assert not y.any()


def test_writing_to_the_base_of_a_view_would_bypass_backward():
    f = function(lambda ctx, x: x.view(2, 1), lambda ctx, g: g.view(2))
    h = leaf(1.0, 2.0) * 1
    y = f.apply(h)
    h.mul_(2)
    with pytest.raises(RuntimeError, match="its base or another view of its base has been modified inplace"):
        y + 1


def test_saved_tensors_notice_writes():
    x = leaf(1.0, 2.0)
    h = x * 1
    y = Cube.apply(h)
    h.add_(1)
    with pytest.raises(
        RuntimeError, match=r"CubeBackward: .*inplace operation: .*version 1; expected version 0"
    ):
        y.sum().backward()
    y = Exp.apply(x)
    y.mul_(2)
    with pytest.raises(RuntimeError, match=r"ExpBackward: .*inplace operation"):
        y.sum().backward()


# ----- errors -----


@pytest.mark.parametrize(
    ("gradients", "rule"),
    [
        (lambda g: g, r"MineBackward .*number of gradients \(expected 2, got 1\)"),
        (lambda g: (g, None, g), r"\(expected 2, got 3\)"),
        (lambda g: (g, g), "different than None at position 2"),
        (lambda g: (3, None), "got int"),
        (
            lambda g: (torch.ones(3), None),
            r"invalid gradient at index 0 - got \[3\] .* compatible with \[2\]",
        ),
        (lambda g: (torch.ones(1), None), r"got \[1\]"),
        (lambda g: (g * 1j, None), "complex64"),
    ],
)
def test_backward_must_return_a_gradient_for_each_argument(gradients, rule):
    y = function(lambda ctx, x, n: x * n, lambda ctx, g: gradients(g)).apply(leaf(1.0, 2.0), 3)
    with pytest.raises(RuntimeError, match=rule):
        y.sum().backward()


@pytest.mark.parametrize(
    ("call", "error", "rule"),
    [
        (lambda x: Function.apply(x), NotImplementedError, "forward"),
        (lambda x: type("F", (Function,), {}).apply(x), NotImplementedError, "forward"),
        (
            lambda x: type("F", (Function,), {"forward": Cube.forward}).apply(x).sum().backward(),
            NotImplementedError,
            "backward or vjp",
        ),
        (
            lambda x: type("F", (Cube,), {"vjp": staticmethod(lambda ctx, g: g)}).apply(x).sum().backward(),
            RuntimeError,
            "F: Implementing both",
        ),
        (
            lambda x: function(lambda ctx, x: ctx.save_for_backward(3), None).apply(x),
            TypeError,
            "argument 0 is of type int",
        ),
    ],
)
def test_errors(call, error, rule):
    with pytest.raises(error, match=rule):
        call(leaf(1.0))


def test_functions_are_not_called():
    with pytest.warns(DeprecationWarning, match="should not be instantiated"):
        f = Cube()
    with pytest.raises(RuntimeError, match="Legacy autograd function"):
        f(leaf(1.0))


def test_an_error_in_forward_leaves_the_grad_mode_alone():
    with pytest.raises(ZeroDivisionError):
        function(lambda ctx, x: 1 / 0, None).apply(leaf(1.0))
    assert torch.is_grad_enabled()


def test_once_differentiable():
    f = function(lambda ctx, x: x * 2, once_differentiable(lambda ctx, g: g * 2))
    x, v = leaf(1.0), leaf(1.0)
    f.apply(x).backward(v.detach())
    assert x.grad.item() == 2
    (g,) = torch.autograd.grad(f.apply(x), x, v, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.sum().backward()


def test_a_context_stands_alone():
    ctx = FunctionCtx()
    ctx.save_for_forward(torch.ones(1))
    ctx.save_for_backward(torch.ones(1), None)
    assert (ctx.saved_tensors, len(ctx.to_save), ctx.needs_input_grad) == ((), 2, ())


def test_recomputation_inside_backward():
    """A pass within a pass, as checkpointing does it."""

    class Again(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.exp() * x

        @staticmethod
        def backward(ctx, g):
            x = ctx.saved_tensors[0].detach().requires_grad_()
            with torch.enable_grad():
                y = x.exp() * x
            torch.autograd.backward(y, g)
            return x.grad

    x = leaf(0.5, 1.0)
    (Again.apply(x * 2) * 3).sum().backward()
    expected = torch.autograd.grad(((x * 2).exp() * x * 6).sum(), x)[0]
    assert x.grad.tolist() == pytest.approx(expected.tolist())


def test_no_warnings_from_plain_use():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Cube.apply(leaf(1.0)).backward()
