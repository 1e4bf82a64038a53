"""Vision Transformer (Dosovitskiy et al., An image is worth 16x16 words, 2021)."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import flambeau as torch

from ... import Tensor, nn
from ..ops.misc import MLP, Conv2dNormActivation
from ._api import WeightsEnum
from ._builder import Settings, builder, fix, imagenet, with_classes
from ._utils import Layer, initialize_mlp

__all__ = [
    "ViT_B_16_Weights",
    "ViT_B_32_Weights",
    "ViT_H_14_Weights",
    "ViT_L_16_Weights",
    "ViT_L_32_Weights",
    "VisionTransformer",
    "interpolate_embeddings",
    "vit_b_16",
    "vit_b_32",
    "vit_h_14",
    "vit_l_16",
    "vit_l_32",
]

_norm = partial(nn.LayerNorm, eps=1e-6)


class ConvStemConfig(NamedTuple):
    """A convolution of a stem.

    >>> from flambeau.vision.models.vision_transformer import ConvStemConfig
    >>> ConvStemConfig(64, 3, 2).stride
    2
    """

    out_channels: int
    kernel_size: int
    stride: int
    norm_layer: Layer = nn.BatchNorm2d
    activation_layer: Layer = nn.ReLU


class MLPBlock(MLP):
    """The two linear layers of a block."""

    _version = 2  # in version 1 they were called linear_1 and linear_2

    def __init__(self, in_dim: int, mlp_dim: int, dropout: float) -> None:
        super().__init__(in_dim, [mlp_dim, in_dim], activation_layer=nn.GELU, dropout=dropout)
        initialize_mlp(self)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *rest: Any
    ) -> None:
        if (local_metadata.get("version") or 1) < 2:
            for i in (0, 1):
                for kind in ("weight", "bias"):
                    old = f"{prefix}linear_{i + 1}.{kind}"
                    if old in state_dict:
                        state_dict[f"{prefix}{3 * i}.{kind}"] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


def _check_sequence(x: Tensor) -> None:
    if x.ndim != 3:
        raise AssertionError(f"Expected (batch_size, seq_length, hidden_dim) got {x.shape}")


class EncoderBlock(nn.Module):
    """Attention and two linear layers, each normalised first, beside shortcuts."""

    def __init__(
        self,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Layer = _norm,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.ln_1 = norm_layer(hidden_dim)
        self.self_attention = nn.MultiheadAttention(
            hidden_dim, num_heads, dropout=attention_dropout, batch_first=True
        )
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = norm_layer(hidden_dim)
        self.mlp = MLPBlock(hidden_dim, mlp_dim, dropout)

    def forward(self, input: Tensor) -> Tensor:
        _check_sequence(input)
        x = self.ln_1(input)
        x, _ = self.self_attention(x, x, x, need_weights=False)
        x = self.dropout(x) + input
        out: Tensor = x + self.mlp(self.ln_2(x))
        return out


class Encoder(nn.Module):
    """Position embeddings, blocks and a normalisation."""

    def __init__(
        self,
        seq_length: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Layer = _norm,
    ) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.empty(1, seq_length, hidden_dim).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential()
        for i in range(num_layers):
            block = EncoderBlock(num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer)
            self.layers.add_module(f"encoder_layer_{i}", block)
        self.ln = norm_layer(hidden_dim)

    def forward(self, input: Tensor) -> Tensor:
        _check_sequence(input)
        out: Tensor = self.ln(self.layers(self.dropout(input + self.pos_embedding)))
        return out


class VisionTransformer(nn.Module):
    """A transformer over an image's patches and a class token.

    Args:
        image_size: the extents of images, a multiple of `patch_size`.
        patch_size: the extents of patches.
        num_layers: blocks.
        num_heads: heads of attention.
        hidden_dim: features of a patch.
        mlp_dim: features between a block's two linear layers.
        dropout, attention_dropout: probabilities.
        num_classes: outputs.
        representation_size: features of a linear layer before the last; None for no such layer.
        norm_layer: makes a normalisation from the number of features.
        conv_stem_configs: convolutions that make the patches; None for one as large as a patch.

    Shape:
        (N, 3, image_size, image_size) → (N, num_classes)

    Raises:
        AssertionError: images of another size, or `image_size` is no multiple of `patch_size`.

    >>> import flambeau as torch
    >>> model = torch.vision.models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=10).eval()
    >>> model(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_classes: int = 1000,
        representation_size: int | None = None,
        norm_layer: Layer = _norm,
        conv_stem_configs: Sequence[ConvStemConfig] | None = None,
    ) -> None:
        super().__init__()
        if image_size % patch_size:
            raise AssertionError(
                f"Input shape indivisible by patch size! image_size={image_size}, patch_size={patch_size}"
            )
        self.image_size, self.patch_size = image_size, patch_size
        self.hidden_dim, self.mlp_dim = hidden_dim, mlp_dim
        self.attention_dropout, self.dropout = attention_dropout, dropout
        self.num_classes, self.representation_size = num_classes, representation_size
        self.norm_layer = norm_layer
        self.conv_proj = _stem(conv_stem_configs, hidden_dim, patch_size)
        self.class_token = nn.Parameter(torch.zeros(1, 1, hidden_dim))
        self.seq_length = (image_size // patch_size) ** 2 + 1
        self.encoder = Encoder(
            self.seq_length,
            num_layers,
            num_heads,
            hidden_dim,
            mlp_dim,
            dropout,
            attention_dropout,
            norm_layer,
        )
        self.heads = _heads(hidden_dim, representation_size, num_classes)
        self._reset()

    def _reset(self) -> None:
        if isinstance(self.conv_proj, nn.Conv2d):
            _truncated(self.conv_proj, self.conv_proj.weight[0].numel())
        else:
            last = self.conv_proj.conv_last
            nn.init.normal_(last.weight, std=math.sqrt(2.0 / last.out_channels))
            nn.init.zeros_(last.bias)
        if self.representation_size is not None:
            _truncated(self.heads.pre_logits, self.hidden_dim)
        nn.init.zeros_(self.heads.head.weight)
        nn.init.zeros_(self.heads.head.bias)

    def _patches(self, x: Tensor) -> Tensor:
        for name, size in zip(("height", "width"), x.shape[2:], strict=True):
            if size != self.image_size:
                raise AssertionError(f"Wrong image {name}! Expected {self.image_size} but got {size}!")
        patches: Tensor = self.conv_proj(x).flatten(2).permute(0, 2, 1)
        return patches

    def forward(self, x: Tensor) -> Tensor:
        patches = self._patches(x)
        tokens = torch.cat([self.class_token.expand(x.shape[0], -1, -1), patches], dim=1)
        logits: Tensor = self.heads(self.encoder(tokens)[:, 0])
        return logits


def _stem(configs: Sequence[ConvStemConfig] | None, hidden_dim: int, patch_size: int) -> nn.Module:
    if configs is None:
        return nn.Conv2d(3, hidden_dim, patch_size, stride=patch_size)
    stem, channels = nn.Sequential(), 3
    for i, (out, kernel, stride, norm, activation) in enumerate(configs):
        conv = Conv2dNormActivation(
            channels, out, kernel, stride, norm_layer=norm, activation_layer=activation
        )
        stem.add_module(f"conv_bn_relu_{i}", conv)
        channels = out
    stem.add_module("conv_last", nn.Conv2d(channels, hidden_dim, 1))
    return stem


def _heads(hidden_dim: int, representation_size: int | None, num_classes: int) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if representation_size is not None:
        layers["pre_logits"] = nn.Linear(hidden_dim, representation_size)
        layers["act"] = nn.Tanh()
        hidden_dim = representation_size
    layers["head"] = nn.Linear(hidden_dim, num_classes)
    return nn.Sequential(layers)


def _truncated(layer: Any, fan_in: int) -> None:
    nn.init.trunc_normal_(layer.weight, std=math.sqrt(1 / fan_in))
    nn.init.zeros_(layer.bias)


def interpolate_embeddings(
    image_size: int,
    patch_size: int,
    model_state: OrderedDict[str, Tensor],
    interpolation_mode: str = "bicubic",
    reset_heads: bool = False,
) -> OrderedDict[str, Tensor]:
    """The state dict of a `VisionTransformer` for images of another size: position embeddings interpolated.

    Args:
        image_size: the new extents.
        patch_size: the extents of patches.
        model_state: the state dict; it is changed.
        interpolation_mode: see `nn.functional.interpolate`.
        reset_heads: whether the last layers are left out of a state dict that had to be changed.

    Raises:
        ValueError: embeddings of another shape.

    >>> import flambeau as torch
    >>> from flambeau.vision.models.vision_transformer import interpolate_embeddings
    >>> state = {"encoder.pos_embedding": torch.zeros(1, 5, 8)}
    >>> interpolate_embeddings(48, 16, state)["encoder.pos_embedding"].shape
    torch.Size([1, 10, 8])
    """
    embedding = model_state["encoder.pos_embedding"]
    n, length, features = embedding.shape
    if n != 1:
        raise ValueError(f"Unexpected position embedding shape: {embedding.shape}")
    new, old = image_size // patch_size, math.isqrt(length - 1)
    if new * new == length - 1:
        return model_state
    if old * old != length - 1:
        raise ValueError(f"seq_length is not a perfect square! Instead got seq_length = {length - 1}")
    token, grid = embedding[:, :1], embedding[:, 1:].permute(0, 2, 1).reshape(1, features, old, old)
    grid = nn.functional.interpolate(grid, size=new, mode=interpolation_mode, align_corners=True)
    grid = grid.reshape(1, features, new * new).permute(0, 2, 1)
    model_state["encoder.pos_embedding"] = torch.cat([token, grid], dim=1)
    if reset_heads:
        return OrderedDict((k, v) for k, v in model_state.items() if not k.startswith("heads"))
    return model_state


def _with_weights(settings: Settings, weights: WeightsEnum) -> None:
    with_classes(settings, weights)
    fix(settings, "image_size", weights.meta["min_size"][0])


class ViT_B_16_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("vit_b_16-c867db91", 86_567_656, 81.072, 95.318, min_size=224)
    IMAGENET1K_SWAG_E2E_V1 = imagenet(
        "vit_b_16_swag-9ac1b537", 86_859_496, 85.304, 97.65, 384, 384, min_size=384, bicubic=True
    )
    IMAGENET1K_SWAG_LINEAR_V1 = imagenet(
        "vit_b_16_lc_swag-4e70ced5", 86_567_656, 81.886, 96.18, 224, 224, min_size=224, bicubic=True
    )
    DEFAULT = IMAGENET1K_V1


class ViT_B_32_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("vit_b_32-d86f8d99", 88_224_232, 75.912, 92.466, min_size=224)
    DEFAULT = IMAGENET1K_V1


class ViT_H_14_Weights(WeightsEnum):
    IMAGENET1K_SWAG_E2E_V1 = imagenet(
        "vit_h_14_swag-80465313", 633_470_440, 88.552, 98.694, 518, 518, min_size=518, bicubic=True
    )
    IMAGENET1K_SWAG_LINEAR_V1 = imagenet(
        "vit_h_14_lc_swag-c1eb923e", 632_045_800, 85.708, 97.73, 224, 224, min_size=224, bicubic=True
    )
    DEFAULT = IMAGENET1K_SWAG_E2E_V1


class ViT_L_16_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("vit_l_16-852ce7e3", 304_326_632, 79.662, 94.638, 224, 242, min_size=224)
    IMAGENET1K_SWAG_E2E_V1 = imagenet(
        "vit_l_16_swag-4f3808c9", 305_174_504, 88.064, 98.512, 512, 512, min_size=512, bicubic=True
    )
    IMAGENET1K_SWAG_LINEAR_V1 = imagenet(
        "vit_l_16_lc_swag-4d563306", 304_326_632, 85.146, 97.422, 224, 224, min_size=224, bicubic=True
    )
    DEFAULT = IMAGENET1K_V1


class ViT_L_32_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("vit_l_32-c7638314", 306_535_400, 76.972, 93.07, min_size=224)
    DEFAULT = IMAGENET1K_V1


def _vit(image_size: int = 224, **kwargs: Any) -> VisionTransformer:
    return VisionTransformer(image_size, **kwargs)


def _model(
    name: str, shape: tuple[int, int, int, int, int], enum: type[WeightsEnum]
) -> Callable[..., VisionTransformer]:
    names = ("patch_size", "num_layers", "num_heads", "hidden_dim", "mlp_dim")
    fixed = dict(zip(names, shape, strict=True))
    size, patch = name.upper().split("_")
    doc = f"Vision Transformer {size}, with patches of {patch}x{patch}."
    return builder(f"vit_{name}", doc, enum, _vit, fixed, with_weights=_with_weights)


vit_b_16 = _model("b_16", (16, 12, 12, 768, 3072), ViT_B_16_Weights)
vit_b_32 = _model("b_32", (32, 12, 12, 768, 3072), ViT_B_32_Weights)
vit_l_16 = _model("l_16", (16, 24, 16, 1024, 4096), ViT_L_16_Weights)
vit_l_32 = _model("l_32", (32, 24, 16, 1024, 4096), ViT_L_32_Weights)
vit_h_14 = _model("h_14", (14, 32, 16, 1280, 5120), ViT_H_14_Weights)
