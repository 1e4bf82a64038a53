"""The outputs of a model's inner modules."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ... import Tensor, nn

__all__ = ["create_feature_extractor"]

Nodes = Sequence[str] | Mapping[str, str]


class _Extractor(nn.Module):
    """A model's children under their names; calling it gives the outputs of some modules."""

    def __init__(self, model: nn.Module, nodes: dict[str, str]) -> None:
        super().__init__()
        for name, child in model.named_children():
            self.add_module(name, child)
        for name, parameter in model.named_parameters(recurse=False):
            self.register_parameter(name, parameter)
        for name, buffer in model.named_buffers(recurse=False):
            self.register_buffer(name, buffer)
        self._whole = (model,)  # a tuple, so that it is no child
        self.return_nodes = nodes
        self.training = model.training

    def forward(self, *args: Any, **kwargs: Any) -> OrderedDict[str, Tensor]:
        model, found, calls = self._whole[0], {}, Counter[str]()
        model.training = self.training

        def keep(name: str, module: nn.Module, given: Any, out: Any) -> None:
            call = calls[name]
            calls[name] += 1
            found[f"{name}_{call}" if call else name] = out

        modules = dict(model.named_modules())
        wanted = {name if name in modules else name.rpartition("_")[0] for name in self.return_nodes}
        handles = [modules[name].register_forward_hook(partial(keep, name)) for name in wanted]
        try:
            model(*args, **kwargs)
        finally:
            for handle in handles:
                handle.remove()
        missing = [name for name in self.return_nodes if name not in found]
        if missing:
            raise ValueError(f"create_feature_extractor: {missing[0]!r} was not called")
        return OrderedDict((new, found[name]) for name, new in self.return_nodes.items())


def create_feature_extractor(model: nn.Module, return_nodes: Nodes) -> nn.Module:
    """A module that gives the outputs of some of a model's modules, as a dictionary. It holds the model's own
    parameters, under the same keys.

    Nodes are modules ("layer1", "layer1.0.relu"), whose further calls have numbers ("layer1.0.relu_1"). What
    functions compute in between has no name here; torchvision traces models instead, and names it.

    Args:
        model: the model.
        return_nodes: names of modules, or for each of them its name in the result.

    Raises:
        ValueError: there is no such module, or (in the call) it was not called.

    >>> import flambeau as torch
    >>> from flambeau.vision.models.feature_extraction import create_feature_extractor
    >>> model = torch.vision.models.LeNet()
    >>> features = create_feature_extractor(model, {"features.3": "conv2", "classifier": "logits"})
    >>> {name: tuple(out.shape) for name, out in features(torch.zeros(1, 1, 28, 28)).items()}
    {'conv2': (1, 16, 10, 10), 'logits': (1, 10)}
    """
    nodes = return_nodes if isinstance(return_nodes, Mapping) else {name: name for name in return_nodes}
    modules = dict(model.named_modules())
    for name in nodes:
        base, _, number = name.rpartition("_")
        if name not in modules and not (base in modules and number.isdigit()):
            raise ValueError(
                f"create_feature_extractor: node {name!r} is not present in model; nodes are its modules, "
                f"such as {[n for n in modules if n][:3]}"
            )
    return _Extractor(model, dict(nodes))
