"""What the README shows is what its commands print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from benchmark.cli.app import invoke
from benchmark.registry import find_method, method_names

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
WITH_TABLES = ("README.md", "docs/rooms.md")
BLOCK = re.compile(r"```\n([^`]*--format md)\n```\n\n((?:\|.*\n)+)")


@pytest.mark.parametrize("name", WITH_TABLES)
def test_tables_follow_from_the_published_records(name, tmp_path, capsys):
    blocks = BLOCK.findall((ROOT / name).read_text(encoding="utf-8"))
    assert blocks
    for commands, table in blocks:
        words = shlex.split(commands.splitlines()[-1])
        assert words[:2] == ["lhlbench", "table"]
        assert invoke([*words[1:], "--runs", str(tmp_path)]) == 0
        printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
        assert len(printed) > 6
        assert printed == table.splitlines()


def test_commands_and_python_of_a_trained_run_work(tmp_path, monkeypatch, capsys):
    """With a shorter training; the page's run ids stand for whatever the run is called here."""
    text = (ROOT / "docs/using-a-trained-run.md").read_text(encoding="utf-8")
    training = ["--set", "recipe.epochs=1", "--set", "recipe.crops_per_image=2"]
    few_rooms = ["--set", "dataset.train=3", "--set", "dataset.eval=3"]
    (tmp_path / "sequences").symlink_to(ROOT / "sequences")
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"^lhlbench (.*)$", text, re.MULTILINE)
    assert [words.split()[0] for words in commands] == ["run", "show", *["evaluate"] * 3, "predict"]
    for words in map(shlex.split, commands):
        short = (training if words[0] == "run" else few_rooms if "rooms_s1" in words else [])
        assert invoke(words + short) == 0, words
    printed = capsys.readouterr().out
    assert "weights.safetensors (1.5 MiB), for lhlbench evaluate and lhlbench predict" in printed
    assert "all 11 values equal those of the record, bit for bit" in printed
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(code, {})
    assert capsys.readouterr().out == "m torch.Size([1, 1, 360, 640])\n"


def test_every_published_record_is_valid(capsys):
    records = sorted((ROOT / "results/published").rglob("record.json"))
    assert len(records) >= 24
    assert invoke(["validate", *map(str, records)]) == 0


def test_links_lead_somewhere():
    for name in README.split("](")[1:]:
        target = name.split(")")[0].split("#")[0]
        assert (ROOT / target).exists(), target


def test_every_method_is_listed():
    listed = [line.split("`")[1] for line in README.splitlines() if line.startswith("| `")]
    lifelong = [name for name in method_names() if find_method(name).kind == "lifelong"]
    assert set(method_names()) <= set(listed)
    assert f"\n{len(lifelong)} lifelong methods" in README
