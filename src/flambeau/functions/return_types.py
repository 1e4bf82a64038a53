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
aminmax = _named("aminmax", "min max")
slogdet, linalg_slogdet = _named("slogdet", "sign logabsdet"), _named("linalg_slogdet", "sign logabsdet")
qr, linalg_qr = _named("qr", "Q R"), _named("linalg_qr", "Q R")
svd, linalg_svd = _named("svd", "U S V"), _named("linalg_svd", "U S Vh")
linalg_eig, linalg_eigh = (_named(name, "eigenvalues eigenvectors") for name in ("linalg_eig", "linalg_eigh"))
linalg_lstsq = _named("linalg_lstsq", "solution residuals rank singular_values")
