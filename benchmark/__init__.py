"""lhlbench: a benchmark for lifelong heterogeneous learning of dense prediction."""

__version__ = "0.1.0"

# Part of every run id: raised whenever a change of the harness changes numbers. What each changed:
# docs/decisions.md, "Protocol versions".
PROTOCOL_VERSION = 2
