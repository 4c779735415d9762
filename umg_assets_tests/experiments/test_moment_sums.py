"""The engine's sums over users equal those of arrays; its ranks equal scipy's."""

from datetime import date
from decimal import Decimal
from typing import Any, cast

import numpy as np
from pyspark.sql import SparkSession
from scipy.stats import rankdata

from umg_assets.experiments.evidence_text import from_text, to_text
from umg_assets.statistics.assignment import user_bucket
from umg_assets.statistics.moments import (
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
        users = [user for user in USERS if user[2] == arm and (at is None or user[at] == value)]
        (sums,) = [row for row in rows if (row["variant"], row["slice"], row["value"]) == (arm, part, value)]
        columns = {name: [user[at] for user in users] for at, name in enumerate(("n", "d", "cn", "cd"), 7)}
        assert sums["users"] == len(users)
        assert {name: sums[name] for name in columns} == {name: sum(values) for name, values in columns.items()}
        for product in PRODUCTS:
            left = next(
                name for name in ("cn", "cd", "n", "d") if product.startswith(name) and product[len(name) :] in columns
            )
            right = product[len(left) :]
            assert int(sums[product]) == sum(a * b for a, b in zip(columns[left], columns[right], strict=True)), product


def test_rank_sums_and_ties_agree_with_scipy(spark: SparkSession):
    rows = rank_sums(user_values(spark.createDataFrame(USERS, TYPES)), "control", ["b", "c"]).collect()
    assert len(rows) == 2
    for row in rows:
        arms = "control", row["treatment"]
        ranked = [(user[2], user[7] / user[8]) for user in USERS if user[8] and user[2] in arms]
        values = np.array([value for _, value in ranked])
        ranks, counts = rankdata(values), np.unique(values, return_counts=True)[1]
        treated = np.array([arm != "control" for arm, _ in ranked])
        assert row["rank_sum_twice"] == 2 * ranks[treated].sum()
        assert int(row["ties"]) == int((counts.astype(object) ** 3 - counts).sum())
        assert (row["control_count"], row["treatment_count"]) == ((~treated).sum(), treated.sum())


def test_buckets_bins_and_session_sums_agree_with_their_definitions(spark: SparkSession):
    users = spark.createDataFrame(USERS, TYPES)
    buckets = {(row["variant"], row["bucket"]): (row["users"], row["n"]) for row in bucket_sums(users).collect()}
    expected: dict[tuple[str, int], tuple[int, int]] = {}
    for user in USERS:
        key = (user[2], user_bucket(user[1]))
        count, total = expected.get(key, (0, 0))
        expected[key] = (count + 1, total + user[7])
    assert buckets == expected
    lengths = [0, 4_999, 5_000, 599_999, 600_000, 3_599_999, 3_600_000, 86_399_999, 86_400_000, 10**9]
    sessions = spark.createDataFrame(
        [(DAY, "b", "00000001", length) for length in lengths],
        "through date, variant string, user_key string, session_ms bigint",
    )
    assert sorted(row["bin"] for row in session_bins(sessions).collect()) == sorted(
        {bin_of(length) for length in lengths}
    )
    (sums,) = session_moments(sessions).collect()
    assert (sums["sessions"], sums["n"], int(sums["nn"])) == (
        10,
        sum(lengths),
        sum(length * length for length in lengths),
    )


def test_the_top_users_are_one_in_a_hundred_rounded_up(spark: SparkSession):
    top = {
        row["variant"]: (row["users"], row["n"])
        for row in top_users(spark.createDataFrame(USERS, TYPES), "m").collect()
    }
    for arm in ("control", "b", "c"):
        assert top[arm] == (1, max(user[7] for user in USERS if user[2] == arm))


def test_evidence_survives_being_written_as_text_and_read():
    big, decimal = 10**30, cast(Any, Decimal(10**30))
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
    assert [list(sums.users.nonzero()[0]) for sums in again.buckets] == [[7]]
    assert to_text(Evidence(DAY, True, False, Trust({}), (UserMoments("m", "b", 1, 1, 1, decimal, 1, 1),))).count(
        str(big)
    )
