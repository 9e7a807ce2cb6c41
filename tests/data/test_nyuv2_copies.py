"""NYUv2 as the arrays of MTAN: npy folders and Parquet files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.data.sources import nyuv2
from benchmark.data.sources.prepared import prepare
from benchmark.data.sources.source import DataPaths
from benchmark.data.store.files import Store
from benchmark.errors import DataError, RequestError
from benchmark.tasks import VOID
from tests.helpers.make_nyuv2 import Mtan, write_hub, write_mtan, write_official

SIZE = (36, 48)
Writer = Callable[[Path], dict[str, Mtan]]


def prepared(root: Path, **options: Any) -> Store:
    config = nyuv2.Config(**{"size": SIZE, **options})
    return prepare(nyuv2, config, root, root, workers=1)[0]


@pytest.mark.parametrize("write", [write_mtan, write_hub])
def test_the_arrays_are_read(write: Writer, tmp_path: Path) -> None:
    made = write(tmp_path)
    store = prepared(tmp_path)
    assert store.manifest.marks == {} and store.manifest.notes == ()
    assert tuple(store.tasks) == ("semantic", "depth", "normal")
    assert store.tasks["semantic"].classes[0::12] == ("bed", "window")
    for split, part in (("train", made["train"]), ("eval", made["val"])):
        np.testing.assert_array_equal(store.values(split, "image"),
                                      np.round(part.images * 255).transpose(0, 3, 1, 2))
        np.testing.assert_array_equal(store.values(split, "semantic"),
                                      np.where(part.labels < 0, VOID, part.labels))
        depth = part.depths[..., 0].astype(np.float64)
        np.testing.assert_allclose(store.values(split, "depth")[:, 0],
                                   np.where(depth == 0, np.nan, depth), atol=0.000101)
        np.testing.assert_allclose(store.values(split, "normal"),
                                   part.normals.transpose(0, 3, 1, 2), atol=0.001)
    assert (store.values("train", "semantic") == VOID).any()
    assert not store.values("train", "normal")[:, :, :, :6].any()


def test_both_forms_are_one_data_set(tmp_path: Path) -> None:
    write_mtan(tmp_path / "a")
    write_hub(tmp_path / "b")
    assert prepared(tmp_path / "a").fingerprint == prepared(tmp_path / "b").fingerprint


def test_a_copy_without_normals_lacks_their_task(tmp_path: Path) -> None:
    write_mtan(tmp_path)
    for split in ("train", "val"):
        shutil.rmtree(tmp_path / split / "normal")
    assert tuple(prepared(tmp_path).tasks) == ("semantic", "depth")


def test_normals_in_another_frame_are_noted_and_turned(tmp_path: Path) -> None:
    made = write_mtan(tmp_path)
    for split, part in made.items():
        for number, normal in enumerate(part.normals):
            np.save(tmp_path / split / "normal" / f"{number}.npy",
                    normal[..., [0, 2, 1]])  # y down
    assert "normal_axes [1, -1, 1]" in prepared(tmp_path).manifest.notes[0]
    store = prepared(tmp_path, normal_axes=[1, -1, 1])
    assert store.manifest.notes == ()
    np.testing.assert_allclose(store.values("train", "normal"),
                               made["train"].normals.transpose(0, 3, 1, 2), atol=0.001)


@pytest.mark.parametrize("options", [{"classes": 40}, {"crop": "none"}, {"normals": "there"}])
def test_options_of_the_official_layout_are_refused(tmp_path: Path,
                                                    options: dict[str, Any]) -> None:
    write_mtan(tmp_path, train=1, val=1)
    option, value = next(iter(options.items()))
    with pytest.raises(DataError, match=f"layout mtan, .* {option}={value} is for the layout off"):
        prepared(tmp_path, **options)
    assert not (tmp_path / "prepared").exists()


def test_of_two_copies_one_is_chosen(tmp_path: Path) -> None:
    write_official(tmp_path / "nyuv2", frames=2, train=(1,), test=(0,))
    write_mtan(tmp_path / "nyuv2", train=2, val=1)
    places = DataPaths(tmp_path / "cache", data_root=tmp_path)
    with pytest.raises(RequestError, match=r"two copies of nyuv2 .*official .*\.mat.* and mtan"):
        nyuv2.open_store(nyuv2.Config(size=SIZE), places)
    for layout, count in (("official", 1), ("mtan", 2)):
        store = nyuv2.open_store(nyuv2.Config(size=SIZE, layout=layout), places)
        assert store.count("train") == count
