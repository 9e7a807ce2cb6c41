"""Data sets, one module or package each."""
