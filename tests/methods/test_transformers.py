"""Methods that act on layers, on a plain transformer: its linear layers are layers too."""

from __future__ import annotations

import pytest

from benchmark.data.sources.source import DataPaths, default_cache
from benchmark.engine.callbacks import Callback
from benchmark.engine.execute import execute
from benchmark.engine.options import Options
from tests.helpers.tiny import tiny_plan


@pytest.mark.parametrize("method", ["gpm", "lora", "inflora", "modulators", "packnet", "spg"])
def test_methods_of_layers_run_on_a_plain_transformer(method, tmp_path):
    plan = tiny_plan(method, settings=("recipe.backbone=test_vit", "recipe.epochs=1"))
    paths = DataPaths(default_cache(), None)
    record = execute(plan, Options(runs=tmp_path, data_paths=paths, device="cpu"),
                     Callback()).record
    assert record.status == "complete"
    assert all(value is not None for task in record.tasks
               for value in record.matrix[task.name][task.metrics[0].name][-1:])
