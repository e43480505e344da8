"""Runs that are set aside: the machine was busy, or they claim fewer steps than others."""

from itertools import cycle

import pytest

from autoresearch_kit.campaign.recording import files_of
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Reason, Verdict
from tests.campaign.deciding import (
    AGAIN_BEST,
    BEGIN,
    BETTER,
    WIDER,
    Place,
    begun,
    machine,
    place,
    reruns,
    runs,
    set_aside,
    values,
)

__all__ = ["begun", "machine", "place"]


@pytest.mark.parametrize(("busy", "waited"), [((0.9,), 0), ((0.9, 0.7, 0.5), 1), ((0.8, 0.9), 1)])
def test_a_disturbed_run_is_repeated_with_its_seed(
    begun: Place, busy: tuple[float, ...], waited: int
) -> None:
    """At once while the machine gets quieter, twice at most; then when it is quiet."""
    begun.machine.scores["16"] = iter([*[1.9] * len(busy), 1.6])
    begun.machine.elsewhere = iter(busy)
    outcome = begun.decide(WIDER)
    assert (values(runs(outcome)), values(set_aside(outcome))) == ([1.6], [1.9] * len(busy))
    assert {run.seed for run in set_aside(outcome)} == {runs(outcome)[0].seed}
    assert begun.machine.waited == waited
    files = files_of(Workspace(begun.project, "night"), outcome)
    assert f"set-aside-{len(busy)}.ipynb" in files


def test_a_run_that_stays_disturbed_is_not_judged(begun: Place) -> None:
    begun.machine.scores["16"] = iter([1.3, 1.3, 1.3])
    begun.machine.elsewhere = iter([0.9] * 3)
    outcome = begun.decide(WIDER)
    decision = outcome.decision
    assert (decision.verdict, decision.reason) == (Verdict.DISTURBED, Reason.MACHINE_BUSY)
    assert decision.detail.startswith("run 1, disturbed 3 times, is not judged: 90% of the cores'")
    assert (runs(outcome), values(set_aside(outcome))) == ((), [1.3, 1.3, 1.3])
    assert outcome.noise is None


def test_a_best_that_stays_disturbed_leaves_no_verdict(begun: Place) -> None:
    begun.machine.scores |= {"16": iter(BETTER), "8": iter(AGAIN_BEST)}
    begun.machine.elsewhere = iter([0.0, 0.0, 0.9, 0.9, 0.9])
    outcome = begun.decide(WIDER)
    assert outcome.decision.verdict is Verdict.DISTURBED
    assert outcome.decision.detail.startswith("re-run of the best 1, disturbed 3 times")
    assert (len(runs(outcome)), reruns(outcome), len(set_aside(outcome))) == (2, (), 3)


def test_a_first_run_that_was_slow_is_repeated(begun: Place) -> None:
    begun.machine.scores |= {"16": iter([1.48, 1.3, 1.31, 1.29]), "8": iter(AGAIN_BEST)}
    begun.machine.steps["16"] = iter([314, 601, 598, 620])
    outcome = begun.decide(WIDER)
    assert outcome.decision.verdict is Verdict.KEEP
    assert (values(runs(outcome)), values(set_aside(outcome))) == ([1.31, 1.3, 1.29], [1.48])
    assert runs(outcome)[0].seed == set_aside(outcome)[0].seed


def test_code_that_claims_few_steps_again_and_again_wins_nothing(begun: Place) -> None:
    begun.machine.scores["16"] = iter([1.3, 1.9, 1.9, 1.2, 1.2])
    begun.machine.steps["16"] = iter([1000, 500, 500, 500, 1000])
    outcome = begun.decide(WIDER)
    decision = outcome.decision
    assert (decision.verdict, decision.reason) == (Verdict.DISTURBED, Reason.FEWER_STEPS)
    assert len(begun.machine.ran) == 3 + 4


@pytest.mark.parametrize(
    ("claim", "verdict"), [(1000, Verdict.DISCARD), (700, Verdict.DISTURBED)], ids=["no", "yes"]
)
def test_claiming_few_steps_when_unlucky_wins_nothing(
    begun: Place, claim: int, verdict: Verdict
) -> None:
    """A code that draws its own seed and is no better than the best: each run is another draw."""
    begun.machine.scores["16"] = iter([1.475, *[1.493, 1.473, 1.494, 1.468, 1.492, 1.476] * 2])
    begun.machine.scores["8"] = cycle([1.495, 1.485, 1.49])
    begun.machine.steps["16"] = cycle([1000, claim])
    outcome = begun.decide(WIDER)
    assert outcome.decision.verdict is verdict
    if verdict is Verdict.DISTURBED:
        assert max(values(runs(outcome))) < 1.48 < min(values(set_aside(outcome)))
        assert outcome.decision.reason is Reason.FEWER_STEPS


@pytest.mark.parametrize(
    ("own", "best", "steps"),
    [
        # without the second run, three would be enough
        ([1.47, 1.492, 1.474, 1.466, 1.471, 1.467], [1.497, 1.504, 1.5], [1000, 700]),
        # a lucky first run: its repeat, not picked by luck, counts when the keep is looked at again
        ([1.46, 1.472, 1.494, 1.473], [1.504, 1.511, 1.507], [700]),
    ],
    ids=["a later run", "the first run"],
)
def test_runs_that_claim_few_steps_can_make_more_runs_needed(
    begun: Place, own: list[float], best: list[float], steps: list[int]
) -> None:
    begun.machine.scores |= {"16": cycle(own), "8": cycle(best)}
    begun.machine.steps["16"] = iter(steps)
    outcome = begun.decide(WIDER)
    assert len(set_aside(outcome)) > 0
    assert len(runs(outcome)) > 3


def test_a_best_claiming_few_steps_when_lucky_is_not_beaten(begun: Place) -> None:
    begun.machine.scores["16"] = cycle([1.472, 1.476, 1.469])
    begun.machine.scores["8"] = cycle([1.474, 1.497, 1.475, 1.493])
    begun.machine.steps["8"] = cycle([700, 1000])
    assert begun.decide(WIDER).decision.reason is Reason.FEWER_STEPS


@pytest.mark.parametrize("claims", [(500, 500, 500), (500, 90, 300)], ids=["alike", "wild"])
def test_a_best_always_claiming_few_steps_is_compared_with(
    begun: Place, claims: tuple[int, ...]
) -> None:
    begun.machine.scores |= {"16": iter(BETTER), "8": cycle(AGAIN_BEST)}
    begun.machine.steps["8"] = cycle(claims)
    outcome = begun.decide(WIDER)
    assert outcome.decision.verdict is Verdict.KEEP
    assert {run.steps for run in reruns(outcome)} == {500}


def test_a_machine_that_is_never_quiet_can_have_a_baseline(place: Place) -> None:
    place.machine.elsewhere = iter([0.42, 0.44, 0.41, 0.45, 0.5])
    place.machine.scores["8"] = iter([1.5, 1.5, 1.5, 1.51, 1.49])
    outcome = place.decide(BEGIN)
    assert outcome.decision.verdict is Verdict.KEEP
    assert (len(runs(outcome)), len(set_aside(outcome))) == (3, 2)


def test_a_machine_getting_busier_does_not_become_usual(begun: Place) -> None:
    begun.machine.scores["16"] = iter([1.3] * 9)
    begun.machine.elsewhere = iter([0.28, 0.4, 0.5, 0.6, 0.7])
    outcome = begun.decide(WIDER)
    assert outcome.decision.verdict is Verdict.DISTURBED
