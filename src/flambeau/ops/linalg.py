"""What operations on matrices have in common: their kind, rules, errors, samples, and parts of gradients.

Matrices lie in the last two dimensions, batches of them in those before. The reference is NumPy's where it
has one; gradients are products of matrices.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core.dtype import dtype
from ..core.realize import recorder
from .contraction import matmul
from .index import tril
from .kinds import FLOATING, Custom, broadcast, make_constant
from .op import check_tensor
from .samples import Sample, spread

Shape = tuple[int, ...]
Spec = tuple[Shape, dtype]


class LinAlgError(RuntimeError):
    """A matrix for which there is no result: singular, not positive-definite, not finite.

    >>> import flambeau as torch
    >>> try:
    ...     inverse = torch.linalg.inv(torch.tensor([[1., 2.], [2., 4.]]))
    ... except torch.linalg.LinAlgError as e:
    ...     print("singular")
    singular
    """


class MatrixOp(Custom):
    """An operation on matrices. Where values decide whether there is a result, it is done at the call.

    Programs catch the error there (`try: cholesky(a)`, `except LinAlgError`), so it can't come later.

    `ready` makes a sample's tensors what the operation is meant for. `settled` makes one tensor of the
    results, of that in them which the input determines: vectors are determined only up to a factor.
    """

    accepts = FLOATING
    checks = True
    halves = False  # takes 16-bit floats
    ready: Callable[..., tuple[Any, ...]] = staticmethod(lambda *tensors: tensors)
    settled: Callable[..., Any] = staticmethod(lambda result: result)

    def check_dtype(self, d: dtype) -> None:
        if d.category < dt.FLOAT:
            raise NotImplementedError(
                f"linalg.{self.name}: Expected a floating point or complex tensor as input. Got {d.name}; "
                "convert with .float()"
            )
        if d in dt.HALVES and not self.halves:
            raise NotImplementedError(
                f"linalg.{self.name}: Low precision dtypes not supported. Got {d.name}; convert with .float()"
            )

    def __call__(self, *args: Any) -> Any:
        result = super().__call__(*args)
        if self.checks:
            recorder.flush("a matrix may have no result")
        return result

    def on_sample(self, tensors: Any, attrs: dict[str, Any]) -> Any:
        return self.settled(super().on_sample(self.ready(*tensors), attrs))


def matrix_op(
    name: str,
    numpy: Callable[..., Any],
    infer: Callable[..., Any],
    results: int = 1,
    backward: str = "",
    **rest: Any,
) -> MatrixOp:
    """A record; `infer` is its shape and dtype rule, given its name first."""
    backward_name = "Linalg" + (backward or name.title().replace("_", ""))
    op = MatrixOp(name, numpy, backward_name=backward_name, **rest)
    op.infer, op.results = lambda *args: infer(name, *args), results
    return op


# ----- rules -----


def check_matrix(what: str, x: Any, name: str = "A") -> Shape:
    """The shape; RuntimeError unless there are two dimensions."""
    shape: Shape = x._node.shape
    if len(shape) < 2:
        raise RuntimeError(
            f"linalg.{what}: The input tensor {name} must have at least 2 dimensions, its shape is "
            f"{tuple(shape)}; unsqueeze it"
        )
    return shape


def check_square(what: str, x: Any) -> Shape:
    """The shape; RuntimeError unless it is that of square matrices."""
    shape = check_matrix(what, x)
    if shape[-1] != shape[-2]:
        raise RuntimeError(
            f"linalg.{what}: A must be batches of square matrices, but they are {shape[-2]} by {shape[-1]} "
            f"matrices (shape {tuple(shape)})"
        )
    return shape


def matrix(what: str, x: Any) -> Any:
    """The argument, if it is a tensor of matrices."""
    check_matrix(what, check_tensor(f"linalg.{what}", "A", x))
    return x


def square(what: str, x: Any) -> Any:
    """The argument, if it is a tensor of square matrices."""
    check_square(what, check_tensor(f"linalg.{what}", "A", x))
    return x


def square_rule(what: str, x: Any, *_: Any) -> Spec:
    """The rule of what gives matrices of the same shape."""
    return check_square(what, x), x._node.dtype


def number_rule(what: str, x: Any) -> Spec:
    """The rule of what gives one number a matrix."""
    return check_square(what, x)[:-2], x._node.dtype


def solve_rule(what: str, x: Any, y: Any, *_: Any) -> Spec:
    """The rule of X with A X = B."""
    a, b = check_square(what, x), check_matrix(what, y, "B")
    if x._node.dtype is not y._node.dtype:
        raise RuntimeError(
            f"linalg.{what}: Expected A and B to have the same dtype, but found A of type {x.dtype.name} and "
            f"B of type {y.dtype.name} instead; convert one with .to()"
        )
    if a[-1] != b[-2]:
        raise RuntimeError(
            f"linalg.{what}: Incompatible shapes of A and B for the equation AX = B ({a[-2]}x{a[-1]} and "
            f"{b[-2]}x{b[-1]}): the rows of {tuple(a)} and {tuple(b)} must be equally many"
        )
    return (*broadcast(f"linalg.{what}", a[:-2], b[:-2]), *b[-2:]), x._node.dtype


# ----- errors that depend on values -----

CONVERGE = "The algorithm failed to converge because the input matrix "
SINGULAR = "because the input matrix is singular; use linalg.pinv or lstsq, or add a multiple of eye to it"


def each(what: str, why: str, f: Callable[..., Any], *arrays: np.ndarray) -> Any:
    """`f` of batches; if it fails, LinAlgError names the first matrix for which it does."""
    try:
        return f(*arrays)
    except np.linalg.LinAlgError:
        raise first_failure(what, why, f, arrays) from None


def first_failure(what: str, why: str, f: Callable[..., Any], arrays: tuple[np.ndarray, ...]) -> LinAlgError:
    """The error of the first matrix for which `f` fails."""
    batch = np.broadcast_shapes(*[a.shape[:-2] for a in arrays])
    for i in np.ndindex(batch):
        try:
            f(*[np.broadcast_to(a, batch + a.shape[-2:])[i] for a in arrays])
        except np.linalg.LinAlgError:
            return failure(what, why, i)
    return LinAlgError(f"linalg.{what}: {why}")


def failure(what: str, why: str, i: Shape) -> LinAlgError:
    """The error of one matrix."""
    where = "" if not i else f"(Batch element {i[0] if len(i) == 1 else i}): "
    return LinAlgError(f"linalg.{what}: {where}{why}")


def check_finite(what: str, x: np.ndarray) -> None:
    """LinAlgError for infinity or NaN."""
    bad = ~np.isfinite(x).all((-2, -1))
    if bad.any():
        raise failure(what, CONVERGE + "contained non-finite values.", tuple(map(int, np.argwhere(bad)[0])))


# ----- samples -----


def steady(*shape: int) -> np.ndarray:
    """Matrices far from singular, with eigenvalues and singular values far from each other."""
    *_, m, n = shape
    matrices: np.ndarray = spread(shape, -0.5, 0.5) + np.eye(m, n) * (2 + 1.5 * np.arange(n))
    return matrices


def squares(**attrs: Any) -> list[Sample]:
    """Square matrices, also empty ones and none."""
    return [Sample((steady(*shape),), attrs) for shape in ((2, 3, 3), (1, 2, 2), (2, 0, 0), (0, 2, 2))]


def wide_or_tall(**attrs: Any) -> list[Sample]:
    """Matrices that are not square, a square one, and empty ones."""
    shapes = ((2, 4, 3), (1, 2, 4), (1, 3, 3), (2, 3, 0), (2, 0, 2))
    return [Sample((steady(*shape),), attrs) for shape in shapes]


def systems(**attrs: Any) -> list[Sample]:
    """Square matrices and right sides."""
    shapes = (((2, 3, 3), (2, 3, 2)), ((1, 2, 2), (3, 2, 1)), ((2, 0, 0), (2, 0, 3)), ((2, 2, 2), (1, 2, 0)))
    return [Sample((steady(*a), spread(b, seed=1)), attrs) for a, b in shapes]


def hermitian(x: Any) -> tuple[Any]:
    """The Hermitian matrix that has the lower triangle of `x`."""
    below = tril(x, -1)
    return (below + below.mH + x.diagonal(0, -2, -1).real.diag_embed(),)


def counting(x: Any, n: int) -> Any:
    """1, 2, …, n in the real type of `x`."""
    return make_constant(np.arange(1, n + 1).astype(x.dtype.to_real().np))


# ----- helpers of gradients -----


def chain(*factors: Any) -> Any:
    """The product of matrices, from the left."""
    product, *rest = factors
    for f in rest:
        product = matmul(product, f)
    return product


def columns(v: Any) -> Any:
    """Vectors as factors of columns."""
    return v.unsqueeze(-2)


def lower_half(x: Any) -> Any:
    """The lower triangle with half of the diagonal."""
    return (tril(x, 0) + tril(x, -1)) / 2


def off_diagonal(n: int) -> Any:
    """True beside the diagonal."""
    return make_constant(~np.eye(n, dtype=np.bool_))


def ratio(x: Any, y: Any, where: Any = None) -> Any:
    """x / y; 0 where both are 0, and outside of `where`: equal values spoil only what depends on vectors."""
    there = (x != 0) | (y != 0)
    return x / y.where(there if where is None else there & where, float("inf"))


def skew(x: Any) -> Any:
    """The matrix without its Hermitian part, twice."""
    return x - x.mH


def _phase_free(x: np.ndarray, what: str) -> np.ndarray:
    if x.size and np.abs(np.diagonal(x, 0, -2, -1).imag).max() > 1e-2:
        raise RuntimeError(
            f"{what}_backward: The vectors in the complex case are specified up to multiplication by "
            f"e^{{i phi}}. The specified loss function depends on this quantity, so it is ill-defined; use "
            "abs() or products in which the phase cancels"
        )
    return x.copy()


# Passes on the product of vectors with their gradients. Its diagonal tells if a loss depends on their phase.
phase_free = matrix_op(
    "phase_free", _phase_free, square_rule, attrs="what", grad=lambda g: g, ready=hermitian,
    samples=lambda: squares(what="eigh"),
)  # fmt: skip


def without_phase(x: Any, what: str) -> Any:
    """`phase_free` for complex matrices."""
    return phase_free(x, what) if x.is_complex() else x


def identity(d: dtype, rows: int, columns: int | None = None) -> Any:
    """The identity matrix, or its first columns."""
    return make_constant(np.eye(rows, columns, dtype=d.np))


def no_derivative(what: str, instead: str) -> Callable[..., Any]:
    """The gradient formula of what has none."""

    def refuse(g: Any) -> Any:
        raise NotImplementedError(f"the derivative for '{what}' is not implemented; {instead}")

    return refuse
