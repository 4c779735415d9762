"""The users' history by day and the track catalogue, from their deliveries; and what a change in them affects."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.calendar import FIRST_KNOWN
from umg_assets.tables import DELETED
from umg_assets.transforms.grouped_windows import grouped_window
from umg_assets.transforms.plays import landing_of, with_user_of_day

_END = "9999-12-31"


def age_group_names(lower_bounds: Sequence[int]) -> list[str]:
    """The names of the age groups, such as `13-17` and `65+`, from their lower bounds (years, ascending)."""
    uppers = [*(bound - 1 for bound in lower_bounds[1:]), None]
    return [f"{low}-{high}" if high else f"{low}+" for low, high in zip(lower_bounds, uppers, strict=True)]


def latest_by_day(raw: DataFrame, key: str) -> DataFrame:
    """Delivered records -> one for each `key` and delivery_date: the last by landing, then source_file, then record.

    In and out: the same columns, among them key, delivery_date, generation (of the landing; NULL is 0), source_file and
    record.
    """
    order = Window.partitionBy(key, "delivery_date").orderBy(*_latest_first())
    return raw.withColumn("_nth", F.row_number().over(order)).where("_nth = 1").drop("_nth")


def _latest_first() -> list[Column]:
    """Of records of one delivery date, the last landing's first, then by path and record."""
    return [landing_of().desc(), F.col("source_file").desc(), F.col("record").desc()]


def user_history(raw: DataFrame, lower_bounds: Sequence[int]) -> DataFrame:
    """Users as delivered -> their history by day.

    In: tables.RAW_USERS with all deliveries of the users in it; lower_bounds of the age groups (years, ascending).
    Out: tables.USERS. A record is valid from its delivery date until the user's next delivery; the first is valid from
    1900-01-01, the last has valid_to NULL. Of several records of a day the last counts (latest_by_day). A delivered
    age_group is taken as it is; otherwise the age group follows from birth_date day by day and is NULL below the first
    lower bound. A birthday on 29 February is on the 28th in other years. Adjacent spans with equal country and
    age_group become one row.
    """
    following = grouped_window("user_key", then="delivery_date")
    earlier, later = (of("user_key").over(following).eqNullSafe(F.col("user_key")) for of in (F.lag, F.lead))
    open_end = F.lit(_END).cast("date")
    spans = latest_by_day(raw, "user_key").select(
        "user_key",
        "country",
        "age_group",
        "birth_date",
        F.when(earlier, F.col("delivery_date")).otherwise(F.lit(FIRST_KNOWN)).alias("valid_from"),
        F.when(later, F.lead("delivery_date").over(following)).otherwise(open_end).alias("valid_to"),
    )
    return coalesce_history(_split_by_age(spans, lower_bounds))


def advance_history(users: DataFrame, raw: DataFrame, lower_bounds: Sequence[int]) -> DataFrame:
    """The history of some users, and records delivered later -> their history including those records.

    In: users, the rows of tables.USERS of these users; raw, their new records (tables.RAW_USERS), every one delivered
    after all records from which `users` was built; lower_bounds as for user_history. Out: tables.USERS, the same rows
    as user_history builds from all records.
    """
    first = raw.groupBy("user_key").agg(F.min("delivery_date").alias("_from"))
    later = user_history(raw, lower_bounds)
    known = users.select("user_key").distinct().withColumn("_known", F.lit(True))
    after = (
        later.join(first, "user_key")
        .join(known, "user_key", "left")
        .withColumn("valid_to", _open_end("valid_to"))
        .where(F.col("_known").isNull() | (F.col("valid_to") > F.col("_from")))
        .withColumn(
            "valid_from",
            F.when(F.col("_known").isNull(), F.col("valid_from")).otherwise(F.greatest("valid_from", "_from")),
        )
    )
    before = (
        users.join(first, "user_key")
        .where("valid_from < _from")
        .withColumn("valid_to", F.least(_open_end("valid_to"), F.col("_from")))
    )
    names = ["user_key", "country", "age_group", "valid_from", "valid_to"]
    return coalesce_history(before.select(*names).unionByName(after.select(*names)))


def _open_end(column: str) -> Column:
    return F.coalesce(F.col(column), F.lit(_END).cast("date"))


def _split_by_age(spans: DataFrame, lower_bounds: Sequence[int]) -> DataFrame:
    """Spans -> spans without birth_date, cut at the birthdays that change the age group if it follows from one."""
    names = age_group_names(lower_bounds)
    starts = [F.add_months("birth_date", 12 * bound) for bound in lower_bounds]
    ends = [*starts[1:], F.lit(_END).cast("date")]
    young = F.struct(F.lit(FIRST_KNOWN).alias("from"), starts[0].alias("to"), F.lit(None).cast("string").alias("group"))
    groups = [
        F.struct(start.alias("from"), end.alias("to"), F.lit(name).alias("group"))
        for start, end, name in zip(starts, ends, names, strict=True)
    ]
    by_age = F.col("age_group").isNull() & F.col("birth_date").isNotNull()
    delivered = spans.where(~by_age).select("user_key", "country", "age_group", "valid_from", "valid_to")
    computed = (
        spans.where(by_age)
        .withColumn("_age", F.explode(F.array(young, *groups)))
        .select(
            "user_key",
            "country",
            F.col("_age.group").alias("age_group"),
            F.greatest("valid_from", "_age.from").alias("valid_from"),
            F.least("valid_to", "_age.to").alias("valid_to"),
        )
        .where("valid_from < valid_to")
    )
    return delivered.unionByName(computed)


def coalesce_history(spans: DataFrame) -> DataFrame:
    """Users' spans without overlaps -> adjacent spans with equal country and age_group merged into one row.

    In and out: tables.USERS. An open span has valid_to NULL (9999-12-31 is accepted too); out, it is NULL.
    """
    days = grouped_window("user_key", then="valid_from")
    same = (
        (F.lag("user_key").over(days) == F.col("user_key"))
        & F.lag("country").over(days).eqNullSafe(F.col("country"))
        & F.lag("age_group").over(days).eqNullSafe(F.col("age_group"))
        & F.lag("valid_to").over(days).eqNullSafe(F.col("valid_from"))
    )
    flagged = spans.withColumn("valid_to", _open_end("valid_to")).withColumn("_new", F.when(same, 0).otherwise(1))
    so_far = days.rowsBetween(Window.unboundedPreceding, 0)
    numbered = flagged.withColumn("_island", F.sum("_new").over(so_far))
    end = F.max("valid_to")
    return (
        numbered.groupBy("user_key", "_island")
        .agg(
            F.max("country").alias("country"),
            F.max("age_group").alias("age_group"),
            F.min("valid_from").alias("valid_from"),
            F.when(end < F.lit(_END).cast("date"), end).alias("valid_to"),
        )
        .select(*tables.USERS.names)
    )


def latest_tracks(raw: DataFrame) -> DataFrame:
    """Tracks as delivered -> the catalogue: each track as its latest record describes it.

    In: tables.RAW_TRACKS. Out: tables.TRACKS. The latest record is the last by delivery_date, then generation (of the
    landing; NULL is 0), then source_file, then record. It counts as a whole: a column that it leaves NULL is NULL,
    whatever earlier records said.
    """
    order = Window.partitionBy("track_id").orderBy(F.col("delivery_date").desc(), *_latest_first())
    return raw.withColumn("_nth", F.row_number().over(order)).where("_nth = 1").select(*tables.TRACKS.names)


def artist_names(tracks: DataFrame) -> DataFrame:
    """The catalogue (tables.TRACKS) -> artist_id, artist_name, one row for each artist.

    If an artist's name is spelt in several ways, the last in byte order is taken, regardless of delivery.
    """
    return tracks.where("artist_id is not null").groupBy("artist_id").agg(F.max("artist_name").alias("artist_name"))


def renamed_artists(before: DataFrame, after: DataFrame) -> DataFrame:
    """The catalogue before and after a change (tables.TRACKS) -> artist_id of the new and the renamed artists."""
    was = artist_names(before).withColumnRenamed("artist_name", "_was")
    both = artist_names(after).join(was, "artist_id", "left")
    return both.where("not (artist_name <=> _was)").select("artist_id")


def changes(table: tables.Table, before: DataFrame, after: DataFrame) -> DataFrame:
    """Two versions of a table -> the merge that turns `before` into `after`.

    In: the table's columns. Out: the same columns and `_deleted` (tables.DELETED): rows to insert or update
    (`_deleted` false), and keys to delete (`_deleted` true, all other columns NULL). Equal rows are left out.
    """
    values = [name for name in table.names if name not in table.key]
    old = before.select(*table.key, F.struct(*values).alias("_old"), F.lit(True).alias("_was"))
    new = after.select(*table.key, F.struct(*values).alias("_new"), F.lit(True).alias("_is"))
    both = old.join(new, list(table.key), "full")
    changed = both.where(F.col("_was").isNull() | F.col("_is").isNull() | ~_equal(values))
    return changed.select(
        *table.key, *(F.col(f"_new.{name}").alias(name) for name in values), F.col("_is").isNull().alias(DELETED)
    ).select(*table.names, DELETED)


def _equal(values: Sequence[str]) -> Column:
    equal = F.lit(True)
    for name in values:
        equal = equal & F.col(f"_old.{name}").eqNullSafe(F.col(f"_new.{name}"))
    return equal


def days_with_changed_users(before: DataFrame, after: DataFrame, plays: DataFrame) -> DataFrame:
    """The local play dates whose plays a change of the users' history affects: play_date, each once.

    In: before and after, the history (tables.USERS) of the users that changed; plays (user_key, play_date). A date is
    affected if a changed user played on it and has another country or age group on it than before.
    """
    changed = before.select("user_key").unionByName(after.select("user_key")).distinct()
    days = plays.select("user_key", "play_date").join(F.broadcast(changed), "user_key", "left_semi").distinct()
    was = with_user_of_day(days, before).withColumnsRenamed({"user_country": "_country", "age_group": "_age_group"})
    now = with_user_of_day(was, after)
    moved = ~(F.col("_country").eqNullSafe(F.col("user_country")) & F.col("_age_group").eqNullSafe(F.col("age_group")))
    return now.where(moved).select("play_date").distinct()
