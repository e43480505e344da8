"""What a person is told who is not there, and how it reaches them.

A notice is a line in the campaign's log, and where there is a webhook, a POST of `{"text": ...}`,
as Slack, Mattermost and many others take it.
"""

import html
import json
from collections.abc import Sequence
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from autoresearch_kit.errors import ErrandError, InputError
from autoresearch_kit.records import Experiment, Stage, State, Verdict, best_of, judged_since
from autoresearch_kit.records.text import one_line
from autoresearch_kit.reports.summary import outcomes, summarise
from autoresearch_kit.verdicts.estimates import best_estimate

PLATEAU = 10
"""Experiments without a keep after which a person is told, once."""

LENGTH = 600
"""Characters of a notice, at most."""

SECONDS = 5.0
"""For each step of a POST: connecting, sending, hearing an answer."""


def plateau(experiments: Sequence[Experiment]) -> str:
    """That nothing was kept for long, said at one experiment of each plateau; else empty."""
    best = best_of(experiments)
    if best is None or len(judged_since(experiments, best)) != PLATEAU:
        return ""
    if experiments[-1].verdict is Verdict.DISTURBED:  # it was said at the one before
        return ""
    tag, score = best.tag, best_estimate(experiments)
    return (
        f"'{tag}' is on a plateau: {PLATEAU} experiments without a keep; the best is still "
        f"experiment {best.number}, val_bpb {score}. Give a language model new "
        f"directions: autoresearch guide {tag}; or end it: autoresearch stop {tag}"
    )


def stand_in(tag: str, trouble: str) -> str:
    """That the model can't be asked, and that optuna proposes in its place."""
    return f"'{tag}' needs help: optuna proposes, since {trouble}"


def ending(state: State, experiments: Sequence[Experiment]) -> str:
    """That the campaign is over, why, and what came of it."""
    verbs = {Stage.ENDED: "ended", Stage.FAILED: "failed"}
    verb = verbs.get(state.stage, f"died while {state.stage}")
    words = f"'{state.tag}' {verb}: {state.message}"
    if not experiments:
        return words
    found = summarise(state.tag, experiments)
    return (
        f"{words}. {found.experiments} tried, {outcomes(found)}; "
        f"val_bpb {found.baseline} to {found.best}"
    )


def check_webhook(address: str) -> str:
    """The address, if notices can be posted there.

    Raises:
        InputError: it is no address of the web. It is not in the message: it may be a secret.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or not address.isascii():
        raise InputError(
            "--webhook must be an address such as https://hooks.slack.com/services/...; "
            "what was given is not (and is not repeated here, since it may be a secret)"
        )
    return address


def host(webhook: str) -> str:
    """What of the address may be shown."""
    return urlsplit(webhook).hostname or "nowhere"


def post(webhook: str, text: str) -> None:
    """Send a notice: once, with no second try.

    urllib, and not the client that openai brings: that logs each address it asks.

    Raises:
        ErrandError: it did not arrive; the message names the host only.
    """
    line = html.escape(one_line(text, LENGTH), quote=False)  # or an idea could call @everyone
    request = Request(
        webhook,
        json.dumps({"text": line}).encode(),
        {"Content-Type": "application/json", "User-Agent": "autoresearch_kit"},
    )
    try:
        with urlopen(request, timeout=SECONDS):
            return
    except HTTPError as error:
        why = f"HTTP {error.code}"
        error.close()
    except (OSError, HTTPException, ValueError) as error:
        why = type(getattr(error, "reason", error)).__name__
    raise ErrandError(f"the webhook at {host(webhook)} did not take a notice: {why}")
