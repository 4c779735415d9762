"""On a cluster executors parse, and the tables are those of files that were parsed here, to the last byte."""

import base64
import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from umg_assets.generator import World, generate
from umg_assets.privacy.keys import UserKeys
from umg_assets.tables import BY_NAME
from umg_assets_tests.clusters import Programs, programs, python_of_executors
from umg_assets_tests.lake import SOURCES, Lake
from umg_assets_tests.landing.test_land import play
from umg_assets_tests.processes import need_java, printed_by
from umg_assets_tests.test_broken_files import MORE_SOURCES, kinds

pytestmark = [pytest.mark.cluster, pytest.mark.exhaustive]

LANDED = "raw_plays", "raw_users", "raw_tracks", "raw_app_events", "quarantine", "deliveries"
OF_THE_MOMENT = {"recorded_at", "signature"}
"""Columns of the ledger that differ between two landings of one content."""
FEW, MANY = 200, 8_000
"""Good plays of two lakes that have the same users, files and days."""

LAND = """
import json, sys
from pathlib import Path
from pyspark.sql.classic.dataframe import DataFrame as Classic
from pyspark.sql.connect.dataframe import DataFrame as Connect
from umg_assets.cli.run import lakehouse_of
from umg_assets.files import tasks
from umg_assets.privacy import user_tasks
from umg_assets_tests.lake import Lake
from umg_assets_tests.landing.test_land import land

parsed, keyed, left, parse, digests = [], [], [], tasks.parse_file, user_tasks.digests
def counted(path, *arguments, **named):
    parsed.append(path)
    return parse(path, *arguments, **named)
tasks.parse_file = counted
user_tasks.digests = lambda key, ids: keyed.extend(ids) or digests(key, ids)
def counting(function):
    def counted(self, *arguments):
        gave = function(self, *arguments)
        left.extend(map(str, gave.to_pylist() if function.__name__ == "toArrow" else gave))
        return gave
    return counted
for frame in (Classic, Connect):
    for name in ("collect", "toArrow"):
        setattr(frame, name, counting(getattr(frame, name)))

lakehouses = {}
for home in sys.argv[1:]:
    lake = Lake.opened(Path(home))
    parsed.clear(), keyed.clear(), left.clear()
    lakehouse = lakehouses.setdefault(home, lakehouse_of(lake.settings))
    try:
        land(lake, lakehouse)
        said = ""
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    print(json.dumps([Path(home).name, len(parsed), len(keyed), len(left), sum(map(len, left)), said]))
"""

ON_EXECUTORS = """
import os, signal, sys
def seen(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and "/landing/" in arguments[0]:
        if "deadly" in arguments[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        if "raises" in arguments[0]:
            raise RecursionError("maximum recursion depth exceeded")
        if "no_room" in arguments[0]:
            raise OSError(28, "No space left on device")
sys.addaudithook(seen)
"""
"""What befalls a process that opens a landing file with one of these words in its path."""


@dataclass
class Landing:
    """How a lake landed: files parsed, and user ids hashed, in the process that landed them; what an engine gave it."""

    parsed_here: int
    keyed_here: int
    rows: int
    characters: int
    said: str


@dataclass
class Landings:
    """Lakes that one engine has landed, by name."""

    folder: Path
    by_name: dict[str, Landing]

    def lake(self, name: str) -> Lake:
        return Lake.opened(self.folder / name)

    def tables(self, name: str) -> dict[str, list[dict[str, Any]]]:
        """Every table that landing writes."""
        lake = self.lake(name)
        rows = {table: lake.rows(table) for table in LANDED}
        return {
            table: [{column: value for column, value in row.items() if column not in OF_THE_MOMENT} for row in found]
            for table, found in rows.items()
        }


def broken(home: Path) -> None:
    """200 broken files of every kind."""
    lake, pick = Lake(home), random.Random(20260302)
    lake.configure(sources=MORE_SOURCES + SOURCES)
    for number in range(200):
        file = kinds(pick)[number % len(kinds(pick))](f"2026-03-02-{number:03}")
        lake.drop(f"plays/{file.name}", file.content)


def demo(home: Path) -> None:
    """What `umg demo` makes, smaller and dirtier: every format and fault of the generator."""
    world = World(plays=3_000, days=12, last_day=date(2025, 11, 20), seed=11, dirty=0.02)
    lake = Lake(home)
    lake.configure(f"markets = {list(world.markets)}", sources="", first_day=world.first_day.isoformat())
    generate(world, lake.settings.landing, home.parent / f"{home.name}-truth")


def of_size(home: Path, plays: int) -> None:
    """A file of so many good plays of one user, and a tenth as many bad records: without columns, or without a time."""
    lake = Lake(home)
    good = [play(f"p{number}", "03-02") for number in range(plays)]
    untimely = [("untimely", "u1", "s1", "t1", "noon", 1)] * (plays // 20)
    with lake.drop_plays("2026-03-02", [*good, *untimely]).open("a") as file:
        file.write("a,b\n" * (plays // 20))


def faulty(home: Path) -> None:
    """Files over which an executor's process dies, or raises, among good ones."""
    lake = Lake(home)
    for name in ("good", "other", "deadly", "raises"):
        lake.drop_plays(f"2026-03-02-{name}", [play(name, "03-02"), ("bad",)])


def without_room(home: Path) -> None:
    """A file over which an executor has no room on its disk, among good ones."""
    lake = Lake(home)
    for name in ("good", "no_room"):
        lake.drop_plays(f"2026-03-02-{name}", [play(name, "03-02")])


def landings(homes: list[Path], environment: dict[str, str]) -> Landings:
    lines = map(json.loads, printed_by(LAND, *homes, env=environment).splitlines())
    return Landings(homes[0].parent, {name: Landing(*counts) for name, *counts in lines})


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Landings:
    """The lakes as they land where this process's machine parses, on Sail."""
    folder = tmp_path_factory.mktemp("here")
    broken(folder / "broken")
    demo(folder / "demo")
    return landings([folder / "broken", folder / "demo"], {"UMG_ENGINE": "sail"})


def copied(here: Landings, folder: Path) -> list[Path]:
    """The same lakes with the same keys, to be landed by another engine."""
    for name in here.by_name:
        for part in ("landing", "keys"):
            shutil.copytree(here.folder / name / part, folder / name / part)
        shutil.copy(here.folder / name / "umg.toml", folder / name)
    return [folder / name for name in here.by_name]


@pytest.fixture(scope="module", params=["standalone", "connect"])
def there(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, here: Landings
) -> Iterator[Landings]:
    """The lakes, and others, as they land on a cluster of two workers or a Connect server."""
    need_java()
    folder = tmp_path_factory.mktemp(request.param)
    homes = copied(here, folder)
    for name, make in {"faulty": faulty, "without_room": without_room}.items():
        make(folder / name)
        homes.append(folder / name)
    for name, plays in {"few": FEW, "many": MANY}.items():
        of_size(folder / name, plays)
        homes.append(folder / name)
    with programs(folder, python_of_executors(folder / "python", ON_EXECUTORS)) as started:
        yield landings(homes, {"UMG_ENGINE": "spark", **where(request.param, started)})


def where(kind: str, started: Programs) -> dict[str, str]:
    """Starts a cluster; the environment in which umg finds it."""
    if kind == "connect":
        return {"UMG_SPARK_REMOTE": f"sc://127.0.0.1:{started.connect()}"}
    master = started.standalone(workers=2)
    (started.folder / "events").mkdir()
    with (started.folder / "spark-defaults.conf").open("a") as defaults:
        defaults.write(f"spark.eventLog.enabled true\nspark.eventLog.dir file://{started.folder}/events\n")
    python = str(started.folder / "python" / "bin" / "python")
    return {"UMG_SPARK_MASTER": master, "SPARK_CONF_DIR": str(started.folder), "PYSPARK_PYTHON": python}


@pytest.mark.parametrize("name", ["broken", "demo"])
def test_files_that_executors_parse_land_as_those_that_are_parsed_here(here: Landings, there: Landings, name: str):
    assert (here.by_name[name].said, there.by_name[name].said) == ("", "")
    assert here.by_name[name].parsed_here >= len({row["path"] for row in here.tables(name)["deliveries"]}) > 20
    assert here.by_name[name].keyed_here > 0
    assert (there.by_name[name].parsed_here, there.by_name[name].keyed_here) == (0, 0)
    expected, tables = here.tables(name), there.tables(name)
    assert {table for table in LANDED if expected[table]} >= {"raw_plays", "quarantine", "deliveries"}
    for table in LANDED:
        assert tables[table] == expected[table], BY_NAME[table].name


def test_what_leaves_a_cluster_while_files_land_does_not_grow_with_their_records(there: Landings):
    few, many = there.by_name["few"], there.by_name["many"]
    assert (few.said, many.said, few.parsed_here, many.parsed_here) == ("", "", 0, 0)
    assert len(there.lake("many").rows("raw_plays", "play_id")) == MANY
    assert many.rows == few.rows
    assert 0 < many.characters < few.characters + 200


def test_a_file_over_which_an_executors_worker_dies_or_raises_is_refused_and_the_others_land(there: Landings):
    lake = there.lake("faulty")
    assert there.by_name["faulty"].said == ""
    assert lake.values("raw_plays", "play_id") == [("good",), ("other",)]
    texts = {row["source_file"][17:-4]: row["text"] for row in lake.rows("quarantine") if not row["record"]}
    tried = (
        "`umg accept` with its path tries it again, as does another version of umg. The file begins: play_id,user_id"
    )
    assert {name: text[: text.index(",session_id")] for name, text in texts.items()} == {
        "deadly": "Internal error: the process or its engine died each time that it read this file, as when memory "
        f"runs out. {tried}",
        "raises": f"Internal error: RecursionError: maximum recursion depth exceeded. {tried}",
    }
    assert not list((lake.home / "staging").glob("*/*")), "nothing that a killed try wrote is left"


def test_an_executor_without_room_fails_the_landing_and_refuses_none(there: Landings):
    assert "No space left on device" in there.by_name["without_room"].said
    assert there.lake("without_room").history().entries == ()


def test_no_key_is_in_a_file_of_the_cluster_or_of_the_lakehouse(there: Landings):
    home = there.folder / "demo"
    keys = [bytes.fromhex(line) for name in ("user_key", "seal") for line in (home / "keys" / name).read_text().split()]
    keys.append(UserKeys(home).of_ids())
    forms = [form for key in keys for form in (key, key.hex().encode(), base64.b64encode(key))]
    files = [file for file in there.folder.rglob("*") if file.is_file() and not file.is_symlink()]
    searched = [file for file in files if file.parent.name != "keys" and "python" not in file.parts]
    assert any("work-" in str(file) or ".log" in file.name for file in searched)
    assert not [file for file in searched if any(form in file.read_bytes() for form in forms)]
