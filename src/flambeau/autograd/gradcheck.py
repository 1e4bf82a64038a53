"""Checks of gradients against finite differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.dtype import FLOAT, float64
from ..core.tensor import Tensor, from_array
from . import engine
from .api import grad
from .function import Function

Func = Callable[..., Any]


class GradcheckError(RuntimeError):
    """A gradient differs from the finite difference, or another check of `gradcheck` fails."""


def gradcheck(
    func: Func,
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compares the gradients of `func(*inputs)` with central differences, for all inputs that require gradients. True if they agree.

    An element of the Jacobian may differ by `atol + rtol * |difference quotient|`, where the quotient is
    (f(x + eps) - f(x - eps)) / (2 eps); inputs should be of double precision. Complex numbers count as pairs of real ones. Besides,
    a second run may differ by no more than `nondet_tol`, gradients of zeros must be zero, and (`check_undefined_grad`) missing gradients
    of outputs count as zeros. Batched and forward-mode checks, `fast_mode` and `masked` are not supported: ValueError.

    Raises GradcheckError, or returns False with `raise_exception=False`, where a check fails; ValueError if no input requires gradients.

    >>> import flambeau as torch
    >>> x = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(lambda x: x.sin() * x, (x,))
    True
    """
    _refuse(
        "gradcheck", check_batched_grad=check_batched_grad, check_batched_forward_grad=check_batched_forward_grad,
        check_forward_ad=check_forward_ad, fast_mode=fast_mode, masked=masked,
    )  # fmt: skip
    args = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    wanted = _checked_inputs(args)
    try:
        outputs = _outputs(func, args)
        if check_backward_ad:
            _Check(func, args, wanted, outputs, eps, atol, rtol).run(nondet_tol, check_grad_dtypes)
            if check_undefined_grad:
                _check_undefined(func, args, wanted, outputs)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Func,
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """`gradcheck` of the gradients of `func`: compares second derivatives with central differences of the first.

    `grad_outputs` weight the outputs (random numbers of a fixed seed if not given). The other arguments are those of `gradcheck`.

    >>> import flambeau as torch
    >>> x = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradgradcheck(lambda x: x ** 3, (x,))
    True
    """
    _refuse(
        "gradgradcheck", gen_non_contig_grad_outputs=gen_non_contig_grad_outputs, check_fwd_over_rev=check_fwd_over_rev,
        check_batched_grad=check_batched_grad, fast_mode=fast_mode, masked=masked,
    )  # fmt: skip
    args = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    wanted = _checked_inputs(args)
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        weights = tuple(_random_like(t, rng) for t in _outputs(func, args))
    else:
        weights = tuple(grad_outputs) if isinstance(grad_outputs, (tuple, list)) else (grad_outputs,)

    def gradient(*all_args: Any) -> tuple[Tensor, ...]:
        xs, gs = all_args[: len(args)], all_args[len(args) :]
        at = [i for i, a in enumerate(args) if any(a is w for w in wanted)]
        found = grad(_outputs(func, xs), [xs[i] for i in at], gs, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None and g.requires_grad)

    return gradcheck(
        gradient, (*args, *weights), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception, nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad, check_grad_dtypes=check_grad_dtypes, check_backward_ad=check_rev_over_rev,
    )  # fmt: skip


def _refuse(what: str, **flags: Any) -> None:
    for name, value in flags.items():
        if value:
            raise ValueError(f"{what}: {name}={value!r} is not supported; leave it out")


def _checked_inputs(args: tuple) -> list[Tensor]:
    """The inputs that require gradients."""
    wanted = []
    for i, t in enumerate(args):
        if not isinstance(t, Tensor) or not t.requires_grad:
            continue
        if t.dtype.to_real() is not float64:
            warnings.warn(
                f"gradcheck: input #{i} requires gradient and is not a double precision floating point or complex ({t.dtype}). "
                "This check will likely fail if all the inputs are not of double precision floating point or complex.",
                stacklevel=3,
            )
        if t._view is not None and t._view.overlaps():
            raise RuntimeError(
                f"gradcheck: input {i} has a dimension with stride 0, so that elements share memory and can't be varied one by one; "
                "pass a contiguous() copy"
            )
        wanted.append(t)
    if not wanted:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )
    return wanted


def _outputs(func: Func, args: tuple) -> tuple[Tensor, ...]:
    """The outputs that can be differentiated."""
    found = func(*args)
    return tuple(
        t for t in (found if isinstance(found, (tuple, list)) else (found,)) if isinstance(t, Tensor) and t.requires_grad
    )


def _real(array: np.ndarray) -> np.ndarray:
    """The numbers as one row of real ones."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(flat.real.dtype) if flat.dtype.kind == "c" else flat


def _random_like(t: Tensor, rng: np.random.Generator) -> Tensor:
    values = rng.standard_normal((*t.shape, 2)) @ np.array([1, 1j])
    return from_array(np.asarray(values if t.is_complex() else values.real).astype(t.dtype.np)).requires_grad_()


class _Check:
    """The Jacobian of each output for each input, in both ways. Rows: input elements; columns: output elements."""

    def __init__(
        self, func: Func, args: tuple, wanted: list[Tensor], outputs: tuple[Tensor, ...], eps: float, atol: float, rtol: float
    ) -> None:
        self.func, self.args, self.wanted, self.outputs = func, args, wanted, outputs
        self.eps, self.atol, self.rtol = eps, atol, rtol

    def run(self, nondet_tol: float, check_dtypes: bool) -> None:
        numericals = [self.numerical(x) for x in self.wanted]
        for j, jacobians in enumerate(numericals):
            if not self.outputs and any(np.any(n) for n in jacobians):
                raise GradcheckError(f"Numerical gradient for input {j} expected to be zero, since no output requires gradients")
        for i, y in enumerate(self.outputs):
            analytical = self.analytical(y, check_dtypes)
            again = self.analytical(y, check_dtypes)
            for j, (a, b) in enumerate(zip(analytical, again, strict=True)):
                n = numericals[j][i]
                if not np.all(np.abs(a - n) <= self.atol + self.rtol * np.abs(n)):
                    raise GradcheckError(
                        f"Jacobian mismatch for output {i} with respect to input {j} (rows: input elements, columns: output elements; "
                        f"largest difference {np.abs(a - n).max():.3g}),\nnumerical:{n}\nanalytical:{a}"
                    )
                if a.size and np.abs(a - b).max() > nondet_tol:
                    raise GradcheckError(
                        f"Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives different "
                        f"values for output {i} and input {j}: they differ by {np.abs(a - b).max():.3g}, nondet_tol is {nondet_tol}"
                    )
            self.check_zero(i, y)

    def numerical(self, x: Tensor) -> list[np.ndarray]:
        """For each output the difference quotients."""
        now = np.array(x._value("gradcheck"))
        rows: list[list[np.ndarray]] = []
        varied = now.copy()
        flat = _real(varied)
        for k in range(flat.size):
            before = flat[k]
            flat[k] = before + self.eps
            high = self.values(x, varied)
            flat[k] = before - self.eps
            low = self.values(x, varied)
            flat[k] = before
            rows.append([(h - w) / (2 * self.eps) for h, w in zip(high, low, strict=True)])
        self.values(x, now)
        return [np.array(column).reshape(flat.size, -1) for column in zip(*rows, strict=True)]

    def values(self, x: Tensor, array: np.ndarray) -> list[np.ndarray]:
        """The outputs with other numbers in `x`."""
        x.data.copy_(from_array(array.copy()))  # type: ignore[attr-defined]
        found = self.func(*self.args)
        found = found if isinstance(found, (tuple, list)) else (found,)
        found = [t for t in found if isinstance(t, Tensor) and t.dtype.category >= FLOAT]
        return [_real(t._value("gradcheck")) for t in found if t.requires_grad or not self.outputs]

    def analytical(self, y: Tensor, check_dtypes: bool) -> list[np.ndarray]:
        """For each input the gradients, a column for each output element."""
        columns: list[list[np.ndarray]] = [[] for _ in self.wanted]
        for weight in _unit_weights(y):
            for j, g in enumerate(grad(y, self.wanted, weight, retain_graph=True, allow_unused=True)):
                x = self.wanted[j]
                if g is not None and check_dtypes and g.dtype is not x.dtype:
                    raise GradcheckError(f"Expected the gradient of input {j} to be of dtype {x.dtype}, got {g.dtype}")
                value = np.zeros(x._node.shape, x.dtype.np) if g is None else g._value("gradcheck")
                columns[j].append(_real(value))
        return [
            np.array(c).T.reshape(x.numel() * (1 + x.is_complex()), -1) for c, x in zip(columns, self.wanted, strict=True)
        ]

    def check_zero(self, i: int, y: Tensor) -> None:
        start = engine.zeros(y._node.shape, y.dtype)
        for j, g in enumerate(grad(y, self.wanted, start, retain_graph=True, allow_unused=True)):
            if g is not None and np.any(g._value("gradcheck")):
                raise GradcheckError(f"backward not multiplied by grad_output: zeros for output {i} don't give zeros for input {j}")


def _unit_weights(y: Tensor) -> list[Tensor]:
    """Gradients that pick one element each; of a complex output the real and then the imaginary part."""
    units: list[Tensor] = []
    for k in range(y.numel()):
        for one in (1, 1j) if y.is_complex() else (1,):
            weight = np.zeros(y._node.shape, y.dtype.np)
            weight.reshape(-1)[k] = one
            units.append(from_array(weight))
    return units


class _Unused(Function):
    """Passes a tensor on, without a gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> None:
        return None


def _check_undefined(func: Func, args: tuple, wanted: list[Tensor], outputs: tuple[Tensor, ...]) -> None:
    """Runs the gradient formulas with missing gradients, for each output alone and for all together."""
    everything = range(len(outputs))
    for missing in [*([i] for i in everything), list(everything)] if len(outputs) > 1 else [[0]] if outputs else []:
        ends = [_Unused.apply(y) if i in missing else y for i, y in enumerate(_outputs(func, args))]
        weights = [engine.zeros(y._node.shape, y.dtype) for y in ends]
        try:
            found = grad(ends, wanted, weights, allow_unused=True)
        except (TypeError, AttributeError) as error:
            raise GradcheckError(f"Expected backward function to handle undefined output grads, but it raised {error!r}") from error
        if any(g is not None and np.any(g._value("gradcheck")) for g in found):
            raise GradcheckError("Expected all input grads to be undefined or zero when all output grads are undefined or zero")
