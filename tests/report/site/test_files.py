"""The site as files: names, markup, links, and how an old site is replaced."""

from __future__ import annotations

import http.client
import json
import re
import threading
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image

from benchmark.cli.app import invoke
from benchmark.config.shipped import shipped
from benchmark.errors import RequestError
from benchmark.report.runs.collection import collect, only
from benchmark.report.site import write
from benchmark.report.site.panels import LARGEST, copy_panels
from benchmark.report.site.replace_site import MARKER, replace_site
from benchmark.report.site.serve import server
from benchmark.report.site.slugs import slug
from benchmark.report.site.write import write_site

EVIL = "<script>alert(1)</script>"
VOID = {"meta", "link", "input", "img", "br"}


class Markup(HTMLParser):
    """Every start tag of a page; fails where tags are not balanced."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open, self.words = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.words.append(data)


def pages(site):
    return {file: Markup(file.read_text(encoding="utf-8")) for file in site.rglob("*.html")}


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
        copy = site / "runs" / f"{slug(found.record.run_id)}.json"
        assert copy.read_bytes() == (found.folder / "record.json").read_bytes()
        assert copy.with_suffix(".html").is_file()
    assert not list(site.rglob("record.json"))  # a site below --runs must not be read as runs


def test_a_run_page_tells_how_to_make_it_again(site, maker):
    found = next(each for each in maker.made if each.record.sequence == "rooms_s2")
    words = "".join(pages(site)[site / "runs" / f"{slug(found.record.run_id)}.html"].words)
    assert "lhlbench run --method had --sequence rooms_s2 --seed 0" in words


def test_an_old_site_is_replaced_as_a_whole(site, maker):
    (site / "left-over.html").write_text("old")
    write_site(maker.collection(), site, ["rooms_s2"])
    assert not (site / "left-over.html").exists()
    assert len(list((site / "runs").glob("*.html"))) == 1


def test_a_broken_write_leaves_the_old_site(site, maker, monkeypatch):
    before = {file: file.read_bytes() for file in site.rglob("*") if file.is_file()}
    monkeypatch.setattr(write, "copy_panels", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_site(maker.collection(), site)
    assert before == {file: file.read_bytes() for file in site.rglob("*") if file.is_file()}
    assert [each.name for each in site.parent.iterdir() if each.name.startswith(".")] == []


def test_what_is_no_site_of_ours_is_not_touched(tmp_path):
    mine, file, empty = tmp_path / "thesis", tmp_path / "file", tmp_path / "empty"
    mine.mkdir()
    empty.mkdir()
    (mine / "chapter").write_text("years")
    file.write_text("x")
    for to in (mine, file):
        with pytest.raises(RequestError, match="--to"):
            replace_site(to, lambda folder: pytest.fail("written before it was checked"))
    assert (mine / "chapter").read_text() == "years"
    replace_site(empty, lambda folder: (folder / "page").write_text("new"))
    assert {each.name for each in empty.iterdir()} == {"page", MARKER}


def test_pictures_are_scaled_and_damaged_ones_left_out(maker, tmp_path):
    found = maker.run("had")
    previews = found.folder / "previews"
    previews.mkdir()
    Image.new("RGB", (3000, 1000), "teal").save(previews / "depth.png")
    (previews / "normal.png").write_bytes(b"\x89PNG\r\n\x1a\n nonsense")
    [(name, file)] = copy_panels([found], tmp_path / "to")[found.record.run_id]
    with Image.open(tmp_path / "to" / file) as picture:
        assert (name, max(picture.size)) == ("depth", LARGEST)
    assert list((tmp_path / "to").rglob("*.png")) == [tmp_path / "to" / file]


def test_another_convention_needs_statistics(maker, tmp_path):
    published = only(collect(shipped("results/published")), ["recipe.lr=0.003"])
    written = write_site(published, tmp_path / "with", ["rooms_s1"])
    assert (written.boards, written.notes) == (6, ())
    maker.run("finetune")
    written = write_site(maker.collection(), tmp_path / "without")
    assert written.boards == 1
    assert "statistics" in written.notes[0]


def test_the_command_writes_and_tells(maker, tmp_path, capsys):
    maker.run("finetune")
    words = ["report", "--runs", str(maker.folder), "--no-published", "--to", str(tmp_path / "s")]
    assert invoke([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["runs"] == 1 and told["index"] == str(tmp_path / "s/index.html")
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


def ask(address, path, **headers):
    connection = http.client.HTTPConnection(*address, timeout=5)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_the_server_shows_the_site_and_nothing_else(address):
    assert address[0] == "127.0.0.1"
    assert ask(address, "/")[0] == ask(address, "/runs.html")[0] == 200
    for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "//secret.txt",
                 "/runs/../../secret.txt", "/link.txt", "/runs/", "/..\\secret.txt"):
        status, text = ask(address, path)
        assert status == 404 and text != b"secret", path
    assert ask(address, "/index.html", Host="elsewhere.example")[0] == 403


def test_a_port_in_use_is_told(address, site):
    with pytest.raises(RequestError, match="--port"):
        server(site, address[1])
