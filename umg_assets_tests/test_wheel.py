"""A wheel holds the package and nothing else, and works where there is no checkout."""

import fnmatch
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from umg_assets_tests.processes import PATIENCE, own_environment

pytestmark = pytest.mark.sail_enough

PROJECT = Path(__file__).parents[1]
_DAGSTER = "import sys; from dagster._cli import main; sys.argv[0] = 'dagster'; main()"

Installed = Callable[..., subprocess.CompletedProcess[str]]


def package_files(project: Path) -> dict[str, bytes]:
    """The files of the package by their path in a project: those that git knows, where it is a checkout."""
    listed = subprocess.run(["git", "-C", str(project), "ls-files", "umg_assets"], capture_output=True, text=True)
    names = listed.stdout.splitlines() or [
        file.relative_to(project).as_posix()
        for file in (project / "umg_assets").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    ]
    return {name: (project / name).read_bytes() for name in names}


def test_every_file_of_the_package_is_named_by_what_makes_a_wheel():
    packages = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    files = [Path(name) for name in package_files(PROJECT)]
    data = [file for file in files if file.suffix != ".py"]
    assert data, "templates, static files, SQL, deployment"
    for file in data:
        owner = next(folder for folder in file.parents if (PROJECT / folder / "__init__.py").exists())
        named = packages.get(".".join(owner.parts), ())
        assert any(fnmatch.fnmatch(file.relative_to(owner).as_posix(), pattern) for pattern in named), file
    assert [file for file in files if file.suffix == ".py" and file.parent / "__init__.py" not in files] == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of what a clean checkout holds, made by pip as users make one; the test is skipped where pip cannot."""
    source, made = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name, content in package_files(PROJECT).items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    (source / "umg_assets_tests").mkdir()
    (source / "umg_assets_tests" / "__init__.py").touch()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", str(made), str(source)]
    process = subprocess.run(pip, capture_output=True, text=True, timeout=PATIENCE)
    if process.returncode and ("No module named pip" in process.stderr or "setuptools" in process.stderr):
        pytest.skip(f"pip could not get setuptools: {process.stderr.splitlines()[0]}")
    assert process.returncode == 0, process.stderr
    (file,) = made.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Runs Python in an empty folder over the installed wheel, where no checkout can be imported."""
    site, folder = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("elsewhere")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # Dagster's servers take the first place of imports away
    places = os.pathsep.join([str(folder), str(site), sysconfig.get_path("purelib")])
    own = {**own_environment(), "PYTHONPATH": places, "UMG_HOME": str(folder / "home"), "UMG_PLOTS": "false"}

    def run(*arguments: str, good: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        process = subprocess.run(  # -S: without the .pth files of the environment, which name a checkout
            [sys.executable, "-S", "-P", *arguments],
            cwd=folder,
            env={**own, **environment},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert process.returncode == good, (process.stdout + process.stderr)[-4000:]
        return process

    return run


@pytest.fixture(scope="module")
def home(installed: Installed) -> Path:
    """A lake that the installed umg has made and built."""
    umg = ("-m", "umg_assets")
    installed(*umg, "init", "--first-day", "2026-03-01")
    installed(*umg, "generate", "--plays", "300", "--days", "3", "--last-day", "2026-03-03")
    installed(*umg, "run", good=3)  # the generator plants faults: more is set aside than umg.toml allows
    return Path(installed("-c", "import os; print(os.environ['UMG_HOME'])").stdout.strip())


@pytest.mark.exhaustive
def test_a_wheel_of_a_clean_checkout_holds_every_file_of_the_package_and_nothing_else(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        held = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
        entries = [archive.read(name) for name in archive.namelist() if name.endswith("entry_points.txt")]
    assert held == package_files(PROJECT)
    assert [text.split() for text in entries] == [[b"[console_scripts]", b"umg", b"=", b"umg_assets.cli.main:main"]]


@pytest.mark.exhaustive
def test_an_installed_wheel_runs_a_lakehouse_from_files_to_charts_and_pages(installed: Installed, home: Path):
    place = installed("-c", "import umg_assets; print(umg_assets.__file__)").stdout
    assert not Path(place).is_relative_to(PROJECT)
    assert installed("-m", "umg_assets", "--version").stdout.startswith("umg ")
    chart = installed("-m", "umg_assets", "chart", "top-tracks", "--market", "AT", "--format", "csv").stdout
    assert chart.startswith("month,country,")
    installed("-m", "umg_assets", "dashboard", "--snapshot", "site.zip")
    with zipfile.ZipFile(home.parent / "site.zip") as site:
        assert {"site/index.html", "site/static/style.css"} <= set(site.namelist())


@pytest.mark.exhaustive
def test_dagsters_command_line_checks_and_builds_what_is_installed_and_says_where_it_is_not_noted(
    installed: Installed, home: Path
):
    module = ("-m", "umg_assets.definitions")
    assert "All code locations passed" in installed("-c", _DAGSTER, "definitions", "validate", *module).stdout
    day = ("asset", "materialize", *module, "--select", "daily_track_plays", "--partition", "2026-03-02")
    noted = installed("-c", _DAGSTER, *day, DAGSTER_HOME=str(home / "dagster")).stderr
    assert "RUN_SUCCESS" in noted
    assert "set DAGSTER_HOME" not in noted
    assert f"set DAGSTER_HOME={home / 'dagster'}" in installed("-c", _DAGSTER, *day).stderr
