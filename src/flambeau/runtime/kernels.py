"""Kernels: machine code made once for each key, by LLVM, and found again in memory or on disk.

A kernel is a native function `void f(int64 *words, int64 begin, int64 end, int64 thread)`: `words` are its
arguments (addresses, extents, strides, bits of numbers), and it does tasks number `begin` to `end - 1`. Tasks
may be shared out among threads in any way without changing the result.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cache
from itertools import count
from typing import Any

from ..core.watch import span, tell
from . import cache as disk
from .target import host
from .threads import usable

Emit = Callable[[Any], None]  # adds the function, under the kernel's symbol, to an `llvmlite.ir.Module`


class Kernel:
    """A native function that is made when its address is first needed. The code stays in memory as long as
    the object does.

    `key` says everything that the code depends on besides the target; equal keys mean equal code. If it
    consists of tuples, strings and numbers, the code is kept on disk. `light`: see `kernel`.
    """

    __slots__ = ("_address", "_code", "emit", "key", "light", "nbytes", "symbol")

    def __init__(self, symbol: str, key: Any, emit: Emit, light: bool = True) -> None:
        self.symbol, self.key, self.emit, self.light = symbol, key, emit, light
        self._address = self.nbytes = 0
        self._code: Any = None  # LLVM's handle of the loaded code

    @property
    def address(self) -> int:
        """Where the code is, compiled now if need be."""
        if not self._address:
            build([self])
        return self._address


class Kernels:
    """All kernels by symbol and key, the least recently asked for first. Of those that nobody else refers to,
    the first are dropped when there are more than `most` or their code has more than `nbytes` bytes."""

    def __init__(self, most: int = 4_000, nbytes: int = 64 << 20) -> None:
        self.most, self.limit = most, nbytes
        self.known: OrderedDict[Any, Kernel] = OrderedDict()
        self.nbytes = 0  # of the code that was loaded

    def find(self, symbol: str, key: Any, emit: Emit, light: bool = True) -> Kernel:
        """The one kernel of this symbol and key."""
        full = (symbol, key)
        found = self.known.get(full)
        if found is None:
            found = self.known[full] = Kernel(symbol, key, emit, light)
            if len(self.known) > self.most:
                self.trim()
        else:
            self.known.move_to_end(full)
        return found

    def loaded(self, nbytes: int) -> None:
        """Counts code."""
        self.nbytes += nbytes
        if self.nbytes > self.limit:
            self.trim()

    def trim(self) -> None:
        """Drops kernels down to 7/8 of the limits, so that it needn't be done again soon."""
        for full in list(self.known):
            if len(self.known) <= self.most * 7 // 8 and self.nbytes <= self.limit * 7 // 8:
                break
            if self._references(full) == _UNSHARED:
                self.nbytes -= self.known.pop(full).nbytes

    def _references(self, full: Any) -> int:
        return sys.getrefcount(self.known[full])


def _unshared() -> int:
    kernels = Kernels()
    kernels.known[0] = Kernel("", 0, lambda module: None)
    return kernels._references(0)


_UNSHARED = _unshared()  # what the table alone accounts for
_kernels = Kernels()
# Constants lie near the code, so that they are found without loading their addresses.
_CODE_MODEL = "jitdefault" if sys.platform == "win32" else "small"
_lock = threading.RLock()  # LLVM is used by one thread at a time
_numbers = count()


def kernel(symbol: str, key: Any, emit: Emit, light: bool = True) -> Kernel:
    """The one kernel of this symbol and key. `emit` is called only if its code isn't known yet.

    light: the code is written so that a few of LLVM's passes do (what a loop doesn't change is computed
    before it, and a last call is marked as one). The usual passes take as long as making machine code.
    """
    with _lock:
        return _kernels.find(symbol, key, emit, light)


def build(kernels: Sequence[Kernel]) -> None:
    """Makes the machine code of all these kernels that have none yet."""
    if all(k._address for k in kernels):
        return
    with _lock, span("build", kernels):
        missing, found = [], []
        for k in dict.fromkeys(k for k in kernels if not k._address):
            entry = disk.name(k.symbol, k.key, k.emit)
            code = None if entry is None else disk.load(entry)
            if code is None:
                missing.append((k, entry))
            else:
                _load(k, code)
                found.append(k)
        for (k, entry), code in zip(missing, _compile([k for k, _ in missing]), strict=True):
            _load(k, code)
            if entry is not None:
                disk.store(entry, code)
        tell("built", found, missing)


def _load(k: Kernel, code: bytes) -> None:
    """Gives a kernel its code."""
    k._code = _link(code, k.symbol)
    k.nbytes, k._address = len(code), int(k._code[k.symbol])
    _kernels.loaded(k.nbytes)


def module_text(k: Kernel, triple: str = "") -> str:
    """The kernel's LLVM code, before optimisation."""
    from llvmlite import ir

    module = ir.Module(name=k.symbol)
    module.triple = triple or _machine().triple
    k.emit(module)
    return str(module)


@cache
def _machine() -> Any:
    """LLVM's description of the target, for whoever holds the lock."""
    return _new_machine()


def _new_machine() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = host()
    triple = llvm.Target.from_triple(llvm.get_process_triple())
    return triple.create_target_machine(
        cpu=target.cpu, features=target.features, opt=3, codemodel=_CODE_MODEL, reloc="pic", jit=True
    )


def optimized(k: Kernel, machine: Any = None) -> Any:
    """The kernel's LLVM module after optimisation."""
    machine = machine or _machine()
    return _optimized(module_text(k, machine.triple), machine, k.light)


def _optimized(text: str, machine: Any, light: bool) -> Any:
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(text, llvm.create_context())
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    passes = llvm.create_new_module_pass_manager() if light else builder.getModulePassManager()
    if light:
        for name in _LIGHT.split():
            getattr(passes, f"add_{name}_pass")()
    _side_by_side("LLVMPY_RunNewModulePassManager")(passes, module, builder)
    return module


# Not `new_gvn`, which stops the process where it has "seen the same value a lot".
_LIGHT = "sroa simplify_cfg instruction_combine loop_rotate simplify_cfg"


def _side_by_side(name: str) -> Any:
    """A function of LLVM, as llvmlite declares it but without its lock. Several threads may be in it as long
    as each has a context and a machine of its own."""
    from llvmlite.binding import ffi

    function = getattr(ffi.lib, name)
    return getattr(function, "_cfn", function)


def assembly(k: Kernel, machine: Any = None) -> str:
    """The kernel's machine code as text, for this or another LLVM target machine."""
    machine = machine or _machine()
    return str(machine.emit_assembly(optimized(k, machine)))


def _compile(kernels: list[Kernel]) -> list[bytes]:
    """Object files with the kernels' machine code, made by several threads if there are several."""
    triple = _machine().triple
    texts, light = [module_text(k, triple) for k in kernels], [k.light for k in kernels]
    workers = min(len(kernels), usable())
    if workers > 1:
        from concurrent.futures import ThreadPoolExecutor

        try:
            with ThreadPoolExecutor(workers) as pool:
                return list(pool.map(_object, texts, light))
        except RuntimeError:
            pass  # the interpreter is ending and starts no threads; or it is LLVM's, and comes again
    return list(map(_object, texts, light))


_machines: list[Any] = []  # that no thread uses; making one takes a millisecond


def _object(text: str, light: bool) -> bytes:
    """An object file with the machine code of an LLVM module."""
    from llvmlite.binding import ffi

    machine = _machines.pop() if _machines else _new_machine()
    module = _optimized(text, machine, light)
    with ffi.OutputString() as error:
        buffer = _side_by_side("LLVMPY_TargetMachineEmitToMemory")(machine, module, 1, error)
        if not buffer:
            raise RuntimeError(f"LLVM makes no code: {error}")
    _machines.append(machine)
    try:
        return ctypes.string_at(ffi.lib.LLVMPY_GetBufferStart(buffer), ffi.lib.LLVMPY_GetBufferSize(buffer))
    finally:
        ffi.lib.LLVMPY_DisposeMemoryBuffer(buffer)


@cache
def _jit() -> Any:
    import llvmlite.binding as llvm

    return llvm.create_lljit_compiler(_machine(), use_jit_link=_CODE_MODEL == "small")


def _link(code: bytes, symbol: str) -> Any:
    """Loads an object file: LLVM's handle of it, through which the symbol's address is found."""
    import llvmlite.binding as llvm

    builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process().export_symbol(symbol)
    return builder.link(_jit(), f"kernel{next(_numbers)}")


if hasattr(os, "register_at_fork"):  # a child must not be born while LLVM is at work: nobody would finish it
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)
