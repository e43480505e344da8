"""Open the pool that a campaign's settings ask for: this machine's devices, or a Ray cluster's."""

from collections.abc import Callable
from pathlib import Path

from autoresearch_kit.campaign.cluster import open_cluster
from autoresearch_kit.campaign.context import Context, find_context
from autoresearch_kit.execution.local import LocalPool
from autoresearch_kit.execution.ray.pool import RayPool
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Settings

LOCAL = "local"
"""The setting `pool` for this machine's devices; others are of Ray clusters."""

OWN_RAY = "auto"
"""The setting `pool` for a Ray of the campaign's own, on this machine."""


def is_elsewhere(pool: str | None) -> bool:
    """Return whether the devices of a pool, None for the default, are other machines'."""
    return pool not in (None, LOCAL, OWN_RAY)


def open_pool(
    workspace: Workspace,
    history: History,
    settings: Settings,
    runs: Path,
    cancelled: Callable[[], bool],
) -> tuple[Context, LocalPool | RayPool]:
    """Return the campaign's context, and the pool of its runs, whose folders are made in `runs`.

    Waits for a cluster's slots until `cancelled`.

    Raises:
        KitError: as `find_context` says, or a cluster has no slot for the campaign.
    """
    if settings.pool == LOCAL:
        context = find_context(workspace, history, settings)
        return context, LocalPool(context.site, context.devices, workspace, runs)
    cluster = open_cluster(workspace, history, settings, runs)
    try:
        report = cluster.choose(cancelled)
        return find_context(workspace, history, settings, report), cluster
    except BaseException:
        cluster.close()
        raise
