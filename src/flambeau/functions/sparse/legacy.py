"""The old types of sparse tensors: `torch.sparse.FloatTensor` and its like."""

from __future__ import annotations

from typing import Any

from ...core import dtype as dt
from ...core.layout import sparse_coo
from ...core.tensor import Tensor
from .construct import sparse_coo_tensor
from .tensor import SparseTensor


class sparsetype:
    """Makes COO tensors of one dtype, from indices and values or from sizes; `isinstance` knows them.

    >>> import flambeau as torch
    >>> torch.sparse.FloatTensor(torch.tensor([[1]]), torch.tensor([2.0]), torch.Size([3])).to_dense()
    tensor([0., 2., 0.])
    """

    def __init__(self, name: str, d: dt.dtype) -> None:
        self.__name__, self.dtype = name, d

    def __call__(self, *data: Any) -> Tensor:
        if not data:
            data = (0,)
        if isinstance(data[0], Tensor):
            places, entries, *size = data
            if entries.dtype is not self.dtype:
                raise TypeError(f"{self!r}: expected values of {self.dtype}, got {entries.dtype}")
            return sparse_coo_tensor(places, entries, *size)
        return sparse_coo_tensor(size=data if isinstance(data[0], int) else data[0], dtype=self.dtype)

    def __instancecheck__(self, value: object) -> bool:
        return isinstance(value, SparseTensor) and value.layout is sparse_coo and value.dtype is self.dtype

    def __repr__(self) -> str:
        return f"torch.sparse.{self.__name__}"


_DTYPES = {
    "BFloat16Tensor": dt.bfloat16, "ByteTensor": dt.uint8, "CharTensor": dt.int8, "DoubleTensor": dt.float64,
    "FloatTensor": dt.float32, "HalfTensor": dt.float16, "IntTensor": dt.int32, "LongTensor": dt.int64,
    "ShortTensor": dt.int16,
}  # fmt: skip
TYPES = {name: sparsetype(name, d) for name, d in _DTYPES.items()}
