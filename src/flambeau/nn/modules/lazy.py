"""Lazy modules: those that learn the size of their input from the first one that they see."""

from __future__ import annotations

from typing import Any, ClassVar

from ...autograd.grad_mode import no_grad
from ...core.dtype import dtype as DType
from ...core.dtype import int64
from ...core.tensor import Tensor
from ...functions.creation import tensor
from ..module import Module
from ..parameter import UninitializedBuffer, UninitializedParameter, is_lazy
from .batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d, _NormBase
from .conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    _ConvNd,
    _Convolution,
    _ConvTransposeNd,
)
from .instancenorm import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from .linear import Linear
from .utils import DeviceLike, Size


class LazyModuleMixin(Module):
    """A base, before the module's own, of modules that make their parameters at the first call.

    Until then parameters are `UninitializedParameter`s, buffers `UninitializedBuffer`s. The first call hands
    its arguments to `initialize_parameters`, which gives them shapes; then the module becomes one of
    `cls_to_become`. Loading a state dict gives them shapes, too.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.LazyLinear(2)
        >>> layer
        LazyLinear(in_features=0, out_features=2, bias=True)
        >>> y = layer(torch.ones(4, 3))
        >>> layer
        Linear(in_features=3, out_features=2, bias=True)
    """

    cls_to_become: ClassVar[type[Any] | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._initialize_hook = self.register_forward_pre_hook(self._infer_parameters, with_kwargs=True)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Gives parameters and buffers their shapes and values; a subclass says how.

        Args: those of the call.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.LazyLinear(2)
            >>> layer.initialize_parameters(torch.ones(4, 3))
            >>> layer.weight.shape
            torch.Size([2, 3])
        """
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer has no shape yet.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.LazyLinear(2).has_uninitialized_params()
            True
        """
        return any(is_lazy(t) for t in (*self._parameters.values(), *self._buffers.values()))

    def _infer_parameters(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        module.initialize_parameters(*args, **kwargs)
        if module.has_uninitialized_params():
            raise RuntimeError(
                f"module {type(self).__name__} has not been fully initialized: initialize_parameters must "
                "give every parameter and buffer a shape"
            )
        module._initialize_hook.remove()
        del module._initialize_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become


def _materialize(*tensors: Any, shape: tuple[int, ...]) -> None:
    for t in tensors:
        if t is not None:
            t.materialize(shape)


class LazyLinear(LazyModuleMixin, Linear):
    """A `Linear` that takes `in_features` from the first input.

    Args:
        out_features: extent of the output's last dimension.
        bias: whether to add a learned bias.
        device, dtype: of the parameters.

    Example:
        >>> import flambeau as torch
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(10))
        >>> net(torch.ones(4, 2, 3)).shape, net[1].in_features
        (torch.Size([4, 10]), 6)
    """

    cls_to_become = Linear

    def __init__(
        self, out_features: int, bias: bool = True, device: DeviceLike = None, dtype: DType | None = None
    ) -> None:
        super().__init__(0, 0, False)
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_features = out_features
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        if not self.has_uninitialized_params() and self.in_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        if self.has_uninitialized_params():
            self.in_features = input.shape[-1]
            with no_grad():
                _materialize(self.weight, shape=(self.out_features, self.in_features))
                _materialize(self.bias, shape=(self.out_features,))
                self.reset_parameters()
        elif self.in_features == 0:
            if input.shape[-1] != self.weight.shape[-1]:
                raise AssertionError(
                    f"LazyLinear: The in_features inferred from input: {input.shape[-1]} is not equal to "
                    f"in_features from self.weight: {self.weight.shape[-1]}"
                )
            self.in_features = input.shape[-1]


# ----- convolutions -----


class _LazyConvNd(LazyModuleMixin, _ConvNd):
    _dims: ClassVar[int]

    def _wait(self, out_channels: int, bias: bool, device: DeviceLike, dtype: DType | None) -> None:
        """Makes parameters without a shape."""
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        if not self.has_uninitialized_params():
            return
        n = self._dims
        if input.ndim not in (n + 1, n + 2):
            raise RuntimeError(
                f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {type(self).__name__}, but "
                f"got input of size: {tuple(input.shape)}"
            )
        self.in_channels = input.shape[-n - 1]
        self._check()
        ends = (self.in_channels, self.out_channels)
        first, second = ends if self.transposed else ends[::-1]
        with no_grad():
            _materialize(self.weight, shape=(first, second // self.groups, *self.kernel_size))
            _materialize(self.bias, shape=(self.out_channels,))
            self.reset_parameters()


class _LazyConvolution(_LazyConvNd, _Convolution):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode)
        self._wait(out_channels, bias, device, dtype)


class _LazyConvTransposeNd(_LazyConvNd, _ConvTransposeNd):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: str = "zeros",
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(
            0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation, padding_mode
        )
        self._wait(out_channels, bias, device, dtype)


# ----- normalization -----


class _LazyNormBase(LazyModuleMixin, _NormBase):
    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: DeviceLike = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, False, False, bias=False)
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = UninitializedParameter(device=device, dtype=dtype)
            if bias:
                self.bias = UninitializedParameter(device=device, dtype=dtype)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)
            self.num_batches_tracked = tensor(0, device=device, dtype=int64)

    def reset_parameters(self) -> None:
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        if self.has_uninitialized_params():
            self.num_features = input.shape[1]
            with no_grad():
                shape = (self.num_features,)
                _materialize(self.weight, self.bias, self.running_mean, self.running_var, shape=shape)
                self.reset_parameters()


class LazyConv1d(_LazyConvolution, Conv1d):
    """A `Conv1d` that takes `in_channels` from the first input.

    Args: those of `Conv1d`, without `in_channels`.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.LazyConv1d(8, kernel_size=2)
        >>> layer(torch.ones(2, 3, 5)).shape, layer.in_channels
        (torch.Size([2, 8, 4]), 3)
    """

    cls_to_become = Conv1d


class LazyConv2d(_LazyConvolution, Conv2d):
    """A `Conv2d` that takes `in_channels` from the first input.

    Args: those of `Conv2d`, without `in_channels`.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.LazyConv2d(8, kernel_size=2)
        >>> layer(torch.ones(2, 3, 5, 5)).shape, layer.in_channels
        (torch.Size([2, 8, 4, 4]), 3)
    """

    cls_to_become = Conv2d


class LazyConv3d(_LazyConvolution, Conv3d):
    """A `Conv3d` that takes `in_channels` from the first input.

    Args: those of `Conv3d`, without `in_channels`.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.LazyConv3d(8, kernel_size=2)
        >>> layer(torch.ones(2, 3, 5, 5, 5)).shape, layer.in_channels
        (torch.Size([2, 8, 4, 4, 4]), 3)
    """

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyConvTransposeNd, ConvTranspose1d):
    """A `ConvTranspose1d` that takes `in_channels` from the first input.

    Args: those of `ConvTranspose1d`, without `in_channels`.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.LazyConvTranspose1d(8, kernel_size=2)
        >>> layer(torch.ones(2, 3, 5)).shape, layer.in_channels
        (torch.Size([2, 8, 6]), 3)
    """

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTransposeNd, ConvTranspose2d):
    """A `ConvTranspose2d` that takes `in_channels` from the first input.

    Args: those of `ConvTranspose2d`, without `in_channels`.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.LazyConvTranspose2d(8, kernel_size=2)
        >>> layer(torch.ones(2, 3, 5, 5)).shape, layer.in_channels
        (torch.Size([2, 8, 6, 6]), 3)
    """

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTransposeNd, ConvTranspose3d):
    """A `ConvTranspose3d` that takes `in_channels` from the first input.

    Args: those of `ConvTranspose3d`, without `in_channels`.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.LazyConvTranspose3d(8, kernel_size=2)
        >>> layer(torch.ones(2, 3, 5, 5, 5)).shape, layer.in_channels
        (torch.Size([2, 8, 6, 6, 6]), 3)
    """

    cls_to_become = ConvTranspose3d


class LazyBatchNorm1d(_LazyNormBase, BatchNorm1d):
    """A `BatchNorm1d` that takes `num_features` from the first input.

    Args: those of `BatchNorm1d`, without `num_features`.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.LazyBatchNorm1d()
        >>> layer(torch.ones(2, 3, 5)).shape, layer.num_features
        (torch.Size([2, 3, 5]), 3)
    """

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNormBase, BatchNorm2d):
    """A `BatchNorm2d` that takes `num_features` from the first input.

    Args: those of `BatchNorm2d`, without `num_features`.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.LazyBatchNorm2d()
        >>> layer(torch.ones(2, 3, 5, 5)).shape, layer.num_features
        (torch.Size([2, 3, 5, 5]), 3)
    """

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyNormBase, BatchNorm3d):
    """A `BatchNorm3d` that takes `num_features` from the first input.

    Args: those of `BatchNorm3d`, without `num_features`.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.LazyBatchNorm3d()
        >>> layer(torch.ones(2, 3, 5, 5, 5)).shape, layer.num_features
        (torch.Size([2, 3, 5, 5, 5]), 3)
    """

    cls_to_become = BatchNorm3d


class LazyInstanceNorm1d(_LazyNormBase, InstanceNorm1d):
    """A `InstanceNorm1d` that takes `num_features` from the first input.

    Args: those of `InstanceNorm1d`, without `num_features`.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.LazyInstanceNorm1d()
        >>> layer(torch.ones(2, 3, 5)).shape, layer.num_features
        (torch.Size([2, 3, 5]), 3)
    """

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNormBase, InstanceNorm2d):
    """A `InstanceNorm2d` that takes `num_features` from the first input.

    Args: those of `InstanceNorm2d`, without `num_features`.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.LazyInstanceNorm2d()
        >>> layer(torch.ones(2, 3, 5, 5)).shape, layer.num_features
        (torch.Size([2, 3, 5, 5]), 3)
    """

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNormBase, InstanceNorm3d):
    """A `InstanceNorm3d` that takes `num_features` from the first input.

    Args: those of `InstanceNorm3d`, without `num_features`.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.LazyInstanceNorm3d()
        >>> layer(torch.ones(2, 3, 5, 5, 5)).shape, layer.num_features
        (torch.Size([2, 3, 5, 5, 5]), 3)
    """

    cls_to_become = InstanceNorm3d
