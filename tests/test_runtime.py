"""The native runtime: programs, the thread pool, buffers, and what becomes of them in forks and at exit."""

import ctypes
import math
import os
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from flambeau.compiler.cpu.emit import I64, Function, i64
from flambeau.core.memory import Block, owns
from flambeau.runtime import interpreter, threads, walk
from flambeau.runtime.buffers import SMALL, Arena, Buffers, address
from flambeau.runtime.calls import Address, Call
from flambeau.runtime.kernels import assembly, kernel
from flambeau.runtime.native import Native
from flambeau.runtime.pool import Pool

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def emit_add(module):
    """For task i: element i of `word 0` += `word 1`."""
    f = Function(module, "test_add")
    place = f.pointer(0, I64)
    with f.loop(f.begin, f.end) as i:
        f.store(f.b.add(f.load(f.at(place, i)), f.word(1)), f.at(place, i))
    f.finish()


def emit_thread(module):
    """For task i: element i of `word 0` = the thread, after `word 1` rounds of multiplication."""
    f = Function(module, "test_thread")
    place = f.pointer(0, I64)
    with f.loop(f.begin, f.end) as i:
        with f.carry(i64(0), f.word(1), 1, [f.word(1)]) as c:
            c.next = [f.b.mul(f.b.xor(c.values[0], c.i), i64(7919))]
        unlikely = f.b.zext(f.b.icmp_signed("==", c.values[0], i64(1 << 60)), I64)
        f.store(f.b.add(f.thread, unlikely), f.at(place, i))
    f.finish()


def add(words, tasks, grain=1):
    return Call(kernel("test_add", ("test",), emit_add), words, tasks, grain)


def busy(tasks, rounds, grain=1):
    return Call(kernel("test_thread", ("test",), emit_thread), (Address(0), rounds), tasks, grain)


def table(*arrays):
    return (ctypes.c_int64 * len(arrays))(*[a.ctypes.data for a in arrays])


@pytest.fixture(params=[1, 2, 3, 7])
def count(request):
    before = threads.get_num_threads()
    threads.set_num_threads(request.param)
    yield request.param
    threads.set_num_threads(before)


@pytest.fixture(params=["futex", "python"])
def pool(request):
    chosen = Pool(futex=request.param == "futex")
    yield chosen
    chosen.stop()


def test_each_task_is_done_once(count, pool):
    for tasks, grain in ((1, 1), (2, 1), (3, 1), (17, 1), (1009, 1), (1009, 100), (1009, 1009), (5, 9)):
        a = np.zeros(tasks + 1, np.int64)
        program = Native(
            [add((Address(0), 1), tasks, grain), add((Address(0), 2), tasks, grain)] * 50, 1, pool
        )
        for _ in range(3):
            program.run(table(a))
        assert (a[:-1] == 450).all() and a[-1] == 0


def test_addresses_follow_the_buffers():
    a, b, c = (np.zeros(8, np.int64) for _ in range(3))
    program = Native([add((Address(0, 16), 1), 2), add((Address(2), 5), 1), add((Address(0), 3), 1)], 3)
    for first in (a, b, a, a):
        program.run(table(first, first, c))
    assert a.tolist() == [9, 0, 3, 3, 0, 0, 0, 0] and b.tolist() == [3, 0, 1, 1, 0, 0, 0, 0] and c[0] == 20


def test_no_calls_and_no_tasks():
    a = np.zeros(1, np.int64)
    Native([], 0).run(table())
    Native([add((Address(0), 1), 0)], 1).run(table(a))
    assert a[0] == 0


def test_threads_are_numbered_below_their_count(count, pool):
    a = np.full(64, -1, np.int64)
    program = Native([busy(64, 2000)], 1, pool)
    for _ in range(20):
        program.run(table(a))
        assert set(a.tolist()) <= set(range(count))


def test_grain_keeps_small_calls_on_one_thread(pool):
    before = threads.get_num_threads()
    threads.set_num_threads(2)
    a = np.full(64, -1, np.int64)
    program = Native([busy(64, 2000, grain=33)], 1, pool)
    assert not program.parallel
    program.run(table(a))
    threads.set_num_threads(before)
    assert (a == 0).all() and pool.count < 0


def test_times_of_calls():
    a = np.zeros(1000, np.int64)
    times = (ctypes.c_int64 * 4)()
    Native([busy(1, 10), busy(1, 100_000), busy(1, 10)], 1).run(table(a), times)
    first, second, third = np.diff(np.array(times))
    assert second > 10 * first > 0 and second > 10 * third > 0


def test_idle_threads_sleep(pool):
    before = threads.get_num_threads()
    threads.set_num_threads(3)
    a = np.zeros(1000, np.int64)
    program = Native([busy(64, 100)], 1, pool)
    program.run(table(a))
    time.sleep(0.05)
    start = time.process_time()
    time.sleep(0.2)
    assert time.process_time() - start < 0.05
    assert pool.memory[walk.SLEEPERS] + len(pool.asleep) == 2
    program.run(table(a))
    threads.set_num_threads(before)


def test_workers_that_slept_come_back(pool):
    before = threads.get_num_threads()
    threads.set_num_threads(2)
    a = np.zeros(64, np.int64)
    program = Native([busy(64, 40_000)] * 3, 1, pool)
    seen = set()
    for _ in range(20):
        program.run(table(a))
        seen |= set(a.tolist())
        time.sleep(0.002)
        if seen == {0, 1}:
            break
    threads.set_num_threads(before)
    assert seen == {0, 1}


def test_python_threads_take_turns():
    before = threads.get_num_threads()
    threads.set_num_threads(2)
    a = np.zeros(501, np.int64)
    program = Native([add((Address(0), 1), 501)] * 20, 1)

    def work():
        places = table(a)
        for _ in range(50):
            program.run(places)

    runners = [threading.Thread(target=work) for _ in range(4)]
    for r in runners:
        r.start()
    for r in runners:
        r.join()
    threads.set_num_threads(before)
    assert (a == 4 * 50 * 20).all()


def test_more_threads_than_processors_finish(pool):
    before = threads.get_num_threads()
    threads.set_num_threads(4 * threads.available())
    a = np.zeros(1000, np.int64)
    program = Native([add((Address(0), 1), 1000)] * 200, 1, pool)
    start = time.perf_counter()
    for _ in range(10):
        program.run(table(a))
    threads.set_num_threads(before)
    assert (a == 2000).all() and time.perf_counter() - start < 20


def script(text, **environment):
    """Runs a program with the definitions of this file; what it prints."""
    code = f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r})\nfrom test_runtime import *\n"
    code += "from flambeau.runtime.kernels import Kernel\nfrom flambeau.runtime.pool import POOL\n"
    code += "threads.set_num_threads(3)\n" + textwrap.dedent(text)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=os.environ | environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_fork
def test_forks_have_their_own_pool():
    out = script("""
        a = np.zeros(1000, np.int64)
        program = Native([add((Address(0), 1), 1000)] * 10, 1)
        program.run(table(a))
        for _ in range(3):
            child = os.fork()
            if child == 0:
                program.run(table(a))
                os._exit(0 if (a == a[0]).all() and len(POOL._workers) == 2 else 1)
            assert os.waitpid(child, 0)[1] == 0
            program.run(table(a))
        print(a[0], a[-1])
    """)
    assert out.split() == ["40", "40"]


@needs_fork
def test_fork_while_another_thread_runs():
    out = script("""
        import multiprocessing
        a, b = np.zeros(64, np.int64), np.zeros(1000, np.int64)
        long, short = Native([busy(64, 20_000)] * 20, 1), Native([add((Address(0), 1), 1000)] * 10, 1)
        going = True
        def loop():
            while going:
                long.run(table(a))
        runner = threading.Thread(target=loop)
        runner.start()
        def child():
            short.run(table(b))
            fresh = Native([Call(Kernel("test_add", object(), emit_add), (Address(0), 1), 9, 1)], 1)
            fresh.run(table(b))
            sys.exit(int(b.sum() != 10009))
        for _ in range(5):
            p = multiprocessing.get_context("fork").Process(target=child)
            p.start()
            p.join(20)
            assert p.exitcode == 0, p.exitcode
        going = False
        runner.join()
        print("done")
    """)
    assert out == "done\n"


def test_exit_with_sleeping_workers():
    assert (
        script("""
        a = np.zeros(1000, np.int64)
        Native([add((Address(0), 1), 1000)] * 10, 1).run(table(a))
        time.sleep(0.01)
        print(a[0])
    """)
        == "10\n"
    )


def test_exit_while_a_daemon_thread_runs():
    for pause in (0, 0.003, 0.05):
        assert (
            script(f"""
            def loop():
                a = np.zeros(64, np.int64)
                program = Native([busy(64, 20_000)] * 5, 1)
                while True:
                    program.run(table(a))
            threading.Thread(target=loop, daemon=True).start()
            a = np.zeros(1000, np.int64)
            Native([add((Address(0), 1), 1000)], 1).run(table(a))
            time.sleep({pause})
            print("end")
        """)
            == "end\n"
        )


def test_exit_while_another_thread_still_works():
    assert (
        script("""
        def late():
            time.sleep(0.1)
            a = np.zeros(1000, np.int64)
            Native([add((Address(0), 1), 1000)] * 10, 1).run(table(a))
            print(a[0])
        threading.Thread(target=late).start()
    """)
        == "10\n"
    )


def test_programs_run_in_exit_handlers():
    assert (
        script("""
        import atexit
        a = np.zeros(1000, np.int64)
        atexit.register(lambda: (Native([add((Address(0), 1), 1000)], 1).run(table(a)), print(a[0])))
    """)
        == "1\n"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_interrupt_during_a_run_is_raised_after_it():
    out = script("""
        import signal
        signal.signal(signal.SIGINT, signal.default_int_handler)
        a = np.zeros(64, np.int64)
        long = Native([busy(64, 200_000)] * 20, 1)
        long.run(table(a))
        a[:] = -1
        threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            while True:
                long.run(table(a))
        except KeyboardInterrupt:
            print("interrupted", (a >= 0).all())
        a[:] = -1
        long.run(table(a))
        print((a >= 0).all())
    """)
    assert out.split() == ["interrupted", "True", "True"]


def test_quotas_of_control_groups(tmp_path):
    assert threads._limit(tmp_path) == math.inf
    (tmp_path / "cpu.cfs_quota_us").write_text("150000\n")
    (tmp_path / "cpu.cfs_period_us").write_text("100000\n")
    assert threads._limit(tmp_path) == 1.5
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert threads._limit(tmp_path) == math.inf
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert threads._limit(tmp_path) == 0.5
    (tmp_path / "cpu.max").write_text("nonsense\n")
    assert threads._limit(tmp_path) == math.inf


def test_threads_default_to_the_environment(monkeypatch):
    monkeypatch.setattr(threads, "count", 0)
    monkeypatch.setenv("OMP_NUM_THREADS", "5,2")
    assert threads.usable() == 5 and threads.reason() == "as OMP_NUM_THREADS says"
    monkeypatch.setattr(threads, "count", 0)
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    monkeypatch.setattr(threads, "quota", lambda: 0.3)
    assert threads.usable() == 1 and threads.reason() == "as the quota allows"


F32 = np.dtype(np.float32)


def test_large_arrays_are_aligned_and_used_again():
    pool = Buffers()
    x = pool.empty((300, 200), F32)
    place = address(x)
    assert place % 64 == 0 and place == x.ctypes.data and type(x) is np.ndarray and type(x.base) is Block
    x[:] = 1
    y = pool.empty((300, 200), F32)
    assert not np.shares_memory(x, y)
    view = x[3:].reshape(-1)[5:]
    del x
    assert address(pool.empty((300, 200), F32)) != place and view.base is not None and view[0] == 1
    del view
    assert address(pool.empty((240_000,), np.dtype(np.uint8))) == place


@pytest.mark.parametrize("nbytes", [0, 1, SMALL - 1, SMALL, SMALL + 1, 3 * SMALL + 7, 1 << 20, (1 << 22) + 1])
def test_no_more_than_a_quarter_is_wasted(nbytes):
    x = Buffers().empty((nbytes,), np.dtype(np.uint8))
    assert x.nbytes == nbytes and (nbytes < SMALL or nbytes <= x.base.nbytes <= 1.25 * nbytes)


def test_shapes_and_dtypes_of_buffers():
    for shape in ((), (0, 5), (70_000,), (7, 1, 100_001)):
        for dtype in (F32, np.dtype(np.bool_), np.dtype(np.int64)):
            x = Buffers().empty(shape, dtype)
            assert x.shape == shape and x.dtype == dtype and x.flags.c_contiguous and x.flags.writeable


def test_kept_memory_is_bounded():
    pool = Buffers()
    big = [pool.empty((1 << 26,), np.dtype(np.uint8)) for _ in range(4)]
    assert pool.used == 1 << 28
    del big
    for _ in range(3000):
        pool.empty((SMALL,), np.dtype(np.uint8))
    assert pool.kept < 1 << 27
    pool.clear()
    assert pool.kept == 0


def test_results_from_the_pool_can_be_written_to_in_place():
    x = Buffers().empty((1000, 100), F32)
    assert owns(x) and interpreter.alone(x)
    assert not owns(x[1:]) and not interpreter.alone(x[1:])  # x itself sees that memory, too


def test_memory_that_cannot_be_had():
    with pytest.raises(MemoryError, match="smaller batches"):
        Buffers().empty((1 << 55,), F32)


def test_buffers_from_several_threads():
    pool, faults = Buffers(), []

    def work(number):
        for k in range(300):
            x = pool.empty((SMALL + 1000 * (k % 7),), np.dtype(np.uint8))
            x[:] = number
            y = x[100:]
            del x
            if (y != number).any():
                faults.append(number)

    runners = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for r in runners:
        r.start()
    for r in runners:
        r.join()
    assert not faults


def test_the_arena_grows_and_stays():
    arena = Arena()
    first = arena.want(1000)
    assert first % 64 == 0 and arena.want(500) == first and arena.want(1000) == first
    arena.want(1 << 20)
    assert arena.block.nbytes >= 1 << 20 and arena.address % 64 == 0
    assert arena.want(1000) == arena.address


def test_other_processors_code():
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        target = llvm.Target.from_triple("aarch64-unknown-linux-gnu")
    except RuntimeError:
        pytest.skip("this LLVM makes no code for AArch64")
    machine = target.create_target_machine(cpu="neoverse-n1", opt=3)
    for k in (
        kernel("test_add", ("test",), emit_add),
        kernel("flambeau_run", ("walk",), walk.emit_run),
        kernel("flambeau_work", ("walk",), walk.emit_work),
    ):
        text = assembly(k, machine)
        assert f"{k.symbol}:" in text and "\tret" in text and "rax" not in text
    assert "yield" in text
