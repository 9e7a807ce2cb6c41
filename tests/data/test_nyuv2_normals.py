"""Normals of NYUv2: given as Eigen's files, or computed from the depth."""

from __future__ import annotations

import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.data.sources import nyuv2
from benchmark.data.sources.nyuv2.geometry import (
    RGB_CAMERA,
    PinholeCamera,
    agreement,
    normals_from_depth,
)
from benchmark.data.sources.prepared import prepare
from benchmark.data.store.files import Store
from benchmark.errors import DataError
from tests.helpers.make_nyuv2 import (
    eigen_files,
    facing,
    write_folder,
    write_official,
    write_tgz,
    write_zip,
)

CAMERA = PinholeCamera(60.0, 62.0, 31.0, 20.5)
SHAPE = (48, 64)


def depth_of(normal: Any, distance: float, camera: PinholeCamera = CAMERA,
             shape: tuple[int, int] = SHAPE) -> NDArray[np.float64]:
    """Depth where each pixel's ray meets the plane normal . P = -distance."""
    depth = np.empty(shape)
    for row, column in np.ndindex(*shape):
        ray = [(column - camera.cx) / camera.fx, (row - camera.cy) / camera.fy, 1]
        depth[row, column] = -distance / np.dot(normal, ray)
    return depth


def degrees(found: NDArray[Any], normal: Any) -> NDArray[np.float64]:
    """Angles between unit vectors [3, H, W] and one or as many others."""
    other = np.asarray(normal, float).reshape(3, *np.shape(normal)[1:] or (1, 1))
    cross = np.linalg.norm(np.cross(found, other, axis=0), axis=0)
    return np.degrees(np.arctan2(cross, (found * other).sum(axis=0)))


@pytest.mark.parametrize("normal", [(0, 0, -1), (0.6, 0, -0.8), (-0.6, 0, -0.8), (0, -0.8, -0.6),
                                    (0.48, 0.6, -0.64)])
def test_planes_are_exact_up_to_the_border(normal: tuple[float, ...]) -> None:
    assert degrees(normals_from_depth(depth_of(normal, 2.0), CAMERA, 1), normal).max() < 0.1


def test_a_steep_floor_is_exact_in_full_size() -> None:
    floor = np.array([0.02, -0.98, -0.2])
    floor /= np.linalg.norm(floor)
    rows, columns = np.mgrid[300:480, :640]
    depth = np.zeros((480, 640))
    depth[300:] = -1.4 / (floor[0] * (columns - RGB_CAMERA.cx) / RGB_CAMERA.fx
                          + floor[1] * (rows - RGB_CAMERA.cy) / RGB_CAMERA.fy + floor[2])
    start = time.process_time()
    found = normals_from_depth(depth.astype(np.float32), RGB_CAMERA)
    assert time.process_time() - start < 1.5  # about 0.13 s
    assert degrees(found[:, 300:], floor).max() < 0.1
    assert not found[:, :300].any()


def test_a_sphere() -> None:
    camera = PinholeCamera(500.0, 500.0, 120.0, 110.0)
    rows, columns = np.mgrid[:220, :240]
    rays = np.stack([(columns - 120.0) / 500, (rows - 110.0) / 500, np.ones((220, 240))])
    centre, radius = np.array([0.02, -0.03, 3.0]), 0.5
    along = np.einsum("c,chw->hw", centre, rays)
    square = (rays ** 2).sum(axis=0)
    under = along ** 2 - square * (centre @ centre - radius ** 2)
    depth = np.where(under > 0, (along - np.sqrt(np.maximum(under, 0))) / square, np.nan)
    normal = (rays * depth - centre[:, None, None]) / radius
    found = normals_from_depth(depth, camera)
    inner = np.einsum("chw,chw->hw", normal, -rays / np.sqrt(square)) > 0.6
    assert inner.sum() > 5000
    assert degrees(found, normal)[inner].max() < 2
    assert not found[:, np.isnan(depth)].any()


@pytest.mark.parametrize("step", [1, 4])
def test_surfaces_do_not_blend_at_a_step(step: int) -> None:
    left, right = (0.6, 0, -0.8), (-0.3, -0.4, -np.sqrt(0.75))
    depth = np.where(np.arange(64) < 30, depth_of(left, 1.0), depth_of(right, 3.0))
    found = normals_from_depth(depth, CAMERA, step)
    assert degrees(found[:, :, :30], left).max() < 0.1
    assert degrees(found[:, :, 30:], right).max() < 0.1


def test_undetermined_normals_are_zero() -> None:
    depth = depth_of((0, -0.6, -0.8), 2.0)
    for value, column in ((0, 5), (-1, 6), (np.nan, 7), (np.inf, 8)):
        depth[9, column] = value
    found = normals_from_depth(depth, CAMERA, 1)
    assert not found[:, 9, 5:9].any()
    assert found.any(axis=0).sum() == depth.size - 4
    line = np.zeros(SHAPE)
    line[20] = 2.0  # one row of pixels lies in many planes
    assert not normals_from_depth(line, CAMERA, 1).any()
    few = np.zeros(SHAPE)
    few[20:22, 30:33] = 2.0  # five neighbours each
    assert not normals_from_depth(few, CAMERA, 1).any()
    few[22, 30] = 2.0
    assert normals_from_depth(few, CAMERA, 1).any(axis=0).sum() == 7


def test_a_mirrored_image_has_mirrored_normals() -> None:
    depth = np.random.default_rng(0).uniform(1.9, 2.0, SHAPE)
    mirrored = PinholeCamera(CAMERA.fx, CAMERA.fy, 63 - CAMERA.cx, CAMERA.cy)
    found = normals_from_depth(depth, CAMERA)
    other = normals_from_depth(depth[:, ::-1], mirrored)
    assert found.any(axis=0).all()
    np.testing.assert_allclose(other[:, :, ::-1] * [[[-1]], [[1]], [[1]]], found, atol=1e-5)


def test_normals_face_the_camera() -> None:
    depth = np.random.default_rng(1).uniform(1.0, 2.0, SHAPE)
    found = normals_from_depth(depth, CAMERA)
    rows, columns = np.mgrid[:48, :64]
    rays = np.stack([(columns - CAMERA.cx) / CAMERA.fx, (rows - CAMERA.cy) / CAMERA.fy,
                     np.ones(SHAPE)])
    length = np.linalg.norm(found, axis=0)
    np.testing.assert_allclose(length[length > 0], 1, atol=1e-6)
    assert ((found * rays).sum(axis=0)[length > 0] < 0).all()


def test_a_cut_and_resized_image_has_its_camera() -> None:
    """A pixel of the small image looks where the middle of its pixels looked."""
    small = RGB_CAMERA.cropped((53, 467, 44, 596), (138, 184))
    column, row = 44 + 3 * 30 + 1, 53 + 3 * 20 + 1
    assert (30 - small.cx) / small.fx == pytest.approx((column - RGB_CAMERA.cx) / RGB_CAMERA.fx)
    assert (20 - small.cy) / small.fy == pytest.approx((row - RGB_CAMERA.cy) / RGB_CAMERA.fy)


def test_agreement_determines_the_signs() -> None:
    normal = np.array([0.48, 0.6, -0.64])
    given = np.broadcast_to((normal * [-1, 1, 1])[:, None, None], (3, *SHAPE)).copy()
    given[:, :10] = 0
    found = agreement(depth_of(normal, 2.0), given, CAMERA)
    assert len(found) == 8
    for signs in product((1, -1), repeat=3):
        assert found[signs] == pytest.approx((normal ** 2) @ (np.array(signs) * [-1, 1, 1]),
                                             abs=1e-4)
    assert all(np.isnan(list(agreement(np.zeros(SHAPE), given, CAMERA).values())))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two frames: one to train, one to test."""
    root = tmp_path_factory.mktemp("nyu")
    write_official(root, frames=2, train=(1,), test=(0,))
    return root


def given() -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Normals of the planes, but for a corner; no normal in the first 100 columns."""
    normals = np.broadcast_to(facing(2)[:, None, None], (2, 480, 640, 3)).copy()
    normals[1, 400:, 500:] = (0.8, -0.36, -0.48)
    masks = np.ones((2, 480, 640), bool)
    masks[:, :, :100] = False
    return normals, masks


def place(root: Path, to: Path) -> Path:
    """Another folder with the same MATLAB files."""
    to.mkdir(exist_ok=True)
    for file in root.glob("*.mat"):
        (to / file.name).symlink_to(file)
    return to


SIZE = (96, 128)


def prepared(path: Path, **options: Any) -> Store:
    return prepare(nyuv2, nyuv2.Config(size=SIZE, **options), path, path, workers=1)[0]


def test_normals_come_from_a_folder_a_tar_or_a_zip_alike(root: Path, tmp_path: Path) -> None:
    normals, masks = given()
    files = eigen_files(normals, masks)
    places = {form: place(root, tmp_path / form) for form in ("folder", "tgz", "zip", "named")}
    write_folder(places["folder"], files)
    write_tgz(places["tgz"] / "normals_gt.tgz", files)
    write_zip(places["zip"] / "normals_gt.zip", {
        name.removeprefix("normals_gt/"): data for name, data in files.items()})
    write_tgz(places["named"] / "other.tar.gz", {f"./{key}": data for key, data in files.items()})
    stores = {form: prepared(path, normals="other.tar.gz" if form == "named" else None)
              for form, path in places.items()}
    assert len({store.fingerprint for store in stores.values()}) == 1
    store = stores["folder"]
    assert store.manifest.marks == {} and store.manifest.notes == ()
    found = store.values("train", "normal")[0]
    for y, x in np.ndindex(*SIZE):
        row, column = 53 + int((y + 0.5) * 414 / 96), 44 + int((x + 0.5) * 552 / 128)
        if masks[1, row, column]:
            assert np.abs(found[:, y, x] - normals[1, row, column]).max() < 0.009
        else:
            assert not found[:, y, x].any()
    assert store.manifest.source["normals"] == "normals_gt"
    assert prepared(place(root, tmp_path / "none")).fingerprint != store.fingerprint


def test_grey_is_no_normal(root: Path, tmp_path: Path) -> None:
    normals, masks = given()
    normals[:, 200:210] = 0
    files = eigen_files(normals, np.ones_like(masks))
    write_folder(place(root, tmp_path), files)
    found = prepared(tmp_path, crop="none").values("eval", "normal")[0]
    assert np.flatnonzero(~found.any(axis=0).any(axis=1)).tolist() == [40, 41]


def test_normals_of_another_frame_are_noted_and_turned(root: Path, tmp_path: Path) -> None:
    normals, masks = given()
    write_folder(place(root, tmp_path), eigen_files(normals * [-1, 1, 1], masks))
    store = prepared(tmp_path)
    assert len(store.manifest.notes) == 1
    assert "agree better with depth under normal_axes [-1, 1, 1]" in store.manifest.notes[0]
    turned = prepared(tmp_path, normal_axes=(-1, 1, 1))
    assert turned.manifest.notes == ()
    np.testing.assert_array_equal(turned.values("train", "normal"),
                                  store.values("train", "normal") * [[[-1]], [[1]], [[1]]])


def refused(root: Path, to: Path, archive: Any, files: dict[str, bytes], message: str,
            **options: Any) -> None:
    place(root, to)
    name = {write_tgz: "normals_gt.tgz", write_zip: "normals_gt.zip"}[archive]
    archive(to / name, files, **options)
    with pytest.raises(DataError, match=message) as caught:
        prepared(to)
    assert str(to / name) in str(caught.value)
    assert not [path for path in (to / "prepared").glob("*") if path.is_dir()]


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return eigen_files(*given())


@pytest.mark.parametrize("archive", [write_tgz, write_zip])
@pytest.mark.parametrize("name", ["../normals_gt/normals/0000.png", "/normals_gt/masks/0000.png",
                                  "normals_gt/../../masks/0000.png"])
def test_members_that_lead_out_are_refused(root: Path, tmp_path: Path, archive: Any, name: str,
                                           files: dict[str, bytes]) -> None:
    refused(root, tmp_path / "to", archive, {**files, name: b"x"}, "leads out of the archive")


def test_links_in_an_archive_are_refused(root: Path, tmp_path: Path,
                                         files: dict[str, bytes]) -> None:
    refused(root, tmp_path / "to", write_tgz, files, "is a link",
            links=["normals_gt/normals/0000.png"])


@pytest.mark.parametrize("archive", [write_tgz, write_zip])
def test_members_that_are_missing_or_damaged_are_named(
        root: Path, tmp_path: Path, archive: Any, files: dict[str, bytes]) -> None:
    key = "normals_gt/masks/0001.png"
    rest = {name: data for name, data in files.items() if name != key}
    refused(root, tmp_path / "missing", archive, rest, r"masks/0001\.png is missing")
    cut = {**files, key: files[key][:-20]}
    refused(root, tmp_path / "cut", archive, cut, r"masks/0001\.png is damaged")
    swapped = {**files, key: files["normals_gt/normals/0001.png"]}
    refused(root, tmp_path / "swapped", archive, swapped, r"masks/0001\.png has 8 bits and is")


@pytest.mark.parametrize("archive", [write_tgz, write_zip])
def test_an_archive_cut_short_is_damaged(root: Path, tmp_path: Path, archive: Any,
                                         files: dict[str, bytes]) -> None:
    whole = archive(tmp_path / "whole", files).read_bytes()

    def cut(path: Path, files: dict[str, bytes]) -> None:
        path.write_bytes(whole[:len(whole) * 2 // 3])

    place(root, tmp_path / "to")
    name = "normals_gt.tgz" if archive is write_tgz else "normals_gt.zip"
    cut(tmp_path / "to" / name, files)
    with pytest.raises(DataError, match=f"{name} is damaged"):
        prepared(tmp_path / "to")


def test_a_folder_without_a_file_or_no_folder_at_all(root: Path, tmp_path: Path,
                                                     files: dict[str, bytes]) -> None:
    folder = write_folder(place(root, tmp_path), files)
    (folder / "normals" / "0001.png").unlink()
    with pytest.raises(DataError, match=r"normals/0001\.png is missing"):
        prepared(tmp_path)
    with pytest.raises(DataError, match=r"there is no folder or archive of normals .*nowhere"):
        prepared(tmp_path, normals="nowhere")
    with pytest.raises(DataError, match=r"splits\.mat is no archive of normals"):
        prepared(tmp_path, normals="splits.mat")
