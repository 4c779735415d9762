"""A setting is changed, and changed back: each time the tables and exports are those of a fresh build with it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from umg_assets import clock
from umg_assets.calendar import local_today
from umg_assets_tests.conftest import NewLake
from umg_assets_tests.lake import EVENT_SOURCE, SECTION_SOURCES, Lake

pytestmark = pytest.mark.sail_enough

TODAY = datetime(2026, 3, 12, 12, tzinfo=UTC)
TOP = {"first_delivery": "2026-01-01", "chunk_plays": 2, "correction_days": 20}
CHARTS = {"top_artists_days": 4, "favourites_days": 2}
DOUBLED = SECTION_SOURCES.replace('"cast(played_ms as bigint)"', '"2 * cast(played_ms as bigint)"')
CHANGED: dict[str, tuple[Any, str]] = {
    "stream_seconds": (60, "range"),
    "complete_percent": (80, "range"),
    "time_zone": ("Asia/Tokyo", "run"),
    "first_day": ("2026-02-06", "run"),
    "markets": (["AT", "CH"], "range"),
    "charts.top_tracks": (1, "range"),
    "charts.top_artists": (1, "range"),
    "charts.top_artists_days": (40, "range"),
    "charts.favourites": (1, "range"),
    "charts.favourites_days": (5, "range"),
    "charts.export_months": (1, "range"),
    "charts.favourites_section": ("home", "range"),
    "age_groups": ([13, 25, 30], "run"),
    "correction_days": (40, "run"),
    "privacy.pseudonyms": (False, "run"),
    "a source's columns": (DOUBLED, "run"),
}
"""By setting, another value, and the command that docs/operations.md gives: `umg run`, or `umg run --range`."""
QUICK = ("first_day", "markets")


def configure(lake: Lake, setting: str = "", value: Any = None) -> None:
    """Writes umg.toml as it is for all tests, but for one setting."""
    section, _, name = setting.rpartition(".")
    limits = {"shrunk_percent": 100, **({name: value} if name in ("stream_seconds", "complete_percent") else {})}
    top = {**TOP, **({} if not setting or section or name in limits or " " in name else {name: value})}
    sections = {"charts": {**CHARTS}, "privacy": {}, "thresholds": limits}
    if section:
        sections[section][name] = value
    text = "\n".join(f"{key} = {toml(given)}" for key, given in top.items() if key != "first_day")
    for section, given in sections.items():
        text += f"\n[{section}]\n" + "\n".join(f"{key} = {toml(one)}" for key, one in given.items())
    lake.configure(text, value if " " in name else SECTION_SOURCES, top.get("first_day", "2026-01-01"))


def toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value).replace("'", '"') if not isinstance(value, str) or "-" not in value[4:5] else value


def play(play_id: str, user: str, track: str, at: str, played_ms: int = 190_000, section: str = "") -> tuple:
    """A play of the country that its user has; at: `01-31T23:30`, UTC."""
    return (play_id, user, f"s-{user}", track, f"2026-{at}:00Z", played_ms, "", section)


@pytest.fixture(scope="module", autouse=True)
def _in_march() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(clock, "now", lambda: TODAY)
        yield


@pytest.fixture(scope="module")
def first(new_lake: NewLake) -> tuple[Lake, dict[str, Any]]:
    """Two months of plays near every limit (midnights, half a minute, a birthday, copies 29 days apart); its content.

    Only read it.
    """
    lake = new_lake("settings")
    configure(lake)
    lake.drop_users("2026-01-20", [("u1", "AT", "", "2001-02-06"), ("u2", "DE", "", "1990-05-05")])
    tracks = [("t1", "One", "a1", "Ann", "Pop", 200_000), ("t2", "Two", "a2", "Bob", "Pop", 100_000)]
    lake.drop_tracks("2026-01-20", tracks)
    january = [
        play("p1", "u1", "t1", "01-10T10:00"),
        play("p2", "u2", "t2", "01-31T23:30", 95_000),
        play("twice", "u1", "t2", "01-12T10:00", 45_000),
    ]
    february = [
        play("p3", "u1", "t1", "02-05T10:00", section="age_picks"),
        play("p8", "u1", "t2", "02-10T11:00", section="search"),
        play("p4", "u2", "t2", "02-06T22:50", 40_000, "home"),
        play("p5", "u1", "t1", "02-06T23:10", 29_000),
        play("twice", "u1", "t1", "02-10T10:00", 45_000),
    ]
    march = [play("p6", "u1", "t2", "03-01T10:00", 90_000), play("p7", "u2", "t1", "03-01T23:30", section="home")]
    for day, plays in (("01-31", january), ("02-20", february), ("03-03", march)):
        lake.drop_plays(f"2026-{day}", plays)
    lake.run()
    return lake, content(lake)


def content(lake: Lake) -> dict[str, Any]:
    """Every row of the built tables, and the text of the exports for people."""
    current = lake.home / "exports" / "current"
    texts = {str(file.relative_to(current)): file.read_text() for file in current.rglob("*.csv")}
    return {**lake.content(), **texts, "latest.json": (current / "age_group_favourites" / "latest.json").read_text()}


def run(lake: Lake, command: str) -> None:
    today = local_today(lake.settings.time_zone)
    lake.run((lake.settings.first_day, today) if command == "range" else None)


@pytest.mark.parametrize(
    "setting",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.exhaustive) for name in CHANGED],
)
def test_a_setting_changed_and_changed_back_ends_in_the_tables_of_a_fresh_build(
    first: tuple[Lake, dict[str, Any]], setting: str, tmp_path: Path
):
    lake, before = first[0].copied(tmp_path / "home"), first[1]
    value, command = CHANGED[setting]
    configure(lake, setting, value)
    run(lake, command)
    changed = content(lake)
    assert changed != before, "the test's plays show the setting"
    assert changed == content(lake.built_afresh(tmp_path / "fresh"))
    assert lake.run().runs == 0
    configure(lake)
    run(lake, command)
    assert content(lake) == before


def test_every_setting_of_the_table_in_the_docs_is_tried_by_its_command():
    text = (Path(__file__).parents[1] / "docs" / "operations.md").read_text()
    table = text.partition("## Change a setting\n")[2].partition("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    commands = {cell: command for cell, rebuilt, command in rows if rebuilt != "nothing" and "experiments" not in cell}

    def names(cell: str, setting: str) -> bool:
        return setting in cell or (setting.startswith("charts.") and "`charts.*`" in cell)

    for setting, (_, command) in CHANGED.items():
        found = {"--range" in given for cell, given in commands.items() if names(cell, setting)}
        assert found == {command == "range"}, setting
    assert all(any(names(cell, setting) for setting in CHANGED) for cell in commands)


def test_a_first_day_after_all_plays_empties_every_table_of_them_and_exports_none(
    first: tuple[Lake, dict[str, Any]], tmp_path: Path
):
    lake = first[0].copied(tmp_path / "home")
    configure(lake, "first_day", "2026-03-10")
    lake.run()
    assert lake.content() == lake.built_afresh(tmp_path / "fresh").content()
    assert all(len(text.splitlines()) == 1 for name, text in content(lake).items() if name.endswith(".csv"))
    assert not any(lake.rows(name) for name in ("plays", "monthly_track_plays", "top_tracks_by_country"))
    assert lake.run().runs == 0


@pytest.mark.exhaustive
def test_plays_of_events_come_and_go_with_the_setting_after_the_command_of_the_docs(
    first: tuple[Lake, dict[str, Any]], tmp_path: Path
):
    lake = first[0].copied(tmp_path / "home")
    with_events = SECTION_SOURCES + EVENT_SOURCE
    started = {"user_id": "u1", "session_id": "s-u1", "track_id": "t2", "event_name": "play_start"}
    lake.drop_events("2026-02-20", [{"event_id": "e1", "occurred_at": "2026-02-10T12:00:00Z", **started}])
    contents = {}
    for wanted in ("false", "true", "false"):
        lake.configure(f"plays_from_events = {wanted}\n", with_events, "2026-01-01")
        lake.run()
        run(lake, "range")
        contents[wanted] = content(lake)
        fresh = lake.built_afresh(tmp_path / f"fresh{len(list(tmp_path.iterdir()))}")
        assert contents[wanted] == content(fresh)
    assert len(contents["true"]["plays"]) == len(contents["false"]["plays"]) + 1
