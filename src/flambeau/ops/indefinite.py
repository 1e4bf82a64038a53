"""A = L D Lᴴ of Hermitian or symmetric matrices that need not be definite, after Bunch and Kaufman (1977).

D has blocks of one or two rows. A pivot is 1 + the number of the row that was swapped with the block's last;
negative, and there twice, for a block of two. L lies below D in one matrix.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtype as dt
from .kinds import broadcast
from .linalg import Spec, check_matrix, check_square, matrix_op, no_derivative, squares, steady
from .samples import Sample, spread

GROWTH = (1 + math.sqrt(17)) / 8  # how much smaller than the others a pivot may be


def _size(x: Any) -> Any:
    return np.abs(x.real) + np.abs(x.imag) if np.iscomplexobj(x) else np.abs(x)


def _choose(x: np.ndarray, k: int) -> tuple[int, int]:
    """The row to swap with, and the number of rows of the block at `k`; (-1, 1) if all of the column is 0."""
    below = _size(x[k + 1 :, k])
    own, largest = _size(x[k, k]), below.max(initial=0)
    if max(own, largest) == 0 or own != own:
        return -1, 1
    if own >= GROWTH * largest:
        return k, 1
    r = k + 1 + int(below.argmax())
    row = max(_size(x[r, k:r]).max(initial=0), _size(x[r + 1 :, r]).max(initial=0))
    if own >= GROWTH * largest * (largest / row):
        return k, 1
    return (r, 1) if _size(x[r, r]) >= GROWTH * row else (r, 2)


def _swap(x: np.ndarray, k: int, last: int, p: int, hermitian: bool) -> None:
    """Swaps rows and columns `last` and `p` of what is left, of which there is the lower triangle."""
    flip = np.conj if hermitian else np.asarray
    x[p + 1 :, [last, p]] = x[p + 1 :, [p, last]]
    between = x[last + 1 : p, last].copy()
    x[last + 1 : p, last], x[p, last + 1 : p] = flip(x[p, last + 1 : p]).copy(), flip(between)
    x[p, last] = flip(x[p, last])
    x[[last, p], [last, p]] = x[[p, last], [p, last]]
    if last > k:
        x[[last, p], k] = x[[p, last], k]


def _whole(lower: np.ndarray, hermitian: bool) -> np.ndarray:
    """The matrix of which there is the lower triangle."""
    below, diagonal = np.tril(lower, -1), np.diag(np.diag(lower))
    return below + (below.conj().T + diagonal.real if hermitian else below.T + diagonal)


def _factor(x: np.ndarray, hermitian: bool) -> tuple[np.ndarray, list[int], int]:
    """Of one matrix: L below D, pivots, and 1 + the first place where D is singular (or 0)."""
    flip = np.conj if hermitian else np.asarray
    x, n = np.tril(x), len(x)
    if hermitian:
        np.fill_diagonal(x, x.diagonal().real)
    pivots, info, k = [0] * n, 0, 0
    while k < n:
        p, rows = _choose(x, k)
        last, after = k + rows - 1, k + rows
        if p < 0:
            info, p = info or k + 1, k
        else:
            if p != last:
                _swap(x, k, last, p, hermitian)
            block = _whole(x[k:after, k:after], hermitian)
            columns = x[after:, k:after].copy()
            x[after:, k:after] = np.linalg.solve(block.T, columns.T).T if rows == 2 else columns / block
            x[after:, after:] -= x[after:, k:after] @ flip(columns).T
        pivots[k:after] = [p + 1] if rows == 1 else [-(p + 1)] * 2
        k = after
    return np.tril(x), pivots, info


def _ldl_factor(x: np.ndarray, hermitian: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    out, pivots, info = np.empty_like(x), np.zeros(x.shape[:-1], np.int32), np.zeros(x.shape[:-2], np.int32)
    for i in np.ndindex(x.shape[:-2]):
        out[i], pivots[i], info[i] = _factor(x[i], hermitian)
    return out, pivots, info


def _ldl_rule(what: str, x: Any, hermitian: bool) -> list[Spec]:
    shape = check_square(what, x)
    return [(shape, x._node.dtype), (shape[:-1], dt.int32), (shape[:-2], dt.int32)]


# Reads the lower triangle only.
ldl_factor = matrix_op(
    "ldl_factor", _ldl_factor, _ldl_rule, results=3, attrs="hermitian", backward="LdlFactorEx", checks=False,
    grad=no_derivative("linalg_ldl_factor_ex", "use linalg.eigh"), settled=lambda results: results[0],
    samples=lambda: [*squares(hermitian=True), Sample((spread((2, 4, 4)),), {"hermitian": False})],
)  # fmt: skip


def _blocks(pivots: np.ndarray) -> list[tuple[int, int, int]]:
    """First row, end, and the row swapped with the last, of each block of D."""
    found, k = [], 0
    while k < len(pivots):
        end = k + (1 if pivots[k] > 0 else 2)
        found.append((k, end, abs(int(pivots[k])) - 1))
        k = end
    return found


def _solve(x: np.ndarray, pivots: np.ndarray, y: np.ndarray, hermitian: bool) -> np.ndarray:
    """Of one matrix: L, D and Lᴴ undone one after the other, block by block."""
    flip, n = (np.conj if hermitian else np.asarray), len(x)
    if ((pivots == 0) | (np.abs(pivots) > n)).any() or (pivots < 0).sum() % 2:
        raise RuntimeError(
            f"linalg.ldl_solve: pivots {pivots.tolist()} are not those of ldl_factor for {n} rows"
        )
    out, blocks = y.copy(), _blocks(pivots)
    for k, end, p in blocks:
        out[[end - 1, p]] = out[[p, end - 1]]
        out[end:] -= x[end:, k:end] @ out[k:end]
    for k, end, _ in blocks:
        whole = _whole(x[k:end, k:end], hermitian)
        out[k:end] = np.linalg.solve(whole, out[k:end]) if end - k == 2 else out[k:end] / whole
    for k, end, p in reversed(blocks):
        out[k:end] -= flip(x[end:, k:end]).T @ out[end:]
        out[[end - 1, p]] = out[[p, end - 1]]
    return out


def _ldl_solve(x: np.ndarray, pivots: np.ndarray, y: np.ndarray, hermitian: bool) -> np.ndarray:
    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    x, pivots = np.broadcast_to(x, batch + x.shape[-2:]), np.broadcast_to(pivots, batch + pivots.shape[-1:])
    y = np.broadcast_to(y, batch + y.shape[-2:])
    out = np.empty(y.shape, y.dtype)
    for i in np.ndindex(batch):
        out[i] = _solve(x[i], pivots[i], y[i], hermitian)
    return out


def _ldl_solve_rule(what: str, x: Any, pivots: Any, y: Any, hermitian: bool) -> Spec:
    a, b = check_square(what, x), check_matrix(what, y, "B")
    if a[-1] != b[-2]:
        raise RuntimeError(
            f"linalg.{what}: Incompatible shapes of A and B for the equation AX = B ({a[-2]}x{a[-1]} and "
            f"{b[-2]}x{b[-1]})"
        )
    return (*broadcast(f"linalg.{what}", a[:-2], b[:-2]), *b[-2:]), y._node.dtype


def _ldl_solve_grad(g: Any, x: Any, pivots: Any, hermitian: bool) -> Any:
    return ldl_solve(x if hermitian else x.conj(), pivots, g, hermitian)


def _ldl_samples() -> list[Sample]:
    a, b = steady(2, 3, 3), spread((3, 2), seed=1)
    whole = np.array([[1, 2, 3], [-2, -2, 3]])
    return [Sample((a, whole, b), {"hermitian": h}) for h in (True, False)]


ldl_solve: Any = matrix_op(
    "ldl_solve", _ldl_solve, _ldl_solve_rule, inputs="x pivots y", attrs="hermitian", samples=_ldl_samples,
    grad={"y": _ldl_solve_grad},
)  # fmt: skip
