"""ORC: the wanted columns, some rows at a time, in types that Spark and Sail read in the same way."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.orc as pa_orc

from umg_assets.files.blocks import Unpacked
from umg_assets.files.few_rows import FEW_ROWS, joined
from umg_assets.files.limits import USUAL, Limits
from umg_assets.files.parquet import check_rows, columns_in, readable_alike, stage_batches
from umg_assets.files.rejects import NOT_THE_FORMAT, UNREADABLE_FILE, RefusedError, foreign_content, is_of_content
from umg_assets.files.staged import Staging

_MAGIC = b"ORC"


class OpenedOrc(NamedTuple):
    """A file and what its footer says."""

    file: BinaryIO
    footer: pa_orc.ORCFile


def orc_batches(file: BinaryIO, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows of an ORC file, with these columns or all, in batches of bounded size. Raises what pyarrow does."""
    import pyarrow.dataset as pa_dataset  # brings pandas, which takes longer than all the rest of a command

    fragment = pa_dataset.OrcFileFormat().make_fragment(pa.PythonFile(file, "r"))
    names = None if columns is None else list(columns)
    batches = fragment.to_batches(columns=names, batch_size=FEW_ROWS, batch_readahead=0, use_threads=False)
    return joined(fragment.physical_schema, batches)


def open_orc(file: BinaryIO, columns: Sequence[str], at_most: int = USUAL.columns) -> tuple[OpenedOrc, pa.Schema]:
    """The opened file, and the schema in which its wanted columns are staged.

    Raises RefusedError for other content, a corrupt or cut-off file, and a column that is missing or occurs twice.
    """
    head = file.read(512)
    file.seek(0)
    if head and not head.startswith(_MAGIC):
        content = foreign_content(head) or "something else"
        raise RefusedError(NOT_THE_FORMAT, f"Expected an ORC file; this is {content}.", head)
    try:
        orc = pa_orc.ORCFile(file)
        schema = orc.schema
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(error, head) from error
    columns = columns_in(schema.names, columns, head, at_most)
    return OpenedOrc(file, orc), pa.schema([(column, readable_alike(schema.field(column).type)) for column in columns])


def _unreadable(error: Exception, head: bytes) -> RefusedError:
    if not is_of_content(error):
        raise error
    sentence = f"Expected a whole ORC file; it is corrupt or cut off ({str(error).splitlines()[0][:300]})."
    return RefusedError(UNREADABLE_FILE, sentence, head)


def stage_orc(orc: OpenedOrc, schema: pa.Schema, staging: Staging, limits: Limits, unpacked: Unpacked) -> None:
    """Copy the wanted columns into `staging`. Raises RefusedError if the file is corrupt, or unpacks to too much."""
    rows, before = orc.footer.nrows, staging.records
    try:
        if not schema.names:
            staging.add([], np.arange(1, rows + 1) + staging.records)
            staging.records += rows
            return
        stage_batches(orc_batches(orc.file, schema.names), schema, staging, limits, unpacked)
        check_rows(staging.records - before, rows)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(error, b"") from error
