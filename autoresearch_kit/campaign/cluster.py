"""Open the pool of a Ray cluster for a campaign, whose own machine need have no GPU."""

import hashlib
from pathlib import Path

from autoresearch_kit.campaign.context import baseline_of, data_ref, imports_of, prepare_for
from autoresearch_kit.execution.ray.messages import Connect, NodeSetup
from autoresearch_kit.execution.ray.pool import RayPool
from autoresearch_kit.execution.ray.slot_class import SlotRequirements
from autoresearch_kit.execution.ray.transfer import describe_folder
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Settings
from autoresearch_kit.tasks.kinds import read_info


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
