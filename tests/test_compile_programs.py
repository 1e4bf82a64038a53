"""Random functions that share memory, write in place and differentiate mean the same when compiled."""

import random
import re
import warnings

import numpy as np
import pytest
from programs import World, Writer, difference, facts, write_program

import flambeau as torch
from flambeau.core.config import config

KINDS = {
    Writer.creation: 1, Writer.view: 4, Writer.calculation: 4, Writer.writing: 4, Writer.backward: 0.5,
    Writer.leaf: 0.4, Writer.grad: 0.2, Writer.data: 0.3,
}  # fmt: skip
HERE = World(torch, lambda x: isinstance(x, torch.Tensor), lambda x: x.detach().clone().numpy())
CALLS = 5


def lines(seed):
    """A program without looks and arrays, in two halves: what is there, and what the function does."""
    texts = [s.text for s in write_program(seed, 24, KINDS)]
    texts = [t for t in texts if t != "look()" and "np." not in t and "from_numpy" not in t]
    return texts[: len(texts) // 2], texts[len(texts) // 2 :]


def names(texts):
    """What the lines assign."""
    return sorted({t.split(" = ")[0] for t in texts if re.match(r"t\d+ = ", t)})


def function(body, given):
    """The text of a function that does what it can of the lines and returns all that they make."""

    def own(text):
        return re.sub(rf"\b({'|'.join(given)})\b", r"\1_", text) if given else text

    results = [own(name) for name in names(body)]
    head = [f"def f({', '.join(f'{name}_' for name in given)}):", " pass"]
    head += [f" {name} = None" for name in results if not name.endswith("_")]
    tries = [f" try:\n  {own(text)}\n except Exception:\n  pass" for text in body]
    return "\n".join([*head, *tries, f" return [{', '.join(results)}]"])


def log(setup, text, given, compiled):
    """What can be seen of everything after each of some calls."""
    env, seen = {"torch": torch}, []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for line in setup:
            try:
                exec(line, env)
            except Exception as e:
                seen.append(type(e).__name__)
        exec(compile(text, "<program>", "exec"), env)
        f = torch.compile(env["f"]) if compiled else env["f"]
        for _ in range(CALLS):
            try:
                args = [how(env[name]) for name, how in given.items()]
                results = f(*args)
            except Exception as e:
                return [*seen, type(e).__name__]
            things = {n: x for n, x in env.items() if isinstance(x, torch.Tensor)}
            things |= {f"r{i}": x for i, x in enumerate([*results, *args]) if isinstance(x, torch.Tensor)}
            seen.append({n: facts(x, HERE) for n, x in things.items()})
    return seen


@pytest.mark.parametrize("chunk", range(4))
def test_compiled_functions_mean_what_the_functions_mean(chunk, monkeypatch):
    monkeypatch.setattr(config, "mode", "interpret")
    how = [lambda x: x, lambda x: x.detach().clone(), lambda x: x[...]]
    for seed in range(40 * chunk, 40 * chunk + 40):
        setup, body = lines(seed)
        rng = random.Random(seed)
        given = {name: rng.choice(how) for name in names(setup) if rng.random() < 0.3}
        text = function(body, list(given))
        found = difference(log(setup, text, given, False), log(setup, text, given, True))
        assert not found, "\n".join([f"seed {seed}: {found}", *setup, text])
