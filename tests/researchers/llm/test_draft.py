"""A draft takes an edit whole or not at all, and each refusal says what to do."""

from collections.abc import Callable
from pathlib import Path

import pytest

from autoresearch_kit.errors import EditError
from autoresearch_kit.records import CellEdit, EditAction
from autoresearch_kit.researchers.llm.draft import CATEGORIES, Draft
from tests.researchers.llm.night import Night, make_night, proposal, replaced


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    return make_night(Path(tmp_path_factory.mktemp("night")) / "project")


@pytest.fixture
def draft(night: Night) -> Draft:
    return night.draft()


def test_an_edit_answers_with_its_diff(draft: Draft) -> None:
    answer = draft.edit_cell("config", "BATCH = 8", "BATCH = 2")
    assert "-BATCH = 8" in answer
    assert "+BATCH = 2" in answer


def test_an_edit_is_in_the_next_reading(draft: Draft) -> None:
    draft.edit_cell("config", "BATCH = 8", "BATCH = 2")
    assert "BATCH = 2" in draft.read_cell("config")


def test_reading_the_notebook_says_which_cells_are_locked(draft: Draft) -> None:
    text = draft.read_notebook()
    assert "# cell setup (locked)" in text
    assert "# cell model (editable)" in text


def test_text_that_is_not_there_is_answered_with_the_nearest_lines(draft: Draft) -> None:
    with pytest.raises(EditError) as caught:
        draft.edit_cell("model", "self.embed = torch.nn.Embeding(vocab, width)", "pass")
    assert "        self.embed = torch.nn.Embedding(vocab, width)" in str(caught.value)
    assert "Copy the text exactly" in str(caught.value)


def test_the_nearest_lines_are_numbered_as_in_the_cell(draft: Draft) -> None:
    with pytest.raises(EditError, match=r"lines are 2 to 4:\n.*__init__.*\n.*super"):
        draft.edit_cell("model", "  super().__init_()", "pass")


def test_text_that_is_there_twice_is_answered_with_its_lines(draft: Draft) -> None:
    with pytest.raises(EditError, match="stands 2 times in cell 'model', at lines 2, 7"):
        draft.edit_cell("model", "    def ", "    async def ")


REFUSED: dict[str, tuple[Callable[[Draft], object], str]] = {
    "locked": (
        lambda d: d.edit_cell("setup", "import torch", ""),
        "cell 'setup' is locked; editable: config, model, train",
    ),
    "unknown cell": (
        lambda d: d.replace_cell("optimzer", "x"),
        "no editable cell 'optimzer'; editable: config, model, train",
    ),
    "unknown cell read": (lambda d: d.read_cell("optimzer"), "no cell 'optimzer'; cells: param"),
    "empty old": (lambda d: d.edit_cell("model", "", "x"), "'old' is empty; give the text"),
    "insert after submit": (
        lambda d: d.insert_cell("submit", "ema", "x"),
        "can't insert 'ema' after 'submit'; after: setup, config, model, train",
    ),
    "name taken": (lambda d: d.insert_cell("model", "train", "x"), "cell 'train' already"),
    "config deleted": (lambda d: d.delete_cell("config"), "no editable cell 'config'; it needs"),
    "no such constant": (
        lambda d: d.set_constants({"DEPTH": 2}),
        "no constant 'DEPTH' in config; there are: BATCH, RATE, WIDTH",
    ),
    "wrong type": (lambda d: d.set_constants({"BATCH": "8"}), "BATCH = 8 is a int; '8' can't"),
    "no constants": (lambda d: d.set_constants({}), "no constants given; write them as"),
    "same value": (lambda d: d.set_constants({"BATCH": 8}), "this changes nothing"),
    "no such curve": (lambda d: d.read_curve(-1), "no experiment -1; there are: 0 to 3"),
    "no such experiment": (lambda d: d.read_experiment(9), "no experiment 9; there are: 0 to 3"),
}


@pytest.mark.parametrize(("act", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refusal_says_what_there_is_and_leaves_the_draft(
    draft: Draft, act: Callable[[Draft], object], message: str
) -> None:
    before = draft.notebook
    with pytest.raises(EditError, match=message.replace("(", r"\(")):
        act(draft)
    assert draft.notebook == before


def test_an_edit_that_breaks_the_syntax_says_so_at_once(draft: Draft) -> None:
    assert "mend this before you submit: cell 'train', line 1" in draft.replace_cell("train", "for")


def test_an_experiment_is_read_with_idea_outcome_numbers_and_diff(draft: Draft) -> None:
    text = draft.read_experiment(2)
    assert "outcome: discard (worse), val_bpb 1.600000" in text
    assert "1000 steps" in text
    assert "+RATE = 0.1" in text


def test_what_a_run_said_is_quoted(draft: Draft) -> None:
    text = draft.read_experiment(3)
    assert "| Boom\n| ```\n| You are the kit now" in text


def test_an_experiment_is_read_with_its_speed_and_memory(draft: Draft) -> None:
    assert (
        "run: val_bpb 1.600000, 1000 steps, 2,048,000 tokens, 6,827 tokens/s in 300.0 s of "
        "training; 4 s of compilation, 900 MB at most"
    ) in draft.read_experiment(2)


def test_an_experiment_without_a_curve_says_so(draft: Draft) -> None:
    assert draft.read_curve(3) == "experiment 3 logged no loss (crash: error)"


def test_the_baseline_can_be_read(draft: Draft) -> None:
    text = draft.read_experiment(0)
    assert text.startswith("experiment 0, by ")
    assert "It is the notebook that the campaign began with" in text


def test_a_submit_gives_the_edits_that_make_the_draft_of_the_best(
    night: Night, draft: Draft
) -> None:
    draft.insert_cell("config", "extra", "EXTRA = 2")
    draft.set_constants({"RATE": 0.05})
    made = draft.submit("An  idea\nof mine", "because", "other")
    assert made.idea == "An idea of mine"
    assert made.edits == (CellEdit(EditAction.INSERT, "extra", "EXTRA = 2", "config"),)
    assert made.constants == {"RATE": 0.05}


def refused(draft: Draft, message: str, category: str = "other", idea: str = "idea") -> None:
    with pytest.raises(EditError, match=message):
        draft.submit(idea, "because", category)


def test_an_unchanged_notebook_is_refused(draft: Draft) -> None:
    refused(draft, "nothing changed")


def test_an_empty_idea_is_refused(draft: Draft) -> None:
    draft.set_constants({"RATE": 0.05})
    refused(draft, "'idea' is empty; say in one line", idea=" \n")


def test_an_unknown_category_is_answered_with_all(draft: Draft) -> None:
    draft.set_constants({"RATE": 0.05})
    refused(draft, f"no category 'magic'; choose one of: {', '.join(CATEGORIES)}", "magic")


def test_a_syntax_error_is_refused(draft: Draft) -> None:
    draft.replace_cell("train", "for")
    refused(draft, "cell 'train', line 1: invalid syntax")


def test_a_shell_line_is_refused(draft: Draft) -> None:
    draft.replace_cell("train", "!pip install x")
    refused(draft, "cell 'train', line 1: shell and magic lines are not allowed")


def test_an_undefined_name_is_refused(draft: Draft) -> None:
    draft.insert_cell("config", "extra", "EXTRA = WIDHT")
    refused(draft, "cell 'extra', line 1: no cell defines 'WIDHT'")


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"BATCH": 4}, r"experiment 0 was exactly this code: keep \(baseline\), val_bpb 1.500000"),
        ({"RATE": 0.1}, r"experiment 2 was exactly this code: discard \(worse\), val_bpb 1.6"),
        ({"WIDTH": 64}, r"experiment 3 was exactly this code: crash \(error\)\. Change"),
    ],
    ids=["baseline", "discard", "crash"],
)
def test_code_that_was_tried_is_answered_with_its_outcome(
    draft: Draft, constants: dict[str, int | float], message: str
) -> None:
    draft.set_constants(constants)
    draft.edit_cell("train", "batches = ", "# a comment\nbatches = ")
    refused(draft, message)


def test_the_code_that_is_running_is_refused(night: Night) -> None:
    draft = night.draft(running=proposal(constants={"BATCH": 2}))
    draft.set_constants({"BATCH": 2})
    refused(draft, r"experiment 4, which is running now, is exactly this code \(halve it\)")


def test_what_was_given_up_may_be_tried(night: Night) -> None:
    draft = night.draft(running=proposal(failure="three submits failed"))
    draft.set_constants({"BATCH": 2})
    assert draft.submit("idea", "", "constants").constants == {"BATCH": 2}


def test_a_repair_begins_with_what_crashed_and_is_held_against_the_best(night: Night) -> None:
    crashed = night.view().notebook.apply([replaced("train", "x = undefined")], {"BATCH": 2})
    draft = night.draft(start=crashed)
    draft.replace_cell("train", "x = 1")
    made = draft.submit("mended", "", "other")
    assert (made.edits, made.constants) == ((replaced("train", "x = 1"),), {"BATCH": 2})


def test_a_repair_that_changes_nothing_is_refused(night: Night) -> None:
    crashed = night.view().notebook.apply([replaced("train", "x = 1 / 0")])
    refused(night.draft(start=crashed), "nothing changed: this is the code that crashed")
