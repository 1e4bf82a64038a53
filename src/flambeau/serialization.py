"""Saving and loading, as in `torch.serialization`."""

from .interop.checkpoint.names import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals
from .interop.checkpoint.rebuild import Place as MAP_LOCATION
from .interop.checkpoint.rebuild import default_restore_location, location_tag
from .interop.checkpoint.settings import get_crc32_options, set_crc32_options
from .interop.files import FileLike as FILE_LIKE
from .interop.files import get_unsafe_globals_in_checkpoint, load, save

__all__ = [
    "FILE_LIKE", "MAP_LOCATION", "add_safe_globals", "clear_safe_globals", "default_restore_location",
    "get_crc32_options", "get_safe_globals", "get_unsafe_globals_in_checkpoint", "load", "location_tag",
    "safe_globals", "save", "set_crc32_options",
]  # fmt: skip
