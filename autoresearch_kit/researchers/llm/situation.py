"""Sections of a prompt about the machine, the budget and the task."""

from autoresearch_kit.machine import profiles
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.constants import constant_values
from autoresearch_kit.notebook.contract import PARAMETERS
from autoresearch_kit.records import Clock, DatasetInfo, Machine, Settings, Task, TaskInfo
from autoresearch_kit.records.text import one_line
from autoresearch_kit.researchers.base import Surroundings
from autoresearch_kit.researchers.llm.prompt_budget import Section
from autoresearch_kit.tasks.lm.corpora import about, how_packed

ABOUT_LENGTH = 2_000  # characters of what a task says of itself

TRAIN_SECONDS = "TRAIN_SECONDS"  # the parameter whose value each run gets from the kit


def situation(around: Surroundings, notebook: TrainNotebook) -> Section:
    """Return the machine, the budget, the task, and what `run` offers on this machine only."""
    machine, data, settings = around.machine, around.dataset, around.settings
    compiles = "works" if machine.compiles else "does not work"
    cpu_time = " (CPU time over the cores; cores that are left idle count for the most part)"
    gpu_memory = settings.gpu_memory_mb
    of_gpu = "" if gpu_memory is None else f", and {gpu_memory:,.0f} MB of the GPU's memory"
    written = constant_values(notebook.cell(PARAMETERS).source).get(TRAIN_SECONDS)
    other_budget = (
        f". {TRAIN_SECONDS} is {settings.train_seconds:g} in runs, whatever the cell {PARAMETERS} "
        f"says ({written})"
    )
    lines = [
        f"- {machine.device}, {machine.cores} cores, {machine.memory_mb / 1000:.0f} GB of memory, "
        f"torch {machine.torch}, {machine.precision}; torch.compile {compiles} here",
        f"- {settings.train_seconds:g} s of training a run"
        f"{'' if settings.clock is Clock.WALL else cpu_time}, not counting "
        f"up to {settings.compile_seconds:g} s of compilation in the first steps; a run may take "
        f"{settings.memory_mb:,.0f} MB of memory{of_gpu}"
        f"{'' if written == settings.train_seconds else other_budget}",
        *_tuned_lines(settings),
        *_run_lines(machine, notebook),
        *_data_lines(data),
    ]
    return Section("ground", "The machine, the budget, the task", ("\n".join(lines),))


def _tuned_lines(settings: Settings) -> list[str]:
    if settings.task.folder:
        return []
    tuned_for = profiles.find(settings.profile).tuned_for
    return [f"- the constants of config that the campaign began with were tuned for {tuned_for}"]


def _data_lines(data: DatasetInfo | TaskInfo) -> list[str]:
    if isinstance(data, TaskInfo):
        about_it = f": {one_line(data.about, ABOUT_LENGTH)}" if data.about else ""
        return [f"- task {data.name}{about_it}", *_metric_lines(data.task)]
    return [
        f"- corpus {data.name}: {data.train_tokens:,} training tokens of {data.train_bytes:,} "
        f"bytes, vocabulary {data.vocab_size:,}, context {data.context}",
        f"- {about(data.name)}",
        f"- {how_packed(data)}",
        f"- for orientation: xz -9e needs {data.xz_bpb:.3f} bits per byte for the scored text",
    ]


def _metric_lines(task: Task) -> list[str]:
    """Return the metrics of a task that are measured but decide nothing."""
    others = [str(metric) for metric in task.metrics if metric.name not in task.objectives]
    return [f"- measured as well: {'; '.join(others)}"] if others else []


def _run_lines(machine: Machine, notebook: TrainNotebook) -> list[str]:
    """Return what `run` offers on this machine; of what it never does here, only what is called."""
    code = "\n".join(cell.source for cell in notebook.cells if not cell.markdown)
    lines = []
    if machine.accelerator:
        lines.append(
            "- `run.accumulate(forward_backward, batches, model)` calls "
            "`forward_backward(batches)`, again with more and smaller batches where memory ends"
        )
    elif "run.accumulate" in code:
        lines.append("- `run.accumulate` just calls `forward_backward(micro_batches)`")
    if machine.precision == "float16":
        lines.append("- `run.scaler` scales losses, as float16 needs it")
    elif "run.scaler" in code:
        lines.append(f"- `run.scaler` changes nothing here, in {machine.precision}")
    if not machine.accelerator and "is_cuda" in code:
        lines.append("- what the cells do only where `is_cuda` holds is never run here")
    return lines
