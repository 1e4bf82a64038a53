"""Transforms: tensors against pictures, against hand-made facts, and the errors."""

import math
import random

import numpy as np
import pytest

import flambeau as torch
from flambeau.vision import transforms as T
from flambeau.vision.transforms import functional as F

Image = pytest.importorskip("PIL.Image")
ImageOps = pytest.importorskip("PIL.ImageOps")
ImageEnhance = pytest.importorskip("PIL.ImageEnhance")
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (13, 17, 3), dtype=np.uint8)
PICTURE = Image.fromarray(PIXELS)
TENSOR = torch.from_numpy(PIXELS.transpose(2, 0, 1).copy())
Mode = T.InterpolationMode


def planes(x):
    """A picture or a tensor as an array (C, H, W)."""
    if isinstance(x, torch.Tensor):
        return x.numpy()
    array = np.asarray(x)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def close(x, y, most=0, share=1.0):
    """Whether two images differ by at most `most` in a share of their pixels."""
    off = np.abs(planes(x).astype(float) - planes(y).astype(float))
    assert planes(x).shape == planes(y).shape
    assert (off <= most).mean() >= share, (off.max(), (off <= most).mean())


# ----- Pictures and tensors -----


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "CMYK", "I", "F", "I;16", "YCbCr"])
def test_to_tensor_of_all_modes(mode):
    wide = PICTURE.convert("L").convert("I").point(lambda v: v * 20)
    picture = wide.convert("I;16") if mode == "I;16" else PICTURE.convert(mode)
    x = F.to_tensor(picture)
    array = np.asarray(picture, np.uint8 if mode == "1" else None)
    bytes_ = mode not in ("I", "F", "I;16")
    expected = planes(picture) if mode != "1" else array[None] * 255
    if bytes_:
        assert x.dtype is torch.float32
        expected = expected.astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(x.numpy(), expected)
    if mode != "1":
        np.testing.assert_array_equal(F.pil_to_tensor(picture).numpy(), planes(picture))


def test_to_tensor_of_arrays_and_default_dtype():
    assert F.to_tensor(PIXELS[:, :, 0]).shape == (1, 13, 17)
    doubles = PIXELS.astype(np.float64)
    assert F.to_tensor(doubles).dtype is torch.float64 and F.to_tensor(doubles).max() > 1
    torch.set_default_dtype(torch.float64)
    try:
        assert F.to_tensor(PICTURE).dtype is torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    with pytest.raises(TypeError, match="pic should be PIL Image or ndarray"):
        F.to_tensor(TENSOR)
    with pytest.raises(ValueError, match="2/3 dimensional"):
        F.to_tensor(PIXELS[0, 0])
    with pytest.raises(TypeError, match="pic should be PIL Image"):
        F.pil_to_tensor(PIXELS)


@pytest.mark.parametrize("channels, mode", [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_to_picture_and_back(channels, mode):
    x = torch.randint(0, 256, (channels, 5, 7), dtype=torch.uint8)
    picture = F.to_pil_image(x)
    assert picture.mode == mode and picture.size == (7, 5)
    assert torch.equal(F.pil_to_tensor(picture), x)
    assert (planes(F.to_pil_image(x.numpy().transpose(1, 2, 0))) == x.numpy()).all()
    close(F.to_pil_image(x.float() / 255), x)


def test_to_picture_modes_and_errors():
    for dtype, mode in ((torch.int16, "I;16"), (torch.int32, "I")):
        assert F.to_pil_image(torch.full((1, 2, 3), 300, dtype=dtype)).mode == mode
    x = torch.rand(2, 3)
    assert F.to_pil_image(x).mode == "L" and F.to_pil_image(x, "F").getpixel((1, 0)) == x[0, 1].item()
    assert F.to_pil_image(TENSOR, "HSV").mode == "HSV"
    for bad, message in (
        ((TENSOR, "L"), "Only modes"),
        ((torch.zeros(5, 2, 2),), "> 4 channels"),
        ((torch.zeros(2),), "2/3 dimensional"),
        ((torch.zeros(1, 2, 2, dtype=torch.uint8), "RGB"), "Incorrect mode"),
    ):
        with pytest.raises(ValueError, match=message):
            F.to_pil_image(*bad)
    for bad in ([1, 2], np.zeros((2, 2), np.complex64)):
        with pytest.raises(TypeError):
            F.to_pil_image(bad)


def test_ranges_of_values():
    eight = torch.tensor([0, 1, 128, 255], dtype=torch.uint8)
    assert F.convert_image_dtype(eight, torch.int16).tolist() == [0, 128, 128 * 128, 255 * 128]
    back = F.convert_image_dtype(F.convert_image_dtype(eight, torch.int16), torch.uint8)
    assert back.tolist() == eight.tolist()
    assert F.convert_image_dtype(torch.tensor([0.0, 0.5, 1.0]), torch.uint8).tolist() == [0, 127, 255]
    assert F.convert_image_dtype(eight).tolist() == [0, np.float32(1) / 255, np.float32(128 / 255), 1]
    with pytest.raises(RuntimeError, match="cannot be performed safely"):
        F.convert_image_dtype(torch.rand(2), torch.int32)
    with pytest.raises(TypeError, match="should be Tensor Image"):
        F.convert_image_dtype(PICTURE)


def test_normalize():
    x = torch.rand(2, 3, 4, 5)
    mean, std = [0.1, 0.2, 0.3], [0.5, 0.25, 2.0]
    expected = (x.numpy() - np.float32(mean)[:, None, None]) / np.float32(std)[:, None, None]
    np.testing.assert_array_equal(F.normalize(x, mean, std).numpy(), expected)
    assert F.normalize(x, mean, std, inplace=True) is x
    np.testing.assert_array_equal(x.numpy(), expected)
    with pytest.raises(ValueError, match="std evaluated to zero"):
        F.normalize(x, mean, [1, 0, 1])
    with pytest.raises(ValueError, match="Expected tensor to be a tensor image"):
        F.normalize(x[0, 0], mean, std)
    with pytest.raises(TypeError, match="float tensor"):
        F.normalize(TENSOR, mean, std)
    with pytest.raises(TypeError, match="img should be Tensor Image"):
        F.normalize(PICTURE, mean, std)


# ----- Tensors do as Pillow does -----

SAME = {
    "hflip": lambda x: F.hflip(x),
    "vflip": lambda x: F.vflip(x),
    "crop": lambda x: F.crop(x, 2, 3, 5, 6),
    "crop beyond": lambda x: F.crop(x, -2, 10, 18, 12),
    "crop outside": lambda x: F.crop(x, 20, 30, 4, 4),
    "center_crop": lambda x: F.center_crop(x, [6, 7]),
    "center_crop odd": lambda x: F.center_crop(x, [8, 8]),
    "center_crop larger": lambda x: F.center_crop(x, [20, 9]),
    "pad": lambda x: F.pad(x, [1, 2, 3, 4], 7),
    "pad channels": lambda x: F.pad(x, [1, 2], (1, 2, 3)),
    "pad edge": lambda x: F.pad(x, 3, padding_mode="edge"),
    "pad reflect": lambda x: F.pad(x, [1, 2, 3, 4], padding_mode="reflect"),
    "pad symmetric": lambda x: F.pad(x, [4, 1], padding_mode="symmetric"),
    "pad negative": lambda x: F.pad(x, [-1, 2, 3, -4], padding_mode="edge"),
    "invert": lambda x: F.invert(x),
    "posterize": lambda x: F.posterize(x, 3),
    "solarize": lambda x: F.solarize(x, 100),
    "equalize": lambda x: F.equalize(x),
    "nearest": lambda x: F.resize(x, [6, 34], Mode.NEAREST_EXACT),
    "affine": lambda x: F.affine(x, 30, [2, -1], 1.2, [10, 5]),
    "affine centre": lambda x: F.affine(x, -20, [0, 1], 0.7, 3.0, center=[2, 3], fill=9),
    "rotate": lambda x: F.rotate(x, 35),
    "rotate expand": lambda x: F.rotate(x, 90, expand=True),
    "five_crop": lambda x: F.five_crop(x, 5)[3],
    "ten_crop": lambda x: F.ten_crop(x, (5, 6), vertical_flip=True)[6],
}
NEAR = {  # within rounding of bytes
    "brightness": (lambda x: F.adjust_brightness(x, 1.7), 1),
    "contrast": (lambda x: F.adjust_contrast(x, 0.4), 1),
    "saturation": (lambda x: F.adjust_saturation(x, 2.1), 2),
    "gamma": (lambda x: F.adjust_gamma(x, 1.8, 0.9), 1),
    "gray": (lambda x: F.rgb_to_grayscale(x, 3), 1),
    "autocontrast": (lambda x: F.autocontrast(F.posterize(F.solarize(x, 99), 4)), 1),
    "sharpness": (lambda x: F.adjust_sharpness(x, 1.6), 2),
    "bilinear": (lambda x: F.resize(x, [7, 9]), 1),
    "bilinear larger": (lambda x: F.resize(x, [26, 30]), 1),
    "bicubic": (lambda x: F.resize(x, [6, 25], Mode.BICUBIC), 2),
}


@pytest.mark.parametrize("name", SAME)
def test_same_as_pillow(name):
    share = 0.97 if "affine" in name or name == "rotate" else 1.0  # Pillow's positions are rounded
    close(SAME[name](TENSOR), SAME[name](PICTURE), share=share)


@pytest.mark.parametrize("name", NEAR)
def test_near_to_pillow(name):
    f, most = NEAR[name]
    close(f(TENSOR), f(PICTURE), most)


def test_hue():
    smooth = np.stack(np.meshgrid(np.arange(0, 250, 10), np.arange(0, 250, 10), indexing="ij"), -1)
    array = np.concatenate([smooth, np.full_like(smooth[..., :1], 120)], -1).astype(np.uint8)
    for factor in (-0.5, -0.1, 0.25, 0.5):
        ours = F.adjust_hue(torch.from_numpy(array.transpose(2, 0, 1).copy()), factor)
        close(ours, F.adjust_hue(Image.fromarray(array), factor), 12, 0.99)  # Pillow's hue has 8 bits
    x = torch.rand(3, 4, 4)
    assert torch.allclose(F.adjust_hue(F.adjust_hue(x, 0.3), -0.3), x, atol=1e-5)
    assert torch.equal(F.adjust_hue(x[:1], 0.3), x[:1])


def test_perspective_takes_corners_to_corners():
    start = [[0, 0], [16, 0], [16, 12], [0, 12]]
    end = [[2, 1], [14, 0], [16, 11], [1, 12]]
    a, b, c, d, e, f, g, h = F.warp.perspective_coefficients(start, end)
    for (u, v), (x, y) in zip(start, end, strict=True):
        w = g * x + h * y + 1
        assert (a * x + b * y + c) / w == pytest.approx(u, abs=1e-4)
        assert (d * x + e * y + f) / w == pytest.approx(v, abs=1e-4)
    ours, theirs = (F.perspective(x, start, end, Mode.NEAREST) for x in (TENSOR, PICTURE))
    close(ours, theirs, share=0.97)
    filled = F.perspective(TENSOR, start, end, fill=[1, 2, 3])
    assert filled[:, 0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("name", [*SAME, *NEAR])
def test_batches_are_done_at_once(name):
    f = SAME[name] if name in SAME else NEAR[name][0]
    other = torch.from_numpy(RNG.integers(0, 256, (3, 13, 17), dtype=np.uint8))
    batch = f(torch.stack([TENSOR, other]))
    assert torch.equal(batch[0], f(TENSOR)) and torch.equal(batch[1], f(other))


def test_blur():
    x = torch.zeros(1, 7, 7)
    x[0, 3, 3] = 1
    k = np.exp(-0.5 * (np.arange(-1, 2) / 0.8) ** 2)
    k /= k.sum()
    expected = np.zeros((7, 7))
    expected[2:5, 2:5] = np.outer(k, k)
    np.testing.assert_allclose(F.gaussian_blur(x, 3, 0.8).numpy()[0], expected, atol=1e-7)
    assert F.gaussian_blur(PICTURE, [3, 5], [1.0, 2.0]).size == PICTURE.size
    close(F.gaussian_blur(PICTURE, 3), F.gaussian_blur(TENSOR, 3))
    for bad in ((x, 2), (x, 3, -1.0), (x, [3, 3, 3])):
        with pytest.raises(ValueError, match="gaussian_blur"):
            F.gaussian_blur(*bad)


def test_rotation_by_quarters_is_exact():
    x = torch.arange(9.0).view(1, 3, 3)
    assert torch.equal(F.rotate(x, 90), x.rot90(1, (1, 2)))
    assert torch.equal(F.rotate(x, 180), x.flip(1, 2))
    assert F.rotate(torch.zeros(1, 10, 20), 45, expand=True).shape[-2:] == PIL_size(20, 10, 45)
    assert F.rotate(torch.ones(1, 9, 9), 45, Mode.BILINEAR, fill=[5.0])[0, 0, 0] == 5


def PIL_size(width, height, angle):
    return Image.new("L", (width, height)).rotate(angle, expand=True).size[::-1]


def test_affine_identity_and_elastic_identity():
    x = torch.rand(2, 3, 5, 6)
    assert torch.allclose(F.affine(x, 0, [0, 0], 1.0, [0, 0], Mode.BILINEAR), x, atol=1e-5)
    assert torch.allclose(F.elastic_transform(x, torch.zeros(1, 5, 6, 2)), x, atol=1e-5)
    shift = torch.zeros(1, 5, 6, 2)
    shift[..., 0] = 2 / 6  # a pixel to the right
    assert torch.allclose(F.elastic_transform(x, shift)[..., :-1], x[..., 1:], atol=1e-5)
    with pytest.raises(ValueError, match="displacement shape"):
        F.elastic_transform(x, torch.zeros(1, 5, 5, 2))


def test_gradients_flow_through():
    x = torch.rand(3, 6, 6, requires_grad=True)
    y = F.normalize(F.resize(F.rotate(F.adjust_contrast(x, 0.8), 20, Mode.BILINEAR), [4, 4]), [0.5], [0.5])
    y.sum().backward()
    assert x.grad.abs().sum() > 0


# ----- Sizes -----


@pytest.mark.parametrize(
    "size, max_size, expected",
    [
        (10, None, (10, 13)),
        ([10], None, (10, 13)),
        ([4, 9], None, (4, 9)),
        (10, 11, (8, 11)),
        (None, 20, (15, 20)),
    ],
)
def test_sizes(size, max_size, expected):
    x = F.resize(TENSOR, size, max_size=max_size)
    assert x.shape[-2:] == expected
    assert F.resize(PICTURE, size, max_size=max_size).size == expected[::-1]
    assert F.resize(TENSOR.transpose(1, 2), size, max_size=max_size).shape[-2:] == (
        expected if isinstance(size, list) and len(size) == 2 else expected[::-1]
    )


def test_wrong_sizes():
    assert F.resize(TENSOR, 13) is TENSOR
    for size, more, message in (
        ([1, 2, 3], {}, "1 or 2 element"),
        (10, {"max_size": 10}, "strictly greater"),
        ([4, 4], {"max_size": 9}, "max_size should only be passed"),
        (10, {"interpolation": Mode.LANCZOS}, "unsupported with Tensor"),
        (None, {}, "max_size must be"),
    ):
        with pytest.raises(ValueError, match=message):
            F.resize(TENSOR, size, **more)
    with pytest.raises(TypeError, match="interpolation"):
        F.resize(TENSOR, 10, "bilinear")
    assert F.resize(PICTURE, 10, Mode.LANCZOS).size == (13, 10)
    assert F.resize(PICTURE, 10, 3).size == (13, 10)
    with pytest.raises(ValueError, match="bigger than input"):
        F.five_crop(TENSOR, 14)
    with pytest.raises(TypeError, match="should be PIL Image or Tensor"):
        F.hflip(PIXELS)
    with pytest.raises(TypeError, match="is not a torch image"):
        F.hflip(torch.zeros(3))


def test_wrong_arguments():
    for f in (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_sharpness):
        with pytest.raises(ValueError, match="is not non-negative"):
            f(TENSOR, -0.1)
        with pytest.raises(TypeError, match="permitted channel values"):
            f(torch.zeros(2, 4, 4), 1.0)
    with pytest.raises(ValueError, match="not in"):
        F.adjust_hue(TENSOR, 0.6)
    with pytest.raises(ValueError, match="non-negative real"):
        F.adjust_gamma(TENSOR, -1)
    with pytest.raises(TypeError, match=r"Only torch\.uint8"):
        F.equalize(TENSOR.float())
    with pytest.raises(ValueError, match="does not match the number of channels"):
        F.pad(PICTURE, 1, (1, 2))
    with pytest.raises(ValueError, match="cannot broadcast"):
        F.rotate(TENSOR, 10, fill=[1, 2])
    with pytest.raises(ValueError, match="unsupported with Tensor"):
        F.rotate(TENSOR, 10, Mode.BICUBIC)
    with pytest.raises(ValueError, match="Padding mode"):
        F.pad(TENSOR, 1, padding_mode="circular")
    with pytest.raises(ValueError, match="1, 2, or 4"):
        F.pad(TENSOR, [1, 2, 3])
    with pytest.raises(ValueError, match="scale should be positive"):
        F.affine(TENSOR, 0, [0, 0], 0.0, 0.0)
    with pytest.raises(ValueError, match="larger than input image"):
        T.RandomCrop(14)(TENSOR)


# ----- Classes -----

ALL = [
    T.Resize(8),
    T.CenterCrop(6),
    T.RandomCrop(7, padding=2, padding_mode="reflect"),
    T.RandomCrop(20, pad_if_needed=True),
    T.RandomResizedCrop(9),
    T.RandomHorizontalFlip(),
    T.RandomVerticalFlip(),
    T.RandomRotation(30, fill=(1, 2, 3)),
    T.RandomAffine(20, (0.1, 0.2), (0.8, 1.2), (1, 2, 3, 4), fill=4),
    T.RandomPerspective(p=1.0),
    T.ElasticTransform(sigma=1.0),
    T.ColorJitter(0.2, 0.3, 0.4, 0.1),
    T.Grayscale(3),
    T.RandomGrayscale(1.0),
    T.GaussianBlur(3),
    T.Pad([1, 2]),
    T.RandomInvert(1.0),
    T.RandomPosterize(3, 1.0),
    T.RandomSolarize(100, 1.0),
    T.RandomAdjustSharpness(1.5, 1.0),
    T.RandomAutocontrast(1.0),
    T.RandomEqualize(1.0),
    T.RandAugment(),
    T.TrivialAugmentWide(),
    T.AugMix(),
    *(T.AutoAugment(policy) for policy in T.AutoAugmentPolicy),
]


@pytest.mark.parametrize("transform", ALL, ids=lambda t: type(t).__name__)
def test_seeds_choose_the_same_for_pictures_and_tensors(transform):
    for seed in range(4):
        torch.manual_seed(seed)
        x = transform(TENSOR)
        state = torch.get_rng_state()
        torch.manual_seed(seed)
        picture = transform(PICTURE)
        assert torch.equal(torch.get_rng_state(), state)
        assert x.dtype is torch.uint8 and planes(picture).shape == tuple(x.shape)
        torch.manual_seed(seed)
        assert torch.equal(transform(TENSOR), x)
    assert repr(transform).startswith(type(transform).__name__ + "(")


def test_random_erasing():
    torch.manual_seed(0)
    x = torch.ones(3, 20, 30)
    y = T.RandomErasing(1.0, scale=(0.1, 0.2), value=[1.0, 2.0, 3.0])(x)
    assert (y[0] == 1).all() and set(y[1].unique().tolist()) == {1, 2}
    share = (y[1] == 2).float().mean().item()
    assert 0.08 < share < 0.22
    assert (T.RandomErasing(1.0, value="random")(x) != x).any()
    assert T.RandomErasing(1.0, inplace=True)(x) is x and (x == 0).any()
    with pytest.raises(ValueError, match="3 \\(number of input channels\\)"):
        T.RandomErasing(1.0, value=[1, 2])(x)
    with pytest.raises(ValueError, match="should be 'random'"):
        T.RandomErasing(value="noise")


def test_combinations():
    add = T.Lambda(lambda x: x + 1)
    double = T.Lambda(lambda x: x * 2)
    assert T.Compose([add, double])(1) == 4
    assert T.RandomApply([add, add], p=0.0)(1) == 1 and T.RandomApply([add, add], p=1.0)(1) == 3
    random.seed(0)
    assert {T.RandomOrder([add, double])(1) for _ in range(20)} == {3, 4}
    assert {T.RandomChoice([add, double], p=[0, 1])(3) for _ in range(5)} == {6}
    with pytest.raises(TypeError, match="callable"):
        T.Lambda(3)
    with pytest.raises(TypeError, match="sequence"):
        T.RandomOrder(add)


def test_linear_transformation():
    x = torch.rand(5, 2, 2, 2)
    matrix, mean = torch.rand(8, 8), torch.rand(8)
    y = T.LinearTransformation(matrix, mean)(x)
    expected = (x.numpy().reshape(5, 8) - mean.numpy()) @ matrix.numpy()
    np.testing.assert_allclose(y.numpy().reshape(5, 8), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="incompatible shape"):
        T.LinearTransformation(matrix, mean)(x[:, :1])
    with pytest.raises(ValueError, match="square"):
        T.LinearTransformation(torch.zeros(2, 3), mean)


def test_descriptions():
    assert repr(T.Normalize([0.5], [0.2])) == "Normalize(mean=[0.5], std=[0.2])"
    assert repr(T.Resize(4)) == "Resize(size=4, interpolation=bilinear, max_size=None, antialias=True)"
    assert repr(T.RandomCrop(4)) == "RandomCrop(size=(4, 4), padding=None)"
    assert repr(T.RandomResizedCrop(4)) == (
        "RandomResizedCrop(size=(4, 4), scale=(0.08, 1.0), ratio=(0.75, 1.3333), interpolation=bilinear, "
        "antialias=True)"
    )
    assert repr(T.RandomRotation(10)) == (
        "RandomRotation(degrees=[-10.0, 10.0], interpolation=nearest, expand=False, fill=0)"
    )
    assert repr(T.ToPILImage()) == "ToPILImage()" and repr(T.ToPILImage("L")) == "ToPILImage(mode=L)"


def test_wrong_transforms():
    for make, error in (
        (lambda: T.Resize([1, 2, 3]), ValueError),
        (lambda: T.Resize("4"), TypeError),
        (lambda: T.CenterCrop([1, 2, 3]), ValueError),
        (lambda: T.RandomRotation(-1), ValueError),
        (lambda: T.RandomRotation([1, 2, 3]), ValueError),
        (lambda: T.RandomAffine(1, translate=(2, 0)), ValueError),
        (lambda: T.RandomAffine(1, scale=(0, 1)), ValueError),
        (lambda: T.ColorJitter(-1), ValueError),
        (lambda: T.ColorJitter(hue=0.6), ValueError),
        (lambda: T.ColorJitter("bright"), TypeError),
        (lambda: T.GaussianBlur(2), ValueError),
        (lambda: T.GaussianBlur(3, -1), ValueError),
        (lambda: T.Pad([1, 2, 3]), ValueError),
        (lambda: T.Pad("1"), TypeError),
        (lambda: T.RandomErasing(2), ValueError),
        (lambda: T.AugMix(11), ValueError),
        (lambda: T.RandomResizedCrop(3, scale=0.5), TypeError),
    ):
        with pytest.raises(error):
            make()


def test_policies_have_25_pairs():
    for policy in T.AutoAugmentPolicy:
        pairs = T.AutoAugment(policy).policies
        assert len(pairs) == 25 and all(len(pair) == 2 for pair in pairs)
        assert all(0 <= p <= 1 and (m is None or 0 <= m <= 9) for pair in pairs for _, p, m in pair)


def test_the_matrix_is_the_inverse_of_its_steps():
    def move(x, y):
        return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])

    angle, (tx, ty), scale, (sx, sy) = 25, (3, -2), 1.4, (10, -15)
    r, sx_, sy_ = (math.radians(v) for v in (angle, sx, sy))
    turn = scale * np.array([[math.cos(r), -math.sin(r)], [math.sin(r), math.cos(r)]])
    shear_y = np.array([[1, 0], [-math.tan(sy_), 1]])
    shear_x = np.array([[1, -math.tan(sx_)], [0, 1]])
    linear = np.eye(3)
    linear[:2, :2] = turn @ shear_y @ shear_x
    whole = move(tx, ty) @ move(4, 5) @ linear @ move(-4, -5)
    ours = np.array([*F.warp.affine_matrix([4, 5], angle, [tx, ty], scale, [sx, sy]), 0, 0, 1]).reshape(3, 3)
    np.testing.assert_allclose(ours @ whole, np.eye(3), atol=1e-9)
