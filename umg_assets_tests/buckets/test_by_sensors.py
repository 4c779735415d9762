"""The whole way in a bucket, by sensors alone: files, tables and charts lie there, and Dagster's runs in PostgreSQL.

Every process reaches the store by a proxy that refuses one request in ten. What comes of it is what `umg run` makes of
the same files on a disk.
"""

import importlib.resources
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from umg_assets.cli.forget import forget
from umg_assets.privacy.keys import UserKeys
from umg_assets.privacy.requests import Requests
from umg_assets.privacy.seals import Seals
from umg_assets.resources.instance import open_instance
from umg_assets.resources.locations import location_of
from umg_assets_tests.bucket_server import BucketServer, refusing
from umg_assets_tests.buckets.conftest import Bucket
from umg_assets_tests.buckets.service import UmgDev
from umg_assets_tests.buckets.test_tables import built as rows_of
from umg_assets_tests.daemon import free_port
from umg_assets_tests.lake import PLAY_COLUMNS, SOURCES, TRACK_COLUMNS, USER_COLUMNS, Lake, csv_text
from umg_assets_tests.postgres import postgres
from umg_assets_tests.processes import run_python

pytestmark = [pytest.mark.sail_enough, pytest.mark.exhaustive]

Files = Mapping[str, str | None]
"""What exporters do to landing/, by path: a file's text, or None where they take it away."""

SETTINGS = "[automation]\nsensor_seconds = 2\nquiet_seconds = 1\n"
OF_PLAYS = SOURCES.partition("[[sources.users]]")[0]
ALL_SOURCES = SOURCES + OF_PLAYS.replace("plays/*.csv*", "parts/*/*.csv").replace(
    "delivered_on", "folder_is_delivery = true\ndelivered_on"
)
LENA = "lena@example.org"
"""Who is forgotten; the ids of her plays and sessions are made of hers."""


def play(play_id: str, day: str, user: str = "user-two", track: str = "t1") -> tuple[Any, ...]:
    """A play on a day (month-day), by somebody in Germany, or by Lena in Austria."""
    country = "AT" if user == LENA else "DE"
    return (f"{user}/{play_id}", user, f"{user}/{day}", track, f"2026-{day}T10:00:00Z", 190_000, country)


def plays(*rows: tuple[Any, ...]) -> str:
    return csv_text(PLAY_COLUMNS, rows)


FIRST: Files = {
    "users/2026-03-01.csv": csv_text(
        USER_COLUMNS, [(LENA, "AT", "25-34"), ("user-two", "DE", "18-24"), ("user-three", "AT", "18-24")]
    ),
    "tracks/2026-03-01.csv": csv_text(
        TRACK_COLUMNS, [("t1", "Hymn", "a1", "Ann", "Pop", 200_000), ("t2", "Ode", "a2", "Bob", "Jazz", 90_000)]
    ),
    "plays/2026-03-02.csv": plays(play("1", "03-02", LENA), play("2", "03-02", track="t2"), ("bad", LENA)),
    "plays/2026-03-03.csv": plays(play("3", "03-03", "user-three"), play("4", "03-03")),
    "parts/2026-03-03/a.csv": plays(play("5", "03-03", LENA, "t2")),
    "parts/2026-03-03/b.csv": plays(play("withdrawn", "03-03", "user-three"), play("6", "03-03", LENA)),
}
LATE_CORRECTED_AND_WITHDRAWN: Files = {
    "plays/2026-03-05.csv": plays(play("7", "03-05"), play("late", "03-02", LENA)),
    "plays/2026-03-02.csv": plays(play("1", "03-02", LENA, "t2"), play("2", "03-02"), play("added", "03-02")),
    "parts/2026-03-03/b.csv": None,
    "plays/2026-04-01.csv": plays(play("8", "04-01", LENA), play("9", "04-01", "user-three", "t2")),
}


class Lakes:
    """The same deliveries to two lakehouses: one in a bucket, which `umg dev` keeps; one on a disk, for `umg run`."""

    def __init__(self, bucket: Bucket, folder: Path) -> None:
        self.bucket = bucket
        self.of_bucket, self.of_disk = (Lake(folder / name, on_disk=True) for name in ("bucket", "disk"))
        places = "".join(
            f'{place} = "{bucket.address}/{prefix}"\n'
            for place, prefix in (("landing", "exports"), ("tables", "lake"), ("exports", "charts"))
        )
        for lake, text in ((self.of_bucket, f"{SETTINGS}[places]\n{places}"), (self.of_disk, SETTINGS)):
            lake.configure(text, ALL_SOURCES, "2026-03-01")
        template = importlib.resources.files("umg_assets.deployment") / "dagster-postgres.yaml"
        (self.of_bucket.home / "dagster").mkdir()
        (self.of_bucket.home / "dagster" / "dagster.yaml").write_text(template.read_text())

    def to_bucket(self, files: Files) -> None:
        for path, text in files.items():
            if text is None:
                self.bucket.delete(f"exports/{path}")
            else:
                self.bucket.put(f"exports/{path}", text)

    def to_disk(self, *deliveries: Files) -> None:
        """With the keys of the bucket's, and a run after each."""
        shutil.copytree(self.of_bucket.home / "keys", self.of_disk.home / "keys")
        for files in deliveries:
            for path, text in files.items():
                if text is None:
                    (self.of_disk.home / "landing" / path).unlink()
                else:
                    self.of_disk.drop(path, text)
            self.of_disk.run()

    def umg(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Types `umg` over the bucket's."""
        code = "from umg_assets.cli.main import main; main()"
        return run_python(code, "--home", self.of_bucket.home, *arguments, env={"UMG_PLOTS": "false"})

    def version(self, table: str) -> int:
        """Of a table in the bucket; 0 before there is one."""
        return len(location_of(self.of_bucket.home, table).log_names())

    def objects_naming(self, texts: list[str]) -> set[str]:
        """Keys of objects in whose bytes, or if they are Parquet in whose values, one of them stands."""
        return {
            key
            for key in self.bucket.keys
            if any(text.encode() in _unpacked(key, self.bucket.get(key)) for text in texts)
        }

    def published_set(self) -> str:
        """What pages call the set that the bucket's current.json names."""
        return self._current()["set"].removeprefix("set-")

    def _current(self) -> dict[str, Any]:
        return json.loads(self.bucket.get("charts/current.json"))

    def published(self) -> dict[str, Any]:
        """By path, the content of each file of the set in the bucket."""
        current = self._current()
        return {path: _content(path, self.bucket.get(f"charts/{current['set']}/{path}")) for path in current["files"]}

    def exported(self) -> dict[str, Any]:
        """As published, of the set on the disk."""
        folder = self.of_disk.home / "exports" / "current"
        files = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}
        of_this_machine = ("catalog/", "health.json")
        return {
            path: _content(path, file.read_bytes())
            for path, file in files.items()
            if not path.startswith(of_this_machine)
        }


def _unpacked(key: str, content: bytes) -> bytes:
    if not key.endswith(".parquet"):
        return content
    rows = pyarrow.parquet.read_table(BytesIO(content)).to_pylist()
    return content + json.dumps(rows, default=str).encode()


def _content(path: str, content: bytes) -> Any:
    """A file's content, without what tells when and by which commits it was made."""
    if path.endswith(".parquet"):
        return pyarrow.parquet.read_table(BytesIO(content)).to_pylist()
    if path == "manifest.json":
        return {name: value for name, value in json.loads(content).items() if name not in ("published_at", "versions")}
    return content.decode()


@pytest.fixture
def over_postgres(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A PostgreSQL server for Dagster's runs and events."""
    port = str(free_port())
    with postgres("none", "--auth=trust") as server:
        server.start(f"-p {port} -c listen_addresses=localhost")
        server.run("createdb", "-h", str(server.folder), "-p", port, "-U", "umg", "dagster")
        monkeypatch.setenv("DAGSTER_PG_URL", f"postgresql+psycopg2://umg:none@localhost:{port}/dagster")
        yield


@pytest.mark.timeout(3_600)
def test_by_sensors_alone_files_in_a_bucket_become_the_tables_and_charts_there_that_umg_run_makes_on_a_disk(
    bucket: Bucket, server: BucketServer, over_postgres: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    lakes = Lakes(bucket, tmp_path)
    lake = lakes.of_bucket
    with refusing(server, every=10) as (endpoint, refused), monkeypatch.context() as patched:
        patched.setenv("AWS_ENDPOINT_URL", endpoint)
        umg_dev = UmgDev(lake, bucket)
        umg_dev.start()
        try:
            lakes.to_bucket(FIRST)
            umg_dev.settle()

            landed = lakes.version("raw_plays")
            built = lakes.version("plays")
            lakes.to_bucket(LATE_CORRECTED_AND_WITHDRAWN)
            umg_dev.kill_a_run_when(lambda: lakes.version("raw_plays") > landed, "a commit of raw plays")
            umg_dev.wait_for(lambda: failed_runs(lake), "Dagster's word that the run is gone")
            umg_dev.kill_when(lambda: lakes.version("plays") > built, "dagster._daemon", "a commit of plays")
            umg_dev.wait_for(umg_dev.has_ended, "the end of `umg dev` after its daemon was killed")
            umg_dev.start()
            umg_dev.settle()
            assert umg_dev.failed_ticks() == []

            ids = [LENA, *UserKeys(lake.home).of([LENA]), *Seals(lake.home).seal_ids([LENA])]
            ids += [row["play_id"] for row in lake.rows("plays") if row["user_key"] == ids[1]]
            places = {"/".join(key.split("/")[:2]) for key in lakes.objects_naming(ids)}
            assert {"exports/users", "exports/plays", "lake/raw_users", "lake/raw_plays", "lake/plays"} <= places
            (tmp_path / "ids.txt").write_text(LENA)
            for words in (("--from", tmp_path / "ids.txt"), ("--now",)):
                typed = lakes.umg("forget", *words)
                assert typed.returncode == 0, typed.stdout + typed.stderr
            umg_dev.settle()
            umg_dev.wait_for(lambda: lakes.published_set() in umg_dev.page(), "the published set on the dashboard")
            umg_dev.end()
        finally:
            umg_dev.kill()
        assert {"GET", "PUT"} <= {*refused}
        reconciled = lakes.umg("reconcile")
        assert (reconciled.returncode, "0 differ" in reconciled.stdout) == (0, True), reconciled.stdout
        in_bucket, named = rows(lake), lakes.objects_naming(ids)
    assert named == set()

    lakes.to_disk(FIRST, LATE_CORRECTED_AND_WITHDRAWN)
    Requests(lakes.of_disk.home).add([LENA])
    assert forget(lakes.of_disk.home) == 0
    assert in_bucket == rows(lakes.of_disk)
    assert lakes.published() == lakes.exported()


@pytest.mark.timeout(3_600)
def test_umg_run_beside_umg_dev_loses_and_doubles_nothing_in_a_bucket(
    bucket: Bucket, server: BucketServer, over_postgres: None, tmp_path: Path
):
    lakes = Lakes(bucket, tmp_path)
    umg_dev = UmgDev(lakes.of_bucket, bucket)
    umg_dev.start()
    try:
        for files in (FIRST, LATE_CORRECTED_AND_WITHDRAWN):
            lakes.to_bucket(files)
            umg_dev.wait_for(lambda: landing(umg_dev), "a landing run of the sensor's")
            typed = lakes.umg("run")
            assert typed.returncode in (0, 3), typed.stdout + typed.stderr
            umg_dev.settle()
        umg_dev.end()
    finally:
        umg_dev.kill()
    reconciled = lakes.umg("reconcile")
    assert (reconciled.returncode, "0 differ" in reconciled.stdout) == (0, True), reconciled.stdout
    lakes.to_disk(FIRST, LATE_CORRECTED_AND_WITHDRAWN)
    assert rows(lakes.of_bucket) == rows(lakes.of_disk)
    assert lakes.published() == lakes.exported()


def rows(lake: Lake) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table but the ledger, without `generation`: of how many landings files came in."""
    return {
        table: [{name: value for name, value in row.items() if name != "generation"} for row in of_table]
        for table, of_table in rows_of(lake).items()
    }


def landing(umg_dev: UmgDev) -> bool:
    """Whether a run lands files, or waits to."""
    return any(run.job_name == "land_files" and not run.is_finished for run in umg_dev.runs())


def failed_runs(lake: Lake) -> list[str]:
    """Which of Dagster's runs have failed."""
    with open_instance(lake.home) as instance:
        return [run.job_name for run in instance.get_runs() if run.status.value == "FAILURE"]
