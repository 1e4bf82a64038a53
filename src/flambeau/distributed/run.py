"""`python -m flambeau.distributed.run --nproc_per_node=N script.py …`: a program in several processes.

Each finds `RANK`, `LOCAL_RANK`, `WORLD_SIZE`, `LOCAL_WORLD_SIZE`, `GROUP_RANK`, `MASTER_ADDR` and
`MASTER_PORT` in its environment, so that `init_process_group()` needs no arguments. When one fails, all are
ended. Programs written for PyTorch run unchanged, as by `flambeau run`.
"""

from __future__ import annotations

import argparse
import os
import queue
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Sequence
from typing import Any

from .store import TCPStore

__all__ = ["main"]

_GRACE = 10.0  # seconds that processes get to end after a signal


def _count(text: str) -> int:
    """How many processes `4`, `auto` or `cpu` are."""
    if text in ("auto", "cpu"):
        return os.cpu_count() or 1
    if text == "gpu":
        raise argparse.ArgumentTypeError("'gpu': Flambeau's processes compute on the CPU; give a number")
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processes")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="flambeau.distributed.run",
        description="Runs a program in several processes.",
        allow_abbrev=False,
    )

    def add(name: str, **options: Any) -> None:
        parser.add_argument(f"--{name}", *([f"--{name.replace('_', '-')}"] if "_" in name else ()), **options)

    add(
        "nproc_per_node",
        type=_count,
        default=1,
        metavar="N",
        help="processes on this machine: N, auto or cpu",
    )
    add("nnodes", type=_count, default=1, metavar="N", help="machines, on each of which this is run")
    add("node_rank", type=int, default=0, metavar="R", help="which of the machines this is, from 0")
    add("master_addr", default="127.0.0.1", metavar="HOST", help="machine 0")
    add("master_port", type=int, default=29500, metavar="PORT", help="where processes find each other there")
    add("standalone", action="store_true", help="one machine, and whatever port is free")
    add("max_restarts", type=int, default=0, metavar="0", help="only 0: nothing is started again")
    parser.add_argument("-m", "--module", action="store_true", help="the program is a module")
    add("no_python", action="store_true", help="the program is not one of Python's")
    parser.add_argument("training_script", help="the program")
    parser.add_argument("training_script_args", nargs=argparse.REMAINDER, help="its arguments")
    return parser


def _command(options: argparse.Namespace) -> list[str]:
    program = [options.training_script, *options.training_script_args]
    if options.no_python:
        return program
    return [sys.executable, "-u", "-m", "flambeau", "run", *(["-m"] if options.module else []), *program]


def _environment(options: argparse.Namespace, port: int, local: int) -> dict[str, str]:
    each = options.nproc_per_node
    own = {
        "RANK": options.node_rank * each + local,
        "LOCAL_RANK": local,
        "WORLD_SIZE": options.nnodes * each,
        "LOCAL_WORLD_SIZE": each,
        "GROUP_RANK": options.node_rank,
        "GROUP_WORLD_SIZE": options.nnodes,
        "MASTER_ADDR": options.master_addr,
        "MASTER_PORT": port,
        "TORCHELASTIC_USE_AGENT_STORE": True,
        "TORCHELASTIC_RUN_ID": options.run_id,
    }
    alone = {"OMP_NUM_THREADS": "1"} if each > 1 and "OMP_NUM_THREADS" not in os.environ else {}
    return {**os.environ, **alone, **{name: str(value) for name, value in own.items()}}


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for act in ("terminate", "kill"):
        for process in processes:
            if process.poll() is None:
                getattr(process, act)()
        for process in processes:
            try:
                process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                continue


def _watch(processes: Sequence[subprocess.Popen[bytes]]) -> tuple[int, int] | None:
    """Waits until all have ended (None) or one has failed: which, and with what code."""
    ended: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
    for i, process in enumerate(processes):
        threading.Thread(
            target=lambda i=i, process=process: ended.put((i, process.wait())), daemon=True
        ).start()
    for _ in processes:
        i, code = ended.get()
        if code != 0:
            return i, code
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a program in several processes. Returns the exit status: 0 if all have ended well."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.max_restarts:
        parser.error("--max_restarts is not supported; leave it out")
    if options.standalone:
        if options.nnodes > 1:
            parser.error("--standalone is for one machine; leave out --nnodes")
        options.master_addr, options.master_port = "127.0.0.1", 0
    if not 0 <= options.node_rank < options.nnodes:
        parser.error(f"--node_rank must be in [0, {options.nnodes - 1}], got {options.node_rank}")
    options.run_id = str(uuid.uuid4())
    port = options.master_port
    if options.node_rank == 0:  # this process keeps the store
        store = TCPStore(options.master_addr, port, is_master=True, wait_for_workers=False)
        port = store.port
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for local in range(options.nproc_per_node):
            environment = _environment(options, port, local)
            processes.append(subprocess.Popen(_command(options), env=environment))
        failed = _watch(processes)
    finally:
        _end(processes)
    if failed is not None:
        print(
            f"flambeau.distributed.run: local rank {failed[0]} has failed with exit code {failed[1]}; the "
            "others were ended",
            file=sys.stderr,
        )
    return int(failed is not None)


if __name__ == "__main__":
    sys.exit(main())
