"""Cityscapes: ids through both class maps, disparities in both conventions, all three layouts."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmark.data.sources import cityscapes
from benchmark.data.sources.prepared import open_prepared, prepare
from benchmark.data.sources.source import DataPaths
from benchmark.data.store.files import Store
from benchmark.tasks import VOID
from tests.helpers.make_cityscapes import (
    FRAMES,
    NINETEEN,
    SEVEN,
    SIZE,
    arrays,
    file,
    pixels,
    write_hub,
    write_mtan,
    write_official,
    write_png,
)

TASKS = ("semantic", "semantic19", "depth")
EVAL = (("lindau", "000000_000019"), ("munster", "000002_000019"))
FIRST = ("train", "aachen", "000001_000019")


def made(copy: Path, root: Path, **options: Any) -> Store:
    config = cityscapes.Config(**({"size": SIZE} | options))
    return prepare(cityscapes, config, copy, root, workers=2)[0]


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("official")
    write_official(copy)
    write_png(copy / "leftImg8bit" / "test" / "berlin" / "berlin_000000_000019_leftImg8bit.png",
              np.zeros((*SIZE, 3), np.uint8))
    return copy


@pytest.fixture(scope="module")
def store(official: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    return made(official, tmp_path_factory.mktemp("stores"))


def test_splits_and_order(store: Store) -> None:
    assert store.manifest.files["train/image"] == (
        "leftImg8bit/train/aachen/aachen_000001_000019_leftImg8bit.png",
        "leftImg8bit/train/bochum/bochum_000000_000313_leftImg8bit.png",
        "leftImg8bit/train/bochum/bochum_000000_000600_leftImg8bit.png")
    assert store.manifest.files["eval/image"] == (
        "leftImg8bit/val/lindau/lindau_000000_000019_leftImg8bit.png",
        "leftImg8bit/val/munster/munster_000002_000019_leftImg8bit.png")
    assert (store.manifest.notes, store.manifest.marks) == ((), {})


def test_tasks(store: Store) -> None:
    assert tuple(store.tasks) == TASKS == cityscapes.task_names(cityscapes.Config())
    assert store.tasks["semantic"].classes == (
        "flat", "construction", "object", "nature", "sky", "human", "vehicle")
    assert store.tasks["semantic19"].classes == (
        "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign",
        "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train",
        "motorcycle", "bicycle")
    assert (store.tasks["depth"].encoding, store.tasks["depth"].unit) == ("inverse_depth", "")


@pytest.mark.parametrize("row", [0, 1])
def test_every_number_of_an_image(store: Store, row: int) -> None:
    image, ids, raw = (pixels(kind, *EVAL[row]) for kind in ("leftImg8bit", "gtFine", "disparity"))
    np.testing.assert_array_equal(store.array("eval", "image")[row], image.transpose(2, 0, 1))
    for y, x in np.ndindex(SIZE):
        assert store.values("eval", "semantic")[row, y, x] == SEVEN[ids[y, x]]
        assert store.values("eval", "semantic19")[row, y, x] == NINETEEN[ids[y, x]]
        assert store.array("eval", "depth")[row, 0, y, x] == raw[y, x]
        expected = int(raw[y, x]) / 65535 if raw[y, x] else math.nan
        np.testing.assert_allclose(store.values("eval", "depth")[row, 0, y, x], expected, rtol=1e-6)


def test_all_ids_in_both_class_maps(tmp_path: Path) -> None:
    write_official(tmp_path)
    ids = np.array([*range(34), 255] + [0] * 37, np.uint8).reshape(SIZE)
    write_png(file(tmp_path, "gtFine", *FIRST), ids)
    store = made(tmp_path, tmp_path)
    np.testing.assert_array_equal(store.values("train", "semantic")[0].reshape(-1)[:35],
                                  [*SEVEN, VOID])
    np.testing.assert_array_equal(store.values("train", "semantic19")[0].reshape(-1)[:35],
                                  [*NINETEEN, VOID])


def test_disparities_in_both_conventions(tmp_path: Path) -> None:
    write_official(tmp_path, ("leftImg8bit", "disparity"))
    raw = np.zeros(SIZE, np.uint16)
    raw[0, :7] = 0, 1, 2, 257, 32257, 65534, 65535
    write_png(file(tmp_path, "disparity", *FIRST), raw)
    mtan, pixel = (made(tmp_path, tmp_path, disparity=name) for name in ("mtan", "official"))
    assert (mtan.tasks["depth"].unit, pixel.tasks["depth"].unit) == ("", "px")
    for store, expected in (
            (mtan, [math.nan, 1 / 65535, 2 / 65535, 257 / 65535, 32257 / 65535, 65534 / 65535, 1]),
            (pixel, [math.nan, 0, 1 / 256, 1, 126, 65533 / 256, 65534 / 256])):
        np.testing.assert_allclose(store.values("train", "depth")[0, 0, 0, :7], expected, rtol=1e-6)
        np.testing.assert_array_equal(store.array("train", "depth")[0, 0], raw)
        assert np.isnan(store.values("train", "depth")[0, 0, 1:]).all()
    assert mtan.fingerprint != pixel.fingerprint and mtan.folder != pixel.folder


@pytest.mark.parametrize("disparity", ["mtan", "official"])
def test_every_disparity_is_its_own_code(disparity: Any, tmp_path: Path) -> None:
    write_official(tmp_path, ("leftImg8bit", "disparity"), (256, 256))
    raw = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    write_png(file(tmp_path, "disparity", *FIRST), raw)
    store = made(tmp_path, tmp_path, size=(256, 256), disparity=disparity)
    np.testing.assert_array_equal(store.array("train", "depth")[0, 0], raw)


def test_resized_by_factors_that_are_not_whole(official: Path, tmp_path: Path) -> None:
    store = made(official, tmp_path, size=(4, 5))
    ids, raw = (pixels(kind, *EVAL[1]) for kind in ("gtFine", "disparity"))
    for y, x in np.ndindex(4, 5):
        old = int((y + 0.5) * SIZE[0] / 4), int((x + 0.5) * SIZE[1] / 5)
        assert store.values("eval", "semantic")[1, y, x] == SEVEN[ids[old]]
        assert store.values("eval", "semantic19")[1, y, x] == NINETEEN[ids[old]]
        assert store.array("eval", "depth")[1, 0, y, x] == raw[old]
    pixel = Image.fromarray(pixels("leftImg8bit", *EVAL[1])).resize(
        (5, 4), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(store.array("eval", "image")[1],
                                  np.asarray(pixel).transpose(2, 0, 1))


def test_images_are_averaged_over_the_area(tmp_path: Path) -> None:
    write_official(tmp_path, size=(40, 80))
    stripes = np.zeros((40, 80, 3), np.uint8)
    stripes[:, ::2] = 200
    write_png(file(tmp_path, "leftImg8bit", *FIRST), stripes)
    image = made(tmp_path, tmp_path, size=(4, 8)).array("train", "image")[0]
    assert abs(image.astype(int) - 100).max() <= 4  # at the borders


@pytest.mark.parametrize(("kinds", "tasks"), [
    (("leftImg8bit", "gtFine"), ("semantic", "semantic19")),
    (("leftImg8bit", "disparity"), ("depth",))])
def test_only_the_tasks_whose_files_are_there(kinds: Any, tasks: Any, tmp_path: Path) -> None:
    write_official(tmp_path, kinds)
    assert tuple(made(tmp_path, tmp_path).tasks) == tasks


def test_labels_without_an_image_are_not_used(official: Path, tmp_path: Path) -> None:
    shutil.copytree(official, tmp_path / "copy")
    file(tmp_path / "copy", "leftImg8bit", "train", "bochum", "000000_000313").unlink()
    store = made(tmp_path / "copy", tmp_path)
    assert store.count("train") == 2
    assert len(store.manifest.notes) == 2
    assert "gtFine: 1 train label files" in store.manifest.notes[0]
    assert "the first is of bochum_000000_000313" in store.manifest.notes[0]
    np.testing.assert_array_equal(store.array("train", "depth")[1, 0],
                                  pixels("disparity", "bochum", "000000_000600"))


@pytest.mark.parametrize("disparity", ["mtan", "official"])
def test_all_layouts_hold_the_same(official: Path, disparity: Any, tmp_path: Path) -> None:
    write_mtan(tmp_path / "mtan")
    write_hub(tmp_path / "hub")
    stores = [made(copy, tmp_path / f"store {copy.name}", disparity=disparity)
              for copy in (official, tmp_path / "mtan", tmp_path / "hub")]
    for store in stores[1:]:
        for split in ("train", "eval"):
            for modality in ("image", *TASKS):
                np.testing.assert_array_equal(store.array(split, modality),
                                              stores[0].array(split, modality))
        assert store.fingerprint == stores[0].fingerprint
    assert np.nanmax(stores[1].values("train", "depth")) > (100 if disparity == "official" else 0.3)


def test_the_folder_that_libmtl_wants_renamed(tmp_path: Path) -> None:
    write_mtan(tmp_path)
    for part in FRAMES:
        (tmp_path / part / "label_7").rename(tmp_path / part / "label")
        shutil.rmtree(tmp_path / part / "label_19")
    store = made(tmp_path, tmp_path)
    assert tuple(store.tasks) == ("semantic", "depth")
    expected = np.array(arrays("val")["label_7"])
    np.testing.assert_array_equal(store.values("eval", "semantic"),
                                  np.where(expected == -1, VOID, expected))


def test_below_a_data_root(official: Path, tmp_path: Path) -> None:
    shutil.copytree(official, tmp_path / "data" / "Cityscapes")
    config, places = cityscapes.Config(size=SIZE), DataPaths(tmp_path / "cache", tmp_path / "data")
    store = open_prepared(cityscapes, config, places)
    assert cityscapes.open_store(config, places).folder == store.folder
    np.testing.assert_array_equal(store.array("eval", "depth")[0, 0], pixels("disparity", *EVAL[0]))
