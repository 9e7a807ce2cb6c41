"""A run that takes a second or two, for every test that needs one."""

from __future__ import annotations

from benchmark.engine.plan import Plan, make_plan
from benchmark.engine.request import RunRequest

TINY = ("dataset.train=24", "dataset.eval=6", "dataset.height=24", "dataset.width=32",
        "recipe.epochs=2", "recipe.batch=4")


def tiny_plan(method: str, sequence: str = "rooms_s1", seed: int = 0, settings=(),
              method_settings=()) -> Plan:
    """The plan of a run that takes a second or two."""
    return make_plan(RunRequest(method, sequence, seed, (*TINY, *settings),
                                tuple(method_settings)))
