"""Swin Transformer (Liu et al., 2021) and Swin Transformer v2 (2022): attention in shifted windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import flambeau as torch

from ... import Tensor, nn
from ..ops.misc import MLP, Permute
from ..ops.stochastic_depth import StochasticDepth
from ._api import WeightsEnum
from ._builder import Settings, builder, imagenet
from ._utils import Layer, initialize, initialize_mlp, relative_position_index

__all__ = [
    "SwinTransformer",
    "Swin_B_Weights",
    "Swin_S_Weights",
    "Swin_T_Weights",
    "Swin_V2_B_Weights",
    "Swin_V2_S_Weights",
    "Swin_V2_T_Weights",
    "swin_b",
    "swin_s",
    "swin_t",
    "swin_v2_b",
    "swin_v2_s",
    "swin_v2_t",
]

F = nn.functional


# ----- merging patches -----


def _quadruples(x: Tensor) -> Tensor:
    """The features of 2x2 neighbours side by side: (..., H, W, C) → (..., H/2, W/2, 4C), rounded up."""
    height, width, _ = x.shape[-3:]
    x = F.pad(x, (0, 0, 0, width % 2, 0, height % 2))
    return torch.cat([x[..., i::2, j::2, :] for j in (0, 1) for i in (0, 1)], -1)


class PatchMerging(nn.Module):
    """2x2 neighbours become one, with twice the features: normalised before the linear layer."""

    def __init__(self, dim: int, norm_layer: Layer = nn.LayerNorm) -> None:
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.reduction(self.norm(_quadruples(x)))
        return out


class PatchMergingV2(nn.Module):
    """2x2 neighbours become one, with twice the features: normalised after the linear layer."""

    def __init__(self, dim: int, norm_layer: Layer = nn.LayerNorm) -> None:
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(2 * dim)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.reduction(_quadruples(x)))
        return out


# ----- attention -----


def _windows(x: Tensor, window: Sequence[int]) -> Tensor:
    """(N, H, W, C) → (N * windows, places in a window, C)."""
    n, height, width, channels = x.shape
    x = x.reshape(n, height // window[0], window[0], width // window[1], window[1], channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, window[0] * window[1], channels)


def _image(x: Tensor, window: Sequence[int], n: int, height: int, width: int) -> Tensor:
    """The inverse of `_windows`."""
    x = x.reshape(n, height // window[0], width // window[1], window[0], window[1], -1)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(n, height, width, -1)


def _strangers(height: int, width: int, window: Sequence[int], shift: Sequence[int]) -> Tensor:
    """For each window of a shifted image, -100 for pairs of places that were not neighbours, and else 0."""
    region = []
    for size, w, s in zip((height, width), window, shift, strict=True):
        place = torch.arange(size)
        region.append((place >= size - w).long() + (place >= size - s).long())
    number = (3 * region[0][:, None] + region[1]).reshape(1, height, width, 1)
    number = _windows(number, window).squeeze(-1)
    mask: Tensor = torch.where(number[:, None, :] == number[:, :, None], 0.0, -100.0)
    return mask


class ShiftedWindowAttention(nn.Module):
    """Attention among the places of each window, of an image that may be shifted first. A bias is added that
    depends on how places lie to each other.

    Shape:
        (N, H, W, dim) → the same

    Raises:
        ValueError: `window_size` or `shift_size` are no pairs.
    """

    relative_position_index: Tensor

    def __init__(
        self,
        dim: int,
        window_size: Sequence[int],
        shift_size: Sequence[int],
        num_heads: int,
        qkv_bias: bool = True,
        proj_bias: bool = True,
        attention_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if len(window_size) != 2 or len(shift_size) != 2:
            raise ValueError(
                f"window_size and shift_size must be of length 2, got {window_size} and {shift_size}"
            )
        self.window_size, self.shift_size = window_size, shift_size
        self.num_heads = num_heads
        self.attention_dropout, self.dropout = attention_dropout, dropout
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim, bias=proj_bias)
        self.define_relative_position_bias_table()
        index = relative_position_index(window_size[0], window_size[1]).flatten()
        self.register_buffer("relative_position_index", index)

    def define_relative_position_bias_table(self) -> None:
        positions = math.prod(2 * size - 1 for size in self.window_size)
        self.relative_position_bias_table = nn.Parameter(torch.zeros(positions, self.num_heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def bias_table(self) -> Tensor:
        """The bias for each way in which two places can lie to each other: (ways, heads)."""
        return self.relative_position_bias_table

    def get_relative_position_bias(self) -> Tensor:
        places = self.window_size[0] * self.window_size[1]
        bias = self.bias_table()[self.relative_position_index].reshape(places, places, -1)
        return bias.permute(2, 0, 1).unsqueeze(0)

    def qkv_bias(self) -> Tensor | None:
        bias: Tensor | None = self.qkv.bias
        return bias

    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        """How much each place of a window is to attend to each other."""
        scores: Tensor = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
        return scores

    def _attend(self, x: Tensor, mask: Tensor | None) -> Tensor:
        windows, places, channels = x.shape
        qkv = F.linear(x, self.qkv.weight, self.qkv_bias())
        q, k, v = qkv.reshape(windows, places, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        scores = self.scores(q, k) + self.get_relative_position_bias()
        if mask is not None:
            by_image = scores.reshape(-1, mask.shape[0], self.num_heads, places, places)
            scores = (by_image + mask[:, None]).reshape(scores.shape)
        shares = F.dropout(scores.softmax(-1), self.attention_dropout, self.training)
        x = self.proj((shares @ v).transpose(1, 2).reshape(windows, places, channels))
        return F.dropout(x, self.dropout, self.training)

    def forward(self, x: Tensor) -> Tensor:
        n, height, width, _ = x.shape
        down, right = (-size % w for size, w in zip((height, width), self.window_size, strict=True))
        x = F.pad(x, (0, 0, 0, right, 0, down))
        padded = (height + down, width + right)
        shift = [
            0 if w >= size else s
            for size, w, s in zip(padded, self.window_size, self.shift_size, strict=True)
        ]
        mask = None
        if any(shift):
            x = x.roll((-shift[0], -shift[1]), (1, 2))
            mask = _strangers(*padded, self.window_size, shift).to(device=x.device, dtype=x.dtype)
        x = _image(self._attend(_windows(x, self.window_size), mask), self.window_size, n, *padded)
        if any(shift):
            x = x.roll(tuple(shift), (1, 2))
        return x[:, :height, :width].contiguous()


class ShiftedWindowAttentionV2(ShiftedWindowAttention):
    """Attention by cosines, scaled for each head; a small network makes the bias of how places lie."""

    relative_coords_table: Tensor

    def __init__(
        self,
        dim: int,
        window_size: Sequence[int],
        shift_size: Sequence[int],
        num_heads: int,
        qkv_bias: bool = True,
        proj_bias: bool = True,
        attention_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(
            dim, window_size, shift_size, num_heads, qkv_bias, proj_bias, attention_dropout, dropout
        )
        self.logit_scale = nn.Parameter(torch.log(10 * torch.ones(num_heads, 1, 1)))
        self.cpb_mlp = nn.Sequential(
            nn.Linear(2, 512), nn.ReLU(inplace=True), nn.Linear(512, num_heads, bias=False)
        )
        if self.qkv.bias is not None:
            with torch.no_grad():
                self.qkv.bias[dim : 2 * dim] = 0

    def define_relative_position_bias_table(self) -> None:
        steps = [
            torch.arange(1 - size, size, dtype=torch.float32) * (8 / (size - 1)) for size in self.window_size
        ]
        table = torch.stack(torch.meshgrid(*steps, indexing="ij"), -1).unsqueeze(0)
        table = table.sign() * torch.log2(table.abs() + 1.0) / 3.0
        self.register_buffer("relative_coords_table", table)

    def bias_table(self) -> Tensor:
        table: Tensor = self.cpb_mlp(self.relative_coords_table).reshape(-1, self.num_heads)
        return table

    def get_relative_position_bias(self) -> Tensor:
        return 16 * super().get_relative_position_bias().sigmoid()

    def qkv_bias(self) -> Tensor | None:
        """Keys have no bias."""
        if self.qkv.bias is None:
            return None
        q, k, v = self.qkv.bias.chunk(3)
        return torch.cat([q, torch.zeros_like(k), v])

    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        cosines = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)
        return cosines * self.logit_scale.clamp(max=math.log(100.0)).exp()


# ----- blocks -----


class SwinTransformerBlock(nn.Module):
    """Attention and two linear layers, each normalised first, beside shortcuts."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window_size: Sequence[int],
        shift_size: Sequence[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0,
        norm_layer: Layer = nn.LayerNorm,
        attn_layer: Layer = ShiftedWindowAttention,
    ) -> None:
        super().__init__()
        self.norm1 = norm_layer(dim)
        self.attn = attn_layer(
            dim, window_size, shift_size, num_heads, attention_dropout=attention_dropout, dropout=dropout
        )
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.norm2 = norm_layer(dim)
        self.mlp = MLP(dim, [int(dim * mlp_ratio), dim], activation_layer=nn.GELU, dropout=dropout)
        initialize_mlp(self.mlp)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.stochastic_depth(self.attn(self.norm1(x)))
        out: Tensor = x + self.stochastic_depth(self.mlp(self.norm2(x)))
        return out


class SwinTransformerBlockV2(SwinTransformerBlock):
    """Attention and two linear layers, each normalised afterwards, beside shortcuts."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window_size: Sequence[int],
        shift_size: Sequence[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0,
        norm_layer: Layer = nn.LayerNorm,
        attn_layer: Layer = ShiftedWindowAttentionV2,
    ) -> None:
        rest = (mlp_ratio, dropout, attention_dropout, stochastic_depth_prob, norm_layer, attn_layer)
        super().__init__(dim, num_heads, window_size, shift_size, *rest)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.stochastic_depth(self.norm1(self.attn(x)))
        out: Tensor = x + self.stochastic_depth(self.norm2(self.mlp(x)))
        return out


class SwinTransformer(nn.Module):
    """Stages of blocks with attention in windows, which are shifted in every other block.

    Args:
        patch_size: the extents of patches.
        embed_dim: features of a patch in the first stage; they double from stage to stage.
        depths: the number of blocks of each stage.
        num_heads: heads of attention of each stage.
        window_size: the extents of windows.
        mlp_ratio: how many times as many features there are between a block's two linear layers.
        dropout, attention_dropout: probabilities.
        stochastic_depth_prob: the probability at which the last block is left out in training; it grows from
            0 at the first.
        num_classes: outputs.
        norm_layer: makes a normalisation from the number of features.
        block: makes a block.
        downsample_layer: makes what is between stages.

    Shape:
        (N, 3, H, W) → (N, num_classes)

    >>> import flambeau as torch
    >>> model = torch.vision.models.SwinTransformer([4, 4], 8, [2, 2], [1, 2], [4, 4], num_classes=10).eval()
    >>> model(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """

    def __init__(
        self,
        patch_size: Sequence[int],
        embed_dim: int,
        depths: Sequence[int],
        num_heads: Sequence[int],
        window_size: Sequence[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.1,
        num_classes: int = 1000,
        norm_layer: Layer | None = None,
        block: Layer | None = None,
        downsample_layer: Layer = PatchMerging,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        norm = norm_layer or partial(nn.LayerNorm, eps=1e-5)
        make_block = partial(
            block or SwinTransformerBlock,
            window_size=window_size,
            mlp_ratio=mlp_ratio,
            dropout=dropout,
            attention_dropout=attention_dropout,
            norm_layer=norm,
        )
        size = (patch_size[0], patch_size[1])
        patches = nn.Conv2d(3, embed_dim, size, stride=size)
        layers: list[nn.Module] = [nn.Sequential(patches, Permute([0, 2, 3, 1]), norm(embed_dim))]
        shifts = ([0] * len(window_size), [w // 2 for w in window_size])
        dim, done = embed_dim, 0
        for depth, heads in zip(depths, num_heads, strict=True):
            if len(layers) > 1:
                layers.append(downsample_layer(dim, norm))
                dim *= 2
            blocks: list[nn.Module] = []
            for i in range(depth):
                drop = stochastic_depth_prob * float(done) / (sum(depths) - 1)
                blocks.append(make_block(dim, heads, shift_size=shifts[i % 2], stochastic_depth_prob=drop))
                done += 1
            layers.append(nn.Sequential(*blocks))
        self.features = nn.Sequential(*layers)
        self.norm = norm(dim)
        self.permute = Permute([0, 3, 1, 2])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.head = nn.Linear(dim, num_classes)
        initialize(self, linear=partial(nn.init.trunc_normal_, std=0.02))

    def forward(self, x: Tensor) -> Tensor:
        x = self.permute(self.norm(self.features(x)))
        logits: Tensor = self.head(self.flatten(self.avgpool(x)))
        return logits


class Swin_B_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "swin_b-68c6b09e", 87_768_224, 83.582, 96.64, 224, 238, min_size=224, bicubic=True
    )
    DEFAULT = IMAGENET1K_V1


class Swin_S_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "swin_s-5e29d889", 49_606_258, 83.196, 96.36, 224, 246, min_size=224, bicubic=True
    )
    DEFAULT = IMAGENET1K_V1


class Swin_T_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "swin_t-704ceda3", 28_288_354, 81.474, 95.776, 224, 232, min_size=224, bicubic=True
    )
    DEFAULT = IMAGENET1K_V1


class Swin_V2_B_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "swin_v2_b-781e5279", 87_930_848, 84.112, 96.864, 256, 272, min_size=256, bicubic=True
    )
    DEFAULT = IMAGENET1K_V1


class Swin_V2_S_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "swin_v2_s-637d8ceb", 49_737_442, 83.712, 96.816, 256, 260, min_size=256, bicubic=True
    )
    DEFAULT = IMAGENET1K_V1


class Swin_V2_T_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "swin_v2_t-b137f0e2", 28_351_570, 82.072, 96.132, 256, 260, min_size=256, bicubic=True
    )
    DEFAULT = IMAGENET1K_V1


# features, depths and heads of the stages, and the probability of leaving a block out
_SIZES = {
    "t": (96, (2, 2, 6, 2), (3, 6, 12, 24), 0.2),
    "s": (96, (2, 2, 18, 2), (3, 6, 12, 24), 0.3),
    "b": (128, (2, 2, 18, 2), (4, 8, 16, 32), 0.5),
}


def _model(size: str, version: int, enum: type[WeightsEnum]) -> Callable[..., SwinTransformer]:
    dim, depths, heads, drop = _SIZES[size]
    window = 7 if version == 1 else 8
    fixed: Settings = {"stochastic_depth_prob": drop}
    if version == 2:
        fixed |= {"block": SwinTransformerBlockV2, "downsample_layer": PatchMergingV2}
    name = f"swin_{size}" if version == 1 else f"swin_v2_{size}"
    make = partial(SwinTransformer, [4, 4], dim, depths, heads, [window, window])
    doc = f"Swin Transformer{'' if version == 1 else ' v2'}, {size.upper()}."
    return builder(name, doc, enum, make, fixed)


swin_t = _model("t", 1, Swin_T_Weights)
swin_s = _model("s", 1, Swin_S_Weights)
swin_b = _model("b", 1, Swin_B_Weights)
swin_v2_t = _model("t", 2, Swin_V2_T_Weights)
swin_v2_s = _model("s", 2, Swin_V2_S_Weights)
swin_v2_b = _model("b", 2, Swin_V2_B_Weights)
