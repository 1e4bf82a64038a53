"""Finding what makes NaNs in a backward pass: each gradient is looked at, and each operation remembers where
it was recorded.

Nothing of this is in the way while it is off: what remembers is put in from outside, and taken out again.
"""

from __future__ import annotations

import linecache
import sys
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from ..core import gradient
from ..core.realize import user_line
from ..core.tensor import Tensor


class _Anomaly:
    """Whether operations remember their lines, and whether gradients are looked at for NaNs."""

    enabled = False
    check_nan = True

    def __init__(self) -> None:
        self.places: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()

    def set(self, enabled: bool, check_nan: bool) -> None:
        """Switches it on or off, for all threads."""
        if enabled != self.enabled:
            setattr(gradient.GradNode, "__init__", _remembering if enabled else _plain)  # noqa: B010
        self.enabled, self.check_nan = enabled, check_nan

    def note(self, fn: Any) -> None:
        """Remembers where a gradient function's operation was recorded."""
        self.places[fn] = described(user_line(), module_path())

    def apply(self, fn: Any, gs: Any, needed: list[bool]) -> list[Any]:
        """What a gradient function returns; RuntimeError if there is a NaN in it."""
        place = self.places.get(fn)
        try:
            found: list[Any] = fn.apply(gs, needed)
        except Exception as error:
            if place is not None:
                error.add_note(f"in {fn.name()}, whose operation was recorded {place}")
            raise
        if self.check_nan:
            self.look(fn.name(), found, place)
        return found

    def look(self, name: str, found: Sequence[Tensor | None], place: str | None) -> None:
        """RuntimeError if one of the gradients has a NaN."""
        for i, g in enumerate(found):
            if g is not None and bool((g._values() if g._sparse else g).isnan().any()):
                where = f"The operation was recorded {place}" if place else "Its line was not noted"
                raise RuntimeError(
                    f"Function '{name}' returned nan values in its {i}th output. {where}; "
                    "flambeau.detect_nan() finds what made it in the forward pass, too"
                )


anomaly = _Anomaly()
_plain: Callable[..., None] = gradient.GradNode.__init__


def _remembering(self: Any, *args: Any) -> None:
    _plain(self, *args)
    anomaly.note(self)


def described(line: str, module: str) -> str:
    """Where something is: `at file:line in module: the text of the line`."""
    name, _, number = line.partition(" ")[0].rpartition(":")
    text = linecache.getline(name, int(number)).strip() if number.isdigit() else ""
    return f"at {line}" + (f" in module {module!r}" if module else "") + (f": `{text}`" if text else "")


def module_path() -> str:
    """The path, from the outermost one, of the module that is being called; "" if none is."""
    frame: Any = sys._getframe(1)
    called: list[Any] = []
    while frame is not None:
        owner = frame.f_locals.get("self") if frame.f_code.co_name == "__call__" else None
        if owner is not None and hasattr(owner, "named_modules"):
            called.append(owner)
        frame = frame.f_back
    if not called:
        return ""
    names = {id(m): name for name, m in called[-1].named_modules()}
    return names.get(id(called[0])) or type(called[0]).__name__


def is_anomaly_enabled() -> bool:
    """Whether backward passes are searched for what makes NaNs.

    >>> import flambeau as torch
    >>> torch.is_anomaly_enabled()
    False
    """
    return anomaly.enabled


def is_anomaly_check_nan_enabled() -> bool:
    """Whether a NaN in a gradient raises, where anomaly detection is on.

    >>> import flambeau as torch
    >>> torch.is_anomaly_check_nan_enabled()
    True
    """
    return anomaly.check_nan


class _Detecting:
    """Sets the mode back at the end of a block."""

    prev: tuple[bool, bool]

    def __exit__(self, *exc: object) -> None:
        anomaly.set(*self.prev)


class detect_anomaly(_Detecting):
    """A block in whose backward passes the first NaN raises: the error names the gradient function that
    returned it, and the line and the module in which its operation was recorded. An error in a function of
    one's own gets the same note.

    Operations must be recorded in the block, too. Each gradient is computed and looked at, which is slow.

    Args:
        check_nan: False to remember lines only.

    Example:
        >>> import flambeau as torch, warnings
        >>> x = torch.zeros(1, requires_grad=True)
        >>> warnings.simplefilter("ignore")
        >>> with torch.autograd.detect_anomaly():
        ...     y = (x * 0).sqrt() * 0
        ...     y.backward()
        Traceback (most recent call last):
        RuntimeError: Function 'SqrtBackward0' returned nan values in its 0th output. ...
    """

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be "
            "enabled for debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        self.prev = anomaly.enabled, anomaly.check_nan
        anomaly.set(True, self.check_nan)


class set_detect_anomaly(_Detecting):
    """Switches anomaly detection (see `detect_anomaly`) on or off, from the call on or for a block.

    >>> import flambeau as torch
    >>> with torch.autograd.set_detect_anomaly(True):
    ...     torch.is_anomaly_enabled()
    True
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.prev = anomaly.enabled, anomaly.check_nan
        anomaly.set(mode, check_nan)

    def __enter__(self) -> None:
        pass
