"""`umg doctor`: what a lakehouse needs, whether it is there, and how to get what is missing. Writes no table."""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.table import Table
from rich.text import Text

from umg_assets import tables
from umg_assets.console import err, out
from umg_assets.settings import Settings, SettingsError, read_settings

if TYPE_CHECKING:
    from umg_assets.resources.trying import Trial
    from umg_assets.sources import Source

_NEEDED_PYTHON = (3, 11)
_MARKS = {"good": ("✓", "green"), "note": ("·", "yellow"), "bad": ("✗", "red")}
_NAMED = 3


@dataclass(frozen=True)
class Finding:
    """One line of the examination: good, note (fine, but to be known) or bad (umg cannot work so)."""

    state: Literal["good", "note", "bad"]
    what: str
    said: str


def examine(home: Path) -> bool:
    """Examines everything and prints a line for each. Returns whether nothing bad was found."""
    shown = Table.grid(padding=(0, 1))
    well = True
    with err.status("examining ..."):
        for finding in findings(home):
            mark, style = _MARKS[finding.state]
            shown.add_row(Text(mark, style), Text(finding.what, no_wrap=True), Text(finding.said))
            well = well and finding.state != "bad"
    out.print(shown)
    out.print("Everything that is needed is there." if well else "[red]Something is missing[/]: see the lines with ✗.")
    return well


def findings(home: Path) -> Iterator[Finding]:
    """What there is to say about Python, the home, its settings, the engine, the sources and landing/, in order."""
    yield _python()
    yield _home(home)
    try:
        settings = read_settings(home)
    except SettingsError as error:
        for line in str(error).splitlines():
            yield Finding("bad", "settings", line)
        yield from _spark(None)
        return
    file = home / "umg.toml"
    yield Finding("good", "settings", str(file) if file.exists() else f"the defaults ({file}: `umg init` writes one)")
    yield Finding("good", "time zone", f"{settings.time_zone}; markets {', '.join(settings.markets)}")
    yield from _spark(settings)
    yield from _sources(settings)


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info < _NEEDED_PYTHON:
        return Finding("bad", "Python", f"{version}: expected 3.11 or newer; make PYTHON=python3.12 demo")
    return Finding("good", "Python", version)


def _home(home: Path) -> Finding:
    place = next((folder for folder in (home, *home.parents) if folder.exists()), home)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        return Finding("bad", "UMG_HOME", f"{home}: cannot write ({error.strerror}): set UMG_HOME, or chown {place}")
    if not home.exists():
        return Finding("note", "UMG_HOME", f"{home}: not made yet (`umg init` makes it)")
    return Finding("good", "UMG_HOME", f"{home}: can be written")


def _spark(settings: Settings | None) -> Iterator[Finding]:
    """Java and Delta's jars: needed when the engine is a local or standalone Spark, else told as such."""
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
    """The engine, every source tried on it, and the files of landing/ that no source takes."""
    from umg_assets.resources.engine import session
    from umg_assets.resources.landing import files_of
    from umg_assets.resources.trying import try_source

    if not settings.landing.is_dir():
        yield Finding("bad", "landing/", f"{settings.landing}: not a directory; `umg init` makes it")
        return
    try:
        spark = session(settings.engine, settings.spark_master, settings.spark_remote)
    except Exception as error:
        yield Finding("bad", "engine", f"{settings.engine} does not start: {_first_line(error)}")
        return
    yield Finding("good", "engine", f"{settings.engine} starts")
    claimed: set[Path] = set()
    for kind in tables.KINDS:
        for position, source in enumerate(settings.sources.of(kind)):
            files = list(files_of(settings.landing, source.files))
            claimed.update(files)
            trial = try_source(spark, settings, kind, source, files[0] if files else None)
            yield from _of_source(f"sources.{kind}[{position}]", source, files, trial)
    if left := [file for file in files_of(settings.landing, "**/*") if file not in claimed]:
        named = ", ".join(str(file.relative_to(settings.landing)) for file in left[:_NAMED])
        more = " ..." if len(left) > _NAMED else ""
        said = f"no source takes {_files(len(left))}: {named}{more}: add a source to umg.toml"
        yield Finding("note", "landing/", said)


def _of_source(label: str, source: "Source", files: list[Path], trial: "Trial") -> Iterator[Finding]:
    told = f"{source.files}: {_files(len(files))}"
    for trouble in trial.troubles:
        yield Finding("bad", label, f"{told}; {trouble}")
    if trial.troubles:
        return
    if not files:
        yield Finding("note", label, f"{told} in landing/; every expression fits, tried with text columns")
        return
    aside = ", ".join(f"{count:,} {reason}" for reason, count in sorted(trial.reasons.items()))
    said = f"{told}; every expression works on {files[0].name}: {trial.records:,} records"
    yield Finding("good", label, f"{said}, of which {aside}" if aside else said)


def _files(count: int) -> str:
    return f"{count:,} file" if count == 1 else f"{count:,} files"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
