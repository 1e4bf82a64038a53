"""U-Net (Ronneberger et al., U-Net: convolutional networks for biomedical image segmentation, 2015), with
padding and batch normalisation. torchvision has no such model."""

from __future__ import annotations

import flambeau as torch

from ... import Tensor, nn

__all__ = ["UNet"]


def _double(channels: int, out: int) -> nn.Sequential:
    """Two 3x3 convolutions."""
    return nn.Sequential(
        nn.Conv2d(channels, out, 3, padding=1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
        nn.Conv2d(out, out, 3, padding=1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    """Convolutions at ever smaller extents, and back again, with what was found on the way down at hand.

    Args:
        in_channels: channels of images.
        num_classes: classes of pixels.
        base: channels at full extents; they double with each halving.
        depth: how many times extents are halved.

    Shape:
        (N, in_channels, H, W), H and W multiples of 2^depth → (N, num_classes, H, W)

    Raises:
        ValueError: other extents.

    >>> import flambeau as torch
    >>> torch.vision.models.UNet(1, 2, base=8, depth=2)(torch.zeros(1, 1, 16, 16)).shape
    torch.Size([1, 2, 16, 16])
    """

    def __init__(self, in_channels: int = 3, num_classes: int = 2, base: int = 64, depth: int = 4) -> None:
        super().__init__()
        widths = [base * 2**i for i in range(depth + 1)]
        self.down = nn.ModuleList(
            _double(c, out) for c, out in zip([in_channels, *widths], widths, strict=False)
        )
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in widths[-2::-1])
        self.join = nn.ModuleList(_double(2 * w, w) for w in widths[-2::-1])
        self.head = nn.Conv2d(base, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        step = 2 ** len(self.up)
        if any(size % step for size in x.shape[-2:]):
            raise ValueError(
                f"UNet: height and width have to be multiples of {step}, got {tuple(x.shape[-2:])}; "
                f"pad the images"
            )
        kept: list[Tensor] = []
        for i, down in enumerate(self.down):
            x = down(self.pool(x) if i else x)
            kept.append(x)
        kept.pop()
        for up, join in zip(self.up, self.join, strict=True):
            x = join(torch.cat([kept.pop(), up(x)], 1))
        scores: Tensor = self.head(x)
        return scores
