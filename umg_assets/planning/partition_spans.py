"""The partitions that each asset of a run builds, as the text of a tag: `plays: 2026-03-02, 2026-03-09 to 2026-03-12`.

Dagster gives a run one range for all of its assets; a run of late plays builds some partitions within it. Pure.
"""

from collections.abc import Iterable, Mapping
from datetime import date

from umg_assets.calendar import days_between, parse_day, runs_of_days

_BETWEEN_ASSETS, _AFTER_NAME, _BETWEEN_SPANS, _TO = "; ", ": ", ", ", " to "


def to_text(keys: Mapping[str, Iterable[str]]) -> str:
    """The partition keys of each asset, unbroken days as spans; assets without partitions are left out."""
    spans = {asset: _spans([key for key in of_asset if key]) for asset, of_asset in keys.items()}
    return _BETWEEN_ASSETS.join(
        f"{asset}{_AFTER_NAME}{_BETWEEN_SPANS.join(of_asset)}" for asset, of_asset in spans.items() if of_asset
    )


def from_text(text: str) -> dict[str, list[str]]:
    """By asset, the partition keys that to_text was given."""
    by_asset = (part.split(_AFTER_NAME, 1) for part in text.split(_BETWEEN_ASSETS) if part)
    return {asset: [key for span in spans.split(_BETWEEN_SPANS) for key in _keys(span)] for asset, spans in by_asset}


def _spans(keys: list[str]) -> list[str]:
    try:
        days = [date.fromisoformat(key) for key in keys]
    except ValueError:  # markets, and months of markets
        return keys
    return [f"{first}{_TO}{last}" if last > first else f"{first}" for first, last in runs_of_days(days)]


def _keys(span: str) -> list[str]:
    first, to, last = span.partition(_TO)
    return [day.isoformat() for day in days_between(parse_day(first), parse_day(last))] if to else [span]
