"""Normalization of each channel of each sample by its own statistics."""

from __future__ import annotations

from typing import Any

from ...core.dtype import dtype as DType
from ...core.tensor import Tensor
from ...core.warning import warn
from .. import functional as F
from .batchnorm import _NormBase
from .utils import DeviceLike


class _InstanceNorm(_NormBase):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: DeviceLike = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        self._check_channels(input)
        batched = input.ndim == max(self._dims)
        y = F.instance_norm(
            input if batched else input.unsqueeze(0),
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum or 0.0,
            self.eps,
        )
        return y if batched else y.squeeze(0)

    def _check_channels(self, input: Tensor) -> None:
        dim = input.ndim - min(self._dims)
        if input.shape[dim] == self.num_features:
            return
        text = (
            f"input's size at dim={dim} is {input.shape[dim]} and does not match num_features "
            f"({self.num_features})"
        )
        if self.affine:
            raise ValueError(f"{type(self).__name__}: {text}")
        warn(f"{text}, which is not used because affine=False")

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *rest: Any
    ) -> None:
        stale = [prefix + name for name in ("running_mean", "running_var") if prefix + name in state_dict]
        if "version" not in local_metadata and not self.track_running_stats and stale:
            errors: list[str] = rest[-1]
            errors.append(
                f"{' and '.join(map(repr, stale))}: {type(self).__name__} has no running statistics unless "
                "track_running_stats=True; drop these keys or build it so"
            )
            for key in stale:
                del state_dict[key]
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class InstanceNorm1d(_InstanceNorm):
    """Normalizes each channel of each sample: y = (x - mean) / √(var + eps) · weight + bias.

    Args:
        num_features: number of channels.
        eps: added to the variance.
        momentum: how fast the running estimates follow.
        affine: whether there is a learned scale.
        track_running_stats: whether to keep running estimates and use them in evaluation.
        device, dtype: of parameters and buffers.
        bias: whether there is a learned shift, too.

    Shape:
        (N, num_features, L) or (num_features, L) → the same

    Attributes:
        weight: (num_features), at first ones; None without.
        bias: (num_features), at first zeros; None without.
        running_mean, running_var: (num_features), at first zeros and ones; None without.

    Raises:
        ValueError: an input with another number of dimensions, or of channels if `affine`.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.InstanceNorm1d(1, eps=0)(torch.tensor([[[1.0, 3.0]]]))
        tensor([[[-1.,  1.]]])
    """

    _dims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Normalizes each channel of each image; as `InstanceNorm1d` in all else.

    Shape:
        (N, num_features, H, W) or (num_features, H, W) → the same

    Example:
        >>> import flambeau as torch
        >>> torch.nn.InstanceNorm2d(100)(torch.randn(20, 100, 5, 5)).shape
        torch.Size([20, 100, 5, 5])
    """

    _dims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Normalizes each channel of each volume; as `InstanceNorm1d` in all else.

    Shape:
        (N, num_features, D, H, W) or (num_features, D, H, W) → the same

    Example:
        >>> import flambeau as torch
        >>> torch.nn.InstanceNorm3d(10)(torch.randn(2, 10, 3, 4, 5)).shape
        torch.Size([2, 10, 3, 4, 5])
    """

    _dims = (4, 5)
