import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

import optuna
import pytest
from optuna.trial import TrialState

from autoresearch_kit.errors import KitError
from autoresearch_kit.records import Constant, Proposal, Reason, Verdict
from autoresearch_kit.researchers.duplicates import tried_before
from autoresearch_kit.researchers.optuna import OptunaResearcher
from autoresearch_kit.researchers.outcomes import find_outcomes, promising
from autoresearch_kit.verdicts.decide import Decision
from tests.researchers.fake_campaign import FakeCampaign, Objective, experiment

CONFIG = """\
MATRIX_LR = 0.04  # of Muon
EMBEDDING_LR = 0.4
WARMDOWN = 0.8
DEPTH = 4  # layers; 1..8
USE_SMEAR = True
WINDOW = "SL"  # pattern; one of L, SL, SSL
VOCAB = 1024  # the corpus's; fixed
"""

OPTIMUM = {"MATRIX_LR": 0.07, "EMBEDDING_LR": 0.25, "WARMDOWN": 0.6, "DEPTH": 3}


def quadratic(sigma: float = 0.0) -> Objective:
    """Return bits per byte from 1.2 up, by the squared log-distance to the optimum, with noise."""
    noise = random.Random(0)

    def bpb(constants: Mapping[str, Constant]) -> float:
        gaps = (math.log(float(constants[name]) / at) for name, at in OPTIMUM.items())
        return 1.2 + sum(0.1 * gap**2 for gap in gaps) + noise.gauss(0, sigma)

    return bpb


@pytest.fixture
def campaign() -> FakeCampaign:
    return FakeCampaign(CONFIG, quadratic())


@pytest.fixture
def researcher() -> OptunaResearcher:
    return OptunaResearcher()


def test_the_first_proposals_are_steps_from_the_best(
    campaign: FakeCampaign, researcher: OptunaResearcher
) -> None:
    for number in range(1, 9):
        best, proposal = campaign.best, researcher.propose(campaign.view)
        assert 1 <= len(proposal.constants) <= 2
        assert (proposal.number, proposal.parent) == (number, best.number)
        assert proposal.idea == ", ".join(
            f"{name} {best.constants[name]} -> {value}"
            for name, value in proposal.constants.items()
        )
        campaign.try_(proposal)


def test_every_constant_is_tried_before_any_is_tried_often(
    campaign: FakeCampaign, researcher: OptunaResearcher
) -> None:
    campaign.go(researcher, 6)
    tried = {name for e in campaign.experiments for name in e.proposal.constants}
    assert tried == {*OPTIMUM, "USE_SMEAR", "WINDOW"}


def test_thirty_noisy_experiments_gain_most_of_what_there_is(
    researcher: OptunaResearcher,
) -> None:
    exact = quadratic()
    left = []
    for tag in ("monday", "tuesday", "wednesday"):
        campaign = FakeCampaign(CONFIG, quadratic(sigma=0.003), tag)
        campaign.go(researcher, 30)
        reached, begun = exact(campaign.best.constants), exact(campaign.experiments[0].constants)
        assert reached is not None
        assert begun is not None
        left.append((reached - 1.2) / (begun - 1.2))
    assert sum(left) / len(left) < 0.25


def test_the_same_history_gives_the_same_proposal(campaign: FakeCampaign) -> None:
    for _ in range(20):
        proposal = OptunaResearcher().propose(campaign.view)
        assert OptunaResearcher().propose(campaign.view) == proposal
        campaign.try_(proposal)


def test_another_tag_gives_another_proposal(
    campaign: FakeCampaign, researcher: OptunaResearcher
) -> None:
    other = replace(campaign.view, tag="day")
    assert researcher.propose(campaign.view).constants != researcher.propose(other).constants


def test_tpe_joins_in_once_there_is_enough_history(
    campaign: FakeCampaign, researcher: OptunaResearcher
) -> None:
    tried = campaign.go(researcher, 24)
    modelled = [e.number for e in tried if e.proposal.hypothesis.startswith("TPE, from ")]
    assert modelled
    assert min(modelled) >= 12
    assert all(len(e.proposal.constants) <= 3 for e in tried if e.number in modelled)


def test_a_used_up_space_is_said() -> None:
    campaign = FakeCampaign("USE_SMEAR = True\nLAYERS = 1  # deep; 1..3\n", lambda _: 1.0)
    researcher = OptunaResearcher()
    campaign.go(researcher, 5)
    with pytest.raises(KitError, match="all values in reach of USE_SMEAR, LAYERS were tried"):
        researcher.propose(campaign.view)


def test_a_config_without_constants_is_said(researcher: OptunaResearcher) -> None:
    campaign = FakeCampaign("VOCAB = 8  # fixed by the corpus; fixed\nNAME = 'x'\n", lambda _: 1.0)
    with pytest.raises(KitError, match="config has no constants to search; write some"):
        researcher.propose(campaign.view)


def test_crashes_are_penalised_and_nothing_is_proposed_twice(researcher: OptunaResearcher) -> None:
    def objective(constants: Mapping[str, Constant]) -> float | None:
        return None if float(constants["DEPTH"]) > 4 else quadratic()(constants)

    campaign = FakeCampaign(CONFIG, objective)
    campaign.go(researcher, 40)
    vectors = [tuple(sorted(e.constants.items())) for e in campaign.experiments]
    assert len(set(vectors)) == len(vectors)
    crashes = [e for e in campaign.experiments if e.verdict is Verdict.CRASH]
    scores = [e.score for e in campaign.experiments if e.score is not None]
    (penalty,) = {v for o in find_outcomes(campaign.view) for v in o.values if v not in scores}
    assert crashes
    assert penalty == pytest.approx(2 * max(scores) - min(scores))
    assert campaign.best.score == min(scores)


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [(Verdict.CRASH, Reason.INVALID_EDIT), (Verdict.DISTURBED, Reason.MACHINE_BUSY)],
)
def test_what_was_not_tried_is_not_learnt_from(
    campaign: FakeCampaign, verdict: Verdict, reason: Reason
) -> None:
    proposal, code = replace(campaign.best.proposal, number=1, parent=0), campaign.notebooks[0]
    made = experiment(proposal, code, None, Decision(verdict, reason, ""), "")
    campaign.experiments.append(made)
    assert [outcome.values for outcome in find_outcomes(campaign.view)] == [(campaign.best.score,)]
    known = tried_before(campaign.view, code)
    assert known is not None
    assert known.number == 0


def test_experiments_with_other_code_are_left_out(
    campaign: FakeCampaign, researcher: OptunaResearcher
) -> None:
    campaign.go(researcher, 3)
    other = [replace(e, structure="other") for e in campaign.experiments[1:]]
    view = replace(campaign.view, experiments=(campaign.experiments[0], *other))
    assert len(find_outcomes(view)) == 1


def test_a_losing_direction_is_turned_and_a_winning_one_kept(campaign: FakeCampaign) -> None:
    lower = Proposal(1, 0, "optuna", "lower", "", constants={"MATRIX_LR": 0.02})
    campaign.try_(lower)
    assert promising("MATRIX_LR", find_outcomes(campaign.view)) == 1
    campaign.try_(replace(lower, number=2, constants={"MATRIX_LR": 0.05}))
    assert promising("MATRIX_LR", find_outcomes(campaign.view)) == 1
    assert promising("DEPTH", find_outcomes(campaign.view)) == 0


def in_flight(campaign: FakeCampaign, researcher: OptunaResearcher, count: int) -> list[Proposal]:
    """Return proposals that are asked for in turn, while all earlier ones run."""
    view, running = campaign.view, list[Proposal]()
    for number in range(view.number, view.number + count):
        running.append(researcher.propose(replace(view, number=number, running=tuple(running))))
    return running


@pytest.mark.parametrize("tried", [0, 24])
def test_no_constants_are_in_flight_twice(
    campaign: FakeCampaign, researcher: OptunaResearcher, tried: int
) -> None:
    campaign.go(researcher, tried)
    vectors = [
        {**campaign.best.constants, **p.constants} for p in in_flight(campaign, researcher, 16)
    ]
    assert not [vector for vector in vectors if vectors.count(vector) > 1]


def test_steps_in_flight_change_what_no_other_changes(
    campaign: FakeCampaign, researcher: OptunaResearcher
) -> None:
    changed = {name for each in in_flight(campaign, researcher, 6) for name in each.constants}
    assert changed == {*OPTIMUM, "USE_SMEAR", "WINDOW"}


def test_tpe_knows_what_is_in_flight(
    campaign: FakeCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign.go(OptunaResearcher(), 24)
    running = [replace(campaign.best.proposal, number=25, parent=0, constants={"DEPTH": 2})]
    view, told, add = campaign.view, list[TrialState](), optuna.Study.add_trials

    def add_trials(study: optuna.Study, trials: Sequence[optuna.trial.FrozenTrial]) -> None:
        told.extend(trial.state for trial in trials)
        add(study, trials)

    monkeypatch.setattr(optuna.Study, "add_trials", add_trials)
    for number in range(25, 40):
        OptunaResearcher().propose(replace(view, number=number, running=running))
    assert told.count(TrialState.COMPLETE) == 25 * told.count(TrialState.RUNNING) > 0
