"""What runs and sweeps show while they work, on a terminal and in a log."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from benchmark.cli.progress import RunBars, RunLines, SweepLines, SweepTable, duration
from benchmark.data.sources.source import DataPaths
from benchmark.engine.execute import execute
from benchmark.engine.options import Options
from benchmark.engine.request import RunRequest
from benchmark.sweep.progress import RunEvent, SweepProgress
from benchmark.sweep.status import PlannedRun
from tests.helpers.tiny import tiny_plan


def console(terminal):
    return Console(file=io.StringIO(), force_terminal=terminal, width=200, color_system=None)


@pytest.mark.parametrize(("kind", "terminal", "shown"), [
    (RunLines, False, ["phase 2/3: depth, 8 images, 2 epochs", "after phase 3: semantic miou"]),
    (RunBars, True, ["phase 2/3 depth", "images/s", "depth/new", "after phase 3: semantic miou"])])
def test_a_run_is_shown_phase_by_phase(kind, terminal, shown, cache, tmp_path):
    out = console(terminal)
    with kind(out) as display:
        execute(tiny_plan("finetune"), Options(tmp_path, DataPaths(cache), "cpu"), display)
    text = out.file.getvalue()
    for words in shown:
        assert words in text


RUNS = [PlannedRun(RunRequest(method, "rooms_s1"), method, Path(method), "", "left")
        for method in ("ewc", "mas", "er", "had")]
EVENTS = [RunEvent(RUNS[0], "running"), RunEvent(RUNS[1], "running"),
          RunEvent(RUNS[0], "running", 0.0, "phase 1/3, epoch 0/2"),
          RunEvent(RUNS[0], "running", 0.5, "phase 2/3, epoch 1/2"),
          RunEvent(RUNS[0], "done", 1.0, seconds=60.0), RunEvent(RUNS[2], "running"),
          RunEvent(RUNS[1], "failed", reason="no luck", seconds=100.0),
          RunEvent(RUNS[2], "running", 0.25, "phase 1/3, epoch 1/2")]


def show(kind, terminal):
    progress = SweepProgress(RUNS, workers=2)
    out = console(terminal)
    with kind(out, progress) as display:
        for event in EVENTS:
            progress.update(event)
            display.show(event)
    return out.file.getvalue()


def test_a_sweep_in_a_log_has_lines_where_runs_begin_go_on_and_end():
    assert show(SweepLines, False).splitlines() == [
        "[1/4] ewc on rooms_s1, seed 0: begins", "[2/4] mas on rooms_s1, seed 0: begins",
        "[1/4] ewc on rooms_s1, seed 0: done in 60 s, about 2 min left",
        "[3/4] er on rooms_s1, seed 0: begins",
        "[2/4] mas on rooms_s1, seed 0: failed in 2 min, about 60 s left",
        "[3/4] er on rooms_s1, seed 0: goes on after phase 1/3, epoch 1/2"]


def test_a_sweep_on_a_terminal_is_a_table_with_bars():
    last = show(SweepTable, True).rpartition("run ")[2]
    for words in ("ewc on rooms_s1, seed 0", "done", "failed", "er on rooms_s1, seed 0", "running",
                  "phase 1/3, epoch 1/2", "1 of 4 done, 1 failed, about 60 s left"):
        assert words in last


def test_durations_are_in_a_unit_easy_to_read():
    assert [duration(seconds) for seconds in (48.4, 89, 100, 720, 5399, 11_100)] == [
        "48 s", "89 s", "2 min", "12 min", "1 h 30 min", "3 h 05 min"]
