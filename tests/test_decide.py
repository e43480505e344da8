from dataclasses import fields, replace

import pytest

from autoresearch_kit.decide import check_comparable, decide
from autoresearch_kit.errors import FingerprintError
from autoresearch_kit.records import Fingerprint, Reason, Verdict

HERE = Fingerprint("c1", "t1", "p1", "s1", "2.13.0", "cpu Xeon")


@pytest.mark.parametrize(
    ("bpb", "nodes", "verdict", "reason"),
    [
        (1.199999, 900, Verdict.KEEP, Reason.BETTER),
        (1.200001, 10, Verdict.DISCARD, Reason.WORSE),
        (1.2, 99, Verdict.KEEP, Reason.SIMPLER),
        (1.2, 100, Verdict.DISCARD, Reason.NO_GAIN),
        (1.2, 101, Verdict.DISCARD, Reason.NO_GAIN),
        (1.2000004, 99, Verdict.KEEP, Reason.SIMPLER),
        (1.1999996, 101, Verdict.DISCARD, Reason.NO_GAIN),
    ],
)
def test_lower_is_better_and_ties_go_to_less_code(
    bpb: float, nodes: int, verdict: Verdict, reason: Reason
) -> None:
    decision = decide(bpb, nodes, 1.2, 100)
    assert (decision.verdict, decision.reason) == (verdict, reason)


def test_the_detail_has_the_numbers() -> None:
    detail = decide(1.1, 100, 1.2, 100).detail
    assert detail == "1.100000 against the best's 1.200000: 0.100000 lower"


def test_the_same_fingerprint_compares() -> None:
    check_comparable(HERE, replace(HERE))


@pytest.mark.parametrize("part", [field.name for field in fields(Fingerprint)])
def test_a_difference_is_named_with_a_way_out(part: str) -> None:
    was = getattr(HERE, part)
    with pytest.raises(FingerprintError, match=f"{part} was {was}, is other.*or start another tag"):
        check_comparable(HERE, replace(HERE, **{part: "other"}))
