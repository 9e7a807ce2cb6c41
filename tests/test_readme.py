"""What the README shows is what its commands print."""

from __future__ import annotations

from pathlib import Path

from benchmark.cli.app import invoke

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
