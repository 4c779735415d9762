"""`umg experiment` as people type it: files of any shape, errors, and what it does not import."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pytest
from scipy.stats import mannwhitneyu, ttest_ind

from umg_assets.cli.main import main
from umg_assets.experiments.file_options import MetricOption, experiment_of
from umg_assets.experiments.user_file import ExperimentFile
from umg_assets.statistics.readout import make_readout

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


Umg = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def umg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Umg:
    """`umg ARGUMENTS`, in this process: what it prints, and its exit code."""
    monkeypatch.setenv("UMG_HOME", str(tmp_path))  # which the command itself sets: monkeypatch puts it back

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["umg", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return subprocess.CompletedProcess(arguments, ended.value.code, printed.out, printed.err)

    return run


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
    source, options = ExperimentFile(file, unit, variant), [MetricOption.parse(text) for text in metrics]
    definition = experiment_of(options, dict.fromkeys(source.variants(), 1), 0.05, 0.05)
    return make_readout(definition, source.read(definition, {}).evidence)


def test_the_readout_of_cookie_cats_is_as_published(cats: Path):
    # 7-day retention 19.02 % to 18.20 %, p = 0.0016; 1-day 44.82 % to 44.23 %, p = 0.074 (two-proportion tests)
    readout = read(cats, "userid", "version", "r7=retention_7", "r1=retention_1")
    seven_days, one_day = (row.effect for row in readout.rows)
    assert (seven_days.control, seven_days.treatment) == pytest.approx((0.1902, 0.1820), abs=5e-5)
    assert seven_days.p == pytest.approx(0.0016, abs=5e-5)
    assert (one_day.control, one_day.treatment) == pytest.approx((0.4482, 0.4423), abs=5e-5)
    assert one_day.p == pytest.approx(0.0744, abs=5e-4)
    assert readout.verdicts[0].decision == "do not ship"
    assert not readout.held


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    """A file with a row for each session of returning users, and the same as arrays."""
    rng = np.random.default_rng(3)
    counts, treated = rng.geometric(0.25, 800), rng.integers(0, 2, 800)
    user = np.repeat(np.arange(800), counts)
    seconds = np.rint(np.exp(rng.normal(5, 0.8, 800)[user] + rng.normal(0, 0.6, len(user))))
    rows = [(f"u{u}", "b" if treated[u] else "control", int(s)) for u, s in zip(user, seconds, strict=True)]
    file = written(tmp_path_factory.mktemp("s") / "sessions.csv", ("user_id", "version", "seconds"), rows)
    return file, {"user": user, "seconds": seconds, "treated": treated}


def test_rows_of_sessions_are_summed_by_unit_and_ranked_as_scipy_ranks_them(sessions):
    file, truth = sessions
    readout = read(file, "user_id", "version", "duration=seconds/1")
    user, seconds, treated = truth["user"], truth["seconds"], truth["treated"]
    by_arm = [seconds[treated[user] == arm] for arm in (0, 1)]
    effect = readout.rows[0].effect
    assert (effect.control, effect.treatment) == pytest.approx([arm.mean() for arm in by_arm])
    means = np.bincount(user, weights=seconds) / np.bincount(user)
    ranks = {test.unit: test.p for test in readout.ranks}
    expected = mannwhitneyu(means[treated == 0], means[treated == 1], method="asymptotic").pvalue
    assert ranks["user"] == pytest.approx(expected)
    assert ranks["session"] == pytest.approx(mannwhitneyu(*by_arm, method="asymptotic").pvalue)
    assert readout.literal[0].t_p == pytest.approx(ttest_ind(*by_arm, equal_var=False)[1])


def test_parquet_gives_the_same_as_csv(sessions, tmp_path: Path):
    file, _ = sessions
    other = tmp_path / "sessions.parquet"
    duckdb.execute(f"COPY (FROM '{file}') TO '{other}' (FORMAT parquet)")
    first, second = (read(path, "user_id", "version", "duration=seconds/1").rows[0].effect for path in (file, other))
    assert first.p == pytest.approx(second.p)


def test_a_unit_in_two_variants_is_left_out_and_holds(tmp_path: Path):
    rows = [(f"u{at}", "control" if at % 2 else "b", at) for at in range(200)] + [("u1", "b", 3)]
    readout = read(written(tmp_path / "f.csv", ("id", "arm", "x"), rows), "id", "arm", "x=x")
    assert readout.held
    assert readout.exposed == {"control": 99, "b": 100}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--unit", "usrid", "--metric", "r=retention_7"), "did you mean 'userid'?"),
        (("--unit", "userid", "--metric", "r=version"), "expected numbers in version, got VARCHAR"),
        (("--unit", "userid", "--metric", "retention_7"), "expected NAME=numerator[/denominator]"),
        (("--unit", "userid", "--metric", "r=retention_7", "--control", "gate"), "expected one of gate_30, gate_40"),
        (("--unit", "userid", "--metric", "r=retention_7", "--weight", "gate_30=x"), "VARIANT=WHOLE NUMBER"),
    ],
)
def test_a_mistake_gets_one_clear_line(umg: Umg, cats: Path, options: tuple[str, ...], message: str):
    done = umg("experiment", "analyze", str(cats), "--variant", "version", *options)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_analyze_prints_a_verdict_and_writes_json_and_a_page_that_loads_nothing_else(
    umg: Umg, sessions, tmp_path: Path
):
    file, _ = sessions
    page = tmp_path / "readout.html"
    options = ("--unit", "user_id", "--variant", "version", "--metric", "duration=seconds/1")
    done = umg("experiment", "analyze", str(file), *options, "--html", str(page))
    assert done.returncode == 0, done.stderr
    assert "b against control: do not ship" in done.stdout
    assert "Not for decisions" in done.stdout
    text = page.read_text()
    assert "<svg" in text
    assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "").replace("http-equiv", "")
    nowhere = umg("experiment", "analyze", str(file), *options, "--html", str(tmp_path / "none" / "x.html"))
    assert "--html: expected a file that can be written" in nowhere.stderr
    plain = json.loads(umg("experiment", "analyze", str(file), *options, "--format", "json").stdout)
    assert plain["verdicts"][0]["treatment"] == "b"


def test_assign_gives_the_published_buckets_and_loads_neither_dagster_nor_an_engine(umg: Umg, tmp_path: Path):
    (tmp_path / "umg.toml").write_text(CONFIG)
    command = [sys.executable, "-m", "umg_assets", "--home", str(tmp_path), "experiment", "assign"]
    done = subprocess.run([*command, "favourites", "1", "Zoë", "--format", "json"], capture_output=True, check=True)
    rows = json.loads(done.stdout)
    assert [(row["variant_bucket"], row["variant"]) for row in rows] == [(612, "control"), (8848, "b")]
    mistyped = umg("--home", str(tmp_path), "experiment", "assign", "favorites", "1")
    assert "did you mean 'favourites'?" in mistyped.stderr
    script = (
        "import sys, umg_assets.cli.main; "
        "print({name.split('.')[0] for name in sys.modules} & {'dagster', 'pyspark', 'scipy'})"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "set()"
