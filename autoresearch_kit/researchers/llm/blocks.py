"""Edits by models without function calling: fenced blocks in the text of a reply."""

import re
from collections.abc import Iterator, Mapping

from autoresearch_kit.errors import EditError
from autoresearch_kit.records import codec
from autoresearch_kit.researchers.llm.answer import ToolCall

_PROBE = """\
Run the draft as it is now for 30 s of training at most, without a score, for its step times, a
profile of its steps, and what it prints. You have few; each answer says how many are left:

```probe
```

"""

_FORMS = """\
Write each call as a fenced block whose first line names it. You may write several in one reply;
they are carried out in order, up to the first that fails, and you get all answers at once. Text
outside blocks is not read. Where a source has three backticks itself, fence its block with four.

Replace pieces of a cell (each SEARCH text must be in the cell exactly once, to the space):

```edit_cell config
<<<<<<< SEARCH
DEPTH = 2
=======
DEPTH = 3
>>>>>>> REPLACE
```

Rewrite a cell whole; with after=, add a new one; with nothing in it, remove it:

```write_cell schedule
def rate(progress):
    return 1.0 - progress
```

```write_cell ema after=model
EMA = 0.99
```

Read a cell, an experiment by its number, or the whole notebook:

```read model
```

```read 7
```

```read notebook
```

{probe}Hand it in, last, once:

```submit constants
idea: Halve the batch
hypothesis: Twice the steps, and the loss falls by steps here.
```
"""


def instructions(*, may_probe: bool) -> str:
    """Return how blocks are written, with `probe` only where drafts can be probed."""
    return _FORMS.replace("{probe}", _PROBE if may_probe else "")


BLOCKS = ("edit_cell", "write_cell", "read", "probe", "submit")
"""The tools that blocks call, named alike; constants are set by editing config."""

_BLOCK = re.compile(
    r"^([ \t]*)(`{3,}|~{3,})[ \t]*(\w+)([^\n]*)(?:\n|\Z)(.*?)(^[ \t]*\2[ \t]*$|\Z)", re.M | re.S
)
"""Indent, fence, name, the rest of the first line, body, and the closing line unless it lacks."""

_INNER = re.compile(r"^(`{3,}|~{3,})[ \t]*(\w+).*", re.M)
_HUNK = re.compile(
    r"^<{5,} ?SEARCH[ \t]*\n(.*?)^={5,}[ \t]*\n(.*?)^>{5,} ?REPLACE[ \t]*$", re.M | re.S
)
_HYPOTHESIS = re.compile(r"^[ \t]*hypothesis:", re.M | re.I)
_IDEA = re.compile(r"^\s*idea:", re.I)

Arguments = Mapping[str, object]


def parse(text: str) -> list[ToolCall]:
    """Return the calls in a reply, in order; a block with several SEARCH texts is a call for each.

    Raises:
        EditError: a block is malformed; the message shows the right form. No block of that reply
            is to be carried out then: those after it, a submit above all, rely on it.
    """
    try:
        calls = [
            (name, arguments)
            for name, head, body in _blocks(text)
            for arguments in _arguments(name, head, body)
        ]
    except EditError as error:
        raise EditError(
            f"{error}. No block of this reply was carried out: send all again"
        ) from error
    return [
        ToolCall(f"block-{number}", name, codec.compact(arguments).decode())
        for number, (name, arguments) in enumerate(calls)
    ]


def _blocks(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the rest of the first line, and the text of each block that is a call."""
    for block in _BLOCK.finditer(text.replace("\r\n", "\n")):
        indent, fence, name, head, body, end = block.groups()
        first, name = block[0].split("\n")[0], name.lower()
        is_call = name in BLOCKS
        if not is_call and "_" in name:
            raise EditError(f"no block {name!r}; the instructions show all there are")
        if is_call and (indent or "`" in head):
            raise EditError(
                f"the block {first.strip()!r} is not read: begin its first line with "
                f"{fence}{name}, without spaces before it, and write there only what that takes"
            )
        for inner in _INNER.finditer(body):
            if inner[1].startswith(fence) and inner[2] in BLOCKS:
                raise EditError(
                    f"the block {first!r} is not closed before {inner[0]!r}; end it with a line of "
                    f"only {fence}, or fence it with {fence}{fence[0]} if that is its text"
                )
        if is_call and not end:
            raise EditError(
                f"the block {first!r} is not closed: end it with a line of only {fence}"
            )
        if is_call:
            yield name, head.strip(), body.removesuffix("\n")


def _arguments(name: str, head: str, body: str) -> list[Arguments]:
    """Return the arguments of each call that a block makes."""
    if name == "edit_cell":
        hunks = list(_HUNK.finditer(body))
        if not hunks or _HUNK.sub("", body).strip():
            raise EditError(
                f"the edit_cell block of {head!r} does not have the form '<<<<<<< SEARCH', old "
                "text, '=======', new text, '>>>>>>> REPLACE', each marker on a line of its own"
            )
        return [
            {"cell": head, "old": hunk[1].removesuffix("\n"), "new": hunk[2].removesuffix("\n")}
            for hunk in hunks
        ]
    if name == "write_cell":
        cell, _, after = head.partition("after=")
        return [{"cell": cell.strip(), "source": body, "after": after.strip()}]
    if name == "read":
        return [{"what": head or "notebook"}]
    if name == "probe":
        return [{}]
    idea, *hypothesis = _HYPOTHESIS.split(body, maxsplit=1)
    idea, why = _IDEA.sub("", idea).strip(), "".join(hypothesis).strip()
    return [{"idea": idea, "hypothesis": why, "category": head}]
