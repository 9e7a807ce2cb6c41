"""The methods of the benchmark, one file each; the file's name is the method's."""
