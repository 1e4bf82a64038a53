"""Function transforms beside PyTorch's, and (for all of PyTorch's sample inputs) beside a loop; shapes on the
meta device beside those of values."""

from itertools import islice

import numpy as np
import pytest
from both import as_numpy
from oracle import opinfo
from oracle.opinfo import counterpart, here

import flambeau
from flambeau.core.pytree import tree_flatten, tree_unflatten

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]

# The result's shape, or what is done, depends on values.
DEPENDENT = {
    "histogram", "histogramdd", "linspace", "logspace", "narrow", "nn.functional.rrelu", "cov", "index_put",
    "masked_scatter", "masked_select", "argwhere", "nonzero", "nonzero_static", "isin", "tensor_split",
    "unique", "unique_consecutive", "repeat_interleave", "nn.functional.ctc_loss",
}  # fmt: skip
DRAWN = {  # at least in some samples
    "bernoulli", "multinomial", "randn_like", "randint_like", "nn.functional.rrelu",
    "nn.functional.scaled_dot_product_attention",
}  # fmt: skip
NOT_BATCHED = {
    "nn.functional.instance_norm",  # writes what belongs to the batch to statistics that don't
    "as_strided_copy",  # of a row: it looks at the memory of all rows
}
OTHER_CHANGES = {
    "gradient", "to", "double",  # called with what only PyTorch takes
    "nn.functional.fractional_max_pool2d", "nn.functional.fractional_max_pool3d",  # drawn numbers
    "logcumsumexp",  # the formula there keeps six digits
    "var", "var_mean", "masked.norm", "masked.amax", "masked.amin",  # where the value is NaN or has a kink
    "linalg.cholesky", "linalg.cholesky_ex",  # in directions that leave the matrix unsymmetric
}  # fmt: skip
UNLIKE = {  # values aren't set or drawn, signs are free, or PyTorch's own classes are among the arguments
    "svd", "linalg.svd", "linalg.eig", "linalg.eigh", "linalg.qr", "einsum", "nn.functional.embedding",
    "linalg.pinv", "linalg.lstsq", "polygamma", "special.polygamma", "svd_lowrank", "pca_lowrank",
    "nn.functional.embedding_bag", "cholesky_solve", "cholesky_inverse", "empty", "empty_like",
    "nn.functional.triplet_margin_with_distance_loss", "empty_permuted", "empty_strided", "new_empty",
    "new_empty_strided", "as_strided_scatter", "as_strided", "normal", "normal_", "rand_like", "gather",
    "nn.functional.dropout", "nn.functional.dropout2d", "nn.functional.dropout3d", "round", "matrix_exp",
    "nn.functional.alpha_dropout", "nn.functional.feature_alpha_dropout", "norm", "linalg.norm", "zero_",
    "nn.functional.batch_norm", "nn.functional.unfold", "nn.functional.max_pool1d", "linalg.vecdot",
    "nn.functional.max_unpool1d", "nn.functional.max_unpool2d", "nn.functional.max_unpool3d", "cdist",
    "nn.functional.hardsigmoid", "cauchy", "exponential", "geometric", "log_normal", "uniform", "sparse.mm",
}  # fmt: skip
ENTRIES = [
    op for op in opinfo.ENTRIES.values() if op.name not in UNLIKE and counterpart(op) is not None
]  # fmt: skip


def samples(op, dtype):
    return opinfo.samples(opinfo.label(op), dtype)


every = pytest.mark.parametrize("op", ENTRIES, ids=lambda op: f"{op.name}-{op.variant_test_name}".strip("-"))


def tensors_of(found):
    """The tensors of a result; None if it has anything else."""
    leaves = tree_flatten(tuple(found) if isinstance(found, tuple) else found)[0]
    return leaves if all(isinstance(x, flambeau.Tensor) for x in leaves) else None


class Call:
    """A sample of an entry as a function of the leaves of its arguments."""

    def __init__(self, op, sample):
        arguments = (here(sample.input), *here(tuple(sample.args)))
        keywords = {k: here(v) for k, v in sample.kwargs.items()}
        self.f = counterpart(op)
        self.leaves, self.spec = tree_flatten((arguments, keywords))
        self.places = [i for i, x in enumerate(self.leaves) if isinstance(x, flambeau.Tensor)]

    def __call__(self, *leaves):
        arguments, keywords = tree_unflatten(leaves, self.spec)
        return tuple(tensors_of(self.f(*arguments, **keywords)))

    def works(self):
        try:
            return bool(self.places) and all(as_numpy(y) is not None for y in self(*self.leaves))
        except Exception:  # no sample for here
            return False

    def batches(self, chosen):
        """The leaves with two elements each in the chosen places, and the dimensions."""
        given = list(self.leaves)
        for i in chosen:
            two = np.stack([as_numpy(given[i])] * 2)
            if two.dtype.kind in "fc" and two.size:
                two[1] *= two.dtype.type(0.9)
            given[i] = flambeau.tensor(two)
        return given, tuple(0 if i in chosen else None for i in range(len(given)))


def calls(op, dtype, limit=2):
    """The first samples that work, of those that lie apart."""
    found = (Call(op, sample) for sample in samples(op, dtype)[::3])
    return islice((call for call in found if call.works()), limit)


def rows(call, given, dims):
    """The loop."""
    results = [call(*[x if d is None else x[k] for x, d in zip(given, dims, strict=True)]) for k in range(2)]
    return [flambeau.stack(column) for column in zip(*results, strict=True)]


def close(got, want, label):
    for g, w in zip(got, want, strict=True):
        assert g.dtype is w.dtype, label
        np.testing.assert_allclose(as_numpy(g), as_numpy(w), 1e-4, 1e-5, err_msg=label)


@every
def test_a_batch_is_a_loop(op):
    if op.name in DEPENDENT | DRAWN | NOT_BATCHED:
        pytest.skip("no loop to compare with")
    for call in calls(op, torch.float32):
        for chosen in {tuple(call.places), tuple(call.places[:1])}:
            given, dims = call.batches(chosen)
            try:
                want = rows(call, given, dims)
            except Exception:  # what is stacked differs in shape
                continue
            close(flambeau.vmap(call, dims, randomness="same")(*given), want, f"{op.name}, batch in {chosen}")


def pulled_back(call, given):
    """v^T J for some v, of the floating results for the floating leaves."""
    floats = [i for i, x in enumerate(given) if isinstance(x, flambeau.Tensor) and x.is_floating_point()]

    def f(*chosen):
        leaves = list(given)
        for i, x in zip(floats, chosen, strict=True):
            leaves[i] = x
        return tuple(y for y in call(*leaves) if y.is_floating_point())

    ys, pull = flambeau.func.vjp(f, *[given[i] for i in floats])
    return pull(tuple(y.detach() * 0 + 0.7 for y in ys))


@pytest.mark.parametrize(
    "op", [op for op in ENTRIES if op.supports_autograd], ids=lambda op: f"{op.name}-{op.variant_test_name}"
)
def test_gradients_of_a_batch_are_those_of_a_loop(op):
    """Inside of vmap (one gradient for each element) and outside."""
    if op.name in DEPENDENT | DRAWN | NOT_BATCHED:
        pytest.skip("no loop to compare with")
    for call in calls(op, torch.float64, 1):
        given, dims = call.batches(call.places[:1])
        if not given[call.places[0]].is_floating_point():
            continue
        try:
            want = rows(lambda *leaves: pulled_back(call, list(leaves)), given, dims)
        except Exception:  # not differentiable here
            continue
        got = flambeau.vmap(lambda *leaves: pulled_back(call, list(leaves)), dims, randomness="same")(*given)
        close(got, want, f"{op.name}, gradients inside")
        outside = Batched(call, given, dims)
        close(outside.gradient(outside.vmapped), outside.gradient(outside.looped), f"{op.name}, outside")


class Batched:
    """The gradient for the batched leaf, of all results."""

    def __init__(self, call, given, dims):
        self.call, self.given, self.dims, self.place = call, given, dims, dims.index(0)

    def vmapped(self, given):
        return flambeau.vmap(self.call, self.dims, randomness="same")(*given)

    def looped(self, given):
        return rows(self.call, given, self.dims)

    def gradient(self, f):
        x = self.given[self.place].detach().requires_grad_()
        given = [x if i == self.place else leaf for i, leaf in enumerate(self.given)]
        ys = [y for y in f(given) if y.requires_grad]
        if not ys:
            return [flambeau.zeros_like(x)]
        weights = [flambeau.full_like(y, 0.7) for y in ys]
        return flambeau.autograd.grad(ys, x, weights, materialize_grads=True)


@every
def test_shapes_on_the_meta_device(op):
    if op.name in DEPENDENT:
        pytest.skip("the shape depends on values")
    for call in calls(op, torch.float32):
        if any(x == "cpu" for x in call.leaves if isinstance(x, str)):
            continue  # made on the CPU
        ghosts = [x.to("meta") if isinstance(x, flambeau.Tensor) else x for x in call.leaves]
        want, got = call(*call.leaves), call(*ghosts)
        assert [(y.shape, y.dtype) for y in got] == [(y.shape, y.dtype) for y in want]
        assert all(y.is_meta for y in got)


@pytest.mark.parametrize(
    "op",
    [op for op in ENTRIES if op.supports_forward_ad and op.name not in DRAWN | OTHER_CHANGES],
    ids=lambda op: f"{op.name}-{op.variant_test_name}",
)
def test_changes_are_those_of_gradients(op):
    """J t of PyTorch's forward-mode formulas: here the backward pass, differentiated for its beginning."""
    for sample in samples(op, torch.float64)[::5]:
        x = sample.input
        if not isinstance(x, torch.Tensor) or not x.is_floating_point():
            continue

        def f(T, x, args, keywords):
            found = (op.op if T is torch else counterpart(op))(x, *args, **keywords)
            found = tuple(found) if isinstance(found, tuple) else (found,)
            return tuple(y for y in found if isinstance(y, T.Tensor) and y.is_floating_point())

        try:
            change = torch.linspace(0.5, 1.5, x.numel(), dtype=x.dtype).reshape(x.shape)
            want = torch.func.jvp(lambda x: f(torch, x, sample.args, sample.kwargs), (x,), (change,))
            assert want[0]
        except Exception:  # not in this form there
            continue
        arguments = here(tuple(sample.args)), {k: here(v) for k, v in sample.kwargs.items()}
        got = flambeau.func.jvp(lambda x: f(flambeau, x, *arguments), (here(x),), (here(change),))
        for parts in zip(got[1], want[1], strict=True):
            np.testing.assert_allclose(*map(as_numpy, parts), 1e-6, 1e-7, err_msg=op.name)
