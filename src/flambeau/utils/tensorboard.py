"""Logs for TensorBoard: `SummaryWriter`, written by the library tensorboardX (the extra `tensorboard`).

As in PyTorch, importing this module fails where the library is not installed.
"""

from __future__ import annotations

from typing import Any

from ..core.pytree import tree_map
from ..core.tensor import Tensor
from .naming import library

_tensorboardx = library("tensorboardX", "tensorboard", "utils.tensorboard")


def _array(x: Any) -> Any:
    return x.detach().numpy() if isinstance(x, Tensor) else x


class SummaryWriter:
    """Writes event files that TensorBoard shows.

    Besides the methods here there are those of tensorboardX's writer (`add_pr_curve`, `add_mesh`, …), which
    take tensors, too.

    Args:
        log_dir: the folder; without it `runs/<time>_<host><comment>`.
        comment: goes into the name of that folder.
        purge_step: TensorBoard forgets what was logged from this step on, when a crashed run is gone on with.
        max_queue, flush_secs: how many events wait, and how long, before they are written.
        filename_suffix: goes into the name of the file.

    Example:
        >>> import tempfile, flambeau as torch
        >>> from flambeau.utils.tensorboard import SummaryWriter
        >>> with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
        ...     writer.add_scalar("loss", torch.tensor(0.5), global_step=1)
        ...     writer.log_dir == folder
        True
    """

    def __init__(
        self,
        log_dir: Any = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ) -> None:
        self._writer: Any = _tensorboardx.SummaryWriter(
            logdir=None if log_dir is None else str(log_dir),
            comment=comment,
            purge_step=purge_step,
            max_queue=max_queue,
            flush_secs=flush_secs,
            filename_suffix=filename_suffix,
        )

    @property
    def log_dir(self) -> str:
        """The folder of the event files."""
        return str(self._writer.logdir)

    def get_logdir(self) -> str:
        """The folder of the event files."""
        return self.log_dir

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """Logs a number. `new_style` and `double_precision` make no difference here."""
        self._writer.add_scalar(tag, _array(scalar_value), global_step, walltime)

    def add_graph(self, model: Any, *args: Any, **kwargs: Any) -> None:
        """Refused: graphs of models are not logged. NotImplementedError."""
        raise NotImplementedError(
            "add_graph: graphs of models are not logged; torch.explain(model(x)) shows the operations"
        )

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._writer, name)
        if not name.startswith("add_"):
            return found

        def add(*args: Any, **kwargs: Any) -> Any:
            args, kwargs = tree_map(_array, (args, kwargs))
            return found(*args, **kwargs)

        return add

    def flush(self) -> None:
        """Writes what waits."""
        self._writer.flush()

    def close(self) -> None:
        """Writes what waits and closes the file."""
        self._writer.close()

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
