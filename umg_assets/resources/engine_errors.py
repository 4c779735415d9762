"""What is told of an error of the engine: its kind. Its words quote values of records, and may name a person."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

_CONDITION = re.compile(r"\[([A-Z][A-Z0-9_]+(?:\.[A-Z0-9_]+)*)\]")
_PHRASE = re.compile(
    r"(Arithmetic overflow|(?:Arrow|Cast|Compute|Divide by zero|Execution|Invalid argument|Parser) error)\b"
)
_ABOUT_VALUES = re.compile(r"SQLSTATE: 22[A-Z0-9]{3}")  # class 22 of the SQL standard: data exceptions


class ValueRefusedError(RuntimeError):
    """The engine cannot compute with a value; the message says what kind of error it is, and quotes nothing."""


def kind_of(error: Exception) -> str:
    """The kind of an engine's error, such as CAST_INVALID_INPUT (Spark) or Cast error (Sail); else its class."""
    text = str(error)
    found = _CONDITION.search(text) or _PHRASE.match(text)
    return found[1] if found else type(error).__name__


def first_line(error: Exception) -> str:
    """The first line of an error's words, which may quote a value; else its class."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def lacks_cast(error: Exception) -> bool:
    """Whether the engine lacks a cast, which Sail notices at run time only: it names types, and quotes no value."""
    return first_line(error).startswith("Unsupported TRY_CAST")


@contextmanager
def without_values() -> Iterator[None]:
    """What the engine raises in the block about a value is raised as ValueRefusedError, without the engine's words.

    Dagster stores a step's error, and those that it follows from. Errors of our own (raise_error), of the disk and of
    the connection keep their words.
    """
    try:
        yield
    except Exception as error:
        text = str(error)
        if not (_ABOUT_VALUES.search(text) or _PHRASE.match(text)):
            raise
        told = f"the engine cannot compute with a value: {kind_of(error)} (its words, which quote it, are left out)"
        raise ValueRefusedError(told).with_traceback(error.__traceback__) from None
