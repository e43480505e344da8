"""A Ray of a campaign's own on this machine: started by `ray start`, and ended with the campaign.

Not by `ray.init`: a local raylet that is killed is then never noticed (measured with Ray 2.60).
"""

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autoresearch_kit.errors import ExecutionError
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.records.text import one_line

START_SECONDS = 120.0

NODE_ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_kill_child_processes_on_worker_exit": "0",
    "RAY_enable_worker_prestart": "0",
    "RAY_worker_niceness": "0",
}
"""The environment of every node. A run's processes are ended by our own runner, and have the usual
priority: Ray's workers have the niceness 15, with which a run starves on a busy machine."""


@contextmanager
def own_ray(campaign: str) -> Iterator[str]:
    """Start Ray on this machine and give its address; end all of it afterwards.

    Raises:
        ExecutionError: it does not start; the message says what Ray said.
    """
    run_id = f"ray-{campaign}"
    reap.reap(run_id)  # what an earlier life left
    with tempfile.TemporaryDirectory(prefix="ar-ray-", ignore_cleanup_errors=True) as name:
        token = Path(name) / "token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        os.environ.pop("RAY_AUTH_TOKEN", None)
        os.environ |= {"RAY_AUTH_TOKEN_PATH": str(token), "RAY_TMPDIR": name, **NODE_ENVIRONMENT}
        try:
            yield _start(name, os.environ | {reap.RUN_ID: run_id})
        finally:
            reap.reap(run_id)


def _start(folder: str, environment: dict[str, str]) -> str:
    """Start the daemons of Ray, which go on; return the address."""
    argv = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--port=0"]
    argv += ["--node-name=here", "--include-dashboard=false"]
    argv += ["--include-log-monitor=false", "--disable-usage-stats", f"--temp-dir={folder}"]
    log = Path(folder) / "start.log"
    with log.open("wb") as out:
        done = subprocess.run(
            argv, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            timeout=START_SECONDS, check=False, cwd=folder,
        )  # fmt: skip
    said = log.read_text(errors="replace")
    if done.returncode != 0:
        lines = said.strip().splitlines() or ["no message"]
        raise ExecutionError(f"Ray does not start: {one_line(lines[-1], 300)}")
    for line in said.splitlines():
        if "--address='" in line:
            return line.split("--address='")[1].split("'")[0]
    raise ExecutionError(f"Ray does not say its address: {one_line(said, 300)}")
