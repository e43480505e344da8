"""A whole campaign under the careful rule: the baseline's seeds, and a keep with its runs.

Runs are made up, one of the idea's on a machine that is said to be busy; git and folders are real.
"""

from dataclasses import replace
from statistics import fmean

import pytest

from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.execution import launch
from autoresearch_kit.records import Conditions, Limits, Proposal, Rule, Run, RunSpec, Verdict
from autoresearch_kit.verdicts.decide import BESIDE
from tests.campaign import made_up_runs, tiny
from tests.ledger import ledger

SEEDS = 3
BETTER = Proposal(1, 0, "optuna", "WIDTH 8 -> 64", "", constants={"WIDTH": 64})


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """Return the baseline, and one idea that helps."""
    root = tiny.make_project(tmp_path_factory.mktemp("repeats") / "project")
    settings = replace(made_up_runs.SETTINGS, rule=Rule.CAREFUL, seeds=SEEDS, max_elsewhere=0.3)
    night = Campaign("night", settings, root=root)
    with pytest.MonkeyPatch.context() as patch:
        made_up_runs.make_up(patch)
        patch.setattr(launch, "execute", execute)
        patch.setattr(launch, "audit", audit)
        experiments = night.run(Limits(experiments=1))
        next(experiments)
        night.workspace.under_way.write_pending(BETTER)
        assert len(list(experiments)) == 1
    return night


def execute(spec: RunSpec, waiting: None = None, **_: object) -> Run:
    """Score the code, with some luck of the seed; the machine is busy in the idea's second run."""
    code = 1.0 if "WIDTH = 64" in spec.notebook.read_text() else 2.0
    disturbed = made_up_runs.number_of(spec) == 1 and spec.folder.name == "run-2"
    busy = 0.9 if disturbed else 0.1
    run = replace(made_up_runs.made_up_run(spec, waiting), conditions=Conditions(busy, 1.0))
    return replace(run, score=ledger.score(code + spec.seed % 97 / 10_000))


def audit(_: RunSpec, run: Run, **__: object) -> Run:
    assert run.score is not None
    return replace(run, audit=replace(ledger.score(run.score.value + 0.1), metric="audit_bpb"))


def test_what_helps_is_kept_after_enough_runs(done: Campaign) -> None:
    baseline, better = done.history.experiments()
    assert len(set(baseline.scores)) == SEEDS
    assert better.verdict is Verdict.KEEP
    assert len(better.runs) > BESIDE
    assert len(better.reruns) >= BESIDE
    assert better.score == fmean(better.scores)
    # its gain is over the best's runs beside it, without its own first
    assert better.gain is not None
    beside = [run.score.value for run in better.reruns if run.score]
    apart = fmean(beside) - fmean(better.scores[1:])
    assert better.gain.value == pytest.approx(apart)


def test_both_keeps_are_audited_on_other_text(done: Campaign) -> None:
    for experiment in done.history.experiments():
        first = experiment.runs[0]
        assert first.score is not None
        assert first.audit is not None
        assert first.audit.metric == "audit_bpb"
        assert first.audit.value != first.score.value


def test_a_disturbed_run_is_set_aside_and_counts_for_nothing(done: Campaign) -> None:
    better = done.history.experiment(1)
    [aside] = better.set_aside
    counting = [run.seed for run in (*better.runs, *better.reruns)]
    assert counting.count(aside.seed) == 1


def test_git_has_each_runs_notebook_and_nothing_else_is_left(done: Campaign) -> None:
    for name in ("run-1", "run-2", "run-3", "rerun-1", "rerun-2", "set-aside-1"):
        assert done.history.file(1, f"{name}.ipynb")
    assert list(done.workspace.runs.iterdir()) == []
    assert done.workspace.under_way.numbers() == set()
