"""Normalization by statistics of the batch, with running estimates for evaluation."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core.dtype import dtype as DType
from ...core.dtype import int64
from ...core.tensor import Tensor
from ...functions.creation import full, ones, tensor, zeros
from ...functions.joining import cat
from .. import functional as F
from ..module import Module
from .normalization import Scaled
from .utils import DeviceLike


class _NormBase(Scaled):
    """What batch and instance normalization share: scale, shift and running statistics."""

    _version = 2  # 2: num_batches_tracked is part of the state
    _dims: ClassVar[tuple[int, ...]]  # numbers of dimensions that the input may have

    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: DeviceLike = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self._add_scale_and_shift((num_features,), affine, bias, device, dtype)
        tracked = track_running_stats
        self.register_buffer(
            "running_mean", zeros(num_features, device=device, dtype=dtype) if tracked else None
        )
        self.register_buffer(
            "running_var", ones(num_features, device=device, dtype=dtype) if tracked else None
        )
        self.register_buffer(
            "num_batches_tracked", tensor(0, device=device, dtype=int64) if tracked else None
        )
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forgets what was seen: mean zero, variance one."""
        if (
            self.running_mean is not None
            and self.running_var is not None
            and self.num_batches_tracked is not None
        ):
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Forgets what was seen and learned."""
        self.reset_running_stats()
        super().reset_parameters()

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim not in self._dims:
            wanted = " or ".join(f"{n}D" for n in self._dims)
            raise ValueError(
                f"{type(self).__name__}: expected {wanted} input (got {input.ndim}D input, "
                f"shape {tuple(input.shape)})"
            )

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *rest: Any
    ) -> None:
        if local_metadata.get("version", 1) < 2 and self.num_batches_tracked is not None:
            state_dict.setdefault(prefix + "num_batches_tracked", self.num_batches_tracked)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class _BatchNorm(_NormBase):
    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        batches, momentum = self.num_batches_tracked, self.momentum
        if self.training and self.track_running_stats and batches is not None:
            batches.add_(1)
            if momentum is None:
                momentum = 1.0 / float(batches)
        use_running = not self.training or self.track_running_stats
        return F.batch_norm(
            input,
            self.running_mean if use_running else None,
            self.running_var if use_running else None,
            self.weight,
            self.bias,
            self.training or (self.running_mean is None and self.running_var is None),
            momentum or 0.0,
            self.eps,
        )


class BatchNorm1d(_BatchNorm):
    """Normalizes each feature over the batch: y = (x - mean) / √(var + eps) · weight + bias.

    In training, mean and (biased) variance are those of the batch, and the running estimates move towards
    them: running = (1 - momentum) · running + momentum · seen, with the unbiased variance. In evaluation the
    running estimates take their place.

    Args:
        num_features: number of features, or channels.
        eps: added to the variance.
        momentum: how fast the running estimates follow; None makes them plain averages of all batches.
        affine: whether there is a learned scale.
        track_running_stats: whether to keep running estimates; without, the batch's own are always used.
        device, dtype: of parameters and buffers.
        bias: whether there is a learned shift, too.

    Shape:
        (N, num_features) or (N, num_features, L) → the same

    Attributes:
        weight: (num_features), at first ones; None without.
        bias: (num_features), at first zeros; None without.
        running_mean, running_var: (num_features), at first zeros and ones; None without.
        num_batches_tracked: how many batches they have seen; None without.

    Raises:
        ValueError: an input with another number of dimensions, or with one value per feature in training.

    Example:
        >>> import flambeau as torch
        >>> m = torch.nn.BatchNorm1d(1)
        >>> m(torch.tensor([[1.0], [3.0]])).detach()
        tensor([[-1.0000],
                [ 1.0000]])
        >>> m.running_mean, m.running_var
        (tensor([0.2000]), tensor([1.1000]))
    """

    _dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Normalizes each channel of a batch of images; as `BatchNorm1d` in all else.

    Shape:
        (N, num_features, H, W) → the same

    Example:
        >>> import flambeau as torch
        >>> torch.nn.BatchNorm2d(100)(torch.randn(20, 100, 5, 5)).shape
        torch.Size([20, 100, 5, 5])
    """

    _dims = (4,)


class BatchNorm3d(_BatchNorm):
    """Normalizes each channel of a batch of volumes; as `BatchNorm1d` in all else.

    Shape:
        (N, num_features, D, H, W) → the same

    Example:
        >>> import flambeau as torch
        >>> torch.nn.BatchNorm3d(10)(torch.randn(2, 10, 3, 4, 5)).shape
        torch.Size([2, 10, 3, 4, 5])
    """

    _dims = (5,)


def _among_several(group: Any) -> bool:
    """Whether there is a group of several processes, which this one belongs to."""
    from ... import distributed as dist

    return dist.is_initialized() and dist.get_world_size(group) > 1


class SyncBatchNorm(_BatchNorm):
    """`BatchNorm1d` to `BatchNorm3d` in one, with statistics, in training, of all processes' batches.

    With one process, or before `torch.distributed.init_process_group`, it does what those do.

    Args:
        num_features, eps, momentum, affine, track_running_stats, device, dtype, bias: those of `BatchNorm1d`.
        process_group: which processes; None for all.

    Shape:
        (N, num_features, *) → the same. N may differ among processes.

    Raises:
        ValueError: an input without channels, or with one value per channel in all processes, in training.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.SyncBatchNorm(100)(torch.randn(20, 100, 5, 5)).shape
        torch.Size([20, 100, 5, 5])
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: DeviceLike = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        own = self.training or (self.running_mean is None and self.running_var is None)
        if not own or not _among_several(self.process_group):
            return super().forward(input)
        return self._synchronized(input)

    def _synchronized(self, input: Tensor) -> Tensor:
        """The forward with the mean and variance of all processes' inputs."""
        from ...distributed.differentiable import all_sum

        dims, shape = (0, *range(2, input.ndim)), (1, -1, *(1,) * (input.ndim - 2))
        x = input.float() if input.dtype.itemsize < 4 else input
        here = full((1,), input.numel() // input.shape[1], dtype=x.dtype)
        total = all_sum(cat([x.sum(dims), here]), self.process_group)
        n = total[-1:].detach()
        mean = total[:-1] / n
        centred = x - mean.view(shape)
        var = all_sum((centred * centred).sum(dims), self.process_group) / n
        self._follow(mean.detach(), var.detach(), float(n))
        y = centred * (var + self.eps).rsqrt().view(shape)
        if self.weight is not None:
            y = y * self.weight.view(shape)
        if self.bias is not None:
            y = y + self.bias.view(shape)
        return y.to(input.dtype)

    def _follow(self, mean: Tensor, var: Tensor, n: float) -> None:
        """Moves the running estimates towards what was seen in n values."""
        if n <= 1:
            raise ValueError(
                "SyncBatchNorm: Expected more than 1 value per channel when training, got 1 in all processes"
            )
        running, spread, batches = self.running_mean, self.running_var, self.num_batches_tracked
        if running is None or spread is None or batches is None:
            return
        batches.add_(1)
        momentum = 1.0 / float(batches) if self.momentum is None else self.momentum
        running.lerp_(mean.to(running.dtype), momentum)
        spread.lerp_((var * (n / (n - 1))).to(spread.dtype), momentum)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2 or input.shape[1] == 0:
            raise ValueError(
                f"SyncBatchNorm: expected at least 2D input with a non-zero number of channels, got shape "
                f"{tuple(input.shape)}"
            )

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """A module with all its batch normalizations replaced by this one, with their parameters and state.

        Args:
            module: what to convert; its other parts stay what they are.
            process_group: kept in each of the new layers.

        Example:
            >>> import flambeau as torch
            >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
            >>> type(torch.nn.SyncBatchNorm.convert_sync_batchnorm(net)[1]).__name__
            'SyncBatchNorm'
        """
        made = module
        if isinstance(module, _BatchNorm):
            made = cls(
                module.num_features,
                module.eps,
                module.momentum,
                module.affine,
                module.track_running_stats,
                process_group,
                bias=module.bias is not None,
            )
            made.weight, made.bias = module.weight, module.bias
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                setattr(made, name, getattr(module, name))
            made.training = module.training
        for name, child in module.named_children():
            made.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return made
