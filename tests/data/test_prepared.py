"""Preparing a data set: found, made once, gone on with after a kill, never half there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest

from benchmark.data.formats import decode, filling
from benchmark.data.formats.reader import DatasetReader, Layout
from benchmark.data.sources.prepared import PreparedConfig, open_prepared, prepare
from benchmark.data.sources.source import DataPaths
from benchmark.data.store import writer as writing
from benchmark.data.store.codec import Codec
from benchmark.data.store.files import Store
from benchmark.errors import DataError, RequestError
from benchmark.tasks import Task
from benchmark.tasks.stored import to_map

SIZE = (4, 6)


class Toy:
    """A data set of npy depth maps in `metres/` (or `feet/`), its images grey in proportion."""

    SUMMARY, VERSION, FOLDERS = "toy", 3, ("toy", "Toy")
    LAYOUTS: ClassVar[list[Layout]] = []

    class Config(PreparedConfig):
        """Options."""

        name: Literal["toy"] = "toy"
        size: tuple[int, int] = SIZE
        flavour: str = "plain"


class ToyReader(DatasetReader):
    """Rows 0 to N - 3 are for training, the last two for evaluation."""

    tasks = (Task(name="depth", kind="regression", channels=1, encoding="depth", unit="m"),)
    codecs: ClassVar[dict[str, Codec]] = {"depth": Codec(scale=0.001, invalid=0)}
    size = SIZE

    def __init__(self, root: Path, folder: str, scale: float) -> None:
        self.root, self.scale = root, scale
        self.inputs = sorted((root / folder).glob("*.npy"))
        names = [path.name for path in self.inputs]
        self.names = {"train": names[:-2], "eval": names[-2:]}
        self.marks = {"unit": "feet"} if folder == "feet" else {}

    def units(self, split):
        return [range(k, k + 1) for k in range(len(self.names[split]))]

    def read(self, split, rows):
        for row in rows:
            if (self.root / "slow").exists():
                time.sleep(0.05)
            path = self.inputs[row if split == "train" else row - 2]
            depth = to_map(decode.read_npy(path, 1), self.scale, invalid=(0.0,))
            with open(self.root / "reads", "a") as log:
                print(path.name, file=log)
            grey = np.nan_to_num(depth).max()
            yield {"image": np.full((3, *SIZE), grey, np.uint8), "depth": depth}


def layout(folder, scale):
    return Layout(folder, f"{folder}/0.npy, ...",
                  lambda root: path if (path := root / folder / "00.npy").exists() else None,
                  lambda root, config: ToyReader(root, folder, scale))


Toy.LAYOUTS = [layout("metres", 1.0), layout("feet", 0.3048)]


def write(root: Path, folder: str = "metres", count: int = 12) -> Path:
    (root / folder).mkdir(parents=True, exist_ok=True)
    for k in range(count):
        np.save(root / folder / f"{k:02}.npy", np.full((*SIZE, 1), k + 1.0, np.float32))
    return root


def reads(root: Path) -> list[str]:
    log = root / "reads"
    return log.read_text().split() if log.exists() else []


def made(root: Path, path: Path, **options: Any) -> tuple[Store, bool]:
    settings = {key: options.pop(key) for key in ("layout", "flavour") if key in options}
    return prepare(Toy, Toy.Config(**settings), path, root, **options)


def metres(store: Store, split: str) -> list[float]:
    """One depth of each image."""
    return store.values(split, "depth")[:, 0, 3, 5].round(3).tolist()


def folders(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "prepared").glob("*") if path.is_dir())


@pytest.mark.parametrize("workers", [1, 3])
def test_every_value_is_that_of_its_file(tmp_path, workers):
    store, new = made(tmp_path / "root", write(tmp_path / "raw"), workers=workers)
    assert new
    assert metres(store, "train") == list(range(1, 11))
    assert metres(store, "eval") == [11, 12]
    assert store.array("train", "image")[:, 2, 0, 0].tolist() == list(range(1, 11))
    assert store.manifest.files["eval/image"] == ("10.npy", "11.npy")
    assert store.manifest.arrays["train/depth"].dtype == "uint16"


def test_it_is_prepared_once(tmp_path):
    raw = write(tmp_path / "raw")
    first, _ = made(tmp_path, raw)
    second, new = made(tmp_path, raw)
    assert not new
    assert len(reads(raw)) == 12
    assert first.fingerprint == second.fingerprint
    np.save(raw / "metres" / "12.npy", np.ones((*SIZE, 1)))
    with pytest.raises(RequestError, match="was prepared from other files; --overwrite replaces"):
        made(tmp_path, raw)
    third, new = made(tmp_path, raw, overwrite=True)
    assert new
    assert third.count("train") == 11


def test_options_have_stores_of_their_own(tmp_path):
    raw = write(tmp_path / "raw")
    made(tmp_path, raw)
    for flavour in ("sour", "../sour", "s" * 300):
        made(tmp_path, raw, flavour=flavour)
    first, second, third, fourth = folders(tmp_path)
    assert (first, third) == ("toy_4x6", "toy_4x6_flavour-sour")
    assert second.startswith("toy_4x6_flavour-..-sour-")
    assert fourth.startswith("toy_4x6_flavour-sss")
    assert len(fourth) < 100


def test_an_interruption_costs_what_was_not_noted(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_BETWEEN_FLUSHES", 0.0)
    raw, read = write(tmp_path / "raw"), ToyReader.read

    def interrupted(self, split, rows):
        if rows.start == 6:
            raise KeyboardInterrupt
        return read(self, split, rows)

    monkeypatch.setattr(ToyReader, "read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path, raw, workers=1)
    with pytest.raises(DataError, match="toy is not in"):
        open_prepared(Toy, Toy.Config(), DataPaths(tmp_path))
    before = len(reads(raw))
    monkeypatch.setattr(ToyReader, "read", read)
    store, _ = made(tmp_path, raw, workers=1)
    assert len(reads(raw)) < before + 12
    assert sorted(set(reads(raw))) == [f"{k:02}.npy" for k in range(12)]
    whole, _ = made(tmp_path / "other", raw)
    assert store.manifest.arrays == whole.manifest.arrays
    assert folders(tmp_path) == ["toy_4x6"]


def test_files_that_changed_meanwhile_are_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_BETWEEN_FLUSHES", 0.0)
    raw = write(tmp_path / "raw")
    finish = writing.StoreWriter.finish
    monkeypatch.setattr(writing.StoreWriter, "finish", interrupt)
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path, raw)
    np.save(raw / "metres" / "03.npy", np.full((*SIZE, 1), 60.0, np.float32))
    monkeypatch.setattr(writing.StoreWriter, "finish", finish)
    store, _ = made(tmp_path, raw)
    assert metres(store, "train")[3] == 60


def interrupt(*_):
    raise KeyboardInterrupt


def test_a_kill_leaves_no_store_and_the_next_call_goes_on(tmp_path):
    raw = write(tmp_path / "raw", count=60)
    (raw / "slow").touch()
    code = (f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r}); "
            f"from pathlib import Path; "
            f"import tests.data.test_prepared as t; t.writing._BETWEEN_FLUSHES = 0.0; "
            f"t.made(Path({str(tmp_path)!r}), Path({str(raw)!r}), workers=1)")
    process = subprocess.Popen([sys.executable, "-c", code],
                               env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})
    while len(reads(raw)) < 20:
        time.sleep(0.02)
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    (raw / "slow").unlink()
    assert not (tmp_path / "prepared" / "toy_4x6").exists()
    before = len(reads(raw))
    store, _ = made(tmp_path, raw)
    assert len(reads(raw)) - before < 60 - before + 3  # at most what was under way
    assert metres(store, "train") == list(range(1, 59))
    assert folders(tmp_path) == ["toy_4x6"]


@pytest.mark.parametrize(("file", "content", "message"), [
    ("04.npy", b"\x93NUMPY", "04.npy is damaged"),
    ("04.npy", np.full((*SIZE, 1), 70.0), "04.npy, depth: the value 70 is outside 0 to 65.535"),
    ("04.npy", np.full((*SIZE, 2), 1.0), r"04.npy has shape \[4, 6, 2\]"),
    ("04.npy", np.full((*SIZE, 1), "x"), "04.npy holds <U1"),
    ("04.npy", np.full((*SIZE, 1), 1e-5), "a valid pixel has the value 0, which is kept")])
def test_a_bad_file_is_named_and_nothing_is_left(tmp_path, file, content, message):
    raw = write(tmp_path / "raw")
    path = raw / "metres" / file
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)
    with pytest.raises(DataError, match=message):
        made(tmp_path, raw)
    assert folders(tmp_path) == []


def test_a_split_without_a_label_is_refused(tmp_path):
    raw = write(tmp_path / "raw")
    for name in ("10.npy", "11.npy"):
        np.save(raw / "metres" / name, np.zeros((*SIZE, 1), np.float32))
    with pytest.raises(DataError, match=r"not one pixel of the 2 eval label files \(10.npy"):
        made(tmp_path, raw)
    assert folders(tmp_path) == []


def test_a_full_disk_is_reported_before_anything_is_read(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    raw = write(tmp_path / "raw")
    with pytest.raises(DataError, match="toy_4x6 cannot be made: No space left on device"):
        made(tmp_path, raw)
    assert reads(raw) == []
    assert folders(tmp_path) == []


def test_two_layouts_in_one_folder(tmp_path):
    raw = write(write(tmp_path / "raw"), "feet")
    with pytest.raises(RequestError, match=r"two copies of toy .*metres/00.npy\) and feet .*feet"):
        made(tmp_path, raw)
    store, _ = made(tmp_path, raw, layout="feet")
    assert store.values("train", "depth")[1, 0, 0, 0] == pytest.approx(0.61, abs=0.0005)
    with pytest.raises(RequestError, match="unknown layout 'inches'"):
        made(tmp_path, raw, layout="inches")


@pytest.mark.parametrize("name", Toy.FOLDERS)
def test_it_is_prepared_from_the_folder_that_holds_its_folder(tmp_path, name):
    raw = write(tmp_path / "downloads" / name)
    store, _ = made(tmp_path, tmp_path / "downloads")
    assert metres(store, "eval") == [11, 12]
    assert not made(tmp_path, raw)[1], "the same files"
    assert made(tmp_path / "other", raw)[0].fingerprint == store.fingerprint


def test_the_folder_that_is_named_comes_before_those_in_it(tmp_path):
    write(write(tmp_path / "raw") / "toy", count=20)
    assert made(tmp_path, tmp_path / "raw")[0].count("train") == 10
    (tmp_path / "two").mkdir()
    write(tmp_path / "two" / "toy"), write(tmp_path / "two" / "Toy")
    with pytest.raises(RequestError, match="two copies of toy"):
        made(tmp_path, tmp_path / "two")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"toy is not in \S*empty, \S*empty/toy, \S*empty/Toy"):
        made(tmp_path, tmp_path / "empty")


def test_marks_make_another_fingerprint(tmp_path, monkeypatch):
    raw = write(tmp_path / "raw")
    plain, _ = made(tmp_path / "a", raw)
    monkeypatch.setattr(ToyReader, "codecs", {"depth": Codec(scale=0.001, invalid=0)})
    init = ToyReader.__init__

    def marked(self, *arguments):
        init(self, *arguments)
        self.marks = {"normals": "computed from depth"}

    monkeypatch.setattr(ToyReader, "__init__", marked)
    other, _ = made(tmp_path / "b", raw)
    assert other.manifest.arrays == plain.manifest.arrays
    assert other.fingerprint != plain.fingerprint


def test_a_run_finds_what_was_prepared_or_makes_it(tmp_path):
    root, cache = tmp_path / "data", tmp_path / "cache"
    write(root / "Toy")
    places = DataPaths(cache, root)
    first = open_prepared(Toy, Toy.Config(), places)  # read where it lies, kept in the cache
    assert first.folder.parent == cache / "made"
    assert open_prepared(Toy, Toy.Config(), places).folder == first.folder
    assert len(reads(root / "Toy")) == 12
    prepared, _ = made(root, root / "Toy")
    assert open_prepared(Toy, Toy.Config(), places).folder == prepared.folder
    assert prepared.fingerprint == first.fingerprint


def test_the_folders_searched_are_named(tmp_path):
    (tmp_path / "data").mkdir()
    with pytest.raises(DataError, match=r"toy is not in .*data/prepared/toy_4x6.*data/Toy.* It is "
                                        r"read from metres: metres/0.npy.*--data-root"):
        open_prepared(Toy, Toy.Config(), DataPaths(tmp_path, tmp_path / "data"))
    with pytest.raises(DataError, match=r"there is no file or folder .*nowhere"):
        made(tmp_path, tmp_path / "nowhere")


def test_a_store_of_another_version_is_not_used(tmp_path, monkeypatch):
    raw = write(tmp_path / "raw")
    made(tmp_path, raw)
    monkeypatch.setattr(Toy, "VERSION", 4)
    with pytest.raises(DataError, match=r"is of toy, version 3, this is version 4.*--overwrite"):
        open_prepared(Toy, Toy.Config(), DataPaths(tmp_path))
    store, new = made(tmp_path, raw, overwrite=True)
    assert new
    assert store.manifest.version == 4


def test_the_first_wrong_file_is_named_whichever_worker_reads_it(tmp_path):
    raw = write(tmp_path / "raw")
    for name in ("02.npy", "07.npy"):
        (raw / "metres" / name).write_bytes(b"")
    for _ in range(5):
        with pytest.raises(DataError, match=r"02.npy"):
            made(tmp_path, raw, workers=4)


def test_progress_counts_the_images_left(tmp_path, monkeypatch):
    shown = []
    image_progress = filling.image_progress
    monkeypatch.setattr(filling, "image_progress", lambda what, total: (
        shown.append((what, total)) or image_progress(what, total)))
    made(tmp_path, write(tmp_path / "raw"))
    assert shown == [("preparing toy", 12)]
