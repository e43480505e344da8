"""The class of a campaign's slots on a cluster: devices whose scores can be compared."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch_kit.errors import FingerprintError
from autoresearch_kit.execution.ray.messages import Report
from autoresearch_kit.records import Fingerprint, SandboxLevel, strongest
from autoresearch_kit.verdicts.comparable import check_comparable


@dataclass(frozen=True)
class SlotRequirements:
    """Require of every slot what a campaign's earlier experiments had."""

    fingerprint: Fingerprint
    sandbox: SandboxLevel


def most_common_class(reports: Sequence[Report]) -> SlotRequirements:
    """Return the class of most of the slots, with the strongest sandbox among them."""
    chosen = Counter(each.fingerprint for each in reports).most_common(1)[0][0]
    levels = [each.sandbox for each in reports if each.fingerprint == chosen]
    return SlotRequirements(chosen, strongest(levels) or SandboxLevel.NONE)


def why_not_of(report: Report, wanted: SlotRequirements | None) -> str:
    """Return in one line why a slot is not of the campaign's class; empty if it is."""
    if wanted is None:
        return ""
    try:
        check_comparable(wanted.fingerprint, report.fingerprint)
    except FingerprintError as error:
        return str(error).removeprefix("scores can't be compared: ").split(". For this")[0]
    if strongest([report.sandbox, wanted.sandbox]) is not report.sandbox:
        return f"it has no {wanted.sandbox}, which the campaign's runs have"
    return ""
