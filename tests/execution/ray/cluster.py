"""A Ray cluster on loopback addresses of this machine, with nodes that can be killed."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

import autoresearch_kit
from autoresearch_kit.execution.pool import DataRef, Delivery, Order
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.ray.hosting import NODE_ENVIRONMENT
from autoresearch_kit.execution.ray.link import BRIDGE
from autoresearch_kit.execution.ray.messages import Connect, NodeSetup
from autoresearch_kit.execution.ray.pool import RayPool, Timeouts
from autoresearch_kit.execution.ray.transfer import describe_folder
from autoresearch_kit.records import Clock
from tests.execution.ray import fake_node

PACKAGE = Path(autoresearch_kit.__file__).parent

HEAD = "127.0.0.2"

DATA = DataRef("words", "c-t-p")

RECONNECTS = "RAY_gcs_rpc_server_reconnect_timeout_s"
"""The seconds after which a driver or a node ends that can't reach its head: 60 unless set."""

QUICK = {
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "3",
    RECONNECTS: "15",
}
"""The environment of nodes that are declared dead, or end, after seconds, not a minute."""

AGENTS = ("dashboard-agent-listen", "dashboard-agent-grpc", "runtime-env-agent", "metrics-export")

STARTS = 3
"""Tries to start a node: Ray gives up when a busy machine takes more than 30 s for it."""

BRIDGE_ARGV = (sys.executable, "-P", "-m", BRIDGE)


@dataclass
class Cluster:
    """Head at 127.0.0.2, which has no device, and nodes that are added at 127.0.0.3 and on."""

    folder: Path
    port: int
    environment: dict[str, str] = field(default_factory=dict)
    nodes: set[str] = field(default_factory=set)

    @property
    def address(self) -> str:
        return f"{HEAD}:{self.port}"

    def start_head(self, patch: pytest.MonkeyPatch) -> None:
        token = self.folder / "token"
        token.write_text(secrets.token_hex(32))
        patch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
        self.environment = {**os.environ, **NODE_ENVIRONMENT, **QUICK}
        patch.setenv(RECONNECTS, "5")
        self._ray(
            "head", "--head", f"--port={self.port}", "--include-dashboard=false", HEAD, cpus=0
        )

    def start_node(self, name: str, number: int, **told: str) -> None:
        cache = self.folder / name
        cache.mkdir(exist_ok=True)
        (cache / "node.json").write_text(json.dumps(told))
        self._ray(name, f"--address={self.address}", f"127.0.0.{number}", cpus=1)
        self.nodes.add(name)

    def processes(self, name: str) -> list[psutil.Process]:
        """Return all processes of a node, with its actors and what they started."""
        return reap.members(self._mark(name))

    def actor(self, name: str) -> psutil.Process:
        """Return the node's actor."""
        (found,) = [each for each in self.processes(name) if "SlotActor" in each.cmdline()[0]]
        return found

    def one(self, name: str, program: str) -> psutil.Process:
        """Return the node's process of this program."""
        (found,) = self.all(name, program)
        return found

    def all(self, name: str, program: str) -> list[psutil.Process]:
        """Return the node's processes of this program; some may have ended."""
        found = []
        for each in self.processes(name):
            with suppress(psutil.NoSuchProcess):
                found += [each] if each.name() == program else []
        return found

    def kill(self, name: str) -> None:
        """Kill all of a node at once."""
        reap.reap(self._mark(name))
        self.nodes.discard(name)

    def signal(self, name: str, number: signal.Signals) -> None:
        for process in self.processes(name):
            with suppress(psutil.NoSuchProcess):  # it ended with another that went on
                process.send_signal(number)

    def end(self) -> None:
        for name in ("head", *(path.parent.name for path in self.folder.glob("*/node.json"))):
            self.kill(name)
            shutil.rmtree(self._temporary(name), ignore_errors=True)

    def _mark(self, name: str) -> str:
        return f"test-ray-{self.port}-{name}"

    def _temporary(self, name: str) -> str:
        return f"/tmp/rt{self.port}{name}"  # a socket's path is short

    def _ray(self, name: str, *where: str, cpus: int) -> None:
        *options, ip = where
        argv = [sys.executable, "-m", "ray.scripts.scripts", "start", *options]
        argv += [f"--node-ip-address={ip}", f"--num-cpus={cpus}", f"--node-name={name}"]
        argv += ["--num-gpus=0", "--include-log-monitor=false"]
        argv += ["--disable-usage-stats", "--object-store-memory=80000000"]
        argv += [f"--temp-dir={self._temporary(name)}"]
        # with ports of their own, Ray does not wait until its agents have told theirs
        for number, agent in enumerate(AGENTS, start=10 * int(ip[-1])):
            argv.append(f"--{agent}-port={self.port + number}")
        env = {
            **self.environment,
            reap.RUN_ID: self._mark(name),
            "AUTORESEARCH_NODE": str(self.folder / name),
        }
        log = self.folder / f"{name}.log"
        for _ in range(STARTS):
            with log.open("wb") as out:
                done = subprocess.run(argv, env=env, stdout=out, stderr=out, check=False)
            if done.returncode == 0:
                return
            self.kill(name)
        raise AssertionError(log.read_text())


def kit_with_fake_node(folder: Path) -> Path:
    """Return a package whose node sleeps instead of running notebooks."""
    target = folder / "autoresearch_kit"
    (target / "execution" / "ray").mkdir(parents=True)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE / "records", target / "records", ignore=ignore)
    for name in ("__init__", "errors", "execution/__init__", "execution/pool"):
        shutil.copy(PACKAGE / f"{name}.py", target / f"{name}.py")
    for name in ("__init__", "messages"):
        shutil.copy(PACKAGE / f"execution/ray/{name}.py", target / f"execution/ray/{name}.py")
    shutil.copy(str(fake_node.__file__), target / "execution" / "ray" / "node.py")
    return folder


def connect_to(address: str, folder: Path, campaign: str = "night") -> Connect:
    """Return the message by which a campaign in this folder has the bridge join the cluster."""
    kit, data = folder / "kit", folder / "data"
    if not kit.exists():
        kit_with_fake_node(kit)
        data.mkdir()
        (data / "dataset.json").write_text("{}")
    runs = folder / f"runs-{campaign}"
    runs.mkdir(exist_ok=True)
    node = NodeSetup(campaign, campaign, DATA, "words", Clock.CPU, ())
    folders = describe_folder("kit", kit), describe_folder("data", data)
    sizes = folders[0].size, folders[1].size
    return Connect(address, kit, folders[0].digest, data, folders[1].digest, sizes, runs, node)


def open_pool(address: str, folder: Path, campaign: str = "night") -> RayPool:
    timeouts = Timeouts(devices=60, bridges=(0.5, 1, 1), coming=60)
    connect = connect_to(address, folder, campaign)
    return RayPool(connect, folder / "ray.log", timeouts=timeouts, argv=BRIDGE_ARGV)


def order(key: str, seconds: float = 0.1, slot: str = "", audits: Delivery | None = None) -> Order:
    clock = Clock.CPU
    return Order(key, "{}", 7, DATA, "", clock, seconds, 60, 0, 100, slot=slot, audits=audits)
