"""What the README shows is what its commands print."""

from __future__ import annotations

from pathlib import Path

from benchmark.cli.app import invoke
from benchmark.registry import find_method, method_names

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_the_table_follows_from_the_published_records(tmp_path, capsys):
    assert invoke(["table", "--sequences", "rooms_s1", "--format", "md",
                   "--runs", str(tmp_path)]) == 0
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(printed) > 8
    for line in printed:
        assert line in README


def test_every_published_record_is_valid(capsys):
    records = sorted((Path(__file__).parent.parent / "results/published").rglob("record.json"))
    assert len(records) >= 24
    assert invoke(["validate", *map(str, records)]) == 0


def test_links_lead_somewhere():
    for name in README.split("](")[1:]:
        target = name.split(")")[0].split("#")[0]
        assert (Path(__file__).parent.parent / target).exists(), target


def test_every_method_is_listed():
    listed = [line.split("`")[1] for line in README.splitlines() if line.startswith("| `")]
    lifelong = [name for name in method_names() if find_method(name).kind == "lifelong"]
    assert set(method_names()) <= set(listed)
    assert f"\n{len(lifelong)} lifelong methods" in README
