"""lhlbench: a benchmark for lifelong heterogeneous learning of dense prediction.

From Python: `benchmark.run`, `benchmark.load_runs`, `benchmark.load_network`; they are described in
`benchmark.interface`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark.interface import load_network, load_runs, run

__version__ = "0.1.0"

# Part of every run id: raised whenever a change of the harness changes numbers. What each changed:
# docs/decisions.md, "Protocol versions".
PROTOCOL_VERSION = 2

_INTERFACE = ("load_network", "load_runs", "run")
__all__ = ["PROTOCOL_VERSION", "__version__", "load_network", "load_runs", "run"]


def __getattr__(name: str) -> Any:
    """The Python interface, imported when it is first asked for: it stands above all modules."""
    if name in _INTERFACE:
        from benchmark import interface

        return getattr(interface, name)
    raise AttributeError(f"module 'benchmark' has no attribute '{name}'")
