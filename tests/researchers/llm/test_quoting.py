import pytest

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
