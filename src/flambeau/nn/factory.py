"""Settings of the tensors that a module makes."""

from __future__ import annotations

from typing import Any

_NAMES = {"device", "dtype", "memory_format"}


def factory_kwargs(kwargs: dict[str, Any] | None) -> dict[str, Any]:
    """What of a module's arguments functions that make tensors take: `device`, `dtype` and `memory_format`,
    and what a dict `factory_kwargs` among them says.

    Args:
        kwargs: the arguments by name.

    Raises:
        TypeError: there is another name, or one is given twice.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.factory_kwargs({"dtype": torch.float64})
        {'dtype': torch.float64}
    """
    if kwargs is None:
        return {}
    if unknown := kwargs.keys() - _NAMES - {"factory_kwargs"}:
        raise TypeError(f"factory_kwargs: unexpected kwargs {unknown}; it takes {sorted(_NAMES)}")
    made = dict(kwargs.get("factory_kwargs", {}))
    for name in _NAMES & kwargs.keys():
        if name in made:
            raise TypeError(f"factory_kwargs: {name} specified twice, in kwargs and in factory_kwargs")
        made[name] = kwargs[name]
    return made
