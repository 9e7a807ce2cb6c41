"""Copies of a data set as plain arrays: npy folders (MTAN, LibMTL) and Parquet files (hubs)."""

from benchmark.data.formats.arrays.hub import hub_layout
from benchmark.data.formats.arrays.mtan import mtan_layout
from benchmark.data.formats.arrays.reader import ArrayTask

__all__ = ["ArrayTask", "hub_layout", "mtan_layout"]
