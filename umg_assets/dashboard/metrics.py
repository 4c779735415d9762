"""/metrics: the state of the data in Prometheus's text format 0.0.4, from the sums of the ledger and what is noted.

Counts, ages and names of sources, assets and checks: no file's name, nobody's id.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

from umg_assets.calendar import end_of
from umg_assets.resources.json_files import read_json
from umg_assets.resources.published import CURRENT, HEALTH, MANIFEST
from umg_assets.resources.status import (
    FAILED_CHECKS,
    FAILED_LANDINGS,
    FAILED_RUNS,
    HELD,
    RUN_SECONDS,
    STALE,
    STUCK,
    newest_sums,
    read_status,
)
from umg_assets.settings.model import Settings

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_NOTED = {
    HELD: ("umg_held_files", "Files and folders that have shrunk, and are held."),
    STUCK: ("umg_stuck_files", "Files that cannot land as they are."),
    FAILED_LANDINGS: ("umg_failed_landings", "Runs that failed over files that still have to land."),
    FAILED_RUNS: ("umg_failed_runs", "Runs that failed over what still has to be built."),
    STALE: ("umg_stale_partitions", "Partitions that still have to be built."),
    RUN_SECONDS: ("umg_last_run_seconds", "How long the last umg run or daily run took."),
}
"""By fact of status.json: the gauge that it is, and what that says."""
_OUTCOMES = ("landed", "quarantined", "filtered", "suppressed")


class Gauge(NamedTuple):
    """A gauge: its name, what it says, and its samples, as labels and value."""

    name: str
    says: str
    samples: Sequence[tuple[Mapping[str, str], int]]


def metrics(settings: Settings, version: str, now: datetime) -> str:
    """What is known now (UTC), as text. What nobody has noted yet is left out."""
    return "".join(_written(gauge) for gauge in _gauges(settings, version, now) if gauge.samples)


def _gauges(settings: Settings, version: str, now: datetime) -> Iterator[Gauge]:
    current = settings.home / "exports" / CURRENT
    manifest, sums = read_json(current / MANIFEST), newest_sums(settings.home, read_json(current / HEALTH))
    records, newest = sums.get("records", ()), sums.get("newest", ())
    yield Gauge("umg_info", "The release of umg.", [({"version": version}, 1)])
    outcomes = [({"source": of["source"], "outcome": name}, of[name]) for of in records for name in _OUTCOMES]
    yield Gauge("umg_records", "Records of everything delivered, by what became of them.", outcomes)
    yield Gauge("umg_files", "Files delivered.", [({"source": of["source"]}, of["files"]) for of in records])
    refused = [({}, sums["files_refused"])] if "files_refused" in sums else []
    yield Gauge("umg_refused_files", "Files of which nothing has landed.", refused)

    def ages(name: str, zone: str) -> list[tuple[Mapping[str, str], int]]:
        ended = {of["source"]: end_of(date.fromisoformat(of[name]), zone) for of in newest if of[name]}
        return [({"source": source}, _age(at, now)) for source, at in ended.items()]

    yield Gauge(
        "umg_newest_delivery_age_seconds", "Since the newest delivery day ended (UTC).", ages("delivery_date", "UTC")
    )
    yield Gauge(
        "umg_newest_play_age_seconds",
        "Since the newest local day of plays or events ended.",
        ages("day", settings.time_zone),
    )
    landed = [({"source": of["source"]}, _age(datetime.fromisoformat(of["landed_at"]), now)) for of in newest]
    yield Gauge("umg_last_landing_age_seconds", "Since the last file landed.", landed)
    if "published_at" in manifest:
        age = _age(datetime.fromisoformat(manifest["published_at"]), now)
        yield Gauge("umg_published_age_seconds", "Since the set that is shown was published.", [({}, age)])
    yield from _noted(settings, now)


def _noted(settings: Settings, now: datetime) -> Iterator[Gauge]:
    status = read_status(settings.home)
    if status.looked_at:
        age = _age(status.looked_at, now)
        yield Gauge("umg_looked_age_seconds", "Since a run or a sensor last looked.", [({}, age)])
    for fact, (name, says) in _NOTED.items():
        if fact in status.facts:
            yield Gauge(name, says, [({}, status.facts[fact].count)])
    if red := status.facts.get(FAILED_CHECKS):
        errors = sum(is_error for *_, is_error in red.checks)
        by_severity = [({"severity": "error"}, errors), ({"severity": "warn"}, red.count - errors)]
        yield Gauge("umg_red_checks", "Checks that failed when they were last executed.", by_severity)
        of_check = [({"asset": asset, "check": check}, 1) for asset, check, _ in red.checks]
        yield Gauge("umg_red_check", "A check that failed when it was last executed.", of_check)


def _age(at: datetime, now: datetime) -> int:
    """Whole seconds since a moment; 0 before it."""
    return max(0, round((now - at.astimezone(UTC)).total_seconds()))


def _written(gauge: Gauge) -> str:
    lines = [f"# HELP {gauge.name} {_escaped(gauge.says)}", f"# TYPE {gauge.name} gauge"]
    for labels, value in gauge.samples:
        pairs = ",".join(f'{name}="{_quoted(text)}"' for name, text in labels.items())
        lines.append(f"{gauge.name}{{{pairs}}} {value}" if pairs else f"{gauge.name} {value}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', '\\"')
