"""transforms.v2: whole samples, with masks, boxes and labels."""

import copy
import pickle

import numpy as np
import pytest

import flambeau as torch
from flambeau.vision import transforms as v1
from flambeau.vision import tv_tensors
from flambeau.vision.transforms import v2
from flambeau.vision.transforms.v2 import functional as F

Image = pytest.importorskip("PIL.Image")
PIXELS = np.random.default_rng(0).integers(0, 256, (16, 20, 3), dtype=np.uint8)
TENSOR = torch.from_numpy(PIXELS.transpose(2, 0, 1).copy())


def boxes(*rows, format="XYXY", size=(16, 20)):
    return tv_tensors.BoundingBoxes(list(rows), format=format, canvas_size=size, dtype=torch.float32)


def sample():
    """An image with a bright rectangle, its mask and its box."""
    image = torch.zeros(3, 16, 20, dtype=torch.uint8)
    image[:, 4:9, 6:14] = 200
    mask = torch.zeros(1, 16, 20, dtype=torch.uint8)
    mask[:, 4:9, 6:14] = 1
    return {
        "image": tv_tensors.Image(image),
        "mask": tv_tensors.Mask(mask),
        "boxes": boxes([6, 4, 14, 9]),
        "labels": torch.tensor([3]),
        "name": "a.png",
    }


def box_of(mask):
    y, x = np.nonzero(mask.numpy()[0])
    return [x.min(), y.min(), x.max() + 1, y.max() + 1]


@pytest.mark.parametrize(
    "transform",
    [
        v2.RandomHorizontalFlip(1.0),
        v2.RandomVerticalFlip(1.0),
        v2.CenterCrop((12, 14)),
        v2.CenterCrop((24, 30)),
        v2.Pad([1, 2, 3, 4]),
        v2.Resize((32, 40), v2.InterpolationMode.NEAREST),
        v2.RandomCrop((12, 16), padding=2),
        v2.RandomCrop((20, 24), pad_if_needed=True),
        v2.RandomRotation((180, 180)),
        v2.RandomRotation((90, 90), expand=True),
        v2.RandomAffine(0, translate=(0.1, 0.1)),
        v2.RandomZoomOut(p=1.0),
        v2.RandomResizedCrop((32, 40), scale=(1.0, 1.0), ratio=(1.25, 1.25)),
        v2.RandomPerspective(0.0, p=1.0),
    ],
    ids=lambda t: type(t).__name__,
)
def test_image_mask_and_boxes_go_together(transform):
    torch.manual_seed(1)
    out = transform(sample())
    assert isinstance(out["image"], tv_tensors.Image) and isinstance(out["mask"], tv_tensors.Mask)
    h, w = out["image"].shape[-2:]
    assert tuple(out["mask"].shape[-2:]) == (h, w) == tuple(out["boxes"].canvas_size)
    assert np.abs(np.subtract(box_of(out["mask"]), out["boxes"].tolist()[0])).max() <= 1
    assert out["name"] == "a.png" and out["labels"].tolist() == [3]
    whole = (out["image"].numpy() > 100).all(0)
    assert (whole == (out["mask"].numpy()[0] == 1)).mean() > 0.95


@pytest.mark.parametrize("format", ["XYXY", "XYWH", "CXCYWH"])
def test_formats_of_boxes(format):
    x = F.convert_bounding_box_format(boxes([2, 3, 8, 7]), new_format=format)
    flipped = F.horizontal_flip(x)
    assert flipped.format is tv_tensors.BoundingBoxFormat(format)
    assert F.convert_bounding_box_format(flipped, new_format="XYXY").tolist() == [[12, 3, 18, 7]]
    plain = F.convert_bounding_box_format(torch.tensor([[2.0, 3.0, 6.0, 4.0]]), "XYWH", "XYXY")
    assert plain.tolist() == [[2, 3, 8, 7]]


def test_values_change_only_images():
    for transform in (
        v2.RandomInvert(1.0),
        v2.ColorJitter(0.5, 0.5),
        v2.GaussianBlur(3),
        v2.RandomErasing(1.0),
    ):
        torch.manual_seed(0)
        before, after = sample(), transform(sample())
        assert (after["image"] != before["image"]).any()
        assert torch.equal(after["mask"], before["mask"]) and torch.equal(after["boxes"], before["boxes"])


SAME = [
    (v1.RandomCrop(8), v2.RandomCrop(8)),
    (v1.RandomResizedCrop(8), v2.RandomResizedCrop(8)),
    (v1.RandomHorizontalFlip(), v2.RandomHorizontalFlip()),
    (v1.RandomRotation(20), v2.RandomRotation(20)),
    (v1.RandomAffine(20, (0.1, 0.1), (0.8, 1.2), 5), v2.RandomAffine(20, (0.1, 0.1), (0.8, 1.2), 5)),
    (v1.RandomPerspective(), v2.RandomPerspective()),
    (v1.ColorJitter(0.3, 0.3, 0.3, 0.1), v2.ColorJitter(0.3, 0.3, 0.3, 0.1)),
    (v1.RandomGrayscale(0.5), v2.RandomGrayscale(0.5)),
    (v1.RandomEqualize(), v2.RandomEqualize()),
    (v1.RandomErasing(), v2.RandomErasing()),
    (v1.GaussianBlur(3), v2.GaussianBlur(3)),
    (v1.RandAugment(), v2.RandAugment()),
    (v1.AutoAugment(), v2.AutoAugment()),
    (v1.TrivialAugmentWide(), v2.TrivialAugmentWide()),
    (v1.AugMix(), v2.AugMix()),
    (v1.RandomPosterize(3), v2.RandomPosterize(3)),
    (v1.ElasticTransform(sigma=1.0), v2.ElasticTransform(sigma=1.0)),
]


@pytest.mark.parametrize("old, new", SAME, ids=lambda t: type(t).__name__)
def test_single_images_are_done_as_by_v1(old, new):
    for seed in range(3):
        torch.manual_seed(seed)
        x = old(TENSOR)
        torch.manual_seed(seed)
        assert torch.equal(new(TENSOR), x)
        torch.manual_seed(seed)
        image = new(tv_tensors.Image(TENSOR))
        assert type(image) is tv_tensors.Image and torch.equal(image, x)
        torch.manual_seed(seed)
        batch = new(torch.stack([TENSOR, TENSOR]))
        assert batch.shape[0] == 2
    assert repr(new).startswith(type(new).__name__ + "(")


def test_only_the_first_plain_tensor_is_an_image():
    flip = v2.RandomHorizontalFlip(1.0)
    a, b, n = flip(torch.tensor([[[1, 2]]]), torch.tensor([[[1, 2]]]), 5)
    assert (a.flatten().tolist(), b.flatten().tolist(), n) == ([2, 1], [1, 2], 5)
    picture, x = flip(Image.fromarray(PIXELS), torch.tensor([[[1, 2]]]))
    assert (np.asarray(picture) == PIXELS[:, ::-1]).all() and x.flatten().tolist() == [1, 2]


def test_kinds_and_dtypes():
    image = v2.ToImage()(Image.fromarray(PIXELS))
    assert type(image) is tv_tensors.Image and torch.equal(image, TENSOR)
    scaled = v2.ToDtype(torch.float32, scale=True)(
        {"image": image, "mask": tv_tensors.Mask(torch.ones(2, 2))}
    )
    assert scaled["image"].dtype is torch.float32 and scaled["image"].max() <= 1
    assert type(scaled["image"]) is tv_tensors.Image and scaled["mask"].max() == 1
    chosen = v2.ToDtype({tv_tensors.Mask: torch.int64, "others": None})(scaled)
    assert chosen["mask"].dtype is torch.int64 and chosen["image"].dtype is torch.float32
    with pytest.raises(ValueError, match="No dtype was specified"):
        v2.ToDtype({tv_tensors.Mask: torch.int64})(image)
    assert type(v2.ToPureTensor()(image)) is torch.Tensor
    assert v2.ToPILImage()(image).size == (20, 16)
    with pytest.raises(TypeError, match="does not support PIL images"):
        v2.Normalize([0.5], [0.5])(Image.fromarray(PIXELS))


def test_classes_are_kept_by_copies_and_lost_in_functions():
    mask = tv_tensors.Mask([[0, 1]])
    assert type(mask + 1) is torch.Tensor
    assert type(mask.clone()) is type(mask.to(torch.float32)) is type(mask.detach()) is tv_tensors.Mask
    b = boxes([1, 2, 3, 4]).clone()
    assert b.canvas_size == (16, 20) and b.format is tv_tensors.BoundingBoxFormat.XYXY
    with pytest.raises(ValueError, match="should be"):
        boxes([1, 2, 3])
    assert tv_tensors.Image(Image.fromarray(PIXELS)).shape == (3, 16, 20)


def test_classes_are_kept_by_pickles_and_workers():
    for x in (boxes([1, 2, 3, 4], format="XYWH"), tv_tensors.Mask([[0, 1]]), tv_tensors.Image(TENSOR)):
        for twin in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
            assert type(twin) is type(x) and torch.equal(twin, x) and repr(twin) == repr(x)
    loader = torch.utils.data.DataLoader([boxes([1, 2, 3, 4])], batch_size=None, num_workers=1)
    assert [type(x) for x in loader] == [tv_tensors.BoundingBoxes]


def test_boxes_are_sanitized_and_clamped():
    data = {
        "boxes": boxes([1, 1, 5, 5], [-2, 0, 5, 5], [3, 3, 3, 9], [2, 2, 19, 15]),
        "masks": tv_tensors.Mask(torch.arange(4).view(4, 1, 1).expand(4, 16, 20).clone()),
        "labels": torch.arange(4),
    }
    out = v2.SanitizeBoundingBoxes()(data)
    assert out["labels"].tolist() == [0, 3] and out["masks"][:, 0, 0].tolist() == [0, 3]
    assert out["boxes"].tolist() == [[1, 1, 5, 5], [2, 2, 19, 15]]
    clamped = v2.Compose([v2.ClampBoundingBoxes(), v2.SanitizeBoundingBoxes()])(data)
    assert clamped["labels"].tolist() == [0, 1, 3]
    with pytest.raises(ValueError, match="do not match"):
        v2.SanitizeBoundingBoxes()({**data, "labels": torch.arange(3)})
    with pytest.raises(ValueError, match="No bounding boxes"):
        v2.SanitizeBoundingBoxes(labels_getter=None)(TENSOR)


def test_mixing():
    torch.manual_seed(0)
    x, y = torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 2, 0])
    mixed, labels = v2.MixUp(num_classes=3)(x, y)
    share = labels[0, 0].item()  # of image 0; the one before, number 3, has the same label
    assert share == pytest.approx(1)
    lam = labels[1, 1].item()
    assert torch.allclose(mixed, x.roll(1, 0) * (1 - lam) + x * lam) and torch.allclose(
        labels.sum(1), torch.ones(4)
    )
    cut, labels = v2.CutMix(num_classes=3)({"x": x, "label": y}).values()
    assert ((cut == x) | (cut == x.roll(1, 0))).all()
    assert (cut[1] == x[1]).float().mean().item() == pytest.approx(labels[1, 1].item(), abs=0.02)
    with pytest.raises(ValueError, match="num_classes"):
        v2.MixUp()(x, y)
    with pytest.raises(ValueError, match="batched input"):
        v2.MixUp(num_classes=3)(x[0], y)


def test_containers():
    add = v2.Lambda(lambda x: x + 1)
    assert v2.Compose([add, add])(1) == 3
    assert v2.Compose([v2.Identity(), v2.RandomHorizontalFlip(0.0)])(TENSOR, 3)[1] == 3
    assert v2.RandomApply([add], p=0.0)(1) == 1
    assert v2.RandomChoice([add, v2.Identity()], p=[0.0, 1.0])(1) == 1
    assert v2.RandomOrder([add, add])(1) == 3
    for bad in (
        lambda: v2.Compose([]),
        lambda: v2.RandomChoice([add], [1, 2]),
        lambda: v2.RandomApply([add], 2),
    ):
        with pytest.raises(ValueError):
            bad()


def test_what_is_not_done_is_refused():
    with pytest.raises(TypeError, match="boxes are not supported"):
        v2.ElasticTransform(sigma=1.0)(sample())
    with pytest.raises(TypeError, match="not supported by FiveCrop"):
        v2.FiveCrop(4)(sample())
    with pytest.raises(TypeError, match="not supported by RandAugment"):
        v2.RandAugment()(sample())
    with pytest.raises(ValueError, match="larger than padded input"):
        v2.RandomCrop(40)(sample())
    with pytest.raises(ValueError, match="one height and width"):
        v2.RandomCrop(4)((tv_tensors.Image(torch.zeros(3, 8, 8)), tv_tensors.Mask(torch.zeros(9, 9))))
