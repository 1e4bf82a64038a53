"""Several processes that compute together, against NumPy; what they learn; and what failures do."""

import datetime
import os
import pickle
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import flambeau as torch
from flambeau import distributed as dist
from flambeau import nn
from flambeau.nn.parallel import DistributedDataParallel
from flambeau.utils.data import DistributedSampler

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sockets and files as on POSIX")
N = 3
SIZES = (0, 1, 7, 50_001)  # the last is shared out among processes


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def entry(rank, checks, size, where, timeout):
    for check in checks:
        dist.init_process_group(
            "gloo", where, rank=rank, world_size=size, timeout=datetime.timedelta(seconds=timeout)
        )
        check(rank, size)
        dist.destroy_process_group()
        assert not dist.is_initialized()


def in_processes(*checks, size=N, timeout=30, where=None):
    where = where or f"tcp://127.0.0.1:{free_port()}"
    torch.multiprocessing.spawn(entry, (checks, size, where, timeout), size)


@pytest.fixture
def alone():
    dist.init_process_group(store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def values(rank, n, dtype="float32"):
    return np.random.default_rng(rank).integers(1, 5, n).astype(dtype) / np.array(3, "float32").astype(dtype)


def tensor(rank, n):
    return torch.from_numpy(values(rank, n))


def same(t, expected):
    np.testing.assert_array_equal(t.detach().numpy(), expected)


# ----- Collectives -----
def in_order(f, parts):
    out = parts[0]
    for part in parts[1:]:
        out = f(out, part)
    return out


def check_reductions(rank, size):
    kinds = [("SUM", np.add), ("PRODUCT", np.multiply), ("MIN", np.minimum), ("MAX", np.maximum)]
    for n in SIZES:
        parts = [values(r, n) for r in range(size)]
        for name, f in kinds:
            op, expected = getattr(dist.ReduceOp, name), in_order(f, parts)
            x = tensor(rank, n)
            assert dist.all_reduce(x, op) is None
            same(x, expected)
            x = tensor(rank, n)
            dist.reduce(x, 1, op)
            same(x, expected if rank == 1 else parts[rank])
        x = tensor(rank, n)
        dist.all_reduce(x, dist.ReduceOp.AVG)
        same(x, in_order(np.add, parts) / np.float32(size))
    bits = torch.tensor([1 << rank, 7])
    dist.all_reduce(bits, dist.ReduceOp.BXOR)
    assert bits.tolist() == [7, 7]
    for dtype in (torch.bfloat16, torch.float64, torch.int8, torch.complex64, torch.bool):
        x = torch.ones(2, 3).to(dtype).t()
        dist.all_reduce(x)
        assert x.dtype is dtype and x.tolist() == [[True if dtype is torch.bool else size] * 2] * 3


def check_movements(rank, size):
    for n in SIZES:
        parts = [values(r, n) for r in range(size)]
        x = tensor(rank, n)
        dist.broadcast(x, src=2)
        same(x, parts[2])
        out = [torch.empty(n) for _ in range(size)]
        dist.all_gather(out, tensor(rank, n))
        for t, part in zip(out, parts, strict=True):
            same(t, part)
        whole = torch.empty(size * n)
        dist.all_gather_into_tensor(whole, tensor(rank, n))
        same(whole, np.concatenate(parts))
        out = [torch.empty(n) for _ in range(size)] if rank == 1 else None
        dist.gather(tensor(rank, n), out, dst=1)
        for t, part in zip(out or (), parts, strict=rank == 1):
            same(t, part)
        x = torch.empty(n)
        dist.scatter(x, [tensor(r, n) for r in range(size)] if rank == 1 else None, src=1)
        same(x, parts[rank])


def check_scattered_sums(rank, size):
    for n in SIZES:
        mine = [tensor(10 * rank + r, n) for r in range(size)]
        expected = in_order(np.add, [values(10 * r + rank, n) for r in range(size)])
        out = torch.empty(n)
        dist.reduce_scatter(out, mine)
        same(out, expected)
        out = torch.empty(n)
        dist.reduce_scatter_tensor(out, torch.cat(mine))
        same(out, expected)
        out = [torch.empty(n) for _ in range(size)]
        dist.all_to_all(out, mine)
        for r in range(size):
            same(out[r], values(10 * r + rank, n))


def check_messages(rank, size):
    after, before = (rank + 1) % size, (rank - 1) % size
    x = torch.empty(200_000)  # more than sockets hold: all send at once, and none is stuck
    dist.send(torch.full((200_000,), float(rank)), after)
    assert dist.recv(x, before) == before and x[-1] == before
    works = [dist.irecv(torch.empty(1), before, tag=t) for t in (2, 1)]
    y = torch.empty(1)
    works.append(dist.irecv(y, before, tag=3))
    for tag in (1, 2, 3):
        dist.isend(torch.tensor([10.0 * tag + rank]), after, tag=tag).wait()
    assert all(work.wait() for work in works) and y.item() == 30 + before
    if rank == 0:
        assert {dist.recv(y), dist.recv(y)} == {1, 2}
    else:
        dist.send(y, 0)
    x = torch.ones(3)
    works = [dist.all_reduce(x, async_op=True), dist.barrier(async_op=True)]
    assert [work.wait() for work in works] == [True, True]
    assert x.tolist() == [size] * 3 and works[0].is_completed() and works[0].is_success()


def check_objects(rank, size):
    got = [None] * size
    dist.all_gather_object(got, {"rank": rank, "long": "x" * rank})
    assert got == [{"rank": r, "long": "x" * r} for r in range(size)]
    got = [rank, "mine"]
    dist.broadcast_object_list(got, src=1)
    assert got == [1, "mine"]
    got = [None] * size if rank == 0 else None
    dist.gather_object(rank, got)
    assert got == ([0, 1, 2] if rank == 0 else None)
    got = [None]
    dist.scatter_object_list(got, ["a", "b", "c"] if rank == 0 else None)
    assert got == ["abc"[rank]]


def check_groups(rank, size):
    pair, reverse = dist.new_group([2, 0]), dist.new_group([2, 1, 0], sort_ranks=False)
    x = torch.tensor([float(rank)])
    if rank == 1:
        assert pair == dist.GroupMember.NON_GROUP_MEMBER and dist.get_rank(pair) == -1
        with pytest.warns(UserWarning, match="all_reduce on global rank 1 which does not belong"):
            assert dist.all_reduce(x, group=pair) is None
    else:
        assert dist.get_process_group_ranks(pair) == [0, 2] and dist.get_rank(pair) == rank // 2
        assert dist.get_global_rank(pair, 1) == 2 and dist.get_group_rank(pair, 2) == 1
        dist.all_reduce(x, group=pair)
    assert x.item() == (1 if rank == 1 else 2)
    assert dist.get_rank(reverse) == 2 - rank
    x = torch.tensor([float(rank)])
    dist.broadcast(x, group=reverse, group_src=0)
    assert x.item() == 2 and dist.group.WORLD.size() == dist.get_world_size() == size
    sampler = DistributedSampler(range(10))
    assert (sampler.num_replicas, sampler.rank) == (size, rank)


def check_sync_batch_norm(rank, size):
    torch.manual_seed(0)
    whole, weight = torch.randn(9, 4, 5, requires_grad=True), torch.randn(9, 4, 5)
    plain = nn.BatchNorm1d(4).double()
    synced = nn.SyncBatchNorm.convert_sync_batchnorm(nn.BatchNorm1d(4).double())
    cuts = [slice(0, 2), slice(2, 3), slice(3, 9)]  # parts of different sizes
    part = whole.detach()[cuts[rank]].double().requires_grad_()
    y = synced(part)
    (y * weight[cuts[rank]]).sum().backward()
    x = whole.detach().double().requires_grad_()
    out = plain(x)
    (out * weight).sum().backward()
    assert torch.allclose(y, out[cuts[rank]]) and torch.allclose(part.grad, x.grad[cuts[rank]])
    assert torch.allclose(synced.running_mean, plain.running_mean)
    assert torch.allclose(synced.running_var, plain.running_var) and synced.num_batches_tracked == 1


def test_three_processes():
    checks = [check_reductions, check_movements, check_scattered_sums, check_messages, check_objects]
    in_processes(*checks, check_groups, check_sync_batch_norm)


# ----- Learning -----
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last, self.spare = nn.Linear(4, 8), nn.Linear(8, 2), nn.Linear(4, 8)
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x, spare=False):
        return self.last(torch.tanh(self.spare(x) if spare else self.first(x)))


def data():
    torch.manual_seed(7)
    return torch.randn(8, 4), torch.randn(8, 2)


def steps(net, x, y, shift=0):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    for i in range(5):
        optimizer.zero_grad()
        nn.functional.mse_loss(net(x, spare=bool((i + shift) % 2)), y).backward()
        optimizer.step()


def one_process(x, y):
    torch.manual_seed(0)
    net = Net()
    steps(net, x, y)
    return net.state_dict()


def check_learning(rank, size):
    x, y = data()
    half = slice(4 * rank, 4 * rank + 4)
    torch.manual_seed(rank)  # the first process's weights are everybody's
    net = Net()
    net.seen += 5 - rank
    ddp = DistributedDataParallel(net, find_unused_parameters=True, bucket_cap_mb=0.0001)
    assert ddp.module is net and net.seen.item() == 5
    steps(ddp, x[half], y[half])
    expected = one_process(x, y)
    for name, value in ddp.state_dict().items():
        if name != "module.seen":
            assert torch.allclose(value, expected[name.removeprefix("module.")], atol=1e-6), name
    net.seen.fill_(rank)
    ddp(x)
    assert net.seen.item() == 0


def check_accumulating(rank, size):
    net = DistributedDataParallel(nn.Linear(1, 1, bias=False))
    x = torch.full((1, 1), rank + 1.0)
    with net.no_sync():
        net(x).sum().backward()
    assert net.module.weight.grad.item() == rank + 1
    net(x).sum().backward()
    assert net.module.weight.grad.item() == 3  # 2 · (1 + 2) / 2


def check_part_used(rank, size):
    torch.manual_seed(0)
    net = Net()
    ddp = DistributedDataParallel(net, find_unused_parameters=True)
    x, _ = data()
    ddp(x, spare=rank == 1).sum().backward()
    alone = Net()
    alone.load_state_dict(net.state_dict())
    alone(x).sum().backward()
    assert torch.allclose(net.first.weight.grad, alone.first.weight.grad / 2)  # of one process of two
    assert net.spare.weight.grad is not None
    unfinished = DistributedDataParallel(Net())
    unfinished(x).sum().backward()
    with pytest.raises(RuntimeError, match=r"Expected to have finished reduction.*spare\.weight"):
        unfinished(x)


def test_two_processes_learn_what_one_does(tmp_path):
    checks = check_learning, check_accumulating, check_part_used
    in_processes(*checks, size=2, where=f"file://{tmp_path}/meeting")
    assert not (tmp_path / "meeting").exists()


def test_one_process_is_enough(alone):
    x, y = data()
    torch.manual_seed(0)
    net = DistributedDataParallel(Net(), find_unused_parameters=True)
    steps(net, x, y)
    expected = one_process(x, y)
    for name, value in net.state_dict().items():
        assert torch.allclose(value, expected[name.removeprefix("module.")], atol=1e-6)
    with pytest.raises(RuntimeError, match="belongs to a group"):
        pickle.dumps(net)
    with pytest.raises(ValueError, match="device_ids"):
        DistributedDataParallel(nn.Linear(1, 1), device_ids=[0])
    with pytest.raises(RuntimeError, match="mixed_precision is not"):
        DistributedDataParallel(nn.Linear(1, 1), mixed_precision=1)
    with pytest.raises(RuntimeError, match="is not needed"):
        DistributedDataParallel(nn.ReLU())


# ----- Failures -----
def check_waiting(rank, size):
    if rank == 0:
        work = dist.irecv(torch.empty(1), 1)
        with pytest.raises(RuntimeError, match="timed out"):
            work.wait(datetime.timedelta(seconds=0.05))
    dist.barrier()
    if rank == 1:
        dist.send(torch.ones(1), 0)
    dist.barrier()


def check_lateness(rank, size):
    if rank == 1:
        time.sleep(1)
    with pytest.raises(dist.DistBackendError, match=r"timed out after 0\.5 s waiting for rank 1|has ended"):
        dist.barrier(timeout=datetime.timedelta(seconds=0.5))


def check_disagreement(rank, size):
    with pytest.raises(dist.DistBackendError, match=r"something else|has ended"):
        dist.all_reduce(torch.ones(2 + rank))


def check_death(rank, size):
    dist.barrier()
    if rank == 1:
        os._exit(0)
    start, x = time.monotonic(), torch.ones(3)
    with pytest.raises(dist.DistBackendError, match="has ended"):  # rank 2 waits for one that lives
        dist.recv(x, 1 if rank == 0 else 0)
    with pytest.raises(dist.DistBackendError):
        dist.all_reduce(x)
    assert time.monotonic() - start < 5 and x.tolist() == [1, 1, 1]


def test_processes_that_fail():
    in_processes(check_waiting, check_lateness, check_disagreement, check_death, timeout=60)


def test_who_does_not_come_is_named():
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"ranks \[1\]|address/1"):
        dist.init_process_group(
            init_method=f"tcp://127.0.0.1:{free_port()}",
            rank=0,
            world_size=2,
            timeout=datetime.timedelta(seconds=0.3),
        )
    with pytest.raises(dist.DistNetworkError, match="failed to connect"):
        dist.TCPStore("127.0.0.1", free_port(), timeout=datetime.timedelta(seconds=0.2))
    assert time.monotonic() - start < 5 and not dist.is_initialized()


def test_errors_of_the_beginning(monkeypatch):
    with pytest.raises(ValueError, match="has not been initialized"):
        dist.get_rank()
    with pytest.raises(ValueError, match="has not been initialized"):
        DistributedSampler(range(3))
    with pytest.raises(ValueError, match="has not been initialized"):
        DistributedDataParallel(nn.Linear(1, 1))
    for backend in ("nccl", "cpu:gloo,cuda:nccl", "mpi"):
        with pytest.raises(RuntimeError, match="doesn't have"):
            dist.init_process_group(backend)
    with pytest.raises(ValueError, match="Unknown backend 'smoke'"):
        dist.init_process_group("smoke")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(ValueError, match="environment variable RANK expected"):
        dist.init_process_group("gloo")
    for where in ("tcp://127.0.0.1", "file://", "smoke://there", "tcp://127.0.0.1:1"):
        with pytest.raises((ValueError, RuntimeError), match=r"init_process_group: "):
            dist.init_process_group(
                init_method=where, **({} if where[-1] == "1" else {"rank": 0, "world_size": 1})
            )
    assert dist.group.WORLD is None and not dist.is_initialized()


def test_errors_of_arguments(alone):
    x = torch.ones(2)
    with pytest.raises(ValueError, match="twice"):
        dist.init_process_group(store=dist.HashStore(), rank=0, world_size=1)
    for error, call in (
        (TypeError, lambda: dist.all_reduce([1.0])),
        (ValueError, lambda: dist.all_reduce(x.to(torch.complex64), dist.ReduceOp.MAX)),
        (RuntimeError, lambda: dist.all_reduce(x, dist.ReduceOp.BAND)),
        (RuntimeError, lambda: dist.all_reduce(x.int(), dist.ReduceOp.AVG)),
        (RuntimeError, lambda: dist.all_reduce(x, "sum")),
        (RuntimeError, lambda: dist.broadcast(x, 1)),
        (ValueError, lambda: dist.broadcast(x)),
        (RuntimeError, lambda: dist.all_gather([], x)),
        (RuntimeError, lambda: dist.all_gather([torch.ones(3)], x)),
        (RuntimeError, lambda: dist.all_gather_into_tensor(torch.ones(3), x)),
        (ValueError, lambda: dist.gather(x)),
        (ValueError, lambda: dist.send(x, 0)),
        (RuntimeError, lambda: dist.isend(x, 0)),
        (ValueError, lambda: dist.destroy_process_group(3)),
        (ValueError, lambda: dist.new_group([0, 0])),
        (ValueError, lambda: dist.new_group([1])),
        (TypeError, lambda: dist.barrier(group="all")),
    ):
        with pytest.raises(error):
            call()
    assert dist.get_backend() == "gloo" and x.tolist() == [1, 1]


# ----- Stores -----
def stores(kind, tmp_path):
    if kind == "hash":
        return [dist.HashStore()] * 2
    if kind == "file":
        return [dist.FileStore(str(tmp_path / "store"), 2) for _ in "ab"]
    if kind == "prefix":
        whole = dist.HashStore()
        return [dist.PrefixStore("p", whole) for _ in "ab"]
    server = dist.TCPStore("127.0.0.1", 0, is_master=True)
    return [server, dist.TCPStore("127.0.0.1", server.port)]


@pytest.mark.parametrize("kind", ["hash", "file", "tcp", "prefix"])
def test_stores(kind, tmp_path):
    one, other = stores(kind, tmp_path)
    one.set("a", "1")
    assert other.get("a") == b"1" and other.check(["a"]) and not other.check(["a", "b"])
    assert [one.add("n", 2), other.add("n", 3)] == [2, 5] and one.get("n") == b"5"
    one.append("a", "2")
    assert other.get("a") == b"12"
    assert other.compare_set("a", "12", "x") == b"x" and one.compare_set("a", "12", "y") == b"x"
    assert other.num_keys() == 2 and one.delete_key("n") and not one.delete_key("n")
    other.set_timeout(datetime.timedelta(seconds=0.1))
    with pytest.raises(dist.DistStoreError, match=r"timeout after 0\.1 s"):
        other.get("never")
    other.set_timeout(datetime.timedelta(seconds=10))
    threading.Timer(0.1, lambda: one.set("late", b"\x00\xff")).start()
    assert other.get("late") == b"\x00\xff"


# ----- Programs -----
PROGRAM = """
import os, sys, torch
import torch.distributed as dist
dist.init_process_group("gloo")
assert dist.is_torchelastic_launched() and dist.get_node_local_rank() == dist.get_rank()
x = torch.tensor([dist.get_rank() + 1])
dist.all_reduce(x)
if sys.argv[1:] == ["fail"] and dist.get_rank() == 1:
    sys.exit(3)
if sys.argv[1:] == ["fail"]:
    dist.barrier()
print(f"rank {os.environ['RANK']} of {os.environ['WORLD_SIZE']}: {x.item()}\\n", end="")
dist.destroy_process_group()
dist.init_process_group("gloo")
dist.barrier()
"""


def test_a_program_in_several_processes(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    start = [
        sys.executable,
        "-m",
        "flambeau.distributed.run",
        "--standalone",
        "--nproc_per_node=2",
        str(path),
    ]
    ran = subprocess.run(start, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert sorted(ran.stdout.splitlines()) == ["rank 0 of 2: 3", "rank 1 of 2: 3"]
    ran = subprocess.run([*start, "fail"], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1 and ("local rank" in ran.stderr), ran.stderr
