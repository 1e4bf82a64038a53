"""Ghosts: nodes with a shape and a dtype that are never computed.

One on the meta device has nothing but these. One of a `vmap` stands for one element of a batch; the tensor of
all elements, with the batch in front, is its `real`. An operation with a ghost among its inputs makes a
ghost: for a batch it is carried out on the real tensors, by a rule of its kind (`ops.batching`).

Two graphs lie one upon the other. The edges of handles on ghosts belong to what is differentiated inside of
the vmap; the edges of the real tensors to what is differentiated outside. A tensor that isn't of the level is
the same for all elements, so its edge belongs outside.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .device import cpu, device, meta
from .gradient import GradNode, Port, Results, attach
from .modes import modes
from .node import Node
from .realize import PACKAGE, recorder, value_of
from .tensor import Tensor, make

if TYPE_CHECKING:
    from collections.abc import Iterator


class Level:
    """One call of `vmap` while it runs: how deep it lies, how many elements it has, what random numbers do
    in it (`error`, `different`, `same`). Depth 0 is the meta device."""

    __slots__ = ("alive", "depth", "randomness", "size")

    def __init__(self, depth: int, size: int, randomness: str) -> None:
        self.depth, self.size, self.randomness, self.alive = depth, size, randomness, True


META = Level(0, 0, "same")


class _Nothing:
    """The operation of a ghost: none."""

    name, kind, attrs = "ghost", "opaque", ()
    effect = writes = widens = checks = False

    def __repr__(self) -> str:
        return self.name


NOTHING = _Nothing()


class Ghost(Node):
    """A node that is never computed. `real` is what it stands for (None on the meta device), with a first
    dimension for the batch if `batched`."""

    __slots__ = ("batched", "level", "real")
    carry_out: Any = None  # set by `ops.batching`: an operation on real tensors

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: Any,
        level: Level = META,
        real: Tensor | None = None,
        batched: bool = False,
    ) -> None:
        super().__init__(NOTHING, (), (), shape, dtype, meta if real is None else real.device)
        self.level, self.real, self.batched = level, real, batched
        recorder.ghosts += 1

    def __del__(self) -> None:
        recorder.ghosts -= 1

    def twin(self) -> Ghost:
        """Another node for the same."""
        return Ghost(self.shape, self.dtype, self.level, self.real, self.batched)

    def look(self, reason: str) -> Any:
        """The value, if it is the same for all elements; otherwise an error."""
        if self.real is None:
            raise no_data(reason)
        if not self.batched:
            return value_of(self.real._current(), reason)
        if reason == "item":
            raise RuntimeError(
                "vmap: It looks like you're calling .item() on a Tensor, or using it in some data-dependent "
                "control flow (`if`, `while`, int(), float()). We don't support vmap over calling .item() on "
                "a Tensor, please try to rewrite what you're doing with other operations, such as torch.where"
            )
        where = "numpy" if reason == "shared memory" else reason
        raise RuntimeError(
            f"vmap: the values of a batched Tensor are needed here ({where}): we do not support batching "
            "operators that can support dynamic shape, or whose result leaves vmap; use torch.where, or "
            "return the tensor and look at it outside"
        )


def no_data(reason: str) -> Exception:
    """The error of looking at a meta tensor."""
    if reason == "item":
        return RuntimeError(
            "item: Tensor.item() cannot be called on meta tensors: they have a shape and a dtype, and no data"
        )
    return NotImplementedError(
        f"{reason}: Cannot copy out of meta tensor; no data! Make one on the CPU, with "
        "torch.empty_like(t, device='cpu')"
    )


def ghost_of(t: Tensor) -> Ghost | None:
    """The ghost that a tensor shows; None if its value is or will be computed."""
    node = t._current() if recorder.ghosts else None
    return node if type(node) is Ghost else None


def found_anywhere(flags: Tensor) -> bool:
    """Whether something is true of a tensor, or of any element of the batch that it belongs to. On the meta
    device there is nothing that could be."""
    node = ghost_of(flags)
    while node is not None:
        if node.real is None:
            return False
        flags = node.real
        node = ghost_of(flags)
    return bool(flags.any())


def on_meta(shape: tuple[int, ...], dtype: Any) -> Tensor:
    """A tensor on the meta device."""
    return make(Ghost(tuple(shape), dtype))


def beside(t: Tensor, like: Tensor) -> Tensor:
    """A fresh tensor without history on the device and of the level of `like`: what belongs to its batch may
    be written to."""
    node = ghost_of(like)
    if node is None:
        return t
    if node.level is META:
        return on_meta(t._node.shape, t._node.dtype)
    return make(Ghost(t._node.shape, t._node.dtype, node.level, t, False))


def haunted(nodes: tuple[Any, ...]) -> bool:
    """Whether there is a ghost among nodes."""
    return Ghost in map(type, nodes)


def top_level(nodes: tuple[Any, ...]) -> Level:
    """The innermost of the ghosts' levels; RuntimeError for one that has ended."""
    level = META
    for node in nodes:
        if type(node) is Ghost:
            if not node.level.alive:
                raise RuntimeError(
                    "vmap: a batched Tensor has escaped from the vmap that made it; return it from the "
                    "function instead of keeping it elsewhere"
                )
            if node.level.depth > level.depth:
                level = node.level
    return level


def record_ghost(
    op: Any, nodes: tuple[Any, ...], edges: tuple[Any, ...], attrs: tuple[Any, ...], shape: Any, dtype: Any
) -> Tensor:
    """Records an operation with a ghost among its inputs: its result is a ghost."""
    level, inner, inner_edges, reals, batched = _two_graphs(op, nodes, edges)
    if level is META:
        ghost = Ghost(shape, dtype)
    else:
        real, along = Ghost.carry_out(op, reals, batched, attrs, level, shape, dtype)
        ghost = _standing_for(op, real, along, level, shape, dtype)
    t = make(ghost)
    if inner_edges.count(None) < len(inner_edges):
        attach(t, op, attrs, inner, inner_edges, ghost)
    return t


def record_ghosts(
    op: Any, nodes: tuple[Any, ...], edges: tuple[Any, ...], attrs: tuple[Any, ...], specs: list[Any]
) -> tuple[Tensor, ...]:
    """The same for an operation with several results."""
    level, inner, inner_edges, reals, batched = _two_graphs(op, nodes, edges)
    if level is META:
        ghosts: list[Node] = [Ghost(tuple(shape), dtype) for shape, dtype in specs]
    else:
        found, along = Ghost.carry_out(op, reals, batched, attrs, level, specs, None)
        ghosts = [
            _standing_for(op, r, along, level, tuple(shape), dtype)
            for r, (shape, dtype) in zip(found, specs, strict=True)
        ]
    results = tuple(make(g) for g in ghosts)
    if modes.grad and op.grads is not None and any(e is not None for e in inner_edges):
        fn = GradNode(op, attrs, inner, inner_edges, Results(ghosts))
        for i, t in enumerate(results):
            if t.dtype.category >= 2:
                t._edge = Port(fn, i)
    return results


def _standing_for(op: Any, real: Tensor, batched: bool, level: Level, shape: Any, dtype: Any) -> Ghost:
    want = (level.size, *shape) if batched else tuple(shape)
    if tuple(real._node.shape) != want or real._node.dtype is not dtype:
        raise RuntimeError(
            f"vmap: {op.name}: internal: the batch has shape {tuple(real.shape)} and dtype {real.dtype}, "
            f"expected {want} and {dtype}"
        )
    return Ghost(tuple(shape), dtype, level, value_handle(real), batched)


def value_handle(t: Tensor) -> Tensor:
    """A handle on the value that a tensor has now, with its history, whatever is written to it later."""
    if t._storage is None:
        return t
    node = t._current()
    value = make(node)
    value._edge = t._edge
    return value


def _two_graphs(op: Any, nodes: tuple[Any, ...], edges: tuple[Any, ...]) -> tuple[Any, ...]:
    """The level; nodes and edges for the graph inside; real tensors, and which of them have a batch."""
    level = top_level(nodes)
    if level is META:
        check_devices(op, nodes)
        return level, nodes, edges, (), ()
    inner: list[Any] = []
    inner_edges: list[Any] = []
    reals: list[Tensor] = []
    batched: list[bool] = []
    for node, edge in zip(nodes, edges, strict=True):
        own = type(node) is Ghost and node.level is level
        if own:
            real = node.real
        else:
            real = make(node)
            real._edge = edge
            if edge is not None or type(node) is Ghost:
                version, node = node.version, Ghost(node.shape, node.dtype, level, real, False)
                node.version = version
        inner.append(node)
        inner_edges.append(edge if own else None)
        reals.append(real)
        batched.append(own and node.batched)
    return level, tuple(inner), tuple(inner_edges), reals, batched


def storable(what: str, old: Any, node: Node) -> Node:
    """What a storage that holds the node `old` keeps of `node`, which is written to it: something of its own
    device and level."""
    if type(old) is not Ghost:
        if type(node) is not Ghost:
            return node
        if node.level is META:
            raise no_data(what)
        raise RuntimeError(
            "vmap: in-place writing is not possible because a value of the batch is written to a tensor that "
            f"is the same for all elements (of shape {tuple(old.shape)}): output with shape "
            f"{list(old.shape)} doesn't match the shape {[node.level.size, *node.shape]} of the whole batch; "
            "use the out-of-place operation, or make the tensor by x.new_zeros(...) from one of the batch"
        )
    if type(node) is Ghost and node.level.depth >= old.level.depth:
        if node.level is old.level:
            return node
        return storable(what, None if old.real is None else old.real._current(), node)
    if old.level is META:
        return Ghost(node.shape, node.dtype)
    return Ghost(node.shape, node.dtype, old.level, make(node), False)


# ----- devices -----


def check_devices(op: Any, nodes: tuple[Any, ...]) -> None:
    """RuntimeError if the caller gave a function tensors on the meta device and on another one.

    Constants that a function makes for itself don't count, nor do numbers (0-d) and indices.
    """
    first = 1 if op.name == "index" else 2 if op.name == "index_put" else len(nodes)
    if not any(type(x) is not Ghost and x.shape for x in nodes[:first]):
        return
    given = _given_to_public_call()
    others = [t for t in given if t._node.shape and t._node.device.type != "meta"]
    if others and len(others) < len(given) and any(t._node.device.type == "meta" for t in given):
        raise RuntimeError(
            f"{op.name}: Expected all tensors to be on the same device, but found at least two devices, "
            "meta and "
            f"cpu: Tensor on device cpu (shape {tuple(others[0].shape)}) is not on the expected device meta!"
        )


_INSIDE = tuple(
    PACKAGE + room
    for room in ("core", "ops", "functions", "autograd", "func", "nn/functional", "linalg", "overrides")
)


def _given_to_public_call() -> list[Tensor]:
    """The tensors that the public function that is running was given."""
    frame: Any = sys._getframe(2)
    callee = frame
    while frame is not None and frame.f_code.co_filename.startswith(_INSIDE):
        callee, frame = frame, frame.f_back
    code = callee.f_code
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)
    values = [callee.f_locals.get(name) for name in code.co_varnames[:count]]
    return list(_tensors(values))


def _tensors(x: Any) -> Iterator[Tensor]:
    if isinstance(x, Tensor):
        yield x
    elif isinstance(x, (list, tuple)):
        for y in x:
            yield from _tensors(y)
    elif isinstance(x, dict):
        yield from _tensors(list(x.values()))


def place(t: Tensor, where: device) -> Tensor:
    """A fresh tensor on a device (for the meta device: its shape and dtype)."""
    if where.type == "meta":
        return t if t._node.device.type == "meta" else on_meta(t._node.shape, t._node.dtype)
    if t._node.device.type == "meta" and where == cpu:
        raise no_data("to")
    return t
