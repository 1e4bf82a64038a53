"""What a network has learned about five digits helps it with the other five.

    python transfer_learning.py
    python transfer_learning.py --few 1 --repeats 5

A small residual network learns the digits 0 to 4 from many images: which digit it is, and how it was turned.
Then it shall tell 5 to 9 apart, of which it sees three each. Three ways to do so are compared: from scratch;
with the old layers frozen under a new head; and with all layers trained on, the earlier ones slower. Their
mean accuracies on the other images are 82.6, 87.8 and 89.0 %, after one or two minutes.
"""

import flambeau as torch

import argparse
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

nn = torch.nn
DataLoader, TensorDataset = torch.utils.data.DataLoader, torch.utils.data.TensorDataset


def load_data(seed, few):
    """Many images of 0 to 4 for training, others for the test; a few of 5 to 9, others for the test."""
    digits = load_digits()
    x = torch.from_numpy(digits.images[:, None].astype(np.float32)) / 8 - 1
    y = torch.from_numpy(digits.target)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    old, new = order[y[order] < 5], order[y[order] >= 5]
    chosen = torch.cat([new[y[new] == digit][:few] for digit in range(5, 10)])
    rest = new[~torch.isin(new, chosen)]
    parts = (old[:700], old[700:]), (chosen, rest)
    return [[TensorDataset(x[i], y[i] % 5) for i in pair] for pair in parts]


def turned(data):
    """Each image in 24 ways: turned, mirrored, and moved sideways. The new label says which digit it is, and
    which way it lies: the more there is to tell apart, the more is learned for other digits."""
    x, y = data[:]
    sides = [torch.rot90(side, turns, (2, 3)) for side in (x, x.flip(3)) for turns in range(4)]
    images = torch.cat([torch.roll(side, step, 3) for side in sides for step in (-1, 0, 1)])
    return TensorDataset(images, torch.cat([8 * y + way for way in range(8) for _ in range(3)]))


class Residual(nn.Module):
    """Two convolutions whose result is added to the input."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.norm2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, x):
        y = self.norm1(self.conv1(x)).relu()
        return (self.shortcut(x) + self.norm2(self.conv2(y))).relu()


class Network(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.body = nn.Sequential(Residual(1, 16, 1), Residual(16, 32, 2), Residual(32, 64, 2), nn.Flatten())
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(64 * 2 * 2, classes))

    def forward(self, x):
        return self.head(self.body(x))


def keep_statistics(module):
    """BatchNorm keeps the means and variances of the many old images: a few new ones would give poor ones."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eval()


def train(model, data, groups, epochs, frozen=None):
    """Trains groups of parameters, each with its learning rate; BatchNorm of `frozen` stays as it is."""
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    rates = [group["lr"] for group in optimizer.param_groups]
    loader = DataLoader(data, 32, shuffle=True)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=epochs * len(loader))
    for _ in range(epochs):
        model.train()
        if frozen is not None:
            keep_statistics(frozen)
        for x, y in loader:
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()


@torch.no_grad()
def accuracy(model, data):
    model.eval()
    x, y = data[:]
    return (model(x).argmax(1) == y).float().mean().item()


def pretrained(path):
    """The old body under a new head."""
    model = Network(40)
    model.load_state_dict(torch.load(path))
    model.head[1] = nn.Linear(model.head[1].in_features, 5)
    return model


def transfer(path, data, epochs):
    """Accuracies on the new digits: from scratch, with a frozen body, and after unfreezing it."""
    few, test = data
    scratch = Network(5)
    train(scratch, few, [{"params": scratch.parameters(), "lr": 3e-3}], 2 * epochs)

    model = pretrained(path)
    model.body.requires_grad_(False)
    train(model, few, [{"params": model.head.parameters(), "lr": 1e-2}], epochs, frozen=model.body)
    frozen = accuracy(model, test)

    model.body.requires_grad_(True)
    parts = [
        model.head,
        model.body[2],
        model.body[1],
        model.body[0],
    ]  # what is first is general: it learns slowest
    groups = [
        {"params": part.parameters(), "lr": 2e-3 / 4**depth} for depth, part in zip((0, 0, 1, 2), parts)
    ]
    train(model, few, groups, epochs, frozen=model.body)
    return {"scratch": accuracy(scratch, test), "frozen": frozen, "unfrozen": accuracy(model, test)}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=30, help="passes over the few images in each stage")
    parser.add_argument("--pretrain", type=int, default=2, help="passes over the many images")
    parser.add_argument("--few", type=int, default=3, help="images of each new digit")
    parser.add_argument("--repeats", type=int, default=5, help="how often, each with other images")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/transfer"))
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)

    results = []
    for seed in range(options.seed, options.seed + options.repeats):
        torch.manual_seed(seed)
        old, new = load_data(seed, options.few)
        model, path = Network(40), options.out / "digits_0_to_4.pt"
        train(model, turned(old[0]), [{"params": model.parameters(), "lr": 3e-3}], options.pretrain)
        torch.save(model.state_dict(), path)
        print(f"seed {seed}: 0 to 4, digit and turn: {accuracy(model, turned(old[1])):.1%}", flush=True)
        results.append(transfer(path, new, options.epochs))
        print("   5 to 9:", ", ".join(f"{way} {right:.1%}" for way, right in results[-1].items()), flush=True)

    means = {way: sum(result[way] for result in results) / len(results) for way in results[0]}
    print(f"5 to 9 from {options.few} images each, mean accuracy on the others:")
    for way, mean in means.items():
        print(f"  {way:9} {mean:.1%}")
    return means


if __name__ == "__main__":
    main()
