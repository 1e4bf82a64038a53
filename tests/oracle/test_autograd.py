"""The same programs, run with PyTorch and with Flambeau: values, orders of calls, names and errors must be
equal.
"""

import random
import warnings

import pytest

import flambeau

torch = pytest.importorskip("torch")


def same(a, b):
    """Whether two results are equal, numbers up to rounding."""
    if isinstance(a, (float, complex)) and isinstance(b, (float, complex)):
        return a == b or abs(a - b) <= 1e-5 * abs(b) or (a != a and b != b)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def plain(x):
    """A result as Python data: tensors by dtype, values and gradient function."""
    if isinstance(x, (torch.Tensor, flambeau.Tensor)):
        fn = None if x.grad_fn is None else x.grad_fn.name()
        return [str(x.dtype), list(x.shape), x.detach().tolist(), x.requires_grad, fn]
    if isinstance(x, (tuple, list)):
        return [plain(e) for e in x]
    return x


def outcome(program, library):
    """What the program returns, or the class of the error that ends it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns of reference cycles, which Flambeau doesn't have
        try:
            return plain(program(library))
        except Exception as error:
            return next(c.__name__ for c in type(error).__mro__ if c.__module__ == "builtins")


def custom(library, forward, backward, name="Mine", **rest):
    """A custom function of the library."""
    body = {"forward": staticmethod(forward), "backward": staticmethod(backward), **rest}
    return type(name, (library.autograd.Function,), body)


def leaf(library, *values):
    return library.tensor(values, requires_grad=True)


# ----- backward and grad -----


def accumulates(t):
    x = leaf(t, 1.0, 2.0)
    (x * x).sum().backward()
    first = x.grad
    (x**3).sum().backward()
    return first is x.grad, x.grad


def broadcast_and_dtypes(t):
    x, y = leaf(t, 1.0, 2.0, 3.0), t.ones(4, 1, dtype=t.float64, requires_grad=True)
    s = t.tensor(2.0, requires_grad=True)
    (x * y + s * x).sum().backward()
    return x.grad, y.grad, s.grad


def several_outputs(t):
    x = leaf(t, 1.0, 2.0)
    y = x * 3
    t.autograd.backward([y, y, y.sum()], [t.tensor([1.0, 10.0]), t.tensor([5.0, 7.0]), None])
    return x.grad


def from_a_leaf(t):
    x = leaf(t, 2.0)
    g = t.ones(1)
    x.backward(g)
    g.add_(5)
    return x.grad, t.autograd.grad(x, x, t.ones(1))


def second_derivatives(t):
    x = leaf(t, 0.5, 2.0)
    (g,) = t.autograd.grad((x**3).sum(), x, create_graph=True)
    (h,) = t.autograd.grad((g * g).sum(), x, create_graph=True)
    (k,) = t.autograd.grad(h.sum(), x)
    return g.detach(), h.detach(), k


def create_graph_accumulates(t):
    x = leaf(t, 3.0)
    (x * x).sum().backward(create_graph=True)
    first = x.grad
    (x.grad * x).sum().backward()
    return first is x.grad, x.grad.detach(), first.requires_grad


def second_time(t):
    x = leaf(t, 1.0)
    y = (x * x).sum()
    y.backward()
    y.backward()


def second_time_retained(t):
    x = leaf(t, 1.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    return x.grad


def second_time_without_saved_values(t):
    x = leaf(t, 1.0)
    y = (x + 1).sum()
    y.backward()
    y.backward()
    return x.grad


def on_top_of_a_spent_graph(t):
    x, w = leaf(t, 1.0), leaf(t, 5.0)
    y = x * 2
    y.sum().backward()
    z = (y * w).sum()
    only_w = t.autograd.grad(z, w, retain_graph=True)
    only_y = t.autograd.grad(z, y, retain_graph=True)
    try:
        z.backward()
    except RuntimeError:
        return only_w, only_y, "spent"
    return None


def limited_to_inputs(t):
    x, w = leaf(t, 1.0), leaf(t, 5.0)
    h = x * w
    y = (h * h).sum()
    y.backward(inputs=[h, w], retain_graph=True)
    seen = h.grad, w.grad.clone(), x.grad, h.retains_grad
    y.backward(inputs=w)
    return seen, w.grad, h.grad


def grad_of_non_leaves(t):
    x = leaf(t, 2.0)
    a = x * 3
    b = a.exp()
    return t.autograd.grad(b.sum(), [a, b, x])


def unused(t):
    x, w = leaf(t, 1.0), leaf(t, 5.0)
    return (
        t.autograd.grad(x.sum(), [x, w], allow_unused=True),
        t.autograd.grad(x.sum(), [w, x], materialize_grads=True),
    )


def batched_grads(t):
    x = leaf(t, 1.0, 2.0, 3.0)
    return t.autograd.grad(x**2, x, t.eye(3), is_grads_batched=True)


def nested_backward(t):
    x, w = leaf(t, 1.0), leaf(t, 2.0)

    def inner(g):
        with t.enable_grad():
            (w * w).sum().backward()
        return g * 2

    y = x * 3
    y.register_hook(inner)
    y.sum().backward()
    return x.grad, w.grad


def complex_gradients(t):
    z = t.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    x = leaf(t, 1.0, 2.0)
    (z * x * z.conj()).real.sum().backward()
    return z.grad, x.grad


def detached_and_no_grad(t):
    x = leaf(t, 1.0, 2.0)
    with t.no_grad():
        y = x * 2
    z = (x * x.detach() + y).sum()
    z.backward()
    return y.requires_grad, x.grad


def through_in_place_writes(t):
    x, w = leaf(t, 1.0, 2.0, 3.0), leaf(t, 2.0)
    y = x * 1
    v = y[1:]
    v.mul_(w)
    y.add_(1)
    (y * y).sum().backward()
    return y, x.grad, w.grad


def overwritten_saved_value(t):
    x = leaf(t, 1.0)
    y = x.exp()
    y.mul_(2)
    y.sum().backward()


def toggled_leaf(t):
    x, log = leaf(t, 1.0), []
    x.register_hook(lambda g: log.append(g.item()))
    y = x * 2
    x.requires_grad_(False)
    y.sum().backward()
    before = x.grad
    x.requires_grad_(True)
    (x * 3).sum().backward()
    return before, x.grad, log


def names(t):
    x = t.ones(2, 2, requires_grad=True)
    results = [
        x + 1, x - 1, x * 2, x / 2, -x, x @ x, x.exp(), x.log(), x.sum(), x.mean(), x.view(4),
        x.transpose(0, 1), x.clone(), x.relu(), x.sigmoid(), x.tanh(), x.abs(), x.sqrt(), x.sin(),
        x.unsqueeze(0), x[0], x.expand(3, 2, 2), x.permute(1, 0), t.cat([x, x]),
    ]  # fmt: skip
    return [r.grad_fn.name() for r in results]


def graph_structure(t):
    x, w = leaf(t, 1.0), leaf(t, 2.0)
    y = (x * w + 1).sum()
    fn, found = y.grad_fn, []
    while fn is not None:
        found.append((fn.name(), [n if g is None else g.name() for g, n in fn.next_functions]))
        fn = fn.next_functions[0][0] if fn.next_functions else None
    return found, y.is_leaf, x.is_leaf, y.output_nr


BACKWARD = [
    accumulates, broadcast_and_dtypes, several_outputs, from_a_leaf, second_derivatives,
    create_graph_accumulates, second_time, second_time_retained, second_time_without_saved_values,
    on_top_of_a_spent_graph, limited_to_inputs, grad_of_non_leaves, unused, batched_grads, nested_backward,
    complex_gradients, detached_and_no_grad, through_in_place_writes, overwritten_saved_value, toggled_leaf,
    names, graph_structure,
]  # fmt: skip


# ----- hooks -----


def order_of_hooks(t):
    w1, w2, log = leaf(t, 1.0), leaf(t, 2.0), []
    for name, w in (("w1", w1), ("w2", w2)):
        w.register_hook(lambda g, name=name: log.append((name, g.item())))
        w.register_post_accumulate_grad_hook(lambda w, name=name: log.append((name, "done", w.grad.item())))
    h = w1 * 3
    h.register_hook(lambda g: log.append(("h", None if w2.grad is None else w2.grad.item())))
    h.grad_fn.register_prehook(lambda gs: log.append("before h"))
    h.grad_fn.register_hook(lambda inputs, outputs: log.append(("after h", len(inputs), len(outputs))))
    y = h * w2
    y.register_hook(lambda g: log.append("y"))
    (y + w2).sum().backward()
    return log


def hooks_on_a_leaf_function(t):
    x, log = leaf(t, 1.0), []
    fn = (x * 2).grad_fn.next_functions[0][0]
    y = x * 3
    fn.register_prehook(lambda gs: log.append(("before", len(gs), gs[0].item())))
    fn.register_hook(
        lambda inputs, outputs: log.append(("after", len(inputs), outputs[0].item(), x.grad.item()))
    )
    x.register_hook(lambda g: log.append(("tensor", g.item())))
    y.sum().backward()
    return fn.name(), fn.variable is x, log


def hooks_replace(t):
    x = leaf(t, 1.0)
    x.register_hook(lambda g: g * 2)
    h = x * 1
    h.register_hook(lambda g: g + 1)
    h.register_hook(lambda g: g * 3)
    h.grad_fn.register_prehook(lambda gs: (gs[0] * 5,))
    y = h.exp()
    y.grad_fn.register_hook(lambda inputs, outputs: (inputs[0] * 7,))
    y.sum().backward()
    return x.grad


def hooks_and_captured_gradients(t):
    x = leaf(t, 1.0)
    h = x * 2
    h.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: g * 7)
    y = (h * 3).sum()
    grad = t.autograd.grad
    return grad(y, [h, x], retain_graph=True), grad(y, h, retain_graph=True), grad(y, x)


def removed_hooks(t):
    x, log = leaf(t, 1.0), []

    def remove_the_second(g):
        log.append(1)
        second.remove()

    first = x.register_hook(remove_the_second)
    second = x.register_hook(lambda g: log.append(2))
    third = x.register_hook(lambda g: log.append(3))
    third.remove()
    for _ in range(2):
        (x * 1).sum().backward()
    first.remove()
    with x.register_hook(lambda g: log.append(4)):
        (x * 1).sum().backward()
    (x * 1).sum().backward()
    return log


def retained(t):
    x = leaf(t, 3.0)
    h = x**2
    h.retain_grad()
    h.register_hook(lambda g: g * 10)
    (h * h).sum().backward(retain_graph=True)
    once = h.grad.clone()
    (h * 2).sum().backward()
    return h.retains_grad, x.retains_grad, once, h.grad, x.grad


def retained_with_history(t):
    x = leaf(t, 3.0)
    h = x**2
    h.retain_grad()
    (h * h).sum().backward(create_graph=True)
    return h.grad, h.grad.grad_fn.name()


def retained_over_in_place_writes(t):
    x, log = leaf(t, 3.0), []
    h = x**2
    h.retain_grad()
    h.register_hook(lambda g: log.append(g.item()))
    h.mul_(3)
    h.register_hook(lambda g: log.append(g.item()))
    (h * 5).sum().backward()
    return h.grad, x.grad, log


def hooks_see_missing_gradients(t):
    class Cut(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return None

    x, log = leaf(t, 1.0), []
    h = x * 2
    h.register_hook(lambda g: log.append(g))
    h.grad_fn.register_prehook(lambda gs: log.append(gs))
    h.grad_fn.register_hook(lambda inputs, outputs: log.append((inputs, outputs)))
    h.retain_grad()
    x.register_hook(lambda g: log.append(g))
    x.register_post_accumulate_grad_hook(lambda x: log.append("done"))
    Cut.apply(h).sum().backward()
    return log, x.grad, h.grad


def kept_by_a_hook(t):
    x, kept = leaf(t, 1.0), []
    y = x + 1
    y.register_hook(lambda g: kept.append(g))
    y.sum().backward()
    x.grad.zero_()
    return kept


HOOKS = [
    order_of_hooks, hooks_on_a_leaf_function, hooks_replace, hooks_and_captured_gradients, removed_hooks,
    retained, retained_with_history, retained_over_in_place_writes, hooks_see_missing_gradients,
    kept_by_a_hook,
]  # fmt: skip


# ----- errors -----


def _hook_error(register, answer):
    def program(t):
        x = leaf(t, 1.0)
        h = x.exp()
        register(h, lambda *seen: answer(t))
        h.sum().backward()

    return program


on_tensor, before, after = (
    lambda h, hook: h.register_hook(hook),
    lambda h, hook: h.grad_fn.register_prehook(hook),
    lambda h, hook: h.grad_fn.register_hook(hook),
)

ERRORS = {
    "needs no gradient": lambda t: t.ones(1).sum().backward(),
    "one of several needs none": lambda t: t.autograd.backward([leaf(t, 1.0).sum(), t.ones(1)]),
    "not a number": lambda t: leaf(t, 1.0, 2.0).exp().backward(),
    "complex number": lambda t: t.tensor([1j], requires_grad=True).sum().backward(),
    "complex output, real gradient": lambda t: (
        t.tensor([1j], requires_grad=True).sum().backward(t.tensor(1.0))
    ),
    "wrong shape": lambda t: leaf(t, 1.0).exp().backward(t.ones(3)),
    "wrong type": lambda t: t.autograd.backward([leaf(t, 1.0).exp()], ["a"]),
    "no inputs": lambda t: leaf(t, 1.0).exp().backward(inputs=[]),
    "no inputs to grad": lambda t: t.autograd.grad(leaf(t, 1.0).exp(), []),
    "input that is no tensor": lambda t: t.autograd.grad(leaf(t, 1.0).exp(), ["a"]),
    "input without gradient": lambda t: t.autograd.grad(leaf(t, 1.0).exp(), t.ones(1)),
    "input that is not used": lambda t: t.autograd.grad(leaf(t, 1.0).exp(), leaf(t, 1.0)),
    "contradiction": lambda t: t.autograd.grad(
        leaf(t, 1.0).exp(), leaf(t, 1.0), materialize_grads=True, allow_unused=False
    ),
    "hook returns a number": _hook_error(on_tensor, lambda t: 3),
    "hook changes the shape": _hook_error(on_tensor, lambda t: t.ones(3)),
    "hook changes the dtype": _hook_error(on_tensor, lambda t: t.ones(1, dtype=t.float64)),
    "hook before returns no tuple": _hook_error(before, lambda t: t.ones(1)),
    "hook before returns too many": _hook_error(before, lambda t: (t.ones(1), t.ones(1))),
    "hook after returns no tuple": _hook_error(after, lambda t: t.ones(1)),
    "hook after returns too few": _hook_error(after, lambda t: ()),
    "hook without gradient": lambda t: t.ones(1).register_hook(print),
    "retained without gradient": lambda t: t.ones(1).retain_grad(),
    "accumulated, without gradient": lambda t: t.ones(1).register_post_accumulate_grad_hook(print),
    "accumulated, not a leaf": lambda t: leaf(t, 1.0).exp().register_post_accumulate_grad_hook(print),
    "accumulated, returns a number": lambda t: [
        x.register_post_accumulate_grad_hook(lambda x: 5) and x.sum().backward() for x in [leaf(t, 1.0)]
    ],
    "in-place on a leaf": lambda t: leaf(t, 1.0).mul_(2),
    "requires_grad of integers": lambda t: t.ones(1, dtype=t.int64, requires_grad=True),
    "requires_grad off in the middle": lambda t: leaf(t, 1.0).exp().requires_grad_(False),
    "gradcheck without inputs": lambda t: t.autograd.gradcheck(lambda x: x, (t.ones(1),)),
}


# ----- modes -----


def modes(t):
    seen = []
    with t.no_grad():
        seen.append(t.is_grad_enabled())
        with t.enable_grad():
            seen.append(t.is_grad_enabled())
        with t.inference_mode(False):
            seen.append(t.is_grad_enabled())
    with t.inference_mode():
        seen.append((t.is_grad_enabled(), t.is_inference_mode_enabled()))
        with t.inference_mode(False):
            seen.append((t.is_grad_enabled(), t.is_inference_mode_enabled()))
    with t.set_grad_enabled(False):
        seen.append(t.is_grad_enabled())
    t.set_grad_enabled(False)
    seen.append(t.is_grad_enabled())
    t.set_grad_enabled(True)
    try:
        with t.no_grad():
            raise KeyError
    except KeyError:
        seen.append(t.is_grad_enabled())
    return seen


def modes_as_decorators(t):
    @t.no_grad()
    def called():
        return t.is_grad_enabled()

    @t.no_grad
    def bare():
        return t.is_grad_enabled()

    @t.set_grad_enabled(False)
    def switched():
        return t.is_grad_enabled()

    return called(), bare(), bare.__name__, switched(), t.is_grad_enabled()


def modes_around_generators(t):
    log = []

    @t.no_grad()
    def numbers():
        try:
            try:
                log.append((yield t.is_grad_enabled()))
            except ValueError:
                log.append(t.is_grad_enabled())
            yield "caught"
        finally:
            log.append(("closed", t.is_grad_enabled()))

    g = numbers()
    log.append((next(g), t.is_grad_enabled()))
    log.append(g.throw(ValueError()))
    g.close()
    g = numbers()
    next(g)
    log.append(g.send("sent"))
    return log, list(numbers())[-1], log


def variables(t):
    x = leaf(t, 1.0)
    v, w = t.autograd.Variable(x), t.autograd.Variable(x * 2, requires_grad=True)
    v.mul_(3)
    return v, w, x, isinstance(x, t.autograd.Variable), isinstance(3, t.autograd.Variable), w.is_leaf


MODES = [modes, modes_as_decorators, modes_around_generators, variables]


# ----- custom functions -----


def _fn(forward, backward, use, **rest):
    """A program: what `use` makes of the custom function, and what `backward` returned it to."""
    return lambda t: use(t, custom(t, lambda *a: forward(t, *a), lambda *a: backward(t, *a), **rest))


def _dirty(t, ctx, x):
    x.add_(1)
    ctx.mark_dirty(x)
    return x


def _save(t, ctx, x):
    ctx.save_for_backward(x, None)
    return x * x


def _save_result(t, ctx, x):
    y = x.exp()
    ctx.save_for_backward(y)
    return y


def _two(t, ctx, x, y, scale=2):
    ctx.scale = scale
    return x * scale, y + x


def _log_gradients(t, ctx, *gs):
    return gs[0], gs[0] if gs[1] is None else gs[1], None


def _gradients(t, y, *xs):
    t.autograd.backward(y.sum())
    return [x.grad for x in xs]


def _dirty_use(t, f):
    x = leaf(t, 1.0, 2.0)
    h = x * 1
    y = f.apply(h)
    v = h[:1]
    base = x * 2
    part = base[1:]
    f.apply(part)
    return y is h, v, _gradients(t, h * h, x), part.requires_grad, _gradients(t, base, x)


def _saved_use(t, f):
    x = leaf(t, 2.0)
    h = x * 3
    y = f.apply(h)
    (g,) = t.autograd.grad(y.sum(), x, create_graph=True)
    return y.grad_fn.saved_tensors[0], g.detach(), t.autograd.grad(g.sum(), x)


def _twice(t, f):
    y = f.apply(leaf(t, 2.0)).sum()
    y.backward()
    y.backward()


def _written_after_saving(t, f):
    h = leaf(t, 2.0) * 1
    y = f.apply(h)
    h.mul_(2)
    y.sum().backward()


def _written_result(t, f):
    y = f.apply(leaf(t, 2.0))
    y.mul_(2)
    y.sum().backward()


def _as_is_use(t, f):
    x = leaf(t, 1.0, 2.0)
    y = f.apply(x)
    with t.no_grad():
        z = f.apply(x)
    return y is x, y, z is x, z, _gradients(t, y, x)


def _write_to_view(t, f):
    f.apply(leaf(t, 1.0, 2.0) * 1).mul_(2)


def _write_to_view_of_view(t, f):
    f.apply(leaf(t, 1.0, 2.0) * 1)[0].mul_(2)


def _write_to_base(t, f):
    h = leaf(t, 1.0, 2.0) * 1
    y = f.apply(h)
    h.mul_(2)
    return y + 1


def _write_to_view_without_grad(t, f):
    h = leaf(t, 1.0, 2.0) * 1
    y = f.apply(h)
    with t.no_grad():
        y.mul_(2)
    return h


def _use(*args):
    """Applies the function to leaves 1, 2, ... and the other arguments given, and returns gradients."""

    def use(t, f):
        xs = [leaf(t, 1.0, 2.0), leaf(t, 3.0, 4.0)]
        given = [xs[a] if type(a) is int else a for a in args]
        y = f.apply(*given)
        ys = y if isinstance(y, tuple) else (y,)
        sum(e.sum() for e in ys if hasattr(e, "sum") and e.requires_grad).backward()
        return [(e.requires_grad, e.grad_fn and e.grad_fn.name()) if hasattr(e, "sum") else e for e in ys], [
            x.grad for x in xs
        ]

    return use


def _mark(t, ctx, x):
    y, z = x * 2, x * 3
    ctx.mark_non_differentiable(z)
    return y, z, x > 1, 5, "text"


def _unmaterialized(t, ctx, x):
    ctx.set_materialize_grads(False)
    return x * 1, x * 2


def _only_second(t, f):
    x = leaf(t, 1.0)
    f.apply(x)[1].sum().backward()
    return x.grad


def _first_if_second_is_none(t, ctx, a, b):
    return b if a is None else a * 100


def _context(t, ctx, inputs, output):
    ctx.inputs = len(inputs)
    ctx.save_for_backward(inputs[0], output)


def _setup(t):
    class Power(t.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x, n=2):
            return x**n

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.grad = t.is_grad_enabled()
            ctx.n = inputs[1]
            ctx.save_for_backward(inputs[0])

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * ctx.n * x ** (ctx.n - 1), None

    x = leaf(t, 3.0)
    y, z = Power.apply(x), Power.apply(x, n=3)
    (y + z).sum().backward()
    return y.grad_fn.grad, y.grad_fn.n, z.grad_fn.n, x.grad


def _needs_input_grad(t):
    seen = []

    def forward(ctx, *args):
        seen.append((ctx.needs_input_grad, t.is_grad_enabled(), args[0].requires_grad))
        return args[0] * 1

    def backward(ctx, g):
        seen.append((ctx.needs_input_grad, t.is_grad_enabled()))
        return g, None, None

    f, x = custom(t, forward, backward), leaf(t, 1.0)
    f.apply(x, t.ones(1), 3).sum().backward()
    t.autograd.grad(f.apply(x, x, 3).sum(), x, create_graph=True)
    with t.no_grad():
        f.apply(x, t.ones(1), 3)
    return seen


def _by_keyword(t):
    f = custom(t, lambda ctx, a, b, k=2: a - b * k, lambda ctx, g: (g, -g))
    x, y = leaf(t, 3.0), leaf(t, 1.0)
    f.apply(b=y, a=x).sum().backward()
    return x.grad, y.grad


def _structure(t):
    f = custom(t, lambda ctx, x, n, c, w: (x * 1, w * 1), lambda ctx, a, b: (a, None, None, b))
    y, z = f.apply(leaf(t, 1.0), 3, t.ones(1), leaf(t, 2.0))
    seen = []
    y.grad_fn.register_hook(lambda inputs, outputs: seen.append((inputs, outputs)))
    (y + z * 2).sum().backward()
    return y.output_nr, z.output_nr, y.grad_fn is z.grad_fn, len(y.grad_fn.next_functions), repr(y), seen


def _vjp(t):
    body = {"forward": staticmethod(lambda ctx, x: x * 1), "vjp": staticmethod(lambda ctx, g: g * 3)}
    x = leaf(t, 1.0)
    type("Other", (t.autograd.Function,), body).apply(x).sum().backward()
    return x.grad


def _once(t):
    def backward(ctx, g):
        return g * 2

    f = custom(t, lambda ctx, x: x * 2, t.autograd.function.once_differentiable(backward))
    x, v = leaf(t, 1.0), leaf(t, 1.0)
    first = t.autograd.grad(f.apply(x), x, t.ones(1))
    (g,) = t.autograd.grad(f.apply(x), x, v, create_graph=True)
    try:
        g.sum().backward()
    except RuntimeError as error:
        return first, g.requires_grad, "once_differentiable" in str(error)
    return None


def _given_away(t):
    kept = []

    def backward(ctx, g):
        kept.append(g)
        return g

    x = leaf(t, 1.0)
    custom(t, lambda ctx, x: x * 1, backward).apply(x).sum().backward()
    x.grad.zero_()
    return kept


passes, twice, nothing = (lambda t, c, g: g), (lambda t, c, g: g * 2), (lambda t, c, x: x * 1)
as_is, part = (lambda t, ctx, x: x), (lambda t, ctx, x: x.view(2, 1))

FUNCTIONS = {
    "two outputs, an attribute": _fn(_two, _log_gradients, _use(0, 1, 5)),
    "written argument": _fn(_dirty, lambda t, ctx, g: g * 5, _dirty_use),
    "written leaf": _fn(_dirty, passes, _use(0)),
    "written, not returned": _fn(lambda t, ctx, x: _dirty(t, ctx, x) * 1, passes, _write_to_base),
    "saved": _fn(_save, lambda t, ctx, g: g * 2 * ctx.saved_tensors[0], _saved_use),
    "saved result": _fn(_save_result, lambda t, ctx, g: g * ctx.saved_tensors[0], _saved_use),
    "a second time": _fn(_save, lambda t, ctx, g: g * ctx.saved_tensors[0], _twice),
    "a second time, nothing saved": _fn(nothing, passes, _twice),
    "saved and then written": _fn(_save, lambda t, ctx, g: ctx.saved_tensors[0], _written_after_saving),
    "saved result, then written": _fn(_save_result, lambda t, ctx, g: ctx.saved_tensors[0], _written_result),
    "saves a number": _fn(lambda t, ctx, x: ctx.save_for_backward(3), passes, _use(0)),
    "argument as is": _fn(as_is, lambda t, ctx, g: g * 5, _as_is_use),
    "writes to an argument as is": _fn(as_is, passes, _write_to_view),
    "writes to a view": _fn(part, lambda t, ctx, g: g.view(2), _write_to_view),
    "writes to a view of a view": _fn(part, lambda t, ctx, g: g.view(2), _write_to_view_of_view),
    "writes to the base of a view": _fn(part, lambda t, ctx, g: g.view(2), _write_to_base),
    "writes to a view, no grad": _fn(as_is, passes, _write_to_view_without_grad),
    "marks": _fn(_mark, lambda t, ctx, *gs: gs[0], _use(0)),
    "missing gradients as None": _fn(_unmaterialized, _first_if_second_is_none, _only_second),
    "missing gradients as zeros": _fn(
        lambda t, ctx, x: (x * 1, x * 2), lambda t, ctx, a, b: a * 100 + b, _only_second
    ),
    "non-tensor argument": _fn(lambda t, ctx, x, n: x * n, lambda t, ctx, g: (g * 3, None), _use(0, 3.0)),
    "too few gradients": _fn(lambda t, ctx, x, y: x * y, passes, _use(0, 1)),
    "more gradients, all None": _fn(nothing, lambda t, ctx, g: (g, None, None), _use(0)),
    "too many gradients": _fn(nothing, lambda t, ctx, g: (g, g), _use(0)),
    "gradient of a number": _fn(lambda t, ctx, x, n: x * n, lambda t, ctx, g: (g, g), _use(0, 3.0)),
    "gradient that is a number": _fn(nothing, lambda t, ctx, g: 3, _use(0)),
    "gradient in a list": _fn(nothing, lambda t, ctx, g: [g], _use(0)),
    "gradient of a wrong shape": _fn(nothing, lambda t, ctx, g: t.ones(3), _use(0)),
    "gradient that is too small": _fn(nothing, lambda t, ctx, g: t.ones(1), _use(0)),
    "gradient that is summed": _fn(nothing, lambda t, ctx, g: t.ones(3, 2), _use(0)),
    "gradient of another dtype": _fn(nothing, lambda t, ctx, g: g.to(t.float64), _use(0)),
    "gradient of integers": _fn(nothing, lambda t, ctx, g: g.to(t.int64), _use(0)),
    "complex gradient": _fn(nothing, lambda t, ctx, g: g * 1j, _use(0)),
    "no gradient": _fn(lambda t, ctx, x, y: x * y, lambda t, ctx, g: (None, g), _use(0, 1)),
    "result in a list": _fn(lambda t, ctx, x: [x * 1], passes, lambda t, f: f.apply(leaf(t, 1.0))),
    "result that is a number": _fn(lambda t, ctx, x: 3, passes, lambda t, f: f.apply(leaf(t, 1.0))),
    "called": lambda t: custom(t, nothing, passes)()(leaf(t, 1.0)),
    "without forward": lambda t: type("Empty", (t.autograd.Function,), {}).apply(leaf(t, 1.0)),
    "without backward": lambda t: (
        type("Half", (t.autograd.Function,), {"forward": staticmethod(lambda ctx, x: x * 1)})
        .apply(leaf(t, 1.0))
        .sum()
        .backward()
    ),
    "backward and vjp": _fn(nothing, passes, _use(0), vjp=staticmethod(lambda ctx, g: g)),
    "setup_context": _setup,
    "needs_input_grad": _needs_input_grad,
    "keywords": _by_keyword,
    "structure": _structure,
    "vjp": _vjp,
    "once_differentiable": _once,
    "gradients that backward keeps": _given_away,
}

# ----- random programs -----


def keeps_grad(x):
    return x.is_leaf or x.retains_grad


STEPS = {
    "add": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "exp": lambda a, b: (a * 0.1).exp(),
    "transpose": lambda a, b: a.transpose(0, -1),
    "view": lambda a, b: a.view(-1),
    "rows": lambda a, b: a[1:] if len(a) > 1 else a * 3,
    "row": lambda a, b: a[0] if a.dim() > 1 else a * 1,
    "clone": lambda a, b: a.clone(),
    "detach": lambda a, b: a.detach(),
    "add_": lambda a, b: a.add_(b),
    "mul_": lambda a, b: a.mul_(b),
    "addcmul_": lambda a, b: a.addcmul_(b * 0.5, b * 2),
    "exp_": lambda a, b: a.mul_(0.1).exp_(),
    "sigmoid_": lambda a, b: a.sigmoid_(),
    "copy_": lambda a, b: a.copy_(b),
    "fill_": lambda a, b: a.fill_(0.5),
    "assign": lambda a, b: a.__setitem__(0, b.sum()),
    "retain": lambda a, b: a.retain_grad(),
    "backward": lambda a, b: a.sum().backward(retain_graph=True),
}


def random_program(t, seed):
    """A few steps on views of each other and copies, half of them in place; all values and gradients."""
    choose = random.Random(seed).choice
    pool = [
        t.tensor([[0.3, 0.5, 0.7], [0.4, 0.6, 0.8]], dtype=t.float64, requires_grad=True),
        t.tensor([[1.3, 1.5, 1.7], [1.4, 1.6, 1.8]], dtype=t.float64, requires_grad=True),
        t.tensor([[2.3, 2.5, 2.7], [2.4, 2.6, 2.8]], dtype=t.float64),
    ]
    pool += [x * 1 for x in pool]
    for _ in range(choose(range(3, 12))):
        a, b, step = choose(pool), choose(pool), choose(sorted(STEPS))
        try:
            result = STEPS[step](a, b)
        except RuntimeError:  # leaves, shapes
            continue
        if result is not None:
            pool.append(result)
    (pool[-1] * choose(pool).sum()).sum().backward()
    return [(x.detach(), x.requires_grad, x.is_leaf, x.grad if keeps_grad(x) else None) for x in pool]


@pytest.mark.parametrize("first", range(0, 600, 100))
def test_random_programs(first):
    compared = 0
    for seed in range(first, first + 100):
        expected = outcome(lambda t, seed=seed: random_program(t, seed), torch)
        found = outcome(lambda t, seed=seed: random_program(t, seed), flambeau)
        if (
            expected != "RuntimeError"
        ):  # PyTorch refuses more: a saved value's place may hold another one by now
            assert same(found, expected), (seed, found, expected)
            compared += 1
    assert compared > 20


PROGRAMS = {f.__name__: f for f in BACKWARD + HOOKS + MODES} | ERRORS | FUNCTIONS


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name):
    found, expected = outcome(PROGRAMS[name], flambeau), outcome(PROGRAMS[name], torch)
    assert same(found, expected), (found, expected)


@pytest.mark.parametrize("name", ERRORS)
def test_is_an_error(name):
    assert outcome(ERRORS[name], flambeau) in ("RuntimeError", "TypeError", "ValueError")
