"""Features of several sizes, joined from the coarse to the fine."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from flambeau import Tensor, nn
from flambeau.nn import functional as F

from .misc import Conv2dNormActivation

__all__ = ["ExtraFPNBlock", "FeaturePyramidNetwork", "LastLevelMaxPool", "LastLevelP6P7"]


class ExtraFPNBlock(nn.Module):
    """The base of what adds levels to a `FeaturePyramidNetwork`: `forward(results, inputs, names)` returns
    results and names with more of them."""


class LastLevelMaxPool(ExtraFPNBlock):
    """Adds every second element of the last level.

    >>> import flambeau as torch
    >>> block = torch.vision.ops.feature_pyramid_network.LastLevelMaxPool()
    >>> results, names = block([torch.zeros(1, 1, 4, 4)], [], ["0"])
    >>> names, results[1].shape
    (['0', 'pool'], torch.Size([1, 1, 2, 2]))
    """

    def forward(self, x: list[Tensor], y: list[Tensor], names: list[str]) -> tuple[list[Tensor], list[str]]:
        return [*x, F.max_pool2d(x[-1], 1, 2, 0)], [*names, "pool"]


class LastLevelP6P7(ExtraFPNBlock):
    """Adds two levels by convolutions of stride 2, as RetinaNet does.

    >>> import flambeau as torch
    >>> block = torch.vision.ops.feature_pyramid_network.LastLevelP6P7(1, 1)
    >>> results, names = block([torch.zeros(1, 1, 8, 8)], [torch.zeros(1, 1, 8, 8)], ["0"])
    >>> names, results[2].shape
    (['0', 'p6', 'p7'], torch.Size([1, 1, 2, 2]))
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.p6 = nn.Conv2d(in_channels, out_channels, 3, 2, 1)
        self.p7 = nn.Conv2d(out_channels, out_channels, 3, 2, 1)
        for module in (self.p6, self.p7):
            nn.init.kaiming_uniform_(module.weight, a=1)
            nn.init.constant_(module.bias, 0)  # type: ignore[arg-type]
        self.use_P5 = in_channels == out_channels

    def forward(self, p: list[Tensor], c: list[Tensor], names: list[str]) -> tuple[list[Tensor], list[str]]:
        p6 = self.p6(p[-1] if self.use_P5 else c[-1])
        return [*p, p6, self.p7(F.relu(p6))], [*names, "p6", "p7"]


class FeaturePyramidNetwork(nn.Module):
    """Levels of features with one number of channels, each with what the coarser ones know (Lin et al.,
    Feature pyramid networks, 2017).

    Args:
        in_channels_list: channels of each level, from the finest to the coarsest.
        out_channels: channels of each result.
        extra_blocks: adds further levels.
        norm_layer: makes a normalisation after each convolution.

    Shape:
        a dict of (N, C_i, H_i, W_i) → a dict of (N, out_channels, H_i, W_i)

    Raises:
        ValueError: a level of no channels.

    >>> import flambeau as torch
    >>> network = torch.vision.ops.FeaturePyramidNetwork([2, 4], 3)
    >>> y = network({"fine": torch.zeros(1, 2, 8, 8), "coarse": torch.zeros(1, 4, 4, 4)})
    >>> {name: tuple(x.shape) for name, x in y.items()}
    {'fine': (1, 3, 8, 8), 'coarse': (1, 3, 4, 4)}
    """

    def __init__(
        self,
        in_channels_list: list[int],
        out_channels: int,
        extra_blocks: ExtraFPNBlock | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList()
        self.layer_blocks = nn.ModuleList()
        for channels in in_channels_list:
            if channels == 0:
                raise ValueError("FeaturePyramidNetwork: in_channels=0 is currently not supported")
            for blocks, inputs, size in (
                (self.inner_blocks, channels, 1),
                (self.layer_blocks, out_channels, 3),
            ):
                blocks.append(
                    Conv2dNormActivation(
                        inputs, out_channels, size, norm_layer=norm_layer, activation_layer=None
                    )
                )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, a=1)
                if module.bias is not None:
                    nn.init.constant_(module.bias, 0)
        self.extra_blocks = extra_blocks

    def forward(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        names, levels = list(x), list(x.values())
        inner = self.inner_blocks[-1](levels[-1])
        results = [self.layer_blocks[-1](inner)]
        for i in range(len(levels) - 2, -1, -1):
            lateral = self.inner_blocks[i](levels[i])
            inner = lateral + F.interpolate(inner, size=lateral.shape[-2:], mode="nearest")
            results.insert(0, self.layer_blocks[i](inner))
        if self.extra_blocks is not None:
            results, names = self.extra_blocks(results, levels, names)
        return OrderedDict(zip(names, results, strict=True))
