"""What Dagster's UI shows of every asset, and of what a run has written."""

import base64
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from umg_assets import previews, tables
from umg_assets.assets.policies import PERSONAL
from umg_assets.definitions import build_definitions
from umg_assets.settings import SettingsError, read_settings
from umg_assets_tests.lake import Lake
from umg_assets_tests.test_experiment_commands import CONFIG

PNG = "data:image/png;base64,"


def specs(home: Path) -> dict[str, dg.AssetSpec]:
    """Every asset that is made, by name."""
    made = (one for one in build_definitions(read_settings(home)).assets or () if isinstance(one, dg.AssetsDefinition))
    return {spec.key.path[-1]: spec for one in made for spec in one.specs}


def test_every_asset_says_who_owns_it_of_what_kind_it_is_and_where_its_code_stands(tmp_path: Path):
    for name, spec in specs(tmp_path).items():
        assert spec.description, name
        assert list(spec.owners) == ["team:analytics"], name
        assert spec.group_name in ("raw", "dimensions", "plays", "charts", "exports"), name
        assert spec.kinds & {"delta", "csv"}, name
        assert "dagster/code_references" in spec.metadata, name
    assert specs(tmp_path)["plays"].kinds == {"delta", "pyspark", "sail"}
    assert specs(tmp_path)["exports"].kinds == {"csv", "parquet", "json"}


def test_owners_and_the_engine_are_those_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("UMG_OWNERS", '["team:insights", "ana@example.com"]')
    monkeypatch.setenv("UMG_ENGINE", "spark")
    plays = specs(tmp_path)["plays"]
    assert list(plays.owners) == ["team:insights", "ana@example.com"]
    assert plays.kinds == {"delta", "pyspark", "spark"}
    monkeypatch.setenv("UMG_OWNERS", '["analytics"]')
    with pytest.raises(SettingsError, match=r"owners\[0\]: expected 'team:NAME' or an e-mail address, got 'analytics'"):
        specs(tmp_path)


def test_every_table_shows_its_contract_and_what_it_knows_of_people(tmp_path: Path):
    (tmp_path / "umg.toml").write_text(CONFIG)
    found = specs(tmp_path)
    assets = {table: table.name for table in tables.ALL if table not in (tables.READOUTS, tables.DECISIONS)}
    for table, name in {**assets, tables.EXPERIMENT_DAYS: "experiment_favourites_days"}.items():
        schema = found[name].metadata["dagster/column_schema"]
        assert [(one.name, one.type, one.description) for one in schema.columns] == [
            (one.name, one.type, one.comment) for one in table.columns
        ]
        assert {one.name for one in schema.columns if not one.constraints.nullable} == set(table.not_null)
    known = {name: spec.tags[PERSONAL] for name, spec in found.items() if PERSONAL in spec.tags}
    assert {name for name, what in known.items() if what == "user_key"} == {
        *("users", "plays", "sessions", "visits", "user_days", "exposure_days")
    }
    assert known["raw_plays"] == "user_id"
    assert known["daily_track_plays"] == "none"


@pytest.mark.sail_enough
def test_a_run_shows_version_bytes_and_seconds_and_a_preview_of_its_last_partition_alone(sail_lake: Lake):
    lake = sail_lake
    lake.drop_tracks("2026-03-01", [("t1", "One|Two", "a1", "Artist", "Pop", 200_000)])
    lake.drop_plays(
        "2026-03-03",
        [(f"p{day}", "u1", "s1", "t1", f"2026-03-0{day}T10:00:00Z", 90_000, "AT") for day in (2, 3)],
    )
    lake.run()
    shown = {day: metadata(lake, "plays", day) for day in ("2026-03-02", "2026-03-03")}
    for one in shown.values():
        assert {"delta_version", "files", "bytes", "seconds", "dagster/partition_row_count"} <= set(one)
    assert "plot" not in shown["2026-03-02"]
    assert PNG in str(shown["2026-03-03"]["plot"].value)
    assert "plot" not in metadata(lake, "top_tracks_by_country", "AT|2026-03-01"), "DE is the last"
    lake.instance.wipe_assets([dg.AssetKey("top_tracks_by_country")])
    job = build_definitions(lake.settings).resolve_job_def("rank_tracks")
    assert job.execute_in_process(instance=lake.instance, tags={"dagster/partition": "AT|2026-03-01"}).success
    chart = metadata(lake, "top_tracks_by_country", "AT|2026-03-01")
    assert "| 1 | One\\|Two | Artist | 2 | 2 | 1 |" in str(chart["preview"].value)
    assert PNG in str(chart["plot"].value)


def metadata(lake: Lake, asset: str, partition: str) -> dict[str, dg.MetadataValue]:
    """What the latest materialization of a partition shows."""
    records = lake.instance.fetch_materializations(
        dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[partition]), limit=1
    ).records
    assert records[0].asset_materialization
    return dict(records[0].asset_materialization.metadata)


def picture(markdown: str) -> bytes:
    """The PNG in a plot."""
    return base64.b64decode(markdown.split(PNG)[1].rstrip(")"))


def test_a_plot_is_a_small_picture_and_a_title_with_an_emoji_or_a_dollar_gives_no_warning(
    recwarn: pytest.WarningsRecorder,
):
    rows = [{"rank": rank, "title": "$ong $ 🎧 " * 9, "plays": 1_000 - rank} for rank in range(1, 11)]
    found = picture(previews.as_bars(rows, ("rank", "title"), "chart"))
    assert found.startswith(b"\x89PNG")
    assert len(found) < 60_000
    days = {date(2026, 3, 1) + timedelta(day): day for day in range(90)}
    assert len(picture(previews.as_days(days, date(2026, 5, 1), [date(2026, 5, 1)], "Plays"))) < 60_000
    assert not [one for one in recwarn if "Glyph" in str(one.message)]


def test_a_table_of_a_preview_has_a_line_a_row_and_none_says_so():
    assert previews.as_table(
        [{"rank": 1, "title": "a|b", "plays": 12_345}, {"rank": 2, "title": None, "plays": 1}]
    ) == ("| rank | title | plays |\n| ---: | --- | ---: |\n| 1 | a\\|b | 12,345 |\n| 2 |  | 1 |")
    assert previews.as_table([]) == "*no rows*"
