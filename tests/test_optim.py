"""Optimizers and learning rate schedules: groups, state, hooks, closures, and what must not grow."""

import copy
import gc
import math
import pickle

import pytest

import flambeau as torch
from flambeau.core.node import Node
from flambeau.core.realize import recorder
from flambeau.optim import lr_scheduler as schedules
from flambeau.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
    required,
)

CLASSES = [
    getattr(torch.optim, name)
    for name in (
        "SGD",
        "Adam",
        "AdamW",
        "Adagrad",
        "RMSprop",
        "Adadelta",
        "Adafactor",
        "Adamax",
        "ASGD",
        "NAdam",
        "RAdam",
        "Rprop",
    )
]
every = pytest.mark.parametrize("cls", CLASSES)
KEEPING = [
    (torch.optim.SGD, {"momentum": 0.9}),
    (torch.optim.Adam, {"amsgrad": True}),
    (torch.optim.AdamW, {}),
    (torch.optim.Adagrad, {}),
    (torch.optim.RMSprop, {"momentum": 0.9, "centered": True}),
    (torch.optim.Adadelta, {}),
    (torch.optim.Adamax, {}),
    (torch.optim.ASGD, {"t0": 1}),
    (torch.optim.NAdam, {}),
    (torch.optim.RAdam, {"betas": (0.5, 0.6)}),
    (torch.optim.Rprop, {}),
    (torch.optim.Adafactor, {}),
]
keeping = pytest.mark.parametrize(("cls", "options"), KEEPING)


def param(*values):
    return torch.tensor(values or (1.0, -2.0), requires_grad=True)


def sgd(*params, **options):
    return torch.optim.SGD(list(params) or [param()], **options)


def descend(optimizer, *params):
    optimizer.zero_grad()
    loss = sum((p * p).sum() for p in params)
    loss.backward()
    optimizer.step()
    return loss


# ----- Steps -----


@every
def test_a_step_goes_down(cls):
    p = param()
    optimizer = cls([p], lr=0.1)
    losses = [descend(optimizer, p).item() for _ in range(5)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


@every
def test_maximize_goes_up(cls):
    p = param()
    optimizer = cls([p], lr=0.1, maximize=True)
    assert descend(optimizer, p) < descend(optimizer, p)


@every
def test_a_step_leaves_no_pending_work(cls):
    p = param()
    descend(cls([p], lr=0.1), p)
    assert not recorder.pending


@every
def test_the_parameter_stays_the_same_leaf_and_its_views_see_the_step(cls):
    p = param()
    view, detached = p[0], p.detach()
    descend(cls([p], lr=0.5), p)
    assert p.is_leaf and p.requires_grad and p.grad_fn is None
    assert detached[0] == p[0] == view != 1.0


@keeping
def test_odd_parameters_are_updated_like_plain_ones(cls, options):
    """A view, a parameter whose memory NumPy sees, one whose gradient is a view, one that came later."""

    def after(odd):
        values = torch.tensor([[1.0, -2.0], [0.5, 3.0]])
        whole = values.clone()
        p = (whole[0].detach() if odd else values[0].clone()).requires_grad_()
        q, late = (values[1].clone().requires_grad_() for _ in range(2))
        seen = q.detach().numpy() if odd else None
        decay = {} if cls is torch.optim.Rprop else {"weight_decay": 0.01}
        optimizer = cls([p, q], lr=0.1, **decay, **options)
        for i in range(3):
            grads = torch.tensor([[0.5, i - 1.0], [-0.25, 2.0]])
            p.grad = grads[0] if odd else grads[0].clone()
            q.grad, late.grad = grads[1].clone(), grads[1].clone()
            if i == 1:
                optimizer.param_groups[0]["params"].append(late)
            optimizer.step()
        assert not odd or (seen.tolist() == q.tolist() and whole[0].tolist() == p.tolist())
        return p.tolist(), q.tolist(), late.tolist()

    assert after(odd=True) == after(odd=False)


@keeping
def test_parameters_of_several_dtypes_in_one_group(cls, options):
    dtypes = (torch.float32, torch.float64, torch.bfloat16)
    together = [torch.tensor([1.0, -2.0], dtype=d, requires_grad=True) for d in dtypes]
    alone = [t.detach().clone().requires_grad_() for t in together]
    optimizers = [cls(together, lr=0.1, **options), *[cls([p], lr=0.1, **options) for p in alone]]
    for _ in range(3):
        for p in (*together, *alone):
            p.grad = torch.tensor([0.5, 0.25], dtype=p.dtype)
        for optimizer in optimizers:
            optimizer.step()
    assert [p.dtype for p in together] == list(dtypes)
    assert [p.tolist() for p in together] == [p.tolist() for p in alone]


def test_step_counts_are_each_parameter_s_own():
    p, q = param(), param()
    optimizer = torch.optim.Adam([p, q], lr=0.1)
    descend(optimizer, p)
    for _ in range(3):
        descend(optimizer, p, q)
    a, b = (optimizer.state[x]["step"] for x in (p, q))
    assert (a.item(), b.item()) == (4.0, 3.0)
    b.fill_(4)
    descend(optimizer, p, q)
    assert (a.item(), b.item()) == (5.0, 5.0)
    a.numpy()[...] = 9
    assert (a.item(), b.item()) == (9.0, 5.0)
    view, version = b.view(1), b._version
    descend(optimizer, p, q)
    assert (a.item(), b.item(), view.tolist(), b._version) == (10.0, 6.0, [6.0], version + 1)


@keeping
def test_native_updates_are_done_where_the_old_values_are(cls, options, monkeypatch):
    monkeypatch.setattr(torch.config, "mode", "compile")
    p = torch.linspace(-1, 1, 100).requires_grad_()
    optimizer = cls([p], lr=0.1, **options)

    def places():
        tensors = [p, *(t for t in optimizer.state[p].values() if t.dim())]
        return [t._value("test").ctypes.data for t in tensors]

    def step():
        p.grad = torch.full((100,), 0.5)
        torch.synchronize()
        optimizer.step()

    step(), step()  # afterwards nobody else holds any of the memory
    before = places()
    step(), step()
    assert sorted(places()) == sorted(before)  # some may have changed places


def test_an_update_is_seen_by_a_later_backward_pass():
    for _ in range(3):
        p = param()
        (p * p).sum().backward()  # a pass that is known by now
        p = param()
        loss = (p * p).sum()
        p.grad = torch.ones(2)
        sgd(p).step()
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()


@pytest.mark.parametrize(
    ("cls", "most"),
    [
        (torch.optim.SGD, 1),
        (torch.optim.Adam, 3),
        (torch.optim.RMSprop, 2),
        (torch.optim.NAdam, 4),
        (torch.optim.RAdam, 3),
        (torch.optim.ASGD, 2),
        (torch.optim.Adamax, 7),
        (torch.optim.Adadelta, 9),
    ],
)
def test_few_operations_a_parameter(cls, most, monkeypatch):
    params = [param() for _ in range(5)]
    for p in params:
        p.grad = torch.ones(2)
    optimizer, recorded = cls(params), []
    optimizer.step()
    monkeypatch.setattr(torch.config, "mode", "auto")
    recorder.relax()
    monkeypatch.setattr(recorder, "flush", lambda reason: recorded.extend(recorder.pending))
    optimizer.step()
    monkeypatch.undo()
    recorder.relax()
    assert len(recorded) == most * len(params)


@every
def test_parameters_without_gradient_are_left_alone(cls):
    p, q = param(), param()
    descend(cls([p, q], lr=0.1), p)
    assert q.tolist() == [1.0, -2.0]


@keeping
def test_nothing_grows_over_steps(cls, options):
    params = [param() for _ in range(3)]
    optimizer = cls(params, lr=0.01, **options)

    def nodes_after(steps):
        for _ in range(steps):
            descend(optimizer, *params)
        gc.collect()
        return sum(type(x) is Node for x in gc.get_objects())

    first = nodes_after(3)
    assert nodes_after(20) == first


@keeping
def test_the_state_stays_the_same_tensors(cls, options):
    p = param()
    optimizer = cls([p], lr=0.01, **options)
    descend(optimizer, p)
    before = dict(optimizer.state[p])
    descend(optimizer, p)
    assert all(optimizer.state[p][name] is t for name, t in before.items())


def test_the_closure_runs_with_gradients_and_its_loss_is_returned():
    p = param()
    optimizer = sgd(p, lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with torch.no_grad():
        assert optimizer.step(closure).item() == 5.0
    assert p.tolist() == [0.5, -1.0]


def test_zero_grad():
    p, q = param(), param()
    optimizer = sgd(p, q)
    (p * p).sum().backward()
    grad = p.grad
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is grad and grad.tolist() == [0.0, 0.0] and q.grad is None
    optimizer.zero_grad()
    assert p.grad is None


def test_a_rate_may_be_a_tensor():
    p = param(1.0)
    rate = torch.tensor(0.25)
    optimizer = sgd(p, lr=rate)
    descend(optimizer, p)
    rate.fill_(0.5)
    descend(optimizer, p)
    assert p.tolist() == [0.0]


@pytest.mark.parametrize("flag", ["foreach", "fused", "capturable"])
def test_flags_of_speed_make_no_difference(flag):
    results = []
    for options in ({}, {flag: True}):
        p = param()
        descend(torch.optim.Adam([p], lr=0.1, **options), p)
        results.append(p.tolist())
    assert results[0] == results[1]


# ----- Groups -----


def test_groups_have_options_of_their_own():
    p, q = param(1.0), param(1.0)
    optimizer = torch.optim.SGD([{"params": p}, {"params": [q], "lr": 0.5}], lr=0.25)
    descend(optimizer, p, q)
    assert (p.tolist(), q.tolist()) == ([0.5], [0.0])


def test_a_group_is_added_later():
    p, q = param(1.0), param(1.0)
    optimizer = torch.optim.Adagrad([p], lr=0.5)
    optimizer.add_param_group({"params": [q]})
    descend(optimizer, p, q)
    assert p.tolist() == q.tolist() == [0.5]


def test_named_parameters():
    layer = torch.nn.ParameterDict({"a": param(), "b": param()})
    optimizer = torch.optim.SGD(layer.named_parameters())
    assert optimizer.param_groups[0]["param_names"] == ["a", "b"]
    assert optimizer.param_groups[0]["params"] == list(layer.parameters())


def test_errors_of_groups():
    p = param()
    with pytest.raises(TypeError, match="iterable of Tensors or dicts"):
        torch.optim.SGD(p)
    with pytest.raises(ValueError, match="empty parameter list"):
        torch.optim.SGD([])
    with pytest.raises(TypeError, match="one of the params is str"):
        torch.optim.SGD([p, "q"])
    with pytest.raises(TypeError, match="ordered collections"):
        torch.optim.SGD([{"params": {p}}])
    with pytest.raises(ValueError, match=r"non-leaf Tensor \(shape \(2,\), made by MulBackward0\)"):
        torch.optim.SGD([p * 2])
    with pytest.raises(ValueError, match="more than one parameter group"):
        torch.optim.SGD([{"params": [p]}, {"params": [p]}])
    with pytest.raises(ValueError, match="Some param names are missing"):
        torch.optim.SGD([("p", p), param()])
    with pytest.raises(ValueError, match="cannot add param group without names"):
        torch.optim.SGD([("p", p)]).add_param_group({"params": param()})
    with pytest.raises(TypeError, match="must be a dict, but got list"):
        sgd().add_param_group([p])
    with pytest.warns(UserWarning, match="duplicate parameters"):
        torch.optim.SGD([p, p])


def test_errors_of_options():
    p = param()
    for options, text in [
        ({"lr": -1}, "Invalid learning rate: -1"),
        ({"lr": math.nan}, "Invalid learning rate: nan"),
        ({"lr": torch.zeros(2)}, "must be 1-element"),
        ({"momentum": -1}, "Invalid momentum value: -1"),
        ({"nesterov": True}, "requires a momentum and zero dampening"),
    ]:
        with pytest.raises(ValueError, match=text):
            torch.optim.SGD([p], **options)
    with pytest.raises(ValueError, match="Invalid beta parameter at index 1: 1"):
        torch.optim.Adam([p], betas=(0.9, 1.0))
    with pytest.raises(ValueError, match="Invalid epsilon value: -1"):
        torch.optim.RMSprop([p], eps=-1)
    for make, text in [
        (lambda: torch.optim.Adadelta([p], rho=1.5), "Invalid rho value: 1.5"),
        (lambda: torch.optim.Rprop([p], etas=(1.0, 1.2)), "Invalid eta values: 1.0, 1.2"),
        (lambda: torch.optim.NAdam([p], momentum_decay=-1), "Invalid momentum_decay value: -1"),
        (lambda: torch.optim.Adamax([p], betas=(1.0, 0.9)), "Invalid beta parameter at index 0: 1.0"),
        (
            lambda: torch.optim.Adam([p], betas=(torch.tensor(0.9), 0.99)),
            "either both floats or both Tensors",
        ),
        (
            lambda: torch.optim.Adam([p], betas=(torch.zeros(2), torch.zeros(1))),
            r"betas\[0\] must be 1-element",
        ),
        (lambda: torch.optim.Adafactor([p], beta2_decay=0.5), "beta2_decay should be <= 0 but is: 0.5"),
        (lambda: torch.optim.Adafactor([p], d=0.5), "d should be >= 1 but is: 0.5"),
        (lambda: torch.optim.Muon([p]), r"only supports 2D parameters .*: torch.Size\(\[2\]\)"),
        (lambda: torch.optim.Muon([torch.eye(2)], adjust_lr_fn="x"), "function x is not supported"),
        (
            lambda: torch.optim.LBFGS([{"params": p}, {"params": param()}]),
            "doesn't support per-parameter options",
        ),
        (lambda: torch.optim.LBFGS([p], lr=-1), "Invalid learning rate: -1"),
    ]:
        with pytest.raises(ValueError, match=text):
            make()
    with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported, got 'armijo'"):
        torch.optim.LBFGS([p], line_search_fn="armijo").step(lambda: p.sum())
    c = torch.zeros(2, 2, dtype=torch.complex64)
    c.grad = c.clone()
    for cls in (torch.optim.Muon, torch.optim.Adafactor):
        with pytest.raises(RuntimeError, match=f"{cls.__name__} does not support complex parameters"):
            cls([c]).step()
    x = torch.eye(2)
    x.grad = torch.eye(2)
    for options, text in [
        ({"ns_steps": 100}, "must be less than 100"),
        ({"ns_coefficients": (1, 2)}, "exactly 3"),
    ]:
        with pytest.raises(ValueError, match=text):
            torch.optim.Muon([x], **options).step()
    with pytest.raises(RuntimeError, match="`fused` does not support `differentiable`"):
        torch.optim.SGD([p], fused=True, differentiable=True)
    with pytest.raises(RuntimeError, match="`fused` and `foreach`"):
        torch.optim.Adam([p], fused=True, foreach=True)


DIFFERENTIABLE = [pair for pair in KEEPING if pair[0] is not torch.optim.Adafactor]


@pytest.mark.parametrize(("cls", "options"), DIFFERENTIABLE)
def test_updates_can_be_differentiated(cls, options):
    """By the first parameters and the gradients, after two steps."""

    def after(p, *grads):
        p = p.clone()
        optimizer = cls([p], lr=0.1, differentiable=True, **options)
        for g in grads:
            p.grad = g
            optimizer.step()
        return p

    inputs = [
        torch.tensor(x, dtype=torch.float64, requires_grad=True)
        for x in ([1.0, -2.0], [0.5, 0.25], [0.75, -1.5])
    ]
    assert torch.autograd.gradcheck(after, inputs)


def test_an_update_can_be_differentiated_by_its_rate():
    for cls in (torch.optim.SGD, torch.optim.Adam):
        rate = torch.tensor(0.5, requires_grad=True)
        p = param(1.0).clone()
        p.grad = torch.tensor([3.0])
        cls([p], lr=rate, differentiable=True).step()
        p.sum().backward()
        assert rate.grad.item() == pytest.approx({torch.optim.SGD: -3.0, torch.optim.Adam: -1.0}[cls])


# ----- Optimizers of one's own -----


class Plain(torch.optim.Optimizer):
    """An optimizer in the old style: it overrides `step`, and requires a rate."""

    def __init__(self, params):
        super().__init__(params, {"lr": required})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.state[p]["count"] = self.state[p].get("count", 0) + 1
                    p.add_(p.grad, alpha=-group["lr"])


class Twice(torch.optim.SGD):
    def step(self, closure=None):
        super().step()
        return super().step(closure)


def test_an_optimizer_that_overrides_step():
    p = param(1.0)
    with pytest.raises(ValueError, match="required optimization parameter lr"):
        Plain([p])
    optimizer = Plain([{"params": [p], "lr": 0.5}])
    calls = []
    optimizer.register_step_post_hook(lambda *args: calls.append(args))
    descend(optimizer, p)
    assert p.tolist() == [0.0] and len(calls) == 1 and not recorder.pending
    restored = Plain([{"params": [p], "lr": 0.1}])
    restored.load_state_dict(optimizer.state_dict())
    assert restored.state[p] == {"count": 1} and restored.param_groups[0]["lr"] == 0.5


class Halved(torch.optim.Adam):
    def update(self, p, g, state, group):
        state["seen"] = state.get("seen", 0) + 1
        super().update(p, g / 2, state, group)


def test_a_rule_of_one_s_own_in_a_subclass_of_a_built_in_optimizer():
    p, q = param(), param()
    optimizer, plain = Halved([p], lr=0.1, eps=1.0), torch.optim.Adam([q], lr=0.1, eps=1.0)
    for g in ([1.0, 2.0], [-4.0, 0.5]):
        p.grad = torch.tensor(g)
        q.grad = torch.tensor(g) / 2
        optimizer.step()
        plain.step()
    assert p.tolist() == q.tolist() and optimizer.state[p]["seen"] == 2


class Lion(torch.optim.Optimizer):
    """As programs write them: `state`, `data`, `add_` with alpha."""

    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                p.data.mul_(1 - group["lr"] * group["weight_decay"])
                grad, state = p.grad, self.state[p]
                if len(state) == 0:
                    state["exp_avg"] = torch.zeros_like(p)
                exp_avg = state["exp_avg"]
                beta1, beta2 = group["betas"]
                update = exp_avg.clone().mul_(beta1).add(grad, alpha=1 - beta1).sign_()
                p.data.add_(update, alpha=-group["lr"])
                exp_avg.mul_(beta2).add_(grad, alpha=1 - beta2)
        return loss


def test_an_optimizer_that_a_program_brings():
    p, frozen = param(), param()
    optimizer = Lion([p, frozen], lr=0.5, weight_decay=0.5)
    for _ in range(2):
        descend(optimizer, p)
        assert not recorder.pending
    assert p.tolist() == [-0.3125, -0.25]
    assert frozen.tolist() == [1.0, -2.0] and list(optimizer.state) == [p]
    twin = Lion([param(), param()])
    twin.load_state_dict(optimizer.state_dict())
    assert twin.state_dict()["param_groups"] == optimizer.state_dict()["param_groups"]


def test_hooks_run_once_where_step_calls_its_base():
    p = param(1.0)
    optimizer = Twice([p], lr=0.25)
    calls = []
    optimizer.register_step_pre_hook(lambda *args: calls.append("pre"))
    descend(optimizer, p)
    assert calls == ["pre"] and p.tolist() == [0.0]


def test_an_optimizer_without_a_rule():
    p = param()
    optimizer = torch.optim.Optimizer([p], {})
    optimizer.step()
    with pytest.raises(NotImplementedError, match="override update"):
        descend(optimizer, p)


def test_other_parameters_for_a_while():
    p, q = param(), param(3.0, 4.0)
    optimizer = torch.optim.Adam([p], lr=0.5)
    swapped = torch.optim.swap_in_optimizer_params_and_state
    with pytest.raises(RuntimeError, match="no state yet"), swapped(optimizer, {}, {}):
        pass
    descend(optimizer, p)
    state, kept = copy.deepcopy(optimizer.state_dict()), optimizer.param_groups[0]["params"]
    state["param_groups"][0]["lr"] = 0.25
    with swapped(optimizer, {"q": q}, state):
        descend(optimizer, q)
        assert list(optimizer.state) == [q] and optimizer.param_groups[0]["lr"] == 0.25
    assert optimizer.param_groups[0]["params"] is kept and list(optimizer.state) == [p]
    assert q.tolist() != [3.0, 4.0] and optimizer.param_groups[0]["lr"] == 0.5
    assert state["state"][0]["exp_avg"].tolist() != optimizer.state[p]["exp_avg"].tolist()
    for given, text in [
        ({"state": [], "param_groups": state["param_groups"]}, "no dict of dicts"),
        ({**state, "param_groups": []}, "a list of 1 groups"),
        ({**state, "param_groups": [{"params": [0]}]}, "group 0 doesn't have the options"),
        ({**state, "param_groups": [{**state["param_groups"][0], "params": []}]}, "1 numbers of parameters"),
        ({**state, "state": {7: {}}}, r"entries for \[7\]"),
    ]:
        with pytest.raises(RuntimeError, match=text), swapped(optimizer, {"q": q}, given):
            pass
    two = swapped(optimizer, {"p": p, "q": q}, state)
    with pytest.raises(RuntimeError, match="2 parameters were given, the optimizer has 1"), two:
        pass


# ----- Hooks -----


def test_step_hooks_run_in_order_and_can_be_removed():
    p = param(1.0)
    optimizer = sgd(p, lr=0.25)
    calls = []

    def note(text):
        return lambda opt, args, kwargs: calls.append((text, opt is optimizer, args[0] is optimizer))

    handles = [
        optimizer.register_step_pre_hook(note("pre")),
        optimizer.register_step_post_hook(note("post")),
        register_optimizer_step_pre_hook(note("global pre")),
        register_optimizer_step_post_hook(note("global post")),
    ]
    descend(optimizer, p)
    assert calls == [(text, True, True) for text in ("global pre", "pre", "post", "global post")]
    for handle in handles:
        handle.remove()
    descend(optimizer, p)
    assert len(calls) == 4


def test_a_pre_hook_replaces_arguments():
    optimizer = sgd()
    optimizer.register_step_pre_hook(lambda opt, args, kwargs: ((opt, lambda: 7), {}))
    assert optimizer.step() == 7
    optimizer.register_step_pre_hook(lambda opt, args, kwargs: 3)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        optimizer.step()


def test_state_dict_hooks():
    optimizer = sgd(lr=0.5)
    calls = []
    optimizer.register_state_dict_pre_hook(lambda opt: calls.append("pre"))
    optimizer.register_state_dict_post_hook(lambda opt, state: {**state, "extra": 1})
    state = optimizer.state_dict()
    assert calls == ["pre"] and state["extra"] == 1
    optimizer.register_load_state_dict_pre_hook(lambda opt, state: calls.append("second"))
    optimizer.register_load_state_dict_pre_hook(lambda opt, state: calls.append("first"), prepend=True)
    optimizer.register_load_state_dict_post_hook(lambda opt: calls.append("loaded"))
    optimizer.load_state_dict(state)
    assert calls == ["pre", "first", "second", "loaded"]


def test_a_failed_step_can_be_repeated():
    p = param(1.0)
    optimizer = sgd(p, lr=0.5)
    (p * p).sum().backward()
    with pytest.raises(ZeroDivisionError):
        optimizer.step(lambda: 1 / 0)
    calls = []
    optimizer.register_step_pre_hook(lambda *args: calls.append(args))
    optimizer.step()
    assert p.tolist() == [0.0] and len(calls) == 1


# ----- State dicts -----


@keeping
def test_a_loaded_state_is_a_copy_and_continues_alike(cls, options):
    p = param()
    optimizer = cls([p], lr=0.01, **options)
    descend(optimizer, p)
    q = p.detach().clone().requires_grad_()
    twin = cls([q], lr=0.5, **options)
    saved = optimizer.state_dict()
    twin.load_state_dict(saved)
    for _ in range(2):
        descend(twin, q)
    assert {k: float(v.sum()) for k, v in saved["state"][0].items()} == {
        k: float(v.sum()) for k, v in optimizer.state[p].items()
    }
    for _ in range(2):
        descend(optimizer, p)
    assert p.tolist() == q.tolist()


def test_a_loaded_state_takes_the_dtype_of_the_parameter():
    p = param()
    optimizer = torch.optim.Adam([p])
    descend(optimizer, p)
    q = p.detach().double().requires_grad_()
    twin = torch.optim.Adam([q])
    twin.load_state_dict(optimizer.state_dict())
    assert {name: t.dtype for name, t in twin.state[q].items()} == {
        "step": torch.float32,
        "exp_avg": torch.float64,
        "exp_avg_sq": torch.float64,
    }


def test_an_old_state_gets_the_options_it_lacks():
    p = param()
    state = {"state": {0: {"step": 3, "exp_avg": torch.zeros(2), "exp_avg_sq": torch.zeros(2)}}}
    state["param_groups"] = [{"lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0, "params": [0]}]
    optimizer = torch.optim.Adam([p])
    optimizer.load_state_dict(state)
    descend(optimizer, p)
    assert optimizer.state[p]["step"].item() == 4.0
    assert optimizer.param_groups[0]["amsgrad"] is False


def test_an_adamw_that_loads_an_adam_stays_an_adamw():
    p = param()
    optimizer = torch.optim.AdamW([p])
    optimizer.load_state_dict(torch.optim.Adam([p]).state_dict())
    assert optimizer.param_groups[0]["decoupled_weight_decay"] is True


def test_errors_of_loading():
    p, q = param(), param()
    with pytest.raises(ValueError, match="different number of parameter groups: 2, the optimizer has 1"):
        sgd(p).load_state_dict(torch.optim.SGD([{"params": p}, {"params": q}]).state_dict())
    with pytest.raises(ValueError, match="group 0 has 2 parameters there, 1 here"):
        sgd(p).load_state_dict(sgd(p, q).state_dict())


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies(copied):
    p = param()
    optimizer = torch.optim.Adam([p], lr=0.1)
    descend(optimizer, p)
    twin = copied(optimizer)
    (q,) = twin.param_groups[0]["params"]
    assert q is not p
    descend(optimizer, p)
    descend(twin, q)
    assert p.tolist() == q.tolist()


# ----- Schedules -----


def test_a_schedule_needs_an_optimizer():
    for make in (
        lambda o: schedules.StepLR(o, 1),
        schedules.ReduceLROnPlateau,
        lambda o: schedules.OneCycleLR(o, 1.0, 10),
        lambda o: schedules.LambdaLR(o, lambda epoch: 1.0),
    ):
        with pytest.raises(TypeError, match="str is not an Optimizer"):
            make("adam")


def test_warnings_of_schedules():
    optimizer = sgd(lr=1.0)
    scheduler = schedules.StepLR(optimizer, 1, gamma=0.5)
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        scheduler.step()
    with pytest.warns(UserWarning, match="get_last_lr"):
        assert scheduler.get_lr() == [0.25]
    with pytest.warns(UserWarning, match="epoch parameter"):
        scheduler.step(5)
    assert scheduler.get_last_lr() == [1 / 32]


def test_warnings_name_the_line_of_the_user():
    p = param()
    with pytest.warns(UserWarning) as caught:
        optimizer = torch.optim.SGD([p, p], lr=1.0)
        scheduler = schedules.StepLR(optimizer, 1)
        scheduler.step()
        scheduler.get_lr()
        scheduler.step(3)
        schedules.ReduceLROnPlateau(optimizer).step(1.0, 3)
    assert [w.filename for w in caught] == [__file__] * 5


def test_continuing_needs_the_initial_rate():
    p = param()
    with pytest.raises(KeyError, match="'initial_lr' is not specified in param_groups"):
        schedules.StepLR(sgd(p), 1, last_epoch=3)
    optimizer = torch.optim.SGD([{"params": [p], "initial_lr": 1.0, "lr": 0.25}])
    scheduler = schedules.StepLR(optimizer, 2, gamma=0.5, last_epoch=4)
    optimizer.step()
    scheduler.step()
    assert scheduler.last_epoch == 6 and scheduler.get_last_lr() == [0.125]


def test_errors_of_schedules():
    optimizer, other = sgd(), sgd()
    adagrad = torch.optim.Adagrad([param()])
    exponential = schedules.ExponentialLR(optimizer, 0.5)
    plateau = schedules.ReduceLROnPlateau(optimizer)
    for make, text in [
        (lambda: schedules.ConstantLR(optimizer, 1.5), "between 0 and 1, got 1.5"),
        (lambda: schedules.LinearLR(optimizer, 0.0), "greater than 0 and less or equal to 1, got 0"),
        (lambda: schedules.LinearLR(optimizer, end_factor=2.0), "between 0 and 1, got 2"),
        (lambda: schedules.LambdaLR(optimizer, [abs, abs]), "one entry for each of 1 param_groups, got 2"),
        (lambda: schedules.SequentialLR(optimizer, [], []), "at least one scheduler"),
        (lambda: schedules.SequentialLR(optimizer, [exponential], [3]), "1 schedulers and 1 milestones"),
        (lambda: schedules.SequentialLR(optimizer, [plateau], []), "does not support ReduceLROnPlateau"),
        (lambda: schedules.SequentialLR(other, [exponential], []), "belong to the same optimizer"),
        (lambda: schedules.ReduceLROnPlateau(optimizer, "best"), "mode best is unknown"),
        (lambda: schedules.ReduceLROnPlateau(optimizer, threshold_mode="x"), "threshold mode x is unknown"),
        (lambda: schedules.ReduceLROnPlateau(optimizer, factor=1.0), "Factor should be < 1.0"),
        (lambda: schedules.OneCycleLR(optimizer, 1.0), "either total_steps OR"),
        (lambda: schedules.OneCycleLR(optimizer, 1.0, 0), "positive integer total_steps, but got 0"),
        (lambda: schedules.OneCycleLR(optimizer, 1.0, 9, pct_start=2.0), "pct_start, but got 2.0"),
        (lambda: schedules.OneCycleLR(optimizer, 1.0, 9, anneal_strategy="x"), "'cos' or 'linear'"),
        (lambda: schedules.OneCycleLR(adagrad, 1.0, 9), "Adagrad has neither momentum nor betas"),
    ]:
        with pytest.raises(ValueError, match=text):
            make()


def test_errors_of_more_schedules():
    optimizer, adagrad = sgd(momentum=0.9), torch.optim.Adagrad([param()])
    plateau = schedules.ReduceLROnPlateau(optimizer)
    step = schedules.StepLR(optimizer, 1)
    average = torch.optim.swa_utils
    for make, error, text in [
        (
            lambda: schedules.MultiplicativeLR(optimizer, 0.5),
            TypeError,
            "should be a function, but got float",
        ),
        (lambda: schedules.ChainedScheduler([]), ValueError, "at least one scheduler"),
        (lambda: schedules.ChainedScheduler([3]), TypeError, "got a int at index 0"),
        (
            lambda: schedules.ChainedScheduler([step, plateau]),
            ValueError,
            "does not support ReduceLROnPlateau",
        ),
        (lambda: schedules.ChainedScheduler([step], sgd()), ValueError, "belong to the same optimizer"),
        (lambda: schedules.CosineAnnealingWarmRestarts(optimizer, 0), ValueError, "positive integer T_0"),
        (lambda: schedules.CosineAnnealingWarmRestarts(optimizer, 1, 0), ValueError, "integer T_mult >= 1"),
        (
            lambda: schedules.CosineAnnealingWarmRestarts(optimizer, 1, 1, "x"),
            ValueError,
            "float or int eta_min",
        ),
        (
            lambda: schedules.CosineAnnealingWarmRestarts(optimizer, 1).step(-1),
            ValueError,
            "non-negative epoch",
        ),
        (lambda: schedules.CyclicLR(optimizer, 0.1, 1.0, mode="x"), ValueError, "mode 'x' is invalid"),
        (
            lambda: schedules.CyclicLR(optimizer, [0.1, 1], 1.0),
            ValueError,
            "one entry for each of 1 param_groups",
        ),
        (lambda: schedules.CyclicLR(adagrad, 0.1, 1.0), ValueError, "neither momentum nor betas"),
        (lambda: average.SWALR(optimizer, 0.1, -1), ValueError, "equal or greater than 0, got -1"),
        (lambda: average.SWALR(optimizer, 0.1, anneal_strategy="x"), ValueError, "'cos' or 'linear'"),
        (lambda: average.get_ema_multi_avg_fn(2.0), ValueError, "Invalid decay value 2.0"),
        (lambda: average.get_ema_avg_fn(-1.0), ValueError, "Invalid decay value -1.0"),
    ]:
        with pytest.raises(error, match=text):
            make()
    with pytest.raises(AssertionError, match="Only one of avg_fn and multi_avg_fn"):
        average.AveragedModel(torch.nn.Linear(1, 1), avg_fn=max, multi_avg_fn=max)


def test_a_scale_function_that_is_an_object_keeps_its_state():
    class Scale:
        power = 1

        def __call__(self, x):
            return x**-self.power

    scales = Scale(), Scale()
    scales[0].power = 2
    first, second = (schedules.CyclicLR(sgd(), 0.1, 1.0, scale_fn=f, cycle_momentum=False) for f in scales)
    second.load_state_dict(first.state_dict())
    assert scales[1].power == 2 and second.scale_fn(2) == 0.25


def test_averages_of_whole_numbers_and_of_a_model_elsewhere():
    average, value = torch.tensor([0, 10]), torch.tensor([8, 2])
    torch.optim.swa_utils.get_swa_multi_avg_fn()([average], [value], torch.tensor(3))
    assert average.tolist() == [2, 8]
    model = torch.optim.swa_utils.AveragedModel(torch.nn.Linear(1, 1), device="cpu")
    assert list(model.state_dict()) == ["n_averaged", "module.weight", "module.bias"]
    assert torch.optim.swa_utils.update_bn([torch.ones(1, 1)], model) is None


def test_one_cycle_ends():
    optimizer = sgd(momentum=0.9)
    scheduler = schedules.OneCycleLR(optimizer, 1.0, total_steps=2)
    optimizer.step()
    for _ in range(2):
        scheduler.step()
    with pytest.raises(ValueError, match="Tried to step 3 times"):
        scheduler.step()


def test_a_plateau_asks_for_the_lowest_rates_of_new_groups():
    p = param()
    optimizer = sgd(p, lr=1.0)
    scheduler = schedules.ReduceLROnPlateau(optimizer, patience=0, min_lr=[0.5])
    shared = schedules.ReduceLROnPlateau(optimizer, patience=0, min_lr=0.25)
    optimizer.add_param_group({"params": param(), "lr": 1.0})
    scheduler.step(1.0)
    shared.step(1.0)
    shared.step(1.0)
    assert shared.get_last_lr() == [0.25, 0.25]
    with pytest.raises(RuntimeError, match="has 2 param groups now, and there are 1 min_lrs"):
        scheduler.step(1.0)


def test_a_lambda_object_keeps_its_state():
    class Power:
        def __init__(self, base):
            self.base = base

        def __call__(self, epoch):
            return self.base**epoch

    optimizer = sgd(lr=1.0)
    state = schedules.LambdaLR(optimizer, Power(0.5)).state_dict()
    other = schedules.LambdaLR(optimizer, Power(0.1))
    other.load_state_dict(state)
    assert other.lr_lambdas[0].base == 0.5
    assert schedules.LambdaLR(optimizer, lambda epoch: 1.0).state_dict()["lr_lambdas"] == [None]
