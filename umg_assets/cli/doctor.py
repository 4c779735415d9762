"""`umg doctor`: what a lakehouse needs, whether it is there, and how to get it. Writes no table."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.table import Table
from rich.text import Text

from umg_assets import tables
from umg_assets.cli.buckets import buckets, while_tables_answer
from umg_assets.cli.connections import connections
from umg_assets.cli.console import err, out, say
from umg_assets.cli.stored import stored
from umg_assets.cli.volume import is_encrypted
from umg_assets.settings.differences import differences
from umg_assets.settings.home import odd_characters
from umg_assets.settings.model import Settings, SettingsError, read_settings
from umg_assets.text import counted, redacted, visible

if TYPE_CHECKING:
    from umg_assets.landing.source_trial import Trial
    from umg_assets.settings.sources import Source
    from umg_assets.tables import Kind

_NEEDED_PYTHON = (3, 11)
_MARKS = {"good": ("✓", "green"), "note": ("·", "yellow"), "warning": ("!", "yellow"), "bad": ("✗", "red")}
_TRIED = 5
_ROOM = 100_000_000
"""Bytes that should be free: a run that lands next to nothing takes a few million."""


@dataclass(frozen=True)
class Finding:
    """One line of the examination.

    state: good; note (works, but worth knowing); warning (works, but would set much of the data aside); bad (umg cannot
    work like this). subject: what was examined, such as `Java` or `sources.plays[0]`. text: the result, and what to do
    about it.
    """

    state: Literal["good", "note", "warning", "bad"]
    subject: str
    text: str


def examine(home: Path) -> bool:
    """Examines everything and prints the findings, one a line. Returns whether none of them is bad."""
    lines = Table.grid(padding=(0, 1))
    states: set[str] = set()
    with err.status("examining ..."):
        for finding in findings(home):
            mark, style = _MARKS[finding.state]
            lines.add_row(
                Text(mark, style), Text(visible(finding.subject), no_wrap=True), Text(visible(redacted(finding.text)))
            )
            states.add(finding.state)
    out.print(lines)
    if "bad" in states:
        say("Something is missing", "red", ": see the lines with ✗.")
    elif "warning" in states:
        out.print("Everything that is needed is there. ", end="")
        say("Much of the data would be set aside", "yellow", ": see the lines with !")
    else:
        out.print("Everything that is needed is there.")
    return "bad" not in states


def findings(home: Path) -> Iterator[Finding]:
    """Findings about Python, home, volume, what is stored, requests, settings, Java, connections, buckets, engine,
    sources, landing/, look logs. If the settings are wrong, nothing that depends on them is examined.
    """
    yield _python()
    yield _home(home)
    yield from _volume(home)
    yield from while_tables_answer((Finding(*stored_thing) for stored_thing in stored(home)), Finding)
    yield from _forgetting(home)
    try:
        settings = read_settings(home)
    except SettingsError as error:
        for line in error.lines:
            yield Finding("bad", "settings", line)
        yield from _spark(None)
        return
    file = home / "umg.toml"
    yield Finding("good", "settings", str(file) if file.exists() else f"the defaults ({file}: `umg init` writes one)")
    yield Finding("good", "time zone", f"{settings.time_zone}; markets {', '.join(settings.markets)}")
    yield from _spark(settings)
    elsewhere = *connections(home, settings.spark_remote, settings.spark_master), *buckets(settings)
    yield from (Finding(*tried) for tried in elsewhere)
    for section in (_sources(settings), _look_logs(settings)):
        yield from while_tables_answer(section, Finding)


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info < _NEEDED_PYTHON:
        return Finding("bad", "Python", f"{version}: expected 3.11 or newer; make PYTHON=python3.12 demo")
    return Finding("good", "Python", version)


def _forgetting(home: Path) -> Iterator[Finding]:
    """Whether requests to be forgotten wait, are overdue, or were broken off; nothing where there are none."""
    from umg_assets import clock
    from umg_assets.forgetting.work import Work
    from umg_assets.privacy.requests import DUE, Requests
    from umg_assets.resources.forgetting_lock import replay_file

    oldest = Requests(home).oldest()
    if replay_file(home).exists():
        yield Finding("bad", "umg forget", "people who had been forgotten are back: `umg forget --replay`")
    if Work(home).exists:
        yield Finding("bad", "umg forget", "it is under way, or was broken off: `umg forget --now` finishes it")
    elif oldest:
        late = clock.now() > oldest + DUE
        text = f"requests since {oldest:%Y-%m-%d} wait, due by {oldest + DUE:%Y-%m-%d}"
        yield Finding("bad" if late else "note", "umg forget", f"{text}: `umg forget --now`" if late else text)


def _home(home: Path) -> Finding:
    existing = next((folder for folder in (home, *home.parents) if folder.exists()), home)
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        return Finding("bad", "UMG_HOME", f"{home}: cannot write ({error.strerror}): set UMG_HOME, or chown {existing}")
    if (free := shutil.disk_usage(existing).free) < _ROOM:
        return Finding("bad", "UMG_HOME", f"{home}: {free // 10**6} MB are free, expected {_ROOM // 10**6}: free space")
    if odd := odd_characters(home):
        text = f"{home}: below a path with {odd!r} the embedded engine finds no tables: move it, or link to it"
        return Finding("bad", "UMG_HOME", text)
    if not home.exists():
        return Finding("note", "UMG_HOME", f"{home}: not made yet (`umg init` makes it)")
    if home.stat().st_mode & 0o077:
        text = f"{home}: can be written, and opened by others than its owner: chmod 700 {home}"
        return Finding("note", "UMG_HOME", text)
    return Finding("good", "UMG_HOME", f"{home}: can be written, and opened by its owner alone")


def _volume(home: Path) -> Iterator[Finding]:
    if not home.exists():
        return
    encrypted = is_encrypted(home)
    if encrypted:
        yield Finding("good", "volume", "encrypted")
    elif encrypted is None:
        yield Finding("note", "volume", "unknown whether it is encrypted: a file system without a device of its own")
    else:
        text = "not encrypted by this system (a disk's or a host's own encryption cannot be seen from here)"
        yield Finding("note", "volume", f"{text}: docs/privacy.md")


def _spark(settings: Settings | None) -> Iterator[Finding]:
    """Java and Delta's jars: needed only if this process starts Spark. settings: None if they cannot be read."""
    from umg_assets.resources.engine import DELTA_JAR, EngineError, java_version

    needed = settings is not None and settings.engine == "spark" and not settings.spark_remote
    unneeded = "" if needed else "; only needed for UMG_ENGINE=spark"
    try:
        yield Finding("good", "Java", f"{java_version()}{unneeded}")
    except EngineError as error:
        yield Finding("bad" if needed else "note", "Java", f"{error}" if needed else f"none that fits{unneeded}")
    group, name, version = DELTA_JAR.split(":")
    jar = next(Path.home().glob(f".ivy2*/jars/{group}_{name}-{version}.jar"), None)
    missing = f"{DELTA_JAR}: not here; Spark downloads it when it first starts (needs Maven Central){unneeded}"
    yield Finding("good" if jar else "note", "Delta jar", f"{jar}{unneeded}" if jar else missing)


def _sources(settings: Settings) -> Iterator[Finding]:
    """The engine, a trial of every source on it, and the files of landing/ that no source takes."""
    from umg_assets.landing.file_names import files_of
    from umg_assets.landing.outcome import internal_errors
    from umg_assets.landing.scan import claims
    from umg_assets.landing.signs import of_files, of_markets
    from umg_assets.landing.source_trial import try_source
    from umg_assets.resources.engine import exposed, session

    if not settings.landing.is_dir():
        yield Finding("bad", "landing/", f"{settings.landing}: not a directory; `umg init` makes it")
        return
    try:
        spark = session(settings.engine, settings.spark_master, settings.spark_remote)
    except Exception as error:
        yield Finding("bad", "engine", f"{settings.engine} does not start: {_first_line(error)}")
        return
    yield Finding("good", "engine", f"{settings.engine} starts")
    if reason := exposed():
        text = f"while a run lives, other users of this machine can read and write what it can ({reason})"
        yield Finding("note", "engine", f"{text}: docs/privacy.md")
    for kind in tables.KINDS:
        for position, source in enumerate(settings.sources.of(kind)):
            files = list(files_of(settings.landing, source.files, source.follow_links))
            label = f"sources.{kind}[{position}]"
            dates, undated = _dated(settings, source, files)
            if undated:
                yield Finding(
                    "bad", label, f"{source.files}: {counted(len(undated), 'file')} without a date; {undated[0]}"
                )
            tried = {file: dates[file] for file in _some_of(list(dates))}
            trial = try_source(spark, settings, kind, source, tried)
            yield from _of_source(label, source, files, trial, settings.thresholds.quarantine_percent)
            yield from _signs_of(label, kind, source, trial, settings)
    for text in internal_errors(settings):
        yield Finding("warning", "landing/", text)
    for published in settings.published:
        if not (settings.home / published.file).is_file():
            yield Finding("note", "published", f"{published.file}: no such file; expected where umg.toml names it")
    found = claims(settings)
    yield from (Finding("note", "landing/", f"{path} {why}: it cannot land") for path, why in found.waiting.items())
    for sign in of_files(settings, found):
        yield Finding("note", "landing/", sign)
    for sign in of_markets(settings):
        yield Finding("warning", "markets", sign)


def _dated(settings: Settings, source: "Source", files: list[Path]) -> tuple[dict[Path, date], list[str]]:
    """The files with their delivery dates, and why others have none."""
    from umg_assets.landing.fingerprints import delivery_date_of

    dates, undated = {}, []
    for file in files:
        try:
            dates[file] = delivery_date_of(settings, source, file)
        except ValueError as error:
            undated.append(str(error))
    return dates, undated


def _some_of(files: list[Path]) -> list[Path]:
    """The first and the last file, and some between."""
    step = (len(files) - 1) / (_TRIED - 1)
    return list(dict.fromkeys(files[round(number * step)] for number in range(_TRIED))) if files else []


def _of_source(label: str, source: "Source", files: list[Path], trial: "Trial", percent: int) -> Iterator[Finding]:
    matches = f"{source.files}: {counted(len(files), 'file')}"
    for trouble in trial.troubles:
        yield Finding("bad", label, f"{matches}; {trouble}")
    if trial.troubles:
        return
    if not files:
        yield Finding("note", label, f"{matches} in landing/; every expression fits, tried with text columns")
        return
    for name, why in trial.refused.items():
        yield Finding("warning" if trial.good else "bad", label, f"{matches}; {name}: {why}")
    if trial.files:
        rejects = ", ".join(f"{count:,} {reason}" for reason, count in sorted(trial.reasons.items()))
        more = f" and {len(trial.files) - 1} more" if len(trial.files) > 1 else ""
        text = f"{matches}; every expression works on {trial.files[0]}{more}: {counted(trial.records, 'record')}"
        text = f"{text}, of which {rejects}" if rejects else text
        bad = trial.reasons.total() - trial.reasons["filtered"]
        state = "warning" if bad * 100 > percent * trial.records else "good"
        if bad and not trial.good:
            correct = "; ".join(trial.misfits) or "correct the expressions"
            state, text = "bad", f"{text}; no record would land: {correct}"
        elif trial.misfits:
            text = f"{text}; {'; '.join(trial.misfits)}"
        yield Finding(state, label, text)
    if trial.shared_ids:
        expressions = (source.columns["user_id"], source.columns["play_id"])
        text = (
            f"{trial.shared_ids:,} of {len(trial.users_of):,} play_ids are of several users, and each would count once"
        )
        text = f"{text}: if ids are unique per user only, play_id = \"concat({expressions[0]}, '-', {expressions[1]})\""
        yield Finding("warning", label, text)
    for column in sorted(trial.empty):
        text = f"columns.{column} = {source.columns[column]!r}: empty in every record tried"
        yield Finding("note", label, text)
    for note in dict.fromkeys(note for text in source.expressions.values() for note in differences(text)):
        yield Finding("note", label, note)


def _signs_of(label: str, kind: "Kind", source: "Source", trial: "Trial", settings: Settings) -> Iterator[Finding]:
    """Units that are mixed up, and plays without a market, in the records that were tried."""
    from umg_assets.landing.signs import Lengths, of_units, without_market

    lengths = {name: Lengths.of(values) for name, values in trial.lengths.items()}
    for sign in of_units(kind, source, trial.records, trial.reasons, lengths):
        yield Finding("warning", label, sign)
    users_may_know = any("country" in users.columns for users in settings.sources.users)
    countries = {name: count for name, count in trial.countries.items() if name or not users_may_know}
    for sign in without_market(settings, countries, "plays"):
        yield Finding("warning", label, sign)


def _look_logs(settings: Settings) -> Iterator[Finding]:
    """The experiments whose looks are in table readouts more than once."""
    from umg_assets.experiments.look_log import repeated_looks

    for experiment, count in repeated_looks(settings.home).items():
        looks = "1 look is" if count == 1 else f"{count:,} looks are"
        text = (
            f"{looks} in table {tables.READOUTS.name} again, logged by two readouts at once: ignored, only the first "
            "of each metric, variant and day is read; nothing to do"
        )
        yield Finding("note", f"experiments.{experiment}", text)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
