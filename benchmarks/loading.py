"""Measures loading: whole epochs of a `DataLoader`, with Flambeau and, if the same environment has it,
PyTorch.

    python benchmarks/loading.py
    python benchmarks/loading.py --only jpeg --rounds 5

Each measurement is a fresh process, which prints the best of some epochs after the first; they take turns.
The programs are the same but for the import. "by hand" slices the same shuffled arrays with NumPy.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HEAD = """
import time, sys, numpy as np, {m} as torch
from {m}.utils.data import DataLoader, Dataset, TensorDataset
folder = sys.argv[1]
def epochs(loader, n):
    seen, times = 0, []
    for _ in range(n + 1):
        start = time.perf_counter()
        seen = 0
        for x, y in loader:
            seen += len(y)
        times.append(time.perf_counter() - start)
    print(seen / min(times[1:]))
"""
CASES = {
    # What is measured: images of 28 x 28 in memory, batches of 64, shuffled.
    "tensors": """
x, y = torch.rand(60000, 1, 28, 28), torch.randint(0, 10, (60000,))
epochs(DataLoader(TensorDataset(x, y), 64, shuffle=True), 3)
""",
    "tensors, batches of 1024": """
x, y = torch.rand(60000, 1, 28, 28), torch.randint(0, 10, (60000,))
epochs(DataLoader(TensorDataset(x, y), 1024, shuffle=True), 3)
""",
    # An item is a row of a tensor and a Python number, merged by the default collate function.
    "items": """
class Rows(Dataset):
    def __init__(self): self.x, self.y = torch.rand(20000, 64), list(range(20000))
    def __len__(self): return 20000
    def __getitem__(self, i): return self.x[i], self.y[i]
epochs(DataLoader(Rows(), 64, shuffle=True), 2)
""",
    "items that are arrays": """
class Rows(Dataset):
    def __init__(self): self.x, self.y = np.random.rand(20000, 64).astype(np.float32), list(range(20000))
    def __len__(self): return 20000
    def __getitem__(self, i): return self.x[i], self.y[i]
epochs(DataLoader(Rows(), 64, shuffle=True), 2)
""",
    # Large arrays that cost nothing to make: what handing them over takes.
    "handing over, 2 workers": """
class Large(Dataset):
    def __init__(self): self.x = np.ones((3, 224, 224), np.float32)
    def __len__(self): return 1024
    def __getitem__(self, i): return self.x, i
epochs(DataLoader(Large(), 32, num_workers=2, persistent_workers=True), 3)
""",
    "jpeg, 2 workers": """
from PIL import Image
from pathlib import Path
class Photos(Dataset):
    def __init__(self): self.paths = sorted(Path(folder).glob("*.jpg"))
    def __len__(self): return len(self.paths)
    def __getitem__(self, i):
        image = Image.open(self.paths[i]).convert("RGB").resize((224, 224))
        x = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
        return x, i
epochs(DataLoader(Photos(), 32, shuffle=True, num_workers=2, persistent_workers=True), 3)
""",
    "jpeg, 2 new workers an epoch": """
from PIL import Image
from pathlib import Path
class Photos(Dataset):
    def __init__(self): self.paths = sorted(Path(folder).glob("*.jpg"))
    def __len__(self): return len(self.paths)
    def __getitem__(self, i):
        image = Image.open(self.paths[i]).convert("RGB").resize((224, 224))
        x = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
        return x, i
epochs(DataLoader(Photos(), 32, shuffle=True, num_workers=2), 2)
""",
}
BY_HAND = """
import time, numpy as np
x, y = np.random.rand(60000, 1, 28, 28).astype(np.float32), np.random.randint(0, 10, 60000)
times = []
for _ in range(4):
    start = time.perf_counter()
    order = np.random.permutation(60000)
    for i in range(0, 60000, {size}):
        rows = order[i : i + {size}]
        x[rows], y[rows]
    times.append(time.perf_counter() - start)
print(60000 / min(times[1:]))
"""
HAND_SIZES = {"tensors": 64, "tensors, batches of 1024": 1024}


def photos(folder: str, count: int = 384) -> None:
    """Writes pictures of 500 x 375 with something in them."""
    from PIL import Image

    generator = np.random.default_rng(0)
    for i in range(count):
        coarse = Image.fromarray(generator.integers(0, 256, (24, 32, 3), np.uint8))
        coarse.resize((500, 375), Image.Resampling.BICUBIC).save(Path(folder, f"{i:04}.jpg"), quality=90)


def measure(code: str, folder: str) -> float:
    """Items a second that a program prints."""
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    options = parser.parse_args()
    modules = ["flambeau"] + (["torch"] if importlib.util.find_spec("torch") else [])
    print("| what | with | items a second | range |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        photos(folder)
        for name, code in CASES.items():
            if options.only not in name:
                continue
            programs = {module: HEAD.format(m=module) + code for module in modules}
            if name in HAND_SIZES:
                programs["by hand"] = BY_HAND.format(size=HAND_SIZES[name])
            found: dict[str, list[float]] = {who: [] for who in programs}
            for _ in range(options.rounds):
                for who, program in programs.items():
                    found[who].append(measure(program, folder))
            for who, values in found.items():
                middle = statistics.median(values)
                print(
                    f"| {name} | {who} | {middle:,.0f} | {min(values):,.0f} to {max(values):,.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
