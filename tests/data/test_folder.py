"""Folders of a user's own: the real photographs of tabletop, every encoding, every split."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmark.cli.app import invoke
from benchmark.config import yaml_file
from benchmark.config.family import Family
from benchmark.config.shipped import shipped
from benchmark.data.formats.matching import EvalRule
from benchmark.data.sources import folder
from benchmark.data.sources.source import DataPaths
from benchmark.data.store.files import Store
from benchmark.tasks import VOID

SEQUENCES = shipped("sequences")
PHOTOS = SEQUENCES / "tabletop"


@pytest.fixture(scope="module")
def tabletop(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The four photographs in their own size, 360 x 640."""
    block = yaml_file.parse(Family, SEQUENCES / "tabletop.yaml").dataset
    config = folder.Config.model_validate(block | {"size": None})
    return folder.open_store(config, DataPaths(tmp_path_factory.mktemp("cache"), family=SEQUENCES))


def stored(store: Store, kind: str) -> list[NDArray[Any]]:
    """The untouched PNG values of `kind` in the order of the store's images: train, then eval."""
    stems = store.manifest.source["stems"]
    files = [PHOTOS / kind / f"{stem}.png" for stem in stems["train"] + stems["eval"]]
    return [np.asarray(Image.open(file)).astype(np.int64) for file in files]


def targets(store: Store, task: str) -> list[NDArray[Any]]:
    return [*store.array("train", task), *store.array("eval", task)]


def test_tabletop_counts_and_sizes(tabletop: Store) -> None:
    assert (tabletop.count("train"), tabletop.count("eval")) == (3, 1)
    assert all(tabletop.array(split, "image").shape[-2:] == (360, 640)
               for split in ("train", "eval"))
    assert tabletop.manifest.notes == ()
    photo = np.asarray(Image.open(PHOTOS / "rgb" / "0153.jpg"))
    np.testing.assert_array_equal(tabletop.array("eval", "image")[0], photo.transpose(2, 0, 1))


def test_tabletop_masks_are_classes(tabletop: Store) -> None:
    for mask, png in zip(targets(tabletop, "mask"), stored(tabletop, "mask"), strict=True):
        assert set(np.unique(png)) == {0, 255}
        np.testing.assert_array_equal(mask, png == 255)


def test_tabletop_depth_is_metres_and_holes_are_invalid(tabletop: Store) -> None:
    for depth, png in zip(targets(tabletop, "depth"), stored(tabletop, "depth"), strict=True):
        np.testing.assert_array_equal(np.isnan(depth[0]), png == 0)
        np.testing.assert_allclose(depth[0][png > 0], png[png > 0] / 1000, rtol=1e-6)
        assert np.nanmin(depth) > 0.3 and np.nanmax(depth) < 2.0
    holes = np.isnan(tabletop.array("eval", "depth")).mean()
    assert holes == pytest.approx(0.471, abs=0.001)


def test_tabletop_normals_are_unit_vectors_of_our_frame(tabletop: Store) -> None:
    rows, columns = np.mgrid[:360, :640]
    rays = np.stack([(columns - 319.5) / 460, (rows - 179.5) / 460, np.ones_like(rows)])
    pairs = zip(targets(tabletop, "normal"), stored(tabletop, "normal"), strict=True)
    for normal, png in pairs:
        valid = png.any(axis=-1)
        length = np.linalg.norm(normal, axis=0)
        np.testing.assert_allclose(length[valid], 1, atol=1e-3)
        assert not normal[:, ~valid].any()
        expected = (png[valid] / 127.5 - 1) * [1, -1, -1]
        np.testing.assert_allclose(normal[:, valid].T, expected, atol=0.01)
        facing = (normal * rays).sum(axis=0)[valid] < 0
        assert facing.mean() > 0.9999, "what a camera sees faces it"


def normals_from_depth(depth: NDArray[Any], focal: float = 460.0, step: int = 4,
                       ) -> tuple[NDArray[Any], NDArray[Any]]:
    """Normals [3, h, w] by central differences, and where no hole or depth edge spoils them."""
    height, width = depth.shape
    rows, columns = np.mgrid[:height, :width]
    points = np.stack([(columns - (width - 1) / 2) * depth / focal,
                       (rows - (height - 1) / 2) * depth / focal, depth])
    right = points[:, step:-step, 2 * step:] - points[:, step:-step, :-2 * step]
    down = points[:, 2 * step:, step:-step] - points[:, :-2 * step, step:-step]
    normal = np.cross(down, right, axis=0)  # of this order, so that it faces the camera
    smooth = (abs(right[2]) < 0.03) & (abs(down[2]) < 0.03)  # NaN is not smooth
    return normal / np.linalg.norm(normal, axis=0), smooth


def test_tabletop_normals_agree_with_depth_in_this_frame_and_no_other(tabletop: Store) -> None:
    agreement: dict[tuple[Any, Any], list[NDArray[Any]]] = {}
    pairs = zip(targets(tabletop, "depth"), targets(tabletop, "normal"), strict=True)
    for depth, normal in pairs:
        expected, smooth = normals_from_depth(depth[0].astype(np.float64))
        inner = normal[:, 4:-4, 4:-4]
        smooth &= inner.any(axis=0)
        for order in itertools.permutations(range(3)):
            products = inner[list(order)][:, smooth] * expected[:, smooth]
            for signs in itertools.product((1, -1), repeat=3):
                agreement.setdefault((order, signs), []).append(np.asarray(signs) @ products)
    ours = agreement.pop(((0, 1, 2), (1, 1, 1)))
    assert min(cosine.mean() for cosine in ours) > 0.97
    assert min((cosine > np.cos(np.radians(30))).mean() for cosine in ours) > 0.97
    assert max(np.mean([cosine.mean() for cosine in other]) for other in agreement.values()) < 0.75


def test_tabletop_as_shipped_is_half_that_size(tabletop: Store, tmp_path: Path) -> None:
    block = yaml_file.parse(Family, SEQUENCES / "tabletop.yaml").dataset
    half = folder.open_store(folder.Config.model_validate(block),
                             DataPaths(tmp_path, family=SEQUENCES))
    assert half.array("train", "image").shape[-2:] == (180, 320)
    for task in half.tasks:  # nearest: each value left is one of the file's
        for small, full in zip(targets(half, task), targets(tabletop, task), strict=True):
            np.testing.assert_array_equal(small, full[..., 1::2, 1::2])
    full_mean = tabletop.array("train", "image").mean()
    assert half.array("train", "image").mean() == pytest.approx(full_mean, abs=0.2)


def of_each(small: Any, name: str, values: NDArray[Any]) -> None:
    for stem in "abcd":
        if name.endswith(".npy"):
            small.npy(name.replace("*", stem), values)
        else:
            small.png(name.replace("*", stem), values)


def test_images_and_plain_indices(small: Any) -> None:
    store = small.open()
    assert store.manifest.source["stems"] == {"train": ["a", "b", "c"], "eval": ["d"]}
    np.testing.assert_array_equal(store.array("eval", "image")[0],
                                  small.images["d"].transpose(2, 0, 1))
    np.testing.assert_array_equal(store.array("train", "mask")[1], small.masks["b"])


@pytest.mark.parametrize("mode", ["L", "P", "LA", "1"])
def test_images_of_other_modes_become_rgb(small: Any, mode: str) -> None:
    path = small.png("rgb/d.png", small.images["d"], mode)
    expected = np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1)
    np.testing.assert_array_equal(small.open().array("eval", "image")[0], expected)


def test_palette_png_gives_its_indices(small: Any) -> None:
    image = Image.fromarray(small.masks["d"], "L").convert("P")
    image.putdata(small.masks["d"].flatten().tolist())
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.save(small.root / "mask" / "d.png")
    np.testing.assert_array_equal(small.open().array("eval", "mask")[0], small.masks["d"])


@pytest.mark.parametrize(("name", "dtype"), [("m/*.png", np.uint8), ("m/*.npy", np.int64)])
def test_values_map_to_classes_and_void(small: Any, name: str, dtype: Any) -> None:
    values = np.tile(np.array([7, 200, 9], dtype), (4, 2))
    of_each(small, name, values)
    encoding = {"files": name, "encoding": "npy" if name.endswith("npy") else "index"}
    store = small.open({
        "semantic": {"kind": "segmentation", "classes": ["road", "sky"], "values": {7: 1, 200: 0},
                     "void": 9, **encoding},
        "edge": {"kind": "binary", "values": {7: 0, 9: 0, 200: 1}, **encoding}})
    np.testing.assert_array_equal(store.array("train", "semantic")[0, 0], [1, 0, VOID] * 2)
    np.testing.assert_array_equal(store.array("train", "edge")[0, 0], [0, 1, 0] * 2)
    assert (store.tasks["semantic"].classes, store.tasks["edge"].channels) == (("road", "sky"), 1)


def test_negative_void_and_booleans_in_npy(small: Any) -> None:
    of_each(small, "m/*.npy", np.tile(np.array([0, 2, -1]), (4, 2)))
    of_each(small, "e/*.npy", np.tile([True, False], (4, 3)))
    store = small.open({
        "m": {"kind": "segmentation", "classes": 3, "void": [-1, 255], "files": "m/*.npy",
              "encoding": "npy"},
        "e": {"kind": "binary", "files": "e/*.npy", "encoding": "npy"}})
    np.testing.assert_array_equal(store.array("eval", "m")[0, 0], [0, 2, VOID] * 2)
    np.testing.assert_array_equal(store.array("eval", "e")[0, 0], [1, 0] * 3)


def test_png_maps_scale_and_lose_invalid_values(small: Any) -> None:
    of_each(small, "d16/*.png", np.tile(np.array([0, 1000, 65535], np.uint16), (4, 2)))
    of_each(small, "d8/*.png", np.tile(np.array([0, 100, 255], np.uint8), (4, 2)))
    of_each(small, "c/*.png", np.full((4, 6, 3), (10, 20, 30), np.uint8))
    store = small.open({
        "far": {"kind": "regression", "files": "d16/*.png", "encoding": "png16", "scale": 0.01,
                "offset": 1, "invalid": [0, 65535], "quantity": "depth", "unit": "m"},
        "near": {"kind": "regression", "files": "d8/*.png", "encoding": "png8", "scale": 0.5},
        "three": {"kind": "regression", "files": "c/*.png", "encoding": "png8", "channels": 3}})
    np.testing.assert_allclose(store.array("eval", "far")[0, 0, 0], [np.nan, 11, np.nan] * 2)
    np.testing.assert_allclose(store.array("eval", "near")[0, 0, 0], [0, 50, 127.5] * 2)
    np.testing.assert_array_equal(store.array("eval", "three")[0, :, 3, 5], [10, 20, 30])
    assert (store.tasks["far"].encoding, store.tasks["far"].unit) == ("depth", "m")


@pytest.mark.parametrize("first", [False, True])
def test_npy_maps_have_their_channels_last_or_first(small: Any, first: bool) -> None:
    values = np.arange(2 * 4 * 6, dtype=np.float32).reshape(2, 4, 6)
    values[0, 0, 0], values[1, 0, 1] = np.inf, -9999
    of_each(small, "k/*.npy", values if first else values.transpose(1, 2, 0))
    of_each(small, "n/*.npy", np.tile(np.array([0, 3, 4.0]), (4, 6, 1)) / 4)
    store = small.open({
        "k": {"kind": "regression", "files": "k/*.npy", "encoding": "npy", "channels": 2,
              "channels_first": first, "invalid": -9999},
        "n": {"kind": "direction", "files": "n/*.npy", "encoding": "npy", "axes": [1, -1, -1]}})
    values[0, 0, 0] = values[1, 0, 1] = np.nan
    np.testing.assert_array_equal(store.array("eval", "k")[0], values)
    np.testing.assert_allclose(store.array("eval", "n")[0, :, 0, 0], [0, -0.6, -0.8], atol=5e-4)


def test_normals_that_face_away_get_a_note(small: Any) -> None:
    of_each(small, "n/*.npy", np.tile(np.array([0.0, 0, 1]), (4, 6, 1)))
    files = {"kind": "direction", "files": "n/*.npy", "encoding": "npy"}
    assert "set axes" in small.open({"n": files}).manifest.notes[0]
    assert not small.open({"n": files | {"axes": [1, 1, -1]}}).manifest.notes


def test_images_of_many_sizes_are_resized(small: Any) -> None:
    small.png("rgb/d.png", np.full((9, 7, 3), 80, np.uint8))
    small.png("mask/d.png", np.repeat(np.arange(9, dtype=np.uint8) // 3, 7).reshape(9, 7))
    store = small.open(size=[3, 5])
    assert store.array("eval", "image").shape[-2:] == (3, 5)
    assert (store.array("eval", "image") == 80).all()
    np.testing.assert_array_equal(store.array("eval", "mask")[0], [[0] * 5, [1] * 5, [2] * 5])


def test_stems_ignore_what_the_pattern_spells_out(small: Any) -> None:
    for stem in "abcd":
        (small.root / "rgb" / f"{stem}.png").rename(small.root / f"{stem}_left.png")
        (small.root / "mask" / f"{stem}.png").rename(small.root / f"gt_{stem}_labels.png")
    (small.root / "._a_left.png").write_bytes(b"what some systems leave beside a file")
    small.png("gt_z_labels.png", small.masks["a"])
    files = {"kind": "segmentation", "files": "gt_*_labels.png", "encoding": "index", "classes": 3}
    store = small.open({"mask": files}, images="*_left.png")
    assert store.manifest.source["stems"]["train"] == ["a", "b", "c"]
    assert "1 label files without an image" in store.manifest.notes[0]


@pytest.mark.parametrize(("split", "chosen"), [
    ({"eval": ["c", "a"]}, ["a", "c"]), ({"eval_pattern": "[bc]"}, ["b", "c"])])
def test_split_by_list_and_by_pattern(small: Any, split: Any, chosen: list[str]) -> None:
    assert small.open(split=split).manifest.source["stems"]["eval"] == chosen


def test_split_by_share_depends_on_seed_and_names_alone() -> None:
    stems = [f"{k:04}" for k in range(50)]
    rule = EvalRule(eval_share=0.2, seed=3)
    assert len(rule.choose(stems)) == 10
    assert rule.choose(stems) == rule.choose(stems[::-1])
    assert rule.choose(stems) != EvalRule(eval_share=0.2, seed=4).choose(stems)
    assert sorted(rule.choose(stems))[:3] == ["0004", "0005", "0006"], "the same on every machine"


def test_root_below_the_data_root(small: Any) -> None:
    places = DataPaths(small.cache, data_root=small.root.parent, family=small.root)
    assert folder.open_store(small.config(), places).count("train") == 3


def test_fingerprint_is_of_the_content_alone(small: Any, tmp_path: Path) -> None:
    here = small.open()
    shutil.copytree(small.root, tmp_path / "elsewhere" / "other_name")
    there = folder.open_store(small.config(root=str(tmp_path / "elsewhere" / "other_name")),
                              DataPaths(tmp_path / "elsewhere" / "cache"))
    assert here.fingerprint == there.fingerprint
    assert here.manifest == there.manifest
    assert str(tmp_path) not in (there.folder / "manifest.json").read_text()


def test_an_edited_file_is_read_again(small: Any) -> None:
    before = small.open()
    assert small.open().folder == before.folder
    small.png("mask/d.png", 2 - small.masks["d"])
    after = small.open()
    assert after.fingerprint != before.fingerprint
    np.testing.assert_array_equal(after.array("eval", "mask")[0], 2 - small.masks["d"])


def test_import_is_light() -> None:
    code = "import sys, benchmark.data.sources.folder; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=SEQUENCES.parent)


def test_a_run_on_tabletop_is_valid(tmp_path: Path) -> None:
    settings = ("dataset.size=[45,80]", "recipe.epochs=1", "recipe.crops_per_image=2",
                "recipe.crop=[24,32]")
    words = ["run", "--method", "finetune", "--sequence", "tabletop_s1", "--device", "cpu",
             "--runs", str(tmp_path), *(word for each in settings for word in ("--set", each))]
    assert invoke(words) == 0
    assert invoke(["validate", str(tmp_path)]) == 0


def test_options_at_their_defaults_are_not_given(small: Any) -> None:
    files = small.config().tasks["mask"]
    assert small.config({"mask": files.model_dump()}).tasks["mask"] == files
