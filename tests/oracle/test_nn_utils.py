"""Helpers for networks and lazy modules against PyTorch: small programs, whose expressions must give the
same.

A program is a text. A line that begins with a name and `=`, and one that begins with `!`, is executed; the
value (or the class of the error) of any other line is compared.
"""

import re
import warnings

import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch")
pytest.importorskip("torch.nn.utils.prune")
pytestmark = [pytest.mark.oracle]


def plain(t, x):
    if isinstance(x, t.Tensor):
        return x.detach().numpy().copy() if not t.nn.parameter.is_lazy(x) else repr(x)
    if isinstance(x, (list, tuple)):
        return [plain(t, i) for i in x]
    return x


def symmetric(t):
    class Symmetric(t.nn.Module):
        def forward(self, x):
            return x.triu() + x.triu(1).transpose(-1, -2)

        def right_inverse(self, a):
            return a.triu()

    class Shorter(t.nn.Module):
        def forward(self, x):
            return x[:1]

    return Symmetric, Shorter


def run(t, program):
    def gradients(m, x):
        m.zero_grad()
        y = m(x)
        (y * y).sum().backward()
        return [y, *(p.grad for p in m.parameters())]

    names = {"t": t, "nn": t.nn, "U": t.nn.utils, "P": t.nn.utils.parametrize, "prune": t.nn.utils.prune}
    names |= {"norms": t.nn.utils.parametrizations, "gradients": gradients, "inf": float("inf")}
    names["Symmetric"], names["Shorter"] = symmetric(t)
    t.manual_seed(0)
    names["x"] = t.linspace(-1, 1, 8).reshape(2, 4)
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for line in map(str.strip, program.strip().splitlines()):
            if line.startswith("!") or re.match(r"[\w., ]+ = ", line):
                exec(line.lstrip("! "), names)
                continue
            try:
                found.append(plain(t, eval(line, names)))
            except Exception as error:
                found.append(type(error).__name__)
    return found


def assert_same(ours, theirs, line):
    if isinstance(theirs, list):
        assert len(ours) == len(theirs), line
        for a, b in zip(ours, theirs, strict=True):
            assert_same(a, b, line)
    elif isinstance(theirs, np.ndarray):
        np.testing.assert_allclose(ours, theirs, 2e-4, 1e-5, err_msg=line)
    else:
        assert ours == theirs, line


NORMS = [
    "U.weight_norm",
    "U.spectral_norm",
    "norms.weight_norm",
    "norms.spectral_norm",
    "norms.orthogonal",
]
NORMED = """
m = {f}(nn.Linear(4, 3))
repr(m)
list(m.state_dict())
[n for n, _ in m.named_parameters()]
[list(p.shape) for p in m.parameters()]
gradients(m, x)
gradients(m, x)
m = m.eval()
gradients(m, x)
m.weight
other = {f}(nn.Linear(4, 3))
str(other.load_state_dict(m.state_dict()))
other.eval()(x)
{f}(nn.Linear(3, 3)).weight
{f}(nn.ReLU())
"""
OLD = """
m = U.weight_norm(nn.Linear(4, 3), dim=None)
gradients(m, x)
m = U.weight_norm(nn.Linear(4, 3), dim=1)
gradients(m, x)
repr(U.remove_weight_norm(m))
list(m.state_dict())
gradients(m, x)
U.remove_weight_norm(m)
U.weight_norm(U.weight_norm(m))
m = U.spectral_norm(nn.Linear(4, 3), n_power_iterations=3)
m(x)
list(U.remove_spectral_norm(m).state_dict())
U.remove_spectral_norm(m)
U.spectral_norm(U.spectral_norm(m))
U.spectral_norm(m, n_power_iterations=0)
U.spectral_norm(nn.ConvTranspose2d(3, 2, 2))(t.ones(1, 3, 2, 2))
old, new = U.weight_norm(nn.Linear(4, 3)), norms.weight_norm(nn.Linear(4, 3))
str(new.load_state_dict(old.state_dict()))
new(x) - old(x)
"""
ORTHOGONAL = """
m = nn.Linear({a}, {b})
norms.orthogonal(m, orthogonal_map={map!r}, use_trivialization={trivial}) and 1
m.weight
gradients(m, t.linspace(-1, 1, 2 * {a}).reshape(2, {a}))
! t.manual_seed(3)
w = t.randn({b}, {a})
setattr(m, "weight", w)
m.weight
setattr(m, "weight", w[:1])
"""
PARAMETRIZE = """
m = P.register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
m.weight
repr(m)
[P.is_parametrized(m), P.is_parametrized(m, "weight"), P.is_parametrized(m, "bias")]
P.type_before_parametrizations(m).__name__
P.register_parametrization(m, "weight", Shorter())
P.register_parametrization(m, "nothing", Symmetric())
P.register_parametrization(nn.Linear(2, 2), "weight", Shorter())
P.register_parametrization(nn.Linear(2, 2), "weight", Shorter(), unsafe=True).weight.shape[0]
! m.weight = t.arange(9.0).reshape(3, 3) + t.arange(9.0).reshape(3, 3).T
m.weight
m = P.register_parametrization(m, "weight", Symmetric())
repr(m)
m.weight
m.weight is m.weight
context = P.cached()
! context.__enter__()
m.weight is m.weight
! context.__exit__(None, None, None)
repr(P.remove_parametrizations(m, "weight"))
m.weight
[type(m.weight).__name__, *m.state_dict()]
m = P.register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
other = P.transfer_parametrizations_and_params(m, nn.Linear(3, 3))
other.weight - m.weight
repr(P.remove_parametrizations(m, "weight", leave_parametrized=False))
m.weight
P.remove_parametrizations(m, "weight")
m = norms.weight_norm(nn.Linear(3, 3))
P.remove_parametrizations(m, "weight", leave_parametrized=False)
__import__("pickle").dumps(m)
__import__("copy").deepcopy(m).weight - m.weight
[P.remove_parametrizations(m, "weight").weight.requires_grad, *m.state_dict()]
"""
PRUNED = """
m = nn.Linear(4, 6)
prune.{f} and 0
m.weight
getattr(m, "weight_mask", None)
list(m.state_dict())
prune.is_pruned(m)
gradients(m, x)
prune.l1_unstructured(m, "weight", amount=3) and 0
m.weight
prune.ln_structured(m, "weight", amount=1, n=1, dim=0) and 0
m.weight
prune.random_structured(m, "weight", amount=1, dim=1) and 0
m.weight
repr(prune.remove(m, "weight"))
m.weight
prune.remove(m, "weight")
"""
METHODS = [
    "identity(m, 'weight')",
    "random_unstructured(m, 'weight', 0.3)",
    "l1_unstructured(m, 'weight', 5)",
    "l1_unstructured(m, 'weight', 2, t.arange(24.0).reshape(6, 4))",
    "l1_unstructured(m, 'weight', 2, t.ones(3))",
    "random_structured(m, 'weight', 0.5, dim=0)",
    "ln_structured(m, 'weight', 2, n=2, dim=1)",
    "ln_structured(m, 'weight', 0.3, n=inf, dim=-1)",
    "custom_from_mask(m, 'weight', t.eye(6)[:, :4])",
    "custom_from_mask(m, 'weight', t.eye(6))",
    "l1_unstructured(m, 'weight', 500)",
    "l1_unstructured(m, 'weight', -1)",
    "l1_unstructured(m, 'weight', 1.5)",
    "l1_unstructured(m, 'weight', 'a')",
    "ln_structured(m, 'weight', 1, n=2, dim=5)",
    "ln_structured(m, 'bias', 1, n=2, dim=0)",
]
GLOBAL = """
a, b = nn.Linear(4, 5), nn.Linear(5, 3)
prune.global_unstructured([(a, "weight"), (b, "weight"), (b, "bias")], prune.L1Unstructured, amount=0.4)
[a.weight_mask, b.weight_mask, b.bias_mask, a.weight]
prune.global_unstructured([(a, "weight"), (b, "weight")], prune.RandomUnstructured, amount=4)
[a.weight_mask.sum(), b.weight_mask.sum()]
prune.global_unstructured([(a, "weight")], prune.LnStructured, amount=1, n=1)
prune.global_unstructured(1, prune.L1Unstructured, amount=1)
prune.L1Unstructured(2).prune(t.tensor([3.0, -1.0, 2.0, 0.5]))
"""
CLIPPED = """
m = nn.Linear(4, 3)
! (m(x) * 3).pow(2).sum().backward()
U.get_total_norm([p.grad for p in m.parameters()], {norm!r})
U.clip_grad_norm_(m.parameters(), 1.0, {norm!r})
m.weight.grad
U.clip_grad_norm_(m.weight, 1e9, {norm!r})
m.weight.grad
U.clip_grad_value_(m.parameters(), 0.01)
m.weight.grad
U.clip_grad_norm_([], 1.0)
U.clip_grad_norm_([t.zeros(2)], 1.0)
! m.weight.grad[0] = inf
U.clip_grad_norm_(m.parameters(), 1.0, {norm!r}, error_if_nonfinite=True)
U.clip_grad_norm_(m.parameters(), 1.0, {norm!r})
m.weight.grad
"""
OTHERS = """
m = nn.Linear(4, 3)
U.parameters_to_vector(m.parameters())
U.parameters_to_vector([])
! U.vector_to_parameters(t.arange(15.0), m.parameters())
[m.weight, m.bias]
U.vector_to_parameters([1.0], m.parameters())
U.vector_to_parameters(t.ones(3), m.parameters())
conv, bn, image = nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3), t.randn(4, 2, 5, 5)
bn(conv(image))
U.fuse_conv_bn_eval(conv, bn)
conv, bn = conv.eval(), bn.eval()
U.fuse_conv_bn_eval(conv, bn)(image)
turned = nn.ConvTranspose2d(2, 3, 2, bias=False).eval()
U.fuse_conv_bn_eval(turned, bn, transpose=True)(image)
linear, bn = nn.Linear(4, 3).eval(), nn.BatchNorm1d(3).eval()
U.fuse_linear_bn_eval(linear, bn)(x)
U.fuse_linear_bn_eval(linear, nn.BatchNorm1d(2).eval())
list(U.skip_init(nn.Linear, 3, 2).weight.shape)
U.skip_init(nn.ReLU)
t.func.functional_call(linear, {"bias": t.ones(3)}, (x,))
t.func.functional_call(linear, {"bias": t.ones(3)}, (x,), strict=True)
t.func.functional_call(linear, [{"bias": t.ones(3)}, {"bias": t.ones(3)}], (x,))
[list(p.shape) for p in t.func.stack_module_state([linear, linear])[0].values()]
net = nn.Sequential(nn.BatchNorm1d(3), nn.Sequential(nn.BatchNorm2d(2)))
repr(nn.SyncBatchNorm.convert_sync_batchnorm(net))
nn.SyncBatchNorm(3)(t.ones(3))
"""
LAZY = """
m = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(5))
repr(m)
m.state_dict().keys() and [repr(v) for v in m.state_dict().values()][:3]
m[0].weight.shape
m[0].weight + 1
t.relu(m[0].weight)
m.share_memory()
sum(p.numel() for p in m.parameters())
[p.requires_grad for p in m.parameters()]
str(m.double()[0].weight.dtype).split(".")[-1]
m = m.float()
twin = __import__("pickle").loads(__import__("pickle").dumps(m))
! t.manual_seed(0)
twin(t.ones(2, 3, 6, 6))
[repr(twin), repr(m)]
! t.manual_seed(0)
m(t.ones(2, 3, 6, 6))
repr(m)
m2 = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(5))
str(m2.load_state_dict(m.state_dict()))
repr(m2)
m2, m = m2.eval(), m.eval()
m2(t.ones(2, 3, 6, 6)) - m(t.ones(2, 3, 6, 6))
repr(m2)
nn.Linear(2, 3).load_state_dict(nn.LazyLinear(3).state_dict())
nn.LazyLinear(3).load_state_dict({"weight": t.ones(3, 2)})
lazy = nn.LazyLinear(3)
str(lazy.load_state_dict(nn.LazyLinear(3).state_dict()))
repr(lazy.weight)
! lazy.load_state_dict(nn.Linear(2, 3).state_dict())
lazy(t.ones(2, 4))
nn.LazyConv1d(4, 3, groups=2)(t.ones(2, 3, 6))
nn.LazyConv1d(4, 3)(t.ones(3))
nn.LazyConvTranspose3d(4, 3, groups=2)(t.ones(3, 6, 6, 6))
nn.modules.lazy.LazyModuleMixin.initialize_parameters(lazy)
b = nn.LazyBatchNorm1d(affine=False)
b(t.ones(3, 4))
[repr(b), *b.state_dict()]
p = nn.UninitializedParameter()
p.materialize((2, 3))
[type(p).__name__, tuple(p.shape), p.requires_grad, p.is_leaf]
q = nn.UninitializedBuffer(dtype=t.float64)
q.materialize((2, 3))
[type(q).__name__, tuple(q.shape), q.requires_grad]
"""
PROGRAMS = {
    **{f: NORMED.format(f=f) for f in NORMS},
    "older norms": OLD,
    **{
        f"orthogonal {map_} {a}x{b} {trivial}": ORTHOGONAL.format(a=a, b=b, map=map_, trivial=trivial)
        for map_ in (None, "cayley", "matrix_exp", "householder", "another")
        for a, b in ((3, 3), (4, 3), (3, 4))
        for trivial in (True, False)
    },
    "parametrize": PARAMETRIZE,
    **{f"prune {f}": PRUNED.format(f=f) for f in METHODS},
    "prune globally": GLOBAL,
    **{f"clip {norm}": CLIPPED.format(norm=norm) for norm in (2, 1, float("inf"), 0.5, "inf", -1)},
    "others": OTHERS,
    "lazy": LAZY,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name):
    lines = [
        line
        for line in map(str.strip, PROGRAMS[name].strip().splitlines())
        if not (line.startswith("!") or re.match(r"[\w., ]+ = ", line))
    ]
    ours, theirs = run(flambeau, PROGRAMS[name]), run(torch, PROGRAMS[name])
    for got, want, line in zip(ours, theirs, lines, strict=True):
        assert_same(got, want, line)
