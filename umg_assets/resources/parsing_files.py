"""What the formats of landing files share: reasons, plain bytes out of compressed ones, the staged Parquet file."""

import bz2
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

FIELD_COUNT = "field_count"
BROKEN_JSON = "broken_json"
BAD_ENCODING = "bad_encoding"
BROKEN_QUOTE = "broken_quote"
UNREADABLE_FILE = "unreadable_file"
NOT_THE_FORMAT = "not_the_format"
MISSING_COLUMN = "missing_column"
RECORD_REASONS = (FIELD_COUNT, BROKEN_JSON, BAD_ENCODING, BROKEN_QUOTE)
FILE_REASONS = (UNREADABLE_FILE, NOT_THE_FORMAT, MISSING_COLUMN)

RECORD = "_record"
REJECTS = pa.schema([("record", pa.int64()), ("reason", pa.string()), ("text", pa.string())])
REFUSAL_CHARACTERS = 2_000
BLOCK_BYTES = 4 << 20
_READ_BYTES = 128 << 10

_DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    ".gz": lambda: zlib.decompressobj(wbits=31),
    ".bz2": bz2.BZ2Decompressor,
    ".zst": lambda: zstandard.ZstdDecompressor().decompressobj(),
}
COMPRESSIONS = tuple(_DECOMPRESSORS)

_MARKS = {
    b"\xff\xfe": "UTF-16 text (by its byte order mark); export it as UTF-8",
    b"\xfe\xff": "UTF-16 text (by its byte order mark); export it as UTF-8",
    b"\x1f\x8b": "gzip data; name it .gz",
    b"\x28\xb5\x2f\xfd": "Zstandard data; name it .zst",
    b"BZh91AY&SY": "bzip2 data; name it .bz2",
    b"PAR1": "a Parquet file; name it .parquet",
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"%PDF": "a PDF",
    b"SQLite format 3\x00": "a SQLite database",
}


class RefusedError(Exception):
    """The whole file is refused: one of FILE_REASONS, a sentence for a person, and the bytes it is about."""

    def __init__(self, reason: str, sentence: str, head: bytes = b""):
        super().__init__(sentence)
        self.reason, self.sentence, self.head = reason, sentence, head


def foreign_content(head: bytes) -> str | None:
    """What `head`, a file's first bytes, is known to be by its signature, where that is neither CSV nor JSON text."""
    known = next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)
    if known is None and head.lstrip()[:1] == b"<":
        return "HTML or XML"
    return known


def escape(raw: bytes) -> str:
    """Bytes as text that can be turned back: invalid UTF-8 as \\xNN, and each literal backslash doubled."""
    return raw.replace(b"\\", b"\\\\").decode("utf-8", errors="backslashreplace")


def refusal_text(sentence: str, head: bytes) -> str:
    """The sentence, then the file's first bytes (control characters escaped too), 2,000 characters at most."""
    shown = escape(head[:REFUSAL_CHARACTERS])
    shown = re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\x{ord(found[0]):02x}", shown)
    return (f"{sentence} The file begins: {shown}" if head else sentence)[:REFUSAL_CHARACTERS]


def _plain(file: BinaryIO, suffix: str) -> Iterator[bytes]:
    """The decompressed bytes of all members of a compressed file; a cut-off or corrupt one raises RefusedError."""
    member: Any = None
    read_any = False
    while data := file.read(_READ_BYTES):
        read_any = True
        while data:
            if member is None:
                # tape and block writers pad gzip files with zeros behind the last member, which gunzip skips
                data = data.lstrip(b"\0") if suffix == ".gz" else data
                if not data:
                    break
                member = _DECOMPRESSORS[suffix]()
            try:
                plain = member.decompress(data)
            except (zlib.error, OSError, ValueError, EOFError, zstandard.ZstdError) as error:
                sentence = f"Expected {suffix} data; it is corrupt or of another kind ({error})."
                raise RefusedError(UNREADABLE_FILE, sentence) from error
            if plain:
                yield plain
            data, member = (member.unused_data, None) if member.eof else (b"", member)
    if member is not None or not read_any:
        raise RefusedError(UNREADABLE_FILE, f"Expected {suffix} data; it is cut off before its end.")


def chunks_of(file: BinaryIO, suffix: str) -> Iterator[bytes]:
    """The plain bytes of an open file, looking through the compression that `suffix` names (see COMPRESSIONS)."""
    if suffix in _DECOMPRESSORS:
        return _plain(file, suffix)
    return iter(lambda: file.read(BLOCK_BYTES), b"")


def blocks_of(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """(block, is the last) of a text: UTF-8 byte order mark taken off, about BLOCK_BYTES each, at least one block."""
    held: list[bytes] = []
    size, first = 0, True
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= BLOCK_BYTES:
            block = b"".join(held)
            yield block.removeprefix(b"\xef\xbb\xbf") if first else block, False
            held, size, first = [], 0, False
    block = b"".join(held)
    yield block.removeprefix(b"\xef\xbb\xbf") if first else block, True


class Staging:
    """One staged Parquet file being written, with the count of records read and the records rejected so far.

    Use as a context manager: the file appears at `staged` when the body ends well, and not at all when it raises.
    """

    def __init__(self, staged: Path, schema: pa.Schema):
        self.records = 0
        self.rows = 0
        self._rejects: list[tuple[int, str, str]] = []
        self._staged = staged
        self._partial = staged.with_name(staged.name + ".partial")
        self._schema = schema.append(pa.field(RECORD, pa.int64()))
        # read once and thrown away: dictionaries and statistics cost more than they save
        self._writer = pq.ParquetWriter(
            self._partial, self._schema, compression="snappy", use_dictionary=False, write_statistics=False
        )

    def __enter__(self) -> "Staging":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._writer.close()
            if kind is None:
                self._partial.replace(self._staged)
        finally:
            self._partial.unlink(missing_ok=True)

    def add(self, columns: Sequence[pa.Array | pa.ChunkedArray], records: np.ndarray) -> None:
        """Write rows: one array a column, in the schema's order, and each row's record number (int64)."""
        table = pa.table([*columns, pa.array(records, pa.int64())], schema=self._schema)
        if table.num_rows:
            self._writer.write_table(table)
            self.rows += table.num_rows

    def reject(self, record: int, reason: str, text: str) -> None:
        """Note record number `record` as bad, with its text as it stands in the file."""
        self._rejects.append((record, reason, text))

    def reject_bytes(self, record: int, reason: str, raw: bytes) -> None:
        """As `reject`, from bytes: where they are not UTF-8, that is the reason, and the text is escaped."""
        try:
            self.reject(record, reason, raw.decode())
        except UnicodeDecodeError:
            self.reject(record, BAD_ENCODING, escape(raw))

    def rejects(self) -> pa.Table:
        """The rejected records so far: record, reason, text."""
        return rejects_table(self._rejects)


def rejects_table(rows: Sequence[tuple[int, str, str]]) -> pa.Table:
    """(record, reason, text) rows as a table of schema REJECTS."""
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table([pa.array(c, t) for c, t in zip(columns, REJECTS.types, strict=True)], schema=REJECTS)
