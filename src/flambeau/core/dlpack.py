"""DLPack capsules of dtypes that NumPy has no code for: they travel as whole numbers under another code.

A capsule holds a pointer to a struct of C; the code stands at a fixed place in it (dlpack.h).
"""

from __future__ import annotations

import ctypes
from typing import Any

from . import dtype as dt

SIGNED = 0
CODES = {dt.bfloat16: 4, dt.float8_e4m3fn: 10, dt.float8_e5m2: 12}
_DTYPES = {(code, 8 * d.itemsize): d for d, code in CODES.items()}
_TENSOR = 32  # where the tensor begins in a versioned struct: after version, context, deleter and flags
_CODE = 20  # where the code stands in the tensor: after data, device and number of dimensions

_name = ctypes.pythonapi.PyCapsule_GetName
_name.restype, _name.argtypes = ctypes.c_char_p, (ctypes.py_object,)
_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)


def is_versioned(capsule: Any) -> bool:
    """Whether a capsule has a version, and so says whether its memory may be written to. BufferError for one
    that has been taken over, or is of something else."""
    name = _name(capsule)
    if name not in (b"dltensor", b"dltensor_versioned"):
        raise BufferError(
            f"from_dlpack: expected a fresh DLPack capsule, got one named {name!r}; a capsule can be taken "
            f"over once"
        )
    return bool(name == b"dltensor_versioned")


def _place(capsule: Any) -> Any:
    offset = _TENSOR if is_versioned(capsule) else 0
    return (ctypes.c_uint8 * 2).from_address(_pointer(capsule, _name(capsule)) + offset + _CODE)


def dtype_of(capsule: Any) -> dt.dtype | None:
    """The dtype of a capsule's elements if NumPy has no code for it."""
    code, bits = _place(capsule)
    return _DTYPES.get((code, bits))


def set_code(capsule: Any, code: int) -> None:
    """Changes what a capsule's elements are said to be."""
    _place(capsule)[0] = code
