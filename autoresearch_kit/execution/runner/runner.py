"""Carry out one headless run: `python -m autoresearch_kit.execution.runner.runner FOLDER`.

Started by `launch`, it starts the kernel and waits to be told to begin. It runs outside the sandbox
and owns the clock, the deadline and the killing. When its standard input closes, its starter is
gone: then it ends everything and itself.
"""

import resource
import sys
import time
from contextlib import suppress
from pathlib import Path

from autoresearch_kit.execution.runner import lean  # noqa: F401 - before papermill

# isort: split
import papermill
import psutil
from jupyter_client.manager import AsyncKernelManager
from papermill.engines import papermill_engines
from papermill.exceptions import PapermillExecutionError

from autoresearch_kit.execution import handover
from autoresearch_kit.execution.handover import Failure
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.processes.child import Drain
from autoresearch_kit.execution.processes.starter import await_turn
from autoresearch_kit.execution.runner import compile_cache, kernel
from autoresearch_kit.execution.runner.conclusion import conclude
from autoresearch_kit.execution.runner.deadline import Watchdog
from autoresearch_kit.execution.runner.engine import RunEngine, RunEvents, save_executed
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.files.removal import remove_tree
from autoresearch_kit.machine import gpu
from autoresearch_kit.records import Run, RunSetup, RunSpec, codec
from autoresearch_kit.tasks.measured import layout

ENGINE = "autoresearch"

KILL_US_FIRST = "500"
"""Tells Linux's out-of-memory killer to kill this run rather than the campaign."""


def main() -> None:
    """Start the kernel, run the notebook when told to, write `run.json`."""
    folder = Path(sys.argv[1])
    setup = codec.decode(RunSetup, (folder / handover.SETUP_FILE).read_bytes())
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    reap.adopt_orphans()
    if psutil.LINUX:
        Path("/proc/self/oom_score_adj").write_text(KILL_US_FIRST)
    (folder / handover.WORK_FOLDER / handover.HOME_FOLDER).mkdir(parents=True)
    (folder / handover.FROM_RUNNER_FOLDER).mkdir(exist_ok=True)
    drain = Drain()
    drain.start()
    km = kernel.start(setup, drain.write)
    gpu.reachable()  # the first time may take a second
    started = float(await_turn(lambda: reap.reap(setup.run_id)))
    spec = codec.decode(RunSpec, (folder / handover.SPEC_FILE).read_bytes())
    run = run_notebook(spec, started, km, drain)
    write_atomic(folder / handover.RUN_FILE, codec.encode(run))


def run_notebook(spec: RunSpec, started: float, km: AsyncKernelManager, drain: Drain) -> Run:
    """Run the notebook in the work folder; afterwards none of its processes is left."""
    work = spec.folder / handover.WORK_FOLDER
    compile_cache.lend(spec.compile_cache, compile_cache.code_of(spec.notebook), work)
    watch = Watchdog(spec, started, kill=lambda: reap.reap(spec.run_id))
    events = RunEvents(on_ready=watch.note_ready, on_training=watch.note_training)
    watch.start()
    _execute(spec, events, km)
    watch.end()
    reap.reap(spec.run_id)
    run = conclude(spec, events, watch, ended=time.monotonic(), last_words=drain.last_line)
    if events.notebook is not None:
        failure = Failure(run.failure, run.detail) if run.failure else None
        save_executed(events.notebook, failure, spec.folder / handover.EXECUTED_FILE)
    # of what was handed over, a copy was taken before
    for name in (handover.HOME_FOLDER, handover.OUTPUT_FOLDER):
        with suppress(OSError):
            remove_tree(work / name)
    return run


def _execute(spec: RunSpec, events: RunEvents, km: AsyncKernelManager) -> None:
    papermill_engines.register(ENGINE, RunEngine)
    parameters: dict[str, object] = {"SEED": spec.seed, "TRAIN_SECONDS": spec.train_seconds}
    if not layout.is_task(spec.dataset):
        parameters["DATASET"] = spec.dataset.name
    try:
        papermill.execute_notebook(
            str(spec.notebook),
            None,
            parameters=parameters,
            engine_name=ENGINE,
            kernel_name=kernel.KERNEL_NAME,
            progress_bar=False,
            km=km,
            events=events,
        )
    except PapermillExecutionError:
        return  # the events have it
    except Exception as error:  # noqa: BLE001 - a hostile kernel can make nbclient raise anything
        events.lost = f"the connection to the kernel broke: {type(error).__name__}: {error}"


if __name__ == "__main__":
    main()
