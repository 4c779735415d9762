"""How `umg run` and `umg demo` end: what became of each source's files, which checks failed, and the exit code."""

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

from umg_assets.cli.console import out, say, tell
from umg_assets.landing.outcome import SourceOutcome
from umg_assets.resources.status import AGE_CHECKS
from umg_assets.text import counted

if TYPE_CHECKING:
    from umg_assets.report import Report

_REASONS = 2
_DELIVERIES = 3


class Ending(IntEnum):
    """The exit codes of `umg run` and `umg demo`."""

    GOOD = 0
    FAULT = 1
    SET_ASIDE = 3


def ending_of(report: "Report", sources: Sequence[SourceOutcome]) -> Ending:
    """FAULT if a check of severity ERROR failed, else SET_ASIDE if more was set aside than umg.toml allows, or if
    something in landing/ cannot land as it is."""
    if report.refused or any(check.is_error and check.name not in AGE_CHECKS for check in report.failed_checks):
        return Ending.FAULT
    return Ending.SET_ASIDE if report.scan.stuck or any(source.over for source in sources) else Ending.GOOD


def print_sources(sources: Sequence[SourceOutcome]) -> None:
    """Prints a line for each source: its files, its records, and the commonest reasons why some are in quarantine."""
    for source in sources:
        parts = [*_files(source), *_records(source)]
        tell(f"{source.label}: {'; '.join(parts)}")


def _files(source: SourceOutcome) -> Iterator[str]:
    seen = source.files + source.held + source.waiting
    yield ("no file found" if not seen else counted(source.files, "file"))
    for count, state in ((source.refused, "refused"), (source.held, "held"), (source.waiting, "waiting")):
        if count:
            yield f"{count:,} {state}"


def _records(source: SourceOutcome) -> Iterator[str]:
    if source.files:
        filtered = f", {source.filtered:,} filtered" if source.filtered else ""
        suppressed = f", {source.suppressed:,} of people who have been forgotten" if source.suppressed else ""
        sums = f"{source.landed:,} landed{filtered}{suppressed}, {source.quarantined:,} in quarantine"
        yield f"{counted(source.records, 'record')}: {sums}"
    if source.reasons:
        yield ", ".join(f"{count:,} {reason}" for reason, count in source.reasons.most_common(_REASONS))


def print_faults(report: "Report", sources: Sequence[SourceOutcome]) -> None:
    """Prints where more was set aside than umg.toml allows, every check that failed, and what to type next."""
    for source in sources:
        for reason in source.over[:_DELIVERIES]:
            say("set aside", "red", f": {source.label}: {reason}")
        if (more := len(source.over) - _DELIVERIES) > 0:
            say("set aside", "red", f": {source.label}: {more:,} more like these")
    for check in report.failed_checks:
        say("check failed", "red" if check.is_error else "yellow", f": {check.asset}, {check.name}: {check.seen}")
    if steps := list(_next(sources)):
        out.print(f"Next: {'; '.join(steps)}.", soft_wrap=True)


def _next(sources: Sequence[SourceOutcome]) -> Iterator[str]:
    over = [source for source in sources if source.over]
    if any(source.reasons for source in over):
        yield "`umg quarantine` shows what was set aside and why"
    if any(source.held for source in over):
        yield "`umg accept PATH` lets in what is held, if it is right"
    if any(source.reasons or source.stuck for source in over):
        yield "`umg doctor` tries umg.toml on the files"
