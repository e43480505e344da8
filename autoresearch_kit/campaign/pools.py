"""Open the pool that a campaign's settings ask for: this machine's devices, or a Ray cluster's."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from autoresearch_kit.campaign.context import (
    Context,
    baseline_of,
    data_ref,
    find_context,
    imports_of,
    prepare_for,
)
from autoresearch_kit.execution.local import LocalPool
from autoresearch_kit.execution.ray.assignments import SlotRequirements
from autoresearch_kit.execution.ray.messages import Connect, NodeSetup
from autoresearch_kit.execution.ray.pool import RayPool
from autoresearch_kit.execution.ray.transfer import describe_folder
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Settings
from autoresearch_kit.tasks.kinds import read_info

LOCAL = "local"  # the setting `pool` for this machine's devices; others are of Ray clusters
OWN_RAY = "auto"  # the setting `pool` for a Ray of the campaign's own, on this machine


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


def open_cluster(workspace: Workspace, history: History, settings: Settings, runs: Path) -> RayPool:
    """Open the pool that `--pool` asks for, which delivers to `runs`; see `RayPool.choose`.

    Raises:
        KitError: the notebook or the corpus is not usable.
    """
    dataset = prepare_for(workspace.root, settings)
    info = read_info(dataset)
    baseline = baseline_of(workspace, history, settings)
    experiments = history.experiments()
    wanted = None
    if experiments:
        first = experiments[0]
        wanted = SlotRequirements(first.fingerprint, first.runs[0].sandbox)
    node = NodeSetup(
        campaign=_name(workspace),
        tag=workspace.tag,
        data=data_ref(info),
        corpus=settings.dataset,
        clock=settings.clock,
        imports=tuple(imports_of(baseline)),
    )
    connect = _connect(settings.pool, workspace, dataset, node, runs)
    return RayPool(connect, workspace.folder / "ray.log", wanted)


def _connect(
    address: str, workspace: Workspace, dataset: Path, node: NodeSetup, runs: Path
) -> Connect:
    kit, data = describe_folder("kit", workspace.kit), describe_folder("data", dataset)
    return Connect(
        address=address,
        kit=workspace.kit,
        kit_digest=kit.digest,
        dataset=dataset,
        dataset_digest=data.digest,
        sizes=(kit.size, data.size),
        runs=runs,
        node=node,
    )


def _name(workspace: Workspace) -> str:
    """Return a name that no other campaign has on any node."""
    digest = hashlib.sha256(str(workspace.folder.resolve()).encode()).hexdigest()[:12]
    return f"{workspace.tag}-{digest}"
