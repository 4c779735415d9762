"""What holds before a commit: no NULL where the contract has none, and no key twice; checked in the write itself."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from umg_assets.tables import COMPOSED_IDS, DELETED, Table
from umg_assets.transforms.grouped_windows import bucket_of_group

_HASH = "_key_hash"


def constrained(table: Table, rows: DataFrame) -> DataFrame:
    """The rows; the engine raises when one breaks the contract, so that whatever writes them writes nothing.

    No NULL in table.not_null (of a row marked DELETED: in its key), and no key twice in a partition (table.unique;
    NULL equals NULL). Each partition's rows are sorted by the key's 64-bit hash and compared with the row before, by
    the key itself: 22 % of the time to build plays, and 3 % of a whole build.
    """
    errors = {name: _refused(table, name, f"expected a value in {name}, got NULL") for name in table.not_null}
    deleted = F.col(DELETED) if DELETED in rows.columns else F.lit(False)
    may_be_null = {name: F.lit(False) if name in table.key else deleted for name in errors}
    filled = rows.withColumns(
        {
            name: F.when(F.col(name).isNotNull() | may_be_null[name], F.col(name)).otherwise(error)
            for name, error in errors.items()
        }
    )
    if not table.unique:
        return filled
    order = Window.partitionBy(*(table.partitioned_by or (bucket_of_group(*table.key),))).orderBy(_HASH)
    repeated = F.lag(_HASH).over(order) == F.col(_HASH)
    for name in table.key:
        repeated &= F.lag(name).over(order).eqNullSafe(F.col(name))
    last = table.key[-1]
    unique = F.when(repeated, _refused(table, last, "expected each key once, got it twice")).otherwise(F.col(last))
    return filled.withColumn(_HASH, F.xxhash64(*table.key)).withColumn(last, unique).drop(_HASH)


def _refused(table: Table, name: str, reason: str) -> Column:
    """A column that raises in the place of `name`, and names the row: by its key or its place, never by user_id.

    Of an id that an exporter may have made of a user's, the error tells the beginning of its SHA-256.
    """
    identifying = table.unique or [column for column in ("source_file", "record") if column in table.names]
    values = (F.concat(F.lit(f"{column}="), F.coalesce(_told(column), F.lit("NULL"))) for column in identifying)
    message = F.concat(F.lit(f"{table.name}: {reason} ("), F.concat_ws(", ", *values), F.lit("); nothing was written"))
    return F.raise_error(message).cast(table.type_of(name))


def _told(column: str) -> Column:
    text = F.col(column).cast("string")
    return F.concat(F.lit("sha256:"), F.substring(F.sha2(text, 256), 1, 16)) if column in COMPOSED_IDS else text
