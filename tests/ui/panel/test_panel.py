"""The panel's widgets, without a browser: tests/ui/browser has one."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import ipywidgets as widgets
import pytest

from autoresearch_kit.campaign.settings import resume, settle
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
from tests.reports import nights
from tests.researchers.llm.conftest import Ledger, ledger
from tests.tasks.measured.folders import scaffolded

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


def share(panel: Panel, ledger: Ledger, slots: int) -> None:
    """Show a campaign that runs on so many slots, experiments 7 and on; the last is the newest."""
    now, last = time.time(), 6 + slots
    uses = nights.uses(slots, left_out=(0,) if slots > 2 else ())
    for number in range(7, last + 1):
        proposal = Proposal(number, 0, "llm", f"idea {number}", "", constants={"WIDTH": number})
        ledger.workspace.under_way.write_pending(proposal)
    state = State("night", 1, Stage.RUNNING, "", last, "", "", Limits(), now, now, slots=uses)
    ledger.workspace.write_state(state)
    with ledger.workspace.lock():
        panel.refresh()


def test_each_slot_is_shown_those_that_run_nothing_first(panel: Panel, ledger: Ledger) -> None:
    share(panel, ledger, 4)
    said = shown(panel)
    names = [f"<b>gpu{at}</b>" for at in range(4)]
    assert all(name in said for name in names)
    assert said.index(names[0]) < said.index(names[1])
    assert "left out: 4,000 tokens/s, 40% below its class" in said
    assert "4 slots: 3 running, 1 left out; trained 90.0% of the time, idle 200 s" in said


def test_one_slot_has_no_table_but_idle_seconds(panel: Panel, ledger: Ledger) -> None:
    share(panel, ledger, 1)
    assert panel.slots.value == ""
    assert panel.followed.layout.display == "none"
    assert "gpu0: trained 90.0% of the time, idle 50 s" in shown(panel)


def test_a_person_chooses_the_experiment_to_follow(panel: Panel, ledger: Ledger) -> None:
    share(panel, ledger, 2)
    assert [number for _, number in panel.followed.options] == [None, 7, 8]
    assert "idea 8" in panel.run.value
    panel.followed.value = 7
    share(panel, ledger, 2)
    assert "idea 7" in panel.run.value
    assert "another machine" in panel.progress_words.value


def test_a_stop_says_what_ends_first(panel: Panel, ledger: Ledger) -> None:
    share(panel, ledger, 2)
    with ledger.workspace.lock():
        press(panel, "Stop after these")
    assert "stops after the 2 experiments under way" in panel.buttons.answer.value


def test_what_finished_last_is_on_top(panel: Panel, ledger: Ledger) -> None:
    made = ledger.constants(3, WIDTH=24)
    late = replace(made, proposal=replace(made.proposal, number=2, idea="late"))
    late = replace(late, finished="2026-01-01T09:00:00+00:00")
    ledger.history.append(late, ledger.history.source(3), {})
    panel.refresh()
    assert shown(panel).index('title="late"') < shown(panel).index("WIDTH = 24")


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


def test_no_table_is_shown_before_its_metric_is_known(panel: Panel, ledger: Ledger) -> None:
    assert panel.table.box.layout.display == "flex"
    other = Panel("day", root=ledger.root)
    other.refresh()
    assert other.table.box.layout.display == "none"


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
    form.model.key.field.value, form.webhook.field.value = (
        "sk-planted",
        "https://hooks.example/secret",
    )
    assert form.model.key.field.value == form.webhook.field.value == ""
    chosen = form.choices()
    assert chosen.environment == {"OPENAI_API_KEY": "sk-planted"}
    assert chosen.webhook == "https://hooks.example/secret"


def test_empty_fields_are_defaults() -> None:
    chosen = StartForm().choices()
    assert chosen.limits == Limits()
    assert chosen.options.train_seconds is None
    assert chosen.options.rule is Rule.CAREFUL


def test_the_form_shows_earlier_choices() -> None:
    form = StartForm()
    research = Research("a-model", "http://127.0.0.1:1/v1", prices=Prices(1.25, 10.0, 0.125))
    limits = Limits(experiments=100, usd=5.0)
    form.fill(replace(SETTINGS, rule=Rule.GREEDY, researcher="llm"), research, limits)
    chosen = form.choices()
    assert (chosen.model.model, chosen.model.usd_out) == ("a-model", 10.0)
    assert chosen.limits == limits
    assert (form.rule.value, form.rule.disabled) == (Rule.GREEDY, True)


def test_a_task_takes_the_place_of_the_corpus(project: Path) -> None:
    scaffolded(project)
    form = StartForm()
    form.fill(None, None, None, dataset="stdlib")
    form.task.value = "toy"
    assert form.dataset.layout.display == "none"
    assert settle(project, "night", form.choices().options).task.name == "toy"
    form.task.value = ""
    assert form.dataset.layout.display is None
    assert form.choices().options.dataset == "stdlib"


def test_a_task_is_chosen_by_its_folder(project: Path) -> None:
    scaffolded(project)
    form = StartForm()
    form.task.value = " toy "
    settings = settle(project, "night", form.choices().options)
    assert settings.task.folder == "toy"
    form.fill(settings, None, None)
    assert (form.task.value, form.task.disabled) == ("toy", True)
    assert resume(project, "night", settings, form.choices().options) == settings


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


def test_a_task_has_a_program_md_of_its_own(project: Path) -> None:
    (project / "program.md").write_text("for all\n")
    scaffolded(project)
    assert Directive(project).text.value == "for all\n"
    assert Directive(project, "toy").text.value.startswith("# Program\n")
    (project / "toy" / "program.md").unlink()
    assert Directive(project, "toy").text.value == "for all\n"


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
