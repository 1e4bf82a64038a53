"""Marks for NVIDIA's profiler, which sees nothing of programs without a CUDA device."""

from __future__ import annotations

from ..core.device import missing

globals().update(
    missing(
        "cuda",
        {
            "mark": "Marks a moment.",
            "range": "Marks a block.",
            "range_end": "Ends a range that `range_start` began.",
            "range_pop": "Ends the innermost range.",
            "range_push": "Begins a range.",
            "range_start": "Begins a range and returns its number.",
        },
    )
)
