from dataclasses import fields, replace

import pytest

from autoresearch_kit.errors import FingerprintError
from autoresearch_kit.records import Fingerprint
from autoresearch_kit.verdicts.comparable import check_comparable

HERE = Fingerprint("c1", "t1", "p1", "s1", "2.13.0", "cpu Xeon")


def test_the_same_fingerprint_compares() -> None:
    check_comparable(HERE, replace(HERE))


@pytest.mark.parametrize("part", [field.name for field in fields(Fingerprint)])
def test_a_difference_is_named_with_a_way_out(part: str) -> None:
    was = getattr(HERE, part)
    with pytest.raises(FingerprintError, match=f"{part} was {was}, is other.*or start another tag"):
        check_comparable(HERE, replace(HERE, **{part: "other"}))  # type: ignore[arg-type]
