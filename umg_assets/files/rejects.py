"""Why a record or a whole file is rejected, and the text that is kept of it."""

import difflib
import errno
import re
from collections import Counter
from collections.abc import Sequence

import pyarrow as pa

from umg_assets.files.limits import REJECT_CHARACTERS, REJECTS_BYTES, REJECTS_KEPT

FIELD_COUNT = "field_count"
BROKEN_JSON = "broken_json"
BAD_ENCODING = "bad_encoding"
BROKEN_QUOTE = "broken_quote"
TOO_LARGE = "too_large"
TOO_DEEP = "too_deep"
UNREADABLE_REST = "unreadable_rest"
UNREADABLE_FILE = "unreadable_file"
NOT_THE_FORMAT = "not_the_format"
MISSING_COLUMN = "missing_column"
INTERNAL_ERROR = "internal_error"
RECORD_REASONS = (FIELD_COUNT, BROKEN_JSON, BAD_ENCODING, BROKEN_QUOTE, TOO_LARGE, TOO_DEEP, UNREADABLE_REST)
FILE_REASONS = (UNREADABLE_FILE, NOT_THE_FORMAT, MISSING_COLUMN, INTERNAL_ERROR)

REJECTS = pa.schema([("record", pa.int64()), ("reason", pa.string()), ("text", pa.string())])
REFUSAL_CHARACTERS = 2_000
_HINTED_COLUMNS, _HINTED_CHARACTERS = 500, 100

_MARKS = {
    b"\xff\xfe": "UTF-16 text (by its byte order mark); export it as UTF-8",
    b"\xfe\xff": "UTF-16 text (by its byte order mark); export it as UTF-8",
    b"\x1f\x8b": "gzip data; name it .gz",
    b"\x28\xb5\x2f\xfd": "Zstandard data; name it .zst",
    b"BZh91AY&SY": "bzip2 data; name it .bz2",
    b"PAR1": "a Parquet file; name it .parquet",
    b"PK\x03\x04": "a zip archive or a workbook: name it .zip or .xlsx; save .ods and .xlsb as .xlsx",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an .xls workbook, or one with a password; save it as .xlsx without one",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive; unpack it, or pack it as .zip",
    b"Rar!\x1a\x07": "a RAR archive; unpack it, or pack it as .zip",
    b"\xfd7zXZ\x00": "xz data; pack it with gzip, bzip2 or zstd",
    b"\x04\x22\x4d\x18": "LZ4 data; pack it with gzip, bzip2 or zstd",
    b"Obj\x01": "an Avro file; name it .avro",
    b"ORC": "an ORC file; name it .orc",
    b"%PDF": "a PDF",
    b"SQLite format 3\x00": "a SQLite database",
}


_UTF_16 = (("utf-16-le", re.compile(rb"(?:[\t\r\n -~]\0){4}")), ("utf-16-be", re.compile(rb"(?:\0[\t\r\n -~]){4}")))


class RefusedError(Exception):
    """A file is refused as a whole: one of FILE_REASONS, a sentence for people, and the file's first bytes."""

    def __init__(self, reason: str, sentence: str, head: bytes = b""):
        super().__init__(sentence)
        self.reason, self.sentence, self.head = reason, sentence, head


def is_of_content(error: Exception) -> bool:
    """Whether an error that a reader raised tells of the file's content, not of the system that it lies on.

    A library's OSError has no number, but for EINVAL: a place in the content, given by it, lies before its beginning.
    """
    return not isinstance(error, OSError) or error.errno in (None, errno.EINVAL)


def foreign_content(head: bytes) -> str | None:
    """The kind of a file by the signature in its first bytes, if it is known and neither CSV nor JSON; else None."""
    known = next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)
    if known is None and head[257:262] == b"ustar":
        return "a tar archive; unpack it, or pack it as .zip"
    if known is None and (order := next((name for name, shape in _UTF_16 if shape.match(head)), None)):
        return f'UTF-16 text without a byte order mark; set encoding = "{order}"'
    if known is None and head.lstrip()[:1] == b"<":
        return "HTML or XML"
    return known


def escape(raw: bytes) -> str:
    """Bytes as text, reversibly: invalid UTF-8 as \\xNN, and each literal backslash doubled."""
    return raw.replace(b"\\", b"\\\\").decode("utf-8", errors="backslashreplace")


_BEGINS = " The file begins: "


def refusal_text(sentence: str, head: bytes) -> str:
    """The sentence and the file's first bytes (control characters escaped too): at most 2,000 characters."""
    beginning = escape(head[:REFUSAL_CHARACTERS])
    beginning = re.sub(r"[\x00-\x1f\x7f]", lambda match: f"\\x{ord(match[0]):02x}", beginning)
    return (f"{sentence}{_BEGINS}{beginning}" if head else sentence)[:REFUSAL_CHARACTERS]


def sentence_of(refusal: str) -> str:
    """The sentence of a refusal's text, without the file's first bytes: these may name a person."""
    return refusal.partition(_BEGINS)[0]


def refuse_missing(missing: Sequence[str], names: Sequence[str], head: bytes) -> None:
    """Raise RefusedError (missing_column) if `missing` is not empty, naming similar columns and those in the file."""
    if not missing:
        return
    hints = []
    # looking for similar names takes time that grows with the square of their length
    names = [name[:_HINTED_CHARACTERS] for name in names[:_HINTED_COLUMNS]]
    for column in missing[:_HINTED_COLUMNS]:
        near = difflib.get_close_matches(column, names, n=1)
        hints.append(f"{column} (nearest: {near[0]})" if near else column)
    raise RefusedError(MISSING_COLUMN, f"Missing columns: {', '.join(hints)}. Found: {', '.join(names)}.", head)


def refuse_many_columns(columns: int, at_most: int, head: bytes) -> None:
    """Raise RefusedError if a file has more columns than the limit."""
    if columns > at_most:
        raise RefusedError(NOT_THE_FORMAT, f"Expected at most {at_most:,} columns; this has {columns:,}.", head)


def rejects_table(rows: Sequence[tuple[int, str, str]]) -> pa.Table:
    """Rows of (record, reason, text) as a table with schema REJECTS."""
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table([pa.array(c, t) for c, t in zip(columns, REJECTS.types, strict=True)], schema=REJECTS)


class Rejects:
    """A file's bad records: all are counted, by reason, and REJECTS_KEPT are kept, in bounded memory."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._kept: list[tuple[int, str, str]] = []
        self._size = 0

    def add(self, record: int, reason: str, text: str) -> None:
        """Reject record number `record`."""
        self.counts[reason] += 1
        if len(self._kept) < REJECTS_KEPT:
            text = text if self._size <= REJECTS_BYTES else text[:REJECT_CHARACTERS]
            self._size += len(text)
            self._kept.append((record, reason, text))

    @property
    def are_enough(self) -> bool:
        """Whether no more are kept, so that a text need not be made."""
        return len(self._kept) >= REJECTS_KEPT

    def table(self) -> pa.Table:
        """Those that are kept, with schema REJECTS."""
        return rejects_table(self._kept)
