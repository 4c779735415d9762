"""What is proved before a commit: the contract in the write itself, and that no record of a delivery is lost."""

from collections.abc import Iterable

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from umg_assets.resources.ledger import Entry
from umg_assets.tables import DELETED, Table
from umg_assets.transforms.shares import share_of

_HASH = "_key_hash"


class RecordsLostError(RuntimeError):
    """Records of a file are neither landed nor filtered nor in quarantine; the message names the file and counts."""


def proved(table: Table, rows: DataFrame) -> DataFrame:
    """The rows; the engine raises when one breaks the contract, so that whatever is writing them writes nothing.

    No NULL in table.not_null, and no key twice in a partition (table.unique; NULL equals NULL). Rows are sorted by the
    key's 64-bit hash in each partition and compared with the row before, by the key itself: 22 % of the time that plays
    take to make, and 3 % of a whole build.
    """
    raising = {name: _refused(table, name, f"expected a value in {name}, got NULL") for name in table.not_null}
    deleted = F.col(DELETED) if DELETED in rows.columns else F.lit(False)
    needed = {name: F.lit(False) if name in table.key else deleted for name in raising}
    filled = rows.withColumns(
        {
            name: F.when(F.col(name).isNotNull() | needed[name], F.col(name)).otherwise(error)
            for name, error in raising.items()
        }
    )
    if not table.unique:
        return filled
    order = Window.partitionBy(*(table.partitioned_by or (share_of(*table.key),))).orderBy(_HASH)
    twice = F.lag(_HASH).over(order) == F.col(_HASH)
    for name in table.key:
        twice &= F.lag(name).over(order).eqNullSafe(F.col(name))
    last = table.key[-1]
    once = F.when(twice, _refused(table, last, "expected each key once, got it twice")).otherwise(F.col(last))
    return filled.withColumn(_HASH, F.xxhash64(*table.key)).withColumn(last, once).drop(_HASH)


def _refused(table: Table, name: str, said: str) -> Column:
    """Raises, in the place of a column, and names the row: never by user_id."""
    named = table.unique or [one for one in ("source_file", "record") if one in table.names]
    row = F.concat_ws(
        ", ", *(F.concat(F.lit(f"{one}="), F.coalesce(F.col(one).cast("string"), F.lit("NULL"))) for one in named)
    )
    message = F.concat(F.lit(f"{table.name}: {said} ("), row, F.lit("); nothing was written"))
    return F.raise_error(message).cast(table.type_of(name))


def prove_accounted(entries: Iterable[Entry]) -> None:
    """Raises RecordsLostError unless each file's records read = landed + filtered + quarantined."""
    for entry in entries:
        quarantined = sum(entry.quarantined.values())
        if entry.records != entry.landed + entry.filtered + quarantined and not entry.refused:
            raise RecordsLostError(
                f"{entry.path}: {entry.records} records read, but {entry.landed} landed + {entry.filtered} filtered + "
                f"{quarantined} quarantined; nothing was written: keep the file and report it"
            )
