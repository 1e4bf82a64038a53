"""vision.io and vision.utils: image files, grids, drawings; and the room itself."""

import io
import sys

import numpy as np
import pytest

import flambeau as torch
from flambeau import vision
from flambeau.vision.io import ImageReadMode

Image = pytest.importorskip("PIL.Image")
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 6, 8), dtype=np.uint8)
TENSOR = torch.from_numpy(PIXELS.copy())


def test_png_there_and_back(tmp_path):
    path = tmp_path / "a.png"
    vision.io.write_png(TENSOR, path, 3)
    assert torch.equal(vision.io.read_image(str(path)), TENSOR)
    assert torch.equal(vision.io.decode_png(vision.io.read_file(path)), TENSOR)
    gray = vision.io.read_image(path, ImageReadMode.GRAY)
    assert gray.shape == (1, 6, 8)
    assert (gray.numpy()[0] == np.asarray(Image.open(path).convert("L"))).all()
    assert vision.io.read_image(path, "rgb_alpha").shape == (4, 6, 8)
    vision.io.write_png(gray, path)
    assert torch.equal(vision.io.read_image(path), gray)


def test_jpeg(tmp_path):
    smooth = torch.arange(0, 240, 15).view(1, 1, 16).expand(3, 16, 16).to(torch.uint8)
    vision.io.write_jpeg(smooth, tmp_path / "a.jpg", quality=95)
    back = vision.io.read_image(tmp_path / "a.jpg")
    assert (back.int() - smooth.int()).abs().max() < 12
    assert vision.io.encode_jpeg(smooth, 95).numel() > vision.io.encode_jpeg(smooth, 5).numel()


def test_palettes_orientation_and_sixteen_bits(tmp_path):
    Image.fromarray(PIXELS.transpose(1, 2, 0)).convert("P").save(tmp_path / "a.png")
    assert vision.io.read_image(tmp_path / "a.png").shape == (3, 6, 8)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.fromarray(PIXELS.transpose(1, 2, 0)).save(tmp_path / "b.png", exif=exif)
    assert vision.io.read_image(tmp_path / "b.png").shape == (3, 6, 8)
    assert vision.io.read_image(tmp_path / "b.png", apply_exif_orientation=True).shape == (3, 8, 6)
    Image.fromarray(np.full((2, 3), 40000, np.uint16)).save(tmp_path / "c.png")
    assert vision.io.read_image(tmp_path / "c.png").max().item() == 40000


def test_what_is_no_image(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(RuntimeError, match="not an image"):
        vision.io.read_image(tmp_path / "a.png")
    vision.io.write_png(TENSOR, tmp_path / "b.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:90])
    with pytest.raises(RuntimeError, match="not an image"):
        vision.io.read_image(tmp_path / "b.png")
    for bad in (TENSOR.float(), TENSOR[0], torch.zeros(4, 2, 2, dtype=torch.uint8)):
        with pytest.raises(RuntimeError, match="encode_png"):
            vision.io.encode_png(bad)
    with pytest.raises(RuntimeError, match="between 1 and 100"):
        vision.io.encode_jpeg(TENSOR, 0)
    with pytest.raises(RuntimeError, match="between 0 and 9"):
        vision.io.encode_png(TENSOR, 10)
    with pytest.raises(RuntimeError, match="one dimension"):
        vision.io.decode_image(TENSOR)


# ----- Grids -----


def test_grid():
    x = torch.arange(5.0).view(5, 1, 1, 1).expand(5, 1, 2, 3)
    grid = vision.utils.make_grid(x, nrow=3, padding=1, pad_value=9.0)
    assert grid.shape == (3, 7, 13)
    plane = grid[0].numpy()
    assert (plane[0] == 9).all() and (plane[:, 0] == 9).all()
    for i in range(5):
        y, u = 1 + i // 3 * 3, 1 + i % 3 * 4
        assert (plane[y : y + 2, u : u + 3] == i).all()
    assert (plane[4:, 9:12] == 9).all()  # the sixth place is empty
    assert torch.equal(vision.utils.make_grid(x[3]), torch.full((3, 2, 3), 3.0))
    assert vision.utils.make_grid([x[0], x[1]]).shape == (3, 6, 12)
    assert vision.utils.make_grid(TENSOR[None].repeat(2, 1, 1, 1)).dtype is torch.uint8


def test_grid_normalized():
    x = torch.tensor([[0.0, 4.0], [2.0, 10.0]]).view(2, 1, 1, 2)

    def values(**options):
        grid = vision.utils.make_grid(x, padding=0, normalize=True, **options)
        return [round(v, 4) for v in grid[0, 0].tolist()]

    assert values() == [0, 0.4, 0.2, 1]
    assert values(scale_each=True) == [0, 1, 0, 1]
    assert values(value_range=(0, 5)) == [0, 0.8, 0.4, 1]
    assert x.max() == 10
    with pytest.raises(TypeError, match="value_range has to be a tuple"):
        values(value_range=[0, 5])
    with pytest.raises(TypeError, match="tensor or list of tensors"):
        vision.utils.make_grid("images")


def test_save_image(tmp_path):
    x = torch.tensor([0.0, 0.5, 1.0, 2.0]).view(1, 1, 4)
    vision.utils.save_image(x, str(tmp_path / "a.png"))
    assert np.asarray(Image.open(tmp_path / "a.png"))[0, :, 0].tolist() == [0, 128, 255, 255]
    file = io.BytesIO()
    vision.utils.save_image(torch.rand(4, 3, 8, 8), file, format="jpeg", nrow=2)
    assert Image.open(file).size == (22, 22)


# ----- Drawings -----


def test_boxes_are_drawn():
    x = torch.zeros(3, 12, 12)
    boxes = torch.tensor([[1, 1, 6, 6], [3, 3, 10, 10]])
    y = vision.utils.draw_bounding_boxes(x, boxes, colors=["red", (0, 255, 0)], width=1)
    assert y.dtype is torch.float32 and y[:, 1, 3].tolist() == [1, 0, 0] and y[:, 10, 5].tolist() == [0, 1, 0]
    assert x.max() == 0 and y[:, 2, 2].tolist() == [0, 0, 0]
    filled = vision.utils.draw_bounding_boxes(x[:1], boxes[:1], labels=["a"], fill=True, colors="#0000ff")
    assert 0.3 < filled[2, 5, 5].item() < 0.5
    assert torch.equal(vision.utils.draw_bounding_boxes(x, torch.zeros(0, 4)), x)
    with pytest.raises(ValueError, match="mismatch"):
        vision.utils.draw_bounding_boxes(x, boxes, labels=["a"])
    with pytest.raises(ValueError, match="xmin <= xmax"):
        vision.utils.draw_bounding_boxes(x, torch.tensor([[5, 1, 2, 6]]))
    with pytest.raises(ValueError, match="Number of colors"):
        vision.utils.draw_bounding_boxes(x, boxes, colors=["red"])
    with pytest.raises(ValueError, match="uint8 or float"):
        vision.utils.draw_bounding_boxes(x.int(), boxes)


def test_masks_and_points_are_drawn():
    x = torch.full((3, 4, 4), 100, dtype=torch.uint8)
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[1:3, 1:3] = True
    y = vision.utils.draw_segmentation_masks(x, mask, alpha=0.5, colors=(200, 0, 0))
    assert y[:, 1, 1].tolist() == [150, 50, 50] and y[:, 0, 0].tolist() == [100, 100, 100]
    with pytest.raises(ValueError, match="dtype bool"):
        vision.utils.draw_segmentation_masks(x, mask.int())
    with pytest.raises(ValueError, match="same height and width"):
        vision.utils.draw_segmentation_masks(x, mask[:2])
    points = torch.tensor([[[2.0, 2.0], [9.0, 2.0]]])
    black = torch.zeros(3, 12, 12, dtype=torch.uint8)
    line = vision.utils.draw_keypoints(black, points, [(0, 1)], "blue", radius=1, width=1)
    assert line[:, 2, 5].tolist() == [0, 0, 255]
    one = vision.utils.draw_keypoints(black, points, [(0, 1)], visibility=torch.tensor([[True, False]]))
    assert one[0, 2, 2] == 255 and one[0, 2, 9] == 0 and one[0, 2, 5] == 0


def test_movement_has_a_color():
    flow = torch.zeros(2, 1, 5)
    flow[0, 0, 0], flow[0, 0, 1], flow[1, 0, 2] = 3.0, -3.0, 3.0
    colors = vision.utils.flow_to_image(flow)
    assert colors[:, 0, 4].tolist() == [255, 255, 255]
    assert len({tuple(colors[:, 0, i].tolist()) for i in range(3)}) == 3
    assert torch.equal(vision.utils.flow_to_image(torch.stack([flow, flow]))[1], colors)
    with pytest.raises(ValueError, match="floating point"):
        vision.utils.flow_to_image(flow.int())


# ----- The room -----


def test_backend():
    assert vision.get_image_backend() == "PIL"
    with pytest.raises(ValueError, match="Invalid backend"):
        vision.set_image_backend("accimage")
    with pytest.raises(AttributeError, match="no attribute"):
        _ = vision.sound


def test_without_pillow(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "PIL"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ModuleNotFoundError, match="need Pillow: pip install pillow"):
        vision.io.read_image(__file__)
    flipped = vision.transforms.functional.hflip(TENSOR)
    assert (flipped.numpy() == PIXELS[:, :, ::-1]).all()
