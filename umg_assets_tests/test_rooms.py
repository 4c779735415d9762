"""Rooms and arrows: which part of umg_assets may import which, read from the source with `ast`.

A room is a top-level module or a top-level folder of umg_assets. An arrow is an import, wherever it is written: at the
top of a module, inside a function, under TYPE_CHECKING. Each rule is a function over a root folder that returns one
sentence for each arrow that breaks it; the last tests show, over made-up trees, that each rule can fail.
"""

import ast
import functools
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import umg_assets

PACKAGE = Path(umg_assets.__file__).parent

ROOMS = (
    "definitions",
    "__main__",
    "cli",
    "dashboard",
    "notebook",
    "build",
    "automation",
    "weekly",
    "runner",
    "report",
    "assets",
    "checks",
    "experiments",
    "recount",
    "backup",
    "forgetting",
    "landing",
    "privacy",
    "resources",
    "object_store",
    "planning",
    "catalogue",
    "graph",
    "transforms",
    "statistics",
    "settings",
    "files",
    "generator",
    "deployment",
    "drawing",
    "tables",
    "calendar",
    "clock",
    "text",
)
"""The rooms from top to bottom: each may import only those listed after it."""

PURE_ROOMS = ("transforms", "planning", "statistics")
"""Rooms that compute and neither read nor write: they may import none of OUTSIDE_WORLD and no room of IO_ROOMS."""
OUTSIDE_WORLD = ("dagster", "deltalake", "duckdb")
IO_ROOMS = ("resources", "privacy", "landing")

DAGSTER_INTERNALS = ("resources/dagster_internals.py",)
"""The modules that may import private modules of Dagster (`dagster._...`), each private module from only one."""


class Arrow(NamedTuple):
    """One module of the package imports another: both as paths in the package (`files/parse.py`), and the line."""

    importer: str
    imported: str
    line: int


class Import(NamedTuple):
    """One name that a module imports, dotted (`dagster._core.errors.DagsterError`), and the line."""

    importer: str
    name: str
    line: int


def modules_in(root: Path) -> list[Path]:
    """Every module under the root folder of a package."""
    return sorted(root.rglob("*.py"))


@functools.cache
def _nodes(path: Path) -> list[Any]:
    """Every node of a module's syntax tree. Cached: each made-up tree has a path of its own."""
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imports_in(root: Path) -> Iterator[Import]:
    """Every name that a module under root imports, wherever in the module; relative imports made absolute."""
    for path in modules_in(root):
        importer = path.relative_to(root).as_posix()
        package = (root.name, *path.relative_to(root).parts[:-1])
        for node in _nodes(path):
            if isinstance(node, ast.Import):
                yield from (Import(importer, alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                above = package[: len(package) - node.level + 1] if node.level else ()
                base = ".".join([*above, *([node.module] if node.module else [])])
                yield from (Import(importer, f"{base}.{alias.name}", node.lineno) for alias in node.names)


def arrows_in(root: Path) -> list[Arrow]:
    """Every import of one module under root by another, once per line; the package's own __init__.py is no target."""
    arrows = (
        Arrow(entry.importer, target, entry.line)
        for entry in imports_in(root)
        if (target := _module_of(root, entry.name)) and target != entry.importer
    )
    return list(dict.fromkeys(arrows))


@functools.cache
def _module_of(root: Path, name: str) -> str | None:
    """The module under root that a dotted name lies in: `pkg.files.parse.Layout` lies in files/parse.py."""
    first, *parts = name.split(".")
    if first != root.name:
        return None
    for length in range(len(parts), 0, -1):
        stem = root.joinpath(*parts[:length])
        for file in (stem.with_suffix(".py"), stem / "__init__.py"):
            if file.is_file():
                return file.relative_to(root).as_posix()
    return None


def room_of(module: str) -> str:
    """The room of a module: its top-level folder, or itself."""
    return module.split("/")[0].removesuffix(".py")


def circles(steps: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Circles in a graph of (from, to) steps, each as the nodes on the way, from the first in the alphabet.

    One circle for each step that closes one while the graph is walked depth first: none exactly if there is none.
    """
    following: dict[str, list[str]] = {}
    for start, end in sorted(set(steps)):
        following.setdefault(start, []).append(end)
    distinct: dict[tuple[str, ...], None] = {}
    finished: set[str] = set()

    def walk(node: str, way: list[str]) -> None:
        if node in way:
            circle = way[way.index(node) :]
            first = circle.index(min(circle))
            distinct[tuple(circle[first:] + circle[:first])] = None
        elif node not in finished:
            for end in following.get(node, ()):
                walk(end, [*way, node])
            finished.add(node)

    for node in following:
        walk(node, [])
    return [list(circle) for circle in distinct]


def _import_of(arrow: Arrow) -> str:
    return f"{arrow.importer}, line {arrow.line}, imports {arrow.imported}"


def circles_between_modules(root: Path) -> list[str]:
    """(a) No circle between modules."""
    arrows = {(arrow.importer, arrow.imported): arrow for arrow in reversed(arrows_in(root))}
    return [
        "; ".join(_import_of(arrows[step]) for step in zip(circle, [*circle[1:], circle[0]], strict=True))
        + ": modules may not import each other in a circle."
        for circle in circles(list(arrows))
    ]


def circles_between_rooms(root: Path) -> list[str]:
    """(b) No circle between rooms."""
    arrows = {
        (room_of(arrow.importer), room_of(arrow.imported)): arrow
        for arrow in reversed(arrows_in(root))
        if room_of(arrow.importer) != room_of(arrow.imported)
    }
    return [
        "; ".join(_import_of(arrows[step]) for step in zip(circle, [*circle[1:], circle[0]], strict=True))
        + f": the rooms {', '.join(circle)} may not import each other in a circle."
        for circle in circles(list(arrows))
    ]


def arrows_up(root: Path, rooms: Sequence[str] = ROOMS) -> list[str]:
    """(c) No arrow up: a room imports only rooms that are listed after it. Every room is listed."""
    known = {room_of(path.relative_to(root).as_posix()) for path in modules_in(root)} - {"__init__"}
    complaints = [f"{root.name}/{room} is no room yet: list it in ROOMS." for room in sorted(known - set(rooms))]
    for arrow in arrows_in(root):
        upper, lower = room_of(arrow.importer), room_of(arrow.imported)
        if upper in rooms and lower in rooms and rooms.index(upper) > rooms.index(lower):
            complaints.append(f"{_import_of(arrow)}: room {upper} is below room {lower} and may not import it.")
    return complaints


def files_that_know_the_rest(root: Path) -> list[str]:
    """(d) The room files imports nothing of the package outside files/."""
    return [
        f"{_import_of(arrow)}: files/ may import nothing of {root.name} outside files/."
        for arrow in arrows_in(root)
        if room_of(arrow.importer) == "files" and room_of(arrow.imported) != "files"
    ]


def impure_imports(root: Path) -> list[str]:
    """(e) transforms, planning and statistics import no Dagster, Delta, DuckDB, resources/ or landing/; PySpark only in
    transforms."""
    complaints = []
    for entry in imports_in(root):
        room, package = room_of(entry.importer), entry.name.split(".")[0]
        if room not in PURE_ROOMS:
            continue
        where = f"{entry.importer}, line {entry.line}, imports"
        target = _module_of(root, entry.name)
        if package in OUTSIDE_WORLD or package.startswith("dagster_"):
            complaints.append(f"{where} {entry.name}: room {room} may not import {package}.")
        elif package == "pyspark" and room != "transforms":
            complaints.append(f"{where} {entry.name}: of the pure rooms only transforms may import pyspark.")
        elif target and room_of(target) in IO_ROOMS:
            complaints.append(f"{where} {target}: room {room} may not import {room_of(target)}/.")
    return complaints


def stray_dagster_internals(root: Path, allowed: Sequence[str] = DAGSTER_INTERNALS) -> list[str]:
    """(f) Only the allowed modules import `dagster._...`, and each of Dagster's private modules from only one of ours.

    A private module that is named in a text, to be run with `python -m`, counts as imported.
    """
    complaints = []
    users: dict[str, Import] = {}
    for entry in [*_private_imports(root), *_private_names(root)]:
        where = f"{entry.importer}, line {entry.line}, imports {entry.name}"
        if entry.importer not in allowed:
            complaints.append(f"{where}: only {', '.join(sorted(allowed))} may import private modules of Dagster.")
        first = users.setdefault(entry.name, entry)
        if first.importer != entry.importer:
            complaints.append(
                f"{where}, and so does {first.importer}, line {first.line}: "
                "a private module of Dagster is imported from only one of ours."
            )
    return complaints


def _private_imports(root: Path) -> Iterator[Import]:
    """Imports of Dagster's private modules, by the module's name without what is taken from it."""
    for path in modules_in(root):
        importer = path.relative_to(root).as_posix()
        for node in _nodes(path):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module == "dagster":
                names = [f"dagster.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            yield from (Import(importer, name, node.lineno) for name in names if _is_private(name))


def _private_names(root: Path) -> Iterator[Import]:
    for path in modules_in(root):
        for node in _nodes(path):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_private(node.value):
                yield Import(path.relative_to(root).as_posix(), node.value, node.lineno)


def _is_private(name: str) -> bool:
    return bool(re.fullmatch(r"dagster\._[\w.]+", name))


Rule = Callable[[Path], list[str]]


def _report(complaints: list[str]) -> str:
    return "\n".join(["", *complaints])


def test_no_modules_import_each_other_in_a_circle():
    complaints = circles_between_modules(PACKAGE)
    assert not complaints, _report(complaints)


def test_no_rooms_import_each_other_in_a_circle():
    complaints = circles_between_rooms(PACKAGE)
    assert not complaints, _report(complaints)


def test_every_room_imports_only_rooms_below_it():
    complaints = arrows_up(PACKAGE)
    assert not complaints, _report(complaints)


def test_files_knows_nothing_of_the_rest():
    complaints = files_that_know_the_rest(PACKAGE)
    assert not complaints, _report(complaints)


def test_transforms_planning_and_statistics_are_pure():
    complaints = impure_imports(PACKAGE)
    assert not complaints, _report(complaints)


def test_each_private_module_of_dagster_is_imported_from_one_module():
    complaints = stray_dagster_internals(PACKAGE)
    assert not complaints, _report(complaints)


def tree(folder: Path, **modules: str) -> Path:
    """A package `pkg` of modules, by path with `__` for `/` (`files__parse`), each with its source."""
    root = folder / "pkg"
    for name, source in {"__init__": "", **modules}.items():
        path = root / (f"{name}.py" if name.startswith("__") else f"{name.replace('__', '/')}.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return root


def test_imports_count_at_the_top_in_functions_and_under_type_checking(tmp_path: Path):
    source = (
        "from pkg import tables\n"
        "if TYPE_CHECKING:\n"
        "    from pkg.files.parse import Layout\n"
        "def read():\n"
        "    import pkg.clock\n"
        "    from .calendar import today\n"
        "    from . import settings\n"
    )
    root = tree(tmp_path, cli__main=source, cli__calendar="", cli__settings="", tables="", files__parse="", clock="")
    assert sorted(arrows_in(root)) == [
        ("cli/main.py", "cli/calendar.py", 6),
        ("cli/main.py", "cli/settings.py", 7),
        ("cli/main.py", "clock.py", 5),
        ("cli/main.py", "files/parse.py", 3),
        ("cli/main.py", "tables.py", 1),
    ]


def test_a_tree_without_faults_breaks_no_rule(tmp_path: Path):
    root = tree(
        tmp_path,
        cli__main="from pkg.runner import Runner\nimport dagster",
        runner="from pkg.planning.runs import plan",
        resources__dagster_internals="from dagster._core.run import Run\nimport dagster._core.run",
        planning__runs="from pkg import tables\nfrom pkg.files import parse",
        transforms__plays="from pyspark.sql import functions",
        files__parse="from pkg.files import text\nimport duckdb",
        files__text="",
        tables="",
    )
    rules: list[Rule] = [circles_between_modules, circles_between_rooms, arrows_up]
    rules += [files_that_know_the_rest, impure_imports, stray_dagster_internals]
    assert [rule(root) for rule in rules] == [[], [], [], [], [], []]


def test_a_circle_of_modules_within_a_room_is_reported_with_its_lines(tmp_path: Path):
    root = tree(
        tmp_path,
        files__a="\nfrom pkg.files.b import x",
        files__b="def f():\n    from pkg.files.c import x",
        files__c="if TYPE_CHECKING:\n    import pkg.files.a",
    )
    assert circles_between_modules(root) == [
        "files/a.py, line 2, imports files/b.py; files/b.py, line 2, imports files/c.py; files/c.py, line 2, imports "
        "files/a.py: modules may not import each other in a circle."
    ]
    assert circles_between_rooms(root) == []


def test_a_circle_of_rooms_without_a_circle_of_modules_is_reported_with_its_lines(tmp_path: Path):
    root = tree(
        tmp_path,
        landing__scan="from pkg.resources import ledger",
        resources__ledger="",
        resources__engine="import os\nfrom pkg.landing.keys import key",
        landing__keys="",
    )
    assert circles_between_modules(root) == []
    assert circles_between_rooms(root) == [
        "landing/scan.py, line 1, imports resources/ledger.py; resources/engine.py, line 2, imports landing/keys.py: "
        "the rooms landing, resources may not import each other in a circle."
    ]


def test_each_of_several_circles_is_found():
    assert circles([("a", "b"), ("b", "c"), ("c", "d")]) == []
    assert circles([("c", "b"), ("b", "c"), ("a", "b"), ("d", "e"), ("e", "d")]) == [["b", "c"], ["d", "e"]]
    assert circles([("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("d", "a")]) == [["a", "b", "d"]]


def test_an_arrow_up_and_an_unknown_room_are_reported(tmp_path: Path):
    root = tree(tmp_path, tables="\n\nfrom pkg.settings.model import Settings", settings__model="", attic__box="")
    assert arrows_up(root) == [
        "pkg/attic is no room yet: list it in ROOMS.",
        "tables.py, line 3, imports settings/model.py: room tables is below room settings and may not import it.",
    ]


def test_an_import_of_another_room_in_files_is_reported(tmp_path: Path):
    root = tree(tmp_path, files__parse="from pkg import clock", clock="")
    assert arrows_up(root) == []
    assert files_that_know_the_rest(root) == [
        "files/parse.py, line 1, imports clock.py: files/ may import nothing of pkg outside files/."
    ]


@pytest.mark.parametrize(
    ("room", "source", "complaint"),
    [
        ("transforms", "import dagster as dg", "imports dagster: room transforms may not import dagster."),
        (
            "planning",
            "from dagster_pyspark import x",
            "imports dagster_pyspark.x: room planning may not import dagster_pyspark.",
        ),
        ("statistics", "import deltalake", "imports deltalake: room statistics may not import deltalake."),
        ("planning", "import duckdb", "imports duckdb: room planning may not import duckdb."),
        (
            "statistics",
            "from pyspark.sql import functions",
            "imports pyspark.sql.functions: of the pure rooms only transforms may import pyspark.",
        ),
        (
            "transforms",
            "from pkg.resources.reading import query",
            "imports resources/reading.py: room transforms may not import resources/.",
        ),
        ("planning", "import pkg.landing.scan", "imports landing/scan.py: room planning may not import landing/."),
    ],
)
def test_a_pure_room_that_reads_or_writes_is_reported(tmp_path: Path, room: str, source: str, complaint: str):
    modules = {f"{room}__module": source, "resources__reading": "", "landing__scan": ""}
    assert impure_imports(tree(tmp_path, **modules)) == [f"{room}/module.py, line 1, {complaint}"]


def test_a_private_module_of_dagster_in_an_unlisted_module_or_in_two_modules_is_reported(tmp_path: Path):
    root = tree(
        tmp_path,
        runner="from dagster._core.run import Run, RunStatus",
        automation="from dagster import AssetKey\nimport dagster._core.run",
        cli__serving='command = ["dagster._daemon", "run"]',
        cli__main="from dagster import _utils",
    )
    assert stray_dagster_internals(root, ["automation.py", "runner.py", "cli/serving.py"]) == [
        "cli/main.py, line 1, imports dagster._utils: only automation.py, cli/serving.py, runner.py may import "
        "private modules of Dagster.",
        "runner.py, line 1, imports dagster._core.run, and so does automation.py, line 2: a private module of Dagster "
        "is imported from only one of ours.",
    ]
