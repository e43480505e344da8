"""The best without some of its keeps.

A keep is left out by applying the campaign's other keeps again, from the baseline on. A later keep
that does not apply any more, since it builds on the one left out, is left out along with it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from autoresearch_kit.errors import EditError, InputError
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.changes import changes, move_edits
from autoresearch_kit.notebook.refusals import undefined_names
from autoresearch_kit.records import Experiment, best_of


@dataclass(frozen=True)
class Keep:
    """A keep after the baseline; `claimed` is by how much it was better when it was kept."""

    number: int
    idea: str
    claimed: float
    notebook: TrainNotebook


@dataclass(frozen=True)
class Variant:
    """The best without the keeps `out`: those to be left out, and those that build on them."""

    out: tuple[int, ...]
    notebook: TrainNotebook

    @cached_property
    def code(self) -> str:
        """Return the digest of its code; variants with the same code are run once."""
        return self.notebook.code()

    @cached_property
    def nodes(self) -> int:
        """Return the size of its code in syntax-tree nodes."""
        return self.notebook.nodes()

    def __str__(self) -> str:
        return f"without {', '.join(map(str, self.out))}" if self.out else "the best"


@dataclass(frozen=True)
class Plan:
    """The baseline, and the keeps that make up the best, each derived from the one before it."""

    baseline: TrainNotebook
    keeps: tuple[Keep, ...]

    @cached_property
    def best(self) -> Variant:
        """Return the best, with all keeps."""
        return Variant((), self.keeps[-1].notebook)

    @cached_property
    def without(self) -> tuple[Variant, ...]:
        """Return the best without each keep in turn."""
        return tuple(self.leave_out([keep.number]) for keep in self.keeps)

    @cached_property
    def compared(self) -> tuple[str, ...]:
        """Return the digests of the codes to compare with the best's, each once."""
        codes = dict.fromkeys(variant.code for variant in self.without)
        return tuple(code for code in codes if code != self.best.code)

    def leave_out(self, numbers: Collection[int]) -> Variant:
        """Return the best without these keeps and without those that build on them."""
        made = before = self.baseline
        out = []
        for keep in self.keeps:
            moved = None if keep.number in numbers else _carry(before, keep.notebook, made)
            if moved is None:
                out.append(keep.number)
            else:
                made = moved
            before = keep.notebook
        return Variant(tuple(out), made)


def make_plan(history: History, experiments: Sequence[Experiment]) -> Plan:
    """Return the plan for the best of these experiments, all of the campaign's.

    Raises:
        InputError: nothing was kept after the baseline.
    """
    chain = _chain(experiments)
    if len(chain) < 2:
        raise InputError(f"campaign '{history.tag}' has kept nothing yet, so nothing to confirm")
    sign = experiments[0].settings.task.objective.sign
    baseline, *notebooks = (TrainNotebook.parse(history.source(kept.number)) for kept in chain)
    keeps = [
        Keep(
            kept.number,
            kept.proposal.idea,
            sign * ((before.score or 0) - (kept.score or 0)),
            notebook,
        )
        for (before, kept), notebook in zip(pairwise(chain), notebooks, strict=True)
    ]
    return Plan(baseline, tuple(keeps))


def _chain(experiments: Sequence[Experiment]) -> list[Experiment]:
    """Return the baseline, and the keeps up to the best, each the parent of the next."""
    by_number = {experiment.number: experiment for experiment in experiments}
    best = best_of(experiments)
    chain = [best] if best else []
    while chain and chain[0].proposal.parent is not None:
        chain.insert(0, by_number[chain[0].proposal.parent])
    return chain


def _carry(
    before: TrainNotebook, after: TrainNotebook, made: TrainNotebook
) -> TrainNotebook | None:
    """Apply the changes from `before` to `after` to `made`; None if they do not fit there."""
    if made == before:
        return after
    edits, constants = changes(before, after)
    moved = move_edits(edits, constants, before, made)
    if moved is None:
        return None
    try:
        carried = made.apply(moved, constants)
        carried.check()
    except EditError:
        return None
    lacking = {problem.code for problem in undefined_names(after.cells)}
    undefined = {problem.code for problem in undefined_names(carried.cells)}
    return carried if undefined <= lacking else None
