"""Runs that are started in several processes."""

from __future__ import annotations

import pytest

from benchmark.engine.environment import make_fabric
from benchmark.errors import RequestError


def test_several_processes_of_torchrun_are_refused(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert make_fabric("cpu", "fp32").world_size == 1
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RequestError, match="2 processes"):
        make_fabric("cpu", "fp32")
