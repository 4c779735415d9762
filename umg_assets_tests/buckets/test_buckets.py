"""Files in a bucket become charts, and charts lie in a bucket: the same as on a disk, whatever the store does."""

import hashlib
import json
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from dagster import build_sensor_context

from umg_assets import object_store
from umg_assets.build import build_definitions
from umg_assets.cli.forget import forget
from umg_assets.files.erasing import CannotEraseError
from umg_assets.landing.bucket import fetch, remove, unusable
from umg_assets.landing.scan import LandingError, scan
from umg_assets.object_store import ConflictError, Object, ObjectStore, StoreError
from umg_assets.privacy.requests import Requests
from umg_assets.resources.bucket_exports import publish
from umg_assets.settings.model import Settings, SettingsError, read_settings
from umg_assets_tests.bucket_server import BucketServer, refusing
from umg_assets_tests.buckets.conftest import PLAYS, Bucket
from umg_assets_tests.cli.conftest import type_umg
from umg_assets_tests.lake import Lake, csv_text

pytestmark = [pytest.mark.sail_enough, pytest.mark.exhaustive]


def lake_of(bucket: Bucket, home: Path, text: str = "", on_disk: bool = False) -> Lake:
    """A lakehouse that fetches exports/ of a bucket, and publishes to charts/ of it."""
    lake = Lake(home, on_disk)
    places = f'[places]\nlanding = "{bucket.address}/exports"\nexports = "{bucket.address}/charts"\n'
    lake.configure(f"{text}\n{places}")
    return lake


def deliver(bucket: Bucket) -> None:
    """Two users, a track, and a day of plays by both."""
    users = [("u1", "AT", "25-34", ""), ("u2", "DE", "18-24", "")]
    bucket.put("exports/users/2026-03-01.csv", csv_text(("user_id", "country", "age_group", "birth_date"), users))
    track = [("t1", "Hymn", "a1", "Ann", "Pop", 200_000)]
    columns = ("track_id", "title", "artist_id", "artist_name", "genre", "duration_ms")
    bucket.put("exports/tracks/2026-03-01.csv", csv_text(columns, track))
    bucket.put_plays("02", ("p1", "u1", "10:00"), ("p2", "u2", "11:00"))


def published(bucket: Bucket) -> dict[str, Any]:
    return json.loads(bucket.get("charts/current.json"))


def plays_of(lake: Lake) -> set[str]:
    return {row["play_id"] for row in lake.rows("plays")}


def test_files_in_a_bucket_become_the_tables_that_they_become_on_a_disk(bucket: Bucket, tmp_path: Path):
    deliver(bucket)
    bucket.put_plays("03", ("p3", "u1", "10:00"))
    lake = lake_of(bucket, tmp_path / "home")
    lake.run()
    bucket.put_plays("02", ("p1", "u1", "10:00"), ("p2", "u2", "11:00"), ("late", "u1", "12:00"))  # delivered again
    bucket.put_plays("04", ("p4", "u2", "10:00"))
    bucket.delete("exports/plays/2026-03-03.csv")
    lake.run()
    assert plays_of(lake) == {"p1", "p2", "late", "p3", "p4"}, "as on a disk, rows stay when their file goes"
    local = Lake(tmp_path / "local")
    for key in bucket.keys:
        if key.startswith("exports/"):
            local.drop(key.removeprefix("exports/"), bucket.get(key))
    local.drop("plays/2026-03-03.csv", f"{PLAYS}p3,u1,s-u1,t1,2026-03-03T10:00:00Z,190000,AT\n")
    shutil.copytree(lake.home / "keys", local.home / "keys")
    local.run()
    assert lake.content() == local.content()
    assert not (lake.home / "landing" / "plays" / "2026-03-03.csv").exists()
    assert lake.run().runs == 0


def test_the_exports_in_a_bucket_are_a_whole_set_that_current_json_names(bucket: Bucket, tmp_path: Path):
    deliver(bucket)
    lake = lake_of(bucket, tmp_path / "home")
    lake.run()
    first = published(bucket)
    local = (lake.home / "exports" / "current").resolve()
    assert first["set"] == local.name
    for path, said in first["files"].items():
        content = bucket.get(f"charts/{first['set']}/{path}")
        assert (len(content), hashlib.sha256(content).hexdigest()) == (said["bytes"], said["sha256"])
        assert content == (local / path).read_bytes()
    assert "top_tracks_by_country.csv" in first["files"]
    assert "age_group_favourites/latest.json" in first["files"]
    assert not any(path.startswith(("catalog/", "health.json")) for path in first["files"])
    assert str(lake.home) not in b"".join(bucket.get(key) for key in bucket.keys).decode(errors="replace")
    bucket.put("charts/notes.txt", "of somebody else")
    sets = [first["set"]]
    for day in ("03", "04"):
        bucket.put_plays(day, (f"p{day}", "u1", "10:00"))
        lake.run()
        sets.append(published(bucket)["set"])
    there = {key.split("/")[1] for key in bucket.keys if key.startswith("charts/")}
    assert there == {"current.json", "notes.txt", *sets[1:]}, "the set before is there for its readers, older ones go"


def test_a_file_of_a_bucket_is_whole_and_lands_at_once(bucket: Bucket, tmp_path: Path):
    deliver(bucket)
    lake = lake_of(bucket, tmp_path / "home")
    fetch(lake.settings)
    by_hand = lake.drop_plays("2026-03-05", [])
    found = scan(lake.settings, lake.history(), quiet_seconds=600)
    assert {file.path for file in found.changed} == {
        "users/2026-03-01.csv",
        "tracks/2026-03-01.csv",
        "plays/2026-03-02.csv",
    }
    assert "may still be being written" in found.waiting["plays/2026-03-05.csv"]
    fetch(lake.settings)
    assert by_hand.exists(), "what is no object's copy stays"


@pytest.mark.parametrize("fault", ["secret", "endpoint", "bucket"])
def test_a_bucket_that_cannot_be_listed_is_an_error_and_never_an_empty_landing(
    bucket: Bucket, server: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
):
    monkeypatch.setitem(object_store._RETRIES, "max_retries", 1)
    deliver(bucket)
    lake = lake_of(bucket, tmp_path / "home")
    lake.run()
    before = sorted(file for file in (lake.home / "landing").rglob("*.csv"))
    wrong = {
        "secret": server.environment(secret="guessed-secret"),
        "endpoint": server.environment(endpoint="http://127.0.0.1:1"),
        "bucket": {},
    }[fault]
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    if fault == "bucket":
        lake.configure('[places]\nlanding = "s3://nobody-has-it/exports"\n')
    with pytest.raises(LandingError) as raised:
        lake.run()
    expected = {"secret": "403 Forbidden", "endpoint": "error sending request", "bucket": "404 Not Found"}[fault]
    assert expected in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "guessed-secret" not in str(raised.value)
    assert sorted(file for file in (lake.home / "landing").rglob("*.csv")) == before
    typed = type_umg(tmp_path, "run", home=lake.home)
    assert (typed.code, expected in typed.err, "Traceback" in typed.err) == (1, True, False)
    doctor = type_umg(tmp_path, "doctor", home=lake.home)
    assert (doctor.code, expected in " ".join(doctor.out.split())) == (1, True)


def test_a_sensor_skips_with_the_reason_while_the_bucket_cannot_be_listed(
    bucket: Bucket, server: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(object_store._RETRIES, "max_retries", 1)
    lake = lake_of(bucket, tmp_path / "home")
    built = build_definitions(lake.settings)
    sensor = built.resolve_sensor_def("landing_sensor")
    for name, value in server.environment(endpoint="http://127.0.0.1:1").items():
        monkeypatch.setenv(name, value)
    with build_sensor_context(lake.instance, definitions=built, resources=dict(built.resources or {})) as context:
        result = sensor.evaluate_tick(context)
    assert "error sending request" in (result.skip_message or "")
    assert not result.run_requests


def test_a_store_that_refuses_one_request_in_three_changes_nothing(
    bucket: Bucket, server: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    deliver(bucket)
    lake = lake_of(bucket, tmp_path / "home")
    with refusing(server, every=3) as (endpoint, refused):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        lake.run()
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    assert {"GET", "PUT"} <= {*refused}
    assert plays_of(lake) == {"p1", "p2"}
    said = published(bucket)
    assert all(f"charts/{said['set']}/{path}" in bucket.keys for path in said["files"])


def test_keys_that_a_disk_cannot_hold_are_named_and_keep_nothing_from_landing(bucket: Bucket, tmp_path: Path):
    deliver(bucket)
    refused = {
        "plays/2026-03-02.csv/more.csv": "cannot be a folder on a disk",
        ".umg-bucket.json": "umg uses itself",
    }
    for key in refused:
        bucket.put(f"exports/{key}", PLAYS)
    bucket.put("exports/plays/", b"")  # a folder, as web consoles make them
    lake = lake_of(bucket, tmp_path / "home")
    report = lake.run()
    assert plays_of(lake) == {"p1", "p2"}
    assert {*report.scan.waiting} == {*refused}
    assert all(why in report.scan.waiting[key] for key, why in refused.items())
    assert report.scan.stuck == {*refused}


def test_an_object_whose_file_cannot_be_written_is_named_and_the_others_land(bucket: Bucket, tmp_path: Path):
    deliver(bucket)
    bucket.put_plays("03", ("p3", "u1", "10:00"))
    lake = lake_of(bucket, tmp_path / "home")
    (lake.home / "landing" / "plays" / "2026-03-03.csv").mkdir(parents=True)
    report = lake.run()
    assert plays_of(lake) == {"p1", "p2"}
    assert "cannot be written to landing/" in report.scan.waiting["plays/2026-03-03.csv"]
    (lake.home / "landing" / "plays" / "2026-03-03.csv").rmdir()
    lake.run()
    assert plays_of(lake) == {"p1", "p2", "p3"}


def test_a_look_with_little_time_fetches_some_and_removes_nothing_before_all_is_there(bucket: Bucket, tmp_path: Path):
    deliver(bucket)
    lake = lake_of(bucket, tmp_path / "home")
    fetch(lake.settings)
    for number in range(30):
        bucket.put(f"exports/plays/2026-03-03-{number}.csv", PLAYS)
    bucket.delete("exports/plays/2026-03-02.csv")
    left, looks = lake.home / "landing" / "plays" / "2026-03-02.csv", 0
    while left.exists():
        assert fetch(lake.settings, seconds=0) > 0
        looks += 1
    assert looks > 1
    assert len([*(lake.home / "landing" / "plays").iterdir()]) == 30


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("plays/../x", "no path of a file"),
        ("a//b", "no path of a file"),
        ("x" * 256, "255 bytes"),
        ("a/b\0", "no path"),
    ],
)
def test_a_key_that_is_no_path_is_refused_whatever_a_server_allows(key: str, why: str):
    assert [why in said for _, said in unusable({key, "plays/x.csv"})] == [True]


def test_a_fetch_that_was_killed_leaves_no_half_file_and_the_next_one_is_whole(bucket: Bucket, tmp_path: Path):
    deliver(bucket)
    lake = lake_of(bucket, tmp_path / "home")
    half = lake.drop(".umg-fetch-of-a-killed-process", "play_id,user")
    assert fetch(lake.settings) == 3
    assert not half.exists()
    (lake.home / "landing" / ".umg-bucket.json").unlink()  # or before it had kept what it had fetched
    assert fetch(lake.settings) == 3
    assert fetch(lake.settings) == 0


def test_an_object_replaced_between_listing_and_reading_is_left_for_the_next_look(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    deliver(bucket)
    lake = lake_of(bucket, tmp_path / "home")
    listing = ObjectStore.listing

    def then_replaced(store: ObjectStore) -> list:
        found = listing(store)
        bucket.put_plays("02", ("p8", "u1", "10:00"), ("p9", "u2", "11:00"))  # as many bytes
        return found

    monkeypatch.setattr(ObjectStore, "listing", then_replaced)
    fetch(lake.settings)
    assert not (lake.home / "landing" / "plays" / "2026-03-02.csv").exists()
    monkeypatch.setattr(ObjectStore, "listing", listing)
    lake.run()
    assert plays_of(lake) == {"p8", "p9"}


def test_a_lakehouse_that_publishes_to_a_bucket_of_another_changes_nothing_there(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "set-20260302T100000.000000-0a1b2c"
    folder.mkdir()
    (folder / "chart.csv").write_text("x\n")
    said = {"complete_through": "2026-03-01", "published_at": "2026-03-02T10:00:00+00:00"}
    publish(bucket.address, folder, said)
    write = ObjectStore.write

    def late(store: ObjectStore, key: str, content: bytes | Path, replaces: str | None = None) -> str:
        if key == "current.json":
            bucket.put("current.json", b'{"set": "of another"}')
        return write(store, key, content, replaces)

    monkeypatch.setattr(ObjectStore, "write", late)
    with pytest.raises(ConflictError, match="somebody else"):
        publish(bucket.address, folder, said)
    assert json.loads(bucket.get("current.json")) == {"set": "of another"}


def test_a_set_that_somebody_publishes_while_old_ones_go_stays(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    said = {"complete_through": "2026-03-01", "published_at": "2026-03-02T10:00:00+00:00"}
    sets = [tmp_path / f"set-2026030{day}T100000.000000-0a1b2c" for day in (1, 2, 3, 4)]
    for folder in sets:
        folder.mkdir()
        (folder / "chart.csv").write_text(f"{folder.name}\n")
    publish(bucket.address, sets[0], said)
    publish(bucket.address, sets[1], said)
    listing = ObjectStore.listing

    def late(store: ObjectStore) -> list[Object]:
        monkeypatch.setattr(ObjectStore, "listing", listing)
        publish(bucket.address, sets[3], said)
        return listing(store)

    monkeypatch.setattr(ObjectStore, "listing", late)
    publish(bucket.address, sets[2], said)
    assert json.loads(bucket.get("current.json"))["set"] == sets[3].name
    assert bucket.get(f"{sets[3].name}/chart.csv").decode() == f"{sets[3].name}\n"
    assert not any(key.startswith(sets[0].name) for key in bucket.keys)


def test_a_set_that_cannot_be_published_is_published_by_the_next_run_and_nobody_sees_it_before(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    deliver(bucket)
    lake = lake_of(bucket, tmp_path / "home")
    lake.run()
    before, current = published(bucket), (lake.home / "exports" / "current").resolve()
    bucket.put_plays("03", ("p3", "u1", "10:00"))

    def fails(*_: object) -> None:
        raise StoreError("s3://bucket: 503 Service Unavailable")

    with monkeypatch.context() as patch:
        patch.setattr("umg_assets.resources.bucket_exports.publish", fails)
        with pytest.raises(RuntimeError, match="503 Service Unavailable"):
            lake.run()
    assert (published(bucket), (lake.home / "exports" / "current").resolve()) == (before, current)
    lake.run()
    assert published(bucket)["set"] != before["set"]


def test_a_forgotten_person_is_gone_from_the_objects_too(bucket: Bucket, tmp_path: Path):
    deliver(bucket)
    lake = lake_of(bucket, tmp_path / "home", on_disk=True)
    lake.run()
    Requests(lake.home).add(["u1"])
    assert forget(lake.home) == 0
    assert b"u1" not in b"".join(bucket.get(key) for key in bucket.keys if key.startswith("exports/"))
    assert b"p2,u2" in bucket.get("exports/plays/2026-03-02.csv")
    assert lake.run().runs == 0, "the rewritten objects are what landed"
    assert {row["user_id"] for row in lake.rows("raw_plays", "user_id")} == {"u2"}


def test_nobody_is_proved_forgotten_while_an_object_could_not_be_fetched(
    bucket: Bucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    deliver(bucket)
    lake = lake_of(bucket, tmp_path / "home", on_disk=True)
    bucket.put("exports/plays/2026-03-02.csv/more.csv", f"{PLAYS}p9,u1,s,t1,2026-03-02T12:00:00Z,190000,AT\n")
    lake.run()
    Requests(lake.home).add(["u1"])
    assert forget(lake.home) == 1
    assert "more.csv: plays/2026-03-02.csv is an object, too" in " ".join(capsys.readouterr().out.split())


def test_an_object_delivered_anew_while_somebody_is_forgotten_is_kept_and_said(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    deliver(bucket)
    lake = lake_of(bucket, tmp_path / "home", on_disk=True)
    lake.run()
    Requests(lake.home).add(["u1"])
    write = ObjectStore.write

    def late(store: ObjectStore, key: str, content: bytes | Path, replaces: str | None = None) -> str:
        if key == "plays/2026-03-02.csv":
            bucket.put_plays("02", ("p1", "u1", "10:00"), ("p2", "u2", "11:30"))
        return write(store, key, content, replaces)

    monkeypatch.setattr(ObjectStore, "write", late)
    assert forget(lake.home) == 1
    assert "its object was replaced or removed meanwhile" in " ".join(capsys.readouterr().out.split())
    assert b"11:30" in bucket.get("exports/plays/2026-03-02.csv")
    monkeypatch.setattr(ObjectStore, "write", write)
    assert forget(lake.home) == 0
    assert b"u1" not in bucket.get("exports/plays/2026-03-02.csv")


def test_a_file_removed_by_age_is_removed_from_the_bucket(bucket: Bucket, tmp_path: Path):
    deliver(bucket)
    lake = lake_of(bucket, tmp_path / "home", text="[privacy]\nkeep_landing_days = 10\n", on_disk=True)
    lake.run()
    done = type_umg(tmp_path, "expire", home=lake.home)
    assert done.code == 0, done.err
    assert [key for key in bucket.keys if key.startswith("exports/")] == []
    assert lake.run().runs == 0
    assert plays_of(lake) == {"p1", "p2"}


def test_an_object_delivered_anew_while_old_files_go_stays_and_lands(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    deliver(bucket)
    lake = lake_of(bucket, tmp_path / "home", text="[privacy]\nkeep_landing_days = 10\n", on_disk=True)
    lake.run()

    def late(settings: Settings, paths: Collection[str]) -> set[str]:
        bucket.put_plays("02", ("p1", "u1", "10:00"), ("p2", "u2", "11:00"), ("p3", "u2", "12:00"))
        return remove(settings, paths)

    monkeypatch.setattr("umg_assets.landing.retention.remove", late)
    assert type_umg(tmp_path, "expire", home=lake.home).code == 0
    assert [key for key in bucket.keys if key.startswith("exports/")] == ["exports/plays/2026-03-02.csv"]
    lake.run()
    assert plays_of(lake) == {"p1", "p2", "p3"}


def test_an_object_delivered_anew_is_not_removed_with_a_file_that_names_somebody(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    deliver(bucket)
    lake = lake_of(bucket, tmp_path / "home", on_disk=True)
    lake.run()
    Requests(lake.home).add(["u1"])
    anew = f"{PLAYS}p2,u2,s-u2,t1,2026-03-02T11:00:00Z,190000,AT\n"

    def cannot(*_: object) -> None:
        bucket.put("exports/plays/2026-03-02.csv", anew)
        raise CannotEraseError("nobody can take records out of it.")

    with monkeypatch.context() as patch:
        patch.setattr("umg_assets.forgetting.landing_files.erase_records", cannot)
        assert forget(lake.home) == 1
    assert "plays/2026-03-02.csv: its object was replaced or removed meanwhile" in " ".join(
        capsys.readouterr().out.split()
    )
    assert bucket.get("exports/plays/2026-03-02.csv").decode() == anew
    assert forget(lake.home) == 0
    assert bucket.get("exports/plays/2026-03-02.csv").decode() == anew
    assert plays_of(lake) == {"p2"}


def test_doctor_tries_what_is_done_with_each_bucket(bucket: Bucket, tmp_path: Path):
    deliver(bucket)
    lake = lake_of(bucket, tmp_path / "home")
    before = bucket.keys
    said = " ".join(type_umg(tmp_path, "doctor", home=lake.home).out.split())
    assert f"{bucket.address}/exports: 3 objects" in said
    assert f"{bucket.address}/charts: can be written, and conditions hold there" in said
    assert bucket.keys == before


def test_what_is_not_fetched_yet_is_counted_and_the_bucket_is_where_files_go(
    bucket: Bucket, server: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    lake = lake_of(bucket, tmp_path / "home")
    empty = f"drop files into {bucket.address}/exports and type `umg run`"
    for words in (
        "doctor",
        "run",
        "reconcile",
        "chart top-tracks --market AT",
        "dashboard --snapshot pages",
        "catalog",
    ):
        typed = type_umg(tmp_path, *words.split(), home=lake.home)
        assert empty in " ".join((typed.out + typed.err).split()), (words, typed.out, typed.err)
        assert "left out" not in typed.out + typed.err, "what fetching keeps in landing/ is no file of somebody's"
    deliver(bucket)
    assert "landing/ 3 of the bucket to fetch, 0 to land" in status(lake)
    assert "bytes; 3 to fetch: `umg run --explain` does" in " ".join(
        type_umg(tmp_path, "doctor", home=lake.home).out.split()
    )
    fetch(lake.settings)
    assert "landing/ 0 of the bucket to fetch, 3 to land" in status(lake)
    bucket.delete("exports/plays/2026-03-02.csv")
    bucket.put("exports/plays/2026-03-02.csv/inside.csv", PLAYS)
    bucket.put("exports/.umg-bucket.json", PLAYS)
    assert "landing/ 2 of the bucket to fetch" in status(lake), "what has gone counts, what no disk can hold does not"
    monkeypatch.setitem(object_store._RETRIES, "max_retries", 1)
    for name, value in server.environment(secret="guessed-secret").items():
        monkeypatch.setenv(name, value)
    assert "403 Forbidden" in status(lake)
    assert type_umg(tmp_path, "status", home=lake.home).code == 3


def status(lake: Lake) -> str:
    """What `umg status` says, on one line."""
    return " ".join(type_umg(lake.home, "status", home=lake.home).out.split())


@pytest.mark.parametrize(
    "address",
    [
        "exports",
        "/exports",
        "ftp://host/x",
        "s3://",
        "s3://key:secret@bucket/x",
        "s3://b/x?token=secret",
        "s3://b//x",
        "s3://b/x/../y",
        "s3://b/%78",
    ],
)
def test_an_address_that_will_not_do_is_refused_without_its_secrets(tmp_path: Path, address: str):
    Lake(tmp_path / "home").configure(f'[places]\nlanding = "{address}"\n')
    with pytest.raises(SettingsError) as raised:
        read_settings(tmp_path / "home")
    assert "places.landing" in str(raised.value)
    assert "expected s3://BUCKET/PREFIX" in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("s3://b/x/", "s3://b/x"), ("s3://b/", "s3://b"), ("abfs://c@a.example/x", "abfss://c@a.example/x")],
)
def test_one_place_has_one_address(tmp_path: Path, typed: str, meant: str):
    Lake(tmp_path / "home").configure(f'[places]\nlanding = "{typed}"\ntables = "{typed}"\n')
    places = read_settings(tmp_path / "home").places
    assert (places.landing, places.tables) == (meant, meant)
