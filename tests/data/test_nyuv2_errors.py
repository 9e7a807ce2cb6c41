"""NYUv2 whose files are missing, damaged or not what they should be: each is named."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from benchmark.data.sources import nyuv2
from benchmark.data.sources.prepared import prepare
from benchmark.errors import DataError, LhlbenchError
from tests.helpers.make_nyuv2 import write_mapping, write_official, write_splits

MAT, SPLITS, MAPPING = "nyu_depth_v2_labeled.mat", "splits.mat", "classMapping40.mat"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("nyu")
    write_official(root, frames=2, train=(1,), test=(0,))
    return root


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    for file in whole.iterdir():
        shutil.copy(file, tmp_path)
    return tmp_path


def refused(root: Path, message: str, file: str = "", **options: Any) -> None:
    with pytest.raises(LhlbenchError, match=message) as caught:
        prepare(nyuv2, nyuv2.Config(size=(24, 32), **options), root, root, workers=1)
    assert str(root / file) in str(caught.value)
    assert not [path for path in (root / "prepared").glob("*") if path.is_dir()]


def replace(root: Path, key: str, change: Callable[[Any], Any] | None) -> None:
    """Another array for `key` in the .mat file; none when there is no `change`."""
    with h5py.File(root / MAT, "a") as file:
        values = file[key][...]
        del file[key]
        if change:
            file[key] = change(values)


def test_a_copy_like_this_is_read(copy: Path) -> None:
    store, made = prepare(nyuv2, nyuv2.Config(size=(24, 32)), copy, copy, workers=1)
    assert made and store.count("train") == 1
    assert not prepare(nyuv2, nyuv2.Config(size=(24, 32)), copy, copy)[1]


@pytest.mark.parametrize(("file", "message"), [(SPLITS, "homepage"), (MAPPING, "Gupta"),
                                               (MAT, "nyuv2 is not in")])
def test_a_missing_file_is_named(copy: Path, file: str, message: str) -> None:
    (copy / file).unlink()
    refused(copy, message, "" if file == MAT else file)


@pytest.mark.parametrize("file", [MAT, SPLITS, MAPPING])
@pytest.mark.parametrize("share", [0, 0.02, 0.5, 0.97])
def test_a_file_cut_short_is_damaged(copy: Path, file: str, share: float) -> None:
    data = (copy / file).read_bytes()
    (copy / file).write_bytes(data[:int(len(data) * share)])
    refused(copy, f"{file} (is damaged|has no array)", file)


def test_a_frame_that_cannot_be_unpacked_is_damaged(copy: Path) -> None:
    with h5py.File(copy / MAT) as file:
        place = file["depths"].id.get_chunk_info(1)
    with open(copy / MAT, "r+b") as raw:
        raw.seek(place.byte_offset + place.size // 2)
        raw.write(b"\xff" * 4096)
    refused(copy, "is damaged .frame 1", MAT)


@pytest.mark.parametrize("key", ["images", "depths", "labels"])
def test_a_missing_array_is_named(copy: Path, key: str) -> None:
    replace(copy, key, None)
    refused(copy, f"has no array '{key}'", MAT)


@pytest.mark.parametrize(("key", "change", "message"), [
    ("labels", lambda old: old.astype(np.float32), r"'labels' is float32\[2, 640, 480\]"),
    ("labels", lambda old: old.transpose(0, 2, 1), r"'labels' is uint16\[2, 480, 640\]"),
    ("labels", lambda old: old[:1], "different numbers of frames"),
    ("depths", lambda old: old.astype(np.uint16), r"'depths' is uint16"),
    ("depths", lambda old: old[0], r"'depths' is float32\[640, 480\]"),
    ("images", lambda old: old.astype(np.uint16), r"'images' is uint16"),
    ("images", lambda old: old[:, 0], r"'images' is uint8\[2, 640, 480\]"),
])
def test_an_array_of_another_form_is_refused(copy: Path, key: str, change: Any,
                                             message: str) -> None:
    replace(copy, key, change)
    refused(copy, message, MAT)


def test_a_label_above_894_is_refused(copy: Path) -> None:
    def change(labels: Any) -> Any:
        labels[1, 639, 0] = 895
        return labels

    replace(copy, "labels", change)
    refused(copy, "frame 1 has the label 895", MAT)


def test_a_depth_beyond_the_codes_is_refused(copy: Path) -> None:
    def change(depths: Any) -> Any:
        depths[0] = 20
        return depths

    replace(copy, "depths", change)
    with pytest.raises(DataError, match=r"nyu_depth_v2_labeled\.mat\[0\], depth: .*20 is outside"):
        prepare(nyuv2, nyuv2.Config(size=(24, 32)), copy, copy, workers=1)


@pytest.mark.parametrize(("train", "test", "message"), [
    ([0], [1], "trainNdxs names frame 0; .* has frames 1 to 2"),
    ([1], [3], "testNdxs names frame 3"),
    ([1, 2], [2], "names frame 2 twice"),
    ([1, 1], [2], "names frame 1 twice"),
    ([], [2], "'trainNdxs' is"),
])
def test_splits_that_do_not_fit_are_refused(copy: Path, train: list[int], test: list[int],
                                            message: str) -> None:
    write_splits(copy, train, test)
    refused(copy, message, SPLITS)


@pytest.mark.parametrize(("forty", "message"), [
    (np.arange(893) % 40 + 1, "893 from 1 to 40"),
    (np.arange(894) % 41 + 1, "894 from 1 to 41"),
    (np.arange(894) % 40, "894 from 0 to 39"),
    (np.arange(894) % 40 + 1.0, r"'mapClass' is float64\[1, 894\]"),
])
def test_a_mapping_that_does_not_fit_is_refused(copy: Path, forty: Any, message: str) -> None:
    write_mapping(copy, forty)
    refused(copy, message, MAPPING)


def test_without_h5py_it_says_what_to_install(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    refused(copy, r"needs the package h5py: pip install 'lhlbench\[nyuv2\]'", MAT)


def test_a_frame_of_unlabelled_pixels_only(copy: Path) -> None:
    replace(copy, "labels", np.zeros_like)
    with pytest.raises(DataError, match="task 'semantic': not one pixel of the 1 train"):
        prepare(nyuv2, nyuv2.Config(size=(24, 32)), copy, copy, workers=1)
