"""Function transforms, `autograd.functional`, forward mode and custom functions beside PyTorch's."""

import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]


def grid(t):
    return t.arange(6.0).reshape(2, 3) / 3


def row(t):
    return t.tensor([0.3, -0.5, 1.2])


def leaf(t):
    return row(t).requires_grad_()


def curve(x):
    return x.sin() * x.sum()


def number(x):
    return curve(x).sum()


def product(w, x):
    return (w * x).sin().sum()


def gradient_left(t, f):
    """What is left in a leaf after a backward pass through a transform."""
    w = leaf(t)
    f(w).sum().backward()
    return w.grad


def written(x):
    y = x.clone()
    y.mul_(2)
    y[1:].sin_()
    return y.sum()


TRANSFORMS = {
    "grad": lambda t: t.func.grad(number)(grid(t)),
    "second": lambda t: t.func.grad(t.func.grad(lambda x: x**3))(t.tensor(2.0)),
    "third": lambda t: t.func.grad(t.func.grad(t.func.grad(lambda x: x.sin() * x)))(t.tensor(2.0)),
    "two arguments": lambda t: t.func.grad(lambda x, y: (x * y).sum(), (0, 1))(grid(t), grid(t) + 1),
    "the last argument": lambda t: t.func.grad(lambda x, y: (x * y).sum(), -1)(grid(t), grid(t) + 1),
    "aux": lambda t: t.func.grad(lambda x: (number(x), {"a": x * 2}), has_aux=True)(row(t)),
    "value": lambda t: t.func.grad_and_value(lambda x: (number(x), x * 2), has_aux=True)(row(t)),
    "tree": lambda t: t.func.grad(lambda p: (p["a"] * p["b"][0]).sum())({"a": row(t), "b": [row(t) * 2]}),
    "vjp": lambda t: t.func.vjp(curve, row(t))[1](row(t)),
    "vjp of a tree": lambda t: t.func.vjp(lambda x: {"y": x * 2, "z": x.sum()}, row(t))[1](
        {"y": row(t), "z": t.tensor(2.0)}
    ),
    "jvp": lambda t: t.func.jvp(curve, (row(t),), (row(t) + 1,)),
    "jvp of a constant": lambda t: t.func.jvp(lambda x: t.ones(3), (row(t),), (row(t),)),
    "jvp with aux": lambda t: t.func.jvp(lambda x: (x * 2, x + 1), (row(t),), (row(t),), has_aux=True),
    "grad of a constant": lambda t: t.func.grad(lambda x: t.ones(3).sum())(row(t)),
    "linearize": lambda t: t.func.linearize(curve, row(t))[1](row(t)),
    "jacrev": lambda t: t.func.jacrev(curve)(row(t)),
    "jacrev by chunks": lambda t: t.func.jacrev(curve, chunk_size=2)(row(t)),
    "jacfwd": lambda t: t.func.jacfwd(curve)(row(t)),
    "jacrev of two": lambda t: t.func.jacrev(lambda x, y: (x @ y, x.sum()), (0, 1))(grid(t), row(t)),
    "jacfwd of two": lambda t: t.func.jacfwd(lambda x, y: (x @ y, x.sum()), (0, 1))(grid(t), row(t)),
    "jacrev of a tree": lambda t: t.func.jacrev(lambda p: {"y": p["a"] * p["b"]})({"a": row(t), "b": row(t)}),
    "hessian": lambda t: t.func.hessian(number)(row(t)),
    "hessian of two": lambda t: t.func.hessian(product, (0, 1))(row(t), row(t) * 2),
    "jacrev twice": lambda t: t.func.jacrev(t.func.jacrev(number))(row(t)),
    "jacfwd twice": lambda t: t.func.jacfwd(t.func.jacfwd(number))(row(t)),
    "jacrev of jacfwd": lambda t: t.func.jacrev(t.func.jacfwd(number))(row(t)),
    "third derivatives": lambda t: t.func.jacfwd(t.func.hessian(number))(row(t)),
    "hessian-vector product": lambda t: t.func.jvp(t.func.grad(number), (row(t),), (row(t) * 2,))[1],
    "vmap": lambda t: t.vmap(curve)(grid(t)),
    "vmap of vmap": lambda t: t.vmap(t.vmap(lambda x, y: x * y, (0, None)), (None, 0))(row(t), row(t)),
    "dimensions": lambda t: t.vmap(lambda x: (x * 2, x.sum()), 1, (1, 0))(grid(t)),
    "dimensions of a tree": lambda t: t.vmap(lambda p: p["a"] * p["b"], ({"a": 0, "b": None},))(
        {"a": grid(t), "b": row(t)}
    ),
    "chunks": lambda t: t.vmap(curve, chunk_size=2)(t.arange(15.0).reshape(5, 3)),
    "nothing to batch": lambda t: t.vmap(lambda x: t.ones(2))(grid(t)),
    "grad inside": lambda t: t.vmap(t.func.grad(number))(grid(t)),
    "per-sample gradients": lambda t: t.vmap(t.func.grad(product), (None, 0))(row(t), grid(t)),
    "grad outside": lambda t: t.func.grad(lambda w: t.vmap(lambda x: product(w, x))(grid(t)).sum())(row(t)),
    "grad inside and outside": lambda t: t.func.grad(
        lambda w: t.vmap(t.func.grad(product), (None, 0))(w, grid(t)).pow(2).sum()
    )(row(t)),
    "hessian inside": lambda t: t.vmap(t.func.hessian(number))(grid(t)),
    "jacrev inside": lambda t: t.vmap(t.func.jacrev(curve))(grid(t)),
    "jacrev outside": lambda t: t.func.jacrev(t.vmap(curve))(grid(t)),
    "jacfwd outside": lambda t: t.func.jacfwd(t.vmap(curve))(grid(t)),
    "jvp inside": lambda t: t.vmap(lambda x, v: t.func.jvp(curve, (x,), (v,)))(grid(t), grid(t) + 1),
    "jvp of vmap of grad": lambda t: t.func.jvp(t.vmap(t.func.grad(number)), (grid(t),), (grid(t) + 1,)),
    "vmap, vmap, grad": lambda t: t.vmap(
        t.vmap(t.func.grad(lambda x, y: (x * y).sin() * x), (0, None)), (None, 0)
    )(row(t), row(t)),
    "writing in place": lambda t: t.func.grad(written)(row(t)),
    "writing in place in a batch": lambda t: t.vmap(t.func.grad(written))(grid(t)),
    "a weight outside": lambda t: (lambda w: t.func.grad(lambda x: product(w, x))(row(t)))(leaf(t)),
    "backward through grad": lambda t: gradient_left(
        t, lambda w: t.func.grad(lambda x: product(w, x))(row(t))
    ),
    "backward through vmap of grad": lambda t: gradient_left(
        t, lambda w: t.vmap(t.func.grad(lambda x: product(w, x)))(grid(t))
    ),
    "backward through grad of the leaf": lambda t: gradient_left(t, t.func.grad(lambda x: (x**3).sum())),
    "no_grad outside": lambda t: t.no_grad()(t.func.grad(lambda w: product(w, row(t))))(leaf(t)),
    "functionalize": lambda t: t.func.functionalize(curve)(row(t)),
    "batched gradients": lambda t: (lambda x: t.autograd.grad(curve(x), x, t.eye(3), is_grads_batched=True))(
        leaf(t)
    ),
}


FUNCTIONAL = {}
for vectorize in (False, True):
    options = {"vectorize": vectorize}
    FUNCTIONAL |= {
        f"jacobian {vectorize}": lambda t, o=options: t.autograd.functional.jacobian(curve, grid(t), **o),
        f"jacobians {vectorize}": lambda t, o=options: t.autograd.functional.jacobian(
            lambda x, y: (x @ y, (x * 2).sum()), (grid(t), row(t)), **o
        ),
        f"hessian {vectorize}": lambda t, o=options: t.autograd.functional.hessian(number, grid(t), **o),
        f"hessians {vectorize}": lambda t, o=options: t.autograd.functional.hessian(
            lambda x, y: (x @ y).sin().sum(), (grid(t), row(t)), **o
        ),
    }
for name in ("vjp", "jvp"):
    FUNCTIONAL |= {
        name: lambda t, n=name: getattr(t.autograd.functional, n)(curve, row(t), row(t) + 1),
        f"{name} recorded": lambda t, n=name: getattr(t.autograd.functional, n)(
            curve, leaf(t), row(t) + 1, create_graph=True
        ),
        f"{name} of two": lambda t, n=name: getattr(t.autograd.functional, n)(
            lambda x, y: (x * y, x + y), (row(t), row(t)), (row(t) + 1, row(t))
        ),
    }
for name in ("vhp", "hvp"):
    FUNCTIONAL |= {
        name: lambda t, n=name: getattr(t.autograd.functional, n)(number, row(t), row(t) + 1),
        f"{name} recorded": lambda t, n=name: getattr(t.autograd.functional, n)(
            number, leaf(t), row(t) + 1, create_graph=True
        ),
        f"{name} of two": lambda t, n=name: getattr(t.autograd.functional, n)(
            product, (row(t), row(t)), (row(t) + 1, row(t))
        ),
    }
FORWARDS = {"vectorize": True, "strategy": "forward-mode"}
FUNCTIONAL |= {
    "jacobian forwards": lambda t: t.autograd.functional.jacobian(curve, grid(t), **FORWARDS),
    "jacobians forwards": lambda t: t.autograd.functional.jacobian(
        lambda x, y: (x @ y, (x * 2).sum()), (grid(t), row(t)), **FORWARDS
    ),
}


# ----- custom functions: gradients and changes are wrong by a factor, to be told from derived ones -----


def cube(t):
    class Cube(t.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x):
            return x**3, x * 2

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx, g, h):
            (x,) = ctx.saved_tensors
            return g * 3 * x**2 * 10 + h * 2

        @staticmethod
        def jvp(ctx, change):
            (x,) = ctx.saved_tensors
            return 100 * change * 3 * x**2, change * 2

    return lambda x: Cube.apply(x)[0]


def scale(t):
    class Scale(t.autograd.Function):
        @staticmethod
        def forward(x, w):
            return x * w

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, g):
            x, w = ctx.saved_tensors
            return g * w * 10, g * x * 10

        @staticmethod
        def vmap(info, in_dims, x, w):
            assert info.batch_size == 2
            return Scale.apply(x.movedim(in_dims[0], 0), w if in_dims[1] is not None else w.expand_as(x)), 0

    return Scale.apply


def carried(t, f):
    ad = t.autograd.forward_ad
    with ad.dual_level():
        return tuple(ad.unpack_dual(f(ad.make_dual(row(t), row(t) + 1))))


def carried_to_a_leaf(t):
    ad, w = t.autograd.forward_ad, leaf(t)
    with ad.dual_level():
        x = ad.make_dual(row(t), row(t) + 1)
        ad.unpack_dual((x * w * x).sum()).tangent.backward()
    return w.grad


CUSTOM = {
    "grad": lambda t: t.func.grad(lambda x: cube(t)(x).sum())(row(t)),
    "second": lambda t: t.func.grad(t.func.grad(cube(t)))(t.tensor(2.0)),
    "vmap": lambda t: t.vmap(cube(t))(grid(t)),
    "grad inside": lambda t: t.vmap(t.func.grad(lambda x: cube(t)(x).sum()))(grid(t)),
    "grad outside": lambda t: t.func.grad(lambda x: t.vmap(cube(t))(x).sum())(grid(t)),
    "both": lambda t: t.func.grad(
        lambda x: t.vmap(t.func.grad(lambda x: cube(t)(x).sum()))(x).sum()
    )(grid(t)),
    "jvp": lambda t: t.func.jvp(cube(t), (row(t),), (row(t),)),
    "jacfwd": lambda t: t.func.jacfwd(cube(t))(row(t)),
    "jacrev": lambda t: t.func.jacrev(cube(t))(row(t)),
    "own vmap": lambda t: t.vmap(scale(t), (0, None))(grid(t), row(t)),
    "own vmap, grad outside": lambda t: t.func.grad(
        lambda x, w: t.vmap(scale(t), (0, None))(x, w).sum(), (0, 1)
    )(grid(t), row(t)),
    "own vmap, grad inside": lambda t: t.vmap(
        t.func.grad(lambda x, w: scale(t)(x, w).sum(), (0, 1)), (0, None)
    )(grid(t), row(t)),
    "own vmap, both": lambda t: t.func.grad(
        lambda w: t.vmap(t.func.grad(lambda x: (scale(t)(x, w) ** 2).sum()))(grid(t)).sum()
    )(row(t)),
    "dual": lambda t: carried(t, curve),
    "dual itself": lambda t: carried(t, lambda x: x),
    "dual, softmax": lambda t: carried(t, lambda x: x.softmax(0)),
    "dual, jvp": lambda t: carried(t, cube(t)),
    "dual, backward": carried_to_a_leaf,
}  # fmt: skip


def flat(found):
    if isinstance(found, dict):
        found = tuple(found.values())
    if isinstance(found, (list, tuple)):
        return [x for part in found for x in flat(part)]
    return [found]


def check(case):
    got, want = flat(case(flambeau)), flat(case(torch))
    assert [x.requires_grad for x in got] == [x.requires_grad for x in want]
    for g, w in zip(got, want, strict=True):
        a, b = g.detach().numpy(), w.detach().numpy()
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, 1e-4, 1e-5)


@pytest.mark.parametrize("case", TRANSFORMS.values(), ids=TRANSFORMS)
def test_transforms(case):
    check(case)


@pytest.mark.parametrize("case", FUNCTIONAL.values(), ids=FUNCTIONAL)
def test_functional(case):
    check(case)


@pytest.mark.parametrize("case", CUSTOM.values(), ids=CUSTOM)
def test_custom_functions_and_forward_mode(case):
    check(case)


X = "t.arange(6.).reshape(2, 3)"
ERRORS = [
    "t.vmap(lambda a: a.sum().item())({X})",
    "t.vmap(lambda a: a if a.sum() > 0 else -a)({X})",
    "t.vmap(lambda a: t.rand(3))({X})",
    "t.vmap(lambda a: 3)({X})",
    "t.vmap(lambda a: a, in_dims=None)({X})",
    "t.vmap(lambda a, b: a)({X}, t.ones(3))",
    "t.vmap(lambda a: a, in_dims=2)({X})",
    "t.vmap(lambda a: a, in_dims=(0, 0))({X})",
    "t.vmap(lambda a: a)(3)",
    "t.vmap(lambda a: a)()",
    "t.vmap(lambda a: (a, a), out_dims=(0, 0, 0))({X})",
    "t.vmap(lambda a: a, out_dims=None)({X})",
    "t.vmap(lambda a: a, out_dims=2)({X})",
    "t.vmap(lambda a: a, randomness='other')({X})",
    "t.vmap(lambda a: t.ones(3).add_(a))({X})",
    "t.vmap(lambda a: a.numpy())({X})",
    "t.vmap(lambda a: a.tolist())({X})",
    "t.vmap(lambda a: a[a > 0])({X})",
    "t.vmap(lambda a: a.requires_grad_())({X})",
    "t.vmap(lambda a: a.sum().backward())({X})",
    "t.vmap(lambda a: a, chunk_size=0)({X})",
    "t.vmap(t.bernoulli, randomness='same')({X} / 6)",
    "t.vmap(lambda a: a)(t.ones(()))",
    "t.func.grad(lambda a: a)({X})",
    "t.func.grad(lambda a: 3)({X})",
    "t.func.grad(lambda a: a.sum())(3)",
    "t.func.grad(lambda a: a.sum(), argnums=1)({X})",
    "t.func.grad(lambda a: a.sum(), argnums=(0, 0))({X})",
    "t.func.grad(lambda a: a.sum(), has_aux=True)({X})",
    "t.func.grad(lambda a: a.sum())({X}.long())",
    "t.func.grad(lambda a: a.sum().backward())({X})",
    "t.func.jvp(lambda a: a, {X}, {X})",
    "t.func.jvp(lambda a: a, ({X},), ({X}, {X}))",
    "t.func.jvp(lambda a: a, ({X},), ({X}[0],))",
    "t.func.vjp(lambda a: a * 2, {X})[1]({X}[0])",
    "t.autograd.functional.jacobian(lambda a: a, 3)",
    "t.autograd.functional.jacobian(lambda a: a, {X}, strategy='other')",
    "t.autograd.functional.jacobian(lambda a: a, {X}, strategy='forward-mode')",
    "t.autograd.functional.jacobian(lambda a: t.ones(2), {X}, strict=True)",
    "t.autograd.functional.hessian(lambda a: a, {X})",
    "t.autograd.functional.vjp(lambda a: a, {X})",
    "t.autograd.functional.vjp(lambda a: a, {X}, {X}[0])",
    "t.autograd.forward_ad.make_dual({X}, {X})",
    "t.autograd.forward_ad.exit_dual_level()",
    "t.empty(2, 3, device='meta').item()",
    "t.empty((), device='meta').item()",
    "bool(t.empty((), device='meta'))",
    "float(t.empty((), device='meta'))",
    "t.empty(2, device='meta').tolist()",
    "t.empty(2, device='meta').numpy()",
    "t.empty(2, device='meta').cpu()",
    "t.empty(2, device='meta').to('cpu')",
    "t.ones(2).copy_(t.empty(2, device='meta'))",
    "t.empty(2, device='meta') + t.ones(2)",
    "t.ones(2) + t.empty(2, device='meta')",
    "t.cat([t.empty(2, device='meta'), t.ones(2)])",
    "t.nn.Linear(2, 3, device='meta')(t.ones(1, 2))",
    "t.nn.Linear(2, 3, device='meta').to('cpu')",
]


@pytest.mark.parametrize("text", ERRORS)
def test_errors(text):
    text = text.replace("{X}", X)
    with pytest.raises(Exception) as want:
        eval(text, {"t": torch})
    if "cat(" in text:
        want = pytest.raises(RuntimeError, match="device")  # PyTorch's is of the operator's own
        with want:
            eval(text, {"t": flambeau})
        return
    with pytest.raises(type(want.value)):
        eval(text, {"t": flambeau})
