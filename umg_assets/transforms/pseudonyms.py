"""Ids that an exporter composed with a user's id: from plays on, a keyed hash stands in their place."""

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.tables import Kind
from umg_assets.transforms.event_plays import event_play_id
from umg_assets.transforms.sessions import key_of_session

_DIGITS = 32
"""Hexadecimal digits of a pseudonym: 128 bits, so that even among 10^15 ids two equal ones are not to be expected."""
_BY_CHANCE = 11
"""A user_id of so many hexadecimal digits may stand in a hash by chance; of one more, in none of 10^12."""


def with_pseudonyms(typed: DataFrame, kind: Kind) -> DataFrame:
    """Typed plays or events -> the same rows with play_pseudonym and session_pseudonym of tables.RAW.

    In: the columns of tables.SOURCE_COLUMNS, user_id in clear, and id_key (64 hexadecimal digits, a secret of each user
    from UserKeys.id_keys; NULL gives no pseudonyms). A pseudonym is the first 128 bits of SHA-256 over id_key and the
    id, in hexadecimal digits; NULL for an id that does not contain user_id. The play_id of an event
    is the one that its play would get (event_plays.event_play_id).
    """
    play_id = F.col("play_id") if kind == "plays" else event_play_id()
    return typed.withColumn("play_pseudonym", _pseudonym(play_id)).withColumn(
        "session_pseudonym", _pseudonym(F.col("session_id"))
    )


def pseudonymous(raw: DataFrame, kind: Kind) -> DataFrame:
    """Rows of raw_plays or raw_app_events -> the same rows, with pseudonyms in place of ids that contain user_id.

    In and out: the columns of the kind's raw table. session_id, and of plays play_id, is its pseudonym where there is
    one. event_id stays: no table downstream holds it, and a play that is made of an event takes play_pseudonym.
    """
    replaced = {"session_id": "session_pseudonym"} | ({"play_id": "play_pseudonym"} if kind == "plays" else {})
    return raw.select(*(F.coalesce(replaced.get(name, name), name).alias(name) for name in raw.columns))


def hashed_in_place(rows: DataFrame, unhashed: Column) -> DataFrame:
    """Rows made of raw ones -> the same rows, as they would be if the raw ones had had pseudonyms.

    In: user_key, some of tables.COMPOSED_IDS; user_id (in clear) and id_key, as with_pseudonyms has them, NULL where
    not known: these rows stay as they are. unhashed: where it is known that no id is a hash yet. Elsewhere an id of the
    form of a hash is taken for one, unless it contains a user_id too long to stand in a hash by chance: hashed twice,
    an id would be another one than on other days. Out: those columns, and `_changed`.
    """
    names = [name for name in tables.COMPOSED_IDS if name in rows.columns]
    may_be_hash = F.col("user_id").rlike(f"^[0-9a-f]{{1,{_BY_CHANCE}}}$") & ~unhashed
    hashed = {}
    for name in names:
        is_taken = may_be_hash & F.col(name).rlike(f"^[0-9a-f]{{{_DIGITS}}}$")
        hashed[name] = F.when(~F.coalesce(is_taken, F.lit(False)), _pseudonym(F.col(name)))
    changes = [F.coalesce(column.isNotNull(), F.lit(False)) for column in hashed.values()]
    marked = rows.withColumn("_changed", reduce(Column.__or__, changes))
    replaced = marked.withColumns({name: F.coalesce(column, F.col(name)) for name, column in hashed.items()})
    if "visit_key" not in rows.columns:
        return replaced
    return replaced.withColumn("visit_key", F.when(F.col("_changed"), key_of_session()).otherwise(F.col("visit_key")))


def _pseudonym(id_: Column) -> Column:
    carries_user = F.contains(id_, F.col("user_id"))
    return F.when(carries_user, F.substring(F.sha2(F.concat("id_key", id_), 256), 1, _DIGITS))
