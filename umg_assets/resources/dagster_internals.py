"""The only module of umg_assets that imports Dagster's internals (`dagster._...`); every other one imports from here.

Dagster may change these without notice. VERSION is the release that they were last checked against; a test compares
it with the pinned and the installed one. What needs them, and what to look at on an upgrade:

- `event_log.RangeEventLog` overrides private methods of SqliteEventLogStorage (`_connect`, `_initdb`, `_db_lock`,
  `_initialized_dbs`, `_store_asset_event`, `_store_asset_event_tags`), and stores ASSET_EVENTS as Dagster does.
- `launcher.WatchedRunLauncher` answers run monitoring with CheckRunHealthResult and WorkerStatus; GRPC_INFO_TAG tells
  on which machine a run was launched. It finds a run's process in the metadata of the run's engine events (`pid`), for
  which its tests need EngineEventData.
- `instance` reports many materializations in one batch (DagsterEvent, DagsterEventBatchMetadata,
  StepMaterializationData, RUNLESS_JOB_NAME, RUNLESS_RUN_ID), and reads what is under way (NOT_FINISHED_STATUSES,
  BulkActionsFilter, BulkActionStatus) and what a check said (AssetCheckExecutionRecordStatus): Dagster has no public
  names for these.
- `watermarks` reads the data version of every partition in one query: by DATA_VERSION_TAG, out of the events' tags.
- `runner` reads from a BaseAssetGraph which checks block.
- `cli.serving` starts DAEMON_MODULE and asks the code server whether it answers (DagsterGrpcClient,
  DagsterUserCodeUnreachableError), before it starts what would otherwise show an error. `cli.webserver` serves a
  workspace as dagster-webserver does (`workspace_context`).
"""

from typing import TYPE_CHECKING

from dagster import DagsterInstance
from dagster._config.config_schema import UserConfigSchema
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.events import (
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
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sql import create_engine
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.client import DagsterGrpcClient
from dagster._serdes import ConfigurableClassData

if TYPE_CHECKING:
    from dagster._core.workspace.context import WorkspaceProcessContext

__all__ = [
    "ASSET_EVENTS",
    "DAEMON_MODULE",
    "DATA_VERSION_TAG",
    "GRPC_INFO_TAG",
    "NOT_FINISHED_STATUSES",
    "RUNLESS_JOB_NAME",
    "RUNLESS_RUN_ID",
    "SQLITE_BUSY_TIMEOUT_SECONDS",
    "VERSION",
    "AssetCheckExecutionRecordStatus",
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
    "SqliteEventLogStorage",
    "StepMaterializationData",
    "UserConfigSchema",
    "WorkerStatus",
    "create_engine",
    "workspace_context",
]

VERSION = "1.13.27"
"""The Dagster release that this module, and what uses it, were checked against."""

DAEMON_MODULE = "dagster._daemon"
"""`python -m` starts Dagster's daemon with it, without the console script of an activated environment."""


def workspace_context(instance: DagsterInstance, workspace: str) -> "WorkspaceProcessContext":
    """What Dagster's webserver serves: the code locations of a workspace file, and an instance."""
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import WorkspaceFileTarget

    return WorkspaceProcessContext(instance, WorkspaceFileTarget([workspace]), version=VERSION)
