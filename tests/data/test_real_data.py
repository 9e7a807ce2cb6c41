"""Every data set from files as people have them: prepare, verify, info, run, validate, submit,
report."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from benchmark.cli.app import invoke
from tests.helpers import make_cityscapes, make_nyuv2, make_pascal_context, make_taskonomy

QUICK = ["split=shared", *(f"recipe.{each}" for each in (
    "backbone=narrow", "weights=none", "head_channels=8", "head_rates=[1,2]", "epochs=1",
    "batch=2", "drop_last=false"))]


def taskonomy(root: Path, form: str = make_taskonomy.OFFICIAL) -> None:
    views = [(point, view) for point in range(4) for view in range(5)]
    make_taskonomy.write_official(root, views=views, size=(16, 24), form=form)


COPIES = {
    "nyuv2 official": (lambda root: make_nyuv2.write_official(
        root, 4, train=(0, 2), test=(1, 3)), "nyuv2_s1", ["size=[24,32]"]),
    "nyuv2 mtan": (lambda root: make_nyuv2.write_mtan(root, 6, 2), "nyuv2_s1", ["size=[24,32]"]),
    "nyuv2 hub": (lambda root: make_nyuv2.write_hub(root, 6, 2), "nyuv2_s4", ["size=[24,32]"]),
    "cityscapes official": (make_cityscapes.write_official, "cityscapes_s2", ["size=[16,32]"]),
    "cityscapes mtan": (make_cityscapes.write_mtan, "cityscapes_s1", ["size=[16,32]"]),
    "cityscapes hub": (make_cityscapes.write_hub, "cityscapes19_s1", ["size=[16,32]"]),
    "taskonomy official": (taskonomy, "taskonomy10_s1",
                           ["size=[16,24]", "buildings=[hanson,ihlen]"]),
    "pascal_context pascal_mt": (lambda root: make_pascal_context.write_pascal_mt(root),
                                 "pascal5_s1", ["size=[24,32]"])}


def options(settings: list[str], prefix: str = "") -> list[str]:
    return [word for setting in settings for word in ("--set", prefix + setting)]


@pytest.fixture(params=COPIES)
def copy(request, tmp_path):
    """A copy of a data set, its name, and its options."""
    write, sequence, settings = COPIES[request.param]
    dataset = request.param.split()[0]
    raw = tmp_path / "raw" / dataset
    write(raw)
    return dataset, raw, sequence, settings


def assert_can_be_handed_in(runs: Path, to: Path, capsys) -> None:
    """The runs below a folder are valid, can be packed, and have pages in a site."""
    capsys.readouterr()
    assert invoke(["validate", str(runs), "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out).values()) == {None}
    archive = to / "handed_in.zip"
    assert invoke(["submit", str(runs), "--to", str(archive), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert not printed["left_out"]
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(to / "unpacked")
    assert invoke(["validate", str(to / "unpacked")]) == 0
    assert invoke(["report", "--runs", str(to / "unpacked"), "--no-published",
                   "--to", str(to / "site")]) == 0
    assert len(list((to / "site" / "runs").glob("*.html"))) == len(printed["files"]) // 3


@pytest.mark.parametrize(("sequence", "settings"), [
    ("rooms_s2", ["dataset.train=12", "dataset.eval=4", "dataset.height=24", "dataset.width=32"]),
    ("tabletop_s3", ["dataset.size=[24,32]", "recipe.crop=null", "recipe.crops_per_image=1",
                     "recipe.flip=false"])])
def test_what_comes_along_can_be_run_and_handed_in(sequence, settings, tmp_path, capsys):
    runs = tmp_path / "runs"
    assert invoke(["run", "--method", "lwf", "--sequence", sequence, "--runs", str(runs),
                   *options(QUICK), *options(settings)]) == 0
    assert_can_be_handed_in(runs, tmp_path, capsys)


def test_prepare_verify_info_run_and_hand_in(copy, tmp_path, capsys):
    dataset, raw, sequence, settings = copy
    root = tmp_path / "root"
    place, chosen = ["--root", str(root)], options(settings)
    words = ["data", "prepare", dataset, "--from", str(raw), *place, *chosen, "--json"]
    assert invoke(words) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["made"]
    assert invoke(words) == 0
    assert not json.loads(capsys.readouterr().out)["made"]

    assert invoke(["data", "verify", dataset, *place, *chosen, "--json"]) == 0
    checked = json.loads(capsys.readouterr().out)
    assert checked["fingerprint"] == made["fingerprint"]
    assert {each["task"] for each in checked["statistics"]} == set(made["tasks"])
    assert all(each["valid_percent"] > 0 for each in checked["statistics"])
    assert invoke(["data", "verify", made["folder"]]) == 0
    assert "every byte of" in capsys.readouterr().out

    panel = tmp_path / "panel.png"
    assert invoke(["data", "info", dataset, *place, *chosen, "--to", str(panel)]) == 0
    assert f"samples: {panel}" in capsys.readouterr().out
    with Image.open(panel) as picture:
        assert picture.width > 200 * len(made["tasks"])

    run = ["run", "--method", "had", "--sequence", sequence, *options(QUICK),
           *options(settings, "dataset."), "--runs", str(tmp_path / "runs"), "--json"]
    assert invoke([*run, "--data-root", str(root)]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["status"] == "complete"
    assert record["dataset"]["fingerprint"] == made["fingerprint"]
    for metrics in record["matrix"].values():
        assert any(values[-1] is not None for values in metrics.values())
    assert_can_be_handed_in(tmp_path / "runs", tmp_path, capsys)


@pytest.mark.parametrize("dataset", ["nyuv2 official", "cityscapes official"])
def test_run_reads_an_official_folder_as_it_is(dataset, tmp_path, capsys):
    """Nothing prepared: the files are found below the data root and read into the cache."""
    write, _, settings = COPIES[dataset]
    write(tmp_path / "data" / dataset.split()[0])
    sequence = {"nyuv2 official": "nyuv2_s1", "cityscapes official": "cityscapes_s2"}[dataset]
    run = ["run", "--method", "had", "--sequence", sequence, *options(QUICK),
           *options(settings, "dataset."), "--runs", str(tmp_path / "runs")]
    assert invoke([*run, "--data-root", str(tmp_path / "data")]) == 0
    assert "record:" in capsys.readouterr().out
    assert not (tmp_path / "data" / "prepared").exists()


@pytest.mark.parametrize("words", [
    ["run", "--method", "had", "--sequence", "nyuv2_s1", "--set", "recipe.weights=none"],
    ["data", "verify", "nyuv2"], ["data", "info", "cityscapes19"]])
def test_data_that_are_not_there_end_with_exit_code_2(words, tmp_path, capsys):
    place = ["--data-root", str(tmp_path)] if words[0] == "run" else ["--root", str(tmp_path)]
    assert invoke([*words, *place]) == 2
    message = capsys.readouterr().err
    assert f"is not in {tmp_path}" in message
    assert "lhlbench data prepare" in message


@pytest.mark.parametrize(("words", "message"), [
    (["data", "prepare", "rooms", "--from", "."], "'rooms' needs no preparing"),
    (["data", "prepare", "nyu", "--from", "."], "unknown data set 'nyu'. Did you mean nyuv2?"),
    (["data", "prepare", "nyuv2", "--from", ".", "--set", "sizes=[2,2]"],
     "unknown key 'sizes'. Did you mean size"),
    (["data", "prepare", "nyuv2", "--from", "nowhere"], "there is no file or folder nowhere"),
    (["data", "verify", "nyu"], "unknown data set, family or store 'nyu'")])
def test_wrong_requests(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert invoke(words) == 2
    assert message in capsys.readouterr().err


def test_a_byte_that_changed_is_found(tmp_path, capsys):
    make_cityscapes.write_official(tmp_path / "raw")
    words = ["data", "prepare", "cityscapes", "--from", str(tmp_path / "raw"), "--root",
             str(tmp_path), "--set", "size=[16,32]"]
    assert invoke(words) == 0
    (folder,) = (tmp_path / "prepared").glob("cityscapes_*")
    path = folder / "train" / "semantic.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    capsys.readouterr()
    assert invoke(["data", "verify", str(folder)]) == 2
    assert f"{path} is not what was written" in capsys.readouterr().err


def test_a_manifest_cannot_lead_out_of_its_folder(tmp_path, capsys):
    make_cityscapes.write_official(tmp_path / "raw")
    assert invoke(["data", "prepare", "cityscapes", "--from", str(tmp_path / "raw"), "--root",
                   str(tmp_path), "--set", "size=[16,32]"]) == 0
    (folder,) = (tmp_path / "prepared").glob("cityscapes_*")
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"train/depth"', '"train/../../depth"', 1))
    capsys.readouterr()
    assert invoke(["data", "verify", str(folder)]) == 2
    assert "manifest.json is damaged" in capsys.readouterr().err
