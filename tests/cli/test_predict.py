"""`lhlbench predict`: maps of photographs as people have them, and where they are written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import benchmark
from benchmark.cli.app import invoke
from benchmark.data.formats.decode import read_photograph
from benchmark.engine import photograph

TASKS = ("semantic", "depth", "normal", "edge", "reshading")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder of runs that holds a single one, over tasks of all four kinds."""
    from tests.cli.conftest import SMALL

    runs = tmp_path_factory.mktemp("runs")
    assert invoke(["run", "--method", "lora", "--sequence", "rooms5_s1", *SMALL, "--set",
                   "recipe.epochs=1", "--set", "recipe.head_channels=8", "--runs", str(runs)]) == 0
    return runs


@pytest.fixture
def predict(finished):
    """`lhlbench predict` with further words; its exit code."""
    return lambda *words: invoke(["predict", "lora", *map(str, words), "--runs", str(finished)])


def picture(file, height=20, width=31, **options):
    """A photograph that differs from left to right and from top to bottom."""
    file.parent.mkdir(parents=True, exist_ok=True)
    down, across = np.mgrid[0:height, 0:width]
    pixels = np.stack([5 * down, 5 * across, 3 * (down + across)], axis=2).astype(np.uint8)
    Image.fromarray(pixels).save(file, "JPEG" if file.suffix == ".JPG" else "PNG", **options)
    return file


def test_every_task_has_its_maps_at_the_size_of_the_photograph(predict, finished, tmp_path, capsys):
    file = picture(tmp_path / "photo.png")
    assert predict(file, "--to", "out", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["image"] == str(file)
    assert found["size"] == found["seen_at"] == [20, 31]
    assert tuple(found["files"]) == TASKS
    (folder,) = {Path(path).parent for files in found["files"].values() for path in files.values()}
    assert folder == Path("out/photo")
    maps = benchmark.load_network("lora", finished).predict(read_photograph(file))
    for task in TASKS:
        array = np.load(folder / f"{task}.npy", allow_pickle=False)
        assert array.dtype == (np.uint8 if task == "semantic" else np.float32)
        np.testing.assert_array_equal(array, maps[task][0].numpy())
        colours = np.asarray(Image.open(folder / f"{task}.png"), int)
        overlay = np.asarray(Image.open(folder / f"{task}.overlay.png"), int)
        assert colours.shape == overlay.shape == (20, 31, 3)
        mean = (colours + read_photograph(file).transpose(1, 2, 0)) / 2
        assert np.abs(overlay - mean).max() <= 0.5
        assert Image.open(folder / f"{task}.legend.png").size[0] > 60


def test_a_map_of_a_smaller_view_has_the_photographs_size(predict, tmp_path, capsys):
    file = picture(tmp_path / "photo.png", 90, 120)
    assert predict(file, "--to", "a", "--short-side", "24", "--json", "--tasks", "depth") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["seen_at"] == [24, 32]
    assert predict(file, "--to", "b", "--size", "24x32", "--tasks", "depth") == 0
    first, second = (np.load(f"{to}/photo/depth.npy") for to in "ab")
    assert first.shape == (1, 90, 120)
    np.testing.assert_array_equal(first, second)


def test_names_never_overwrite_each_other(predict, tmp_path, capsys):
    files = [picture(tmp_path / name) for name in ("one/a.png", "two/A.png", "two/b.JPG",
                                                   "two/..png", "one/a_2.png")]
    (tmp_path / "two/notes.txt").write_text("no image")
    picture(tmp_path / "two/deeper/c.png")
    assert predict(files[0], files[4], "two", files[0], files[3],
                   "--to", "out", "--tasks", "edge") == 0
    assert len(capsys.readouterr().out.splitlines()) == 5
    assert sorted(each.name for each in Path("out").iterdir()) == ["A_3", "a", "a_2", "b", "image"]


def test_what_is_there_is_kept_unless_said_otherwise(predict, tmp_path, capsys):
    file = picture(tmp_path / "photo.png")
    words = (file, "--tasks", "edge")
    assert predict(*words) == 0
    (folder,) = Path("predictions").iterdir()
    assert folder.name.startswith("lora-rooms5_s1-seed0-")
    assert predict(*words) == 2
    assert f"{folder / 'photo'} exists; --overwrite replaces" in capsys.readouterr().err
    assert predict(*words, "--overwrite") == 0


def test_a_damaged_image_is_left_out_and_the_others_are_done(predict, tmp_path, capsys):
    good, bad = picture(tmp_path / "x/good.png"), picture(tmp_path / "x/bad.png")
    bad.write_bytes(bad.read_bytes()[:-60])
    assert predict("x", "--to", "out", "--tasks", "edge") == 1
    printed = capsys.readouterr()
    assert f"{good.relative_to(tmp_path)} (20 x 31): out/good" in printed.out
    assert "1 of 2 images are left out:\nx/bad.png is neither" in printed.err
    assert [each.name for each in Path("out").iterdir()] == ["good"]


def test_an_image_beyond_the_memory_says_how_to_go_on(predict, tmp_path, monkeypatch, capsys):
    file = picture(tmp_path / "photo.png", 300, 400)
    monkeypatch.setattr(photograph, "memory", lambda device: 30_000_000)
    assert predict(file, "--to", "out", "--tasks", "edge") == 1
    message = capsys.readouterr().err
    assert "is 300 x 400 (height x width)" in message
    side = message.split("--short-side ")[1].strip()
    assert 24 < int(side) < 300
    assert predict(file, "--to", "out", "--tasks", "edge", "--short-side", side) == 0
    assert predict(file, "--to", "b", "--tasks", "edge", "--short-side", int(side) + 2) == 1


@pytest.mark.parametrize(("words", "message"), [
    (["none.png"], "there is no image none.png"),
    (["empty"], "empty holds no image"),
    (["photo.png", "--size", "20"], "--size 20: expected height x width in pixels"),
    (["photo.png", "--size", "20x30", "--short-side", "20"], "give --size or --short-side"),
    (["photo.png", "--tasks", "deth"], "unknown task 'deth'. Did you mean depth"),
    (["photo.png", "--to", "photo.png"], "photo.png/photo cannot be written: Not a directory")])
def test_wrong_requests(words, message, predict, tmp_path, capsys):
    picture(tmp_path / "photo.png")
    (tmp_path / "empty").mkdir()
    assert predict(*words) == 2
    assert message in capsys.readouterr().err


def test_a_single_pixel_is_an_image_too(predict, tmp_path):
    assert predict(picture(tmp_path / "dot.png", 1, 1), "--to", "out") == 0
    assert np.load("out/dot/normal.npy").shape == (3, 1, 1)


def test_photographs_are_read_as_viewers_show_them(tmp_path):
    upright = read_photograph(picture(tmp_path / "plain.png"))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    turned = read_photograph(picture(tmp_path / "turned.png", exif=exif))
    np.testing.assert_array_equal(turned, upright.transpose(0, 2, 1)[..., ::-1])

    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    for name in ("grey", "deep"):
        np.testing.assert_array_equal(read_photograph(tmp_path / f"{name}.png"),
                                      np.stack([grey] * 3))

    clear = np.zeros((2, 2, 4), np.uint8)
    clear[0, 0, 3], clear[0, 1, 3] = 255, 128
    Image.fromarray(clear).save(tmp_path / "clear.png")
    assert read_photograph(tmp_path / "clear.png")[0].tolist() == [[0, 127], [255, 255]]

    Image.fromarray(np.full((4, 4, 4), 90, np.uint8), "CMYK").save(tmp_path / "print.jpg")
    assert read_photograph(tmp_path / "print.jpg").shape == (3, 4, 4)
