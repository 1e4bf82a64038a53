"""Models of images: parameters, state dicts, initial values and outputs, weights, and how they train."""

import pickle
import warnings
import zlib

import pytest

import flambeau as torch
from flambeau import nn
from flambeau.vision import models
from flambeau.vision.models._utils import IntermediateLayerGetter
from flambeau.vision.models.feature_extraction import create_feature_extractor

# Numbers of parameters, and checksums of the state dicts' lines "key shape", in order: torchvision's.
MODELS = {
    "alexnet": (61_100_840, "612bf7fa"),
    "convnext_base": (88_591_464, "fba7c72b"),
    "convnext_large": (197_767_336, "d6a11ec5"),
    "convnext_small": (50_223_688, "f4c61dd6"),
    "convnext_tiny": (28_589_128, "072fe5ff"),
    "deeplabv3_mobilenet_v3_large": (11_025_477, "b119a5b0"),
    "deeplabv3_resnet50": (39_638_869, "e3858c29"),
    "deeplabv3_resnet101": (58_630_997, "def97a00"),
    "densenet121": (7_978_856, "1416c673"),
    "densenet161": (28_681_000, "a4d61317"),
    "densenet169": (14_149_480, "c29d136e"),
    "densenet201": (20_013_928, "626b3f34"),
    "efficientnet_b0": (5_288_548, "e6e7265d"),
    "efficientnet_b1": (7_794_184, "62b330fc"),
    "efficientnet_b2": (9_109_994, "19d98ee0"),
    "efficientnet_b3": (12_233_232, "4cbbbf8e"),
    "efficientnet_b4": (19_341_616, "8f280174"),
    "efficientnet_b5": (30_389_784, "a4d7a00a"),
    "efficientnet_b6": (43_040_704, "b498ac1a"),
    "efficientnet_b7": (66_347_960, "71cd60e1"),
    "efficientnet_v2_l": (118_515_272, "ff73e391"),
    "efficientnet_v2_m": (54_139_356, "0314a762"),
    "efficientnet_v2_s": (21_458_488, "20cc84c6"),
    "fcn_resnet50": (32_957_013, "c1ad5475"),
    "fcn_resnet101": (51_949_141, "0ef9f484"),
    "googlenet": (13_004_888, "7648b627"),
    "inception_v3": (27_161_264, "5cd933ff"),
    "lraspp_mobilenet_v3_large": (3_221_538, "02b534b9"),
    "maxvit_t": (30_919_624, "8e5bab33"),
    "mnasnet0_5": (2_218_512, "b293c1ad"),
    "mnasnet0_75": (3_170_208, "c2ff34f4"),
    "mnasnet1_0": (4_383_312, "224b8e9c"),
    "mnasnet1_3": (6_282_256, "5469840f"),
    "mobilenet_v2": (3_504_872, "dd2fc11e"),
    "mobilenet_v3_large": (5_483_032, "3069dd82"),
    "mobilenet_v3_small": (2_542_856, "15fd50b9"),
    "regnet_x_1_6gf": (9_190_136, "a91fd129"),
    "regnet_x_3_2gf": (15_296_552, "262a1938"),
    "regnet_x_8gf": (39_572_648, "548f88bf"),
    "regnet_x_16gf": (54_278_536, "deabe414"),
    "regnet_x_32gf": (107_811_560, "4d3ea255"),
    "regnet_x_400mf": (5_495_976, "fe8c2ba1"),
    "regnet_x_800mf": (7_259_656, "cfa4afa5"),
    "regnet_y_1_6gf": (11_202_430, "1642a7e5"),
    "regnet_y_3_2gf": (19_436_338, "a9f37e88"),
    "regnet_y_8gf": (39_381_472, "56916a48"),
    "regnet_y_16gf": (83_590_140, "abd94bd5"),
    "regnet_y_32gf": (145_046_770, "867afb5b"),
    "regnet_y_128gf": (644_812_894, "b4420b6d"),
    "regnet_y_400mf": (4_344_144, "703ba9c9"),
    "regnet_y_800mf": (6_432_512, "4f5cd6ac"),
    "resnet18": (11_689_512, "c2e12626"),
    "resnet34": (21_797_672, "8f3907e6"),
    "resnet50": (25_557_032, "173a2df1"),
    "resnet101": (44_549_160, "8181f149"),
    "resnet152": (60_192_808, "a04f9e3d"),
    "resnext50_32x4d": (25_028_904, "cccf1ec5"),
    "resnext101_32x8d": (88_791_336, "761ca0e2"),
    "resnext101_64x4d": (83_455_272, "38865b06"),
    "shufflenet_v2_x0_5": (1_366_792, "101c6894"),
    "shufflenet_v2_x1_0": (2_278_604, "9fe7eccd"),
    "shufflenet_v2_x1_5": (3_503_624, "ab8e7fc7"),
    "shufflenet_v2_x2_0": (7_393_996, "55a156d9"),
    "squeezenet1_0": (1_248_424, "08c62cc4"),
    "squeezenet1_1": (1_235_496, "39a6429a"),
    "swin_b": (87_768_224, "1afa43f8"),
    "swin_s": (49_606_258, "e516112d"),
    "swin_t": (28_288_354, "54d012dd"),
    "swin_v2_b": (87_930_848, "705ad77d"),
    "swin_v2_s": (49_737_442, "b08a3117"),
    "swin_v2_t": (28_351_570, "409497c5"),
    "vgg11": (132_863_336, "fd4fec18"),
    "vgg11_bn": (132_868_840, "d82a6385"),
    "vgg13": (133_047_848, "07a45d81"),
    "vgg13_bn": (133_053_736, "96ccc26c"),
    "vgg16": (138_357_544, "b42e8d57"),
    "vgg16_bn": (138_365_992, "6055e756"),
    "vgg19": (143_667_240, "23f4f219"),
    "vgg19_bn": (143_678_248, "f5347c42"),
    "vit_b_16": (86_567_656, "42acfa7d"),
    "vit_b_32": (88_224_232, "0d885ac8"),
    "vit_h_14": (632_045_800, "6cbc501a"),
    "vit_l_16": (304_326_632, "8f2e20e6"),
    "vit_l_32": (306_535_400, "104c8712"),
    "wide_resnet50_2": (68_883_240, "2283bd01"),
    "wide_resnet101_2": (126_886_696, "d18da542"),
}

# Models small enough to run, with the extents of their images.
SMALL = {
    "resnet": (32, lambda m: m.ResNet(m.resnet.BasicBlock, [1, 1, 1, 1], num_classes=5)),
    "resnet, dilated groups": (
        32,
        lambda m: m.ResNet(
            m.resnet.Bottleneck,
            [1, 1, 1, 2],
            num_classes=5,
            groups=4,
            width_per_group=8,
            replace_stride_with_dilation=[False, False, True],
        ),
    ),
    "densenet": (32, lambda m: m.DenseNet(8, (2, 3), 16, num_classes=5)),
    "squeezenet": (32, lambda m: m.SqueezeNet("1_1", num_classes=5)),
    "googlenet": (32, lambda m: m.GoogLeNet(num_classes=5, aux_logits=False, init_weights=False)),
    "shufflenet": (32, lambda m: m.ShuffleNetV2([1, 2, 1], [8, 16, 32, 64, 32], num_classes=5)),
    "mnasnet": (32, lambda m: m.MNASNet(0.25, num_classes=5)),
    "mobilenet v2": (32, lambda m: m.MobileNetV2(5, width_mult=0.25)),
    "mobilenet v3": (32, lambda m: m.mobilenet_v3_small(num_classes=5, width_mult=0.5, dilated=True)),
    "efficientnet": (
        32,
        lambda m: m.EfficientNet(
            [
                m.efficientnet.MBConvConfig(6, 3, 2, 8, 16, 2),
                m.efficientnet.FusedMBConvConfig(4, 3, 1, 16, 24, 2),
            ],
            dropout=0.2,
            num_classes=5,
        ),
    ),
    "regnet": (
        32,
        lambda m: m.RegNet(
            m.regnet.BlockParams.from_init_params(4, 24, 24.0, 2.5, 8, se_ratio=0.25), num_classes=5
        ),
    ),
    "convnext": (
        32,
        lambda m: m.ConvNeXt(
            [m.convnext.CNBlockConfig(8, 16, 1), m.convnext.CNBlockConfig(16, None, 2)],
            layer_scale=0.5,
            num_classes=5,
        ),
    ),
    "vit": (32, lambda m: m.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=5, representation_size=8)),
    "swin": (40, lambda m: m.SwinTransformer([4, 4], 8, [2, 2], [1, 2], [4, 4], num_classes=5)),
    "swin v2": (
        36,
        lambda m: m.SwinTransformer(
            [4, 4],
            8,
            [2, 2],
            [1, 2],
            [4, 4],
            num_classes=5,
            block=m.swin_transformer.SwinTransformerBlockV2,
            downsample_layer=m.swin_transformer.PatchMergingV2,
        ),
    ),
    "maxvit": (64, lambda m: m.MaxVit((64, 64), 8, 4, [8, 16], [2, 1], 4, 0.1, num_classes=5)),
    "lraspp": (
        32,
        lambda m: m.segmentation.lraspp_mobilenet_v3_large(weights_backbone=None, num_classes=5),
    ),
}

# What `measure` gives for them in torchvision with PyTorch 2.13, after manual_seed(0).
MEASURED = {
    "resnet": [103167.8, 1.320822, 521.8185],
    "resnet, dilated groups": [196476.2, 1.029215, 87.81879],
    "densenet": [2332.413, 12.76476, 167.0845],
    "squeezenet": [49971.34, 0.3544468, 11.96302],
    "googlenet": [104030.2, 0.9677138, 0.001383055],
    "shufflenet": [1184.293, 2.506242, 0.04434538],
    "mnasnet": [33940.53, 16.78244, 0.0003788489],
    "mobilenet v2": [24580.96, 1.074238, 5.317471e-06],
    "mobilenet v3": [31286.26, 2.684052, 4.303585e-07],
    "efficientnet": [4433.376, 6.009014, 0.4507996],
    "regnet": [10459.83, 2.688534, 5.669583],
    "convnext": [212.6467, 2.078691, 19.89249],
    "vit": [949.383, 3.687466, 15.90916],
    "swin": [317.3742, 0.5803378, 1.860158],
    "swin v2": [425.7329, 2.104921, 4.341714],
    "maxvit": [686.8173, 0.1527433, 2.967395e-05],
    "lraspp": [202535.1, 2976.062, 1.817944],
}


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The default weight initialization")
        yield


@pytest.mark.parametrize("name", MODELS)
def test_parameters_and_keys_are_those_of_published_weights(name):
    own = {} if name not in models.list_models(models.segmentation) else {"weights_backbone": None}
    with torch.device("meta"):
        model = models.get_model(name, **own)
    count, checksum = MODELS[name]
    assert sum(p.numel() for p in model.parameters()) == count
    lines = [f"{key} {tuple(value.shape)}" for key, value in model.state_dict().items()]
    assert f"{zlib.crc32(chr(10).join(lines).encode()):08x}" == checksum
    for weights in models.get_model_weights(name):
        extra = 0 if weights.meta["categories"] is None else len(weights.meta["categories"])
        assert extra in (0, 21, 1000) and weights.meta["num_params"] > 0


def test_all_models_are_listed():
    assert set(models.list_models()) == set(MODELS)
    assert models.list_models(models) == sorted(set(MODELS) - set(models.list_models(models.segmentation)))


@pytest.mark.parametrize(
    "build, keys",
    [
        (models.resnet18, ["layer2.0.downsample.0.weight", "layer2.0.downsample.1.running_mean", "fc.bias"]),
        (
            models.densenet121,
            ["features.denseblock1.denselayer1.norm1.weight", "features.transition1.conv.weight"],
        ),
        (models.vit_b_16, ["class_token", "encoder.layers.encoder_layer_0.self_attention.in_proj_weight"]),
        (models.swin_t, ["features.1.0.attn.relative_position_bias_table", "features.2.reduction.weight"]),
        (models.mobilenet_v3_small, ["features.1.block.1.fc1.weight", "classifier.3.weight"]),
        (models.regnet_y_400mf, ["trunk_output.block1.block1-0.f.se.fc1.bias"]),
        (models.convnext_tiny, ["features.1.0.layer_scale", "classifier.2.weight"]),
    ],
)
def test_known_keys(build, keys):
    with torch.device("meta"):
        state = build().state_dict()
    assert not [key for key in keys if key not in state]


def measure(torch, model, size):
    """Sizes of the initial parameters, of the outputs for a fixed input, and of the first gradient."""
    x = torch.sin(torch.arange(4 * 3 * size * size).float() * 0.37).reshape(4, 3, size, size)
    parameters = sum(p.detach().abs().sum().item() for p in model.parameters())
    for p in model.parameters():
        if not p.any():  # layers that begin as zeros would hide all before them
            torch.nn.init.normal_(p, std=0.1)
    out = model.eval()(x)
    out = out if isinstance(out, torch.Tensor) else out["out"]
    (out * torch.cos(torch.arange(out.numel()).float()).reshape(out.shape)).sum().backward()
    return [parameters, out.abs().sum().item(), next(model.parameters()).grad.abs().sum().item()]


@pytest.mark.parametrize("name", SMALL)
def test_initial_values_outputs_and_gradients_are_torchvisions(name):
    size, build = SMALL[name]
    torch.manual_seed(0)
    assert measure(torch, build(models), size) == pytest.approx(MEASURED[name], rel=1e-4)


def test_published_models_run_on_images():
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert models.resnet18(num_classes=7).eval()(x).shape == (2, 7)
        assert models.mobilenet_v3_small(num_classes=7).eval()(x).shape == (2, 7)
        assert models.squeezenet1_1(num_classes=7).eval()(x).shape == (2, 7)


# ----- auxiliary outputs -----


def test_googlenet_has_auxiliary_outputs_in_training():
    model = models.googlenet(num_classes=3, init_weights=False)
    out = model(torch.rand(2, 3, 64, 64))
    assert isinstance(out, models.GoogLeNetOutputs) and [o.shape for o in out] == [(2, 3)] * 3
    assert model.eval()(torch.rand(1, 3, 64, 64)).shape == (1, 3)


def test_inception_has_an_auxiliary_output():
    with torch.device("meta"):
        model = models.inception_v3(num_classes=3, init_weights=False)
        logits, aux = model(torch.rand(2, 3, 299, 299))
    assert logits.shape == aux.shape == (2, 3)


def test_segmentation_has_an_auxiliary_output():
    with torch.device("meta"):
        model = models.segmentation.fcn_resnet50(weights_backbone=None, num_classes=4, aux_loss=True)
        out = model(torch.rand(1, 3, 40, 56))
    assert {name: tuple(o.shape) for name, o in out.items()} == {"out": (1, 4, 40, 56), "aux": (1, 4, 40, 56)}


def test_not_saying_how_to_initialize_is_deprecated():
    with warnings.catch_warnings(), pytest.raises(FutureWarning, match="init_weights=True"):
        warnings.simplefilter("error")
        models.googlenet()


# ----- training -----


def test_new_head_on_frozen_features():
    torch.manual_seed(0)
    model = models.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1])
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    model.fc = nn.Linear(512, 2)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    x, y = torch.rand(4, 3, 32, 32), torch.tensor([0, 1, 1, 0])
    model.eval()
    losses = []
    for _ in range(2):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert changed == {"fc.weight", "fc.bias"} and losses[1] < losses[0]


def test_statistics_move_in_training():
    model = models.MobileNetV2(3, width_mult=0.25)
    model(torch.rand(2, 3, 32, 32))
    assert model.features[0][1].num_batches_tracked == 1
    assert model.features[0][1].running_mean.abs().sum() > 0


def test_zero_init_residual_makes_blocks_shortcuts():
    model = models.ResNet(models.resnet.Bottleneck, [1, 1, 1, 1], zero_init_residual=True)
    assert not model.layer1[0].bn3.weight.any() and model.layer1[0].bn2.weight.all()


def test_memory_efficient_densenet_has_the_same_gradients():
    grads = []
    for memory_efficient in (False, True):
        torch.manual_seed(0)
        model = models.DenseNet(4, (2, 2), 8, num_classes=3, memory_efficient=memory_efficient).eval()
        model(torch.ones(2, 3, 32, 32)).sum().backward()
        grads.append(model.features.denseblock1.denselayer2.conv1.weight.grad)
    assert torch.allclose(*grads)


# ----- weights -----


def test_weights_by_name():
    weights = models.get_weight("ResNet50_Weights.DEFAULT")
    assert weights is models.ResNet50_Weights.IMAGENET1K_V2
    assert weights.url == "https://download.pytorch.org/models/resnet50-11ad3fa6.pth"
    assert weights.transforms().resize_size == [232] and len(weights.meta["categories"]) == 1000
    assert models.get_weight("FCN_ResNet50_Weights.DEFAULT").meta["categories"][15] == "person"
    assert models.get_model_weights("vit_b_16") is models.ViT_B_16_Weights
    assert pickle.loads(pickle.dumps(weights)) is weights
    with pytest.raises(ValueError, match="Invalid weight name"):
        models.get_weight("ResNet50_Weights")
    with pytest.raises(ValueError, match="couldn't be retrieved"):
        models.get_weight("ResNet51_Weights.DEFAULT")
    with pytest.raises(KeyError):
        models.get_weight("ResNet50_Weights.IMAGENET22K")
    with pytest.raises(TypeError, match="expected ResNet18_Weights but received ResNet50_Weights"):
        models.resnet18(weights=weights)


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A folder of downloads with the weights of a small model, and a builder of it."""
    monkeypatch.setattr(torch.hub, "_chosen", [str(tmp_path)])
    monkeypatch.setattr(torch.hub, "download_url_to_file", _offline)
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def _offline(*args, **kwargs):
    raise OSError("no network")


def test_weights_are_loaded_from_the_folder_of_downloads(published):
    torch.manual_seed(3)
    kept = models.squeezenet1_1()
    torch.save(kept.state_dict(), published / "squeezenet1_1-b8a52dc0.pth")
    for given in ("DEFAULT", models.SqueezeNet1_1_Weights.IMAGENET1K_V1, "SqueezeNet1_1_Weights.DEFAULT"):
        model = models.squeezenet1_1(weights=given)
        assert torch.equal(model.features[0].weight, kept.features[0].weight)
    with pytest.raises(ValueError, match="'num_classes' expected value 1000 but got 5"):
        models.squeezenet1_1(weights="DEFAULT", num_classes=5)


def test_keys_of_densenet_files_are_older(published):
    kept = models.densenet121()
    state = {
        k.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): v for k, v in kept.state_dict().items()
    }
    torch.save(state, published / "densenet121-a639ec97.pth")
    model = models.densenet121(weights="DEFAULT")
    key = "features.denseblock1.denselayer1.conv2.weight"
    assert torch.equal(model.state_dict()[key], kept.state_dict()[key])


def test_offline_the_error_says_where_to_put_the_file(published):
    with pytest.raises(OSError, match=r"put the file at .*checkpoints.resnet18-f37072fd.pth"):
        models.resnet18(weights="DEFAULT")


def test_deprecated_forms_warn(published):
    kept = models.squeezenet1_1()
    torch.save(kept.state_dict(), published / "squeezenet1_1-b8a52dc0.pth")
    with pytest.warns(UserWarning) as seen:
        model = models.squeezenet1_1(pretrained=True)
    assert ["use 'weights' instead" in str(w.message) for w in seen] == [True, False]
    assert "weights=SqueezeNet1_1_Weights.IMAGENET1K_V1" in str(seen[1].message)
    assert torch.equal(model.features[0].weight, kept.features[0].weight)
    with pytest.warns(UserWarning, match="'weights' as positional"):
        models.squeezenet1_1(None)
    with (
        pytest.warns(UserWarning),
        pytest.raises(ValueError, match="No weights available for model vit_h_14"),
    ):
        models.vit_h_14(pretrained=True)


# ----- errors -----


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda: models.get_model("resnet19"), ValueError, "Unknown model resnet19"),
        (lambda: models.resnext50_32x4d(groups=4), ValueError, "'groups' expected value 32 but got 4"),
        (lambda: models.resnet18(width=3), TypeError, "width"),
        (lambda: models.segmentation.fcn_resnet50(weights_backbone=None, depth=3), TypeError, "depth"),
        (lambda: models.SqueezeNet("2_0"), ValueError, "1_0 or 1_1 expected"),
        (lambda: models.EfficientNet([], 0.1), ValueError, "should not be empty"),
        (lambda: models.ConvNeXt([3]), TypeError, r"List\[CNBlockConfig\]"),
        (lambda: models.MNASNet(0.0), ValueError, "greater than 0.0"),
        (lambda: models.ShuffleNetV2([1], [1] * 5), ValueError, "list of 3"),
        (lambda: models.VisionTransformer(30, 8, 1, 1, 8, 8), AssertionError, "indivisible"),
        (lambda: models.UNet(1, 2, 4)(torch.ones(1, 1, 20, 20)), ValueError, "multiples of 16"),
        (lambda: IntermediateLayerGetter(nn.Sequential(nn.ReLU()), {"1": "x"}), ValueError, "not present"),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_a_transformer_wants_its_image_size():
    model = models.VisionTransformer(16, 8, 1, 1, 8, 8, num_classes=2)
    with pytest.raises(AssertionError, match="Wrong image width! Expected 16 but got 24!"):
        model(torch.ones(1, 3, 16, 24))


# ----- parts -----


def test_intermediate_layers():
    model = models.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1])
    part = IntermediateLayerGetter(model, {"layer1": "fine", "layer3": "coarse"})
    out = part(torch.rand(1, 3, 32, 32))
    assert [(k, v.shape) for k, v in out.items()] == [("fine", (1, 64, 8, 8)), ("coarse", (1, 256, 2, 2))]
    assert "layer4" not in part and part["layer1"] is model.layer1


def test_lenet_and_unet_learn():
    torch.manual_seed(0)
    for model, x, y in (
        (models.LeNet(3), torch.rand(4, 1, 28, 28), torch.tensor([0, 1, 2, 0])),
        (models.UNet(1, 3, base=4, depth=2), torch.rand(2, 1, 16, 16), torch.randint(3, (2, 16, 16))),
    ):
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        losses = []
        for _ in range(8):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < losses[0]


def test_position_embeddings_for_other_images():
    small, large = (models.VisionTransformer(size, 8, 1, 1, 8, 8, num_classes=2) for size in (16, 32))
    interpolate = models.vision_transformer.interpolate_embeddings
    state = interpolate(32, 8, small.state_dict(), reset_heads=True)
    missing, unexpected = large.load_state_dict(state, strict=False)
    assert missing == ["heads.head.weight", "heads.head.bias"] and not unexpected


def test_weights_of_older_transformers_load():
    model = models.VisionTransformer(16, 8, 1, 1, 8, 8, num_classes=2)
    state = dict(model.state_dict())
    prefix = "encoder.layers.encoder_layer_0.mlp."
    for i in (0, 1):
        for kind in ("weight", "bias"):
            state[f"{prefix}linear_{i + 1}.{kind}"] = state.pop(f"{prefix}{3 * i}.{kind}") + 1
    model.load_state_dict(state)
    assert torch.equal(model.state_dict()[f"{prefix}3.bias"], state[f"{prefix}linear_2.bias"])


def test_outputs_of_inner_modules():
    model = models.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1]).eval()
    features = create_feature_extractor(model, ["layer1.0.relu", "layer1.0.relu_1", "layer1", "fc"])
    x = torch.rand(1, 3, 32, 32)
    out = features(x)
    assert list(features.state_dict()) == list(model.state_dict())
    assert torch.equal(out["layer1.0.relu_1"], out["layer1"])
    assert torch.allclose(out["fc"], model(x), atol=1e-5)
    assert not torch.equal(out["layer1.0.relu"], out["layer1"])
    with pytest.raises(ValueError, match="'layer9' is not present in model"):
        create_feature_extractor(model, ["layer9"])
    with pytest.raises(ValueError, match="'fc_1' was not called"):
        create_feature_extractor(model, ["fc_1"])(x)


def test_weights_of_an_unknown_name_are_told_the_names():
    for call in (lambda: models.resnet18(weights="nope"), lambda: models.get_weight("ResNet18_Weights.NOPE")):
        with pytest.raises(KeyError, match=r"no member of ResNet18_Weights .*IMAGENET1K_V1"):
            call()
