"""A group of one process, here and in PyTorch: results, and classes of errors."""

import os

import pytest

import flambeau

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.oracle,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(not torch.distributed.is_available(), reason="a PyTorch without torch.distributed"),
]

CASES = """
d.get_rank(), d.get_world_size(), d.get_backend(), d.is_initialized(), d.is_available()
d.is_gloo_available(), d.is_torchelastic_launched(), d.get_process_group_ranks(d.group.WORLD)
d.get_global_rank(d.group.WORLD, 0), d.get_group_rank(d.group.WORLD, 0)
d.all_reduce(x), x
d.all_reduce(x, d.ReduceOp.PRODUCT), x
d.all_reduce(x, op=d.ReduceOp.MAX, async_op=True).wait(), x
d.all_reduce(x.to(t.complex64), d.ReduceOp.MAX)
d.all_reduce([x])
d.all_reduce(x, d.ReduceOp.BAND)
d.broadcast(x, 0), x
d.broadcast(x, group_src=0), x
d.broadcast(x, 1)
d.broadcast(x)
d.broadcast(x, 0, group_src=0)
d.reduce(x, 0), x
d.all_gather([y], x), y
d.all_gather([], x)
d.all_gather([t.ones(7)], x)
d.all_gather([y.double()], x)
d.all_gather_into_tensor(y, x), y
d.all_gather_into_tensor(t.ones(7), x)
d.gather(x, [y]), y
d.gather(x)
d.scatter(y, [x.contiguous()]), y
d.scatter(y)
d.reduce_scatter(y, [x.contiguous()]), y
d.reduce_scatter_tensor(y, x.contiguous()), y
d.send(x, 0)
d.isend(x, 0)
d.send(x)
d.barrier(), d.barrier(async_op=True).wait()
d.all_gather_object(got, {"a": 1}), got
d.broadcast_object_list(got), got
d.gather_object("b", got), got
d.scatter_object_list(got, ["c"]), got
d.scatter_object_list([], ["c"])
d.new_group([0]).size(), d.new_group().rank()
d.new_group([1])
d.get_rank(d.GroupMember.NON_GROUP_MEMBER), d.get_world_size(d.GroupMember.NON_GROUP_MEMBER)
d.init_process_group("gloo", store=d.HashStore(), rank=0, world_size=1)
str(d.ReduceOp.SUM), d.ReduceOp.AVG == d.ReduceOp.SUM
list(ddp(t.nn.Linear(1, 2)).state_dict())
ddp(t.nn.ReLU())
ddp(t.nn.Linear(1, 2), device_ids=[0])
s.set("a", "b"), s.get("a"), s.add("n", 2), s.add("n", -5), s.get("n"), s.check(["a"]), s.check(["b"])
s.set("a", b"b"), s.compare_set("a", "b", "c"), s.compare_set("a", "b", "d"), s.num_keys()
s.set("a", "b"), s.delete_key("a"), s.delete_key("a")
s.append("a", "b"), s.append("a", "c"), s.get("a")
""".strip().splitlines()

OUTSIDE = """
d.get_rank()
d.get_world_size()
d.get_backend()
d.barrier()
d.all_reduce(t.ones(2))
d.new_group()
ddp(t.nn.Linear(1, 1))
d.init_process_group("gloo")
d.init_process_group("gloo", init_method="tcp://127.0.0.1:1")
d.init_process_group("gloo", init_method="smoke://there", rank=0, world_size=1)
d.init_process_group("gloo", store=d.HashStore(), rank=0, world_size=1, timeout=3)
d.is_initialized(), d.group.WORLD
d.get_node_local_rank(), d.get_node_local_rank(3)
""".strip().splitlines()


def plain(value):
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    return value.tolist() if hasattr(value, "tolist") else value


def outcome(t, case):
    names = {
        "t": t,
        "d": t.distributed,
        "ddp": t.nn.parallel.DistributedDataParallel,
        "x": t.arange(6.0).view(2, 3).t(),
        "y": t.zeros(3, 2),
        "got": [None],
        "s": t.distributed.HashStore(),
    }
    try:
        return plain(eval(case, names))
    except Exception as e:
        return next(kind for kind in (ValueError, TypeError, RuntimeError) if isinstance(e, kind))


@pytest.fixture
def group():
    for t in (torch, flambeau):
        t.distributed.init_process_group("gloo", store=t.distributed.HashStore(), rank=0, world_size=1)
    yield
    for t in (torch, flambeau):
        t.distributed.destroy_process_group()


@pytest.mark.parametrize("case", CASES)
def test_one_process(case, group):
    assert outcome(flambeau, case) == outcome(torch, case)


@pytest.mark.parametrize("case", OUTSIDE)
def test_without_a_group(case, monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert "RANK" not in os.environ
    assert outcome(flambeau, case) == outcome(torch, case)
