"""The control panel: start a campaign, watch it, steer it."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import ipywidgets as widgets
from IPython.display import display

from autoresearch_kit.campaign.settings import started_with
from autoresearch_kit.errors import KitError
from autoresearch_kit.ledger import find_root
from autoresearch_kit.reports.reading import Reading
from autoresearch_kit.reports.rows import by_finish
from autoresearch_kit.ui.panel import html
from autoresearch_kit.ui.panel.buttons import Buttons, button
from autoresearch_kit.ui.panel.experiments import Opened, Table
from autoresearch_kit.ui.panel.start_form import StartForm
from autoresearch_kit.ui.panel.style import CSS
from autoresearch_kit.ui.panel.view import View, Viewer

REFRESH_SECONDS = 2.0

LAST_BEGUN = ("the experiment that was begun last", None)
"""The first of the choices which experiment under way to follow."""

_shown: dict[tuple[Path, str], "Panel"] = {}
"""The panel of each campaign that is shown: a cell that is run again replaces its panel."""


class Panel:
    """The control panel of campaign `tag` of the project at `root`, or of the current folder.

    `dataset` is what a new campaign trains on, unless changed in the panel. As the last line of a
    cell the panel shows itself, and refreshes until its kernel ends or the cell is run again. On
    Colab, where nothing is refreshed between cells, `watch()` follows within a cell.
    """

    def __init__(self, tag: str, *, dataset: str = "", root: Path | None = None) -> None:
        self.tag, self.root = tag, root or find_root(Path.cwd())
        self._dataset = dataset
        self._viewer = Viewer(self.root, self.tag)
        self._task: asyncio.Task[None] | None = None
        self.chooser = widgets.Dropdown(description="campaign", layout={"width": "340px"})
        self.chooser.observe(self._choose, "value")
        self.form = StartForm()
        self.buttons = Buttons(self._viewer.workspace, self.form)
        self.opened = Opened(self.refresh)
        self.table = Table(lambda number: self.opened.show(self._viewer.history, number))
        self.status, self.run, self.run_diff = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.slots = widgets.HTML()
        self.followed = widgets.Dropdown(
            description="follow", options=[LAST_BEGUN], layout={"width": "420px"}
        )
        self.progress = widgets.FloatProgress(max=1.0, layout={"width": "50%"})
        self.progress_words, self.summary = widgets.HTML(), widgets.HTML()
        self.curve, self.picture = (
            widgets.Image(format="png", layout={"max_width": "100%", "display": "none"})
            for _ in range(2)
        )
        self.troubles, self.guidance_now = widgets.HTML(), widgets.HTML()
        self.guidance = widgets.Textarea(
            placeholder="try wider, not deeper; no more LR tweaks", layout={"width": "70%"}
        )
        self.box = widgets.VBox(self._sections())
        self._fill_form()

    def _sections(self) -> list[widgets.Widget]:
        self._running = widgets.HBox(
            [self.progress, self.progress_words], layout={"align_items": "center"}
        )
        return [
            widgets.HTML(CSS),
            self.chooser,
            self.status,
            self.form.box,
            self.buttons.box,
            self.slots,
            self.followed,
            self._running,
            self.run,
            self.curve,
            self.run_diff,
            self.summary,
            self.picture,
            self.table.box,
            self.opened.box,
            self.troubles,
            self.guidance_now,
            widgets.HBox([self.guidance, button("Send", self._guide)]),
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
        self._show(self._viewer.look(self.followed.value))

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
                view = await asyncio.to_thread(viewer.look, self.followed.value)
            except (KitError, OSError) as error:
                self.buttons.say(str(error), "crash")
            else:
                if viewer is self._viewer:  # else another campaign was chosen meanwhile
                    self._show(view)
            await asyncio.sleep(REFRESH_SECONDS)

    def _show(self, view: View) -> None:
        reading = view.reading
        self._show_choices(view)
        self.status.value = html.status(reading)
        self.form.box.layout.display = "none" if reading.running else "flex"
        self.buttons.show(reading)
        self.slots.value = html.slots(reading)
        self._show_followed(reading)
        self._show_run(view)
        self.summary.value = html.summary(reading)
        if view.picture is not None:
            self.picture.value = view.picture
        self.picture.layout.display = "block" if reading.table else "none"
        self.table.show(by_finish(reading.table), reading.metric.name)
        self.troubles.value = html.troubles(reading)
        self.guidance_now.value = html.guidance(reading)

    def _show_run(self, view: View) -> None:
        run = view.run
        self._running.layout.display = "flex" if run else "none"
        self.curve.layout.display = "block" if run and run.curve else "none"
        if run is None:
            self.run.value = self.run_diff.value = ""
            return
        self.progress.value = min(1.0, run.trained / run.budget) if run.budget else 0.0
        self.progress_words.value = html.wrap(html.progress_words(view.reading, run))
        self.run.value = html.under_way(run, view.comparison)
        self.run_diff.value = html.wrap(run.diff._repr_html_(), "box scroll") if run.diff else ""
        if view.curve is not None:
            self.curve.value = view.curve

    def _show_followed(self, reading: Reading) -> None:
        """Let a person choose among the experiments under way, if there are several."""
        ideas = {use.number: use.idea for use in reading.slots if use.number >= 0}
        named = [(f"{number}: {ideas[number]}", number) for number in sorted(ideas)]
        options = (LAST_BEGUN, *named)
        if options != self.followed.options:
            chosen = self.followed.value
            self.followed.options = options
            self.followed.value = chosen if chosen in ideas else None
        self.followed.layout.display = "flex" if len(ideas) > 1 else "none"

    def _show_choices(self, view: View) -> None:
        options = tuple((f"{tag}: {doing}", tag) for tag, doing in view.campaigns.items())
        if options != self.chooser.options:
            self.chooser.unobserve(self._choose, "value")  # new options choose the first of them
            self.chooser.options = options
            self.chooser.value = view.reading.tag
            self.chooser.observe(self._choose, "value")

    def _choose(self, _change: object) -> None:
        """Show the campaign that was chosen from the list."""
        self.tag = self.chooser.value
        self._viewer = Viewer(self.root, self.tag)
        self.buttons.workspace = self._viewer.workspace
        self.opened.clear()
        self._fill_form()
        self.buttons.say("")
        self.refresh()

    def _fill_form(self) -> None:
        workspace = self._viewer.workspace
        state = workspace.state()
        self.form.fill(
            started_with(self.root, self.tag),
            workspace.research(),
            state.limits if state else None,
            dataset=self._dataset,
            destinations=workspace.destinations(),
        )

    def _guide(self) -> None:
        self._viewer.workspace.write_guidance(self.guidance.value.strip())
        self.guidance.value = ""
        self.buttons.say("saved; every prompt from now on has it", "keep")
        self.refresh()


def _tree(widget: widgets.Widget) -> Iterator[widgets.Widget]:
    """Yield the widget and everything in it."""
    for child in getattr(widget, "children", ()):
        yield from _tree(child)
    yield widget
