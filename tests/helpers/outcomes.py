"""What runs leave: checkpoints between phases, and properties of their matrices."""

from __future__ import annotations

from benchmark.engine import checkpoint
from benchmark.engine.state_files import BOUNDARY_FILE


def boundary_state(folder):
    """The latest checkpoint between two phases of the only run below a folder."""
    (file,) = folder.glob(f"**/{BOUNDARY_FILE}")
    return checkpoint.load_state(file)


def assert_constant_rows(record):
    """No result of any task changes after its own phase."""
    for place, metrics in enumerate(record.matrix.values()):
        for values in metrics.values():
            assert len(set(values[place:])) == 1
