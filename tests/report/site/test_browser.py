"""The site in the machine's chromium: sorting, filtering, themes, narrow screens.

Skipped where there is no chromium, unless LHLBENCH_TEST_BROWSER=required, as continuous
integration sets it.
"""

from __future__ import annotations

import json
import os
import shutil

import pytest

from benchmark.config.shipped import shipped
from benchmark.record import STATISTICS_FILE, Record
from benchmark.report.runs.collection import collect
from benchmark.report.site import write
from benchmark.report.site.file_names import method_file
from benchmark.report.site.write import write_site

pytestmark = pytest.mark.xdist_group("browser")

EVIL = "<script>alert(1)</script>"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SHOWN = "rows => rows.filter(row => row.offsetParent).map(row => row.dataset.name)"
CONTRASTS = """() => {
    // Contrast of text as WCAG 2 defines it, on the colours of the elements beneath, blended.
    const parse = (colour) => {
        const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
        return [r, g, b, a];
    };
    const under = (element) => {
        const layers = [];
        for (let each = element; each; each = each.parentElement)
            layers.push(parse(getComputedStyle(each).backgroundColor));
        return layers.reduceRight(([r, g, b], [R, G, B, a]) =>
            [r + a * (R - r), g + a * (G - g), b + a * (B - b)], [255, 255, 255]);
    };
    const light = (rgb) => rgb.slice(0, 3)
        .map((c) => (c / 255 <= .04045 ? c / 255 / 12.92 : ((c / 255 + .055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
    const found = [];
    for (const element of document.body.querySelectorAll("*")) {
        const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
        if (!own || !element.getClientRects().length || element.closest(".skip")) continue;
        const style = getComputedStyle(element);
        const ink = element.closest("svg") ? style.fill : style.color;
        const pair = [light(parse(ink)), light(under(element))].sort((a, b) => b - a);
        found.push([(pair[0] + .05) / (pair[1] + .05), element.outerHTML.slice(0, 120)]);
    }
    return found;
}"""


@pytest.fixture(scope="session")
def chromium():
    """One browser for all tests."""
    if CHROMIUM is None:
        reason = "no chromium on this machine (Debian: apt-get install chromium)"
        assert os.environ.get("LHLBENCH_TEST_BROWSER") != "required", reason
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


PUBLISHED = shipped("results/published")


def untuned(*folders):
    """Published runs of one order by methods' defaults, and what a test puts beside them."""
    return collect(*folders).with_settings(["recipe.lr=0.003"])


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The published runs; besides: exemplars, missing runs, a failed one, an evil name, and
    another family."""
    runs = tmp_path_factory.mktemp("runs")
    sample = next(found for found in untuned(PUBLISHED).complete
                  if found.record.method.name == "lwf" and found.record.seed == 0)
    for number, changes in enumerate((
            {"name": EVIL}, {"name": "replay", "exemplars": 170}, {"name": "broken", "failed": 1},
            {"name": "finetune", "order": "elsewhere_s1"})):
        record = sample.record.model_dump(mode="json", by_alias=True)
        record["run_id"] = f"run-{number}"
        record["method"]["name"] = record["config"]["method"] = changes["name"]
        record["cost"]["exemplars"] = changes.get("exemplars", 0)
        record["sequence"] = record["config"]["sequence"] = changes.get("order", "rooms_s1")
        if changes.get("failed"):
            record |= {"status": "failed", "reason": f"out of memory {EVIL}"}
        Record.model_validate(record).save(runs / record["run_id"])
        shutil.copy(sample.folder / STATISTICS_FILE, runs / record["run_id"])
    to = tmp_path_factory.mktemp("site")
    write_site(untuned(runs, PUBLISHED), to)
    return to


@pytest.fixture
def visit(chromium, site):
    """visit(file, ...) -> page; fails afterwards if a page complained or loaded from elsewhere."""
    complaints, requests, contexts = [], [], []

    def visit_(file="index.html", width=1280, scheme="light"):
        contexts.append(chromium.new_context(viewport={"width": width, "height": 800},
                                             color_scheme=scheme))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(f"{site.as_uri()}/{file}")
        return page

    yield visit_
    for context in contexts:
        context.close()
    assert not complaints
    assert all(url.startswith(site.as_uri()) for url in requests)


def follow(page, name, **options):
    """Click the first link of that name and wait for where it leads."""
    with page.expect_navigation():
        page.get_by_role("link", name=name, **options).first.click()


def names(page, group="lifelong"):
    return page.eval_on_selector_all(f"tbody[data-group={group}] tr[data-row]", SHOWN)


def values(page, key, group="lifelong"):
    """The numbers of a column from top to bottom, None where there is none."""
    return page.eval_on_selector_all(
        f"tbody[data-group={group}]:nth-of-type(1) tr[data-row]",
        "(rows, key) => { const heads = [...document.querySelector('thead tr').cells];"
        " const at = heads.findIndex(head => head.dataset.key === key);"
        " return rows.map(row => row.cells[at].dataset.value ?? null)"
        "  .map(value => value === null ? null : Number(value)); }", key)


def test_columns_are_sorted_by_mouse_and_keyboard(visit):
    page = visit()
    head = page.locator("th[data-key=bwt]")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert values(page, "bwt") == sorted(values(page, "bwt"), reverse=True)
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert values(page, "bwt") == sorted(values(page, "bwt"))
    page.locator("th[data-key=method] button").focus()
    page.keyboard.press("Space")
    assert head.get_attribute("aria-sort") is None
    ordered = page.eval_on_selector_all(
        "tbody:nth-of-type(1) tr[data-row]", "rows => rows.map(row => row.dataset.name)")
    assert ordered == sorted(ordered, key=str.lower) and len(ordered) > 1


def test_missing_values_come_last_both_ways(visit):
    page = visit()
    for _ in range(2):
        page.locator("th[data-key=forgetting] button").click()
        found = page.eval_on_selector_all(
            "tbody[data-group=bound] tr[data-row]", "rows => rows.map(row => row.dataset.name)")
        assert found[-1] == "joint"  # trained in one phase, it has no forgetting


def test_filters_leave_the_rows_that_match(visit):
    page = visit()
    everything = names(page) + names(page, "bound")
    page.get_by_role("searchbox").fill("HAD")
    assert names(page) and all("had" in name for name in names(page))
    status = page.get_by_role("status")
    assert status.inner_text() == f"{len(names(page))} of {len(everything)} rows"
    page.get_by_role("searchbox").fill("nobody")
    assert names(page) + names(page, "bound") == []
    assert status.inner_text() == "No method matches"
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("Kind").select_option("bound")
    assert (names(page), sorted(names(page, "bound"))) == ([], ["joint", "separate"])
    page.get_by_label("Kind").select_option("")
    page.get_by_label("Exemplars").select_option("yes")
    assert names(page) == ["replay"] and names(page, "bound") == []


def test_long_tables_show_the_first_rows_of_their_order(visit, site, monkeypatch):
    monkeypatch.setattr(write, "ROWS", 2)
    write_site(untuned(PUBLISHED), site / "short")
    page = visit("short/index.html")
    assert len(names(page)) == 2
    page.locator("th[data-key=forgetting] button").click()
    best = names(page)
    assert len(best) == 2
    page.get_by_role("searchbox").fill("had")
    assert len(names(page)) == 2 and all("had" in name for name in names(page))
    page.get_by_role("searchbox").fill("")
    page.get_by_role("button", name="more rows").click()
    assert len(names(page)) == 8 and names(page)[:2] == best
    assert not page.get_by_role("button", name="more rows").is_visible()


def test_the_address_holds_what_was_chosen(visit):
    page = visit()
    page.get_by_role("searchbox").fill("had")
    page.locator("th[data-key=delta] button").click()
    page.locator("th[data-key=delta] button").click()
    chosen, address = names(page), page.url
    again = visit("index.html" + address[address.index("#"):])
    assert names(again) == chosen and again.get_by_role("searchbox").input_value() == "had"
    assert again.locator("th[data-key=delta]").get_attribute("aria-sort") == "ascending"
    follow(again, "joint", exact=True)
    assert "board-" in again.url and sorted(names(again)) == sorted(chosen)
    again.keyboard.press("Tab")
    again.get_by_role("link", name="Skip to the content").focus()
    again.keyboard.press("Enter")
    assert sorted(names(again)) == sorted(chosen)


def test_a_method_and_its_runs_are_reached_by_links(visit):
    page = visit()
    follow(page, "lwf", exact=True)
    assert page.locator("h1").inner_text().startswith("lwf")
    assert page.get_by_role("img").count() >= 4
    follow(page, "rooms_s1 seed 1")
    assert "lwf-rooms_s1-seed1" in page.locator("h1").inner_text()
    assert page.locator("table.matrix td.learnt").count() == 11
    assert "lhlbench run --method lwf" in page.locator("pre").first.inner_text()
    follow(page, "Leaderboard")
    assert page.url.endswith("index.html")


def test_a_record_is_handed_out(visit):
    page = visit("runs/run-1.html")
    follow(page, "record.json")
    assert json.loads(page.locator("body").inner_text())["method"]["name"] == "replay"


def test_families_have_leaderboards_of_their_own(visit):
    page = visit()
    follow(page, "elsewhere")
    assert names(page) == ["finetune"]
    follow(page, "rooms", exact=True)
    assert "had" in names(page)


def test_markup_of_others_is_shown_as_text(visit):
    page = visit()
    follow(page, EVIL)
    assert page.locator("h1").inner_text().startswith(EVIL)
    assert page.url.endswith(method_file(EVIL))
    failed = visit("runs/run-2.html")
    assert f"out of memory {EVIL}" in failed.locator("main").inner_text()


def test_incomplete_methods_say_what_they_lack(visit):
    page = visit()
    row = page.locator("tr[data-name=replay]")
    assert row.locator("td.rank").inner_text() == ""
    assert "rooms_s1 seeds 1, 2" in row.locator(".missing").inner_text()


def test_dark_is_the_systems_choice_until_it_is_ours(visit):
    background = "getComputedStyle(document.body).backgroundColor"
    light, dark = visit(), visit(scheme="dark")
    assert light.evaluate(background) != (night := dark.evaluate(background))
    light.get_by_role("button", name="Switch between light and dark").click()
    assert light.evaluate(background) == night
    light.goto(light.url.replace("index", "runs"))
    assert light.evaluate(background) == night


@pytest.mark.parametrize("file", ["index.html", "methods.html", "runs.html", "methods/had.html",
                                  "runs/run-1.html", "runs/run-2.html"])
def test_pages_fit_a_phone(visit, file):
    page = visit(file, width=375)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


@pytest.mark.parametrize("width", [375, 1280])
def test_no_column_of_a_leaderboard_is_without_a_heading(visit, width):
    page = visit(width=width)
    edges = page.eval_on_selector_all(
        "table.leaderboard, table.leaderboard thead th:last-child",
        "found => found.map(each => each.getBoundingClientRect().right)")
    assert abs(edges[0] - edges[1]) < 1


def test_the_caption_stays_when_a_table_is_scrolled(visit):
    page = visit(width=375)
    page.eval_on_selector(".scroll", "each => { each.scrollLeft = each.scrollWidth; }")
    edges = page.eval_on_selector("caption", "each => { const box = each.getBoundingClientRect();"
                                             " return [box.left, box.right]; }")
    assert 0 <= edges[0] < edges[1] <= 375


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("file", ["index.html", "methods/had.html", "runs/run-1.html",
                                  "runs/run-2.html"])
def test_text_stands_out(visit, file, scheme):
    page = visit(file, scheme=scheme)
    found = page.evaluate(CONTRASTS)
    assert len(found) > 20
    assert min(found)[0] >= 4.5, min(found)


def test_all_is_there_without_scripts_and_on_paper(chromium, site):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.as_uri()}/index.html")
    page.emulate_media(media="print")
    assert page.get_by_role("row").count() > 10
    assert not page.locator("nav").is_visible()
    context.close()
