"""Sweeps as processes: interrupted at any moment, and two of them over one folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from types import SimpleNamespace

import psutil
import pytest
from filelock import FileLock

from benchmark.cli.app import invoke
from benchmark.config.shipped import shipped
from benchmark.engine.stopping import StopSignals
from benchmark.errors import SignalReceived
from benchmark.record import load_record
from benchmark.sweep import schedule
from tests.helpers.tiny import TINY

ROOT = shipped("sequences").parent


def words(runs, *more, epochs=1):
    settings = (*TINY, f"recipe.epochs={epochs}")
    return ["sweep", *(word for setting in settings for word in ("--set", setting)),
            "--sequences", "rooms_s1", "--device", "cpu", "--runs", str(runs), *more]


def start(arguments, log):
    """A sweep in a process group of its own, as a terminal has it."""
    with open(log, "wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "benchmark", *arguments], stdout=file, stderr=file, cwd=ROOT,
            start_new_session=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def group_is_gone(number):
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return True
    return False


def test_ctrl_c_counts_while_the_server_of_processes_starts(tmp_path):
    log = tmp_path / "log.txt"
    process = start(words(tmp_path / "runs", "--methods", "finetune", "--seeds", "0-9"), log)
    try:
        wait_for(lambda: any("forkserver" in " ".join(child.cmdline())
                             for child in psutil.Process(process.pid).children()))
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 130
        wait_for(lambda: group_is_gone(process.pid))
    finally:
        process.kill()
    text = log.read_text()
    assert "10 runs: 0 done, 10 left\n0 of 10 runs are done" in text
    assert "interrupted; the same command goes on" in text
    assert "Traceback" not in text


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75),
                                              (signal.SIGHUP, 75)])
def test_signals_stop_runs_that_go_on(number, code, tmp_path, capsys):
    runs = tmp_path / "runs"

    def send():
        wait_for(lambda: list(runs.glob("*/log.jsonl")))
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=send)
    sender.start()
    assert invoke(words(runs, "--methods", "finetune,ewc", "--workers", "2",
                        epochs=500)) == code
    sender.join()
    for folder in runs.iterdir():
        with FileLock(folder / ".lock", timeout=0):  # whoever had it has left
            assert not (folder / "record.json").exists()
    err = capsys.readouterr().err
    assert "0 of 2 runs are done" in err
    assert "the same command goes on" in err


def test_a_signal_whose_exception_is_swallowed_counts_later():
    with StopSignals() as signals:
        signals.check()
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)
        except BaseException:  # as code that imports something may do
            pass
        with pytest.raises(SignalReceived):
            signals.check()
    assert signals.received == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


HELD = """
    import os, time
    from pathlib import Path
    from benchmark.method import Method

    FOLDER = Path({folder!r})

    class Held(Method):
        name = "held"
        summary = "the first run that comes to its second phase waits there for good"
        family = "test"

        def begin_phase(self, phase):
            with open(FOLDER / "begun.txt", "a") as file:
                file.write(f"{{phase.network.recipe.epochs}} {{phase.number}}\\n")

        def loss(self, step):
            if step.phase.number == 2:
                try:
                    (FOLDER / "hold").rename(FOLDER / "holding")
                except FileNotFoundError:
                    return step.new_losses()
                time.sleep(600)
            return step.new_losses()
"""


def test_two_sweeps_do_every_run_once_and_one_takes_over_from_one_that_is_killed(
        tmp_path, capsys):
    method, runs = tmp_path / "held.py", tmp_path / "runs"
    method.write_text(textwrap.dedent(HELD).format(folder=str(tmp_path)))
    (tmp_path / "hold").touch()
    request = words(runs, "--methods", str(method), "--seeds", "0-2")
    first = start(request, tmp_path / "log.txt")

    def kill():
        wait_for(lambda: len(list(runs.glob("*/record.json"))) == 2)
        os.killpg(first.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    try:
        wait_for((tmp_path / "holding").exists)
        assert invoke([*request, "--dry-run"]) == 0
        out, err = capsys.readouterr()
        assert "3 runs: 0 done, 1 running elsewhere, 2 left" in err
        assert [line.split()[0] for line in out.splitlines()] == ["elsewhere", "left", "left"]
        killer.start()
        assert invoke([*request, "--workers", "2"]) == 0
        killer.join()
    finally:
        first.kill()
    err = capsys.readouterr().err
    assert "seed 0: running elsewhere" in err
    assert "seed 0: done in" in err
    assert "3 of 3 runs are done" in err
    records = [load_record(folder) for folder in runs.iterdir()]
    assert [record.status for record in records] == 3 * ["complete"]
    phases = [line.split()[1] for line in (tmp_path / "begun.txt").read_text().splitlines()]
    assert sorted(phases) == sorted([*"123", *"123", *"123", "2"])  # only the one held begins again


def test_a_run_that_is_finished_elsewhere_is_counted(tiny, capsys, monkeypatch):
    outcome = tiny("finetune", settings=["recipe.epochs=1"])
    record = (outcome.folder / "record.json").read_bytes()
    (outcome.folder / "record.json").unlink()
    lock = FileLock(outcome.folder / ".lock", timeout=0)
    lock.acquire()

    def finish(seconds):
        """What happens elsewhere while the sweep waits."""
        (outcome.folder / "record.json").write_bytes(record)
        lock.release()

    monkeypatch.setattr(schedule, "time", SimpleNamespace(sleep=finish))
    assert invoke(words(outcome.folder.parent, "--methods", "finetune")) == 0
    err = capsys.readouterr().err
    assert "1 runs: 0 done, 1 running elsewhere, 0 left" in err
    assert "finetune on rooms_s1, seed 0: running elsewhere" in err
    assert "1 of 1 runs are done" in err
    assert "begins" not in err
