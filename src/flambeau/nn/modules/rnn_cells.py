"""The cells of recurrent layers: one step of one layer."""

from __future__ import annotations

import math
from typing import Any

from ...core.dtype import dtype as DType
from ...core.tensor import Tensor
from ...functions.creation import zeros
from ...ops.op import check_tensor
from .. import functional as F
from .. import init
from ..module import Module
from ..parameter import Parameter
from .utils import DeviceLike, new_parameter

MODES = {"tanh": "RNN_TANH", "relu": "RNN_RELU"}


def _pair_of_states(what: str, hx: Any) -> tuple[Tensor, ...]:
    if not isinstance(hx, (tuple, list)) or len(hx) != 2:
        raise TypeError(
            f"{what}: argument 'hx' must be a pair of tensors (h_0, c_0), not {type(hx).__name__}"
        )
    return tuple(check_tensor(what, "hx", s) for s in hx)


def reset_uniform(layer: Module, hidden_size: int) -> None:
    """Draws all parameters, in their order, uniform in ±1/√hidden_size."""
    bound = 1.0 / math.sqrt(hidden_size)
    for weight in layer.parameters():
        init.uniform_(weight, -bound, bound)


class RNNCellBase(Module):
    """What the cells share: one step of one layer, as a composition of linear maps.

    Args:
        input_size, hidden_size: sizes of the input and of the state.
        bias: whether to add learned biases.
        num_chunks: of how many parts of the state's size the weights consist.
        device, dtype: of the parameters.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.RNNCellBase(3, 4, bias=True, num_chunks=2).weight_ih.shape
        torch.Size([8, 3])
    """

    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        self.weight_ih = new_parameter(rows, input_size, device=device, dtype=dtype)
        self.weight_hh = new_parameter(rows, hidden_size, device=device, dtype=dtype)
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, new_parameter(rows, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the parameters anew."""
        reset_uniform(self, self.hidden_size)

    def _prepare(self, input: Tensor, states: tuple[Tensor, ...], names: tuple[str, ...]) -> list[Tensor]:
        """Input and states with a batch; errors for shapes that don't fit."""
        what = type(self).__name__
        for name, t in zip(("input", *names), (input, *states), strict=False):
            if t.ndim not in (1, 2):
                raise ValueError(f"{what}: Expected {name} to be 1D or 2D, got {t.ndim}D instead")
        batched = [t if input.ndim == 2 else t.unsqueeze(0) for t in (input, *states)]
        rows, features = batched[0]._node.shape
        if features != self.input_size:
            raise RuntimeError(
                f"{what}: input has inconsistent input_size: got {features} expected {self.input_size}"
            )
        for k, s in enumerate(batched[1:]):
            if s.shape[0] != rows:
                raise RuntimeError(
                    f"{what}: Input batch size {rows} doesn't match hidden{k} batch size {s.shape[0]}"
                )
            if s.ndim != 2 or s.shape[1] != self.hidden_size:
                raise RuntimeError(
                    f"{what}: hidden{k} has inconsistent hidden_size: got {s.shape[-1]}, expected "
                    f"{self.hidden_size}"
                )
        if states:
            return batched
        first = zeros(rows, self.hidden_size, dtype=input.dtype, device=input.device)
        return [batched[0], *[first] * len(names)]

    def _products(self, input: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """What the input and what the state contributes to all gates."""
        return F.linear(input, self.weight_ih, self.bias_ih), F.linear(h, self.weight_hh, self.bias_hh)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        return text if self.bias is True else f"{text}, bias={self.bias}"


class RNNCell(RNNCellBase):
    """One step of Elman's recurrent layer: h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu.

    Args:
        input_size: number of features of the input.
        hidden_size: number of features of the state.
        bias: whether the cell has biases.
        nonlinearity: "tanh" or "relu".
        device, dtype: of the parameters.

    Shape:
        input (B, input_size) or (input_size), h (B, hidden_size) or (hidden_size), zeros if left out →
        h' as h

    Attributes:
        weight_ih, weight_hh, bias_ih, bias_hh: (hidden_size, input_size), (hidden_size, hidden_size),
            (hidden_size), at first uniform in ±1/√hidden_size.

    Raises:
        ValueError: an input or a state that is neither 1-D nor 2-D.
        RuntimeError: sizes that don't fit, or an unknown nonlinearity.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.RNNCell(10, 20)(torch.randn(3, 10)).shape
        torch.Size([3, 20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in MODES:
            raise RuntimeError(f"RNNCell: Unknown nonlinearity: {self.nonlinearity}; use 'tanh' or 'relu'")
        x, h = self._prepare(input, () if hx is None else (hx,), ("hidden",))
        a, b = self._products(x, h)
        new = (a + b).tanh() if self.nonlinearity == "tanh" else (a + b).relu()
        return new if input.ndim == 2 else new.squeeze(0)

    def extra_repr(self) -> str:
        text = super().extra_repr()
        return text if self.nonlinearity == "tanh" else f"{text}, nonlinearity={self.nonlinearity}"


class LSTMCell(RNNCellBase):
    """One step of a layer of long short-term memory; see `LSTM` for what it computes.

    Args:
        input_size: number of features of the input.
        hidden_size: number of features of the state.
        bias: whether the cell has biases.
        device, dtype: of the parameters.

    Shape:
        input (B, input_size) or (input_size), (h, c) (B, hidden_size) or (hidden_size) each, zeros if left
        out → (h', c') as (h, c)

    Attributes:
        weight_ih, weight_hh, bias_ih, bias_hh: (4 hidden_size, input_size), (4 hidden_size, hidden_size),
            (4 hidden_size), in the order i, f, g, o, at first uniform in ±1/√hidden_size.

    Raises:
        ValueError: an input or a state that is neither 1-D nor 2-D.
        RuntimeError: sizes that don't fit.

    Example:
        >>> import flambeau as torch
        >>> h, c = torch.nn.LSTMCell(10, 20)(torch.randn(3, 10))
        >>> h.shape, c.shape
        (torch.Size([3, 20]), torch.Size([3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        states = () if hx is None else _pair_of_states("LSTMCell", hx)
        x, h, c = self._prepare(input, states, ("hx[0]", "hx[1]"))
        a, b = self._products(x, h)
        i, f, g, o = (a + b).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return (h, c) if input.ndim == 2 else (h.squeeze(0), c.squeeze(0))


class GRUCell(RNNCellBase):
    """One step of a layer of gated recurrent units; see `GRU` for what it computes.

    Args:
        input_size: number of features of the input.
        hidden_size: number of features of the state.
        bias: whether the cell has biases.
        device, dtype: of the parameters.

    Shape:
        input (B, input_size) or (input_size), h (B, hidden_size) or (hidden_size), zeros if left out →
        h' as h

    Attributes:
        weight_ih, weight_hh, bias_ih, bias_hh: (3 hidden_size, input_size), (3 hidden_size, hidden_size),
            (3 hidden_size), in the order r, z, n, at first uniform in ±1/√hidden_size.

    Raises:
        ValueError: an input or a state that is neither 1-D nor 2-D.
        RuntimeError: sizes that don't fit.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.GRUCell(10, 20)(torch.randn(3, 10), torch.zeros(3, 20)).shape
        torch.Size([3, 20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        x, h = self._prepare(input, () if hx is None else (hx,), ("hidden",))
        (xr, xz, xn), (hr, hz, hn) = (t.chunk(3, 1) for t in self._products(x, h))
        r, z = (xr + hr).sigmoid(), (xz + hz).sigmoid()
        n = (xn + r * hn).tanh()
        new = n + z * (h - n)
        return new if input.ndim == 2 else new.squeeze(0)
