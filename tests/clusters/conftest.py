"""Tests that start clusters on this machine; `make test-clusters` runs them."""

from __future__ import annotations

import os

collect_ignore_glob = [] if os.environ.get("LHLBENCH_TEST_CLUSTERS") == "required" else ["test_*"]
