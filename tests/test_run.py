"""`flambeau run`: programs that import torch get Flambeau."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import flambeau as torch

SOURCE = str(Path(torch.__file__).parents[1])


def flambeau(*arguments, cwd, paths=()):
    return subprocess.run(
        [sys.executable, "-m", "flambeau", *map(str, arguments)],
        cwd=cwd, env={**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, paths), SOURCE])},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.fixture
def program(tmp_path):
    def write(text, name="program.py"):
        (tmp_path / name).write_text(textwrap.dedent(text))
        return tmp_path / name

    return write


def test_a_program_and_its_arguments(program, tmp_path):
    program("SCALE = 2", "helper.py")
    path = program(
        """
        import sys
        import torch
        import torch.nn.functional as F
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset
        from helper import SCALE

        if __name__ == "__main__":
            assert torch.nn is nn and nn.functional is F
            assert torch.__version__.split(".")[:2] == ["2", "13"]
            torch.manual_seed(0)
            net = nn.Linear(2, 1)
            data = DataLoader(TensorDataset(torch.ones(4, 2)), batch_size=2)
            print([F.relu(net(x) * 0 + SCALE).shape[0] for (x,) in data], sys.argv[1:], __file__)
        """
    )
    done = flambeau("run", path, "--epochs", 3, cwd=tmp_path)
    assert done.stdout.strip() == f"[2, 2] ['--epochs', '3'] {path}", done.stderr


def test_a_module(program, tmp_path):
    program("import torch, sys; print(torch.ones(2).tolist(), sys.argv[1:])", "training.py")
    done = flambeau("run", "-m", "training", "-v", cwd=tmp_path)
    assert done.stdout.strip() == "[1.0, 1.0] ['-v']", done.stderr


def test_processes_that_the_program_starts(program, tmp_path):
    path = program(
        """
        import multiprocessing, subprocess, sys

        def work(queue):
            import torch
            queue.put(torch.__version__)

        if __name__ == "__main__":
            context = multiprocessing.get_context("spawn")
            queue = context.Queue()
            process = context.Process(target=work, args=(queue,))
            process.start()
            print(queue.get(timeout=60))
            process.join()
            command = [sys.executable, "-c", "import torch; print(torch.__version__)"]
            print(subprocess.run(command, capture_output=True, text=True).stdout.strip())
        """
    )
    done = flambeau("run", path, cwd=tmp_path)
    assert done.stdout.split() == ["2.13.0+flambeau"] * 2, done.stderr


def test_what_is_not_there_is_named(program, tmp_path):
    done = flambeau("run", program("import torch.nn.functionel"), cwd=tmp_path)
    assert done.returncode == 1
    assert "torch.nn.functionel" in done.stderr and "functional" in done.stderr.splitlines()[-1]
    done = flambeau("run", "nowhere.py", cwd=tmp_path)
    assert done.returncode == 2 and "no such file" in done.stderr
    assert flambeau("run", cwd=tmp_path).returncode == 2


def test_exit_status_and_errors_are_the_programs(program, tmp_path):
    assert flambeau("run", program("import torch; raise SystemExit(7)"), cwd=tmp_path).returncode == 7
    done = flambeau("run", program("import torch; torch.ones(2) @ torch.ones(3)"), cwd=tmp_path)
    assert done.returncode == 1 and "matmul" in done.stderr


def test_attributes_set_on_torch_are_flambeaus(program, tmp_path):
    path = program(
        """
        import torch, flambeau
        torch.my_flag = 5
        print(flambeau.my_flag, "zeros" in dir(torch), torch.__version__ != flambeau.__version__)
        """
    )
    assert flambeau("run", path, cwd=tmp_path).stdout.split() == ["5", "True", "True"]


def test_another_sitecustomize_is_still_run(program, tmp_path):
    program("import sys; sys.seen = True", "sitecustomize.py")
    path = program(
        """
        import subprocess, sys
        command = [sys.executable, "-c", "import sys, torch; print(sys.seen, torch.__version__)"]
        print(subprocess.run(command, capture_output=True, text=True).stdout.strip())
        """
    )
    done = flambeau("run", path, cwd=tmp_path, paths=[tmp_path])
    assert done.stdout.split() == ["True", "2.13.0+flambeau"], done.stderr
