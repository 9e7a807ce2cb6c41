"""The installed package, away from the clone: commands, methods, sequences and photographs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """`pip install .` into an empty folder (what torch and the others need is in the venv)."""
    target = tmp_path_factory.mktemp("site")
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target",
                    str(target), str(ROOT)], check=True, timeout=300)
    return target


def call(installed, *words, folder):
    environment = {**os.environ, "PYTHONPATH": str(installed), "LHLBENCH_CACHE": str(folder / "c")}
    return subprocess.run([sys.executable, str(installed / "bin" / "lhlbench"), *words],
                          cwd=folder, env=environment, capture_output=True, text=True, timeout=200)


def test_it_is_the_installed_copy_that_runs(installed, tmp_path):
    code = "import benchmark, methods; print(benchmark.__file__); print(methods.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": str(installed)}, capture_output=True)
    assert all(line.startswith(str(installed)) for line in done.stdout.split())


def test_it_finds_its_methods_and_sequences(installed, tmp_path):
    here = {file.stem for file in (ROOT / "methods").glob("[a-z]*.py")}
    listed = call(installed, "ls", "methods", folder=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert here <= {line.split()[0] for line in listed.stdout.splitlines() if line.strip()}
    listed = call(installed, "ls", "sequences", folder=tmp_path)
    for name in ("rooms_s6", "rooms5_s1", "rooms10_s10", "tabletop_s6"):
        assert name in listed.stdout


def test_it_runs_on_the_photographs_it_brings_along(installed, tmp_path):
    assert (installed / "benchmark/shipped/sequences/tabletop/LICENSE").is_file()
    done = call(installed, "run", "--method", "had", "--sequence", "tabletop_s1",
                "--set", "recipe.epochs=1", "--set", "recipe.crops_per_image=8", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "record: results/runs/had-tabletop_s1" in done.stdout
    listed = call(installed, "ls", "runs", folder=tmp_path)
    assert "had-tabletop_s1" in listed.stdout
