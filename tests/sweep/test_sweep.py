"""Sweeps: the runs they consist of, and that none is lost, whatever becomes of the others."""

from __future__ import annotations

import json
import os
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from benchmark.cli.app import invoke
from benchmark.config.family import find_sequence
from benchmark.data.sources.source import DataPaths
from benchmark.engine.execute import execute
from benchmark.engine.options import Options
from benchmark.engine.plan import make_plan
from benchmark.engine.request import RunRequest
from benchmark.record import load_record
from benchmark.registry import find_method, method_names
from benchmark.sweep.jobs import run_requests
from benchmark.sweep.launchers import launcher
from benchmark.sweep.launchers.local import LocalLauncher
from benchmark.sweep.progress import RunEvent, SweepProgress
from benchmark.sweep.schedule import Sweep
from benchmark.sweep.status import PlannedRun, plan_runs
from benchmark.sweep.worker import Deadline
from tests.helpers.tiny import TINY

QUICK = (*TINY, "recipe.epochs=1")


def words(*more, settings=QUICK):
    return ["sweep", *(word for setting in settings for word in ("--set", setting)), *more]


def requests(methods="finetune", sequences="rooms_s1", seeds="0", **more):
    return run_requests(methods, sequences, seeds, **more)


def test_globs_of_methods_are_the_lifelong_ones_and_bounds_are_named():
    lifelong = [name for name in method_names() if find_method(name).kind == "lifelong"]
    assert [each.method for each in requests(methods="*")] == lifelong
    assert [each.method for each in requests(methods="joint, er,der*,er")] == [
        "joint", "er", "der", "derpp"]


def test_globs_of_sequences_are_those_that_are_listed(tmp_path):
    assert [each.sequence for each in requests(sequences="rooms_s[12],rooms_s6")] == [
        "rooms_s1", "rooms_s2", "rooms_s6"]
    assert len(requests(sequences="pascal5_*")) == 10
    unlisted = next(f"pascal5_s{k}" for k in range(2, 99)
                    if not find_sequence(f"pascal5_s{k}").listed)
    assert [each.sequence for each in requests(sequences=unlisted)] == [unlisted]
    own = tmp_path / "mine.yaml"
    own.write_text("family: mine\nabout: x\ndataset: {name: rooms}\nrecipe: rooms\n"
                   "tasks: [depth, normal]\n")
    assert [each.sequence for each in requests(sequences=f"{own}:*")] == [f"{own}:s1", f"{own}:s2"]


@examples(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5)), min_size=1, max_size=4))
def test_seeds_are_numbers_and_ranges(parts):
    text = ",".join(f"{first}-{first + more}" if more else str(first) for first, more in parts)
    wanted = [first + k for first, more in parts for k in range(more + 1)]
    assert [each.seed for each in requests(seeds=text)] == list(dict.fromkeys(wanted))


def test_all_methods_come_on_one_sequence_and_seed_before_the_next():
    found = requests("ewc,finetune", "rooms_s1,rooms_s2", "0-1", method_settings=["ewc:weight=3"])
    assert [(each.seed, each.sequence, each.method) for each in found] == [
        (seed, sequence, method) for seed in (0, 1) for sequence in ("rooms_s1", "rooms_s2")
        for method in ("ewc", "finetune")]
    assert found[0].command(["--device", "cpu"]) == (
        "lhlbench run --method ewc --sequence rooms_s1 --seed 0 --method-set weight=3 --device cpu")
    assert found[1].method_settings == ()
    assert requests(recipe="released", tuned=True, settings=["recipe.lr=0.1"])[0].command() == (
        "lhlbench run --method finetune --sequence rooms_s1 --seed 0 --set recipe.lr=0.1 "
        "--recipe released --tuned")
    both = requests("ewc,mas", method_settings=["weight=3", "mas:weight=a:b=c"])
    assert [each.method_settings for each in both] == [("weight=3",), ("weight=3", "weight=a:b=c")]


@pytest.mark.parametrize(("more", "message"), [
    (["--methods", "ewk"], "unknown method 'ewk'. Did you mean ewc"),
    (["--methods", "zz*"], "'zz*' matches none of agem"),
    (["--methods", "ewc,"], "a name is empty"),
    (["--sequences", "room_s1"], "unknown sequence 'room_s1'"),
    (["--sequences", "tooms_*"], "'tooms_*' matches none"),
    (["--seeds", "3-1"], "--seeds 3-1: write numbers and ranges"),
    (["--seeds", "-1"], "--seeds -1: write numbers and ranges"),
    (["--seeds", "0-99999999"], "write numbers and ranges"),
    (["--method-set", "mas:weight=3"], "unknown method 'mas'. Known: ewc"),
    (["--method-set", "wait=3"], "Did you mean weight"),
    (["--set", "recipe.epoch=3"], "Did you mean"),
    (["--launcher", "slum"], "unknown launcher 'slum'. Did you mean slurm?"),
    (["--slurm", "time=5"], "--slurm means nothing to --launcher local"),
    (["--ray-address", "auto"], "--ray-address means nothing to --launcher local"),
    (["--per-gpu", "2", "--device", "cpu"], "--per-gpu: no GPU is used here"),
    (["--max-hours", "-1"], "--max-hours -1.0: write a number of hours"),
    (["--max-hours", "nan"], "--max-hours nan: write a number of hours"),
    (["--device", "abacus"], "unknown device 'abacus'"),
    (["--data-root", "nowhere"], "--data-root nowhere is not a folder")])
def test_wrong_requests_start_nothing(more, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    usual = {"--methods": "ewc", "--sequences": "rooms_s1"}
    rest = [word for option, value in usual.items() if option not in more
            for word in (option, value)]
    assert invoke(words(*rest, *more)) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


TROUBLE = """
    import os, signal
    from benchmark.method import Method

    class Trouble(Method):
        name = "trouble_{what}"
        summary = "goes wrong in its second phase"
        family = "test"

        def loss(self, step):
            if step.phase.number == 2:
                {what_it_does}
            return step.new_losses()
"""


def trouble(folder, what, what_it_does):
    path = folder / f"{what}.py"
    path.write_text(textwrap.dedent(TROUBLE).replace("{what}", what)
                    .replace("{what_it_does}", what_it_does))
    return str(path)


def test_failures_are_reported_and_the_rest_is_done(tiny, tmp_path, capsys):
    runs = tmp_path / "runs"
    killed = trouble(tmp_path, "killed",
                     "print('out of luck', flush=True); os.kill(os.getpid(), signal.SIGKILL)")
    buggy = trouble(tmp_path, "buggy", "raise KeyError('depth')")
    nan = trouble(tmp_path, "nan", "return {**step.new_losses(), "
                                   "'semantic/odd': step.features.sum() * float('nan')}")
    request = words("--methods", f"{killed},{buggy},{nan},finetune,ewc", "--sequences", "rooms_s1",
                    "--runs", str(runs), "--device", "cpu", "--workers", "2")
    assert invoke([*request, "--dry-run", "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert [each["state"] for each in planned] == 5 * ["left"]
    assert not runs.exists()

    busy = runs / planned[4]["run_id"]
    busy.mkdir(parents=True)
    with FileLock(busy / ".lock"):
        assert invoke([*request, "--json", "--no-wait"]) == 75
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert [each["state"] for each in found] == 3 * ["failed"] + ["done", "elsewhere"]
    for each, reason in zip(found, ("signal 9 (Killed)", "KeyError: 'depth'", "loss is nan", "",
                                    "is being run by another process"), strict=True):
        assert reason in each["reason"]
    assert "its last words: out of luck" in found[0]["reason"]
    assert "5 runs: 0 done, 1 running elsewhere, 4 left" in err
    assert "[4/5] finetune on rooms_s1, seed 0: done in" in err
    assert "1 of 5 runs are not finished; the same command goes on" in err

    record = load_record(runs / found[3]["run_id"])
    assert record.matrix == tiny("finetune", settings=["recipe.epochs=1"]).record.matrix
    assert record.environment["command"] == found[3]["command"]
    assert found[3]["command"].startswith("lhlbench run --method finetune --sequence rooms_s1 ")
    assert record.phases[0].peak_memory_bytes < 1.5 * load_record(
        tmp_path / "runs" / record.run_id).phases[0].peak_memory_bytes

    assert invoke([*request, "--dry-run"]) == 0
    out, err = capsys.readouterr()
    assert "5 runs: 1 done, 2 failed before (--retry-failed tries again), 2 left" in err
    assert [line.split()[0] for line in out.splitlines()] == [
        "left", "failed", "failed", "done", "left"]


def test_finished_runs_start_no_process_and_old_failures_are_reported(tiny, tmp_path, capsys,
                                                                       monkeypatch):
    def nothing(*args):
        raise AssertionError("a process was started")

    folder = tiny("finetune", settings=["recipe.epochs=1"]).folder
    monkeypatch.setattr(launcher, "make_launcher", nothing)
    request = words("--methods", "finetune", "--sequences", "rooms_s1", "--runs",
                    str(folder.parent))
    assert invoke(request) == 0
    assert "1 of 1 runs are done" in capsys.readouterr().err
    record = load_record(folder)
    record.model_copy(update={"status": "failed", "reason": "no luck"}).save(folder)
    assert invoke(request) == 1
    err = capsys.readouterr().err
    assert "failed: finetune on rooms_s1, seed 0: no luck" in err
    assert "lhlbench run --method finetune" in err
    assert "1 of 1 runs failed; --retry-failed tries them again" in err
    with pytest.raises(AssertionError, match="a process was started"):
        invoke([*request, "--retry-failed"])


def test_a_damaged_record_is_a_failure_that_can_be_tried_again(tiny, capsys):
    folder = tiny("finetune", settings=["recipe.epochs=1"]).folder
    before = load_record(folder)
    (folder / "record.json").write_text('{"schema": 1')
    request = words("--methods", "finetune", "--sequences", "rooms_s1", "--runs",
                    str(folder.parent), "--device", "cpu")
    assert invoke(request) == 1
    assert "record.json: not a record" in capsys.readouterr().err
    assert invoke([*request, "--retry-failed"]) == 0
    assert load_record(folder).matrix == before.matrix


def test_stopping_leaves_runs_that_go_on(cache, tmp_path):
    options = Options(runs=tmp_path / "runs", data_paths=DataPaths(cache), device="cpu",
                      checkpoint_seconds=0)
    request = RunRequest("finetune", "rooms_s1", 0, (*TINY, "recipe.epochs=40"))
    (run,) = plan_runs([request], options)
    events = Sweep(options).run_all([run], LocalLauncher([None], threads=1))
    for event in events:
        if event.fraction > 0.1:
            break
    assert event.position.startswith("phase 1/3, epoch ")
    (seen,) = plan_runs([request], options)
    assert seen.state == "elsewhere"
    assert "is being run by another process" in seen.reason
    events.close()
    assert (run.folder / "inside.safetensors").exists()
    assert not [file for file in run.folder.iterdir() if file.name.startswith(".inside")]
    with FileLock(run.folder / ".lock", timeout=0):
        pass
    (again,) = plan_runs([request], options)
    assert again.state == "left"

    saved = (run.folder / "inside.safetensors").stat().st_ino
    late = Sweep(options, deadline=Deadline(0))
    assert not list(late.run_all([again], LocalLauncher([None], threads=1)))  # nothing is begun
    events = Sweep(options, deadline=_After(20)).run_all([again], LocalLauncher([None], threads=1))
    *_, last = events
    assert last.state == "left"
    assert "left off in phase 1 after epoch" in last.reason
    assert (run.folder / "inside.safetensors").stat().st_ino != saved


class _After(Deadline):
    """A deadline that is over when it has been asked some times, in each process."""

    def passed(self):
        object.__setattr__(self, "at", self.at - 1)
        return self.at < 0


def test_a_method_changed_meanwhile_is_not_run_under_its_old_name(cache, tmp_path):
    file = Path(trouble(tmp_path, "fine", "pass"))
    options = Options(runs=tmp_path / "runs", data_paths=DataPaths(cache), device="cpu")
    (run,) = plan_runs([RunRequest(str(file), "rooms_s1", 0, QUICK)], options)
    file.write_text(file.read_text() + "\n# another idea\n")
    *_, last = Sweep(options).run_all([run], LocalLauncher([None], threads=1))
    assert last.state == "failed"
    assert "changed after the sweep had begun" in last.reason
    assert not run.folder.exists()


def test_requests_of_the_same_run_are_one_run(cache, tmp_path):
    options = Options(runs=tmp_path, data_paths=DataPaths(cache), device="cpu")
    usual = RunRequest("ewc", "rooms_s1", 0, QUICK)
    other = replace(usual, seed=1)
    same = replace(usual, method_settings=("weight=100.0",))
    runs = plan_runs([usual, same, other], options)
    assert [run.request for run in runs] == [usual, other]


def planned(count):
    return [PlannedRun(RunRequest("ewc", "rooms_s1", k), str(k), Path(str(k)), "", "left")
            for k in range(count)]


@given(seconds=st.lists(st.floats(1, 1000), min_size=1, max_size=6), left=st.integers(0, 6),
       shares=st.lists(st.floats(0, 1), max_size=4), workers=st.integers(1, 4))
def test_time_left_is_what_is_left_at_the_pace_so_far(seconds, left, shares, workers):
    runs = planned(len(seconds) + len(shares) + left)
    progress = SweepProgress(runs, workers)
    assert progress.seconds_left() is None
    for run, took in zip(runs, seconds, strict=False):
        progress.update(RunEvent(run, "done", 1.0, seconds=took))
    for run, share in zip(runs[len(seconds):], shares, strict=False):
        progress.update(RunEvent(run, "running", share))
    mean = sum(seconds) / len(seconds)
    work = [1.0] * left + [1 - share for share in shares]
    expected = mean * max(sum(work) / workers, max(work, default=0))
    assert progress.seconds_left() == pytest.approx(expected)
    assert sum(progress.counts().values()) == len(runs)


def test_cores_are_divided_unless_the_user_says(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert [launcher.threads_each(workers) for workers in (1, 3, 20)] == [8, 2, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert launcher.threads_each(2) is None


def test_a_run_alone_and_a_run_of_a_sweep_have_the_same_name(cache, tmp_path):
    options = Options(runs=tmp_path, data_paths=DataPaths(cache), device="cpu")
    request = RunRequest("finetune", "rooms_s1", 3, QUICK)
    (run,) = plan_runs([request], options)
    assert execute(make_plan(request), options).folder == run.folder
    assert plan_runs([request], options)[0].state == "done"
