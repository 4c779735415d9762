"""Typed records: the reason of a bad one, what is NULL, local dates; and on which other days copies lie."""

from datetime import date
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from umg_assets import tables
from umg_assets.tables import Kind
from umg_assets.transforms.records import other_copies, spread_ids, type_records
from umg_assets_tests.transforms.frames import day, rows_of

COLUMNS = {
    "play_id": "id",
    "user_id": "user",
    "track_id": "track",
    "started_at": "to_timestamp(at)",
    "played_ms": "cast(ms as bigint)",
}
GOOD = {"id": "p", "user": "u", "track": "t", "at": "2026-03-02T10:00:00Z", "ms": "60000"}


def staged(spark: SparkSession, rows: list[dict[str, Any]], schema: str, delivered: date) -> DataFrame:
    """Staged text: the rows' columns, numbered from 1 in file 7."""
    names = [part.split()[0] for part in schema.split(", ")]
    values = [(*(row.get(name) for name in names), number, 7, delivered) for number, row in enumerate(rows, 1)]
    return spark.createDataFrame(values, f"{schema}, _record bigint, _file int, _delivery_date date")


def typed(
    spark: SparkSession,
    changes: list[dict[str, Any]],
    where: str | None = None,
    columns: dict[str, str] = COLUMNS,
    schema: str = "id string, user string, track string, at string, ms string",
    kind: Kind = "plays",
    good: dict[str, Any] = GOOD,
) -> DataFrame:
    """Records that differ from a good one in some texts, delivered on 2026-03-03, of days from 2026-03-01 on in Vienna.

    Their order is that of `record`.
    """
    rows = staged(spark, [{**good, **change} for change in changes], schema, day("03-03"))
    return type_records(rows, kind, columns, where, "Europe/Vienna", day("03-01"))


def reasons(records: DataFrame) -> list[str | None]:
    return [row[1] for row in rows_of(records, "record", "reason")]


def test_each_record_has_its_reason_and_a_good_one_has_none(spark: SparkSession):
    cases: dict[str, tuple[dict[str, Any], str | None]] = {
        "good": ({}, None),
        "no id": ({"id": None}, "missing_play_id"),
        "an empty id": ({"id": ""}, "missing_play_id"),
        "no user": ({"user": ""}, "missing_user_id"),
        "no track": ({"track": None}, "missing_track_id"),
        "no start": ({"at": ""}, "missing_started_at"),
        "a start that is none": ({"at": "half past nine"}, "unparsable_started_at"),
        "a start no reader can hold": ({"at": "0001-01-01T00:00:00Z"}, "unparsable_started_at"),
        "no duration": ({"ms": None}, None),
        "an empty duration": ({"ms": ""}, None),
        "a duration that is none": ({"ms": "3:25"}, "unparsable_played_ms"),
        "a negative duration": ({"ms": "-1"}, "negative_duration"),
        "0 ms": ({"ms": "0"}, None),
        "24 hours": ({"ms": "86400000"}, None),
        "over 24 hours": ({"ms": "86400001"}, "duration_over_24h"),
        "the day after the delivery": ({"at": "2026-03-04T23:59:59Z"}, None),
        "two days after the delivery": ({"at": "2026-03-05T00:00:00Z"}, "starts_after_delivery"),
        "the first local day": ({"at": "2026-02-28T23:00:00Z"}, None),
        "before the first local day": ({"at": "2026-02-28T22:59:59Z"}, "before_first_day"),
    }
    records = reasons(typed(spark, [change for change, _ in cases.values()]))
    assert dict(zip(cases, records, strict=True)) == {name: reason for name, (_, reason) in cases.items()}


def test_of_several_reasons_the_first_in_the_contracts_order_is_given(spark: SparkSession):
    changes = [
        {"id": "", "at": "x", "ms": "x"},
        {"track": "", "ms": "x"},
        {"at": "x", "ms": "-1"},
        {"ms": "-1", "at": "2026-03-09T00:00:00Z"},
        {"at": "2026-02-01T00:00:00Z", "ms": "86400001"},
    ]
    assert reasons(typed(spark, changes)) == [
        "missing_play_id",
        "missing_track_id",
        "unparsable_started_at",
        "negative_duration",
        "duration_over_24h",
    ]


def test_a_record_that_the_condition_does_not_keep_is_filtered_whatever_else_is_wrong(spark: SparkSession):
    changes = [{}, {"track": "x"}, {"track": "x", "id": ""}, {"track": None}, {"id": ""}]
    assert reasons(typed(spark, changes, where="track = 't'")) == [
        None,
        "filtered",
        "filtered",
        "filtered",
        "missing_play_id",
    ]


def test_typed_records_have_the_contracts_columns_and_the_local_date(spark: SparkSession):
    records = typed(spark, [{}, {"at": "2026-03-02T23:30:00Z", "ms": ""}])
    contract = tables.SOURCE_COLUMNS["plays"]
    assert records.columns == ["_file", "record", *contract, "play_date", "reason"]
    assert {name: type_ for name, type_ in records.dtypes if name in contract} == contract
    columns = ("_file", "record", "play_id", "session_id", "played_ms", "country", "play_date")
    assert rows_of(records, *columns) == [
        (7, 1, "p", None, 60_000, None, day("03-02")),
        (7, 2, "p", None, None, None, day("03-03")),
    ]


def test_an_event_has_an_event_date_and_users_and_tracks_have_none(spark: SparkSession):
    event = {"id": "e", "name": "home_loaded", "user": "u", "at": "2026-03-02T23:30:00Z"}
    columns = {"event_id": "id", "event_name": "name", "user_id": "user", "occurred_at": "to_timestamp(at)"}
    schema = "id string, name string, user string, at string"
    records = typed(spark, [{}, {"name": ""}], None, columns, schema, "events", event)
    assert rows_of(records, "record", "event_date", "reason") == [
        (1, day("03-03"), None),
        (2, day("03-03"), "missing_event_name"),
    ]
    users = typed(spark, [{}], None, {"user_id": "id"}, "id string", "users", {"id": "u"})
    assert users.columns == ["_file", "record", *tables.SOURCE_COLUMNS["users"], "reason"]


def test_a_track_of_over_24_hours_is_bad_and_a_birth_date_outside_the_calendar_too(spark: SparkSession):
    columns = {"track_id": "id", "duration_ms": "try_cast(ms as bigint)"}
    good = {"id": "t", "ms": "200000"}
    tracks = typed(spark, [{}, {"ms": "86400001"}, {"ms": "-1"}], None, columns, "id string, ms string", "tracks", good)
    assert reasons(tracks) == [None, "duration_over_24h", "negative_duration"]
    columns, good = {"user_id": "id", "birth_date": "try_cast(born as date)"}, {"id": "u", "born": "1990-05-05"}
    changes = [{}, {"born": ""}, {"born": "30.02.1999"}, {"born": "0001-01-01"}, {"born": "9999-12-31"}]
    users = typed(spark, changes, None, columns, "id string, born string", "users", good)
    unparsable = "unparsable_birth_date"
    assert rows_of(users, "record", "birth_date", "reason") == [
        (1, date(1990, 5, 5), None),
        (2, None, None),
        (3, None, unparsable),
        (4, None, unparsable),
        (5, None, unparsable),
    ]


@pytest.mark.parametrize(("at", "reason"), [(1, "unparsable_started_at"), (None, "missing_started_at")])
def test_a_required_value_that_is_no_text_is_unparsable_only_if_it_is_there(
    spark: SparkSession, at: int | None, reason: str
):
    """A number is a value, too: the expression turns it into NULL."""
    columns = {**COLUMNS, "started_at": "try_cast(concat(at, 'th') as timestamp)", "played_ms": "nullif(at, 1)"}
    schema = "id string, user string, track string, at bigint"
    records = typed(spark, [{"at": at}], None, columns, schema)
    assert rows_of(records, "started_at", "played_ms", "reason") == [(None, None, reason)]


def dated(spark: SparkSession, rows: list[tuple[str, str]]) -> DataFrame:
    return spark.createDataFrame([(id_, day(on)) for id_, on in rows], "id string, date date")


def test_other_copies_are_on_other_days_within_the_correction_window(spark: SparkSession):
    """2026-03-01 and 04-05 are 35 days apart, 03-01 and 04-06 are 36."""
    rows = [(1, "same_day", "03-01"), (1, "near", "03-01"), (2, "near", "03-01"), (2, "far", "03-01")]
    rows += [(3, "brought_twice", "03-01"), (3, "brought_twice", "03-02")]
    brought = spark.createDataFrame([(file, id_, day(on)) for file, id_, on in rows], "_file int, id string, date date")
    present = [("same_day", "03-01"), ("near", "04-05"), ("near", "04-05"), ("far", "04-06"), ("elsewhere", "03-05")]
    copies = dated(spark, [*((id_, on) for _, id_, on in rows), *present])
    spread = spread_ids(brought.select("id", "date"), copies)
    assert spread.count() == 3
    assert rows_of(other_copies(brought, copies, spread, 35), "_file", "date", "other_date") == [
        (1, day("03-01"), day("04-05")),
        (2, day("03-01"), day("04-05")),
        (3, day("03-01"), day("03-02")),
        (3, day("03-02"), day("03-01")),
    ]


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("if(ms = '-1', '', ms)", "-1"),
        ("cast(if(ms = '-1', '', ms) as bigint)", "-1"),
        ("bigint(if(ms in ('-1', 'none'), null, ms))", "none"),
        ("case when ms = '-' then '' when ms = '--' then null else ms end", "--"),
        ("case ms when '-' then '' else cast(ms as bigint) * 1000 end", "-"),
        ("nullif(ms, 'n/a')", "n/a"),
        ("cast(nullif(nullif(ms, '-'), 'n/a') as bigint)", "n/a"),
        ("cast(regexp_replace(ms, '^-$', '') as bigint)", "-"),
        ("trim(ms)", "  "),
        ("cast(trim(ms) as bigint)", "  "),
        ("coalesce(nullif(ms, '-'), '')", "-"),
        ("cast(split_part(ms, ';', 2) as bigint)", "5;"),
        ("cast(get_json_object(ms, '$.ms') as bigint)", '{"ms":""}'),
        ("nvl2(nullif(ms, '-'), ms, '')", "-"),
        ("nullif(ms, id)", "p"),
        ("nullif(ms, concat('n', '/a'))", "n/a"),
        ("nullif(cast(ms as bigint), -1)", "-1"),
        ("nullifzero(cast(ms as bigint))", "0"),
        ("if(cast(ms as bigint) > 0, ms, '')", "0"),
        ("if(cast(ms as bigint) is null, '', ms)", "3:a"),
        ("coalesce(cast(ms as bigint), '')", "3:a"),
        ("cast(get_json_object(ms, '$.ms') as bigint)", '{"id":"x"}'),
        ("get_json_object(ms, '$.a.ms')", '{"a":{"ms":null}}'),
        ("from_json(ms, 'a struct<ms: string>').a.ms", '{"b":1}'),
        ("parse_url(ms, 'QUERY', 'ms')", "https://a.example/?q=1"),
        ("split(ms, ':')[1]", "3"),
        ("element_at(split(ms, ':'), 2)", "3"),
    ],
)
def test_an_expression_that_chooses_an_empty_text_or_null_says_not_known_and_the_record_lands(
    spark: SparkSession, expression: str, text: str
):
    columns = {**COLUMNS, "played_ms": expression, "country": expression.replace("ms", "country")}
    schema = "id string, user string, track string, at string, ms string, country string"
    country = text.replace("ms", "country")
    records = typed(spark, [{"ms": text, "country": country}], None, {**columns, "country": "null"}, schema)
    assert rows_of(records, "played_ms", "reason") == [(None, None)]
    if "bigint" not in expression:
        records = typed(
            spark, [{"ms": "5", "country": country}], None, {**COLUMNS, "country": columns["country"]}, schema
        )
        assert rows_of(records, "country", "reason") == [(None, None)]


@pytest.mark.parametrize(
    "expression",
    [
        "ms",
        "cast(ms as bigint)",
        "if(ms = '-1', '', ms)",
        "cast(if(ms = '-1', '', ms) as bigint)",
        "if(ms = '-1', '', cast(ms as bigint))",
        "case when ms = '-' then '' else ms end",
        "cast(nullif(ms, '-') as bigint)",
        "coalesce(cast(ms as bigint), cast(id as bigint))",
        "case when ms rlike '^[0-9]+$' then ms end",
        "cast(regexp_extract(ms, '([a-z:3]+)', 1) as bigint)",
        "nullif(cast(ms as double), -1)",
        "nullif(ms, id)",
        "if(ms::bigint > 0, ms, '')",
        "if(bigint(ms) > 0, bigint(ms), null)",
        "case when id = 'x' then '' when cast(ms as date) > date'2026-01-01' then ms else '' end",
        "round(if(ms = '-', '', cast(ms as double)))",
        "cast(split(ms, ':')[1] as bigint)",
        "get_json_object(concat('{\"ms\":\"', ms, '\"}'), '$.ms')",
        "get_json_object(ms, '$.ms')",
        "get_json_object(concat('{', ms), '$.ms')",
        "from_json(concat('x', ms), 'ms string').ms",
        "decimal(ms)",
    ],
)
def test_a_text_of_which_a_cast_fails_stays_a_bad_record_beside_an_expression_that_chooses(
    spark: SparkSession, expression: str
):
    records = typed(spark, [{"ms": "3:a"}], None, {**COLUMNS, "played_ms": expression})
    assert rows_of(records, "played_ms", "reason") == [(None, "unparsable_played_ms")]


@pytest.mark.parametrize(
    "expression",
    [
        *("at", "cast(at as timestamp)", "timestamp(at)", "to_timestamp(at)", "try_to_timestamp(at)", "at::timestamp"),
        *("to_utc_timestamp(at, 'Europe/Vienna')", "from_utc_timestamp(at, 'UTC')", "date(at)", "to_date(at)"),
        *("date_trunc('day', at)", "last_day(at)", "add_months(at, 0)", "cast(trim(at) as timestamp)"),
        *("coalesce(to_timestamp(at), cast(at as date))", "if(at is not null, at, null)"),
        *("date_format(at, 'yyyy-MM-dd HH:mm')", "timestampadd(DAY, 0, at)", "date_trunc('day', concat(at, ''))"),
        "make_timestamp(year(at), extract(month from at), day(at), hour(at), 0, 0)",
    ],
)
def test_a_text_without_a_full_date_is_no_instant_whichever_function_reads_it(spark: SparkSession, expression: str):
    texts = ["00:00", "T10:15:00", "10:15:00Z", "10:15", "2026", "2026-03", "today", "now", "2026-03-02"]
    records = typed(spark, [{"at": text} for text in texts], None, {**COLUMNS, "started_at": expression})
    expected = [*["unparsable_started_at"] * (len(texts) - 1), None]
    if expression.startswith("last_day"):
        expected[-1] = "starts_after_delivery"
    assert reasons(records) == expected


@pytest.mark.parametrize(
    ("pattern", "text", "reason"),
    [
        ("HH:mm", "10:15", "unparsable_started_at"),
        ("yyyy-MM", "2026-03", "unparsable_started_at"),
        ("yyyy", "2026", "unparsable_started_at"),
        ("MM-dd HH:mm", "03-02 10:15", "unparsable_started_at"),
        ("dd.MM.yyyy HH:mm", "02.03.2026 10:15", None),
        ("yyyy-MM-dd\\'T\\'HH:mm", "2026-03-02T10:15", None),
    ],
)
def test_a_format_without_a_full_date_makes_no_instant(
    spark: SparkSession, pattern: str, text: str, reason: str | None
):
    for expression in (
        f"to_timestamp(at, '{pattern}')",
        f"try_to_timestamp(at, '{pattern}')",
        f"to_timestamp(at, concat('{pattern}', ''))",
        f"to_timestamp(at, '{pattern}') + interval 0 hours",
        f"to_utc_timestamp(to_timestamp(at, '{pattern}'), 'UTC')",
    ):
        records = typed(spark, [{"at": text}], None, {**COLUMNS, "started_at": expression})
        assert reasons(records) == [reason]


@pytest.mark.parametrize(
    "expression",
    [
        "if(ms = '-', '', round(cast(ms as double)))",
        "case when ms = '-' then '' else round(cast(ms as double)) end",
        "round(if(ms = '-', '', cast(ms as double)))",
        "coalesce(cast(ms as double), '')",
        "round(coalesce(cast(ms as double), ''))",
    ],
)
def test_an_empty_text_that_an_expression_may_choose_makes_no_text_of_a_number(spark: SparkSession, expression: str):
    records = typed(spark, [{"ms": "5"}, {"ms": "-"}], None, {**COLUMNS, "played_ms": expression})
    assert rows_of(records, "played_ms", "reason") == [(5, None), (None, None)]
