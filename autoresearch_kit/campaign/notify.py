"""Notices to a person who is away, sent by apprise.

An address is a plain webhook, which gets a POST of `{"text": ...}` as Slack and Mattermost take
it, or any of apprise's services (`ntfy://`, `discord://`, `mailto://`, ...). It is a secret.
"""

import html
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, urlsplit

from autoresearch_kit.errors import InputError, NotifyError
from autoresearch_kit.records import (
    Experiment,
    Stage,
    State,
    Verdict,
    best_of,
    by_finish,
    judged_since,
)
from autoresearch_kit.records.text import one_line, with_error
from autoresearch_kit.reports.summary import summarise
from autoresearch_kit.reports.summary_words import outcomes
from autoresearch_kit.verdicts.estimates import best_estimate

if TYPE_CHECKING:
    from apprise import NotifyBase

NOTICE_AFTER = 10  # experiments without a keep after which a notice says so
LENGTH = 600  # the most characters that a notice has
SECONDS = 5.0  # the longest wait for a connection, and then for an answer

WEB = ("http://", "https://")
EXAMPLES = "https://hooks.slack.com/services/... or ntfy://TOPIC"


def plateau_notice(experiments: Sequence[Experiment]) -> str:
    """Return the notice of a plateau as soon as it is so long, else an empty text."""
    best = best_of(experiments)
    if best is None:
        return ""
    last = by_finish([best, *(each for each in experiments if each.waits)])[-1]
    if len(judged_since(experiments, last)) != NOTICE_AFTER:
        return ""
    if (
        by_finish(experiments)[-1].verdict is Verdict.DISTURBED
    ):  # the experiment before was the tenth
        return ""
    tag, score = best.tag, best_estimate(experiments)
    return (
        f"'{tag}' is on a plateau: {NOTICE_AFTER} experiments without a keep; the best is still "
        f"experiment {best.number}, {best.settings.task.objective.name} {score}. "
        f"Give a language model new directions: autoresearch guide {tag}; or end it: "
        f"autoresearch stop {tag}"
    )


def approval_notice(experiment: Experiment) -> str:
    """Return the notice that a keep waits for a person's approval."""
    tag, number = experiment.tag, experiment.number
    metric = experiment.settings.task.objective.name
    score = "" if experiment.score is None else with_error(experiment.score, experiment.error)
    return (
        f"'{tag}': experiment {number} waits for approval, {metric} {score} "
        f"({experiment.proposal.idea}). Look: autoresearch show {tag} {number}; then: "
        f"autoresearch approve {tag} {number}, or reject {tag} {number}"
    )


def fallback_notice(tag: str, trouble: str) -> str:
    """Return the notice that optuna proposes because the language model can't be asked."""
    return f"'{tag}' needs help: optuna proposes, since {trouble}"


def end_notice(state: State, experiments: Sequence[Experiment]) -> str:
    """Return the notice that the campaign is over: why, and with which result."""
    over = state.stage in (Stage.ENDED, Stage.FAILED)
    verb = str(state.stage) if over else f"died while {state.stage}"
    words = f"'{state.tag}' {verb}: {state.message}"
    if not experiments:
        return words
    summary = summarise(state.tag, experiments)
    return (
        f"{words}. {summary.experiments} tried, {outcomes(summary)}; "
        f"{summary.metric.name} {summary.baseline} to {summary.best}"
    )


def check_address(address: str) -> str:
    """Return the address if notices can be sent to it.

    Raises:
        InputError: it is no such address. The message leaves it out, since it may be a secret.
    """
    usable = _split(address).hostname if address.startswith(WEB) else _service(address)
    if not usable or not address.isascii():
        raise InputError(
            f"--webhook must be an address such as {EXAMPLES} "
            "(https://appriseit.com/services lists more); what was given is not, and is not "
            "repeated here, since it may be a secret"
        )
    return address


def public_part(address: str) -> str:
    """Return what may be shown of an address: a webhook's host, or the name of the service.

    In an address such as `tgram://TOKEN/CHAT` the host is the secret.
    """
    if address.startswith(WEB):
        return _split(address).hostname or ""
    return address.partition("://")[0]


def post(address: str, text: str) -> None:
    """Send a notice, once.

    Raises:
        NotifyError: it did not arrive. Of the address, the message has only the public part.
    """
    line = html.escape(one_line(text, LENGTH), quote=False)
    line = line.replace("@", "@\u200b")  # an idea that says @everyone must not call everyone
    service = _service(address)
    with _captured_logs() as messages:
        if service is not None and service.notify(body=line, title="autoresearch"):
            return
    status = re.search(r"error=(\d+)", "\n".join(messages))
    why = f"HTTP {status[1]}" if status else f"no answer within {SECONDS:.0f} s, or no connection"
    raise NotifyError(f"{public_part(address)} did not take a notice: {why}")


def _split(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return urlsplit("")
    return parts


def _service(address: str) -> "NotifyBase | None":
    """Return apprise's service for an address, None if apprise knows none."""
    from apprise import Apprise, NotifyBase  # takes most of a second, and few campaigns need it

    with _captured_logs():
        service = Apprise.instantiate(address)
        if service is None and address.startswith(WEB):
            service = Apprise.instantiate(_plain_webhook(address))
    if not isinstance(service, NotifyBase):
        return None
    service.socket_connect_timeout = service.socket_read_timeout = SECONDS
    return service


def _plain_webhook(address: str) -> dict[str, object]:
    """Describe to apprise a POST of `{"text": ...}` to a web address."""
    parts = _split(address)
    return {
        "schema": "jsons" if parts.scheme == "https" else "json",
        "host": parts.hostname,
        "port": parts.port,
        "user": parts.username,
        "password": parts.password,
        "fullpath": parts.path,
        "params": dict(parse_qsl(parts.query)),
        "payload": {"message": "text", "version": "", "title": "", "type": "", "attachments": ""},
    }


@contextmanager
def _captured_logs() -> Iterator[list[str]]:
    """Collect what apprise logs, and keep it and urllib3's logs out: they name addresses."""
    messages: list[str] = []

    def capture(record: logging.LogRecord) -> bool:
        messages.append(record.getMessage())
        return False

    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
    logger = logging.getLogger("apprise")
    logger.addFilter(capture)
    try:
        yield messages
    finally:
        logger.removeFilter(capture)
