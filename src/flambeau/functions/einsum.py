"""Sums of products over named dimensions: einsum and what it makes easy.

A *term* is a tensor with a label (a number) for each dimension, all different. Two terms make a third by one
matrix product:

    (batch, left, inner) @ (batch, inner, right) -> (batch, left, right)

where batch labels are in both terms and needed later, inner ones in both and not needed, left and right ones
in one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from ..core.tensor import Tensor
from ..ops import contraction as ops
from ..ops import reduction as reduction_ops
from ..ops.op import check_tensor, wrap_dim
from . import shape
from .calling import deliver

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ELLIPSIS = (
    -1
)  # stands for its dimensions until these are known: they are then numbered from -2 down, from the last one
Labels = list[int]


class Term(NamedTuple):
    """A tensor and the labels of its dimensions."""

    tensor: Tensor
    labels: tuple[int, ...]

    def extent(self, label: int) -> int:
        """How long the dimension with that label is."""
        return self.tensor.shape[self.labels.index(label)]

    def summed(self, keep: Iterable[int]) -> Term:
        """Without the labels that aren't in `keep`."""
        kept = set(keep)
        dims = [d for d, label in enumerate(self.labels) if label not in kept]
        if not dims:
            return self
        return Term(
            reduction_ops.sum(self.tensor, dims), tuple(label for label in self.labels if label in kept)
        )

    def ordered(self, labels: Sequence[int]) -> Tensor:
        """The tensor with its dimensions in that order; labels that it lacks get dimensions of 1."""
        there = [label for label in labels if label in self.labels]
        t = self.tensor
        if tuple(there) != self.labels:
            t = shape.permute(t, [self.labels.index(label) for label in there])
        for d, label in enumerate(labels):
            if label not in self.labels:
                t = t.unsqueeze(d)
        return t


def einsum(*args: Any) -> Tensor:
    """The sum of products that an equation names: `einsum("bij,bjk->bik", x, y)` is a batched matrix product.

    Each operand's dimensions are named by letters, "..." stands for those without a name, which broadcast. A
    letter twice in one operand takes the diagonal. Letters that the output doesn't name are summed over;
    without "->" the output has those dimensions of "..." and then, in alphabetical order, the letters that
    occur once. The equation can also be given as lists of numbers from 0 to 51 after each operand: `einsum(x,
    [0, 1], y, [1, 2], [0, 2])`. Several operands are multiplied two at a time, first those with the smallest
    product.

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
    if len(operands) != len(inputs):
        few = len(operands) < len(inputs)
        raise RuntimeError(
            f"einsum(): {'fewer' if few else 'more'} operands were provided ({len(operands)}) than "
            f"specified in the equation ({len(inputs)})"
        )
    inputs = [
        _with_ellipsis(i, x, labels) for i, (x, labels) in enumerate(zip(operands, inputs, strict=True))
    ]
    wanted = _output(inputs, output)
    terms = _broadcast(
        [_diagonals(i, x, labels) for i, (x, labels) in enumerate(zip(operands, inputs, strict=True))]
    )
    result = contract(terms, wanted)
    return shape.permute(result, range(result.ndim)) if result is operands[0] else result  # a view at least


def contract(terms: list[Term], wanted: Sequence[int]) -> Tensor:
    """The sum of the terms' product over all labels but the wanted, whose order is the result's."""
    while len(terms) > 1:
        i, j = min(combinations(range(len(terms)), 2), key=lambda pair: _growth(terms, pair, wanted))
        y, x = terms.pop(j), terms.pop(i)
        terms.append(_product(x, y, _needed(terms, wanted)))
    return terms[0].summed(wanted).ordered(wanted)


def _needed(others: list[Term], wanted: Sequence[int]) -> set[int]:
    return set(wanted).union(*[t.labels for t in others])


def _growth(terms: list[Term], pair: tuple[int, int], wanted: Sequence[int]) -> int:
    """How much larger the product of two terms is than they are."""
    x, y = (terms[i] for i in pair)
    needed = _needed([t for i, t in enumerate(terms) if i not in pair], wanted)
    size = 1
    for label in needed.intersection((*x.labels, *y.labels)):
        size *= x.extent(label) if label in x.labels else y.extent(label)
    return size - x.tensor.numel() - y.tensor.numel()


def _product(x: Term, y: Term, needed: set[int]) -> Term:
    """One term of two, without the labels that nobody needs any more."""
    x, y = x.summed(needed.union(y.labels)), y.summed(needed.union(x.labels))
    both = [label for label in x.labels if label in y.labels]
    batch, inner = (
        [label for label in both if label in needed],
        [label for label in both if label not in needed],
    )
    left, right = (
        [label for label in x.labels if label not in both],
        [label for label in y.labels if label not in both],
    )
    labels = (*batch, *left, *right)
    if not inner:
        return Term(x.ordered(labels) * y.ordered(labels), labels)
    a = _grouped(x.ordered([*batch, *left, *inner]), len(batch), len(left))
    b = _grouped(y.ordered([*batch, *inner, *right]), len(batch), len(inner))
    extents = [x.extent(label) if label in x.labels else y.extent(label) for label in labels]
    return Term(shape.reshape(ops.matmul(a, b), extents), labels)


def _grouped(t: Tensor, batch: int, rows: int) -> Tensor:
    """A batch of matrices: the dimensions after the batch flattened into rows and columns."""
    extents = t._node.shape
    split = batch + rows
    return shape.reshape(t, [*extents[:batch], _count(extents[batch:split]), _count(extents[split:])])


def _count(extents: Sequence[int]) -> int:
    n = 1
    for e in extents:
        n *= e
    return n


# ----- reading the equation -----


def _arguments(args: tuple[Any, ...]) -> tuple[list[Tensor], list[Labels], Labels | None]:
    """Operands, their labels, and the output's (None: by the rule), from either way of calling."""
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand "
            "and its subscripts list"
        )
    if isinstance(args[0], Tensor):
        output = _from_list(args[-1]) if len(args) % 2 else None
        pairs = args[: len(args) - len(args) % 2]
        return list(pairs[::2]), [_from_list(sublist) for sublist in pairs[1::2]], output
    equation, *operands = args
    if not isinstance(equation, str):
        raise TypeError(
            f"einsum(): argument 'equation' (position 1) must be str, not {type(equation).__name__}"
        )
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = list(operands[0])
    left, arrow, right = equation.partition("->")
    inputs = [_from_text(equation, f"operand {i}", part) for i, part in enumerate(left.split(","))]
    return operands, inputs, _from_text(equation, "output", right) if arrow else None


def _from_list(sublist: Any) -> Labels:
    if not isinstance(sublist, (list, tuple)):
        raise TypeError(
            f"einsum(): expected a list of subscripts after each operand, got {type(sublist).__name__}"
        )
    labels: Labels = []
    for item in sublist:
        if item is not Ellipsis and not 0 <= item < len(LETTERS):
            raise ValueError(
                f"einsum(): subscript {item} in subscript list is not within the valid range [0, "
                f"{len(LETTERS)})"
            )
        labels.append(ELLIPSIS if item is Ellipsis else int(item))
    _check_one_ellipsis("a subscript list", labels)
    return labels


def _from_text(equation: str, where: str, text: str) -> Labels:
    labels: Labels = []
    rest = text.replace(" ", "").replace("...", "\0")
    for c in rest:
        if c == ".":
            raise RuntimeError(
                f"einsum(): found '.' for {where} that is not part of any ellipsis in {equation!r}"
            )
        if c != "\0" and c not in LETTERS:
            raise RuntimeError(
                f"einsum(): invalid subscript {c!r} given in the equation string {equation!r}, subscripts "
                "must be in [a-zA-Z]"
            )
        labels.append(ELLIPSIS if c == "\0" else LETTERS.index(c))
    _check_one_ellipsis(f"{where} of {equation!r}", labels)
    return labels


def _check_one_ellipsis(where: str, labels: Labels) -> None:
    if labels.count(ELLIPSIS) > 1:
        raise RuntimeError(f"einsum(): found '.' for {where} for which an ellipsis was already found")


def _name(label: int) -> str:
    return LETTERS[label] if label >= 0 else "..."


def _with_ellipsis(i: int, x: Tensor, labels: Labels) -> Labels:
    """The labels with those of the unnamed dimensions in place of the ellipsis."""
    named = len(labels) - labels.count(ELLIPSIS)
    unnamed = x.ndim - named
    if unnamed < 0 or (unnamed and ELLIPSIS not in labels):
        no_ellipsis = "" if ELLIPSIS in labels else " and no ellipsis was given"
        raise RuntimeError(
            f"einsum(): the number of subscripts in the equation ({named}) does not match the number of "
            f"dimensions ({x.ndim}) for operand {i} "
            f"of shape {tuple(x.shape)}{no_ellipsis}"
        )
    if ELLIPSIS not in labels:
        return labels
    at = labels.index(ELLIPSIS)
    return [*labels[:at], *range(ELLIPSIS - unnamed, ELLIPSIS), *labels[at + 1 :]]


def _output(inputs: list[Labels], output: Labels | None) -> Labels:
    """The labels of the output, after the checks."""
    every = [label for labels in inputs for label in labels]
    unnamed = sorted({label for label in every if label < 0})
    if output is None:
        return [*unnamed, *sorted(label for label in set(every) if label >= 0 and every.count(label) == 1)]
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
    return [*output[:at], *unnamed, *output[at + 1 :]]


def _diagonals(i: int, x: Tensor, labels: Labels) -> Term:
    """The operand with one dimension for each label: the diagonal of those that share one."""
    while len(set(labels)) < len(labels):
        second = next(d for d, label in enumerate(labels) if label in labels[:d])
        first, label = labels.index(labels[second]), labels[second]
        a, b = x.shape[first], x.shape[second]
        if a != b:
            raise RuntimeError(
                f"einsum(): subscript {_name(label)} is repeated for operand {i} but the sizes don't match, "
                f"{b} != {a}"
            )
        x = shape.diagonal(x, 0, first, second)
        labels = [*(other for d, other in enumerate(labels) if d not in (first, second)), label]
    return Term(x, tuple(labels))


def _broadcast(terms: list[Term]) -> list[Term]:
    """The terms without dimensions of 1 where another term has more."""
    extents: dict[int, int] = {}
    for i, term in enumerate(terms):
        for label, extent in zip(term.labels, term.tensor._node.shape, strict=True):
            seen = extents.get(label, 1)
            if 1 not in (seen, extent) and seen != extent:
                raise RuntimeError(
                    f"einsum(): subscript {_name(label)} has size {extent} for operand {i} which does not "
                    f"broadcast with previously seen size {seen}"
                )
            extents[label] = seen if extent == 1 else extent
    return [_squeezed(term, extents) for term in terms]


def _squeezed(term: Term, extents: dict[int, int]) -> Term:
    gone = [d for d, label in enumerate(term.labels) if term.extent(label) != extents[label]]
    if not gone:
        return term
    return Term(
        shape.squeeze(term.tensor, tuple(gone)),
        tuple(label for d, label in enumerate(term.labels) if d not in gone),
    )


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
    left = list(range(x.ndim))
    right = [first[second.index(d)] if d in second else x.ndim + d for d in range(y.ndim)]
    for i, j in zip(first, second, strict=True):
        if x.shape[i] != y.shape[j] and 1 not in (x.shape[i], y.shape[j]):
            raise RuntimeError(
                f"tensordot: contracted dimensions need to match, but first has size {x.shape[i]} in dim "
                f"{i} and second has size {y.shape[j]} "
                f"in dim {j} (shapes {tuple(x.shape)} and {tuple(y.shape)})"
            )
    wanted = [*(d for d in left if d not in first), *(d for d in right if d not in first)]
    return deliver(
        "tensordot", contract(_broadcast([Term(x, tuple(left)), Term(y, tuple(right))]), wanted), out
    )


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
        return deliver("inner", x * y, out)
    if x.shape[-1] != y.shape[-1]:
        raise RuntimeError(
            f"inner() the last dimension must match on both input tensors but got shapes {list(x.shape)} "
            f"and {list(y.shape)}"
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
