"""Writing LLVM code with Python's own structure: a function whose words are read by number, and
`with f.loop(…) as i:` blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from ...core import dtype as dt
from ...core.dtype import dtype

I1, I8, I16, I32, I64 = (ir.IntType(n) for n in (1, 8, 16, 32, 64))
F32, F64 = ir.FloatType(), ir.DoubleType()
STORED: dict[dtype, Any] = {  # how an element lies in memory
    dt.float32: F32, dt.float64: F64, dt.bfloat16: I16, dt.float16: I16, dt.bool_: I8,
    dt.int8: I8, dt.uint8: I8, dt.int16: I16, dt.int32: I32, dt.int64: I64,
}  # fmt: skip


def i64(value: int) -> ir.Constant:
    """An int64 constant."""
    return ir.Constant(I64, value)


def vector(element: Any, lanes: int) -> Any:
    """The type of a vector; of one element for a single lane."""
    return ir.VectorType(element, lanes) if lanes > 1 else element


class Function:
    """A kernel's function under construction: `void symbol(int64 *words, int64 begin, int64 end, int64
    thread)`. `b` is the llvmlite builder, at the place where code is added."""

    def __init__(self, module: ir.Module, symbol: str) -> None:
        self.module = module
        kind = ir.FunctionType(ir.VoidType(), [I64.as_pointer(), I64, I64, I64])
        self.function = ir.Function(module, kind, symbol)
        self.words, self.begin, self.end, self.thread = self.function.args
        for argument, name in zip(self.function.args, ("words", "begin", "end", "thread"), strict=True):
            argument.name = name
        self.words.add_attribute("noalias")
        self.entry = self.function.append_basic_block("entry")
        self.b = ir.IRBuilder(self.entry)

    def word(self, number: int) -> Any:
        """Word `number` as an int64."""
        return self.b.load(self.b.gep(self.words, [i64(number)]), name=f"word{number}")

    def pointer(self, number: int, element: Any) -> Any:
        """Word `number` as a pointer to elements."""
        return self.b.inttoptr(self.word(number), element.as_pointer(), name=f"pointer{number}")

    def local(self, kind: Any, count: int = 1, align: int = 64) -> Any:
        """Memory on the stack that lives as long as the call."""
        with self.b.goto_block(self.entry):
            if self.entry.is_terminated:
                self.b.position_before(self.entry.terminator)
            place = self.b.alloca(kind, size=ir.Constant(I32, count))
            place.align = align
        return place

    def store(self, value: Any, pointer: Any, align: int = 1) -> None:
        """Stores with a known alignment."""
        self.b.store(value, pointer, align=align)

    def load(self, pointer: Any, align: int = 1) -> Any:
        """Loads with a known alignment."""
        return self.b.load(pointer, align=align)

    def at(self, pointer: Any, index: Any, kind: Any = None) -> Any:
        """A pointer `index` elements further, seen as pointing to `kind` (a vector type)."""
        place = self.b.gep(pointer, [index])
        return place if kind is None else self.b.bitcast(place, kind.as_pointer())

    @contextmanager
    def loop(self, start: Any, stop: Any, step: Any = 1, name: str = "i") -> Iterator[Any]:
        """`for i in range(start, stop, step)`, with int64 values or ints; tested before the first round."""
        start, stop, step = (i64(v) if isinstance(v, int) else v for v in (start, stop, step))
        b = self.b
        head, body, done = (
            self.function.append_basic_block(f"{name}.{part}") for part in ("head", "body", "done")
        )
        before = b.block
        b.branch(head)
        b.position_at_end(head)
        i = b.phi(I64, name=name)
        i.add_incoming(start, before)
        b.cbranch(b.icmp_signed("<", i, stop), body, done)
        b.position_at_end(body)
        yield i
        i.add_incoming(b.add(i, step), b.block)
        b.branch(head)
        b.position_at_end(done)

    @contextmanager
    def carry(self, start: Any, stop: Any, step: Any, values: list[Any], name: str = "i") -> Iterator[Carry]:
        """A loop that carries values in registers from round to round: set `carry.next` before the end of the
        block; `carry.values` are the current ones inside and the final ones after the loop."""
        start, stop, step = (i64(v) if isinstance(v, int) else v for v in (start, stop, step))
        b = self.b
        head, body, done = (
            self.function.append_basic_block(f"{name}.{part}") for part in ("head", "body", "done")
        )
        before = b.block
        b.branch(head)
        b.position_at_end(head)
        i = b.phi(I64, name=name)
        i.add_incoming(start, before)
        state = Carry(i, [b.phi(v.type) for v in values])
        for phi, v in zip(state.values, values, strict=True):
            phi.add_incoming(v, before)
        b.cbranch(b.icmp_signed("<", i, stop), body, done)
        b.position_at_end(body)
        yield state
        for phi, v in zip(state.values, state.next, strict=True):
            phi.add_incoming(v, b.block)
        i.add_incoming(b.add(i, step), b.block)
        b.branch(head)
        b.position_at_end(done)

    @contextmanager
    def when(self, condition: Any) -> Iterator[None]:
        """Code that runs if the condition holds."""
        with self.b.if_then(condition):
            yield

    def minimum(self, x: Any, y: Any) -> Any:
        """The lesser of two int64 values."""
        x, y = (i64(v) if isinstance(v, int) else v for v in (x, y))
        return self.b.select(self.b.icmp_signed("<", x, y), x, y)

    def splat(self, value: Any, lanes: int) -> Any:
        """A vector with the value in every lane."""
        if lanes == 1:
            return value
        kind = ir.VectorType(value.type, lanes)
        first = self.b.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(I32, 0))
        return self.b.shuffle_vector(
            first, ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(I32, lanes), None)
        )

    def intrinsic(self, name: str, result: Any, *args: Any) -> Any:
        """A call of an LLVM intrinsic by its full name (`llvm.fma.v16f32`)."""
        kind = ir.FunctionType(result, [a.type for a in args])
        known = self.module.globals.get(name)
        return self.b.call(known or ir.Function(self.module, kind, name), args)

    def finish(self) -> None:
        """Ends the function."""
        self.b.ret_void()


class Carry:
    """The state of a loop that carries values: the counter `i`, the current `values`, and the `next` ones."""

    def __init__(self, i: Any, values: list[Any]) -> None:
        self.i, self.values, self.next = i, values, values


def type_name(kind: Any) -> str:
    """How LLVM's intrinsics name a type: f32, v16f32, i64."""
    if isinstance(kind, ir.VectorType):
        return f"v{kind.count}{type_name(kind.element)}"
    return {F32: "f32", F64: "f64"}.get(kind) or str(kind)
