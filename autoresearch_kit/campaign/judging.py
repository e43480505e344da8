"""Judge an idea by the runs so far: by each objective, then by the bounds in force."""

from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch_kit.campaign.aims import bounds_in
from autoresearch_kit.campaign.measuring import Measuring
from autoresearch_kit.campaign.outcome import Outcome
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Arm, Experiment, Metric, Noise, Proposal, Rule, Run, Task
from autoresearch_kit.verdicts import decide, noise, pareto, repeats
from autoresearch_kit.verdicts.bounds import BoundTest, within
from autoresearch_kit.verdicts.decide import MOST_RUNS, Decision
from autoresearch_kit.verdicts.gains import possible_losses
from autoresearch_kit.verdicts.pareto import Compared, Rival
from autoresearch_kit.verdicts.repeats import SeedOutcome
from autoresearch_kit.verdicts.robust_sigma import Group
from autoresearch_kit.verdicts.runs_by_code import reported, runs_by_code, scores_of
from autoresearch_kit.verdicts.samples import Best, Sample
from autoresearch_kit.verdicts.validity import as_fast


@dataclass(frozen=True)
class Idea:
    """An idea with its code; `passed` is as in `Outcome`."""

    proposal: Proposal
    notebook: TrainNotebook
    passed: tuple[Outcome, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """An idea and the best that it is compared with, with the finished runs of both."""

    idea: Idea
    own: Sequence[SeedOutcome]
    best: Experiment
    beside: Sequence[SeedOutcome]


@dataclass(frozen=True)
class MetricSamples:
    """Measurements of an idea and of the best by one metric, and the metric's noise."""

    own: Sample
    best: Best
    noise: Noise | None


@dataclass(frozen=True)
class Judging:
    """Judges ideas in a campaign with these experiments, which grow meanwhile."""

    measuring: Measuring
    experiments: Sequence[Experiment]

    @property
    def task(self) -> Task:
        """Return the campaign's task with the bounds that are in force now."""
        task = self.measuring.context.settings.task
        return bounds_in(self.measuring.workspace, self.experiments, task)

    def decide(self, comparison: Comparison) -> tuple[Decision | Arm, Noise | None]:
        """Return the decision, or whose code to run once more.

        With it comes the noise of the first objective, which it rests on.
        """
        task, rule = self.task, self.measuring.context.settings.rule
        sides = [self._samples(task.metric(name), comparison) for name in task.objectives]
        merged, first = bool(comparison.idea.passed), sides[0]
        decided = decide.decide(first.own, first.best, first.noise, rule, merged=merged)
        if len(sides) > 1:
            compared = Compared(
                tuple(side.own for side in sides),
                (
                    Rival(comparison.best.number, tuple(side.best for side in sides)),
                    *self._rivals(comparison.best, task),
                ),
                tuple(side.noise for side in sides),
                merged=merged,
            )
            decided = pareto.decide(decided, compared, rule)
        own, best = list[BoundTest](), list[BoundTest]()
        for bound in task.bounds:
            side = self._samples(task.metric(bound.metric), comparison)
            own.append(BoundTest.of_idea(bound, side.own, side.noise, len(comparison.own)))
            best.append(BoundTest(bound, side.best.recent, side.noise))
        last = rule is Rule.GREEDY or len(comparison.own) >= MOST_RUNS
        return within(decided, own, best, last=last), first.noise

    def _samples(self, metric: Metric, comparison: Comparison) -> MetricSamples:
        """Return the measurements of idea and best by one metric, and the noise of the metric."""
        own, beside, idea = comparison.own, comparison.beside, comparison.idea
        settings, before = (
            self.measuring.context.settings,
            self.runs_before(comparison.best, beside),
        )
        scores, best_scores = repeats.scores(own, metric), repeats.scores(beside, metric)
        # an idea's first run is not noise: it was picked by it; merged code was not
        fresh = Group(idea.proposal.number, scores if idea.passed else scores[1:])
        again = Group(comparison.best.number, best_scores)
        known = self.noise(metric, fresh, again, others=scores)
        how = metric, known.sigma if known else 0.0, settings, self.measuring.usual
        challenger = Sample(
            scores,
            idea.notebook.nodes(),
            claimed=repeats.claimed(own, *how),
            metric=metric,
            error=reported((seed.run for seed in own), metric),
        )
        champion = Best(
            scores_of(before, metric),
            comparison.best.nodes,
            best_scores,
            possible_losses(self.experiments),
            claimed=repeats.claimed(beside, *how),
            metric=metric,
            error=reported([*before, *(seed.run for seed in beside)], metric),
        )
        return MetricSamples(challenger, champion, known)

    def _rivals(self, best: Experiment, task: Task) -> list[Rival]:
        """Return the other members of the front, with their runs so far."""
        others = [each for each in pareto.front(self.experiments, task) if each is not best]
        sides = {
            each.number: pareto.samples(self.experiments, each, task, task.objectives)
            for each in others
        }
        return [
            Rival(number, tuple(Best.of(known[name]) for name in task.objectives))
            for number, known in sides.items()
        ]

    def runs_before(self, best: Experiment, beside: Sequence[SeedOutcome]) -> list[Run]:
        """Return the best's runs of earlier experiments that were as fast as those made now."""
        now = [seed.run for seed in beside if not seed.disturbed]
        return as_fast(runs_by_code(self.experiments)[best.number], now)

    def noise(self, metric: Metric, *groups: Group, others: Sequence[float] = ()) -> Noise | None:
        """Pool the noise of all runs that were made together, with these groups added.

        `others` are scores that no experiment has yet. None where nothing tells it.
        """
        known = [*noise.groups_of(self.experiments, metric), *groups]
        others = [*noise.all_scores(self.experiments, metric), *others]
        first = groups[0].scores
        if self.experiments:
            first = scores_of(self.experiments[0].runs, metric)
        accelerator = self.measuring.context.machine.accelerator
        return noise.measured(metric, first, known, accelerator=accelerator, others=others)
