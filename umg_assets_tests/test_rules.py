"""House rules that the source itself must keep: who knows the engine, who reads and writes, and how.

Which room may import which is in test_rooms.py.
"""

import ast
import functools
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import umg_assets

PACKAGE = Path(umg_assets.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
SAIL = {"resources/sail.py", "resources/sail_gateway.py", "resources/sail_server.py"}
"""Sail's own process, and its client: nothing but engine.py imports them."""
KNOW_THE_ENGINE = {"resources/engine.py", "resources/lakehouse.py", *SAIL}
NAME_THE_ENGINE = {*KNOW_THE_ENGINE, "settings/model.py", "settings/template.py", "cli/doctor.py", "cli/version.py"}
COMPARE_THE_ENGINE = {*KNOW_THE_ENGINE, "settings/model.py", "cli/doctor.py"}
SESSION_ATTRIBUTES = ("builder", "getActiveSession", "sparkContext", "_jvm", "_jsc")
ENGINES = re.compile(r"\b(sail|pysail|spark_remote|spark_master)\b", re.IGNORECASE)


def name_of(module: Path) -> str:
    """The module's path in the package."""
    return module.relative_to(PACKAGE).as_posix()


@functools.cache
def nodes(module: Path) -> list[ast.AST]:
    """Every node of a module's syntax tree."""
    return list(ast.walk(ast.parse(module.read_text(encoding="utf-8"))))


def imports(module: Path) -> Iterator[str]:
    """Every name that a module imports, wherever in it: dotted, `import x` as `x.`."""
    for node in nodes(module):
        if isinstance(node, ast.Import):
            yield from (f"{alias.name}." for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def words(module: Path) -> Iterator[str]:
    """Names in a module's code, and texts that a program could branch on: no prose, no comments."""
    for node in nodes(module):
        match node:
            case ast.Name(id=text) | ast.Attribute(attr=text) | ast.arg(arg=text) | ast.alias(name=text):
                yield text
            case ast.Constant(value=str() as text) if not re.search(r"\s", text):
                yield text


def called(module: Path) -> list[ast.expr]:
    """What a module calls: the expression before each call's bracket."""
    return [node.func for node in nodes(module) if isinstance(node, ast.Call)]


def modules_of(room: str) -> list[Path]:
    """Every module of a room: of a top-level folder, or a top-level module."""
    modules = [module for module in MODULES if name_of(module).split("/")[0].removesuffix(".py") == room]
    assert modules
    return modules


def breaches(modules: Iterable[Path], breaches_in: Callable[[Path], Iterable[object]]) -> list[str]:
    """What breaks a rule in each of some modules, as `MODULE: WHAT`."""
    return [f"{name_of(module)}: {breach}" for module in modules for breach in breaches_in(module)]


def imports_of_packages(*packages: str) -> Callable[[Path], list[str]]:
    """A rule: a module imports none of these packages, nor anything in them."""
    return lambda module: [
        name for name in imports(module) if name.startswith(tuple(f"{package}." for package in packages))
    ]


def test_every_module_that_a_rule_excepts_exists():
    assert {*NAME_THE_ENGINE, *COMPARE_THE_ENGINE, *NOT_OF_A_LAKE} <= {name_of(module) for module in MODULES}


def test_only_the_engine_and_the_lakehouse_import_an_engines_package():
    others = [module for module in MODULES if name_of(module) not in KNOW_THE_ENGINE]
    assert not breaches(others, imports_of_packages("pysail", "delta", "dagster_pyspark", "py4j"))


def test_only_one_module_opens_what_lies_in_a_bucket():
    others = [module for module in MODULES if name_of(module) != "object_store.py"]
    clients = ("obstore", "boto3", "botocore", "s3fs", "fsspec", "gcsfs", "adlfs")
    assert not breaches(others, imports_of_packages(*clients))
    assert [name_of(module) for module in MODULES if list(imports_of_packages("obstore")(module))] == [
        "object_store.py"
    ]


def test_only_the_engine_imports_sails_process_and_its_client():
    others = [module for module in MODULES if name_of(module) not in {"resources/engine.py", *SAIL}]
    sails = "umg_assets.resources.sail"
    assert not breaches(others, lambda module: [name for name in imports(module) if name.startswith(sails)])


def test_only_those_two_the_settings_the_doctor_and_the_version_name_an_engine():
    others = [module for module in MODULES if name_of(module) not in NAME_THE_ENGINE]
    assert not breaches(others, lambda module: [word for word in words(module) if ENGINES.search(word)])


def test_only_the_engine_creates_a_session_or_asks_which_engine_runs():
    def session_calls(module: Path) -> Iterator[str]:
        for node in nodes(module):
            if isinstance(node, ast.Attribute) and node.attr in SESSION_ATTRIBUTES:
                yield f"{node.lineno}: .{node.attr}"
            if isinstance(node, ast.Compare) and name_of(module) not in COMPARE_THE_ENGINE:
                sides = [node.left, *node.comparators]
                if any(isinstance(side, ast.Attribute) and side.attr == "engine" for side in sides):
                    yield f"{node.lineno}: {ast.unparse(node)}"

    assert not breaches([module for module in MODULES if name_of(module) not in KNOW_THE_ENGINE], session_calls)


KNOW_THE_FOLDER = {"resources/locations.py", "resources/locks.py", "backup/taking.py", "privacy/keys.py"}
ASK_WHETHER_IT_IS_THERE = {"settings/home.py", "cli/keys.py"}


def test_only_one_module_says_where_a_table_lies():
    def in_folder(module: Path) -> Iterator[str]:
        for node in nodes(module):
            parts = (node.left, node.right) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) else ()
            if any(isinstance(part, ast.Constant) and part.value == "tables" for part in parts):
                yield ast.unparse(node)

    known = KNOW_THE_FOLDER | ASK_WHETHER_IT_IS_THERE
    assert not breaches([module for module in MODULES if name_of(module) not in known], in_folder)


NOT_OF_A_LAKE = {"generator/truth.py", "files/sample.py", "experiments/file_table.py"}
"""Modules that give DuckDB made-up data, a file's beginning, or a file that its owner names: none of a lakehouse's."""


def test_duckdb_over_a_lakehouse_spills_to_staging():
    def elsewhere(module: Path) -> Iterator[str]:
        for node in nodes(module):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func).startswith("duckdb.")):
                continue
            given = [ast.unparse(keyword.value) for keyword in node.keywords if keyword.arg == "config"]
            if not any("temp_directory" in config for config in given):
                yield f"{node.lineno}: {ast.unparse(node)}"

    assert not breaches([module for module in MODULES if name_of(module) not in NOT_OF_A_LAKE], elsewhere)


def test_an_engine_reads_only_parquet_and_delta_so_that_both_see_the_same_rows():
    def other_formats(module: Path) -> Iterator[str]:
        for node in nodes(module):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "read":
                if node.attr not in ("parquet", "schema", "format"):
                    yield f"{node.lineno}: read.{node.attr}"
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
                formats = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
                of_tables = ast.unparse(node.func.value).endswith((".read", ".write"))
                if of_tables and formats not in (["delta"], ["parquet"]):
                    yield f"{node.lineno}: {ast.unparse(node)}"
            elif isinstance(node, ast.Name) and node.id in ("from_csv", "schema_of_csv"):
                yield f"{node.lineno}: {node.id}"

    assert not breaches(MODULES, other_formats)


def test_only_write_slice_overwrites_rows():
    def overwrites(module: Path) -> Iterator[str]:
        text = module.read_text(encoding="utf-8")
        if text.count('.mode("overwrite")') != (1 if name_of(module) == "resources/lakehouse.py" else 0):
            yield '.mode("overwrite")'
        yield from re.findall(
            r"insert\s+overwrite|partitionOverwriteMode|mergeSchema|overwriteSchema", text, re.IGNORECASE
        )
        yield from re.findall(r"saveAsTable|insertInto|writeTo\(|mode=.overwrite", text)

    assert not breaches(MODULES, overwrites)


def test_only_two_modules_delete_merge_and_append_rows():
    def changes_of_rows(module: Path) -> Iterator[str]:
        text = module.read_text(encoding="utf-8")
        if text.count("write_deltalake(") != (1 if name_of(module) == "resources/appending.py" else 0):
            yield "write_deltalake("
        yield from re.findall(
            r"\b(delete\s+from|merge\s+into|truncate\s+table|drop\s+table|update\s+delta)\b", text, re.IGNORECASE
        )
        methods = [call for call in called(module) if isinstance(call, ast.Attribute)]
        of_tables = [call for call in methods if ast.unparse(call) != "obstore.delete"]  # an object, in a bucket
        yield from (f"{call.lineno}: {call.attr}" for call in of_tables if call.attr in ("delete", "restore"))

    assert not breaches([module for module in MODULES if name_of(module) != "resources/lakehouse.py"], changes_of_rows)


def test_the_second_reader_shares_no_code_with_the_parser():
    parsers = modules_of("files")
    declared = "umg_assets.files.layout."  # what a source declares; no code that reads
    package = imports_of_packages("umg_assets")
    second_readers = sorted((PACKAGE / "recount").glob("second_*.py"))
    assert len(second_readers) == 3
    themselves = tuple(f"umg_assets.recount.{module.stem}." for module in second_readers)
    assert not breaches(
        second_readers,
        lambda module: [name for name in package(module) if not name.startswith((declared, *themselves))],
    )
    assert {"files/parse.py", "files/delimited.py", "files/json_lines.py"} <= {name_of(module) for module in parsers}
    assert not breaches(parsers, imports_of_packages("umg_assets.recount"))


def test_a_recount_shares_no_code_with_the_transforms_and_needs_neither_dagster_nor_an_engine():
    others = ("umg_assets.transforms", "umg_assets.cli", "dagster", "pyspark")
    assert not breaches(modules_of("recount"), imports_of_packages(*others))


def test_reports_print_nothing_so_that_a_dashboard_can_use_them():
    reports = [PACKAGE / "cli" / "reports.py"]
    assert not breaches(reports, imports_of_packages("typer", "rich", "dagster", "pyspark", "umg_assets.cli"))


def test_transforms_are_pure():
    packages = ("dagster", "os", "pathlib", "io", "shutil", "deltalake", "duckdb", "pyarrow")
    rooms = ("umg_assets.resources", "umg_assets.assets")
    impure = {"collect", "count_rows", "toPandas", "open", "save", "load", "now", "today", "show"}

    def impure_calls(module: Path) -> set[str]:
        return impure & {
            call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in called(module)
        }

    assert not breaches(modules_of("transforms"), imports_of_packages(*packages, *rooms))
    assert not breaches(modules_of("transforms"), impure_calls)


def test_planning_and_contracts_know_neither_dagster_nor_an_engine_nor_files():
    packages = ("dagster", "pyspark", "os", "pathlib", "deltalake", "duckdb", "pyarrow")
    assert not breaches([*modules_of("planning"), *modules_of("tables")], imports_of_packages(*packages))


def test_a_module_is_short_and_holds_no_machines_path():
    def faults(module: Path) -> Iterator[str]:
        text = module.read_text(encoding="utf-8")
        if module.name != "tables.py" and len(text.splitlines()) > 310:  # a list, as long as there are tables
            yield f"{len(text.splitlines())} lines"
        yield from re.findall(r"/home/|/work/|/root/", text)
        yield from re.findall(r"\b(?:TODO|FIXME|XXX)\b", text)

    assert not breaches(MODULES, faults)


def test_an_assets_body_is_a_call_of_a_pure_function():
    def long_bodies(module: Path) -> Iterator[str]:
        for node in nodes(module):
            if isinstance(node, ast.FunctionDef) and any("asset" in ast.unparse(name) for name in node.decorator_list):
                lines = (node.end_lineno or 0) - node.body[0].lineno + 1
                if lines > 15:
                    yield f"{node.name}: {lines} lines"

    assert not breaches(modules_of("assets"), long_bodies)


def test_every_test_that_docs_rules_md_names_exists():
    root = Path(__file__).parent
    named = re.findall(r"`([a-z/_]+)::(\w+)`", (root.parent / "docs" / "rules.md").read_text(encoding="utf-8"))
    assert len(named) > 60
    missing = []
    for file, name in named:
        module = root / f"{file}.py"
        if not module.is_file() or f"def test_{name}(" not in module.read_text(encoding="utf-8"):
            missing.append(f"{file}::{name}")
    assert not missing


ON_BOTH = {
    "resources/test_lakehouse.py": {
        "a_slice_is_replaced",
        "a_row_outside_the_slice",
        "a_merge_inserts",
        "concurrent_writers_of",
    },
    "resources/test_constraints.py": {"rows_that_break_the_contract", "a_merge_refuses_a_key"},
    "settings/test_expressions.py": {"every_function_gives"},
    "experiments/test_exposures.py": {"buckets_are_the_same", "the_engine_assigns_as_python", "sums_run_from"},
    "experiments/test_moment_sums.py": {"exact_beyond_64_bits", "rank_sums_and_ties", "buckets_bins"},
    "test_both_engines.py": {"row_for_row_as_sail_does"},
    "transforms/test_sessions.py": {"midnight", "30_minutes", "24_hours", "per_user"},
    "transforms/test_movements.py": {"first_month", "re_entry", "as_of_each_month"},
}
"""By test file, what depends on the engine: parts of the names of tests that run on both engines."""


def test_what_depends_on_the_engine_is_tested_on_spark_too():
    root = Path(__file__).parent
    files = [str(root / file) for file in ON_BOTH]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files]
    env = {**os.environ, "UMG_ENGINE": "spark"}
    listed = subprocess.run(command, cwd=root.parent, env=env, capture_output=True, text=True, check=True).stdout
    missing = [
        f"{file}: {name}"
        for file, names in ON_BOTH.items()
        for name in sorted(names)
        if not any(f"/{file}::" in line and name in line for line in listed.splitlines())
    ]
    assert not missing
