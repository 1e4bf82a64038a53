"""Mixed precision, as in `torch.amp`: operations that gain by it in 16 bits, the others in float32.

>>> import flambeau as torch
>>> layer, x = torch.nn.Linear(2, 1), torch.ones(1, 2)
>>> with torch.autocast("cpu"):
...     layer(x).dtype
torch.bfloat16
"""

from .autocast_mode import autocast, custom_bwd, custom_fwd
from .grad_scaler import GradScaler
from .state import is_autocast_available

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]
