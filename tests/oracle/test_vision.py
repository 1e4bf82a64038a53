"""Transforms draw the numbers that the same calls of PyTorch give, and blend as it does."""

import math

import numpy as np
import pytest

import flambeau
from flambeau.vision import transforms as T
from flambeau.vision.transforms import functional as F

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle
SEEDS = range(6)


def drawn(seed, draw):
    torch.manual_seed(seed)
    flambeau.manual_seed(seed)
    return draw()


def integer(low, high):
    return torch.randint(low, high, (1,)).item()


def uniform(low, high):
    return torch.empty(1).uniform_(low, high).item()


@pytest.mark.parametrize("seed", SEEDS)
def test_crops(seed):
    image = flambeau.zeros(3, 40, 50)
    i, j = drawn(seed, lambda: (integer(0, 40 - 7 + 1), integer(0, 50 - 9 + 1)))
    assert T.RandomCrop.get_params(image, (7, 9)) == (i, j, 7, 9)

    def resized():
        for _ in range(10):
            area = 40 * 50 * uniform(0.08, 1.0)
            low, high = torch.log(torch.tensor([3 / 4, 4 / 3]))
            aspect = torch.exp(torch.empty(1).uniform_(low, high)).item()
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= 50 and 0 < h <= 40:
                return integer(0, 40 - h + 1), integer(0, 50 - w + 1), h, w

    expected = drawn(seed, resized)
    assert T.RandomResizedCrop.get_params(image, (0.08, 1.0), (3 / 4, 4 / 3)) == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_flips_and_angles(seed):
    image = flambeau.arange(4).view(1, 2, 2)
    expected = drawn(seed, lambda: bool(torch.rand(1) < 0.5))
    assert (not flambeau.equal(T.RandomHorizontalFlip()(image), image)) == expected
    angle = drawn(seed, lambda: uniform(-30, 30))
    assert T.RandomRotation.get_params([-30, 30]) == angle

    def affine():
        angle = uniform(-10, 10)
        shift = (round(uniform(-5.0, 5.0)), round(uniform(-8.0, 8.0)))
        return angle, shift, uniform(0.5, 2), (uniform(-3, 3), uniform(-4, 4))

    expected = drawn(seed, affine)
    ours = T.RandomAffine.get_params([-10, 10], (0.1, 0.2), (0.5, 2), [-3, 3, -4, 4], (50, 40))
    assert ours == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_colors(seed):
    order, *factors = drawn(
        seed, lambda: (torch.randperm(4).tolist(), uniform(0.5, 1.5), uniform(0.2, 1.8), uniform(-0.1, 0.1))
    )
    ours = T.ColorJitter.get_params((0.5, 1.5), (0.2, 1.8), None, (-0.1, 0.1))
    assert [ours[0].tolist(), ours[1], ours[2], ours[4]] == [order, *factors] and ours[3] is None


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_arithmetic(dtype):
    array = np.random.default_rng(0).integers(0, 256, (3, 9, 7)).astype(dtype)
    array = array / np.float32(255) if dtype == "float32" else array
    x, y = torch.from_numpy(array), flambeau.from_numpy(array.copy())
    top = 255 if dtype == "uint8" else 1
    r, g, b = x.unbind(-3)
    gray = (0.2989 * r + 0.587 * g + 0.114 * b).to(x.dtype).unsqueeze(-3)
    assert np.array_equal(F.rgb_to_grayscale(y).numpy(), gray.numpy())

    def blend(other, ratio):
        return (ratio * x + (1.0 - ratio) * other).clamp(0, top).to(x.dtype).numpy()

    assert np.array_equal(F.adjust_brightness(y, 1.3).numpy(), blend(torch.zeros_like(x), 1.3))
    assert np.array_equal(F.adjust_saturation(y, 1.3).numpy(), blend(gray, 1.3))
    close = np.abs(F.adjust_contrast(y, 0.7).numpy().astype(float) - blend(gray.float().mean(), 0.7))
    assert close.max() <= (1 if dtype == "uint8" else 1e-6)
