"""`lhlbench compare`."""

from __future__ import annotations

from typing import Annotated

import typer

from benchmark.cli.options import (
    RUNS,
    AsJson,
    Baseline,
    Convention,
    NoPublished,
    Runs,
    Sequences,
    Where,
)
from benchmark.cli.output import print_json
from benchmark.errors import RequestError


def compare(methods: Annotated[list[str], typer.Argument(help="labels or globs, such as had or "
                                                         "'had (weight=6)', with commas; each is "
                                                         "set against the last")],
            sequences: Sequences = "*", where: Where = None,
            metric: Annotated[str, typer.Option(help="delta, or TASK/METRIC")] = "delta",
            baseline: Baseline = "finetune", convention: Convention = "pixel", runs: Runs = RUNS,
            no_published: NoPublished = False, as_json: AsJson = False) -> None:
    """Is one method better than another? Paired over orders and seeds, with exact tests."""
    from benchmark.cli.records import finished_records
    from benchmark.cli.verdicts import content, print_verdicts
    from benchmark.report.compare import Measure, split_names
    from benchmark.report.compare import compare as compare_methods

    *ours, last = (split_names(name) for name in methods)
    names = [name for each in ours for name in each]
    if not names or not last:
        raise RequestError("compare takes two methods or more: lhlbench compare had lwf, or "
                           "had,ewc lwf, or had '*'")
    measure = Measure(metric, baseline, convention)
    found, notes = compare_methods(finished_records(runs, no_published, where), names, last,
                                   sequences.split(","), measure)
    if as_json:
        print_json({"metric": metric, "baseline": baseline if metric == "delta" else None,
                    "convention": convention, "notes": notes,
                    "comparisons": [content(each) for each in found]})
    else:
        print_verdicts(found, notes)
