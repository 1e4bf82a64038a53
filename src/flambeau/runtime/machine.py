"""What this machine can do, measured: arithmetic and memory, by one thread and by all."""

from __future__ import annotations

import ctypes
import math
import os
import platform
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import cache, threads
from .buffers import address, empty
from .calls import Address, Call
from .kernels import kernel
from .native import Native
from .target import host

_CHAINS = 12  # multiply-adds under way at once, enough to hide their latency
_ROUNDS = 1 << 17
_PART = 1 << 20  # bytes copied by a task
_SHOWN = ("avx512bf16", "avx512fp16", "avx512vnni", "avx512f", "avxvnni", "avx2", "fma", "f16c", "amx-tile")
_SHOWN_ARM = ("neon", "sve", "sve2", "bf16", "fullfp16", "dotprod", "i8mm")


class Speed(NamedTuple):
    """Operations or bytes per second."""

    one: float
    all: float


def peak() -> Speed:
    """Multiply-adds of float32 vectors, in floating-point operations (two each) per second."""
    lanes = host().lanes(4)
    k = kernel("flambeau_peak", ("machine", lanes), _emit_multiply_adds)
    work = 2 * lanes * _CHAINS * _ROUNDS
    count = threads.usable()
    place = empty((1024 * count,), np.dtype(np.float32))

    def speed(tasks: int) -> float:
        return tasks * work / _best([Call(k, (Address(0), _ROUNDS), tasks, 1 if tasks > 1 else 2)], [place])

    return Speed(speed(1), speed(4 * count) if count > 1 else speed(1))


def bandwidth() -> Speed:
    """Bytes read and written per second when memory far larger than the caches is copied."""
    nbytes = max(2 * host().l3, 1 << 26)
    tasks = nbytes // _PART
    source, target = np.ones(nbytes, np.uint8), np.zeros(nbytes, np.uint8)
    k = kernel("flambeau_copy", ("machine", _PART), _emit_copy)

    def speed(grain: int) -> float:
        return 2 * tasks * _PART / _best([Call(k, (Address(0), Address(1)), tasks, grain)], [target, source])

    return Speed(speed(tasks), speed(1))


def _best(calls: list[Call], arrays: list[np.ndarray], repeats: int = 12) -> float:
    program = Native(calls, len(arrays))
    places = (ctypes.c_int64 * len(arrays))(*map(address, arrays))
    best = math.inf
    for _ in range(repeats):
        start = time.perf_counter()
        program.run(places)
        best = min(best, time.perf_counter() - start)
    return best


def _kernel(module: Any, symbol: str) -> tuple[Any, Any]:
    from llvmlite import ir

    word = ir.IntType(64)
    kind = ir.FunctionType(ir.VoidType(), [word.as_pointer(), word, word, word])
    function = ir.Function(module, kind, symbol)
    return function, ir.IRBuilder(function.append_basic_block("start"))


def _emit_multiply_adds(module: Any) -> None:
    """For each task, `word 1` rounds of independent multiply-adds; the sum goes to the thread's own place."""
    from llvmlite import ir

    function, b = _kernel(module, "flambeau_peak")
    word, lanes = ir.IntType(64), host().lanes(4)
    kind = ir.VectorType(ir.FloatType(), lanes)
    words, begin, end, thread = function.args
    rounds = b.mul(b.load(b.gep(words, [word(1)])), b.sub(end, begin))
    start, loop, done = b.block, function.append_basic_block("loop"), function.append_basic_block("done")
    b.branch(loop)
    b.position_at_end(loop)
    i, chains = b.phi(word), [b.phi(kind) for _ in range(_CHAINS)]
    i.add_incoming(word(0), start)
    suffix = f"v{lanes}f32"
    fma = ir.Function(module, ir.FunctionType(kind, [kind] * 3), f"llvm.fma.{suffix}")
    factor = ir.Constant(kind, [0.5] * lanes)
    for number, chain in enumerate(chains):
        chain.add_incoming(ir.Constant(kind, [float(number)] * lanes), start)
        chain.add_incoming(b.call(fma, [chain, factor, factor]), loop)
    following = b.add(i, word(1))
    i.add_incoming(following, loop)
    b.cbranch(b.icmp_signed("<", following, rounds), loop, done)
    b.position_at_end(done)
    total = chains[0]
    for chain in chains[1:]:
        total = b.fadd(total, chain)
    place = b.add(b.load(b.gep(words, [word(0)])), b.mul(thread, word(4096)))
    b.store(total, b.inttoptr(place, kind.as_pointer()), align=4)
    b.ret_void()


def _emit_copy(module: Any) -> None:
    """For each task, copies as many bytes from `word 1` to `word 0`."""
    from llvmlite import ir

    function, b = _kernel(module, "flambeau_copy")
    word, byte = ir.IntType(64), ir.IntType(8).as_pointer()
    words, begin, end, _ = function.args
    offset, length = b.mul(begin, word(_PART)), b.mul(b.sub(end, begin), word(_PART))
    target, source = (b.inttoptr(b.add(b.load(b.gep(words, [word(k)])), offset), byte) for k in (0, 1))
    kind = ir.FunctionType(ir.VoidType(), [byte, byte, word, ir.IntType(1)])
    b.call(ir.Function(module, kind, "llvm.memcpy.p0.p0.i64"), [target, source, length, ir.IntType(1)(0)])
    b.ret_void()


def processor() -> str:
    """The processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _size(nbytes: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if nbytes < 1024 or unit == "GiB":
            break
        nbytes /= 1024
    return f"{nbytes:.4g} {unit}"


def _threads() -> str:
    count, allowed, given = threads.usable(), threads.available(), threads.quota()
    limits = [f"{os.cpu_count()} processors", f"{allowed} allowed to this process"]
    if given < math.inf:
        limits.append(f"a quota of {given:.4g}")
    return f"{count} ({', '.join(limits)}; {threads.reason()})"


def describe() -> dict[str, str]:
    """The machine and what it was measured to do, by heading. Takes about half a second."""
    import llvmlite
    import llvmlite.binding as llvm

    target = host()
    flops, speed = peak(), bandwidth()
    features = [f for f in (*_SHOWN, *_SHOWN_ARM) if target.has(f)]
    stored = cache.summary()
    return {
        "processor": f"{processor()} ({target.cpu})",
        "features": ", ".join(features) + f"; vectors of {8 * target.vector} bits",
        "caches": ", ".join(_size(n) for n in (target.l1, target.l2, target.l3)),
        "threads": _threads(),
        "float32": f"{flops.one / 1e9:.4g} GFLOP/s by one thread, {flops.all / 1e9:.4g} by all",
        "memory": f"{speed.one / 1e9:.3g} GB/s by one thread, {speed.all / 1e9:.3g} by all (copying)",
        "LLVM": f"{'.'.join(map(str, llvm.llvm_version_info))} (llvmlite {llvmlite.__version__})",
        "kernel cache": "off" if stored is None else f"{stored.folder}, {stored.entries} kernels, "
        f"{_size(stored.nbytes)}",
    }  # fmt: skip
