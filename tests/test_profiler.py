"""The profiler: what it counts, shows and writes, and that nothing of it stays behind."""

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import flambeau as torch
from flambeau import nn
from flambeau.core.node import Node
from flambeau.core.program import programs
from flambeau.core.realize import recorder
from flambeau.core.watch import watchers
from flambeau.profiler import (
    ProfilerAction,
    ProfilerActivity,
    profile,
    record_function,
    schedule,
    supported_activities,
    tensorboard_trace_handler,
)

BACKWARD = " (backward)"


@pytest.fixture(autouse=True, params=["interpret", "compile"])
def mode(request, monkeypatch):
    torch.synchronize()
    monkeypatch.setattr(torch.config, "mode", request.param)
    recorder.relax()
    yield request.param
    torch.synchronize()
    monkeypatch.undo()
    recorder.relax()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8))
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.blocks(x) * 2)


def trained(steps=4, inside=lambda: None):
    """Losses of a few training steps; `inside` is called after each."""
    torch.manual_seed(0)
    net, x = Net(), torch.arange(30.0).reshape(5, 6) / 10
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (net(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
        inside()
    return [x.item() for x in losses]


def nested(trace):
    """The complete events of a trace, each with the names of those around it."""
    found, stack = [], []
    for event in (e for e in trace["traceEvents"] if e["ph"] == "X"):
        end = event["ts"] + event["dur"]
        while stack and stack[-1][0] <= event["ts"]:
            stack.pop()
        assert not stack or end <= stack[-1][0] + 1e-3, (event, stack[-1])
        found.append((event, [name for _, name in stack]))
        stack.append((end, event["name"]))
    return found


# ----- counting -----


def test_products_count_their_operations_bytes_lines_and_modules():
    x, w, b = torch.ones(32, 64), torch.ones(16, 64), torch.ones(16)
    with profile() as prof:
        for _ in range(3):
            y = nn.functional.linear(x, w, b)
            y.tolist()
    (row,) = [a for a in prof.key_averages() if a.key == "affine 32x16x64"]
    assert (row.count, row.flops) == (3, 3 * (2 * 32 * 16 * 64 + 32 * 16))
    assert row.nbytes == 3 * 4 * (32 * 64 + 16 * 64 + 16 + 32 * 16)
    assert os.path.basename(row.line).startswith("test_profiler.py:")
    assert row.cpu_time_total > 0 and row.cpu_time == row.cpu_time_total / 3
    assert row.self_cpu_time_total == row.cpu_time_total and not row.is_user_annotation


@pytest.mark.parametrize(
    "compute, key, flops",
    [
        (lambda: torch.ones(4, 3, 5) @ torch.ones(4, 5, 7), "matmul 4·(3x7x5)", 2 * 4 * 3 * 7 * 5),
        (
            lambda: nn.functional.conv2d(torch.ones(2, 3, 8, 8), torch.ones(4, 3, 3, 3)),
            "conv 2x4x6x6",
            2 * 2 * 4 * 6 * 6 * 27,
        ),
        (
            lambda: nn.functional.scaled_dot_product_attention(*[torch.ones(1, 2, 4, 8)] * 3),
            "attention 1x2x4x8",
            2 * 2 * 4 * 4 * (8 + 8),
        ),
    ],
)
def test_contractions_count_two_operations_for_each_product(compute, key, flops):
    with profile() as prof:
        compute().tolist()
    (row,) = [a for a in prof.key_averages() if a.key == key]
    assert row.flops == flops


def test_reductions_and_pointwise_operations_count(mode):
    x = torch.ones(64, 32)
    torch.synchronize()
    with profile() as prof:
        (x * 2 + 1).sum(0).tolist()
    rows = {a.key: a for a in prof.key_averages()}
    if mode == "compile":
        assert rows["mul·add·sum 64x32 -> 32"].flops == 3 * 64 * 32
        assert rows["mul·add·sum 64x32 -> 32"].kernels == "nest"
    else:
        assert [rows[k].flops for k in ("mul 64x32", "add 64x32", "sum 32")] == [64 * 32] * 3
        assert rows["sum 32"].kernels == "numpy"


def test_backward_operations_belong_to_their_modules_in_every_step():
    with profile() as prof:
        trained(steps=4)
    rows = [a for a in prof.key_averages() if "(backward)" in a.module]
    products = {a.module: a for a in rows if a.key.startswith("linear_weight_grad")}
    assert set(products) == {"blocks.0" + BACKWARD, "blocks.2" + BACKWARD, "head" + BACKWARD}
    assert [a.count for a in products.values()] == [4, 4, 4]
    forward = [a for a in prof.key_averages() if a.key.startswith("affine") and a.module == "head"]
    assert sum(a.count for a in forward) == 4


def test_operations_that_check_their_values_belong_to_their_modules_too():
    net = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2))
    with profile() as prof:
        for _ in range(3):
            net(torch.tensor([1, 4])).sum().backward()
            net[0].weight.grad.tolist()
    (row,) = [a for a in prof.key_averages() if a.key.startswith("index_put")]
    assert (row.module, row.count) == ("0" + BACKWARD, 3)


def test_modules_that_differ_in_their_number_share_a_row():
    net = nn.Sequential(*[nn.Linear(4, 4) for _ in range(3)])
    with profile() as prof:
        net(torch.ones(2, 4)).tolist()
    (row,) = [a for a in prof.key_averages() if a.key.startswith("affine")]
    assert (row.module, row.count) == ("*", 3)


def test_the_time_is_split_without_rest():
    with profile() as prof:
        trained()
    c = prof.collector
    assert c.recording + sum(c.shares.values()) == pytest.approx(c.seconds)
    assert min(c.shares.values()) >= 0 and c.shares["tracing"] > 0
    assert sum(r.seconds for r in c.realizes) < c.seconds
    assert {r.reason for r in c.realizes} == {"optimizer step"}


def test_new_programs_say_why_they_are_new():
    programs.programs.clear()
    with profile() as prof:
        for rows in (4, 4, 7):
            (torch.ones(rows, 3) * 1.25).tan().tolist()
    c = prof.collector
    misses = [r.miss for r in c.realizes if r.reason == "tolist"]
    assert misses[:2] == ["first time here", ""]
    assert "full (at" in misses[2] and "had ((4, 3)" in misses[2]
    assert (c.hits, c.misses) == (misses.count(""), len(misses) - misses.count(""))


# ----- showing -----


def test_tables_sort_limit_and_cut():
    with profile() as prof, record_function("outer", "detail"):
        trained(steps=1)
    averages = prof.key_averages()
    text = averages.table(sort_by="count", row_limit=2, header="What ran", max_name_column_width=9)
    lines = text.splitlines()
    assert lines[0].strip() == "What ran" and lines[2].startswith("kernel")
    assert f"{len(averages) - 2} more rows" in text
    assert all(len(line.split("  ")[0]) <= 9 for line in lines[4:6])
    by_time = averages.table(sort_by="cpu_time_total", row_limit=-1).splitlines()
    assert by_time[3].startswith("outer") and len(by_time) == len(averages) + 5
    assert " ms" in averages.table(time_unit="ms") and " us" not in averages.table(time_unit="ms")
    only = averages.table(top_level_events_only=True)
    assert "outer" in only and "affine" not in only
    assert averages.total_average().cpu_time_total == pytest.approx(averages.self_cpu_time_total)
    with pytest.raises(AttributeError, match="speed"):
        averages.table(sort_by="speed")
    with pytest.raises(ValueError, match="time_unit"):
        averages.table(time_unit="h")


def test_blocks_are_named_and_nested():
    @record_function("inner")
    def inner(x):
        return (x + 1).sum().item()

    with profile() as prof, record_function("outer"):
        assert inner(torch.ones(3)) == 6 and inner(torch.ones(3)) == 6
    rows = {a.key: a for a in prof.key_averages() if a.is_user_annotation}
    assert (rows["outer"].count, rows["inner"].count) == (1, 2)
    assert rows["outer"].self_cpu_time_total < rows["outer"].cpu_time_total
    assert rows["inner"].cpu_time_total <= rows["outer"].cpu_time_total


def test_traces_are_nested_and_complete(tmp_path, mode):
    with profile() as prof:
        trained(inside=prof.step)
        prof.add_metadata("note", "text")
        prof.add_metadata_json("list", "[1, 2]")
    for name in ("trace.json", "trace.json.gz"):
        prof.export_chrome_trace(str(tmp_path / name))
    trace = json.loads((tmp_path / "trace.json").read_text())
    assert json.loads(gzip.decompress((tmp_path / "trace.json.gz").read_bytes())) == trace
    assert (trace["note"], trace["list"]) == ("text", [1, 2])
    events = nested(trace)
    inside = {event["cat"]: around for event, around in events}
    work = "native code" if mode == "compile" else "interpret"
    realize = "realize (optimizer step)"
    affine = [around for event, around in events if event["name"].startswith("affine")]
    assert len(affine) == 12 and all(a[-2:] == [realize, work] for a in affine)
    assert "ProfilerStep#3" in affine[-1] and inside["trace"][-1].startswith("realize")
    assert len([e for e in events if e[0]["cat"] in ("kernel", "numpy")]) == sum(
        a.count for a in prof.key_averages() if not a.is_user_annotation
    )
    assert {e["name"] for e in trace["traceEvents"] if e["ph"] == "M"} == {"process_name", "thread_name"}


def test_stacks_name_modules_lines_and_kernels(tmp_path):
    with profile() as prof:
        trained(steps=1)
    prof.export_stacks(str(tmp_path / "stacks.txt"))
    lines = (tmp_path / "stacks.txt").read_text().splitlines()
    assert any(line.startswith("blocks;0;") and ";affine" in line and "_5x8x6 " in line for line in lines)
    assert all(line.rpartition(" ")[2].isdecimal() for line in lines)
    with pytest.raises(ValueError, match="metric"):
        prof.export_stacks(str(tmp_path / "stacks.txt"), "cuda_time")


# ----- beginning and end -----


def test_schedules_are_those_of_pytorch():
    def names(**arguments):
        plan = schedule(**arguments)
        return " ".join(plan(i).name[0] + plan(i).name[6:7] for i in range(9))

    given = {"wait": 1, "warmup": 1, "active": 2, "repeat": 2}
    assert names(**given) == "N W R R_ N W R R_ N"
    assert names(**given, skip_first=1) == "N N W R R_ N W R R_"
    assert names(**given, skip_first=1, skip_first_wait=1) == "N W R R_ N W R R_ N"
    assert names(wait=0, warmup=0, active=1) == "R_ R_ R_ R_ R_ R_ R_ R_ R_"
    with pytest.raises(AssertionError, match="wait=-1"):
        schedule(wait=-1, warmup=0, active=1)
    with pytest.raises(AssertionError, match="active"):
        schedule(wait=0, warmup=0, active=0)


@pytest.mark.parametrize("accumulate", [False, True])
def test_a_schedule_collects_its_steps_only(accumulate):
    seen = []

    def ready(prof):
        rows = prof.key_averages()
        seen.append((prof.step_num, next(a.count for a in rows if a.key == "ProfilerStep*")))

    plan = schedule(wait=1, warmup=1, active=2, repeat=2)
    with profile(schedule=plan, on_trace_ready=ready, acc_events=accumulate) as prof:
        assert prof.current_action is ProfilerAction.NONE
        trained(steps=10, inside=prof.step)
    assert seen == [(4, 2), (8, 4 if accumulate else 2)]
    products = [a for a in prof.key_averages() if a.key.startswith("affine")]
    assert sum(a.count for a in products) == (12 if accumulate else 6)


def test_traces_are_handed_over_to_a_folder(tmp_path):
    with profile(on_trace_ready=tensorboard_trace_handler(str(tmp_path / "logs"), "me", use_gzip=True)):
        trained(steps=1)
    (file,) = (tmp_path / "logs").iterdir()
    assert file.name.startswith("me.") and file.name.endswith(".pt.trace.json.gz")
    assert json.loads(gzip.decompress(file.read_bytes()))["traceEvents"]


def test_profiling_changes_no_result_and_leaves_nothing_behind():
    before = vars(Node)["__init__"], vars(nn.Module)["__call__"]
    plain = trained()
    with profile():
        assert trained() == plain
    assert (vars(Node)["__init__"], vars(nn.Module)["__call__"]) == before
    assert not watchers and recorder.mark is None and profile.current is None
    assert trained() == plain


def test_an_error_ends_the_profile_and_says_where_it_was():
    with pytest.raises(IndexError) as caught, profile() as prof:
        nn.Sequential(nn.Embedding(3, 2))(torch.tensor([1, 4]) + 0).tolist()
    assert any("in embedding, recorded at" in note for note in caught.value.__notes__)
    assert not watchers and profile.current is None and prof.key_averages() is not None
    with profile() as again:
        (torch.ones(2) + 1).tolist()
    assert any(a.key == "add 2" for a in again.key_averages())


def test_wrong_use_is_an_error():
    prof = profile(record_shapes=True, with_stack=True, with_flops=True, with_modules=True)
    for use in (prof.key_averages, prof.events, lambda: prof.export_chrome_trace("x.json")):
        with pytest.raises(AssertionError, match="nothing has been collected"):
            use()
    for use in (prof.stop, prof.step):
        with pytest.raises(RuntimeError, match=r"profile: .*start\(\)"):
            use()
    with prof, pytest.raises(RuntimeError, match="another profile is running"):
        profile().start()
    for name in ("profile_memory", "experimental_config", "post_processing_timeout_s"):
        with pytest.raises(NotImplementedError, match=f"profile: {name}=1 is not supported"):
            profile(**{name: 1})
    with pytest.warns(UserWarning, match="CUDA is not available"):
        profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA])
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="must include"):
        profile(activities=[ProfilerActivity.CUDA])
    with pytest.raises(TypeError, match="ProfilerActivity values"):
        profile(activities=["cpu"])
    assert supported_activities() == {ProfilerActivity.CPU}


def test_calls_of_compiled_functions_are_seen():
    net = Net()
    call = torch.compile(lambda x: net(x).sum())
    with profile() as prof, torch.no_grad():
        for _ in range(4):
            call(torch.ones(5, 6)).item()
    assert sum(r.reason == "compiled call" for r in prof.collector.realizes) >= 2
    products = [a for a in prof.key_averages() if a.key.startswith("affine") and a.module == "head"]
    assert products and os.path.basename(products[0].line).startswith("test_profiler.py:")


# ----- the command -----

SCRIPT = """
import sys
import flambeau as torch
from flambeau import nn
net = nn.Sequential(nn.Linear(20, 30), nn.GELU(), nn.Linear(30, 2))
optimizer = torch.optim.Adam(net.parameters())
x = torch.randn(64, 20)
for _ in range(5):
    optimizer.zero_grad()
    loss = net(x).pow(2).mean()
    loss.backward()
    optimizer.step()
print(__name__, sys.argv[1:], loss.item() > 0)
sys.exit(3)
"""


def command(tmp_path: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "train.py").write_text(script)
    line = [sys.executable, "-m", "flambeau.profiler", *arguments]
    environment = {**os.environ, "FLAMBEAU_MODE": torch.config.mode, "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(line, capture_output=True, text=True, encoding="utf-8", env=environment)


def test_a_script_is_run_as_it_is_and_shown(tmp_path, mode):
    trace = tmp_path / "trace.json"
    script = str(tmp_path / "train.py")
    done = command(tmp_path, SCRIPT, "--trace", str(trace), "--top", "50", script, "--lr", "1")
    assert (done.returncode, done.stderr) == (3, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "__main__ ['--lr', '1'] True"
    heads = ["kernel", "calls", "total", "%", "each", "GFLOP/s", "GB/s", "limit", "by", "line", "module"]
    assert lines[2].split() == heads
    (row,) = [line for line in lines if re.match(r"affine(·\S+)? 64x30x20 ", line)]
    cells = dict(zip(heads, re.split(r"\s{2,}", row), strict=True))
    assert (cells["calls"], cells["line"], cells["module"]) == ("5", "train.py:10", "0")
    assert ("contraction" if mode == "compile" else "numpy") in cells["by"]
    for text in ("recording, and", "running native code", "running NumPy", "programs: ", "kernels: "):
        assert text in done.stdout
    assert any(line.startswith("optimizer step") and "train.py:12" in line for line in lines)
    assert len(nested(json.loads(trace.read_text()))) > 50


def test_a_script_that_fails_is_shown_up_to_there(tmp_path):
    failing = "import flambeau as torch\n(torch.ones(3) + 2).tolist()\nraise KeyError('oh')\n"
    done = command(tmp_path, failing, str(tmp_path / "train.py"))
    assert done.returncode == 1 and "KeyError: 'oh'" in done.stderr
    assert "\nadd 3 " in done.stdout


def test_a_column_that_is_not_there_is_named(tmp_path):
    done = command(tmp_path, "", "--sort", "speed", str(tmp_path / "train.py"))
    assert done.returncode == 2 and "'speed' is not a column" in done.stderr
