"""The edit tools: each a typed record of its arguments, with what it does to a draft."""

import inspect
import re
from collections.abc import Mapping
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta, Struct
from openai.types.chat import ChatCompletionFunctionToolParam

from autoresearch_kit.errors import EditError
from autoresearch_kit.records import Constant
from autoresearch_kit.researchers.llm.draft import CATEGORIES, Draft, Submitted

Cell = Annotated[str, Meta(description="The cell's name.")]


class Call(Struct, forbid_unknown_fields=True):
    """A call of a tool, its arguments checked."""

    example: ClassVar[str] = "{}"

    def carry_out(self, draft: Draft) -> str | Submitted:
        """Do what is asked for; return what is answered to the model."""
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
        return draft.read(str(self.what))


class EditCell(Call):
    """Replace a piece of an editable cell's text. Answers with the diff."""

    cell: Cell
    old: Annotated[str, Meta(description="Text that is in the cell exactly once, to the space.")]
    new: Annotated[str, Meta(description="The text to put in its place; may be empty.")]
    example: ClassVar[str] = '{"cell": "config", "old": "DEPTH = 2", "new": "DEPTH = 3"}'

    def carry_out(self, draft: Draft) -> str:
        return draft.edit_cell(self.cell, self.old, self.new)


class WriteCell(Call):
    """Rewrite an editable cell; with `after`, add a new one; with an empty source, remove it
    (config has to stay). Answers with the diff."""

    cell: Annotated[str, Meta(description="The cell's name: one word.")]
    source: Annotated[str, Meta(description="Its whole source, plain Python; empty to remove it.")]
    after: Annotated[
        str,
        Meta(description="For a new cell only: the cell it follows, setup or an editable one."),
    ] = ""
    example: ClassVar[str] = '{"cell": "schedule", "source": "..."}'

    def carry_out(self, draft: Draft) -> str:
        return draft.write_cell(self.cell, self.source, self.after)


class SetConstants(Call):
    """Set CAPITAL constants of the cell config. Answers with the diff."""

    values: Annotated[dict[str, Constant], Meta(description="Name to value, of the same type.")]
    example: ClassVar[str] = '{"values": {"DEPTH": 3, "MATRIX_LR": 0.03}}'

    def carry_out(self, draft: Draft) -> str:
        return draft.set_constants(self.values)


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


def name_of(kind: type[Call]) -> str:
    """Return a tool's name: `edit_cell` for EditCell."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


CALLS: Mapping[str, type[Call]] = {
    name_of(kind): kind for kind in (Read, EditCell, WriteCell, SetConstants, Probe, Submit)
}


def names(*, may_probe: bool) -> list[str]:
    """Return the tools that there are, with `probe` only where drafts can be probed."""
    return [name for name, kind in CALLS.items() if may_probe or kind is not Probe]


def call(draft: Draft, name: str, arguments: str) -> str | Submitted:
    """Carry out the call of the tool `name`; `arguments` is JSON as the model wrote it.

    Raises:
        EditError: the call is malformed or can't be carried out; the draft is as it was. The
            message says what to do.
    """
    if name not in CALLS:
        there = ", ".join(names(may_probe=draft.may_probe))
        raise EditError(f"no tool {name!r}; there are: {there}")
    kind = CALLS[name]
    try:
        made = msgspec.json.decode(arguments.strip() or "{}", type=kind)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise EditError(
            f"the arguments of {name} can't be read: {error}; write them like {kind.example}"
        ) from error
    return made.carry_out(draft)


def offered(*, may_probe: bool) -> list[ChatCompletionFunctionToolParam]:
    """Return the tools as openai's client takes them."""
    return [_described(name) for name in names(may_probe=may_probe)]


def _described(name: str) -> ChatCompletionFunctionToolParam:
    kind = CALLS[name]
    schema = msgspec.json.schema(kind)["$defs"][kind.__name__]
    parameters = {key: schema[key] for key in ("type", "properties", "required") if key in schema}
    description = inspect.cleandoc(kind.__doc__ or "")
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": parameters},
    }
