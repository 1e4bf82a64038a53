"""Kernels are found again: in memory, and on disk whatever happens there."""

import ctypes
import math
import os
import stat
import subprocess
import sys
import time

import numpy as np
import pytest

from flambeau import cli
from flambeau.runtime import cache, kernels, walk
from flambeau.runtime.calls import Address, Call
from flambeau.runtime.kernels import Kernel, Kernels, build, kernel
from flambeau.runtime.machine import _PART, _emit_copy
from flambeau.runtime.native import Native


@pytest.fixture
def folder(tmp_path, monkeypatch):
    Native([], 0).run((ctypes.c_int64 * 0)())  # the kernel that runs programs is there already
    place = tmp_path / "kernels"
    monkeypatch.setenv("FLAMBEAU_CACHE_DIR", str(place))
    monkeypatch.delenv("FLAMBEAU_CACHE", raising=False)
    unchanged(monkeypatch)
    return place


def unchanged(monkeypatch):
    """Lets the cache work even if the source was edited a moment ago."""
    monkeypatch.setattr(cache, "_STARTED", math.inf)


@pytest.fixture
def compiled(monkeypatch):
    """Symbols of the kernels that LLVM compiles."""
    names = []
    compile_now = kernels._compile

    def count(missing):
        names.extend(k.symbol for k in missing)
        return compile_now(missing)

    monkeypatch.setattr(kernels, "_compile", count)
    return names


def copy(number=0):
    """A kernel that copies, as a new process would make it."""
    return Kernel("flambeau_copy", ("copy", number), _emit_copy)


def works(k):
    source, target = np.arange(_PART, dtype=np.uint8), np.zeros(_PART, np.uint8)
    places = (ctypes.c_int64 * 2)(target.ctypes.data, source.ctypes.data)
    Native([Call(k, (Address(0), Address(1)), 1, 1)], 2).run(places)
    return bool((source == target).all())


def only_entry(folder):
    (path,) = folder.iterdir()
    return path


def test_one_kernel_for_a_key():
    key = object()
    assert kernel("a", key, _emit_copy) is kernel("a", key, walk.emit_run)
    assert kernel("a", key, _emit_copy) is not kernel("b", key, _emit_copy)


def test_a_second_process_only_links(folder, compiled):
    assert works(copy()) and compiled == ["flambeau_copy"]
    assert works(copy()) and compiled == ["flambeau_copy"]
    assert works(copy(1)) and len(compiled) == 2 and len(list(folder.iterdir())) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_entries_are_private(folder):
    build([copy()])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(only_entry(folder).stat().st_mode) == 0o600


DAMAGE = {
    "empty": lambda content: b"",
    "short": lambda content: content[: len(content) // 2],
    "headless": lambda content: content[20:],
    "longer": lambda content: content + b"\0",
    "garbled": lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
    "nonsense": lambda content: os.urandom(len(content)),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_entries_are_made_again(folder, compiled, damage):
    build([copy()])
    path = only_entry(folder)
    sound = path.read_bytes()
    path.write_bytes(DAMAGE[damage](sound))
    assert works(copy()) and len(compiled) == 2
    assert path.read_bytes() == sound and works(copy()) and len(compiled) == 2


def test_an_entry_under_another_name_is_no_hit(folder, compiled):
    build([copy(0)])
    path = only_entry(folder)
    build([copy(1)])
    other = next(p for p in folder.iterdir() if p != path)
    other.write_bytes(path.read_bytes())
    build([copy(1)])
    assert len(compiled) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_what_others_may_write_is_not_trusted(folder, compiled):
    build([copy()])
    path = only_entry(folder)
    path.chmod(0o666)
    assert works(copy()) and len(compiled) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    folder.chmod(0o777)
    assert works(copy()) and len(compiled) == 3
    assert works(copy()) and len(compiled) == 4
    folder.chmod(0o700)
    content = path.read_bytes()
    path.unlink()
    (folder.parent / "elsewhere").write_bytes(content)
    path.symlink_to(folder.parent / "elsewhere")
    assert works(copy()) and len(compiled) == 5
    if os.geteuid() == 0:
        os.chown(path, 12345, 12345)
        assert works(copy()) and len(compiled) == 6


def test_a_place_that_is_no_folder_costs_only_time(folder, compiled):
    folder.write_text("a file")
    assert works(copy()) and works(copy()) and len(compiled) == 2
    assert folder.read_text() == "a file" and cache.summary().entries == 0 and cache.prune(0) == 0


def test_a_read_only_or_full_disk_costs_only_time(folder, compiled, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.tempfile, "mkstemp", fail)
    assert works(copy()) and works(copy()) and len(compiled) == 2
    monkeypatch.undo()
    monkeypatch.setattr(cache.os, "replace", fail)
    monkeypatch.setenv("FLAMBEAU_CACHE_DIR", str(folder))
    assert works(copy()) and list(folder.iterdir()) == []


def test_switched_off(folder, compiled, monkeypatch):
    monkeypatch.setenv("FLAMBEAU_CACHE", "0")
    assert works(copy()) and works(copy()) and len(compiled) == 2
    assert not folder.exists() and cache.summary() is None


def test_keys_that_differ_between_processes_are_not_stored(folder):
    for key in (object(), ("a", object()), (np.int64(3),), frozenset("ab"), b"bytes"):
        assert cache.name("f", key, _emit_copy) is None
    build([Kernel("flambeau_copy", object(), _emit_copy)])
    assert not folder.exists()


def test_kernels_of_others_are_not_stored(monkeypatch):
    unchanged(monkeypatch)

    def emit(module):
        _emit_copy(module)

    assert cache.name("f", (), emit) is None and cache.name("f", (), _emit_copy) is not None


def test_names_tell_keys_apart(monkeypatch):
    unchanged(monkeypatch)
    keys = [
        (),
        ((),),
        (1,),
        (True,),
        (1.0,),
        ("1",),
        (None,),
        (1, 2),
        ((1,), 2),
        (1, (2,)),
        ("1,2",),
        ("(", ")"),
        (-0.0,),
    ]
    names = {cache.name("f", key, _emit_copy) for key in keys} | {cache.name("g", (), _emit_copy)}
    assert len(names) == len(keys) + 1 and None not in names


def test_changed_source_is_another_kernel(monkeypatch):
    unchanged(monkeypatch)
    before = cache.name("f", (), _emit_copy)
    monkeypatch.setattr(cache, "_origin", cache._origin.__wrapped__)
    assert cache.name("f", (), _emit_copy) == before
    monkeypatch.setattr(cache, "host", _Other)
    assert cache.name("f", (), _emit_copy) not in (before, None)
    monkeypatch.setattr(cache, "_STARTED", 0.0)  # as if all source had been written after the start
    assert cache.name("f", (), _emit_copy) is None


class _Other:
    cpu, features = "other", ""


def test_what_is_unused_for_longest_is_pruned(folder):
    build([copy(n) for n in range(4)])
    paths = sorted(folder.iterdir())
    for age, path in enumerate(paths):
        os.utime(path, (time.time() - 1000 * age,) * 2)
    left = folder / ("0" * 40 + ".abc.new")
    left.write_text("unfinished")
    os.utime(left, (0, 0))
    sizes = [path.stat().st_size for path in paths]
    assert cache.prune(sum(sizes[:2])) == sum(sizes[2:]) + 10
    assert sorted(folder.iterdir()) == paths[:2]


def test_used_entries_are_young_again(folder):
    build([copy()])
    path = only_entry(folder)
    os.utime(path, (0, 0))
    build([copy()])
    assert path.stat().st_mtime > time.time() - 100


def test_memory_is_bounded():
    table = Kernels(most=16)
    held = [table.find("f", n, _emit_copy) for n in range(3)]
    for n in range(100):
        table.find("f", n, _emit_copy)
    assert len(table.known) <= 16 and all(table.find("f", n, _emit_copy) is held[n] for n in range(3))
    young = list(table.known)[-1]
    table.find("f", "new", _emit_copy)
    assert young in table.known


def test_bytes_of_code_are_bounded(folder):
    table = Kernels(nbytes=10_000)
    for n in range(20):
        k = table.find("f", n, _emit_copy)
        k.nbytes = 1000
        table.loaded(1000)
    assert table.nbytes == sum(k.nbytes for k in table.known.values()) <= 10_000


def test_dropped_kernels_free_their_code():
    k = Kernel("flambeau_copy", object(), _emit_copy)
    build([k])
    code = k._code
    assert not code.closed
    del k
    assert sys.getrefcount(code) == 2  # the name `code`, and the argument: the kernel's hold is gone


def test_several_kernels_at_once(folder, compiled):
    many = [copy(n) for n in range(5)]
    build([*many, many[0]])
    assert len(compiled) == 5 and len({k.address for k in many}) == 5 and all(map(works, many))


def test_errors_of_compilation_are_raised(folder):
    def wrong(module):
        from llvmlite import ir

        function = ir.Function(module, ir.FunctionType(ir.IntType(64), []), "wrong")
        ir.IRBuilder(function.append_basic_block()).ret(ir.Constant(ir.IntType(32), 1))

    with pytest.raises(RuntimeError, match="result type"):
        build([Kernel("wrong", object(), wrong), Kernel("wrong", object(), wrong)])
    assert works(copy())


TWO = """
import sys
sys.path.insert(0, sys.argv[1])
from test_kernel_cache import *
cache._STARTED = math.inf
many = [copy(n) for n in range(12)]
build(many)
assert all(map(works, many))
print(sum(len(k._code[k.symbol].to_bytes(8, "little")) for k in many))
"""


def run(code, *arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )


def test_two_processes_at_once(folder):
    both = [run(TWO, os.path.dirname(__file__)) for _ in range(2)]
    for process in both:
        out, error = process.communicate(timeout=60)
        assert process.returncode == 0 and out == "96\n", error
    assert len([p for p in folder.iterdir() if p.suffix == ".new"]) == 0
    assert len(list(folder.iterdir())) >= 12


def test_lesser_processors_have_their_own_entries():
    code = "from flambeau.runtime import cache, machine; cache._STARTED = 1e99; "
    code += "print(cache.name('f', (), machine._emit_copy))"
    names = [run(code, FLAMBEAU_CPU=cpu).communicate(timeout=60)[0] for cpu in ("", "avx2", "sse2")]
    assert len(set(names)) == 3 and all(len(n) == 41 for n in names)


def test_the_command_line(folder, capsys, monkeypatch):
    build([copy(n) for n in range(3)])
    assert cli.main(["cache"]) == 0
    assert capsys.readouterr().out.startswith(f"{folder}: 3 kernels, ")
    assert cli.main(["cache", "--prune"]) == 0 and "3 kernels" in capsys.readouterr().out
    assert cli.main(["cache", "--prune", "2K"]) == 0 and "3 kernels" not in capsys.readouterr().out
    assert cli.main(["cache", "--prune", "4X"]) == 2 and "no size" in capsys.readouterr().err
    assert cli.main(["cache", "--clear"]) == 0 and "0 kernels, 0 bytes" in capsys.readouterr().out
    monkeypatch.setenv("FLAMBEAU_CACHE", "0")
    assert cli.main(["cache"]) == 0 and "off" in capsys.readouterr().out


SIZES = {"7": 7, "2K": 2048, "3m": 3 << 20, "1G": 1 << 30} | dict.fromkeys(("", "K", "1T", "-1", "1.5M"))


@pytest.mark.parametrize("text", SIZES)
def test_sizes_on_the_command_line(text):
    assert cli._bytes(text) == SIZES[text]
