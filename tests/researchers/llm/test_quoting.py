import pytest

from autoresearch_kit.researchers.llm.curve import curve
from autoresearch_kit.researchers.llm.quoting import quote


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


def test_the_middle_of_a_long_text_is_left_out_and_its_end_kept() -> None:
    quoted = quote("head " + "x" * 5_000 + " the error", 300)
    assert quoted.startswith("| head xxx")
    assert quoted.endswith("x the error")
    assert "| [4,715 characters left out]" in quoted


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
