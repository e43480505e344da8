"""Test what a sandboxed process can see, write and reach."""

import os
import py_compile
import shutil
import socket
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from autoresearch_kit.execution.sandbox import bubblewrap, packages
from autoresearch_kit.records import Accelerator, SandboxLevel, VisibleFiles
from tests import bundled

needs_bubblewrap = pytest.mark.skipif(bool(bubblewrap.why_not()), reason=bubblewrap.why_not())


def run(
    code: str,
    work: Path,
    *,
    level: SandboxLevel = SandboxLevel.BUBBLEWRAP,
    read_only: Sequence[Path] = (),
    visible: VisibleFiles = bubblewrap.NOTHING_MORE,
    gpu: Accelerator | None = None,
) -> subprocess.CompletedProcess[str]:
    env = bubblewrap.environment(home=work, kit=work, run_id="test-sandbox", gpu=gpu)
    argv = [sys.executable, "-c", code]
    command = bubblewrap.command(
        level, argv, read_only=read_only, writable=[work], visible=visible, gpu=gpu, env=env
    )
    return subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "level", [pytest.param(SandboxLevel.BUBBLEWRAP, marks=needs_bubblewrap), SandboxLevel.NONE]
)
def test_secrets_in_the_environment_are_not_visible(
    level: SandboxLevel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hush")
    result = run("import os; print(dict(os.environ))", tmp_path, level=level)
    assert result.returncode == 0
    assert "hush" not in result.stdout


@needs_bubblewrap
def test_paths_that_were_not_named_do_not_exist(tmp_path: Path) -> None:
    work, sibling = tmp_path / "work", tmp_path / "val"
    work.mkdir()
    sibling.mkdir()
    paths = [Path.home() / ".ssh", Path(__file__).parents[3] / ".git", sibling]
    code = f"import os; print([path for path in {list(map(str, paths))} if os.path.exists(path)])"
    assert run(code, work).stdout == "[]\n"


@needs_bubblewrap
def test_writes_reach_only_what_is_writable(tmp_path: Path) -> None:
    work, data = tmp_path / "work", tmp_path / "data"
    work.mkdir()
    data.mkdir()
    code = f"open('mine', 'w').close(); open({str(data / 'theirs')!r}, 'w')"
    result = run(code, work, read_only=[data])
    assert (work / "mine").exists()
    assert "Read-only file system" in result.stderr


OPENS = """
for path in PATHS:
    try:
        open(path, 'a')
        print(path)
    except OSError as error:
        assert error.strerror in ('Read-only file system', 'Permission denied'), error
"""


@needs_bubblewrap
def test_the_system_is_read_only_even_for_root(tmp_path: Path) -> None:
    paths = ["/x", "/dev/x", "/proc/sys/kernel/core_pattern", "/usr/x"]
    result = run(f"PATHS = {paths}\n{OPENS}", tmp_path)
    assert (result.returncode, result.stdout) == (0, ""), result.stderr


WRITABLE = """
import os
for folder, folders, files in os.walk('/proc'):
    if folder == '/proc':
        folders[:] = [name for name in folders if not name.isdigit()]
    for path in [folder, *(os.path.join(folder, name) for name in files)]:
        if not os.path.islink(path):
            made = folder + '/x' if path == folder else path
            try:
                os.close(os.open(made, os.O_WRONLY | os.O_NONBLOCK | os.O_CREAT))
                print(made)
            except OSError:
                pass
"""
"""Prints what of /proc, outside of processes' own folders, can be opened for writing, or made."""


@needs_bubblewrap
def test_only_a_processs_own_files_in_proc_are_writable(tmp_path: Path) -> None:
    result = run(WRITABLE, tmp_path)
    assert (result.returncode, result.stdout) == (0, "")


@needs_bubblewrap
def test_kernel_settings_in_proc_are_mounted_read_only(tmp_path: Path) -> None:
    names = ["bus", "fs", "irq", "sys", "sysrq-trigger", "mtrr", "pressure"]
    paths = [path for name in names if (path := f"/proc/{name}") and Path(path).exists()]
    assert paths
    code = "import os; print(all(os.statvfs(path).f_flag & os.ST_RDONLY for path in PATHS))"
    assert run(code.replace("PATHS", str(paths)), tmp_path).stdout == "True\n"


@needs_bubblewrap
def test_a_process_may_write_to_its_own_files_in_proc(tmp_path: Path) -> None:
    """CUDA does not start otherwise."""
    result = run("open('/proc/thread-self/comm', 'w').write('cuda-EvtHandlr')", tmp_path)
    assert result.returncode == 0, result.stderr


READABLE = """
import os
for name in NAMES:
    path = '/proc/' + name
    try:
        if os.listdir(path) if os.path.isdir(path) else open(path, 'rb').read(1):
            print(name)
    except OSError:
        pass
"""


@needs_bubblewrap
def test_secrets_in_proc_are_covered(tmp_path: Path) -> None:
    names = [*sorted(bubblewrap.PROC_SECRETS), "meminfo"]
    result = run(f"NAMES = {names}\n{READABLE}", tmp_path)
    assert (result.returncode, result.stdout) == (0, "meminfo\n")


@needs_bubblewrap
def test_no_capability_is_left(tmp_path: Path) -> None:
    status = run("print(open('/proc/self/status').read())", tmp_path).stdout
    sets = [line.split()[1] for line in status.splitlines() if line.startswith("Cap")]
    assert len(sets) == 5
    assert all(int(bits, 16) == 0 for bits in sets)


@needs_bubblewrap
def test_the_network_is_unreachable(tmp_path: Path) -> None:
    code = "import socket; socket.create_connection(('127.0.0.1', %d), timeout=5)"
    with socket.create_server(("127.0.0.1", 0)) as server:
        result = run(code % server.getsockname()[1], tmp_path)
    assert result.returncode != 0


@needs_bubblewrap
def test_other_processes_are_not_visible(tmp_path: Path) -> None:
    code = "import os; print([entry for entry in os.listdir('/proc') if entry.isdigit()])"
    assert run(code, tmp_path).stdout == "['1', '2']\n"


@needs_bubblewrap
def test_only_the_runs_gpu_has_device_nodes(tmp_path: Path) -> None:
    work, dev = tmp_path / "work", tmp_path / "dev"
    work.mkdir()
    dev.mkdir()
    for name in ("nvidia0", "nvidia1", "nvidiactl"):
        (dev / name).touch()
    nodes = tuple(str(dev / name) for name in ("nvidia1", "nvidiactl", "is-gone"))
    gpu = Accelerator("cuda", (9, 0), 85_000, "GPU-1", nodes)
    code = f"import os; print(sorted(os.listdir({str(dev)!r})), os.path.exists('/sys/bus'))"
    assert run(code, work, gpu=gpu).stdout == "['nvidia1', 'nvidiactl'] True\n"


@needs_bubblewrap
def test_without_a_gpu_no_node_of_one_is_there(tmp_path: Path) -> None:
    """Test it on a machine with a GPU as well."""
    code = "import os; print(sorted(os.listdir('/dev')), os.path.exists('/sys/bus'))"
    said = run(code, tmp_path).stdout
    assert not [name for name in ("nvidia", "dri", "kfd", "dxg") if name in said]
    assert said.endswith("False\n")


@pytest.mark.parametrize(
    ("gpu", "seen"),
    [
        (Accelerator("cuda", (9, 0), 85_000, "GPU-1"), "GPU-1"),
        (Accelerator("cuda", (9, 0), 85_000), "0,1"),
        (None, "-1"),
    ],
    ids=["told by its UUID", "told by the user", "none"],
)
def test_cuda_sees_only_the_runs_gpu(
    gpu: Accelerator | None, seen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    code = "import os; print(os.environ['CUDA_VISIBLE_DEVICES'])"
    said = run(code, tmp_path, level=SandboxLevel.NONE, gpu=gpu).stdout
    assert said == f"{seen}\n"


SEARCH = """
import os
for folder, folders, files in os.walk('/'):
    if folder == '/':
        folders[:] = [name for name in folders if name not in ('proc', 'sys', 'dev')]
    for name in files:
        path = os.path.join(folder, name)
        if name.startswith('turtle.') and os.path.isfile(path) and os.path.getsize(path):
            print(path)
"""
"""Prints what there is of a held-out module, anywhere: source, stub or byte code."""


@needs_bubblewrap
def test_no_copy_of_a_held_out_module_is_seen(tmp_path: Path) -> None:
    import turtle

    copies = bundled.folders(f"bundled_{os.getpid()}")
    try:
        for folder in copies:
            (folder / "lib/python3").mkdir(parents=True)
            shutil.copy(turtle.__file__, folder / "lib/python3/turtle.py")
            py_compile.compile(turtle.__file__, cfile=str(folder / "turtle.pyc"))
        result = run(SEARCH, tmp_path)
    finally:
        for folder in copies:
            bundled.empty(folder)
    assert (result.returncode, result.stdout) == (0, "")


@needs_bubblewrap
def test_commands_are_found_through_links(tmp_path: Path) -> None:
    """Such as /bin/cc to /etc/alternatives/cc to gcc to gcc-12."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler here")
    code = (
        "import subprocess; open('a.c', 'w').write('int main() { return 7; }');"
        "subprocess.run(['cc', 'a.c', '-o', 'a'], check=True); print(subprocess.call('./a'))"
    )
    assert run(code, tmp_path).stdout == "7\n"


@needs_bubblewrap
def test_what_the_kit_requires_can_be_imported(tmp_path: Path) -> None:
    code = "import matplotlib.font_manager, pandas, scipy, tiktoken, IPython, zoneinfo;"
    shown = run(f"{code} print(zoneinfo.ZoneInfo('Europe/Berlin'))", tmp_path)
    assert shown.stdout == "Europe/Berlin\n", shown.stderr


@needs_bubblewrap
def test_a_module_that_the_notebook_imports_is_shown(tmp_path: Path) -> None:
    code = "import pytest; print(pytest.raises.__name__)"
    assert "ModuleNotFoundError: runs do not see the package 'pytest'" in run(code, tmp_path).stderr
    assert run(code, tmp_path, visible=VisibleFiles(imports=("pytest",))).stdout == "raises\n"


@needs_bubblewrap
def test_a_hidden_folder_of_a_package_is_empty(tmp_path: Path) -> None:
    folder = Path(sysconfig.get_path("purelib"), "pytest")
    code = f"import os; print(os.listdir({str(folder)!r}))"
    visible = VisibleFiles(imports=("pytest",), hidden=(folder,))
    assert run(code, tmp_path, visible=visible).stdout == "[]\n"


@needs_bubblewrap
def test_what_a_task_sees_is_shown_but_for_what_it_hides(tmp_path: Path) -> None:
    work, more = tmp_path / "work", tmp_path / "more"
    for folder in (work, more, more / "hidden"):
        folder.mkdir()
        (folder / "x").touch()
    code = f"import os; print(sorted(os.listdir({str(more)!r})), os.listdir('{more}/hidden'))"
    visible = VisibleFiles(shown=(more,), hidden=(more / "hidden",))
    assert run(code, work, visible=visible).stdout == "['hidden', 'x'] []\n"


@needs_bubblewrap
def test_a_hidden_file_in_a_shown_folder_is_gone(tmp_path: Path) -> None:
    import tqdm

    path = Path(tqdm.__file__).resolve()
    code = f"import os; print(os.path.isfile({str(path)!r}))"
    assert run(code, tmp_path).stdout == "True\n"
    assert run(code, tmp_path, visible=VisibleFiles(hidden=(path,))).stdout == "False\n"


def test_all_that_the_kit_requires_is_shown() -> None:
    table = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    lines = [*table["dependencies"], *table["optional-dependencies"]["lab"]]
    names = {canonicalize_name(Requirement(line).name) for line in lines}
    assert names <= packages.required([(packages.KIT, packages.KIT_EXTRAS)])
