"""Forward-mode differentiation: tensors that carry a tangent along (`torch.autograd.forward_ad`).

A dual tensor is a point to differentiate for. What is computed from it is recorded as for a gradient, and the
tangent of a result is worked out when it is asked for, by differentiating the backward pass for what it
begins with. So duals require grad inside of their level, and nothing is propagated under `no_grad`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..core.modes import modes
from ..core.tensor import Tensor
from .transforms import Origin, differentiating, pulled, pushed


class _Duals(differentiating):
    """A level: the points that are dual tensors, with their tangents."""

    def __init__(self) -> None:
        self.before, self.deep, self.running = True, bool(modes.levels), True
        self.points: list[Tensor] = []
        self.tangents: list[Tensor] = []

    def add(self, t: Tensor, tangent: Tensor) -> Tensor:
        """A dual tensor."""
        x = self.point(t)
        self.points.append(x)
        self.tangents.append(tangent)
        return x

    def tangent_of(self, y: Tensor) -> Tensor | None:
        """The tangent of a result; None if it depends on no dual tensor."""
        reached = self._reached(y)
        pairs = [(x, t) for x, t in zip(self.points, self.tangents, strict=True) if x._edge in reached]
        if not pairs:
            return None
        before, modes.grad = modes.grad, True
        try:
            way = pulled(self, [y], [x for x, _ in pairs])
            leads_out = self.recorded(way[1])
            tangent: Tensor = self.settled(pushed(self, way, [y], [t for _, t in pairs], leads_out, True)[0])
            return tangent
        finally:
            modes.grad = before

    def _reached(self, y: Tensor) -> set[Any]:
        stack, found, seen = [y._edge], set(), set()
        while stack:
            fn = stack.pop()
            fn = getattr(fn, "fn", fn)
            if fn is None or fn in seen:
                continue
            seen.add(fn)
            if type(fn) is Origin and fn.owner is self:
                found.add(fn)
            stack.extend(fn.edges)
        return found


_levels: list[_Duals] = []


class UnpackedDualTensor(NamedTuple):
    """What `unpack_dual` returns: the value, and its tangent (None if it has none)."""

    primal: Tensor
    tangent: Tensor | None


def enter_dual_level() -> int:
    """Begins a level, in which tensors can be dual; returns its number. RuntimeError inside of another one.

    >>> from flambeau.autograd import forward_ad
    >>> level = forward_ad.enter_dual_level(); forward_ad.exit_dual_level(level=level); level
    0
    """
    if _levels:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    _levels.append(_Duals())
    return len(_levels) - 1


def exit_dual_level(*, level: int | None = None) -> None:
    """Ends the level: its tangents are gone. RuntimeError for one that isn't the last."""
    if not _levels or (level is not None and level != len(_levels) - 1):
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This is not "
            "supported."
        )
    _levels.pop().running = False


class dual_level:
    """A level of forward-mode differentiation, as a context manager.

    >>> import flambeau as torch
    >>> from flambeau.autograd import forward_ad
    >>> with forward_ad.dual_level():
    ...     x = forward_ad.make_dual(torch.tensor(3.), torch.tensor(1.))
    ...     forward_ad.unpack_dual(x * x)
    UnpackedDualTensor(primal=tensor(9.), tangent=tensor(6.))
    """

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *exc: object) -> None:
        exit_dual_level()


def _level(what: str, level: int | None) -> _Duals | None:
    number = len(_levels) - 1 if level is None else level
    return _levels[number] if 0 <= number < len(_levels) else None


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """A tensor of the same value that carries `tangent` along. RuntimeError outside of a level, and for a
    tangent of another shape or dtype."""
    run = _level("make_dual", level)
    if run is None:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to "
            "enter_dual_level() "
            "first."
        )
    for t in (tensor, tangent):
        if t.dtype.category < 2:
            raise ValueError(f"Expected tensor to be floating point or complex, but got: {t.dtype}")
    if tensor._node.shape != tangent._node.shape or tensor._node.dtype is not tangent._node.dtype:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size or dtype than that of the original "
            f"Tensor, this is not supported. Tensor is of size {list(tensor.shape)} and {tensor.dtype} "
            "while the "
            f"given forward gradient is of size {list(tangent.shape)} and {tangent.dtype}."
        )
    return run.add(tensor, tangent)


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """The value of a tensor, and its tangent: None if it has none, or outside of a level."""
    run = _level("unpack_dual", level)
    if run is None or tensor._edge is None:
        return UnpackedDualTensor(tensor, None)
    tangent = run.tangent_of(tensor)
    return UnpackedDualTensor(tensor if tangent is None else run.settled(tensor), tangent)


__all__ = [
    "UnpackedDualTensor",
    "dual_level",
    "enter_dual_level",
    "exit_dual_level",
    "make_dual",
    "unpack_dual",
]
