"""Records that say other numbers than the statistics beside them."""

from __future__ import annotations

import json
import os

import pytest

from benchmark.cli.records import all_records
from benchmark.record import RECORD_FILE, STATISTICS_FILE
from benchmark.report.submission import agreement


@pytest.fixture
def run(tiny):
    return tiny("finetune", settings=["recipe.epochs=1"])


@pytest.fixture
def compared(monkeypatch):
    """The runs that were compared."""
    found = []
    problems = agreement.matrix_problems
    monkeypatch.setattr(agreement, "matrix_problems",
                        lambda record, folder: found.append(folder) or problems(record, folder))
    return found


def edit(run, value=77.5):
    file = run.folder / RECORD_FILE
    content = json.loads(file.read_text())
    content["matrix"]["semantic"]["miou"][2] = value
    file.write_text(json.dumps(content))


def left_out(run):
    """The warnings, where the run is left out."""
    found = all_records(run.folder.parent, no_published=True)
    assert bool(found.warnings) != bool(found.complete)
    return found.warnings


def test_a_run_is_compared_once(run, compared):
    assert not left_out(run)
    assert not left_out(run)
    assert compared == [run.folder]


def test_an_edited_record_is_left_out_whatever_its_times(run, compared):
    assert not left_out(run)
    file = run.folder / RECORD_FILE
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    edit(run)
    os.utime(file, ns=times)
    for _ in range(2):
        warning, = left_out(run)
        assert str(file) in warning
        assert "matrix['semantic']['miou'] after phase 3 is 77.5, its statistics give" in warning
    assert len(compared) == 3


def test_damaged_statistics_leave_a_run_out(run):
    (run.folder / STATISTICS_FILE).write_bytes(b"no zip")
    warning, = left_out(run)
    assert "not readable statistics" in warning


def test_a_record_alone_and_one_of_an_unknown_kind_are_kept(run):
    edit(run)
    (run.folder / STATISTICS_FILE).rename(run.folder / "elsewhere.npz")
    assert not left_out(run)
    (run.folder / "elsewhere.npz").rename(run.folder / STATISTICS_FILE)
    file = run.folder / RECORD_FILE
    file.write_text(file.read_text().replace('"kind": "segmentation"', '"kind": "panoptic"'))
    assert not left_out(run)


def test_damaged_notes_are_written_again(run, compared, cache):
    left_out(run)
    for file in (cache / agreement.FOLDER).iterdir():
        file.write_bytes(b"[")
    left_out(run)
    left_out(run)
    assert len(compared) == 2
