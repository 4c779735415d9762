"""`umg experiment` as it is typed: files of any shape, what it says of mistakes, what it does not load."""

import csv
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pytest
from scipy.stats import mannwhitneyu, ttest_ind

from umg_assets.experiment_files import ExperimentFile, MetricOption, experiment_of
from umg_assets.experiments.readout import make_readout

CONFIG = """
[experiments.favourites]
hypothesis = "b listens longer, for its tracks fit"
owner = "home"
salt = "age_group_favourites_2026"
variants = { control = 1, b = 1 }
first_day = 2026-03-02
"""


def written(file: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """A CSV file."""
    with file.open("w", newline="") as target:
        csv.writer(target).writerows([header, *rows])
    return file


def typed(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`umg experiment ARGUMENTS`."""
    command = [sys.executable, "-m", "umg_assets", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def cats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cookie Cats by its published counts (DataCamp, Mobile Games A/B Testing): a row a player."""
    counts = (("gate_30", 44_700, 20_034, 8_502), ("gate_40", 45_489, 20_119, 8_279))
    rows = []
    for version, players, one_day, seven_days in counts:
        rows += [(f"{version}{at}", version, at < one_day, at < seven_days) for at in range(players)]
    file = tmp_path_factory.mktemp("cats") / "cookie_cats.csv"
    return written(file, ("userid", "version", "retention_1", "retention_7"), rows)


def read(file: Path, unit: str, variant: str, *metrics: str):
    """The readout of a file."""
    opened, options = ExperimentFile(file, unit, variant), [MetricOption.parse(text) for text in metrics]
    one = experiment_of(options, dict.fromkeys(opened.variants(), 1), 0.05, 0.05)
    return make_readout(one, opened.evidence(one, {}))


def test_cookie_cats_reads_as_published(cats: Path):
    # 7-day retention 19.02 % to 18.20 %, p = 0.0016; 1-day 44.82 % to 44.23 %, p = 0.074 (two-proportion tests)
    readout = read(cats, "userid", "version", "r7=retention_7", "r1=retention_1")
    seven, one = (row.effect for row in readout.rows)
    assert (seven.control, seven.treatment) == pytest.approx((0.1902, 0.1820), abs=5e-5)
    assert seven.p == pytest.approx(0.0016, abs=5e-5)
    assert (one.control, one.treatment) == pytest.approx((0.4482, 0.4423), abs=5e-5)
    assert one.p == pytest.approx(0.0744, abs=5e-4)
    assert readout.verdicts[0].decision == "do not ship"
    assert not readout.held


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    """A row a session of users who return, and the same as arrays."""
    rng = np.random.default_rng(3)
    counts, treated = rng.geometric(0.25, 800), rng.integers(0, 2, 800)
    user = np.repeat(np.arange(800), counts)
    seconds = np.rint(np.exp(rng.normal(5, 0.8, 800)[user] + rng.normal(0, 0.6, len(user))))
    rows = [(f"u{u}", "b" if treated[u] else "control", int(s)) for u, s in zip(user, seconds, strict=True)]
    file = written(tmp_path_factory.mktemp("s") / "sessions.csv", ("user_id", "version", "seconds"), rows)
    return file, {"user": user, "seconds": seconds, "treated": treated}


def test_rows_of_sessions_are_summed_to_units_and_ranked_as_scipy_ranks_them(sessions):
    file, truth = sessions
    readout = read(file, "user_id", "version", "duration=seconds/1")
    user, seconds, treated = truth["user"], truth["seconds"], truth["treated"]
    by_arm = [seconds[treated[user] == arm] for arm in (0, 1)]
    effect = readout.rows[0].effect
    assert (effect.control, effect.treatment) == pytest.approx([one.mean() for one in by_arm])
    means = np.bincount(user, weights=seconds) / np.bincount(user)
    ranks = {one.unit: one.p for one in readout.ranks}
    expected = mannwhitneyu(means[treated == 0], means[treated == 1], method="asymptotic").pvalue
    assert ranks["user"] == pytest.approx(expected)
    assert ranks["session"] == pytest.approx(mannwhitneyu(*by_arm, method="asymptotic").pvalue)
    assert readout.literal[0].t_p == pytest.approx(ttest_ind(*by_arm, equal_var=False)[1])


def test_parquet_reads_as_csv(sessions, tmp_path: Path):
    file, _ = sessions
    other = tmp_path / "sessions.parquet"
    duckdb.execute(f"COPY (FROM '{file}') TO '{other}' (FORMAT parquet)")
    first, second = (read(one, "user_id", "version", "duration=seconds/1").rows[0].effect for one in (file, other))
    assert first.p == pytest.approx(second.p)


def test_a_unit_in_two_variants_is_left_out_and_holds(tmp_path: Path):
    rows = [(f"u{at}", "control" if at % 2 else "b", at) for at in range(200)] + [("u1", "b", 3)]
    readout = read(written(tmp_path / "f.csv", ("id", "arm", "x"), rows), "id", "arm", "x=x")
    assert readout.held
    assert readout.exposed == {"control": 99, "b": 100}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--unit", "usrid", "--metric", "r=retention_7"), "did you mean 'userid'?"),
        (("--unit", "userid", "--metric", "r=version"), "expected numbers in version, got VARCHAR"),
        (("--unit", "userid", "--metric", "retention_7"), "expected NAME=numerator[/denominator]"),
        (("--unit", "userid", "--metric", "r=retention_7", "--control", "gate"), "expected one of gate_30, gate_40"),
        (("--unit", "userid", "--metric", "r=retention_7", "--weight", "gate_30=x"), "VARIANT=WHOLE NUMBER"),
    ],
)
def test_a_mistake_gets_one_clear_line(cats: Path, options: tuple[str, ...], said: str):
    done = typed("experiment", "analyze", str(cats), "--variant", "version", *options)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_analyze_prints_a_verdict_and_writes_json_and_a_page_that_needs_nothing_else(sessions, tmp_path: Path):
    file, _ = sessions
    page = tmp_path / "readout.html"
    options = ("--unit", "user_id", "--variant", "version", "--metric", "duration=seconds/1")
    done = typed("experiment", "analyze", str(file), *options, "--html", str(page))
    assert done.returncode == 0, done.stderr
    assert "b against control: do not ship" in done.stdout
    assert "Not for decisions" in done.stdout
    text = page.read_text()
    assert "<svg" in text
    assert "http://" not in text.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )
    told = json.loads(typed("experiment", "analyze", str(file), *options, "--format", "json").stdout)
    assert told["verdicts"][0]["treatment"] == "b"


def test_assign_gives_the_published_buckets_and_loads_neither_dagster_nor_an_engine(tmp_path: Path):
    (tmp_path / "umg.toml").write_text(CONFIG)
    done = typed("--home", str(tmp_path), "experiment", "assign", "favourites", "1", "Zoë", "--format", "json")
    rows = json.loads(done.stdout)
    assert [(row["variant_bucket"], row["variant"]) for row in rows] == [(612, "control"), (8848, "b")]
    assert (
        "did you mean 'favourites'?" in typed("--home", str(tmp_path), "experiment", "assign", "favorites", "1").stderr
    )
    script = (
        "import sys, umg_assets.cli; print({n.split('.')[0] for n in sys.modules} & {'dagster', 'pyspark', 'scipy'})"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "set()"
