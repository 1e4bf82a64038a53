"""What serves training besides tensors and layers: data loading."""

from . import data

__all__ = ["data"]
