"""What a step of a run works from: the ledger, the running day and how far its inputs have been built.

All of it is read once, before the step reads any table. What the step builds gets its watermark from this snapshot: an
entry that is appended meanwhile, or an input that another run builds meanwhile, makes the result stale, never looks as
if it were in it.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import dagster as dg

from umg_assets.calendar import local_today
from umg_assets.catalogue import Catalogue
from umg_assets.graph import WHOLE
from umg_assets.planning.frozen import refuse_frozen
from umg_assets.planning.history import History
from umg_assets.planning.required import keys_read, required_watermarks
from umg_assets.planning.watermark import Watermark, Watermarks, built_from
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.partition_keys import partition_keys
from umg_assets.resources.watermarks import read_watermarks


class Snapshot(NamedTuple):
    """The ledger as read, the local day on which it was, and the watermarks of what the step's asset is made of."""

    history: History
    today: date
    inputs: Watermarks


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
            history, today = self._ledger.read(), local_today(self._time_zone)
            self._latest = attempt, Snapshot(history, today, self._inputs_of(step.op_def.name, step.instance))
        return self._latest[1]

    def _inputs_of(self, name: str, instance: dg.DagsterInstance) -> Watermarks:
        """The watermarks of the planned inputs of an asset; none of an asset that is not the catalogue's."""
        upstream = self._catalogue[name].upstream if name in self._catalogue else ()
        return read_watermarks(instance, [asset for asset in self._catalogue.planned if asset.name in upstream])

    def watermark_of(
        self, context: dg.AssetExecutionContext | dg.OutputContext, name: str, keys: Sequence[str] = ()
    ) -> Watermark:
        """The watermark of partitions that a step builds: its snapshot's, or less where an input was stale by then."""
        history, today, inputs = self.of(context)
        required = required_watermarks(history, self._catalogue, today)
        read = keys_read(self._catalogue[name], list(keys) or [WHOLE], self._catalogue, required)
        return built_from(read, required, inputs, Watermark(history.sequence, today))

    def with_raw(self, context: dg.AssetExecutionContext, name: str) -> Snapshot:
        """The snapshot of a step that reads raw plays or events to build an asset.

        Raises FrozenDaysError, before anything is written, when some that its partitions were built from have gone.
        """
        snapshot = self.of(context)
        refuse_frozen({name: partition_keys(context)}, snapshot.history, self._catalogue, snapshot.today)
        return snapshot
