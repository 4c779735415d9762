"""What raises, or kills, over one of many files: that one is refused and can be tried again, and the others land."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from umg_assets.cli.run import accept_file
from umg_assets.files import tasks
from umg_assets.files.parse import parse_file
from umg_assets.landing import evaluation, fingerprints, scan
from umg_assets.landing.land import Ingest
from umg_assets.resources.engine import session
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.ledger import Ledger
from umg_assets.settings.sources import Source
from umg_assets_tests.lake import Lake
from umg_assets_tests.landing.test_land import land, play
from umg_assets_tests.processes import run_python

FILES = [f"2026-03-{number:02}" for number in range(1, 21)]
UNSEEN = {"signature": FILES[0], "hash": FILES[1], "date": FILES[2]}
"""By what fails over it before it is read, a file."""
UNREAD = {"layout": FILES[10], "parsing": FILES[11], "rows": FILES[12], "texts": FILES[13], "count": FILES[14]}
"""By what fails over it once it is to be read: how it is written, its parser, the engine on its rows, the texts of its
rejects, the count of its records."""
FAULTY = {*UNSEEN.values(), *UNREAD.values()}


def lake_of(lake: Lake, files: list[str] = FILES) -> Lakehouse:
    """Drops files of a good and a bad play, and one that no expression takes."""
    for name in files:
        lake.drop_plays(name, [play(name, name[5:]), ("bad",), ("untimely", "u1", "s1", "t1", "noon", 1)])
    return Lakehouse(lake.home, lambda: session(lake.settings.engine))


def landed(lake: Lake) -> set[str]:
    return {play_id for (play_id,) in lake.values("raw_plays", "play_id")}


def refused(lake: Lake) -> dict[str, str]:
    """By name, the text of files that an internal error has refused."""
    rows = [row for row in lake.rows("quarantine") if row["reason"] == "internal_error"]
    return {Path(row["source_file"]).stem: row["text"] for row in rows}


def raising(name: str, function: Callable) -> Callable:
    """A function that raises what nobody expects where a file's name is among its arguments."""

    def wrapped(*arguments, **named):
        if any(name in str(argument) for argument in arguments):
            raise RecursionError("maximum recursion depth exceeded")
        return function(*arguments, **named)

    return wrapped


def faulty_parser(path: Path, layout, rows: Path, **named):
    """parse_file, which raises, stages rows that no engine can read, or miscounts the records of a file."""
    if UNREAD["parsing"] in path.name:
        raise RecursionError("maximum recursion depth exceeded")
    parsed = parse_file(path, layout, rows, **named)
    if UNREAD["rows"] in path.name:
        content = bytearray(rows.read_bytes())
        content[4:60] = b"\xff" * 56
        rows.write_bytes(content)
    return replace(parsed, records=parsed.records + 1) if UNREAD["count"] in path.name else parsed


def make_faulty(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(scan, "signature_and_day", raising(UNSEEN["signature"], fingerprints.signature_and_day))
    patch.setattr(fingerprints, "content_hash_of", raising(UNSEEN["hash"], fingerprints.content_hash_of))
    patch.setattr(Source, "delivery_date", raising(UNSEEN["date"], Source.delivery_date))
    patch.setattr(Source, "layout", raising(UNREAD["layout"], Source.layout))
    patch.setattr(tasks, "parse_file", faulty_parser)
    patch.setattr(evaluation, "records_as_text", raising(UNREAD["texts"], evaluation.records_as_text))


@pytest.mark.exhaustive
def test_a_file_over_which_any_stage_fails_is_refused_and_tried_again_and_the_others_land(
    lake: Lake, spark, monkeypatch: pytest.MonkeyPatch
):
    lakehouse = lake_of(lake)
    with monkeypatch.context() as patch:
        make_faulty(patch)
        land(lake, lakehouse)
        looked = scan.scan(lake.settings, lake.history())
    assert landed(lake) == {*FILES} - FAULTY
    assert set(refused(lake)) == {*UNREAD.values()}
    assert {Path(path).stem for path in looked.stuck} == {*UNSEEN.values()}
    assert all("internal error: RecursionError" in why for why in looked.waiting.values())
    assert refused(lake)[UNREAD["parsing"]].startswith("Internal error: RecursionError: maximum recursion depth")

    land(lake, lakehouse)  # it is mended, and nobody has said so
    assert landed(lake) == {*FILES} - {*UNREAD.values()}
    accept_file(lake.settings, f"plays/{UNREAD['rows']}.csv")
    land(lake, lakehouse)
    assert UNREAD["rows"] in landed(lake)
    assert len(refused(lake)) == len(UNREAD) - 1
    monkeypatch.setattr(scan, "version_of_code", lambda: "another")
    land(lake, lakehouse)
    assert landed(lake) == {*FILES}
    assert refused(lake) == {}
    assert scan.scan(lake.settings, lake.history()).changed == []


def test_a_file_that_cannot_be_read_for_now_is_tried_again_at_the_next_look(
    sail_lake: Lake, monkeypatch: pytest.MonkeyPatch
):
    lakehouse = lake_of(sail_lake, FILES[:2])

    def unreadable(path: Path, layout, rows: Path, **named):
        if FILES[0] in path.name:
            raise OSError(5, "Input/output error", str(path))
        return parse_file(path, layout, rows, **named)

    with monkeypatch.context() as patch:
        patch.setattr(tasks, "parse_file", unreadable)
        land(sail_lake, lakehouse)
    assert (landed(sail_lake), set(refused(sail_lake))) == ({FILES[1]}, {FILES[0]})
    land(sail_lake, lakehouse)
    assert (landed(sail_lake), refused(sail_lake)) == ({*FILES[:2]}, {})


def test_a_file_that_leaves_landing_while_others_land_is_told_and_the_others_land(
    sail_lake: Lake, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("umg_assets.landing.land._FILES", 1)
    lakehouse, ledger = lake_of(sail_lake, FILES[:4]), Ledger(sail_lake.home)
    lakehouse.create_tables()
    changed = scan.scan(sail_lake.settings, ledger.read()).changed

    def leave(*_: int) -> None:
        changed[2].absolute.unlink(missing_ok=True)

    Ingest(sail_lake.settings, lakehouse, ledger).land(changed, progress=leave)
    assert landed(sail_lake) == {*FILES[:2], FILES[3]}
    assert "FileNotFoundError" in refused(sail_lake)[FILES[2]]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), OSError(13, "Permission denied", "staging")])
def test_what_would_stop_any_file_fails_the_landing_and_refuses_none(
    sail_lake: Lake, monkeypatch: pytest.MonkeyPatch, error: OSError
):
    lakehouse = lake_of(sail_lake, FILES[:2])

    def fails(path: Path, layout, rows: Path, **named):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(tasks, "parse_file", fails)
        with pytest.raises(OSError, match=error.strerror):
            land(sail_lake, lakehouse)
    assert sail_lake.history().entries == ()


LAND = """
import os, signal, sys
from pathlib import Path
from umg_assets.files import tasks
from umg_assets.landing.evaluation import Typing
from umg_assets.resources import engine
from umg_assets_tests.lake import Lake
from umg_assets_tests.landing.test_internal_errors import lake_of, land
lake, what = Lake.opened(Path(sys.argv[1])), sys.argv[2]
if what == "process":
    parse = tasks.parse_file
    def parse_or_die(path, layout, rows, **named):
        if b"deadly" in path.read_bytes():
            os.kill(os.getpid(), signal.SIGKILL)
        return parse(path, layout, rows, **named)
    tasks.parse_file = parse_or_die
else:
    typed = Typing._typed
    def typed_or_dead(self, rows):
        if any(b"deadly" in member.file.absolute.read_bytes() for member in self._staged.values()):
            engine._sails[-1].process.kill()
        return typed(self, rows)
    Typing._typed = typed_or_dead
land(lake, lake_of(lake, []))
"""


@pytest.mark.exhaustive
@pytest.mark.parametrize(("what", "code"), [("process", -9), ("engine", 1)])
def test_a_file_over_which_processes_or_engines_die_is_refused_at_last_and_the_others_land(
    sail_lake: Lake, what: str, code: int
):
    lake_of(sail_lake, FILES[:4])
    sail_lake.drop_plays(FILES[4], [play("deadly", FILES[4][5:])])
    environment = {"UMG_ENGINE": "sail"}
    for _ in range(3):
        process = run_python(LAND, sail_lake.home, what, env=environment)
        assert process.returncode == code, process.stderr[-2000:]
    assert landed(sail_lake) == {*FILES[:4]}, "they land by themselves after the batch has died twice"
    process = run_python(LAND, sail_lake.home, what, env=environment)
    assert process.returncode == 0, process.stderr[-2000:]
    assert "died each time" in refused(sail_lake)[FILES[4]]
    assert not (sail_lake.home / "staging" / "attempts.json").exists()
    accept_file(sail_lake.settings, f"plays/{FILES[4]}.csv")
    land(sail_lake, lake_of(sail_lake, []))
    assert landed(sail_lake) == {*FILES[:4], "deadly"}
