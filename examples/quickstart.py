"""Learn to read handwritten digits: train, evaluate, save, reload, predict, with pictures.

    python quickstart.py                      # about half a minute on two cores
    python quickstart.py --seed 3 --out runs/three

The data are the 1,797 scanned 8 x 8 digits that come with scikit-learn: nothing is downloaded.
The first import is the only line that PyTorch would have otherwise: with `import torch` the rest runs
unchanged.
"""

import flambeau as torch

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from sklearn.datasets import load_digits

nn = torch.nn
Dataset, DataLoader = torch.utils.data.Dataset, torch.utils.data.DataLoader

CLASSES = 10


# ----- The data -----


class Digits(Dataset):
    """Images of digits with their labels; `transform` is applied to each image when it is asked for."""

    def __init__(self, images, labels, transform):
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.transform(self.images[index]), self.labels[index]


class Compose:
    """Several transforms, one after the other."""

    def __init__(self, *transforms):
        self.transforms = transforms

    def __call__(self, image):
        for transform in self.transforms:
            image = transform(image)
        return image


class RandomShift:
    """Moves the image by up to one pixel sideways: a digit stays the same digit."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)

    def __call__(self, image):
        right = self.random.integers(0, 3)
        return np.pad(image, ((0, 0), (1, 1)))[:, right : right + 8]


class ToTensor:
    """An 8 x 8 array of ink from 0 to 16 becomes a 1 x 8 x 8 tensor of about unit size."""

    def __call__(self, image):
        return torch.from_numpy(np.ascontiguousarray(image[None] / 8 - 1, dtype=np.float32))


def load_data(seed, batch_size=64):
    """Data loaders for training (shifted and shuffled anew in each epoch), validation and test: 70, 10 and 20
    %."""
    digits = load_digits()
    order = torch.randperm(len(digits.target), generator=torch.Generator().manual_seed(seed)).numpy()
    train, validation, test = np.split(order, [int(0.7 * len(order)), int(0.8 * len(order))])
    plain, shifted = ToTensor(), Compose(RandomShift(seed), ToTensor())
    parts = [(train, shifted), (validation, plain), (test, plain)]
    sets = [Digits(digits.images[i], digits.target[i], transform) for i, transform in parts]
    return [DataLoader(part, batch_size, shuffle=part is sets[0]) for part in sets]


# ----- The models -----


class NeuralNetwork(nn.Module):
    """Fully connected layers."""

    def __init__(self):
        super().__init__()
        self.flatten = nn.Flatten()
        self.linear_relu_stack = nn.Sequential(
            nn.Linear(8 * 8, 128),
            nn.ReLU(),
            nn.Linear(128, 128),
            nn.ReLU(),
            nn.Linear(128, CLASSES),
        )

    def forward(self, x):
        return self.linear_relu_stack(self.flatten(x))


class ConvolutionalNetwork(nn.Module):
    """Two convolutions that look at neighbourhoods, then two fully connected layers that decide."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Dropout(0.25),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(64 * 4 * 4, 128),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(128, CLASSES),
        )

    def forward(self, x):
        return self.classifier(self.features(x))


# ----- Training and evaluation -----


def train_epoch(model, loader, loss_fn, optimizer, report):
    """One pass over the training data; returns the mean loss and the accuracy."""
    model.train()
    total_loss, correct, seen = 0.0, 0, 0
    for batch, (x, y) in enumerate(loader, 1):
        prediction = model(x)
        loss = loss_fn(prediction, y)

        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

        total_loss += loss.item() * len(y)
        correct += (prediction.argmax(1) == y).sum().item()
        seen += len(y)
        report(batch, total_loss / seen, correct / seen)
    return total_loss / seen, correct / seen


def predict(model, loader):
    """Class scores for all images of a loader, and the true labels."""
    model.eval()
    with torch.no_grad():
        scores, labels = zip(*[(model(x), y) for x, y in loader])
    return torch.cat(scores), torch.cat(labels)


def evaluate(model, loader, loss_fn):
    """Loss and accuracy."""
    scores, labels = predict(model, loader)
    return loss_fn(scores, labels).item(), (scores.argmax(1) == labels).float().mean().item()


class Progress:
    """A line that is rewritten in a terminal, and one line an epoch elsewhere."""

    def __init__(self, epochs, batches):
        self.epochs, self.batches, self.start, self.epoch = epochs, batches, time.perf_counter(), 0
        self.live = sys.stdout.isatty()

    def __call__(self, batch, loss, accuracy):
        done = self.epoch + batch / self.batches
        spent = time.perf_counter() - self.start
        self.eta = spent / done * (self.epochs - done)
        if self.live:
            self._print(f"batch {batch:3d}/{self.batches}", loss, accuracy, "", end="")

    def end_epoch(self, loss, accuracy, val_loss, val_accuracy):
        self.epoch += 1
        held_out = f"   validation: loss {val_loss:.4f}, accuracy {val_accuracy:6.2%}"
        last = self.epoch == self.epochs
        self._print(
            f"{self.batches} batches", loss, accuracy, held_out, end="\n" if last or not self.live else ""
        )

    def _print(self, batch, loss, accuracy, more, end):
        start = "\r\x1b[K" if self.live else ""
        epoch = max(self.epoch, 1) if more else self.epoch + 1
        line = (
            f"  epoch {epoch:2d}/{self.epochs}  {batch}  ETA {self.eta:4.1f} s   loss {loss:.4f}, "
            f"accuracy {accuracy:6.2%}{more}"
        )
        print(start + line, end=end, flush=True)


def fit(model, loaders, epochs, lr):
    """Trains with Adam while the learning rate falls in steps; returns the history of losses and
    accuracies."""
    train, validation, _ = loaders
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=max(1, epochs // 3), gamma=0.3)
    progress = Progress(epochs, len(train))
    history = []
    for _ in range(epochs):
        now = train_epoch(model, train, loss_fn, optimizer, progress)
        held_out = evaluate(model, validation, loss_fn)
        scheduler.step()
        progress.end_epoch(*now, *held_out)
        history.append(dict(zip(("loss", "accuracy", "val_loss", "val_accuracy"), (*now, *held_out))))
    return history


def confusion_matrix(predicted, labels):
    """How often each true class (row) was taken for each class (column)."""
    cells = torch.bincount(labels * CLASSES + predicted, minlength=CLASSES * CLASSES)
    return cells.reshape(CLASSES, CLASSES)


def measures(model, loader):
    """Accuracy, and precision and recall of each class, on a loader's images."""
    scores, labels = predict(model, loader)
    confusion = confusion_matrix(scores.argmax(1), labels)
    right = confusion.diagonal()
    return {
        "accuracy": right.sum().item() / len(labels),
        "precision": (right / confusion.sum(0).clamp(min=1)).tolist(),
        "recall": (right / confusion.sum(1).clamp(min=1)).tolist(),
        "confusion": confusion.tolist(),
    }


def print_measures(result):
    print(f"  test accuracy {result['accuracy']:.2%}\n  digit  precision  recall   taken for 0 to 9")
    for digit, row in enumerate(result["confusion"]):
        counts = " ".join(f"{n:3d}" if n else "  ." for n in row)
        print(f"  {digit:5d}  {result['precision'][digit]:9.2%}  {result['recall'][digit]:6.1%}  {counts}")


# ----- Pictures -----


def save_figure(figure, path):
    figure.savefig(path, dpi=120, bbox_inches="tight")


def draw_curves(histories, path):
    """Loss and accuracy over the epochs, for training and validation."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2))
    for axes, what in zip(figure.subplots(1, 2), ("loss", "accuracy")):
        for colour, (name, history) in zip(("tab:orange", "tab:blue"), histories.items()):
            epochs = range(1, len(history) + 1)
            axes.plot(epochs, [h[what] for h in history], color=colour, label=f"{name}, training")
            axes.plot(
                epochs, [h["val_" + what] for h in history], "--", color=colour, label=f"{name}, validation"
            )
        axes.set(xlabel="epoch", title=what)
        axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    save_figure(figure, path)


def draw_confusion(confusion, path):
    """The confusion matrix with its counts."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5, 4.5))
    axes = figure.subplots()
    axes.imshow(np.sqrt(confusion), cmap="Oranges")
    for (row, column), count in np.ndenumerate(np.array(confusion)):
        if count:
            axes.text(column, row, count, ha="center", va="center", fontsize=8)
    axes.set(
        xlabel="predicted", ylabel="true", xticks=range(CLASSES), yticks=range(CLASSES), title="test images"
    )
    save_figure(figure, path)


def draw_images(images, titles, columns, path, empty="none"):
    """A sheet of small images."""
    from matplotlib.figure import Figure

    columns = max(2, min(columns, len(images)))
    rows = max(1, -(-len(images) // columns))
    figure = Figure(figsize=(columns, 1.25 * rows))
    for i, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.axis("off")
        if i < len(images):
            axes.imshow(images[i], cmap="gray_r" if titles else "RdBu")
            axes.set_title(titles[i] if titles else "", fontsize=8)
    if not len(images):
        figure.text(0.5, 0.5, empty, ha="center")
    save_figure(figure, path)


def draw_mistakes(model, loader, path):
    """All test images that the model gets wrong."""
    scores, labels = predict(model, loader)
    images = torch.cat([x for x, _ in loader])
    wrong = (scores.argmax(1) != labels).nonzero().flatten()
    titles = [f"{t} read as {p}" for t, p in zip(labels[wrong].tolist(), scores.argmax(1)[wrong].tolist())]
    draw_images(images[wrong, 0].numpy(), titles, 8, path, empty="no mistakes")


# ----- All of it -----


def save_and_reload(model, loader, path):
    """Saves the parameters, loads them into a new model, and makes sure that it predicts the same."""
    save_file({name: value.numpy() for name, value in model.state_dict().items()}, path)
    reloaded = ConvolutionalNetwork()
    reloaded.load_state_dict(torch.load(path))
    if not torch.equal(predict(model, loader)[0], predict(reloaded, loader)[0]):
        raise RuntimeError(f"the model loaded from {path} predicts otherwise than the one saved")
    return reloaded


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--epochs", type=int, default=20, help="passes over the training data, for each model"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/quickstart"), help="folder for the results")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()

    torch.set_num_threads(1)  # the models are small: sharing out their work would cost more than it brings
    torch.manual_seed(options.seed)
    loaders = load_data(options.seed)
    sizes = [len(loader.dataset) for loader in loaders]
    print("digits: {} for training, {} for validation, {} for the test".format(*sizes))

    histories, results = {}, {}
    for model, lr in ((NeuralNetwork(), 1e-3), (ConvolutionalNetwork(), 3e-3)):
        name = type(model).__name__
        count = sum(p.numel() for p in model.parameters())
        print(f"\n{name}: {count:,} parameters")
        histories[name] = fit(model, loaders, options.epochs, lr)
        results[name] = measures(model, loaders[2])
        print_measures(results[name])

    weights = options.out / "cnn.safetensors"
    model = save_and_reload(model, loaders[2], weights)
    print(f"\nsaved to {weights}, loaded into a new model: the same predictions")

    draw_curves(histories, options.out / "curves.png")
    draw_confusion(results[name]["confusion"], options.out / "confusion.png")
    draw_mistakes(model, loaders[2], options.out / "mistakes.png")
    filters = model.features[0].weight.detach()[:, 0].numpy()
    draw_images(filters, None, 8, options.out / "filters.png")
    seconds = time.perf_counter() - start
    metrics = {"seed": options.seed, "seconds": seconds, "history": histories, "test": results}
    (options.out / "metrics.json").write_text(json.dumps(metrics, indent=1))
    print(f"done in {seconds:.1f} s; pictures and metrics are in {options.out.resolve()}")
    return metrics


if __name__ == "__main__":
    main()
