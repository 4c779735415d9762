"""What became of everything that was delivered, as sums: no file's name, nobody's id. Pure."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from statistics import median
from typing import Any

from umg_assets import tables
from umg_assets.planning.history import Entry, History

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
        entries = [entry for entry in history.delivered() if entry.source == source]
        if source == "events" and not entries:
            continue
        rows.append(
            {
                "source": source,
                "files": len(entries),
                "records_read": sum(entry.records for entry in entries),
                "landed": sum(entry.landed for entry in entries),
                "quarantined": sum(sum(entry.quarantined.values()) for entry in entries),
                "filtered": sum(entry.filtered for entry in entries),
                "suppressed": sum(entry.suppressed for entry in entries),
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
    delivered = history.delivered()
    newest = max((entry.delivery_date for entry in delivered), default=None)
    of = "plays" if any(entry.source == "plays" for entry in delivered) else "events"
    recent = [entry for entry in delivered if newest and entry.delivery_date > newest - timedelta(days=DAYS)]
    quarantine: Counter[tuple[str, str, str]] = Counter()
    lateness: Counter[str] = Counter()
    for entry in recent:
        for reason, records in entry.quarantined.items():
            quarantine[entry.delivery_date.isoformat(), entry.source, reason] += records
        for name, rows in _lateness(entry) if entry.source == of else ():
            lateness[name] += rows
    return {
        "sequence": history.sequence,
        "records": conservation(history),
        "newest": [row for kind in tables.KINDS if (row := _newest(kind, delivered))],
        "quarantine": [
            {"delivery_date": day, "source": source, "reason": reason, "records": records}
            for (day, source, reason), records in sorted(quarantine.items())
        ],
        "lateness": [{"late": name, "plays": lateness[name]} for name in (*(name for _, name in LATE), LATER)],
        "lateness_of": of,
        "files_refused": sum(entry.refused for entry in delivered),
        "unfinished": len(history.unfinished()),
    }


def _lateness(entry: Entry) -> Iterator[tuple[str, int]]:
    for day, rows in zip(entry.brought, entry.rows_by_play_date.values(), strict=True):
        late = (entry.delivery_date - day).days
        yield next((name for most, name in LATE if late <= most), LATER), rows


def _newest(kind: tables.Kind, delivered: list[Entry]) -> dict[str, Any] | None:
    entries = [entry for entry in delivered if entry.source == kind]
    if not entries:
        return None
    days = [day for entry in entries for day in entry.brought]
    deliveries = sorted({entry.delivery_date for entry in entries})[-_DELIVERIES:]
    gaps = [(after - before).days for before, after in pairwise(deliveries)]
    last = [entry for entry in entries if entry.delivery_date == deliveries[-1]]
    read = [entry for entry in last if not entry.refused]
    return {
        "source": kind,
        "delivery_date": deliveries[-1].isoformat(),
        "usual_days": round(median(gaps)) if gaps else None,
        "landed_at": max(entry.recorded_at for entry in entries).isoformat(timespec="seconds"),
        "day": max(days).isoformat() if days else None,
        "files": len(last),
        "files_refused": len(last) - len(read),
        "records_read": sum(entry.records for entry in read),
        "quarantined": sum(sum(entry.quarantined.values()) for entry in read),
    }
