"""1,500 bad files of every kind that bad_files.py draws, in three batches, beside good ones: nothing is lost, nothing
hangs, nothing is passed over in silence. A failure names the seed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from umg_assets.landing.scan import scan
from umg_assets.text import visible
from umg_assets_tests.bad_files import DAY, KINDS, BadFile, bad_files
from umg_assets_tests.lake import Lake

SEED = 20261129
BATCHES, FILES, GOOD = 3, 1_500, 5
MOST_KB = 1_500_000
COLUMNS = """[sources.plays.columns]
play_id = "play_id"
user_id = "user_id"
session_id = "session_id"
track_id = "track_id"
started_at = "to_timestamp(started_at)"
played_ms = "cast(played_ms as bigint)"
country = "country"
"""
NAMES = "['play_id', 'user_id', 'session_id', 'track_id', 'started_at', 'played_ms', 'country']"
SCHEMA = (
    "play_id string, user_id string, session_id string, track_id string, started_at string, played_ms bigint, "
    "country string"
)
FOLDERS = {
    "any": "",
    "good": "",
    "lines": 'format = "jsonl"',
    "items": 'records = "items"',
    "schema": f'schema = "{SCHEMA}"',
    "cp1250": 'encoding = "cp1250"',
    "escaped": "escape = '\\'",
    "headless": f'header = false\ndelimiter = ";"\ncolumn_names = {NAMES}',
    "dated": "",
}
"""By folder of landing/, the settings of its source. `other` is a folder of none."""
SOURCES = "".join(
    f"[[sources.plays]]\nfiles = '{folder}/**/*'\ndelivered_on = '(\\d{{4}}-\\d{{2}}-\\d{{2}})'\n{settings}\n{COLUMNS}"
    for folder, settings in FOLDERS.items()
)


MEASURED = """
import resource, subprocess, sys
subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
"""
"""Runs a command, and writes its peak of memory (KB) to a file: Linux counts what its parent had when it began, and a
process of tests may have much."""


@dataclass
class Fed:
    """A lake that was fed with bad files; what its commands printed, and how much memory each of them took, in KB."""

    lake: Lake
    files: list[BadFile] = field(default_factory=list)
    good: set[str] = field(default_factory=set)
    printed: dict[str, str] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)

    def umg(self, command: str, batch: int = 0) -> None:
        """Runs a command to its end."""
        name, log = f"{command} {batch}", self.lake.home.parent / f"{command}-{batch}.log"
        used = log.with_suffix(".kb")
        with log.open("wb") as file:
            subprocess.run(
                [sys.executable, "-c", MEASURED, used, sys.executable, "-m", "umg_assets", command],
                env={**os.environ, "UMG_HOME": str(self.lake.home)},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self.printed[name], self.memory[name] = log.read_text(errors="surrogateescape"), int(used.read_text())

    def drop_good(self, batch: int) -> None:
        """Good files, whose plays have to land."""
        for number in range(GOOD):
            ids = [f"good-{batch}-{number}-{play}" for play in range(3)]
            rows = [f"{play_id},u1,s1,t1,{DAY}T1{at}:00:00Z,1000,AT" for at, play_id in enumerate(ids)]
            header = "play_id,user_id,session_id,track_id,started_at,played_ms,country"
            self.lake.drop(f"good/{DAY}-{batch}-{number}.csv", "\n".join([header, *rows]))
            self.good.update(ids)


@pytest.fixture(scope="module")
def fed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fed]:
    """All of the files dropped, a run after each batch, then reconcile and doctor."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMG_ENGINE", "sail")
        fed = Fed(Lake(tmp_path_factory.mktemp("fed") / "home", on_disk=True))
        fed.lake.configure(sources=SOURCES)
        drawn = list(bad_files(SEED, FILES))
        for batch in range(BATCHES):
            for file in drawn[batch::BATCHES]:
                file.drop(fed.lake.home / "landing")
                fed.files.append(file)
            fed.drop_good(batch)
            fed.umg("run", batch)
        fed.umg("reconcile")
        fed.umg("doctor")
        yield fed


@pytest.mark.exhaustive
def test_at_least_40_kinds_of_files_are_bad():
    assert len(KINDS) >= 40
    assert len({file.name for file in bad_files(SEED, FILES)}) == FILES


@pytest.mark.exhaustive
def test_the_plays_of_all_good_files_land(fed: Fed):
    for table in ("raw_plays", "plays"):
        landed = {play_id for (play_id,) in fed.lake.values(table, "play_id") if play_id.startswith("good-")}
        assert landed == fed.good, f"{table}, seed {SEED}:\n{fed.printed['run 0'][-3000:]}"


@pytest.mark.exhaustive
def test_every_record_of_a_bad_file_has_landed_or_was_set_aside(fed: Fed):
    entries = {entry.path: entry for entry in fed.lake.history().entries if entry.state == "landed"}
    unequal = [path for path, entry in entries.items() if entry.records != entry.accounted and not entry.refused]
    assert not unequal, f"seed {SEED}"
    assert "and as many rows stand in the raw tables and in quarantine" in fed.printed["reconcile 0"], (
        f"seed {SEED}:\n{fed.printed['reconcile 0'][:6000]}"
    )
    assert ", 0 differ" in fed.printed["reconcile 0"], f"seed {SEED}:\n{fed.printed['reconcile 0'][-3000:]}"


@pytest.mark.exhaustive
def test_everything_in_landing_has_landed_waits_with_a_reason_or_is_taken_by_no_source(fed: Fed):
    entries = {entry.path for entry in fed.lake.history().entries if entry.state == "landed"}
    found = scan(fed.lake.settings, fed.lake.history())
    assert not found.changed, f"seed {SEED}"
    for file in fed.files:
        known = [file.name in entries, bool(found.waiting.get(file.name)), file.name in found.unclaimed]
        assert sum(known) == 1, f"seed {SEED}: {file.name!r}"
        assert file.is_plain or found.waiting.get(file.name), f"seed {SEED}: {file.name!r}"
    for command in ("run 2", "doctor 0"):
        unnamed = [name for name in found.waiting if visible(name) not in fed.printed[command]]
        assert not unnamed, f"seed {SEED}, {command}"


@pytest.mark.exhaustive
def test_no_command_prints_a_traceback_or_a_letter_that_moves_the_others(fed: Fed):
    for command, text in fed.printed.items():
        assert "Traceback" not in text, f"seed {SEED}, {command}:\n{text[-3000:]}"
        assert "internal error" not in text.replace("internal_error", ""), f"seed {SEED}, {command}"
        odd = [line for line in text.split("\n") if line != visible(line)]
        assert not odd, f"seed {SEED}, {command}"


@pytest.mark.exhaustive
def test_no_file_was_refused_by_an_internal_error(fed: Fed):
    rows = fed.lake.rows("quarantine")
    assert not [(row["source_file"], row["text"]) for row in rows if row["reason"] == "internal_error"], f"seed {SEED}"


@pytest.mark.exhaustive
def test_no_run_takes_more_memory_than_a_small_machine_has(fed: Fed):
    assert {command: used for command, used in fed.memory.items() if used > MOST_KB} == {}, f"seed {SEED}"


@pytest.mark.exhaustive
def test_no_byte_of_a_file_outside_landing_is_in_a_table(fed: Fed):
    outside = [file.name for file in fed.files if not file.is_plain]
    assert outside
    assert not {row["source_file"] for row in fed.lake.rows("quarantine", "source_file")} & set(outside)
