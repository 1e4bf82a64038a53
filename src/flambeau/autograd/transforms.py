"""Functions that make functions: gradients, products with Jacobians, and Jacobians of a function.

Each is recorded differentiation. A transform hands its function tensors with an edge of their own, an
`Origin`, which leads on to whatever the tensor was made from: so transforms nest in one graph. Inside of a
vmap the origins lie on ghosts, apart from the graph outside.

A product with the Jacobian from the right needs no formulas of its own: u -> J^T u is linear, and what a
backward pass records for it can be differentiated for u once more, which gives J t.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..core import dtype as dt
from ..core.ghost import Ghost, beside, ghost_of, value_handle
from ..core.gradient import Accumulate, Hooked, Hooks, Nowhere, Port, next_number, split
from ..core.modes import modes
from ..core.node import Version, numel
from ..core.pytree import TreeSpec, tree_flatten, tree_map, tree_unflatten
from ..core.tensor import Tensor, _alias, make
from ..ops import view
from ..ops.batching import tracked
from ..ops.creation import full
from ..ops.kinds import make_constant
from . import engine
from .vmap import vmap

Argnums = int | tuple[int, ...]


class Origin(Hooked):
    """The edge of what a transform differentiates for: gradients go on to where the tensor came from."""

    __slots__ = ("__weakref__", "edges", "hooks", "owner", "seq", "specs")

    def __init__(self, t: Tensor, owner: differentiating) -> None:
        self.owner = owner
        self.edges = () if t._edge is None else (t._edge,)
        self.specs = ((t._node.shape, t._node.dtype),) * len(self.edges)
        self.hooks: Hooks | None = None
        self.seq = next_number()

    def name(self) -> str:
        """The name shown in printed tensors."""
        return "OriginBackward0"

    def results(self) -> int:
        """One."""
        return 1

    def apply(self, gs: list[Any], needed: list[bool]) -> list[Any]:
        """The gradient itself."""
        return gs if self.edges else []

    def release(self) -> None:
        """Nothing has been saved."""


class differentiating:
    """What the function of a transform runs in: gradients are recorded, and results leave their graph unless
    somebody outside can differentiate them."""

    def __enter__(self) -> differentiating:
        self.before, modes.grad = modes.grad, True
        self.deep = bool(modes.levels)
        self.running = True
        modes.transforms += 1
        return self

    def __exit__(self, *exc: object) -> None:
        modes.grad = self.before
        modes.transforms -= 1
        self.running = False

    def point(self, t: Any) -> Tensor:
        """A tensor to differentiate for, with the value of `t`."""
        if not isinstance(t, Tensor):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(t)}")
        if t._node.dtype.category < dt.FLOAT:
            raise RuntimeError(
                f"only Tensors of floating point and complex dtype can require gradients, got {t.dtype}"
            )
        t = value_handle(t)
        if modes.levels:
            level, node = modes.levels[-1], ghost_of(t)
            if node is None or node.level is not level:
                t = make(Ghost(t._node.shape, t._node.dtype, level, t, False))
        x = make(_alias(t._node, Version()))
        x._edge = Origin(t, self)
        return x

    def leads_out(self, edges: Iterable[Any]) -> bool:
        """Whether a graph leads to a leaf, or to what a transform around this one differentiates for."""
        if not self.before:
            return False
        seen: set[Any] = set()
        stack = list(edges)
        while stack:
            fn = stack.pop()
            fn = fn.fn if type(fn) is Port else fn
            if fn is None or fn in seen:
                continue
            seen.add(fn)
            if type(fn) is Origin and fn.owner is not self and fn.owner.running:
                return True
            if isinstance(fn, Accumulate) and type(fn) is not Nowhere:
                return True
            stack.extend(fn.edges)
        return False

    def settled(self, x: Any) -> Any:
        """A result, without history unless it has some outside."""
        if not isinstance(x, Tensor) or (x._edge is None and x._base is None):
            return x
        value = value_handle(x)
        if self.leads_out([value._edge]):
            return value
        return make(value._node)

    def gradients(
        self, ys: Sequence[Tensor], gs: Sequence[Tensor], xs: Sequence[Tensor], keep: bool, create: bool
    ) -> list[Tensor]:
        """The gradients of `ys`, weighted with `gs`, for `xs`: zeros where nothing depends on them."""
        ends = [(*split(y._edge), g) for y, g in zip(ys, gs, strict=True) if y._edge is not None]
        found = engine.run(ends, keep, create, xs, add=False) if ends else [None] * len(xs)
        return [zeros_for(x) if g is None else g for g, x in zip(found, xs, strict=True)]

    def recorded(self, ys: Iterable[Tensor], *others: Tensor) -> bool:
        """Whether gradients of `ys` have to be recorded, since somebody outside may differentiate them."""
        return self.deep or any(map(tracked, others)) or self.leads_out([y._edge for y in ys])


def zeros_for(x: Tensor) -> Tensor:
    """Zeros like a tensor, on its device and of its level."""
    return beside(full(0, x._node.shape, x._node.dtype), x)


# ----- gradients -----


def _chosen(what: str, args: tuple[Any, ...], argnums: Argnums) -> tuple[int, ...]:
    """The arguments to differentiate for, by number."""
    numbers = (argnums,) if isinstance(argnums, int) else argnums
    if not isinstance(numbers, tuple) or not all(isinstance(i, int) for i in numbers):
        raise RuntimeError(f"argnum must be int or Tuple[int], got: {type(argnums)}")
    if not numbers:
        raise RuntimeError("argnums must be non-empty")
    for i in numbers:
        if not -len(args) <= i < len(args):
            raise RuntimeError(f"Got argnum={i}, but only {len(args)} positional inputs")
    wrapped = tuple(i % len(args) for i in numbers)
    if len(set(wrapped)) != len(wrapped):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return wrapped


def _points(
    run: differentiating, args: tuple[Any, ...], numbers: tuple[int, ...]
) -> tuple[list[Any], list[Tensor], TreeSpec]:
    """The arguments with points in the chosen places; the points, and their structure."""
    inside = list(args)
    for i in numbers:
        inside[i] = tree_map(run.point, args[i])
    points, spec = tree_flatten(tuple(inside[i] for i in numbers))
    return inside, points, spec


def _with_aux(what: str, out: Any, has_aux: bool) -> tuple[Any, Any]:
    if not has_aux:
        return out, None
    if not (isinstance(out, tuple) and len(out) == 2):
        raise RuntimeError(
            f"{what}: output of function f should be a tuple: (output, aux) if has_aux is True"
        )
    return out


def grad_and_value(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function of the gradient of `func` and its value, as a pair (with `has_aux`: the value is a pair).

    >>> import flambeau as torch
    >>> torch.func.grad_and_value(lambda x: x ** 2)(torch.tensor(3.))
    (tensor(6.), tensor(9.))
    """
    what = "grad_and_value(f)(*args)"

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with differentiating() as run:
            numbers = _chosen(what, args, argnums)
            inside, points, spec = _points(run, args, numbers)
            out, aux = _with_aux(what, func(*inside, **kwargs), has_aux)
            if not isinstance(out, Tensor):
                raise RuntimeError(f"{what}: Expected f(*args) to return a Tensor, got {type(out)}")
            if out.ndim:
                raise RuntimeError(
                    f"{what}: Expected f(*args) to return a scalar Tensor, got tensor with {out.ndim} dims. "
                    "Maybe you wanted to use the vjp or jacrev APIs instead?"
                )
            if out.is_complex():
                raise RuntimeError(f"{what}: Expected f(*args) to return a real Tensor, got {out.dtype}")
            one = beside(full(1, (), out._node.dtype), out)
            create = run.recorded([out])
            found = run.gradients([out], [one], points, create or has_aux, create)
            found = [run.settled(g) for g in found]
            result = tree_unflatten(found, spec)
            result = result[0] if isinstance(argnums, int) else result
            out = run.settled(out)
            return (result, (out, tree_map(run.settled, aux))) if has_aux else (result, out)

    return wrapper


def grad(func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function of the gradient of `func`, whose value is one number.

    Args:
        func: returns a tensor of one number (with `has_aux`: a pair of it and anything else).
        argnums: for which argument (or arguments: then the result is a tuple). They may be trees.
        has_aux: whether `func` returns more, which is then returned next to the gradient.

    RuntimeError for a function that returns something else, and for arguments that are not there.

    >>> import flambeau as torch
    >>> torch.func.grad(torch.sin)(torch.tensor(0.))
    tensor(1.)
    >>> torch.func.grad(torch.func.grad(lambda x: x ** 3))(torch.tensor(2.))
    tensor(12.)
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return wrapper


# ----- products with the Jacobian -----


def _tensors_only(what: str, leaves: list[Any]) -> list[Tensor]:
    for x in leaves:
        if not isinstance(x, Tensor):
            raise RuntimeError(f"{what}: Expected f(*args) to return only tensors, got {type(x)}")
    return leaves


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of `func`, and a function from weights of it (of its structure) to gradients for `primals`,
    which are v^T J (with `has_aux`: what else `func` returns, as a third).

    RuntimeError for weights whose structure or shapes aren't those of the value.

    >>> import flambeau as torch
    >>> y, pull = torch.func.vjp(torch.sin, torch.zeros(2))
    >>> pull(torch.tensor([1., 2.]))
    (tensor([1., 2.]),)
    """
    out, pull, aux = _vjp("vjp(f, *primals)", func, primals, tuple(range(len(primals))), has_aux)

    def vjp_fn(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        return pull(cotangents, retain_graph, create_graph)

    return (out, vjp_fn, aux) if has_aux else (out, vjp_fn)


def _vjp(
    what: str, func: Callable[..., Any], args: tuple[Any, ...], numbers: tuple[int, ...], has_aux: bool
) -> tuple[Any, Callable[..., Any], Any]:
    with differentiating() as run:
        inside, points, spec = _points(run, args, numbers)
        out, aux = _with_aux(what, func(*inside), has_aux)
        leaves, out_spec = tree_flatten(out)
        ys = _tensors_only(what, leaves)
        results = tree_unflatten([run.settled(y) for y in ys], out_spec)
        aux = tree_map(run.settled, aux) if has_aux else None
    leads_out = run.recorded(ys)

    def pull(cotangents: Any, keep: bool = True, create: bool | None = None) -> Any:
        gs, structure = tree_flatten(cotangents)
        if structure != out_spec:
            raise RuntimeError(
                f"{what}: Expected pytree structure of cotangents to be the same as pytree structure of "
                f"outputs to the function. cotangents: {structure}, primal output: {out_spec}"
            )
        for i, (g, y) in enumerate(zip(gs, ys, strict=True)):
            if g._node.shape != y._node.shape:
                raise RuntimeError(
                    f"Mismatch in shape: grad_output[{i}] has a shape of {g.shape} and output[{i}] has a "
                    f"shape of {y.shape}"
                )
        record = bool(create) or leads_out or any(map(tracked, gs))
        found = run.gradients(ys, gs, points, keep or record, record and modes.grad)
        return tree_unflatten([run.settled(g) for g in found], spec)

    return results, pull, aux


class _Pushforward:
    """A function linearised: what `func` returns at `args`, and `push`, the map from tangents of the chosen
    arguments to those of the results."""

    def __init__(
        self, what: str, func: Callable[..., Any], args: tuple[Any, ...], numbers: tuple[int, ...],
        has_aux: bool = False,
    ) -> None:  # fmt: skip
        with differentiating() as run:
            inside, self.points, self.spec = _points(run, args, numbers)
            out, aux = _with_aux(what, func(*inside), has_aux)
            leaves, self.out_spec = tree_flatten(out)
            self.run, self.ys = run, _tensors_only(what, leaves)
            self.out = tree_unflatten([run.settled(y) for y in self.ys], self.out_spec)
            self.aux = tree_map(run.settled, aux) if has_aux else None
            self.pulled = pulled(run, self.ys, self.points)
            self.leads_out = run.recorded(self.pulled[1])

    def push(self, tangents: Sequence[Tensor], keep: bool = True) -> Any:
        """The tangents of the results, in their structure."""
        found = pushed(self.run, self.pulled, self.ys, tangents, self.leads_out, keep)
        return tree_unflatten([self.run.settled(t) for t in found], self.out_spec)


Pulled = tuple[list[Tensor], list[Tensor]]


def pulled(run: differentiating, ys: Sequence[Tensor], points: Sequence[Tensor]) -> Pulled:
    """Weights of the results, and the gradients for the points as functions of them."""
    us = [run.point(zeros_for(y)) if y._node.dtype.category >= dt.FLOAT else zeros_for(y) for y in ys]
    before, modes.linear = modes.linear, True
    try:
        return us, run.gradients(ys, us, points, keep=True, create=True)
    finally:
        modes.linear = before


def pushed(
    run: differentiating,
    way: Pulled,
    ys: Sequence[Tensor],
    tangents: Sequence[Tensor],
    leads_out: bool,
    keep: bool,
) -> list[Tensor]:
    """The tangents of the results: the gradients of `way` for the weights."""
    us, gs = way
    create = (leads_out or any(map(tracked, tangents))) and modes.grad
    wanted = [u for u in us if u._edge is not None]
    found = iter(run.gradients(gs, tangents, wanted, keep or create, create))
    return [zeros_for(u) if u._edge is None else next(found) for u in us]


def _check_tangents(what: str, primals: Any, tangents: Any) -> list[Tensor]:
    if not isinstance(primals, tuple):
        raise RuntimeError(
            f"{what}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )
    xs, spec = tree_flatten(primals)
    ts, other = tree_flatten(tangents)
    if spec != other:
        raise RuntimeError(
            f"{what}: Expected primals and tangents to have the same python structure. For example, if "
            f"primals is a tuple of 3 tensors, tangents also must be. Got primals with structure {spec} and "
            f"tangents with structure {other}"
        )
    if not xs:
        raise RuntimeError(f"{what}: Expected at least one Tensor in primals")
    for x, t in zip(xs, ts, strict=True):
        if not isinstance(x, Tensor) or not isinstance(t, Tensor):
            wrong = t if isinstance(x, Tensor) else x
            raise ValueError(f"{what}: Expected primals and tangents to be Tensors, got {type(wrong)}")
        if x._node.shape != t._node.shape:
            raise RuntimeError(
                "Trying to set a forward gradient that has a different size than that of the original "
                f"Tensor, this is not supported. Tensor is of size {list(x.shape)} while the given forward "
                f"gradient is of size {list(t.shape)}."
            )
    return ts


def jvp(
    func: Callable[..., Any], primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False
) -> Any:
    """The value of `func` at `primals`, and its change J t along `tangents` (with `has_aux`: what else `func`
    returns, as a third).

    With `strict` a value that depends on no primal is a RuntimeError; otherwise its change is zeros.

    >>> import flambeau as torch
    >>> torch.func.jvp(torch.sin, (torch.tensor([0.]),), (torch.tensor([2.]),))
    (tensor([0.]), tensor([2.]))
    """
    what = "jvp(f, primals, tangents)"
    ts = _check_tangents(what, primals, tangents)
    way = _Pushforward(what, func, primals, tuple(range(len(primals))), has_aux)
    if strict and any(y._edge is None for y in way.ys):
        raise RuntimeError(f"{what}: an output of f is independent of its inputs, which strict=True forbids")
    moved = way.push(ts, keep=False)
    return (way.out, moved, way.aux) if has_aux else (way.out, moved)


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """The value of `func` at `primals`, and the function from tangents to the value's change there.

    >>> import flambeau as torch
    >>> y, push = torch.func.linearize(torch.sin, torch.tensor(0.))
    >>> push(torch.tensor(3.))
    tensor(3.)
    """
    way = _Pushforward("linearize", func, primals, tuple(range(len(primals))))

    def jvp_fn(*tangents: Any) -> Any:
        return way.push(_check_tangents("linearize", primals, tangents))

    return way.out, jvp_fn


# ----- Jacobians -----


def _basis(like: Sequence[Tensor]) -> list[Tensor]:
    """The unit vectors of tensors in one row: for each tensor its part of every vector."""
    import numpy as np

    counts = [numel(t._node.shape) for t in like]
    total, parts, first = sum(counts), [], 0
    for t, n in zip(like, counts, strict=True):
        rows = np.zeros((total, n), t._node.dtype.np)
        rows[range(first, first + n), range(n)] = 1
        parts.append(make_constant(rows.reshape(total, *t._node.shape)))
        first += n
    return parts


def _split_rows(rows: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Rows, one for each element of the tensors, as blocks of the tensors' shapes."""
    first, blocks = 0, []
    for t in like:
        n = numel(t._node.shape)
        block = rows.narrow(0, first, n)
        blocks.append(block.reshape((*t._node.shape, *rows._node.shape[1:])))
        first += n
    return blocks


def _one_or_all(tree: Any, argnums: Argnums) -> Any:
    return tree[0] if isinstance(argnums, int) else tree


def jacrev(
    func: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:
    """A function of the Jacobian of `func`, row by row: for many inputs and few outputs.

    Its result has the structure of the value, with a tensor (or tree) of shape (*output, *input) for each
    argument of `argnums`. `chunk_size`: so many rows at a time.

    >>> import flambeau as torch
    >>> torch.func.jacrev(torch.sin)(torch.zeros(2))
    tensor([[1., 0.],
            [0., 1.]])
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = functools.partial(func, **kwargs) if kwargs else func
        numbers = _chosen("jacrev", args, argnums)
        out, pull, aux = _vjp("jacrev", call, args, numbers, has_aux)
        ys, out_spec = tree_flatten(out)
        unit = tree_unflatten(_basis(ys), out_spec)
        rows = vmap(pull, chunk_size=chunk_size, randomness="same")(unit)
        leaves, spec = tree_flatten(rows)
        columns = [_split_rows(r, ys) for r in leaves]
        blocks = [_one_or_all(tree_unflatten([c[i] for c in columns], spec), argnums) for i in range(len(ys))]
        result = tree_unflatten(blocks, out_spec)
        return (result, aux) if has_aux else result

    return wrapper


def jacfwd(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable[..., Any]:
    """A function of the Jacobian of `func`, column by column: for few inputs and many outputs.

    Its result is that of `jacrev`. `func` is called once, so that random numbers in it are the same for all
    columns, whatever `randomness` says.

    >>> import flambeau as torch
    >>> torch.func.jacfwd(lambda x: x ** 2)(torch.tensor([1., 2.]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = functools.partial(func, **kwargs) if kwargs else func
        way = _Pushforward("jacfwd", call, args, _chosen("jacfwd", args, argnums), has_aux)
        columns = vmap(lambda *tangents: way.push(tangents), randomness="same")(*_basis(way.points))
        leaves, out_spec = tree_flatten(columns)
        blocks = []
        for column in leaves:
            parts = [_last(b, x) for b, x in zip(_split_rows(column, way.points), way.points, strict=True)]
            blocks.append(_one_or_all(tree_unflatten(parts, way.spec), argnums))
        result = tree_unflatten(blocks, out_spec)
        return (result, way.aux) if has_aux else result

    return wrapper


def _last(block: Tensor, x: Tensor) -> Tensor:
    """With the dimensions of the input, which come first, last."""
    n, rank = len(x._node.shape), len(block._node.shape)
    turned: Tensor = view.permute.plain(block, ((*range(n, rank), *range(n)),))
    return turned


def hessian(func: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """A function of the second derivatives of `func`: the Jacobian, forwards, of the Jacobian.

    >>> import flambeau as torch
    >>> torch.func.hessian(lambda x: (x ** 3).sum())(torch.tensor([1., 2.]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)


def functionalize(func: Callable[..., Any], *, remove: str = "mutations") -> Callable[..., Any]:
    """`func` itself: what is recorded is free of writing in place as it is.

    ValueError unless `remove` is "mutations" or "mutations_and_views".

    >>> import flambeau as torch
    >>> torch.func.functionalize(torch.sin)(torch.tensor(0.))
    tensor(0.)
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            f"functionalize(f, remove='mutations'): received invalid argument for remove={remove}. Valid "
            "options are: remove='mutations' or remove='mutations_and_views'"
        )

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return wrapper


__all__ = [
    "functionalize",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "vjp",
]
