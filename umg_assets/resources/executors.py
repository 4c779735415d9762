"""Work on a cluster's executors: a function over items, one task an item. Without a cluster, in threads here.

The code travels as a zip, so an executor needs only the packages that the function imports. What returns is the
function's results, and must be small. Each try of an item leaves a note in a folder that executors share with this
process: empty while the try is under way, the result when it has ended. Spark tries a task again when its worker dies,
and fails the job in the end: the notes say which items have ended, and over which ones workers died.
"""

import os
import pickle
import re
import shutil
import sys
import uuid
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Generic, TypeVar

import pyarrow as pa
from pyspark.sql import SparkSession

import umg_assets
from umg_assets.resources.engine_errors import first_line
from umg_assets.resources.staging import staging_folder

Item = TypeVar("Item")
Result = TypeVar("Result")

CARRIED = ("files", "privacy")
"""The rooms whose code executors get. It is one zip: of two that hold the package, Python would look into one."""
ALONE, GIVEN_UP = 2, 3
"""After so many deaths of workers an item is tried by itself only; after so many, no more."""
_elsewhere: list[SparkSession] = []
_carrying: list[SparkSession] = []


class ExecutorsError(RuntimeError):
    """Executors cannot work; the message says why, and what they need."""


def runs_elsewhere(spark: SparkSession) -> None:
    """Notes that a session, which lives as long as this process, has its tasks run by a cluster."""
    _elsewhere.append(spark)


def spread(
    spark: SparkSession, work: Callable[[Item], Result], items: Sequence[Item], home: Path
) -> list[Result | None]:
    """The results of `work` for the items, in their order: None for one over which workers died three times.

    work: a function of a module that imports nothing of umg_assets outside CARRIED. home: UMG_HOME, which
    executors share with this process. What `work` raises is raised: on executors, as ExecutorsError, which is also
    raised when they cannot begin.
    """
    if not any(spark is session for session in _elsewhere):
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(work, items))
    _send(spark, home)
    notes = staging_folder(home)
    try:
        return _worked(_Job(spark, work, items, notes), len(items))
    finally:
        shutil.rmtree(notes, ignore_errors=True)


def _worked(job: "_Job[Item, Result]", count: int) -> list[Result | None]:
    results: dict[int, Result] = {}
    waiting, alone = list(range(count)), list[int]()
    while waiting:
        results |= job.run(waiting, ALONE)
        left, begun = [number for number in waiting if number not in results], job.unended()
        alone += [number for number in left if number in begun]
        waiting = [number for number in left if number not in begun]
    for number in alone:
        while number not in results and job.unended()[number] < GIVEN_UP:
            results |= job.run([number], GIVEN_UP)
    return [results.get(number) for number in range(count)]


class _Job(Generic[Item, Result]):
    """Work over items, which have numbers, and the notes of each try."""

    def __init__(self, spark: SparkSession, work: Callable[[Item], Result], items: Sequence[Item], notes: Path) -> None:
        self._spark, self._work, self._items, self._notes = spark, work, items, notes

    def run(self, numbers: Sequence[int], deaths: int) -> dict[int, Result]:
        """By item, the results of those that have ended. deaths: after how many of them an item is not tried again.

        Raises ExecutorsError when the job fails and no worker has died, nor any of these ended.
        """
        tried = len(self._tries())
        work = _noting(self._work, [(number, self._items[number]) for number in numbers], self._notes, deaths)
        try:
            rows = self._spark.range(0, len(numbers), 1, len(numbers)).mapInArrow(work, "number int, result binary")
            return {row["number"]: pickle.loads(row["result"]) for row in rows.collect() if row["result"]}
        except Exception as error:
            tries = self._tries()
            if len(tries) == tried:
                raise ExecutorsError(_needs(error)) from error
            ended = [(_number(note), note.read_bytes()) for note in tries]
            return {number: pickle.loads(result) for number, result in ended if result}

    def unended(self) -> Counter[int]:
        """By item, how many tries have begun and not ended."""
        return Counter(_number(note) for note in self._tries() if not note.stat().st_size)

    def _tries(self) -> list[Path]:
        return [note for note in self._notes.iterdir() if not note.suffix]


def _number(note: Path) -> int:
    return int(note.name.partition("-")[0])


def _noting(
    work: Callable[[Item], Result], numbered: Sequence[tuple[int, Item]], notes: Path, deaths: int
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """A function for executors: for each position among the items, the item's number and result.

    It is pickled by value, and so may use nothing of this module.
    """

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            numbers, results = [], []
            for position in batch.column(0).to_pylist():
                number, item = numbered[position]
                numbers.append(number)
                tries = [note for note in notes.glob(f"{number}-*") if not note.suffix]
                if sum(not note.stat().st_size for note in tries) >= deaths:
                    results.append(None)
                    continue
                note = notes / f"{number}-{uuid.uuid4().hex}"
                note.touch(0o600)
                try:
                    results.append(pickle.dumps(work(item)))
                except Exception:
                    note.unlink()  # it has not died
                    raise
                partial = note.with_suffix(".partial")
                partial.write_bytes(results[-1])
                partial.replace(note)
            yield pa.record_batch({"number": pa.array(numbers, pa.int32()), "result": pa.array(results, pa.binary())})

    return run


def _needs(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    said = next((line.strip() for line in lines if re.search(r"(Error|Exception): ", line)), first_line(error))
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return (
        f"the cluster's executors cannot work: {said[:300]}. They need Python {version} with the packages "
        "that umg-assets needs, and UMG_HOME under the same path, as this process's user (docs/operations.md)"
    )


def _send(spark: SparkSession, home: Path) -> None:
    """Sends the code of CARRIED to the executors, as one zip, once for a session."""
    if any(spark is session for session in _carrying):
        return
    root = Path(umg_assets.__file__).parent
    files = [root / "__init__.py", *sorted(file for room in CARRIED for file in (root / room).rglob("*.py"))]
    code = {file.relative_to(root.parent).as_posix(): file.read_bytes() for file in files}
    # executors that start later ask for it, too: it stays as long as this process
    archive = staging_folder(home) / f"umg_assets-{sha256(repr(code).encode()).hexdigest()[:12]}.zip"
    with zipfile.ZipFile(archive, "x") as file:
        for path, content in code.items():
            file.writestr(zipfile.ZipInfo(path), content)
    spark.addArtifacts(str(archive), pyfile=True)
    _carrying.append(spark)
