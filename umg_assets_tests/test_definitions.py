"""The definitions are short, load without a table or an engine, and print no warning."""

import importlib
import tomllib
from pathlib import Path

import yaml

import umg_assets
from umg_assets import tables
from umg_assets.resources.dagster_internals import LOCATION, MODULE, VERSION
from umg_assets_tests.processes import run_python

PACKAGE = Path(umg_assets.__file__).parent
PROJECT = PACKAGE.parent


def test_definitions_are_under_80_lines():
    assert len((PACKAGE / "definitions.py").read_text().splitlines()) < 80


def test_every_tool_of_dagster_finds_the_same_definitions_under_the_same_name():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    assert project["tool"]["dg"]["directory_type"] == "project"
    of_dg = project["tool"]["dg"]["project"]
    assert (of_dg["code_location_target_module"], of_dg["code_location_name"]) == (MODULE, LOCATION)
    assert importlib.import_module(of_dg["root_module"]) is umg_assets
    (served,) = yaml.safe_load((PROJECT / "workspace.yaml").read_text())["load_from"]
    assert served == {"python_module": {"module_name": MODULE, "location_name": LOCATION}}
    (own,) = yaml.safe_load((PROJECT / "examples" / "own_asset" / "workspace.yaml").read_text())["load_from"]
    assert own["python_file"]["location_name"] == LOCATION


def test_the_project_says_for_which_dagster_and_which_systems_it_is_made():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    major, minor, _ = map(int, VERSION.split("."))
    assert f"dagster>={major}.{minor},<{major}.{minor + 1}" in project["dependencies"]
    systems = {line for line in project["classifiers"] if line.startswith("Operating System")}
    assert systems == {"Operating System :: MacOS", "Operating System :: POSIX :: Linux"}, "locks are fcntl's"
    assert (PROJECT / project["license-files"][0]).read_text().startswith(f"{project['license']} License")


EXPERIMENT = """
[experiments.favourites]
hypothesis = "b listens longer, for its tracks fit"
owner = "home"
salt = "favourites_2026"
variants = { control = 1, b = 1 }
first_day = 2026-03-02
"""


def test_definitions_load_without_a_table_an_engine_or_statistics_and_without_a_warning(tmp_path: Path):
    (tmp_path / "umg.toml").write_text(EXPERIMENT)
    for table in tables.ALL:
        log = tmp_path / "tables" / table.name / "_delta_log"
        log.mkdir(parents=True)
        (log / "00000000000000000000.json").write_text("whoever reads this fails")
    process = run_python(
        """
import sys
from umg_assets.definitions import defs
import dagster as dg
dg.Definitions.validate_loadable(defs)
print("experiment_favourites_readout" in str(defs.resolve_asset_graph().get_all_asset_keys()))
print({"pysail", "pandas", "scipy", "matplotlib", "tea_tasting"} & sys.modules.keys())
""",
        env={"UMG_HOME": str(tmp_path)},
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout.split() == ["True", "set()"]
    assert "umg_assets" not in process.stderr, process.stderr
    assert "Warning" not in process.stderr, process.stderr


def test_every_table_is_an_asset_and_every_asset_has_a_description():
    from umg_assets.build import build_definitions
    from umg_assets.settings.model import read_settings

    graph = build_definitions(read_settings(PACKAGE / "nowhere")).resolve_asset_graph()
    descriptions = {key.path[-1]: graph.get(key).description for key in graph.get_all_asset_keys()}
    assert {table.name for table in tables.ALL if table not in tables.OF_EXPERIMENTS} <= set(descriptions)
    assert all(descriptions.values())


def test_one_run_at_a_time_writes_a_table_because_its_asset_has_its_own_pool():
    from umg_assets.build import build_definitions
    from umg_assets.catalogue import LAND_FILES, Catalogue
    from umg_assets.settings.model import read_settings

    settings = read_settings(PACKAGE / "nowhere")
    graph = build_definitions(settings).resolve_asset_graph()
    pools = {key.path[-1]: graph.get(key).pools for key in graph.materializable_asset_keys}
    landed = {*Catalogue.of(settings).assets_of(LAND_FILES)}
    assert all(pools[name] == {"raw"} for name in landed), "landed together, by one step"
    assert {name: pools[name] for name in pools.keys() - landed} == {name: {name} for name in pools.keys() - landed}
