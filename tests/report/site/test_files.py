"""The site as files: names, markup, links, and how an old site is replaced."""

from __future__ import annotations

import http.client
import json
import re
import threading
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image

from benchmark.cli.app import invoke
from benchmark.config.shipped import shipped
from benchmark.errors import RequestError
from benchmark.report.runs.collection import RunCollection, StoredRun, collect
from benchmark.report.site import write
from benchmark.report.site.file_names import run_file, slug
from benchmark.report.site.previews import LARGEST
from benchmark.report.site.serve import server
from benchmark.report.site.write import MARKER, write_site
from tests.helpers.site_pages import pages

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def site(maker, tmp_path):
    """Methods of all sorts, one with an evil name, one that failed for an evil reason."""
    for seed in (0, 1):
        for method in ("finetune", "had", "joint", EVIL):
            maker.run(method, seed, command=f"lhlbench run --method '{method}'")
    maker.run("lwf", 0, failed=f"</td>{EVIL}")
    maker.run("had", 0, "rooms_s2", ("depth", "semantic", "normals"))
    to = tmp_path / "site"
    write_site(maker.collection(), to)
    return to


@given(some.text(max_size=60), some.text(max_size=60))
def test_names_become_files_that_stay_and_do_not_collide(one, other):
    for name in (one, other):
        assert re.fullmatch(r"[a-z0-9~_-]{1,80}", slug(name))
        assert slug(name) == slug(name).casefold()
    assert (slug(one) == slug(other)) == (one == other)


@pytest.mark.parametrize("name", ["../../etc/passwd", "HAD", "con", "", ".", "a" * 200, "a/b", "é"])
def test_names_that_cannot_be_files_get_a_hash(name):
    assert re.fullmatch(r"[a-z0-9_-]*~[0-9a-f]{16}", slug(name))
    assert slug("had") == "had"


def test_what_records_hold_is_text(site):
    for file, markup in pages(site).items():
        scripts = [attributes for tag, attributes in markup.found if tag == "script"]
        assert [each["src"].rpartition("/")[2] for each in scripts] == ["site.js"], file
        assert not any(name.startswith("on") for _, attributes in markup.found
                       for name in attributes)
        assert not any("style" in attributes for _, attributes in markup.found)
    text = "".join(word for markup in pages(site).values() for word in markup.words)
    assert EVIL in text


def test_links_lead_to_files_of_the_site(site):
    for file, markup in pages(site).items():
        ids = {attributes.get("id") for _, attributes in markup.found}
        for _, attributes in markup.found:
            for target in (attributes.get("href"), attributes.get("src")):
                if target is None:
                    continue
                path, _, anchor = target.partition("#")
                assert ":" not in path
                assert (file.parent / unquote(path)).resolve().is_relative_to(site.resolve())
                assert (file.parent / unquote(path)).is_file() if path else anchor in ids
            for name in ("aria-labelledby", "for"):
                assert attributes.get(name) is None or attributes[name] in ids


def test_every_table_has_a_caption_and_every_head_a_scope(site):
    for file, markup in pages(site).items():
        tags = [tag for tag, _ in markup.found]
        assert tags.count("table") == tags.count("caption"), file
        assert tags.count("main") == tags.count("h1") == 1
        assert all("scope" in attributes for tag, attributes in markup.found if tag == "th")


def test_a_page_for_every_run_with_its_record_as_it_was(site, maker):
    for found in maker.made:
        copy = site / run_file(found.record.run_id, "json")
        assert copy.read_bytes() == (found.folder / "record.json").read_bytes()
        assert copy.with_suffix(".html").is_file()
    assert not list(site.rglob("record.json"))  # a site below --runs must not be read as runs


def test_a_run_page_shows_the_command_of_the_run(site, maker):
    found = next(each for each in maker.made if each.record.sequence == "rooms_s2")
    words = "".join(pages(site)[site / run_file(found.record.run_id)].words)
    assert "lhlbench run --method had --sequence rooms_s2 --seed 0" in words


def test_an_old_site_is_replaced_as_a_whole(site, maker):
    (site / "left-over.html").write_text("old")
    write_site(maker.collection(), site, ["rooms_s2"])
    assert not (site / "left-over.html").exists()
    assert len(list((site / "runs").glob("*.html"))) == 1


def test_a_broken_write_leaves_the_old_site(site, maker, monkeypatch):
    before = {file: file.read_bytes() for file in site.rglob("*") if file.is_file()}
    monkeypatch.setattr(write, "copy_previews", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_site(maker.collection(), site)
    assert before == {file: file.read_bytes() for file in site.rglob("*") if file.is_file()}
    assert [each.name for each in site.parent.iterdir() if each.name.startswith(".")] == []


def test_what_is_no_site_of_ours_is_not_touched(maker, tmp_path):
    maker.run("finetune")
    mine, file, empty = tmp_path / "thesis", tmp_path / "file", tmp_path / "empty"
    mine.mkdir()
    empty.mkdir()
    (mine / "chapter").write_text("years")
    file.write_text("x")
    for to in (mine, file):
        with pytest.raises(RequestError, match="--to"):
            write_site(maker.collection(), to)
    assert (mine / "chapter").read_text() == "years" and file.read_text() == "x"
    assert [each.name for each in mine.iterdir()] == ["chapter"]
    write_site(maker.collection(), empty)
    assert (empty / "index.html").is_file() and (empty / MARKER).is_file()


def test_pictures_are_scaled_and_damaged_ones_left_out(maker, tmp_path):
    run = maker.run("had")
    previews = run.folder / "previews"
    previews.mkdir()
    Image.new("RGB", (3000, 1000), "teal").save(previews / "depth.png")
    (previews / "normal.png").write_bytes(b"\x89PNG\r\n\x1a\n nonsense")
    site = tmp_path / "site"
    write_site(maker.collection(), site)
    [file] = site.rglob("*.png")
    with Image.open(file) as picture:
        assert (file.name, max(picture.size)) == ("depth.png", LARGEST)
    markup = pages(site)[site / run_file(run.record.run_id)]
    assert [attributes["src"] for tag, attributes in markup.found if tag == "img"] == [
        file.relative_to(site / "runs").as_posix()]
    assert {"image", "truth", "prediction"} <= set(markup.words)


def test_of_two_runs_that_are_the_same_one_stands_in_leaderboards(maker, tmp_path):
    maker.run("finetune")
    first = maker.run("had", about="first")
    second = first.record.model_copy(update={"run_id": "had-again"})
    folder = maker.folder / "had-again"
    second.save(folder)
    collection = RunCollection((*maker.collection().complete, StoredRun(second, folder)))
    write_site(collection, tmp_path / "site")
    found = pages(tmp_path / "site")
    other = "Another run of the same method"
    texts = {file.stem: "".join(markup.words) for file, markup in found.items()}
    assert other in texts["had-again"] and other not in texts[slug(first.record.run_id)]


def test_another_convention_needs_statistics(maker, tmp_path):
    published = collect(shipped("results/published")).with_settings(["recipe.lr=0.003"])
    written = write_site(published, tmp_path / "with", ["rooms_s1"])
    assert (written.leaderboards, written.notes) == (6, ())
    maker.run("finetune")
    written = write_site(maker.collection(), tmp_path / "without")
    assert written.leaderboards == 1
    assert "statistics" in written.notes[0]


def test_the_command_writes_a_site_and_prints_where(maker, tmp_path, capsys):
    maker.run("finetune")
    words = ["report", "--runs", str(maker.folder), "--no-published", "--to", str(tmp_path / "s")]
    assert invoke([*words, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["runs"] == 1 and printed["index"] == str(tmp_path / "s/index.html")
    assert invoke([*words, "--sequences", "roms_s1"]) == 2
    assert "Did you mean rooms_s1" in capsys.readouterr().err
    assert (tmp_path / "s/index.html").is_file()


@pytest.fixture
def address(site):
    (site.parent / "secret.txt").write_text("secret")
    (site / "link.txt").symlink_to(site.parent / "secret.txt")
    with server(site) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running.server_address
        running.shutdown()


def get(address, path, **headers):
    connection = http.client.HTTPConnection(*address, timeout=5)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_the_server_shows_the_site_and_nothing_else(address):
    assert address[0] == "127.0.0.1"
    assert get(address, "/")[0] == get(address, "/runs.html")[0] == 200
    for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "//secret.txt",
                 "/runs/../../secret.txt", "/link.txt", "/runs/", "/..\\secret.txt"):
        status, text = get(address, path)
        assert status == 404 and text != b"secret", path
    assert get(address, "/index.html", Host="elsewhere.example")[0] == 403


def test_a_port_in_use_is_an_error(address, site):
    with pytest.raises(RequestError, match="--port"):
        server(site, address[1])
