"""Running a function in several processes, and hearing of the first that fails."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

_GRACE = 30.0  # seconds that the others get to end after a signal


class ProcessException(Exception):
    """A process has failed.

    Args:
        msg: what happened.
        error_index, error_pid: to which process: its number and its id.
    """

    def __init__(self, msg: str, error_index: int, error_pid: int) -> None:
        super().__init__(msg)
        self.msg, self.error_index, self.error_pid = msg, error_index, error_pid

    def __reduce__(self) -> Any:
        return type(self), (self.msg, self.error_index, self.error_pid)


class ProcessRaisedException(ProcessException):
    """A process has failed with an exception, whose traceback is the message."""


class ProcessExitedException(ProcessException):
    """A process was ended by a signal or has exited with a code other than 0.

    Args:
        msg, error_index, error_pid: as for `ProcessException`.
        exit_code: the code, or minus the signal's number.
        signal_name: the signal, if it was one.
    """

    def __init__(
        self, msg: str, error_index: int, error_pid: int, exit_code: int, signal_name: str | None = None
    ) -> None:
        super().__init__(msg, error_index, error_pid)
        self.exit_code, self.signal_name = exit_code, signal_name

    def __reduce__(self) -> Any:
        return type(self), (self.msg, self.error_index, self.error_pid, self.exit_code, self.signal_name)


def _run(fn: Callable[..., Any], index: int, args: tuple[Any, ...], failed: Connection) -> None:
    try:
        fn(index, *args)
    except KeyboardInterrupt:
        pass  # the main process raises it too
    except Exception:
        failed.send(traceback.format_exc())
        sys.exit(1)


class ProcessContext:
    """The processes that `start_processes` has started.

    Args:
        processes: the processes.
        failures: for each a connection from which its traceback can be received, if it has failed.
    """

    def __init__(self, processes: Sequence[Any], failures: Sequence[Connection]) -> None:
        self.processes, self._failures = list(processes), list(failures)
        self.sentinels = {process.sentinel: index for index, process in enumerate(self.processes)}

    def pids(self) -> list[int]:
        """The ids of the processes."""
        return [int(process.pid) for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Waits for one or more processes to end; whether all have.

        If one has failed the others are ended too: by themselves within `grace_period` seconds, then by a
        signal, then without mercy.

        Args:
            timeout: seconds to wait at most.
            grace_period: seconds that the others get.

        Raises:
            ProcessRaisedException: a process has raised an exception.
            ProcessExitedException: a process was killed or has exited with a code other than 0.
        """
        ready: list[Any] = wait(list(self.sentinels), timeout) if self.sentinels else []
        for index in sorted(self.sentinels.pop(sentinel) for sentinel in ready):
            self.processes[index].join()
            if self.processes[index].exitcode != 0:
                self._end_all(grace_period)
                raise self._failure(index)
        return not self.sentinels

    def _end_all(self, grace: float | None) -> None:
        if grace is not None:
            self._wait_for_all(grace)
        for act in ("terminate", "kill"):
            for process in self.processes:
                if process.is_alive():
                    getattr(process, act)()
            self._wait_for_all(_GRACE if grace is None else grace)

    def _wait_for_all(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        for process in self.processes:
            process.join(max(end - time.monotonic(), 0))

    def _failure(self, index: int) -> ProcessException:
        pid, code = int(self.processes[index].pid), int(self.processes[index].exitcode)
        if self._failures[index].poll():
            try:
                text = self._failures[index].recv()
            except EOFError:
                pass
            else:
                head = f"\n\n-- Process {index} terminated with the following error:\n"
                return ProcessRaisedException(head + text, index, pid)
        if code >= 0:
            message = f"process {index} terminated with exit code {code}"
            return ProcessExitedException(message, index, pid, code)
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"<Unknown signal {-code}>"
        return ProcessExitedException(
            f"process {index} terminated with signal {name}", index, pid, code, name
        )


def start_processes(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Calls `fn(i, *args)` in `nprocs` processes, i from 0 on.

    Args:
        fn: the function; unless processes are forked, one that can be imported.
        args: its other arguments.
        nprocs: how many processes.
        join: wait until all have ended. Else a `ProcessContext` is returned.
        daemon: end the processes with this one.
        start_method: "spawn", "fork" or "forkserver".

    Raises:
        ProcessRaisedException, ProcessExitedException: with `join`, as one has failed; the others are ended.
    """
    context: Any = multiprocessing.get_context(start_method)
    processes, failures = [], []
    for index in range(nprocs):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_run, args=(fn, index, args, sender), daemon=daemon)
        process.start()
        sender.close()
        processes.append(process)
        failures.append(receiver)
    started = ProcessContext(processes, failures)
    if not join:
        return started
    while not started.join():
        pass
    return None


def spawn(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Calls `fn(i, *args)` in `nprocs` new processes, i from 0 on. See `start_processes`.

    Args:
        fn: the function, which the processes import.
        args: its other arguments.
        nprocs: how many processes.
        join: wait until all have ended. Else a `ProcessContext` is returned.
        daemon: end the processes with this one.
        start_method: "spawn"; others are for `start_processes`.

    Raises:
        ProcessRaisedException, ProcessExitedException: with `join`, as one has failed; the others are ended.
    """
    if start_method != "spawn":
        import warnings

        warnings.warn(
            f"This method only supports start_method=spawn (got: {start_method}). To use a different "
            "start_method use: torch.multiprocessing.start_processes(...)",
            FutureWarning,
            stacklevel=2,
        )
    return start_processes(fn, args, nprocs, join, daemon, start_method="spawn")
