"""Plan of a soak: the fault of each experiment's notebook, and the process that is killed."""

import random
from dataclasses import dataclass

from tests.campaign import scripted, tiny
from tests.campaign.scripted import constants, submit
from tests.researchers.llm.server import Answer, Body, calls, said, text

FAULTS = """
import os, subprocess, time


def flood():
    for line in range(60_000):
        print(f"step {line}: loss {1 / (line + 1):.9f}")


def hog():
    kept = []
    while True:
        kept.append(bytearray(os.urandom(1)) * 20_000_000)


def leave_children():
    subprocess.Popen(["sleep", "86399"], start_new_session=True)
    subprocess.Popen(["sleep", "86399"], start_new_session=True, env={})


ACTS = {
    "crash": lambda: 1 / 0,
    "exit": lambda: os._exit(3),
    "hang": lambda: time.sleep(10**6),
    "flood": flood,
    "memory": hog,
    "children": leave_children,
}
ACTS.get(FAULT, lambda: None)()
"""

BAD_MODELS = """

class Greedy(Bigram):
    def forward(self, tokens):
        hog()


class Wrong(Bigram):
    def forward(self, tokens):
        return tokens


if FAULT in ("greedy", "wrong"):
    model.__class__ = Greedy if FAULT == "greedy" else Wrong
"""

CELLS = {
    "config": tiny.CELLS["config"] + 'FAULT = "none"\n',
    "model": FAULTS + tiny.CELLS["model"] + BAD_MODELS,
    "train": tiny.CELLS["train"].replace("= model(inputs)", "= Bigram.forward(model, inputs)"),
}
"""Cells of the tiny notebook."""

SHARES = {
    "none": 50, "crash": 10, "exit": 6, "hang": 6, "flood": 9, "memory": 5, "children": 6,
    "greedy": 4, "wrong": 4,
}  # fmt: skip
"""Percent of the experiments."""

SCORED = ("none", "flood", "children")
"""Faults with which there is a model to score."""

CAMPAIGN = "campaign"

KILL_SHARE = 0.35
"""Share of the experiments in which a process is killed."""

LONG = 36
"""Experiments from which on a soak says something about growth."""

SHORT = (
    ("none", ""),
    ("none", "judge"),
    ("none", "predictor"),
    ("flood", "runner"),
    ("hang", CAMPAIGN),
    ("none", "kernel"),
)
"""Fault and victim of each experiment of a short soak, over and over."""


@dataclass(frozen=True)
class Plan:
    """Faults and kills of each experiment, which depend on the seed and the number alone."""

    experiments: int
    seed: int

    def fault(self, number: int) -> str:
        """Return the fault of an experiment's notebook."""
        if self.experiments < LONG:
            return SHORT[number % len(SHORT)][0]
        return self._dice(number).choices(list(SHARES), list(SHARES.values()))[0]

    def victim(self, number: int) -> str:
        """Return the process that is killed; empty if none."""
        if self.experiments < LONG:
            return SHORT[number % len(SHORT)][1]
        dice = self._dice(-number)
        among = ["runner", "kernel"]
        among += ["judge", "predictor"] if self.fault(number) in SCORED else []
        among += [CAMPAIGN] * 2 if number < self.experiments // 3 else []
        return dice.choice(among) if number and dice.random() < KILL_SHARE else ""

    def delay(self, number: int) -> float:
        """Return the seconds from when the victim is seen to its death."""
        longest = 12.0 if self.victim(number) == CAMPAIGN else 2.0
        return self._dice(number + 10**6).uniform(0.0, longest)

    def _dice(self, number: int) -> random.Random:
        return random.Random(f"{self.seed}/{number}")

    def script(self, body: Body) -> Answer:
        """The model: it proposes the fault, and mends every other one that crashed."""
        if "Answer with one word" in said(body):
            return text("ready")
        if scripted.is_lessons(body):
            return text("worked: nothing in particular")
        number = scripted.experiment_of(body)
        rate, fault = 0.03 + number / 10_000, self.fault(number)
        if scripted.is_repair(body):
            if number % 2:
                return calls(submit("it can't be mended"))
            rate, fault = rate + 1e-5, "none"
        return calls(constants(RATE=rate, FAULT=fault), submit(f"{number}: {fault}"))
