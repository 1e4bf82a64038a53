"""Downloaded weights, by the name that they had before `torch.hub`."""

from __future__ import annotations

from ..hub import load_state_dict_from_url

load_url = load_state_dict_from_url

__all__ = ["load_url"]
