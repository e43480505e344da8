"""The panel's widgets, without a browser: tests/ui/browser has one."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import ipywidgets as widgets
import pytest

from autoresearch_kit.errors import InputError
from autoresearch_kit.execution.live import Point
from autoresearch_kit.records import (
    Command,
    Limits,
    Prices,
    Proposal,
    Reason,
    Research,
    Rule,
    Stage,
    State,
    Verdict,
)
from autoresearch_kit.reports.figures.drawing import render
from autoresearch_kit.ui.panel import Directive, Panel
from autoresearch_kit.ui.panel.experiments import PAGE
from autoresearch_kit.ui.panel.start_form import StartForm
from autoresearch_kit.ui.panel.view import compare, live_curve
from tests.campaign import tiny
from tests.ledger.ledger import SETTINGS
from tests.researchers.llm.conftest import Ledger, ledger

__all__ = ["ledger"]

BASELINE = 'title="baseline"'
"""The baseline's idea in its row."""


def tree(widget: widgets.Widget) -> Iterator[widgets.Widget]:
    """Yield the widget and what is in it, as a page shows them."""
    yield widget
    children = getattr(widget, "children", ())
    for child in sorted(children, key=lambda child: int(child.layout.order or 0)):
        yield from tree(child)


def shown(panel: Panel) -> str:
    return "\n".join(each.value for each in tree(panel.box) if isinstance(each, widgets.HTML))


def press(panel: Panel, name: str) -> None:
    buttons = [each for each in tree(panel.box) if isinstance(each, widgets.Button)]
    next(each for each in buttons if each.description == name).click()


async def finish() -> None:
    """Wait until everything that was begun in this loop is done."""
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)


@pytest.fixture
def panel(ledger: Ledger) -> Panel:
    ledger.constants(1, 1.5, WIDTH=16)
    made = Panel("night", root=ledger.root)
    made.refresh()
    return made


def test_a_click_opens_the_experiment_that_was_shown(panel: Panel, ledger: Ledger) -> None:
    assert 0 < shown(panel).index("WIDTH = 16") < shown(panel).index(BASELINE)
    [seen] = [
        each for each in tree(panel.box) if isinstance(each, widgets.Button)
        and each.description == "1"
    ]  # fmt: skip
    ledger.constants(2, WIDTH=32)
    panel.refresh()
    seen.click()
    assert "+WIDTH = 16" in shown(panel)


def test_a_models_words_are_escaped(panel: Panel, ledger: Ledger) -> None:
    ledger.add(Proposal(2, 1, "llm", "<script>alert(1)</script>", "<b>", constants={"WIDTH": 32}))
    panel.refresh()
    press(panel, "2")
    assert "<script>" not in shown(panel)
    assert "&lt;script&gt;" in shown(panel)


def test_buttons_fit_the_campaigns_state(panel: Panel, ledger: Ledger) -> None:
    buttons = panel.buttons
    assert (buttons.start.disabled, buttons.pause.disabled) == (False, True)
    with ledger.workspace.lock():
        panel.refresh()
    assert (buttons.start.disabled, buttons.pause.disabled) == (True, False)
    now = time.time()
    state = State("night", 1, Stage.RUNNING, "", 2, "wider", "", Limits(), now, now)
    ledger.workspace.write_state(state)
    panel.refresh()
    assert "its process died while running" in panel.status.value
    assert (buttons.start.description, buttons.start.disabled) == ("Go on", False)
    ledger.workspace.write_state(replace(state, command=Command.CONFIRM))
    panel.refresh()
    assert "go on with: autoresearch confirm night" in panel.status.value


def test_pages_reuse_their_widgets(panel: Panel, ledger: Ledger) -> None:
    before = len(list(tree(panel.box)))
    for number in range(2, PAGE + 2):
        ledger.constants(number, WIDTH=number)
    panel.refresh()
    assert len(list(tree(panel.box))) == before
    assert "page 1 of 2" in shown(panel)
    assert BASELINE not in shown(panel)
    press(panel, "Older")
    assert BASELINE in shown(panel)


def test_another_campaign_is_chosen_from_the_list(panel: Panel, ledger: Ledger) -> None:
    other = Panel("day", root=ledger.root)
    other.refresh()
    assert [tag for _, tag in other.chooser.options] == ["day", "night"]
    other.chooser.value = "night"
    assert "WIDTH = 16" in shown(other)
    assert other.buttons.workspace == ledger.workspace


def test_a_request_to_an_ended_campaign_is_answered(panel: Panel) -> None:
    press(panel, "Pause")
    assert "campaign &#x27;night&#x27; is not running" in panel.buttons.answer.value


def test_guidance_is_saved_and_shown(panel: Panel, ledger: Ledger) -> None:
    panel.guidance.value = "try wider"
    press(panel, "Send")
    assert ledger.workspace.guidance() == "try wider"
    assert "try wider" in shown(panel)


def test_the_form_lists_every_researcher() -> None:
    assert [name for _, name in StartForm().researcher.options] == ["optuna", "llm"]


def test_secrets_leave_their_fields_at_once() -> None:
    form = StartForm()
    form.researcher.value = "llm"
    form.key.value, form.webhook.value = "sk-planted", "https://hooks.example/secret"
    assert form.key.value == form.webhook.value == ""
    chosen = form.choices()
    assert chosen.environment == {"OPENAI_API_KEY": "sk-planted"}
    assert chosen.webhook == "https://hooks.example/secret"


def test_empty_fields_are_defaults() -> None:
    chosen = StartForm().choices()
    assert chosen.limits == Limits()
    assert chosen.wishes.train_seconds is None
    assert chosen.wishes.rule is Rule.CAREFUL


def test_the_form_shows_earlier_choices() -> None:
    form = StartForm()
    research = Research("a-model", "http://127.0.0.1:1/v1", prices=Prices(1.25, 10.0, 0.125))
    limits = Limits(experiments=100, usd=5.0)
    form.fill(replace(SETTINGS, rule=Rule.GREEDY, researcher="llm"), research, limits)
    chosen = form.choices()
    assert (chosen.model.model, chosen.model.usd_out) == ("a-model", 10.0)
    assert chosen.limits == limits
    assert (form.rule.value, form.rule.disabled) == (Rule.GREEDY, True)


@pytest.mark.parametrize(
    ("typed", "said"),
    [("all night", "end after hours is &#x27;all night&#x27;; it must be a number"),
     ("-1", "--hours is -1; it must be more than 0")],
)  # fmt: skip
def test_a_wrong_field_is_one_line(panel: Panel, typed: str, said: str) -> None:
    async def start() -> None:
        panel.form.limits["hours"].value = typed
        press(panel, "Start")
        await finish()

    asyncio.run(start())
    assert said in panel.buttons.answer.value
    assert not panel.buttons.start.disabled


def test_program_md_is_saved_unless_it_changed_meanwhile(tmp_path: Path) -> None:
    root = tiny.make_project(tmp_path / "project")
    with pytest.raises(InputError, match=r"no program\.md in"):
        Directive(root)
    program = root / "program.md"
    program.write_text("be bold\n")
    directive = Directive(root)
    directive.text.value = "be simple\n"
    directive.save.click()
    assert program.read_text() == "be simple\n"
    program.write_text("be brave\n")
    directive.save.click()
    assert program.read_text() == "be brave\n"
    assert "changed on disk" in directive.said.value


def test_a_cell_that_is_run_again_replaces_its_panel(ledger: Ledger) -> None:
    async def show_twice() -> None:
        first, second = (Panel("night", root=ledger.root) for _ in range(2))
        first._ipython_display_()
        second._ipython_display_()
        assert {each.comm for each in (first.box, first.status, first.table.box)} == {None}
        second.close()
        await finish()

    asyncio.run(show_twice())


def test_watching_in_a_cell_ends_with_the_campaign(panel: Panel) -> None:
    panel.watch()
    assert "WIDTH = 16" in shown(panel)


def test_an_experiment_that_never_ran_has_no_notebook(panel: Panel, ledger: Ledger) -> None:
    proposal = Proposal(2, 1, "llm", "nothing came of it", "", failure="given up")
    ledger.add(proposal, Verdict.CRASH, Reason.INVALID_EDIT, None, "given up", ran=False)
    panel.refresh()
    press(panel, "2")
    press(panel, "Open its notebook")
    assert "never ran" in panel.opened.said.value


def test_a_run_is_compared_with_the_best_by_seconds() -> None:
    best = [Point(n, n, 5 - n / 100) for n in range(0, 300, 3)]
    run = [Point(n, n, 4.9 - n / 100) for n in range(0, 90, 3)]
    assert compare(run, best).endswith("0.100 lower than the best's there")
    assert compare([], best) == ""
    [axes] = live_curve([Point(0, 0.1, 7777.0), *run[12:]], best, 400).axes
    assert axes.get_xlim() == (0.0, 400.0)
    assert axes.get_ylim()[1] < 6
    assert render(live_curve(run[:1], [], 300)).startswith(b"\x89PNG")
