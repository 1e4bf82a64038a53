"""Operations of all processes of a group on tensors: each has to call the same ones in the same order.

A tensor that takes a result gets it in place. With `async_op` a `Work` is returned at once, and the tensors
hold the result after its `wait()`; until then leave them alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from ..autograd.grad_mode import no_grad
from ..core.tensor import Tensor, from_array
from . import algorithms
from .algorithms import RedOpType
from .group import ProcessGroup, Work, found_group
from .mesh import Link

Group = ProcessGroup | int | None


# ----- Tensors as arrays -----
def _array(what: str, name: str, t: Any) -> np.ndarray:
    """A tensor's values, flat."""
    if not isinstance(t, Tensor):
        raise TypeError(
            f"{what}: Invalid function argument. Expected parameter `{name}` of type torch.Tensor, got "
            f"{type(t).__name__}"
        )
    if t._sparse:
        raise RuntimeError(f"{what}: {name} is sparse, which is not supported; use {name}.to_dense()")
    return np.ascontiguousarray(t.numpy(force=True)).reshape(-1)


def _arrays(what: str, name: str, ts: Any, count: int) -> list[np.ndarray]:
    if not isinstance(ts, Sequence):
        raise TypeError(
            f"{what}: Invalid function argument. Expected parameter `{name}` of type list[torch.Tensor], got "
            f"{type(ts).__name__}"
        )
    if len(ts) != count:
        raise RuntimeError(f"{what}: {name} needs one tensor for each of {count} processes, got {len(ts)}")
    return [_array(what, name, t) for t in ts]


def _alike(what: str, xs: Sequence[np.ndarray]) -> None:
    if len({x.dtype for x in xs}) > 1:
        raise ValueError(
            f"{what}: tensors must have the same dtype, got {sorted({str(x.dtype) for x in xs})}"
        )
    if len({x.size for x in xs}) > 1:
        raise RuntimeError(f"{what}: tensors must have the same size, got {[x.size for x in xs]} elements")


def _put(t: Tensor, x: np.ndarray) -> None:
    """Writes a flat array into a tensor."""
    with no_grad():
        t.copy_(from_array(x.reshape(t.shape).copy() if not x.flags.writeable else x.reshape(t.shape)))


def _put_all(ts: Sequence[Tensor], xs: Sequence[np.ndarray] | None) -> None:
    for t, x in zip(ts, xs or (), strict=bool(xs)):
        _put(t, x)


def _signature(*parts: object) -> str:
    return " ".join(str(part) for part in parts)


def _start(
    link: Link, act: Callable[[Link], Any], deliver: Callable[[Any], None], async_op: bool
) -> Work | None:
    if async_op:
        return Work(lambda: act(link), deliver)
    deliver(act(link))
    return None


def _operation(what: str, op: Any, x: np.ndarray) -> RedOpType:
    if not isinstance(op, RedOpType):
        raise RuntimeError(
            f"{what}: Invalid reduce operation {op!r}; choose one of torch.distributed.ReduceOp"
        )
    if np.iscomplexobj(x) and op not in (RedOpType.SUM, RedOpType.AVG):
        raise ValueError(f"{what}: all_reduce does not support {op} on complex tensors")
    whole = np.issubdtype(x.dtype, np.integer) or x.dtype == np.bool_
    if (op is RedOpType.AVG and whole) or (op >= RedOpType.BAND and not whole):
        raise RuntimeError(f"{what}: {op} is not possible for {x.dtype}; cast the tensor, or choose another")
    return op


def _root(what: str, name: str, group: ProcessGroup, root: int | None, group_root: int | None) -> int:
    """The rank in the group of the process that `src` or `group_src` (`dst`...) names."""
    if root is not None and group_root is not None:
        raise ValueError(f"{what}: Can't specify both group_{name} and {name}")
    if root is None and group_root is None:
        if what not in ("gather", "scatter", "gather_object", "scatter_object_list"):
            raise ValueError(f"{what}: Must specify {name} or group_{name}")
        root = 0
    if group_root is None:
        if root not in group.ranks:
            kind = RuntimeError if group.number == 0 else ValueError  # as in PyTorch
            raise kind(f"{what}: {name} {root} is not part of the group's ranks {group.ranks}")
        return group.ranks.index(root)
    if not 0 <= group_root < group.size():
        raise ValueError(f"{what}: group_{name} {group_root} is not in [0, {group.size() - 1}]")
    return group_root


# ----- Everybody's to everybody -----
def barrier(
    group: Group = None, async_op: bool = False, device_ids: Any = None, timeout: timedelta | None = None
) -> Work | None:
    """Waits until all processes of the group are here.

    Args:
        group: which processes; None for all.
        async_op: return a `Work` at once.
        device_ids: None.
        timeout: how long to wait, by default the group's.

    Raises:
        DistBackendError: a process has ended, or isn't here in time.
        RuntimeError: `device_ids`, which is for GPUs.
    """
    found = found_group("barrier", group)
    if device_ids is not None:
        raise RuntimeError(f"barrier: device_ids not supported for the backend gloo, got {device_ids!r}")
    if found is None:
        return None
    return _start(found.link("barrier", timeout), algorithms.barrier, lambda _: None, async_op)


def all_reduce(
    tensor: Tensor, op: Any = RedOpType.SUM, group: Group = None, async_op: bool = False
) -> Work | None:
    """Replaces a tensor in all processes by the sum (or what `op` says) of all.

    Values are combined in the order of ranks, so all get the same, every time.

    Args:
        tensor: of one size and dtype in all processes.
        op: of `ReduceOp`.
        group: which processes; None for all.
        async_op: return a `Work` at once.

    Raises:
        ValueError: complex numbers in another operation than a sum.
        RuntimeError: an operation that the dtype doesn't have.
        DistBackendError: a process has ended, is late, or does something else.
    """
    found = found_group("all_reduce", group)
    if found is None:
        return None
    x = _array("all_reduce", "tensor", tensor)
    kind = _operation("all_reduce", op, x)
    link = found.link(_signature("all_reduce", kind, x.dtype, x.size))
    return _start(
        link, lambda link: algorithms.all_reduce(link, x, kind), lambda y: _put(tensor, y), async_op
    )


def all_gather(
    tensor_list: list[Tensor], tensor: Tensor, group: Group = None, async_op: bool = False
) -> Work | None:
    """Writes the tensor of each process into `tensor_list`, in all processes.

    Args:
        tensor_list: as many as processes, of that size and dtype.
        tensor: of one size and dtype in all processes.
        group: which processes; None for all.
        async_op: return a `Work` at once.

    Raises:
        ValueError, RuntimeError: tensors that don't fit, by their dtypes or sizes.
        DistBackendError: a process has ended, is late, or does something else.
    """
    found = found_group("all_gather", group)
    if found is None:
        return None
    x = _array("all_gather", "tensor", tensor)
    _alike("all_gather", [x, *_arrays("all_gather", "tensor_list", tensor_list, found.size())])
    link = found.link(_signature("all_gather", x.dtype, x.size))
    return _start(
        link,
        lambda link: [y.copy() for y in algorithms.all_gather(link, x)],
        lambda ys: _put_all(tensor_list, ys),
        async_op,
    )


def all_gather_into_tensor(
    output_tensor: Tensor, input_tensor: Tensor, group: Group = None, async_op: bool = False
) -> Work | None:
    """Writes the tensors of all processes one after the other into one, in all processes.

    Args:
        output_tensor: (world_size · n, *) or (world_size, n, *).
        input_tensor: (n, *), of one size and dtype in all processes.
        group: which processes; None for all.
        async_op: return a `Work` at once.

    Raises:
        ValueError, RuntimeError: tensors that don't fit, by their dtypes or sizes.
        DistBackendError: a process has ended, is late, or does something else.
    """
    what = "all_gather_into_tensor"
    found = found_group(what, group)
    if found is None:
        return None
    x, out = _array(what, "input_tensor", input_tensor), _array(what, "output_tensor", output_tensor)
    _times(what, "output_tensor", out, found.size(), x)
    return _start(
        found.link(_signature(what, x.dtype, x.size)),
        lambda link: np.concatenate(algorithms.all_gather(link, x)),
        lambda y: _put(output_tensor, y),
        async_op,
    )


def _times(what: str, name: str, whole: np.ndarray, count: int, part: np.ndarray) -> None:
    if whole.dtype != part.dtype or whole.size != count * part.size:
        raise RuntimeError(
            f"{what}: {name} must have the other's dtype and {count} times its size, got {whole.size} "
            f"elements of {whole.dtype} and {part.size} of {part.dtype}"
        )


def reduce_scatter(
    output: Tensor,
    input_list: list[Tensor],
    op: Any = RedOpType.SUM,
    group: Group = None,
    async_op: bool = False,
) -> Work | None:
    """Writes into `output` of process r the sum (or what `op` says) of every process's `input_list[r]`.

    Args:
        output: of their size and dtype.
        input_list: as many as processes.
        op: of `ReduceOp`.
        group: which processes; None for all.
        async_op: return a `Work` at once.

    Raises:
        ValueError, RuntimeError: tensors that don't fit, by their dtypes or sizes.
        DistBackendError: a process has ended, is late, or does something else.
    """
    what = "reduce_scatter"
    found = found_group(what, group)
    if found is None:
        return None
    xs = _arrays(what, "input_list", input_list, found.size())
    _alike(what, [_array(what, "output", output), *xs])
    return _scatter_sums(what, output, xs, op, found, async_op)


def reduce_scatter_tensor(
    output: Tensor, input: Tensor, op: Any = RedOpType.SUM, group: Group = None, async_op: bool = False
) -> Work | None:
    """Writes into `output` of process r the r-th part of the sum (or what `op` says) of every `input`.

    Args:
        output: (n, *).
        input: (world_size · n, *) or (world_size, n, *).
        op: of `ReduceOp`.
        group: which processes; None for all.
        async_op: return a `Work` at once.

    Raises:
        ValueError, RuntimeError: tensors that don't fit, by their dtypes or sizes.
        DistBackendError: a process has ended, is late, or does something else.
    """
    what = "reduce_scatter_tensor"
    found = found_group(what, group)
    if found is None:
        return None
    x = _array(what, "input", input)
    _times(what, "input", x, found.size(), _array(what, "output", output))
    return _scatter_sums(what, output, np.split(x, found.size()), op, found, async_op)


def _scatter_sums(
    what: str, output: Tensor, xs: list[np.ndarray], op: Any, group: ProcessGroup, async_op: bool
) -> Work | None:
    kind = _operation(what, op, xs[0])
    return _start(
        group.link(_signature(what, kind, xs[0].dtype, xs[0].size)),
        lambda link: algorithms.reduce_scatter(link, xs, kind),
        lambda y: _put(output, y),
        async_op,
    )


def all_to_all(
    output_tensor_list: list[Tensor],
    input_tensor_list: list[Tensor],
    group: Group = None,
    async_op: bool = False,
) -> Work | None:
    """Writes into `output_tensor_list[s]` of process r the `input_tensor_list[r]` of process s.

    Args:
        output_tensor_list, input_tensor_list: as many as processes. Sizes may differ, if both sides agree.
        group: which processes; None for all.
        async_op: return a `Work` at once.

    Raises:
        ValueError, RuntimeError: tensors that don't fit, by their dtypes or sizes.
        DistBackendError: a process has ended, is late, or does something else.
    """
    what = "all_to_all"
    found = found_group(what, group)
    if found is None:
        return None
    xs = _arrays(what, "input_tensor_list", input_tensor_list, found.size())
    outs = _arrays(what, "output_tensor_list", output_tensor_list, found.size())
    if len({x.dtype for x in (*xs, *outs)}) > 1:
        raise ValueError(f"{what}: all tensors must have the same dtype")

    def deliver(ys: list[np.ndarray]) -> None:
        have, want = [y.size for y in ys], [out.size for out in outs]
        if have != want:
            raise ValueError(f"{what}: outputs have {want} elements, but inputs of the others {have}")
        _put_all(output_tensor_list, [y.copy() for y in ys])

    return _start(
        found.link(_signature(what, xs[0].dtype)),
        lambda link: algorithms.all_to_all(link, xs),
        deliver,
        async_op,
    )
