"""Runs that find files of theirs damaged, exchanged or old when they go on."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from benchmark.data.sources.source import DataPaths
from benchmark.engine import checkpoint
from benchmark.engine.execute import execute
from benchmark.engine.options import Options, Stopped
from benchmark.engine.previews import PREVIEWS_FILE
from benchmark.engine.state_files import BOUNDARY_FILE, INSIDE_FILE
from benchmark.errors import RunError
from benchmark.record import LOG_FILE, STATISTICS_FILE
from benchmark.report.submission.validation import first_problem
from tests.helpers.tiny import tiny_plan


def left_off(tiny, phase, epoch, **options):
    """The folder of a run that stopped after an epoch of a phase (0: after the phase)."""
    with pytest.raises(Stopped):
        tiny("ewc", checkpoint_seconds=0.0,
             stop_when=lambda *at: at == (phase, epoch), **options)
    (folder,) = options["runs"].iterdir()
    return folder


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)


@pytest.fixture(scope="module")
def whole(cache, tmp_path_factory):
    options = Options(tmp_path_factory.mktemp("whole"), DataPaths(cache), device="cpu")
    return execute(tiny_plan("ewc"), options).record


def test_a_damaged_state_between_phases_costs_what_was_trained_since_the_one_before(
        tiny, tmp_path, whole, capsys):
    """Nothing but the last epoch: the state inside the phase is kept until the next one has its
    own."""
    folder = left_off(tiny, 2, 0, runs=tmp_path / "runs")
    flip_a_bit(folder / BOUNDARY_FILE)
    with pytest.raises(Stopped):
        tiny("ewc", stop_when=lambda *at: at == (2, 0))
    told = capsys.readouterr().err
    assert f"{BOUNDARY_FILE} is damaged" in told
    assert "going on from boundary.previous.safetensors" in told
    assert "--overwrite" not in told
    log = [json.loads(line) for line in (folder / LOG_FILE).read_text().splitlines()]
    assert [(line["phase"], line["epoch"]) for line in log] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert tiny("ewc").record.matrix == whole.matrix
    assert not capsys.readouterr().err


def test_a_damaged_state_inside_a_phase_costs_one_epoch(tiny, tmp_path, whole, capsys):
    folder = left_off(tiny, 2, 2, runs=tmp_path / "runs")
    flip_a_bit(folder / INSIDE_FILE)
    assert tiny("ewc").record.matrix == whole.matrix
    told = capsys.readouterr().err
    assert f"{INSIDE_FILE} is damaged" in told
    assert "going on from inside.previous.safetensors, after epoch 1 of phase 2" in told
    assert "--overwrite" not in told


def test_a_damaged_file_never_takes_the_place_of_the_one_before(tiny, tmp_path, whole):
    folder = left_off(tiny, 2, 0, runs=tmp_path / "runs")
    flip_a_bit(folder / BOUNDARY_FILE)
    left_off(tiny, 2, 0, runs=tmp_path / "runs")
    flip_a_bit(folder / BOUNDARY_FILE)
    assert tiny("ewc").record.matrix == whole.matrix


def test_with_no_state_to_go_on_from_both_files_are_named(tiny, tmp_path):
    folder = left_off(tiny, 2, 0, runs=tmp_path / "runs")
    flip_a_bit(folder / BOUNDARY_FILE)
    (folder / "boundary.previous.safetensors").write_bytes(b"")
    with pytest.raises(RunError, match=rf"{BOUNDARY_FILE} is damaged .*checksum.*"
                       r"boundary\.previous\.safetensors is damaged .*--overwrite"):
        tiny("ewc")


def test_a_phase_begins_again_without_any_state_inside_it(tiny, tmp_path, whole, capsys):
    folder = left_off(tiny, 2, 1, runs=tmp_path / "runs")
    flip_a_bit(folder / INSIDE_FILE)
    assert tiny("ewc").record.matrix == whole.matrix
    assert "phase 2 begins again" in capsys.readouterr().err


def test_the_state_of_another_run_is_not_taken(tiny, tmp_path, whole, capsys):
    folder = left_off(tiny, 2, 0, runs=tmp_path / "runs")
    other = left_off(tiny, 2, 0, runs=tmp_path / "others", seed=1)
    shutil.copy(other / BOUNDARY_FILE, folder / BOUNDARY_FILE)
    assert tiny("ewc").record.matrix == whole.matrix
    assert f"{BOUNDARY_FILE} is of another run, ewc-rooms_s1-seed1" in capsys.readouterr().err


def test_a_finished_run_keeps_its_last_state_only(tiny):
    folder = tiny("ewc", checkpoint_seconds=0.0).folder
    assert {file.name for file in folder.glob("*.safetensors")} == {
        BOUNDARY_FILE, "weights.safetensors"}


def test_files_of_another_run_that_can_be_done_without_are_left_out(tiny, tmp_path, whole, capsys):
    folder = left_off(tiny, 2, 1, runs=tmp_path / "runs")
    other = left_off(tiny, 2, 1, runs=tmp_path / "others", seed=1)
    for name in (INSIDE_FILE, PREVIEWS_FILE):
        shutil.copy(other / name, folder / name)
    assert tiny("ewc").record.matrix == whole.matrix
    told = capsys.readouterr().err
    assert f"{INSIDE_FILE} is of another run" in told
    assert f"{PREVIEWS_FILE} does not belong to this run" in told


def test_damaged_previews_do_not_stop_a_run(tiny, tmp_path, whole, capsys):
    folder = left_off(tiny, 2, 0, runs=tmp_path / "runs")
    (folder / PREVIEWS_FILE).write_bytes(b"no zip")
    assert tiny("ewc").record.matrix == whole.matrix
    assert "without the previews of earlier phases" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["older", "missing", "of another run", "half"])
def test_statistics_are_written_again_from_the_state(damage, tiny, tmp_path, whole):
    folder = left_off(tiny, 1, 0, runs=tmp_path / "runs")
    path = folder / STATISTICS_FILE
    old = path.read_bytes()
    left_off(tiny, 2, 0, runs=tmp_path / "runs")
    if damage == "older":
        path.write_bytes(old)
    elif damage == "missing":
        path.unlink()
    elif damage == "half":
        path.write_bytes(old[:len(old) // 2])
    else:
        other = left_off(tiny, 2, 0, runs=tmp_path / "others", seed=1)
        shutil.copy(other / STATISTICS_FILE, path)
    resumed = tiny("ewc")
    assert resumed.record.matrix == whole.matrix
    assert first_problem(resumed.folder) is None


def test_statistics_newer_than_the_state_are_what_a_kill_leaves(tiny, tmp_path, whole):
    folder = left_off(tiny, 1, 0, runs=tmp_path / "runs")
    old = (folder / BOUNDARY_FILE).read_bytes()
    left_off(tiny, 2, 0, runs=tmp_path / "runs")
    (folder / BOUNDARY_FILE).write_bytes(old)
    assert tiny("ewc").record.matrix == whole.matrix


def test_a_state_of_another_version_is_told(tmp_path):
    path = tmp_path / "state.safetensors"
    checkpoint.save_state(path, {"a": torch.ones(3)})
    with safe_open(str(path), framework="pt") as file:
        tree = file.metadata()["tree"]
    save_file({"t0": torch.ones(3)}, str(path), metadata={"tree": tree})
    with pytest.raises(checkpoint.Unusable, match="written by another version of lhlbench"):
        checkpoint.load_state(path)


@pytest.mark.parametrize("value", [torch.tensor(2.5), torch.zeros(0, 3), torch.tensor([True]),
                                   torch.ones(2, dtype=torch.bfloat16), torch.arange(3)])
def test_every_tensor_comes_back_as_it_was(value, tmp_path):
    checkpoint.save_state(tmp_path / "state", [value], "a run")
    for found in checkpoint.load_state(tmp_path / "state", run="a run"):
        assert torch.equal(found, value)
        assert found.dtype == value.dtype


@pytest.mark.parametrize("line", [b"5", b"[]", b"{}", b"\xff", b'{"phase": "1", "epoch": 1}'])
def test_a_damaged_line_of_the_log_does_not_stop_a_run(line, tiny, tmp_path):
    folder = left_off(tiny, 1, 0, runs=tmp_path / "runs")
    with open(folder / LOG_FILE, "ab") as file:
        file.write(line + b"\n")
    tiny("ewc")
    assert len((folder / LOG_FILE).read_text().splitlines()) == 6


def test_another_number_of_threads_is_told(tiny, tmp_path, capsys):
    left_off(tiny, 2, 0, runs=tmp_path / "runs")
    torch.set_num_threads(2)
    try:
        tiny("ewc")
    finally:
        torch.set_num_threads(1)
    assert "was begun with 1 threads and goes on with 2" in capsys.readouterr().err


def test_what_a_killed_process_was_writing_is_removed(tiny, tmp_path, capsys):
    folder = left_off(tiny, 2, 0, runs=tmp_path / "runs")
    (folder / "previews").mkdir()
    left = [folder / ".boundary.safetensors.abcdefg_", folder / "previews" / ".depth.png.a1b2c3d4"]
    kept = [folder / ".notes", folder / "mine.txt"]
    for file in (*left, *kept):
        file.touch()
    tiny("ewc")
    assert [file.exists() for file in (*left, *kept)] == [False, False, True, True]
    assert not capsys.readouterr().err
