"""The panel's buttons: start, pause, resume, stop.

As the command line does, they write requests into the campaign's folder: the campaign is a process
of its own, which goes on when the panel or its kernel ends.
"""

import asyncio
import os
import subprocess
from collections.abc import Callable

import ipywidgets as widgets

from autoresearch_kit.campaign import start
from autoresearch_kit.campaign.background import settle_destinations
from autoresearch_kit.campaign.model_options import BASE_URL, KEY
from autoresearch_kit.campaign.settings import settle
from autoresearch_kit.errors import KitError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Request, Stage
from autoresearch_kit.reports.reading import Reading
from autoresearch_kit.reports.status import in_flight, under_way
from autoresearch_kit.ui import colab
from autoresearch_kit.ui.panel import html
from autoresearch_kit.ui.panel.start_form import StartForm

ANSWERS = {
    Request.PAUSE: "pauses after {}",
    Request.RESUME: "goes on",
    Request.STOP: "stops after {}",
    Request.STOP_NOW: "stops at once; whatever runs is ended",
}
"""Answers to requests; {} is under way."""


def button(words: str, action: Callable[[], None], kind: str = "") -> widgets.Button:
    """Return a button; `kind` is its colour in ipywidgets' words."""
    made = widgets.Button(description=words, button_style=kind)
    made.on_click(lambda _: action())
    return made


class Buttons:
    """The row of buttons, and the answer to the last of them.

    They act on the campaign `workspace`, which may be replaced by another one. *Start* starts it as
    `form` says.
    """

    def __init__(self, workspace: Workspace, form: StartForm) -> None:
        self.workspace = workspace
        self._form = form
        self._process: subprocess.Popen[bytes] | None = None
        self.start = button("Start", self._start, "success")
        self.pause = button("Pause", lambda: self._ask(Request.PAUSE))
        self.resume = button("Resume", lambda: self._ask(Request.RESUME))
        self.stop = button("Stop after this", lambda: self._ask(Request.STOP))
        self.stop_now = button("Stop now", lambda: self._ask(Request.STOP_NOW), "danger")
        self.answer = widgets.HTML()
        row = [self.start, self.pause, self.resume, self.stop, self.stop_now, self.answer]
        wrapping = widgets.Layout(display="flex", flex_flow="row wrap", align_items="center")
        self.box = widgets.Box(row, layout=wrapping)

    def show(self, reading: Reading) -> None:
        """Enable the buttons that fit the campaign's state."""
        if self._process is not None:
            self._process.poll()  # else an ended campaign stays behind as a zombie
        running = reading.running
        paused = running and reading.state is not None and reading.state.stage is Stage.PAUSED
        self.start.description = "Go on" if reading.state else "Start"
        self.start.disabled = running
        self.pause.disabled = not running or paused
        self.resume.disabled = not paused
        self.stop.disabled = self.stop_now.disabled = not running
        several = running and len(in_flight(reading.state)) > 1
        self.stop.description = "Stop after these" if several else "Stop after this"

    def say(self, text: str, kind: str = "") -> None:
        """Show an answer beside the buttons, in the colour of `kind`, a verdict."""
        self.answer.value = html.message(text, kind)

    def _ask(self, request: Request) -> None:
        try:
            self.workspace.ask(request)
        except KitError as error:
            self.say(str(error), "crash")
        else:
            self.say(ANSWERS[request].format(under_way(self.workspace.state())), "keep")

    def _start(self) -> None:
        self.start.disabled = True
        self.say("starting; a corpus that is not prepared takes a minute, a large one many")
        asyncio.get_running_loop().create_task(self._start_in_thread())

    async def _start_in_thread(self) -> None:
        said: list[str] = []
        try:
            chosen = self._form.choices()
            settings = settle(self.workspace.root, self.workspace.tag, chosen.options)
            destinations = settle_destinations(self.workspace, chosen.copy_to, chosen.webhook)
            # Colab keeps secrets for the user; what is exported or typed here goes before them
            secrets = {name: value for name in (KEY, BASE_URL) if (value := colab.secret(name))}
            self._process = await asyncio.to_thread(
                start.start,
                self.workspace,
                settings,
                chosen.limits,
                chosen.model,
                destinations,
                {**secrets, **os.environ, **chosen.environment},
                said.append,
            )
        except (KitError, OSError) as error:
            self.start.disabled = False
            self.say(str(error), "crash")
        else:
            self.say("; ".join(["started; it goes on without this page", *said]), "keep")
