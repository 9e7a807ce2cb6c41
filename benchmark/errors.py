"""Errors a user can act on: one message that says what is wrong, where, and how to mend it."""

from __future__ import annotations

import difflib
import signal
from collections.abc import Iterable

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals by which users and schedulers end a command."""
LONGEST_VALUE = 80
"""Characters of a value that a message repeats."""


class LhlbenchError(Exception):
    """Base of every error that is shown to the user as one message, without a traceback."""

    exit_code = 1


class RequestError(LhlbenchError):
    """The request was wrong (name, key, file, value); nothing has been done. Exit code 2."""

    exit_code = 2


class DataError(RequestError):
    """A file of a data set cannot be used; the message names the file. Exit code 2."""


class Busy(RequestError):
    """Another process carries out this very run at the moment. Exit code 2."""


class RunError(LhlbenchError):
    """A run started and failed; its record says why. Exit code 1."""


class Interrupted(LhlbenchError):
    """The user stopped the command (Ctrl-C). Exit code 130, as shells expect."""

    exit_code = 130


class Suspended(LhlbenchError):
    """SIGTERM, SIGHUP or a limit stopped the command before all was done; the same command goes
    on. Exit code 75, by which schedulers know what to start again."""

    exit_code = 75


class SignalReceived(BaseException):
    """SIGINT, SIGTERM or SIGHUP, raised wherever the program is; no error that code may handle."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def stopped_by(number: int, message: str) -> LhlbenchError:
    """The error that ends a command stopped by a signal: `Interrupted` or `Suspended`."""
    if number == signal.SIGINT:
        return Interrupted(f"interrupted; {message}")
    return Suspended(f"stopped by {signal.Signals(number).name}; {message}")


class Terminated(SystemExit):
    """A signal ends the process; told apart from code of a user that leaves the program."""


def unknown(what: str, name: str, known: Iterable[str]) -> RequestError:
    """A `RequestError` for a name that does not exist, with the nearest names suggested."""
    names = sorted(set(known))
    near = (difflib.get_close_matches(name, names, n=3, cutoff=0.5)
            if len(name) <= LONGEST_VALUE else [])
    if near:
        hint = f"Did you mean {' or '.join(near)}?"
    else:
        hint = f"Known: {', '.join(names)}." if names else "None are known."
    return RequestError(f"unknown {what} '{shortened(one_line(name))}'. {hint}")


def one_line(text: str) -> str:
    """Text without line breaks, and with control characters made visible.

    What a file says can then neither end a line of a table or comment nor steer a terminal.
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() or character == " "
                   else " " if character.isspace() else f"\\x{ord(character):02x}"
                   for character in text)


def visible(text: str) -> str:
    """Text with its line breaks, and with other control characters made visible."""
    return "\n".join(map(one_line, text.split("\n")))


def shortened(text: str, longest: int = LONGEST_VALUE) -> str:
    """Text of at most about `longest` characters; what is left out of a longer one is counted."""
    if len(text) <= longest:
        return text
    kept = longest // 2
    return f"{text[:kept]}... ({len(text) - 2 * kept} more characters) ...{text[-kept:]}"
