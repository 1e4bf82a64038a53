"""Scaling of losses, so that small gradients aren't lost in float16."""

from __future__ import annotations

import enum
import inspect
import warnings
from collections.abc import Iterable
from typing import Any

from ..autograd.grad_mode import no_grad
from ..core import dtype as dt
from ..core.tensor import Tensor
from ..functions.choice import where
from ..functions.creation import full
from ..functions.pointwise import isfinite
from ..functions.reduction import all as all_of


class _Stage(enum.Enum):
    READY, UNSCALED, STEPPED = 0, 1, 2


class _OptimizerState:
    """What has been done to an optimizer's gradients since the last update."""

    def __init__(self) -> None:
        self.stage = _Stage.READY
        self.found: Tensor | None = None  # 1.0 if a gradient is not finite


class GradScaler:
    """Multiplies the loss by a large factor, divides gradients by it before the optimizer's step, and leaves
    a step out if a gradient is infinite or NaN. The factor adapts itself: it falls after a step that was left
    out, and grows after a while without.

    `scaler.scale(loss).backward(); scaler.step(optimizer); scaler.update()`, with
    `scaler.unscale_(optimizer)` before the step if gradients are clipped. bfloat16 needs none of this: its
    range is that of float32.

    Args:
        device: "cuda" (which warns where there is none, and disables the scaler) or "cpu".
        init_scale: the first factor.
        growth_factor: what the factor is multiplied by after `growth_interval` steps without inf or NaN.
        backoff_factor: what it is multiplied by after a step with one.
        growth_interval: see `growth_factor`.
        enabled: False for a scaler that does nothing but call `optimizer.step()`.

    Example:
        >>> import flambeau as torch
        >>> w = torch.nn.Parameter(torch.ones(1))
        >>> optimizer = torch.optim.SGD([w], lr=0.5)
        >>> scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        >>> scaler.scale(w.sum()).backward(); w.grad
        tensor([1024.])
        >>> scaler.step(optimizer); scaler.update(); w.data, scaler.get_scale()
        (tensor([0.5000]), 1024.0)
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device, self._enabled = device, enabled
        if enabled and device == "cuda":
            warnings.warn(
                "torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.", stacklevel=2
            )
            self._enabled = False
        if not self._enabled:
            return
        if growth_factor <= 1.0:
            raise AssertionError(f"The growth factor must be > 1.0. Got {growth_factor}")
        if backoff_factor >= 1.0:
            raise AssertionError(f"The backoff factor must be < 1.0. Got {backoff_factor}")
        self._init_scale, self._init_growth_tracker = init_scale, 0
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        self._scale: Tensor | None = None
        self._growth_tracker: Tensor | None = None
        self._states: dict[int, _OptimizerState] = {}

    def _begun(self, what: str) -> tuple[Tensor, Tensor]:
        """The scale and the number of good steps; AssertionError before the first `scale`."""
        if self._scale is None or self._growth_tracker is None:
            raise AssertionError(
                f"Attempted {what} but _scale is None.  This may indicate your script did not use "
                "scaler.scale(loss or outputs) earlier in the iteration."
            )
        return self._scale, self._growth_tracker

    def scale(self, outputs: Any) -> Any:
        """Tensors, or containers of them, multiplied by the factor."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            if self._scale is None:
                self._scale = full((), self._init_scale, dtype=dt.float32)
                self._growth_tracker = full((), self._init_growth_tracker, dtype=dt.int32)
            return outputs * self._scale
        if isinstance(outputs, Iterable):
            scaled = map(self.scale, outputs)
            return type(outputs)(scaled) if isinstance(outputs, (list, tuple)) else scaled
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def _state(self, optimizer: Any) -> _OptimizerState:
        return self._states.setdefault(id(optimizer), _OptimizerState())

    def unscale_(self, optimizer: Any) -> None:
        """Divides the gradients of the optimizer's parameters by the factor, and notes whether all are
        finite.

        Once a step, before gradients are clipped or looked at; `step` does it if nobody has. RuntimeError for
        a second time, ValueError for gradients in float16: parameters belong in float32.
        """
        if not self._enabled:
            return
        scale, _ = self._begun("unscale_")
        state = self._state(optimizer)
        if state.stage is _Stage.UNSCALED:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        if state.stage is _Stage.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        with no_grad():
            self._check(optimizer, state, scale.double().reciprocal().float())
        state.stage = _Stage.UNSCALED

    @no_grad()
    def _check(self, optimizer: Any, state: _OptimizerState, factor: Tensor | None) -> None:
        """Notes whether all gradients are finite, and multiplies them by the factor."""
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if factor is not None and any(g.dtype is dt.float16 for g in grads):
            raise ValueError("Attempting to unscale FP16 gradients.")
        bad: Any = None
        for g in grads:
            values = g._values() if g.is_sparse else g
            here = ~all_of(isfinite(values))
            bad = here if bad is None else bad | here
            if factor is not None:
                g.mul_(factor)
        state.found = None if bad is None else bad.float()

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """`optimizer.step(*args, **kwargs)` on unscaled gradients, unless one of them is infinite or NaN.

        Returns what the optimizer's step does, None if it is left out. RuntimeError for a closure, or a
        second step without an update.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        scale, _ = self._begun("step")
        state = self._state(optimizer)
        if state.stage is _Stage.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if getattr(optimizer, "_step_supports_amp_scaling", False):
            result = self._step_that_scales(optimizer, state, scale, *args, **kwargs)
        else:
            if state.stage is _Stage.READY:
                self.unscale_(optimizer)
            if state.found is None:
                raise AssertionError("No inf checks were recorded for this optimizer.")
            result = None if state.found.item() else optimizer.step(*args, **kwargs)
        state.stage = _Stage.STEPPED
        return result

    def _step_that_scales(
        self, optimizer: Any, state: _OptimizerState, scale: Tensor, *args: Any, **kwargs: Any
    ) -> Any:
        """The step of an optimizer that divides gradients, and leaves the step out, by itself."""
        if "grad_scaler" in inspect.signature(optimizer.step).parameters:
            return optimizer.step(*args, **kwargs, grad_scaler=self)
        unscaled = state.stage is _Stage.UNSCALED
        if not unscaled:
            self._check(optimizer, state, None)
        given = getattr(optimizer, "grad_scale", None)
        optimizer.grad_scale = given if unscaled else scale if given is None else scale * given
        optimizer.found_inf = state.found
        try:
            return optimizer.step(*args, **kwargs)
        finally:
            del optimizer.grad_scale, optimizer.found_inf

    @no_grad()
    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Adapts the factor, at the end of a step of all optimizers; `new_scale` sets it instead."""
        if not self._enabled:
            return
        scale, tracker = self._begun("update")
        if new_scale is not None:
            self._set(scale, new_scale)
        else:
            found = [s.found for s in self._states.values() if s.found is not None]
            if not found:
                raise AssertionError("No inf checks were recorded prior to update.")
            bad = found[0] > 0
            for other in found[1:]:
                bad = bad | (other > 0)
            count = where(bad, 0, tracker + 1)
            due = count == self._growth_interval
            grown = scale * self._growth_factor
            grown = where(due & isfinite(grown), grown, scale)
            scale.copy_(where(bad, scale * self._backoff_factor, grown))
            tracker.copy_(where(due, 0, count))
        self._states = {}

    def _set(self, scale: Tensor, new: Any) -> None:
        if isinstance(new, float):
            scale.fill_(new)
            return
        if not (
            isinstance(new, Tensor)
            and new.device.type == self._device
            and new.numel() == 1
            and not new.requires_grad
        ):
            raise AssertionError(
                "new_scale should be a float or a 1-element torch.FloatTensor with requires_grad=False, on "
                f"the scaler's device; got {new!r}"
            )
        scale.copy_(new.reshape(()))

    def get_scale(self) -> float:
        """The factor; 1.0 if scaling is disabled."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else float(self._scale.item())

    def get_growth_factor(self) -> float:
        """What the factor grows by."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Sets what the factor grows by."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the factor falls by."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Sets what the factor falls by."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """After how many good steps the factor grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Sets after how many good steps the factor grows."""
        self._growth_interval = new_interval

    def _get_growth_tracker(self) -> int:
        if not self._enabled:
            return 0
        return self._init_growth_tracker if self._growth_tracker is None else int(self._growth_tracker.item())

    def is_enabled(self) -> bool:
        """Whether the scaler does anything."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """The factor, how it adapts, and the number of good steps; empty if scaling is disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(), "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor, "growth_interval": self._growth_interval,
            "_growth_tracker": self._get_growth_tracker(),
        }  # fmt: skip

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` returned. RuntimeError for that of a disabled scaler."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of "
                "GradScaler."
            )
        self._init_scale, self._init_growth_tracker = state_dict["scale"], state_dict["_growth_tracker"]
        self._growth_factor, self._backoff_factor = state_dict["growth_factor"], state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        if self._scale is not None and self._growth_tracker is not None:
            self._scale.fill_(self._init_scale)
            self._growth_tracker.fill_(self._init_growth_tracker)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        if self._enabled:
            if self._states:
                raise AssertionError(
                    "A GradScaler instance may only be pickled at the beginning of an iteration, or at the "
                    "end after scaler.update()."
                )
            state |= {"_init_scale": self.get_scale(), "_init_growth_tracker": self._get_growth_tracker()}
            state |= {"_scale": None, "_growth_tracker": None}
        return state
