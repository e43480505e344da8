"""Several objectives: what is kept beside the best, and the front. Pure functions.

An idea that is surely better than the best by the first objective replaces it, as with a single
one. Any other is kept beside it, as a trade-off, if it is surely better than each kept experiment
of the front in at least one objective. A tie is no keep. Each objective has a noise of its own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from autoresearch_kit.records import (
    Arm,
    Experiment,
    Gain,
    Noise,
    Reason,
    Rule,
    Task,
    Verdict,
    best_of,
)
from autoresearch_kit.verdicts import bounds, noise
from autoresearch_kit.verdicts.decide import (
    BESIDE,
    DOUBT,
    FIRST_DOUBT,
    LIKELY,
    MERGED_DOUBT,
    MERGED_SURE,
    MOST_RUNS,
    SURE,
    SURE_DOUBT,
    Decision,
)
from autoresearch_kit.verdicts.gains import (
    NOT_WORSE,
    agree_too_well,
    gain_of,
    in_words,
    probability_at_known_sigma,
    probability_better,
    shown_gain,
)
from autoresearch_kit.verdicts.runs_by_code import reported, runs_by_code, scores_of
from autoresearch_kit.verdicts.samples import RECENT, Best, Sample

_NO_TRADE_OFF = "; nor better than each of the front by another objective"


@dataclass(frozen=True)
class Rival:
    """A kept experiment of the front, with its scores by each objective."""

    number: int
    bests: tuple[Best, ...]


@dataclass(frozen=True)
class Compared:
    """An idea and the front, by each objective; the first rival is the best.

    `merged`: all runs are of code that was merged, and none of them picked it.
    """

    own: tuple[Sample, ...]
    rivals: tuple[Rival, ...]
    noises: tuple[Noise | None, ...]
    merged: bool = False

    @property
    def runs(self) -> int:
        """Return how many runs of the idea there are."""
        return len(self.own[0].scores)

    @property
    def beside(self) -> bool:
        """Return whether there are enough runs of idea and best that were made together."""
        best = self.rivals[0].bests[0]
        return self.merged or min(len(best.beside), self.runs - 1) >= BESIDE

    def gains(self, rival: Rival) -> list[Gain]:
        """Return the gains over a rival, by objective."""
        pairs = zip(self.own, rival.bests, self.noises, strict=True)
        return [self._gain(own, best, noise) for own, best, noise in pairs if noise]

    def _gain(self, own: Sample, best: Best, noise: Noise) -> Gain:
        one_seed = agree_too_well(own.scores, noise)
        other: Sample = best.recent
        if self.beside and not self.merged:
            own = own.only(own.scores[1:])
            other = best.only(best.beside) if best.beside else other
        return gain_of(own, other, noise, one_seed=one_seed)

    def least(self, measure: Callable[[Gain], float]) -> float:
        """Return the least over the front of the most that an objective gives."""
        return min(max(map(measure, self.gains(rival))) for rival in self.rivals)

    def as_claimed(self) -> "Compared":
        """Return it with the scores of runs that were set aside for their claim of few steps."""
        own = tuple(replace(each, scores=each.claimed or each.scores) for each in self.own)
        rivals = tuple(
            replace(
                rival,
                bests=tuple(
                    replace(best, beside=best.claimed or best.beside) for best in rival.bests
                ),
            )
            for rival in self.rivals
        )
        return replace(self, own=own, rivals=rivals)


def decide(first: Decision | Arm, compared: Compared, rule: Rule) -> Decision | Arm:
    """Return the verdict on an idea by all objectives, or whose code to run once more.

    `first` is the verdict by the first objective alone.
    """
    if isinstance(first, Decision) and first.reason is Reason.SIMPLER:
        detail = f"{first.detail}; with several objectives less code is no reason to keep a tie"
        first = Decision(Verdict.DISCARD, Reason.NO_GAIN, detail, first.gain)
    if isinstance(first, Decision) and first.verdict is not Verdict.DISCARD:
        return first
    if rule is Rule.GREEDY or None in compared.noises:
        return _greedy(first, compared) if isinstance(first, Decision) else first
    last = isinstance(first, Decision) and compared.runs >= MOST_RUNS
    bar = MERGED_SURE if compared.merged else LIKELY if last else SURE
    sure = min(each.least(probability_better) for each in (compared, compared.as_claimed()))
    if isinstance(first, Decision) and (compared.beside or last) and sure >= bar:
        return _trade_off(first, compared)
    if isinstance(first, Arm):
        return first
    if last or compared.least(probability_at_known_sigma) < _doubt(compared):
        return replace(first, detail=f"{first.detail}{_NO_TRADE_OFF}")
    best = compared.rivals[0].bests[0]
    missing = compared.merged or compared.runs - 1 <= len(best.beside)
    return Arm.CHALLENGER if missing else Arm.BEST


def _doubt(compared: Compared) -> float:
    if compared.merged:
        return MERGED_DOUBT
    if compared.beside:
        return SURE_DOUBT
    return FIRST_DOUBT if compared.runs == 1 else DOUBT


def _greedy(first: Decision, compared: Compared) -> Decision:
    """Keep what is better than each of the front in some objective, by the mean."""
    for rival in compared.rivals:
        pairs = zip(compared.own, rival.bests, strict=True)
        if all(shown_gain(*pair) <= 0 for pair in pairs):
            return replace(first, detail=f"{first.detail}{_NO_TRADE_OFF}")
    detail = f"{first.detail}; but better than each of the front in another objective"
    return Decision(Verdict.KEEP, Reason.TRADE_OFF, detail, first.gain)


def _trade_off(first: Decision, compared: Compared) -> Decision:
    """Return the keep, with the objective in which it is most surely better than each rival."""
    words = list[str]()
    for rival in compared.rivals:
        gains = zip(compared.own, compared.gains(rival), strict=True)
        own, gain = max(gains, key=lambda pair: probability_better(pair[1]))
        words.append(f"{own.metric.name} than {rival.number}, {in_words(own.metric, gain)}")
    detail = f"{first.detail}; but surely better by {'; by '.join(words)}"
    return Decision(Verdict.KEEP, Reason.TRADE_OFF, detail, first.gain)


def front(experiments: Sequence[Experiment], task: Task) -> list[Experiment]:
    """Return the keeps of which no other is better, the first objective's best first.

    Another is better if it surely is in one objective, and not surely worse in any. What surely
    breaks one of the task's bounds is left out, and so is what was not measured in all objectives;
    the best always stays.
    """
    best = best_of(experiments)
    if best is None:
        return []
    keeps = [each for each in experiments if each.kept]
    noises = {name: noise.of_metric(experiments, task.metric(name)) for name in task.decisive}
    sides = {each.number: samples(experiments, each, task, noises) for each in keeps}
    inside = [
        each
        for each in keeps
        if all(name in sides[each.number] for name in task.objectives)
        and not any(held.is_outside for held in _held(task, sides[each.number], noises))
    ]

    def better(one: Experiment, other: Experiment) -> bool:
        pairs = [(sides[one.number][name], sides[other.number][name]) for name in task.objectives]
        known = zip(pairs, (noises[name] for name in task.objectives), strict=True)
        return any(_surely(own, its, spread) for (own, its), spread in known)

    left = [
        each
        for each in inside
        if each is best
        or not any(better(other, each) and not better(each, other) for other in inside)
    ]
    left = left if best in left else [best, *left]
    sign, name = task.objective.sign, task.objectives[0]
    by_first = {n: sign * side[name].mean for n, side in sides.items() if name in side}
    return sorted(left, key=lambda each: (each is not best, by_first.get(each.number, 0.0)))


def samples(
    experiments: Sequence[Experiment], experiment: Experiment, task: Task, names: Iterable[str]
) -> dict[str, Sample]:
    """Return the latest scores of an experiment by each of these metrics, where there are any."""
    runs = runs_by_code(experiments)[experiment.number]
    found = dict[str, Sample]()
    for name in names:
        metric = task.metric(name)
        if scores := scores_of(runs, metric)[-RECENT:]:
            error = reported(runs, metric)
            found[name] = Sample(scores, experiment.nodes, metric=metric, error=error)
    return found


def _held(
    task: Task, sides: Mapping[str, Sample], noises: Mapping[str, Noise | None]
) -> list[bounds.BoundTest]:
    return [
        bounds.BoundTest(bound, sides[bound.metric], noises[bound.metric])
        for bound in task.bounds
        if bound.metric in sides
    ]


def _surely(own: Sample, other: Sample, spread: Noise | None) -> bool:
    if spread is None:
        return shown_gain(own, other) > 0
    return probability_better(gain_of(own, other, spread)) >= NOT_WORSE
