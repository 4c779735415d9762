"""What an engine says of a value quotes it: no person in a record is told by an error, an event of Dagster or a log."""

import json
import logging

import dagster as dg
import pytest

from umg_assets.resources.engine_errors import ValueRefusedError, without_values
from umg_assets_tests.cli.conftest import type_umg
from umg_assets_tests.lake import SOURCES, Lake

PERSON = "ann@example.org"
RAISING = {
    "number": "cast(to_number(user_id, '999') as string)",
    "pattern": "regexp_extract(user_id, concat('(', user_id), 1)",
}
"""Expressions that raise on a record, and quote it."""


@pytest.mark.parametrize("expression", RAISING.values(), ids=RAISING)
def test_an_expression_that_raises_sets_its_records_aside_and_tells_nobody(
    lake: Lake, expression: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    sources = SOURCES.replace('country = "country"', f'country = "{expression}"', 1)
    lake.configure(sources=sources)
    lake.drop_plays("2026-03-02", [("p1", PERSON, "", "t1", "2026-03-02T10:00:00Z", 1, "AT")])
    with caplog.at_level(logging.WARNING):
        lake.run()
    assert lake.values("quarantine", "reason") == [("expression_error",)]
    printed = capfd.readouterr()
    said = [printed.out, printed.err, caplog.text]
    assert "plays/2026-03-02.csv, records 1 to 1: an expression raised: " in caplog.text
    said += [
        json.dumps(json.loads(dg.serialize_value(entry)))
        for run in lake.instance.get_runs()
        for entry in lake.instance.all_logs(run.run_id)
    ]
    assert not [text for text in said if PERSON in text]


@pytest.mark.sail_enough
@pytest.mark.parametrize("expression", RAISING.values(), ids=RAISING)
def test_doctor_names_the_expression_and_the_kind_of_error_and_quotes_no_record(lake: Lake, expression: str):
    lake.configure(sources=SOURCES.replace('country = "country"', f'country = "{expression}"', 1))
    lake.drop_plays("2026-03-02", [("p1", PERSON, "", "t1", "2026-03-02T10:00:00Z", 1, "AT")])
    done = type_umg(lake.home, "doctor", home=lake.home)
    assert done.code == 1
    said = " ".join((done.out + done.err).split())
    assert "columns.country = " in said
    assert "on a record of the file" in said
    assert PERSON not in said


@pytest.mark.sail_enough
def test_the_kind_of_an_error_about_a_value_is_told_and_errors_of_our_own_keep_their_words(spark):
    rows = spark.createDataFrame([(PERSON,)], "a string")
    with pytest.raises(ValueRefusedError, match="Cast error") as refused, without_values():
        rows.selectExpr("cast(a as bigint)").collect()
    assert PERSON not in str(refused.value)
    assert refused.value.__suppress_context__
    with pytest.raises(Exception, match="plays: a row lies outside"), without_values():
        rows.selectExpr("raise_error('plays: a row lies outside')").collect()


@pytest.mark.sail_enough
@pytest.mark.parametrize("line", [f'"{PERSON},a,1\nu2,b,2', f"{PERSON},a,1,{PERSON}"])
def test_a_line_of_a_file_of_an_experiment_is_not_told(tmp_path, line: str):
    file = tmp_path / "users.csv"
    file.write_text(f"u,v,n\n{line}\n")
    done = type_umg(
        tmp_path, *["experiment", "analyze", "users.csv", "--unit", "u", "--variant", "v", "--metric", "m=n"]
    )
    assert "cannot be read: Invalid Input Error: CSV Error on Line: 2" in done.err
    assert PERSON not in done.out + done.err
