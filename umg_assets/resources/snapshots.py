"""What a step of a run works from: the ledger and the running day, read once, before the step reads any table.

What the step builds gets its watermark from this snapshot: an entry that is appended meanwhile makes the result stale,
never looks as if it were in it.
"""

from datetime import date
from typing import NamedTuple

import dagster as dg

from umg_assets.calendar import local_today
from umg_assets.catalogue import Catalogue
from umg_assets.planning.frozen import refuse_frozen
from umg_assets.planning.history import History
from umg_assets.planning.watermark import Watermark
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.partition_keys import partition_keys


class Snapshot(NamedTuple):
    """The ledger as read, and the local day on which it was."""

    history: History
    today: date

    @property
    def watermark(self) -> Watermark:
        """How far what is read now reaches."""
        return Watermark(self.history.sequence, self.today)


class Snapshots:
    """Gives every part of a step (inputs, the asset's function, outputs) the same snapshot; another step, a new one."""

    def __init__(self, ledger: Ledger, catalogue: Catalogue, time_zone: str) -> None:
        self._ledger, self._catalogue, self._time_zone = ledger, catalogue, time_zone
        self._latest: tuple[tuple[str, str, int], Snapshot] | None = None

    def of(self, context: dg.AssetExecutionContext | dg.InputContext | dg.OutputContext) -> Snapshot:
        """The snapshot of the step that a context belongs to, taken when it is first asked for."""
        asset = isinstance(context, dg.AssetExecutionContext)
        step = context.get_step_execution_context() if asset else context.step_context
        attempt = (step.run_id, step.step.key, step.previous_attempt_count)
        if self._latest is None or self._latest[0] != attempt:
            self._latest = attempt, Snapshot(self._ledger.read(), local_today(self._time_zone))
        return self._latest[1]

    def with_raw(self, context: dg.AssetExecutionContext, name: str) -> Snapshot:
        """The snapshot of a step that reads raw plays or events to build an asset.

        Raises FrozenDaysError, before anything is written, when some that its partitions were built from have gone.
        """
        snapshot = self.of(context)
        refuse_frozen({name: partition_keys(context)}, snapshot.history, self._catalogue, snapshot.today)
        return snapshot
