"""ORC: the wanted columns, stripe by stripe, in types that Spark and Sail read in the same way."""

from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.orc as pa_orc

from umg_assets.files.limits import USUAL
from umg_assets.files.parquet import add_batch, check_rows, columns_in, readable_alike
from umg_assets.files.rejects import NOT_THE_FORMAT, UNREADABLE_FILE, RefusedError, foreign_content, is_of_content
from umg_assets.files.staged import Staging

_MAGIC = b"ORC"


def open_orc(file: BinaryIO, columns: Sequence[str], at_most: int = USUAL.columns) -> tuple[pa_orc.ORCFile, pa.Schema]:
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
    return orc, pa.schema([(column, readable_alike(schema.field(column).type)) for column in columns])


def _unreadable(error: Exception, head: bytes) -> RefusedError:
    if not is_of_content(error):
        raise error
    sentence = f"Expected a whole ORC file; it is corrupt or cut off ({str(error).splitlines()[0][:300]})."
    return RefusedError(UNREADABLE_FILE, sentence, head)


def stage_orc(orc: pa_orc.ORCFile, schema: pa.Schema, staging: Staging) -> None:
    """Copy the wanted columns into `staging`. Raises RefusedError if the file turns out to be corrupt."""
    before = staging.records
    try:
        if not schema.names:
            staging.add([], np.arange(1, orc.nrows + 1) + staging.records)
            staging.records += orc.nrows
            return
        for stripe in range(orc.nstripes):
            batch = orc.read_stripe(stripe, columns=schema.names)
            add_batch(batch.select(schema.names), schema.types, staging)
        check_rows(staging.records - before, orc.nrows)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(error, b"") from error
