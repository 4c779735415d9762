"""The staged Parquet file that a landing file becomes, and the records rejected on the way."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from umg_assets.files.blocks import is_utf8
from umg_assets.files.recoding import escape_recoded
from umg_assets.files.rejects import BAD_ENCODING, REFUSAL_CHARACTERS, Rejects, escape

RECORD = "_record"
FILE_PATH = "file_path"
"""What expressions call the path of the file: staged as NULL where the file has no column of that name."""


class EnoughError(Exception):
    """As many records as are wanted have been read."""


class Staging:
    """A staged Parquet file while it is written, with the number of records read and the records rejected so far.

    recoded: whether the text that is rejected comes from `as_utf8`, of another encoding.
    at_most: `add` raises EnoughError once so many records have been read; default: reads all.
    Use as a context manager: the file appears at `staged` if the body succeeds, and not at all if it raises.
    """

    def __init__(self, staged: Path, schema: pa.Schema, at_most: int | None = None):
        self._at_most = at_most
        self.recoded = False
        self.records = 0
        self.rows = 0
        self.rejects = Rejects()
        self._staged = staged
        self._partial = staged.with_name(staged.name + ".partial")
        self._schema = schema.append(pa.field(RECORD, pa.int64()))
        # the file is read once and deleted: dictionaries and statistics cost more than they save
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
        """Write rows: one array for each column, in the schema's order, and the record number of each row (int64)."""
        table = pa.table([*columns, pa.array(records, pa.int64())], schema=self._schema)
        if table.num_rows:
            self._writer.write_table(table)
            self.rows += table.num_rows
        if self._at_most is not None and self.rows + self.rejects.counts.total() >= self._at_most:
            raise EnoughError

    def reject(self, record: int, reason: str, text: str) -> None:
        """Reject record number `record`, with its text as it is in the file."""
        self.rejects.add(record, reason, text)

    def reject_bytes(self, record: int, reason: str, raw: bytes) -> None:
        """As `reject`, from bytes; if they are not UTF-8, the reason is bad_encoding and the text is escaped."""
        if not is_utf8(raw):
            self.reject(record, BAD_ENCODING, "" if self.rejects.are_enough else self._escaped(raw))
        else:
            self.reject(record, reason, "" if self.rejects.are_enough else raw.decode())

    def reject_beginning(self, record: int, reason: str, raw: bytes) -> None:
        """As `reject`, of a record too long to be kept: its beginning, escaped."""
        self.reject(record, reason, self._escaped(raw[:REFUSAL_CHARACTERS]))

    def _escaped(self, raw: bytes) -> str:
        return (escape_recoded if self.recoded else escape)(raw)
