"""`nn.Module` and its containers against PyTorch's: the same code runs on both and leaves equal traces."""

import copy
import pickle
from collections import OrderedDict

import pytest

import flambeau

torch = pytest.importorskip("torch")


def parts(t):
    """Some layers of the framework `t`."""

    class Scale(t.nn.Module):
        def __init__(self, size=2, bias=True):
            super().__init__()
            self.weight = t.nn.Parameter(t.arange(1.0, size + 1))
            if bias:
                self.bias = t.nn.Parameter(t.ones(size))
            else:
                self.register_parameter("bias", None)
            self.register_buffer("seen", t.zeros(()))
            self.register_buffer("scratch", t.zeros(1), persistent=False)

        def forward(self, x, shift=0):
            y = x * self.weight + shift
            return y if self.bias is None else y + self.bias

        def extra_repr(self):
            return f"size={len(self.weight)}"

    class Cube(t.nn.Module):
        def forward(self, x):
            return x * x * x

        def extra_repr(self):
            return "a line\nand another"

    class Net(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = Scale()
            self.body = t.nn.Sequential(OrderedDict(cube=Cube(), last=Scale(bias=False)))
            self.layers = t.nn.ModuleList([Cube(), Cube(), Scale(3), t.nn.Sequential()])
            self.by_name = t.nn.ModuleDict({"b": Cube(), "a": self.stem})
            self.extra = t.nn.ParameterList([t.zeros(2, 3), t.ones(1)])
            self.named = t.nn.ParameterDict({"z": t.zeros(()), "y": t.zeros(4)})
            self.gone = None
            self.register_module("none", None)

        def forward(self, x):
            return self.body(self.stem(x))

    return Scale, Cube, Net


def plain(value):
    """A value that compares across frameworks: tensors as lists, modules and classes by name."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if hasattr(value, "named_modules") or isinstance(value, type):
        return getattr(value, "__name__", type(value).__name__)
    return value


def trace(scenario, t):
    """What a scenario returned, or the class of what it raised."""
    log = []
    try:
        log.append(plain(scenario(t, log)))
    except Exception as error:
        log.append(type(error).__name__)
    return [plain(entry) for entry in log]


def both(scenario):
    mine, theirs = trace(scenario, flambeau), trace(scenario, torch)
    assert mine == theirs
    return mine


# ----- Models -----
MODELS = {
    "net": lambda t: parts(t)[2](),
    "empty": lambda t: t.nn.Sequential(),
    "deep": lambda t: t.nn.Sequential(t.nn.Sequential(parts(t)[1](), t.nn.ModuleList()), parts(t)[0]()),
    "repeated": lambda t: t.nn.ModuleList(
        [t.nn.Sequential(parts(t)[0]()) for _ in range(3)] + [parts(t)[0](3)]
    ),
    "shared": lambda t: t.nn.Sequential(*[parts(t)[0]()] * 3),
    "parameters": lambda t: t.nn.ParameterList([t.zeros(1), 3, t.nn.Parameter(t.zeros(2, 2))]),
    "one parameter": lambda t: t.nn.ParameterDict({"a": t.zeros(2, 1)}),
    "buffer": lambda t: _with_buffers(t),
}


def _with_buffers(t):
    m = t.nn.Module()
    m.a, m.b = t.nn.Buffer(t.zeros(1)), t.nn.Buffer(t.zeros(2), persistent=False)
    m.register_buffer("c", None)
    return m


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "look",
    [
        repr,
        lambda m: list(m.state_dict()),
        lambda m: m.state_dict(),
        lambda m: m.state_dict()._metadata,
        lambda m: list(m.state_dict(prefix="a.b.")),
        lambda m: [n for n, _ in m.named_parameters()],
        lambda m: [n for n, _ in m.named_parameters(prefix="p", recurse=False)],
        lambda m: [n for n, _ in m.named_parameters(remove_duplicate=False)],
        lambda m: [n for n, _ in m.named_buffers()],
        lambda m: [n for n, _ in m.named_children()],
        lambda m: [n for n, _ in m.named_modules()],
        lambda m: [n for n, _ in m.named_modules(prefix="x", remove_duplicate=False)],
        lambda m: list(m.modules()),
        lambda m: sum(p.numel() for p in m.parameters()),
        lambda m: [p.requires_grad for p in m.parameters()],
        lambda m: repr(copy.deepcopy(m)),
        lambda m: sorted({*dir(m)} & {*m._modules, *m._parameters, *m._buffers}),
        lambda m: [str(p.dtype) for p in m.double().parameters()],
        lambda m: m.load_state_dict(m.state_dict()),
        lambda m: repr(m.load_state_dict({"z": 1}, strict=False)),
    ],
)
def test_models_look_the_same(model, look):
    both(lambda t, log: look(MODELS[model](t)))


# ----- Errors -----
@pytest.mark.parametrize(
    "act",
    [
        lambda t, m: setattr(m, "weight", t.zeros(2)),
        lambda t, m: setattr(m, "weight", 3),
        lambda t, m: setattr(m, "seen", "x"),
        lambda t, m: setattr(m, "child", t.zeros(1)),
        lambda t, m: m.register_parameter("w", t.zeros(1)),
        lambda t, m: m.register_parameter("child", None),
        lambda t, m: m.register_parameter("a.b", None),
        lambda t, m: m.register_parameter("", None),
        lambda t, m: m.register_parameter(1, None),
        lambda t, m: m.register_buffer("weight", None),
        lambda t, m: m.register_buffer("x", 3),
        lambda t, m: m.register_buffer("a.b", None),
        lambda t, m: m.register_buffer("", None),
        lambda t, m: m.register_buffer(1, None),
        lambda t, m: m.add_module("x", 3),
        lambda t, m: m.add_module("a.b", None),
        lambda t, m: m.add_module("", None),
        lambda t, m: m.add_module(3, None),
        lambda t, m: m.add_module("forward", None),
        lambda t, m: m.nothing,
        lambda t, m: delattr(m, "nothing"),
        lambda t, m: m.get_submodule("child.x"),
        lambda t, m: m.get_submodule("weight"),
        lambda t, m: m.get_parameter("seen"),
        lambda t, m: m.get_parameter("x"),
        lambda t, m: m.get_buffer("weight"),
        lambda t, m: m.set_submodule("", m),
        lambda t, m: m.set_submodule("child", 1),
        lambda t, m: m.set_submodule("weight", m),
        lambda t, m: m.set_submodule("x", m, strict=True),
        lambda t, m: m.get_extra_state(),
        lambda t, m: m.set_extra_state(1),
        lambda t, m: m.train("yes"),
        lambda t, m: m.to(t.int32),
        lambda t, m: m.to("nowhere"),
        lambda t, m: m.to(t.float32, dtype=t.float32),
        lambda t, m: m.load_state_dict(3),
        lambda t, m: m.load_state_dict({}),
        lambda t, m: m.load_state_dict({"weight": t.zeros(3)}, strict=False),
        lambda t, m: m.load_state_dict({"weight": "x"}, strict=False),
        lambda t, m: m.load_state_dict({"weight": t.zeros(2, dtype=t.int64)}, strict=False, assign=True),
        lambda t, m: t.nn.Module(3),
        lambda t, m: t.nn.Module(a=3),
        lambda t, m: t.nn.Module()(3),
        lambda t, m: t.nn.Module()._forward_hooks["x"],
        lambda t, m: t.nn.Sequential(3),
        lambda t, m: t.nn.Sequential([m]),
        lambda t, m: t.nn.Sequential(m)[1],
        lambda t, m: t.nn.Sequential(m)["0"],
        lambda t, m: t.nn.Sequential(m) + 1,
        lambda t, m: t.nn.Sequential(m) * "a",
        lambda t, m: t.nn.Sequential(m) * -1,
        lambda t, m: t.nn.Sequential(m).insert(5, m),
        lambda t, m: t.nn.Sequential(m).insert(0, 3),
        lambda t, m: t.nn.Sequential(m).append(3),
        lambda t, m: t.nn.ModuleList(3),
        lambda t, m: t.nn.ModuleList([3]),
        lambda t, m: t.nn.ModuleList([m])[-2],
        lambda t, m: t.nn.ModuleList([m])[1.0],
        lambda t, m: t.nn.ModuleList([m]) + 3,
        lambda t, m: t.nn.ModuleList([m])(3),
        lambda t, m: t.nn.ModuleDict(3),
        lambda t, m: t.nn.ModuleDict([3]),
        lambda t, m: t.nn.ModuleDict([("a", m, m)]),
        lambda t, m: t.nn.ModuleDict({"a": 3}),
        lambda t, m: t.nn.ModuleDict({1: m}),
        lambda t, m: t.nn.ModuleDict({"keys": m}),
        lambda t, m: t.nn.ModuleDict()["a"],
        lambda t, m: t.nn.ModuleDict().pop("a"),
        lambda t, m: t.nn.ModuleDict().__delitem__("a"),
        lambda t, m: t.nn.ParameterList(3),
        lambda t, m: t.nn.ParameterList(t.zeros(2)),
        lambda t, m: t.nn.ParameterList([t.zeros(1)])[1],
        lambda t, m: t.nn.ParameterList()(3),
        lambda t, m: t.nn.ParameterDict(3),
        lambda t, m: t.nn.ParameterDict([3]),
        lambda t, m: t.nn.ParameterDict([("a", 1, 2)]),
        lambda t, m: t.nn.ParameterDict({1: t.zeros(1)}),
        lambda t, m: t.nn.ParameterDict()["a"],
        lambda t, m: t.nn.ParameterDict().pop("a"),
        lambda t, m: t.nn.ParameterDict().popitem(),
        lambda t, m: t.nn.ParameterDict()(3),
        lambda t, m: t.nn.Parameter(t.zeros(1, dtype=t.int64)),
        lambda t, m: m.register_full_backward_hook(print) and m.register_backward_hook(print),
        lambda t, m: m.register_backward_hook(print) and m.register_full_backward_hook(print),
    ],
)
def test_errors_have_the_same_class(act):
    def scenario(t, log):
        m = parts(t)[0]()
        m.child = t.nn.Sequential()
        act(t, m)

    assert both(scenario) != [None]


# ----- Registering -----
def registered(m):
    kinds = (m._parameters, m._buffers, m._modules, m._non_persistent_buffers_set)
    return [list(kind) for kind in kinds]


@pytest.mark.parametrize(
    "act",
    [
        lambda t, m: setattr(m, "weight", None),
        lambda t, m: setattr(m, "weight", t.nn.Parameter(t.zeros(5))),
        lambda t, m: setattr(m, "bias", t.nn.Parameter(t.zeros(5))),
        lambda t, m: setattr(m, "seen", t.nn.Parameter(t.zeros(5))),
        lambda t, m: setattr(m, "scratch", t.nn.Parameter(t.zeros(5))),
        lambda t, m: setattr(m, "scratch", t.zeros(7)),
        lambda t, m: setattr(m, "scratch", t.nn.Buffer(t.zeros(7))),
        lambda t, m: setattr(m, "seen", t.nn.Buffer(t.zeros(7), persistent=False)),
        lambda t, m: setattr(m, "scratch", None),
        lambda t, m: setattr(m, "scratch", m.child),
        lambda t, m: setattr(m, "child", None),
        lambda t, m: setattr(m, "child", t.nn.Parameter(t.zeros(1))),
        lambda t, m: setattr(m, "new", t.nn.Parameter(t.zeros(1))),
        lambda t, m: (setattr(m, "new", 1), setattr(m, "new", m.child)),
        lambda t, m: (setattr(m, "new", 1), setattr(m, "new", t.nn.Parameter(t.zeros(1)))),
        lambda t, m: delattr(m, "weight"),
        lambda t, m: delattr(m, "scratch"),
        lambda t, m: delattr(m, "child"),
        lambda t, m: m.register_buffer("scratch", t.zeros(1), persistent=True),
        lambda t, m: m.register_parameter("weight", None),
        lambda t, m: m.add_module("child", None),
    ],
)
def test_attributes_register_in_the_same_tables(act):
    def scenario(t, log):
        m = parts(t)[0]()
        m.child = t.nn.Sequential()
        act(t, m)
        return registered(m), sorted(set(vars(m)) & {"new", "child"})

    both(scenario)


def test_registration_hooks_see_the_same():
    def scenario(t, log):
        hooks = t.nn.modules.module
        note = [
            hooks.register_module_parameter_registration_hook(lambda m, name, p: log.append(("p", m, name))),
            hooks.register_module_buffer_registration_hook(lambda m, name, b: log.append(("b", m, name))),
            hooks.register_module_module_registration_hook(lambda m, name, c: log.append(("m", m, name))),
        ]
        parts(t)[2]()
        for handle in note:
            handle.remove()

    assert len(both(scenario)) > 10


# ----- Hooks -----
def watch(t, log, net):
    """Registers all sorts of hooks on all modules of `net` and everywhere."""

    def note(what):
        return lambda module, *args: log.append((what, module, *args))

    handles = []
    for module in net.modules():
        handles += [
            module.register_forward_pre_hook(note("pre")),
            module.register_forward_pre_hook(note("pre kwargs"), with_kwargs=True),
            module.register_forward_pre_hook(note("pre first"), prepend=True),
            module.register_forward_hook(note("post")),
            module.register_forward_hook(note("post kwargs"), with_kwargs=True, prepend=True),
            module.register_forward_hook(note("post always"), always_call=True),
            module.register_full_backward_pre_hook(note("backward pre")),
            module.register_full_backward_hook(note("backward")),
            module.register_full_backward_hook(note("backward first"), prepend=True),
        ]
    hooks = t.nn.modules.module
    handles += [
        hooks.register_module_forward_pre_hook(note("all pre")),
        hooks.register_module_forward_hook(note("all post"), with_kwargs=True),
        hooks.register_module_forward_hook(note("all always"), always_call=True),
        hooks.register_module_full_backward_pre_hook(note("all backward pre")),
        hooks.register_module_full_backward_hook(note("all backward")),
    ]
    return handles


def release(handles):
    for handle in handles:
        handle.remove()


def test_hooks_run_in_the_same_order_with_the_same_arguments():
    def scenario(t, log):
        net = parts(t)[2]()
        handles = watch(t, log, net)
        x = t.tensor([1.0, 2.0], requires_grad=True)
        try:
            net(x).sum().backward()
        finally:
            release(handles)
        count = len(log)
        net(x)
        assert len(log) == count
        return x.grad, [p.grad for p in net.parameters()]

    assert len(both(scenario)) > 50


def test_hooks_run_the_same_when_forward_fails():
    def scenario(t, log):
        net = t.nn.Sequential(parts(t)[0](), parts(t)[0](3))
        handles = watch(t, log, net)
        try:
            net(t.ones(2))
        finally:
            release(handles)

    assert both(scenario)[-1] == "RuntimeError"


@pytest.mark.parametrize(
    "given", [lambda g: (g[0] * 2,), lambda g: None, lambda g: (g[0], g[0]), lambda g: ()]
)
@pytest.mark.parametrize("kind", ["register_full_backward_hook", "register_full_backward_pre_hook"])
def test_what_a_backward_hook_returns_counts_the_same(given, kind):
    def scenario(t, log):
        m, x = parts(t)[0](), t.ones(2, requires_grad=True)
        getattr(m, kind)(lambda module, grads, *rest: given(grads))
        m(x).sum().backward()
        return x.grad, m.weight.grad

    both(scenario)


@pytest.mark.parametrize(
    "answer", [lambda a, k: None, lambda a, k: ((a[0] * 2,), {"shift": 5}), lambda a, k: 3]
)
def test_what_a_pre_hook_returns_counts_the_same(answer):
    def scenario(t, log):
        m = parts(t)[0]()
        m.register_forward_pre_hook(lambda module, args, kwargs: answer(args, kwargs), with_kwargs=True)
        m.register_forward_pre_hook(lambda module, args: args[0] + 1)
        return m(t.ones(2), shift=1)

    both(scenario)


def test_backward_hooks_of_many_inputs_and_outputs():
    class Many:
        def forward(self, x, text, y, z):
            return x * y, text, z + 1, z

    def scenario(t, log):
        m = type("ManyModule", (Many, t.nn.Module), {})()
        m.register_full_backward_pre_hook(lambda module, out: log.append(out))
        m.register_full_backward_hook(lambda module, into, out: log.append((into, out)))
        x, z = t.ones(2, requires_grad=True), t.ones(2, requires_grad=True)
        a, _, b, c = m(x, "text", t.full((2,), 3.0), z)
        (a.sum() * 2 + c.sum()).backward()
        return x.grad, z.grad, b.requires_grad

    both(scenario)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_backward_hooks_without_gradients_of_inputs():
    def scenario(t, log):
        m = parts(t)[0]()
        m.register_full_backward_hook(lambda module, into, out: log.append((into, out)))
        m(t.ones(2)).sum().backward()
        m.register_full_backward_hook(lambda module, into, out: out)
        m(t.ones(2)).sum().backward()

    both(scenario)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_hook_of_the_last_operation():
    def scenario(t, log):
        m = type("Triple", (t.nn.Module,), {"forward": lambda self, x: x * 3})()
        m.register_backward_hook(lambda module, into, out: log.append((into[0], out)))
        x = t.ones(2, requires_grad=True)
        m(x).sum().backward()
        return x.grad

    both(scenario)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["register_full_backward_hook", "register_backward_hook"])
@pytest.mark.parametrize(
    ("forward", "use"),
    [
        (lambda x: x * 3, lambda m, x: m(x)),
        (lambda x: x * 3, lambda m, x: m(x * 2).add_(1)),
        (lambda x: x * 3, lambda m, x: m(x * 2).mul_(5)),
        (lambda x: x.mul_(3), lambda m, x: m(x * 2)),
        (lambda x: x * 3, lambda m, x: m(m(x))),
        (lambda x: {"y": x * 3}, lambda m, x: m(x)["y"]),
        (lambda x: [x * 3, x], lambda m, x: m(x)[0]),
        (lambda xs: xs[0] * 3, lambda m, x: m([x])),
        (lambda x, y: x * y, lambda m, x: m(x, y=x)),
        (lambda x, y: x * 3, lambda m, x: m(x, x * 2)),
        (lambda x: x, lambda m, x: m(x * 2)),
        (lambda x: x.detach(), lambda m, x: m(x) + x),
        (lambda x: (x * 3, x + 1, 7), lambda m, x: m(x)[1]),
    ],
)
def test_backward_hooks_of_all_sorts_of_forward(kind, forward, use):
    full = kind == "register_full_backward_hook"

    def scenario(t, log):
        m, x = t.nn.Module(), t.ones(2, requires_grad=True)
        m.forward = forward
        getattr(m, kind)(lambda module, into, out: log.append((into if full else None, out)))
        y = use(m, x)
        log.append(y.grad_fn.name() if full else None)
        x.register_hook(lambda g: log.append(("x", g)))
        y.register_hook(lambda g: log.append(("y", g)))
        y.sum().backward()
        return x.grad

    both(scenario)


def test_backward_hooks_stay_out_of_gradients_of_weights_alone():
    def scenario(t, log):
        m = parts(t)[0]()
        m.register_full_backward_hook(lambda *args: log.append("hook"))
        return t.autograd.grad(m(t.ones(2, requires_grad=True)).sum(), m.weight)

    both(scenario)


# ----- State -----
def test_state_hooks_see_the_same():
    def scenario(t, log):
        source, net = parts(t)[2](), parts(t)[2]()
        for module in [*source.modules(), *net.modules()]:
            module.register_state_dict_pre_hook(lambda m, prefix, keep: log.append(("pre", m, prefix, keep)))
            module.register_state_dict_post_hook(
                lambda m, state, prefix, meta: log.append(("post", m, list(state), prefix, meta))
            )
            module.register_load_state_dict_pre_hook(
                lambda m, state, prefix, meta, strict, missing, unexpected, errors: log.append(
                    ("load", m, list(state), prefix, strict, missing, unexpected, errors)
                )
            )
            module.register_load_state_dict_post_hook(lambda m, keys: log.append(("loaded", m, keys)))
        state = source.state_dict()
        del state["body.last.weight"]
        state["body.first.weight"] = t.zeros(1)
        return net.load_state_dict(state, strict=False)

    def sorted_by_kind(log):  # all modules are asked first and written to afterwards, so the kinds don't mix
        return sorted(log[:-1], key=lambda entry: entry[0] == "loaded")

    mine, theirs = trace(scenario, flambeau), trace(scenario, torch)
    assert sorted_by_kind(mine) == sorted_by_kind(theirs) and mine[-1] == theirs[-1]


@pytest.mark.parametrize("assign", [False, True])
def test_loading_gives_the_same_module(assign):
    def scenario(t, log):
        source, net = parts(t)[2](), parts(t)[2]()
        net.layers.requires_grad_(False)
        with t.no_grad():
            for p in source.parameters():
                p.add_(1)
        state = source.double().state_dict()
        state["body.last.seen"] = t.tensor([4.0])
        log.append(net.load_state_dict(state, assign=assign))
        tensors = [*net.named_parameters(), *net.named_buffers()]
        return [(name, p, p.requires_grad, str(p.dtype), type(p).__name__) for name, p in tensors]

    both(scenario)


def test_extra_state_goes_the_same_way():
    def scenario(t, log):
        class Counter(t.nn.Module):
            count = 0

            def get_extra_state(self):
                return self.count

            def set_extra_state(self, state):
                self.count = state

        net = t.nn.Sequential(Counter(), parts(t)[0]())
        net[0].count = 3
        state = net.state_dict()
        log.append(state)
        net[0].count = 0
        log.append(net.load_state_dict(state))
        log.append(t.nn.Sequential(Counter()).load_state_dict({}, strict=False))
        log.append(t.nn.Sequential(parts(t)[0]()).load_state_dict({"0._extra_state": 3}, strict=False))
        return net[0].count

    both(scenario)


def test_a_class_that_loads_older_versions():
    def scenario(t, log):
        class New(parts(t)[0]):
            _version = 3

            def _load_from_state_dict(self, state, prefix, metadata, *rest):
                log.append((prefix, metadata.get("version")))
                if prefix + "gain" in state:
                    state[prefix + "weight"] = state.pop(prefix + "gain")
                super()._load_from_state_dict(state, prefix, metadata, *rest)

        net = t.nn.Sequential(New())
        log.append(net.load_state_dict(net.state_dict()))
        log.append(net.load_state_dict({"0.gain": t.zeros(2)}, strict=False))
        return net.state_dict()

    both(scenario)


# ----- Conversion, copies -----
@pytest.mark.parametrize(
    "convert",
    [
        lambda t, m: m.half(),
        lambda t, m: m.bfloat16(),
        lambda t, m: m.double().float(),
        lambda t, m: m.cpu(),
        lambda t, m: m.type(t.float64),
        lambda t, m: m.to(t.float64),
        lambda t, m: m.to("cpu", t.float16),
        lambda t, m: m.to(device="cpu", dtype=t.float64, non_blocking=True),
        lambda t, m: m.to(t.zeros(1, dtype=t.float64)),
        lambda t, m: m.to(None),
        lambda t, m: m.requires_grad_(False),
        lambda t, m: m.zero_grad(),
        lambda t, m: m.zero_grad(set_to_none=False),
        lambda t, m: copy.deepcopy(m),
    ],
)
def test_conversions_do_the_same(convert):
    def scenario(t, log):
        m = parts(t)[0]()
        m.register_buffer("count", t.zeros(1, dtype=t.int64))
        m(t.ones(2)).sum().backward()
        p = m.weight
        out = convert(t, m) or m
        log.append((out is m, out.weight is p))
        for name, value in [*out.named_parameters(), *out.named_buffers()]:
            grad = None if value.grad is None else (value.grad, str(value.grad.dtype))
            log.append((name, value, str(value.dtype), value.requires_grad, grad))

    both(scenario)


def test_a_pickled_parameter_is_the_same():
    def scenario(t, log):
        p = pickle.loads(pickle.dumps(t.nn.Parameter(t.ones(2), requires_grad=False)))
        return p, type(p).__name__, p.requires_grad, repr(p)

    both(scenario)


# ----- Containers -----
@pytest.mark.parametrize("kind", ["Sequential", "ModuleList"])
@pytest.mark.parametrize(
    "act",
    [
        lambda c, m: c.append(m),
        lambda c, m: c.extend([m, m]),
        lambda c, m: c.insert(0, m),
        lambda c, m: c.insert(3, m),
        lambda c, m: c.pop(1),
        lambda c, m: c.pop(-1),
        lambda c, m: c.__setitem__(-1, m),
        lambda c, m: c.__delitem__(0),
        lambda c, m: c.__delitem__(slice(0, 3, 2)),
        lambda c, m: c.__iadd__(type(c)()),
        lambda c, m: [*c[1:], c[-1], len(c[::2])],
    ],
)
def test_sequences_of_modules_change_alike(kind, act):
    def scenario(t, log):
        layers = [parts(t)[1](), parts(t)[0](), t.nn.Sequential()]
        c = t.nn.Sequential(*layers) if kind == "Sequential" else t.nn.ModuleList(layers)
        answer = act(c, parts(t)[0](5))
        log.append(list(answer) if isinstance(answer, list) else None)
        return repr(c), list(c._modules), repr(c[0:2]), repr(c + c)

    both(scenario)


def test_arithmetic_of_sequential():
    def scenario(t, log):
        s = t.nn.Sequential(parts(t)[1](), parts(t)[0]())
        log.extend([repr(s * 2), repr(2 * s), repr(s + s)])
        s *= 3
        s += t.nn.Sequential(parts(t)[0](9))
        return repr(s)

    both(scenario)


def test_dicts_of_modules_and_parameters():
    def scenario(t, log):
        d = t.nn.ModuleDict([("b", parts(t)[1]()), ("a", parts(t)[0]())])
        d.update({"c": parts(t)[1](), "a": parts(t)[1]()})
        d.update(t.nn.ModuleDict({"d": parts(t)[1]()}))
        log.append((list(d), list(d.values()), repr(d.pop("b")), "a" in d, len(d), repr(d)))
        p = t.nn.ParameterDict({"b": t.zeros(1), "a": 3})
        p.update(OrderedDict(z=t.zeros(2), c=t.zeros(1)))
        q = p.copy() | t.nn.ParameterDict([("a", t.ones(1))])
        log.append(
            (list(p), list(q), repr(p), repr(q), list(reversed(q)), p.setdefault("a", 5), p.get("n", 7))
        )
        log.append((q.popitem()[0], q.pop("b"), list(p.fromkeys("xy", 1).items()), list(q.state_dict())))
        q.clear()
        return len(q), [n for n, _ in p.named_parameters()]

    both(scenario)
