"""A loss curve in few numbers, whatever the lines are that it comes from."""

import pytest

from autoresearch_kit.researchers.llm.curve import BINS, curve, final_loss, table


def lines(*losses: float) -> bytes:
    return b"".join(
        b'{"step": %d, "seconds": %d, "loss": %f, "tokens": 100}\n' % (n, n, loss)
        for n, loss in enumerate(losses)
    )


def test_a_curve_shows_its_ends_and_even_steps_between() -> None:
    lines = b"".join(
        b'{"step": %d, "seconds": %d, "loss": %d, "tokens": %d}\n' % (n, n, 9 - n, n * 100)
        for n in range(9)
    )
    assert curve(lines, 3) == (
        "training loss, nats a token: 9.000 at 0 s, 5.000 at 4 s, 1.000 at 8 s; 100 tokens/s"
    )


def test_a_curve_leaves_out_what_it_can_not_read() -> None:
    assert curve(b'{"step": 0, "seconds": 1, "loss": 2}\nnonsense\n{"step": "x"}\n', 8) == (
        "training loss, nats a token: 2.000 at 1 s; 0 tokens/s"
    )


def test_no_curve_is_nothing() -> None:
    assert curve(b"", 8) == ""


def test_a_table_has_the_median_of_each_twentieth() -> None:
    noisy = [10.0 - at / 100 + (5.0 if at % 7 == 0 else 0.0) for at in range(1000)]
    head, *rows = table(lines(*noisy)).splitlines()
    assert head.split() == ["step", "seconds", "loss"]
    assert len(rows) == BINS
    assert rows[0].split()[:2] == ["25", "25"]
    assert rows[-1].split()[:2] == ["975", "975"]
    assert max(float(row.split()[2]) for row in rows) < 10


def test_a_short_curve_is_shown_whole() -> None:
    assert [row.split()[2] for row in table(lines(3.0, 2.0)).splitlines()[1:]] == [
        "3.0000",
        "2.0000",
    ]


def test_the_final_loss_is_that_of_the_last_twentieth() -> None:
    assert final_loss(lines(*[5.0] * 95, 2.0, 2.0, 9.0, 2.0, 2.0)) == 2.0


def test_no_curve_has_no_table_and_no_end() -> None:
    assert (table(b""), final_loss(b"")) == ("", None)


HUGE = b'{"step": 1%s, "seconds": 1, "loss": 2}\n' % (b"0" * 4000)


@pytest.mark.parametrize(
    "hostile",
    [
        b'{"step": 1, "seconds": 1, "loss": NaN}\n',
        b'{"step": 1, "seconds": 1, "loss": 1e999}\n',
        b'{"step": 1, "seconds": 1e308, "loss": 1e308}\n' * 9_000,
        b"[" * 900_000,
        b"\xff\x00\n" * 300_000,
        HUGE * 200,
        b'{"step": -5, "seconds": -1e300, "loss": -1e300, "tokens": -9}\n' * 9_000,
    ],
)
def test_hostile_lines_neither_break_it_nor_make_it_long(hostile: bytes) -> None:
    assert len(table(hostile)) < 1_000
    assert len(curve(hostile)) < 500
