"""The section of a prompt on the machine, the budget, the constants and the data."""

from autoresearch_kit.machine import profiles
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.constants import constant_values
from autoresearch_kit.notebook.contract import PARAMETERS
from autoresearch_kit.records import Clock, Machine, Settings
from autoresearch_kit.researchers.base import Surroundings
from autoresearch_kit.researchers.llm.sections import Section
from autoresearch_kit.tasks.lm.corpora import about, how_packed

TRAIN_SECONDS = "TRAIN_SECONDS"
"""The parameter whose value each run gets from the kit."""


def situation(around: Surroundings, notebook: TrainNotebook) -> Section:
    """Return the machine, the budget, the task, and what `run` offers on this machine only."""
    machine, data, settings = around.machine, around.dataset, around.settings
    compiles = "works" if machine.compiles else "does not work"
    cpu_time = " (CPU time over the cores; cores that are left idle count for the most part)"
    gpu_memory = settings.gpu_memory_mb
    of_gpu = "" if gpu_memory is None else f", and {gpu_memory:,.0f} MB of the GPU's memory"
    lines = [
        f"- {machine.device}, {machine.cores} cores, {machine.memory_mb / 1000:.0f} GB of memory, "
        f"torch {machine.torch}, {machine.precision}; torch.compile {compiles} here",
        f"- {settings.train_seconds:g} s of training a run"
        f"{'' if settings.clock is Clock.WALL else cpu_time}, not counting "
        f"up to {settings.compile_seconds:g} s of compilation in the first steps; a run may take "
        f"{settings.memory_mb:,.0f} MB of memory{of_gpu}{_other_budget(notebook, settings)}",
        "- the constants of config that the campaign began with were tuned for "
        f"{profiles.find(settings.profile).tuned_for}",
        *_run_lines(machine, notebook),
        f"- corpus {data.name}: {data.train_tokens:,} training tokens of {data.train_bytes:,} "
        f"bytes, vocabulary {data.vocab_size:,}, context {data.context}",
        f"- {about(data.name)}",
        f"- {how_packed(data)}",
        f"- for orientation: xz -9e needs {data.xz_bpb:.3f} bits per byte for the scored text",
    ]
    return Section("ground", "The machine, the budget, the task", ("\n".join(lines),))


def _other_budget(notebook: TrainNotebook, settings: Settings) -> str:
    """Return what to say where the parameters cell has another budget than runs get."""
    written = constant_values(notebook.cell(PARAMETERS).source).get(TRAIN_SECONDS)
    if written == settings.train_seconds:
        return ""
    return (
        f". {TRAIN_SECONDS} is {settings.train_seconds:g} in runs, whatever the cell {PARAMETERS} "
        f"says ({written})"
    )


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
