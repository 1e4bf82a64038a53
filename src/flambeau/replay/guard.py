"""What has to be as it was for a recording to be replayed, as one Python function."""

from __future__ import annotations

from collections.abc import Callable
from operator import is_
from typing import Any

from .plan import is_hooked
from .state import PARTS, Box, unchanged


class Text:
    """Python text under construction, with the objects that it names."""

    def __init__(self) -> None:
        self.scope: dict[str, Any] = {
            "all": all,
            "map": map,
            "is_": is_,
            "len": len,
            "tuple": tuple,
            "type": type,
            "is_hooked": is_hooked,
        }
        self._names: dict[int, str] = {}

    def name(self, x: Any) -> str:
        """What the text calls an object."""
        if x is None or x is True or x is False:
            return repr(x)
        if id(x) not in self._names:
            self._names[id(x)] = name = f"x{len(self._names)}"
            self.scope[name] = x
        return self._names[id(x)]

    def function(self, head: str, body: str) -> Callable[..., Any]:
        """The function of this text."""
        exec(f"def made({head}):\n{body}", self.scope)
        made: Callable[..., Any] = self.scope.pop("made")
        return made


def conditions(text: Text, boxes: list[Box], expected: list[tuple[Any, ...]]) -> str:
    """An expression that tells whether the boxes hold the expected values."""
    empty: list[str] = []
    held: list[str] = []
    for box, values in zip(boxes, expected, strict=True):
        name = text.name(box.target)
        if box.names is None and box.kind != "cell" and not values:
            empty.append(name)
        else:
            held += _of_box(text, name, box, values)
    if empty:
        held.append(f"not ({' or '.join(empty)})")
    return " and ".join(held) or "True"


def _of_box(text: Text, name: str, box: Box, values: tuple[Any, ...]) -> list[str]:
    if box.kind == "cell":
        return [f"{name}.cell_contents is {text.name(values[0])}"]
    if box.kind == "slots":
        pairs = [(key, value) for key, value in zip(box.names or (), values, strict=True)]
        if box.names is PARTS:
            pairs = [(key, value) for key, value in pairs if key in unchanged(values)]
        found = [f"{name}.{key} is {text.name(value)}" for key, value in pairs]
        if box.names is PARTS and values[0] is not None:
            edge = text.name(values[0])
            found.append(f"({edge}.hooks is None or not is_hooked({edge}))")
        return found
    if box.names is not None:
        return _items(text, name, box.names, values)
    if box.kind == "list":
        return [f"len({name}) == {len(values)}", *_items(text, name, range(len(values)), values)]
    if box.kind == "keys" and isinstance(box.target, list):
        return [f"len({name}) == {values[0]}"]
    if box.kind == "dict":
        keys, values = values[: len(values) // 2], values[len(values) // 2 :]
        return [_order(text, name, keys), *_items(text, name, keys, values)]
    return [_order(text, name, values)]


def _order(text: Text, name: str, keys: tuple[Any, ...]) -> str:
    """Whether these are the keys, in this order."""
    if all(type(key) in (str, int) for key in keys):  # comparing others may ask them
        return f"tuple({name}) == {text.name(keys)}"
    return f"len({name}) == {len(keys)} and all(map(is_, {name}, {text.name(keys)}))"


def _items(text: Text, name: str, keys: Any, values: Any) -> list[str]:
    return [
        f"{name}[{repr(key) if type(key) in (str, int) else text.name(key)}] is {text.name(value)}"
        for key, value in zip(keys, values, strict=True)
    ]


def input_checks(text: Text, name: str, spec: tuple[Any, ...] | None) -> str:
    """An expression that tells whether a tensor is laid out as one in the recorded call was."""
    if spec is None:
        return f"{name} is None"
    kind, shape, d, history, strides = spec
    plain = (
        f"type({name}) is {text.name(kind)} and {name}._node.shape == {shape!r} "
        f"and {name}._node.dtype is {text.name(d)} and "
    )
    if history or strides is not None:
        return f"{plain}layout({name}) == {text.name(spec)}"
    no_history = f"{name}._edge is None and ({name}._base is None or {name}._base._edge is None)"
    return f"{plain}{name}._view is None and {no_history}"
