"""What Dagster's UI shows about every asset, and about what a run wrote."""

import base64
from datetime import date, timedelta
from pathlib import Path
from xml.etree import ElementTree

import dagster as dg
import pytest

from umg_assets import tables
from umg_assets.assets.policies import PERSONAL
from umg_assets.build import build_definitions
from umg_assets.catalogue import LAND_FILES
from umg_assets.resources import previews
from umg_assets.settings.model import SettingsError, read_settings
from umg_assets_tests.cli.test_experiment import CONFIG
from umg_assets_tests.jobs import metadata, run_job
from umg_assets_tests.lake import Lake

SVG = "{http://www.w3.org/2000/svg}"
PICTURE = "data:image/svg+xml;base64,"


def specs(home: Path) -> dict[str, dg.AssetSpec]:
    """The spec of every asset that can be materialized, by name."""
    assets = build_definitions(read_settings(home)).assets or ()
    materializable = (asset for asset in assets if isinstance(asset, dg.AssetsDefinition))
    return {spec.key.path[-1]: spec for asset in materializable for spec in asset.specs}


def test_every_asset_names_its_owner_its_kinds_and_the_place_of_its_code(tmp_path: Path):
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


def test_every_table_shows_its_contract_and_whether_it_holds_personal_data(tmp_path: Path):
    (tmp_path / "umg.toml").write_text(CONFIG)
    spec_of = specs(tmp_path)
    assets = {table: table.name for table in tables.ALL if table not in (tables.READOUTS, tables.DECISIONS)}
    for table, name in {**assets, tables.EXPERIMENT_DAYS: "experiment_favourites_days"}.items():
        schema = spec_of[name].metadata["dagster/column_schema"]
        assert [(column.name, column.type, column.description) for column in schema.columns] == [
            (column.name, column.type, column.comment) for column in table.columns
        ]
        assert {column.name for column in schema.columns if not column.constraints.nullable} == set(table.not_null)
    personal = {name: spec.tags[PERSONAL] for name, spec in spec_of.items() if PERSONAL in spec.tags}
    assert {name for name, column in personal.items() if column == "user_key"} == {
        *("users", "plays", "sessions", "visits", "user_days", "exposure_days")
    }
    assert personal["raw_plays"] == "user_id"
    assert personal["daily_track_plays"] == "none"


@pytest.mark.sail_enough
def test_a_run_shows_what_it_committed_as_text_and_a_preview_of_its_last_partition_alone(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("UMG_PLOTS")
    lake.drop_tracks("2026-03-01", [("t1", "One|Two", "a1", "Artist", "Pop", 200_000)])
    lake.drop_plays(
        "2026-03-03",
        [(f"p{day}", "u1", "s1", "t1", f"2026-03-0{day}T10:00:00Z", 90_000, "AT") for day in (2, 3)],
    )
    run_job(lake, LAND_FILES, "2026-03-01", "2026-03-03")
    run_job(lake, "update_dimensions")
    run_job(lake, "build_days", "2026-03-02", "2026-03-03", "plays", "daily_track_plays")
    run_job(lake, "sum_months", "2026-03-01")
    run_job(lake, "rank_tracks", "AT|2026-03-01", "DE|2026-03-01")
    by_day = {day: metadata(lake, "plays", day) for day in ("2026-03-02", "2026-03-03")}
    for entries in by_day.values():
        assert isinstance(entries["written"], dg.TextMetadataValue)
        assert {name for name, value in entries.items() if isinstance(value.value, int | float)} == {
            *("dagster/partition_row_count", "raw_copies")
        }, "Dagster plots numbers: those of a whole run would be a flat line"
    assert "plot" not in by_day["2026-03-02"]
    assert PICTURE in str(by_day["2026-03-03"]["plot"].value)
    assert "plot" not in metadata(lake, "top_tracks_by_country", "DE|2026-03-01"), "AT is the first market"
    lake.instance.wipe_assets([dg.AssetKey("top_tracks_by_country")])
    job = build_definitions(lake.settings).resolve_job_def("rank_tracks")
    assert job.execute_in_process(instance=lake.instance, tags={"dagster/partition": "AT|2026-03-01"}).success
    chart = metadata(lake, "top_tracks_by_country", "AT|2026-03-01")
    assert "| 1 | One\\|Two | Artist | 2 | 2 | 1 |" in str(chart["preview"].value)
    assert PICTURE in str(chart["plot"].value)
    lake.configure("plots = false")
    job = build_definitions(lake.settings).resolve_job_def("rank_tracks")
    assert job.execute_in_process(instance=lake.instance, tags={"dagster/partition": "AT|2026-03-01"}).success
    chart = metadata(lake, "top_tracks_by_country", "AT|2026-03-01")
    assert "| 1 | One\\|Two | Artist | 2 | 2 | 1 |" in str(chart["preview"].value)
    assert "plot" not in chart


def latest(lake: Lake, asset: str) -> dg.AssetMaterialization:
    """What an asset's page shows."""
    event = lake.instance.get_latest_materialization_event(dg.AssetKey(asset))
    assert event is not None
    assert event.asset_materialization is not None
    return event.asset_materialization


@pytest.mark.sail_enough
def test_a_charts_page_shows_the_newest_month_of_the_first_market_of_umg_toml(lake: Lake):
    lake.configure('markets = ["DE", "SK", "AT", "CZ"]\n')
    lake.drop_tracks("2026-02-01", [("t1", "One", "a1", "Ann", "Pop", 200_000)])
    for month in ("2026-02", "2026-03"):
        plays = [(f"{month}{each}", "u1", "s1", "t1", f"{month}-02T10:00:00Z", 90_000, each) for each in ("AT", "DE")]
        lake.drop_plays(f"{month}-03", plays)
    lake.run()
    newest = latest(lake, "top_tracks_by_country")
    assert newest.partition == "DE|2026-03-01"
    assert "| 1 | One | Ann |" in str(newest.metadata["preview"].value)
    moved = latest(lake, "chart_movements")
    assert moved.partition == "DE"
    assert "| 2026-03-01 | 1 | t1 |" in str(moved.metadata["preview"].value)


@pytest.mark.sail_enough
def test_a_day_of_landing_counts_its_own_files_and_those_of_its_kind_alone(lake: Lake):
    for day, plays in (("2026-03-02", 3), ("2026-03-03", 1)):
        lake.drop_plays(day, [(f"{day}{n}", "u1", "s1", "t1", f"{day}T10:00:00Z", 9_000, "AT") for n in range(plays)])
    lake.drop_users("2026-03-02", [("u1", "AT", "", "2000-05-05")])
    run_job(lake, LAND_FILES, "2026-03-02", "2026-03-03")
    counted = {
        (asset, day): (metadata(lake, asset, day)["files_read"].value, metadata(lake, asset, day)["rows_landed"].value)
        for asset in ("raw_plays", "raw_users", "deliveries")
        for day in ("2026-03-02", "2026-03-03")
    }
    assert counted == {
        ("raw_plays", "2026-03-02"): (1, 3),
        ("raw_plays", "2026-03-03"): (1, 1),
        ("raw_users", "2026-03-02"): (1, 1),
        ("raw_users", "2026-03-03"): (0, 0),
        ("deliveries", "2026-03-02"): (2, 4),
        ("deliveries", "2026-03-03"): (1, 1),
    }


@pytest.mark.sail_enough
def test_exports_name_the_folder_that_holds_them(lake: Lake):
    lake.drop_plays("2026-03-03", [("p1", "u1", "s1", "t1", "2026-03-02T10:00:00Z", 90_000, "AT")])
    lake.run()
    path = latest(lake, "exports").metadata["path"]
    assert isinstance(path, dg.PathMetadataValue)
    assert (Path(str(path.value)) / "manifest.json").is_file()


def test_no_two_assets_and_nothing_that_runs_is_without_words_of_its_own(tmp_path: Path):
    (tmp_path / "umg.toml").write_text(CONFIG)
    definitions = build_definitions(read_settings(tmp_path))
    repository = definitions.get_repository_def()
    graph = definitions.resolve_asset_graph()
    told = [graph.get(key).description or "" for key in graph.get_all_asset_keys()]
    assert len(set(told)) == len(told)
    assert all(text.split("\n")[0].endswith(".") for text in told), "the first line says what it is"
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    for told_of in (*jobs, *repository.schedule_defs, *repository.sensor_defs):
        assert told_of.description, told_of.name
    resources = repository.get_top_level_resources()
    assert [name for name, resource in resources.items() if not resource.description] == []


def test_the_settings_page_shows_every_setting_and_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "umg.toml").write_text('markets = ["SK", "AT"]\n[charts]\ntop_tracks = 7\n')
    monkeypatch.setenv("UMG_SPARK_REMOTE", "sc://host:15002/;token=geheim")
    settings = read_settings(tmp_path)
    page = build_definitions(settings).get_repository_def().get_top_level_resources()["settings"].description or ""
    assert "| `markets` | SK, AT | markets with a chart" in page
    assert "| `charts.top_tracks` | 7 |" in page
    assert {name for name in type(settings).model_fields if f"| `{name}" not in page} == set()
    assert "geheim" not in page


def picture(markdown: str) -> ElementTree.Element:
    """The picture embedded in a plot."""
    return ElementTree.fromstring(base64.b64decode(markdown.split(PICTURE)[1].rstrip(")")))


def test_a_plot_is_a_small_picture_that_shows_any_title_as_it_is():
    rows = [
        {"rank": rank, "title": f"<b>$ong</b> & 🎧 {'x' * rank * 9}", "plays": 1_000 - rank} for rank in range(1, 11)
    ]
    chart = previews.as_bars(rows, ("rank", "title"), "chart")
    words = ["".join(element.itertext()) for element in picture(chart).iter(f"{SVG}text")]
    assert "1 <b>$ong</b> & 🎧 xxxxxxxxx" in words
    assert "999" in words
    assert len(chart) < 10_000
    counts = {date(2026, 3, 1) + timedelta(day): day for day in range(90)}
    days = previews.as_days(counts, date(2026, 5, 1), [date(2026, 5, 1)], "Plays")
    assert len(days) < 20_000
    bars = [element for element in picture(days).iter(f"{SVG}rect") if (element.get("class") or "").startswith("fill")]
    assert len(bars) == previews.DAYS
    assert [bar.get("class") for bar in bars[-2:]] == ["fill-0", "fill-1"], "the day just written stands out"
    heights = [float(bar.get("height") or 0) for bar in bars]
    assert heights == sorted(heights)


def test_a_preview_has_a_line_a_row_and_says_so_when_there_are_none():
    assert previews.as_table(
        [{"rank": 1, "title": "a|b", "plays": 12_345}, {"rank": 2, "title": None, "plays": 1}]
    ) == ("| rank | title | plays |\n| ---: | --- | ---: |\n| 1 | a\\|b | 12,345 |\n| 2 |  | 1 |")
    assert previews.as_table([]) == "*no rows*"
