"""Modules called with other tensors than their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ..core.tensor import Tensor
from ..functions.joining import stack
from .module import Module

Tensors = Mapping[str, Tensor]


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Tensors | Sequence[Tensors],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """What `module(*args, **kwargs)` gives with some of its parameters and buffers replaced.

    The module is the same afterwards; what it writes in place goes to the replacements.

    Args:
        module: the module.
        parameter_and_buffer_dicts: replacements by name, as in its state dict; or several such mappings.
        args: positional arguments; a single one need not be in a tuple.
        kwargs: arguments by name.
        tie_weights: whether a tensor that has several names is replaced under all of them.
        strict: whether every parameter and buffer must be replaced, and every name be one.

    Raises:
        ValueError: names are given twice, or one tensor under two names with two replacements.
        RuntimeError: names are missing or unexpected, if `strict`.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.Linear(2, 1, bias=False)
        >>> torch.func.functional_call(layer, {"weight": torch.ones(1, 2)}, torch.tensor([1.0, 2.0]))
        tensor([3.])
    """
    given = _merged(parameter_and_buffer_dicts)
    positional = () if args is None else args if isinstance(args, tuple) else (args,)
    with _replaced(module, given, tie_weights, strict):
        return module(*positional, **(kwargs or {}))


def _merged(several: Tensors | Sequence[Tensors]) -> dict[str, Tensor]:
    parts = [several] if isinstance(several, Mapping) else several
    if not isinstance(parts, Sequence) or not all(isinstance(part, Mapping) for part in parts):
        raise ValueError(
            "functional_call: Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, "
            f"but got {type(several).__name__}"
        )
    given: dict[str, Tensor] = {}
    for part in parts:
        if twice := given.keys() & part.keys():
            raise ValueError(f"functional_call: {sorted(twice)} appeared in multiple dictionaries")
        given.update(part)
    return given


@contextmanager
def _replaced(module: Module, given: dict[str, Tensor], tie: bool, strict: bool) -> Iterator[None]:
    owned: dict[str, Tensor] = dict(module.named_parameters(remove_duplicate=False))
    owned.update(module.named_buffers(remove_duplicate=False))
    if tie:
        given = _tied(owned, given)
    missing, unexpected = sorted(owned.keys() - given.keys()), sorted(given.keys() - owned.keys())
    if strict and (missing or unexpected):
        raise RuntimeError(
            f"functional_call: Error(s) for {type(module).__name__}: missing key(s) {missing}, unexpected "
            f"key(s) {unexpected}"
        )
    places = [(*_place(module, name), given[name]) for name in given if name in owned]
    before = [(table, name, table[name]) for table, name, _ in places]
    try:
        for table, name, new in places:
            table[name] = new
        yield
    finally:
        for table, name, old in before:
            table[name] = old


def _tied(owned: dict[str, Tensor], given: dict[str, Tensor]) -> dict[str, Tensor]:
    """The replacements under all names that their tensors have."""
    names: dict[int, list[str]] = {}
    for name, tensor in owned.items():
        names.setdefault(id(tensor), []).append(name)
    out = dict(given)
    for group in names.values():
        new = {name: given[name] for name in group if name in given}
        if len({id(t) for t in new.values()}) > 1:
            raise ValueError(
                f"functional_call: got multiple values for {sorted(new)}, which are tied: they are one "
                "tensor; give one of them, or pass tie_weights=False"
            )
        for value in list(new.values())[:1]:
            out.update(dict.fromkeys(group, value))
    return out


def _place(module: Module, name: str) -> tuple[dict[str, Any], str]:
    """The table of a submodule that holds a tensor, and its name there."""
    path, _, own = name.rpartition(".")
    holder = module.get_submodule(path)
    return (holder._parameters if own in holder._parameters else holder._buffers), own


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Parameters and buffers of several modules of one kind, stacked: an ensemble for `torch.vmap`.

    Args:
        models: modules of one class, all in training or all in evaluation mode, not none.

    Returns:
        Two dicts by name, of tensors with a first dimension for the modules; those of parameters are leaves.

    Raises:
        RuntimeError: no module, or modules of different classes or modes.

    Example:
        >>> import flambeau as torch
        >>> params, buffers = torch.func.stack_module_state([torch.nn.Linear(2, 3) for _ in range(4)])
        >>> params["weight"].shape, buffers
        (torch.Size([4, 3, 2]), {})
    """
    modules = list(models)
    if not modules:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if len({(type(m), m.training) for m in modules}) > 1:
        raise RuntimeError(
            "stack_module_state: Expected all models to be of the same class and to have the same "
            f"training/eval mode, got {[(type(m).__name__, m.training) for m in modules]}"
        )
    tables = [(dict(m.named_parameters()), dict(m.named_buffers())) for m in modules]
    params = {name: _stacked([own[name] for own, _ in tables]) for name in tables[0][0]}
    buffers = {name: _stacked([own[name] for _, own in tables]) for name in tables[0][1]}
    return params, buffers


def _stacked(tensors: list[Tensor]) -> Tensor:
    """A leaf of tensors along a new first dimension."""
    if len({t.requires_grad for t in tensors}) > 1:
        raise RuntimeError(
            "stack_module_state: Expected the parameters of all models to have the same requires_grad"
        )
    return stack(tensors).detach().requires_grad_(tensors[0].requires_grad)
