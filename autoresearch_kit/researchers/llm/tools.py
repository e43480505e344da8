"""The edit tools: each a typed record of its arguments, with what it does to a draft.

Every edit answers with its diff, and every refusal says what to do.
"""

import difflib
import inspect
from collections.abc import Mapping
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta, Struct
from openai.types.chat import ChatCompletionFunctionToolParam
from openai.types.shared_params import FunctionDefinition

from autoresearch_kit.errors import EditError
from autoresearch_kit.records import CellEdit, Constant, EditAction, Proposal
from autoresearch_kit.researchers.llm import findings
from autoresearch_kit.researchers.llm.draft import CATEGORIES, Draft

NUMBER_LENGTH = 9  # digits of an experiment's number; no campaign has a longer one
NEAREST_LINES = 40  # lines of a cell that are shown at most where the text to replace is not in it

Cell = Annotated[str, Meta(description="The cell's name.")]


class Call(Struct, forbid_unknown_fields=True):
    """A call of a tool, its arguments checked."""

    example: ClassVar[str] = "{}"

    def carry_out(self, draft: Draft) -> str | Proposal:
        """Return what the model is answered; raise EditError, the draft as it was, if it can't."""
        raise NotImplementedError


class Read(Call):
    """Read the notebook or one cell as it is now, your edits included; or an earlier experiment:
    what it tried, its diff, its numbers and loss curve, what it printed, and why it ended so."""

    what: Annotated[
        str | int,
        Meta(description="\"notebook\" for all cells, a cell's name, or an experiment's number."),
    ]
    example: ClassVar[str] = '{"what": "model"}'

    def carry_out(self, draft: Draft) -> str:
        what, experiments = str(self.what), draft.view.experiments
        if what == "notebook":
            cells = [cell for cell in draft.notebook.cells if not cell.markdown]
            return "\n\n".join(
                f"# cell {cell.name} ({'locked' if cell.locked else 'editable'})\n{cell.source}"
                for cell in cells
            )
        if not (what.isdecimal() and len(what) <= NUMBER_LENGTH):
            return draft.notebook.cell(what).source
        asked = next((each for each in experiments if each.number == int(what)), None)
        if asked is None:
            last = max(each.number for each in experiments)
            raise EditError(f"no experiment {what}; there are: 0 to {last}")
        return findings.describe_experiment(draft.history, asked)


class EditCell(Call):
    """Replace a piece of an editable cell's text. Answers with the diff."""

    cell: Cell
    old: Annotated[str, Meta(description="Text that is in the cell exactly once, to the space.")]
    new: Annotated[str, Meta(description="The text to put in its place; may be empty.")]
    example: ClassVar[str] = '{"cell": "config", "old": "DEPTH = 2", "new": "DEPTH = 3"}'

    def carry_out(self, draft: Draft) -> str:
        # raises if it is not editable
        draft.notebook.apply([CellEdit(EditAction.REPLACE, self.cell)])
        source = draft.notebook.cell(self.cell).source
        if not self.old:
            raise EditError("'old' is empty; give the text to replace, or use write_cell")
        starts = [at for at in range(len(source)) if source.startswith(self.old, at)]
        if not starts:
            raise EditError(f"'old' is not in cell {self.cell!r}. {_nearest(source, self.old)}")
        if source.count(self.old) > 1:
            lines = ", ".join(str(source.count("\n", 0, at) + 1) for at in starts)
            raise EditError(
                f"'old' is {source.count(self.old)} times in cell {self.cell!r}, at lines {lines}; "
                "give more of the lines around it, so that it is there once"
            )
        new = source.replace(self.old, self.new)
        edit = CellEdit(EditAction.REPLACE, self.cell, new)
        return draft.become(draft.notebook.apply([edit]))


class WriteCell(Call):
    """Rewrite an editable cell; with `after`, add a new one; with an empty source, remove it
    (config has to stay). Answers with the diff."""

    cell: Annotated[str, Meta(description="The cell's name: one word.")]
    source: Annotated[str, Meta(description="Its whole source, plain Python; empty to remove it.")]
    after: Annotated[
        str, Meta(description="For a new cell only: the cell it follows, setup or an editable one.")
    ] = ""
    example: ClassVar[str] = '{"cell": "schedule", "source": "..."}'

    def carry_out(self, draft: Draft) -> str:
        source = self.source.strip("\n")
        if self.after:
            edit = CellEdit(EditAction.INSERT, self.cell, source, self.after)
        else:
            action = EditAction.REPLACE if source.strip() else EditAction.DELETE
            edit = CellEdit(action, self.cell, source)
        return draft.become(draft.notebook.apply([edit]))


class SetConstants(Call):
    """Set CAPITAL constants of the cell config. Answers with the diff."""

    values: Annotated[dict[str, Constant], Meta(description="Name to value, of the same type.")]
    example: ClassVar[str] = '{"values": {"DEPTH": 3, "MATRIX_LR": 0.03}}'

    def carry_out(self, draft: Draft) -> str:
        if not self.values:
            raise EditError("no constants given; write them as NAME: value")
        return draft.become(draft.notebook.set_constants(self.values))


class Probe(Call):
    """Run the draft as it is now for 30 s of training at most, compilation not counted, without a
    score. Answers with its numbers, step times, a profile of its steps, and what it printed. It may
    wait until the device is free. You have few; each answer says how many are left."""

    def carry_out(self, draft: Draft) -> str:
        return draft.probe()


class Submit(Call):
    """Hand the edited notebook in, to be run. Call it last, once."""

    idea: Annotated[str, Meta(description="What is tried, in one line of at most 120 characters.")]
    hypothesis: Annotated[str, Meta(description="Why it should do better.")]
    category: Annotated[str, Meta(description=f"One of: {', '.join(CATEGORIES)}.")]
    example: ClassVar[str] = (
        '{"idea": "Halve the batch", "hypothesis": "More steps ...", "category": "constants"}'
    )

    def carry_out(self, draft: Draft) -> Proposal:
        return draft.submit(self.idea, self.hypothesis, self.category)


CALLS: Mapping[str, type[Call]] = {
    "read": Read,
    "edit_cell": EditCell,
    "write_cell": WriteCell,
    "set_constants": SetConstants,
    "probe": Probe,
    "submit": Submit,
}


def call(draft: Draft, name: str, arguments: str) -> str | Proposal:
    """Carry out the call of the tool `name`; `arguments` is JSON as the model wrote it.

    Raises:
        EditError: the call is malformed or can't be carried out; the draft is as it was. The
            message says what to do.
    """
    if name not in CALLS:
        there = [known for known in CALLS if draft.probes or known != "probe"]
        raise EditError(f"no tool {name!r}; there are: {', '.join(there)}")
    kind = CALLS[name]
    try:
        made = msgspec.json.decode(arguments.strip() or "{}", type=kind)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise EditError(
            f"the arguments of {name} can't be read: {error}; write them like {kind.example}"
        ) from error
    return made.carry_out(draft)


def offered(*, may_probe: bool) -> list[ChatCompletionFunctionToolParam]:
    """Return the tools as openai's client takes them, `probe` only where drafts can be probed."""
    tools: list[ChatCompletionFunctionToolParam] = []
    for name, kind in CALLS.items():
        if may_probe or name != "probe":
            schema = msgspec.json.schema(kind)["$defs"][kind.__name__]
            keys = [key for key in ("type", "properties", "required") if key in schema]
            function: FunctionDefinition = {
                "name": name,
                "description": inspect.cleandoc(kind.__doc__ or ""),
                "parameters": {key: schema[key] for key in keys},
            }
            tools.append({"type": "function", "function": function})
    return tools


def _nearest(source: str, old: str) -> str:
    """Return the lines of `source` around the one that is most like the first line of `old`."""
    lines, wanted = source.splitlines(), old.strip("\n").splitlines()
    like = difflib.get_close_matches(wanted[0], lines, n=1, cutoff=0.0) if wanted else []
    if not like:
        return "Give whole lines of the cell, or use write_cell"
    at = lines.index(like[0])
    first, last = max(0, at - 1), min(len(lines), at + min(len(wanted), NEAREST_LINES) + 1)
    return (
        f"The nearest lines are {first + 1} to {last}:\n"
        + "\n".join(lines[first:last])
        + "\nCopy the text exactly, with its indentation"
    )
