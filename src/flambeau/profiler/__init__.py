"""Profiling, as in `torch.profiler`: which kernels ran, how fast, for which line and module; where the time
went; why work was done when it was done.

`python -m flambeau.profiler script.py` profiles a program as it is. See docs/debugging.md.
"""

from .averages import Average, Averages
from .profile import (
    ProfilerAction,
    ProfilerActivity,
    profile,
    record_function,
    schedule,
    supported_activities,
    tensorboard_trace_handler,
)

__all__ = [
    "Average",
    "Averages",
    "ProfilerAction",
    "ProfilerActivity",
    "profile",
    "record_function",
    "schedule",
    "supported_activities",
    "tensorboard_trace_handler",
]
