"""The heartbeat of a campaign process, and what a person asks of it."""

import logging
import math
import os
import time
from dataclasses import replace

from autoresearch_kit.errors import Cancelled, in_words
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Command, Limits, Request, SlotUse, Stage, State

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 2.0
PAUSE_POLL_SECONDS = 0.2  # seconds between two looks whether a pause is over

SOON_SECONDS = 0.3
"""Seconds between two writes of the state, at least, while several slots begin runs."""


def starting(tag: str, limits: Limits, command: Command = Command.RUN) -> State:
    """Return the state of a campaign that this process starts now."""
    now = time.time()
    return State(
        tag=tag,
        pid=os.getpid(),
        stage=Stage.STARTING,
        message="",
        number=0,
        idea="",
        run_folder="",
        limits=limits,
        started=now,
        heartbeat=now,
        command=command,
    )


class Heartbeat:
    """The campaign's state on disk, rewritten at each change and at least every few seconds.

    People and commands only read it, so a full disk does not end the campaign here. Durations don't
    depend on the system's clock, which may be set back. Of several experiments in flight the state
    shows the last that was begun.
    """

    def __init__(
        self, workspace: Workspace, limits: Limits, command: Command = Command.RUN
    ) -> None:
        self._workspace = workspace
        self._started = self._beat = time.monotonic()
        self._trouble, self._unwritten = "", False
        self._state = starting(workspace.tag, limits, command)
        self._write(self._state)

    @property
    def seconds(self) -> float:
        """Return how long this process has run the campaign."""
        return time.monotonic() - self._started

    @property
    def seconds_left(self) -> float:
        """Return how long the campaign may go on by its limit of hours; infinite without one."""
        hours = self._state.limits.hours
        return math.inf if hours is None else max(0.0, hours * 3600 - self.seconds)

    def stage(self, stage: Stage, message: str = "") -> None:
        """Write down what the campaign is doing now."""
        if (stage, message) != (self._state.stage, self._state.message):
            self._write(replace(self._state, stage=stage, message=message))

    def trying(self, number: int, idea: str) -> None:
        """Write down which experiment is under way."""
        self._write_soon(replace(self._state, number=number, idea=idea, run_folder=""))

    def repaired(self, idea: str) -> None:
        """Write down the idea as it is after its repair."""
        self._write(replace(self._state, idea=idea))

    def began(self, use: SlotUse, slots: tuple[SlotUse, ...]) -> None:
        """Write down that a slot began a run, and the runs of the other slots."""
        now = replace(
            self._state,
            stage=Stage.RUNNING,
            message=use.words,
            number=use.number,
            idea=use.idea,
            run_folder=use.slot.folder,
            slots=slots,
        )
        self._write_soon(now)

    def slots(self, slots: tuple[SlotUse, ...]) -> None:
        """Note what the slots do, to be written with the next change or beat."""
        self._state = replace(self._state, slots=slots)

    def running(self, run_folder: str, which: str) -> None:
        """Write down which run is under way, and the folder of its live files."""
        now = replace(self._state, stage=Stage.RUNNING, message=which, run_folder=run_folder)
        self._write(now)

    def cancelled(self) -> bool:
        """Return whether a person asked to stop at once.

        Called often; keeps the heartbeat going.
        """
        if time.monotonic() - self._beat > (SOON_SECONDS if self._unwritten else HEARTBEAT_SECONDS):
            self._write(self._state)
        return self._workspace.request() is Request.STOP_NOW

    def obey(self) -> None:
        """Go on, if nobody asked to stop: for what waits while nothing of it runs.

        Raises:
            Cancelled: a person asked to stop, at once or after this experiment.
        """
        if self.cancelled() or self.stop_requested():
            raise Cancelled("stopped while waiting for a quiet machine")

    def paused(self) -> bool:
        """Return whether the campaign is paused; keeps the heartbeat going."""
        self.cancelled()
        return self._workspace.request() is Request.PAUSE

    def wait_while_paused(self) -> None:
        """Wait, alive, while the campaign is paused."""
        while self.paused():
            if self._state.stage is not Stage.PAUSED:
                self.stage(Stage.PAUSED)
            time.sleep(PAUSE_POLL_SECONDS)

    def stop_requested(self) -> bool:
        """Return whether a person asked to stop."""
        return self._workspace.request() in (Request.STOP, Request.STOP_NOW)

    def _write_soon(self, state: State) -> None:
        """Write a change that many slots make often: at once, or with the next after a moment."""
        if len(state.slots) > 1 and time.monotonic() - self._beat < SOON_SECONDS:
            self._state, self._unwritten = state, True
        else:
            self._write(state)

    def _write(self, state: State) -> None:
        self._state = replace(state, heartbeat=time.time())
        self._beat, self._unwritten = time.monotonic(), False
        try:
            self._workspace.write_state(self._state)
        except OSError as error:
            if in_words(error) != self._trouble:
                logger.warning("the campaign's state can't be written: %s", in_words(error))
            self._trouble = in_words(error)
