"""Users and tracks as their deliveries say, whatever died on the way: a fresh build is the yardstick."""

from pathlib import Path

import pytest

from umg_assets.planning.health import health_of
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.runner import RunFailedError
from umg_assets.tables import Table
from umg_assets_tests.lake import Lake


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
