"""The data sets there are, one module or package each."""
