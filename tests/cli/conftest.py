"""Commands of a user in an empty folder."""

from __future__ import annotations

import pytest

from benchmark.cli.app import invoke
from tests.helpers.tiny import TINY

SMALL = [word for setting in TINY for word in ("--set", setting)]


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run():
    """`lhlbench run` of a tiny sequence with further words; its exit code."""

    def invoke_run(*words, method="finetune", sequence="rooms_s1"):
        return invoke(["run", "--method", method, "--sequence", sequence, *SMALL, *words])

    return invoke_run
