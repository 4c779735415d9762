"""Dagster's internals are imported in one place, which says for which release of Dagster they were checked."""

import ast
import importlib
import re
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path

import yaml

import umg_assets
from umg_assets.resources import dagster_internals

PROJECT = Path(umg_assets.__file__).parent.parent
INTERNAL = re.compile(r"dagster(_[a-z]+)?\._")


def internal_imports() -> dict[str, set[str]]:
    """By internal module of Dagster, the modules that import it."""
    importers: dict[str, set[str]] = defaultdict(set)
    for file in (*PROJECT.glob("umg_assets/**/*.py"), *PROJECT.glob("umg_assets_tests/**/*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            modules: list[str] = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            for module in filter(INTERNAL.match, modules):
                importers[module].add(file.relative_to(PROJECT).as_posix())
    return importers


def test_each_internal_module_of_dagster_is_imported_by_one_module_and_in_the_package_by_dagster_internals_alone():
    importers = internal_imports()
    assert {module: files for module, files in importers.items() if len(files) > 1} == {}
    in_package = {file for files in importers.values() for file in files if file.startswith("umg_assets/")}
    assert in_package == {"umg_assets/resources/dagster_internals.py"}


def test_the_internals_were_checked_against_the_release_of_dagster_that_is_pinned_and_installed():
    pins = (PROJECT / "constraints.txt").read_text()
    pinned = re.search(r"^dagster==(\S+)$", pins, re.MULTILINE)
    assert pinned
    assert {pinned[1], version("dagster")} == {dagster_internals.VERSION}, (
        "Dagster was upgraded. The docstring of umg_assets/resources/dagster_internals.py says what needs each name: "
        "compare it with the new release's source (the methods that RangeEventLog overrides, those of "
        "DefaultRunLauncher and what run monitoring does with their answers, report_runless_asset_event), "
        "run `make test-all`, and then set VERSION."
    )


def test_the_classes_that_dagster_yaml_names_are_there():
    for file in (PROJECT / "umg_assets" / "deployment").glob("*.yaml"):
        settings = yaml.safe_load(file.read_text())
        classes = [value for value in settings.values() if isinstance(value, dict) and "class" in value]
        assert {"WatchedRunLauncher", "NoOpComputeLogManager"} <= {value["class"] for value in classes}
        for value in classes:
            assert hasattr(importlib.import_module(value["module"]), value["class"])
