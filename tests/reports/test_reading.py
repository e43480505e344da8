"""A campaign read at one moment, and again."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from autoresearch_kit.execution import handover
from autoresearch_kit.ledger import History
from autoresearch_kit.records import (
    Command,
    Limits,
    Noise,
    Proposal,
    Request,
    SandboxLevel,
    Stage,
    State,
    Usage,
    Verdict,
    codec,
)
from autoresearch_kit.reports.reading import Reader, Reading
from autoresearch_kit.reports.status import in_short, known_campaigns, words
from autoresearch_kit.reports.under_way import RunWatcher
from autoresearch_kit.researchers.spending import Meter
from autoresearch_kit.verdicts.estimates import estimates
from tests.reports.nights import use, uses
from tests.researchers.llm.conftest import Ledger, ledger

__all__ = ["ledger"]


def read(ledger: Ledger) -> Reading:
    return Reader(ledger.root, "night").read()


def running(**changed: object) -> State:
    now = time.time()
    state = State("night", 1, Stage.RUNNING, "", 4, "wider", "", Limits(), now, now)
    return replace(state, **changed)  # type: ignore[arg-type]


def test_experiments_are_rows_by_number_however_they_come_in(ledger: Ledger) -> None:
    reader = Reader(ledger.root, "night")
    assert reader.read().best_curve[-1].step == 100
    ledger.constants(2, 1.7, WIDTH=4)
    assert [row.number for row in reader.read().table] == [0, 2]
    ledger.constants(1, 1.5, WIDTH=16)
    for _ in range(2):
        rows = reader.read().table
        assert [row.number for row in rows] == [0, 1, 2]
        assert [row.status for row in rows] == [Verdict.KEEP, Verdict.KEEP, Verdict.DISCARD]
        assert [row.delta for row in rows] == [None, pytest.approx(-0.1), pytest.approx(0.2)]
    History(ledger.root, "night").delete()
    assert reader.read().table == ()


def test_an_earlier_row_follows_from_later_runs(ledger: Ledger) -> None:
    reader = Reader(ledger.root, "night")
    assert str(reader.read().table[0].estimate) == "1.600000"
    made = ledger.constants(1, WIDTH=4)
    bare = replace(made.runs[0], sandbox=SandboxLevel.NONE)
    noise = Noise(0.02, 5.0)
    proposal = replace(made.proposal, number=2)
    made = replace(made, proposal=proposal, runs=(bare,), reruns=made.runs, noise=noise)
    ledger.history.append(made, ledger.history.source(1), {})
    reading = reader.read()
    assert str(reading.table[0].estimate) == "1.650 ± 0.014"
    assert reading.table[2].delta == pytest.approx(0.05)
    assert reading.noise == noise
    known = estimates(ledger.history.experiments())
    assert {row.number: row.estimate for row in reading.table} == known
    assert [row.weaker for row in reading.table] == [False, False, True]


def test_troubles_and_tokens_in_flight_are_read(ledger: Ledger) -> None:
    ledger.constants(1, None, WIDTH=4)
    ledger.workspace.log.write_text(
        "2026-01-01 00:00:00,1 INFO all is well\n"
        "2026-01-01 00:00:01,1 WARNING the endpoint is down\n"
    )
    Meter(ledger.workspace.usage).add(2, Usage(requests=1, tokens_in=100, tokens_out=10))
    reading = read(ledger)
    assert reading.troubles == (
        "2026-01-01 00:00:01,1 the endpoint is down",
        "experiment 1 crashed, out of memory: out of memory",
    )
    assert reading.usage is not None
    assert reading.usage.tokens == 110


def test_the_experiment_under_way_is_shown_with_its_diff(ledger: Ledger) -> None:
    constants: Mapping[str, int] = {"WIDTH": 16}
    folder = ledger.workspace.runs / "0001-1"
    folder.mkdir(parents=True)
    source = ledger.history.source(0)
    (folder / "input.ipynb").write_text(source.replace("WIDTH = 8", "WIDTH = 16"))
    ledger.workspace.under_way.write_pending(
        Proposal(1, 0, "llm", "wider", "", constants=constants)
    )
    ledger.workspace.write_state(running(number=1, run_folder=str(folder)))
    watcher = RunWatcher(ledger.workspace, ledger.history)
    assert watcher.look() is None
    with ledger.workspace.lock():
        run = watcher.look()
    assert run is not None
    assert "+WIDTH = 16" in str(run.diff)


def test_a_notebook_that_logs_no_loss_is_seen_to_train(ledger: Ledger) -> None:
    folder = ledger.workspace.runs / "0001-1"
    (folder / handover.WORK_FOLDER).mkdir(parents=True)
    (folder / handover.INPUT_FILE).write_text(ledger.history.source(0))
    begun = codec.encode(handover.Live(handover.TRAINS, time.time() - 30.0))
    (folder / handover.LIVE_FILE).write_bytes(begun)
    ledger.workspace.under_way.write_pending(Proposal(1, 0, "llm", "wider", ""))
    ledger.workspace.write_state(running(number=1, run_folder=str(folder)))
    watcher = RunWatcher(ledger.workspace, ledger.history)
    with ledger.workspace.lock():
        before = watcher.look()
        line = b'{"step": 0, "seconds": 12.5, "loss": 1.0}\n'
        (folder / handover.WORK_FOLDER / handover.METRICS_FILE).write_bytes(line)
        after = watcher.look()
    assert before is not None
    assert after is not None
    assert (before.curve, before.trained >= 30.0) == ((), True)
    assert after.trained == 12.5


@pytest.fixture
def several(ledger: Ledger) -> Iterator[Ledger]:
    """Yield a campaign with experiments 1 and 2 under way here, and 3, begun last, on far/gpu0."""
    uses = []
    for number, width in ((1, 16), (2, 32), (3, 64)):
        ledger.workspace.under_way.write_pending(
            Proposal(number, 0, "llm", "", "", constants={"WIDTH": width})
        )
        folder = ledger.workspace.runs / f"{number}"
        folder.mkdir(parents=True)
        source = ledger.history.source(0).replace("WIDTH = 8", f"WIDTH = {width}")
        (folder / "input.ipynb").write_text(source)
        here = use(f"gpu{number}", number, 10.0 * number)
        uses.append(replace(here, slot=replace(here.slot, folder=str(folder))))
    uses[2] = replace(uses[2], slot=replace(uses[2].slot, name="far/gpu0", folder=""))
    ledger.workspace.write_state(running(number=3, slots=tuple(uses)))
    with ledger.workspace.lock():
        yield ledger


@pytest.mark.parametrize(
    ("chosen", "slot", "remote"),
    [(None, "far/gpu0", True), (1, "gpu1", False), (2, "gpu2", False), (9, "far/gpu0", True)],
)
def test_one_of_several_experiments_under_way_is_followed(
    several: Ledger, chosen: int | None, slot: str, remote: bool
) -> None:
    run = RunWatcher(several.workspace, several.history).look(chosen)
    assert run is not None
    assert (run.slot, run.remote) == (slot, remote)
    assert f"+WIDTH = {run.proposal.constants['WIDTH']}" in str(run.diff)


def test_of_several_runs_one_on_this_machine_is_followed(several: Ledger) -> None:
    state = several.workspace.state()
    assert state is not None
    slots = tuple(replace(each, number=3) for each in state.slots)
    several.workspace.write_state(replace(state, slots=slots))
    run = RunWatcher(several.workspace, several.history).look()
    assert run is not None
    assert run.slot == "gpu2"


def test_slots_are_part_of_the_record_for_programs(several: Ledger) -> None:
    record = json.loads(codec.encode(read(several).record()))
    assert [each["slot"]["name"] for each in record["state"]["slots"]] == [
        "gpu1", "gpu2", "far/gpu0"
    ]  # fmt: skip


def test_slots_are_shown_only_while_the_campaign_runs(ledger: Ledger) -> None:
    ledger.workspace.write_state(running(slots=uses(4)))
    assert read(ledger).slots == ()
    with ledger.workspace.lock():
        assert len(read(ledger).slots) == 4


@pytest.mark.parametrize(
    ("stage", "request_", "said"),
    [
        (Stage.RUNNING, None, "running, experiment 4, seen 2 s ago"),
        (Stage.RUNNING, Request.STOP, "running, experiment 4, stops after it, seen 2 s ago"),
        (Stage.RUNNING, Request.STOP_NOW, "running, experiment 4, stops now, seen 2 s ago"),
        (Stage.RUNNING, Request.PAUSE, "running, experiment 4, pauses after it, seen 2 s ago"),
        (Stage.PAUSED, Request.PAUSE, "paused, experiment 4, seen 2 s ago"),
    ],
)
def test_a_request_is_mentioned_until_it_is_done(
    stage: Stage, request_: Request | None, said: str
) -> None:
    assert words(running(stage=stage, heartbeat=10.0), True, request_, 12.0) == said


@pytest.mark.parametrize("command", Command)
def test_a_dead_campaign_says_how_to_go_on(command: Command, ledger: Ledger) -> None:
    assert in_short(ledger.root, "night") == "not run here"
    ledger.workspace.write_state(running(command=command))
    assert known_campaigns(ledger.root) == ["night"]
    assert in_short(ledger.root, "night") == "died"
    said = f"died while running; go on with: autoresearch {command} night"
    assert read(ledger).words() == said


def test_the_record_for_programs_keeps_its_fields(ledger: Ledger) -> None:
    ledger.constants(1, 1.5, WIDTH=16)
    record = json.loads(codec.encode(read(ledger).record()))
    counts = [record[name] for name in ("experiments", "kept", "baseline", "best")]
    assert counts == [1, 1, 1.6, 1.5]
    fields = "tag running state request experiments kept crashed disturbed baseline baseline_error"
    fields += " best best_error noise spent extra usage damaged warning task front waiting"
    assert set(record) == set(fields.split())
    assert record["spent"]["parts"]["training"] > 0
    assert record["extra"] == {"repeats": 0, "of_best": 0, "set_aside": 0}
