"""Run a task's commands in the measurement's sandbox: the checks, and what measures."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from autoresearch_kit.execution.judge.exchange import DETAIL_LENGTH
from autoresearch_kit.execution.judge.measuring_sandbox import MeasuringSandbox
from autoresearch_kit.execution.judge.measuring_watch import MeasuringWatch
from autoresearch_kit.execution.judge.relay import FirstFailure
from autoresearch_kit.execution.judge.reported import Reported
from autoresearch_kit.execution.judge.scoring import ScoreFailure
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.processes.child import Drain
from autoresearch_kit.records import Reason
from autoresearch_kit.records.text import one_line

METRIC = re.compile(rb"^METRIC[ \t]+([^\s=]+)[ \t]*=[ \t]*(\S+)[ \t\r]*$", re.MULTILINE)
"""A line like `METRIC error=0.031`."""

PIECE_BYTES = 2**16

LINE_BYTES = 4096
"""Longer lines report no metric."""


@dataclass(frozen=True)
class Ended:
    """The end of a command: its exit status, and the last line of its errors, or of its output."""

    status: int
    last_line: str


def check(sandbox: MeasuringSandbox, deadline: float) -> None:
    """Run the checks.

    Raises:
        ScoreFailure: they don't pass, or took too much.
    """
    command = sandbox.info.checks
    try:
        ended = _run(sandbox, command, deadline, None)
    except ScoreFailure as failure:
        if failure.reason is not Reason.NOT_MEASURED:
            raise
        raise ScoreFailure(Reason.CHECKS_FAILED, failure.detail) from failure
    if ended.status:
        raise ScoreFailure(Reason.CHECKS_FAILED, _said(command, ended))


def measure(sandbox: MeasuringSandbox, deadline: float) -> Reported:
    """Run the measuring command, and return the metrics that it reported.

    Raises:
        ScoreFailure: it failed, took too much, or reported what is no metric of the task.
    """
    command, reported = sandbox.info.command, Reported(sandbox.info.task)
    ended = _run(sandbox, command, deadline, reported)
    if ended.status:
        raise ScoreFailure(Reason.NOT_MEASURED, _said(command, ended))
    return reported


def _said(command: str, ended: Ended) -> str:
    return one_line(f"{command} ended with status {ended.status}: {ended.last_line}", DETAIL_LENGTH)


def _run(
    sandbox: MeasuringSandbox, command: str, deadline: float, reported: Reported | None
) -> Ended:
    """Run a command in a folder of its own; `reported` takes the metrics that it prints.

    Raises:
        ScoreFailure: it took too much, or printed a metric that can't be taken.
    """
    sandbox.make()
    first, errors = FirstFailure(), Drain()
    errors.start()
    process = subprocess.Popen(
        sandbox.command(["sh", "-c", command], _variables(sandbox), any_program=True),
        cwd=sandbox.work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors.write,
        start_new_session=True,
    )
    os.close(errors.write)
    assert process.stdout is not None
    watch = MeasuringWatch(sandbox, first, command, deadline)
    watch.start()
    last = b""
    try:
        for lines in _lines(process.stdout):
            last = lines.strip()[-LINE_BYTES:] or last
            if reported is not None:
                _take(reported, lines)
        status = process.wait()
    finally:
        watch.end()
        reap.reap(sandbox.spec.run_id)
        process.communicate()  # nobody can print any more
        errors.join()
    if first.failure is not None:
        raise ScoreFailure(first.failure.reason, first.failure.detail)
    said = last.decode(errors="replace").splitlines()[-1:]
    return Ended(status, errors.last_line or "".join(said))


def _lines(output: IO[bytes]) -> Iterator[bytes]:
    """Yield what is printed, some whole lines at a time, until nobody can print any more."""
    rest = b""
    while piece := os.read(output.fileno(), PIECE_BYTES):
        lines, end, rest = (rest + piece).rpartition(b"\n")
        if len(rest) > LINE_BYTES:
            rest = b"#"  # what follows is not at the start of a line
        if end:
            yield lines
    yield rest


def _take(reported: Reported, lines: bytes) -> None:
    """Take the task's metrics from what a command printed; what else it counts is for people."""
    for match in METRIC.finditer(lines):
        name = match[1].decode(errors="replace")
        if reported.takes(name):
            reported.add({name: _number(match[1], match[2])})


def _number(name: bytes, text: bytes) -> float:
    try:
        return float(text)
    except ValueError as error:
        shown = one_line(
            f"METRIC {name.decode(errors='replace')}={text!r} is no number", DETAIL_LENGTH
        )
        raise ScoreFailure(Reason.NOT_MEASURED, shown) from error


def _variables(sandbox: MeasuringSandbox) -> dict[str, str]:
    spec = sandbox.spec
    return {
        "AUTORESEARCH_OUTPUT": str(spec.output),
        "AUTORESEARCH_SUBMISSION": str(spec.submission),
        "AUTORESEARCH_HIDDEN": str(sandbox.hidden),
        "AUTORESEARCH_DATA": str(sandbox.data),
    }
