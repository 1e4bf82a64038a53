"""Eigenvalues, singular values, and the inverse that is made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .contraction import matmul
from .kinds import broadcast
from .linalg import (
    CONVERGE,
    Shape,
    Spec,
    chain,
    check_finite,
    check_matrix,
    check_square,
    columns,
    counting,
    each,
    hermitian,
    matrix_op,
    off_diagonal,
    phase_free,
    ratio,
    skew,
    squares,
    wide_or_tall,
    without_phase,
)
from .samples import Sample
from .systems import inv, solve


def _eigh_rule(what: str, x: Any) -> list[Spec]:
    shape = check_square(what, x)
    return [(shape[:-1], x._node.dtype.to_real()), (shape, x._node.dtype)]


def _eigh_grad(g: Any, out: Any) -> Any:
    """V (diag(gw) + skew(Vᴴ gV) / (w_j - w_i)) Vᴴ."""
    (gw, gv), (w, v) = g, out
    turn = skew(without_phase(matmul(v.mH, gv), "eigh")) / 2
    inner = ratio(turn, columns(w) - w.unsqueeze(-1), off_diagonal(w.shape[-1])) + gw.diag_embed()
    return chain(v, inner, v.mH)


def _eigh(x: np.ndarray) -> Any:
    return each("eigh", CONVERGE + "has too many repeated eigenvalues.", np.linalg.eigh, x)


def _eigh_settled(results: Any) -> Any:
    w, v = results
    return matmul(v * counting(v, w.shape[-1]), v.mH) + w.diag_embed()


# Reads the lower triangle only.
eigh = matrix_op(
    "eigh", _eigh, _eigh_rule, results=2, grad=_eigh_grad, ready=hermitian, settled=_eigh_settled,
    samples=squares,
)  # fmt: skip


def _eig_rule(what: str, x: Any) -> list[Spec]:
    shape, d = check_square(what, x), x._node.dtype.to_complex()
    return [(shape[:-1], d), (shape, d)]


def _eig(x: np.ndarray) -> Any:
    check_finite("eig", x)
    return each("eig", CONVERGE + "is ill-conditioned.", np.linalg.eig, x)


def _eig_grad(g: Any, out: Any) -> Any:
    """V⁻ᴴ (diag(gw) + (Vᴴ gV - VᴴV diag(Re VᴴgV)) / conj(w_j - w_i)) Vᴴ: the vectors keep their length."""
    (gw, gv), (w, v) = g, out
    vh_gv = phase_free(matmul(v.mH, gv), "eig")
    turn = vh_gv - matmul(v.mH, v) * columns(vh_gv.diagonal(0, -2, -1).real)
    gaps = (columns(w) - w.unsqueeze(-1)).conj()
    inner = ratio(turn, gaps, off_diagonal(w.shape[-1])) + gw.diag_embed()
    return solve(v.mH, matmul(inner, v.mH))


def _eig_settled(results: Any) -> Any:
    w, v = results
    return chain(v * columns(w * w * w), inv(v, True))  # the third power: the order doesn't matter


eig = matrix_op("eig", _eig, _eig_rule, results=2, grad=_eig_grad, settled=_eig_settled, samples=squares)


def _svd_rule(what: str, x: Any, full: bool) -> list[Spec]:
    (*batch, m, n), d = check_matrix(what, x), x._node.dtype
    k = min(m, n)
    rows, columns = (m, n) if full else (k, k)
    return [((*batch, m, rows), d), ((*batch, k), d.to_real()), ((*batch, columns, n), d)]


def _svd(x: np.ndarray, full: bool) -> Any:
    check_finite("svd", x)
    return each("svd", CONVERGE + "is ill-conditioned.", lambda a: np.linalg.svd(a, full), x)


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
    rows, across = s.unsqueeze(-1), columns(s)
    gaps, off = (across - rows) * (across + rows), off_diagonal(k)
    inner = ratio(skew(turn_u), gaps, off) * across + rows * ratio(skew(turn_v), gaps, off)
    along = g[1]
    if s.dtype is not u.dtype:
        along = along + ratio(skew(turn_u).diagonal(0, -2, -1), s) / 2
    gx = chain(u, inner + along.diag_embed(), vh)
    if m > k:
        gx = gx + matmul(ratio(gu - matmul(u, turn_u), across), vh)
    if n > k:
        gx = gx + matmul(u, ratio(gvh - chain(gvh, vh.mH, vh), rows))
    return gx


def _svd_settled(results: Any) -> Any:
    u, s, vh = results
    k = s.shape[-1]
    numbers = counting(s, k)
    product = matmul(u.narrow(-1, 0, k) * numbers, vh.narrow(-2, 0, k))
    return product + (s * numbers).sum(-1).unsqueeze(-1).unsqueeze(-1)


svd = matrix_op(
    "svd", _svd, _svd_rule, results=3, attrs="full", grad=_svd_grad, settled=_svd_settled,
    samples=lambda: [*wide_or_tall(full=False), *wide_or_tall(full=True)[:2]],
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
    left, right = chain(g.mH, p, ph), chain(ph, p, g.mH)
    return left - chain(x, p, left) + right - chain(right, p, x) - chain(ph, g, ph)


# Singular values up to max(atol, rtol * the largest) count as 0.
pinv = matrix_op(
    "pinv", _pinv, _pinv_rule, inputs="x atol rtol", grad=_pinv_grad,
    samples=lambda: [Sample((s.arrays[0], np.array(0.0), np.array(1e-6)), {}) for s in wide_or_tall()],
)  # fmt: skip
