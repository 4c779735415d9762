"""Sums over users in the engine are those of the arrays; ranks are scipy's."""

from datetime import date
from decimal import Decimal
from typing import Any, cast

import numpy as np
from pyspark.sql import SparkSession
from scipy.stats import rankdata

from umg_assets.experiments.assignment import user_bucket
from umg_assets.experiments.evidence_text import from_text, to_text
from umg_assets.experiments.moments import (
    BucketSums,
    Evidence,
    RankSums,
    SessionBin,
    SessionMoments,
    Trust,
    UserMoments,
    bin_of,
)
from umg_assets.transforms.moment_sums import (
    PRODUCTS,
    bucket_sums,
    moments_of,
    rank_sums,
    session_bins,
    session_moments,
    top_users,
    user_values,
)

DAY = date(2026, 3, 10)
RNG = np.random.default_rng(5)
N = 60
USERS: list[tuple[Any, ...]] = [
    (
        DAY,
        f"{number * 7_919:08x}ff",
        ["control", "b", "c"][number % 3],
        ["AT", "DE"][number % 2],
        "18-24",
        "new",
        "m",
        int(RNG.integers(0, 9)) * 1_000_000_000,  # beyond 64 bits once squared
        int(RNG.integers(0, 4)),
        int(RNG.integers(0, 9)),
        1,
    )
    for number in range(N)
]
TYPES = (
    "through date, user_key string, variant string, country string, age_group string, tenure string, metric string, "
    "n bigint, d bigint, cn bigint, cd bigint"
)


def test_moments_are_exact_beyond_64_bits_in_every_slice(spark: SparkSession):
    rows = [row.asDict() for row in moments_of(spark.createDataFrame(USERS, TYPES)).collect()]
    for arm, part, value, at in (("control", "all", "", None), ("b", "country", "AT", 3)):
        own = [user for user in USERS if user[2] == arm and (at is None or user[at] == value)]
        (found,) = [one for one in rows if (one["variant"], one["slice"], one["value"]) == (arm, part, value)]
        columns = {name: [user[at] for user in own] for at, name in enumerate(("n", "d", "cn", "cd"), 7)}
        assert found["users"] == len(own)
        assert {name: found[name] for name in columns} == {name: sum(values) for name, values in columns.items()}
        for product in PRODUCTS:
            one = next(
                name for name in ("cn", "cd", "n", "d") if product.startswith(name) and product[len(name) :] in columns
            )
            other = product[len(one) :]
            assert int(found[product]) == sum(a * b for a, b in zip(columns[one], columns[other], strict=True)), product


def test_rank_sums_and_ties_are_scipys(spark: SparkSession):
    found = rank_sums(user_values(spark.createDataFrame(USERS, TYPES)), "control", ["b", "c"]).collect()
    assert len(found) == 2
    for row in found:
        own = [(user[2], user[7] / user[8]) for user in USERS if user[8] and user[2] in ("control", row["treatment"])]
        values = np.array([value for _, value in own])
        ranks, counts = rankdata(values), np.unique(values, return_counts=True)[1]
        treated = np.array([arm != "control" for arm, _ in own])
        assert row["rank_sum_twice"] == 2 * ranks[treated].sum()
        assert int(row["ties"]) == int((counts.astype(object) ** 3 - counts).sum())
        assert (row["control_count"], row["treatment_count"]) == ((~treated).sum(), treated.sum())


def test_buckets_bins_and_session_sums_are_those_of_the_definitions(spark: SparkSession):
    users = spark.createDataFrame(USERS, TYPES)
    found = {(row["variant"], row["bucket"]): (row["users"], row["n"]) for row in bucket_sums(users).collect()}
    expected: dict[tuple[str, int], tuple[int, int]] = {}
    for user in USERS:
        key = (user[2], user_bucket(user[1]))
        held, total = expected.get(key, (0, 0))
        expected[key] = (held + 1, total + user[7])
    assert found == expected
    lengths = [0, 4_999, 5_000, 599_999, 600_000, 3_599_999, 3_600_000, 86_399_999, 86_400_000, 10**9]
    sessions = spark.createDataFrame(
        [(DAY, "b", "00000001", length) for length in lengths],
        "through date, variant string, user_key string, session_ms bigint",
    )
    assert sorted(row["bin"] for row in session_bins(sessions).collect()) == sorted({bin_of(one) for one in lengths})
    (sums,) = session_moments(sessions).collect()
    assert (sums["sessions"], sums["n"], int(sums["nn"])) == (10, sum(lengths), sum(one * one for one in lengths))


def test_the_top_users_are_one_in_a_hundred_rounded_up(spark: SparkSession):
    found = {
        row["variant"]: (row["users"], row["n"])
        for row in top_users(spark.createDataFrame(USERS, TYPES), "m").collect()
    }
    for arm in ("control", "b", "c"):
        assert found[arm] == (1, max(user[7] for user in USERS if user[2] == arm))


def test_evidence_comes_back_from_its_text_as_it_was():
    big, of_the_engine = 10**30, cast(Any, Decimal(10**30))
    bucket = BucketSums.from_rows([{"metric": "m", "variant": "b", "bucket": 7, "users": 2, "n": 5, "d": 3}])
    evidence = Evidence(
        through=DAY,
        settled=True,
        complete=False,
        trust=Trust(
            exposed={"control": 3, "b": 4},
            exposed_by_day={DAY: {"b": 4}},
            exposed_by_segment={("country", "AT"): {"b": 1}},
            two_arms=1,
            checked=7,
            mismatched=2,
            events={"home_loaded": {"b": 4}},
            top_users={"b": (1, big)},
        ),
        moments=(UserMoments("m", "b", 4, 1, 2, big, 3, 4),),
        sessions=(SessionMoments("b", 4, 1, big),),
        ranks=(RankSums("m", "b", 1, 2, 3, 4, "session"),),
        buckets=bucket,
        session_bins=(SessionBin("b", 1, 2, 3),),
        frozen={"salt": "x"},
        cap_ms=9,
    )
    again = from_text(to_text(evidence), settled=True)
    assert to_text(again) == to_text(evidence)
    assert again.moments == evidence.moments
    assert again.trust == evidence.trust
    assert [list(one.users.nonzero()[0]) for one in again.buckets] == [[7]]
    assert to_text(Evidence(DAY, True, False, Trust({}), (UserMoments("m", "b", 1, 1, 1, of_the_engine, 1, 1),))).count(
        str(big)
    )
