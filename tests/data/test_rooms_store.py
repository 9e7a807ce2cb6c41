"""Rooms as a store: forms, shares of the classes, and making it while others do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.data.sources.rooms import TASKS, Config, open_store
from benchmark.data.sources.rooms.scene import CLASSES
from benchmark.data.sources.source import DataPaths
from benchmark.data.store.files import Store
from benchmark.tasks import VOID

Array = NDArray[np.float64]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def default(cache: Path) -> Store:
    """The default evaluation set, with few training images."""
    return open_store(Config(train=100), DataPaths(cache))


def test_store_has_the_forms_and_ranges_of_its_tasks(default: Store) -> None:
    assert list(default.tasks) == [task.name for task in TASKS]
    for task in TASKS:
        values = np.asarray(default.array("eval", task.name))
        if task.kind in ("segmentation", "binary"):
            top = task.channels if task.kind == "segmentation" else 2
            assert set(np.unique(values)) <= {*range(top), VOID}
        elif task.name == "depth":
            assert values.dtype == np.float32 and values.min() > 0.2 and values.max() < 12
        elif task.kind == "regression":
            assert np.nanmin(values) >= 0 and np.nanmax(values) <= 1
            assert np.nanstd(values.astype(np.float32)) > 0.01
    assert 0 < (default.array("eval", "semantic") == VOID).mean() < 0.02


def test_every_class_occurs_and_the_tail_is_long(default: Store) -> None:
    counts = np.bincount(default.array("eval", "semantic").ravel(), minlength=256)[:len(CLASSES)]
    shares = np.sort(counts / counts.sum())[::-1]
    assert counts.min() > 500
    assert shares[0] > 0.3 and shares[:2].sum() > 0.5
    assert (shares < 0.02).sum() >= 3 and shares[0] > 20 * shares[-1]


def test_colour_alone_predicts_little_about_the_class(default: Store) -> None:
    """Nearest neighbours in RGB, classes drawn equally often: chance is 1 / 14, knowing would be 1.

    Colour hints at a class (ceilings are light, balls vivid), but it settles none of them.
    """
    random = np.random.default_rng(0)

    def pixels(split: str, each: int) -> tuple[Array, NDArray[np.int64]]:
        image = np.moveaxis(np.asarray(default.array(split, "image")), 1, -1).reshape(-1, 3)
        label = np.asarray(default.array(split, "semantic")).ravel()
        chosen = np.concatenate([random.choice(np.flatnonzero(label == c), each)
                                 for c in range(len(CLASSES))])
        return image[chosen].astype(np.float64), label[chosen].astype(np.int64)

    known, classes = pixels("train", 300)
    queries, truth = pixels("eval", 100)
    distance = ((queries[:, None] - known[None]) ** 2).sum(-1)
    votes = classes[np.argpartition(distance, 25, axis=1)[:, :25]]
    guess = np.array([np.bincount(vote, minlength=len(CLASSES)).argmax() for vote in votes])
    recall = [(guess[truth == c] == c).mean() for c in range(len(CLASSES))]
    assert np.mean(recall) < 0.3
    assert np.max(recall) < 0.75


SCRIPT = """
import sys
from pathlib import Path
from benchmark.data.sources.rooms import Config, open_store
from benchmark.data.sources.source import DataPaths
assert "torch" not in sys.modules
print("ready", flush=True)
config = Config(train=int(sys.argv[2]), eval=4, seed=9)
print(open_store(config, DataPaths(Path(sys.argv[1]))).fingerprint)
"""


def opener(cache: Path, train: int) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(cache), str(train)], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)


def test_two_processes_at_once_get_one_store(tmp_path: Path) -> None:
    both = [opener(tmp_path, 40) for _ in range(2)]
    outputs = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    prints = {out.split()[-1] for out, _ in outputs}
    alone = open_store(Config(train=40, eval=4, seed=9), DataPaths(tmp_path / "alone"))
    assert prints == {alone.fingerprint}


def test_a_killed_rendering_leaves_no_store_and_a_later_one_starts_afresh(tmp_path: Path) -> None:
    process = opener(tmp_path, 20_000)
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("rooms/.*/train/image.npy")):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert not list(tmp_path.glob("rooms/[!.]*"))
    assert open_store(Config(train=8, eval=4, seed=9), DataPaths(tmp_path)).count("train") == 8
