"""How long a site of 1,000 runs takes to write, how large it is, and how long a browser needs.

    python tests/speed/site.py
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from PIL import Image
from playwright.sync_api import sync_playwright

from benchmark.record import STATISTICS_FILE, Record
from benchmark.report.runs.collection import collect
from benchmark.report.site.write import write_site

PUBLISHED = Path(__file__).parents[1] / "results/published/rooms_s1"
METHODS, ORDERS, SEEDS = 28, 6, 6
ROUNDS = 5
LINES = 1000
"""Rows of the leaderboard that is opened and sorted: one run of each of so many methods."""
BOUNDS = ("joint", "separate")
SORT = """() => {
    const from = performance.now();
    document.querySelector("[data-key=bwt] button").click();
    document.body.offsetHeight;
    return performance.now() - from;
}"""
OPEN = "() => performance.timing.loadEventEnd - performance.timing.navigationStart"


def write(runs: Path, methods: int, orders: int, seeds: int) -> None:
    """Records with the shape of the published ones, statistics and previews beside them."""
    samples = {found.record.method.name: found for found in collect(PUBLISHED).complete}
    noise = random.Random(0)
    names = ["finetune", *BOUNDS, *(f"method_{number}" for number in range(methods - 3))]
    for name in names:
        found = samples[name if name in samples else "had"]
        for order in range(1, orders + 1):
            for seed in range(seeds):
                record = found.record.model_dump(mode="json", by_alias=True)
                record["method"]["name"] = record["config"]["method"] = name
                record["sequence"] = record["config"]["sequence"] = f"rooms_s{order}"
                record["seed"] = record["config"]["seed"] = seed
                record["run_id"] = f"{name}-rooms_s{order}-seed{seed}-0123456789"
                record["matrix"] = {
                    task: {metric: [value and value * noise.uniform(.9, 1.1) for value in values]
                           for metric, values in metrics.items()}
                    for task, metrics in record["matrix"].items()}
                folder = runs / record["run_id"]
                Record.model_validate(record).save(folder)
                os.link(found.folder / STATISTICS_FILE, folder / STATISTICS_FILE)


def previews(runs: Path) -> None:
    """Three pictures for every run, which compress as badly as can be."""
    picture = runs / "noise.png"
    Image.effect_noise((300, 200), 80).convert("RGB").save(picture)
    for folder in list(runs.glob("*/")):
        (folder / "previews").mkdir()
        for task in ("semantic", "depth", "normal"):
            os.link(picture, folder / "previews" / f"{task}.png")


def browse(index: Path) -> str:
    """Opening and sorting a leaderboard in the machine's chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"),
                                             args=["--no-sandbox"])
        page = browser.new_page()
        opened, sorted_ = [], []
        for _ in range(ROUNDS):
            page.goto(index.as_uri())
            opened.append(page.evaluate(OPEN))
            sorted_.append(page.evaluate(SORT))
        rows = page.locator("tr[data-row]").count()
        browser.close()
    return f"{rows} rows: opened in {median(opened):.0f} ms, sorted in {median(sorted_):.0f} ms"


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(dir=PUBLISHED.parents[1]) as folder:
        for methods, orders, seeds in ((METHODS, ORDERS, SEEDS), (LINES, 1, 1)):
            root = Path(folder) / str(methods)
            write(root / "runs", methods, orders, seeds)
            previews(root / "runs")
            begin = time.perf_counter()
            written = write_site(collect(root / "runs"), root / "site")
            seconds = time.perf_counter() - begin
            size = sum(file.stat().st_size for file in (root / "site").rglob("*"))
            print(f"{written.runs} runs of {written.methods} methods: {seconds:.1f} s, "
                  f"{size / 2**20:.1f} MiB, {written.leaderboards} leaderboards; "
                  f"{browse(written.index)}; load {os.getloadavg()[0]:.1f}")
            for note in written.notes:
                print(note)


if __name__ == "__main__":
    sys.exit(main())
