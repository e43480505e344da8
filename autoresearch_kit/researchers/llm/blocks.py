"""The edit tools for models without function calling: fenced blocks in the text of a reply."""

import ast
import re
from collections.abc import Callable, Mapping, Sequence

from autoresearch_kit.errors import EditError
from autoresearch_kit.records import Constant, codec
from autoresearch_kit.researchers.llm.messages import ToolCall
from autoresearch_kit.researchers.llm.tools import BY_NAME

_PROBE = """\
Run the draft as it is now for 30 s of training at most, without a score, for its step times, a
profile of its steps, and what it prints. You have few; each answer says how many are left:

```probe
```

"""

_FORMS = """\
Write each call as a fenced block whose first line names the tool. You may write several in one
reply; they are carried out in order, up to the first that fails, and you get all answers at once.
Text outside blocks is not read. Where a source holds three backticks itself, fence its block with
four.

Replace a piece of a cell (SEARCH must stand in the cell exactly once, to the space):

```edit_cell config
<<<<<<< SEARCH
DEPTH = 2
=======
DEPTH = 3
>>>>>>> REPLACE
```

Rewrite a cell, add one, remove one:

```replace_cell schedule
def rate(progress):
    return 1.0 - progress
```

```insert_cell ema after=model
EMA = 0.99
```

```delete_cell ema
```

Set constants of config:

```set_constants
DEPTH = 3
MATRIX_LR = 0.03
```

Read the notebook, a cell, an experiment, its smoothed loss curve:

```read_notebook
```

```read_cell model
```

```read_experiment 7
```

```read_curve 7
```

{probe}Hand it in, last, once:

```submit constants
idea: Halve the batch
hypothesis: Twice the steps, and the loss falls by steps here.
```
"""

INSTRUCTIONS = _FORMS.replace("{probe}", _PROBE)

WITHOUT_PROBE = _FORMS.replace("{probe}", "")
"""What is told where nothing can be probed."""

_FENCE = re.compile(r"^(`{3,})[ \t]*([a-z_]+)[ \t]*([^\n`]*)\n(.*?)^\1`*[ \t]*$", re.M | re.S)
_OPENING = re.compile(rf"^(`{{3,}})[ \t]*({'|'.join(BY_NAME)})\b[^\n]*", re.M)
_LIKE_A_TOOL = re.compile(r"^[ \t]*(?:`{3,}|~{3,})[ \t]*([A-Za-z]\w*)[^\n]*", re.M)
"""The first line of any fenced block that names something, also where no call can be."""

_HUNK = re.compile(
    r"^<{5,} ?SEARCH[ \t]*\n(.*?)^={5,}[ \t]*\n(.*?)^>{5,} ?REPLACE[ \t]*$", re.M | re.S
)
_HYPOTHESIS = re.compile(r"^[ \t]*hypothesis:", re.M | re.I)
_IDEA = re.compile(r"^\s*idea:", re.I)

Arguments = Mapping[str, object]


def parse(text: str) -> list[ToolCall]:
    """The calls in a reply, in order; a block with several SEARCH/REPLACE is a call for each.

    Raises:
        EditError: a block of a tool is malformed; the message shows the right form. No block of
            that reply is to be carried out then.
    """
    try:
        calls = _calls(text.replace("\r\n", "\n"))
    except EditError as error:
        raise EditError(
            f"{error}. No block of this reply was carried out: send all again"
        ) from error
    return [
        ToolCall(f"block-{at}", name, codec.compact(arguments).decode())
        for at, (name, arguments) in enumerate(calls)
    ]


def _calls(text: str) -> list[tuple[str, Arguments]]:
    found = list(_FENCE.finditer(text))
    _check_meant(text, found)
    _check_closed(text, found)
    return [
        (match[2], arguments)
        for match in found
        if match[2] in BY_NAME
        for arguments in _READERS[match[2]](match[3].strip(), match[4].removesuffix("\n"))
    ]


def _check_closed(text: str, found: Sequence[re.Match[str]]) -> None:
    """Look whether each block of a tool ends before the next begins.

    Raises:
        EditError: one does not.
    """
    for opening in _OPENING.finditer(text):
        around = [one for one in found if one.start() <= opening.start() < one.end()]
        if not around:
            raise EditError(
                f"the block {opening[0]!r} is not closed: its first line holds the tool's name and "
                f"what that takes, its last line only {opening[1]}"
            )
        outer = around[0]
        inside = outer.start() < opening.start()
        if inside and outer[2] in BY_NAME and len(opening[1]) >= len(outer[1]):
            raise EditError(
                f"the block {outer[1] + outer[2]!r} is not closed before {opening[0]!r}; end it "
                f"with a line of only {outer[1]}, or fence it with {outer[1]}` if that is its text"
            )


def _check_meant(text: str, found: Sequence[re.Match[str]]) -> None:
    """Look whether a block that is meant as a call, but is none, would be passed over in silence.

    The calls behind it, a submit above all, take it for done.

    Raises:
        EditError: there is one; the message says how it is written.
    """
    for opening in _LIKE_A_TOOL.finditer(text):
        name, line = opening[1], opening[0]
        if any(one.start() < opening.start() < one.end() for one in found):
            continue  # text within a block
        if name.lower() not in BY_NAME and "_" in name:
            raise EditError(f"no tool {name!r}; the instructions show all there are")
        if name.lower() in BY_NAME and not _OPENING.match(line):
            raise EditError(
                f"the block {line.strip()!r} is not read: begin its first line with "
                f"```{name.lower()}, without spaces before it"
            )


def _nothing(_head: str, _body: str) -> list[Arguments]:
    return [{}]


def _cell(head: str, _body: str) -> list[Arguments]:
    return [{"cell": head}]


def _edits(head: str, body: str) -> list[Arguments]:
    hunks = list(_HUNK.finditer(body))
    if not hunks or _HUNK.sub("", body).strip():
        raise EditError(
            f"the edit_cell block of {head!r} has not the form '<<<<<<< SEARCH', old text, "
            "'=======', new text, '>>>>>>> REPLACE', each marker on a line of its own"
        )
    return [
        {"cell": head, "old": hunk[1].removesuffix("\n"), "new": hunk[2].removesuffix("\n")}
        for hunk in hunks
    ]


def _source(head: str, body: str) -> list[Arguments]:
    return [{"cell": head, "source": body}]


def _insert(head: str, body: str) -> list[Arguments]:
    name, _, after = head.partition("after=")
    if not (name.strip() and after.strip()):
        raise EditError("insert_cell needs a name and a place: ```insert_cell NAME after=model")
    return [{"name": name.strip(), "after": after.strip(), "source": body}]


def _constants(_head: str, body: str) -> list[Arguments]:
    try:
        statements = ast.parse(body).body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise EditError(f"set_constants can't be read: {error}; {_CONSTANTS_FORM}") from error
    return [{"values": dict(map(_constant, statements))}]


NUMBER_LENGTH = 9
"""Digits of an experiment's number; no campaign has one that is longer."""

_CONSTANTS_FORM = "write lines of NAME = value, each value a number, a text in quotes, or a bool"


def _constant(statement: ast.stmt) -> tuple[str, Constant]:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=node):
            try:
                value = ast.literal_eval(node)
            except (ValueError, TypeError, MemoryError, RecursionError):
                value = None
            if isinstance(value, bool | int | float | str):
                return name, value
    raise EditError(f"set_constants can't take {ast.unparse(statement)!r}; {_CONSTANTS_FORM}")


def _number(name: str) -> Callable[[str, str], list[Arguments]]:
    """The reader of a block that takes an experiment's number."""

    def read(head: str, _body: str) -> list[Arguments]:
        if not head.isdecimal() or len(head) > NUMBER_LENGTH:
            raise EditError(f"{name} needs a number: ```{name} 7")
        return [{"number": int(head)}]

    return read


def _submit(head: str, body: str) -> list[Arguments]:
    idea, *hypothesis = _HYPOTHESIS.split(body, maxsplit=1)
    return [
        {
            "idea": _IDEA.sub("", idea).strip(),
            "hypothesis": "".join(hypothesis).strip(),
            "category": head,
        }
    ]


_READERS: Mapping[str, Callable[[str, str], list[Arguments]]] = {
    "read_notebook": _nothing,
    "read_cell": _cell,
    "edit_cell": _edits,
    "replace_cell": _source,
    "insert_cell": _insert,
    "delete_cell": _cell,
    "set_constants": _constants,
    "read_experiment": _number("read_experiment"),
    "read_curve": _number("read_curve"),
    "probe": _nothing,
    "submit": _submit,
}
