from pathlib import Path

import pytest

from autoresearch_kit.errors import InputError
from autoresearch_kit.records import Limits, Proposal, codec


def test_a_path_comes_back_as_a_path() -> None:
    assert codec.decode(Path, codec.encode(Path("/a/b"))) == Path("/a/b")


@pytest.mark.parametrize("data", [b"", b"[]", b'{"experiments": "many"}', b"\xff"])
def test_what_is_no_record_is_refused_by_its_name(data: bytes) -> None:
    with pytest.raises(InputError, match="not a Limits"):
        codec.decode(Limits, data)


def test_half_a_surrogate_pair_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="Proposal has text"):
        codec.encode(Proposal(1, 0, "llm", "\ud83d", ""))
