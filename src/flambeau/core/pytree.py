"""Nested containers as flat lists of leaves: what functions take and return may be such trees.

Lists, tuples, named tuples, dictionaries (also ordered and default ones) and deques are branches, and so are
classes that somebody registers; everything else, None too, is a leaf.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

PyTree = Any
Flatten = Callable[[Any], tuple[list[Any], Any]]
Unflatten = Callable[[Iterable[Any], Any], Any]


class _Branch(NamedTuple):
    flatten: Flatten
    unflatten: Unflatten


def _unflatten_default(values: Iterable[Any], context: Any) -> Any:
    factory, keys = context
    return defaultdict(factory, zip(keys, values, strict=True))


_BRANCHES: dict[type, _Branch] = {
    list: _Branch(lambda x: (list(x), None), lambda values, _: list(values)),
    tuple: _Branch(lambda x: (list(x), None), lambda values, _: tuple(values)),
    dict: _Branch(
        lambda x: (list(x.values()), list(x)), lambda values, keys: dict(zip(keys, values, strict=True))
    ),
    OrderedDict: _Branch(
        lambda x: (list(x.values()), list(x)),
        lambda values, keys: OrderedDict(zip(keys, values, strict=True)),
    ),
    defaultdict: _Branch(lambda x: (list(x.values()), [x.default_factory, list(x)]), _unflatten_default),
    deque: _Branch(lambda x: (list(x), x.maxlen), lambda values, maxlen: deque(values, maxlen)),
}
_NAMED = _Branch(lambda x: (list(x), type(x)), lambda values, kind: kind(*values))


def register_pytree_node(
    cls: type, flatten_fn: Flatten, unflatten_fn: Unflatten, **serialization: Any
) -> None:
    """Makes instances of `cls` branches: `flatten_fn(x)` gives (children, context), and
    `unflatten_fn(children, context)` puts them together again. ValueError for a class that is one already.

    >>> from flambeau.utils._pytree import register_pytree_node, tree_map
    >>> class Pair:
    ...     def __init__(self, x, y):
    ...         self.x, self.y = x, y
    >>> register_pytree_node(Pair, lambda p: ([p.x, p.y], None), lambda children, _: Pair(*children))
    >>> tree_map(lambda x: 2 * x, Pair(1, 2)).y
    4
    """
    if cls in _BRANCHES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    _BRANCHES[cls] = _Branch(flatten_fn, unflatten_fn)


def _is_named(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


def _branch(x: Any) -> tuple[Any, _Branch | None]:
    kind = type(x)
    found = _BRANCHES.get(kind)
    if found is None and _is_named(kind):
        return tuple, _NAMED
    return kind, found


class TreeSpec:
    """The structure of a tree: `type` and `context` of its root (None: a leaf), and its children's."""

    __slots__ = ("children_specs", "context", "num_leaves", "type")

    def __init__(self, type: Any, context: Any, children_specs: list[TreeSpec]) -> None:
        self.type, self.context, self.children_specs = type, context, children_specs
        self.num_leaves: int = 1 if type is None else sum([c.num_leaves for c in children_specs])

    def is_leaf(self) -> bool:
        """Whether the tree is one leaf."""
        return self.type is None

    @property
    def num_children(self) -> int:
        """How many children the root has."""
        return len(self.children_specs)

    def _key(self) -> tuple[Any, ...]:
        return self.type, self.context, self.children_specs

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TreeSpec) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash((self.type, self.num_leaves, len(self.children_specs)))

    def __repr__(self) -> str:
        if self.is_leaf():
            return "*"
        inside = ", ".join(map(repr, self.children_specs))
        return f"TreeSpec({self.type.__name__}, {self.context}, [{inside}])"

    def flatten_up_to(self, tree: PyTree) -> list[Any]:
        """The parts of `tree` where this structure has leaves. ValueError if it isn't a beginning of it."""
        if self.is_leaf():
            return [tree]
        kind, branch = _branch(tree)
        children, context = ([], None) if branch is None else branch.flatten(tree)
        if kind is not self.type or len(children) != len(self.children_specs) or context != self.context:
            raise ValueError(f"the tree {tree!r} has not the structure {self}")
        pairs = zip(self.children_specs, children, strict=True)
        return [leaf for spec, child in pairs for leaf in spec.flatten_up_to(child)]

    def unflatten(self, leaves: Iterable[Any]) -> PyTree:
        """The tree with these leaves."""
        return tree_unflatten(leaves, self)


LeafSpec = TreeSpec(None, None, [])


def tree_flatten(tree: PyTree, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], TreeSpec]:
    """The leaves of a tree in order, and its structure.

    >>> from flambeau.utils._pytree import tree_flatten
    >>> tree_flatten({"a": [1, 2], "b": 3})
    ([1, 2, 3], TreeSpec(dict, ['a', 'b'], [TreeSpec(list, None, [*, *]), *]))
    """
    leaves: list[Any] = []
    return leaves, _walk(tree, is_leaf, leaves)


def _walk(x: Any, is_leaf: Callable[[Any], bool] | None, leaves: list[Any]) -> TreeSpec:
    kind, branch = _branch(x)
    if branch is None or (is_leaf is not None and is_leaf(x)):
        leaves.append(x)
        return LeafSpec
    children, context = branch.flatten(x)
    return TreeSpec(kind, context, [_walk(child, is_leaf, leaves) for child in children])


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> PyTree:
    """The tree of a structure and its leaves. ValueError for a wrong number of them.

    >>> from flambeau.utils._pytree import tree_flatten, tree_unflatten
    >>> leaves, spec = tree_flatten((1, [2, 3]))
    >>> tree_unflatten([10 * x for x in leaves], spec)
    (10, [20, 30])
    """
    leaves = list(leaves)
    if len(leaves) != treespec.num_leaves:
        raise ValueError(
            f"tree_unflatten(leaves, treespec): `leaves` has length {len(leaves)} but the spec refers to a "
            f"pytree that holds {treespec.num_leaves} items ({treespec})."
        )
    return _build(treespec, iter(leaves))


def _build(spec: TreeSpec, rest: Iterator[Any]) -> Any:
    if spec.is_leaf():
        return next(rest)
    named = spec.type is tuple and spec.context is not None
    branch = _NAMED if named else _BRANCHES[spec.type]
    return branch.unflatten([_build(child, rest) for child in spec.children_specs], spec.context)


def tree_leaves(tree: PyTree, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """The leaves of a tree in order.

    >>> from flambeau.utils._pytree import tree_leaves
    >>> tree_leaves([1, (2, None)])
    [1, 2, None]
    """
    return tree_flatten(tree, is_leaf)[0]


tree_iter = tree_leaves


def tree_structure(tree: PyTree, is_leaf: Callable[[Any], bool] | None = None) -> TreeSpec:
    """The structure of a tree.

    >>> from flambeau.utils._pytree import tree_structure
    >>> tree_structure((1, 2)).num_leaves
    2
    """
    return tree_flatten(tree, is_leaf)[1]


def tree_map(
    func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: Callable[[Any], bool] | None = None
) -> PyTree:
    """A tree of `func` of each leaf (and of the parts at its place in the other trees).

    >>> from flambeau.utils._pytree import tree_map
    >>> tree_map(lambda x, y: x + y, {"a": 1}, {"a": 10})
    {'a': 11}
    """
    leaves, spec = tree_flatten(tree, is_leaf)
    columns = [leaves, *[spec.flatten_up_to(r) for r in rests]]
    return tree_unflatten([func(*xs) for xs in zip(*columns, strict=True)], spec)


def _of_type(types: Any, func: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: func(x) if isinstance(x, types) else x


def tree_map_only(
    type_or_types: Any, func: Callable[[Any], Any], tree: PyTree, is_leaf: Any = None
) -> PyTree:
    """As `tree_map`, for leaves of these types; the others stay.

    >>> from flambeau.utils._pytree import tree_map_only
    >>> tree_map_only(int, lambda x: x + 1, [1, "a"])
    [2, 'a']
    """
    return tree_map(_of_type(type_or_types, func), tree, is_leaf=is_leaf)


def tree_map_(func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: Any = None) -> PyTree:
    """Calls `func` for each leaf; returns the tree itself.

    >>> from flambeau.utils._pytree import tree_map_
    >>> tree_map_(print, [1, 2])
    1
    2
    [1, 2]
    """
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def tree_all(pred: Callable[[Any], bool], tree: PyTree, is_leaf: Any = None) -> bool:
    """Whether all leaves fulfil `pred`.

    >>> from flambeau.utils._pytree import tree_all
    >>> tree_all(bool, [1, [0]])
    False
    """
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: PyTree, is_leaf: Any = None) -> bool:
    """Whether some leaf fulfils `pred`.

    >>> from flambeau.utils._pytree import tree_any
    >>> tree_any(bool, [1, [0]])
    True
    """
    return any(map(pred, tree_leaves(tree, is_leaf)))


def broadcast_prefix(prefix: PyTree, spec: TreeSpec, is_leaf: Callable[[Any], bool]) -> list[Any] | None:
    """A value for each leaf of a structure, from a tree whose leaves stand for all below their place; None if
    it doesn't fit."""
    if is_leaf(prefix):
        return [prefix] * spec.num_leaves
    kind, branch = _branch(prefix)
    if branch is None or spec.is_leaf() or kind is not spec.type:
        return None
    children, context = branch.flatten(prefix)
    if len(children) != spec.num_children or context != spec.context:
        return None
    out: list[Any] = []
    for child, inner in zip(children, spec.children_specs, strict=True):
        found = broadcast_prefix(child, inner, is_leaf)
        if found is None:
            return None
        out += found
    return out
