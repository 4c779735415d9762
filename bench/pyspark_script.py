"""The lakehouse's work as a plain PySpark script, as an analyst would write it: local Spark, Parquet, no Dagster.

Usage: python -m bench.pyspark_script LANDING OUT. Spark is that of pip, on all cores, with its defaults except 4 GB of
memory and UTC. It cannot read .zst without Hadoop's native library, so these files are unpacked first.
"""

import hmac
import secrets
import sys
import tempfile
from datetime import datetime
from functools import reduce
from pathlib import Path
from zoneinfo import ZoneInfo

import zstandard
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

ZONE = "Europe/Vienna"
AGE_GROUPS = ((65, "65+"), (55, "55-64"), (45, "45-54"), (35, "35-44"), (25, "25-34"), (18, "18-24"), (13, "13-17"))
CRITERIA = {"plays": "plays", "streams": "streams", "listening_time": "listening_ms", "listeners": "listeners"}
FIGURES = ("plays", "streams", "listening_ms")
MARKETS = ("AT", "CH", "CZ", "DE", "HU", "LI", "PL", "SI", "SK")
_PLAY = "play_id string, user_id string, session_id string, track_id string, started_at string, played_ms string"
_PLAY_JSON = (
    "id string, user struct<id: string, country: string>, session string, track string, ts string, played_ms string"
)
_USER = "user_id string, country string, birth_date string, signed_up_on string"
_USER_JSON = "user_id string, country string, birth_date string, age_group string, signed_up_on string"
_TRACK = "track_id string, title string, artist_id string, artist_name string, genre string, duration_ms string"
_BAD = ", _bad string"


def read_csv(spark: SparkSession, schema: str, *files: str, lines: bool = False) -> DataFrame:
    """CSV files as text; `_bad` holds a record with a wrong number of fields."""
    options = {"header": True, "columnNameOfCorruptRecord": "_bad", "escape": '"', "multiLine": lines}
    return with_file(spark.read.options(**options).schema(schema + _BAD).csv(list(files)))


def read_json(spark: SparkSession, schema: str, *files: str) -> DataFrame:
    """JSON lines as text; `_bad` holds a broken line."""
    read = spark.read.options(columnNameOfCorruptRecord="_bad").schema(schema + _BAD)
    return with_file(read.json(list(files)))


def with_file(rows: DataFrame) -> DataFrame:
    """Adds source_file, delivery_date and `_order`, which ascends within a file."""
    path = F.regexp_extract(F.input_file_name(), "/((?:plays|users|tracks)/[^/]+(?:/[^/]+)?)$", 1)
    return (
        rows.withColumn("source_file", path)
        .withColumn("delivery_date", F.regexp_extract("source_file", r"(\d{4}-\d{2}-\d{2})", 1).cast("date"))
        .withColumn("_order", F.monotonically_increasing_id())
    )


def fault(*checks: tuple[str, Column]) -> Column:
    """The name of the first check that holds."""
    return F.coalesce(*(F.when(holds, F.lit(name)) for name, holds in checks))


def typed_plays(spark: SparkSession, landing: Path, plain: Path, first_day: str) -> DataFrame:
    """Every play record, typed, with its reason if it is bad and its text as delivered."""
    for packed in landing.glob("plays/*.zst"):
        (plain / "plays").mkdir(exist_ok=True)
        with packed.open("rb") as source, (plain / "plays" / packed.stem).open("wb") as target:
            zstandard.ZstdDecompressor().copy_stream(source, target)
    csv = read_csv(spark, _PLAY, f"{landing}/plays/*.csv.gz", f"{landing}/plays/*.csv.bz2", f"{plain}/plays/*.csv")
    csv = csv.withColumn("at", F.try_to_timestamp("started_at")).withColumn("country", F.lit(None).cast("string"))
    json = read_json(spark, _PLAY_JSON, f"{landing}/plays/*.jsonl").selectExpr(
        "id as play_id", "user.id as user_id", "session as session_id", "track as track_id", "ts as started_at",
        "played_ms", "_bad", "source_file", "delivery_date", "_order",
        "timestamp_millis(try_cast(ts as bigint)) as at", "user.country as country",
    )  # fmt: skip
    parquet = with_file(spark.read.parquet(f"{landing}/plays/dt=*/*.parquet"))
    parquet = parquet.withColumn("at", F.col("started_at")).withColumn("_bad", F.lit(None).cast("string"))
    names = [*(name.split()[0] for name in _PLAY.split(", ")), "at", "country", "_bad", "source_file", "delivery_date"]
    rows = csv.select(*names, "_order").unionByName(json.select(*names, "_order"))
    as_text = {name: F.col(name).cast("string") for name in ("started_at", "played_ms")}
    rows = rows.unionByName(parquet.withColumns(as_text).select(*names, "_order"))
    rows = (
        rows.withColumn("ms", F.expr("try_cast(played_ms as bigint)"))
        .withColumn("play_date", F.from_utc_timestamp("at", ZONE).cast("date"))
        .withColumn("text", F.concat_ws(",", "play_id", "user_id", "track_id", "started_at", "played_ms"))
    )
    ids = ("play_id", "user_id", "track_id")
    reason = fault(
        ("malformed", F.col("_bad").isNotNull()),
        ("bad_encoding", F.col("text").contains("\ufffd")),
        *((f"missing_{name}", F.coalesce(name, F.lit("")) == "") for name in ids),
        ("missing_or_unparsable_started_at", F.col("at").isNull()),
        ("unparsable_played_ms", F.col("ms").isNull() & F.col("played_ms").isNotNull()),
        ("negative_duration", F.col("ms") < 0),
        ("duration_over_24h", F.col("ms") > 24 * 3600 * 1000),
        ("starts_after_delivery", F.col("at").cast("date") > F.date_add("delivery_date", 1)),
        ("before_first_day", F.col("play_date") < F.lit(first_day).cast("date")),
    )
    rows = rows.withColumn("reason", reason).drop("started_at", "played_ms", "_bad")
    return rows.withColumnsRenamed({"at": "started_at", "ms": "played_ms"})


def typed_users(spark: SparkSession, landing: Path) -> DataFrame:
    """Every user record, typed, with its reason if it is bad."""
    rows = read_csv(spark, _USER, f"{landing}/users/*.csv", lines=True).withColumn(
        "age_group", F.lit(None).cast("string")
    )
    rows = rows.unionByName(read_json(spark, _USER_JSON, f"{landing}/users/*.jsonl"))
    rows = rows.withColumn("birth", F.expr("try_cast(birth_date as date)"))
    reason = fault(
        ("malformed", F.col("_bad").isNotNull()),
        ("missing_user_id", F.coalesce("user_id", F.lit("")) == ""),
        ("unparsable_birth_date", F.col("birth").isNull() & F.col("birth_date").isNotNull()),
    )
    return rows.withColumn("reason", reason).withColumn("text", F.concat_ws(",", "user_id", "country", "birth_date"))


def typed_tracks(spark: SparkSession, landing: Path) -> DataFrame:
    """Every track record, typed, with its reason if it is bad."""
    rows = read_csv(spark, _TRACK, f"{landing}/tracks/*.csv", lines=True)
    rows = rows.unionByName(read_json(spark, _TRACK, f"{landing}/tracks/*.jsonl"))
    rows = rows.withColumn("ms", F.expr("try_cast(duration_ms as bigint)"))
    reason = fault(
        ("malformed", F.col("_bad").isNotNull()),
        ("missing_track_id", F.coalesce("track_id", F.lit("")) == ""),
        ("unparsable_duration_ms", F.col("ms").isNull() & F.col("duration_ms").isNotNull()),
    )
    rows = rows.withColumn("reason", reason).withColumn("text", F.concat_ws(",", "track_id", "title", "duration_ms"))
    return rows.drop("duration_ms").withColumnRenamed("ms", "duration_ms")


def each_play_once(raw: DataFrame) -> DataFrame:
    """Drops a copy if a later delivery has a copy whose local day is at most 35 days away."""
    later = (
        Window.partitionBy("play_id")
        .orderBy("delivery_date", "source_file", "_order")
        .rowsBetween(1, Window.unboundedFollowing)
    )
    rows = raw.withColumn("_later", F.collect_list("play_date").over(later))
    return rows.where("not exists(_later, day -> abs(datediff(day, play_date)) <= 35)").drop("_later")


def user_history(raw: DataFrame) -> DataFrame:
    """Users as delivered, with the days on which each record is valid."""
    last = Window.partitionBy("user_id", "delivery_date").orderBy(F.desc("source_file"), F.desc("_order"))
    days = Window.partitionBy("user_id").orderBy("delivery_date")
    once = raw.withColumn("_nth", F.row_number().over(last)).where("_nth = 1")
    return once.select(
        "user_id",
        F.col("country").alias("user_country"),
        F.col("age_group").alias("given_group"),
        "birth",
        F.when(F.lag("delivery_date").over(days).isNotNull(), F.col("delivery_date")).alias("valid_from"),
        F.lead("delivery_date").over(days).alias("valid_to"),
    )


def enriched(plays: DataFrame, users: DataFrame, tracks: DataFrame) -> DataFrame:
    """Plays with the market and age group of their day, and whether they are streams, skips or complete."""
    of_that_day = "(valid_from is null or play_date >= valid_from) and (valid_to is null or play_date < valid_to)"
    joined = plays.join(users, (plays["user_id"] == users["user_id"]) & F.expr(of_that_day), "left").drop(
        users["user_id"]
    )
    by_age = F.coalesce(
        *(F.when(F.col("play_date") >= F.add_months("birth", 12 * low), F.lit(name)) for low, name in AGE_GROUPS)
    )
    return (
        joined.join(F.broadcast(tracks.select("track_id", "duration_ms")), "track_id", "left")
        .withColumn("country", F.coalesce("country", "user_country"))
        .withColumn("age_group", F.coalesce("given_group", by_age))
        .withColumn("is_stream", F.col("played_ms") >= 30_000)
        .withColumn("is_skip", F.col("played_ms") < 30_000)
        .withColumn("is_complete", F.col("played_ms") * 100 >= F.col("duration_ms") * 95)
    )


def sums(plays: DataFrame, *by: str | Column) -> DataFrame:
    """Plays, streams, skips, completes, milliseconds listened, and plays started from the section of the favourites."""
    figures = {"streams": "is_stream", "skips": "is_skip", "completes": "is_complete"}
    return plays.groupBy(*by).agg(
        F.count("*").alias("plays"),
        *(F.sum(F.col(column).cast("bigint")).alias(name) for name, column in figures.items()),
        F.sum("played_ms").alias("listening_ms"),
        F.count(F.expr("if(section = 'age_picks', 1, null)")).alias("section_plays"),
        F.count_distinct("user_key").alias("listeners"),
        F.max("play_date").alias("data_through"),
    )


def movements(chart: DataFrame) -> DataFrame:
    """The movement of each entry of the chart from month to month."""
    track = Window.partitionBy("country", "criterion", "track_id").orderBy("month")
    so_far = track.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    seen = (
        chart.withColumn("_first", F.min("month").over(Window.partitionBy("country", "criterion")))
        .withColumn("_last", F.lag("month").over(track))
        .withColumn("_rank", F.lag("rank").over(track))
        .withColumn("peak_rank", F.min("rank").over(so_far))
        .withColumn("months_on_chart", F.count("*").over(so_far))
        .withColumn("previous_rank", F.expr("if(_last = add_months(month, -1), _rank, null)"))
    )
    movement = (
        "case when month = _first then null when _last is null then 'new' when previous_rank is null then 're-entry' "
        "when rank < previous_rank then 'up' when rank > previous_rank then 'down' else 'same' end"
    )
    return seen.withColumn("movement", F.expr(movement)).drop("_first", "_last", "_rank")


def sessions(plays: DataFrame) -> DataFrame:
    """Plays without a silence in between: of 24 hours with a session_id, of 30 minutes without."""
    order = Window.partitionBy("user_key", "session_id").orderBy("started_at", "play_id")
    so_far = order.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    rows = (
        plays.withColumn("_start", F.unix_micros("started_at"))
        .withColumn("_end", F.expr("_start + coalesce(played_ms, 0) * 1000"))
        .withColumn("_held", F.expr("least(_end, _start + 79200000000)"))
        .withColumn("_held", F.max("_held").over(order.rowsBetween(Window.unboundedPreceding, -1)))
        .withColumn("_allowed", F.expr("if(session_id is null, 1800000000, 86400000000)"))
        .withColumn("_linked", F.expr("coalesce(_start - _held <= _allowed, false)"))
        .withColumn("_previous", F.lag("play_date").over(order))
        .withColumn("_began", F.max(F.expr("if(_linked, null, play_date)")).over(so_far))
        .withColumn("_opens", F.expr("not _linked or (_previous < play_date and datediff(play_date, _began) >= 2)"))
        .withColumn("_nth", F.sum(F.col("_opens").cast("int")).over(so_far))
    )
    sessions = rows.groupBy("user_key", "session_id", "_nth").agg(
        F.min("play_date").alias("session_date"),
        F.min("started_at").alias("started_at"),
        F.timestamp_micros(F.max("_end")).alias("ended_at"),
        F.count("*").alias("plays"),
        F.sum(F.col("is_skip").cast("bigint")).alias("skips"),
        F.sum(F.col("is_complete").cast("bigint")).alias("completes"),
        F.sum("played_ms").alias("listening_ms"),
        F.max(F.expr("if(_opens, country, null)")).alias("country"),
        F.max(F.expr("if(_opens, age_group, null)")).alias("age_group"),
    )
    parts = F.concat_ws("|", "user_key", F.coalesce("session_id", F.lit("")), F.unix_micros("started_at"))
    return sessions.withColumn("session_key", F.sha2(parts, 256)).drop("_nth")


def over_days(sums_by_day: DataFrame, days: int, *by: str) -> DataFrame:
    """Sums of the `days` days that end on each day: a day's sums count on each day whose window contains it."""
    today = datetime.now(ZoneInfo(ZONE)).date()
    until = F.least(F.date_add("play_date", days - 1), F.lit(today))
    spread = sums_by_day.withColumn("chart_date", F.explode(F.sequence("play_date", until)))
    return spread.groupBy("chart_date", *by).agg(*(F.sum(name).alias(name) for name in FIGURES))


def top_artists(daily: DataFrame, tracks: DataFrame) -> DataFrame:
    """The top 10 artists of a genre over 30 days, overall and by market."""
    named = daily.join(F.broadcast(tracks.drop("title")), "track_id").where(
        "artist_id is not null and genre is not null"
    )
    by_artist = named.groupBy("play_date", "country", "genre", "artist_id").agg(
        *(F.sum(name).alias(name) for name in FIGURES)
    )
    windows = over_days(by_artist, 30, "country", "genre", "artist_id").cache()
    overall = windows.groupBy("chart_date", "genre", "artist_id").agg(*(F.sum(name).alias(name) for name in FIGURES))
    markets = windows.where(F.col("country").isin(*MARKETS)).withColumnRenamed("country", "market")
    figures = overall.withColumn("market", F.lit(None).cast("string")).unionByName(markets)
    top = ranked(figures, {name: CRITERIA[name] for name in ("plays", "streams", "listening_time")}, 10)
    names = tracks.where("artist_id is not null").groupBy("artist_id").agg(F.max("artist_name").alias("artist_name"))
    return top.join(F.broadcast(names), "artist_id")


def favourites(daily: DataFrame, tracks: DataFrame) -> DataFrame:
    """The 8 most played tracks of an age group over 14 days, without plays started from their section."""
    elsewhere = daily.withColumn("plays", F.expr("plays - section_plays")).where("plays > 0")
    grouped = elsewhere.where("age_group is not null").groupBy("play_date", "age_group", "track_id")
    windows = over_days(grouped.agg(*(F.sum(name).alias(name) for name in FIGURES)), 14, "age_group", "track_id")
    named = windows.join(F.broadcast(tracks.select("track_id", "title", "artist_name")), "track_id")
    order = Window.partitionBy("chart_date", "age_group").orderBy(F.desc("plays"), "track_id")
    return named.withColumn("rank", F.row_number().over(order)).where("rank <= 8")


def ranked(figures: DataFrame, criteria: dict[str, str], size: int) -> DataFrame:
    """The top artists of each day, market and genre by each criterion."""
    tops = []
    for criterion, figure in criteria.items():
        order = Window.partitionBy("chart_date", "market", "genre")
        order = order.orderBy(F.desc(figure), F.desc("plays"), "artist_id")
        top = figures.where(F.col(figure) > 0).withColumn("rank", F.row_number().over(order)).where(f"rank <= {size}")
        tops.append(top.withColumn("criterion", F.lit(criterion)))
    return reduce(DataFrame.unionByName, tops)


def main(landing: Path, out: Path) -> None:
    """Computes everything from `landing` and writes it under `out`."""
    spark = (
        SparkSession.builder.master("local[*]")
        .config("spark.driver.memory", "4g")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )

    def write(rows: DataFrame, table: str, *partitions: str) -> DataFrame:
        rows.write.mode("overwrite").partitionBy(*partitions).parquet(f"{out}/{table}")
        return spark.read.parquet(f"{out}/{table}")

    first_day = min(file.name for file in landing.glob("users/*.csv"))[len("users_") :].removesuffix(".csv")
    key = secrets.token_bytes(32)
    user_key = F.udf(lambda user_id: hmac.digest(key, user_id.encode(), "sha256").hex())
    with tempfile.TemporaryDirectory() as plain:
        read = typed_plays(spark, landing, Path(plain), first_day).cache()
        users, tracks = typed_users(spark, landing).cache(), typed_tracks(spark, landing).cache()
        bad = [
            rows.where("reason is not null").select("delivery_date", "source_file", "reason", "text")
            for rows in (read, users, tracks)
        ]
        write(bad[0].unionByName(bad[1]).unionByName(bad[2]), "quarantine", "delivery_date")
        good_users = users.where("reason is null").drop("reason", "text", "_bad")
        good = read.where("reason is null").drop("reason", "text")
        ids = good.select("user_id").union(good_users.select("user_id")).distinct()
        keys = write(ids.withColumn("user_key", user_key("user_id")), "user_keys")
        raw = write(good.join(keys, "user_id"), "raw_plays", "delivery_date")
        raw_users = write(good_users.join(keys, "user_id"), "raw_users", "delivery_date")
        good_tracks = tracks.where("reason is null").drop("reason", "text", "_bad")
        raw_tracks = write(good_tracks, "raw_tracks", "delivery_date")
    latest = Window.partitionBy("track_id").orderBy(F.desc("delivery_date"), F.desc("source_file"), F.desc("_order"))
    newest = raw_tracks.withColumn("_nth", F.row_number().over(latest)).where("_nth = 1").drop("_nth")
    catalogue = write(newest.drop("delivery_date", "source_file", "_order"), "tracks")
    history = user_history(raw_users)
    write(history.join(keys, "user_id").drop("user_id", "birth"), "users")
    plays = enriched(each_play_once(raw), history, catalogue).select(
        "play_date", "play_id", "user_key", "session_id", "track_id", "started_at", "played_ms",
        "is_stream", "is_skip", "is_complete", "country", "age_group", F.lit(None).cast("string").alias("section"),
    )  # fmt: skip
    plays = write(plays, "plays", "play_date")
    daily = sums(plays, "play_date", "country", "age_group", "track_id").drop("listeners", "data_through")
    write(daily, "daily_track_plays", "play_date")
    month = F.trunc("play_date", "month").alias("month")
    by_track = sums(plays, month, "country", "track_id").drop("data_through", "section_plays")
    through = plays.groupBy(month).agg(F.max("play_date").alias("data_through"))
    monthly = write(by_track.join(through, "month"), "monthly_track_plays", "month")
    named = monthly.where("country is not null").join(F.broadcast(catalogue), "track_id")
    charts = None
    for criterion, figure in CRITERIA.items():
        order = Window.partitionBy("month", "country").orderBy(F.desc(figure), F.desc("plays"), "track_id")
        top = named.where(F.col(figure) > 0).withColumn("rank", F.row_number().over(order)).where("rank <= 50")
        top = top.withColumn("criterion", F.lit(criterion))
        charts = top if charts is None else charts.unionByName(top)
    assert charts is not None
    chart = charts.select(
        "month", "country", "criterion", "rank", "track_id", "title", "artist_name", "genre", *CRITERIA.values(),
        "data_through",
    )  # fmt: skip
    chart = write(chart, "top_tracks_by_country", "month", "country")
    write(movements(chart), "chart_movements", "country")
    write(sessions(plays), "sessions", "session_date")
    daily = spark.read.parquet(f"{out}/daily_track_plays")
    write(top_artists(daily, catalogue), "top_artists_by_genre", "chart_date")
    write(favourites(daily, catalogue), "age_group_favourites", "chart_date")
    spark.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute())
