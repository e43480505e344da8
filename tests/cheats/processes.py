"""Taking the machine, or the processes of the kit, as a hostage."""

from autoresearch_kit.records import Reason
from tests.cheats.base import Cheat, no_torch

SIGNALS = """
import signal
me = os.getpid()
for pid in {1, os.getppid()} - {me}:
    for number in (signal.SIGSTOP, signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        os.kill(pid, number)
print('signalled', flush=True)
while True:
    time.sleep(1)
"""

FORK_BOMB = """
print('forking', flush=True)
for _ in range(900):
    if os.fork() == 0:
        time.sleep(1000)
time.sleep(1000)
"""
"""A bounded one: the limit is 512, and this test must not be what takes the machine down."""

FULL_DISK = """
file = open('filler', 'wb')
os.unlink('filler')
for megabytes in range(0, 900, 100):
    os.posix_fallocate(file.fileno(), megabytes * 2**20, 100 * 2**20)
print('filled', os.fstat(file.fileno()).st_blocks // 2048, 'MB', flush=True)
time.sleep(1000)
"""

CHEATS = (
    Cheat(
        "signals to the parent",
        no_torch(SIGNALS),
        Reason.DEADLINE,
        ["no submission after"],
        ["signalled"],
        train_seconds=0.5,
        compile_seconds=0.0,
    ),
    Cheat(
        "a fork bomb",
        no_torch(FORK_BOMB),
        Reason.OUT_OF_PROCESSES,
        ["processes, 512 allowed"],
        ["forking"],
    ),
    Cheat(
        "a full disk",
        no_torch(FULL_DISK),
        Reason.OUT_OF_DISK,
        ["MB written, 600 MB allowed"],
        ["filled 900 MB"],
        memory_mb=600.0,
    ),
)
