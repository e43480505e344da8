import pytest

from autoresearch_kit.researchers.llm.scrubber import Scrubber

KEY = "planted-0123456789"


def test_a_known_secret_goes_wherever_it_stands() -> None:
    assert Scrubber(KEY).scrub(f"{KEY}, x{KEY}y") == "[secret], x[secret]y"


def test_a_secret_that_holds_another_goes_whole() -> None:
    assert Scrubber("abcdef", "abcdefghi").scrub("abcdefghi abcdef") == "[secret] [secret]"


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("api_key='sk-proj-abc_def-123456789'", "api_key='[secret]'"),
        ("Authorization: Bearer abcd.efgh/1=", "Authorization: Bearer [secret]"),
        ('{"Authorization": "Bearer abcdefgh"}', '{"Authorization": "Bearer [secret]"}'),
        ("http://user:hunter2@host/v1", "http://[secret]@host/v1"),
    ],
)
def test_what_is_shaped_like_a_key_goes(text: str, scrubbed: str) -> None:
    assert Scrubber().scrub(text) == scrubbed


@pytest.mark.parametrize(
    "text", ["risk-adjusted rate of a task-scheduler", "Bearer of bad news", "http://host:80/v1"]
)
def test_ordinary_text_stays(text: str) -> None:
    assert Scrubber().scrub(text) == text


def test_a_short_secret_does_not_garble_the_text() -> None:
    assert Scrubber("none").scrub("none of it") == "none of it"
