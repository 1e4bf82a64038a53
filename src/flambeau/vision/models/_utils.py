"""What several families of models share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import flambeau as torch

from ... import Tensor, nn

Layer = Callable[..., nn.Module]


class IntermediateLayerGetter(nn.ModuleDict):
    """A model's first children up to the last one that is asked for; its outputs are those of some of them.

    Children are called one after the other, each with the last one's output: this is for models whose
    `forward` does that. It holds the model's own children.

    Args:
        model: the model.
        return_layers: for each child whose output is wanted, its name in the result.

    Raises:
        ValueError: the model has no such child.

    >>> import flambeau as torch
    >>> from flambeau.vision.models._utils import IntermediateLayerGetter
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 3), torch.nn.ReLU())
    >>> part = IntermediateLayerGetter(model, {"0": "flat", "1": "features"})
    >>> [(name, out.shape) for name, out in part(torch.ones(1, 2, 2)).items()]
    [('flat', torch.Size([1, 4])), ('features', torch.Size([1, 3]))]
    """

    _version = 2

    def __init__(self, model: nn.Module, return_layers: Mapping[str, str]) -> None:
        children = dict(model.named_children())
        names = [str(name) for name in return_layers]
        if not set(names) <= set(children):
            raise ValueError("return_layers are not present in model")
        order = list(children)
        last = max((order.index(name) for name in names), default=len(order) - 1)
        super().__init__({name: children[name] for name in order[: last + 1]})
        self.return_layers = dict(return_layers)

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        wanted = {str(name): str(new) for name, new in self.return_layers.items()}
        out: OrderedDict[str, Tensor] = OrderedDict()
        for name, module in self.items():
            x = module(x)
            if name in wanted:
                out[wanted[name]] = x
        return out


def make_divisible(v: float, divisor: int, min_value: int | None = None) -> int:
    """The multiple of `divisor` next to `v`, at least `min_value` (by default `divisor`) and 90% of `v`."""
    nearest = max(divisor if min_value is None else min_value, int(v + divisor / 2) // divisor * divisor)
    return nearest if nearest >= 0.9 * v else nearest + divisor


# ----- initial values -----

Rule = Callable[[Tensor], Any]

fan_out: Rule = partial(nn.init.kaiming_normal_, mode="fan_out", nonlinearity="relu")
normal_001: Rule = partial(nn.init.normal_, std=0.01)


def keep(weight: Tensor) -> None:
    """Leaves a weight as its layer made it."""


def initialize(
    model: nn.Module, conv: Rule | None = None, linear: Rule | None = None, zero_bias: bool = True
) -> None:
    """New initial weights for convolutions and linear layers, in the order of modules; biases become zero."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            rule = conv
        elif isinstance(module, nn.Linear):
            rule = linear
        else:
            continue
        if rule is None:
            continue
        rule(module.weight)
        if zero_bias and module.bias is not None:
            nn.init.zeros_(module.bias)


def initialize_mlp(mlp: nn.Module) -> None:
    """The usual initial values of the two linear layers in a transformer's block."""
    for module in mlp.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.normal_(module.bias, std=1e-6)


def check_settings(settings: Any, kind: type, name: str) -> None:
    """A model's table of stages has to be a sequence of records, and not empty."""
    if not settings:
        raise ValueError(f"The {name} should not be empty")
    if not isinstance(settings, (list, tuple)) or not all(isinstance(s, kind) for s in settings):
        raise TypeError(f"The {name} should be List[{kind.__name__}]")


# ----- attention -----


def relative_position_index(height: int, width: int) -> Tensor:
    """For each two places of a window, the number of the way in which they lie to each other, in a table with
    (2 * height - 1) * (2 * width - 1) rows."""
    places = torch.stack(torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"))
    places = places.flatten(1)
    down, right = places[:, :, None] - places[:, None, :]
    return (down + height - 1) * (2 * width - 1) + right + width - 1
