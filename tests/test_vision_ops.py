"""Operations of vision models, against slow references."""

import math

import numpy as np
import pytest

import flambeau as torch
from flambeau.vision import ops

RNG = np.random.default_rng(0)


def random_boxes(n, extent=20):
    corner = RNG.random((n, 2)) * extent
    return torch.from_numpy(
        np.concatenate([corner, corner + 1 + RNG.random((n, 2)) * 8], 1).astype(np.float32)
    )


def iou(a, b):
    w = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    h = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    area = [(x[2] - x[0]) * (x[3] - x[1]) for x in (a, b)]
    return w * h / (sum(area) - w * h)


def test_overlaps():
    a, b = random_boxes(6), random_boxes(5)
    expected = [[iou(x, y) for y in b.tolist()] for x in a.tolist()]
    np.testing.assert_allclose(ops.box_iou(a, b).numpy(), expected, rtol=1e-4, atol=1e-6)
    for other in (ops.generalized_box_iou, ops.distance_box_iou, ops.complete_box_iou):
        assert (other(a, b) <= ops.box_iou(a, b) + 1e-6).all()
        np.testing.assert_allclose(other(a, a).diagonal().numpy(), 1, rtol=1e-5)
    whole = torch.tensor([[0, 0, 200, 200]], dtype=torch.uint8)
    assert ops.box_area(whole).item() == 40000  # and not what fits into a byte
    assert ops.box_iou(whole, whole).item() == 1


def test_losses_are_those_of_pairs():
    a, b = random_boxes(6), random_boxes(6)
    for name in ("generalized_box_iou", "distance_box_iou", "complete_box_iou"):
        loss = getattr(ops, f"{name}_loss")
        expected = 1 - getattr(ops, name)(a, b).diagonal().numpy()
        np.testing.assert_allclose(loss(a, b).numpy(), expected, rtol=1e-4, atol=1e-5)
        assert loss(a, b, "mean").item() == pytest.approx(expected.mean(), rel=1e-4)
        assert loss(a[:0], b[:0], "mean").item() == 0
        with pytest.raises(ValueError, match="reduction"):
            loss(a, b, "median")
    x = a.clone().requires_grad_()
    ops.complete_box_iou_loss(x, b, "sum").backward()
    assert x.grad.isfinite().all() and x.grad.abs().sum() > 0


def test_nms_keeps_the_best():
    boxes, scores = random_boxes(60), torch.from_numpy(RNG.random(60).astype(np.float32))
    kept = []
    for i in sorted(range(60), key=lambda i: -scores[i].item()):
        if all(iou(boxes[i].tolist(), boxes[j].tolist()) <= 0.3 for j in kept):
            kept.append(i)
    assert ops.nms(boxes, scores, 0.3).tolist() == kept
    groups = torch.arange(60) % 2
    split = ops.batched_nms(boxes, scores, groups, 0.3).tolist()
    by_group = [torch.where(groups == g)[0] for g in (0, 1)]
    expected = [g[ops.nms(boxes[g], scores[g], 0.3)].tolist() for g in by_group]
    assert sorted(split) == sorted(expected[0] + expected[1])
    assert [scores[i].item() for i in split] == sorted((scores[i].item() for i in split), reverse=True)
    assert ops.nms(torch.zeros(0, 4), torch.zeros(0), 0.5).shape == (0,)
    assert ops.batched_nms(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0), 0.5).dtype is torch.int64
    assert ops.nms(torch.zeros(2, 4), torch.ones(2), 0.5).tolist() == [0, 1]  # 0 / 0 is no overlap
    with pytest.raises(RuntimeError, match="nms"):
        ops.nms(boxes, scores[:3], 0.3)


def test_formats_of_boxes():
    boxes = random_boxes(5)
    for fmt in ("xywh", "cxcywh"):
        there = ops.box_convert(boxes, "xyxy", fmt)
        np.testing.assert_allclose(ops.box_convert(there, fmt, "xyxy").numpy(), boxes.numpy(), rtol=1e-5)
    middle = ops.box_convert(ops.box_convert(boxes, "xyxy", "xywh"), "xywh", "cxcywh")
    np.testing.assert_allclose(middle.numpy(), ops.box_convert(boxes, "xyxy", "cxcywh").numpy(), rtol=1e-5)
    assert ops.box_convert(boxes, "xyxy", "xyxy") is not boxes
    with pytest.raises(ValueError, match="Unsupported Bounding Box Conversions"):
        ops.box_convert(boxes, "xyxy", "yxyx")
    assert ops.clip_boxes_to_image(torch.tensor([[-1.0, -2, 30, 40]]), (8, 9)).tolist() == [[0, 0, 9, 8]]
    assert ops.remove_small_boxes(torch.tensor([[0.0, 0, 3, 3], [0, 0, 1, 9]]), 2).tolist() == [0]


def bilinear(plane, y, x):
    h, w = plane.shape
    if y < -1 or y > h or x < -1 or x > w:
        return 0.0
    y, x = min(max(y, 0), h - 1), min(max(x, 0), w - 1)
    a, b = math.floor(y), math.floor(x)
    c, d = min(a + 1, h - 1), min(b + 1, w - 1)
    p, q = y - a, x - b
    top = plane[a, b] * (1 - q) + plane[a, d] * q
    return top * (1 - p) + (plane[c, b] * (1 - q) + plane[c, d] * q) * p


def aligned(x, box, out, scale, ratio, shift):
    start = np.array(box[:2]) * scale - shift
    side = np.array(box[2:]) * scale - shift - start
    side = side if shift else np.maximum(side, 1)
    nx, ny = (ratio, ratio) if ratio > 0 else (math.ceil(side[0] / out[1]), math.ceil(side[1] / out[0]))
    result = np.zeros((x.shape[0], *out))
    for i, j in np.ndindex(*out):
        ys = [start[1] + side[1] / out[0] * (i + (k + 0.5) / ny) for k in range(ny)]
        xs = [start[0] + side[0] / out[1] * (j + (k + 0.5) / nx) for k in range(nx)]
        for c in range(x.shape[0]):
            result[c, i, j] = np.mean([bilinear(x[c], y, u) for y in ys for u in xs])
    return result


@pytest.mark.parametrize("ratio", [-1, 2])
@pytest.mark.parametrize("shift", [False, True])
def test_roi_align(ratio, shift):
    x = torch.from_numpy(RNG.random((2, 3, 9, 11)).astype(np.float32))
    boxes = [torch.tensor([[0.0, 0, 9, 9], [-3, 2, 30, 12]]), torch.tensor([[4.0, 4, 4.5, 4.5]])]
    ours = ops.roi_align(x, boxes, (2, 3), 0.5, ratio, shift)
    rows = [(0, boxes[0][0]), (0, boxes[0][1]), (1, boxes[1][0])]
    expected = [aligned(x[i].numpy(), b.tolist(), (2, 3), 0.5, ratio, 0.5 if shift else 0) for i, b in rows]
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-4, atol=1e-5)
    flat = torch.tensor([[i, *b.tolist()] for i, b in rows])
    assert torch.equal(ops.RoIAlign((2, 3), 0.5, ratio, shift)(x, flat), ours)


def test_roi_pool():
    x = torch.from_numpy(RNG.random((2, 3, 9, 11)).astype(np.float32))
    ours = ops.roi_pool(x, torch.tensor([[1.0, 2, 2, 7, 5], [0, 0, 0, 20, 20]]), (2, 3))
    region = x[1].numpy()[:, 2:6, 2:8]
    expected = [[region[:, a : a + 2, b : b + 2].max((1, 2)) for b in (0, 2, 4)] for a in (0, 2)]
    np.testing.assert_array_equal(ours[0].numpy(), np.moveaxis(np.array(expected), -1, 0))
    assert ours[1, :, 1, 2].tolist() == [0, 0, 0]  # all of this bin lies outside
    assert (
        ops.roi_pool(x, torch.zeros(0, 5), 2).shape
        == ops.roi_align(x, torch.zeros(0, 5), 2).shape
        == (0, 3, 2, 2)
    )
    with pytest.raises(ValueError, match=r"Tensor\[K, 5\]"):
        ops.roi_pool(x, torch.zeros(1, 4), 2)
    with pytest.raises(ValueError, match=r"List\[Tensor\[L, 4\]\]"):
        ops.roi_align(x, [torch.zeros(1, 5)], 2)


def test_gradients_of_regions():
    x = torch.rand(1, 2, 6, 6, requires_grad=True)
    box = [torch.tensor([[0.0, 0, 4, 4]])]
    for pooled in (ops.roi_align(x, box, 2, sampling_ratio=2), ops.roi_pool(x, box, 2)):
        x.grad = None
        pooled.sum().backward()
        assert x.grad.sum().item() == pytest.approx(8, rel=1e-4)  # each result has weights that sum to 1


def test_deform_conv():
    x, weight, bias = torch.rand(2, 4, 7, 6), torch.rand(6, 2, 3, 3), torch.rand(6)
    plain = torch.nn.functional.conv2d(x, weight, bias, (2, 1), (1, 2), (1, 2), groups=2)
    shape = plain.shape[-2:]
    still = torch.zeros(2, 2 * 2 * 9, *shape)
    ours = ops.deform_conv2d(x, still, weight, bias, (2, 1), (1, 2), (1, 2))
    np.testing.assert_allclose(ours.numpy(), plain.numpy(), rtol=1e-4, atol=1e-5)
    mask = torch.full((2, 18, *shape), 0.5)
    half = ops.deform_conv2d(x, still, weight, None, (2, 1), (1, 2), (1, 2), mask)
    np.testing.assert_allclose(
        2 * half.numpy() + bias.numpy()[:, None, None], plain.numpy(), rtol=1e-4, atol=1e-5
    )
    offset = torch.rand(1, 2, 5, 5) * 6 - 3
    one = ops.deform_conv2d(x[:1, :1, :5, :5], offset, torch.ones(1, 1, 1, 1))
    plane = np.pad(x[0, 0, :5, :5].numpy(), 1)
    for i, j in np.ndindex(5, 5):
        y, u = i + offset[0, 0, i, j].item(), j + offset[0, 1, i, j].item()
        inside = -1 < y < 5 and -1 < u < 5
        expected = bilinear(plane, y + 1, u + 1) if inside else 0
        assert one[0, 0, i, j].item() == pytest.approx(expected, abs=1e-5)
    with pytest.raises(RuntimeError, match="offset tensor"):
        ops.deform_conv2d(x, still[:, :1], weight)


def test_focal_loss():
    x, y = torch.randn(7), torch.tensor([0.0, 1, 1, 0, 1, 0, 0])
    p = 1 / (1 + np.exp(-x.numpy().astype(float)))
    right = np.where(y.numpy() == 1, p, 1 - p)
    alpha = np.where(y.numpy() == 1, 0.25, 0.75)
    expected = -alpha * (1 - right) ** 2 * np.log(right)
    np.testing.assert_allclose(ops.sigmoid_focal_loss(x, y).numpy(), expected, rtol=1e-4)
    assert ops.sigmoid_focal_loss(x, y, reduction="mean").item() == pytest.approx(expected.mean(), rel=1e-4)
    plain = ops.sigmoid_focal_loss(x, y, alpha=-1, gamma=0)
    np.testing.assert_allclose(plain.numpy(), -np.log(right), rtol=1e-4)
    with pytest.raises(ValueError, match="reduction"):
        ops.sigmoid_focal_loss(x, y, reduction="median")
    with pytest.raises(ValueError, match="alpha"):
        ops.sigmoid_focal_loss(x, y, alpha=2)


def test_what_is_left_out():
    torch.manual_seed(0)
    x = torch.ones(2000, 3, 2)
    rows = ops.stochastic_depth(x, 0.25, "row")
    assert set(rows.unique().tolist()) == {0, np.float32(1 / 0.75)} and (rows == rows[:, :1, :1]).all()
    assert abs((rows == 0).float().mean().item() - 0.25) < 0.05
    assert ops.stochastic_depth(x, 0.5, "batch").unique().numel() == 1
    assert ops.stochastic_depth(x, 1.0, "row").sum() == 0
    assert ops.StochasticDepth(0.5, "row").eval()(x) is x
    y = ops.drop_block2d(torch.ones(8, 4, 16, 16), 0.3, 3)
    assert y.mean().item() == pytest.approx(1, abs=1e-4) and 0.15 < (y == 0).float().mean().item() < 0.45
    assert ops.drop_block2d(torch.ones(2, 2, 8, 8), 0.3, 4).shape == (2, 2, 8, 8)
    for bad in (lambda: ops.stochastic_depth(x, 2, "row"), lambda: ops.stochastic_depth(x, 0.5, "column")):
        with pytest.raises(ValueError, match="stochastic_depth"):
            bad()
    with pytest.raises(ValueError, match="4 dimensional"):
        ops.drop_block2d(x, 0.5, 2)


def test_blocks():
    block = ops.Conv2dNormActivation(
        3, 8, (3, 5), dilation=(1, 2), activation_layer=torch.nn.SiLU, inplace=None
    )
    assert [type(m).__name__ for m in block] == ["Conv2d", "BatchNorm2d", "SiLU"] and block.out_channels == 8
    assert block(torch.rand(1, 3, 9, 9)).shape == (1, 8, 9, 9)
    bare = ops.Conv2dNormActivation(3, 8, norm_layer=None, activation_layer=None)
    assert len(bare) == 1 and bare[0].bias is not None
    assert list(ops.MLP(4, [8, 2], norm_layer=torch.nn.LayerNorm).state_dict())[-1] == "4.bias"
    names = list(ops.SqueezeExcitation(4, 2).state_dict())
    assert names == ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]
    frozen, live = ops.FrozenBatchNorm2d(3), torch.nn.BatchNorm2d(3).eval()
    live.running_mean.copy_(torch.rand(3))
    live.running_var.copy_(torch.rand(3) + 0.5)
    frozen.load_state_dict(live.state_dict())
    x = torch.rand(2, 3, 4, 4)
    np.testing.assert_allclose(frozen(x).numpy(), live(x).detach().numpy(), rtol=1e-4, atol=1e-5)
    assert repr(frozen) == "FrozenBatchNorm2d(3, eps=1e-05)" and not list(frozen.parameters())


def test_feature_pyramid():
    from flambeau.vision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

    network = FeaturePyramidNetwork([2, 3], 4, LastLevelMaxPool())
    out = network({"a": torch.rand(1, 2, 8, 8), "b": torch.rand(1, 3, 4, 4)})
    assert {name: tuple(x.shape[1:]) for name, x in out.items()} == {
        "a": (4, 8, 8),
        "b": (4, 4, 4),
        "pool": (4, 2, 2),
    }
    assert "inner_blocks.0.0.weight" in network.state_dict()
    with pytest.raises(ValueError, match="in_channels=0"):
        FeaturePyramidNetwork([0], 4)


def test_masks_to_boxes():
    masks = torch.zeros(2, 5, 6, dtype=torch.bool)
    masks[0, 1:3, 2:5] = True
    masks[1, 4, 0] = True
    assert ops.masks_to_boxes(masks).tolist() == [[2, 1, 4, 2], [0, 4, 0, 4]]
