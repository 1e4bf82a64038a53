"""Checks of gradients against finite differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.config import config
from ..core.dtype import FLOAT, float64
from ..core.tensor import Tensor, from_array
from . import engine
from .api import _tuple, grad
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
    """Compares the gradients of `func(*inputs)` with central differences. True if they agree.

    An element of the Jacobian for an input that requires gradients may differ by `atol + rtol * |quotient|`,
    where the quotient is `(f(x + eps) - f(x - eps)) / (2 * eps)`; inputs should be of double precision.
    Complex numbers count as pairs of real ones. Besides, a second run may differ by no more than
    `nondet_tol`, gradients of zeros must be zero, and (`check_undefined_grad`) so must be those of missing
    gradients. Batched and forward-mode checks, `fast_mode` and `masked` are not supported: ValueError.

    Raises GradcheckError, or returns False with `raise_exception=False`, where a check fails; ValueError if
    no input requires gradients.

    >>> import flambeau as torch
    >>> x = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(lambda x: x.sin() * x, (x,))
    True
    """
    _refuse(
        "gradcheck", check_batched_grad=check_batched_grad, check_forward_ad=check_forward_ad,
        check_batched_forward_grad=check_batched_forward_grad, fast_mode=fast_mode, masked=masked,
    )  # fmt: skip
    args = _tuple(inputs)
    wanted = _checked_inputs(args)
    try:
        if check_backward_ad:
            _Check(func, args, wanted, eps, atol, rtol).run(nondet_tol, check_grad_dtypes)
            if check_undefined_grad:
                _check_undefined(func, args, wanted)
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
    """`gradcheck` of the gradients of `func`: second derivatives against differences of the first.

    `grad_outputs` weight the outputs (random numbers of a fixed seed if not given). The other arguments are
    those of `gradcheck`.

    >>> import flambeau as torch
    >>> x = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradgradcheck(lambda x: x ** 3, (x,))
    True
    """
    _refuse(
        "gradgradcheck", gen_non_contig_grad_outputs=gen_non_contig_grad_outputs, fast_mode=fast_mode,
        check_fwd_over_rev=check_fwd_over_rev, check_batched_grad=check_batched_grad, masked=masked,
    )  # fmt: skip
    args = _tuple(inputs)
    wanted = _checked_inputs(args)
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        weights = tuple(_random_like(t, rng) for t in _outputs(func, args))
    else:
        weights = _tuple(grad_outputs)

    def gradient(*all_args: Any) -> tuple[Tensor, ...]:
        xs, gs = all_args[: len(args)], all_args[len(args) :]
        at = [i for i, a in enumerate(args) if any(a is w for w in wanted)]
        found: Sequence[Tensor | None] = grad(
            _outputs(func, xs), [xs[i] for i in at], gs, create_graph=True, allow_unused=True
        )
        return tuple(g for g in found if g is not None and g.requires_grad)

    return gradcheck(
        gradient, (*args, *weights), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception,
        nondet_tol=nondet_tol, check_undefined_grad=check_undefined_grad, check_grad_dtypes=check_grad_dtypes,
        check_backward_ad=check_rev_over_rev,
    )  # fmt: skip


def _refuse(what: str, **flags: Any) -> None:
    for name, value in flags.items():
        if value:
            raise ValueError(f"{what}: {name}={value!r} is not supported; leave it out")


def _checked_inputs(args: tuple[Any, ...]) -> list[Tensor]:
    """The inputs that require gradients."""
    wanted = []
    for i, t in enumerate(args):
        if not isinstance(t, Tensor) or not t.requires_grad:
            continue
        if t.dtype.to_real() is not float64:
            warnings.warn(
                f"gradcheck: input #{i} requires gradient and is not a double precision floating point or "
                f"complex ({t.dtype}). This check will likely fail if all the inputs are not of double "
                "precision floating point or complex.",
                stacklevel=3,
            )
        if t._view is not None and t._view.overlaps():
            raise RuntimeError(
                f"gradcheck: input {i} has a dimension with stride 0, so that elements share memory and "
                "can't be varied one by one; pass a contiguous() copy"
            )
        wanted.append(t)
    if not wanted:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have "
            "requires_grad=True."
        )
    return wanted


def _outputs(func: Func, args: tuple[Any, ...]) -> tuple[Tensor, ...]:
    """The outputs that can be differentiated."""
    return tuple(t for t in _tuple(func(*args)) if isinstance(t, Tensor) and t.requires_grad)


def _real(array: np.ndarray) -> np.ndarray:
    """The numbers as one row of real ones."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(flat.real.dtype) if flat.dtype.kind == "c" else flat


def _random_like(t: Tensor, rng: np.random.Generator) -> Tensor:
    values = np.asarray(rng.standard_normal((*t.shape, 2)) @ np.array([1, 1j]))
    return from_array((values if t.is_complex() else values.real).astype(t.dtype.np)).requires_grad_()


class _Check:
    """The Jacobian of each output for each input, in both ways: a row an input element, a column an
    output's.
    """

    def __init__(
        self, func: Func, args: tuple[Any, ...], wanted: list[Tensor], eps: float, atol: float, rtol: float
    ) -> None:
        self.func, self.args, self.wanted = func, args, wanted
        self.eps, self.atol, self.rtol = eps, atol, rtol
        self.outputs = _outputs(func, args)

    def run(self, nondet_tol: float, check_dtypes: bool) -> None:
        """GradcheckError, which says what is wrong, unless all is right."""
        with config.reference():  # not one backward pass by the interpreter and the other as native code
            self._run(nondet_tol, check_dtypes)

    def _run(self, nondet_tol: float, check_dtypes: bool) -> None:
        numerical = [self.numerical(x) for x in self.wanted]
        for j, jacobians in enumerate(numerical):
            if not self.outputs and any(np.any(n) for n in jacobians):
                raise GradcheckError(
                    f"Numerical gradient for input {j} expected to be zero, since no output requires "
                    "gradients"
                )
        for i, y in enumerate(self.outputs):
            once, again = self.analytical(y, check_dtypes), self.analytical(y, check_dtypes)
            for j, (a, b) in enumerate(zip(once, again, strict=True)):
                self.compare(i, j, a, numerical[j][i])
                if a.size and np.abs(a - b).max() > nondet_tol:
                    raise GradcheckError(
                        "Backward is not reentrant, i.e., running backward with same input and grad_output "
                        f"multiple times gives different values for output {i} and input {j}: they differ by "
                        f"{np.abs(a - b).max():.3g}, nondet_tol is {nondet_tol}"
                    )
            self.check_zero(i, y)

    def compare(self, i: int, j: int, analytical: np.ndarray, numerical: np.ndarray) -> None:
        apart = np.abs(analytical - numerical)
        if not np.all(apart <= self.atol + self.rtol * np.abs(numerical)):
            raise GradcheckError(
                f"Jacobian mismatch for output {i} with respect to input {j} (rows: input elements, columns: "
                "output elements; largest difference "
                f"{apart.max():.3g}),\nnumerical:{numerical}\nanalytical:{analytical}"
            )

    def numerical(self, x: Tensor) -> list[np.ndarray]:
        """For each output the difference quotients."""
        now = np.array(x._value("gradcheck"))
        varied = now.copy()
        flat = _real(varied)
        found = [np.zeros((flat.size, y.size)) for y in self.values()]
        try:
            for k in range(flat.size):
                middle = flat[k]
                for sign in (1, -1):
                    flat[k] = middle + sign * self.eps
                    _write(x, varied)
                    for jacobian, y in zip(found, self.values(), strict=True):
                        jacobian[k] += sign * y / (2 * self.eps)
                flat[k] = middle
        finally:
            _write(x, now)
        return found

    def values(self) -> list[np.ndarray]:
        """The outputs for the inputs as they are now; those that require gradients, if any does."""
        found = [
            t for t in _tuple(self.func(*self.args)) if isinstance(t, Tensor) and t.dtype.category >= FLOAT
        ]
        return [_real(t._value("gradcheck").copy()) for t in found if t.requires_grad or not self.outputs]

    def analytical(self, y: Tensor, check_dtypes: bool) -> list[np.ndarray]:
        """For each input the gradients, a column for each output element."""
        weights = _unit_weights(y)
        found = [np.zeros((x.numel() * (1 + x.is_complex()), len(weights))) for x in self.wanted]
        for k, weight in enumerate(weights):
            for j, g in enumerate(self.gradients(y, weight)):
                if g is None:
                    continue
                if check_dtypes and g.dtype is not self.wanted[j].dtype:
                    raise GradcheckError(
                        f"Expected the gradient of input {j} to be of dtype {self.wanted[j].dtype}, got "
                        f"{g.dtype}"
                    )
                found[j][:, k] = _real(g._value("gradcheck"))
        return found

    def check_zero(self, i: int, y: Tensor) -> None:
        for j, g in enumerate(self.gradients(y, engine.zeros(y._node.shape, y.dtype))):
            if g is not None and np.any(g._value("gradcheck")):
                raise GradcheckError(
                    f"backward not multiplied by grad_output: zeros for output {i} don't give zeros for "
                    f"input {j}"
                )

    def gradients(self, y: Tensor, weight: Tensor) -> Sequence[Tensor | None]:
        return grad(y, self.wanted, weight, retain_graph=True, allow_unused=True)


def _write(x: Tensor, array: np.ndarray) -> None:
    x.data.copy_(from_array(array.copy()))


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


def _check_undefined(func: Func, args: tuple[Any, ...], wanted: list[Tensor]) -> None:
    """Runs the gradient formulas with missing gradients, for each output alone and for all together."""
    everything = range(len(_outputs(func, args)))
    for missing in dict.fromkeys([*((i,) for i in everything), tuple(everything)]):
        ends = [_Unused.apply(y) if i in missing else y for i, y in enumerate(_outputs(func, args))]
        weights = [engine.zeros(y._node.shape, y.dtype) for y in ends]
        try:
            found: Sequence[Tensor | None] = grad(ends, wanted, weights, allow_unused=True)
        except (TypeError, AttributeError) as error:
            raise GradcheckError(
                f"Expected backward function to handle undefined output grads, but it raised {error!r}"
            ) from error
        if any(g is not None and np.any(g._value("gradcheck")) for g in found):
            raise GradcheckError(
                "Expected all input grads to be undefined or zero when all output grads are undefined or zero"
            )
