"""The sandbox of a measurement: it sees what is hidden, and has no way out."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autoresearch_kit.execution.judge.scoring import JudgeSpec
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.files.removal import remove_tree
from autoresearch_kit.records import SandboxLevel, TaskInfo, VisibleFiles
from autoresearch_kit.tasks.lm.splits import Split
from autoresearch_kit.tasks.measured import layout

SYSTEM = ("/bin", "/etc/alternatives", "/lib", "/lib64", "/sbin", "/usr")
"""Shown to commands, which may call any program of the system. What is hidden is seen anyway."""

SCRATCH_FOLDER = "scratch"


@dataclass(frozen=True)
class MeasuringSandbox:
    """Paths of one measurement. `work` is a copy of the task's files that it may write to."""

    spec: JudgeSpec
    info: TaskInfo

    @property
    def trusted(self) -> bool:
        """Return whether what was handed over may run beside what is hidden."""
        return self.info.task.trusted or bool(self.info.command)

    @property
    def memory_mb(self) -> float:
        """Return the memory that the measurement may take."""
        return self.info.measure_memory_mb or self.spec.memory_mb

    @property
    def hidden(self) -> Path:
        """Return the folder of hidden data that is measured on."""
        audit = self.spec.shard == Split.AUDIT.value
        return self.spec.dataset / (layout.AUDIT_FOLDER if audit else layout.HIDDEN_FOLDER)

    @property
    def data(self) -> Path:
        """Return the folder of data that was trained on."""
        return self.spec.dataset / layout.DATA_FOLDER

    @property
    def scratch(self) -> Path:
        """Return the only folder of the disk that the measurement may write to."""
        return self.spec.folder / SCRATCH_FOLDER

    @property
    def work(self) -> Path:
        """Return the measurement's current folder."""
        return self.scratch / layout.MEASURE_FOLDER

    @property
    def sockets(self) -> Path:
        """Return the folder of its kernel's sockets."""
        return reap.socket_folder(self.spec.run_id)

    def make(self) -> None:
        """Make its folders anew.

        Raises:
            OSError: the disk is full.
        """
        self.remove()
        shutil.copytree(self.spec.dataset / layout.MEASURE_FOLDER, self.work)
        (self.scratch / "home").mkdir()
        self.sockets.mkdir(mode=0o700, exist_ok=True)

    def remove(self) -> None:
        """Remove what the measurement wrote. None of its processes may be alive."""
        remove_tree(self.scratch)

    def command(self, argv: list[str], more: Mapping[str, str], *, any_program: bool) -> list[str]:
        """Return the command line that runs `argv` in the sandbox, `more` in its environment."""
        spec, info = self.spec, self.info
        shown = [spec.kit / "autoresearch_kit", self.hidden, self.data, spec.output]
        shown += [spec.submission] if self.trusted or any_program else []
        shown += [Path(name) for name in (*(SYSTEM if any_program else ()), *info.sees)]
        return bubblewrap.command(
            spec.sandbox,
            argv,
            read_only=[path for path in shown if path.exists() and not path.is_symlink()],
            writable=[self.scratch, self.sockets],
            visible=VisibleFiles((*spec.visible.imports, *info.packages)),
            gpu=spec.gpu if self.trusted else None,
            env=self._environment(more),
        )

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        sandboxed = self.spec.sandbox is SandboxLevel.BUBBLEWRAP
        home = self.scratch / "home"
        fixed = {
            # so that measure.ipynb can import the modules beside it
            "PYTHONPATH": os.pathsep.join([str(self.spec.kit), str(self.work)]),
            "JPY_PARENT_PID": "1" if sandboxed else str(os.getpid()),
            "TMPDIR": "/tmp" if sandboxed else str(home),
        }
        return bubblewrap.environment(
            home=home,
            kit=self.spec.kit,
            run_id=self.spec.run_id,
            gpu=self.spec.gpu if self.trusted else None,
            more=bubblewrap.SLEEPING_THREADS | fixed | dict(more),
        )
