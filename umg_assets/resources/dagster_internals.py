"""The only module of umg_assets that imports Dagster's internals (`dagster._...`); every other one imports from here.

Dagster may change these without notice. VERSION is the release that they were last checked against; a test compares
it with the pinned and the installed one. What needs them, and what to look at on an upgrade:

- `event_log.RangeEventLog` overrides private methods of SqliteEventLogStorage (`_connect`, `_initdb`, `_db_lock`,
  `_initialized_dbs`, `_event_to_row`, `_store_asset_event`, `_store_asset_event_tags`), and stores ASSET_EVENTS and
  ASSET_CHECK_EVENTS into SqlEventLogStorageTable as Dagster does.
- `launcher.WatchedRunLauncher` answers run monitoring with CheckRunHealthResult and WorkerStatus; GRPC_INFO_TAG tells
  on which machine a run was launched. It finds a run's process in the metadata of the run's engine events (`pid`), for
  which its tests need EngineEventData.
- `instance` reports many materializations in one batch (DagsterEvent, DagsterEventBatchMetadata,
  StepMaterializationData, RUNLESS_JOB_NAME, RUNLESS_RUN_ID), and reads what is under way (NOT_FINISHED_STATUSES,
  BulkActionsFilter, BulkActionStatus) and what checks said (AssetCheckExecutionRecordStatus, AssetCheckExecutionsTable,
  SqlEventLogStorage, deserialize_value): Dagster has no public names for these.
- `watermarks` reads the data version of every partition in one query: by DATA_VERSION_TAG, out of the events' tags.
- `runner` reads from a BaseAssetGraph which checks block. `execute_in_process` gives a run neither the code location
  that it belongs to nor its assets (Dagster issues 17707, 19458): `named_runs` wraps RunDomain.create_run to add both.
- `io_manager` reports partitions in an order (`report_in_order`): Dagster takes that of a set, at random.
- `cli.serving` starts DAEMON_MODULE and asks the code server whether it answers (DagsterGrpcClient,
  DagsterUserCodeUnreachableError), before it starts what would otherwise show an error. `cli.webserver` serves a
  workspace as dagster-webserver does (`workspace_context`).
- `definitions` has a code server go on to look for ended runs (DagsterApiServer._check_for_orphaned_runs) after a look
  that failed: `keep_looking_for_ended_runs`.
"""

import functools
import logging
import sys
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dagster import AssetCheckKey, AssetKey, DagsterInstance, DagsterRun, OutputContext
from dagster._config.config_schema import UserConfigSchema
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.definitions.partitions.subset import DefaultPartitionsSubset
from dagster._core.definitions.repository_definition.valid_definitions import SINGLETON_REPOSITORY_NAME
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.events import (
    ASSET_CHECK_EVENTS,
    ASSET_EVENTS,
    DagsterEvent,
    DagsterEventBatchMetadata,
    DagsterEventType,
    EngineEventData,
    StepMaterializationData,
)
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus
from dagster._core.instance.utils import RUNLESS_JOB_NAME, RUNLESS_RUN_ID
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.sql import create_engine
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._grpc.client import DagsterGrpcClient
from dagster._serdes import ConfigurableClassData, deserialize_value

if TYPE_CHECKING:
    from dagster._core.workspace.context import WorkspaceProcessContext

__all__ = [
    "ASSET_CHECK_EVENTS",
    "ASSET_EVENTS",
    "DAEMON_MODULE",
    "DATA_VERSION_TAG",
    "GRPC_INFO_TAG",
    "INDEX_SHARD_NAME",
    "LOCATION",
    "MODULE",
    "NOT_FINISHED_STATUSES",
    "RUNLESS_JOB_NAME",
    "RUNLESS_RUN_ID",
    "SQLITE_BUSY_TIMEOUT_SECONDS",
    "VERSION",
    "AssetCheckExecutionRecordStatus",
    "AssetCheckExecutionsTable",
    "BaseAssetGraph",
    "BulkActionStatus",
    "BulkActionsFilter",
    "CheckRunHealthResult",
    "ConfigurableClassData",
    "DagsterEvent",
    "DagsterEventBatchMetadata",
    "DagsterEventType",
    "DagsterGrpcClient",
    "DagsterUserCodeUnreachableError",
    "DefaultRunLauncher",
    "EngineEventData",
    "SqlEventLogStorage",
    "SqlEventLogStorageTable",
    "SqliteEventLogStorage",
    "StepMaterializationData",
    "UserConfigSchema",
    "WorkerStatus",
    "create_engine",
    "deserialize_value",
    "keep_looking_for_ended_runs",
    "named_runs",
    "report_in_order",
    "workspace_context",
]

_log = logging.getLogger(__name__)
VERSION = "1.13.27"
"""The Dagster release that this module, and what uses it, were checked against."""

MODULE, LOCATION = "umg_assets.definitions", "umg_assets"
"""The module that holds the definitions, and the name of its code location, by which Dagster's UI finds runs."""

DAEMON_MODULE = "dagster._daemon"
"""`python -m` starts Dagster's daemon with it, without the console script of an activated environment."""


def workspace_context(instance: DagsterInstance, workspace: str) -> "WorkspaceProcessContext":
    """What Dagster's webserver serves: the code locations of a workspace file, and an instance."""
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import WorkspaceFileTarget

    return WorkspaceProcessContext(instance, WorkspaceFileTarget([workspace]), version=VERSION)


def keep_looking_for_ended_runs() -> None:
    """Where this process is a code server: it goes on to look for runs whose process has ended, though a look failed.

    Dagster's thread for that ends with the first error, such as a full disk or a locked database. From then on two
    files stay open for each run, until the process can open no more.
    """
    if "dagster._grpc.server" not in sys.modules:
        return
    from dagster._grpc.server import DagsterApiServer

    look = DagsterApiServer._check_for_orphaned_runs
    if hasattr(look, "__wrapped__"):
        return

    failed = False

    @functools.wraps(look)
    def look_and_go_on(self: DagsterApiServer) -> None:
        nonlocal failed
        try:
            look(self)
            failed = False
        except Exception as error:
            if not failed:  # it looks twice a second
                _log.warning("cannot look for runs whose process has ended: %s", type(error).__name__)
            failed = True

    DagsterApiServer._check_for_orphaned_runs = look_and_go_on


@contextmanager
def named_runs(
    instance: DagsterInstance, assets: AbstractSet[AssetKey] | None, checks: AbstractSet[AssetCheckKey] | None
) -> Iterator[None]:
    """Runs that `execute_in_process` creates meanwhile belong to LOCATION and name their assets and checks (None: all).

    Otherwise the UI's Overview and Jobs do not list them, and Re-execute ends in a traceback.
    """
    location = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(module_name=MODULE), LOCATION)
    repository, domain = RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME), instance.run_domain
    create = domain.create_run

    def create_named(*, job_name: str, **given: Any) -> DagsterRun:
        named = {"asset_selection": assets, "asset_check_selection": checks}
        return create(job_name=job_name, **{**given, **named, "remote_job_origin": repository.get_job_origin(job_name)})

    domain.create_run = create_named
    try:
        yield
    finally:
        domain.create_run = create


def report_in_order(context: OutputContext, keys: Sequence[str]) -> None:
    """Has the partitions that a step wrote reported in the order of keys, all of them: an asset's page shows the last.

    Dagster keeps partitions of two dimensions, and static ones, in a set, whose order differs from process to process.
    """
    context._asset_partitions_subset = DefaultPartitionsSubset(_InOrder(keys))


class _InOrder(frozenset[str]):
    """A set that is iterated in the order in which it was given."""

    def __new__(cls, keys: Sequence[str]) -> "_InOrder":
        made = super().__new__(cls, keys)
        made._keys = tuple(keys)
        return made

    _keys: tuple[str, ...]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)
