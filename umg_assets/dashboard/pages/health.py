"""The state of the data: what is late, set aside, held, not published or red; and the sums behind it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

from umg_assets.dashboard.addresses import Ask
from umg_assets.dashboard.page import Page, Sheet
from umg_assets.dashboard.served import Rows
from umg_assets.drawing.lines import bar, series

DAYS = 30
"""Quarantine is shown of so many delivery days, up to the newest."""
_PARTS = ("landed", "quarantined", "filtered", "suppressed")
FINDING_COLUMNS = ("level", "subject", "sentence", "figure", "action")
RECORD_COLUMNS = ("source", "files", "records_read", *_PARTS, "unaccounted")
NEWEST_COLUMNS = ("source", "delivery_date", "usual_days", "landed_at", "day")
QUARANTINE_COLUMNS = ("delivery_date", "source", "reason", "records")
LATENESS_COLUMNS = ("late", "plays", "share_percent")
VERSION_COLUMNS = ("table", "published", "newest", "newer_since")


def health(ask: Ask) -> Page:
    """Findings, the worst first; records read and what became of them; quarantine by reason and day; plays by days
    late; newest play and delivery by source; published against newest versions."""
    sums = ask.state.sums
    findings = [asdict(finding) for finding in ask.state.findings]
    records = [{**row, "unaccounted": _unaccounted(row)} for row in sums.get("records", ())]
    newest = [
        {**row, "delivery_date": _day(row["delivery_date"]), "day": _day(row["day"])} for row in sums.get("newest", ())
    ]
    days = _days(newest)
    first = days[0] if days else date.max
    quarantine = [row for row in _dated(sums.get("quarantine", ())) if row["delivery_date"] >= first]
    lateness = _lateness(sums.get("lateness", ()))
    versions = [asdict(version) for version in ask.state.versions]
    content = {
        "findings": findings,
        "records": records,
        "has_suppressed": any(row["suppressed"] for row in records),
        "has_filtered": any(row["filtered"] for row in records),
        "newest": newest,
        "days": days,
        "quarantine": quarantine[::-1],
        "reasons": _reasons(quarantine, days),
        "lateness": lateness,
        "lateness_of": sums.get("lateness_of", "plays"),
        "versions": versions,
    }
    sheets = [
        Sheet("findings", FINDING_COLUMNS, findings),
        Sheet("records", RECORD_COLUMNS, records),
        Sheet("quarantine", QUARANTINE_COLUMNS, quarantine[::-1]),
        Sheet("lateness", LATENESS_COLUMNS, lateness),
        Sheet("newest", NEWEST_COLUMNS, newest),
        Sheet("versions", VERSION_COLUMNS, versions),
    ]
    return Page("health.html", "State of the data", content, sheets)


def _unaccounted(row: dict[str, Any]) -> int:
    """Records read of which nothing is known: 0, or the ledger is wrong."""
    return row["records_read"] - sum(row[part] for part in _PARTS)


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _dated(rows: Sequence[dict[str, Any]]) -> Rows:
    return [{**row, "delivery_date": date.fromisoformat(row["delivery_date"])} for row in rows]


def _days(newest: Rows) -> list[date]:
    """DAYS days, in order, up to the newest delivery day of any source."""
    last = max((row["delivery_date"] for row in newest), default=None)
    return [last - timedelta(days=back) for back in range(DAYS - 1, -1, -1)] if last else []


def _reasons(quarantine: Rows, days: Sequence[date]) -> Rows:
    """By source and reason: records in quarantine, the day with the most of them, and a picture of all days, on one
    scale; most records first."""
    by_reason: dict[tuple[str, str], Counter[date]] = {}
    for row in quarantine:
        by_reason.setdefault((row["source"], row["reason"]), Counter())[row["delivery_date"]] += row["records"]
    highest = max((count for counts in by_reason.values() for count in counts.values()), default=1)
    rows = []
    for (source, reason), counts in by_reason.items():
        worst = max(counts, key=lambda day, counts=counts: (counts[day], day))
        label = f"Records of {source} in quarantine for {reason} by delivery day, {days[0]} to {days[-1]}"
        points = [(f"{day}", float(counts[day])) for day in days]
        rows.append(
            {
                "source": source,
                "reason": reason,
                "records": counts.total(),
                "worst_day": worst,
                "worst": counts[worst],
                "picture": series(points, label, lambda value: f"{value:,.0f}", highest, size=(300, 96)),
            }
        )
    return sorted(rows, key=lambda row: (-row["records"], row["source"], row["reason"]))


def _lateness(rows: Sequence[dict[str, Any]]) -> Rows:
    total = sum(row["plays"] for row in rows)
    return [
        {
            **row,
            "share_percent": round(100 * row["plays"] / total, 2),
            "bar": bar(row["plays"] / total, f"{100 * row['plays'] / total:.1f} % of plays"),
        }
        for row in rows
        if total
    ]
