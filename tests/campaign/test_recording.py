"""Files that are kept of an experiment beside its record in git."""

from dataclasses import replace
from pathlib import Path

from autoresearch_kit.execution.judge.scoring import MEASURED_FILE
from autoresearch_kit.execution.pool import Delivery, Order
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Reason, Run
from tests.campaign.stub_pool import StubPool, Wants, run


def test_a_failed_measurement_can_be_read_after_its_run_is_removed(project: Path) -> None:
    def fail(order: Order, made: Run) -> Run:
        first = order.key.startswith("0001")
        return replace(made, score=None, failure=Reason.NOT_MEASURED) if first else made

    def write(pool: StubPool) -> None:
        for _, over in pool.under_way:
            assert isinstance(over, Delivery)
            (over.folder / MEASURED_FILE).write_text("ValueError: a hidden row")

    workspace = Workspace(project, "night")
    pool = StubPool(workspace.runs, 1, delivered=write)
    pool.changed = fail
    _, failed = run(project, pool, Wants({"WIDTH": 64}), experiments=1)
    assert failed.reason is Reason.NOT_MEASURED
    assert list(workspace.runs.iterdir()) == []
    kept = list((workspace.folder / "not-measured").rglob("*.ipynb"))
    assert kept == [workspace.folder / "not-measured" / "0001" / MEASURED_FILE]
    assert kept[0].read_text() == "ValueError: a hidden row"
