"""An idea is run as often as its verdict needs, written down, and not run again after a kill.

What a run costs and scores is made up here; tests/campaign/test_repeats.py has real ones.
"""

from dataclasses import replace

import pytest

from autoresearch_kit.campaign.heartbeat import Heartbeat
from autoresearch_kit.campaign.recording import files_of
from autoresearch_kit.errors import Cancelled, KitError
from autoresearch_kit.execution import handover, launch
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import LANGUAGE_MODELLING, Reason, TaskInfo, Verdict
from autoresearch_kit.verdicts import noise
from autoresearch_kit.verdicts.decide import BESIDE
from autoresearch_kit.verdicts.noise import PRIOR_DOF
from autoresearch_kit.verdicts.robust_sigma import Group, pool
from tests.campaign.deciding import (
    AGAIN_BEST,
    BASELINE,
    BEGIN,
    BETTER,
    WIDER,
    Place,
    begun,
    machine,
    place,
    reruns,
    runs,
    values,
)

__all__ = ["begun", "machine", "place"]


def test_the_baseline_is_run_with_several_seeds(place: Place) -> None:
    outcome = place.decide(BEGIN)
    assert values(runs(outcome)) == list(BASELINE)
    assert len({run.seed for run in runs(outcome)}) == 3
    assert outcome.noise is not None
    assert outcome.noise.dof == PRIOR_DOF + 2


def test_runs_count_only_for_the_measurement_that_made_them(place: Place) -> None:
    place.machine.scores["8"] = iter((*BASELINE, 1.2, 1.21, 1.19))
    info = TaskInfo(LANGUAGE_MODELLING, "data", "measurement")
    for measurement, scores in (("a", BASELINE), ("b", (1.2, 1.21, 1.19)), ("a", BASELINE)):
        there = replace(place, info=replace(info, measurement=measurement))
        assert values(runs(there.decide(BEGIN))) == list(scores)


def test_what_is_clearly_worse_is_run_once(begun: Place) -> None:
    begun.machine.scores["16"] = iter([1.6])
    outcome = begun.decide(WIDER)
    assert outcome.decision.reason is Reason.WORSE
    assert values(runs(outcome)) == [1.6]
    assert runs(outcome)[0].audit is None


def test_what_is_better_is_run_beside_the_best(begun: Place) -> None:
    begun.machine.scores |= {"16": iter(BETTER), "8": iter(AGAIN_BEST)}
    before = len(begun.machine.ran)
    outcome = begun.decide(WIDER)
    assert outcome.decision.verdict is Verdict.KEEP
    assert [word for word, _ in begun.machine.ran[before:]][:5] == ["16", "16", "8", "16", "8"]
    assert outcome.decision.gain is not None
    assert outcome.decision.gain.value == pytest.approx(0.205)
    # the noise is that of runs that were made together
    groups = [Group(0, BASELINE), Group(1, BETTER[1:3]), Group(0, AGAIN_BEST[:2])]
    assert outcome.noise == pool(groups, noise.prior(BASELINE[0], accelerator=False))
    files = files_of(Workspace(begun.project, "night"), outcome)
    assert {"run-1.ipynb", "run-2.ipynb", "rerun-1.ipynb"} <= set(files)
    assert [run.audit is not None for run in runs(outcome)][:2] == [True, False]


def test_a_gain_that_the_machine_made_is_not_kept(begun: Place) -> None:
    """All runs score lower now than the best did once, the best's too."""
    begun.machine.scores |= {"16": iter(BETTER), "8": iter([1.31, 1.3, 1.295, 1.305])}
    outcome = begun.decide(WIDER)
    assert outcome.decision.verdict is Verdict.DISCARD
    assert len(reruns(outcome)) == BESIDE


def test_code_that_crashes_with_any_seed_is_a_crash(begun: Place) -> None:
    begun.machine.scores["16"] = iter([1.3, None])
    decision = begun.decide(WIDER).decision
    assert (decision.verdict, decision.reason) == (Verdict.CRASH, Reason.DIVERGED)
    assert decision.detail == "run 2: loss nan"


def test_a_best_that_crashes_does_not_hold_up_the_verdict(begun: Place) -> None:
    begun.machine.scores |= {"16": iter(BETTER), "8": iter([None])}
    outcome = begun.decide(WIDER)
    assert len(runs(outcome)) == 6
    assert [run.score for run in reruns(outcome)] == [None]


def test_runs_over_before_a_stop_are_not_repeated(
    begun: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun.machine.scores |= {"16": iter(BETTER), "8": iter(AGAIN_BEST)}
    before = len(begun.machine.ran)
    stopped = begun.decider()
    monkeypatch.setattr(Heartbeat, "cancelled", lambda _: len(begun.machine.ran) == before + 2)
    with pytest.raises(Cancelled):
        begun.drive(stopped, stopped.decide(WIDER))
    monkeypatch.undo()
    monkeypatch.setattr(launch, "execute", begun.machine.execute)
    monkeypatch.setattr(launch, "audit", begun.machine.audit)
    outcome = begun.decide(WIDER)
    assert values(runs(outcome))[:3] == [1.3, 1.31, 1.29]
    ran = begun.machine.ran[before:]
    assert len(set(ran)) == len(ran)


def test_a_run_goes_beside_the_folder_of_another(begun: Place) -> None:
    """The run is in the second folder: the first, of a run that the kit failed, was removed."""
    begun.machine.scores["16"] = iter([1.6])
    decider = begun.decider()
    (decider.measuring.workspace.runs / "run-4").mkdir()
    outcome = begun.drive(decider, decider.decide(WIDER))
    assert outcome.own[0].chosen.folder == "run-5"


def test_a_best_that_the_kit_fails_ends_the_campaign(begun: Place) -> None:
    begun.machine.scores |= {"16": iter(BETTER), "8": iter([Reason.KIT_FAILED] * 2)}
    with pytest.raises(KitError, match="experiment 1 could not be run: why"):
        begun.decide(WIDER)
    measured = Workspace(begun.project, "night").under_way.measured(1)
    assert {one.run.failure for one in measured} == {None}


def test_a_loss_curve_that_is_a_link_is_left_out(begun: Place) -> None:
    begun.machine.scores |= {"16": iter(BETTER), "8": iter(AGAIN_BEST)}
    outcome = begun.decide(WIDER)
    workspace = Workspace(begun.project, "night")
    work = workspace.runs / outcome.own[0].chosen.folder / handover.WORK_FOLDER
    work.mkdir()
    (work / handover.METRICS_FILE).symlink_to("/etc/passwd")
    assert handover.METRICS_FILE not in files_of(workspace, outcome)
