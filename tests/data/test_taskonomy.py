"""Taskonomy: every task's numbers, the mask, the order of images and the parts of the split."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.data.sources import taskonomy
from benchmark.data.sources.prepared import open_prepared, prepare
from benchmark.data.sources.source import DataPaths
from benchmark.data.sources.taskonomy.tasks import tasks_with
from benchmark.data.store.files import Store
from benchmark.tasks import VOID
from tests.helpers.make_taskonomy import TASKS, file, pixels, write_official, write_png

SIZE = (6, 8)
SOME = {"buildings": ("hanson", "ihlen"), "size": SIZE}
NAN = math.nan


def made(copy: Path, root: Path, **options: Any) -> Store:
    config = taskonomy.Config(**(SOME | options))
    return prepare(taskonomy, config, copy, root, workers=2)[0]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    place = tmp_path_factory.mktemp("taskonomy")
    write_official(place / "copy", size=SIZE)
    return made(place / "copy", place)


def eval_file(task: str) -> NDArray[Any]:
    """The stored numbers of the second evaluation image."""
    return pixels(task, "ihlen", 0, 1, SIZE)


def expected(task: str, row: int, column: int) -> list[float]:
    """The target at a pixel of the second evaluation image, worked out by hand."""
    stored = eval_file(task)[row, column].tolist()
    hole = eval_file("depth_zbuffer")[row, column] == 65535
    if task == "segment_semantic":
        return [VOID if stored == 0 else stored - 1]
    if task in ("keypoints2d", "edge_texture"):
        return [(stored - 50) / 100 if task == "keypoints2d" else (stored - 718) / 1070]
    if hole:
        return {"normal": [0.0] * 3, "principal_curvature": [NAN] * 2}.get(task, [NAN])
    if task == "normal":
        vector = [(value - 127.5) / 127.5 for value in stored]
        return [component / math.hypot(*vector) for component in vector]
    if task == "principal_curvature":
        return [(stored[0] / 255 - 0.5175) / 0.1373, (stored[1] / 255 - 0.4987) / 0.0359]
    if task == "reshading":
        return [(stored[0] / 255 - 0.4962) / 0.2846]
    return [{"edge_occlusion": (stored - 56.0248) / 239.1265,
             "keypoints3d": stored / 16384}.get(task, stored / 512)]


@pytest.mark.parametrize("task", TASKS)
def test_values(store: Store, task: str) -> None:
    values = store.values("eval", task)[1].reshape(-1, *SIZE)
    by_hand = np.array([[expected(task, row, column) for column in range(8)] for row in range(6)])
    by_hand = by_hand.transpose(2, 0, 1)
    assert values.shape == by_hand.shape
    assert not np.isfinite(by_hand).all() or task in ("segment_semantic", "normal", "keypoints2d",
                                                      "edge_texture")
    tolerance = {"normal": 5e-4, "principal_curvature": 2.5e-4}.get(task, 1e-6)
    np.testing.assert_allclose(values, by_hand, atol=tolerance, rtol=1e-6)


def test_the_twelve_classes_of_vtm(tmp_path: Path) -> None:
    """Its class numbers count from the background, the files' values from one more."""
    write_official(tmp_path / "copy", size=SIZE)
    found = made(tmp_path / "copy", tmp_path, classes="vtm")
    numbers = (2, 3, 4, 5, 6, 8, 9, 10, 12, 13, 15, 16)
    everything = tasks_with()["segment_semantic"].classes
    assert found.tasks["segment_semantic"].classes == tuple(everything[i] for i in numbers)
    assert sum(task.channels for task in found.tasks.values()) == 24
    stored = eval_file("segment_semantic").astype(int) - 1
    expected = [[numbers.index(number) if number in numbers else VOID for number in row]
                for row in stored.tolist()]
    assert found.array("eval", "segment_semantic")[1].tolist() == expected


def test_images_and_names(store: Store) -> None:
    image = store.array("eval", "image")[1]
    np.testing.assert_array_equal(image, eval_file("rgb").transpose(2, 0, 1))
    assert store.manifest.files["eval/image"] == (
        "rgb/ihlen/point_0_view_0_domain_rgb.png", "rgb/ihlen/point_0_view_1_domain_rgb.png")
    assert (store.manifest.marks, store.manifest.notes) == ({}, ())


def test_tasks_are_what_they_are_called(store: Store) -> None:
    assert tuple(store.tasks) == TASKS == taskonomy.task_names(taskonomy.Config())
    semantic = store.tasks["segment_semantic"]
    assert (semantic.channels, semantic.classes[0], semantic.classes[16]) == (
        17, "background", "vase")
    for name, task in store.tasks.items():
        depth = name.startswith("depth")
        assert (task.unit, task.encoding) == (("m", "depth") if depth else ("", "plain"))


@pytest.mark.parametrize("task", [name for name in TASKS
                                  if name not in ("segment_semantic", "normal")])
def test_codes_are_the_stored_numbers(store: Store, task: str) -> None:
    codes, codec = store.array("eval", task)[1], store.codec("eval", task)
    stored = eval_file(task).reshape(*SIZE, -1).transpose(2, 0, 1)[:len(codes)]
    assert codec is not None and codes.dtype == np.uint16
    if task == "principal_curvature":  # two channels, two scales, one code: fine steps
        mean = np.array([0.5175, 0.4987])[:, None, None] * 255
        deviation = np.array([0.1373, 0.0359])[:, None, None] * 255
        values = codec.decode(codes).astype(np.float64)
        codes = np.where(codes == 65535, 65535, np.rint(values * deviation + mean))
    known = codes != 65535
    np.testing.assert_array_equal(codes[known], stored[known])


def test_single_numbers(tmp_path: Path) -> None:
    write_official(tmp_path, tasks=("depth_euclidean", "keypoints2d", "edge_occlusion"))
    depth = np.array([[512, 65535, 1, 65534, 0, 513, 514, 515]] * 6, np.uint16)
    full = np.full((6, 8), 65535, np.uint16)
    write_png(file(tmp_path, "depth_euclidean", "hanson", 0, 0), depth)
    write_png(file(tmp_path, "keypoints2d", "hanson", 0, 0), full)
    write_png(file(tmp_path, "edge_occlusion", "hanson", 0, 0), full)
    store = made(tmp_path, tmp_path)
    np.testing.assert_array_equal(store.values("train", "depth_euclidean")[0, 0, 3], [
        1, NAN, 1 / 512, 65534 / 512, NAN, 513 / 512, 514 / 512, 515 / 512])
    np.testing.assert_allclose(store.values("train", "keypoints2d")[0], (65534 - 50) / 100)
    np.testing.assert_array_equal(store.array("train", "edge_occlusion")[0, 0, 0],
                                  [65534, 65535, 65534, 65534, 65535, 65534, 65534, 65534])


def test_normals_point_right_down_and_away(tmp_path: Path) -> None:
    write_official(tmp_path, tasks=("normal",))
    colours = np.full((6, 8, 3), 128, np.uint8)
    colours[0, :4] = (255, 128, 128), (128, 255, 128), (128, 128, 0), (0, 128, 127)
    write_png(file(tmp_path, "normal", "hanson", 0, 0), colours)
    normal = made(tmp_path, tmp_path).values("train", "normal")[0].astype(np.float64)
    by_hand = [[1, 0, 0], [0, 1, 0], [0, 0, -1], [-1, 0, 0]]
    np.testing.assert_allclose(normal[:, 0, :4].T, by_hand, atol=0.005)
    np.testing.assert_allclose(np.linalg.norm(normal[:, 0, :4], axis=0), 1, atol=1e-3)
    assert not normal[:, 1:].any() and not normal[:, 0, 4:].any()


def test_the_mask_is_zbuffer_then_euclidean_then_none(tmp_path: Path) -> None:
    tasks = ("normal", "reshading", "keypoints3d", "edge_texture")
    write_official(tmp_path, tasks=(*tasks, "depth_zbuffer", "depth_euclidean"))
    for name, hole in (("depth_zbuffer", (2, 3)), ("depth_euclidean", (4, 5))):
        depth = np.full(SIZE, 900, np.uint16)
        depth[hole] = 65535
        write_png(file(tmp_path, name, "hanson", 0, 0), depth)
    write_png(file(tmp_path, "normal", "hanson", 0, 0), np.full((*SIZE, 3), 250, np.uint8))
    found = []
    for name in ("both", "euclidean", "none"):
        store = made(tmp_path, tmp_path / name)
        invalid = np.isnan(store.values("train", "reshading")[0, 0])
        np.testing.assert_array_equal(invalid, np.isnan(store.values("train", "keypoints3d")[0, 0]))
        np.testing.assert_array_equal(invalid, ~store.values("train", "normal")[0].any(axis=0))
        assert not np.isnan(store.values("train", "edge_texture")).any()
        found.append(np.argwhere(invalid).tolist())
        for folder in tmp_path.glob("depth_*"):
            if name == "euclidean" or folder.name == "depth_zbuffer":
                folder.rename(tmp_path / f"no_{folder.name}")
    assert found == [[[2, 3]], [[4, 5]], []]
    assert store.manifest.marks == {"holes": "not masked"}
    assert "these are not masked there: normal, keypoints3d, reshading" in store.manifest.notes[0]


def test_files_are_resized_without_blending(tmp_path: Path) -> None:
    write_official(tmp_path, size=(12, 16), views=[(0, 0)])
    store = made(tmp_path, tmp_path)
    depth = pixels("depth_zbuffer", "hanson", 0, 0, (12, 16))[1::2, 1::2] / 512
    np.testing.assert_array_equal(store.values("train", "depth_zbuffer")[0, 0],
                                  np.where(depth > 127, NAN, depth))
    np.testing.assert_array_equal(np.isnan(store.values("train", "reshading")[0, 0]), depth > 127)
    semantic = pixels("segment_semantic", "hanson", 0, 0, (12, 16))[1::2, 1::2].astype(int)
    np.testing.assert_array_equal(store.values("train", "segment_semantic")[0],
                                  np.where(semantic == 0, VOID, semantic - 1))


def test_buildings_in_the_order_of_the_split_views_in_that_of_numbers(tmp_path: Path) -> None:
    views = ((2, 0), (10, 0), (2, 10), (2, 2), (0, 7))
    write_official(tmp_path, ("merom", "hanson", "ihlen"), views, tasks=("keypoints2d",))
    store = made(tmp_path, tmp_path, buildings=("ihlen", "merom", "hanson"))
    assert [name.removesuffix("_domain_rgb.png").removeprefix("rgb/")
            for name in store.manifest.files["train/image"]] == [
        f"{building}/point_{point}_view_{view}" for building in ("hanson", "merom")
        for point, view in ((0, 7), (2, 0), (2, 2), (2, 10), (10, 0))]
    np.testing.assert_array_equal(
        store.array("train", "image")[3],
        pixels("rgb", "hanson", 2, 10, SIZE).transpose(2, 0, 1))
    np.testing.assert_array_equal(store.array("train", "keypoints2d")[4, 0],
                                  pixels("keypoints2d", "hanson", 10, 0, SIZE))


@pytest.mark.parametrize("part", ["test", "val"])
def test_the_whole_tiny_split(tmp_path: Path, part: str) -> None:
    parts = {"train": TRAIN.split(), "val": VAL.split(), "test": TEST.split()}
    write_official(tmp_path, parts["train"] + parts[part], [(0, 0)], tasks=("keypoints2d",))
    store = made(tmp_path, tmp_path, buildings=(), eval=part)
    for split, buildings in (("train", parts["train"]), ("eval", parts[part])):
        assert store.manifest.files[f"{split}/image"] == tuple(
            f"rgb/{building}/point_0_view_0_domain_rgb.png" for building in buildings)


TRAIN = ("hanson merom klickitat onaga leonardo marstons newfields pinesdale lakeville cosmos "
         "benevolence pomaria tolstoy shelbyville allensville wainscott beechwood coffeen stockman "
         "hiteman woodbine lindenwood forkland mifflinburg ranchester")
VAL = "wiconisco corozal collierville markleeville darden"
TEST = "ihlen muleshoe uvalda noxapater mcdade"


@pytest.mark.parametrize(("name", "form"), [
    ("omnidata", "{task}/taskonomy/{building}"), ("buildings", "{building}/{task}")])
def test_other_layouts_hold_the_same(store: Store, tmp_path: Path, name: str, form: str) -> None:
    write_official(tmp_path / "Taskonomy", form=form, size=SIZE)
    other = open_prepared(taskonomy, taskonomy.Config(**SOME),
                          DataPaths(tmp_path / "cache", tmp_path))
    assert other.manifest.source["layout"] == name
    assert other.fingerprint == store.fingerprint


def test_skipped_and_damaged_images_are_left_out(tmp_path: Path) -> None:
    write_official(tmp_path, ("hanson", "newfields", "ihlen"), [(1070, 8), (0, 1)],
                   tasks=("keypoints2d",))
    damaged = file(tmp_path, "rgb", "newfields", 1070, 8)
    damaged.write_bytes(damaged.read_bytes()[:60])
    store = made(tmp_path, tmp_path, buildings=("ihlen", "hanson", "woodbine", "newfields"),
                 skip=("woodbine", "hanson/point_0_view_1"))
    assert store.manifest.files["train/image"] == (
        "rgb/hanson/point_1070_view_8_domain_rgb.png",
        "rgb/newfields/point_0_view_1_domain_rgb.png")
    assert store.manifest.source["left_out"] == ["hanson/point_0_view_1",
                                                 "newfields/point_1070_view_8"]
    assert "2 images are left out" in store.manifest.notes[0]


def test_images_without_some_label_are_left_out_with_missing_skip(tmp_path: Path) -> None:
    write_official(tmp_path, tasks=("keypoints2d", "normal"))
    file(tmp_path, "normal", "hanson", 0, 0).unlink()
    store = made(tmp_path, tmp_path, missing="skip")
    assert store.manifest.files["train/image"] == ("rgb/hanson/point_0_view_1_domain_rgb.png",)
    np.testing.assert_array_equal(store.array("train", "keypoints2d")[0, 0],
                                  pixels("keypoints2d", "hanson", 0, 1, SIZE))


def test_import_is_light() -> None:
    code = ("import sys, benchmark.data.sources.taskonomy; "
            "assert not {'torch', 'h5py', 'pyarrow', 'pandas', 'scipy'} & set(sys.modules)")
    subprocess.run([sys.executable, "-c", code], check=True,
                   cwd=Path(__file__).resolve().parents[2])
