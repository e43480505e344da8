"""Classical search over the constants of `config`: steps from the best, then Optuna's TPE too.

TPE (Bergstra et al., 2011, https://papers.nips.cc/paper/4443) knows nothing at first, and its
random start over whole ranges would waste a night. So the first proposals change one or two
constants of the best by a step: the least tried ones, in the direction that the last change of
each speaks for. Once there are two experiments per constant, half of the proposals are TPE's.

With several objectives TPE is the multi-objective one (Ozaki et al., 2022,
https://doi.org/10.1613/jair.1.13188), and bounds are its constraints: what breaks one ranks after
all that doesn't.

Nothing is kept between proposals: all is rebuilt from the history and seeded by tag and number,
so a campaign that was resumed proposes what it would have proposed.
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from autoresearch_kit.errors import KitError
from autoresearch_kit.records import Constant, Experiment, Metric, Proposal, Task, Verdict
from autoresearch_kit.researchers.base import Model, Researcher, Surroundings, View
from autoresearch_kit.researchers.domains import Choice, Domain, find_domains
from autoresearch_kit.researchers.duplicates import NOT_TRIED
from autoresearch_kit.researchers.spending import Meter
from autoresearch_kit.verdicts.runs_by_code import scores_of

PER_CONSTANT = 2  # experiments per searched constant before TPE joins in
TPE_SHARE = 0.5
"""The share of TPE's proposals from then on. Both did best on simulated noisy quadratics."""

MOST_LIED_ABOUT = 8
"""Experiments in flight up to which TPE takes their outcome to be bad (`constant_liar`), so that it
looks elsewhere. In simulations that was better with 4 in flight, and worse with 16."""

REDRAWS = 10
RANDOM_POINTS = 1000

Values = dict[str, Constant]


@dataclass(frozen=True)
class Outcome:
    """One experiment: the values of all its constants, and its score by each objective, as numbers
    of which lower is better.

    A crash has finite `values` too, worse than all others. `moved` says which constants differ
    from its parent's: +1 up, -1 down, 0 for what is not a number. `outside` has for each bound how
    far it lies outside, as a share of the limit: 0 or less is within.
    """

    vector: Mapping[str, Constant]
    values: tuple[float, ...]
    kept: bool
    moved: Mapping[str, int]
    outside: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Search:
    """The best, the domains and the outcomes; drawing from it changes only `rng`.

    `pending` are the values of all constants in experiments whose outcome is not known.
    """

    best: Values
    domains: Mapping[str, Domain]
    outcomes: Sequence[Outcome]
    rng: random.Random
    pending: Sequence[Values] = ()

    def candidates(self) -> Iterator[tuple[Values, str]]:
        """Yield values worth trying, with why; then random ones, so that it comes to an end."""
        enough = len(self.outcomes) >= PER_CONSTANT * len(self.domains)
        if enough and self.rng.random() < TPE_SHARE:
            yield from self._modelled()
        else:
            yield from self._steps()
        for _ in range(RANDOM_POINTS):
            values = {name: domain.draw(self.rng) for name, domain in self.domains.items()}
            yield values, "a random point: what looks promising was tried already"

    def _steps(self) -> Iterator[tuple[Values, str]]:
        moves = Counter(name for outcome in self.outcomes for name in outcome.moved)
        moves.update(name for vector in self.pending for name in _moved(self.best, vector))
        for _ in range(REDRAWS):
            names = self.rng.sample(sorted(self.domains), len(self.domains))
            names = sorted(names, key=lambda name: moves[name])[: self.rng.choice((1, 2))]
            values = {
                name: self.domains[name].step(
                    self.best[name], promising(name, self.outcomes), self.rng
                )
                for name in names
            }
            times = ", ".join(f"{name} {moves[name]} times so far" for name in names)
            yield values, f"a step from the best, changing what was tried least: {times}"

    def _modelled(self) -> Iterator[tuple[Values, str]]:
        """Yield what TPE asks for over one to three constants, the others as in the best.

        TPE reads no constants but those it samples, so only these go into the study; all
        experiments do, whether they changed them or not.
        """
        size = min(self.rng.choice((1, 2, 3)), len(self.domains))
        names = self.rng.sample(sorted(self.domains), size)
        chosen = {name: self.domains[name] for name in names}
        distributions = {name: _distribution(domain) for name, domain in chosen.items()}
        seed = self.rng.randrange(2**32)
        sampler = optuna.samplers.TPESampler(
            n_startup_trials=0, seed=seed, constant_liar=len(self.pending) <= MOST_LIED_ABOUT
        )
        objectives = max((len(outcome.values) for outcome in self.outcomes), default=1)
        study = optuna.create_study(directions=["minimize"] * objectives, sampler=sampler)
        trials = [
            optuna.trial.create_trial(
                params=values,
                distributions=distributions,
                values=outcome.values,
                constraints=dict(outcome.outside),
            )
            for outcome in self.outcomes
            if (values := _within(chosen, outcome.vector))
        ]
        running = [
            optuna.trial.create_trial(
                state=TrialState.RUNNING, params=values, distributions=distributions
            )
            for vector in self.pending
            if (values := _within(chosen, vector))
        ]
        study.add_trials([*trials, *running])
        why = f"TPE, from {len(trials)} experiments with this code, expects a gain here"
        for _ in range(REDRAWS):
            yield _within(chosen, study.ask(distributions).params) or {}, why


class OptunaResearcher(Researcher):
    """Proposes values for the CAPITAL constants of `config`, one to three at a time."""

    name = "optuna"

    def __init__(self) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)

    def propose(self, view: View) -> Proposal:
        """Return the next values to try: none that were tried, or are in flight, with this code.

        Raises:
            KitError: `config` has no constants to search, or all their values were tried.
        """
        specs = view.notebook.constant_specs()
        domains = find_domains(specs, view.experiment(0).constants)
        if not domains:
            raise KitError(
                "config has no constants to search; write some as 'NAME = value', one a line"
            )
        best = {name: spec.value for name, spec in specs.items()}
        rng = random.Random(f"{view.tag}/{view.number}")
        search = Search(best, domains, find_outcomes(view), rng, find_pending(view))
        tried = [best, *(outcome.vector for outcome in search.outcomes), *search.pending]
        new = (each for each in search.candidates() if {**best, **each[0]} not in tried)
        candidate = next(new, None)
        if candidate is None:
            raise KitError(
                f"all values in reach of {', '.join(domains)} were tried; widen their ranges in "
                "config, or add constants"
            )
        values, hypothesis = candidate
        changed = {name: value for name, value in values.items() if value != best[name]}
        return Proposal(
            number=view.number,
            parent=view.best,
            researcher=self.name,
            idea=", ".join(f"{name} {best[name]} -> {changed[name]}" for name in changed),
            hypothesis=hypothesis,
            category="constants",
            constants=changed,
        )


def make(_around: Surroundings, _model: Model | None, _meter: Meter) -> OptunaResearcher:
    """Make the researcher, which needs nothing but the view."""
    return OptunaResearcher()


def find_outcomes(view: View) -> list[Outcome]:
    """Return the outcomes of the experiments that ran the best's code, with any constants."""
    structure = view.notebook.structure()
    alike = [
        experiment
        for experiment in view.experiments
        if experiment.structure == structure and experiment.reason not in NOT_TRIED
    ]
    task, known = view.task, {each.number: each.constants for each in view.experiments}
    measured = [[_mean(each, task.metric(name)) for each in alike] for name in task.objectives]
    signs = [task.metric(name).sign for name in task.objectives]
    columns = [_lower(values, sign) for values, sign in zip(measured, signs, strict=True)]
    return [
        Outcome(
            experiment.constants,
            values,
            experiment.verdict is Verdict.KEEP,
            _moved(known.get(experiment.proposal.parent or 0, {}), experiment.constants),
            _outside(experiment, task),
        )
        for experiment, values in zip(alike, zip(*columns, strict=True), strict=True)
    ]


def _lower(values: Sequence[float | None], sign: int) -> list[float]:
    """Return the values as numbers of which lower is better; None becomes worse than all others."""
    known = [sign * value for value in values if value is not None]
    worst, least = max(known, default=0.0), min(known, default=0.0)
    penalty = worst + (worst - least or 1.0)
    return [penalty if value is None else sign * value for value in values]


def _mean(experiment: Experiment, metric: Metric) -> float | None:
    """Return the mean of an experiment's own runs; None for a crash, or if not measured."""
    scores = scores_of(experiment.runs, metric)
    return fmean(scores) if scores and experiment.score is not None else None


def _outside(experiment: Experiment, task: Task) -> dict[str, float]:
    """Return for each bound on what was measured how far its mean lies outside."""
    found = dict[str, float]()
    for bound in task.bounds:
        if (mean := _mean(experiment, task.metric(bound.metric))) is not None:
            over = mean - bound.limit if bound.at_most else bound.limit - mean
            found[str(bound)] = over / (abs(bound.limit) or 1.0)
    return found


def find_pending(view: View) -> list[Values]:
    """Return the constants of what is in flight with the best's code, by the same names."""
    structure = view.notebook.structure()
    known = {each.number: each for each in view.experiments if each.structure == structure}
    return [
        {**known[proposal.parent].constants, **proposal.constants}
        for proposal in view.in_flight
        if proposal.parent in known and not proposal.edits and not proposal.failure
    ]


def promising(name: str, outcomes: Sequence[Outcome]) -> int:
    """Return the direction that the last change of a constant speaks for; 0 without one."""
    moved = [outcome for outcome in outcomes if name in outcome.moved]
    if not moved:
        return 0
    return moved[-1].moved[name] if moved[-1].kept else -moved[-1].moved[name]


def _moved(was: Mapping[str, Constant], now: Mapping[str, Constant]) -> dict[str, int]:
    return {
        name: _direction(was[name], value)
        for name, value in now.items()
        if name in was and was[name] != value
    }


def _direction(old: Constant, new: Constant) -> int:
    if isinstance(old, bool | str) or isinstance(new, bool | str):
        return 0
    return 1 if new > old else -1


def _distribution(domain: Domain) -> BaseDistribution:
    if isinstance(domain, Choice):
        return CategoricalDistribution(domain.options)
    if domain.whole:
        return IntDistribution(int(domain.low), int(domain.high), log=domain.log)
    return FloatDistribution(domain.low, domain.high, log=domain.log)


def _within(domains: Mapping[str, Domain], vector: Mapping[str, Constant]) -> Values | None:
    """Return the vector's values in these domains, numbers clipped to their present range.

    None where a choice is not offered any more: Optuna takes no value outside of its range.
    """
    nearest = {name: domain.nearest(vector[name]) for name, domain in domains.items()}
    values = {name: value for name, value in nearest.items() if value is not None}
    return values if len(values) == len(domains) else None
