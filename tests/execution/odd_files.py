"""Make what a notebook may leave that no honest one does; runs inside notebooks, too."""

import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from autoresearch_kit.files.removal import remove_tree


def strange(where: Path) -> None:
    """Make names of any bytes, links, pipes, sockets, devices, holes, and what nobody may read."""
    where.mkdir(parents=True, exist_ok=True)
    here = os.open(where, os.O_RDONLY)
    for name in (b"\xff\xfe", b"new\nline", b"x" * 255, b"\xe2\x80\xae\x07", b"-rf", b"*", b" "):
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=here))
        os.mkdir(name[:200] + b"-folder", dir_fd=here)
    for link, target in (("etc", "/etc"), ("up", ".."), ("none", "nowhere"), ("cycle", "cycle")):
        os.symlink(target, link, dir_fd=here)
    os.mkfifo("pipe", dir_fd=here)
    with suppress(OSError):  # whiteouts are devices that all may make, but not on every disk
        os.mknod("device", stat.S_IFCHR, 0, dir_fd=here)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(f"/proc/self/fd/{here}/socket")
    os.link(b"-rf", b"twin", src_dir_fd=here, dst_dir_fd=here)
    holes = os.open("holes", os.O_CREAT | os.O_WRONLY, dir_fd=here)
    os.truncate(holes, 2**40)
    os.chmod(b"*", 0, dir_fd=here)
    os.chmod(b"*-folder", 0, dir_fd=here)
    os.close(holes)
    os.close(here)


def deep(where: Path, depth: int = 1100) -> None:
    """Make folders in each other: deeper than Python's stack, longer than any path may be."""
    where.mkdir(parents=True, exist_ok=True)
    here = os.open(where, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d" * 100, dir_fd=here)
        within = os.open("d" * 100, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = within
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


@contextmanager
def deep_below(where: Path) -> Iterator[None]:
    """Make a deep folder in here, and remove it at the end, which would be too much for pytest."""
    deep(where)
    try:
        yield
    finally:
        remove_tree(where)


KINDS = ("nothing", "folder", "link", "dangling", "cycle", "pipe", "socket", "hard link", "leased")
"""The kinds of entry that `in_place_of_a_file` can make."""


def in_place_of_a_file(path: Path, kind: str) -> None:
    """Put something else where a file is expected."""
    if kind == "folder":
        path.mkdir()
    elif kind in ("link", "dangling", "cycle"):
        path.symlink_to({"link": "/etc/passwd", "dangling": "nowhere", "cycle": path.name}[kind])
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(path))
    elif kind == "hard link":
        path.with_suffix(".other").touch()
        path.hardlink_to(path.with_suffix(".other"))
    elif kind == "leased":  # for 45 s, who opens it waits for its owner
        fcntl.fcntl(os.open(path, os.O_CREAT | os.O_RDWR), fcntl.F_SETLEASE, fcntl.F_WRLCK)
