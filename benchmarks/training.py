"""Measures training steps side by side: the same small programs under Flambeau and under PyTorch.

    python benchmarks/training.py                        # both, if the environment has both
    python benchmarks/training.py --models lenet,gpt --rounds 9 --threads 1
    python benchmarks/training.py --models gpt,resnet18 --autocast
    python benchmarks/training.py --models mobilenet,unet,vit,bert,seq2seq,audio,table,autoencoder,lengths

A step is zero_grad, forward, loss, backward, optimizer step and reading the loss. Each program runs in a
process of its own; the processes take turns, and medians are printed, so that a busy machine disturbs all of
them alike. The ratio is to the faster of PyTorch's two forms (`channels_last` makes a difference for images
alone). The last column says by how much the final losses differ.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from typing import Any

import more_models


def models(torch: Any) -> dict[str, Any]:
    """By name: (makes the network, input, labels, makes the optimizer)."""
    nn, F, optim = torch.nn, torch.nn.functional, torch.optim

    class Block(nn.Module):
        def __init__(self, i: int, o: int, stride: int) -> None:
            super().__init__()
            self.a, self.an = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
            self.b, self.bn = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
            plain = stride == 1 and i == o
            self.way = (
                nn.Identity()
                if plain
                else nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))
            )

        def forward(self, x: Any) -> Any:
            return F.relu(self.bn(self.b(F.relu(self.an(self.a(x))))) + self.way(x))

    class Layer(nn.Module):
        def __init__(self, width: int, heads: int) -> None:
            super().__init__()
            self.heads, self.n1, self.n2 = heads, nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            parts = self.qkv(self.n1(x)).chunk(3, -1)
            q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in parts)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
            x = x + self.out(y)
            return x + self.down(F.gelu(self.up(self.n2(x))))

    class Position(nn.Module):
        def __init__(self, length: int, width: int) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(length, width) * 0.1)

        def forward(self, x: Any) -> Any:
            return x + self.weight

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(128, 256, batch_first=True)

        def forward(self, x: Any) -> Any:
            return self.lstm(x)[0]

    def resnet() -> Any:
        sizes = (
            (64, 64, 1),
            (64, 64, 1),
            (64, 128, 2),
            (128, 128, 1),
            (128, 256, 2),
            (256, 256, 1),
            (256, 512, 2),
            (512, 512, 1),
        )
        stem = (nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
        return nn.Sequential(
            *stem, *(Block(*s) for s in sizes), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10)
        )

    def gpt() -> Any:
        return nn.Sequential(
            nn.Embedding(65, 256), Position(256, 256), *(Layer(256, 4) for _ in range(4)),
            nn.LayerNorm(256), nn.Linear(256, 65, bias=False), nn.Flatten(0, 1),
        )  # fmt: skip

    def lenet() -> Any:
        return nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10),
        )  # fmt: skip

    def dense(*widths: int) -> Any:
        layers = [m for i, o in pairwise(widths) for m in (nn.Linear(i, o), nn.ReLU())]
        return nn.Sequential(nn.Flatten(), *layers[:-1])

    def labels(classes: int, *shape: int) -> Any:
        return torch.randint(0, classes, shape)

    def sgd(p: Any) -> Any:
        return optim.SGD(p, lr=0.1)

    def adam(p: Any) -> Any:
        return optim.Adam(p, lr=1e-3)

    return {
        "tiny": (lambda: dense(2, 16, 16, 2), lambda: torch.randn(32, 2), lambda: labels(2, 32), sgd),
        "mlp": (
            lambda: dense(784, 512, 512, 10), lambda: torch.randn(64, 1, 28, 28), lambda: labels(10, 64), sgd,
        ),
        "lenet": (lenet, lambda: torch.randn(64, 1, 28, 28), lambda: labels(10, 64), adam),
        "resnet18": (
            resnet, lambda: torch.randn(32, 3, 32, 32), lambda: labels(10, 32),
            lambda p: optim.SGD(p, lr=0.001, momentum=0.9),
        ),
        "gpt": (
            gpt, lambda: labels(65, 8, 256), lambda: labels(65, 2048),
            lambda p: optim.AdamW(p, lr=1e-3, weight_decay=0.01),
        ),
        "lstm": (
            lambda: nn.Sequential(nn.Embedding(65, 128), Recurrent(), nn.Linear(256, 65), nn.Flatten(0, 1)),
            lambda: labels(65, 32, 128), lambda: labels(65, 4096), adam,
        ),
    }  # fmt: skip


def work(module: str, name: str, threads: int, autocast: bool) -> None:
    """A worker: for each line that it reads, some steps; prints the median in milliseconds and the loss."""
    module, _, form = module.partition(":")
    torch = importlib.import_module(module)
    importlib.import_module(f"{module}.optim")
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    make, inputs, targets, optimizer = (models(torch) | more_models.models(torch))[name]
    net, x, y = make(), inputs(), targets()
    if form and x.ndim == 4:
        net, x = (t.to(memory_format=getattr(torch, form)) for t in (net, x))
    rule = optimizer(net.parameters())

    def step() -> float:
        rule.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            loss = torch.nn.functional.cross_entropy(net(x), y)
        loss.backward()
        rule.step()
        return float(loss.item())

    losses = [step() for _ in range(11)]
    print(json.dumps(losses[-1]), flush=True)
    for _ in sys.stdin:
        times = []
        end = time.perf_counter() + 1.0
        while time.perf_counter() < end or len(times) < 3:
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        print(statistics.median(times) * 1e3, flush=True)


def measure(
    name: str, modules: list[str], rounds: int, threads: int, more: list[str]
) -> tuple[list[float], list[float]]:
    """Each module's milliseconds a step, and its loss after ten steps."""
    processes = []
    for module in modules:
        command = [sys.executable, __file__, "--work", module, "--models", name, "--threads", str(threads)]
        command += more
        processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    losses = [float(p.stdout.readline()) for p in processes]  # type: ignore[union-attr]
    times: list[list[float]] = [[] for _ in processes]
    for turn in range(rounds):
        for i in range(len(processes)):
            k = (i + turn) % len(processes)
            processes[k].stdin.write("go\n")  # type: ignore[union-attr]
            processes[k].stdin.flush()  # type: ignore[union-attr]
            times[k].append(float(processes[k].stdout.readline()))  # type: ignore[union-attr]
    for p in processes:
        p.communicate()
    return [statistics.median(t) for t in times], losses


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--models", default="tiny,mlp,lenet,resnet18,gpt,lstm")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--autocast", action="store_true", help="forward passes under bfloat16 autocast")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        return work(given.work, given.models, given.threads, given.autocast)
    more = ["--autocast"] if given.autocast else []
    modules = ["flambeau"]
    modules += ["torch", "torch:channels_last"] if importlib.util.find_spec("torch") else []
    print("| training step | " + " | ".join(modules) + " | ratio | losses differ by |")
    print("| --- |" + " --- |" * (len(modules) + 2))
    for name in given.models.split(","):
        times, losses = measure(name, modules, given.rounds, given.threads, more)
        cells = [f"{t:.3g} ms" for t in times]
        ratio = f"{min(times[1:]) / times[0]:.2f}x" if len(times) > 1 else ""
        apart = f"{abs(losses[0] - losses[-1]):.1e}"
        print(f"| {name} | " + " | ".join(cells) + f" | {ratio} | {apart} |", flush=True)
    return None


if __name__ == "__main__":
    main()
