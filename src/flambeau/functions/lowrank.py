"""Singular values and eigenvectors of large matrices, a few of them, by products with the matrix alone."""

from __future__ import annotations

import numpy as np

from ..core.tensor import Tensor
from ..ops import linalg as ops
from ..ops.op import check_tensor
from ..ops.systems import solve_triangular
from . import factors, joining, linear, norms, random, reduction, shape, spectra

Triple = tuple[Tensor, Tensor, Tensor]


def _basis(A: Tensor, q: int, niter: int, M: Tensor | None) -> Tensor:
    """Orthonormal columns that nearly span what `A - M` reaches (Halko et al. 2009, algorithm 4.4)."""

    def times(x: Tensor, adjoint: bool) -> Tensor:
        y = linear.matmul(A.mH if adjoint else A, x)
        return y if M is None else y - linear.matmul(M.mH if adjoint else M, x)

    start = random.randn(A.shape[-1], q, dtype=A.dtype)
    columns = factors.qr(times(start, False)).Q
    for _ in range(niter):
        columns = factors.qr(times(columns, True)).Q
        columns = factors.qr(times(columns, False)).Q
    return columns


def svd_lowrank(A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None) -> Triple:
    """U, S and V of the `q` largest singular values of A (..., m, n), or of A - M, approximately.

    The space that they live in is found by `niter` rounds of products with A and Aᴴ, from random numbers.
    Good if the rank is at most `q`, or singular values fall fast.

    >>> import flambeau as torch
    >>> U, S, V = torch.svd_lowrank(torch.ones(20, 10), q=2)
    >>> S[0].round(decimals=2)
    tensor(14.1400)
    """
    q, niter = 6 if q is None else q, 2 if niter is None else niter
    check_tensor("svd_lowrank", "A", A)
    m, n = A.shape[-2:]
    if M is not None:
        M = shape.expand(M, *A.shape)
    wide = m < n
    x, y = (A.mH, None if M is None else M.mH) if wide else (A, M)
    basis = _basis(x, q, niter, y)
    small = linear.matmul(basis.mH, x)
    if y is not None:
        small = small - linear.matmul(basis.mH, y)
    u, s, vh = spectra.svd(small, full_matrices=False)
    u, v = linear.matmul(basis, u), vh.mH
    return (v, s, u) if wide else (u, s, v)


def pca_lowrank(A: Tensor, q: int | None = None, center: bool = True, niter: int = 2) -> Triple:
    """`svd_lowrank` of rows (..., m, n) minus their mean: V has the `q` (at most 6) principal directions.

    ValueError unless 0 <= q <= min(m, n) and niter >= 0.

    >>> import flambeau as torch
    >>> x = torch.tensor([[0., 0.], [1., 1.], [2., 2.], [3., 3.]])
    >>> torch.pca_lowrank(x, 1)[2].abs()
    tensor([[0.7071],
            [0.7071]])
    """
    check_tensor("pca_lowrank", "A", A)
    least = min(A.shape[-2:])
    q = min(6, least) if q is None else q
    if not 0 <= q <= least:
        raise ValueError(
            f"pca_lowrank: q(={q}) must be non-negative integer and not greater than min(m, n)={least}"
        )
    if niter < 0:
        raise ValueError(f"pca_lowrank: niter(={niter}) must be non-negative integer")
    rows = A - reduction.mean(A, -2, True) if center else A
    return svd_lowrank(rows, q, niter=niter, M=None)


def lobpcg(
    A: Tensor,
    k: int | None = None,
    B: Tensor | None = None,
    X: Tensor | None = None,
    n: int | None = None,
    iK: Tensor | None = None,
    niter: int | None = None,
    tol: float | None = None,
    largest: bool | None = None,
    method: str | None = None,
    tracker: None = None,
    ortho_iparams: dict[str, int] | None = None,
    ortho_fparams: dict[str, float] | None = None,
    ortho_bparams: dict[str, bool] | None = None,
) -> tuple[Tensor, Tensor]:
    """The `k` largest (or smallest) eigenvalues of symmetric A, or of A v = λ B v, and their vectors (...,
    m, k).

    From `X` (..., m, n), by default random, `n` >= k vectors are improved at most `niter` times (1000), in
    the space of them, their residuals (multiplied by `iK`, nearly the inverse of A, if given) and the last
    steps, until the residuals are less than `tol` (the root of the dtype's epsilon) of |A| + |λ| |B|
    (Knyazev 2001). Where a gradient is wanted all eigenvalues are computed instead. `method` "basic" and
    "ortho" do the same here; a `tracker` and the parameters of PyTorch's orthogonalisation are refused.
    ValueError if m < 3 n.

    >>> import flambeau as torch
    >>> E, V = torch.lobpcg(torch.arange(1., 10.).diag(), k=1)
    >>> E.round(decimals=2)
    tensor([9.])
    """
    refused = (tracker, ortho_iparams, ortho_fparams, ortho_bparams)
    names = ("tracker", "ortho_iparams", "ortho_fparams", "ortho_bparams")
    for name, value in zip(names, refused, strict=True):
        if value is not None:
            raise ValueError(f"lobpcg: {name} has no meaning here; leave it out")
    if method not in (None, "basic", "ortho"):
        raise ValueError(f"lobpcg: method must be 'basic' or 'ortho', got {method!r}")
    *batch, m, _ = ops.square("lobpcg", A).shape
    count = (1 if X is None else X.shape[-1]) if k is None else k
    n = (count if X is None else X.shape[-1]) if n is None else n
    if m < 3 * n:
        raise ValueError(
            f"lobpcg: the algorithm is not applicable when the number of A rows (={m}) is smaller than 3 x "
            f"the number of requested eigenpairs (={n}); use linalg.eigh"
        )
    if not 0 < count <= n:
        raise ValueError(f"lobpcg: k must be positive and at most n = {n}, got {count}")
    upper = largest is None or largest
    if A.requires_grad or (B is not None and B.requires_grad):
        return _all_pairs(A, B, count, upper)
    d = A.dtype
    tol = float(np.sqrt(np.finfo(d.np).eps)) if tol is None else tol
    matrices = shape.reshape(A, -1, m, m)
    pairs = []
    for i, a in enumerate(matrices):
        start = random.randn(m, n, dtype=d) if X is None else shape.reshape(X, -1, m, X.shape[-1])[i, :, :n]
        b, preconditioner = (None if t is None else shape.reshape(t, -1, m, m)[i] for t in (B, iK))
        pairs.append(_iterate(a, b, start, preconditioner, 1000 if niter is None else niter, tol, upper))
    values = joining.stack([w[:count] for w, _ in pairs])
    vectors = joining.stack([v[:, :count] for _, v in pairs])
    return shape.reshape(values, *batch, count), shape.reshape(vectors, *batch, m, count)


def _times(b: Tensor | None, x: Tensor) -> Tensor:
    return x if b is None else linear.matmul(b, x)


def _ritz(a: Tensor, b: Tensor | None, space: Tensor, n: int, largest: bool) -> tuple[Tensor, Tensor]:
    """The outermost eigenvalues, and vectors, within a space; directions that nearly depend on others left
    out."""
    lengths, axes = spectra.eigh(linear.matmul(space.mH, _times(b, space)))
    there = lengths > lengths[-1] * len(lengths) * float(np.finfo(lengths.dtype.np).eps)
    axes = axes[:, there] / lengths[there].sqrt()
    basis = linear.matmul(space, axes)
    values, turned = spectra.eigh(linear.matmul(basis.mH, linear.matmul(a, basis)))
    chosen = slice(-n, None) if largest else slice(0, n)
    values, vectors = values[chosen], linear.matmul(basis, turned[:, chosen])
    return (joining.flip(values, 0), joining.flip(vectors, 1)) if largest else (values, vectors)


def _iterate(
    a: Tensor, b: Tensor | None, x: Tensor, k: Tensor | None, niter: int, tol: float, largest: bool
) -> tuple[Tensor, Tensor]:
    n, size = x.shape[-1], norms.matrix_norm(a)
    weight = norms.matrix_norm(b) if b is not None else 1.0
    values, x = _ritz(a, b, x / norms.vector_norm(x, dim=0), n, largest)
    step: list[Tensor] = []
    for _ in range(niter):
        residual = linear.matmul(a, x) - _times(b, x) * values
        small = norms.vector_norm(residual, dim=0) <= tol * (
            size + values.abs() * weight
        ) * norms.vector_norm(x, dim=0)
        if bool(small.all()):
            break
        wanted = [_times(k, residual[:, ~small]), *step]
        parts = [t / norms.vector_norm(t, dim=0).clamp(min=1e-30) for t in wanted]
        before = x
        values, x = _ritz(a, b, joining.cat([x, *parts], 1), n, largest)
        step = [x - linear.matmul(before, linear.matmul(before.mH, _times(b, x)))]
    return values, x


def _all_pairs(A: Tensor, B: Tensor | None, k: int, largest: bool) -> tuple[Tensor, Tensor]:
    if B is None:
        values, vectors = spectra.eigh(A)
    else:
        low = factors.cholesky(B)
        half = solve_triangular(low, A, False, False)
        values, turned = spectra.eigh(solve_triangular(low, half.mH, False, False))
        vectors = solve_triangular(low.mH, turned, True, False)
    if largest:
        values, vectors = joining.flip(values, -1), joining.flip(vectors, -1)
    return shape.narrow(values, -1, 0, k), shape.narrow(vectors, -1, 0, k)
