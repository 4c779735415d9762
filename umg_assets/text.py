"""Text that others wrote, as people may see it: nothing in it is obeyed by what shows it, and no secret is in it.

Titles, names of files and columns, records and the messages of exceptions come from files, whoever wrote these.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

_OBEYED = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # controls, those of terminals among them
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # what turns the direction of the text after it
    "\u2028\u2029"  # ends of lines
    "\ud800-\udfff\ufff9-\ufffb]"  # halves of letters: bytes of file names that are no UTF-8; annotations
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_FORMULA = re.compile(
    r"[\s\x00-\x1f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]"
)
"""What a spreadsheet would take for a formula: also in full width, and after what cannot be seen."""
_FIGURE = re.compile(r"[+-]([0-9][0-9.,]*( ?(%|[a-z]{1,9}))?)?")
_MARKS = re.compile(r"[\\`*_~\[\]|$]")
_ENTITIES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
_SECRETS = (
    # PARAMETER=VALUE of an address: Spark Connect's, PostgreSQL's and their like
    re.compile(r"(?i)(?<=[;?&\s])([\w-]*(?:token|password|passwd|secret|authorization|api[_-]?key)[\w-]*=)[^;&\s'\"]+"),
    re.compile(r"(?i)(\bbearer )[^\s'\"]+"),
    # a header among the parameters of sc://HOST:PORT/;NAME=VALUE
    re.compile(r"(?<=;)(x-[\w-]+=)[^;\s'\"]+"),
    # SCHEME://USER:PASSWORD@HOST
    re.compile(r"(?<=://)([^\s/:@'\"]*:)[^\s/'\"]+(?=@)"),
)
HIDDEN = "***"
"""Stands for a secret."""


def counted(number: int, what: str) -> str:
    """A number of things in words: "1 file", "2,500 files". what: one of them."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def visible(text: str, keep: str = "") -> str:
    r"""The text, with what a terminal, a page or a log would obey and not show as an escape: \n, \u001b, \u202e.

    keep: characters that stay. The escapes are those of JSON and TOML, which read them back as they were.
    """
    return _OBEYED.sub(lambda found: found[0] if found[0] in keep else _escaped(found[0]), text)


def visible_in(value: Any) -> Any:
    """The value with every text in it, those of mappings and lists too, as `visible` shows it: for metadata."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {visible_in(key): visible_in(of) for key, of in value.items()}
    return [visible_in(of) for of in value] if isinstance(value, list | tuple) else value


def _escaped(letter: str) -> str:
    return _SHORT.get(letter) or f"\\u{ord(letter):04x}"


def is_obeyed(letter: str) -> bool:
    """Whether `visible` shows a letter as an escape."""
    return _OBEYED.match(letter) is not None


def markdown(text: str) -> str:
    """The text as Markdown that shows it on one line: nothing in it is a mark, a cell's end or an element."""
    return _MARKS.sub(r"\\\g<0>", visible(text)).translate(_ENTITIES)


def spreadsheet(value: Any) -> Any:
    """The value for a cell of a CSV file: a text on one line, with ' before what a spreadsheet takes for a formula.

    Numbers stay as they are, and so do texts that are figures, such as -1, +1.5% and +3 s, or a sign alone.
    """
    if not isinstance(value, str):
        return value
    guarded = _FORMULA.match(value) and not _FIGURE.fullmatch(value)
    return f"'{visible(value)}" if guarded else visible(value)


def told_id(value: str) -> str:
    """What is told of an id that may have been made of a user's: the beginning of its SHA-256, by which it is found."""
    return f"sha256:{hashlib.sha256(value.encode()).hexdigest()[:16]}"


def redacted(text: str) -> str:
    """The text without the passwords, tokens and keys that addresses in it carry."""
    for secret in _SECRETS:
        text = secret.sub(rf"\g<1>{HIDDEN}", text)
    return text
