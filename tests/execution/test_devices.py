"""Find the devices that are asked for; what probes would say is made up."""

from dataclasses import replace

import pytest

from autoresearch_kit.errors import InputError, KitError
from autoresearch_kit.execution import devices, machine_probe
from autoresearch_kit.execution.devices import Device, DeviceRequest, parse
from autoresearch_kit.machine import cores, gpu
from autoresearch_kit.records import Accelerator, Fingerprint, Machine, SandboxLevel
from tests.campaign import made_up_runs
from tests.ledger import ledger


def card(number: int, model: str = "H100") -> Machine:
    accelerator = Accelerator("cuda", (9, 0), 85_000.0, f"GPU-{number}", (f"nvidia{number}",))
    return replace(made_up_runs.MACHINE, device=model, accelerator=True, cores=64, gpu=accelerator)


def fingerprint(machine: Machine) -> Fingerprint:
    return replace(ledger.FINGERPRINT, device=machine.device)


@pytest.fixture
def three_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_probe, "probe_all", lambda: tuple(card(at) for at in range(3)))
    monkeypatch.setattr(cores, "usable", lambda: ((0, 3), (1, 4), (2, 5)))


@pytest.mark.parametrize(
    ("asked", "parsed"),
    [
        ("all", DeviceRequest()),
        ("2,0,2", DeviceRequest(gpus=(2, 0))),
        ("cpu:2x4", DeviceRequest(slots=2, cores=4)),
    ],
)
def test_devices_are_asked_for_in_three_ways(asked: str, parsed: DeviceRequest) -> None:
    assert parse(asked) == parsed


@pytest.mark.parametrize("asked", ["", "cpu", "cpu:0x1", "cpu:2", "gpu0", "0,", "-1", "ALL"])
def test_what_is_not_understood_is_refused(asked: str) -> None:
    with pytest.raises(InputError, match="such as `cpu:2x4`"):
        parse(asked)


@pytest.mark.usefixtures("three_gpus")
def test_each_gpu_is_a_device_with_cores_of_its_own() -> None:
    found = devices.find(DeviceRequest(), fingerprint)
    assert [each.name for each in found] == ["gpu0", "gpu1", "gpu2"]
    assert [each.cores for each in found] == [(0, 3), (1, 4), (2, 5)]
    assert [each.lock_names for each in found] == [("gpu-GPU-0",), ("gpu-GPU-1",), ("gpu-GPU-2",)]


@pytest.mark.usefixtures("three_gpus")
def test_a_gpu_keeps_its_name_and_cores_when_chosen_alone() -> None:
    (only,) = devices.find(DeviceRequest(gpus=(1,)), fingerprint)
    assert (only.name, only.cores) == ("gpu1", (1, 4))


@pytest.mark.usefixtures("three_gpus")
def test_a_missing_gpu_is_named_with_those_there() -> None:
    with pytest.raises(InputError, match="is 1,3, but this machine has 0: H100, 1: H100, 2: H100"):
        devices.find(DeviceRequest(gpus=(1, 3)), fingerprint)


def test_without_a_gpu_all_cores_are_one_unlocked_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine_probe, "probe_all", lambda: (made_up_runs.MACHINE,))
    (only,) = devices.find(DeviceRequest(), fingerprint)
    assert (only.name, only.cores, only.lock_names) == ("cpu0", (), ())
    with pytest.raises(InputError, match="torch uses no GPU here"):
        devices.find(DeviceRequest(gpus=(0,)), fingerprint)


def test_slots_of_cores_are_probed_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "usable", lambda: ((0,), (1,)))
    probed = list[tuple[int, ...]]()

    def probe(pinned: tuple[int, ...]) -> Machine:
        probed.append(pinned)
        return made_up_runs.MACHINE

    monkeypatch.setattr(machine_probe, "probe_cpu", probe)
    found = devices.find(DeviceRequest(slots=2, cores=1), fingerprint)
    assert [(each.name, each.lock_names) for each in found] == [
        ("cpu0", ("core-0",)),
        ("cpu1", ("core-1",)),
    ]
    assert probed == [(0,)]


@pytest.mark.parametrize(("threads", "cores", "ahead"), [(8, (), True), (8, (1, 2), False)])
def test_the_next_run_starts_ahead_on_four_cores(
    threads: int, cores: tuple[int, ...], ahead: bool
) -> None:
    machine = replace(made_up_runs.MACHINE, cores=threads)
    assert Device("cpu0", machine, ledger.FINGERPRINT, cores).ahead == ahead


def test_parts_that_cuda_hides_from_the_first_are_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "visible_parts", lambda: ("GPU-0", "GPU-1"))
    monkeypatch.setattr(
        machine_probe, "_probe", lambda env: (card(1 if "CUDA_VISIBLE_DEVICES" in env else 0),)
    )
    assert machine_probe.probe_all() == (card(0), card(1))


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ((card(0), card(1)), "would see 2 GPUs"),
        ((card(1),), r"uses the GPU H100 \(GPU-0\), but runs see only the GPU H100 \(GPU-1\)"),
    ],
    ids=["both", "the neighbour"],
)
def test_a_run_that_sees_a_neighbours_gpu_is_refused(
    seen: tuple[Machine, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_probe, "_run", lambda *_, **__: seen)
    device = Device("gpu0", card(0), ledger.FINGERPRINT)
    with pytest.raises(KitError, match=words):
        devices.check_inside([device], SandboxLevel.NONE)
