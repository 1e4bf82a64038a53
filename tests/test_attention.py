"""Attention's kernels against their NumPy references: shapes, strides, masks, dtypes, shares of tasks."""

import math
import os
import subprocess
import sys
from typing import NamedTuple

import ml_dtypes
import numpy as np
import pytest

import flambeau as torch
from flambeau.compiler.calls import Array, Plan, run_calls
from flambeau.core import dtype as dt
from flambeau.ops.attention import attention, attention_grad

F = torch.nn.functional
INF = float("inf")
BF16, F16, F32, F64 = ml_dtypes.bfloat16, np.float16, np.float32, np.float64
CLOSE = {BF16: 1e-2, F16: 2e-3, F32: 3e-6, F64: 1e-13}


class Case(NamedTuple):
    """Shapes of queries, keys and values, an optional mask, and the dtype."""

    q: tuple = (2, 3, 7, 5)
    k: tuple = (2, 3, 9, 5)
    v: tuple = (2, 3, 9, 5)
    causal: bool = False
    mask: object = None
    dtype: object = F32

    def arrays(self):
        rng = np.random.default_rng(1)
        q, k, v = (rng.standard_normal(s).astype(self.dtype) for s in (self.q, self.k, self.v))
        scale = np.array(1 / math.sqrt(max(self.q[-1], 1)), opmath(self.dtype))
        return (q, k, v, scale, *(() if self.mask is None else (self.mask,)))


def opmath(d):
    return F64 if d is F64 else F32


def wide(x):
    return x.astype(F64) if x.dtype != np.bool_ else x


def boolean(*shape):
    return np.random.default_rng(2).random(shape) < 0.6


def floats(*shape, dtype=F32):
    values = np.random.default_rng(3).standard_normal(shape)
    return np.where(boolean(*shape), values, -INF).astype(dtype)


def described(number, x):
    return Array(number, 0, x.shape, tuple(s // x.itemsize for s in x.strides), dt.from_numpy(x.dtype))


def planned(op, inputs, results, causal, threads=1):
    """The plan of an operation, or None if the compiler declines it."""
    from flambeau.compiler.cpu import attention as planners

    planner = {attention: planners.plan_attention, attention_grad: planners.plan_attention_grad}[op]
    plan = Plan(len(inputs) + len(results), threads)
    places = [described(i, x) for i, x in enumerate((*inputs, *results))]
    n = len(inputs)
    return plan if planner(plan, tuple(places[n:]), tuple(places[:n]), (causal,)) else None


def run(op, inputs, specs, causal):
    """What the kernels give, the same with the tasks in one share and in three."""
    found = []
    for threads in (1, 3):
        results = [np.full(shape, 77, d) for shape, d in specs]
        plan = planned(op, inputs, results, causal, threads)
        assert plan is not None
        plan.calls = [c._replace(grain=1) for c in plan.calls]  # small as it is, it is shared out
        run_calls(plan, [*inputs, *results], threads)
        found.append(results)
    for one, three in zip(*found, strict=True):
        assert one.tobytes() == three.tobytes()
    return found[0]


def close(got, want, d, label=""):
    tolerance = CLOSE[d]
    np.testing.assert_allclose(
        wide(got), want, rtol=tolerance, atol=tolerance * max(1, abs(want).max(initial=0)), err_msg=label
    )


def check(case):
    inputs = case.arrays()
    want, want_lse = attention.numpy(*map(wide, inputs), case.causal)
    out, lse = run(
        attention, inputs, [(want.shape, case.dtype), (want_lse.shape, opmath(case.dtype))], case.causal
    )
    close(out, want, case.dtype, "result")
    close(lse, want_lse, opmath(case.dtype), "logsumexp")
    check_gradient(case, inputs, want, want_lse)


def check_gradient(case, inputs, out, lse):
    g = np.random.default_rng(4).standard_normal(out.shape).astype(case.dtype)
    q, k, v, *rest = inputs
    delta = (g * out).sum(-1) + 0.5
    given = (g, q, k, v, lse.astype(opmath(case.dtype)), delta.astype(opmath(case.dtype)), *rest)
    want = attention_grad.numpy(*map(wide, given), case.causal)
    batch = out.shape[:-2]
    found = run(
        attention_grad, given, [((*batch, *x.shape[-2:]), case.dtype) for x in (q, k, v)], case.causal
    )
    for name, got, expected in zip("qkv", found, want, strict=True):
        close(got, expected, case.dtype, f"gradient of {name}")


CASES = {
    "plain": Case(),
    "values wider": Case(v=(2, 3, 9, 20)),
    "one query": Case(q=(2, 1, 8), k=(2, 270, 8), v=(2, 270, 8)),
    "one key": Case(q=(5, 3), k=(1, 3), v=(1, 1), causal=True),
    "one head": Case(q=(300, 8), k=(300, 8), v=(300, 8), causal=True),
    "more queries": Case(q=(4, 150, 8), k=(4, 40, 8), v=(4, 40, 8), causal=True),
    "more keys": Case(q=(4, 40, 8), k=(4, 150, 8), v=(4, 150, 8), causal=True),
    "many heads": Case(q=(17, 2, 65, 12), k=(17, 2, 131, 12), v=(17, 2, 131, 11)),
    "groups": Case(q=(2, 2, 3, 9, 8), k=(2, 2, 1, 9, 8), v=(2, 2, 1, 9, 8), causal=True),
    "broadcast": Case(q=(3, 1, 4, 8), k=(2, 6, 8), v=(6, 8)),
    "bool mask": Case(mask=boolean(7, 9)),
    "one mask for all keys": Case(mask=boolean(3, 7, 1)),
    "padding": Case(q=(3, 2, 130, 8), k=(3, 2, 140, 8), v=(3, 2, 140, 8), mask=boolean(3, 1, 1, 140)),
    "float mask": Case(mask=floats(2, 1, 7, 9)),
    "mask and causal": Case(mask=floats(9), causal=True),
    "mask of a number": Case(mask=np.array(0.25, F32)),
    "float64": Case(dtype=F64, causal=True),
    "float64, float32 mask": Case(dtype=F64, mask=floats(7, 9)),
    "bfloat16": Case(dtype=BF16, mask=floats(3, 7, 9, dtype=BF16)),
    "float16": Case(dtype=F16, mask=boolean(3, 1, 9)),
    "no keys": Case(k=(2, 3, 0, 5), v=(2, 3, 0, 5)),
    "no queries": Case(q=(2, 3, 0, 5)),
    "no heads": Case(q=(0, 7, 5), k=(0, 9, 5), v=(0, 9, 5)),
}


@pytest.mark.parametrize("name", CASES)
def test_kernels_give_what_the_references_give(name):
    check(CASES[name])


@pytest.mark.parametrize("columns", [1, 16, 33, 80])
def test_any_number_of_columns(columns):
    check(Case(q=(2, 19, columns), k=(2, 35, columns), v=(2, 35, 3), causal=True))


def test_views_of_one_projection():
    """Queries, keys and values that lie side by side, columns that don't, and results that are contiguous."""
    qkv = np.random.default_rng(0).standard_normal((2, 33, 3, 2, 10)).astype(F32)
    for q, k, v in (
        (qkv[:, :, i].swapaxes(1, 2) for i in range(3)),
        (qkv[:, :, i, :, ::-2].swapaxes(1, 2) for i in range(3)),
        (qkv[:, ::-1, i].transpose(0, 2, 3, 1) for i in range(3)),
    ):
        scale = np.array(0.3, F32)
        want = attention.numpy(*map(wide, (q, k, v, scale)), True)
        out, _ = run(attention, (q, k, v, scale), [(want[0].shape, F32), (want[1].shape, F32)], True)
        close(out, want[0], F32)
        case = Case(q.shape, k.shape, v.shape, True)
        check_gradient(case, (q, k, v, scale), *want)


def test_who_sees_nothing_gets_zeros():
    mask = np.ones((7, 9), bool)
    mask[2] = mask[6] = False
    lowest = np.where(mask, 0, np.finfo(F32).min).astype(F32)
    for m in (mask, np.where(mask, 0, -INF).astype(F32)):
        inputs = Case(mask=m).arrays()
        out, lse = run(attention, inputs, [((2, 3, 7, 5), F32), ((2, 3, 7), F32)], False)
        assert not out[:, :, [2, 6]].any() and not lse[..., [2, 6]].any() and out[:, :, 0].all()
    inputs = Case(mask=lowest).arrays()  # all scores the same: the mean
    out, _ = run(attention, inputs, [((2, 3, 7, 5), F32), ((2, 3, 7), F32)], False)
    close(out[:, :, 2], inputs[2].mean(-2).astype(F64), F32)


def test_large_scores_and_special_values():
    q, k, v, scale = Case().arrays()
    q, k = q * 1e3, k * 30
    want = attention.numpy(*map(wide, (q, k, v, scale)), False)
    out, lse = run(attention, (q, k, v, scale), [((2, 3, 7, 5), F32), ((2, 3, 7), F32)], False)
    np.testing.assert_allclose(lse, want[1], rtol=1e-5)
    np.testing.assert_allclose(out, want[0], atol=2e-2)  # scores of 1e5 are exact to 1e-2
    q[0, 0, 3, 1] = np.nan
    out, lse = run(attention, (q, k, v, scale), [((2, 3, 7, 5), F32), ((2, 3, 7), F32)], False)
    assert np.isnan(out[0, 0, 3]).all() and np.isnan(lse[0, 0, 3])
    assert np.isnan(out).sum() == 5


def test_no_columns_are_left_to_numpy():
    for case in (Case(q=(2, 4, 0), k=(2, 3, 0), v=(2, 3, 2)), Case(v=(2, 3, 9, 0))):
        inputs = case.arrays()
        results = [np.empty((*case.q[:-1], case.v[-1]), F32), np.empty(case.q[:-1], F32)]
        assert planned(attention, inputs, results, False) is None


def test_new_extents_and_numbers_are_no_new_kernels():
    def kernels(*shape, causal=False, threads=1):
        inputs = Case(q=shape, k=shape, v=shape).arrays()
        results = [np.empty(shape, F32), np.empty(shape[:-1], F32)]
        return [c.kernel for c in planned(attention, inputs, results, causal, threads).calls]

    assert kernels(2, 5, 8) == kernels(40, 170, 9, threads=3) != kernels(2, 5, 17)


@pytest.mark.parametrize("cpu", ["avx2", "sse2"])
def test_lesser_processors(cpu):
    done = subprocess.run(
        [sys.executable, __file__],
        env=os.environ | {"FLAMBEAU_CPU": cpu},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


# ----- the public function -----


def leaf(*shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).standard_normal(shape), requires_grad=True)


def test_groups_of_heads_are_repeated_heads():
    q, k, v = leaf(2, 6, 4, 3), leaf(2, 2, 5, 3, seed=1), leaf(2, 2, 5, 3, seed=2)
    for mask in (
        None,
        torch.tensor(boolean(4, 5)),
        torch.tensor(floats(2, 6, 4, 5)),
        torch.tensor(floats(1, 4, 5)),
    ):
        y = F.scaled_dot_product_attention(q, k, v, mask, enable_gqa=True)
        heads = [x.repeat_interleave(3, 1) for x in (k, v)]
        z = F.scaled_dot_product_attention(q, *heads, mask)
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-12, atol=1e-14)
        for a, b in zip(*(torch.autograd.grad((t * t).sum(), (q, k, v)) for t in (y, z)), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-10, atol=1e-13)


def test_a_mask_gets_its_gradient():
    q, mask = leaf(2, 3, 4), torch.tensor(floats(3, 3, dtype=F64), requires_grad=True)
    f = lambda q, m: F.scaled_dot_product_attention(q, q, q, m)  # noqa: E731
    y = f(q, mask)
    (g,) = torch.autograd.grad(y.sum(), mask)
    assert not g.numpy()[~boolean(3, 3)].any()
    finite = torch.tensor(np.random.default_rng(0).standard_normal((3, 1)), requires_grad=True)
    assert torch.autograd.gradcheck(f, (q, finite))
    assert torch.autograd.gradgradcheck(f, (q, finite))


def test_dropout_keeps_the_mean():
    torch.manual_seed(0)
    x = torch.ones(1, 200, 4)
    y = F.scaled_dot_product_attention(x, x, x, dropout_p=0.5)
    assert abs(y.mean().item() - 1) < 0.05 and y.std().item() > 0.01


def test_a_mask_that_is_larger_than_the_scores_is_refused():
    x = torch.ones(2, 3, 4)
    with pytest.raises(RuntimeError, match=r"mask of shape \(2, 2, 3, 3\).*\(2, 3, 3\)"):
        F.scaled_dot_product_attention(x, x, x, torch.zeros(2, 2, 3, 3))
    with pytest.raises(RuntimeError, match="is_causal=True"):
        F.scaled_dot_product_attention(x, x, x, torch.zeros(3, 3), is_causal=True)


if __name__ == "__main__":
    for key in (
        "plain",
        "more queries",
        "padding",
        "float mask",
        "float64",
        "bfloat16",
        "float16",
        "one head",
    ):
        check(CASES[key])
