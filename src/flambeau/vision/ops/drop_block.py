"""DropBlock: whole patches left out at random in training."""

from __future__ import annotations

import flambeau as torch
from flambeau import Tensor, nn

__all__ = ["DropBlock2d", "DropBlock3d", "drop_block2d", "drop_block3d"]


def _drop_block(
    x: Tensor, p: float, block_size: int, inplace: bool, eps: float, training: bool, dims: int
) -> Tensor:
    what = f"drop_block{dims}d"
    if not 0 <= p <= 1:
        raise ValueError(f"{what}: drop probability has to be between 0 and 1, but got {p}.")
    if x.ndim != dims + 2:
        raise ValueError(f"{what}: input should be {dims + 2} dimensional. Got {x.ndim} dimensions.")
    if not training or p == 0.0:
        return x
    n, channels, *spatial = x.shape
    size = min(block_size, *spatial)
    gamma = p / size**dims
    for extent in spatial:
        gamma *= extent / (extent - size + 1)
    seeds = torch.empty((n, channels, *(e - size + 1 for e in spatial)), dtype=x.dtype).bernoulli_(gamma)
    seeds = nn.functional.pad(seeds, [size // 2] * 2 * dims)
    pool = nn.functional.max_pool2d if dims == 2 else nn.functional.max_pool3d
    kept = 1 - pool(seeds, size, stride=1, padding=size // 2)
    if size % 2 == 0:
        kept = kept[(..., *(slice(e) for e in spatial))]
    scale = kept.numel() / (eps + kept.sum())
    return x.mul_(kept).mul_(scale) if inplace else x * kept * scale


def drop_block2d(
    input: Tensor, p: float, block_size: int, inplace: bool = False, eps: float = 1e-06, training: bool = True
) -> Tensor:
    """In training, sets random squares to zero, and scales the rest so that the mean stays (Ghiasi et al.,
    DropBlock, 2018).

    Args:
        input: (N, C, H, W).
        p: about which part is set to zero.
        block_size: the squares' side.
        inplace: whether to write into the input.
        eps: added to a denominator.
        training: if False, nothing is done.

    Raises:
        ValueError: p is not in [0, 1], or the input has other dimensions.

    >>> import flambeau as torch
    >>> x = torch.ones(1, 1, 4, 4)
    >>> torch.equal(torch.vision.ops.drop_block2d(x, 0.5, 3, training=False), x)
    True
    """
    return _drop_block(input, p, block_size, inplace, eps, training, 2)


def drop_block3d(
    input: Tensor, p: float, block_size: int, inplace: bool = False, eps: float = 1e-06, training: bool = True
) -> Tensor:
    """`drop_block2d` for volumes (N, C, D, H, W).

    >>> import flambeau as torch
    >>> torch.vision.ops.drop_block3d(torch.ones(1, 1, 4, 4, 4), 0.5, 3).shape
    torch.Size([1, 1, 4, 4, 4])
    """
    return _drop_block(input, p, block_size, inplace, eps, training, 3)


class DropBlock2d(nn.Module):
    """The module of `drop_block2d`.

    >>> import flambeau as torch
    >>> torch.vision.ops.DropBlock2d(0.1, 3)
    DropBlock2d(p=0.1, block_size=3, inplace=False)
    """

    _dims = 2

    def __init__(self, p: float, block_size: int, inplace: bool = False, eps: float = 1e-06) -> None:
        super().__init__()
        self.p = p
        self.block_size = block_size
        self.inplace = inplace
        self.eps = eps

    def forward(self, input: Tensor) -> Tensor:
        return _drop_block(input, self.p, self.block_size, self.inplace, self.eps, self.training, self._dims)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p}, block_size={self.block_size}, inplace={self.inplace})"


class DropBlock3d(DropBlock2d):
    """The module of `drop_block3d`.

    >>> import flambeau as torch
    >>> torch.vision.ops.DropBlock3d(0.1, 3).eval()(torch.ones(1, 1, 2, 2, 2)).sum()
    tensor(8.)
    """

    _dims = 3
