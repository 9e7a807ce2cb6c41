"""Shared by all tests: a cache of their own, and a tiny sequence to run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmark.data.sources.source import DataPaths
from benchmark.engine.execute import Outcome, execute
from benchmark.engine.options import Options
from tests.helpers.tiny import tiny_plan


@pytest.fixture(autouse=True, scope="session")
def _two_threads():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def cache(tmp_path_factory, worker_id):
    """One cache for all workers of a test session."""
    own = tmp_path_factory.getbasetemp()
    return (own if worker_id == "master" else own.parent) / "cache"


@pytest.fixture(autouse=True)
def _own_cache(cache, monkeypatch):
    monkeypatch.setenv("LHLBENCH_CACHE", str(cache))
    monkeypatch.delenv("LHLBENCH_DATA", raising=False)


@pytest.fixture
def tiny(cache, tmp_path):
    """Runs a method on a tiny rooms sequence: tiny("had", method_settings=[...]) -> Outcome."""

    def run(method: str, sequence: str = "rooms_s1", seed: int = 0, settings=(),
            method_settings=(), runs: Path = tmp_path / "runs", callback=None,
            **options) -> Outcome:
        plan = tiny_plan(method, sequence, seed, settings, method_settings)
        return execute(plan, Options(runs=runs, data_paths=DataPaths(cache), device="cpu",
                                     **options), callback)

    return run
