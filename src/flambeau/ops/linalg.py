"""Factorisations, inverses, functions of matrices. The reference is NumPy's, gradients are matrix products.

All take matrices in the last two dimensions and batches of them in those before.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core.dtype import dtype
from ..core.realize import recorder
from .contraction import matmul
from .index import tril, triu
from .kinds import FLOATING, Custom, broadcast, make_constant
from .pointwise import make_complex
from .reduction import amax
from .samples import Sample, spread
from .view import concatenate

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


def _square_rule(what: str, x: Any, *_: Any) -> Spec:
    return check_square(what, x), x._node.dtype


def _number_rule(what: str, x: Any) -> Spec:
    return check_square(what, x)[:-2], x._node.dtype


def _solve_rule(what: str, x: Any, y: Any, *_: Any) -> Spec:
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


def _each(what: str, why: str, f: Callable[..., Any], *arrays: np.ndarray) -> Any:
    """`f` of batches; if it fails, LinAlgError names the first matrix for which it does."""
    try:
        return f(*arrays)
    except np.linalg.LinAlgError:
        raise _first_failure(what, why, f, arrays) from None


def _first_failure(what: str, why: str, f: Callable[..., Any], arrays: tuple[np.ndarray, ...]) -> LinAlgError:
    batch = np.broadcast_shapes(*[a.shape[:-2] for a in arrays])
    for i in np.ndindex(batch):
        try:
            f(*[np.broadcast_to(a, batch + a.shape[-2:])[i] for a in arrays])
        except np.linalg.LinAlgError:
            return _failure(what, why, i)
    return LinAlgError(f"linalg.{what}: {why}")


def _failure(what: str, why: str, i: Shape) -> LinAlgError:
    where = "" if not i else f"(Batch element {i[0] if len(i) == 1 else i}): "
    return LinAlgError(f"linalg.{what}: {where}{why}")


def _check_finite(what: str, x: np.ndarray) -> None:
    bad = ~np.isfinite(x).all((-2, -1))
    if bad.any():
        raise _failure(what, CONVERGE + "contained non-finite values.", tuple(map(int, np.argwhere(bad)[0])))


# ----- samples -----


def _steady(*shape: int) -> np.ndarray:
    """Matrices far from singular, with eigenvalues and singular values far from each other."""
    *_, m, n = shape
    matrices: np.ndarray = spread(shape, -0.5, 0.5) + np.eye(m, n) * (2 + 1.5 * np.arange(n))
    return matrices


def _squares(**attrs: Any) -> list[Sample]:
    return [Sample((_steady(*shape),), attrs) for shape in ((2, 3, 3), (1, 2, 2), (2, 0, 0), (0, 2, 2))]


def _hermitian(x: Any) -> tuple[Any]:
    """The Hermitian matrix that has the lower triangle of `x`."""
    below = tril(x, -1)
    return (below + below.mH + x.diagonal(0, -2, -1).real.diag_embed(),)


def _counting(x: Any, n: int) -> Any:
    """1, 2, …, n in the real type of `x`."""
    return make_constant(np.arange(1, n + 1).astype(x.dtype.to_real().np))


# ----- helpers of gradients -----


def _chain(*factors: Any) -> Any:
    product, *rest = factors
    for f in rest:
        product = matmul(product, f)
    return product


def _columns(v: Any) -> Any:
    """Vectors as factors of columns."""
    return v.unsqueeze(-2)


def _lower(x: Any) -> Any:
    """The lower triangle with half of the diagonal."""
    return (tril(x, 0) + tril(x, -1)) / 2


def _off_diagonal(n: int) -> Any:
    return make_constant(~np.eye(n, dtype=np.bool_))


def _ratio(x: Any, y: Any, where: Any = None) -> Any:
    """x / y; 0 where both are 0, and outside of `where`: equal values spoil only what depends on vectors."""
    there = (x != 0) | (y != 0)
    return x / y.where(there if where is None else there & where, float("inf"))


def _skew(x: Any) -> Any:
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
    "phase_free", _phase_free, _square_rule, attrs="what", grad=lambda g: g, ready=_hermitian,
    samples=lambda: _squares(what="eigh"),
)  # fmt: skip


def _without_phase(x: Any, what: str) -> Any:
    return phase_free(x, what) if x.is_complex() else x


# ----- Cholesky -----


def _cholesky(x: np.ndarray) -> np.ndarray:
    def factor(a: np.ndarray) -> np.ndarray:
        low = np.linalg.cholesky(a)
        diagonal = np.diagonal(low, 0, -2, -1).real
        if not ((diagonal > 0) & (diagonal < np.inf)).all():
            raise np.linalg.LinAlgError
        return low

    def fails(a: np.ndarray) -> bool:
        try:
            return factor(a) is None
        except np.linalg.LinAlgError:
            return True

    try:
        return factor(x)
    except np.linalg.LinAlgError:
        i = next(i for i in np.ndindex(x.shape[:-2]) if fails(x[i]))
    minor = 1 + bisect_left(range(1, x.shape[-1]), True, key=lambda k: fails(x[i][:k, :k]))
    raise _failure(
        "cholesky",
        "The factorization could not be completed because the input is not positive-definite (the leading "
        f"minor of order {minor} is not positive-definite); add a multiple of eye to it, or use eigh",
        i,
    )


def _cholesky_grad(g: Any, out: Any) -> Any:
    """L = lower triangle; dL = L Φ(L⁻¹ dA L⁻ᴴ), Φ taking the lower triangle with half of the diagonal."""
    half = solve_triangular(out.mH, _lower(matmul(out.mH, g)), True, False)
    whole = solve_triangular(out.mH, half.mH, True, False)
    return (whole + whole.mH) / 2


# The lower factor of a positive-definite matrix, of which only the lower triangle is read.
cholesky = matrix_op(
    "cholesky", _cholesky, _square_rule, grad=_cholesky_grad, ready=_hermitian, samples=_squares,
    backward="CholeskyEx",
)  # fmt: skip

# ----- inverse, systems of equations -----


def _inv(x: np.ndarray, strict: bool) -> np.ndarray:
    try:
        return np.linalg.inv(x)
    except np.linalg.LinAlgError:
        if strict:
            why = f"The inversion could not be completed {SINGULAR}"
            raise _first_failure("inv", why, np.linalg.inv, (x,)) from None
    out = np.full_like(x, np.inf)
    for i in np.ndindex(x.shape[:-2]):
        if np.linalg.slogdet(x[i])[0] != 0:
            out[i] = np.linalg.inv(x[i])
    return out


# Of a singular matrix: LinAlgError if `strict`, otherwise infinite.
inv = matrix_op(
    "inv", _inv, _square_rule, attrs="strict", backward="InvEx",
    grad=lambda g, out: -_chain(out.mH, g, out.mH),
    samples=lambda: [*_squares(strict=True), *_squares(strict=False)],
)  # fmt: skip


def _systems(**attrs: Any) -> list[Sample]:
    shapes = (((2, 3, 3), (2, 3, 2)), ((1, 2, 2), (3, 2, 1)), ((2, 0, 0), (2, 0, 3)), ((2, 2, 2), (1, 2, 0)))
    return [Sample((_steady(*a), spread(b, seed=1)), attrs) for a, b in shapes]


def _solve(x: np.ndarray, y: np.ndarray) -> Any:
    return _each("solve", f"The solver failed {SINGULAR}", np.linalg.solve, x, y)


solve: MatrixOp = matrix_op(
    "solve", _solve, _solve_rule, inputs="x y", samples=_systems, backward="SolveEx",
    grad={"x": lambda g, x, out: -matmul(solve(x.mH, g), out.mH), "y": lambda g, x: solve(x.mH, g)},
)  # fmt: skip


def _solve_triangular(x: np.ndarray, y: np.ndarray, upper: bool, unit: bool) -> np.ndarray:
    """Row after row, from the short end: what is known is subtracted, the rest divided by the diagonal."""
    n = x.shape[-1]
    out = np.empty(np.broadcast_shapes(x.shape[:-2], y.shape[:-2]) + y.shape[-2:], y.dtype)
    for i in reversed(range(n)) if upper else range(n):
        known = slice(i + 1, n) if upper else slice(0, i)
        rest = y[..., i, :] - np.matmul(x[..., i, None, known], out[..., known, :])[..., 0, :]
        out[..., i, :] = rest if unit else rest / x[..., i, i, None]
    return out


def _triangular_grad(g: Any, x: Any, out: Any, upper: bool, unit: bool) -> Any:
    gx = -matmul(solve_triangular(x.mH, g, not upper, unit), out.mH)
    return triu(gx, int(unit)) if upper else tril(gx, -int(unit))


# Reads one triangle only (without the diagonal if `unit`). Where the diagonal is 0 the result is infinite.
solve_triangular: MatrixOp = matrix_op(
    "solve_triangular", _solve_triangular, _solve_rule, inputs="x y", attrs="upper unit", checks=False,
    samples=lambda: [*_systems(upper=True, unit=False), *_systems(upper=False, unit=True)[:2]],
    grad={"x": _triangular_grad, "y": lambda g, x, upper, unit: solve_triangular(x.mH, g, not upper, unit)},
)  # fmt: skip

# ----- determinants -----


def _cofactor(x: np.ndarray) -> np.ndarray:
    """Of U diag(s) Vᴴ: det(U) det(Vᴴ) times the conjugate of U diag(products of all other s) Vᴴ."""
    finite = np.isfinite(x).all((-2, -1), keepdims=True)
    u, s, vh = np.linalg.svd(np.where(finite, x, 0))
    others = np.where(np.eye(s.shape[-1], dtype=bool), 1, s[..., None, :]).prod(-1)
    sign = np.linalg.det(u) * np.linalg.det(vh)
    return np.where(finite, sign[..., None, None] * np.conj((u * others[..., None, :]) @ vh), np.nan)


def _cofactor_grad(g: Any, x: Any, out: Any) -> Any:
    """C = det(A) A⁻ᵀ, so dC = tr(A⁻¹ dA) C - (A⁻¹ dA)ᵀ C."""
    total = (g * out.conj()).sum((-2, -1), keepdim=True)
    eye = make_constant(np.eye(x.shape[-1], dtype=x.dtype.np))
    return matmul(total * eye - matmul(out.conj(), g.mT), inv(x, True).mH)


# The derivative of the determinant. It is there for singular matrices too, unlike its own gradient.
cofactor = matrix_op("cofactor", _cofactor, _square_rule, grad=_cofactor_grad, samples=_squares, checks=False)
det = matrix_op(
    "det", np.linalg.det, _number_rule, samples=_squares, checks=False,
    grad=lambda g, x: g.unsqueeze(-1).unsqueeze(-1) * cofactor(x).conj(),
)  # fmt: skip


def _slogdet_rule(what: str, x: Any) -> list[Spec]:
    shape, d = _number_rule(what, x)
    return [(shape, d), (shape, d.to_real())]


def _slogdet_grad(g: Any, x: Any, out: Any) -> Any:
    """d log det = tr(A⁻¹ dA): its real part moves the logarithm, its imaginary part turns the sign."""
    g_sign, g_log = g
    if x.is_complex():
        g_log = make_complex(g_log, (g_sign * out[0].conj()).imag)
    return g_log.unsqueeze(-1).unsqueeze(-1) * inv(x, False).mH


slogdet = matrix_op(
    "slogdet", np.linalg.slogdet, _slogdet_rule, results=2, grad=_slogdet_grad, checks=False,
    samples=_squares, settled=lambda results: results[0] * results[1],
)  # fmt: skip

# ----- QR -----


def _qr_rule(what: str, x: Any, complete: bool) -> list[Spec]:
    *batch, m, n = check_matrix(what, x)
    k = m if complete else min(m, n)
    return [((*batch, m, k), x._node.dtype), ((*batch, k, n), x._node.dtype)]


def _qr_grad(g: Any, out: Any, x_shape: Shape, complete: bool) -> Any:
    """Of a wide matrix (A₁ A₂) = Q (R₁ R₂) with square A₁: A₁ is decomposed, R₂ = Qᴴ A₂ follows."""
    (gq, gr), (q, r), (m, n) = g, out, x_shape[-2:]
    if complete and m > n:
        raise RuntimeError(
            "qr_backward: The QR decomposition is not differentiable when mode='complete' and nrows > ncols "
            f"({m} and {n}); use mode='reduced'"
        )
    if m >= n:
        return _tall_qr_grad(gq, gr, q, r)
    r1, r2 = r.narrow(-1, 0, m), r.narrow(-1, m, n - m)
    gr1, gr2 = gr.narrow(-1, 0, m), gr.narrow(-1, m, n - m)
    first = _tall_qr_grad(gq + _chain(q, r2, gr2.mH), gr1, q, r1)
    return concatenate(first, matmul(q, gr2), len(x_shape) - 1)


def _tall_qr_grad(gq: Any, gr: Any, q: Any, r: Any) -> Any:
    x = _lower((matmul(gr, r.mH) - matmul(q.mH, gq)).mH)
    return solve_triangular(r, (gq + matmul(q, x + x.mH)).mH, True, False).mH


def _wide_or_tall(**attrs: Any) -> list[Sample]:
    shapes = ((2, 4, 3), (1, 2, 4), (1, 3, 3), (2, 3, 0), (2, 0, 2))
    return [Sample((_steady(*shape),), attrs) for shape in shapes]


qr = matrix_op(
    "qr", lambda x, complete: np.linalg.qr(x, "complete" if complete else "reduced"), _qr_rule, results=2,
    attrs="complete", grad=_qr_grad, checks=False,
    settled=lambda results: concatenate(results[0], results[1].mT, results[0].ndim - 2),
    samples=lambda: [*_wide_or_tall(complete=False), *_wide_or_tall(complete=True)[1:3]],
)  # fmt: skip

# ----- eigenvalues and singular values -----


def _eigh_rule(what: str, x: Any) -> list[Spec]:
    shape = check_square(what, x)
    return [(shape[:-1], x._node.dtype.to_real()), (shape, x._node.dtype)]


def _eigh_grad(g: Any, out: Any) -> Any:
    """V (diag(gw) + skew(Vᴴ gV) / (w_j - w_i)) Vᴴ."""
    (gw, gv), (w, v) = g, out
    turn = _skew(_without_phase(matmul(v.mH, gv), "eigh")) / 2
    inner = _ratio(turn, _columns(w) - w.unsqueeze(-1), _off_diagonal(w.shape[-1])) + gw.diag_embed()
    return _chain(v, inner, v.mH)


def _eigh(x: np.ndarray) -> Any:
    return _each("eigh", CONVERGE + "has too many repeated eigenvalues.", np.linalg.eigh, x)


def _eigh_settled(results: Any) -> Any:
    w, v = results
    return matmul(v * _counting(v, w.shape[-1]), v.mH) + w.diag_embed()


# Reads the lower triangle only.
eigh = matrix_op(
    "eigh", _eigh, _eigh_rule, results=2, grad=_eigh_grad, ready=_hermitian, settled=_eigh_settled,
    samples=_squares,
)  # fmt: skip


def _eig_rule(what: str, x: Any) -> list[Spec]:
    shape, d = check_square(what, x), x._node.dtype.to_complex()
    return [(shape[:-1], d), (shape, d)]


def _eig(x: np.ndarray) -> Any:
    _check_finite("eig", x)
    return _each("eig", CONVERGE + "is ill-conditioned.", np.linalg.eig, x)


def _eig_grad(g: Any, out: Any) -> Any:
    """V⁻ᴴ (diag(gw) + (Vᴴ gV - VᴴV diag(Re VᴴgV)) / conj(w_j - w_i)) Vᴴ: the vectors keep their length."""
    (gw, gv), (w, v) = g, out
    vh_gv = phase_free(matmul(v.mH, gv), "eig")
    turn = vh_gv - matmul(v.mH, v) * _columns(vh_gv.diagonal(0, -2, -1).real)
    gaps = (_columns(w) - w.unsqueeze(-1)).conj()
    inner = _ratio(turn, gaps, _off_diagonal(w.shape[-1])) + gw.diag_embed()
    return solve(v.mH, matmul(inner, v.mH))


def _eig_settled(results: Any) -> Any:
    w, v = results
    return _chain(v * _columns(w * w * w), inv(v, True))  # the third power: the order doesn't matter


eig = matrix_op("eig", _eig, _eig_rule, results=2, grad=_eig_grad, settled=_eig_settled, samples=_squares)


def _svd_rule(what: str, x: Any, full: bool) -> list[Spec]:
    (*batch, m, n), d = check_matrix(what, x), x._node.dtype
    k = min(m, n)
    rows, columns = (m, n) if full else (k, k)
    return [((*batch, m, rows), d), ((*batch, k), d.to_real()), ((*batch, columns, n), d)]


def _svd(x: np.ndarray, full: bool) -> Any:
    _check_finite("svd", x)
    return _each("svd", CONVERGE + "is ill-conditioned.", lambda a: np.linalg.svd(a, full), x)


def _svd_grad(g: Any, out: Any, x_shape: Shape) -> Any:
    """U (diag(gS) + skew(UᴴgU)/E S + S skew(VᴴgV)/E) Vᴴ with E = s_j² - s_i².

    Besides, gU and gV may lead out of the space that U or V spans. The vectors that `full` adds count as
    constant.
    """
    m, n = x_shape[-2:]
    k = min(m, n)
    s = out[1]
    u, gu = (t.narrow(-1, 0, k) for t in (out[0], g[0]))
    vh, gvh = (t.narrow(-2, 0, k) for t in (out[2], g[2]))
    turn_u, turn_v = matmul(u.mH, gu), matmul(vh, gvh.mH)
    if s.dtype is not u.dtype:
        turn_v = phase_free(turn_u + turn_v, "svd") - turn_u
    rows, columns = s.unsqueeze(-1), _columns(s)
    gaps, off = (columns - rows) * (columns + rows), _off_diagonal(k)
    inner = _ratio(_skew(turn_u), gaps, off) * columns + rows * _ratio(_skew(turn_v), gaps, off)
    along = g[1]
    if s.dtype is not u.dtype:
        along = along + _ratio(_skew(turn_u).diagonal(0, -2, -1), s) / 2
    gx = _chain(u, inner + along.diag_embed(), vh)
    if m > k:
        gx = gx + matmul(_ratio(gu - matmul(u, turn_u), columns), vh)
    if n > k:
        gx = gx + matmul(u, _ratio(gvh - _chain(gvh, vh.mH, vh), rows))
    return gx


def _svd_settled(results: Any) -> Any:
    u, s, vh = results
    k = s.shape[-1]
    counting = _counting(s, k)
    product = matmul(u.narrow(-1, 0, k) * counting, vh.narrow(-2, 0, k))
    return product + (s * counting).sum(-1).unsqueeze(-1).unsqueeze(-1)


svd = matrix_op(
    "svd", _svd, _svd_rule, results=3, attrs="full", grad=_svd_grad, settled=_svd_settled,
    samples=lambda: [*_wide_or_tall(full=False), *_wide_or_tall(full=True)[:2]],
)  # fmt: skip


def _pinv(x: np.ndarray, atol: np.ndarray, rtol: np.ndarray) -> Any:
    u, s, vh = _svd(x, False)
    cut = np.maximum(atol.real, rtol.real * s.max(-1, initial=0))[..., None]
    turned = np.where(s > cut, 1 / s, 0).astype(x.dtype)
    return np.matmul(vh.conj().swapaxes(-2, -1), turned[..., None] * u.conj().swapaxes(-2, -1))


def _pinv_rule(what: str, x: Any, atol: Any, rtol: Any) -> Spec:
    *batch, m, n = check_matrix(what, x)
    batches = broadcast(f"linalg.{what}", tuple(batch), atol._node.shape, rtol._node.shape)
    return (*batches, n, m), x._node.dtype


def _pinv_grad(g: Any, x: Any, out: Any) -> Any:
    """dP = -P dA P + P Pᴴ dAᴴ (1 - A P) + (1 - P A) dAᴴ Pᴴ P: holds as long as the rank stays what it is."""
    p, ph = out, out.mH
    left, right = _chain(g.mH, p, ph), _chain(ph, p, g.mH)
    return left - _chain(x, p, left) + right - _chain(right, p, x) - _chain(ph, g, ph)


# Singular values up to max(atol, rtol * the largest) count as 0.
pinv = matrix_op(
    "pinv", _pinv, _pinv_rule, inputs="x atol rtol", grad=_pinv_grad,
    samples=lambda: [Sample((s.arrays[0], np.array(0.0), np.array(1e-6)), {}) for s in _wide_or_tall()],
)  # fmt: skip

# ----- the exponential -----


def _matrix_exp(x: np.ndarray) -> np.ndarray:
    """Halved until its norm is at most 1, where 20 terms of the series are exact; then squared back."""
    norm = np.abs(x).sum(-2).max(-1, initial=0)
    squarings = np.ceil(np.log2(np.clip(np.nan_to_num(norm), 1.0, 2.0**60))).astype(int)[..., None, None]
    scaled = x / (2.0**squarings).astype(x.real.dtype)
    term = out = np.broadcast_to(np.eye(x.shape[-1], dtype=x.dtype), x.shape)
    for k in range(1, 21):
        term = term @ scaled / x.real.dtype.type(k)
        out = out + term
    for k in range(int(squarings.max(initial=0))):
        out = np.where(k < squarings, out @ out, out)
    return out


def _matrix_exp_grad(g: Any, x: Any) -> Any:
    """The upper right block of exp((Aᴴ g; 0 Aᴴ)), with g scaled to 1: a large one needs many squarings."""
    n, rank, a = x.shape[-1], x.ndim, x.mH
    if n == 0:
        return g
    size = amax(g.detach().abs(), (rank - 2, rank - 1), True)
    size = size.where(size > 0, 1.0)
    top, bottom = concatenate(a, g / size, rank - 1), concatenate(g.new_zeros(g.shape), a, rank - 1)
    return matrix_exp(concatenate(top, bottom, rank - 2)).narrow(-2, 0, n).narrow(-1, n, n) * size


matrix_exp: MatrixOp = matrix_op(
    "matrix_exp", _matrix_exp, _square_rule, grad=_matrix_exp_grad, checks=False, halves=True,
    samples=lambda: [Sample((s.arrays[0] / 4,), {}) for s in _squares()],
)  # fmt: skip
