"""The control panel: start a campaign, watch it, steer it.

It only reads the campaign's files and leaves requests there, as the command line does: the campaign
is a process of its own, which neither the panel nor its kernel can take down with it.
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
from autoresearch_kit.campaign.errands import settle_errands
from autoresearch_kit.campaign.loop import Campaign
from autoresearch_kit.campaign.model_options import BASE_URL, KEY
from autoresearch_kit.campaign.options import settle, started_with
from autoresearch_kit.errors import KitError
from autoresearch_kit.ledger import find_root
from autoresearch_kit.records import Request, Stage
from autoresearch_kit.reports.figures import plots
from autoresearch_kit.reports.figures.drawing import Drawing
from autoresearch_kit.reports.watching import Sight, Watch
from autoresearch_kit.ui import colab
from autoresearch_kit.ui.panel import pieces, style
from autoresearch_kit.ui.panel.opened import Opened
from autoresearch_kit.ui.panel.start_form import StartForm
from autoresearch_kit.ui.panel.table import Table

REFRESH_SECONDS = 2.0

_shown: dict[tuple[Path, str], "Panel"] = {}
"""The panel of each campaign: a cell that is run again replaces what it showed before."""


class Panel:
    """The control panel of a campaign, by its tag, of the project at `root` or around here.

    `dataset` is what a campaign that was not started yet is to train on, unless changed there.
    As the last line of a cell it shows itself, and refreshes until its kernel ends or the cell is
    run again. On Colab, where nothing is refreshed between cells, `watch()` follows in a cell.
    """

    def __init__(
        self, campaign: "str | Campaign", *, dataset: str = "", root: Path | None = None
    ) -> None:
        self.tag = campaign if isinstance(campaign, str) else campaign.tag
        self.root = root or (find_root(Path.cwd()) if isinstance(campaign, str) else campaign.root)
        self._dataset = dataset
        self._watch = Watch(self.root, self.tag)
        self._drawn: tuple[str, int] = ("", -1)
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
        self.progress_words, self.spent = widgets.HTML(), widgets.HTML()
        self.now, self.running_diff = widgets.HTML(), widgets.HTML()
        self.picture = widgets.Image(format="png", layout={"max_width": "100%", "display": "none"})
        self.opened = Opened()
        self.table = Table(lambda number: self.opened.show(self._watch.history, number))
        self.troubles = widgets.HTML()
        self.guidance_said = widgets.HTML()
        self.guidance = widgets.Textarea(
            placeholder="try wider, not deeper; no more LR tweaks", layout={"width": "70%"}
        )
        self.guide = _button("Say it", "", self._guide)
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
            self.now,
            self.running_diff,
            self.spent,
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
        """Look at the campaign once, and show what is seen."""
        self._show(*self._look())

    def watch(self) -> None:
        """Refresh from within this cell until the campaign ends; interrupt it to use the buttons.

        Where nothing is refreshed between cells, as on Colab, this is how to follow.
        """
        self.refresh()
        display(self.box)
        while self._watch.workspace.running():
            time.sleep(REFRESH_SECONDS)
            self.refresh()

    async def _keep_fresh(self) -> None:
        while True:
            watch = self._watch
            try:
                seen = await asyncio.to_thread(self._look)
            except (KitError, OSError) as error:
                self._say(str(error), "crash")
            else:
                if watch is self._watch:  # else another campaign was chosen meanwhile
                    self._show(*seen)
            await asyncio.sleep(REFRESH_SECONDS)

    def _look(self) -> tuple[Sight, bytes | None]:
        """What there is to see, and the picture if it is another than that shown."""
        sight = self._watch.look()
        if self._drawn == (sight.tag, len(sight.rows)) or not sight.rows:
            return sight, None
        self._drawn = (sight.tag, len(sight.rows))
        return sight, plots.render(_picture(sight))

    def _show(self, sight: Sight, picture: bytes | None) -> None:
        if self._process is not None:
            self._process.poll()  # else an ended campaign stays behind as a zombie
        self._show_choices(sight)
        self.status.value = pieces.status(sight)
        self._show_buttons(sight)
        self._running.layout.display = "flex" if sight.now else "none"
        self.progress.value = pieces.progress_value(sight)
        self.progress_words.value = pieces.wrap(pieces.progress_words(sight))
        self.now.value, self.running_diff.value = pieces.now(sight), pieces.running_diff(sight)
        self.spent.value = pieces.spent(sight)
        if picture is not None:
            self.picture.value = picture
        self.picture.layout.display = "block" if sight.rows else "none"
        self.table.show(sight.rows)
        self.troubles.value = pieces.troubles(sight)
        self.guidance_said.value = pieces.guidance(sight)

    def _show_choices(self, sight: Sight) -> None:
        options = tuple((f"{tag}: {doing}", tag) for tag, doing in sight.campaigns.items())
        if options != self.chooser.options:
            self.chooser.unobserve(self._chosen, "value")  # new options choose the first of them
            self.chooser.options = options
            self.chooser.value = sight.tag
            self.chooser.observe(self._chosen, "value")

    def _show_buttons(self, sight: Sight) -> None:
        running = sight.running
        paused = running and sight.state is not None and sight.state.stage is Stage.PAUSED
        self.start.description = "Go on" if sight.state else "Start"
        self.start.disabled = running
        self.pause.disabled = not running or paused
        self.resume.disabled = not paused
        self.stop.disabled = self.stop_now.disabled = not running
        self.form.box.layout.display = "none" if running else "flex"

    def _chosen(self, _change: object) -> None:
        """Another campaign was chosen from the list."""
        self.tag = self.chooser.value
        self._watch = Watch(self.root, self.tag)
        self.opened.clear()
        self._fill_form()
        self._say("")
        self.refresh()

    def _fill_form(self) -> None:
        place = self._watch.workspace
        state, settings = place.state(), started_with(self.root, self.tag)
        limits = state.limits if state else None
        errands = place.errands()
        self.form.fill(settings, place.research(), limits, dataset=self._dataset, errands=errands)

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
            place = self._watch.workspace
            errands = settle_errands(place, asked.copy_to, asked.webhook)
            self._process = await asyncio.to_thread(
                start.start,
                place,
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
            self._watch.workspace.ask(request)
        except KitError as error:
            self._say(str(error), "crash")
        else:
            self._say(answers[request], "keep")

    def _guide(self) -> None:
        self._watch.workspace.write_guidance(self.guidance.value.strip())
        self.guidance.value = ""
        self._say("said; it is in the next prompt", "keep")
        self.refresh()

    def _say(self, text: str, kind: str = "") -> None:
        self.said.value = pieces.message(text, kind)


def _picture(sight: Sight) -> Drawing:
    return plots.progress(sight.frame(), sight.noise, title=sight.tag, size=(10, 4.2))


def _secrets() -> dict[str, str]:
    """What Colab keeps for the user, under the names of the environment's variables."""
    return {name: value for name in (KEY, BASE_URL) if (value := colab.secret(name))}


def _row() -> widgets.Layout:
    return widgets.Layout(display="flex", flex_flow="row wrap", align_items="center")


def _tree(widget: widgets.Widget) -> Iterator[widgets.Widget]:
    """The widget and all in it."""
    for child in getattr(widget, "children", ()):
        yield from _tree(child)
    yield widget


def _button(words: str, kind: str, action: Callable[[], None]) -> widgets.Button:
    button = widgets.Button(description=words, button_style=kind)
    button.on_click(lambda _: action())
    return button
