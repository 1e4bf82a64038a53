"""Eigenvalues and singular values."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ..ops import spectra as ops
from ..ops.linalg import matrix, square
from . import return_types
from .calling import deliver, deliver_all
from .casting import in_float32


def _lower(A: Tensor, UPLO: str) -> Tensor:
    """The matrix whose lower triangle is the one to read."""
    if UPLO not in ("L", "U", "l", "u"):
        raise RuntimeError(f"linalg.eigh: Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return A if UPLO in "Ll" else A.mH


@in_float32
def eigh(A: Tensor, UPLO: str = "L", *, out: Any = None) -> Any:
    """A = V diag(w) Vᴴ for Hermitian matrices (..., n, n): eigenvalues upwards, orthonormal columns.

    Reads only the lower (`UPLO` "U": upper) triangle. Vectors are determined up to a sign or phase, on which
    a loss must not depend; gradients through them grow as eigenvalues come close.

    >>> import flambeau as torch
    >>> torch.linalg.eigh(torch.tensor([[2., 1.], [1., 2.]])).eigenvalues
    tensor([1., 3.])
    """
    return deliver_all(
        "linalg.eigh", return_types.linalg_eigh(*ops.eigh(_lower(square("eigh", A), UPLO))), out
    )


@in_float32
def eigvalsh(A: Tensor, UPLO: str = "L", *, out: Tensor | None = None) -> Tensor:
    """The eigenvalues of Hermitian matrices, from the smallest up.

    >>> import flambeau as torch
    >>> torch.linalg.eigvalsh(torch.tensor([[0., 1.], [1., 0.]]))
    tensor([-1.,  1.])
    """
    return deliver("linalg.eigvalsh", ops.eigh(_lower(square("eigvalsh", A), UPLO))[0], out)


@in_float32
def eig(A: Tensor, *, out: Any = None) -> Any:
    """A = V diag(w) V⁻¹ for square matrices (..., n, n): complex eigenvalues in no order, unit columns.

    LinAlgError if a matrix is not finite. Gradients need distinct eigenvalues and a loss that doesn't depend
    on the vectors' phase.

    >>> import flambeau as torch
    >>> torch.linalg.eig(torch.tensor([[0., 1.], [-1., 0.]])).eigenvalues
    tensor([0.+1.j, 0.-1.j])
    """
    return deliver_all("linalg.eig", return_types.linalg_eig(*ops.eig(square("eig", A))), out)


@in_float32
def eigvals(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The eigenvalues of square matrices, complex and in no order.

    >>> import flambeau as torch
    >>> torch.linalg.eigvals(torch.tensor([[2., 0.], [0., 3.]]))
    tensor([2.+0.j, 3.+0.j])
    """
    return deliver("linalg.eigvals", ops.eig(square("eigvals", A))[0], out)


@in_float32
def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None, out: Any = None) -> Any:
    """A = U diag(S) Vᴴ for (..., m, n): orthonormal vectors, singular values from the largest down.

    With `full_matrices` U and Vᴴ are square; the vectors that this adds are arbitrary and have no gradient.
    The others are determined up to a common sign or phase, on which a loss must not depend. LinAlgError if a
    matrix is not finite. `driver` is for CUDA only.

    >>> import flambeau as torch
    >>> torch.linalg.svd(torch.tensor([[0., 2.], [1., 0.]])).S
    tensor([2., 1.])
    """
    if driver is not None:
        raise RuntimeError(
            f"linalg.svd: keyword argument `driver=` ({driver!r}) is only supported on CUDA inputs; leave it "
            "out"
        )
    return deliver_all("linalg.svd", return_types.linalg_svd(*ops.svd(matrix("svd", A), full_matrices)), out)


@in_float32
def svdvals(A: Tensor, *, driver: str | None = None, out: Tensor | None = None) -> Tensor:
    """The singular values, from the largest down.

    >>> import flambeau as torch
    >>> torch.linalg.svdvals(torch.tensor([[3., 0.], [0., -4.]]))
    tensor([4., 3.])
    """
    return deliver("linalg.svdvals", svd(A, False, driver=driver).S, out)
