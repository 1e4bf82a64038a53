"""The native code that runs programs: a walk over a table of calls, and what the pool's threads do.

A call's tasks are cut into one share per thread, and a share into pieces. Threads claim pieces, each from its
own share first (its data is in that core's cache) and then from the others', so a thread that is late, asleep
or has lost its core holds nobody up: its pieces are done by the rest. A claim is one compare-and-swap of the
share's slot, which says how many pieces of which call are taken; slots of earlier calls count as untouched,
so publishing a call is a single store.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

# Words of the pool's memory. What different threads write lies at least two cache lines apart.
JOB = 0  # the published call: number << 12 | pieces of a share << 8 | shares; no shares: go home
PENDING = 16  # pieces not finished
SLEEPERS = 32  # workers that wait on the futex
KERNEL, WORDS, TASKS = 48, 49, 50  # of the published call
THREADS, SYSCALL, FUTEX, YIELD, SPINS, ACTIVE = 64, 65, 66, 67, 68, 69
SLOTS, SLOT = 80, 16  # share s's slot is word SLOTS + SLOT * s: number of the call << 12 | pieces taken
MOST_THREADS, MOST_PIECES = 255, 4
POOL_WORDS = SLOTS + SLOT * (MOST_THREADS + 1)

# Words of a program, and of a row of its table of calls.
COUNT, CALLS, BUFFERS, BASES, STARTS, PLACES = range(6)
ROW_KERNEL, ROW_WORDS, ROW_TASKS, ROW_PIECES, ROW = range(5)

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_WORDS = _I64.as_pointer()
_KERNEL = ir.FunctionType(ir.VoidType(), [_WORDS, _I64, _I64, _I64])


def _int(value: int) -> ir.Constant:
    return ir.Constant(_I64, value)


class _Code:
    """A function of int64s under construction. Variables are stack slots; LLVM makes registers of them."""

    def __init__(self, module: ir.Module, symbol: str, arguments: int, linkage: str = "") -> None:
        kind = ir.FunctionType(_I64, [_I64] * arguments)
        self.module, self.function = module, ir.Function(module, kind, symbol)
        self.function.linkage = linkage
        self.arguments = self.function.args
        self.entry = self.function.append_basic_block("variables")
        start = self.function.append_basic_block("start")
        self.b = ir.IRBuilder(start)
        self.x86 = module.triple.startswith(("x86_64", "i686"))

    def finish(self, value: Any = 0) -> None:
        """Returns a value at the end of the function."""
        self.b.ret(_int(value) if isinstance(value, int) else value)
        ir.IRBuilder(self.entry).branch(self.function.blocks[1])

    def variable(self, value: Any) -> Any:
        place = ir.IRBuilder(self.entry).alloca(_I64)
        self.b.store(_int(value) if isinstance(value, int) else value, place)
        return place

    def get(self, variable: Any) -> Any:
        return self.b.load(variable)

    def add(self, variable: Any, value: int = 1) -> None:
        self.b.store(self.b.add(self.get(variable), _int(value)), variable)

    def at(self, address: Any, index: Any) -> Any:
        """Pointer to word `index` of a table whose address is an int64."""
        index = _int(index) if isinstance(index, int) else index
        return self.b.gep(self.b.inttoptr(address, _WORDS), [index])

    def read(self, address: Any, index: Any) -> Any:
        return self.b.load(self.at(address, index))

    def write(self, value: Any, address: Any, index: Any) -> None:
        self.b.store(value, self.at(address, index))

    def peek(self, address: Any, index: Any) -> Any:
        """A word that other threads write."""
        return self.b.load_atomic(self.at(address, index), "acquire", 8)

    def change(self, how: str, address: Any, index: Any, value: Any) -> Any:
        """Adds to (or sets) a word that other threads use; what it was."""
        value = _int(value) if isinstance(value, int) else value
        return self.b.atomic_rmw(how, self.at(address, index), value, "seq_cst")

    @contextmanager
    def forever(self) -> Iterator[Any]:
        """A loop; `leave` for the block that it yields ends it."""
        head, out = (self.function.append_basic_block(name) for name in ("loop", "out"))
        self.b.branch(head)
        self.b.position_at_end(head)
        yield out
        self.b.branch(head)
        self.b.position_at_end(out)

    @contextmanager
    def count(self, n: Any) -> Iterator[Any]:
        """`for i in range(n)`."""
        i = self.variable(0)
        with self.forever() as out:
            now = self.get(i)
            self.leave(out, self.b.icmp_signed(">=", now, n))
            yield now
            self.add(i)

    def leave(self, out: Any, condition: Any) -> None:
        """Goes to a block if the condition holds."""
        on = self.function.append_basic_block("on")
        self.b.cbranch(condition, out, on)
        self.b.position_at_end(on)

    def test(self, value: Any, how: str, other: Any) -> Any:
        """Comparison of signed values."""
        return self.b.icmp_signed(how, value, _int(other) if isinstance(other, int) else other)

    def least(self, x: Any, y: Any) -> Any:
        return self.b.select(self.b.icmp_signed("<", x, y), x, y)

    def pause(self) -> None:
        """Tells the processor that this is a waiting loop."""
        if self.x86:
            self._intrinsic("llvm.x86.sse2.pause", ir.VoidType())
        elif self.module.triple.startswith(("aarch64", "arm64")):
            self._intrinsic("llvm.aarch64.hint", ir.VoidType(), ir.Constant(_I32, 1))

    def ticks(self) -> Any:
        """A clock of constant rate."""
        return self._intrinsic("llvm.readcyclecounter" if self.x86 else "llvm.readsteadycounter", _I64)

    def _intrinsic(self, name: str, result: Any, *args: Any) -> Any:
        kind = ir.FunctionType(result, [a.type for a in args])
        known = self.module.globals.get(name)
        return self.b.call(known or ir.Function(self.module, kind, name), args)

    def foreign(self, function: Any, *args: Any) -> None:
        """Calls the C function at an address with int64s."""
        kind = ir.FunctionType(_I64, [_I64] * len(args))
        values = [_int(a) if isinstance(a, int) else a for a in args]
        self.b.call(self.b.inttoptr(function, kind.as_pointer()), values)

    def kernel(self, kernel: Any, words: Any, begin: Any, end: Any, thread: Any) -> None:
        """Runs a kernel."""
        function = self.b.inttoptr(kernel, _KERNEL.as_pointer())
        self.b.call(function, [self.b.inttoptr(words, _WORDS), begin, end, thread])


def _emit_share(module: ir.Module) -> Any:
    """`share(pool, job, thread)`: claims and does pieces of a call until none is left."""
    c = _Code(module, "share", 3, "internal")
    pool, job, me = c.arguments
    b = c.b
    shares, pieces = b.and_(job, _int(255)), b.and_(b.lshr(job, _int(8)), _int(15))
    number = b.lshr(job, _int(12))
    total = b.mul(shares, pieces)
    done = c.variable(0)
    with c.count(shares) as k:
        s = b.add(me, k)
        s = b.select(c.test(s, ">=", shares), b.sub(s, shares), s)
        place = b.add(_int(SLOTS), b.mul(s, _int(SLOT)))
        with c.forever() as exhausted:
            seen = c.peek(pool, place)
            of = b.lshr(seen, _int(12))
            taken = b.select(b.icmp_signed("==", of, number), b.and_(seen, _int(4095)), _int(0))
            c.leave(exhausted, b.or_(b.icmp_signed(">", of, number), b.icmp_signed(">=", taken, pieces)))
            claim = b.or_(b.shl(number, _int(12)), b.add(taken, _int(1)))
            won = b.extract_value(b.cmpxchg(c.at(pool, place), seen, claim, "acq_rel", "acquire"), 1)
            with b.if_then(won):
                # Only now: the call can't end, and its words can't change, before this piece is done.
                kernel, words, tasks = (c.peek(pool, i) for i in (KERNEL, WORDS, TASKS))
                piece = b.add(b.mul(s, pieces), taken)
                begin = b.udiv(b.mul(tasks, piece), total)
                end = b.udiv(b.mul(tasks, b.add(piece, _int(1))), total)
                c.kernel(kernel, words, begin, end, me)
                c.add(done)
    with b.if_then(c.test(c.get(done), ">", 0)):
        c.change("sub", pool, PENDING, c.get(done))
    c.finish()
    return c.function


def emit_work(module: ir.Module) -> None:
    """`work(pool, thread, seen)`: a worker's life: waits for calls other than `seen` and does its part of
    them. Returns 0 when it is to end; where there is no futex, the last call seen when it is to sleep."""
    share = _emit_share(module)
    c = _Code(module, "flambeau_work", 3)
    pool, me, start = c.arguments
    b = c.b
    seen, spins = c.variable(start), c.variable(0)
    with c.forever() as home:
        job = c.peek(pool, JOB)
        with b.if_else(b.icmp_signed("!=", job, c.get(seen))) as (new, same):
            with new:
                b.store(job, seen)
                b.store(_int(0), spins)
                shares = b.and_(job, _int(255))
                c.leave(home, c.test(shares, "==", 0))
                with b.if_then(b.icmp_signed("<", me, shares)):
                    b.call(share, [pool, job, me])
            with same:
                c.pause()
                c.add(spins)
                with b.if_then(b.icmp_signed(">=", c.get(spins), c.read(pool, SPINS)), likely=False):
                    _sleep(c, pool, c.get(seen))
                    b.store(_int(0), spins)
    c.finish()


def _sleep(c: _Code, pool: Any, seen: Any) -> None:
    """Waits in the kernel for a call other than `seen`; without a futex, leaves the function unless a program
    is running."""
    b = c.b
    syscall = c.read(pool, SYSCALL)
    with b.if_else(c.test(syscall, "!=", 0)) as (futex, none):
        with futex:
            c.change("add", pool, SLEEPERS, 1)
            wait = 128  # FUTEX_WAIT_PRIVATE
            address = b.ptrtoint(c.at(pool, JOB), _I64)
            c.foreign(syscall, c.read(pool, FUTEX), address, wait, b.and_(seen, _int(0xFFFFFFFF)), 0, 0, 0)
            c.change("sub", pool, SLEEPERS, 1)
        with none:
            with b.if_then(c.test(c.peek(pool, ACTIVE), "==", 0)):
                b.ret(seen)
            c.foreign(c.read(pool, YIELD))


def emit_run(module: ir.Module) -> None:
    """`run(program, addresses, pool, times)`: writes addresses into the words, then does the calls in order.
    `times` is 0 or a table that gets the clock's ticks before the first call and after each."""
    share = _emit_share(module)
    c = _Code(module, "flambeau_run", 4)
    program, addresses, pool, times = c.arguments
    b = c.b
    _relocate(c, program, addresses)
    c.write(_int(1), pool, ACTIVE)
    timed = c.test(times, "!=", 0)
    with b.if_then(timed):
        c.write(c.ticks(), times, 0)
    table = c.read(program, CALLS)
    with c.count(c.read(program, COUNT)) as i:
        row = b.add(table, b.mul(i, _int(8 * ROW)))
        kernel, words, tasks, pieces = (
            c.read(row, k) for k in (ROW_KERNEL, ROW_WORDS, ROW_TASKS, ROW_PIECES)
        )
        shares = c.least(pieces, c.read(pool, THREADS))
        with b.if_else(c.test(shares, "<", 2)) as (alone, together):
            with alone:
                c.kernel(kernel, words, _int(0), tasks, _int(0))
            with together:
                for value, place in ((kernel, KERNEL), (words, WORDS), (tasks, TASKS)):
                    b.store_atomic(value, c.at(pool, place), "monotonic", 8)
                b.call(share, [pool, _publish(c, pool, shares, b.udiv(pieces, shares)), _int(0)])
                _wait(c, pool)
        with b.if_then(timed):
            c.write(c.ticks(), times, b.add(i, _int(1)))
    c.write(_int(0), pool, ACTIVE)
    c.finish()


def _relocate(c: _Code, program: Any, addresses: Any) -> None:
    """Moves the words that are addresses by as much as their buffers have moved since the last run."""
    b = c.b
    bases, starts, places = (c.read(program, k) for k in (BASES, STARTS, PLACES))
    with c.count(c.read(program, BUFFERS)) as i:
        new, old = c.read(addresses, i), c.read(bases, i)
        with b.if_then(b.icmp_signed("!=", new, old)):
            c.write(new, bases, i)
            first = c.read(starts, i)
            by = b.sub(new, old)
            with c.count(b.sub(c.read(starts, b.add(i, _int(1))), first)) as k:
                place = c.read(places, b.add(first, k))
                c.write(b.add(c.read(place, 0), by), place, 0)


def emit_locate(module: ir.Module, word: int) -> None:
    """`locate(objects, places, count, addresses)`: writes word `word` of each object to its place."""
    c = _Code(module, "flambeau_locate", 4)
    objects, places, count, addresses = c.arguments
    with c.count(count) as i:
        c.write(c.read(c.read(objects, i), word), addresses, c.read(places, i))
    c.finish()


def _publish(c: _Code, pool: Any, shares: Any, pieces: Any) -> Any:
    """Tells the workers of a call, waking those that sleep; the word that says so."""
    b = c.b
    pieces = c.least(pieces, _int(MOST_PIECES))
    b.store_atomic(b.mul(shares, pieces), c.at(pool, PENDING), "monotonic", 8)
    number = b.add(b.lshr(c.read(pool, JOB), _int(12)), _int(1))
    job = b.or_(b.or_(b.shl(number, _int(12)), b.shl(pieces, _int(8))), shares)
    c.change("xchg", pool, JOB, job)
    syscall = c.read(pool, SYSCALL)
    asleep = b.and_(c.test(c.peek(pool, SLEEPERS), ">", 0), c.test(syscall, "!=", 0))
    with b.if_then(asleep, likely=False):
        wake = 129  # FUTEX_WAKE_PRIVATE
        address = b.ptrtoint(c.at(pool, JOB), _I64)
        c.foreign(syscall, c.read(pool, FUTEX), address, wake, MOST_THREADS, 0, 0, 0)
    return job


def _wait(c: _Code, pool: Any) -> None:
    """Until the call's last piece is finished. Gives way to other processes when that takes long: a worker
    may have lost its core to one."""
    b = c.b
    spins = c.variable(0)
    with c.forever() as finished:
        c.leave(finished, c.test(c.peek(pool, PENDING), "==", 0))
        c.add(spins)
        with b.if_else(b.icmp_signed("<", c.get(spins), c.read(pool, SPINS))) as (soon, late):
            with soon:
                c.pause()
            with late:
                c.foreign(c.read(pool, YIELD))
