"""The LKJ distribution of correlation matrices, by their Cholesky factors."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..autograd.grad_mode import no_grad
from ..core.limits import finfo
from ..core.tensor import Tensor
from ..functions.creation import zeros
from ..functions.joining import cat
from ..functions.norms import vector_norm
from ..functions.random import randn
from ..functions.ranges import arange
from . import constraints
from .beta import Beta
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """Lower Cholesky factors of correlation matrices M (dim, dim) with a density of M in proportion to
    det(M)**(concentration - 1) (Lewandowski, Kurowicka and Joe, 2009): the same for all M at 1.

    ValueError for dim < 2.

    >>> import flambeau as torch
    >>> factor = torch.distributions.LKJCholesky(3, 0.5).sample()
    >>> torch.allclose((factor @ factor.T).diagonal(), torch.ones(3))
    True
    """

    arg_constraints = {"concentration": constraints.positive}  # noqa: RUF012
    support = constraints.corr_cholesky
    _parameters = ("concentration", "_beta")

    def __init__(
        self, dim: int, concentration: Tensor | float = 1.0, validate_args: bool | None = None
    ) -> None:
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        d = self.concentration.dtype
        offset = cat([zeros(1, dtype=d), arange(dim - 1, dtype=d)])
        marginal = self.concentration.unsqueeze(-1) + 0.5 * (dim - 2)
        self._beta = Beta(offset + 0.5, marginal - 0.5 * offset)
        super().__init__(self.concentration.shape, (dim, dim), validate_args)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws factors by the onion method: the rows point in random directions, and beta numbers say how
        far."""
        with no_grad():
            y = self._beta.sample(sample_shape).unsqueeze(-1)
            normal = randn(self._extended_shape(sample_shape), dtype=y.dtype).tril(-1)
            direction = normal / vector_norm(normal, dim=-1, keepdim=True)
            direction[..., 0, :] = 0.0
            w = y.sqrt() * direction
            diagonal = (1 - (w**2).sum(-1)).clamp(min=finfo(w.dtype).tiny).sqrt()
            return w + diagonal.diag_embed()

    def log_prob(self, value: Tensor) -> Tensor:
        """sum of (dim - i + 2 (concentration - 1)) log of the i-th of the diagonal, i = 2 to dim, less the
        constant's logarithm."""
        if self._validate_args:
            self._validate_sample(value)
        n, less = self.dim, self.dim - 1
        diagonal = value.diagonal(dim1=-1, dim2=-2)[..., 1:]
        order = 2 * (self.concentration - 1).unsqueeze(-1) + n - arange(2, n + 1)
        alpha = self.concentration + 0.5 * less
        constant = 0.5 * less * math.log(math.pi) + (alpha - 0.5).mvlgamma(less) - alpha.lgamma() * less
        return (order * diagonal.log()).sum(-1) - constant
