"""A loss curve in few numbers, whatever the lines are that it comes from."""

import pytest

from autoresearch_kit.researchers.llm.curve import BINS, curve, table


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
        "training loss, nats a token, smoothed: 2.000 at 1 s; 0 tokens/s"
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
        b'{"step": 1, "seconds": 1e308, "loss": 1e308}\n' * 9_000,
        b"[" * 900_000,
        b"\xff\x00\n" * 300_000,
        b'{"step": 1%s, "seconds": 1, "loss": 2}\n' % (b"0" * 4000) * 200,
        b'{"step": -5, "seconds": -1e300, "loss": -1e300, "tokens": -9}\n' * 9_000,
    ],
)
def test_hostile_lines_neither_break_it_nor_make_it_long(hostile: bytes) -> None:
    assert len(table(hostile)) < 1_000
    assert len(curve(hostile)) < 500
