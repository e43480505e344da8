import platform
from pathlib import Path

import pytest

from autoresearch_kit import machine
from autoresearch_kit.execution import sandbox
from autoresearch_kit.records import Accelerator, Machine

GPU = Accelerator("cuda", (9, 0), 85_000)
PROBED = Machine("H100", True, "bfloat16", True, 8, 64_000, "2.13", "3.11", "Linux", GPU)


@pytest.mark.parametrize(
    ("nodes", "found", "probes"), [([], None, 0), ([Path("/dev/nvidia0")], GPU, 1)]
)
def test_torch_is_asked_only_where_there_may_be_a_gpu(
    nodes: list[Path],
    found: Accelerator | None,
    probes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Importing it takes seconds. The driver's nodes, and what torch says, stand in for a GPU's."""
    asked: list[Machine] = []

    def probe() -> Machine:
        asked.append(PROBED)
        return PROBED

    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(sandbox, "gpu_nodes", lambda: nodes)
    monkeypatch.setattr(machine, "probe", probe)
    assert machine.accelerator() == found
    assert len(asked) == probes
