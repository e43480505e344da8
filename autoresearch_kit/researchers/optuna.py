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
from dataclasses import dataclass

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

from autoresearch_kit.errors import KitError
from autoresearch_kit.records import Constant, Proposal
from autoresearch_kit.researchers.base import Model, Researcher, Surroundings, View
from autoresearch_kit.researchers.domains import Choice, Domain, find_domains
from autoresearch_kit.researchers.outcomes import (
    Outcome,
    Values,
    find_outcomes,
    find_pending,
    moved,
    promising,
)
from autoresearch_kit.researchers.spending import Meter

PER_CONSTANT = 2  # experiments per searched constant before TPE joins in
TPE_SHARE = 0.5
"""The share of TPE's proposals from then on. Both did best on simulated noisy quadratics."""

MOST_LIED_ABOUT = 8
"""Experiments in flight up to which TPE takes their outcome to be bad (`constant_liar`), so that it
looks elsewhere. In simulations that was better with 4 in flight, and worse with 16."""

REDRAWS = 10
RANDOM_POINTS = 1000


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
        moves.update(name for vector in self.pending for name in moved(self.best, vector))
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
        trials = self._trials(chosen, distributions)
        study.add_trials(trials)
        done = sum(trial.state is TrialState.COMPLETE for trial in trials)
        why = f"TPE, from {done} experiments with this code, expects a gain here"
        for _ in range(REDRAWS):
            yield _within(chosen, study.ask(distributions).params) or {}, why

    def _trials(
        self, domains: Mapping[str, Domain], distributions: dict[str, BaseDistribution]
    ) -> list[FrozenTrial]:
        """Return what was tried, and what is in flight, where it lies within these domains."""
        done = [
            create_trial(
                params=values,
                distributions=distributions,
                values=outcome.values,
                constraints=dict(outcome.outside),
            )
            for outcome in self.outcomes
            if (values := _within(domains, outcome.vector))
        ]
        running = [
            create_trial(state=TrialState.RUNNING, params=values, distributions=distributions)
            for vector in self.pending
            if (values := _within(domains, vector))
        ]
        return [*done, *running]


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
