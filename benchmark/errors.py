"""Errors a user can act on: one message that says what is wrong, where, and how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

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
