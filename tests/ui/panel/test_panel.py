"""The panel's widgets, without a browser: tests/browser has one."""

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
from autoresearch_kit.ui.panel.live_curve import live_curve, versus
from autoresearch_kit.ui.panel.start_form import StartForm
from autoresearch_kit.ui.panel.table import PAGE
from tests.campaign import tiny
from tests.ledger.ledger import SETTINGS
from tests.researchers.llm.conftest import Ledger, ledger

__all__ = ["ledger"]

BASELINE = 'title="baseline"'
"""The baseline's idea in its row."""


def tree(widget: widgets.Widget) -> Iterator[widgets.Widget]:
    """It and what is in it, as a page shows them."""
    yield widget
    children = getattr(widget, "children", ())
    for child in sorted(children, key=lambda child: int(child.layout.order or 0)):
        yield from tree(child)


def shown(panel: Panel) -> str:
    """All its words."""
    return "\n".join(one.value for one in tree(panel.box) if isinstance(one, widgets.HTML))


def button(panel: Panel, name: str) -> widgets.Button:
    buttons = [one for one in tree(panel.box) if isinstance(one, widgets.Button)]
    return next(one for one in buttons if one.description == name)


@pytest.fixture
def panel(ledger: Ledger) -> Panel:
    ledger.constants(1, 1.5, WIDTH=16)
    made = Panel("night", root=ledger.root)
    made.refresh()
    return made


def test_the_newest_experiment_comes_first(panel: Panel) -> None:
    words = shown(panel)
    assert 0 < words.index("WIDTH = 16") < words.index(BASELINE)


def test_a_click_opens_the_experiment_that_was_shown(panel: Panel, ledger: Ledger) -> None:
    seen = button(panel, "1")
    ledger.constants(2, WIDTH=32)
    panel.refresh()
    seen.click()
    assert "+WIDTH = 16" in shown(panel)


def test_a_models_words_are_escaped(panel: Panel, ledger: Ledger) -> None:
    ledger.add(Proposal(2, 1, "llm", "<script>alert(1)</script>", "<b>", constants={"WIDTH": 32}))
    panel.refresh()
    button(panel, "2").click()
    assert "<script>" not in shown(panel)
    assert "&lt;script&gt;" in shown(panel)


def test_buttons_fit_the_campaigns_state(panel: Panel, ledger: Ledger) -> None:
    assert not button(panel, "Start").disabled
    assert button(panel, "Pause").disabled
    with ledger.workspace.lock():
        panel.refresh()
    assert panel.start.disabled
    assert not panel.pause.disabled


def test_a_dead_campaign_can_go_on(panel: Panel, ledger: Ledger) -> None:
    now = time.time()
    state = State("night", 1, Stage.RUNNING, "", 2, "wider", "", Limits(), now, now)
    ledger.workspace.write_state(state)
    panel.refresh()
    assert "its process died while running" in panel.status.value
    assert (panel.start.description, panel.start.disabled) == ("Go on", False)
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
    button(panel, "Older").click()
    assert BASELINE in shown(panel)


def test_another_campaign_is_chosen_from_the_list(panel: Panel, ledger: Ledger) -> None:
    other = Panel("day", root=ledger.root)
    other.refresh()
    assert [tag for _, tag in other.chooser.options] == ["day", "night"]
    other.chooser.value = "night"
    assert "WIDTH = 16" in shown(other)


def test_a_request_to_an_ended_campaign_is_answered(panel: Panel) -> None:
    panel.pause.click()
    assert "campaign &#x27;night&#x27; is not running" in panel.said.value


def test_guidance_is_saved_and_shown(panel: Panel, ledger: Ledger) -> None:
    panel.guidance.value = "try wider"
    button(panel, "Send").click()
    assert ledger.workspace.guidance() == "try wider"
    assert "try wider" in shown(panel)


def test_secrets_leave_their_fields_at_once() -> None:
    form = StartForm()
    form.researcher.value = "llm"
    form.key.value, form.webhook.value = "sk-planted", "https://hooks.example/secret"
    assert form.key.value == form.webhook.value == ""
    start = form.start()
    assert start.environment == {"OPENAI_API_KEY": "sk-planted"}
    assert start.webhook == "https://hooks.example/secret"


def test_a_field_that_holds_no_number_is_named() -> None:
    form = StartForm()
    form.hours.value = "all night"
    with pytest.raises(InputError, match="end after hours is 'all night'; it must be a number"):
        form.start()


def test_empty_fields_are_defaults() -> None:
    start = StartForm().start()
    assert start.limits == Limits()
    assert start.wishes.train_seconds is None


def test_the_form_shows_earlier_choices() -> None:
    form = StartForm()
    research = Research("a-model", "http://127.0.0.1:1/v1", prices=Prices(1.25, 10.0, 0.125))
    form.fill(None, research, Limits(experiments=100, usd=5.0))
    form.researcher.value = "llm"
    start = form.start()
    assert (start.asked.model, start.asked.usd_out) == ("a-model", 10.0)
    assert start.limits == Limits(experiments=100, usd=5.0)


def test_program_md_is_saved_unless_it_changed_meanwhile(tmp_path: Path) -> None:
    root = tiny.make_project(tmp_path / "project")
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


def test_a_project_needs_program_md(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no program\.md in"):
        Directive(tiny.make_project(tmp_path / "project"))


async def others() -> None:
    """Until all that was begun in this loop is done."""
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)


def test_a_wrong_field_is_one_line(panel: Panel) -> None:
    async def press() -> None:
        panel.form.hours.value = "-1"
        panel.start.click()
        await others()

    asyncio.run(press())
    assert "--hours is -1; it must be more than 0" in panel.said.value
    assert not panel.start.disabled


def test_a_cell_that_is_run_again_replaces_its_panel(ledger: Ledger) -> None:
    async def show_twice() -> None:
        first, second = (Panel("night", root=ledger.root) for _ in range(2))
        first._ipython_display_()
        second._ipython_display_()
        assert {one.comm for one in (first.box, first.status, first.start)} == {None}
        second.close()
        await others()

    asyncio.run(show_twice())


def test_watching_in_a_cell_ends_with_the_campaign(panel: Panel) -> None:
    panel.watch()
    assert "WIDTH = 16" in shown(panel)


def test_an_experiment_that_never_ran_has_no_notebook(panel: Panel, ledger: Ledger) -> None:
    proposal = Proposal(2, 1, "llm", "nothing came of it", "", failure="given up")
    ledger.add(proposal, Verdict.CRASH, Reason.INVALID_EDIT, None, "given up", ran=False)
    panel.refresh()
    button(panel, "2").click()
    button(panel, "Open its notebook").click()
    assert "never ran" in panel.opened.said.value


def test_the_rule_of_verdicts_is_chosen_once() -> None:
    form = StartForm()
    assert form.start().wishes.rule is Rule.CAREFUL
    form.rule.value = Rule.GREEDY
    assert form.start().wishes.rule is Rule.GREEDY
    form.fill(replace(SETTINGS, rule=Rule.GREEDY), None, None)
    assert form.rule.disabled
    assert form.rule.value is Rule.GREEDY


BEST = [Point(n, n, 5 - n / 100) for n in range(0, 300, 3)]
RUN = [Point(n, n, 4.9 - n / 100) for n in range(0, 90, 3)]


def test_a_run_is_compared_with_the_best_at_the_same_second() -> None:
    assert versus(RUN, BEST).endswith("0.100 lower than the best's there")
    assert versus([], BEST) == ""
    [axes] = live_curve([Point(0, 0.1, 7777.0), *RUN[12:]], BEST, 400).axes
    assert axes.get_xlim() == (0.0, 400.0)
    assert axes.get_ylim()[1] < 6
    assert render(live_curve(RUN[:1], [], 300)).startswith(b"\x89PNG")
