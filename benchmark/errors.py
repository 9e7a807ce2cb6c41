"""Errors a user can act on: one message that says what is wrong, where, and how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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


class Unfinished(LhlbenchError):
    """Stopped by a signal or a limit before all was done; the same command goes on. Exit code
    75, which asks to be tried again."""

    exit_code = 75


class Terminated(SystemExit):
    """A signal ends the process; told apart from code of a user that leaves the program."""


def unknown(what: str, name: str, known: Iterable[str]) -> RequestError:
    """A `RequestError` for a name that does not exist, with the nearest names suggested."""
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        hint = f"Did you mean {' or '.join(near)}?"
    else:
        hint = f"Known: {', '.join(names)}." if names else "None are known."
    return RequestError(f"unknown {what} '{name}'. {hint}")
