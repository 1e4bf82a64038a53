"""Processes: what they share, what is sent, and how failures are told."""

import copy
import os
import pickle
import signal
import sys
import time

import pytest

import flambeau as torch
from flambeau.core.config import config

mp = torch.multiprocessing
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")


def in_child(fn, *args, method="fork", nprocs=1):
    mp.start_processes(fn, args, nprocs, start_method=method)


# ----- Shared memory -----
def add_one(index, tensors):
    with torch.no_grad():
        for t in tensors:
            t += 1


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_what_a_process_writes_all_read(method):
    whole = torch.arange(6.0)
    part, weight = whole[2:].view(2, 2).t(), torch.nn.Parameter(torch.zeros(3))
    assert not whole.is_shared() and not part.is_shared()
    assert part.share_memory_() is part
    assert whole.is_shared() and whole.untyped_storage().is_shared() and part.tolist() == [[2, 4], [3, 5]]
    weight.share_memory_()
    in_child(add_one, [part, weight], method=method)
    assert whole.tolist() == [0, 1, 3, 4, 5, 6] and part.tolist() == [[3, 5], [4, 6]]
    assert weight.tolist() == [1, 1, 1] and weight.requires_grad


def test_a_tensor_that_is_not_shared_is_copied():
    x = torch.zeros(2)
    in_child(add_one, [x])
    assert x.tolist() == [0, 0]


def test_shared_tensors_through_a_queue():
    queue = mp.get_context("fork").SimpleQueue()
    x, y = torch.zeros(4).share_memory_(), torch.ones(2)
    for sent in (x[1:3], y, torch.nn.Parameter(x)):
        queue.put(sent)
    part, copied, weight = queue.get(), queue.get(), queue.get()
    part += 7
    copied += 7
    assert x.tolist() == [0, 7, 7, 0] == weight.tolist() and y.tolist() == [1, 1]
    assert part.is_shared() and type(weight) is torch.nn.Parameter and weight.requires_grad
    queue.close()


def test_shared_tensors_are_tensors():
    for x in (torch.zeros(0, 3), torch.tensor(2.5), torch.ones(3, dtype=torch.bfloat16), torch.eye(2) > 0):
        twin = x.clone()
        x.share_memory_().share_memory_()
        assert torch.equal(x, twin) and x.dtype is twin.dtype
        assert torch.equal(pickle.loads(pickle.dumps(x)), twin) and not copy.deepcopy(x).is_shared()
    w = torch.ones(3, requires_grad=True)
    w.share_memory_()
    y = (w * w).sum()
    with torch.no_grad():
        w.mul_(3)
    assert w.tolist() == [3, 3, 3] and y.item() == 3
    (w * w).sum().backward()
    assert w.grad.tolist() == [6, 6, 6]
    a = w.detach().numpy()
    a[0] = 5
    assert w[0].item() == 5
    storage = torch.zeros(2).storage()
    assert not storage.is_shared() and storage.share_memory_().is_shared()


def learn(index, model, steps):
    torch.manual_seed(index)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(steps):
        x = torch.randn(16, 2)
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), x @ torch.tensor([[2.0], [-3.0]])).backward()
        optimizer.step()


def test_processes_train_one_model():
    model = torch.nn.Linear(2, 1)
    assert model.share_memory() is model and all(p.is_shared() for p in model.parameters())
    in_child(learn, model, 60, nprocs=2)
    assert model.weight.tolist()[0] == pytest.approx([2, -3], abs=0.05)


# ----- Failures -----
def fail(index):
    if index == 1:
        raise ValueError("no luck")
    time.sleep(30)


def leave(index):
    os._exit(4)


def die(index):
    os.kill(os.getpid(), signal.SIGKILL)


def test_failures_are_told():
    start = time.monotonic()
    with pytest.raises(
        mp.ProcessRaisedException, match=r"-- Process 1 terminated[\s\S]*ValueError: no luck"
    ) as error:
        in_child(fail, nprocs=2)
    assert error.value.error_index == 1 and error.value.error_pid > 0
    with pytest.raises(mp.ProcessExitedException, match="process 0 terminated with exit code 4") as left:
        in_child(leave)
    assert left.value.exit_code == 4 and left.value.signal_name is None
    with pytest.raises(mp.ProcessExitedException, match="process 0 terminated with signal SIGKILL") as killed:
        in_child(die)
    assert killed.value.exit_code == -9 and killed.value.signal_name == "SIGKILL"
    assert time.monotonic() - start < 10
    for raised in (error.value, left.value, killed.value):
        twin = pickle.loads(pickle.dumps(raised))
        assert str(twin) == str(raised) and vars(twin) == vars(raised)


def test_processes_without_joining():
    context = mp.start_processes(fail, nprocs=1, join=False, start_method="fork")
    assert len(context.pids()) == 1 and context.join(timeout=0.01) is False
    context.processes[0].kill()
    with pytest.raises(mp.ProcessExitedException):
        context.join()


def test_names():
    assert mp.Process and mp.Queue and mp.Pool and mp.Manager and mp.get_context("spawn").Process
    assert mp.cpu_count() == os.cpu_count() and mp.connection.wait
    assert mp.get_sharing_strategy() in mp.get_all_sharing_strategies()
    with pytest.raises(AssertionError, match="'shouting'"):
        mp.set_sharing_strategy("shouting")
    with pytest.warns(FutureWarning, match="only supports start_method=spawn"):
        mp.spawn(leave, nprocs=0, start_method="fork")


def test_a_fork_has_threads_again(monkeypatch):
    monkeypatch.setattr(config, "mode", "compile")
    x = torch.rand(600, 600)
    expected = (x @ x).sum().item()

    def compute(index):
        assert (x @ x).sum().item() == expected
        assert sum(name.startswith("flambeau") for name in threads()) == torch.get_num_threads() - 1

    in_child(compute)
    assert (x @ x).sum().item() == expected


def threads():
    import threading

    return [thread.name for thread in threading.enumerate()]
