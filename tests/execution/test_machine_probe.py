import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autoresearch_kit.execution import machine_probe
from autoresearch_kit.execution.processes.starter import starter_pipe
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.machine import gpu_nodes
from autoresearch_kit.records import Accelerator, Machine, codec

GPU = Accelerator("cuda", (9, 0), 85_000)
PROBED = Machine("H100", True, "bfloat16", True, 8, 64_000, "2.13", "3.11", "Linux", GPU)


@pytest.mark.parametrize(
    ("node", "gpu"),
    [("null", None), ("dri/renderD128", None), ("nvidia0", GPU), ("kfd", GPU), ("dxg", GPU)],
)
def test_torch_is_asked_only_where_there_may_be_a_gpu(
    node: str, gpu: Accelerator | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Importing it takes seconds. The driver's nodes, and what torch says, stand in for a GPU's."""
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    (tmp_path / node).parent.mkdir(exist_ok=True)
    (tmp_path / node).touch()
    monkeypatch.setattr(gpu_nodes, "DEV", tmp_path)
    monkeypatch.setattr(machine_probe, "probe", lambda: PROBED)
    assert machine_probe.accelerator() == gpu


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_compilation_is_tried_in_the_sandbox() -> None:
    machine = machine_probe.probe_inside(None, bubblewrap.level(), try_compile=True)
    assert (machine.compiles, machine.no_compile) == (True, "")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="stands in for Linux's compilers")
def test_a_compiler_that_does_not_work_is_told(tmp_path: Path) -> None:
    for name in ("c++", "g++", "gcc", "cc"):
        (tmp_path / name).write_text("#!/bin/sh\necho no headers >&2; exit 1\n")
        (tmp_path / name).chmod(0o755)
    command = [sys.executable, "-P", "-m", machine_probe.MODULE, machine_probe.TRY_COMPILE]
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    with starter_pipe() as pipe:
        said = subprocess.run(command, env=env, stdin=pipe, capture_output=True, check=True).stdout
    (machine,) = codec.decode(tuple[Machine, ...], said)
    assert not machine.compiles
    assert machine.no_compile
    assert "\n" not in machine.no_compile


def test_a_probe_ends_with_its_starter() -> None:
    argv = [sys.executable, "-P", "-m", machine_probe.MODULE]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.communicate() == (b"", b"")
    assert process.returncode == 1
