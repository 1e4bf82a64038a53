"""Optimizers and schedules against PyTorch's: equal gradients give equal parameters, states and rates."""

import copy
import inspect

import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch")

OPTIMIZERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "maximize": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.01, "weight_decay": 0.1, "amsgrad": True}),
    ("Adam", {"lr": 0.01, "betas": (0.5, 0.9), "eps": 1e-3, "maximize": True}),
    ("AdamW", {"lr": 0.01}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.3, "amsgrad": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.1, "maximize": True}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.9, "centered": True}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.7, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.01, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.01, "momentum_decay": 0.1, "weight_decay": 0.1, "maximize": True}),
    ("NAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {}),
    ("RAdam", {"lr": 0.01, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("RAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.1, "etas": (0.25, 1.5), "step_sizes": (1e-2, 0.5), "maximize": True}),
    ("ASGD", {}),
    ("ASGD", {"lr": 0.1, "lambd": 0.1, "alpha": 0.5, "t0": 10, "weight_decay": 0.1, "maximize": True}),
    ("Adafactor", {}),
    ("Adafactor", {"lr": 0.1, "beta2_decay": -0.5, "eps": (1e-3, 1e-2), "d": 2.0, "weight_decay": 0.1}),
]
SHAPES = [(4, 3), (3,), ()]
each_optimizer = pytest.mark.parametrize(("name", "options"), OPTIMIZERS)


def numbers(t):
    return t.detach().numpy()


def start(t, dtype="float32"):
    """Parameters of the framework `t`; the last one never gets a gradient."""
    rng = np.random.default_rng(0)
    values = [rng.standard_normal(shape).astype(dtype) for shape in [*SHAPES, (2,)]]
    return [t.tensor(v.tolist(), dtype=getattr(t, dtype), requires_grad=True) for v in values]


def run(t, params, optimizer, steps, seed=1):
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        for p in params[: len(SHAPES)]:
            g = rng.standard_normal(tuple(p.shape))
            p.grad = t.tensor(g.tolist(), dtype=p.dtype)
        optimizer.step()


def assert_close(ours, theirs, rtol=3e-6, atol=3e-6):
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol)


@each_optimizer
def test_fifty_steps(name, options):
    results = []
    for t in (flambeau, torch):
        params = start(t)
        run(t, params, getattr(t.optim, name)(params, **options), 50)
        results.append([numbers(p) for p in params])
    for ours, theirs in zip(*results, strict=True):
        assert_close(ours, theirs)


@each_optimizer
def test_fifty_steps_of_doubles(name, options):
    results = []
    for t in (flambeau, torch):
        params = start(t, "float64")
        run(t, params, getattr(t.optim, name)(params, **options), 50)
        results.append([numbers(p) for p in params])
    for ours, theirs in zip(*results, strict=True):
        assert_close(ours, theirs, 1e-13, 1e-13)


@pytest.mark.parametrize(
    "name",
    ["SGD", "Adam", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "Rprop", "ASGD"],
)
def test_complex_parameters(name):
    options = {"lr": 0.1, "momentum": 0.9} if name in ("SGD", "RMSprop") else {"lr": 0.1}
    results = []
    for t in (flambeau, torch):
        p = t.tensor([1 + 2j, -3j], requires_grad=True)
        optimizer = getattr(t.optim, name)([p], **options)
        for g in ([1j, 2 + 1j], [2 - 1j, -1 + 0j], [0.5j, 1 + 1j]):
            p.grad = t.tensor(g)
            optimizer.step()
        results.append(numbers(p))
    assert_close(*results)


@each_optimizer
def test_names_defaults_and_text(name, options):
    ours, theirs = getattr(flambeau.optim, name), getattr(torch.optim, name)
    signatures = [inspect.signature(o.__init__).parameters for o in (ours, theirs)]
    assert [(p.name, p.kind, p.default) for p in signatures[0].values()] == [
        (p.name, p.kind, p.default) for p in signatures[1].values()
    ]
    texts = []
    for t in (flambeau, torch):
        a, b, *_ = start(t)
        optimizer = getattr(t.optim, name)([{"params": [a]}, {"params": [b], "lr": 0.5}], **options)
        texts.append(repr(optimizer))
    assert texts[0] == texts[1]


def plain(t, x):
    """A state dict with its tensors as pairs of dtype and array."""
    if isinstance(x, t.Tensor):
        return str(x.dtype), numbers(x)
    if isinstance(x, dict):
        return {key: plain(t, y) for key, y in x.items()}
    return [plain(t, y) for y in x] if isinstance(x, list) else x


def rebuilt(t, x):
    """The inverse of `plain`, for the framework `t`."""
    if isinstance(x, tuple) and len(x) == 2 and isinstance(x[1], np.ndarray):
        return t.tensor(x[1].tolist(), dtype=getattr(t, x[0].split(".")[1]))
    if isinstance(x, dict):
        return {key: rebuilt(t, y) for key, y in x.items()}
    return [rebuilt(t, y) for y in x] if isinstance(x, list) else x


def assert_same_structure(ours, theirs):
    assert type(ours) is type(theirs)
    if isinstance(ours, dict):
        assert list(ours) == list(theirs)
        for key in ours:
            assert_same_structure(ours[key], theirs[key])
    elif isinstance(ours, list):
        assert len(ours) == len(theirs)
        for x, y in zip(ours, theirs, strict=True):
            assert_same_structure(x, y)
    elif isinstance(ours, tuple) and isinstance(ours[1], np.ndarray):
        assert ours[0] == theirs[0]
        assert_close(ours[1], theirs[1])
    else:
        assert ours == theirs


@each_optimizer
def test_state_dicts_are_equal_and_go_both_ways(name, options):
    frameworks = (flambeau, torch)
    params = [start(t) for t in frameworks]
    optimizers = [getattr(t.optim, name)(p, **options) for t, p in zip(frameworks, params, strict=True)]
    for t, p, optimizer in zip(frameworks, params, optimizers, strict=True):
        run(t, p, optimizer, 3)
    states = [plain(t, o.state_dict()) for t, o in zip(frameworks, optimizers, strict=True)]
    assert_same_structure(*states)

    fresh = [getattr(t.optim, name)(p, **options) for t, p in zip(frameworks, params, strict=True)]
    for t, p, optimizer, state in zip(frameworks, params, fresh, reversed(states), strict=True):
        optimizer.load_state_dict(rebuilt(t, copy.deepcopy(state)))
        run(t, p, optimizer, 3, seed=2)
    for ours, theirs in zip(*params, strict=True):
        assert_close(numbers(ours), numbers(theirs))


def test_names_of_parameters_are_in_the_state_dict():
    states = []
    for t in (flambeau, torch):
        a, b, *_ = start(t)
        optimizer = t.optim.SGD([("a", a), ("b", b)], lr=0.1)
        states.append(optimizer.state_dict())
        optimizer.load_state_dict(t.optim.SGD([a, b], lr=0.2).state_dict())
        states.append(optimizer.state_dict())
    assert states[:2] == states[2:]


def valley(t, optimizer, p):
    """Rosenbrock's function and its gradient."""

    def closure():
        optimizer.zero_grad()
        loss = ((1 - p[:-1]) ** 2 + 100 * (p[1:] - p[:-1] ** 2) ** 2).sum()
        loss.backward()
        return loss

    return closure


@pytest.mark.parametrize(
    "options",
    [
        {"line_search_fn": "strong_wolfe"},
        {"line_search_fn": "strong_wolfe", "max_iter": 5, "history_size": 3, "lr": 0.5},
        {"line_search_fn": "strong_wolfe", "max_eval": 4},
        {"lr": 1e-3, "max_iter": 7},
        {"lr": 1e-3, "tolerance_grad": 30.0},
    ],
)
def test_lbfgs(options):
    results = []
    for t in (flambeau, torch):
        p = t.tensor([-1.2, 1.0, 0.5, 2.0], dtype=t.float64, requires_grad=True)
        optimizer = t.optim.LBFGS([p], **options)
        closure = valley(t, optimizer, p)
        losses = [optimizer.step(closure).item() for _ in range(4)]
        state = optimizer.state[p]
        results.append([losses, numbers(p), state["n_iter"], state["func_evals"]])
    for ours, theirs in zip(*results, strict=True):
        assert_close(ours, theirs, 1e-6, 1e-6)


@pytest.mark.parametrize(("first", "second"), [(flambeau, torch), (torch, flambeau)], ids=["ours", "theirs"])
def test_lbfgs_goes_on_in_the_other_framework(first, second):
    found = []
    p = first.tensor([-1.2, 1.0], dtype=first.float64, requires_grad=True)
    optimizer = first.optim.LBFGS([p], max_iter=4, line_search_fn="strong_wolfe")
    optimizer.step(valley(first, optimizer, p))
    q = second.tensor(p.tolist(), dtype=second.float64, requires_grad=True)
    other = second.optim.LBFGS([q])
    other.load_state_dict(rebuilt(second, plain(first, optimizer.state_dict())))
    for t, x, o in ((first, p, optimizer), (second, q, other)):
        o.step(valley(t, o, x))
        found.append(numbers(x))
    assert_close(*found, 1e-9, 1e-9)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"nesterov": False, "weight_decay": 0.5, "adjust_lr_fn": "match_rms_adamw"},
        {"ns_steps": 2, "lr": 0.1},
    ],
)
def test_muon(options):
    results, states = [], []
    for t in (flambeau, torch):
        rng = np.random.default_rng(0)
        params = [
            t.tensor(rng.standard_normal(s).tolist(), requires_grad=True) for s in ((4, 3), (3, 8), (5, 5))
        ]
        optimizer = t.optim.Muon(params, **{"lr": 0.01, **options})
        for _ in range(10):
            for p in params:
                p.grad = t.tensor(rng.standard_normal(tuple(p.shape)).tolist())
            optimizer.step()
        results.append([numbers(p) for p in params])
        states.append(plain(t, optimizer.state_dict()))
    for ours, theirs in zip(*results, strict=True):
        assert_close(ours, theirs, 0.02, 0.02)  # steps are computed in bfloat16
    assert_same_structure(*states)


# ----- Averages -----


def averaged(t, **options):
    utils = t.optim.swa_utils
    made = {
        "mean": lambda **o: utils.AveragedModel(model, **o),
        "ema": lambda **o: utils.AveragedModel(model, multi_avg_fn=utils.get_ema_multi_avg_fn(0.9), **o),
        "ema one by one": lambda **o: utils.AveragedModel(model, avg_fn=utils.get_ema_avg_fn(0.9), **o),
        "mean one by one": lambda **o: utils.AveragedModel(model, avg_fn=utils.get_swa_avg_fn(), **o),
    }
    t.manual_seed(0)
    model = t.nn.Sequential(t.nn.Linear(3, 2), t.nn.BatchNorm1d(2))
    kind = options.pop("kind")
    average = made[kind](**options)
    optimizer = t.optim.SGD(model.parameters(), lr=0.1)
    x = t.linspace(-1, 1, 12).reshape(4, 3)
    for i in range(5):
        optimizer.zero_grad()
        (model(x * (i + 1)) ** 2).sum().backward()
        optimizer.step()
        average.update_parameters(model)
    utils.update_bn([x, [x + 1]], average)
    return {name: numbers(value) for name, value in average.state_dict().items()}


@pytest.mark.parametrize("kind", ["mean", "ema", "ema one by one", "mean one by one"])
@pytest.mark.parametrize("use_buffers", [False, True])
def test_averaged_models(kind, use_buffers):
    ours, theirs = (averaged(t, kind=kind, use_buffers=use_buffers) for t in (flambeau, torch))
    assert list(ours) == list(theirs)
    for name, value in ours.items():
        assert_close(value, theirs[name])


# ----- Schedules -----


def averages(schedules):
    return (flambeau if schedules.__name__.startswith("flambeau") else torch).optim.swa_utils


SCHEDULES = {
    "step": lambda s, o: s.StepLR(o, 7, gamma=0.5),
    "multistep": lambda s, o: s.MultiStepLR(o, [3, 9, 9, 20], gamma=0.5),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.9),
    "lambda": lambda s, o: s.LambdaLR(o, lambda epoch: 0.95**epoch),
    "lambdas": lambda s, o: s.LambdaLR(o, [lambda epoch: 0.95**epoch, lambda epoch: 1 / (1 + epoch)]),
    "constant": lambda s, o: s.ConstantLR(o, 0.25, 6),
    "linear": lambda s, o: s.LinearLR(o, 0.3, 0.8, 12),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 9, eta_min=0.01),
    "sequential": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, total_iters=5), s.CosineAnnealingLR(o, 20), s.ExponentialLR(o, 0.9)], [5, 25]
    ),
    "nested": lambda s, o: s.SequentialLR(
        o,
        [s.SequentialLR(o, [s.ConstantLR(o, 0.5, 9), s.StepLR(o, 2)], [5]), s.ExponentialLR(o, 0.9)],
        [12],
    ),
    "multiplicative": lambda s, o: s.MultiplicativeLR(o, [lambda epoch: 0.95, lambda epoch: 1 - 0.1 / epoch]),
    "polynomial": lambda s, o: s.PolynomialLR(o, 30, power=1.5),
    "restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 4, 2, eta_min=0.01),
    "equal restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 7),
    "chained": lambda s, o: s.ChainedScheduler([s.ConstantLR(o, 0.1, 9), s.ExponentialLR(o, 0.9)]),
    "chained in sequence": lambda s, o: s.SequentialLR(
        o, [s.ChainedScheduler([s.LinearLR(o, 0.1), s.StepLR(o, 4)]), s.PolynomialLR(o, 30)], [11]
    ),
    "triangles": lambda s, o: s.CyclicLR(o, 0.1, 0.5, step_size_up=7, step_size_down=4),
    "falling triangles": lambda s, o: s.CyclicLR(
        o, [0.1, 0.2], [0.5, 0.4], step_size_up=5, mode="triangular2"
    ),
    "exponential triangles": lambda s, o: s.CyclicLR(
        o, 0.1, 0.5, step_size_up=6, mode="exp_range", gamma=0.98, base_momentum=0.7, max_momentum=0.95
    ),
    "triangles by function": lambda s, o: s.CyclicLR(
        o, 0.1, 0.5, 5, scale_fn=lambda x: 1 / x, cycle_momentum=False
    ),
    "swa": lambda s, o: averages(s).SWALR(o, [0.05, 0.2], anneal_epochs=6),
    "linear swa": lambda s, o: averages(s).SWALR(o, 0.05, anneal_epochs=9, anneal_strategy="linear"),
    "swa at once": lambda s, o: averages(s).SWALR(o, 0.05, anneal_epochs=0),
    "cycle": lambda s, o: s.OneCycleLR(o, 0.4, total_steps=51),
    "cycles": lambda s, o: s.OneCycleLR(
        o, [0.4, 0.2], epochs=3, steps_per_epoch=17, anneal_strategy="linear", three_phase=True, pct_start=0.2
    ),
}
TWO_GROUPS = {"lambdas", "multiplicative", "swa", "falling triangles", "cycles"}
each_schedule = pytest.mark.parametrize("name", SCHEDULES)
pytestmark = pytest.mark.filterwarnings("ignore:Detected call of")  # a nested sequence warns


def scheduled(t, name, kind="SGD", **options):
    a, b, *_ = start(t)
    optimizer = getattr(t.optim, kind)([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.1, **options)
    return optimizer, SCHEDULES[name](t.optim.lr_scheduler, optimizer)


@each_schedule
@pytest.mark.parametrize(("kind", "options"), [("SGD", {"momentum": 0.9}), ("Adam", {})])
def test_fifty_rates(name, kind, options):
    results = []
    for t in (flambeau, torch):
        optimizer, scheduler = scheduled(t, name, kind, **options)
        rates = []
        for _ in range(50):
            groups = optimizer.param_groups
            rates.append([(g["lr"], g.get("momentum"), g.get("betas")) for g in groups])
            assert scheduler.get_last_lr() == [g["lr"] for g in groups]
            optimizer.step()
            scheduler.step()
        results.append(rates)
    assert results[0] == results[1]


@each_schedule
def test_schedules_resume_from_the_other_framework(name):
    """A schedule stopped in one framework goes on in the other."""
    for first, second in ((flambeau, torch), (torch, flambeau)):
        optimizer, scheduler = scheduled(first, name, momentum=0.9)
        other_optimizer, other = scheduled(second, name, momentum=0.9)
        for _ in range(8):
            optimizer.step()
            scheduler.step()
        other_optimizer.load_state_dict(rebuilt(second, plain(first, optimizer.state_dict())))
        other.load_state_dict(scheduler.state_dict())
        other_optimizer.step()
        for _ in range(20):
            optimizer.step()
            scheduler.step()
            other_optimizer.step()
            other.step()
            assert other.get_last_lr() == scheduler.get_last_lr()


@each_schedule
def test_signatures_of_schedules(name):
    kinds = [type(scheduled(t, name, momentum=0.9)[1]) for t in (flambeau, torch)]
    ours, theirs = ([(p.name, p.default) for p in inspect.signature(k).parameters.values()] for k in kinds)
    assert ours == theirs


@pytest.mark.parametrize(
    "name",
    ["step", "multistep", "exponential", "lambda", "constant", "linear", "cosine", "polynomial", "restarts"],
)
@pytest.mark.filterwarnings("ignore:.*epoch parameter")
def test_a_given_epoch_uses_the_closed_form(name):
    results = []
    for t in (flambeau, torch):
        optimizer, scheduler = scheduled(t, name)
        optimizer.step()
        rates = []
        for epoch in (5, 30, 2):
            scheduler.step(epoch)
            rates += scheduler.get_last_lr()
        results.append(rates)
    assert results[0] == pytest.approx(results[1], rel=1e-15)


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 2},
        {"patience": 1, "cooldown": 3, "factor": 0.5, "min_lr": [0.02, 0.1]},
        {"mode": "max", "patience": 0, "threshold": 0.1, "threshold_mode": "abs", "eps": 1e-3},
    ],
)
def test_plateau(options):
    metrics = np.random.default_rng(0).standard_normal(50).cumsum().tolist()
    results = []
    for t in (flambeau, torch):
        a, b, *_ = start(t)
        optimizer = t.optim.SGD([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.1)
        scheduler = t.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
        rates = []
        for metric in metrics:
            scheduler.step(t.tensor(metric))
            rates.append([g["lr"] for g in optimizer.param_groups])
        results.append((rates, scheduler.state_dict()))
    assert results[0] == results[1]


@pytest.mark.parametrize("name", sorted(set(SCHEDULES) - TWO_GROUPS))
def test_schedules_of_a_rate_that_is_a_tensor(name):
    results = []
    for t in (flambeau, torch):
        rate = t.tensor(0.1, dtype=t.float64)
        optimizer = t.optim.SGD([t.zeros(1)], lr=rate, momentum=0.9)
        scheduler = SCHEDULES[name](t.optim.lr_scheduler, optimizer)
        rates = []
        for _ in range(30):
            rates.append(float(scheduler.get_last_lr()[0]))
            optimizer.step()
            scheduler.step()
        assert optimizer.param_groups[0]["lr"] is rate
        results.append(rates)
    assert results[0] == pytest.approx(results[1], rel=1e-12)


def test_rates_that_are_tensors():
    results = []
    for t in (flambeau, torch):
        params = start(t)
        rate = t.tensor(0.1)
        optimizer = t.optim.Adam(params, lr=rate)
        scheduler = t.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
        for _ in range(3):
            run(t, params, optimizer, 1)
            scheduler.step()
        assert optimizer.param_groups[0]["lr"] is rate
        results.append([numbers(rate), *map(numbers, params)])
    for ours, theirs in zip(*results, strict=True):
        assert_close(ours, theirs)
