"""`python -m benchmark` is `lhlbench`."""

from benchmark.cli.app import main

main()
