"""Backfills as the UI launches them: what is asked for over GraphQL."""

from collections.abc import Callable, Mapping
from typing import Any

LAUNCH = """
mutation ($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""


def launched(post: Callable[..., dict[str, Any]], ranges: Mapping[str, tuple[str, str]], **tags: str) -> str:
    """Starts a backfill of ranges of partitions, by asset, with tags on its runs; returns its id.

    post: sends a query with its variables, and returns the answer.
    """
    partitions = [
        {"assetKey": {"path": [asset]}, "partitions": {"range": {"start": first, "end": last}}}
        for asset, (first, last) in ranges.items()
    ]
    params = {
        "partitionsByAssets": partitions,
        "tags": [{"key": f"dagster/{name}", "value": value} for name, value in tags.items()],
    }
    return id_of(post(LAUNCH, params=params), "launchPartitionBackfill")


def id_of(answer: dict[str, Any], mutation: str) -> str:
    """The id of the backfill that a mutation has started; fails with the answer if it has started none."""
    started = answer.get("data", {}).get(mutation, answer)
    assert started.get("__typename") == "LaunchBackfillSuccess", started
    return started["backfillId"]
