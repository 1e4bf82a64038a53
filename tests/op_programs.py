"""Random programs of many operations: reductions, norms, losses, lookups, views, joins, writes, draws,
updates and gradients, over dtypes and shapes of every kind. Run in worlds as those of `programs`."""

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
from programs import Statement, World, compiled, flambeau_worlds

FLOATS = ["float64"] * 5 + ["float32"] * 3 + ["bfloat16", "float16"]
WHOLE = ["int64", "int64", "int32", "uint8", "int8", "int16"]
UNARY = [
    "exp", "log1p", "sqrt", "sigmoid", "tanh", "relu", "neg", "abs", "square", "sin", "cos", "erf",
    "reciprocal", "rsqrt", "expm1", "atan", "isnan", "clone", "contiguous", "detach",
]  # fmt: skip
FUNCTIONAL = [
    "gelu", "silu", "softplus", "elu", "leaky_relu", "hardtanh", "logsigmoid", "mish", "relu6",
]  # fmt: skip
REDUCING = [
    "sum", "mean", "prod", "amax", "amin", "any", "all", "logsumexp", "var", "std", "norm",
]  # fmt: skip
EDGE = 0.31379  # no number that calculations with round numbers come near to
EXTENTS = [0, 1, 1, 2, 3, 3, 4, 5, 7, 8, 16, 17, 33]


class OpWriter:
    """Writes one program, running it on the way to know the shapes."""

    def __init__(self, seed: int, wrong: bool = False) -> None:
        import flambeau as torch

        self.rng, self.torch, self.wrong = random.Random(seed), torch, wrong
        self.env: dict[str, Any] = {"torch": torch, "np": np}
        self.lines: list[Statement] = []
        self.count = 0
        self.world = flambeau_worlds(seed)["each"]
        self.add("torch.nn.functional", "F")

    def write(self, length: int) -> list[Statement]:
        """About `length` statements."""
        names = [n for n in KINDS for _ in range(KINDS[n])]
        while len(self.lines) < length:
            if len(self.tensors()) < 3:
                self.creation()
            getattr(self, self.rng.choice(names))()
        return self.lines

    def tensors(self, fits: Callable[[Any], bool] = lambda t: True) -> list[str]:
        """The names of tensors, the oldest first."""
        return [n for n, t in self.env.items() if isinstance(t, self.torch.Tensor) and fits(t)]

    def tensor(self, fits: Callable[[Any], bool] = lambda t: True) -> tuple[str, Any]:
        """A name and its tensor, the younger the likelier; made if there is none."""
        while not (names := self.tensors(fits)):
            self.creation()
        name = names[max(self.rng.randrange(len(names)), self.rng.randrange(len(names)))]
        return name, self.env[name]

    def floating(self) -> tuple[str, Any]:
        """A tensor of floats."""
        return self.tensor(lambda t: t.is_floating_point())

    def add(self, text: str, name: str | None = "") -> None:
        """A line, whose result gets a new name (None: has none); it is dropped if it is wrong."""
        if name == "":
            self.count += 1
            name = f"t{self.count}"
        text = f"{name} = {text}" if name else text
        self.world.before(self.env)
        try:
            exec(compiled(text), self.env)
            for t in self.tensors():
                self.env[t]._value("test")
        except Exception:
            if not self.wrong:
                return
        if getattr(self.env.get(name), "nbytes", 0) > 1e6:
            del self.env[name]
            return
        self.lines.append(Statement(text))

    def data(self, shape: list[int], d: str) -> str:
        """A tensor of given numbers."""
        seed = self.rng.randrange(100)
        if d in WHOLE or d == "bool":
            numbers = f"np.random.default_rng({seed}).integers(0, {2 if d == 'bool' else 5}, {shape})"
        else:
            numbers = f"np.random.default_rng({seed}).normal(size={shape}).round(2)"
        return f"torch.tensor({numbers}).to(torch.{d})"

    def dims(self, t: Any) -> str:
        """Some dimensions, or all."""
        if t.ndim == 0 or self.rng.random() < 0.25:
            return ""
        chosen = self.rng.sample(range(t.ndim), self.rng.randint(1, t.ndim))
        return f"({', '.join(map(str, chosen))},), keepdim={self.rng.random() < 0.5}"

    # ----- kinds of statements -----

    def creation(self) -> None:
        rng = self.rng
        shape = [rng.choice(EXTENTS) for _ in range(rng.choice([0, 1, 1, 2, 2, 2, 3, 3, 4]))]
        if rng.random() < 0.07:
            shape = rng.choice([[5000], [70, 300], [3, 9000], [40, 7, 50], [1200, 20], [66000]])
        d = rng.choice(FLOATS if rng.random() < 0.75 else [*WHOLE, "bool"])
        grad = ".requires_grad_()" if d == "float64" and rng.random() < 0.3 else ""
        self.add(self.data(shape, d) + grad)

    def unary(self) -> None:
        t, x = self.tensor()
        if x.is_floating_point() and self.rng.random() < 0.3:
            self.add(f"F.{self.rng.choice(FUNCTIONAL)}({t})")
        else:
            f = self.rng.choice(UNARY)
            steep = x.is_floating_point() and f in ("sqrt", "rsqrt", "log1p", "reciprocal")
            x = f"({t}.abs() + {EDGE})" if steep else f"({t} * 0.01)" if f in ("sin", "cos") else t
            self.add(f"{x}.{f}()")

    def binary(self) -> None:
        rng, (t, x) = self.rng, self.tensor()
        fits = self.tensors(lambda y: _broadcasts(tuple(x.shape), tuple(y.shape)))
        u = rng.choice([*fits, *fits, "2", "-0.5", "3", "True"])
        options = [f"{t} {o} {u}" for o in ("+", "-", "*", "/")]
        if x.is_floating_point():  # what jumps does so where rounding doesn't lead
            options += [f"{t} > {EDGE}", f"torch.where({t} > {EDGE}, {t}, {u})", f"torch.lerp({t}, {u}, 0.3)"]
        else:
            options += [f"{t} {o} {u}" for o in (">", "==", "<=", "//", "%", "&")]
        options += [f"torch.{f}({t}, {u})" for f in ("maximum", "minimum") if u in fits]
        self.add(rng.choice(options))

    def cast(self) -> None:
        t, x = self.tensor()
        dtypes = FLOATS if x.is_floating_point() else [*FLOATS, *WHOLE, "bool"]
        self.add(f"{t}.to(torch.{self.rng.choice(dtypes)})")

    def reducing(self) -> None:
        t, x = self.tensor()
        f = self.rng.choice(REDUCING)
        self.add(f"{t}.{f}({self.dims(x) or ('dim=()' if f in ('amax', 'logsumexp') else '')})")

    def ordering(self) -> None:
        t, x = self.tensor()
        d = self.rng.randrange(max(x.ndim, 1))
        f = self.rng.choice(["argmax", "argmin", "cumsum", "cumprod", "argsort", "logcumsumexp"])
        self.add(self.rng.choice([f"{t}.{f}({d})", f"{t}.max({d})[0]", f"{t}.argmax()", f"{t}.min({d})[1]"]))

    def norming(self) -> None:
        rng, (t, x) = self.rng, self.floating()
        d, last = rng.randrange(max(x.ndim, 1)), list(x.shape[-rng.randint(1, 2) :])
        stats = [f"torch.{f}({x.shape[1]}, dtype=torch.{x.dtype})" for f in ("zeros", "ones") if x.ndim > 1]
        options = [
            f"F.softmax({t}, {d})", f"F.log_softmax({t}, {d})", f"F.layer_norm({t}, {last})",
            f"F.batch_norm({t}, {', '.join(stats) or None}, training=True)",
            f"F.batch_norm({t}, {', '.join(stats) or None}, training=False)",
            f"F.group_norm({t}, 1)", f"F.normalize({t}, dim={d})", f"F.rms_norm({t}, {last})",
        ]  # fmt: skip
        self.add(rng.choice(options).replace("torch.torch", "torch"))

    def loss(self) -> None:
        rng, (t, x) = self.rng, self.tensor(lambda t: t.is_floating_point() and t.ndim > 0)
        shape = [e for i, e in enumerate(x.shape) if i != (1 if x.ndim > 1 else 0)]
        classes = max(x.shape[1 if x.ndim > 1 else 0], 1) if x.ndim else 1
        labels = f"torch.tensor(np.random.default_rng({rng.randrange(9)}).integers(0, {classes}, {shape}))"
        labels = f"({labels} * 1)" if rng.random() < 0.5 else labels
        if self.wrong and rng.random() < 0.3:
            labels = f"({labels} + 3)"
        ignore, how = rng.choice([-100, 0, 1]), rng.choice(["mean", "mean", "sum", "none"])
        self.add(f"F.cross_entropy({t}, {labels}, ignore_index={ignore}, reduction='{how}')")

    def positions(self, extent: int, shape: Any, negative: bool) -> str:
        """An index tensor."""
        low, high = (-extent if negative and self.rng.random() < 0.5 else 0), max(extent, 1)
        if self.wrong and self.rng.random() < 0.3:
            high += 2
        numbers = f"np.random.default_rng({self.rng.randrange(99)}).integers({low}, {high}, {list(shape)})"
        return f"torch.tensor({numbers}){self.rng.choice(['', ' * 1', '.to(torch.int32) * 1'])}"

    def lookup(self) -> None:
        rng, (t, x) = self.rng, self.tensor(lambda t: t.ndim > 0)
        d = rng.randrange(max(x.ndim, 1))
        e = x.shape[d] if x.ndim else 1
        some = [rng.choice([0, 1, 2, 3, 5]) for _ in range(rng.choice([0, 1, 2]))]
        like = [n if i == d else max(n - rng.randrange(2), 0) for i, n in enumerate(x.shape)]
        i, k, m = self.positions(e, some, True), self.positions(e, [4], False), self.positions(e, [e], False)
        rows = f"({self.positions(x.shape[0], [4], False)}).long()"
        at = f"({self.positions(e, like, False)}).long()"
        options = [
            f"{t}[{':, ' * d}{i}]",
            f"torch.gather({t}, {d}, {at})",
            f"torch.index_select({t}, {d}, {k})",
            f"F.embedding({rows}, {t})",
            f"{t}.scatter({d}, {at}, {t} * 2)",
            f"{t}.scatter_add({d}, {at}, {t} + 1)",
            f"torch.index_put({t}, ({rows},), {t}[0] * 2, {rng.random() < 0.5})",
            f"{t}.index_add({d}, {m}, {t})",
            f"F.one_hot({rows} % 7, 7)",
        ]
        if x.ndim > 1:
            options.append(
                f"{t}[{self.positions(x.shape[0], [2, 1], True)}, {self.positions(x.shape[1], [3], True)}]"
            )
        if x.ndim > 2:
            options.append(
                f"{t}[{self.positions(x.shape[0], [3], True)}, :, {self.positions(x.shape[2], [3], True)}]"
            )
        self.add(rng.choice(options))

    def view(self) -> None:
        rng, (t, x) = self.rng, self.tensor()
        n, shape, rank = x.numel(), list(x.shape), x.ndim
        options = [
            f"{t}.reshape(-1)" if n else f"{t}.reshape({shape[::-1]})",
            f"{t}.unsqueeze(-1)",
            f"{t}.expand({[2, *shape]})",
        ]
        if rank:
            d = rng.randrange(rank)
            order = rng.sample(range(rank), rank)
            index = ", ".join(rng.choice([":", ":", "0", "-1", "1:", ":-1", "::2", "None"]) for _ in shape)
            options += [
                f"{t}.permute({order})", f"{t}.permute({order})", f"{t}[{index}]", f"{t}[{index}]",
                f"{t}.flip({d})", f"{t}.reshape({shape[::-1]})",
                f"{t}.permute({order}).reshape(-1, {shape[0]})",
                f"{t}.unfold({d}, {rng.randint(1, max(shape[d], 1))}, {rng.randint(1, 2)})",
                f"{t}.as_strided({shape}, {[rng.randint(0, 2) for _ in shape]}, 0)",
                f"{t}.roll({rng.randint(-2, 3)}, {d})",
            ]  # fmt: skip
        if rank > 1:
            options += [
                f"{t}.diagonal({rng.randint(-1, 1)})",
                f"{t}.{rng.choice(['tril', 'triu'])}({rng.randint(-1, 2)})",
            ]
        self.add(rng.choice(options))

    def joining(self) -> None:
        rng, (t, x) = self.rng, self.tensor()
        d = rng.randrange(max(x.ndim, 1))
        like = self.tensors(lambda y: y.dtype == x.dtype and y.shape == x.shape)
        u = rng.choice(like or [t])
        pads = [rng.randint(-1, 2) for _ in range(2 * min(x.ndim, 2))]
        self.add(rng.choice([f"torch.cat([{t}, {u}], {d})", f"torch.cat([{t} * 2, {u}, {t}], {d})",
                             f"torch.stack([{t}, {u}], {d})", f"F.pad({t}, {pads}, value=1.5)"]))  # fmt: skip

    def product(self) -> None:
        t, x = self.tensor(lambda t: t.is_floating_point() and t.ndim > 1)
        fits = self.tensors(
            lambda y: y.dtype == x.dtype and y.ndim == 2 and x.ndim and y.shape[0] == x.shape[-1]
        )
        self.add(self.rng.choice([f"{t} @ {t}.mT", *(f"{t} @ {u}" for u in fits)]))

    def writing(self) -> None:
        rng, (t, x) = self.rng, self.tensor(lambda t: not t.requires_grad)
        fits = self.tensors(
            lambda y: y.dtype == x.dtype and _broadcasts_to(y.shape, x.shape) and not y.requires_grad
        )
        u = rng.choice([*fits, "2"])
        options = [f"{t}.{f}_({u})" for f in ("add", "mul", "sub", "copy" if u in fits else "fill")]
        options += [f"{t}.add_({u}, alpha=-2)", f"{t}.clamp_(-1, 1)", f"{t}.zero_()", f"{t}.neg_()"]
        if fits:
            options += [
                f"{t}.mul_(0.9).add_({u}, alpha=0.1)",
                f"{t}.addcmul_({u}, {u}, value=0.5)",
                f"{t}.lerp_({u}, 0.2)",
            ]
        if x.ndim:
            i, part = (
                self.positions(x.shape[0], [2], True),
                rng.choice(["0", "1:", "..., 0", "::2", "..., -1:"]),
            )
            options += [
                f"{t}[{part}] = {rng.choice(['3', t + '[0]'])}",
                f"{t}[{i}] = 5",
                f"{t}[{i}] += 1",
            ]
            options += [f"{t}[{t} > {EDGE}] = 1", f"{t}.masked_fill_({t} > {EDGE}, 0)"]
        self.add(rng.choice(options), None)

    def drawing(self) -> None:
        t, _ = self.floating()
        options = [
            "torch.rand(3, 4)",
            f"F.dropout({t}, 0.4)",
            f"torch.randn_like({t})",
            f"torch.bernoulli(torch.rand_like({t}))",
        ]
        first, second = self.rng.sample(options, 2)
        self.add(f"torch.manual_seed({self.rng.randrange(9)}) and [{first}, {second}][1]")

    def gradient(self) -> None:
        names = self.tensors(lambda t: t.requires_grad and t.is_leaf)
        goals = self.tensors(lambda t: t.requires_grad and not t.is_leaf)
        if names and goals:
            inputs = ", ".join(names)
            goal = self.rng.choice(goals)
            text = f"torch.autograd.grad({goal}.sum(), [{inputs}], retain_graph=True, materialize_grads=True)"
            self.add(f"{text}[{self.rng.randrange(len(names))}]")

    def sharing(self) -> None:
        """Memory that NumPy sees, too."""
        t, _ = self.tensor(lambda t: not t.requires_grad and t.dtype != self.torch.bfloat16)
        self.count += 1
        self.add(f"{t}.detach().numpy()", f"a{self.count}")

    def deletion(self) -> None:
        names = self.tensors()
        if len(names) > 4:
            self.add(f"del {self.rng.choice(names)}", None)

    def look(self) -> None:
        self.lines.append(Statement("look()"))


KINDS = {
    "creation": 4, "unary": 6, "binary": 8, "cast": 2, "reducing": 6, "ordering": 2, "norming": 4, "loss": 2,
    "lookup": 5, "view": 7, "joining": 3, "product": 2, "writing": 7, "drawing": 1, "gradient": 3,
    "sharing": 1, "deletion": 3, "look": 2,
}  # fmt: skip


def _broadcasts(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    try:
        return bool(np.broadcast_shapes(a, b)) or True
    except ValueError:
        return False


def _broadcasts_to(a: Any, b: Any) -> bool:
    try:
        return np.broadcast_shapes(tuple(a), tuple(b)) == tuple(b)
    except ValueError:
        return False


def read(t: Any) -> np.ndarray:
    """A tensor's value, or the class of the error that it failed with (others' errors don't count)."""
    with suppress(Exception):
        t._value("test")
    try:
        return np.asarray(t._value("test"))
    except Exception as e:
        return np.array(type(e).__name__)


def worlds(seed: int, mode: str) -> dict[str, World]:
    """Flambeau's worlds, in which values may have failed."""

    return {n: w._replace(read=read) for n, w in flambeau_worlds(seed, mode).items()}
