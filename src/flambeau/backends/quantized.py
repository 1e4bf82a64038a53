"""Libraries for quantized tensors: there are none."""

from __future__ import annotations

engine = "none"
supported_engines: list[str] = ["none"]
