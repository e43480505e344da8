"""The edit tools for models without function calling: fenced blocks in the text of a reply."""

import ast
import re
from collections.abc import Callable, Mapping

from autoresearch_kit import codec
from autoresearch_kit.errors import EditError
from autoresearch_kit.researchers.llm.messages import ToolCall
from autoresearch_kit.researchers.llm.tools import BY_NAME

INSTRUCTIONS = """\
Write each call as a fenced block whose first line names the tool. You may write several in one
reply; they are carried out in order, and you get all answers at once. Text outside blocks is not
read. Where a source holds three backticks itself, fence its block with four.

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

Read:

```read_notebook
```

```read_cell model
```

```read_experiment 7
```

Hand it in, last, once:

```submit constants
idea: Halve the batch
hypothesis: Twice the steps, and the loss falls by steps here.
```
"""

_FENCE = re.compile(r"^(`{3,})[ \t]*([a-z_]+)[ \t]*([^\n`]*)\n(.*?)^\1`*[ \t]*$", re.M | re.S)
_EDIT = re.compile(
    r"\A<{5,} ?SEARCH[ \t]*\n(.*?)^={5,}[ \t]*\n(.*?)^>{5,} ?REPLACE[ \t]*\Z", re.M | re.S
)


def parse(text: str) -> list[ToolCall]:
    """The calls in a reply, in order.

    Raises:
        EditError: a block of a tool is malformed; the message shows the right form.
    """
    found = [match for match in _FENCE.finditer(text) if match[2] in BY_NAME]
    return [
        ToolCall(f"block-{at}", match[2], _arguments(match[2], match[3].strip(), match[4]))
        for at, match in enumerate(found)
    ]


def _arguments(name: str, head: str, body: str) -> str:
    made = _READERS[name](head, body.removesuffix("\n"))
    return codec.compact(made).decode()


Arguments = Mapping[str, object]


def _nothing(_head: str, _body: str) -> Arguments:
    return {}


def _cell(head: str, _body: str) -> Arguments:
    return {"cell": head}


def _edit(head: str, body: str) -> Arguments:
    match = _EDIT.match(body.strip("\n"))
    if not match:
        raise EditError(
            f"the edit_cell block of {head!r} has not the form '<<<<<<< SEARCH', old text, "
            "'=======', new text, '>>>>>>> REPLACE', each marker on a line of its own"
        )
    return {"cell": head, "old": match[1].removesuffix("\n"), "new": match[2].removesuffix("\n")}


def _source(head: str, body: str) -> Arguments:
    return {"cell": head, "source": body}


def _insert(head: str, body: str) -> Arguments:
    name, _, after = head.partition("after=")
    if not after:
        raise EditError("insert_cell needs a place: ```insert_cell NAME after=model")
    return {"name": name.strip(), "after": after.strip(), "source": body}


def _constants(_head: str, body: str) -> Arguments:
    values: dict[str, object] = {}
    for line in filter(str.strip, body.splitlines()):
        name, _, value = line.partition("#")[0].partition("=")
        try:
            values[name.strip()] = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError) as error:
            raise EditError(f"set_constants can't read {line!r}; write NAME = value") from error
    return {"values": values}


def _number(head: str, _body: str) -> Arguments:
    if not head.isdigit():
        raise EditError("read_experiment needs a number: ```read_experiment 7")
    return {"number": int(head)}


def _submit(head: str, body: str) -> Arguments:
    idea, _, hypothesis = body.partition("hypothesis:")
    idea = idea.strip().removeprefix("idea:").strip()
    return {"idea": idea, "hypothesis": hypothesis.strip(), "category": head or "other"}


_READERS: Mapping[str, Callable[[str, str], Arguments]] = {
    "read_notebook": _nothing,
    "read_cell": _cell,
    "edit_cell": _edit,
    "replace_cell": _source,
    "insert_cell": _insert,
    "delete_cell": _cell,
    "set_constants": _constants,
    "read_experiment": _number,
    "submit": _submit,
}
