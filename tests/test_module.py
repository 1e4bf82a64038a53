"""`nn.Module`: what is registered, how it is called, how its state goes out and in; and its containers."""

import copy
import gc
import io
import pickle
import traceback
import weakref
from collections import OrderedDict

import pytest

import flambeau as torch
from flambeau import nn
from flambeau.nn.modules import module as module_hooks


class Scale(nn.Module):
    """A layer with a parameter, a buffer and a buffer that is not saved."""

    def __init__(self, size=2):
        super().__init__()
        self.weight = nn.Parameter(torch.full((size,), 2.0))
        self.register_buffer("calls", torch.zeros(1))
        self.register_buffer("scratch", torch.zeros(1), persistent=False)

    def forward(self, x):
        return x * self.weight

    def extra_repr(self):
        return f"size={self.weight.shape[0]}"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = Scale()
        self.rest = nn.Sequential(Scale(), Scale())

    def forward(self, x):
        return self.rest(self.first(x))


class Plus(nn.Module):
    def forward(self, x, y=0):
        return x + y


def names(pairs):
    return [name for name, _ in pairs]


# ----- Parameters and buffers -----
def test_a_parameter_is_a_leaf_on_the_memory_of_its_data():
    data = torch.zeros(2)
    p = nn.Parameter(data)
    assert isinstance(p, torch.Tensor) and p.requires_grad and p.is_leaf
    data.add_(1)
    assert p.tolist() == [1, 1]
    assert nn.Parameter().shape == (0,)
    assert not nn.Parameter(data, requires_grad=False).requires_grad
    assert type(p * 2) is torch.Tensor


def test_a_parameter_of_a_parameter_has_no_history():
    p = nn.Parameter(torch.ones(2))
    assert nn.Parameter(p * 2).is_leaf


def test_parameter_errors():
    with pytest.raises(TypeError, match="data must be a Tensor, got list"):
        nn.Parameter([1.0])
    with pytest.raises(TypeError, match="requires_grad must be a bool, got None"):
        nn.Parameter(torch.zeros(2), requires_grad=None)
    with pytest.raises(RuntimeError, match="floating point"):
        nn.Parameter(torch.zeros(2, dtype=torch.int64))
    assert nn.Parameter(torch.zeros(2, dtype=torch.int64), requires_grad=False).dtype is torch.int64


def test_the_text_of_a_parameter():
    assert repr(nn.Parameter(torch.zeros(1))) == "Parameter containing:\ntensor([0.], requires_grad=True)"


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_copies_of_parameters_and_buffers_keep_their_class(clone):
    p = clone(nn.Parameter(torch.ones(2), requires_grad=False))
    assert type(p) is nn.Parameter and not p.requires_grad and p.tolist() == [1, 1]
    b = clone(nn.Buffer(torch.ones(2), persistent=False))
    assert type(b) is nn.Buffer and b.persistent is False and b.tolist() == [1, 1]


def test_a_buffer_object_registers_itself():
    m = nn.Module()
    m.kept, m.dropped = nn.Buffer(torch.ones(1)), nn.Buffer(torch.ones(1), persistent=False)
    assert names(m.named_buffers()) == ["kept", "dropped"]
    assert list(m.state_dict()) == ["kept"]


# ----- Registering -----
def test_attributes_are_registered_by_kind():
    m = Scale()
    m.child = Plus()
    assert names(m.named_parameters()) == ["weight"]
    assert names(m.named_buffers()) == ["calls", "scratch"]
    assert names(m.named_children()) == ["child"]
    assert {"weight", "calls", "child", "forward"} <= set(dir(m))


def test_a_name_changes_its_kind():
    m = Scale()
    m.calls = nn.Parameter(torch.ones(1))
    assert names(m.named_parameters()) == ["weight", "calls"] and "calls" not in m._buffers
    m.plain = 3
    m.plain = Plus()
    assert names(m.named_children()) == ["plain"] and "plain" not in vars(m)
    m.scratch = Plus()
    assert not m._non_persistent_buffers_set
    del m.plain, m.calls, m.weight
    assert names(m.named_children()) == ["scratch"] and not list(m.parameters())
    with pytest.raises(AttributeError, match="no attribute 'weight'"):
        _ = m.weight


def test_a_buffer_stays_one_under_assignment():
    m = Scale()
    m.scratch = torch.ones(3)
    assert m._buffers["scratch"].tolist() == [1, 1, 1] and list(m.state_dict()) == ["weight", "calls"]
    m.calls = None
    assert list(m.state_dict()) == ["weight"] and "calls" in m._buffers


def test_assigning_none_keeps_the_place():
    m = Scale()
    m.weight = None
    assert m.weight is None and list(m._parameters) == ["weight"] and not list(m.parameters())
    m.weight = nn.Parameter(torch.ones(2))
    m.child = Plus()
    m.child = None
    assert m.child is None and not list(m.children()) and repr(m).endswith("(child): None\n)")


@pytest.mark.parametrize(
    ("error", "match", "act"),
    [
        (TypeError, "parameter 'weight'", lambda m: setattr(m, "weight", torch.ones(2))),
        (TypeError, "buffer 'calls'", lambda m: setattr(m, "calls", 1)),
        (TypeError, "child module 'child'", lambda m: setattr(m, "child", 1)),
        (TypeError, "parameter 'w'", lambda m: m.register_parameter("w", torch.ones(1))),
        (TypeError, "buffer 'b'", lambda m: m.register_buffer("b", [1])),
        (TypeError, "module 'm'", lambda m: m.add_module("m", int)),
        (TypeError, "name should be a string, got int", lambda m: m.register_parameter(1, None)),
        (TypeError, "name should be a string", lambda m: m.register_buffer(None, None)),
        (TypeError, "name should be a string", lambda m: m.add_module(0, None)),
        (KeyError, "can't contain '.'", lambda m: m.register_parameter("a.b", None)),
        (KeyError, "can't contain '.'", lambda m: m.register_buffer("a.b", None)),
        (KeyError, "can't contain '.'", lambda m: m.add_module("a.b", None)),
        (KeyError, "empty string", lambda m: m.register_parameter("", None)),
        (KeyError, "'weight' already exists", lambda m: m.register_buffer("weight", None)),
        (KeyError, "'forward' already exists", lambda m: m.add_module("forward", None)),
        (KeyError, "'calls' already exists", lambda m: m.register_module("calls", Plus())),
    ],
)
def test_registering_errors(error, match, act):
    m = Scale()
    m.child = Plus()
    before = list(m.state_dict()), names(m.named_modules())
    with pytest.raises(error, match=match):
        act(m)
    assert (list(m.state_dict()), names(m.named_modules())) == before


def test_a_parameter_must_be_a_leaf():
    grown = nn.Parameter(torch.ones(2), requires_grad=False)
    grown.mul_(torch.ones(2, requires_grad=True))
    with pytest.raises(ValueError, match="non-leaf"):
        nn.Module().register_parameter("w", grown)


@pytest.mark.parametrize("value", [nn.Parameter(torch.ones(1)), Plus(), nn.Buffer(torch.ones(1))])
def test_assignment_before_init(value):
    class Early(nn.Module):
        def __init__(self):
            self.part = value

    with pytest.raises(AttributeError, match=r"before Module.__init__\(\) call"):
        Early()


def test_init_takes_no_arguments_unless_it_passes_them_on():
    with pytest.raises(TypeError, match="unexpected keyword argument 'size'"):
        nn.Module(size=3)
    with pytest.raises(TypeError, match="3 were given"):
        nn.Module(1, 2)

    class Sized:
        def __init__(self, size):
            self.size = size

    class Both(nn.Module, Sized):
        call_super_init = True

    assert Both(3).size == 3


def test_a_property_reports_its_own_error():
    class Broken(nn.Module):
        @property
        def width(self):
            return self.missing

    with pytest.raises(AttributeError, match="'missing'"):
        _ = Broken().width
    assert not hasattr(Broken(), "width")


def test_registration_hooks_may_replace():
    seen = []

    def double(module, name, p):
        seen.append(name)
        return nn.Parameter(p.detach() * 2)

    with module_hooks.register_module_parameter_registration_hook(double):
        m = Scale()
    with module_hooks.register_module_buffer_registration_hook(lambda module, name, b: seen.append(name)):
        m.register_buffer("extra", torch.zeros(1))
    with module_hooks.register_module_module_registration_hook(lambda module, name, child: seen.append(name)):
        nn.Sequential(m)
        m.child = Plus()
    m.other = nn.Parameter(torch.ones(1))
    assert seen == ["weight", "extra", "0", "child"] and m.weight.tolist() == [4, 4]


# ----- Looking up and walking -----
def test_lookup_by_path():
    net = Net()
    assert net.get_submodule("") is net
    assert net.get_submodule("rest.1") is net.rest[1]
    assert net.get_parameter("rest.0.weight") is net.rest[0].weight
    assert net.get_buffer("first.scratch") is net.first.scratch
    net.set_submodule("rest.1", Plus())
    net.set_submodule("fresh", Plus())
    assert isinstance(net.rest[1], Plus) and isinstance(net.fresh, Plus)


@pytest.mark.parametrize(
    ("error", "act"),
    [
        (AttributeError, lambda net: net.get_submodule("rest.7")),
        (AttributeError, lambda net: net.get_submodule("first.weight")),
        (AttributeError, lambda net: net.get_parameter("first.calls")),
        (AttributeError, lambda net: net.get_parameter("first.none")),
        (AttributeError, lambda net: net.get_buffer("first.weight")),
        (AttributeError, lambda net: net.set_submodule("nothing.here", Plus())),
        (AttributeError, lambda net: net.set_submodule("first.weight", Plus())),
        (AttributeError, lambda net: net.set_submodule("fresh", Plus(), strict=True)),
        (ValueError, lambda net: net.set_submodule("", Plus())),
        (ValueError, lambda net: net.set_submodule("first", 1)),
    ],
)
def test_lookup_errors(error, act):
    with pytest.raises(error):
        act(Net())


def test_shared_parts_are_walked_once():
    shared = Scale()
    net = nn.Sequential(shared, nn.Sequential(shared), Scale())
    net[2].weight = shared.weight
    assert names(net.named_modules()) == ["", "0", "1", "2"]
    assert names(net.named_modules(remove_duplicate=False)) == ["", "0", "1", "1.0", "2"]
    assert names(net.named_parameters()) == ["0.weight"]
    assert names(net.named_parameters("net", remove_duplicate=False)) == [
        "net.0.weight",
        "net.1.0.weight",
        "net.2.weight",
    ]
    assert len(list(nn.Sequential(shared, shared).children())) == 1
    assert names(net.named_buffers(recurse=False)) == [] and len(list(net.buffers())) == 4


# ----- Modes -----
def test_apply_visits_children_first():
    order = []
    net = Net()
    assert net.apply(order.append) is net
    assert order == [net.first, *net.rest, net.rest, net]


def test_train_and_eval():
    net = Net()
    assert net.eval() is net and not any(m.training for m in net.modules())
    net.rest.train()
    assert [m.training for m in net.modules()] == [False, False, True, True, True]
    with pytest.raises(ValueError, match="boolean"):
        net.train(1)


def test_requires_grad_and_zero_grad():
    net = Net()
    net(torch.ones(2)).sum().backward()
    grad = net.first.weight.grad
    net.zero_grad(set_to_none=False)
    assert net.first.weight.grad is grad and grad.tolist() == [0, 0]
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    assert net.requires_grad_(False) is net and not any(p.requires_grad for p in net.parameters())


# ----- Conversion -----
@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "float32"])
def test_casts_change_floats_only(dtype):
    net = Net()
    net.register_buffer("count", torch.zeros(1, dtype=torch.int64))
    p = net.first.weight
    cast = {"float64": "double", "float16": "half", "float32": "float"}.get(dtype, dtype)
    assert getattr(net, cast)() is net
    wanted = getattr(torch, dtype)
    assert net.first.weight is p and {p.dtype for p in net.parameters()} == {wanted}
    assert net.first.calls.dtype is wanted and net.count.dtype is torch.int64


def test_to_has_many_forms():
    p = torch.zeros(1, dtype=torch.float64)
    forms = [
        ((torch.float64,), {}),
        (("cpu", torch.float64), {}),
        ((), {"dtype": torch.float64}),
        ((torch.device("cpu"),), {"dtype": torch.float64, "non_blocking": True}),
        ((p,), {}),
        ((), {"tensor": p}),
        ((torch.float64, True), {}),
    ]
    for args, kwargs in forms:
        assert Scale().to(*args, **kwargs).weight.dtype is torch.float64
    assert Scale().to("cpu").weight.dtype is Scale().to(None).weight.dtype is torch.float32
    assert Scale().type(torch.float64).calls.dtype is torch.float64


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((torch.int64,), {}),
        (("cpu", 3), {}),
        (("cpu", torch.float32, False, 1), {}),
        ((torch.float32,), {"dtype": torch.float32}),
        ((), {"dtyp": torch.float32}),
    ],
)
def test_to_errors(args, kwargs):
    m = Scale()
    with pytest.raises(TypeError):
        m.to(*args, **kwargs)
    assert m.weight.dtype is torch.float32


def test_conversion_takes_gradients_along():
    m = Scale()
    m(torch.ones(2)).sum().backward()
    m.double()
    assert m.weight.grad.dtype is torch.float64
    m(torch.ones(2, dtype=torch.float64)).sum().backward()
    assert m.weight.grad.tolist() == [2, 2]


def test_to_empty_keeps_shapes():
    m = Scale(3).to_empty(device="cpu")
    assert m.weight.shape == (3,) and isinstance(m.weight, nn.Parameter)


# ----- Calling -----
def test_forward_is_wanted():
    with pytest.raises(NotImplementedError, match=r'\[Module\] is missing the required "forward" function'):
        nn.Module()(1)


def test_forward_hooks_see_and_replace():
    m = Plus()
    m.register_forward_pre_hook(lambda module, args: args[0] * 10)
    m.register_forward_hook(lambda module, args, out: out + args[0])
    assert m(torch.ones(1)).item() == 20


def test_hooks_with_kwargs():
    m, seen = Plus(), []
    m.register_forward_pre_hook(lambda module, args, kwargs: (args, {"y": kwargs["y"] * 2}), with_kwargs=True)
    m.register_forward_hook(lambda module, args, kwargs, out: seen.append((kwargs, out)), with_kwargs=True)
    m(1, y=2)
    assert seen == [({"y": 4}, 5)]
    m.register_forward_pre_hook(lambda module, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match="pair"):
        m(1, y=2)


def test_the_order_of_hooks_and_their_removal():
    m, seen = Plus(), []

    def note(text):
        return lambda *args: seen.append(text)

    handles = [
        m.register_forward_pre_hook(note("pre")),
        m.register_forward_pre_hook(note("pre first"), prepend=True),
        m.register_forward_hook(note("post"), with_kwargs=True),
        m.register_forward_hook(note("post first"), prepend=True, always_call=True),
        module_hooks.register_module_forward_pre_hook(note("global pre")),
        module_hooks.register_module_forward_hook(note("global post"), with_kwargs=True, always_call=True),
    ]
    m(1)
    assert seen == ["global pre", "pre first", "pre", "global post", "post first", "post"]
    for handle in handles:
        handle.remove()
        handle.remove()
    m(1)
    assert len(seen) == 6
    tables = [v for name, v in vars(m).items() if "hook" in name]
    assert not any(tables)


def test_a_handle_is_a_context():
    m, seen = Plus(), []
    with m.register_forward_hook(lambda *args: seen.append(1)):
        m(1)
    m(1)
    assert seen == [1]


def test_always_called_hooks_run_after_a_failure():
    m, seen = Plus(), []
    m.register_forward_hook(lambda module, args, out: seen.append("never"))
    m.register_forward_hook(lambda module, args, out: seen.append(out), always_call=True)
    handle = module_hooks.register_module_forward_hook(
        lambda module, args, kwargs, out: seen.append(kwargs), with_kwargs=True, always_call=True
    )
    with handle, pytest.raises(TypeError):
        m(1, y="a")
    assert seen == [{"y": "a"}, None]


def test_an_always_called_hook_that_fails_too_only_warns():
    def bad(module, args, out):
        raise KeyError("bad hook")

    m = Plus()
    m.register_forward_hook(bad, always_call=True)
    with pytest.raises(TypeError), pytest.warns(UserWarning, match="bad hook"):
        m(1, "a")
    with pytest.raises(KeyError):
        m(1)


# ----- Backward hooks -----
def test_full_backward_hooks():
    m, seen = Scale(), []
    m.register_full_backward_pre_hook(lambda module, grads: seen.append(("out", grads[0].tolist())))
    m.register_full_backward_hook(
        lambda module, into, out: seen.append(("in", into[0].tolist(), out[0].tolist()))
    )
    x = torch.ones(2, requires_grad=True)
    (m(x) * 3).sum().backward()
    assert seen == [("out", [3, 3]), ("in", [6, 6], [3, 3])]
    assert x.grad.tolist() == [6, 6] and m.weight.grad.tolist() == [3, 3]


def test_backward_hooks_replace_gradients():
    m = Scale()
    m.register_full_backward_pre_hook(lambda module, grads: grads[0] * 10)
    m.register_full_backward_hook(lambda module, into, out: (into[0] + 1,))
    m.register_full_backward_hook(lambda module, into, out: (into[0] * 2,), prepend=True)
    x = torch.ones(2, requires_grad=True)
    m(x).sum().backward()
    assert x.grad.tolist() == [41, 41] and m.weight.grad.tolist() == [10, 10]


def test_backward_hooks_of_several_inputs_and_outputs():
    class Two(nn.Module):
        def forward(self, x, flag, y):
            return x * y, flag, y.detach(), x + 1

    m, seen = Two(), []
    m.register_full_backward_hook(lambda module, into, out: seen.append((into, out)))
    x, y = torch.ones(2, requires_grad=True), torch.full((2,), 3.0)
    first, *_ = m(x, "flag", y)
    first.sum().backward()
    (into, out), *more = seen
    assert not more
    assert [None if g is None else g.tolist() for g in into] == [[3, 3], None, [0, 0]]
    assert [None if g is None else g.tolist() for g in out] == [[1, 1], None, None, None]


def test_a_named_tuple_passes_backward_hooks():
    from typing import NamedTuple

    class Pair(NamedTuple):
        a: object
        b: object

    class Two(nn.Module):
        def forward(self, x):
            return Pair(x * 2, x * 3)

    m, seen = Two(), []
    m.register_full_backward_hook(lambda module, into, out: seen.append(into[0].item()))
    out = m(torch.ones(1, requires_grad=True))
    assert type(out) is Pair
    (out.a + out.b).backward()
    assert seen == [5]


def test_backward_hooks_without_gradients_of_inputs():
    m, seen = Scale(), []
    m.register_full_backward_hook(lambda module, into, out: seen.append((into, out[0].tolist())))
    out = m(torch.ones(2)).sum()
    with pytest.warns(UserWarning, match="no input requires gradients"):
        out.backward()
    assert seen == [((None,), [1, 1])]
    with torch.no_grad():
        m(torch.ones(2))
    assert len(seen) == 1


def test_backward_hook_errors():
    m = Scale()
    m.register_full_backward_hook(lambda module, into, out: (1, 2))
    out = m(torch.ones(2, requires_grad=True)).sum()
    with pytest.raises(RuntimeError, match="got 2, expected 1"):
        out.backward()
    m = Scale()
    m.register_full_backward_hook(lambda module, into, out: out)
    out = m(torch.ones(2)).sum()
    with pytest.warns(UserWarning), pytest.raises(RuntimeError, match="return None"):
        out.backward()
    with pytest.raises(RuntimeError, match="cannot use both"):
        m.register_backward_hook(lambda *args: None)
    m = Plus()
    m.register_backward_hook(lambda *args: None)
    with pytest.raises(RuntimeError, match="cannot use both"):
        m.register_full_backward_hook(lambda *args: None)


def test_backward_hooks_warn_of_an_output_they_cannot_watch():
    class Listing(nn.Module):
        def forward(self, x):
            return [x]

    m = Listing()
    m.register_full_backward_hook(lambda *args: None)
    with pytest.warns(UserWarning, match="got list"):
        m(torch.ones(1, requires_grad=True))


def test_a_hook_of_the_last_operation():
    m, seen = Scale(), []
    m.register_backward_hook(lambda module, into, out: seen.append((module, out[0].tolist())))
    m(torch.ones(2, requires_grad=True)).sum().backward()
    assert seen == [(m, [1, 1])]
    m(torch.ones(2)).detach()


def test_global_backward_hooks():
    m, seen = nn.Sequential(Scale(), Scale()), []
    with (
        module_hooks.register_module_full_backward_pre_hook(lambda module, out: seen.append("pre")),
        module_hooks.register_module_full_backward_hook(lambda module, into, out: seen.append("post")),
    ):
        m(torch.ones(2, requires_grad=True)).sum().backward()
    assert seen == ["pre", "pre", "post", "pre", "post", "post"]


def test_backward_hooks_run_at_each_backward_pass():
    m, seen = Scale(), []
    m.register_full_backward_hook(lambda module, into, out: seen.append(out[0].tolist()))
    y = m(torch.ones(2, requires_grad=True))
    y.sum().backward(retain_graph=True)
    (y * 2).sum().backward()
    assert seen == [[1, 1], [2, 2]]


def test_backward_hooks_let_a_double_backward_through():
    m, seen = Plus(), []
    m.forward = lambda x: x**3
    m.register_full_backward_hook(lambda module, into, out: seen.append(into[0].item()))
    x = torch.tensor([2.0], requires_grad=True)
    (g,) = torch.autograd.grad(m(x).sum(), x, create_graph=True)
    g.sum().backward()
    assert seen[0] == 12 and x.grad.item() == 12


# ----- Where an error comes from -----
class Fails(nn.Module):
    def forward(self, x):
        raise ValueError("no")


def notes(module):
    with pytest.raises(ValueError) as caught:
        module(1)
    assert str(caught.value) == "no"
    return getattr(caught.value, "__notes__", [])


def test_an_error_names_the_submodule():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = nn.Sequential(Plus(), nn.Sequential(Plus(), Fails()))

        def forward(self, x):
            return self.model(x)

    assert notes(Model()) == ["in model.1.1 (Fails) of Model"]
    assert notes(nn.Sequential(Plus(), Plus(), Fails())) == ["in 2 (Fails) of Sequential"]
    assert notes(Fails()) == []


def test_an_error_names_modules_in_lists_and_unregistered_ones():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([Plus(), Fails()])
            self.hidden = [Fails()]
            self.use = self.layers

        def forward(self, x):
            return self.use[-1](x)

    m = Model()
    assert notes(m) == ["in layers.1 (Fails) of Model"]
    m = Model()
    object.__setattr__(m, "use", m.hidden)
    del m._modules["use"]
    assert notes(m) == [] and notes(nn.Sequential(m)) == ["in 0 (Model) of Sequential"]


def test_other_notes_stay_and_an_error_raised_again_has_one_path():
    error = ValueError("no")
    error.add_note("mine")

    class Again(nn.Module):
        def forward(self, x):
            raise error

    net = nn.Sequential(Plus(), Again())
    for _ in range(2):
        with pytest.raises(ValueError):
            net(1)
    assert error.__notes__ == ["mine", "in 1 (Again) of Sequential"]
    assert pickle.loads(pickle.dumps(error)).__notes__ == error.__notes__


def test_a_shape_error_in_a_layer_says_which():
    net = nn.Sequential(Scale(2), Scale(3))
    with pytest.raises(RuntimeError) as caught:
        net(torch.ones(2))
    text = "".join(traceback.format_exception(caught.value))
    assert text.rstrip().endswith("in 1 (Scale) of Sequential")


# ----- State -----
def test_state_dict_keys_metadata_and_memory():
    net = Net()
    state = net.state_dict()
    assert isinstance(state, OrderedDict) and list(state) == [
        "first.weight",
        "first.calls",
        "rest.0.weight",
        "rest.0.calls",
        "rest.1.weight",
        "rest.1.calls",
    ]
    assert state._metadata == {name: {"version": 1} for name in ("", "first", "rest", "rest.0", "rest.1")}
    assert not state["first.weight"].requires_grad and type(state["first.weight"]) is torch.Tensor
    with torch.no_grad():
        net.first.weight.fill_(7)
    assert state["first.weight"].tolist() == [7, 7]
    assert net.state_dict(keep_vars=True)["first.weight"] is net.first.weight
    assert list(net.first.state_dict(prefix="a.")) == ["a.weight", "a.calls"]
    filled = {"mine": 1}
    assert net.first.state_dict(destination=filled) is filled and list(filled) == ["mine", "weight", "calls"]


def test_positional_arguments_of_state_dict_are_deprecated():
    with pytest.warns(FutureWarning):
        state = Scale().state_dict({}, "a.")
    assert list(state) == ["a.weight", "a.calls"]


def test_load_state_dict_copies_into_the_tensors():
    source, target = Net(), Net()
    with torch.no_grad():
        source.rest[1].weight.fill_(5)
    weight = target.rest[1].weight
    result = target.load_state_dict(source.state_dict())
    assert repr(result) == str(result) == "<All keys matched successfully>" and result == ([], [])
    assert target.rest[1].weight is weight and weight.tolist() == [5, 5] and weight.requires_grad
    with torch.no_grad():
        source.rest[1].weight.fill_(6)
    assert weight.tolist() == [5, 5]


def test_keys_that_do_not_match():
    m = Scale()
    state = {"weight": torch.zeros(2), "other": torch.zeros(1), "child.weight": torch.zeros(1)}
    result = m.load_state_dict(state, strict=False)
    assert result.missing_keys == ["calls"] and result.unexpected_keys == ["other", "child.weight"]
    assert repr(result) == (
        "_IncompatibleKeys(missing_keys=['calls'], unexpected_keys=['other', 'child.weight'])"
    )
    assert m.weight.tolist() == [0, 0]
    with pytest.raises(RuntimeError, match="in loading state_dict for Scale") as caught:
        m.load_state_dict({**state, "weight": torch.ones(2)})
    for part in (
        'Missing key(s) in state_dict: "calls"',
        'Unexpected key(s) in state_dict: "other", "child.weight"',
    ):
        assert part in str(caught.value)
    assert m.weight.tolist() == [0, 0]


@pytest.mark.parametrize(
    "bad", [{"rest.1.weight": torch.zeros(3)}, {"rest.1.weight": 3}, {"rest.1.wait": torch.zeros(2)}]
)
def test_a_load_that_fails_leaves_the_module_as_it_was(bad):
    net = Net()
    state = {**{name: torch.zeros_like(t) for name, t in net.state_dict().items()}, **bad}
    with pytest.raises(RuntimeError):
        net.load_state_dict(state)
    assert all(p.tolist() == [2, 2] for p in net.parameters())


def test_all_problems_are_listed_even_when_not_strict():
    net = Net()
    state = {"first.weight": torch.zeros(3), "rest.0.weight": torch.zeros(2, 2)}
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state, strict=False)
    text = str(caught.value)
    assert "size mismatch for first.weight: checkpoint (3,), model (2,)" in text
    assert "size mismatch for rest.0.weight" in text and "Missing" not in text


def test_an_error_tells_of_a_common_prefix():
    net = Net()
    wrapped = {f"module.{name}": t for name, t in net.state_dict().items()}
    with pytest.raises(RuntimeError, match="strip it from"):
        net.load_state_dict(wrapped)
    with pytest.raises(RuntimeError, match="put it before"):
        nn.Sequential(OrderedDict(module=net)).load_state_dict(net.state_dict())


def test_a_state_dict_is_a_mapping():
    with pytest.raises(TypeError, match="dict-like, got list"):
        Net().load_state_dict([])


def test_a_scalar_takes_a_tensor_of_one_element():
    m = nn.Module()
    m.register_buffer("steps", torch.tensor(0))
    m.load_state_dict({"steps": torch.tensor([3])})
    assert m.steps.item() == 3 and m.steps.shape == ()


def test_assign_makes_the_tensors_the_modules_own():
    m = Scale()
    m.weight.requires_grad_(False)
    state = {"weight": torch.ones(2, dtype=torch.float64), "calls": torch.ones(1)}
    m.load_state_dict(state, assign=True)
    assert type(m.weight) is nn.Parameter and m.weight.dtype is torch.float64 and not m.weight.requires_grad
    assert m.calls is state["calls"]
    state["weight"].fill_(9)
    assert m.weight.tolist() == [9, 9]


def test_assign_checks_before_it_writes():
    m = nn.Sequential(Scale(), Scale())
    state = {name: t * 0 for name, t in m.state_dict().items()}
    state["1.weight"] = torch.zeros(2, dtype=torch.int64)
    with pytest.raises(RuntimeError, match=r"1\.weight.*torch.int64"):
        m.load_state_dict(state, assign=True)
    assert m[0].weight.tolist() == [2, 2]


def test_a_tensor_that_cannot_be_written_is_found_before_the_first_write():
    m = Scale()
    m.calls = torch.zeros(1).expand(3)
    with pytest.raises(RuntimeError, match=r"in loading state_dict(.|\n)*calls: .*single memory location"):
        m.load_state_dict({"weight": torch.zeros(2), "calls": torch.zeros(3)})
    assert m.weight.tolist() == [2, 2]


def test_assign_keeps_a_buffer_a_buffer():
    m = Scale()
    m.load_state_dict({"weight": torch.ones(2), "calls": nn.Parameter(torch.ones(1))}, assign=True)
    assert names(m.named_parameters()) == ["weight"] and not m.calls.requires_grad


class Counter(nn.Module):
    def __init__(self, count=0):
        super().__init__()
        self.count = count

    def get_extra_state(self):
        return {"count": self.count}

    def set_extra_state(self, state):
        self.count = state["count"]


def test_extra_state():
    state = nn.Sequential(Counter(3)).state_dict()
    assert dict(state) == {"0._extra_state": {"count": 3}}
    net = nn.Sequential(Counter())
    net.load_state_dict(state)
    assert net[0].count == 3
    assert net.load_state_dict({}, strict=False).missing_keys == ["0._extra_state"]
    assert nn.Sequential(Plus()).load_state_dict(state, strict=False).unexpected_keys == ["0._extra_state"]
    with pytest.raises(RuntimeError, match="no extra state"):
        nn.Module().get_extra_state()


def test_state_dict_hooks():
    m, seen = nn.Sequential(Scale()), []
    m.register_state_dict_pre_hook(lambda module, prefix, keep_vars: seen.append((prefix, keep_vars)))
    m[0].register_state_dict_pre_hook(lambda module, prefix, keep_vars: seen.append((prefix, keep_vars)))
    m[0].register_state_dict_post_hook(lambda module, state, prefix, meta: state.update({prefix + "x": meta}))
    assert list(m.state_dict()) == ["0.weight", "0.calls", "0.x"]
    assert seen == [("", False), ("0.", False)]
    m._register_state_dict_hook(lambda module, state, prefix, meta: {"all": state})
    assert list(m.state_dict()) == ["all"]
    m.register_state_dict_post_hook(lambda module, state, prefix, meta: state)
    with pytest.raises(RuntimeError, match="must return None"):
        m.state_dict()


def test_load_hooks_may_change_the_dict_and_the_verdict():
    net = nn.Sequential(Scale())

    def rename(state, prefix, metadata, strict, missing, unexpected, errors):
        state[prefix + "weight"] = state.pop(prefix + "gain")

    with pytest.raises(RuntimeError):
        net.load_state_dict({"0.gain": torch.zeros(2)})
    net[0]._register_load_state_dict_pre_hook(rename)
    given = {"0.gain": torch.zeros(2), "0.calls": torch.zeros(1)}
    net.load_state_dict(given)
    assert net[0].weight.tolist() == [0, 0] and "0.gain" in given
    seen = []
    net[0].register_load_state_dict_pre_hook(lambda module, *rest: seen.append(module))
    net.register_load_state_dict_post_hook(lambda module, keys: keys.missing_keys.clear())
    net[0].register_load_state_dict_post_hook(lambda module, keys: seen.append(module.weight.tolist()))
    net.load_state_dict({"0.gain": torch.ones(2)})
    assert seen == [net[0], [1, 1]]
    net[0].register_load_state_dict_post_hook(lambda module, keys: keys)
    with pytest.raises(AssertionError, match="must return None"):
        net.load_state_dict({"0.gain": torch.ones(2)})


@pytest.mark.parametrize("assign", [False, True])
def test_a_load_that_a_post_hook_does_not_forgive_is_undone(assign):
    net, seen = nn.Sequential(Scale()), []
    net.register_load_state_dict_post_hook(lambda module, keys: seen.append(module[0].weight.tolist()))
    with pytest.raises(RuntimeError, match="Missing"):
        net.load_state_dict({"0.weight": torch.ones(2)}, assign=assign)
    assert seen == [[1, 1]] and net[0].weight.tolist() == [2, 2]


def test_a_module_can_load_in_its_own_way():
    class Old(Scale):
        _version = 2

        def _load_from_state_dict(self, state, prefix, metadata, strict, missing, unexpected, errors):
            if metadata.get("version") is None:
                state[prefix + "calls"] = torch.full((1,), 7.0)
            super()._load_from_state_dict(state, prefix, metadata, strict, missing, unexpected, errors)

    net = nn.Sequential(Old())
    net.load_state_dict({"0.weight": torch.zeros(2)})
    assert net[0].calls.item() == 7
    assert net.state_dict()._metadata["0"] == {"version": 2}
    alone = Old()
    alone._load_from_state_dict({"weight": torch.zeros(2)}, "", {}, True, [], [], [])
    assert alone.weight.tolist() == [0, 0]


def test_loading_leaves_the_given_dict_alone():
    state = Scale().state_dict()
    before = {key: dict(value) for key, value in state._metadata.items()}
    Scale().load_state_dict(state, assign=True)
    assert state._metadata == before


# ----- Copies -----
@pytest.mark.parametrize("clone", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_of_modules_are_independent(clone):
    net = Net().eval()
    net.register_forward_hook(print_nothing)
    twin = clone(net)
    assert repr(twin) == repr(net) and not twin.training and len(twin._forward_hooks) == 1
    with torch.no_grad():
        twin.first.weight.fill_(0)
    assert net.first.weight.tolist() == [2, 2]
    assert twin(torch.ones(2)).tolist() == [0, 0]


def print_nothing(module, args, out):
    return None


def test_copies_keep_what_is_shared():
    net = nn.Sequential(Scale(), Scale())
    net[1].weight = net[0].weight
    twin = copy.deepcopy(net)
    assert twin[1].weight is twin[0].weight and twin[0].weight is not net[0].weight
    back = pickle.load(io.BytesIO(pickle.dumps(net)))
    assert back[1].weight is back[0].weight


def test_a_handle_in_a_copied_module_belongs_to_the_copy():
    m, seen = Plus(), []
    m.handle = m.register_forward_hook(lambda module, args, out: seen.append(module))
    twin = copy.deepcopy(m)
    twin.handle.remove()
    assert not twin._forward_hooks and len(m._forward_hooks) == 1
    m.handle.remove()
    m.handle = m.register_forward_hook(print_nothing)
    back = pickle.loads(pickle.dumps(m))
    back.handle.remove()
    assert not back._forward_hooks


def test_a_new_hook_does_not_displace_an_unpickled_one():
    m = Plus()
    data = pickle.dumps(m)
    for _ in range(3):
        back = pickle.loads(data)
        taken = max(back.register_forward_hook(print_nothing).id for _ in range(2)) + 1
        back._forward_hooks[taken] = print_nothing  # as if it came from another process
        back.register_forward_hook(print_nothing)
        assert len(back._forward_hooks) == 4


def test_a_module_is_freed_without_the_collector():
    gc.disable()
    try:
        net = Net()
        net.register_load_state_dict_pre_hook(lambda *args: None)
        net.register_full_backward_hook(lambda *args: None)
        gone = weakref.ref(net)
        del net
        assert gone() is None
    finally:
        gc.enable()


# ----- Text -----
def test_the_text_of_modules():
    assert repr(Scale()) == "Scale(size=2)" and repr(nn.Sequential()) == "Sequential()"
    assert repr(Net()) == (
        "Net(\n"
        "  (first): Scale(size=2)\n"
        "  (rest): Sequential(\n"
        "    (0): Scale(size=2)\n"
        "    (1): Scale(size=2)\n"
        "  )\n"
        ")"
    )


# ----- Containers -----
def test_sequential_as_a_sequence():
    a, b, c = Scale(), Plus(), Scale()
    net = nn.Sequential(a, b)
    assert len(net) == 2 and list(net) == [a, b] and net[-1] is b and net[0:1][0] is a
    net[1] = c
    assert list(net.append(b)) == [a, c, b] and net.pop(1) is c and names(net.named_children()) == ["0", "1"]
    assert list(net.insert(0, c).insert(-1, c)) == [c, a, c, b]
    del net[::2]
    assert list(net) == [a, b] and list(net.extend([c])) == [a, b, c]
    assert "0" not in dir(net)


def test_sequential_by_name_and_its_arithmetic():
    a, b = Scale(), Plus()
    named = nn.Sequential(OrderedDict(first=a, second=b))
    assert named.first is a and names(named[1:].named_children()) == ["second"]
    total = named + nn.Sequential(a)
    assert names(total.named_modules(remove_duplicate=False)) == ["", "0", "1", "2"]
    net = nn.Sequential(a, b)
    assert list(net * 2) == list(2 * net) == [a, b, a, b] and len(net) == 2
    net *= 2
    net += nn.Sequential(b)
    assert list(net) == [a, b, a, b, b]


@pytest.mark.parametrize(
    ("error", "act"),
    [
        (IndexError, lambda net: net[2]),
        (IndexError, lambda net: net.insert(3, Plus())),
        (AssertionError, lambda net: net.insert(0, 1)),
        (TypeError, lambda net: net["a"]),
        (TypeError, lambda net: net.append(1)),
        (TypeError, lambda net: net.extend(3)),
        (TypeError, lambda net: net * 1.5),
        (ValueError, lambda net: net * 0),
        (ValueError, lambda net: net.__add__([Plus()])),
        (TypeError, lambda net: nn.Sequential(1)),
        (TypeError, lambda net: nn.Sequential([Plus()])),
    ],
)
def test_sequential_errors(error, act):
    net = nn.Sequential(Plus(), Plus())
    with pytest.raises(error):
        act(net)
    assert len(net) == 2


def test_module_list():
    a, b = Scale(), Plus()
    layers = nn.ModuleList([a])
    layers += [b]
    assert list(layers) == [a, b] and layers[-1] is b and list(layers[:1]) == [a]
    assert list(layers.__add__([a])) == [a, b, a]
    layers.insert(1, a)
    assert layers.pop(0) is a and names(layers.named_children()) == ["0", "1"]
    layers[0] = b
    del layers[1]
    assert list(layers) == [b]
    layers.extend(layers)
    assert list(layers) == [b, b]
    with pytest.raises(TypeError, match="iterable"):
        layers.extend(3)
    with pytest.raises(IndexError):
        layers[2]
    with pytest.raises(IndexError):
        layers.insert(5, a)
    with pytest.raises(NotImplementedError):
        layers(1)


def test_the_text_of_a_module_list_counts_repetitions():
    layers = nn.ModuleList([Plus(), Plus(), nn.Sequential(Plus()), Plus()])
    assert repr(layers) == (
        "ModuleList(\n  (0-1): 2 x Plus()\n  (2): Sequential(\n    (0): Plus()\n  )\n  (3): Plus()\n)"
    )
    assert repr(nn.ModuleList()) == "ModuleList()"


def test_module_dict():
    a, b = Scale(), Plus()
    parts = nn.ModuleDict({"z": a})
    parts["b"] = b
    parts.update([("c", a)])
    parts.update(nn.ModuleDict({"d": b}))
    assert list(parts) == list(parts.keys()) == ["z", "b", "c", "d"] and len(parts) == 4 and "b" in parts
    assert list(parts.items())[1] == ("b", b) and next(iter(parts.values())) is a and parts.z is a
    assert parts.pop("z") is a
    del parts["b"]
    with pytest.raises(KeyError):
        parts["b"]
    with pytest.raises(KeyError):
        parts.pop("b")
    parts.clear()
    assert not list(parts.children())
    for error, given in [
        (TypeError, 3),
        (TypeError, [3]),
        (ValueError, [("a", a, b)]),
        (TypeError, {"a": 1}),
    ]:
        with pytest.raises(error):
            parts.update(given)
    with pytest.raises(KeyError, match="already exists"):
        parts["keys"] = a


def test_parameter_list():
    weights = nn.ParameterList([torch.zeros(2), nn.Parameter(torch.zeros(3))])
    weights.append("text").extend([torch.ones(1)])
    assert len(weights) == 4 and names(weights.named_parameters()) == ["0", "1", "3"]
    assert list(weights.state_dict()) == ["0", "1", "3"] and weights[2] == "text"
    assert len(weights[1:3]) == 2 and weights[-1] is weights[3]
    weights[0] = torch.ones(5)
    weights += [torch.ones(1)]
    assert weights[0].shape == (5,) and isinstance(weights[0], nn.Parameter) and len(list(weights)) == 5
    assert repr(weights[1:3]) == (
        "ParameterList(\n"
        "    (0): Parameter containing: [torch.float32 of size 3]\n"
        "    (1): Object of type: str\n"
        ")"
    )
    for bad in (3, torch.zeros(2)):
        with pytest.raises(TypeError, match="iterable"):
            weights.extend(bad)
    with pytest.raises(IndexError):
        weights[5]
    with pytest.raises(RuntimeError, match="should not be called"):
        weights(1)


def test_parameter_dict():
    weights = nn.ParameterDict({"b": torch.zeros(2), "a": torch.ones(1)})
    assert list(weights) == ["a", "b"] and list(reversed(weights)) == ["b", "a"]
    weights.update(OrderedDict(d=torch.zeros(1), c=3))
    assert list(weights.keys()) == ["a", "b", "d", "c"] and len(weights) == 4 and "d" in weights
    assert names(weights.named_parameters()) == ["a", "b", "d"] and weights["c"] == 3
    assert weights.get("x") is None and weights.get("x", 1) == 1 and weights.get("c") == 3
    assert weights.setdefault("c", 4) == 3 and weights.setdefault("e", torch.ones(1)).requires_grad
    assert weights.popitem()[0] == "e" and weights.pop("c") == 3
    assert [key for key, _ in weights.items()] == ["a", "b", "d"] and next(iter(weights.values())) is weights[
        "a"
    ]
    copied = weights.copy()
    assert copied["a"] is weights["a"]
    del copied["a"]
    assert "a" in weights and "a" not in copied
    other = nn.ParameterDict([("a", torch.full((1,), 5.0))])
    assert (weights | other)["a"] is other["a"] and list(copied | other) == ["b", "d", "a"]
    copied |= other
    assert list(copied) == ["b", "d", "a"]
    assert list(weights.fromkeys(["x", "y"], 1)) == ["x", "y"]
    weights.clear()
    assert not weights._keys and not list(weights.parameters())


def test_parameter_dict_errors():
    weights = nn.ParameterDict()
    with pytest.raises(TypeError, match="string"):
        weights[1] = torch.zeros(1)
    with pytest.raises(KeyError):
        weights.popitem()
    with pytest.raises(KeyError):
        del weights["a"]
    for error, given in [(TypeError, 3), (TypeError, [3]), (ValueError, [("a", 1, 2)])]:
        with pytest.raises(error):
            weights.update(given)
    with pytest.raises(RuntimeError, match="should not be called"):
        weights(1)
    assert len(weights) == 0
