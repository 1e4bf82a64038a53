"""What goes wrong among processes."""

from __future__ import annotations


class DistError(RuntimeError):
    """Something that several processes were to do together has failed."""


class DistBackendError(DistError):
    """A collective operation has failed: a process is gone or late, or does something else."""


class DistNetworkError(DistError):
    """A connection can't be made or is lost."""


class DistStoreError(DistError):
    """A store doesn't answer, or a key isn't set in time."""
