"""List the files of this machine that every run sees: those that training needs, and no others.

They are this Python without the modules that contain scored text, the distributions that training
needs, shared libraries, compilers, some commands, fonts, time zones and the libraries of GPUs.
Another program's copy of Python is not among them, so nobody has to look for it.
"""

import os
import re
import subprocess
import sys
import sysconfig
from functools import lru_cache
from pathlib import Path

from autoresearch_kit.execution.sandbox import packages
from autoresearch_kit.execution.sandbox.view import View
from autoresearch_kit.tasks.lm.stdlib import HELD_OUT, STILL_IMPORTED

ETC = (
    "OpenCL", "alternatives", "fonts", "glvnd", "group", "hosts", "ld.so.cache", "ld.so.conf",
    "ld.so.conf.d", "localtime", "nsswitch.conf", "passwd", "timezone", "vulkan",
)  # fmt: skip
"""Parts of /etc that loaders, compilers, plotting and GPUs read; none holds a secret."""

COMPILERS = ("c++", "cc", "clang", "clang++", "g++", "gcc", "hipcc", "nvcc")

COMMANDS = (
    *COMPILERS, "ar", "as", "bash", "cat", "cp", "dirname", "env", "fc-list", "getconf", "grep",
    "ld", "ld.bfd", "ld.gold", "ld.lld", "ldconfig", "ldconfig.real", "ls", "lscpu", "mkdir",
    "ninja", "nm", "nproc", "nvidia-smi", "objcopy", "objdump", "openssl", "ptxas", "ranlib",
    "readelf", "rm", "rocm_agent_enumerator", "rocminfo", "sed", "sh", "sleep", "strip", "true",
    "uname", "which",
)  # fmt: skip
"""Commands that torch, its compilers, Triton, papermill's kernel and compilers' scripts call."""

BINARIES = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")

PARTS = (
    "include", "lib/bfd-plugins", "lib/clang", "lib/gcc", "lib/locale", "lib64/clang", "lib64/gcc",
    "libexec/gcc", "share/fontconfig", "share/fonts", "share/glvnd", "share/libdrm",
    "share/nvidia", "share/vulkan", "share/zoneinfo",
)  # fmt: skip
"""Shown of each prefix: compilers' programs, headers, fonts, time zones, locales, GPUs' lists."""

CONDA_TARGETS = "*-conda-linux-gnu*"
"""Folders of conda's compilers, and of the system that they compile for."""

LIBRARY = re.compile(r"\.(so|a|o|spec)(\.|$)")
"""Matches the names of files that compilers link and loaders load."""

KEPT = frozenset({"gconv", "glibc-hwcaps", "ldscripts", "ossl-modules"})
"""Folders beside libraries from which these load files by themselves."""

LIBRARIES = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64",
    "/usr/local/nvidia/lib", "/usr/local/nvidia/lib64",
)  # fmt: skip
"""Folders of shared libraries, in addition to those that the loader's own list names."""

LOADERS = ("lib*/ld-*.so*", "lib/*/ld-*.so*")

CUDA_PARTS = (
    "bin", "extras/CUPTI/include", "extras/CUPTI/lib64", "include", "lib", "lib64", "nvvm",
    "targets", "version.json",
)  # fmt: skip
"""Shown of a CUDA toolkit. Its debuggers and profilers bring Pythons of their own."""

ROCM = tuple(
    Path("/opt/rocm", part)
    for part in (".info", "amdgcn", "bin", "include", "lib", "lib64", "llvm", "share/miopen")
)
"""Shown of AMD's toolkit, to a run on its GPU."""

OTHERS = ("/usr/lib/wsl", "/var/cache/fontconfig")

NOT_TRAINED_WITH = frozenset({"ensurepip", "pydoc_data", "test", "venv"})
"""Modules of the standard library that no training imports, in addition to `HELD_OUT`."""

CACHE = "__pycache__"

ABSENT = Path(__file__).with_name("absent")
"""Shown in place of a package that runs don't see: an empty folder could be imported."""

TESTS = ("test", "tests")

BUILT = ("_sysconfigdata",)  # beginnings of modules' names that depend on how this Python was built


def view(imports: frozenset[str] = frozenset()) -> View:
    """Return what a run sees whose notebook imports these top-level modules.

    It is computed once per process, and again when something was installed or removed.
    """
    folders = (*packages.site_folders(), Path(os.__file__).parent, *_library_folders())
    return _view(imports, tuple(folder.stat().st_mtime_ns for folder in folders))


@lru_cache(maxsize=4)
def _view(imports: frozenset[str], _changed: tuple[int, ...]) -> View:
    packages.installed.cache_clear()
    view = View()
    for prefix in prefixes():
        for part in PARTS:
            view.show(prefix / part)
        for path in (prefix / "bin", prefix):
            for target in path.glob(CONDA_TARGETS):
                view.show(target)
    for folder in _binaries():
        for command in COMMANDS:
            view.show(folder / command)
    for folder in _library_folders():
        _show_libraries(view, folder)
    loaders = (path for pattern in LOADERS for path in Path("/").glob(pattern))
    etc = (Path("/etc", name) for name in ETC)
    for path in (*etc, *map(Path, OTHERS), *loaders, *_cuda()):
        view.show(path)
    _show_python(view)
    _show_packages(view, imports)
    return view


def shown_around(folder: Path) -> str:
    """Return the shown path that a folder (without links) lies in; empty if it lies in none.

    Paths count with what is covered in them, and a virtual environment with all that it contains.
    """
    around = view().around(folder)
    own = Path(sys.prefix).resolve()
    if around is None and sys.prefix != sys.base_prefix and own in folder.parents:
        around = own
    return str(around or "")


def prefixes() -> list[Path]:
    """Return the prefixes of programs that a run needs: the system's, Python's, compilers'."""
    compilers = (
        (folder / name).resolve().parent.parent
        for folder in _binaries()
        for name in COMPILERS
        if (folder / name).exists()
    )
    own = (Path(sys.prefix), Path(sys.base_prefix))
    return list(dict.fromkeys((Path("/usr"), Path("/usr/local"), *own, *compilers)))


def _binaries() -> list[Path]:
    executable = Path(sys.executable)
    own = (executable.parent, executable.resolve().parent)
    return list(dict.fromkeys((*own, *map(Path, BINARIES))))


def _cuda() -> list[Path]:
    homes = [*Path("/usr/local").glob("cuda*"), Path("/opt/cuda")]
    if home := os.environ.get("CUDA_HOME"):
        homes.append(Path(home))
    return [toolkit / part for toolkit in homes for part in CUDA_PARTS]


def _library_folders() -> list[Path]:
    """Return the folders that loaders look in, links followed."""
    named = [*LIBRARIES, *_known_to_loader(), *os.environ.get("LD_LIBRARY_PATH", "").split(":")]
    if triplet := sysconfig.get_config_var("MULTIARCH"):
        named += [f"/lib/{triplet}", f"/usr/lib/{triplet}", f"/usr/local/lib/{triplet}"]
    own = [prefix / "lib" for prefix in prefixes()]
    folders = [*(Path(name) for name in named if name.startswith("/")), *own]
    return list(dict.fromkeys(folder.resolve() for folder in folders if folder.is_dir()))


def _known_to_loader() -> list[str]:
    """Return the folders of the libraries that `ldconfig` lists; none where it is missing."""
    try:
        listed = subprocess.check_output(["/sbin/ldconfig", "-p"], text=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    paths = (line.partition(" => ")[2].strip() for line in listed.splitlines())
    return sorted({str(Path(path).parent) for path in paths if path})


def _show_libraries(view: View, folder: Path) -> None:
    """Show the libraries in a folder, and the targets of links to libraries, but nothing else."""
    entries = _entries(folder)
    if not any(LIBRARY.search(entry.name) for entry in entries):
        return
    view.show(folder)
    for entry in entries:
        if entry.is_symlink():
            if len(Path(entry.path).readlink().parts) > 1 and LIBRARY.search(entry.name):
                view.show(Path(entry.path))
        elif not (entry.name in KEPT or _is_libraries_only(entry)):
            view.cover(Path(entry.path))


def _is_libraries_only(entry: "os.DirEntry[str]") -> bool:
    """Return whether it is a library, or a folder of nothing else, and need not be covered."""
    if entry.is_dir(follow_symlinks=False):
        return all(map(_is_libraries_only, _entries(Path(entry.path))))
    return entry.is_symlink() or bool(LIBRARY.search(entry.name))


def _show_python(view: View) -> None:
    executable = Path(sys.executable)
    view.show(Path(sys.prefix, "pyvenv.cfg"))
    for path in (executable, executable.resolve()):
        view.show(path)
        for name in ("python", "python3"):
            view.show(path.parent / name)
    view.show(Path(sysconfig.get_path("include")))
    folders = {Path(os.__file__).resolve().parent}
    folders |= {Path(path).resolve() for path in sys.path if Path(path).name == "lib-dynload"}
    for folder in sorted(folders):
        if folder.name == "lib-dynload":
            _show_libraries(view, folder)
        else:
            _show_standard_library(view, folder)


def _show_standard_library(view: View, folder: Path) -> None:
    """Show the modules of this Python that training may import, with their byte code."""
    view.show(folder)
    for entry in (*_entries(folder), *_entries(folder / CACHE)):
        if not (entry.is_symlink() or _is_trained_with(entry.name)):
            view.cover(Path(entry.path))
        for name in TESTS:
            if (tests := Path(entry.path, name)).is_dir():
                view.cover(tests)
    for name in STILL_IMPORTED:
        view.show(folder / name)


def _show_packages(view: View, imports: frozenset[str]) -> None:
    """Show the distributions that a run needs, and the metadata of all others."""
    needed = packages.shown(imports)
    for folder in packages.site_folders():
        view.show(folder)
        for entry in _entries(folder):
            path = Path(entry.path)
            meant = path in needed or path.suffix in packages.METADATA or path.name == CACHE
            if not (meant or entry.is_symlink()):
                view.cover(path.resolve(), ABSENT if entry.is_dir() else None)
        for entry in _entries(folder / CACHE):
            if folder / f"{entry.name.partition('.')[0]}.py" not in needed:
                view.cover(Path(entry.path).resolve())


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    readable = folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)
    return list(os.scandir(folder)) if readable else []


def _is_trained_with(name: str) -> bool:
    module = name.partition(".")[0]
    if name.startswith(BUILT) or module in (CACHE, "lib-dynload"):
        return True
    return module in sys.stdlib_module_names - HELD_OUT - NOT_TRAINED_WITH
