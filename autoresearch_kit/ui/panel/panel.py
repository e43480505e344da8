"""The control panel: start a campaign, watch it, steer it.

Like the command line, it only reads the campaign's files and writes requests there: the campaign is
a process of its own, which goes on when the panel or its kernel ends.
"""

import asyncio
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import ipywidgets as widgets
from IPython.display import display

from autoresearch_kit.campaign import start
from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.campaign.errands import settle_errands
from autoresearch_kit.campaign.model_options import BASE_URL, KEY
from autoresearch_kit.campaign.options import settle, started_with
from autoresearch_kit.errors import KitError
from autoresearch_kit.ledger import find_root
from autoresearch_kit.records import Request, Stage
from autoresearch_kit.reports.reading import Reading
from autoresearch_kit.ui import colab
from autoresearch_kit.ui.panel import pieces, style
from autoresearch_kit.ui.panel.opened import Opened
from autoresearch_kit.ui.panel.start_form import StartForm
from autoresearch_kit.ui.panel.table import Table
from autoresearch_kit.ui.panel.view import View, Viewer

REFRESH_SECONDS = 2.0

_shown: dict[tuple[Path, str], "Panel"] = {}
"""The panel of each campaign that is shown: a cell that is run again replaces its panel."""


class Panel:
    """The control panel of a campaign of the project at `root`, or of the current folder.

    `dataset` is what a new campaign trains on, unless changed in the panel. As the last line of a
    cell the panel shows itself, and refreshes until its kernel ends or the cell is run again. On
    Colab, where nothing is refreshed between cells, `watch()` follows within a cell.
    """

    def __init__(
        self, campaign: "str | Campaign", *, dataset: str = "", root: Path | None = None
    ) -> None:
        self.tag = campaign if isinstance(campaign, str) else campaign.tag
        self.root = root or (find_root(Path.cwd()) if isinstance(campaign, str) else campaign.root)
        self._dataset = dataset
        self._viewer = Viewer(self.root, self.tag)
        self._process: subprocess.Popen[bytes] | None = None
        self._task: asyncio.Task[None] | None = None
        self._make_widgets()
        self._fill_form()

    def _make_widgets(self) -> None:
        self.chooser = widgets.Dropdown(description="campaign", layout={"width": "340px"})
        self.status, self.said = widgets.HTML(), widgets.HTML()
        self.start = _button("Start", "success", self._start)
        self.pause = _button("Pause", "", lambda: self._ask(Request.PAUSE))
        self.resume = _button("Resume", "", lambda: self._ask(Request.RESUME))
        self.stop = _button("Stop after this", "", lambda: self._ask(Request.STOP))
        self.stop_now = _button("Stop now", "danger", lambda: self._ask(Request.STOP_NOW))
        self.form = StartForm()
        self.progress = widgets.FloatProgress(max=1.0, layout={"width": "50%"})
        self.progress_words, self.summary = widgets.HTML(), widgets.HTML()
        self.run, self.run_diff = widgets.HTML(), widgets.HTML()
        self.curve, self.picture = _image(), _image()
        self.opened = Opened()
        self.table = Table(lambda number: self.opened.show(self._viewer.history, number))
        self.troubles = widgets.HTML()
        self.guidance_said = widgets.HTML()
        self.guidance = widgets.Textarea(
            placeholder="try wider, not deeper; no more LR tweaks", layout={"width": "70%"}
        )
        self.guide = _button("Send", "", self._guide)
        self.chooser.observe(self._chosen, "value")
        self.box = widgets.VBox(self._sections())

    def _sections(self) -> list[widgets.Widget]:
        buttons = [self.start, self.pause, self.resume, self.stop, self.stop_now]
        self._running = widgets.HBox([self.progress, self.progress_words], layout=_row())
        return [
            widgets.HTML(style.CSS),
            self.chooser,
            self.status,
            self.form.box,
            widgets.Box([*buttons, self.said], layout=_row()),
            self._running,
            self.run,
            self.curve,
            self.run_diff,
            self.summary,
            self.picture,
            self.table.box,
            self.opened.box,
            self.troubles,
            self.guidance_said,
            widgets.HBox([self.guidance, self.guide]),
        ]

    def _ipython_display_(self) -> None:
        """Show it, and keep it fresh from here on."""
        before = _shown.pop((self.root, self.tag), None)
        if before is not None:
            before.close()
        _shown[self.root, self.tag] = self
        self.refresh()
        display(self.box)
        self._task = asyncio.get_running_loop().create_task(self._keep_fresh())

    def close(self) -> None:
        """Stop refreshing, and take the widgets off the page."""
        if self._task is not None:
            self._task.cancel()
        for widget in _tree(self.box):
            widget.close()

    def refresh(self) -> None:
        """Read the campaign once, and show it."""
        self._show(self._viewer.look())

    def watch(self) -> None:
        """Refresh from within this cell until the campaign ends; interrupt it to use the buttons.

        For Colab, where nothing is refreshed between cells.
        """
        self.refresh()
        display(self.box)
        while self._viewer.workspace.running():
            time.sleep(REFRESH_SECONDS)
            self.refresh()

    async def _keep_fresh(self) -> None:
        while True:
            viewer = self._viewer
            try:
                view = await asyncio.to_thread(viewer.look)
            except (KitError, OSError) as error:
                self._say(str(error), "crash")
            else:
                if viewer is self._viewer:  # else another campaign was chosen meanwhile
                    self._show(view)
            await asyncio.sleep(REFRESH_SECONDS)

    def _show(self, view: View) -> None:
        if self._process is not None:
            self._process.poll()  # else an ended campaign stays behind as a zombie
        reading = view.reading
        self._show_choices(view)
        self.status.value = pieces.status(reading)
        self._show_buttons(reading)
        self._show_run(view)
        self.summary.value = pieces.summary(reading)
        if view.picture is not None:
            self.picture.value = view.picture
        self.picture.layout.display = "block" if reading.table else "none"
        self.table.show(reading.table)
        self.troubles.value = pieces.troubles(reading)
        self.guidance_said.value = pieces.guidance(reading)

    def _show_run(self, view: View) -> None:
        run = view.run
        self._running.layout.display = "flex" if run else "none"
        self.curve.layout.display = "block" if run and run.curve else "none"
        if run is None:
            self.run.value = self.run_diff.value = ""
            return
        self.progress.value = min(1.0, run.trained / run.budget) if run.budget else 0.0
        self.progress_words.value = pieces.wrap(pieces.progress_words(view.reading, run))
        self.run.value = pieces.under_way(view.reading, run)
        self.run_diff.value = pieces.wrap(run.diff._repr_html_(), "box scroll") if run.diff else ""
        if view.curve is not None:
            self.curve.value = view.curve

    def _show_choices(self, view: View) -> None:
        options = tuple((f"{tag}: {doing}", tag) for tag, doing in view.campaigns.items())
        if options != self.chooser.options:
            self.chooser.unobserve(self._chosen, "value")  # new options choose the first of them
            self.chooser.options = options
            self.chooser.value = view.reading.tag
            self.chooser.observe(self._chosen, "value")

    def _show_buttons(self, reading: Reading) -> None:
        running = reading.running
        paused = running and reading.state is not None and reading.state.stage is Stage.PAUSED
        self.start.description = "Go on" if reading.state else "Start"
        self.start.disabled = running
        self.pause.disabled = not running or paused
        self.resume.disabled = not paused
        self.stop.disabled = self.stop_now.disabled = not running
        self.form.box.layout.display = "none" if running else "flex"

    def _chosen(self, _change: object) -> None:
        """Another campaign was chosen from the list."""
        self.tag = self.chooser.value
        self._viewer = Viewer(self.root, self.tag)
        self.opened.clear()
        self._fill_form()
        self._say("")
        self.refresh()

    def _fill_form(self) -> None:
        workspace = self._viewer.workspace
        state, settings = workspace.state(), started_with(self.root, self.tag)
        limits = state.limits if state else None
        errands = workspace.errands()
        self.form.fill(
            settings, workspace.research(), limits, dataset=self._dataset, errands=errands
        )

    def _start(self) -> None:
        self.start.disabled = True
        self._say("starting; a corpus that is not prepared takes a minute, a large one many")
        asyncio.get_running_loop().create_task(self._start_in_thread())

    async def _start_in_thread(self) -> None:
        said: list[str] = []
        try:
            asked = self.form.start()
            settings = settle(self.root, self.tag, asked.wishes)
            environment = {**_secrets(), **os.environ, **asked.environment}
            workspace = self._viewer.workspace
            errands = settle_errands(workspace, asked.copy_to, asked.webhook)
            self._process = await asyncio.to_thread(
                start.start,
                workspace,
                settings,
                asked.limits,
                asked.asked,
                errands,
                environment,
                said.append,
            )
        except (KitError, OSError) as error:
            self.start.disabled = False
            self._say(str(error), "crash")
        else:
            self._say("; ".join(["started; it goes on without this page", *said]), "keep")

    def _ask(self, request: Request) -> None:
        answers = {
            Request.PAUSE: "pauses after this experiment",
            Request.RESUME: "goes on",
            Request.STOP: "stops after this experiment",
            Request.STOP_NOW: "stops at once",
        }
        try:
            self._viewer.workspace.ask(request)
        except KitError as error:
            self._say(str(error), "crash")
        else:
            self._say(answers[request], "keep")

    def _guide(self) -> None:
        self._viewer.workspace.write_guidance(self.guidance.value.strip())
        self.guidance.value = ""
        self._say("saved; the next prompt has it", "keep")
        self.refresh()

    def _say(self, text: str, kind: str = "") -> None:
        self.said.value = pieces.message(text, kind)


def _secrets() -> dict[str, str]:
    """Return the secrets that Colab keeps for the user, by their environment variables."""
    return {name: value for name in (KEY, BASE_URL) if (value := colab.secret(name))}


def _image() -> widgets.Image:
    return widgets.Image(format="png", layout={"max_width": "100%", "display": "none"})


def _row() -> widgets.Layout:
    return widgets.Layout(display="flex", flex_flow="row wrap", align_items="center")


def _tree(widget: widgets.Widget) -> Iterator[widgets.Widget]:
    """Yield the widget and everything in it."""
    for child in getattr(widget, "children", ()):
        yield from _tree(child)
    yield widget


def _button(words: str, kind: str, action: Callable[[], None]) -> widgets.Button:
    button = widgets.Button(description=words, button_style=kind)
    button.on_click(lambda _: action())
    return button
