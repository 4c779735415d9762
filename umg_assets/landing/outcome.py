"""What became of each source's files: landed, set aside, refused, held; and where that is more than umg.toml allows."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date

from umg_assets import tables
from umg_assets.landing.fingerprints import definition_hash_of
from umg_assets.landing.scan import Scan
from umg_assets.planning.history import History
from umg_assets.planning.sums import Tally
from umg_assets.resources.ledger import Ledger
from umg_assets.settings.model import Settings
from umg_assets.settings.sources import Source
from umg_assets.text import visible


@dataclass
class SourceOutcome:
    """What became of the files of a source, over all its deliveries.

    label: the source, as `plays[0] export/*.csv`, or its kind where umg.toml has it no longer. files: known to the
    ledger, of which `refused` were refused whole; held and waiting: files that have not landed; stuck: those of the
    latter that somebody has to mend. records: read, which are landed, filtered, suppressed (of people who have been
    forgotten) and in quarantine; a file refused whole has none. reasons: records in quarantine, by reason.
    over: what was set aside beyond umg.toml's limits, such as `3 of 3 files`; empty if nothing was.
    """

    label: str
    files: int = 0
    refused: int = 0
    held: int = 0
    waiting: int = 0
    stuck: int = 0
    records: int = 0
    landed: int = 0
    filtered: int = 0
    suppressed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    over: list[str] = field(default_factory=list)

    @property
    def quarantined(self) -> int:
        """The number of records in quarantine."""
        return self.reasons.total() - self.refused

    @property
    def taken(self) -> int:
        """The number of records that are good, whether the source's `where` takes them or not."""
        return self.landed + self.filtered

    def add(self, tally: Tally) -> None:
        """Counts landed files of the ledger."""
        self.files += tally.files
        self.reasons.update(tally.reasons)
        self.refused += tally.refused
        self.records += tally.read
        self.landed += tally.landed
        self.filtered += tally.filtered
        self.suppressed += tally.suppressed

    def judge(self, percent: int) -> list[str]:
        """Of how many records, and of how many files, more than `percent` % was set aside."""
        shares = []
        if self.quarantined * 100 > percent * self.records:
            shares.append(f"{self.quarantined:,} of {self.records:,} records")
        if self.refused * 100 > percent * self.files:
            shares.append(f"{self.refused:,} of {self.files:,} files")
        return shares


def outcomes(settings: Settings, scan: Scan, history: History, since: int) -> list[SourceOutcome]:
    """What became of each source's files, in the order of umg.toml, then of files whose source is not there any more.

    since: the ledger's sequence before a run. A source is `over` if more than thresholds.quarantine_percent of the
    records or files of a delivery that landed since then was set aside, if none of its records has ever landed, and if
    a file of it is held or stuck.
    """
    percent = settings.thresholds.quarantine_percent
    known: dict[tuple[str, str], SourceOutcome] = {}
    labels: dict[tuple[str, str], str] = {key: label_of(key[0], *claim) for key, claim in scan.claimed.items()}
    by_definition: dict[tuple[str, str], str] = {}
    for kind in tables.KINDS:
        for position, source in enumerate(settings.sources.of(kind)):
            label = label_of(kind, position, source)
            known[kind, label] = SourceOutcome(label)
            by_definition.setdefault((kind, definition_hash_of(settings, source, kind)), label)
    deliveries: dict[tuple[str, date], SourceOutcome] = {}
    claimed = {entry.delivery_date for entry in history.about(scan.claimed).entries}
    # of other days, sums tell enough: none of their files lies in landing/, and none is new
    one_by_one = claimed | {day for day, sums in history.days.items() if sums.last > since}
    for kind in tables.KINDS:
        for day, sums in history.sums_of(kind).items():
            for definition, tally in sums.delivered.items() if day not in one_by_one else ():
                label = by_definition.get((kind, definition)) or _of_no_source(kind)
                known.setdefault((kind, label), SourceOutcome(label)).add(tally)
    for entry in history.of_days(one_by_one).delivered():
        label = labels.get((entry.source, entry.path)) or by_definition.get((entry.source, entry.definition))
        label = label or _of_no_source(entry.source)
        known.setdefault((entry.source, label), SourceOutcome(label)).add(Tally().add(entry))
        if entry.sequence > since:
            deliveries.setdefault((label, entry.delivery_date), SourceOutcome(label)).add(Tally().add(entry))
    by_label = {outcome.label: outcome for outcome in known.values()}
    without_good = {outcome.label for outcome in known.values() if outcome.files and not outcome.taken}
    for label in without_good:
        by_label[label].over = by_label[label].judge(percent)
    for (label, delivery), outcome in sorted(deliveries.items()):
        if label not in without_good:
            by_label[label].over += [f"{share} delivered on {delivery}" for share in outcome.judge(percent)]
    for file, _ in scan.held:
        held = by_label[labels[file.kind, file.path]]
        held.held += 1
        held.over.append(f"{file.path}, which is held")
    for kind, path in scan.claimed:
        outcome = by_label[labels[kind, path]]
        outcome.waiting += path in scan.waiting
        if path in scan.stuck:
            outcome.stuck += 1
            outcome.over.append(f"{path}, which cannot land as it is")
    return list(known.values())


def _of_no_source(kind: str) -> str:
    return f"{kind} of no source in umg.toml"


def label_of(kind: str, position: int, source: Source) -> str:
    """What messages call a source: `plays[0] plays/*.csv`."""
    return f"{kind}[{position}] {source.name or source.files}"


def internal_errors(settings: Settings) -> list[str]:
    """The files that an internal error has refused, a sentence each."""
    return [
        f"{visible(entry.path)}: refused by an internal error (`umg quarantine --reason internal_error` says which): "
        f"report it; `umg accept {visible(entry.path)}` has it read again"
        for entry in Ledger(settings.home).read().with_any("tried").delivered()
        if entry.tried_by
    ]
