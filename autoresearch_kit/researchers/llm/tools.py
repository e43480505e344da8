"""The edit tools: each a typed record of its arguments, with what it does to a draft."""

import inspect
import re
from collections.abc import Mapping
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta, Struct

from autoresearch_kit.errors import EditError
from autoresearch_kit.records import Constant
from autoresearch_kit.researchers.llm.draft import CATEGORIES, Draft, Submitted
from autoresearch_kit.researchers.llm.messages import Tool

Cell = Annotated[str, Meta(description="The cell's name.")]
Source = Annotated[str, Meta(description="Its whole source, plain Python.")]


class Call(Struct, forbid_unknown_fields=True):
    """A call of a tool, its arguments checked."""

    example: ClassVar[str] = "{}"

    def carry_out(self, draft: Draft) -> str | Submitted:
        """Do it; what is answered to the model."""
        raise NotImplementedError


class ReadNotebook(Call):
    """Read all code cells as they are now, your edits included."""

    def carry_out(self, draft: Draft) -> str:
        return draft.read_notebook()


class ReadCell(Call):
    """Read one cell as it is now."""

    cell: Cell
    example: ClassVar[str] = '{"cell": "model"}'

    def carry_out(self, draft: Draft) -> str:
        return draft.read_cell(self.cell)


class EditCell(Call):
    """Replace a piece of an editable cell's text. Answers with the diff."""

    cell: Cell
    old: Annotated[
        str, Meta(description="Text that stands in the cell exactly once, to the space.")
    ]
    new: Annotated[str, Meta(description="What is to stand there instead; may be empty.")]
    example: ClassVar[str] = '{"cell": "config", "old": "DEPTH = 2", "new": "DEPTH = 3"}'

    def carry_out(self, draft: Draft) -> str:
        return draft.edit_cell(self.cell, self.old, self.new)


class ReplaceCell(Call):
    """Rewrite an editable cell. Answers with the diff."""

    cell: Cell
    source: Source
    example: ClassVar[str] = '{"cell": "schedule", "source": "..."}'

    def carry_out(self, draft: Draft) -> str:
        return draft.replace_cell(self.cell, self.source)


class InsertCell(Call):
    """Add an editable cell. Answers with the diff."""

    after: Annotated[str, Meta(description="The cell that it follows: setup, or an editable one.")]
    name: Annotated[str, Meta(description="The new cell's name: one word.")]
    source: Source
    example: ClassVar[str] = '{"after": "model", "name": "ema", "source": "..."}'

    def carry_out(self, draft: Draft) -> str:
        return draft.insert_cell(self.after, self.name, self.source)


class DeleteCell(Call):
    """Remove an editable cell; config has to stay. Answers with the diff."""

    cell: Cell
    example: ClassVar[str] = '{"cell": "ema"}'

    def carry_out(self, draft: Draft) -> str:
        return draft.delete_cell(self.cell)


class SetConstants(Call):
    """Set CAPITAL constants of the cell config. Answers with the diff."""

    values: Annotated[dict[str, Constant], Meta(description="Name to value, of the same type.")]
    example: ClassVar[str] = '{"values": {"DEPTH": 3, "MATRIX_LR": 0.03}}'

    def carry_out(self, draft: Draft) -> str:
        return draft.set_constants(self.values)


class ReadExperiment(Call):
    """Read what an earlier experiment tried, its diff, its numbers, what it printed, and why it
    ended as it did."""

    number: Annotated[int, Meta(description="Its number.")]
    example: ClassVar[str] = '{"number": 7}'

    def carry_out(self, draft: Draft) -> str:
        return draft.read_experiment(self.number)


class ReadCurve(Call):
    """Read the smoothed loss curve of an earlier experiment, in some 20 points."""

    number: Annotated[int, Meta(description="Its number.")]
    example: ClassVar[str] = '{"number": 7}'

    def carry_out(self, draft: Draft) -> str:
        return draft.read_curve(self.number)


class Probe(Call):
    """Run the draft as it is now for 30 s of training at most, compilation not counted, without a
    score. Answers with its numbers, step times, a profile of its steps, and what it printed. It may
    wait until the device is free. You have few; each answer says how many are left."""

    def carry_out(self, draft: Draft) -> str:
        return draft.probe()


class Submit(Call):
    """Hand the edited notebook in, to be run. Call it last, once."""

    idea: Annotated[str, Meta(description="What is tried, in one line of at most 120 characters.")]
    hypothesis: Annotated[str, Meta(description="Why it should predict better.")]
    category: Annotated[str, Meta(description=f"One of: {', '.join(CATEGORIES)}.")]
    example: ClassVar[str] = (
        '{"idea": "Halve the batch", "hypothesis": "More steps ...", "category": "constants"}'
    )

    def carry_out(self, draft: Draft) -> Submitted:
        return draft.submit(self.idea, self.hypothesis, self.category)


CALLS: tuple[type[Call], ...] = (
    ReadNotebook,
    ReadCell,
    EditCell,
    ReplaceCell,
    InsertCell,
    DeleteCell,
    SetConstants,
    ReadExperiment,
    ReadCurve,
    Probe,
    Submit,
)


def name_of(kind: type[Call]) -> str:
    """`edit_cell` for EditCell."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


BY_NAME: Mapping[str, type[Call]] = {name_of(kind): kind for kind in CALLS}


def call(draft: Draft, name: str, arguments: str) -> str | Submitted:
    """Carry out the call of the tool `name`; `arguments` is JSON as the model wrote it.

    Raises:
        EditError: the call is malformed or can't be carried out; the draft is as it was. The
            message says what to do.
    """
    if name not in BY_NAME:
        there = [one for one in BY_NAME if draft.may_probe or one != name_of(Probe)]
        raise EditError(f"no tool {name!r}; there are: {', '.join(there)}")
    kind = BY_NAME[name]
    try:
        made = msgspec.json.decode(arguments.strip() or "{}", type=kind)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise EditError(
            f"the arguments of {name} can't be read: {error}; write them like {kind.example}"
        ) from error
    return made.carry_out(draft)


def _tool(kind: type[Call]) -> Tool:
    schema = msgspec.json.schema(kind)["$defs"][kind.__name__]
    kept = {key: schema[key] for key in ("type", "properties", "required") if key in schema}
    return Tool(name_of(kind), inspect.cleandoc(kind.__doc__ or ""), kept)


TOOLS = tuple(_tool(kind) for kind in CALLS)

WITHOUT_PROBE = tuple(_tool(kind) for kind in CALLS if kind is not Probe)
"""What is offered where nothing can be probed."""
