"""Exports: what exports/current holds after a run, and that a reader never sees half a set."""

import csv
import json
import threading
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as pa_dataset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from umg_assets.resources import exporting
from umg_assets.resources.exporting import Favourites, export_charts
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.reading import complete_through
from umg_assets.text import spreadsheet
from umg_assets_tests.conftest import NewLake
from umg_assets_tests.lake import Lake


@pytest.fixture(scope="module")
def four_months(new_lake: NewLake) -> Lake:
    """A play in each of two markets on the 10th of each month from February to May. Only read it, or copy it."""
    lake = new_lake("exports")
    lake.drop_users("2026-02-01", [("u1", "AT", "18-24"), ("u2", "DE", "25-34")])
    lake.drop_tracks("2026-02-01", [("t1", "One", "a1", "Ann", "Pop", 200_000)])
    lake.drop_tracks("2026-02-02", [("t2", "Two", "a2", "Bob", "Rock", 200_000)])
    for month in ("02", "03", "04", "05"):
        at = f"2026-{month}-10T10:00:00Z"
        lake.drop_plays(
            f"2026-{month}-10",
            [(f"p{month}a", "u1", "s", "t1", at, 90_000, "AT"), (f"p{month}d", "u2", "s", "t1", at, 90_000, "DE")],
        )
    lake.run()
    return lake


@pytest.fixture
def lake(four_months: Lake, tmp_path: Path) -> Lake:
    """A copy of those four months, to be changed."""
    return four_months.copied(tmp_path / "home")


def test_the_last_three_months_are_exported_as_csv_and_as_parquet_by_country_with_the_day_they_are_complete_through(
    four_months: Lake,
):
    current = four_months.home / "exports" / "current"
    with (current / "top_tracks_by_country.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["month"] for row in rows} == {"2026-03-01", "2026-04-01", "2026-05-01"}
    assert {row["complete_through"] for row in rows if row["month"] == "2026-04-01"} == {"2026-04-30"}
    assert {row["complete_through"] for row in rows if row["month"] == "2026-05-01"} == {"2026-05-09"}
    assert {(row["title"], row["listening_minutes"]) for row in rows} == {("One", "1.5")}
    assert sorted(path.name for path in (current / "top_tracks_by_country").iterdir()) == ["country=AT", "country=DE"]
    parquet = pa_dataset.dataset(current / "top_tracks_by_country", partitioning="hive").to_table()
    assert parquet.num_rows == len(rows) == 3 * 2 * 4
    assert json.loads((current / "manifest.json").read_text())["complete_through"] == "2026-05-09"


def test_every_file_says_through_which_date_it_is_complete_and_the_app_reads_its_json_by_the_schema_beside_it(
    lake: Lake,
):
    """The newest plays are of 10 May, a day that may not be over yet."""
    day_before = [("q1", "u1", "t2"), ("q2", "u1", "t2"), ("q3", "u1", "t1"), ("q4", "u2", "t1")]
    lake.drop_plays(
        "2026-05-09",
        [(play, user, "s", track, "2026-05-09T10:00:00Z", 90_000, "AT") for play, user, track in day_before],
    )
    lake.run()
    current = lake.home / "exports" / "current"
    newest = {
        "top_tracks_by_country": ("month", "2026-05-01"),
        "chart_movements": ("month", "2026-05-01"),
        "top_artists_by_genre": ("chart_date", "2026-05-09"),
    }
    for name, (period, last) in newest.items():
        with (current / f"{name}.csv").open() as file:
            rows = list(csv.DictReader(file))
        parquet = pa_dataset.dataset(current / name, partitioning="hive").to_table()
        assert parquet.num_rows == len(rows) > 0, name
        for dates in ({row[period]: row["complete_through"] for row in rows}, _complete_through(parquet, period)):
            assert (max(dates), dates[last]) == (last, "2026-05-09"), name
    text = (current / "age_group_favourites" / "latest.json").read_text()
    favourites = Favourites.model_validate_json(text)
    assert (favourites.chart_date, favourites.complete_through) == (date(2026, 5, 9), date(2026, 5, 9))
    entries = {
        group: [(entry.rank, entry.track_id, entry.plays) for entry in tracks]
        for group, tracks in favourites.age_groups.items()
    }
    assert entries == {"18-24": [(1, "t2", 2), (2, "t1", 1)], "25-34": [(1, "t1", 1)]}
    schema = json.loads((current / "age_group_favourites" / "schema.json").read_text())
    assert set(schema["required"]) == set(json.loads(text))
    assert all(field["description"] for field in schema["properties"].values())


def _complete_through(parquet: pa.Table, period: str) -> dict[str, str]:
    """The complete_through of a Parquet export, by month or chart day."""
    rows = parquet.select([period, "complete_through"]).to_pylist()
    return {str(row[period]): str(row["complete_through"]) for row in rows}


def test_a_set_that_fails_half_way_is_never_seen_and_the_one_before_stays_whole(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
):
    current = lake.home / "exports" / "current"
    before = current.resolve()
    files = {path.relative_to(before): path.read_bytes() for path in before.rglob("*") if path.is_file()}

    def disk_full(*_: object) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(exporting, "_write_favourites", disk_full)
        with pytest.raises(OSError, match="No space left"):
            export_charts(lake.settings, Ledger(lake.home).read())
    assert current.resolve() == before
    assert {path.relative_to(before): path.read_bytes() for path in before.rglob("*") if path.is_file()} == files


def test_while_sets_are_switched_a_reader_finds_one_at_every_moment(tmp_path: Path):
    missed: list[str] = []
    sets = [tmp_path / f"set-{number:04}" for number in range(400)]
    for folder in sets:
        folder.mkdir()
        (folder / "manifest.json").touch()
    exporting._switch(tmp_path, sets[0])
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                (tmp_path / "current").readlink()
            except OSError as error:
                missed.append(str(error))

    reader = threading.Thread(target=read)
    reader.start()
    for folder in sets[1:]:
        exporting._switch(tmp_path, folder)
    stop.set()
    reader.join()
    assert not missed


def test_a_new_set_replaces_the_old_one_in_one_step_and_the_old_one_stays_for_who_still_reads_it(lake: Lake):
    link = lake.home / "exports" / "current"
    before = link.resolve()
    export_charts(lake.settings, Ledger(lake.home).read())
    assert link.resolve() != before
    assert (before / "top_tracks_by_country.csv").exists()
    export_charts(lake.settings, Ledger(lake.home).read())
    export_charts(lake.settings, Ledger(lake.home).read())
    assert not before.exists()
    assert (link / "top_tracks_by_country.csv").exists()


def test_the_day_of_the_newest_play_may_still_be_filling_and_is_not_called_complete():
    assert complete_through(date(2026, 5, 10), date(2026, 5, 31)) == date(2026, 5, 9)
    assert complete_through(date(2026, 5, 10), date(2026, 4, 30)) == date(2026, 4, 30)


@given(st.lists(st.lists(st.none() | st.text("=+-@ 1,%a'\t\n\u3000\ufeff\uff1d\u202e\x00\u00e9", max_size=5))))
def test_each_text_of_an_export_for_spreadsheets_is_guarded_and_stays_in_its_row(chunks: list[list[str | None]]):
    texts = pa.chunked_array(chunks, pa.string())
    table = pa.table({"title": texts, "section": texts.cast(pa.large_string()), "rank": range(len(texts))})
    guarded = exporting._for_spreadsheets(table)
    assert guarded.schema == table.schema
    expected = [spreadsheet(text) for text in texts.to_pylist()]
    assert guarded.column("title").to_pylist() == guarded.column("section").to_pylist() == expected
    assert guarded.column("rank").to_pylist() == list(range(len(texts)))
