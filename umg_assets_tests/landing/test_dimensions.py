"""Users and tracks as their deliveries say, whatever died on the way: a fresh build is the yardstick."""

from pathlib import Path

import pytest

from umg_assets.planning.health import health_of
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.runner import RunFailedError
from umg_assets.tables import Table
from umg_assets_tests.lake import SOURCES, Lake


def die_after_merge(patch: pytest.MonkeyPatch, table: str) -> None:
    """Makes runs die once a merge of the table is committed, before Dagster hears of it."""
    merge = Lakehouse.merge

    def merge_and_die(self: Lakehouse, merged: Table, *rest):
        commit = merge(self, merged, *rest)
        if merged.name == table:
            raise RuntimeError("the power went")
        return commit

    patch.setattr(Lakehouse, "merge", merge_and_die)


@pytest.mark.parametrize("table", ["users", "tracks"])
@pytest.mark.parametrize("played", [True, False], ids=["played", "never played"])
def test_a_file_corrected_after_a_merge_died_leaves_nothing_of_what_it_said_before(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, table: str, played: bool
):
    def drop(day: str, **countries: str) -> None:
        lake.drop_users(day, [(name, country, "18-24") for name, country in countries.items()])
        lake.drop_tracks(day, [(name, country, "a", "Ann", "Pop", 200_000) for name, country in countries.items()])

    if played:
        lake.drop_plays("2026-03-02", [("p", "e", "s", "e", "2026-03-02T12:00:00Z", 190_000, "")])
    drop("2026-03-01", e="AT")
    lake.run()
    drop("2026-03-02", e="DE", n="DE")
    with monkeypatch.context() as patch:
        die_after_merge(patch, table)
        with pytest.raises(RunFailedError, match="the power went"):
            lake.run()
    assert health_of(lake.history())["unfinished"] == 0, "every file has landed"
    drop("2026-03-02", n="AT")
    lake.run()
    assert lake.content() == lake.built_afresh(tmp_path / "fresh").content()
    drop("2026-03-03", n="DE")
    with lake.spoilt(f"raw_{table}/delivery_date=2026-03-01"):
        lake.run()  # merges what is new, and reads nothing else


def test_the_first_tracks_leave_plays_of_all_others_out_of_every_chart(lake: Lake, tmp_path: Path):
    without = SOURCES[: SOURCES.index("[[sources.tracks]]")]
    lake.configure(sources=without)
    lake.drop_users("2026-01-10", [("u", "AT", "18-24")])
    for month, track in (("01", "t1"), ("02", "t2")):
        at = f"2026-{month}-10"
        lake.drop_plays(at, [(track, "u", "s", track, f"{at}T12:00:00Z", 190_000, "AT")])
    lake.run()
    assert {track for (track,) in lake.values("top_tracks_by_country", "track_id")} == {"t1", "t2"}
    lake.configure()
    lake.drop_tracks("2026-02-11", [("t2", "Two", "a", "Ann", "Pop", 200_000)])
    lake.run()
    assert lake.content() == lake.built_afresh(tmp_path / "fresh").content()
    # a track without artist and genre, played before it is delivered
    lake.drop_tracks("2026-02-12", [("t1", "One")])
    lake.run()
    assert lake.content() == lake.built_afresh(tmp_path / "fresher").content()
