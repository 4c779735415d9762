"""`umg experiment analyze` over ordinary files: no wrong verdict, nothing left out without a count."""

import csv
import gzip
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pytest
from scipy.stats import ttest_ind

from umg_assets.experiments.analysis import Question
from umg_assets.experiments.file_options import FileError
from umg_assets.experiments.file_readout import FileReadout

Rows = Iterable[Sequence[object]]


def file_of(folder: Path, rows: Rows, header: Sequence[str] = ("id", "arm", "x")) -> Path:
    """A CSV file."""
    file = folder / "users.csv"
    with file.open("w", newline="") as target:
        csv.writer(target).writerows([header, *rows])
    return file


def asked(file: Path, *metrics: str, **options) -> FileReadout:
    """The readout of a file with columns id and arm."""
    return Question(file, "arm", metrics or ("x=x",), **{"unit": "id", **options}).readout()


def first_row(seen: FileReadout) -> dict[str, str]:
    """The first line of the page's table of the primary metric: column = cell."""
    table = seen.view()["tables"]["primary"]
    return dict(zip((column["name"] for column in table["columns"]), table["rows"][0], strict=True))


def users(count: int = 400, gain: float = 0.0, mean: float = 10.0, seed: int = 1) -> list[tuple[str, str, float]]:
    """Rows of (id, arm, x): half in control, half in b."""
    values = np.random.default_rng(seed).normal(mean, 2, count).round(3)
    arms = ("control", "b")
    return [(f"u{at}", arms[at % 2], float(value) + gain * (at % 2)) for at, value in enumerate(values)]


def test_ids_are_texts_whatever_they_look_like(tmp_path: Path):
    rows = [(f"1043900000.1700000000{at:03d}", "ab"[at % 2], at) for at in range(1_000)]
    assert asked(file_of(tmp_path, rows)).readout.exposed == {"a": 500, "b": 500}
    zeros = [("0" * at + "7", "ab"[at % 2], at) for at in range(100)]
    assert asked(file_of(tmp_path, zeros)).readout.exposed == {"a": 50, "b": 50}
    parquet = tmp_path / "users.parquet"
    ids = "(9007199254740993 + i) AS id, ['a', 'b'][1 + i % 2] AS arm, i AS x"
    duckdb.execute(f"COPY (SELECT {ids} FROM range(1000) r(i)) TO '{parquet}' (FORMAT parquet)")
    assert asked(parquet).readout.exposed == {"a": 500, "b": 500}


def test_a_metric_is_read_over_the_whole_file_and_not_by_its_head(tmp_path: Path):
    rows: list[tuple[object, ...]] = [(at, "ab"[at % 2], 1 + at % 3) for at in range(60_000)]
    rows += [("late1", "a", "0.25"), ("late2", "b", "1.5e1")]
    (row,) = asked(file_of(tmp_path, rows)).readout.rows
    values = {arm: [float(str(x)) for _, name, x in rows if name == arm] for arm in "ab"}
    assert row.effect.control == pytest.approx(np.mean(values["a"]), rel=1e-12)
    assert row.effect.p == pytest.approx(ttest_ind(values["a"], values["b"], equal_var=False)[1])
    rows[50_000] = (50_000, "a", "broken")
    with pytest.raises(FileError, match=r"numbers in x, .*'broken': 1 of 60,002 values .* line 50,002"):
        asked(file_of(tmp_path, rows))


@pytest.mark.parametrize("value", ["NaN", "inf", "-Infinity", "1e999", "n/a", "3,5", "1_000", "0x10"])
def test_what_is_no_finite_number_is_named_with_its_count_and_first_line(tmp_path: Path, value: str):
    rows = [*users(10), ("v\nw", "b", 1), ("y", "b", value), ("z", "b", value)]
    with pytest.raises(FileError, match=rf"numbers in x, .*{re.escape(repr(value))}: 2 of 13 .* line 14"):
        asked(file_of(tmp_path, rows))


@pytest.mark.parametrize(
    ("value", "hint"),
    [("1e200", "; 1e90 is too large"), ("-1e91", "; 1e90 is too large"), ("3,5", "; write decimal points")],
)
def test_a_number_whose_squares_cannot_be_summed_and_a_decimal_comma_are_named(tmp_path: Path, value: str, hint: str):
    rows = [*users()[:50], ("u", "b", value)]
    with pytest.raises(FileError, match=f"such as '{value}': 1 of .*{hint}"):
        asked(file_of(tmp_path, rows))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv.gz", b"id,arm,x\n", "expected a whole gzip file by its name, got other bytes"),
        (
            "x.csv.gz",
            gzip.compress(b"id,arm,x\n" * 9_999)[:-20],
            "cannot be read: IO Error: Unexpected end of GZIP stream",
        ),
        (
            "x.parquet",
            b"id,arm,x\n1,a,2\n" * 9,
            "cannot be read: Invalid Input Error: No magic bytes found at end of file",
        ),
        ("x.csv", b'[{"id": 1, "arm": "a"}]', "expected CSV or Parquet, got JSON: save it as CSV"),
    ],
)
def test_a_file_that_is_no_table_is_named_in_one_line(tmp_path: Path, name: str, content: bytes, message: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileError) as refused:
        asked(tmp_path / name)
    assert str(refused.value).startswith(f"{tmp_path / name}: {message}")
    assert "SELECT" not in str(refused.value)


def test_empty_values_are_refused_until_the_user_says_what_they_mean(tmp_path: Path):
    rows: list[tuple[object, ...]] = [*users(), *[(f"e{at}", ("control", "b")[at % 2], "") for at in range(40)]]
    file = file_of(tmp_path, rows)
    with pytest.raises(FileError, match=r"row of x, got 40 empty .* line 402: --missing zero .*--missing drop"):
        asked(file)
    zero, drop = asked(file, missing="zero").readout, asked(file, missing="drop").readout
    assert zero.rows[0].effect.users == (220, 220)
    assert drop.rows[0].effect.users == (200, 200)
    assert drop.rows[0].effect.control == pytest.approx(np.mean([x for _, arm, x in users() if arm == "control"]))
    for readout, word in ((zero, "counted as 0"), (drop, "left out")):
        (finding,) = [finding for finding in readout.findings if finding.check == "empty values"]
        assert finding.level == "warning"
        assert word in finding.text
        assert "20 of 220 in control" in finding.text


def test_means_over_different_people_are_on_hold(tmp_path: Path):
    rows: list[tuple[object, ...]] = [
        (user, arm, "" if arm == "b" and x < 9 else x) for user, arm, x in users(2_000)
    ]  # fmt: skip
    readout = asked(file_of(tmp_path, rows), missing="drop").readout
    assert readout.rows[0].effect.p < 1e-6  # a gain of the people who are left
    assert readout.verdicts[0].decision == "on hold"
    assert "different people" in readout.verdicts[0].reasons[0]


def test_rows_without_variant_or_unit_are_counted_beside_the_sample_ratio(tmp_path: Path):
    rows = [*users(), ("n1", "", 1), ("n2", " ", 1), ("", "b", 1)]
    (finding,) = [
        finding for finding in asked(file_of(tmp_path, rows)).readout.findings if finding.check == "sample ratio"
    ]
    assert finding.level == "warning"
    assert "Of 403 rows, 2 name no variant and 1 no unit" in finding.text


@pytest.mark.parametrize("other", ["Control", "control ", "CON TROL"])
def test_variants_that_differ_by_case_or_blanks_only_are_named(tmp_path: Path, other: str):
    rows = [*users(), ("n1", other, 1)]
    with pytest.raises(FileError, match=rf"'{other}' \(1 rows\).*differ by case or blanks only"):
        asked(file_of(tmp_path, rows))


def test_a_metric_that_should_fall_and_rises_is_not_shipped(tmp_path: Path):
    file = file_of(tmp_path, users(gain=2))
    assert asked(file).readout.verdicts[0].decision == "ship"
    for seen in (asked(file, "skip_rate=x"), asked(file, lower_is_better=("x",))):
        assert seen.readout.verdicts[0].decision == "do not ship"
        assert "shown to be worse" in seen.readout.verdicts[0].reasons[0]
        assert "Lower is better" in seen.to_html()


def test_a_guardrail_that_loses_more_than_its_margin_stops_a_win(tmp_path: Path):
    rows = [(*row, 10 + at % 3 - 2 * (at % 2)) for at, row in enumerate(users(gain=2))]
    file = file_of(tmp_path, rows, ("id", "arm", "x", "y"))
    assert asked(file, "x=x", "y=y", may_worsen=("y",)).readout.verdicts[0].decision == "ship"
    guarded = asked(file, "x=x", "y=y", guardrails=("y=0.05",)).readout
    assert guarded.verdicts[0].decision == "do not ship"
    assert "a loss of 5.0% is not ruled out" in " ".join(guarded.verdicts[0].reasons)
    assert asked(file, "x=x", "y=y", guardrails=("y=0.4",)).readout.verdicts[0].decision == "ship"


def test_a_cap_bounds_each_row_and_says_how_many_were_above_it(tmp_path: Path):
    seen = asked(file_of(tmp_path, [*users(), ("whale", "b", 1e6)]), caps=("x=20",))
    assert seen.readout.rows[0].effect.treatment < 11
    assert "x: each row counts at most 20; 1 rows were above that." in seen.notes


def test_the_page_says_which_variant_is_the_control_and_why_and_guesses_nothing(tmp_path: Path):
    def renamed(control: str, treatment: str) -> Path:
        return file_of(tmp_path, [(user, control if arm == "control" else treatment, x) for user, arm, x in users()])

    assert "control is taken as the control, by its name" in asked(renamed("control", "b")).to_html()
    assert "gate_30 is taken as the control, as the first in order" in asked(renamed("gate_30", "gate_40")).to_html()
    assert asked(renamed("v2", "v10")).experiment.control == "v2"
    with pytest.raises(FileError, match="--control: expected the name of the control, got none"):
        asked(renamed("old", "new"))
    assert asked(renamed("old", "new"), control="old").experiment.control == "old"


@pytest.mark.parametrize("mean", [0.0, -10.0])
def test_a_control_of_zero_or_below_is_decided_by_the_difference_without_nan(tmp_path: Path, mean: float):
    rows = [(user, arm, x if arm == "b" or mean else 0) for user, arm, x in users(gain=2, mean=mean or 10)]
    seen = asked(file_of(tmp_path, rows))
    assert seen.readout.verdicts[0].decision == "ship"
    assert "for the control is 0 or below" in seen.readout.verdicts[0].reasons[0]
    for text in (seen.to_html(), " ".join(seen.readout.verdicts[0].reasons), seen.to_json()):
        assert not re.search(r"\bnan\b", text, re.IGNORECASE)
    guarded = asked(file_of(tmp_path, [(*row, 1 + at % 5) for at, row in enumerate(rows)], ("id", "arm", "x", "y")),
                    "y=y", "x=x", guardrails=("x=0.05",))  # fmt: skip
    assert "cannot be tested, for the control is 0 or below" in " ".join(guarded.readout.verdicts[0].reasons)


@pytest.mark.parametrize("seed", range(6))
def test_the_sentence_the_table_and_the_test_of_a_small_file_agree(tmp_path: Path, seed: int):
    seen = asked(file_of(tmp_path, users(14, gain=2.2, seed=seed)))
    row, (reason, *_) = first_row(seen), seen.readout.verdicts[0].reasons
    low, high = row["interval"].split(" to ")
    assert f"between {low} and {high}" in reason
    assert f"<bdi>{row['interval']}</bdi>" in seen.to_html()
    effect = seen.readout.rows[0].effect
    assert (effect.p < 0.05) == (low.startswith("+") == high.startswith("+"))
    assert (effect.p < 0.05) == ("shown to be" in reason)
    by_arm = [[x for _, arm, x in users(14, gain=2.2, seed=seed) if arm == name] for name in ("control", "b")]
    assert effect.p == pytest.approx(ttest_ind(*by_arm, equal_var=False)[1])


def test_a_page_without_days_has_no_date_pace_or_plan_and_with_days_has_those_of_the_file(tmp_path: Path):
    seen = asked(file_of(tmp_path, users()))
    for text in (re.sub(r"<svg.*?</svg>", "", seen.to_html(), flags=re.DOTALL), seen.to_json()):
        assert not re.search(r"\d{4}-\d{2}-\d{2}|Day \d|planned information|this pace|more days|whoever asks", text)
    dated = [(*row, f"2026-03-{1 + at % 9:02d}T10:00:00") for at, row in enumerate(users())]
    seen = asked(file_of(tmp_path, dated, ("id", "arm", "x", "at")), days="at")
    assert "from 2026-03-01 to 2026-03-09" in seen.to_html()
    assert len(json.loads(seen.to_json())["exposed_by_day"]) == 9
    assert not re.search(r"2000-\d\d", seen.to_html())
    dated[3] = (*dated[3][:3], "10:15")
    with pytest.raises(FileError, match="days YYYY-MM-DD in at, got '10:15' in line 5"):
        asked(file_of(tmp_path, dated, ("id", "arm", "x", "at")), days="at")


@pytest.mark.parametrize(("last", "days"), [("2026-03-10", 10), ("2026-03-01", 1), ("2026-03-14", 14)])
def test_the_page_names_no_day_that_the_file_does_not_have(tmp_path: Path, last: str, days: int):
    rows = [(*row, f"2026-03-{1 + at % days:02d}") for at, row in enumerate(users(gain=1))]
    rows += [(user, arm, 0, last) for user, arm, *_ in rows]  # more rows of the same units, on the last day
    seen = asked(file_of(tmp_path, rows, ("id", "arm", "x", "at")), days="at")
    plain = json.loads(seen.to_json())
    assert plain["through"] == last
    assert [look["day"] for look in plain["looks"]] == [last]
    written = {row[3] for row in rows}
    assert set(re.findall(r"\d{4}-\d{2}-\d{2}", seen.to_html() + seen.to_json())) <= written


def test_the_last_day_is_that_of_the_last_row_though_no_unit_begins_on_it(tmp_path: Path):
    rows = [(*row, "2026-03-01") for row in users()]
    late = [*rows, *((*row[:3], "2026-03-04") for row in rows[:9])]
    seen = asked(file_of(tmp_path, late, ("id", "arm", "x", "at")), days="at")
    assert json.loads(seen.to_json())["through"] == "2026-03-04"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0.9}, "--alpha: expected a number above 0 and below 0.5.*not the confidence, got 0.9"),
        ({"minimum_effect": float("inf")}, "--minimum-effect: expected .* got inf"),
        ({"guardrails": ("x=inf",)}, "--guardrail: expected NAME=NUMBER"),
        ({"guardrails": ("z=0.1",)}, "--guardrail: expected a name of --metric"),
        ({"guardrails": ("x=5",)}, "--guardrail x: expected .* got 5"),
        ({"guardrails": ("x=0.1",)}, "expected a --metric that is no guardrail"),
        ({"caps": ("x=nan",)}, "--cap: expected NAME=NUMBER"),
        ({"lower_is_better": ("z",)}, "--lower-is-better: expected a name of --metric"),
        ({"metrics": ("x=x", "x=x/1")}, "--metric: expected each name once, got x twice"),
        ({"metrics": ("x=x",), "aggregates": True, "unit": None}, "--metric: expected a NAME alone with --aggregates"),
        ({"metrics": ("x",), "aggregates": True, "unit": None, "each_day": True}, "--each-day: expected --days COLUMN"),
    ],
)
def test_an_impossible_option_gets_a_sentence_and_no_link(tmp_path: Path, options: dict, message: str):
    metrics = options.pop("metrics", ("x=x",))
    with pytest.raises(FileError, match=message) as refused:
        asked(file_of(tmp_path, users()), *metrics, **options)
    assert "http" not in str(refused.value)


def test_a_one_sided_test_finds_a_gain_at_alpha_and_never_a_loss(tmp_path: Path):
    by_p = {}
    for gain in (0.5, -2.0):
        file = file_of(tmp_path, users(gain=gain, seed=4))
        by_p[gain] = asked(file).readout.rows[0].effect.p, asked(file, one_sided=True)
    p, seen = by_p[0.5]
    assert 0.05 < p < 0.1
    assert seen.readout.verdicts[0].decision == "ship"
    assert "at least +" in seen.readout.verdicts[0].reasons[0]
    assert first_row(seen)["interval"].startswith("at least +")
    assert first_row(seen)["level"] == "95 %"
    assert float(first_row(seen)["p"]) == pytest.approx(p / 2, abs=1e-3)
    assert "no gain shown" in by_p[-2.0][1].readout.verdicts[0].reasons[0]


def test_a_win_beside_a_metric_that_got_worse_is_mixed_unless_it_may_worsen(tmp_path: Path):
    rng = np.random.default_rng(8)
    rows = [
        (user, arm, x, y)
        for arm, gain in (("control", 0.0), ("b", 0.5))
        for user, x, y in zip(
            (f"{arm}{number}" for number in range(400)),
            rng.normal(10 + gain, 1, 400),
            rng.normal(10 - gain, 1, 400),
            strict=True,
        )
    ]
    file = file_of(tmp_path, rows, ("id", "arm", "x", "y"))
    (plain,) = asked(file, "x=x", "y=y").readout.verdicts
    assert plain.decision == "mixed"
    assert "but y got worse" in plain.reasons[0]
    assert asked(file, "x=x", "y=y", may_worsen=("y",)).readout.verdicts[0].decision == "ship"
    with pytest.raises(FileError, match=r"--may-worsen: expected a --metric that decides nothing \(y\), got 'x'"):
        asked(file, "x=x", "y=y", may_worsen=("x",))


@pytest.mark.parametrize("price", [9.99, 4.99, -3.3, 1e9 + 0.1])
@pytest.mark.parametrize("constant", [("control",), ("b",), ("control", "b")])
def test_a_variant_whose_rows_are_all_alike_is_read_like_any_other(
    tmp_path: Path, price: float, constant: tuple[str, ...]
):
    rows = [(user, arm, price if arm in constant else round(x, 2)) for user, arm, x in users(100)]
    for metric in ("x=x/1", "x=x"):
        seen = asked(file_of(tmp_path, rows), metric).readout
        assert (seen.rows[0].effect.problem != "") == (len(constant) == 2)
    assert asked(file_of(tmp_path, rows), "x=x/1").to_html()


Session = tuple[str, str, float, float]


def sessions(count: int = 3_000, fewer: float = 0.2, seed: int = 1) -> list[Session]:
    """Rows of (id, arm, seconds, pre_seconds), one a session, with the user's seconds from before in each.

    b has fewer and longer sessions; nobody's seconds change.
    """
    rng = np.random.default_rng(seed)
    rows: list[Session] = []
    for user in range(count):
        rate = rng.lognormal(1.5, 0.5)
        before, total = float(rng.gamma(4, 75 * rate)), float(rng.gamma(4, 75 * rate))
        times = 1 + rng.poisson(rate * (1 - fewer * (user % 2)))
        rows += [(f"u{user}", ("control", "b")[user % 2], total / times, before)] * int(times)
    return rows


PRE = ("id", "arm", "x", "pre")
BY_PRE = {"covariates": ("x=pre",)}


def test_a_covariate_repeated_in_each_row_of_a_unit_counts_once_however_many_rows_the_treatment_makes(tmp_path: Path):
    rows = sessions()
    seen = asked(file_of(tmp_path, rows, PRE), **BY_PRE)
    whole: dict[str, Session] = {}
    for user, arm, x, before in rows:
        whole[user] = (user, arm, x + (whole[user][2] if user in whole else 0.0), before)
    expected = asked(file_of(tmp_path, whole.values(), PRE), **BY_PRE).readout.rows[0].effect
    effect = seen.readout.rows[0].effect
    assert (effect.relative, effect.p) == pytest.approx((expected.relative, expected.p))
    assert effect.adjusted
    assert abs(effect.z) < 2
    assert not [note for note in seen.notes if "summed" in note]


@pytest.mark.parametrize("where", ["first", "others"])
def test_a_covariate_that_is_empty_in_some_rows_of_a_unit_counts_once(tmp_path: Path, where: str):
    rows = sessions()
    repeated = asked(file_of(tmp_path, rows, PRE), **BY_PRE).readout.rows[0].effect
    of_first = [at == 0 or rows[at - 1][0] != user for at, (user, *_) in enumerate(rows)]
    alone = {user for user, count in Counter(row[0] for row in rows).items() if count == 1}
    emptied = [
        row if first == (where == "first") or row[0] in alone else (*row[:3], "")
        for row, first in zip(rows, of_first, strict=True)
    ]
    seen = asked(file_of(tmp_path, emptied, PRE), **BY_PRE)
    effect = seen.readout.rows[0].effect
    assert (effect.relative, effect.p) == pytest.approx((repeated.relative, repeated.p))
    assert not [note for note in seen.notes if "summed" in note]


def test_a_covariate_whose_values_differ_within_units_is_summed_and_the_page_says_when_that_is_right(tmp_path: Path):
    rows = [(*row[:3], at % 7, row[3]) for at, row in enumerate(sessions(400))]
    seen = asked(file_of(tmp_path, rows, ("id", "arm", "x", "pre", "whole")), covariates=("x=pre/whole",))
    (note,) = [note for note in seen.notes if "summed" in note]
    assert re.match(r"pre is summed over each unit's rows, for they differ in \d+ units: right only if each row", note)
    assert "right only if each row was measured before" in seen.to_html()
    whole: dict[str, list[object]] = {}
    for user, arm, x, part, before in rows:
        total = whole.setdefault(user, [user, arm, 0.0, 0, before])
        total[2:4] = [total[2] + x, total[3] + part]  # pyright: ignore[reportOperatorIssue]
    file = file_of(tmp_path, whole.values(), ("id", "arm", "x", "pre", "whole"))
    expected = asked(file, covariates=("x=pre/whole",)).readout.rows[0].effect
    assert seen.readout.rows[0].effect.relative == pytest.approx(expected.relative)


def test_a_covariate_that_most_units_repeat_and_a_few_do_not_is_refused_and_not_summed(tmp_path: Path):
    rows = [*sessions(), ("glitch", "b", 10.0, 1.0), ("glitch", "b", 10.0, 2.0)]
    message = (
        rf"expected pre to have one value .* and several in 1, .* begins in line {len(rows):,}: make its values alike"
    )
    with pytest.raises(FileError, match=message):
        asked(file_of(tmp_path, rows, PRE), **BY_PRE)


@pytest.mark.parametrize(
    ("covariate", "message"),
    [
        ("x=pre/1", "--covariate x: expected columns from before the experiment, got 1, which counts the file's rows"),
        ("x=1", "--covariate x: expected columns from before the experiment, got 1, which counts the file's rows"),
        (
            "x=x",
            "--covariate x: expected columns from before the experiment, got x, which the metric itself is made of",
        ),
        ("x=pre/n", "--covariate x: expected columns from before the experiment, got n, which the metric itself"),
    ],
)
def test_a_covariate_of_the_experiment_itself_is_refused(tmp_path: Path, covariate: str, message: str):
    rows = [(*row, 1) for row in sessions(50)]
    with pytest.raises(FileError, match=re.escape(message)):
        asked(file_of(tmp_path, rows, (*PRE, "n")), "x=x/n", covariates=(covariate,))


def series_of(folder: Path, rows: Sequence[tuple[object, ...]], columns: Sequence[str]) -> Path:
    return file_of(folder, rows, ("arm", "time", *columns))


def test_aggregates_give_the_readout_of_the_users_they_sum(tmp_path: Path):
    plain = asked(file_of(tmp_path, users(gain=0.5))).readout.rows[0].effect
    values = {name: np.array([x for _, arm, x in users(gain=0.5) if arm == name]) for name in ("control", "b")}
    means = [(name, len(x), x.mean(), x.var(ddof=1)) for name, x in values.items()]
    sums = [(name, len(x), x.sum(), (x**2).sum()) for name, x in values.items()]
    for rows, columns in ((means, ("mean", "variance")), (sums, ("sum", "sum_squares"))):
        file = file_of(tmp_path, rows, ("arm", "users", *columns))
        effect = Question(file, "arm", ("x",), aggregates=True).readout().readout.rows[0].effect
        assert (effect.p, effect.relative_lower) == pytest.approx((plain.p, plain.relative_lower))


def test_a_published_series_is_looked_at_once_a_day_under_one_alpha(tmp_path: Path):
    rows = [(arm, time, 1_000 * at, 10 + (0.3 if arm == "1" else 0), 25)
            for at, time in enumerate((0.5, 1, 1.5, 2, 10), 1) for arm in "01"]  # fmt: skip
    file = series_of(tmp_path, rows, ("users", "mean", "variance"))
    seen = Question(file, "arm", ("spend",), aggregates=True, days="time").readout()
    looks = [*seen.readout.earlier, *seen.readout.looks]
    assert [look.fraction for look in looks] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    # Lan-DeMets O'Brien-Fleming, five equal looks, two-sided 0.05: gsDesign and ld98
    assert [look.bound for look in looks] == pytest.approx([4.877, 3.357, 2.680, 2.290, 2.031], abs=2e-3)
    assert seen.readout.verdicts[0].decision == "ship"
    crossed = next(look for look in looks if look.crossed)
    assert f"first on {seen.labels[crossed.day]}." in seen.said(seen.readout.verdicts[0].reasons[0])
    assert not re.search(r"2000-\d\d|NaN", seen.to_html() + seen.to_json())
    each = [(arm, time, 1_000, mean, variance) for arm, time, _, mean, variance in rows]
    added = Question(series_of(tmp_path, each, ("users", "mean", "variance")), "arm", ("spend",), aggregates=True,
                     days="time", each_day=True).readout()  # fmt: skip
    assert added.readout.rows[0].effect.p == pytest.approx(seen.readout.rows[0].effect.p, rel=0.01)


def test_aggregates_that_cannot_be_what_they_say_are_refused(tmp_path: Path):
    def refusal(rows: Sequence[tuple[object, ...]], **options) -> str:
        file = series_of(tmp_path, rows, ("users", "mean", "variance"))
        with pytest.raises(FileError) as refused:
            Question(file, "arm", ("spend",), aggregates=True, **options).readout()
        return str(refused.value)

    rows: list[tuple[object, ...]] = [(arm, day, 100 * day, 10, 4) for day in (1, 2) for arm in "ab"]
    assert "expected one row for spend in a, got another" in refusal(rows)
    assert "expected a row of spend in b on 2, got none" in refusal(rows[:3], days="time")
    assert "add --each-day" in refusal([*rows[:2], ("a", 2, 90, 10, 4), ("b", 2, 90, 10, 4)], days="time")
    assert "variance of 0 or more" in refusal([("a", 1, 100, 10, -4), ("b", 1, 100, 10, 4)])
    assert "whole number, got 1.5" in refusal([("a", 1, 1.5, 10, 4), ("b", 1, 100, 10, 4)])
