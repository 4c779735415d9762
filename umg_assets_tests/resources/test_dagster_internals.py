"""Dagster's internals are imported in one place, which says for which release of Dagster they were checked."""

import ast
import importlib
import multiprocessing
import re
import threading
import time
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path

import dagster as dg
import yaml

import umg_assets
from umg_assets.resources import dagster_internals
from umg_assets_tests.processes import PATIENCE

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


def test_a_code_server_goes_on_to_look_for_ended_runs_after_a_look_that_failed(tmp_path: Path):
    module = importlib.import_module("dagster._grpc.server")
    dagster_internals.keep_looking_for_ended_runs()
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        reference = instance.get_ref()
    runs = tmp_path / "history" / "runs.db"
    whole = runs.rename(tmp_path / "runs.db")
    runs.mkdir()  # as on a full disk, it cannot be opened
    ended = multiprocessing.get_context("spawn").Process()
    ended.start()
    ended.join()
    server = module.DagsterApiServer.__new__(module.DagsterApiServer)
    server._executions, server._termination_events = {"run": (ended, reference)}, {"run": None}
    server._termination_times, server._execution_lock = {}, threading.Lock()
    server._shutdown_once_executions_finish_event = threading.Event()
    server._server_termination_event = threading.Event()
    cleaning = threading.Thread(target=server._cleanup_thread, daemon=True)
    cleaning.start()
    try:
        cleaning.join(3)
        assert cleaning.is_alive()
        assert server._executions, "it is still to be looked at"
        runs.rmdir()
        whole.rename(runs)
        until = time.monotonic() + PATIENCE
        while server._executions and time.monotonic() < until:
            time.sleep(0.1)
        assert not server._executions, "the run that has ended is let go of"
    finally:
        server._server_termination_event.set()
        cleaning.join()
