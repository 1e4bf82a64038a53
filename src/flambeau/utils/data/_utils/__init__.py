"""What programs import from `torch.utils.data._utils`."""

from . import collate, worker

__all__ = ["collate", "worker"]
