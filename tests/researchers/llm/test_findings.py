"""Curves in few numbers and quoted prints, whatever the lines are that they come from."""

import pytest

from autoresearch_kit.researchers.llm.findings import BINS, curve, quote, table


def lines(*losses: float) -> bytes:
    return b"".join(
        b'{"step": %d, "seconds": %d, "loss": %f, "tokens": %d}\n' % (n, n, loss, n * 100)
        for n, loss in enumerate(losses)
    )


def test_a_line_shows_the_ends_and_even_steps_between() -> None:
    assert curve(lines(*range(15, 0, -1))) == (
        "training loss, nats a token, smoothed: 15.000 at 0 s, 13.000 at 2 s, 11.000 at 4 s, "
        "9.000 at 6 s, 7.000 at 8 s, 5.000 at 10 s, 3.000 at 12 s, 1.000 at 14 s; 100 tokens/s"
    )


def test_what_can_not_be_read_is_left_out() -> None:
    assert curve(b'{"step": 0, "seconds": 1, "loss": 2}\nnonsense\n{"step": "x"}\n') == (
        "training loss, nats a token, smoothed: 2.000 at 1 s"
    )
    assert (curve(b""), table(b"")) == ("", "")


def test_a_table_has_the_median_of_each_twentieth() -> None:
    noisy = [10.0 - at / 100 + (5.0 if at % 7 == 0 else 0.0) for at in range(1000)]
    head, *rows = table(lines(*noisy)).splitlines()
    assert head.split() == ["step", "seconds", "loss"]
    assert len(rows) == BINS
    assert rows[0].split()[:2] == ["25", "25"]
    assert rows[-1].split()[:2] == ["975", "975"]
    assert max(float(row.split()[2]) for row in rows) < 10


@pytest.mark.parametrize(
    "hostile",
    [
        b'{"step": 1, "seconds": 1, "loss": NaN}\n',
        b'{"step": 1, "seconds": 1, "loss": 1e999}\n',
        b'{"step": 1, "seconds": 1e308, "loss": 1e308}\n' * 3_000,
        b"[" * 90_000,
        b"\xff\x00\n" * 30_000,
        b'{"step": 1%s, "seconds": 1, "loss": 2}\n' % (b"0" * 4000) * 200,
        b'{"step": -5, "seconds": -1e300, "loss": -1e300, "tokens": -9}\n' * 3_000,
    ],
)
def test_hostile_lines_neither_break_it_nor_make_it_long(hostile: bytes) -> None:
    assert len(table(hostile)) < 1_000
    assert len(curve(hostile)) < 500


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("one\ntwo", "| one\n| two"),
        ("\x1b[31mred\x1b[0m", "| red"),
        ("\x1b]8;;http://x\x07link\x1b]8;;\x07", "| link"),
        ("over\rwritten", "| over\n| written"),
        ("a\u2028b\x85c\x0bd", "| a\n| b\n| c\n| d"),
        ("nul\x00bell\x07", "| nul bell"),
        ("\tindented", "|     indented"),
        ("right\u202eto left", "| right to left"),
    ],
)
def test_only_marked_lines_of_plain_text_are_left(text: str, quoted: str) -> None:
    assert quote(text, 1000) == quoted


def test_the_middle_of_a_long_text_is_left_out() -> None:
    quoted = quote("head " + "x" * 5_000 + " the error", 300)
    assert quoted.startswith("| head xxx")
    assert quoted.endswith("x the error")
    assert "| [4,715 characters left out]" in quoted
