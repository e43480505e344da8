"""Run a campaign of six ideas twice: alone, and beside a program that burns a core at times.

`PYTHONPATH=. python benchmarks/neighbour.py [--seconds 20] [--seed 0] [--cores 1]
[--max-elsewhere 0.3]`, in the checkout, on a machine where nothing else runs. The ideas are fixed,
clearly better or clearly worse than what they change; the notebook is tiny, but trains until its
budget is used up, so that a neighbour costs it steps. The neighbour burns `--cores` cores for
random times, between a fifth of a budget and two budgets, and sleeps for up to four. Printed are
the verdicts of both, how many runs were set aside, and how long both took; the exit status is 1 if
the verdicts differ.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.campaign.new_settings import MAX_ELSEWHERE
from autoresearch_kit.campaign.options import Options
from autoresearch_kit.campaign.settings import settle
from autoresearch_kit.ledger import History
from autoresearch_kit.records import (
    CellEdit,
    EditAction,
    Experiment,
    Limits,
    Proposal,
    Verdict,
    best_of,
)
from autoresearch_kit.verdicts import retries
from tests.campaign import tiny

TAG = "night"

PAIRS = """
class Pairs(torch.nn.Module):
    def __init__(self, vocab, width):
        super().__init__()
        self.embed = torch.nn.Embedding(vocab, width)
        self.before = torch.nn.Embedding(vocab, width)
        self.head = torch.nn.Linear(width, vocab)

    def forward(self, tokens):
        before = F.pad(tokens[:, :-1], (1, 0))
        return self.head(self.embed(tokens) + self.before(before))


model = Pairs(run.vocab_size, WIDTH).to(run.device)
optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
"""

CONFIG = tiny.CELLS["config"].replace("RATE = 0.03", "RATE = 0.003")
"""A rate with which it learns too slowly."""


def idea(words: str, *edits: CellEdit, **constants: float) -> Proposal:
    """Return a change; its number and its parent are given when its turn comes."""
    return Proposal(0, 0, "script", words, "", edits=edits, constants=constants)


IDEAS = (
    idea("RATE 0.003 -> 0.03", RATE=0.03),
    idea("WIDTH 8 -> 2", WIDTH=2),
    idea("see the token before too", CellEdit(EditAction.REPLACE, "model", PAIRS)),
    idea("RATE -> 0.0001", RATE=0.0001),
    idea("WIDTH -> -1, which crashes", WIDTH=-1),
    idea("RATE -> 1", RATE=1.0),
)
"""Two that help and four that harm, each by far more than the noise, at 60 steps as at 400."""


def run_campaign(root: Path, corpus: Path, seconds: float, max_elsewhere: float) -> None:
    """Try all ideas, each on the best of its time; what is disturbed is tried again by itself."""
    options = Options(dataset=str(corpus), train_seconds=seconds, max_elsewhere=max_elsewhere)
    campaign = Campaign(TAG, settle(root, TAG, options), root=root)
    found: list[Experiment] = []
    ideas = iter(IDEAS)
    for experiment in campaign.run(Limits(experiments=len(IDEAS))):
        found.append(experiment)
        print(f"  {experiment}", flush=True)
        best = best_of(found)
        if retries.due(found) is None and best and (change := next(ideas, None)):
            proposal = replace(change, number=len(found), parent=best.number)
            campaign.workspace.under_way.write_pending(proposal)


def burn(seconds: float, seed: int) -> None:
    """Use a core for random times, with random pauses, until the parent is gone."""
    rng, parent = random.Random(seed), os.getppid()
    while os.getppid() == parent:
        end = time.monotonic() + rng.uniform(0.2, 2.0) * seconds
        while time.monotonic() < end:
            sum(range(10_000))
        time.sleep(rng.uniform(0.2, 4.0) * seconds)


@contextmanager
def neighbours(count: int, seconds: float, seed: int) -> Iterator[None]:
    """Run so many such programs meanwhile."""
    argv = [sys.executable, __file__, "--burn", f"--seconds={seconds}"]
    burning = [subprocess.Popen([*argv, f"--seed={seed + place}"]) for place in range(count)]
    try:
        yield
    finally:
        for process in burning:
            process.kill()
            process.wait()


def verdicts(experiments: Sequence[Experiment]) -> list[Verdict]:
    """Return the last verdict on each idea."""
    ideas: dict[int, Verdict] = {}
    for one in experiments[1:]:
        retry_of = one.proposal.retry_of
        ideas[one.number if retry_of is None else retry_of] = one.verdict
    return list(ideas.values())


def report(name: str, experiments: Sequence[Experiment], seconds: float) -> None:
    """Print what came of a campaign."""
    steps = [run.steps for one in experiments[:1] for run in one.runs]
    aside = sum(len(one.set_aside) for one in experiments)
    disturbed = sum(one.verdict is Verdict.DISTURBED for one in experiments)
    print(f"{name}: {', '.join(verdicts(experiments))}")
    print(
        f"  {aside} runs set aside and repeated, {disturbed} experiments disturbed and tried "
        f"again, {seconds / 60:.1f} minutes; steps of the baseline: {steps}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="the budget of a run")
    parser.add_argument("--seed", type=int, default=0, help="of the neighbour's times")
    parser.add_argument("--cores", type=int, default=1, help="that the neighbour burns")
    parser.add_argument("--max-elsewhere", type=float, default=MAX_ELSEWHERE)
    parser.add_argument("--burn", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--campaign", type=Path, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.burn:
        burn(options.seconds, options.seed)
        return 0
    if options.campaign:
        root, corpus = options.campaign
        run_campaign(root, corpus, options.seconds, options.max_elsewhere)
        return 0
    return compare(options.seconds, options.seed, options.cores, options.max_elsewhere)


def compare(seconds: float, seed: int, cores: int, max_elsewhere: float) -> int:
    """Run both campaigns, and print what came of them; 0 if the verdicts are the same."""
    found: list[list[Verdict]] = []
    with tempfile.TemporaryDirectory(prefix="neighbour-") as name:
        os.environ["AUTORESEARCH_DATA"] = f"{name}/data"
        Path(name, "data").mkdir()
        corpus = tiny.write_corpus(Path(name, "habits.txt"))
        for words, burning in (("alone", 0), ("beside a neighbour", cores)):
            root = tiny.make_project(Path(name, words.split()[0]), config=CONFIG)
            argv = [sys.executable, __file__, "--campaign", str(root), str(corpus)]
            argv += [f"--seconds={seconds}", f"--max-elsewhere={max_elsewhere}"]
            begun = time.monotonic()
            with neighbours(burning, seconds, seed):
                subprocess.run(argv, check=True)
            experiments = History(root, TAG).experiments()
            report(words, experiments, time.monotonic() - begun)
            found.append(verdicts(experiments))
    return 0 if found[0] == found[1] else 1


if __name__ == "__main__":
    sys.exit(main())
