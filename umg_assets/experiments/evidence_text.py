"""Evidence as JSON and back: what table experiment_days keeps of a day. Whole numbers stay whole, of any size."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np

from umg_assets.experiments.moments import (
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
    """Evidence as JSON, in a fixed order; whether it is settled is not in it: that a reader's day decides."""
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
        **{name: [asdict(one) for one in getattr(evidence, name)] for name in _LISTS},
        "buckets": [_bucket_rows(one) for one in evidence.buckets],
    }
    return json.dumps(plain, default=_whole)


def from_text(text: str, *, settled: bool) -> Evidence:
    """What to_text wrote."""
    plain: dict[str, Any] = json.loads(text)
    trust = plain["trust"]
    lists = {name: tuple(kind(**one) for one in plain[name]) for name, kind in _LISTS.items()}
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
        buckets=tuple(_bucket_sums(one) for one in plain["buckets"]),
        **lists,
    )


def _bucket_rows(sums: BucketSums) -> dict[str, Any]:
    held = np.flatnonzero(sums.users).tolist()
    rows = [[at, int(sums.users[at]), float(sums.n[at]), float(sums.d[at])] for at in held]
    return {"metric": sums.metric, "variant": sums.variant, "rows": rows}


def _bucket_sums(plain: Mapping[str, Any]) -> BucketSums:
    named = {"metric": plain["metric"], "variant": plain["variant"]}
    rows = [{**named, "bucket": at, "users": users, "n": n, "d": d} for at, users, n, d in plain["rows"]]
    return BucketSums.from_rows(rows)[0]


def _whole(value: Any) -> int:
    if isinstance(value, Decimal):
        return int(value)
    raise TypeError(f"expected a whole number, got {type(value).__name__}: {value!r}")
