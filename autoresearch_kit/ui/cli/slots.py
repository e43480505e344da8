"""A table of a campaign's slots for a terminal."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from autoresearch_kit.records import SlotUse
from autoresearch_kit.reports.slots import slot_lines


def slots_table(uses: Sequence[SlotUse], now: float, most: int | None = None) -> Table:
    """Return a line for each slot, or for `most` of them: left-out and idle ones come first.

    What does not fit into the terminal's width is cut off the words of what a slot runs.
    """
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", expand=True)
    table.add_column("slot", no_wrap=True)
    table.add_column("runs", no_wrap=True, overflow="ellipsis", ratio=1)
    for name in ("for", "training", "idle"):
        table.add_column(name, justify="right", no_wrap=True)
    lines = slot_lines(uses, now)
    for line in lines[:most]:
        cells = line.slot, line.doing, line.lasts, line.training, line.idle
        table.add_row(*map(Text, cells))
    if (more := len(lines) - len(lines[:most])) > 0:
        table.add_row("", f"and {more} more; autoresearch status lists all")
    return table
