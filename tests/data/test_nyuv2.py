"""NYUv2 from its MATLAB files: which frame, which pixel, which class, which metre."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from benchmark.data.sources import nyuv2
from benchmark.data.sources.prepared import prepare
from benchmark.data.sources.source import DataPaths
from benchmark.data.store.files import Store
from benchmark.tasks import VOID
from tests.helpers.make_nyuv2 import LABELS, TEST, TRAIN, Official, write_official

NAMES_13 = ["bed", "books", "ceiling", "chair", "floor", "furniture", "objects", "picture", "sofa",
            "table", "tv", "wall", "window"]
THIRTEEN = {"wall": "wall", "floor": "floor", "cabinet": "furniture", "bed": "bed",
            "chair": "chair", "sofa": "sofa", "table": "table", "door": "wall",
            "window": "window", "bookshelf": "furniture", "picture": "picture",
            "counter": "furniture", "blinds": "window", "desk": "table", "shelves": "furniture",
            "curtain": "window", "dresser": "furniture", "pillow": "objects",
            "mirror": "objects", "floor mat": "floor", "clothes": "objects",
            "ceiling": "ceiling", "books": "books", "refridgerator": "furniture",
            "television": "tv", "paper": "objects", "towel": "objects",
            "shower curtain": "objects", "box": "objects", "whiteboard": "objects",
            "person": "objects", "night stand": "furniture", "toilet": "objects",
            "sink": "objects", "lamp": "objects", "bathtub": "objects", "bag": "objects",
            "otherstructure": "objects", "otherfurniture": "furniture", "otherprop": "objects"}
"""The 13 class of each of the 40, in their order."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Official]:
    root = tmp_path_factory.mktemp("nyu")
    return root, write_official(root)


@pytest.fixture(scope="module")
def store(copy: tuple[Path, Official]) -> Store:
    """As everybody gets it: 288 x 384, 13 classes, normals from depth."""
    return prepare(nyuv2, nyuv2.Config(), copy[0], copy[0], workers=1)[0]


@pytest.fixture(scope="module")
def whole(copy: tuple[Path, Official]) -> Store:
    """Every pixel, 40 classes."""
    config = nyuv2.Config(size=(480, 640), crop="none", classes=40)
    return prepare(nyuv2, config, copy[0], copy[0], workers=1)[0]


def nearest(row: int, column: int) -> tuple[int, int]:
    """The frame's pixel that a pixel of 288 x 384 is taken from."""
    return 53 + int((row + 0.5) * 414 / 288), 44 + int((column + 0.5) * 552 / 384)


def test_splits_are_the_index_lists_and_count_from_one(whole: Store, store: Store) -> None:
    for found in (whole, store):
        assert (found.count("train"), found.count("eval")) == (2, 1)
        assert found.manifest.files["train/image"] == tuple(
            f"nyu_depth_v2_labeled.mat[{index}]" for index in TRAIN)
        assert found.manifest.files["eval/image"][0] == "nyu_depth_v2_labeled.mat[3]"


def test_every_pixel_is_where_it_was(copy: tuple[Path, Official], whole: Store) -> None:
    made = copy[1]
    for split, indices in (("train", TRAIN), ("eval", TEST)):
        for row, index in enumerate(indices):
            np.testing.assert_array_equal(whole.values(split, "image")[row],
                                          made.images[index].transpose(2, 0, 1))
            np.testing.assert_allclose(whole.values(split, "depth")[row, 0], made.depths[index],
                                       atol=0.000101)
            label = whole.values(split, "semantic")[row]
            for y, x in ((0, 0), (17, 601), (479, 0), (0, 639), (300, 123), (479, 639)):
                stored = int(made.labels[index, y, x])
                assert label[y, x] == (VOID if stored == 0 else (stored - 1) % 40)
    assert {VOID, *((label - 1) % 40 for label in LABELS if label)} == set(
        np.unique(whole.values("train", "semantic")).tolist())


def test_forty_become_thirteen(copy: tuple[Path, Official], store: Store) -> None:
    made = copy[1]
    assert list(store.tasks["semantic"].classes) == NAMES_13
    found = store.values("eval", "semantic")[0]
    seen = set()
    for y in range(0, 288, 7):
        for x in range(0, 384, 11):
            stored = int(made.labels[3][nearest(y, x)])
            name = list(THIRTEEN)[made.forty[stored - 1] - 1] if stored else None
            assert found[y, x] == (NAMES_13.index(THIRTEEN[name]) if name else VOID)
            seen.add(stored)
    assert seen == set(LABELS)


def test_all_forty_classes(tmp_path: Path) -> None:
    """Every label has a column of its own, one after the other."""
    made = write_official(tmp_path, frames=2, train=(0,), test=(1,))
    with h5py.File(tmp_path / "nyu_depth_v2_labeled.mat", "a") as file:
        ids = np.minimum(np.arange(640), 40).astype(np.uint16)
        file["labels"][...] = np.broadcast_to(ids[:, None], (2, 640, 480))
    assert made.forty[:40].tolist() == list(range(1, 41))
    for classes, expected in (
            (40, [VOID, *range(40)]),
            (13, [VOID, *(NAMES_13.index(name) for name in THIRTEEN.values())])):
        config = nyuv2.Config(size=(480, 640), crop="none", classes=classes)
        found = prepare(nyuv2, config, tmp_path, tmp_path, workers=1)[0]
        assert found.values("train", "semantic")[0, 123, :41].tolist() == expected
    assert list(found.tasks["semantic"].classes) == NAMES_13
    assert list(THIRTEEN) == list(nyuv2.tasks.NAMES[40])


def test_the_border_is_cut_and_the_rest_scaled_alike(copy: tuple[Path, Official],
                                                     store: Store) -> None:
    made = copy[1]
    depth = store.values("train", "depth")[0, 0]
    assert store.array("train", "image").shape == (2, 3, 288, 384)
    for y, x in ((0, 0), (0, 383), (287, 0), (287, 383), (100, 77)):
        row, column = nearest(y, x)
        assert depth[y, x] == pytest.approx(made.depths[1, row, column], abs=0.000101)
    cut = Image.fromarray(made.images[1, 53:467, 44:596])
    expected = np.asarray(cut.resize((384, 288), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    np.testing.assert_array_equal(store.values("train", "image")[0], expected)
    assert store.manifest.source["window"] == [53, 467, 44, 596]


def test_normals_are_computed_and_marked(copy: tuple[Path, Official], store: Store,
                                         whole: Store) -> None:
    for found in (store, whole):
        assert found.manifest.marks == {"normals": "computed from depth"}
        assert found.manifest.notes == ()
        for split, indices in (("train", TRAIN), ("eval", TEST)):
            for row, index in enumerate(indices):
                normal = found.values(split, "normal")[row].astype(np.float64)
                cross = np.cross(normal, copy[1].facing[index][:, None, None], axis=0)
                assert np.degrees(np.arcsin(np.linalg.norm(cross, axis=0))).max() < 0.1
                assert (normal[2] < 0).all()


def test_depths_that_are_no_measurement_are_invalid(tmp_path: Path) -> None:
    write_official(tmp_path, frames=2, train=(0,), test=(1,))
    with h5py.File(tmp_path / "nyu_depth_v2_labeled.mat", "a") as file:
        file["depths"][0, 7, 5:9] = [0, -1, np.nan, np.inf]  # column 7, rows 5 to 8
    config = nyuv2.Config(size=(480, 640), crop="none")
    found = prepare(nyuv2, config, tmp_path, tmp_path, workers=1)[0]
    invalid = np.isnan(found.values("train", "depth")[0, 0])
    assert np.argwhere(invalid).tolist() == [[5, 7], [6, 7], [7, 7], [8, 7]]
    assert np.argwhere(~found.values("train", "normal")[0].any(axis=0)).tolist() == [
        [5, 7], [6, 7], [7, 7], [8, 7]]


def test_it_is_found_below_the_data_root_and_by_the_name_of_the_file(
        tmp_path: Path) -> None:
    folder = tmp_path / "nyu_depth_v2"
    write_official(folder, frames=2, train=(1,), test=(0,))
    config = nyuv2.Config(size=(24, 32))
    found = nyuv2.open_store(config, DataPaths(tmp_path / "cache", data_root=tmp_path))
    named = prepare(nyuv2, config, folder / "nyu_depth_v2_labeled.mat", tmp_path, workers=1)[0]
    assert found.fingerprint == named.fingerprint
    assert nyuv2.task_names(nyuv2.Config()) == tuple(found.tasks) == (
        "semantic", "depth", "normal")


def test_import_loads_no_torch_or_h5py() -> None:
    code = ("import sys; import benchmark.data.sources.nyuv2; "
            "print(sorted(set(sys.modules) & {'torch', 'h5py', 'pyarrow', 'scipy', "
            "'matplotlib', 'pandas', 'skimage'}))")
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                           check=True, cwd=Path(__file__).parents[2])
    assert found.stdout.strip() == "[]"


def test_opening_a_copy_reads_no_frame(copy: tuple[Path, Official]) -> None:
    start = time.process_time()
    reader = nyuv2.OFFICIAL.open(copy[0], nyuv2.Config())
    assert time.process_time() - start < 1
    reader.close()
