"""How to make anew what a recorded call has made: tensors, their memory, and the containers that hold
them."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..core.gradient import Accumulate, GradNode, Spent, split
from ..core.node import LEAF, Node, Version
from ..core.storage import Storage
from ..core.tensor import NEVER_WRITTEN, Tensor
from .number import Number
from .state import ATOMS

_new = object.__new__
OWN = frozenset(Tensor.__annotations__)


class NoReplay(Exception):
    """Why a call can't be replayed. `gradients`: because its results are to be differentiated."""

    gradients = False


class NeedsGradients(NoReplay):
    """The results are to be differentiated: the call is recorded each time, as an uncompiled one would be."""

    gradients = True


class Made:
    """What one replay has to make results from: values of the program, tensors that were there, numbers."""

    def __init__(self, table: list[Tensor], outputs: list[Node], numbers: tuple[Any, ...] = ()) -> None:
        self.table, self.outputs, self.numbers = table, outputs, numbers
        self.memo: dict[int, Any] = {}


class Fresh:
    """A tensor that is new in each call."""

    def __init__(self, t: Tensor, maker: Maker) -> None:
        own = t.__dict__
        if not own.keys() <= OWN or t._retains or t._grad is not None:
            raise NoReplay("gives a tensor with attributes or a gradient of its own")
        self.kind, self.given, self.fixed = type(t), t._given, t._fixed
        self.edge = _finished(t, maker)
        self.is_leaf = t._edge is not None and t._edge is t._own_edge
        self.base = None if t._base is None else maker.tensor(t._base)
        self.current = t._derived == t._counter.count
        storage, self.view = t._storage, t._view
        self.node = self.storage = self.version = None
        if storage is None:
            self.node = maker.node(t._node)
        else:
            self.spec = (t._node.shape, t._node.dtype)
            self.storage = maker.storage(storage)
            self.version = maker.version(t._counter)
            self.seen = self.view is not None and t._seen == storage.generation
            if id(t._node) in maker.outputs:
                self.node = maker.node(t._node)

    def is_plain(self) -> bool:
        """Whether it is just a value, maybe with an edge."""
        return self.storage is None and self.base is None and not self.is_leaf

    def make(self, made: Made) -> Tensor:
        """The tensor of this replay."""
        t: Tensor = _new(self.kind)
        if self.storage is None:
            t._node = self.node.make(made)  # type: ignore[union-attr]
        else:
            t._storage, t._view, t._counter = storage, _, version = (
                once(self.storage, made), self.view, once(self.version, made))  # fmt: skip
            t._node, t._seen = storage.spec, -1
            if self.view is not None:
                t._node = Node(LEAF, (), (), *self.spec) if self.node is None else self.node.make(made)
                t._node.version = version
                t._seen = storage.generation if self.node is not None and self.seen else -1
        if self.base is not None:
            t._base, t._fixed = once(self.base, made), self.fixed
            t._derived = t._counter.count if self.current else -1
        if self.edge is not None:
            t._edge = self.edge
        elif self.is_leaf:
            t.requires_grad = True
        if self.given:
            t._given = True
        return t


def once(template: Any, made: Made) -> Any:
    """What the template makes, once in a replay."""
    found = made.memo.get(id(template))
    if found is None:
        found = made.memo[id(template)] = template.make(made)
    return found


def _finished(t: Tensor, maker: Maker) -> Any:
    """The edge of a result whose history has been used up, so that it can be shared by all replays."""
    if t._edge is None or t._edge is t._own_edge:
        return None
    stack, seen = [split(t._edge)[0]], set()
    while stack:
        fn = stack.pop()
        if fn in seen:
            continue
        seen.add(fn)
        if type(fn) is Accumulate:
            if fn.variable is not None and id(fn.variable) not in maker.fixed:
                raise NeedsGradients("gives a result whose gradient goes to a tensor of the call")
        elif type(fn) is not Spent and not (
            type(fn) is GradNode and fn.released and not fn.saved and fn.out is None
        ):
            raise NeedsGradients("gives a result that is to be differentiated")
        stack.extend(split(e)[0] for e in fn.edges if e is not None)
    return t._edge


@dataclasses.dataclass(eq=False)
class Known:
    """A tensor that was there: fixed, or an input of the replay."""

    place: int

    def make(self, made: Made) -> Any:
        return made.table[self.place]


@dataclasses.dataclass(eq=False)
class Output:
    """The node of a result of the program."""

    index: int

    def make(self, made: Made) -> Node:
        return made.outputs[self.index]


@dataclasses.dataclass(eq=False)
class Copy:
    """A node with a copy of a constant."""

    node: Node

    def make(self, made: Made) -> Node:
        node = Node(LEAF, (), (), self.node.shape, self.node.dtype)
        node.value = self.node.value.copy()
        return node


@dataclasses.dataclass(eq=False)
class StorageOf:
    """The memory of a tensor that was there."""

    place: int

    def make(self, made: Made) -> Storage:
        return made.table[self.place]._own_storage()


@dataclasses.dataclass(eq=False)
class FreshStorage:
    """New memory."""

    node: Any
    version: Any

    def make(self, made: Made) -> Storage:
        node = self.node.make(made)
        if self.version is not None:
            node.version = once(self.version, made)
        return Storage(node)


@dataclasses.dataclass(eq=False)
class VersionOf:
    """The counter of a tensor that was there."""

    place: int

    def make(self, made: Made) -> Version:
        return made.table[self.place]._counter


@dataclasses.dataclass(eq=False)
class FreshVersion:
    """A new counter."""

    count: int

    def make(self, made: Made) -> Version:
        version = Version()
        version.count = self.count
        return version


@dataclasses.dataclass(eq=False)
class Constant:
    """The same object each time."""

    value: Any

    def make(self, made: Made) -> Any:
        return self.value


@dataclasses.dataclass(eq=False)
class Computed:
    """A number."""

    index: int

    def make(self, made: Made) -> Any:
        return made.numbers[self.index]


@dataclasses.dataclass(eq=False)
class Container:
    """A new tuple, list, dict or dataclass of such things."""

    kind: type
    keys: Any
    parts: list[Any]

    def make(self, made: Made) -> Any:
        parts = [build(part, made) for part in self.parts]
        if self.keys is None:
            return self.kind(*parts) if hasattr(self.kind, "_fields") else self.kind(parts)
        if dataclasses.is_dataclass(self.kind):
            x = _new(self.kind)
            x.__dict__.update(zip(self.keys, parts, strict=True))
            return x
        made_dict = self.kind()
        made_dict.update(zip(self.keys, parts, strict=True))
        return made_dict


def build(template: Any, made: Made) -> Any:
    """What a template stands for in this replay."""
    return template.make(made) if type(template) is not Fresh and type(template) is not Container else once(
        template, made)  # fmt: skip


class Maker:
    """Makes the templates of one recording.

    `fixed`, `inputs`: places in the table by tensor id; `outputs`: numbers of results by node id;
    `constants`: leaves made in the call; `old`: objects that were there before, by id.
    """

    def __init__(
        self, fixed: set[int], places: dict[int, int], outputs: dict[int, int], constants: dict[int, Node],
        storages: dict[int, int], versions: dict[int, int], old: dict[int, Any],
    ) -> None:  # fmt: skip
        self.fixed, self.places, self.outputs, self.constants = fixed, places, outputs, constants
        self.storages, self.versions, self.old = storages, versions, old
        self.used: set[int] = set()
        self.referred: set[int] = set()  # places in the table
        self.formulas: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._alive: list[Any] = []

    def _remember(self, x: Any, template: Any) -> Any:
        self._alive.append(x)
        self._memo[id(x)] = template
        return template

    def _refer(self, place: int) -> int:
        self.referred.add(place)
        return place

    def tensor(self, t: Tensor) -> Any:
        """The template of a tensor."""
        if id(t) not in self._memo:
            place = self.places.get(id(t))
            self._remember(t, Fresh(t, self) if place is None else Known(self._refer(place)))
        return self._memo[id(t)]

    def node(self, node: Node) -> Any:
        """The template of a node."""
        index = self.outputs.get(id(node))
        if index is not None:
            self.used.add(index)
            return Output(index)
        if id(node) in self.constants:
            return Copy(node)
        raise NoReplay("gives a tensor whose value can't be followed")

    def storage(self, storage: Storage) -> Any:
        """The template of a storage."""
        if id(storage) not in self._memo:
            place = self.storages.get(id(storage))
            if place is not None:
                return self._remember(storage, StorageOf(self._refer(place)))
            if storage.shared is not None:
                raise NoReplay("gives a tensor whose memory others see")
            version = None if storage.node.version is None else self.version(storage.node.version)
            self._remember(storage, FreshStorage(self.node(storage.node), version))
        return self._memo[id(storage)]

    def version(self, version: Version) -> Any:
        """The template of a counter."""
        if version is NEVER_WRITTEN:
            return Constant(version)
        if id(version) not in self._memo:
            place = self.versions.get(id(version))
            self._remember(
                version, FreshVersion(version.count) if place is None else VersionOf(self._refer(place))
            )
        return self._memo[id(version)]

    def formula(self, formula: Any) -> Computed:
        """The template of a number."""
        self.formulas.append(formula)
        return Computed(len(self.formulas) - 1)

    def value(self, x: Any) -> Any:
        """The template of whatever a call returns or stores."""
        kind = type(x)
        if kind is Number:
            return self.formula(x.formula)
        if isinstance(x, Tensor):
            return self.tensor(x)
        if kind in ATOMS or id(x) in self.old or isinstance(x, type):
            return Constant(x)
        if id(x) in self._memo:
            return self._memo[id(x)]
        if isinstance(x, tuple | list):
            return self._remember(x, Container(kind, None, [self.value(y) for y in x]))
        if isinstance(x, dict):
            return self._remember(x, Container(kind, list(x), [self.value(y) for y in x.values()]))
        if dataclasses.is_dataclass(kind) and hasattr(x, "__dict__"):
            own = vars(x)
            return self._remember(x, Container(kind, list(own), [self.value(y) for y in own.values()]))
        raise NoReplay(f"gives a {kind.__name__}, which a replay can't make")


def settled(x: Any, old: Any) -> Any:
    """What the recorded call itself gives or stores: its numbers made plain, also in what is not `old`."""
    kind = type(x)
    if kind is Number:
        return x.value()
    if kind in ATOMS or id(x) in old or isinstance(x, Tensor):
        return x
    return _settled_inside(x, {**old, id(x): x})


def _settled_inside(x: Any, old: Any) -> Any:
    kind = type(x)
    if isinstance(x, tuple | list):
        parts = [settled(y, old) for y in x]
        if all(a is b for a, b in zip(parts, x, strict=True)):
            return x
        if isinstance(x, list):
            x[:] = parts
            return x
        return kind(*parts) if hasattr(kind, "_fields") else kind(parts)
    own = x if isinstance(x, dict) else getattr(x, "__dict__", None)
    if isinstance(own, dict) and not callable(x):
        for key, y in own.items():
            own[key] = settled(y, old)
    return x
