"""Time the results of a large campaign: its frame, figures and tables, without git.

`python benchmarks/figures.py [EXPERIMENTS ...]` makes campaigns up, 500 and 1,000 experiments long.
"""

import random
import sys
import time
from collections.abc import Callable
from dataclasses import replace

from ledger import experiment, text

from autoresearch_kit.ledger import Entry
from autoresearch_kit.records import Experiment, Reason, Run, Usage, Verdict
from autoresearch_kit.reports.figures.drawing import Drawing, render
from autoresearch_kit.reports.results import Results, compare
from autoresearch_kit.reports.summary import summary_of
from autoresearch_kit.reports.tables import to_frame


def run(value: float) -> Run:
    made = experiment(0).runs[0]
    return replace(made, score=replace(made.score, value=value) if made.score else None)


def tried(number: int, best: float) -> Experiment:
    """Return a keep where luck has it below `best`, a crash one time in twenty."""
    draw = random.Random(number)
    made = experiment(number)
    proposal = replace(made.proposal, idea=text(60, number), category=draw.choice("abcde"))
    paid = Usage(1, 9_000, 900, usd=0.02) if number else Usage()
    made = replace(made, proposal=proposal, usage=paid)
    value = best + draw.gauss(0.004, 0.004)
    if number == 0 or value < best:
        return replace(made, verdict=Verdict.KEEP, runs=(run(value=value if number else best),))
    if draw.random() < 0.05:
        return replace(made, verdict=Verdict.CRASH, reason=Reason.OUT_OF_MEMORY)
    return replace(made, runs=(run(value=value),))


def campaign(count: int) -> list[Entry]:
    entries: list[Entry] = []
    best = 1.6
    for number in range(count):
        made = tried(number, best)
        entries.append(Entry(made, "0" * 40, "0" * 40))
        best = made.score if made.kept and made.score is not None else best
    return entries


def timed(name: str, act: Callable[[], object]) -> None:
    begun = time.perf_counter()
    act()
    print(f"  {name:22} {time.perf_counter() - begun:.2f} s")


def drawn(results: Results, against: str) -> bytes:
    figure = compare([results, results], results, against=against)
    assert isinstance(figure, Drawing)
    return render(figure)


def main(count: int) -> None:
    entries = campaign(count)
    results = Results(summary_of("night", entries))
    print(f"{count} experiments, {len(results.keeps())} kept after the baseline")
    timed("frame", lambda: to_frame(entries))
    timed("picture, PNG", lambda: render(results.progress()))
    timed("picture, SVG", lambda: render(results.progress(), "svg"))
    timed("compared, experiments", lambda: drawn(results, "experiments"))
    timed("compared, hours", lambda: drawn(results, "hours"))
    timed("compared, dollars", lambda: drawn(results, "usd"))
    timed("table of all", lambda: results.table()._repr_html_())
    timed("keeps", lambda: results.keeps()._repr_html_())
    timed("categories, crashes", lambda: (results.categories()._repr_html_(), results.crashes()))


if __name__ == "__main__":
    for argument in sys.argv[1:] or ["500", "1000"]:
        main(int(argument))
