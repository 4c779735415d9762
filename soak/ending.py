"""The end of a soak: everything settles, and the tables are those of a fresh build."""

import time
from datetime import timedelta
from pathlib import Path

import dagster as dg

from soak.backfiller import COMPACTION, Backfiller
from soak.feeder import Feeder
from soak.figures import Figure
from soak.journal import Journal
from soak.service import Service, umg
from soak.settable_clock import Clock
from soak.watcher import files_in, weight
from umg_assets import clock
from umg_assets.landing.scan import scan
from umg_assets.resources.instance import open_instance, started
from umg_assets.resources.ledger import Ledger
from umg_assets_tests.daemon import is_settled
from umg_assets_tests.lake import Lake

_PATIENCE = 900
"""Seconds until what does not settle is given up."""


class Ending:
    """Brings the soak of a lake to its end; what is wrong is a fault in the journal."""

    def __init__(
        self, lake: Lake, service: Service, feeder: Feeder, backfiller: Backfiller, clock: Clock, journal: Journal
    ) -> None:
        self._lake, self._service, self._feeder = lake, service, feeder
        self._backfiller, self._clock, self._journal = backfiller, clock, journal

    def await_first_set(self) -> None:
        """Waits until the service has published the charts of the first files."""
        while not (self._lake.home / "exports" / "current").exists():
            self._service.keep_up()
            time.sleep(1)
        self._journal.say("the first charts are published: now things happen")

    def settle(self) -> None:
        """Delivers what is missing, and waits until everything is up to date, by the service alone.

        Work that has failed is asked for again within the hour, or on the next day: so the clock goes on.
        """
        self._feeder.finish()
        self._clock.to_the_next_noon()
        self._await_settled()
        self._compact()
        self._await_settled()

    def _await_settled(self) -> None:
        began = last = time.monotonic()
        while not (is_settled(self._lake) and self._nothing_waits()):
            self._service.keep_up()
            self._feeder.accept()
            if time.monotonic() > last + 60:
                last = time.monotonic()
                self._clock.go_to(clock.now() + timedelta(hours=1))
            if last > began + _PATIENCE:
                self._journal.fault(f"not everything is up to date {_PATIENCE} s after the last file: {self._waits()}")
                return
            time.sleep(1)
        self._journal.say(f"everything is up to date, {time.monotonic() - began:.0f} s later")

    def _nothing_waits(self) -> bool:
        found = scan(self._lake.settings, Ledger(self._lake.home).read())
        with open_instance(self._lake.home) as instance:
            return not (found.held or found.withdrawn or found.waiting or started(instance))

    def _waits(self) -> str:
        found = scan(self._lake.settings, Ledger(self._lake.home).read())
        changed, held = ([file.path for file in files] for files in (found.changed, [file for file, _ in found.held]))
        return f"changed {changed}, held {held}, withdrawn {len(found.withdrawn)}, waiting {found.waiting}; " + (
            umg(self._lake.home, "status").stdout
        )

    def _compact(self) -> None:
        """Compacts every table and removes every old version."""
        run_id = self._backfiller.launch(COMPACTION, keep_days=0)
        deadline = time.monotonic() + _PATIENCE
        with open_instance(self._lake.home) as instance:
            while not (run := instance.get_run_by_id(run_id)) or not run.is_finished:
                if time.monotonic() > deadline:
                    self._journal.fault(f"the last compaction has not ended after {_PATIENCE} s")
                    return
                time.sleep(1)
        if run.status is not dg.DagsterRunStatus.SUCCESS:
            self._journal.fault(f"the last compaction ended as {run.status.value}")

    def compare(self, folder: Path) -> list[Figure]:
        """Counts again, runs again, and builds afresh in a folder. Returns the figures of the tables on disk."""
        home = self._lake.home
        done = umg(home, "reconcile")
        self._journal.say(done.stdout[-1500:])
        if done.returncode:
            self._journal.fault(f"umg reconcile ended with {done.returncode}: {done.stderr[-2000:]}")
        if runs := self._lake.run().runs:
            self._journal.fault(f"umg run did {runs} runs after everything was up to date")
        if left := files_in(home / "staging"):
            self._journal.fault(f"{len(left)} files are left in staging/, e.g. {left[0].name}")
        fresh = self._lake.built_afresh(folder)
        for table, rows in self._lake.content().items():
            if (afresh := fresh.rows(table)) != rows:
                self._journal.fault(f"{table} differs from a fresh build: {_difference(rows, afresh)}")
        lived, built = (_bytes_of_rows(of) for of in (home, folder))
        sets = len(list((home / "exports").glob("set-*")))
        return [
            Figure("rows of tables on disk, old versions removed", built, built, lived, 1.5 * built + 1, "MB"),
            Figure("published sets kept", 1, sets, sets, 10, ""),
        ]

    def count_runs(self) -> None:
        """Counts in the journal how runs and backfills have ended."""
        with open_instance(self._lake.home) as instance:
            ends = [("run", run.job_name, run.status) for run in instance.get_runs()]
            ends += [("backfill", "of the UI", backfill.status) for backfill in instance.get_backfills()]
        for what, name, status in ends:
            self._journal.counts[what, f"{name}, {status.value}"] += 1


def _difference(lived: list[dict], afresh: list[dict]) -> str:
    only_lived = [row for row in lived if row not in afresh]
    only_afresh = [row for row in afresh if row not in lived]
    return (
        f"{len(only_lived)} of {len(lived)} rows stand in it alone, e.g. {only_lived[:2]}; "
        f"{len(only_afresh)} of {len(afresh)} in the fresh build, e.g. {only_afresh[:2]}"
    )


def _bytes_of_rows(home: Path) -> float:
    """Megabytes of Parquet outside the tables' logs."""
    tables = files_in(home / "tables")
    return sum(weight(file) for file in tables if file.suffix == ".parquet" and "_delta_log" not in file.parts) / 1e6
