"""Rules of the design that the code itself must keep: who knows the engine, who does I/O, what is read how."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import umg_assets

PACKAGE = Path(umg_assets.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
KNOW_THE_ENGINE = {"resources/engine.py", "resources/lakehouse.py"}
NAME_THE_SETTING = {*KNOW_THE_ENGINE, "settings.py", "template.py", "doctor.py"}
ENGINES = re.compile(r"\b(sail|pysail|spark_remote|spark_master)\b", re.IGNORECASE)


def name_of(module: Path) -> str:
    """The module's path in the package."""
    return module.relative_to(PACKAGE).as_posix()


def imports(module: Path) -> Iterator[str]:
    """Every module that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{one.name}" for one in node.names)


def words(module: Path) -> Iterator[str]:
    """Names in a module's code, and texts that a program could branch on: no prose, no comments."""
    for node in ast.walk(ast.parse(module.read_text())):
        match node:
            case ast.Name(id=text) | ast.Attribute(attr=text) | ast.arg(arg=text) | ast.alias(name=text):
                yield text
            case ast.Constant(value=str() as text) if not re.search(r"\s", text):
                yield text


def roots(names: Iterator[str]) -> set[str]:
    """The first parts of dotted names."""
    return {name.split(".")[0] for name in names}


every_module = pytest.mark.parametrize("module", MODULES, ids=name_of)


@every_module
def test_only_the_engine_and_the_lakehouse_know_an_engines_package(module: Path):
    if name_of(module) not in KNOW_THE_ENGINE:
        assert not roots(imports(module)) & {"pysail", "delta", "dagster_pyspark", "py4j"}


@every_module
def test_no_module_but_those_two_and_the_settings_names_an_engine(module: Path):
    if name_of(module) not in NAME_THE_SETTING:
        assert not [word for word in words(module) if ENGINES.search(word)]


@every_module
def test_no_module_but_the_engine_makes_a_session_or_asks_which_one_runs(module: Path):
    if name_of(module) in KNOW_THE_ENGINE:
        return
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Attribute):
            assert node.attr not in ("builder", "getActiveSession", "sparkContext", "_jvm", "_jsc"), node.lineno
        if isinstance(node, ast.Compare) and module.name not in ("settings.py", "doctor.py"):
            sides = [node.left, *node.comparators]
            assert not [one for one in sides if isinstance(one, ast.Attribute) and one.attr == "engine"], node.lineno


@every_module
def test_an_engine_reads_parquet_and_delta_only_so_that_both_see_the_same_rows(module: Path):
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "read":
            assert node.attr in ("parquet", "schema", "format"), f"{node.lineno}: read.{node.attr}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
            asked = [one.value for one in node.args if isinstance(one, ast.Constant)]
            if ast.unparse(node.func.value).endswith((".read", ".write")):
                assert asked in (["delta"], ["parquet"]), f"{node.lineno}: {ast.unparse(node)}"
        if isinstance(node, ast.Name):
            assert node.id not in ("from_csv", "schema_of_csv")


@every_module
def test_nothing_is_overwritten_but_by_write_slice(module: Path):
    text = module.read_text()
    assert text.count('.mode("overwrite")') == (1 if name_of(module) == "resources/lakehouse.py" else 0)
    assert not re.search(r"insert\s+overwrite|partitionOverwriteMode|mergeSchema|overwriteSchema", text, re.IGNORECASE)
    assert not re.search(r"saveAsTable|insertInto|writeTo\(|mode=.overwrite", text)


@every_module
def test_rows_are_deleted_merged_and_appended_by_the_lakehouse_and_the_ledger_alone(module: Path):
    if name_of(module) == "resources/lakehouse.py":
        return
    text = module.read_text()
    assert text.count("write_deltalake(") == (1 if name_of(module) == "resources/ledger.py" else 0)
    assert not re.search(
        r"\b(delete\s+from|merge\s+into|truncate\s+table|drop\s+table|update\s+delta)\b", text, re.IGNORECASE
    )
    called = [node.func for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    assert not [one.lineno for one in called if isinstance(one, ast.Attribute) and one.attr in ("delete", "restore")]


def test_the_second_reader_shares_no_code_with_the_parser():
    second, parsers = PACKAGE / "recount" / "second_reader.py", sorted((PACKAGE / "resources").glob("parsing*.py"))
    assert not [one for one in imports(second) if one.startswith("umg_assets")]
    assert parsers
    assert not [one for module in parsers for one in imports(module) if one.startswith("umg_assets.recount")]


@pytest.mark.parametrize("module", sorted((PACKAGE / "transforms").glob("*.py")), ids=name_of)
def test_transforms_are_pure(module: Path):
    assert not roots(imports(module)) & {"dagster", "os", "pathlib", "io", "shutil", "deltalake", "duckdb", "pyarrow"}
    assert not [one for one in imports(module) if one.startswith(("umg_assets.resources", "umg_assets.assets"))]
    called = [node.func for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Call)]
    names = {one.attr if isinstance(one, ast.Attribute) else getattr(one, "id", "") for one in called}
    assert not names & {"collect", "count_rows", "toPandas", "open", "save", "load", "now", "today", "show"}


@pytest.mark.parametrize("module", [PACKAGE / "planning.py", PACKAGE / "tables.py"], ids=name_of)
def test_planning_and_contracts_know_neither_dagster_nor_an_engine_nor_files(module: Path):
    assert not roots(imports(module)) & {"dagster", "pyspark", "os", "pathlib", "deltalake", "duckdb", "pyarrow"}


@every_module
def test_a_module_fits_its_room_and_holds_no_machines_path(module: Path):
    text = module.read_text()
    if module.name != "tables.py":  # a list, as long as there are tables
        assert len(text.splitlines()) <= 310
    assert not re.search(r"/home/|/work/|/root/", text)
    assert not re.search(r"\b(TODO|FIXME|XXX)\b", text)


@pytest.mark.parametrize("module", sorted((PACKAGE / "assets").glob("*.py")), ids=name_of)
def test_an_assets_body_is_a_call_of_a_pure_function(module: Path):
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.FunctionDef) and any("asset" in ast.unparse(one) for one in node.decorator_list):
            lines = (node.end_lineno or 0) - node.body[0].lineno + 1
            assert lines <= 15, f"{node.name}: {lines} lines"


def test_every_test_that_docs_rules_md_names_is_there():
    root = Path(__file__).parent
    named = re.findall(r"`([a-z/_]+)::(\w+)`", (root.parent / "docs" / "rules.md").read_text(encoding="utf-8"))
    assert len(named) > 60
    assert not [
        f"{file}::{name}" for file, name in named if f"def test_{name}(" not in (root / f"{file}.py").read_text()
    ]


ON_BOTH = {
    "resources/test_lakehouse.py": {
        "a_slice_is_replaced",
        "a_row_outside_the_slice",
        "a_merge_inserts",
        "writers_of_one",
    },
    "resources/test_io_manager.py": {"a_days_run_reads_its_day_its_month_and_its_windows"},
    "test_broken_files.py": {"two_hundred_broken_files", "records_for_which_an_expression_raises"},
    "test_cost.py": {"a_late_play_of_a_closed_month_writes"},
    "test_expressions.py": {"every_function_gives"},
    "test_running.py": {"a_range_is_rebuilt"},
    "test_time_and_users.py": {"23_and_of_25_hours", "holds_a_user_id"},
    "test_truth.py": {"daily_sums", "country_charts", "window_charts", "movements", "sessions"},
    "test_whole_way.py": {"a_play_makes_its_way", "a_correction_that_moves_a_play", "a_changed_file_replaces"},
    "transforms/test_sessions.py": {"midnight", "30_minutes", "24_hours", "per_user"},
    "transforms/test_movements.py": {"first_month", "re_entry", "as_of_each_month"},
}
"""By file of tests, what depends on the engine: parts of the names of tests that both run."""


def test_what_depends_on_the_engine_is_tested_on_spark_too():
    root = Path(__file__).parent
    files = [str(root / file) for file in ON_BOTH]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files]
    env = {**os.environ, "UMG_ENGINE": "spark"}
    found = subprocess.run(command, cwd=root.parent, env=env, capture_output=True, text=True, check=True).stdout
    for file, names in ON_BOTH.items():
        collected = [line for line in found.splitlines() if f"/{file}::" in line]
        assert not [name for name in names if not any(name in line for line in collected)], file
