"""A real campaign under the careful rule: the baseline's seeds, and a keep with its runs.

One of the idea's runs is said to have been disturbed, which it was not: the machine is made up.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from autoresearch_kit.campaign.loop import Campaign
from autoresearch_kit.campaign.options import Wishes, settle
from autoresearch_kit.execution import launch
from autoresearch_kit.records import Conditions, Limits, Proposal, Run, RunSpec, Verdict
from autoresearch_kit.verdicts.decide import BESIDE
from tests.campaign import tiny

pytestmark = pytest.mark.slow

CONFIG = "QUALITY = 0.5  # how much of the training text's frequencies it uses; 0..1\n"
MODEL = """
class Frequencies(torch.nn.Module):
    def __init__(self, logits):
        super().__init__()
        self.logits = torch.nn.Parameter(logits)

    def forward(self, tokens):
        return self.logits.expand(*tokens.shape, -1)


counts = torch.bincount(next(run.batches(64))[0].flatten(), minlength=run.vocab_size)
luck = 0.01 * torch.randn(1, generator=torch.Generator().manual_seed(run.seed))
model = Frequencies((counts + 0.1).log() * (QUALITY + luck))
"""
TRAIN = """
for step in run.steps():
    run.log(loss=1.0, tokens=64)
    break
"""

SEEDS = 3
BETTER = Proposal(1, 0, "optuna", "QUALITY 0.5 -> 1.0", "", constants={"QUALITY": 1.0})


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Campaign:
    """The baseline, and one idea that helps."""
    cells = {"config": CONFIG, "model": MODEL, "train": TRAIN}
    root = tiny.make_project(tmp_path_factory.mktemp("repeats") / "project", **cells)
    night = Campaign(
        "night", settle(root, "night", Wishes(dataset=str(corpus), train_seconds=30.0)), root=root
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "execute", on_a_machine(launch.execute))
        experiments = night.run(Limits(experiments=1))
        next(experiments)
        night.workspace.write_pending(BETTER)
        assert len(list(experiments)) == 1
    return night


def on_a_machine(execute: Callable[..., Run]) -> Callable[..., Run]:
    """Runs as they are, on a machine that is busy during the idea's second one, or the best's."""

    def observed(spec: RunSpec, *where: Any, **how: Any) -> Run:
        busy = spec.folder.name == "0001-2"
        run = execute(spec, *where, **how)
        return replace(run, conditions=Conditions(0.9 if busy else 0.1, 1.0))

    return observed


def test_the_baseline_has_several_runs_that_differ(done: Campaign) -> None:
    assert len(set(done.history.experiment(0).scores)) == SEEDS


def test_what_helps_is_kept_after_enough_runs(done: Campaign) -> None:
    better = done.history.experiment(1)
    assert better.verdict is Verdict.KEEP
    assert len(better.runs) > BESIDE
    assert len(better.reruns) >= BESIDE


def test_its_score_is_the_mean(done: Campaign) -> None:
    better = done.history.experiment(1)
    assert better.val_bpb == fmean(better.scores)


def test_its_gain_is_over_the_best_beside_it(done: Campaign) -> None:
    better = done.history.experiment(1)
    assert better.gain is not None
    apart = fmean(better.rerun_scores) - fmean(better.scores[1:])
    assert better.gain.value == pytest.approx(apart)


def test_both_keeps_are_audited_on_other_text(done: Campaign) -> None:
    for number in (0, 1):
        first = done.history.experiment(number).runs[0]
        assert first.score is not None
        assert first.audit is not None
        assert first.audit.metric == "audit_bpb"
        assert first.audit.value != first.score.value


def test_git_has_the_notebook_of_each_run(done: Campaign) -> None:
    for name in ("run-1", "run-2", "run-3", "rerun-1", "rerun-2"):
        assert done.history.file(1, f"{name}.ipynb")


def test_the_run_that_was_disturbed_is_set_aside_and_counts_for_nothing(done: Campaign) -> None:
    better = done.history.experiment(1)
    [aside] = better.set_aside
    counting = [run.seed for run in (*better.runs, *better.reruns)]
    assert counting.count(aside.seed) == 1
    assert done.history.file(1, "set-aside-1.ipynb")


def test_nothing_of_the_runs_is_left_beside_git(done: Campaign) -> None:
    assert list(done.workspace.runs.iterdir()) == []
    assert done.workspace.measured() == ()
