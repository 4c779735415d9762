"""Evidence as JSON and back, as table experiment_days stores it. Integers of any size stay exact."""

import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np

from umg_assets.statistics.moments import (
    BucketSums,
    Evidence,
    RankSums,
    SessionBin,
    SessionMoments,
    Trust,
    UserMoments,
)

_LISTS = {"moments": UserMoments, "sessions": SessionMoments, "ranks": RankSums, "session_bins": SessionBin}


def to_text(evidence: Evidence) -> str:
    """Evidence as JSON, in a fixed order. `settled` is left out: it depends on the day on which the text is read.

    Raises TypeError for a value that is no JSON type, date or Decimal.
    """
    trust = evidence.trust
    plain = {
        "through": evidence.through.isoformat(),
        "complete": evidence.complete,
        "by_assignment": evidence.by_assignment,
        "cap_ms": evidence.cap_ms,
        "frozen": evidence.frozen,
        "trust": {
            "exposed": dict(trust.exposed),
            "exposed_by_day": {day.isoformat(): dict(counts) for day, counts in trust.exposed_by_day.items()},
            "exposed_by_segment": [[*key, dict(counts)] for key, counts in trust.exposed_by_segment.items()],
            "two_arms": trust.two_arms,
            "checked": trust.checked,
            "mismatched": trust.mismatched,
            "events": {name: dict(counts) for name, counts in trust.events.items()},
            "top_users": {name: list(pair) for name, pair in trust.top_users.items()},
        },
        **{name: [_fields(row) for row in getattr(evidence, name)] for name in _LISTS},
        "buckets": [_bucket_rows(sums) for sums in evidence.buckets],
    }
    return json.dumps(plain, default=_whole)


def from_text(text: str, *, settled: bool) -> Evidence:
    """The evidence that `to_text` wrote; settled: whether it is by now."""
    plain: dict[str, Any] = json.loads(text)
    trust = plain["trust"]
    lists = {name: tuple(kind(**row) for row in plain[name]) for name, kind in _LISTS.items()}
    return Evidence(
        through=date.fromisoformat(plain["through"]),
        settled=settled,
        complete=plain["complete"],
        by_assignment=plain["by_assignment"],
        cap_ms=plain["cap_ms"],
        frozen=plain["frozen"],
        trust=Trust(
            exposed=trust["exposed"],
            exposed_by_day={date.fromisoformat(day): counts for day, counts in trust["exposed_by_day"].items()},
            exposed_by_segment={(name, value): counts for name, value, counts in trust["exposed_by_segment"]},
            two_arms=trust["two_arms"],
            checked=trust["checked"],
            mismatched=trust["mismatched"],
            events=trust["events"],
            top_users={name: (users, sum_) for name, (users, sum_) in trust["top_users"].items()},
        ),
        buckets=tuple(_bucket_sums(sums) for sums in plain["buckets"]),
        **lists,
    )


def _fields(row: Any) -> dict[str, Any]:
    # dataclasses.asdict copies every value deeply: for the thousands of session bins of a day that is most of the time
    return {name: getattr(row, name) for name in row.__slots__}


def _bucket_rows(sums: BucketSums) -> dict[str, Any]:
    buckets = np.flatnonzero(sums.users).tolist()
    rows = [[bucket, int(sums.users[bucket]), float(sums.n[bucket]), float(sums.d[bucket])] for bucket in buckets]
    return {"metric": sums.metric, "variant": sums.variant, "rows": rows}


def _bucket_sums(plain: Mapping[str, Any]) -> BucketSums:
    names = {"metric": plain["metric"], "variant": plain["variant"]}
    rows = [{**names, "bucket": bucket, "users": users, "n": n, "d": d} for bucket, users, n, d in plain["rows"]]
    return BucketSums.from_rows(rows)[0]


def _whole(value: Any) -> int:
    if isinstance(value, Decimal):
        return int(value)
    raise TypeError(f"expected a whole number, got {type(value).__name__}: {value!r}")
