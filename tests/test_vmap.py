"""vmap: what it does for a batch is what a loop over its elements does."""

import importlib
import pkgutil

import numpy as np
import pytest

import flambeau as torch
from flambeau import ops as room
from flambeau.func import vmap
from flambeau.ops.op import Op

for module in pkgutil.iter_modules(room.__path__):
    importlib.import_module(f"{room.__name__}.{module.name}")

SKIPPED = {"pick", "eig"}  # nobody calls the first; the second's samples are settled by choice
PURE = [name for name, op in Op.registry.items() if op.kind != "random" and name not in SKIPPED]


def variants(array, seed):
    """Three arrays like `array`: numbers vary a little, what chooses is permuted."""
    if array.dtype.kind in "fc":
        return np.stack([array, array * 0.9, array * 1.05 + (0.01 if array.dtype.kind == "f" else 0)])
    rolled = [array, np.roll(array, 1), np.flip(array)]
    return np.stack([r.reshape(array.shape) for r in rolled])


def close(got, want, label):
    np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), 1e-6, 1e-7, err_msg=label)


@pytest.mark.parametrize("name", PURE)
def test_a_batch_is_a_loop(name):
    op = Op.registry[name]
    for number, (arrays, attrs) in enumerate(op.samples()):
        every = range(len(arrays))
        choices = [set(every), *[{i} for i in every if len(arrays) > 1]]
        for chosen in choices:
            if not chosen:
                continue
            inputs = [torch.tensor(variants(a, i) if i in chosen else a) for i, a in enumerate(arrays)]
            dims = tuple(0 if i in chosen else None for i in every)

            def call(*tensors):
                return op.on_sample(tensors, attrs)

            def element(k):
                return call(*[x[k] if d == 0 else x for x, d in zip(inputs, dims, strict=True)])

            label = f"{name}, sample {number}, batch in {chosen}"
            close(vmap(call, dims)(*inputs), torch.stack([element(k) for k in range(3)]), label)
