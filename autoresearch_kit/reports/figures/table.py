"""Tables of experiments that a notebook shows in full, however long they are."""

import math
from collections.abc import Callable, Hashable

import pandas as pd
from pandas.api.types import is_numeric_dtype
from pandas.io.formats.style import Styler
from pandas.io.formats.style_render import CSSDict

from autoresearch_kit.records import Reason, Verdict
from autoresearch_kit.records.text import UNTYPESET, rounded, with_error
from autoresearch_kit.reports.figures.drawing import BLUE, GREEN, ORANGE, VERMILLION

_ERROR = "_se"
"""The end of the name of a column of standard errors, which are shown beside their numbers."""

_SIGNED = ("delta", "worth")

_NUMBERS = {
    "helps": "{:.1%}",
    "training_hours": "{:.2f}",
    "busy_hours": "{:.2f}",
    "idle_seconds": "{:,.0f}",
    "seconds": "{:,.1f}",
    "percent": "{:.1f}",
    "memory_mb": "{:,.0f}",
    "gpu_memory_mb": "{:,.0f}",
}
_VERDICTS = {
    str(Verdict.KEEP): f"color: {GREEN}; font-weight: bold",
    str(Verdict.CRASH): f"color: {VERMILLION}",
    str(Verdict.DISTURBED): f"color: {BLUE}",
}
_REASONS = {
    str(Reason.TRADE_OFF): f"color: {BLUE}",
    str(Reason.WITHIN_BOUNDS): f"color: {GREEN}",
    str(Reason.OUT_OF_BOUNDS): f"color: {ORANGE}",
    str(Reason.CHECKS_FAILED): f"color: {VERMILLION}",
    str(Reason.NOT_MEASURED): f"color: {VERMILLION}",
}
_PROSE = ("idea", "hypothesis", "detail")
_WRAPPED = "text-align: left; min-width: 16em; max-width: 44em; overflow-wrap: anywhere"
_SURFACE = "var(--jp-layout-color0, var(--colab-primary-surface-color, Canvas))"
_HEAD = f"position: sticky; top: 0; background-color: {_SURFACE}"


class Table(pd.DataFrame):
    """A frame that shows itself with all its rows, in a box that scrolls; nothing is cut short."""

    @property
    def _constructor(self) -> Callable[..., "Table"]:
        return Table

    def _repr_html_(self) -> str:
        if self.empty:
            return "<p>none</p>"
        if not (self.index.is_unique and self.columns.is_unique):
            return str(pd.DataFrame(self).to_html(na_rep="-"))  # pandas styles no other
        box = "max-height: 48em; overflow: auto"
        return f'<div {UNTYPESET} style="{box}">{_styled(self).to_html()}</div>'


def _styled(table: Table) -> Styler:
    plain, numbers = _with_errors(pd.DataFrame(table)), set(table.select_dtypes("number"))
    # the index's name goes to the head of its column: on a line of its own it looks like a row
    plain.columns.name, plain.index.name = table.index.name, None
    styler = Styler(plain, cell_ids=False).format_index(escape="html")
    side = _align(None, plain.index.to_series(), number=False)
    heads = {"thead th": _HEAD, "th.row_heading, thead th:first-child": side}
    styler.set_table_styles([{"selector": key, "props": css} for key, css in heads.items()])
    formats: dict[str, str | Callable[[object], str] | None] = {
        str(name): _NUMBERS.get(str(name), _number) for name in plain.select_dtypes("float")
    }
    styler.format(formats, na_rep="-", escape="html")
    for name in plain:
        style = {
            name: [CSSDict(selector="", props=_align(name, plain[name], number=name in numbers))]
        }
        styler.set_table_styles(style, overwrite=False)
    if "status" in plain:
        styler.map(lambda status: _VERDICTS.get(status, ""), subset=["status"])
    if "reason" in plain:
        styler.map(lambda reason: _REASONS.get(reason.split(",")[0], ""), subset=["reason"])
    return styler


def _number(value: object) -> str:
    return rounded(value) if isinstance(value, float) else str(value)


def _with_errors(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with each number that has an error as a text of both."""
    numbers = [str(name) for name in frame if f"{name}{_ERROR}" in frame or name in _SIGNED]
    for name in numbers:
        errors = frame.get(f"{name}{_ERROR}", pd.Series(math.nan, frame.index))
        texts = [
            None if pd.isna(value) else with_error(value, error, signed=name in _SIGNED)
            for value, error in zip(frame[name], errors, strict=True)
        ]
        frame = frame.assign(**{name: pd.Series(texts, frame.index, dtype="object")})
    return frame.drop(columns=[f"{name}{_ERROR}" for name in numbers], errors="ignore")


def _align(name: Hashable, column: pd.Series, *, number: bool) -> str:
    if name in _PROSE:
        return _WRAPPED
    number = number or is_numeric_dtype(column)
    return "text-align: right; white-space: nowrap" if number else "text-align: left"
