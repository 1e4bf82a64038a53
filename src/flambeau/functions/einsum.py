"""Sums of products over named dimensions: einsum and what it makes easy.

Dimensions have labels (numbers). Two tensors are multiplied by one matrix product,

    (batch, left, inner) @ (batch, inner, right) -> (batch, left, right)

where batch labels are in both and needed later, inner ones in both and not needed, left and right ones in one
of them. What has to be done follows from labels and shapes alone: it is planned once and remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import combinations
from math import prod
from typing import Any, NamedTuple

from ..core.modes import modes
from ..core.tensor import Tensor
from ..ops import contraction as ops
from ..ops import reduction as reduction_ops
from ..ops import view as view_ops
from ..ops.op import check_tensor, wrap_dim
from . import shape
from .calling import deliver
from .casting import lowered, plain

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ELLIPSIS = -1  # until its dimensions are known, which are numbered from -2 down, from the last one
Labels = tuple[int, ...]
Shape = tuple[int, ...]


def einsum(*args: Any) -> Tensor:
    """The sum of products that an equation names: `einsum("bij,bjk->bik", x, y)` is a batched matrix product.

    Each operand's dimensions are named by letters, "..." stands for those without a name, which broadcast. A
    letter twice in one operand takes the diagonal. Letters that the output doesn't name are summed over;
    without "->" the output has the dimensions of "..." and then, in alphabetical order, the letters that
    occur once. The equation can also be given as lists of numbers from 0 to 51 after each operand:
    `einsum(x, [0, 1], y, [1, 2], [0, 2])`. Several operands are multiplied two at a time, first those with
    the smallest product.

    RuntimeError for a malformed equation, or extents that differ for a letter and aren't 1.

    >>> import flambeau as torch
    >>> x = torch.tensor([[1., 2.], [3., 4.]])
    >>> torch.einsum("ij,jk->ik", x, x), torch.einsum("ii", x), torch.einsum("ij->j", x)
    (tensor([[ 7., 10.],
            [15., 22.]]), tensor(5.), tensor([4., 6.]))
    """
    operands, inputs, output = _arguments(args)
    for i, x in enumerate(operands):
        check_tensor("einsum()", f"operand {i}", x)
    result = contract(operands, inputs, output)
    return view_ops.permute(result, tuple(range(result.ndim))) if result is operands[0] else result


def contract(tensors: Sequence[Tensor], inputs: tuple[Labels, ...], output: Labels | None) -> Tensor:
    """The sum of the tensors' product over all labels but the output's."""
    plan = _plan(inputs, output, tuple([x._node.shape for x in tensors]))
    left = [step(x) for step, x in zip(plan.first, tensors, strict=True)]
    for pair in plan.pairs:
        y, x = left.pop(pair.second), left.pop(pair.first)
        left.append(pair(x, y))
    return plan.last(left[0])


# ----- the plan -----


class Arrange(NamedTuple):
    """What is done to one tensor, in this order; () or None for nothing."""

    diagonals: tuple[tuple[int, int], ...] = ()
    squeezed: Shape | None = None
    summed: tuple[int, ...] = ()
    order: tuple[int, ...] = ()
    shape: Shape | None = None

    def __call__(self, x: Tensor) -> Tensor:
        for a, b in self.diagonals:
            x = view_ops.diagonal(x, 0, a, b)
        if self.squeezed is not None:
            x = shape.reshape(x, self.squeezed)
        if self.summed:
            x = reduction_ops.sum(x, self.summed)
        if self.order:
            x = view_ops.permute(x, self.order)
        return x if self.shape is None else shape.reshape(x, self.shape)


class Pair(NamedTuple):
    """The product of two of the tensors that are left, each arranged for it; it becomes the last of them."""

    first: int
    second: int
    left: Arrange
    right: Arrange
    matrices: bool
    shape: Shape | None

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        x, y = self.left(x), self.right(y)
        product = _matmul(x, y) if self.matrices else x * y
        return product if self.shape is None else shape.reshape(product, self.shape)


def _matmul(x: Tensor, y: Tensor) -> Tensor:
    return ops.matmul(x, y) if modes.autocast is None else lowered(ops.matmul, x, y)


class Plan(NamedTuple):
    """All that has to be done."""

    first: tuple[Arrange, ...]
    pairs: tuple[Pair, ...]
    last: Arrange


class Term(NamedTuple):
    """A tensor that is yet to be made: labels of its dimensions, all different, and their extents."""

    labels: Labels
    extents: Shape

    def extent(self, label: int) -> int:
        """How long the dimension with that label is; 1 if there is none."""
        return self.extents[self.labels.index(label)] if label in self.labels else 1

    def without(self, dropped: Iterable[int]) -> Term:
        """The term without some labels."""
        kept = [label for label in self.labels if label not in dropped]
        return Term(tuple(kept), tuple(self.extent(label) for label in kept))

    def arranged(self, labels: Sequence[int], into: Shape | None = None) -> Arrange:
        """Summed over all but these labels, which come in this order (1 where there is none), reshaped."""
        summed = tuple(d for d, label in enumerate(self.labels) if label not in labels)
        rest = [label for label in self.labels if label in labels]
        order = tuple(rest.index(label) for label in labels if label in rest)
        have = tuple(self.extent(label) for label in labels if label in rest)
        into = tuple(self.extent(label) for label in labels) if into is None else into
        moved = order != tuple(range(len(order)))
        return Arrange((), None, summed, order if moved else (), into if into != have else None)


@lru_cache(maxsize=1024)
def _plan(inputs: tuple[Labels, ...], output: Labels | None, shapes: tuple[Shape, ...]) -> Plan:
    if len(shapes) != len(inputs):
        few = len(shapes) < len(inputs)
        raise RuntimeError(
            f"einsum(): {'fewer' if few else 'more'} operands were provided ({len(shapes)}) than specified "
            f"in the equation ({len(inputs)})"
        )
    inputs = tuple(
        _with_ellipsis(i, labels, extents)
        for i, (labels, extents) in enumerate(zip(inputs, shapes, strict=True))
    )
    wanted = _output(inputs, output)
    whole = [_diagonals(i, Term(*term)) for i, term in enumerate(zip(inputs, shapes, strict=True))]
    terms = _broadcast([term for term, _ in whole])
    first = tuple(
        Arrange(diagonals, None if term == seen else seen.extents)
        for (term, diagonals), seen in zip(whole, terms, strict=True)
    )
    pairs = []
    while len(terms) > 1:
        i, j = min(combinations(range(len(terms)), 2), key=lambda pair: _growth(terms, pair, wanted))
        y, x = terms.pop(j), terms.pop(i)
        pair, term = _product(x, y, _needed(terms, wanted), i, j)
        pairs.append(pair)
        terms.append(term)
    return Plan(first, tuple(pairs), terms[0].arranged(wanted))


def _needed(others: list[Term], wanted: Labels) -> set[int]:
    return set(wanted).union(*[t.labels for t in others])


def _growth(terms: list[Term], pair: tuple[int, int], wanted: Labels) -> int:
    """How much larger the product of two terms is than they are."""
    x, y = (terms[i] for i in pair)
    needed = _needed([t for i, t in enumerate(terms) if i not in pair], wanted)
    labels = needed.intersection((*x.labels, *y.labels))
    return prod(max(x.extent(label), y.extent(label)) for label in labels) - prod(x.extents) - prod(y.extents)


def _product(x: Term, y: Term, needed: set[int], i: int, j: int) -> tuple[Pair, Term]:
    """How to multiply two terms, and the term that this makes, without labels that nobody needs."""
    batch = [label for label in x.labels if label in y.labels and label in needed]
    inner = [label for label in x.labels if label in y.labels and label not in needed]
    left = [label for label in x.labels if label not in y.labels and label in needed]
    right = [label for label in y.labels if label not in x.labels and label in needed]
    labels = (*batch, *left, *right)
    extents = tuple(x.extent(label) if label in x.labels else y.extent(label) for label in labels)
    if not inner:
        return Pair(i, j, x.arranged(labels), y.arranged(labels), False, None), Term(labels, extents)
    batches = extents[: len(batch)]
    rows, columns = prod(x.extent(label) for label in left), prod(y.extent(label) for label in right)
    depth = prod(x.extent(label) for label in inner)
    a = x.arranged([*batch, *left, *inner], (*batches, rows, depth))
    b = y.arranged([*batch, *inner, *right], (*batches, depth, columns))
    into = None if extents == (*batches, rows, columns) else extents
    return Pair(i, j, a, b, True, into), Term(labels, extents)


def _with_ellipsis(i: int, labels: Labels, extents: Shape) -> Labels:
    """The labels with those of the unnamed dimensions in place of the ellipsis."""
    named = len(labels) - labels.count(ELLIPSIS)
    unnamed = len(extents) - named
    if unnamed < 0 or (unnamed and ELLIPSIS not in labels):
        raise RuntimeError(
            f"einsum(): the number of subscripts in the equation ({named}) does not match the number of "
            f"dimensions ({len(extents)}) for operand {i} of shape "
            f"{extents}{'' if ELLIPSIS in labels else ' and no ellipsis was given'}"
        )
    if ELLIPSIS not in labels:
        return labels
    at = labels.index(ELLIPSIS)
    return (*labels[:at], *range(ELLIPSIS - unnamed, ELLIPSIS), *labels[at + 1 :])


def _output(inputs: tuple[Labels, ...], output: Labels | None) -> Labels:
    """The labels of the output, after the checks."""
    every = [label for labels in inputs for label in labels]
    unnamed = sorted({label for label in every if label < 0})
    if output is None:
        return (*unnamed, *sorted(label for label in set(every) if label >= 0 and every.count(label) == 1))
    for label in output:
        if label != ELLIPSIS and output.count(label) > 1:
            raise RuntimeError(
                f"einsum(): output subscript {_name(label)} appears more than once in the output"
            )
        if label != ELLIPSIS and label not in every:
            raise RuntimeError(
                f"einsum(): output subscript {_name(label)} does not appear in the equation for any input "
                "operand"
            )
    if ELLIPSIS not in output:
        return output
    at = output.index(ELLIPSIS)
    return (*output[:at], *unnamed, *output[at + 1 :])


def _diagonals(i: int, term: Term) -> tuple[Term, tuple[tuple[int, int], ...]]:
    """One dimension for each label, and the diagonals to take for that."""
    labels, extents = list(term.labels), list(term.extents)
    taken = []
    while len(set(labels)) < len(labels):
        second = next(d for d, label in enumerate(labels) if label in labels[:d])
        first, label = labels.index(labels[second]), labels[second]
        a, b = extents[first], extents[second]
        if a != b:
            raise RuntimeError(
                f"einsum(): subscript {_name(label)} is repeated for operand {i} but the sizes don't match, "
                f"{b} != {a}"
            )
        for values, last in ((labels, label), (extents, a)):
            del values[second], values[first]
            values.append(last)
        taken.append((first, second))
    return Term(tuple(labels), tuple(extents)), tuple(taken)


def _broadcast(terms: list[Term]) -> list[Term]:
    """The terms without dimensions of 1 where another term has more."""
    seen: dict[int, int] = {}
    for i, term in enumerate(terms):
        for label, extent in zip(term.labels, term.extents, strict=True):
            before = seen.get(label, 1)
            if 1 not in (before, extent) and before != extent:
                raise RuntimeError(
                    f"einsum(): subscript {_name(label)} has size {extent} for operand {i} which does not "
                    f"broadcast with previously seen size {before}"
                )
            seen[label] = before if extent == 1 else extent
    return [
        term.without([label for label in term.labels if term.extent(label) != seen[label]]) for term in terms
    ]


def _name(label: int) -> str:
    return LETTERS[label] if label >= 0 else "..."


# ----- reading the equation -----


def _arguments(args: tuple[Any, ...]) -> tuple[Sequence[Tensor], tuple[Labels, ...], Labels | None]:
    """Operands, their labels, and the output's (None: by the rule), from either way of calling."""
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand "
            "and its subscripts list"
        )
    if isinstance(args[0], Tensor):
        output = _from_list(args[-1]) if len(args) % 2 else None
        pairs = args[: len(args) - len(args) % 2]
        return pairs[::2], tuple(_from_list(sublist) for sublist in pairs[1::2]), output
    equation, *operands = args
    if not isinstance(equation, str):
        raise TypeError(
            f"einsum(): argument 'equation' (position 1) must be str, not {type(equation).__name__}"
        )
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = list(operands[0])
    return operands, *_read(equation)


@lru_cache(maxsize=1024)
def _read(equation: str) -> tuple[tuple[Labels, ...], Labels | None]:
    left, arrow, right = equation.partition("->")
    inputs = tuple(_from_text(equation, f"operand {i}", part) for i, part in enumerate(left.split(",")))
    return inputs, _from_text(equation, "output", right) if arrow else None


def _from_list(sublist: Any) -> Labels:
    if not isinstance(sublist, (list, tuple)):
        raise TypeError(
            f"einsum(): expected a list of subscripts after each operand, got {type(sublist).__name__}"
        )
    for item in sublist:
        if item is not Ellipsis and not 0 <= item < len(LETTERS):
            raise ValueError(
                f"einsum(): subscript {item} in subscript list is not within the valid range [0, "
                f"{len(LETTERS)})"
            )
    labels = tuple(ELLIPSIS if item is Ellipsis else int(item) for item in sublist)
    return _with_one_ellipsis("a subscript list", labels)


def _from_text(equation: str, where: str, text: str) -> Labels:
    names = text.replace(" ", "").replace("...", "\0")
    for c in names:
        if c == ".":
            raise RuntimeError(
                f"einsum(): found '.' for {where} that is not part of any ellipsis in {equation!r}"
            )
        if c != "\0" and c not in LETTERS:
            raise RuntimeError(
                f"einsum(): invalid subscript {c!r} given in the equation string {equation!r}, subscripts "
                "must be in [a-zA-Z]"
            )
    labels = tuple(ELLIPSIS if c == "\0" else LETTERS.index(c) for c in names)
    return _with_one_ellipsis(f"{where} of {equation!r}", labels)


def _with_one_ellipsis(where: str, labels: Labels) -> Labels:
    if labels.count(ELLIPSIS) > 1:
        raise RuntimeError(f"einsum(): found '.' for {where} for which an ellipsis was already found")
    return labels


# ----- what follows from it -----


def tensordot(a: Tensor, b: Tensor, dims: Any = 2, out: Tensor | None = None) -> Tensor:
    """The products of `a` and `b` summed over pairs of dimensions.

    These are the last `dims` of `a` with the first of `b`, or two lists of dimensions. The result has the
    other dimensions of `a`, then those of `b`. RuntimeError if paired extents differ and neither is 1.

    >>> import flambeau as torch
    >>> torch.tensordot(torch.ones(2, 3, 4), torch.ones(4, 3, 5), dims=([1, 2], [1, 0])).shape
    torch.Size([2, 5])
    """
    x, y = check_tensor("tensordot", "a", a), check_tensor("tensordot", "b", b)
    first, second = _pairs(x, y, dims.tolist() if isinstance(dims, Tensor) else dims)
    if x.dtype is not y.dtype:
        raise RuntimeError(
            f"tensordot: both inputs should have same dtype, got {x.dtype.name} and {y.dtype.name}; convert "
            "one with .to()"
        )
    left = tuple(range(x.ndim))
    right = tuple(first[second.index(d)] if d in second else x.ndim + d for d in range(y.ndim))
    for i, j in zip(first, second, strict=True):
        if x.shape[i] != y.shape[j] and 1 not in (x.shape[i], y.shape[j]):
            raise RuntimeError(
                f"tensordot: contracted dimensions need to match, but first has size {x.shape[i]} in dim {i} "
                f"and second has size {y.shape[j]} in dim {j} (shapes {tuple(x.shape)} and {tuple(y.shape)})"
            )
    wanted = tuple(d for d in (*left, *right) if d not in first)
    if modes.autocast is not None and wanted and out is None:
        return lowered(tensordot, x, y, (first, second))
    with plain():
        return deliver("tensordot", contract((x, y), (left, right), wanted).to(x.dtype), out)


def _pairs(x: Tensor, y: Tensor, dims: Any) -> tuple[list[int], list[int]]:
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(x.ndim, y.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        return list(range(x.ndim - dims, x.ndim)), list(range(dims))
    lists: list[list[int]] = []
    for t, given in zip((x, y), dims, strict=True):
        if not isinstance(given, (list, tuple)):
            raise TypeError(f"tensordot(): argument 'dims' must be an int or two lists of ints, got {dims!r}")
        lists.append([wrap_dim("tensordot", d, t.ndim) for d in given])
        if len(set(lists[-1])) < len(given):
            raise RuntimeError(f"tensordot: a dim appears multiple times in the list of dims {list(given)}")
    if len(lists[0]) != len(lists[1]):
        raise RuntimeError(f"tensordot: both dimension lists should have same length, got {dims!r}")
    return lists[0], lists[1]


def inner(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The products of the last dimensions, for all pairs of the others; with a number, the product.

    >>> import flambeau as torch
    >>> torch.inner(torch.tensor([[1, 2], [3, 4]]), torch.tensor([1, 1]))
    tensor([3, 7])
    """
    x, y = check_tensor("inner", "input", input), check_tensor("inner", "other", other)
    if x.ndim == 0 or y.ndim == 0:
        return deliver("mul", x * y, out)
    if x.shape[-1] != y.shape[-1]:
        raise RuntimeError(
            f"inner() the last dimension must match on both input tensors but got shapes {list(x.shape)} and "
            f"{list(y.shape)}"
        )
    return deliver("inner", tensordot(x, y, ([-1], [-1])), out)


def kron(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The Kronecker product: each element of `input` times all of `other`, in place of the element.

    >>> import flambeau as torch
    >>> torch.kron(torch.tensor([1, 10]), torch.tensor([1, 2]))
    tensor([ 1,  2, 10, 20])
    """
    x, y = check_tensor("kron", "input", input), check_tensor("kron", "other", other)
    rank = max(x.ndim, y.ndim)
    a, b = (1,) * (rank - x.ndim) + tuple(x.shape), (1,) * (rank - y.ndim) + tuple(y.shape)
    spread = shape.reshape(x, [e for extent in a for e in (extent, 1)]) * shape.reshape(
        y, [e for extent in b for e in (1, extent)]
    )
    return deliver("kron", shape.reshape(spread, [e * f for e, f in zip(a, b, strict=True)]), out)
