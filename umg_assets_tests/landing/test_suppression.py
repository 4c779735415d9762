"""Later deliveries that name people who have been forgotten: their records do not land, are counted, and are told."""

import json

import pytest

from umg_assets.cli.reconcile import reconcile
from umg_assets.privacy.requests import Requests
from umg_assets.privacy.tombstones import FORGOTTEN_TEXT, Tombstones
from umg_assets_tests.lake import Lake

AT = "2026-03-02T10:00:00Z"


def _tombstone(lake: Lake, *user_ids: str) -> None:
    lake.drop_tracks("2026-03-01", [("t1", "A", "a", "A", "rock", 1000)])
    lake.run()  # creates the key
    Tombstones(lake.home).add(user_ids)


def test_records_of_the_forgotten_do_not_land_whether_they_are_good_bad_or_filtered_and_are_counted(lake: Lake, capsys):
    _tombstone(lake, "u1", "u3")
    lake.drop_users("2026-03-01", [("u1", "AT", "25-34", ""), ("u2", "DE", "25-34", "")])
    good = [("p1", "u1", "s1", "t1", AT, 90_000, "AT"), ("p2", "u2", "s2", "t1", AT, 90_000, "AT")]
    bad = [("p3", "u1", "s1", "t1", "soon", 1, "AT"), ("p4", "u2", "s3", "t1", "soon", 1, "AT")]
    file = lake.drop_plays("2026-03-02", [*good, *bad])
    file.write_text(file.read_text() + "p5,u3,too few\np6,u2,too few\n")
    report = lake.run()
    assert [row["user_id"] for row in lake.rows("raw_users")] == [row["user_id"] for row in lake.rows("raw_plays")]
    assert [row["play_id"] for row in lake.rows("raw_plays")] == ["p2"]
    assert sorted(row["record"] for row in lake.rows("quarantine")) == [4, 6]
    plays, users = (
        next(entry for entry in reversed(lake.history().entries) if entry.source == kind) for kind in ("plays", "users")
    )
    assert (plays.records, plays.landed, plays.suppressed) == (6, 1, 3)
    assert sum(plays.quarantined.values()) == 2
    assert (users.records, users.landed, users.suppressed) == (2, 1, 1)
    assert reconcile(lake.settings)
    told = [check for check in report.failed_checks if check.name == "no_file_names_the_forgotten"]
    assert [check.asset for check in told] == ["deliveries"]
    assert "4 such records in 2 files, e.g. plays/2026-03-02.csv" in told[0].seen
    capsys.readouterr()


def test_a_bad_record_in_which_a_forgotten_short_id_stands_stays_a_bad_record_without_its_text(lake: Lake):
    """757 and qzxvk may be any value; ann-1234 is hers."""
    _tombstone(lake, "757", "qzxvk", "ann-1234")
    theirs = [("p1", "757", "s1", "t1", AT, 1), ("p2", "757", "s1", "t1", "soon", 1)]
    file = lake.drop_plays("2026-03-02", [*theirs, ("p0", "bob-77", "s2", "t1", AT, 1)])
    bad = [
        "p3,bob-77,t1,757",
        "p4;joe;2026-03-02 10:00:00.757",
        "p5,qzxvk,t1",
        "p6,757",
        "p7,757,ann-1234",
        "p8,eve-12,t1",
    ]
    file.write_text(file.read_text() + "".join(f"{line}\n" for line in bad))
    report = lake.run()
    (entry,) = (entry for entry in lake.history().latest().values() if entry.source == "plays")
    assert (entry.records, entry.landed, entry.suppressed, entry.quarantined) == (9, 1, 3, {"field_count": 5})
    texts = {row["record"]: row["text"] for row in lake.rows("quarantine")}
    assert texts == {**dict.fromkeys((4, 5, 6, 7), FORGOTTEN_TEXT), 9: bad[5]}
    (request,) = Requests(lake.home).read()
    assert set(request.user_ids) == {"757", "ann-1234"}, (
        "of the records that could be read, and of the one that is hers"
    )
    (told,) = (check for check in report.failed_checks if check.name == "no_file_names_the_forgotten")
    assert "3 such records in 1 file" in told.seen
    assert reconcile(lake.settings)
    files = [
        path for path in lake.home.rglob("*") if path.is_file() and "landing" not in path.relative_to(lake.home).parts
    ]
    assert [path for path in files if b"qzxvk" in path.read_bytes()] == []


def test_a_file_refused_whole_is_refused_without_the_text_that_names_the_forgotten(lake: Lake):
    _tombstone(lake, "u1")
    lake.drop("plays/2026-03-02.csv", "nothing,of,the\nkind,u1,here\n")
    lake.run()
    (refused,) = lake.rows("quarantine")
    assert refused["record"] == 0
    assert "u1" not in json.dumps(refused, default=str)


def test_tombstones_tell_nobody_who_it_was_and_are_added_once(lake: Lake):
    _tombstone(lake, "u1", "u2")
    stones = Tombstones(lake.home)
    before = stones.path.read_text()
    stones.add(["u2"])
    assert stones.path.read_text() == before
    assert len(stones) == 2
    assert "u1" not in before
    assert stones.path.stat().st_mode & 0o777 == 0o600
    assert stones.ids_among(["u3", "u2", "u11", "u1"]) == ["u2", "u1"]
    assert list(stones.named_in(["x,u1;y", "x,u11;y"])) == [["u1"], []]


@pytest.mark.parametrize(
    ("user_id", "text"),
    [
        ("jo smith", "p1, jo smith,AT"),
        ("jo smith", '{"user_id": "jo smith"'),
        ("o\"neil 'x'", 'p1,"o""neil \'x\'",AT'),
        ("a, b", 'p1,"a, b",AT'),
        ("żoë/1", '{"user_id": "\\u017co\\u00eb\\/1"'),
    ],
)
def test_an_id_of_several_words_is_seen_in_a_text_however_it_is_written(lake: Lake, user_id: str, text: str):
    _tombstone(lake, user_id)
    assert list(Tombstones(lake.home).named_in([text])) == [[user_id]]
