"""The program `lhlbench`, also as `python -m benchmark`."""

import os
import signal
import sys


def main() -> None:
    """Run the command line; a signal while it is still being imported ends it without a word."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, frame: os._exit(
                130 if number == signal.SIGINT else 75))
    from benchmark.cli.app import main as run_commands

    run_commands(sys.argv[1:])


if __name__ == "__main__":
    main()
