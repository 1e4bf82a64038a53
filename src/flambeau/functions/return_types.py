"""The named tuples that functions with several results return."""

from __future__ import annotations

from collections import namedtuple
from typing import Any


def _named(name: str, fields: str = "values indices") -> Any:
    def show(self: Any) -> str:
        parts = (f"{field}={value!r}" for field, value in zip(self._fields, self, strict=True))
        return f"torch.return_types.{name}(\n" + ",\n".join(parts) + ")"

    base: Any = namedtuple(name, fields)  # type: ignore[misc]
    space = {
        "__slots__": (),
        "__repr__": show,
        "__module__": __name__,
        "__doc__": f"What `{name}` returns: {', '.join(base._fields)}.",
    }
    return type(name, (base,), space)


sort, topk, kthvalue, median, max, min, cummax, cummin = (
    _named(name) for name in ("sort", "topk", "kthvalue", "median", "max", "min", "cummax", "cummin")
)
nanmedian, mode = _named("nanmedian"), _named("mode")
aminmax = _named("aminmax", "min max")
frexp = _named("frexp", "mantissa exponent")
histogram, histogramdd = (_named(name, "hist bin_edges") for name in ("histogram", "histogramdd"))
slogdet, linalg_slogdet = _named("slogdet", "sign logabsdet"), _named("linalg_slogdet", "sign logabsdet")
qr, linalg_qr = _named("qr", "Q R"), _named("linalg_qr", "Q R")
svd, linalg_svd = _named("svd", "U S V"), _named("linalg_svd", "U S Vh")
linalg_eig, linalg_eigh = (_named(name, "eigenvalues eigenvectors") for name in ("linalg_eig", "linalg_eigh"))
linalg_lstsq = _named("linalg_lstsq", "solution residuals rank singular_values")
linalg_lu_factor = _named("linalg_lu_factor", "LU pivots")
linalg_lu_factor_ex = _named("linalg_lu_factor_ex", "LU pivots info")
linalg_lu, lu_unpack = _named("linalg_lu", "P L U"), _named("lu_unpack", "P L U")
linalg_ldl_factor = _named("linalg_ldl_factor", "LD pivots")
linalg_ldl_factor_ex = _named("linalg_ldl_factor_ex", "LD pivots info")
linalg_cholesky_ex, linalg_inv_ex = (
    _named("linalg_cholesky_ex", "L info"),
    _named("linalg_inv_ex", "inverse info"),
)
linalg_solve_ex = _named("linalg_solve_ex", "result info")
_lu_with_info = _named("_lu_with_info", "LU pivots info")
geqrf = _named("geqrf", "a tau")
triangular_solve = _named("triangular_solve", "solution cloned_coefficient")
