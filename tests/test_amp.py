"""Mixed precision: blocks of autocast, custom functions in them, scaled losses; NaNs found; seeds."""

from __future__ import annotations

import pickle
import random
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.core.modes import modes

F, nn = torch.nn.functional, torch.nn
pytestmark = pytest.mark.filterwarnings("ignore:autocast to")  # on CPUs that don't compute in 16 bits


def half(x: Any) -> bool:
    return x.dtype is torch.bfloat16


# ----- blocks -----


def test_blocks_nest_and_restore() -> None:
    a = torch.ones(2, 2)
    with torch.autocast("cpu"):
        assert half(a @ a)
        with torch.autocast("cpu", enabled=False):
            assert not half(a @ a)
        with torch.autocast("cpu", dtype=torch.float16):
            assert (a @ a).dtype is torch.float16 is torch.get_autocast_dtype("cpu")
        assert half(a @ a) and torch.is_autocast_enabled("cpu")
    assert not half(a @ a) and modes.autocast is None


def test_an_error_leaves_the_block() -> None:
    with pytest.raises(KeyError), torch.autocast("cpu"):
        raise KeyError
    assert not torch.is_autocast_enabled("cpu")


def test_decorator_and_the_same_block_twice() -> None:
    block = torch.autocast("cpu")

    @block
    def product(x: Any, depth: int = 1) -> Any:
        return product(x, depth - 1) if depth else x @ x

    assert half(product(torch.ones(2, 2)))
    assert not torch.is_autocast_enabled("cpu")
    with pytest.raises(TypeError, match="requires a callable, but got int"):
        block(3)  # type: ignore[type-var]


def test_settings_of_a_thread() -> None:
    torch.set_autocast_enabled("cpu", True)
    try:
        assert half(torch.ones(2, 2) @ torch.ones(2, 2))
    finally:
        torch.set_autocast_enabled("cpu", False)
    with pytest.raises(RuntimeError, match="device type"):
        torch.amp.is_autocast_available("abacus")
    with pytest.raises(RuntimeError, match="unsupported autocast device_type 'meta'"):
        torch.autocast("meta")
    with pytest.raises(ValueError, match="of type `str`"):
        torch.autocast(torch.device("cpu"))  # type: ignore[arg-type]


def test_what_cannot_be_done_warns_and_does_nothing() -> None:
    a = torch.ones(2, 2)
    with pytest.warns(UserWarning, match="CUDA is not available"), torch.autocast("cuda"):
        assert not half(a @ a) and not torch.is_autocast_enabled("cuda")
    with pytest.warns(UserWarning, match="only supports dtypes"), torch.autocast("cpu", dtype=torch.float64):
        assert not half(a @ a)
    with pytest.warns(FutureWarning, match=r"torch\.amp\.autocast\('cpu'"), torch.cpu.amp.autocast():
        assert half(a @ a)
    with pytest.warns(FutureWarning, match=r"torch\.amp\.GradScaler\('cpu'"):
        assert torch.cpu.amp.GradScaler().get_scale() == 65536
    with pytest.warns(UserWarning, match="CUDA is not available"):
        assert not torch.amp.GradScaler().is_enabled()


def test_double_precision_and_numbers_stay() -> None:
    x = torch.ones(2, 2, dtype=torch.float64)
    i = torch.ones(2, 2, dtype=torch.int64)
    with torch.autocast("cpu"):
        assert (x @ x).dtype is torch.float64 and (i @ i).dtype is torch.int64


def test_in_place_and_out_are_left_alone() -> None:
    a, out = torch.ones(2, 2), torch.empty(2, 2)
    with torch.autocast("cpu"):
        assert torch.mm(a, a, out=out).dtype is torch.float32
        assert torch.zeros(2, 2).addmm_(a, a).dtype is torch.float32


@pytest.mark.parametrize("mode", ["interpret", "compile", "eager"])
def test_gradients_have_the_parameters_dtype(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.config, "mode", mode)
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(4, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, 2), nn.Flatten(), nn.Linear(288, 5)
    )
    x, y = torch.randn(2, 4, 8, 8), torch.tensor([1, 4])
    grads = []
    for enabled in (False, True):
        net.zero_grad()
        with torch.autocast("cpu", enabled=enabled):
            loss = F.cross_entropy(net(x), y)
        loss.backward()
        assert loss.dtype is torch.float32
        grads.append([p.grad for p in net.parameters()])
    for g, h in zip(*grads, strict=True):
        assert g.dtype is h.dtype is torch.float32
        assert (g - h).abs().mean() <= 0.02 * g.abs().mean() + 1e-4


def test_backward_in_the_block_is_the_same() -> None:
    layer, x = nn.Linear(8, 8), torch.randn(4, 8)
    found = []
    for inside in (False, True):
        layer.zero_grad()
        with torch.autocast("cpu"):
            loss = layer(x).float().square().sum()
            if inside:
                loss.backward()
        if not inside:
            loss.backward()
        found.append(layer.weight.grad.clone())
    assert torch.equal(*found)


def test_compiled_calls_see_the_block() -> None:
    layer, x = nn.Linear(8, 8), torch.randn(4, 8)

    @torch.compile
    def step(x: Any) -> Any:
        return layer(x)

    for _ in range(3):
        assert not half(step(x))
        with torch.autocast("cpu"):
            assert half(step(x))


def test_a_compiled_step_with_a_block_inside() -> None:
    def train(wrap: Any) -> list[float]:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Linear(16, 3))
        rule, x, y = torch.optim.AdamW(net.parameters(), 0.01), torch.randn(8, 6), torch.arange(8) % 3

        def step() -> Any:
            rule.zero_grad()
            with torch.autocast("cpu"):
                loss = F.cross_entropy(net(x), y)
            loss.backward()
            rule.step()
            return loss

        step = wrap(step)
        return [step().item() for _ in range(6)]

    assert train(lambda f: f) == pytest.approx(train(torch.compile), abs=1e-6)


def test_recomputation_is_in_the_same_precision() -> None:
    layer, seen = nn.Linear(4, 4), []

    def part(x: Any) -> Any:
        seen.append(layer(x).dtype)
        return layer(x)

    with torch.autocast("cpu"):
        y = torch.utils.checkpoint.checkpoint(part, torch.randn(2, 4), use_reentrant=False)
    y.float().sum().backward()
    assert seen == [torch.bfloat16] * 2


def test_custom_functions() -> None:
    class Product(torch.autograd.Function):
        @staticmethod
        @torch.amp.custom_fwd(device_type="cpu")
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            ctx.save_for_backward(a, b)
            return a @ b

        @staticmethod
        @torch.amp.custom_bwd(device_type="cpu")
        def backward(ctx: Any, g: Any) -> Any:
            a, b = ctx.saved_tensors
            seen.append((g @ b.t()).dtype)
            return g @ b.t(), a.t() @ g

    class Exact(Product):
        forward = staticmethod(
            torch.amp.custom_fwd(lambda ctx, x: x @ x, device_type="cpu", cast_inputs=torch.float32)
        )

    seen: list[Any] = []
    a = torch.randn(2, 2, requires_grad=True)
    with torch.autocast("cpu"):
        y = Product.apply(a, a)
        assert half(y)
        assert Exact.apply(a.detach().bfloat16()).dtype is torch.float32
    y.float().sum().backward()
    assert seen == [torch.bfloat16] and a.grad.dtype is torch.float32
    with pytest.raises(ValueError, match="device_type"):
        torch.amp.custom_fwd(device_type=3)  # type: ignore[arg-type]


# ----- scaled losses -----


def scaled_step(scaler: Any, rule: Any, w: Any, factor: float = 1.0) -> None:
    rule.zero_grad()
    scaler.scale((w * factor).sum()).backward()
    scaler.step(rule)
    scaler.update()


def test_a_step_with_an_infinity_is_left_out() -> None:
    w = nn.Parameter(torch.ones(2))
    rule, scaler = torch.optim.SGD([w], 0.5), torch.amp.GradScaler("cpu", 8.0, growth_interval=2)
    scales = []
    for factor in (1.0, float("inf"), 1.0, 1.0, float("nan"), 1.0):
        scaled_step(scaler, rule, w, factor)
        scales.append(scaler.get_scale())
    assert scales == [8, 4, 4, 8, 4, 4]
    assert w.tolist() == [-1.0, -1.0]
    state = scaler.state_dict()
    assert (state["scale"], state["_growth_tracker"]) == (4.0, 1)
    other = torch.amp.GradScaler("cpu")
    other.load_state_dict(state)
    assert other.state_dict() == state == pickle.loads(pickle.dumps(scaler)).state_dict()


def test_order_of_calls() -> None:
    w = nn.Parameter(torch.ones(2))
    rule, scaler = torch.optim.SGD([w], 0.5), torch.amp.GradScaler("cpu", 8.0)
    with pytest.raises(AssertionError, match="_scale is None"):
        scaler.step(rule)
    scaler.scale(w.sum()).backward()
    scaler.unscale_(rule)
    assert w.grad.tolist() == [1.0, 1.0]
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.unscale_(rule)
    with pytest.raises(AssertionError, match="at the beginning"):
        pickle.dumps(scaler)
    with pytest.raises(RuntimeError, match="Closure"):
        scaler.step(torch.optim.LBFGS([w]), closure=lambda: w.sum())
    scaler.step(rule)
    with pytest.raises(RuntimeError, match="after step"):
        scaler.unscale_(rule)
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.step(rule)
    scaler.update(new_scale=2.0)
    assert scaler.get_scale() == 2.0
    with pytest.raises(AssertionError, match="No inf checks"):
        scaler.update()


def test_each_optimizer_has_its_own_state() -> None:
    a, b = (nn.Parameter(torch.ones(1)) for _ in range(2))
    rules = [torch.optim.SGD([p], 1.0) for p in (a, b)]
    scaler = torch.amp.GradScaler("cpu", 4.0)
    scaler.scale(a.sum() + b.sum() * float("inf")).backward()
    for rule in rules:
        scaler.step(rule)
    scaler.update()
    assert (a.item(), b.item(), scaler.get_scale()) == (0.0, 1.0, 2.0)


def test_half_gradients_and_bad_settings() -> None:
    p = nn.Parameter(torch.ones(1, dtype=torch.float16))
    scaler = torch.amp.GradScaler("cpu", 4.0)
    scaler.scale(p.sum()).backward()
    with pytest.raises(ValueError, match="FP16"):
        scaler.unscale_(torch.optim.SGD([p], 1.0))
    with pytest.raises(AssertionError, match="growth factor"):
        torch.amp.GradScaler("cpu", growth_factor=1.0)
    with pytest.raises(ValueError, match="iterable"):
        scaler.scale(3)
    assert [t.item() for t in scaler.scale([torch.ones(()), torch.ones(())])] == [4.0, 4.0]
    off = torch.amp.GradScaler("cpu", enabled=False)
    assert off.scale(3) == 3 and off.state_dict() == {} and off.get_scale() == 1.0


# ----- NaNs, seeds -----


class Root(nn.Module):
    def forward(self, x: Any) -> Any:
        return (x.sqrt() * 0).sum()


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
def test_anomaly_names_function_module_and_line() -> None:
    net = nn.Sequential(nn.Linear(2, 2), Root())
    nn.init.zeros_(net[0].weight)
    nn.init.zeros_(net[0].bias)
    with torch.autograd.detect_anomaly():
        loss = net(torch.ones(1, 2))
        with pytest.raises(
            RuntimeError, match=r"^Function 'SqrtBackward0' returned nan values in its 0th output"
        ) as e:
            loss.backward()
    assert "test_amp.py" in str(e.value) and "module '1'" in str(e.value) and "x.sqrt()" in str(e.value)
    assert not torch.is_anomaly_enabled()
    net(torch.ones(1, 2)).backward()
    assert net[0].weight.grad.isnan().any()


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
def test_anomaly_notes_errors_of_custom_functions() -> None:
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            raise KeyError("here")

    with torch.autograd.set_detect_anomaly(True, check_nan=False):
        y = Broken.apply(torch.ones(1, requires_grad=True))
        with pytest.raises(KeyError) as e:
            y.sum().backward()
    assert "Broken.apply" in e.value.__notes__[0]


@pytest.mark.parametrize("mode", ["interpret", "compile", "eager"])
def test_detect_nan_finds_the_first(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.config, "mode", mode)
    net = nn.Sequential(nn.Linear(2, 2), Root())
    nn.init.zeros_(net[0].weight)
    nn.init.zeros_(net[0].bias)
    with torch.detect_nan():
        loss = net(torch.ones(1, 2))
        with pytest.raises(FloatingPointError, match=r"made (nan|inf) out of finite .*\(backward\)"):
            loss.backward(), net[0].weight.grad.sum().item()
    with pytest.raises(FloatingPointError, match=r"log made -inf .*test_amp\.py"), torch.detect_nan():
        (torch.tensor([1.0, 0.0]).log() * 2).sum().item()
    with pytest.raises(FloatingPointError, match=r"^detect_nan: div made (inf|nan) out"), torch.detect_nan():
        (F.dropout(torch.ones(4), 0.5) / torch.zeros(4) + 1).sum().item()


def test_detect_nan_lets_masks_be() -> None:
    with torch.detect_nan():
        mask = torch.full((3, 3), float("-inf")).triu(1)
        y = (torch.randn(3, 3) + mask).softmax(-1)
        assert y.isfinite().all()


def test_seed_everything() -> None:
    def numbers() -> tuple[float, ...]:
        return random.random(), float(np.random.rand()), torch.rand(()).item()

    assert torch.seed_everything(11) == 11
    first = numbers()
    torch.seed_everything(11)
    assert numbers() == first
    with pytest.raises(ValueError, match="between 0 and"):
        torch.seed_everything(-1)
