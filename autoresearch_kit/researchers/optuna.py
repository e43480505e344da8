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

import optuna

from autoresearch_kit.errors import KitError
from autoresearch_kit.records import Proposal
from autoresearch_kit.researchers.base import Model, Researcher, Surroundings, View
from autoresearch_kit.researchers.constant_search import Search
from autoresearch_kit.researchers.domains import find_domains
from autoresearch_kit.researchers.outcomes import find_outcomes, find_pending
from autoresearch_kit.researchers.spending import Meter


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
