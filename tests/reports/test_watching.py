"""What is seen of a campaign from outside."""

import time
from collections.abc import Mapping
from dataclasses import replace

import pytest

from autoresearch_kit.ledger import delete
from autoresearch_kit.records import (
    Experiment,
    Limits,
    Noise,
    Proposal,
    SandboxLevel,
    Stage,
    State,
    Usage,
    Verdict,
)
from autoresearch_kit.reports.status import words
from autoresearch_kit.reports.watching import Watch
from autoresearch_kit.researchers.spending import Meter
from tests.researchers.llm.conftest import Ledger, ledger

__all__ = ["ledger"]


def watch(ledger: Ledger) -> Watch:
    return Watch(ledger.root, "night")


def say(ledger: Ledger, **changed: object) -> State:
    """The campaign's word on itself, of a process that is not there."""
    now = time.time()
    state = State("night", 1, Stage.RUNNING, "", 1, "wider", "", 1.6, Limits(), now, now)
    state = replace(state, **changed)  # type: ignore[arg-type]
    ledger.workspace.write_state(state)
    return state


def test_experiments_are_rows_with_their_change(ledger: Ledger) -> None:
    ledger.constants(1, 1.5, WIDTH=16)
    ledger.constants(2, 1.7, WIDTH=4)
    rows = watch(ledger).look().rows
    assert [row.verdict for row in rows] == [Verdict.KEEP, Verdict.KEEP, Verdict.DISCARD]
    assert [row.delta for row in rows] == [None, pytest.approx(-0.1), pytest.approx(0.2)]


def test_what_came_since_is_added(ledger: Ledger) -> None:
    watching = watch(ledger)
    assert len(watching.look().rows) == 1
    ledger.constants(1, WIDTH=4)
    assert [row.number for row in watching.look().rows] == [0, 1]
    assert [row.number for row in watching.look().rows] == [0, 1]


def test_a_campaign_that_was_begun_anew_is_read_anew(ledger: Ledger) -> None:
    watching = watch(ledger)
    ledger.constants(1, WIDTH=4)
    assert len(watching.look().rows) == 2
    delete(ledger.root, "night")
    assert watching.look().rows == ()


def test_a_process_that_went_without_a_word_is_dead(ledger: Ledger) -> None:
    say(ledger)
    sight = watch(ledger).look()
    assert sight.dead
    assert words(sight.state, sight.running, None, sight.time) == "died while running"


def test_troubles_are_crashes_and_warnings_newest_first(ledger: Ledger) -> None:
    ledger.constants(1, None, WIDTH=4)
    ledger.workspace.log.write_text(
        "2026-01-01 00:00:00,1 INFO all is well\n"
        "2026-01-01 00:00:01,1 WARNING the endpoint is down\n"
    )
    assert watch(ledger).look().troubles == (
        "2026-01-01 00:00:01,1 the endpoint is down",
        "experiment 1 crashed, out of memory: out of memory",
    )


def test_what_is_in_flight_counts_as_spent(ledger: Ledger) -> None:
    Meter(ledger.workspace.usage).add(1, Usage(requests=1, tokens_in=100, tokens_out=10))
    assert watch(ledger).look().usage.tokens == 110


def test_the_best_has_its_curve(ledger: Ledger) -> None:
    assert watch(ledger).look().best_curve[-1].step == 100


def test_all_campaigns_are_listed_with_what_they_do(ledger: Ledger) -> None:
    say(ledger, stage=Stage.ENDED)
    assert Watch(ledger.root, "day").look().campaigns == {"day": "not run here", "night": "ended"}


def test_the_experiment_under_way_is_shown_with_its_diff(ledger: Ledger) -> None:
    constants: Mapping[str, int] = {"WIDTH": 16}
    folder = ledger.workspace.runs / "0001-1"
    folder.mkdir(parents=True)
    source = ledger.history.source(0)
    (folder / "input.ipynb").write_text(source.replace("WIDTH = 8", "WIDTH = 16"))
    ledger.workspace.write_pending(Proposal(1, 0, "llm", "wider", "", constants=constants))
    say(ledger, run_folder=str(folder))
    with ledger.workspace.lock():
        now = watch(ledger).look().now
    assert now is not None
    assert "+WIDTH = 16" in str(now.diff)


def test_an_earlier_row_follows_from_what_was_run_since(ledger: Ledger) -> None:
    watching = watch(ledger)
    assert str(watching.look().rows[0].known) == "1.600000"
    made = ledger.constants(1, WIDTH=4)
    append(ledger, replace(made, reruns=made.runs, noise=Noise(0.02, 5.0)))
    rows = watching.look().rows
    assert str(rows[0].known) == "1.650 ± 0.014"
    assert rows[2].delta == pytest.approx(0.05)
    assert watching.look().noise == Noise(0.02, 5.0)


def test_a_weaker_sandbox_is_seen(ledger: Ledger) -> None:
    made = ledger.constants(1, WIDTH=4)
    bare = replace(made.runs[0], sandbox=SandboxLevel.NONE)
    append(ledger, replace(made, runs=(bare,)))
    assert [row.weaker for row in watch(ledger).look().rows] == [False, False, True]


def append(ledger: Ledger, made: Experiment) -> None:
    """The same again, as experiment 2."""
    again = replace(made, proposal=replace(made.proposal, number=2))
    ledger.history.append(again, ledger.history.source(1), {})
