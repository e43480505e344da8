"""An idea is run as often as its verdict needs, written down, and not run again after a kill.

What a run costs and scores is made up here; tests/campaign/test_repeats.py has real ones.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import cycle
from pathlib import Path
from typing import TypeVar

import pytest

from autoresearch_kit.campaign import measuring
from autoresearch_kit.campaign.experiment import Decider
from autoresearch_kit.campaign.heartbeat import Heartbeat
from autoresearch_kit.campaign.measuring import Measuring
from autoresearch_kit.campaign.orders import Steps, drive
from autoresearch_kit.campaign.outcome import Outcome
from autoresearch_kit.campaign.recording import files_of
from autoresearch_kit.errors import Cancelled, KitError
from autoresearch_kit.execution import handover, launch
from autoresearch_kit.execution.local import LocalPool
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import (
    Conditions,
    Experiment,
    Limits,
    Proposal,
    Reason,
    Rule,
    Run,
    RunSpec,
    Score,
    Settings,
    Verdict,
)
from autoresearch_kit.verdicts import noise
from autoresearch_kit.verdicts.decide import BESIDE
from autoresearch_kit.verdicts.noise import PRIOR_DOF, Group
from tests.campaign import made_up_runs, tiny
from tests.ledger import ledger
from tests.researchers.llm.conftest import DATASET, MACHINE

T = TypeVar("T")

BASELINE = (1.50, 1.51, 1.49)
BETTER = (1.3, 1.31, 1.29, 1.3, 1.305, 1.295)
AGAIN_BEST = (1.51, 1.5, 1.505, 1.515)


@dataclass
class Machine:
    """Gives the runs of each notebook their scores, by a word in it; None, and a reason, crash."""

    scores: dict[str, Iterator[float | Reason | None]]
    elsewhere: Iterator[float] = field(default_factory=lambda: iter(()))
    steps: dict[str, Iterator[int]] = field(default_factory=dict)
    ran: list[tuple[str, int]] = field(default_factory=list)
    waited: int = 0

    def execute(
        self,
        spec: RunSpec,
        waiting: None,
        *,
        cancelled: Callable[[], bool],
        meanwhile: Callable[[], None],
    ) -> Run:
        if cancelled():
            raise Cancelled("stopped")
        text = spec.notebook.read_text()
        word = next(word for word in self.scores if f"WIDTH = {word} " in text)
        value = next(self.scores[word])
        self.ran.append((word, spec.seed))
        (spec.folder / handover.EXECUTED_FILE).write_text(f"executed {len(self.ran)}")
        steps = next(self.steps.get(word, iter(())), 1000)
        made = replace(ledger.run(steps), seed=spec.seed, conditions=Conditions(self._busy(), 0.1))
        if isinstance(value, Reason):
            return replace(made, failure=value, detail="why")
        if value is None:
            return replace(made, failure=Reason.DIVERGED, detail="loss nan")
        return replace(made, score=score(value))

    def wait(self, *_: object) -> Steps[bool]:
        self.waited += 1
        yield ()
        return True

    def audit(self, spec: RunSpec, run: Run, *, cancelled: Callable[[], bool]) -> Run:
        assert run.score
        return replace(run, audit=score(run.score.value + 0.1))

    def _busy(self) -> float:
        return next(self.elsewhere, 0.0)


def score(value: float) -> Score:
    return Score("val_bpb", value, 1.0, 1, 1, 0.0, 1.0)


@dataclass(frozen=True)
class Place:
    """A campaign, where ideas are decided."""

    project: Path
    machine: Machine
    settings: Settings
    experiments: tuple[Experiment, ...] = ()

    def decider(self) -> Decider:
        workspace = Workspace(self.project, "night")
        workspace.create()
        source = tiny.notebook_text()
        context = made_up_runs.context_of(self.settings, MACHINE, DATASET, self.project, source)
        measuring = Measuring(context, workspace, Heartbeat(workspace, Limits()))
        return Decider(measuring, History(self.project, "night"), self.experiments)

    def decide(self, proposal: Proposal) -> Outcome:
        decider = self.decider()
        return self.drive(decider, decider.decide(proposal))

    def drive(self, decider: Decider, steps: Steps[T]) -> T:
        context, workspace = decider.measuring.context, decider.measuring.workspace
        with closing(LocalPool(context.site, context.devices, workspace, workspace.runs)) as pool:
            return drive(steps, pool, decider.measuring.heartbeat)


BEGIN = Proposal(0, None, "baseline", "baseline", "")
WIDER = Proposal(1, 0, "optuna", "WIDTH 8 -> 16", "", constants={"WIDTH": 16})


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine({"8": iter(BASELINE)})
    monkeypatch.setattr(launch, "execute", made.execute)
    monkeypatch.setattr(launch, "audit", made.audit)
    monkeypatch.setattr(measuring, "wait_until_quiet", made.wait)
    return made


@pytest.fixture
def place(project: Path, machine: Machine) -> Place:
    return Place(project, machine, replace(ledger.SETTINGS, rule=Rule.CAREFUL, seeds=3))


@pytest.fixture
def begun(place: Place) -> Place:
    """Return a campaign with its baseline, decided and in git."""
    outcome = place.decide(BEGIN)
    baseline = replace(ledger.experiment(0), runs=runs(outcome), nodes=NODES, noise=outcome.noise)
    History(place.project, "night").append(baseline, tiny.notebook_text(), {})
    Workspace(place.project, "night").forget(0)
    return replace(place, experiments=(baseline,))


NODES = TrainNotebook.parse(tiny.notebook_text()).nodes()


def runs(outcome: Outcome) -> tuple[Run, ...]:
    return tuple(each.run for each in outcome.counting())


def reruns(outcome: Outcome) -> tuple[Run, ...]:
    return tuple(each.run for each in outcome.best_counting())


def set_aside(outcome: Outcome) -> tuple[Run, ...]:
    return tuple(each.run for each in outcome.set_aside())


def values(runs: Sequence[Run]) -> list[float]:
    return [run.score.value for run in runs if run.score]


def test_the_baseline_is_run_with_several_seeds(place: Place) -> None:
    outcome = place.decide(BEGIN)
    assert values(runs(outcome)) == list(BASELINE)
    assert len({run.seed for run in runs(outcome)}) == 3
    assert outcome.noise is not None
    assert outcome.noise.dof == PRIOR_DOF + 2


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
    assert outcome.noise == noise.pool(groups, noise.prior(BASELINE[0], accelerator=False))
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


@pytest.mark.parametrize(("busy", "waited"), [((0.9,), 0), ((0.9, 0.7, 0.5), 1), ((0.8, 0.9), 1)])
def test_a_disturbed_run_is_repeated_with_its_seed(
    begun: Place, busy: tuple[float, ...], waited: int
) -> None:
    """Repeat at once while the machine gets quieter, twice at most; then when it is quiet."""
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
    measured = Workspace(begun.project, "night").measured(1)
    assert {one.run.failure for one in measured} == {None}


def test_a_loss_curve_that_is_a_link_is_left_out(begun: Place) -> None:
    begun.machine.scores |= {"16": iter(BETTER), "8": iter(AGAIN_BEST)}
    outcome = begun.decide(WIDER)
    workspace = Workspace(begun.project, "night")
    work = workspace.runs / outcome.own[0].chosen.folder / handover.WORK_FOLDER
    work.mkdir()
    (work / handover.METRICS_FILE).symlink_to("/etc/passwd")
    assert handover.METRICS_FILE not in files_of(workspace, outcome)
