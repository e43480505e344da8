"""A tiny project whose runs always score the same, and a model that is told what to say.

What is answered depends only on the request, so that a campaign that was killed hears the same.
A run ends by its number of steps, in a fraction of a second; its budget is a minute, because a
shared machine may stand still for seconds, and a run that meets its budget scores what it reached.
"""

import re
from pathlib import Path

from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.campaign.settings import settle
from autoresearch_kit.records import EditProtocol, Prices, Research
from autoresearch_kit.researchers import Model
from tests.campaign import tiny
from tests.researchers.llm.server import Body, ChatServer, said

CONFIG = tiny.CELLS["config"] + "STEPS = 4  # of training; 1..40\n"
TRAIN = (
    tiny.CELLS["train"].replace("run.batches(BATCH)", "run.batches(BATCH, 32)")
    + "    if step + 1 >= STEPS:\n        break\n"
)

TRAIN_SECONDS = 60
KEY = "sk-planted-0123456789abcdef"


def make_project(root: Path, **changed: str) -> Path:
    cells = {"config": CONFIG, "train": TRAIN} | changed
    return tiny.make_project(root, **cells)


def submit(idea: str, category: str = "other") -> tuple[str, Body]:
    return "submit", {"idea": idea, "hypothesis": f"{idea} helps", "category": category}


def constants(**values: bool | float | str) -> tuple[str, Body]:
    return "set_constants", {"values": values}


def edit(cell: str, old: str, new: str) -> tuple[str, Body]:
    return "edit_cell", {"cell": cell, "old": old, "new": new}


def experiment_of(body: Body) -> int:
    """Return the number of the experiment that a request is about."""
    match = re.search(r"^# Campaign \S+, .*?experiment (\d+)", said(body), re.M)
    assert match, said(body)[:500]
    return int(match[1])


def is_lessons(body: Body) -> bool:
    return "## The task\n\nBefore the next experiment" in said(body)


def is_repair(body: Body) -> bool:
    return re.search(r"^# Campaign .* crashed on a bug$", said(body), re.M) is not None


def turn_of(body: Body) -> int:
    """Return the number of replies in the conversation."""
    messages = body["messages"]
    assert isinstance(messages, list)
    return sum(message["role"] == "assistant" for message in messages)


def model(
    server: ChatServer,
    *,
    optuna_every: int = 0,
    fallback: bool = True,
    protocol: EditProtocol = EditProtocol.AUTO,
    prices: Prices | None = None,
    retries: int = 2,
) -> Model:
    """Return the scripted model, without a turn of optuna's unless that is asked for."""
    research = Research("scripted", server.url, protocol, 24_000, optuna_every, fallback, prices)
    return Model(research, KEY, retries)


def campaign(root: Path, corpus: Path, asked: Model | None, tag: str = "night") -> Campaign:
    options = tiny.options(corpus, TRAIN_SECONDS, researcher="llm")
    return Campaign(tag, settle(root, tag, options), root=root, model=asked)
