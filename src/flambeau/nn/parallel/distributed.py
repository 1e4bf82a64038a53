"""A module in several processes, each with its part of the batch: gradients are averaged among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ... import distributed as dist
from ...autograd.engine import queue_callback
from ...autograd.grad_mode import is_grad_enabled, no_grad
from ...core.tensor import Tensor, from_array
from ...functions.creation import zeros_like
from ..module import Module

_BUCKET_MB = 25


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return from_array(np.concatenate([t.numpy(force=True).reshape(-1) for t in tensors]))


def _put_back(tensors: Sequence[Tensor], flat: Tensor) -> None:
    values, at = flat.numpy(), 0
    with no_grad():
        for t in tensors:
            t.detach().copy_(from_array(values[at : at + t.numel()].reshape(t.shape).copy()))
            at += t.numel()


def _in_buckets(tensors: Sequence[Tensor], limit: float) -> list[list[Tensor]]:
    """The tensors in lists of one dtype and up to so many bytes (but one tensor at least)."""
    buckets: list[list[Tensor]] = []
    sizes: list[int] = []
    for t in tensors:
        nbytes = t.numel() * t.element_size()
        if not buckets or buckets[-1][0].dtype != t.dtype or sizes[-1] + nbytes > limit:
            buckets.append([])
            sizes.append(0)
        buckets[-1].append(t)
        sizes[-1] += nbytes
    return buckets


class DistributedDataParallel(Module):
    """A module whose gradients are averaged among all processes of a group.

    At the start all processes get the parameters and buffers of the first, and before each forward its
    buffers. At the end of a backward pass the gradients are averaged, bucket by bucket. So if each process
    computes the mean loss of its part, of one size, all take the step of the whole batch.

    Args:
        module: what to call.
        device_ids, output_device: None, as the module is on the CPU.
        dim: kept.
        broadcast_buffers: give all processes the first's buffers before each forward; as is `None`.
        init_sync: give all processes the first's parameters and buffers at the start.
        process_group: which processes; None for all.
        bucket_cap_mb: megabytes of gradients to average at a time; 25.
        find_unused_parameters: allow that a backward pass doesn't come by all parameters. Those that it comes
            by in no process keep their gradient; to an average a process without a gradient gives zeros.
        check_reduction: without effect.
        gradient_as_bucket_view: without effect: gradients have their own memory.
        static_graph: implies `find_unused_parameters`; nothing is made faster.
        skip_all_reduce_unused_params: without effect: gradients that no process has are not sent in any case.
        delay_all_reduce_named_params, param_to_hook_all_reduce, mixed_precision, device_mesh: None.

    Attributes:
        module: the module; names in the state dict begin with `module.`.

    Raises:
        ValueError: before `init_process_group`, or an argument for other devices.
        RuntimeError: no parameter requires gradients; an argument that is not supported; a forward after a
            backward pass that didn't come by all parameters (without `find_unused_parameters`).

    Example:
        >>> import flambeau as torch
        >>> dist = torch.distributed
        >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
        >>> net = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
        >>> net(torch.ones(4, 2)).mean().backward()
        >>> net.module.weight.grad, list(net.state_dict())
        (tensor([[1., 1.]]), ['module.weight', 'module.bias'])
        >>> dist.destroy_process_group()
    """

    def __init__(
        self,
        module: Module,
        device_ids: Sequence[Any] | None = None,
        output_device: Any = None,
        dim: int = 0,
        broadcast_buffers: bool | None = None,
        init_sync: bool = True,
        process_group: Any = None,
        bucket_cap_mb: float | None = None,
        find_unused_parameters: bool = False,
        check_reduction: bool = False,
        gradient_as_bucket_view: bool = False,
        static_graph: bool = False,
        delay_all_reduce_named_params: Any = None,
        param_to_hook_all_reduce: Any = None,
        mixed_precision: Any = None,
        device_mesh: Any = None,
        skip_all_reduce_unused_params: bool = False,
    ) -> None:
        super().__init__()
        for name, value in (
            ("delay_all_reduce_named_params", delay_all_reduce_named_params),
            ("param_to_hook_all_reduce", param_to_hook_all_reduce),
            ("mixed_precision", mixed_precision),
            ("device_mesh", device_mesh),
        ):
            if value is not None:
                raise RuntimeError(f"DistributedDataParallel: {name} is not supported; leave it out")
        if device_ids or output_device is not None:
            raise ValueError(
                "DistributedDataParallel: device_ids and output_device are for modules on GPUs, and this one "
                f"is on the CPU; got device_ids {device_ids}, output_device {output_device}"
            )
        found = dist.group.WORLD if process_group is None else process_group
        if not isinstance(found, dist.ProcessGroup):
            raise ValueError(
                "DistributedDataParallel: Default process group has not been initialized, please make sure "
                "to call init_process_group."
            )
        self.process_group: dist.ProcessGroup = found
        self.module = module
        self.device_ids, self.output_device, self.dim = None, None, dim
        self.broadcast_buffers = broadcast_buffers is None or broadcast_buffers
        self.bucket_bytes_cap = int((_BUCKET_MB if bucket_cap_mb is None else bucket_cap_mb) * 1024 * 1024)
        self.find_unused_parameters = find_unused_parameters or static_graph
        self.gradient_as_bucket_view, self.static_graph = gradient_as_bucket_view, static_graph
        self.require_backward_grad_sync = self.require_forward_param_sync = True
        ignored = set(getattr(module, "_ddp_params_and_buffers_to_ignore", ()))
        named = [(name, p) for name, p in module.named_parameters() if name not in ignored]
        self._learned = {name: p for name, p in named if p.requires_grad}
        if not self._learned:
            raise RuntimeError(
                "DistributedDataParallel is not needed when a module doesn't have any parameters that "
                "require a gradient."
            )
        self._shared = [
            (m, key)
            for prefix, m in module.named_modules()
            for key in m._buffers
            if f"{prefix}.{key}".lstrip(".") not in ignored
        ]
        self._arrived: set[str] = set()
        self._syncing = self._queued = False
        if init_sync:
            self._send_first([p for _, p in named] + self._buffers_now())
        for name, p in self._learned.items():
            p.register_post_accumulate_grad_hook(self._hook(name))

    def _buffers_now(self) -> list[Tensor]:
        found = (m._buffers.get(key) for m, key in self._shared)
        return [b for b in found if b is not None]

    def _send_first(self, tensors: Sequence[Tensor]) -> None:
        """Gives all processes the tensors of the first."""
        for bucket in _in_buckets(tensors, self.bucket_bytes_cap):
            flat = _flat(bucket)
            dist.broadcast(flat, group=self.process_group, group_src=0)
            if self.process_group.rank() != 0:
                _put_back(bucket, flat)

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        if self.require_forward_param_sync and self.broadcast_buffers:
            self._send_first(self._buffers_now())
        self._syncing = is_grad_enabled() and self.require_backward_grad_sync
        self.require_forward_param_sync = self._syncing
        self._queued = False  # whatever a backward pass that failed left
        if self._syncing and self._arrived:
            missing = [name for name in self._learned if name not in self._arrived]
            raise RuntimeError(
                "DistributedDataParallel: Expected to have finished reduction in the prior iteration before "
                f"starting a new one: its backward pass didn't come by {missing}; pass "
                "find_unused_parameters=True, or use all parameters"
            )
        return self.module(*inputs, **kwargs)

    def _hook(self, name: str) -> Callable[[Tensor], None]:
        def arrive(_: Tensor) -> None:
            if self._syncing:
                self._arrived.add(name)
                if not self._queued:
                    self._queued = True
                    queue_callback(self._average)

        return arrive

    def _average(self) -> None:
        """At the end of a backward pass: averages the gradients, if all are there."""
        self._queued = False
        if not self.find_unused_parameters and len(self._arrived) < len(self._learned):
            return  # another pass may bring the rest
        wanted = list(self._learned)
        if self.find_unused_parameters:
            used = from_array(np.array([name in self._arrived for name in wanted], np.uint8))
            dist.all_reduce(used, dist.ReduceOp.MAX, group=self.process_group)
            wanted = [name for name, some in zip(wanted, used.tolist(), strict=True) if some]
        self._arrived.clear()
        grads = [self._gradient(name) for name in reversed(wanted)]
        for bucket in _in_buckets(grads, self.bucket_bytes_cap):
            flat = _flat(bucket)
            dist.all_reduce(flat, group=self.process_group)
            flat /= self.process_group.size()
            _put_back(bucket, flat)

    def _gradient(self, name: str) -> Tensor:
        p = self._learned[name]
        if p.grad is None:
            p.grad = zeros_like(p)
        if p.grad._sparse:
            raise RuntimeError(
                f"DistributedDataParallel: the gradient of {name} is sparse, which is not supported; use "
                "sparse=False in its layer"
            )
        return p.grad

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """Within, forwards and their backward passes add to gradients without averaging them: the next pass
        outside averages the sums.

        Example:
            >>> import flambeau as torch
            >>> dist = torch.distributed
            >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
            >>> net = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
            >>> with net.no_sync():
            ...     net(torch.ones(4, 2)).mean().backward()
            >>> net(torch.ones(4, 2)).mean().backward(); net.module.weight.grad
            tensor([[2., 2.]])
            >>> dist.destroy_process_group()
        """
        before = self.require_backward_grad_sync
        self.require_backward_grad_sync = False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    def __getstate__(self) -> dict[str, Any]:
        raise RuntimeError(
            "DistributedDataParallel: can't be copied or pickled, as it belongs to a group of processes; use "
            "its .module or state_dict()"
        )
