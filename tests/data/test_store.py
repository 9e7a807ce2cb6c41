"""The store: complete or absent, however many ask for it, and never read when damaged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.data.store.files import Split, Store
from benchmark.data.store.writer import StoreWriter, build
from benchmark.errors import DataError
from benchmark.tasks import Task

TASKS = [Task(name="depth", kind="regression", channels=1, unit="m")]


def fill(writer: StoreWriter) -> Sequence[str] | None:
    counts: dict[Split, int] = {"train": 3, "eval": 2}
    for split, count in counts.items():
        writer.array(split, "image", (count, 3, 4, 5), "uint8")[:] = count
        writer.array(split, "depth", (count, 1, 4, 5), "float32")[:] = np.nan
    return ["a note"]


def make(folder: Path, filler: Callable[[StoreWriter], Any] = fill, **source: Any) -> Store:
    return build(folder, TASKS, "toy", 1, source, filler)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    store = make(tmp_path / "toy", seed=3)
    assert (store.count("train"), store.count("eval")) == (3, 2)
    assert (store.array("eval", "image") == 2).all()
    assert np.isnan(store.array("train", "depth")).all()
    assert (store.manifest.source, store.manifest.notes) == ({"seed": 3}, ("a note",))
    assert store.tasks["depth"] == TASKS[0]
    with pytest.raises(ValueError, match="read-only"):
        store.array("train", "image")[0] = 1


def test_the_fingerprint_is_of_tasks_and_content(tmp_path: Path) -> None:
    def other(writer: StoreWriter) -> None:
        fill(writer)
        writer.array("eval", "depth", (2, 1, 4, 5), "float32")[1, 0, 3, 4] = 1

    first = make(tmp_path / "a").fingerprint
    assert make(tmp_path / "b", from_somewhere="else").fingerprint == first
    assert make(tmp_path / "c", other).fingerprint != first


def test_arrays_of_another_form_are_refused(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path, TASKS)
    for shape, dtype in (((3, 4, 5), "float32"), ((3, 1, 4, 5), "float64")):
        with pytest.raises(ValueError, match="not of the store's form"):
            writer.array("train", "depth", shape, dtype)


def test_a_failed_filling_leaves_nothing(tmp_path: Path) -> None:
    def fails(writer: StoreWriter) -> None:
        fill(writer)
        raise DataError("photo.png is damaged")

    with pytest.raises(DataError, match="photo"):
        make(tmp_path / "toy", fails)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []
    assert make(tmp_path / "toy").count("train") == 3


def test_two_processes_fill_it_once(tmp_path: Path) -> None:
    here = Path(__file__)
    code = f"""
import sys, time; sys.path.insert(0, {str(here.parents[2])!r})
from pathlib import Path
from tests.data.test_store import fill, make
def slow(writer):
    with open({str(tmp_path / 'fillings')!r}, 'a') as file: print(file=file)
    time.sleep(0.3)
    return fill(writer)
print(make(Path({str(tmp_path / 'toy')!r}), slow).fingerprint)
"""
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    processes = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True,
                                  env=environment) for _ in range(2)]
    fingerprints = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert fingerprints == {Store(tmp_path / "toy").fingerprint}
    assert (tmp_path / "fillings").read_text() == "\n"


def test_no_store(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{tmp_path} is not a store"):
        Store(tmp_path)


@pytest.mark.parametrize("spoil", [
    lambda text: text[:-30], lambda _: "", lambda _: "[]", lambda _: "\0\0",
    lambda text: text.replace('"fingerprint"', '"print"'),
    lambda text: text.replace('"version": 1', '"version": "one"')])
def test_a_damaged_manifest(tmp_path: Path, spoil: Callable[[str], str]) -> None:
    manifest = make(tmp_path / "toy").folder / "manifest.json"
    manifest.write_text(spoil(manifest.read_text()))
    with pytest.raises(DataError, match=r"manifest\.json is damaged .* delete the folder"):
        make(tmp_path / "toy")


@pytest.mark.parametrize(("said", "instead"), [
    ('"unit": "m"', '"unit": "km"'), ('"version": 1', '"version": 2'),
    ('"fingerprint": "', '"fingerprint": "0'), ('"sha256": "', '"sha256": "0'),
    ('"codec": null', '"codec": {"scale": NaN}')])
def test_a_manifest_whose_fingerprint_is_not_that_of_its_content(
        tmp_path: Path, said: str, instead: str) -> None:
    manifest = make(tmp_path / "toy").folder / "manifest.json"
    assert said in manifest.read_text()
    manifest.write_text(manifest.read_text().replace(said, instead, 1))
    with pytest.raises(DataError, match=r"manifest\.json (was changed|is damaged).* delete the"):
        Store(tmp_path / "toy")


def test_a_manifest_that_counts_other_images(tmp_path: Path) -> None:
    manifest = make(tmp_path / "toy").folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"train": 3', '"train": 60'))
    with pytest.raises(DataError, match=r"manifest\.json is damaged \(images says 60"):
        Store(tmp_path / "toy")


@pytest.mark.parametrize("size", [0, 5, 100, 200])
def test_a_truncated_array(tmp_path: Path, size: int) -> None:
    path = make(tmp_path / "toy").folder / "train" / "depth.npy"
    os.truncate(path, size)
    with pytest.raises(DataError, match=r"depth\.npy cannot be read .* delete"):
        make(tmp_path / "toy")


def test_a_missing_array_and_one_of_another_shape(tmp_path: Path) -> None:
    path = make(tmp_path / "toy").folder / "eval" / "image.npy"
    np.save(path, np.zeros((1, 3, 4, 5), np.uint8))
    with pytest.raises(DataError, match=r"image\.npy holds uint8\[1, 3, 4, 5\], the manifest"):
        make(tmp_path / "toy")
    path.unlink()
    with pytest.raises(DataError, match=r"image\.npy cannot be read"):
        make(tmp_path / "toy")


def test_the_manifest_is_strict_json(tmp_path: Path) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = (make(tmp_path / "toy").folder / "manifest.json").read_text()
    arrays = json.loads(text, parse_constant=refuse)["arrays"]
    assert arrays["train/depth"]["shape"] == [3, 1, 4, 5]
