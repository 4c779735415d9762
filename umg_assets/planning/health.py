"""What became of everything that was delivered, as sums: no file's name, nobody's id. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import pairwise
from statistics import median
from typing import Any

from umg_assets import tables
from umg_assets.planning.history import History
from umg_assets.planning.sums import SourceSums, tally_of

DAYS = 90
"""Lateness and quarantine by day are of so many delivery days, up to the newest."""
LATE = ((0, "same day"), (1, "1 day"), (7, "2 to 7 days"), (30, "8 to 30 days"))
"""By the most days between a play and its delivery, what such plays are called."""
LATER = "over 30 days"
_DELIVERIES = 10
"""Over so many newest delivery days is seen how often a kind is delivered."""


def conservation(history: History) -> list[dict[str, Any]]:
    """Files and records read, landed, filtered, suppressed and quarantined, one row per kind of source.

    Of the latest entry of each delivery, so records_read = landed + quarantined + filtered + suppressed. No row for
    events where none were delivered.
    """
    rows = []
    for source in tables.KINDS:
        tally = tally_of(sums.tally for sums in history.sums_of(source).values())
        if source == "events" and not tally.files:
            continue
        rows.append(
            {
                "source": source,
                "files": tally.files,
                "records_read": tally.records,
                "landed": tally.landed,
                "quarantined": sum(tally.reasons.values()),
                "filtered": tally.filtered,
                "suppressed": tally.suppressed,
            }
        )
    return rows


def health_of(history: History) -> dict[str, Any]:
    """Sums of the ledger, ready for JSON.

    records: rows of `conservation`. newest: by kind that was delivered, the newest delivery day (UTC), the days that
    usually lie between two, when the last file landed, of plays and events the newest local day; and of the newest
    delivery day files, refused ones, and records read and quarantined in the others. quarantine: records by delivery
    day, source and reason, and lateness: rows of plays by days between play and delivery, both of the last DAYS
    delivery days; of events where no plays are delivered, which lateness_of says. files_refused: files of which nothing
    landed. unfinished: files that a run left half landed.
    """
    delivered = {
        kind: {day: sums for day, sums in history.sums_of(kind).items() if sums.delivered} for kind in tables.KINDS
    }
    newest = max((day for days in delivered.values() for day in days), default=date.min)
    of = "plays" if delivered["plays"] else "events"
    quarantine: Counter[tuple[str, str, str]] = Counter()
    lateness: Counter[str] = Counter()
    for kind, days in delivered.items():
        for day, sums in days.items():
            if (newest - day).days >= DAYS:
                continue
            for reason, records in sums.tally.reasons.items():
                quarantine[day.isoformat(), kind, reason] += records
            for name, rows in _lateness(day, sums.brought) if kind == of else ():
                lateness[name] += rows
    return {
        "sequence": history.sequence,
        "records": conservation(history),
        "newest": [row for kind in tables.KINDS if (row := _newest(kind, delivered[kind]))],
        "quarantine": [
            {"delivery_date": day, "source": source, "reason": reason, "records": records}
            for (day, source, reason), records in sorted(quarantine.items())
        ],
        "lateness": [{"late": name, "plays": lateness[name]} for name in (*(name for _, name in LATE), LATER)],
        "lateness_of": of,
        "files_refused": sum(sums.tally.refused for days in delivered.values() for sums in days.values()),
        "unfinished": sum(of.unfinished for day in history.days.values() for of in day.sources.values()),
    }


def _lateness(delivery: date, brought: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    for day, rows in brought.items():
        late = (delivery - date.fromisoformat(day)).days
        yield next((name for most, name in LATE if late <= most), LATER), rows


def _newest(kind: tables.Kind, delivered: Mapping[date, SourceSums]) -> dict[str, Any] | None:
    if not delivered:
        return None
    deliveries = sorted(delivered)[-_DELIVERIES:]
    gaps = [(after - before).days for before, after in pairwise(deliveries)]
    last = delivered[deliveries[-1]].tally
    landed_at = max(sums.landed_at for sums in delivered.values() if sums.landed_at)
    return {
        "source": kind,
        "delivery_date": deliveries[-1].isoformat(),
        "usual_days": round(median(gaps)) if gaps else None,
        "landed_at": landed_at.isoformat(timespec="seconds"),
        "day": max((day for sums in delivered.values() for day in sums.brought), default=None),
        "files": last.files,
        "files_refused": last.refused,
        "records_read": last.read,
        "quarantined": last.set_aside,
    }
