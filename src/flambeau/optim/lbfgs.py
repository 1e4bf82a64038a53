"""L-BFGS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..autograd.grad_mode import enable_grad, no_grad
from ..core.tensor import Tensor
from ..functions.creation import zeros_like
from ..functions.joining import cat
from ..functions.shape import view_as_real
from .optimizer import Optimizer, ParamsT, check_not_negative
from .renewal import number
from .wolfe import Point, strong_wolfe


class LBFGS(Optimizer):
    """Newton's method with curvature learned from the last steps, each step from several evaluations.

    The direction is d = -H g, with H the inverse of the Hessian as far as the last `history_size` steps s and
    the changes y of the gradient along them tell (Nocedal and Wright, Numerical Optimization, algorithm 7.4).
    Then p ← p + t · d, with t = lr (first min(1, 1/|g|₁) · lr), or as the line search finds.

    Args:
        params: parameters or (name, parameter) pairs; there can be one group only.
        lr: learning rate, a number or a tensor of one.
        max_iter: the most iterations in a step.
        max_eval: the most evaluations in a step; by default 1.25 · max_iter.
        tolerance_grad: a step ends where no element of the gradient is larger.
        tolerance_change: a step ends where neither a parameter nor the loss changes by more.
        history_size: as above.
        line_search_fn: `strong_wolfe` or None.

    Raises:
        ValueError: a negative rate, several groups.
        RuntimeError: another line search, at the step.

    Example:
        >>> import flambeau as torch
        >>> x = torch.tensor([1.0, -2.0], requires_grad=True)
        >>> optimizer = torch.optim.LBFGS([x], line_search_fn="strong_wolfe")
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = ((x - 3) ** 2).sum()
        ...     loss.backward()
        ...     return loss
        >>> optimizer.step(closure).item()
        29.0
        >>> x.detach().round(decimals=3)
        tensor([3., 3.])
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_not_negative(lr=lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Moves the parameters along up to `max_iter` directions.

        Args:
            closure: computes the loss and its gradients, after setting these to zero; called several times.

        Returns:
            What the closure returned first.
        """
        closure, group = enable_grad()(closure), self.param_groups[0]
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise RuntimeError(f"only 'strong_wolfe' is supported, got {group['line_search_fn']!r}")
        state = self.state[group["params"][0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        result = closure()
        loss, grad, used = float(result), self._gradient(), 1
        state["func_evals"] += 1
        if _largest(grad) <= group["tolerance_grad"]:
            return result
        for left in reversed(range(group["max_iter"])):
            state["n_iter"] += 1
            d = _direction(state, grad, group["history_size"])
            before = loss
            state["prev_flat_grad"], state["prev_loss"] = grad, loss
            first = min(1.0, 1.0 / float(grad.abs().sum())) if state["n_iter"] == 1 else 1.0
            t, slope = first * number(group["lr"]), float(grad.dot(d))
            state["d"], state["t"] = d, t
            if slope > -group["tolerance_change"]:
                break
            start = Point(0.0, loss, grad, slope)
            end, evaluations = self._move(closure, start, d, t, left, group["max_eval"] - used)
            loss, grad, state["t"] = end.loss, end.grad, end.t
            used += evaluations
            state["func_evals"] += evaluations
            if left == 0 or used >= group["max_eval"] or _largest(grad) <= group["tolerance_grad"]:
                break
            if _largest(d) * abs(end.t) <= group["tolerance_change"]:
                break
            if abs(loss - before) < group["tolerance_change"]:
                break
        return result

    def _move(
        self, closure: Callable[[], Any], start: Point, d: Tensor, t: float, left: int, most: int
    ) -> tuple[Point, int]:
        """Moves the parameters along `d`; where they are then, and the number of evaluations."""
        group = self.param_groups[0]
        if group["line_search_fn"] is None:
            self._add(t, d)
            if left == 0:  # nobody would look at it
                return Point(t, start.loss, start.grad, start.slope), 0
            return Point(t, float(closure()), self._gradient(), 0.0), 1
        home = [p.clone() for p in group["params"]]

        def evaluate(t: float) -> Point:
            self._add(t, d)
            loss, grad = float(closure()), self._gradient()
            for p, value in zip(group["params"], home, strict=True):
                p.copy_(value)
            return Point(t, loss, grad, float(grad.dot(d)))

        end, tries = strong_wolfe(evaluate, start, t, _largest(d), 1e-9, most)
        self._add(end.t, d)
        return end, tries

    def _gradient(self) -> Tensor:
        """All gradients in one row; a new tensor."""
        grads = [zeros_like(p) if p.grad is None else p.grad for p in self.param_groups[0]["params"]]
        rows = [(view_as_real(g) if g.is_complex() else g).reshape(-1) for g in grads]
        return cat(rows) if len(rows) > 1 else rows[0].clone()

    def _add(self, t: float, d: Tensor) -> None:
        """Adds t · d to the parameters."""
        start = 0
        for p in self.param_groups[0]["params"]:
            p = view_as_real(p) if p.is_complex() else p
            p.add_(d[start : start + p.numel()].reshape(p.shape), alpha=t)
            start += p.numel()


def _largest(x: Tensor) -> float:
    return float(x.abs().max())


def _direction(state: dict[str, Any], grad: Tensor, size: int) -> Tensor:
    """Takes the last step into the history; the direction for the next one."""
    if state["n_iter"] == 1:
        state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
        return -grad
    y, s = grad - state["prev_flat_grad"], state["d"] * state["t"]
    changes, steps, inverses = state["old_dirs"], state["old_stps"], state["ro"]
    curvature = y.dot(s)
    if float(curvature) > 1e-10:
        for column, new in ((changes, y), (steps, s), (inverses, 1.0 / curvature)):
            if len(column) == size:
                column.pop(0)
            column.append(new)
        state["H_diag"] = curvature / y.dot(y)
    history = list(zip(steps, changes, inverses, strict=True))
    shares: list[Tensor] = []
    d: Tensor = -grad
    for s, y, inverse in reversed(history):
        shares.append(s.dot(d) * inverse)
        d = d - y * shares[-1]
    d = d * state["H_diag"]
    for (s, y, inverse), share in zip(history, reversed(shares), strict=True):
        d = d + s * (share - y.dot(d) * inverse)
    return d
