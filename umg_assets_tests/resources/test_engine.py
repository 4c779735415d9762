"""The engine starts when a step needs it, once per process, and says in one line what it lacks."""

import time
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from umg_assets.resources.engine import Engine
from umg_assets_tests.lake import Lake
from umg_assets_tests.processes import need_java, printed_by, run_python

START = """
import sys
from umg_assets.resources.engine import EngineError, session
try:
    session("spark")
except EngineError as error:
    print("engine:", error)
print("stderr works", file=sys.stderr)
"""


def fake_java(folder: Path, version: str) -> Path:
    """A JAVA_HOME whose java only prints its version."""
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2022-01-01' >&2\n")
    java.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def built_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that is up to date, its Dagster instance on disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMG_ENGINE", "sail")
        lake = Lake(tmp_path_factory.mktemp("built") / "home", on_disk=True)
        lake.drop_plays("2026-03-02", [("p1", "u1", "s1", "t1", "2026-03-02T10:00:00Z", 190_000, "AT")])
        lake.run()
    return lake.home


@pytest.mark.parametrize("named", ["sail", "spark"])
def test_nothing_starts_until_a_step_needs_it(built_home: Path, named: str):
    output = printed_by(
        """
import sys
from pathlib import Path
import umg_assets.definitions
from umg_assets.resources.engine import _sessions
from umg_assets.cli.run import runner_of
from umg_assets.settings.model import read_settings
report = runner_of(read_settings(Path(sys.argv[1])), print).bring_up_to_date()
print(report.runs, len(_sessions), "umg_assets.resources.sail" in sys.modules)
from pyspark import SparkContext
print(SparkContext._gateway)
""",
        built_home,
        env={"UMG_ENGINE": named, "UMG_HOME": str(built_home)},
    )
    assert output.split() == ["0", "0", "False", "None"]


def test_a_process_has_one_session_whoever_asks(spark: SparkSession, engine: str):
    assert engine in ("sail", "spark")
    resources = [Engine(engine=engine) for _ in range(2)]  # pyright: ignore[reportArgumentType]
    assert all(resource.spark_session is spark for resource in resources)


def test_the_engine_ends_with_its_process_and_leaves_no_log_and_no_temporary_file(
    spark: SparkSession, engine: str, tmp_path: Path
):
    """`spark` only makes sure that this engine runs here."""
    output = printed_by(
        """
import sys
from pathlib import Path
from pyspark import SparkContext
from umg_assets.resources.engine import session
spark = session(sys.argv[1], home=Path(sys.argv[2]))
gateway = SparkContext._gateway
names = {path.name.split("-")[0] for path in Path(sys.argv[2], "staging").glob("*/*/*")}
closed = gateway and spark.sparkContext.getConf().get("spark.authenticate")
print(spark.range(3).count(), gateway.proc.pid if gateway else 0, closed, *sorted(names))
""",
        engine,
        tmp_path / "home",
        env={"TMPDIR": str(tmp_path)},
    )
    rows, java, closed, *temporary = output.split()
    assert rows == "3"
    assert temporary == (["blockmgr", "spark"] if engine == "spark" else ["umg"])
    assert closed == ("true" if engine == "spark" else "None"), "Spark's ports ask for a secret"
    assert [path.name for path in tmp_path.rglob("*")] == ["home", "staging"]
    assert (java != "0") == (engine == "spark")
    for _ in range(300):
        if java == "0" or not Path("/proc", java, "cmdline").exists():
            return
        time.sleep(0.1)
    pytest.fail(f"Java, process {java}, outlives the process that started it")


@pytest.mark.parametrize("home", [True, False], ids=["JAVA_HOME points nowhere", "no java on the PATH"])
def test_a_missing_java_is_one_line_with_what_to_do(tmp_path: Path, home: bool):
    env = {"PATH": str(tmp_path), "JAVA_HOME": str(tmp_path / "gone") if home else ""}
    done = run_python(START, env=env)
    assert done.stdout == (
        "engine: Apache Spark needs Java 17 or 21 and none was found: install Java 17 (Debian: apt-get install "
        "openjdk-17-jre-headless), or use UMG_ENGINE=sail, which needs none\n"
    )
    assert done.stderr == "stderr works\n"


def test_the_command_line_says_so_in_one_line_too(tmp_path: Path):
    lake = Lake(tmp_path / "home")
    lake.drop_plays("2026-03-02", [("p1", "u1", "s1", "t1", "2026-03-02T10:00:00Z", 190_000, "AT")])
    env = {"PATH": str(tmp_path), "JAVA_HOME": "", "UMG_ENGINE": "spark", "UMG_HOME": str(lake.home)}
    done = run_python("import sys; sys.argv = ['umg', 'run']; from umg_assets.cli.main import main; main()", env=env)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if "Java" in line]
    assert len(lines) == 1, done.stderr
    assert "needs Java 17 or 21 and none was found" in lines[0]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("version", "message"), [("11.0.2", "is 11"), ("1.8.0_292", "is 1"), ("25", "is 25")])
def test_a_java_that_does_not_fit_is_named_with_its_version(tmp_path: Path, version: str, message: str):
    done = run_python(START, env={"JAVA_HOME": str(fake_java(tmp_path, version))})
    assert f"{tmp_path}/bin/java {message}: install Java 17" in done.stdout
    assert done.stdout.startswith("engine: Apache Spark 4.2 runs on Java 17 or 21")
    assert done.stdout.count("\n") == 1


def test_a_failed_start_names_its_log_and_leaves_stderr_as_it_was(tmp_path: Path):
    need_java()
    done = run_python(START, env={"SPARK_DRIVER_MEMORY": "nonsense", "TMPDIR": str(tmp_path)})
    (log,) = tmp_path.glob("umg-spark-*.log")
    assert f"Its log: {log}." in done.stdout
    assert done.stdout.startswith("engine: Apache Spark did not start: ")
    assert done.stdout.count("\n") == 1
    assert "nonsense" in log.read_text()
    assert "nonsense" not in done.stderr
    assert done.stderr.endswith("stderr works\n")


def test_a_download_of_jars_is_announced_and_there_is_no_line_when_they_are_cached(tmp_path: Path):
    code = "from umg_assets.resources.engine import _announce_download; _announce_download()"
    output = run_python(code, env={"HOME": str(tmp_path)}).stderr
    assert output == "Downloading io.delta:delta-spark_4.2_2.13:4.4.0 for Apache Spark (once, about 35 s) ...\n"
    jar = tmp_path / ".ivy2.5.2" / "jars" / "io.delta_delta-spark_4.2_2.13-4.4.0.jar"
    jar.parent.mkdir(parents=True)
    jar.touch()
    assert run_python(code, env={"HOME": str(tmp_path)}).stderr == ""


def test_sail_needs_no_java(tmp_path: Path):
    code = "from umg_assets.resources.engine import session; print(session('sail').range(2).count())"
    done = run_python(code, env={"PATH": str(tmp_path), "JAVA_HOME": ""})
    assert (done.stdout, done.returncode) == ("2\n", 0), done.stderr


def test_an_error_of_the_engine_is_raised_and_not_printed_even_after_dagster_set_up_logging(tmp_path: Path):
    done = run_python(
        """
import logging.config
from umg_assets.resources.engine import session
spark = session("sail")
logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
try:
    spark.sql("select raise_error('a secret of the data')").collect()
except Exception:
    print("raised")
""",
    )
    assert (done.stdout, done.stderr) == ("raised\n", "")
