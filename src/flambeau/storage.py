"""Storages, as in `torch.storage`: the memory that tensors look at."""

from .functions.storages import TypedStorage, UntypedStorage

__all__ = ["TypedStorage", "UntypedStorage"]
