"""How a text file of a source is written, beyond being CSV or TSV: what separates, quotes and encodes its fields."""

import codecs
from dataclasses import dataclass

_LONGEST_DELIMITER = 8
_STATEFUL = {"utf-7", "idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"}


@dataclass(frozen=True)
class Dialect:
    """Delimiter, quoting, encoding and header of delimited text; the default is what CSV and TSV are without settings.

    delimiter: one or several characters. None: by the format, or by the file's first line where that is `sep=;`.
    quote: "" where quotes are ordinary characters. escape: takes its meaning from a following delimiter, quote, line
    end or escape; None: only doubled quotes. encoding: a name of Python's codecs; a byte order mark in the file goes
    over it. column_names: of files without a header, in order. skip_lines: lines before the header, as an editor
    counts them.

    Raises ValueError that begins with the setting's name.
    """

    delimiter: str | None = None
    quote: str = '"'
    escape: str | None = None
    encoding: str = "utf-8"
    header: bool = True
    column_names: tuple[str, ...] = ()
    skip_lines: int = 0

    def __post_init__(self) -> None:
        _check_delimiter(self.delimiter)
        _check_character("quote", self.quote or None)
        _check_character("escape", self.escape)
        given = [("delimiter", self.delimiter), ("quote", self.quote), ("escape", self.escape)]
        seen: dict[str, str] = {}
        for name, text in given:
            for character in sorted(set(text or "")):
                if character in seen:
                    hint = "; doubled quotes are read without it" if name == "escape" else ""
                    raise ValueError(f"{name}: expected another character than {seen[character]}, got {text!r}{hint}")
                seen[character] = name
        _check_encoding(self.encoding)
        if not self.header and not self.column_names:
            raise ValueError('header: false needs column_names, such as ["user", "at", "track"], got none')
        if self.header and self.column_names:
            raise ValueError(
                "column_names: expected only with header = false; to replace a header, say header = false and "
                "skip_lines = 1"
            )
        if len(set(self.column_names)) < len(self.column_names):
            raise ValueError(f"column_names: expected each name once, got {', '.join(self.column_names)}")
        if self.skip_lines < 0:
            raise ValueError(f"skip_lines: expected a number of lines, got {self.skip_lines}")


def _check_delimiter(delimiter: str | None) -> None:
    if delimiter is None:
        return
    if not 1 <= len(delimiter) <= _LONGEST_DELIMITER or any(character in delimiter for character in "\r\n\0"):
        raise ValueError(
            f"delimiter: expected 1 to {_LONGEST_DELIMITER} characters such as ';', '\\t' or '::', none a line end, "
            f"got {delimiter!r}"
        )


def _check_character(name: str, character: str | None) -> None:
    if character is None:
        return
    if len(character) != 1 or not character.isascii() or character in "\r\n\0":
        more = ', or "" for none' if name == "quote" else ""
        example = {"quote": "'\"'", "escape": "'\\\\'"}[name]
        raise ValueError(f"{name}: expected one ASCII character such as {example}{more}, got {character!r}")


def _check_encoding(encoding: str) -> None:
    try:
        known = codecs.lookup(encoding)
        is_text = "a;b\n".encode(encoding).decode(encoding) == "a;b\n" and known.name not in _STATEFUL
    except (LookupError, ValueError, TypeError):
        is_text = False
    if not is_text:
        raise ValueError(
            f"encoding: expected a name of Python's text codecs such as 'cp1250', 'iso8859-2' or 'utf-16', "
            f"got {encoding!r}"
        )
