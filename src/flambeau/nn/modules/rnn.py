"""Recurrent layers over sequences."""

from __future__ import annotations

import numbers
from typing import Any, ClassVar

from ...core.dtype import dtype as DType
from ...core.modes import modes
from ...core.tensor import Tensor
from ...core.warning import warn
from ...functions.casting import casts
from ...functions.creation import zeros
from ...functions.indexing import index_select
from ...ops.op import check_tensor
from ..functional.recurrent import recurrent
from ..module import Module
from ..parameter import Parameter
from ..utils.rnn import PackedSequence
from .rnn_cells import (
    MODES,
    GRUCell,
    LSTMCell,
    RNNCell,
    RNNCellBase,
    _pair_of_states,
    reset_uniform,
)
from .utils import DeviceLike, new_parameter

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def _check_settings(layer: Any) -> None:
    """The errors of settings that can't be, in PyTorch's order."""
    p = layer.dropout
    if not isinstance(p, numbers.Number) or isinstance(p, bool) or not 0 <= p <= 1:  # type: ignore[operator]
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element being "
            f"zeroed, got {p!r}"
        )
    if p > 0 and layer.num_layers == 1:  # type: ignore[operator]
        warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
            f"num_layers greater than 1, but got dropout={p} and num_layers={layer.num_layers}"
        )
    for name, kind in (("bias", bool), ("batch_first", bool), ("input_size", int), ("hidden_size", int)):
        value = getattr(layer, name)
        if not isinstance(value, kind):
            raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")
    for name in ("input_size", "hidden_size", "num_layers"):
        if getattr(layer, name) <= 0:
            raise ValueError(f"{name} must be greater than zero, got {getattr(layer, name)}")
    if layer.proj_size < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if layer.proj_size >= layer.hidden_size:
        raise ValueError(
            f"proj_size has to be smaller than hidden_size, got {layer.proj_size} and {layer.hidden_size}"
        )
    if layer.proj_size and layer.mode != "LSTM":
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")


class RNNBase(Module):
    """What the recurrent layers share: settings, parameters, and the way through the layers.

    Args:
        mode: "LSTM", "GRU", "RNN_TANH" or "RNN_RELU".
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size: those of
            the layers.
        device, dtype: of the parameters.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.RNNBase("GRU", 3, 4)(torch.randn(5, 2, 3))[0].shape
        torch.Size([5, 2, 4])
    """

    _names: ClassVar[tuple[str, ...]] = ("hidden",)  # of the states, in errors

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = dropout
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        if mode not in GATES:
            raise ValueError(f"Unrecognized RNN mode: {mode}; use one of {', '.join(GATES)}")
        _check_settings(self)
        self.dropout = float(dropout)
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            for suffix in ("", "_reverse")[: self._directions]:
                shapes = self._shapes(layer)
                names = {f"{name}_l{layer}{suffix}": shape for name, shape in shapes.items()}
                self._all_weights.append(list(names))
                for name, shape in names.items():
                    self.register_parameter(name, new_parameter(*shape, device=device, dtype=dtype))
        self.reset_parameters()

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _shapes(self, layer: int) -> dict[str, tuple[int, ...]]:
        """The parameters of one direction of a layer."""
        gates, out = GATES[self.mode] * self.hidden_size, self.proj_size or self.hidden_size
        features = self.input_size if layer == 0 else out * self._directions
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (gates, features), "weight_hh": (gates, out)}
        if self.bias:
            shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
        return shapes | ({"weight_hr": (self.proj_size, self.hidden_size)} if self.proj_size else {})

    def reset_parameters(self) -> None:
        """Draws the parameters anew."""
        reset_uniform(self, self.hidden_size)

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters, one list for each direction of each layer."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights(self) -> list[Parameter]:
        return [w for weights in self.all_weights for w in weights]

    def flatten_parameters(self) -> None:
        """Does nothing: parameters are used where they lie."""

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """ValueError or RuntimeError for an input of another dtype, rank or number of features."""
        d, expected = self._flat_weights[0].dtype, 3 if batch_sizes is None else 2
        if input.dtype is not d and not (modes.autocast is not None and casts(input)):
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({d}). Convert input: "
                f"input.to({d}), or convert model: model.to({input.dtype})"
            )
        if input.ndim != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.ndim}")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got "
                f"{input.shape[-1]}"
            )

    def check_hidden_size(
        self,
        hx: Tensor,
        expected_hidden_size: tuple[int, int, int],
        msg: str = "Expected hidden size {}, got {}",
    ) -> None:
        """RuntimeError for a state of another shape."""
        if tuple(hx.shape) != expected_hidden_size:
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.shape)))

    def _state_shapes(self, batch: int) -> list[tuple[int, int, int]]:
        """The shapes of the states."""
        n = self.num_layers * self._directions
        return [(n, batch, self.proj_size or self.hidden_size), (n, batch, self.hidden_size)][
            : len(self._names)
        ]

    def _states(self, input: Tensor, hx: Any, batch: int) -> list[Tensor]:
        """The first states, zeros by default; RuntimeError if they don't fit."""
        shapes = self._state_shapes(batch)
        if hx is None:
            return [zeros(*shape, dtype=input.dtype, device=input.device) for shape in shapes]
        for state, shape, name in zip(hx, shapes, self._names, strict=True):
            self.check_hidden_size(state, shape, f"Expected {name} size {{}}, got {{}}")
        return list(hx)

    def _as_states(self, hx: Any) -> tuple[Tensor, ...] | None:
        return None if hx is None else (check_tensor(type(self).__name__, "hx", hx),)

    def _as_result(self, states: list[Tensor]) -> Any:
        return states[0]

    def _check_ranks(self, batched: bool, states: tuple[Tensor, ...]) -> None:
        rank, what = (3, "batched") if batched else (2, "unbatched")
        if any(s.ndim != rank for s in states):
            raise RuntimeError(
                f"For {what} {rank}-D input, hx should also be {rank}-D but got {states[0].ndim}-D tensor"
            )

    def forward(self, input: Any, hx: Any = None) -> Any:
        states = self._as_states(hx)
        if isinstance(input, PackedSequence):
            return self._packed(input, states)
        check_tensor(type(self).__name__, "input", input)
        if input.ndim not in (2, 3):
            raise ValueError(
                f"{type(self).__name__}: Expected input to be 2D or 3D, got {input.ndim}D tensor instead"
            )
        batched, batch_dim = input.ndim == 3, 0 if self.batch_first else 1
        if states is not None:
            self._check_ranks(batched, states)
        if not batched:
            input = input.unsqueeze(batch_dim)
            states = None if states is None else tuple(s.unsqueeze(1) for s in states)
        self.check_input(input, None)
        if self.batch_first:
            input = input.transpose(0, 1)
        steps, batch, features = input._node.shape
        if steps == 0:
            raise RuntimeError(
                f"{type(self).__name__}: Expected sequence length to be larger than 0 in RNN, got input of "
                f"shape {tuple(input.shape)}"
            )
        first = self._states(input, states, batch)
        out, last = self._run(input.reshape(steps * batch, features), first, (batch,) * steps)
        out = out.reshape(steps, batch, out._node.shape[1])
        if self.batch_first:
            out = out.transpose(0, 1)
        if not batched:
            out, last = out.squeeze(batch_dim), [s.squeeze(1) for s in last]
        return out, self._as_result(last)

    def _packed(self, input: PackedSequence, states: tuple[Tensor, ...] | None) -> tuple[PackedSequence, Any]:
        """The layers on packed sequences; states are in the order in which the sequences were given."""
        data, batch_sizes, order, back = input
        self.check_input(data, batch_sizes)
        sizes = tuple(batch_sizes.tolist())
        if sum(sizes) != len(data):
            raise RuntimeError(
                f"{type(self).__name__}: batch sizes {list(sizes)} need {sum(sizes)} rows of data, got "
                f"{len(data)}"
            )
        first = self._states(data, states, sizes[0])
        if states is not None and order is not None:
            first = [index_select(s, 1, order) for s in first]
        out, last = self._run(data, first, sizes)
        if back is not None:
            last = [index_select(s, 1, back) for s in last]
        return PackedSequence(out, batch_sizes, order, back), self._as_result(last)

    def _run(self, x: Tensor, states: list[Tensor], sizes: tuple[int, ...]) -> tuple[Tensor, list[Tensor]]:
        weights = []
        for names in self._all_weights:
            of = {name.rpartition("_l")[0]: getattr(self, name) for name in names}
            weights.append([of.get(n) for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")])
        n = self._directions
        layers = [weights[k : k + n] for k in range(0, len(weights), n)]
        return recurrent(self.mode, x, layers, states, sizes, self.dropout if self.training else 0.0)

    def extra_repr(self) -> str:
        settings = {
            "proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0,
            "bidirectional": False,
        }  # fmt: skip
        changed = [f"{k}={getattr(self, k)}" for k, usual in settings.items() if getattr(self, k) != usual]
        return ", ".join([str(self.input_size), str(self.hidden_size), *changed])


class RNN(RNNBase):
    """Elman's recurrent layers: h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), or relu.

    Args:
        input_size: number of features of each step.
        hidden_size: number of features of the state.
        num_layers: how many layers follow one another.
        nonlinearity: "tanh" or "relu".
        bias: whether the layers have biases.
        batch_first: whether input and output are (B, T, *) rather than (T, B, *); states are not affected.
        dropout: the probability with which, in training, elements are dropped between layers.
        bidirectional: whether each layer also goes through the sequence backwards, with weights of its own.
        device, dtype: of the parameters.

    Shape:
        input (T, B, input_size), (T, input_size) or a PackedSequence, h_0 (layers * directions, B,
        hidden_size) → output (T, B, directions * hidden_size), h_n as h_0. Without batch, B is left out.

    Attributes:
        weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0: of the first layer, (hidden_size, input_size),
            (hidden_size, hidden_size), (hidden_size), at first uniform in ±1/√hidden_size; then
            weight_ih_l0_reverse and so on.

    Raises:
        ValueError: settings that can't be, an input that is neither 2-D nor 3-D or has another dtype.
        RuntimeError: sizes that don't fit.

    Example:
        >>> import flambeau as torch
        >>> output, h_n = torch.nn.RNN(10, 20, num_layers=2)(torch.randn(5, 3, 10))
        >>> output.shape, h_n.shape
        (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        if nonlinearity not in MODES:
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(
            MODES[nonlinearity], input_size, hidden_size, num_layers, bias, batch_first, dropout,
            bidirectional, proj_size, device, dtype,
        )  # fmt: skip
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Layers of long short-term memory.

    i, f, o = σ(W x_t + b + W' h_(t-1) + b'), g = tanh(the same), each with weights of its own;
    c_t = f c_(t-1) + i g, h_t = o tanh(c_t).

    Args:
        input_size: number of features of each step.
        hidden_size: number of features of the state.
        num_layers: how many layers follow one another.
        bias: whether the layers have biases.
        batch_first: whether input and output are (B, T, *) rather than (T, B, *); states are not affected.
        dropout: the probability with which, in training, elements are dropped between layers.
        bidirectional: whether each layer also goes through the sequence backwards, with weights of its own.
        proj_size: if positive, h_t is multiplied by a learned matrix (proj_size, hidden_size).
        device, dtype: of the parameters.

    Shape:
        input (T, B, input_size), (T, input_size) or a PackedSequence, h_0 and c_0 (layers * directions, B,
        hidden_size; proj_size for h_0, if positive) → output (T, B, directions * hidden_size), (h_n, c_n).
        Without batch, B is left out.

    Attributes:
        weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0: of the first layer, (4 hidden_size, input_size),
            (4 hidden_size, hidden_size), (4 hidden_size), in the order i, f, g, o, at first uniform in
            ±1/√hidden_size; weight_hr_l0 with `proj_size`; then weight_ih_l0_reverse and so on.

    Raises:
        ValueError: settings that can't be, an input that is neither 2-D nor 3-D or has another dtype.
        RuntimeError: sizes that don't fit.

    Example:
        >>> import flambeau as torch
        >>> lstm = torch.nn.LSTM(10, 20, batch_first=True)
        >>> output, (h_n, c_n) = lstm(torch.randn(3, 5, 10))
        >>> output.shape, h_n.shape, torch.equal(output[:, -1], h_n[0])
        (torch.Size([3, 5, 20]), torch.Size([1, 3, 20]), True)
    """

    _names = ("hidden[0]", "hidden[1]")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(
            "LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size,
            device, dtype,
        )  # fmt: skip

    def _as_states(self, hx: Any) -> tuple[Tensor, ...] | None:
        return None if hx is None else _pair_of_states("LSTM", hx)

    def _as_result(self, states: list[Tensor]) -> Any:
        return tuple(states)

    def _check_ranks(self, batched: bool, states: tuple[Tensor, ...]) -> None:
        rank, what = (3, "batched") if batched else (2, "unbatched")
        if any(s.ndim != rank for s in states):
            ranks = ", ".join(f"{s.ndim}-D" for s in states)
            raise RuntimeError(
                f"For {what} {rank}-D input, hx and cx should also be {rank}-D but got ({ranks}) tensors"
            )


class GRU(RNNBase):
    """Layers of gated recurrent units.

    r, z = σ(W x_t + b + W' h_(t-1) + b'), each with weights of its own;
    n = tanh(W x_t + b + r (W' h_(t-1) + b')), h_t = (1 - z) n + z h_(t-1).

    Args:
        input_size: number of features of each step.
        hidden_size: number of features of the state.
        num_layers: how many layers follow one another.
        bias: whether the layers have biases.
        batch_first: whether input and output are (B, T, *) rather than (T, B, *); states are not affected.
        dropout: the probability with which, in training, elements are dropped between layers.
        bidirectional: whether each layer also goes through the sequence backwards, with weights of its own.
        device, dtype: of the parameters.

    Shape:
        input (T, B, input_size), (T, input_size) or a PackedSequence, h_0 (layers * directions, B,
        hidden_size) → output (T, B, directions * hidden_size), h_n as h_0. Without batch, B is left out.

    Attributes:
        weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0: of the first layer, (3 hidden_size, input_size),
            (3 hidden_size, hidden_size), (3 hidden_size), in the order r, z, n, at first uniform in
            ±1/√hidden_size; then weight_ih_l0_reverse and so on.

    Raises:
        ValueError: settings that can't be, an input that is neither 2-D nor 3-D or has another dtype.
        RuntimeError: sizes that don't fit.

    Example:
        >>> import flambeau as torch
        >>> output, h_n = torch.nn.GRU(10, 20, bidirectional=True)(torch.randn(5, 3, 10))
        >>> output.shape, h_n.shape
        (torch.Size([5, 3, 40]), torch.Size([2, 3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size,
            device, dtype,
        )  # fmt: skip
