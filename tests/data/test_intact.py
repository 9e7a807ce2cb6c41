"""Stores whose arrays are not, or no longer, what was written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmark.data.store import intact
from benchmark.data.store.files import Store
from benchmark.data.store.intact import FOLDER, require_intact
from benchmark.data.store.writer import StoreWriter, build
from benchmark.errors import DataError
from benchmark.tasks import Task

TASKS = [Task(name="mask", kind="segmentation", channels=3, classes=("a", "b", "c"))]


def make(folder: Path, label: int = 2) -> Store:
    def fill(writer: StoreWriter) -> None:
        for split in ("train", "eval"):
            writer.array(split, "image", (2, 3, 4, 5), "uint8")[:] = 9
            labels = writer.array(split, "mask", (2, 4, 5), "uint8")
            labels[:] = label
            labels[0, 0] = 255

    return build(folder, TASKS, "toy", 1, {}, fill)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arrays that were hashed."""
    found: list[str] = []
    check = intact._check

    def noted(store: Store, split: str, modality: str) -> None:
        found.append(f"{split}/{modality}")
        check(store, split, modality)

    monkeypatch.setattr(intact, "_check", noted)
    return found


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_every_array_is_hashed_once(tmp_path: Path, hashed: list[str]) -> None:
    store = make(tmp_path / "toy")
    require_intact(store, tmp_path / "cache")
    assert hashed == ["train/image", "train/mask", "eval/image", "eval/mask"]
    require_intact(Store(tmp_path / "toy"), tmp_path / "cache")
    assert len(hashed) == 4
    (tmp_path / "toy" / "eval" / "mask.npy").touch()
    require_intact(Store(tmp_path / "toy"), tmp_path / "cache")
    assert hashed[4:] == ["eval/mask"]


@pytest.mark.parametrize("restore", [lambda path, times: None,
                                     lambda path, times: os.utime(path, ns=times)])
def test_a_changed_array_is_named(restore: Callable[[Path, tuple[int, int]], None],
                                  tmp_path: Path) -> None:
    require_intact(make(tmp_path / "toy"), tmp_path / "cache")
    path = tmp_path / "toy" / "train" / "mask.npy"
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    flip_a_bit(path)
    restore(path, times)
    for _ in range(2):
        with pytest.raises(DataError, match=r"train/mask\.npy is not what was written.*delete"):
            require_intact(Store(tmp_path / "toy"), tmp_path / "cache")


def test_a_label_beyond_the_classes_is_named(tmp_path: Path) -> None:
    store = make(tmp_path / "toy", label=3)
    with pytest.raises(DataError, match=r"train/mask\.npy has the label 3, mask has 3 classes"):
        require_intact(store, tmp_path / "cache")


@pytest.mark.parametrize("notes", [b"", b"[]", b"{", b'{"train/image": 1}', b"\xff"])
def test_damaged_notes_are_made_again(notes: bytes, tmp_path: Path, hashed: list[str]) -> None:
    require_intact(make(tmp_path / "toy"), tmp_path / "cache")
    (file,) = (tmp_path / "cache" / FOLDER).iterdir()
    file.write_bytes(notes)
    for _ in range(2):
        require_intact(Store(tmp_path / "toy"), tmp_path / "cache")
    assert len(hashed) == 8


def test_a_cache_that_cannot_be_written_is_gone_without(tmp_path: Path, hashed: list[str]) -> None:
    (tmp_path / "cache").touch()
    for _ in range(2):
        require_intact(make(tmp_path / "toy"), tmp_path / "cache")
    assert len(hashed) == 8


def test_a_run_looks_at_its_store(tiny, cache):
    settings = ["dataset.train=12", "dataset.eval=5"]
    outcome = tiny("finetune", settings=[*settings, "recipe.epochs=1"])
    (folder,) = cache.glob("rooms/v*_12+5_*")
    path = folder / "train" / "semantic.npy"
    whole = np.load(path)
    try:
        np.save(path, np.full_like(whole, 200))
        with pytest.raises(DataError, match=r"semantic\.npy is not what was written"):
            tiny("finetune", settings=settings)
    finally:
        np.save(path, whole)
    assert tiny("finetune", settings=[*settings, "recipe.epochs=1"]).record == outcome.record
