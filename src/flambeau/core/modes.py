"""Whether operations are recorded for differentiation, per thread."""

from __future__ import annotations

import threading


class _Modes(threading.local):
    grad = True
    inference = False


modes = _Modes()
