"""Whoever starts work in Dagster's UI: backfills, compaction and vacuum, whole-table checks, the daily run."""

import random
from datetime import timedelta
from typing import Any

from soak.journal import Journal
from soak.service import Service
from soak.settable_clock import Clock
from umg_assets.resources.dagster_internals import LOCATION
from umg_assets_tests.daemon.backfills import launched

_RUN = """
mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
COMPACTION = "compact_tables"
_JOBS = (COMPACTION, "check_tables", "close_the_day")
_DAILY = ("plays", "sessions", "daily_track_plays", "top_artists_by_genre", "age_group_favourites")


class Backfiller:
    """Asks by GraphQL, as the UI does; while the webserver does not answer, for nothing."""

    def __init__(self, service: Service, clock: Clock, seed: int, journal: Journal) -> None:
        self._service, self._clock, self._journal = service, clock, journal
        self._random = random.Random(f"backfiller {seed}")

    def ask(self) -> None:
        """Starts a backfill of some days, or a job."""
        kind = self._random.choice(["backfill", "backfill", *_JOBS])
        try:
            if kind == "backfill":
                self._backfill()
            else:
                self.launch(kind, keep_days=7)
        except (OSError, AssertionError) as error:  # the webserver, or the code server behind it, is not there
            self._journal.note("refused", kind, str(error)[:200])
        else:
            self._journal.note("launched", kind)

    def launch(self, job: str, keep_days: int) -> str:
        """Starts a job; its run's id. keep_days: of compaction."""
        config: dict[str, Any] = {"ops": {"compact_and_vacuum": {"config": {"keep_days": keep_days}}}}
        where = {"repositoryLocationName": LOCATION, "repositoryName": "__repository__"}
        params = {"selector": {**where, "jobName": job}, "runConfigData": config if job == COMPACTION else {}}
        answer = self._service.post(_RUN, params=params).get("data", {}).get("launchRun", {})
        assert answer.get("__typename") == "LaunchRunSuccess", answer
        return answer["run"]["runId"]

    def _backfill(self) -> None:
        last = self._clock.today - timedelta(days=self._random.randint(0, 5))
        days = ((last - timedelta(days=self._random.randint(0, 10))).isoformat(), last.isoformat())
        launched(self._service.post, dict.fromkeys(self._random.sample(_DAILY, self._random.randint(1, 3)), days))
