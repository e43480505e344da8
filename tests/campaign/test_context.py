"""Choose the devices of one class; what probes would say is made up."""

from dataclasses import replace

import pytest

from autoresearch_kit.campaign import context
from autoresearch_kit.errors import FingerprintError
from autoresearch_kit.execution import machine_probe
from autoresearch_kit.records import Accelerator, Fingerprint, Machine
from autoresearch_kit.tasks.lm.task import LANGUAGE_MODEL
from autoresearch_kit.verdicts.comparable import fingerprint
from tests.campaign import made_up_runs


def card(number: int, model: str) -> Machine:
    accelerator = Accelerator("cuda", (9, 0), 85_000.0, f"GPU-{number}")
    return replace(made_up_runs.MACHINE, device=model, accelerator=True, gpu=accelerator)


CARDS = (card(0, "T4"), card(1, "A100"), card(2, "A100"))


@pytest.fixture(autouse=True)
def cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_probe, "probe_all", lambda: CARDS)


def measured_on(model: str) -> Fingerprint:
    version = LANGUAGE_MODEL.scoring_version
    return fingerprint(made_up_runs.INFO, card(0, model), version, made_up_runs.SETTINGS.clock)


@pytest.mark.parametrize(
    ("before", "names", "said"),
    [
        (None, ["gpu1", "gpu2"], ["gpu0 (T4) is left out: this campaign's scores are of: A100"]),
        (
            measured_on("T4"),
            ["gpu0"],
            [f"gpu{at} (A100) is left out: this campaign's scores are of: T4" for at in (1, 2)],
        ),
    ],
    ids=["a new campaign", "one that began on the other"],
)
def test_devices_of_another_class_are_left_out_and_named(
    before: Fingerprint | None,
    names: list[str],
    said: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = context.find_devices(made_up_runs.SETTINGS, made_up_runs.INFO, before)
    assert ([each.name for each in found], caplog.messages) == (names, said)


def test_a_campaign_without_devices_of_its_class_does_not_go_on() -> None:
    with pytest.raises(FingerprintError, match="device was H100"):
        context.find_devices(made_up_runs.SETTINGS, made_up_runs.INFO, measured_on("H100"))
