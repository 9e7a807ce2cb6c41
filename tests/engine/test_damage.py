"""Runs that find files of theirs damaged, exchanged or old when they go on."""

from __future__ import annotations

import shutil

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from benchmark.engine import checkpoint
from benchmark.engine.log import LOG_FILE
from benchmark.engine.options import Stopped
from benchmark.engine.previews import PREVIEWS_FILE
from benchmark.engine.protocol import BOUNDARY_FILE, INSIDE_FILE
from benchmark.errors import RunError
from benchmark.record import STATISTICS_FILE


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


@pytest.fixture
def whole(tiny, tmp_path):
    return tiny("ewc", runs=tmp_path / "whole").record


def test_a_flipped_bit_in_the_state_between_phases_stops_the_run(tiny, tmp_path):
    folder = left_off(tiny, 2, 0, runs=tmp_path / "runs")
    flip_a_bit(folder / BOUNDARY_FILE)
    with pytest.raises(RunError, match=f"{BOUNDARY_FILE} is damaged .*checksum.*--overwrite"):
        tiny("ewc")


def test_a_flipped_bit_in_the_state_inside_a_phase_costs_that_phase_only(tiny, tmp_path, whole,
                                                                         capsys):
    folder = left_off(tiny, 2, 1, runs=tmp_path / "runs")
    flip_a_bit(folder / INSIDE_FILE)
    assert tiny("ewc").record.matrix == whole.matrix
    told = capsys.readouterr().err
    assert f"{INSIDE_FILE} is damaged" in told
    assert "phase 2 begins again" in told
    assert "--overwrite" not in told


@pytest.mark.parametrize("name", [BOUNDARY_FILE, STATISTICS_FILE])
def test_files_of_another_run_are_refused(name, tiny, tmp_path):
    folder = left_off(tiny, 2, 0, runs=tmp_path / "runs")
    other = left_off(tiny, 2, 0, runs=tmp_path / "others", seed=1)
    shutil.copy(other / name, folder / name)
    with pytest.raises(RunError, match=f"{name} .*of another run.*--overwrite"):
        tiny("ewc")


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


def test_statistics_older_than_the_state_are_refused(tiny, tmp_path):
    folder = left_off(tiny, 1, 0, runs=tmp_path / "runs")
    old = (folder / STATISTICS_FILE).read_bytes()
    left_off(tiny, 2, 0, runs=tmp_path / "runs")
    (folder / STATISTICS_FILE).write_bytes(old)
    with pytest.raises(RunError, match=rf"{STATISTICS_FILE} does not belong to .*it is older"):
        tiny("ewc")


def test_missing_statistics_say_what_to_do(tiny, tmp_path):
    folder = left_off(tiny, 1, 0, runs=tmp_path / "runs")
    (folder / STATISTICS_FILE).unlink()
    with pytest.raises(RunError, match=f"{STATISTICS_FILE} does not exist.*--overwrite"):
        tiny("ewc")


def test_statistics_newer_than_the_state_are_what_a_kill_leaves(tiny, tmp_path, whole):
    folder = left_off(tiny, 1, 0, runs=tmp_path / "runs")
    old = (folder / BOUNDARY_FILE).read_bytes()
    left_off(tiny, 2, 0, runs=tmp_path / "runs")
    (folder / BOUNDARY_FILE).write_bytes(old)
    assert tiny("ewc").record.matrix == whole.matrix


def test_a_state_without_checksum_is_of_an_earlier_version(tmp_path):
    path = tmp_path / "state.safetensors"
    checkpoint.save_state(path, {"a": torch.ones(3)})
    with safe_open(str(path), framework="pt") as file:
        tree = file.metadata()["tree"]
    save_file({"t0": torch.ones(3)}, str(path), metadata={"tree": tree})
    with pytest.raises(RunError, match=r"no checksum: an earlier version .*--overwrite"):
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
