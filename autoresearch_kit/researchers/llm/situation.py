"""The section of a prompt on the machine, the budget, the constants and the data."""

from autoresearch_kit.machine import profiles
from autoresearch_kit.notebook.constants import constant_values
from autoresearch_kit.notebook.contract import PARAMETERS
from autoresearch_kit.notebook.train_notebook import TrainNotebook
from autoresearch_kit.records import Clock, Machine, Settings
from autoresearch_kit.researchers.llm.sections import Brief, Section
from autoresearch_kit.tasks.lm.corpora import about, how_packed

TRAIN_SECONDS = "TRAIN_SECONDS"
"""The parameter whose value each run gets from the kit."""


def ground(brief: Brief, notebook: TrainNotebook) -> Section:
    """The machine, the budget, the task, and what of the rules holds for this machine only."""
    machine, data, settings = brief.machine, brief.dataset, brief.settings
    tuned_for = profiles.find(settings.profile).tuned_for
    lines = [
        f"- {machine.device}, {machine.cores} cores, {machine.memory_mb / 1000:.0f} GB of memory, "
        f"torch {machine.torch}, {machine.precision}; torch.compile "
        f"{'works' if machine.compiles else 'does not work'} here",
        f"- {settings.train_seconds:g} s of training a run{_by_cpu_time(settings)}, not counting "
        f"up to {settings.compile_seconds:g} s of compilation in the first steps; a run may take "
        f"{settings.memory_mb:,.0f} MB of memory{_of_gpu(settings)}"
        f"{_budget_written(notebook, settings)}",
        f"- the constants of config that the campaign began with were tuned for {tuned_for}",
        *machine_lines(machine, notebook),
        f"- corpus {data.name}: {data.train_tokens:,} training tokens of {data.train_bytes:,} "
        f"bytes, vocabulary {data.vocab_size:,}, context {data.context}",
        f"- {about(data.name)}",
        f"- {how_packed(data)}",
        f"- for orientation: xz -9e needs {data.xz_bpb:.3f} bits per byte for the scored text",
    ]
    return Section("ground", "The machine, the budget, the task", ("\n".join(lines),))


def _by_cpu_time(settings: Settings) -> str:
    if settings.clock is Clock.WALL:
        return ""
    return " (CPU time over the cores; cores that are left idle count for the most part)"


def _of_gpu(settings: Settings) -> str:
    limit = settings.gpu_memory_mb
    return "" if limit is None else f", and {limit:,.0f} MB of the GPU's memory"


def _budget_written(notebook: TrainNotebook, settings: Settings) -> str:
    """What to say where the parameters cell has another budget than runs get; else nothing."""
    written = constant_values(notebook.cell(PARAMETERS).source).get(TRAIN_SECONDS)
    if written == settings.train_seconds:
        return ""
    return (
        f". {TRAIN_SECONDS} is {settings.train_seconds:g} in runs, whatever the cell {PARAMETERS} "
        f"says ({written})"
    )


def machine_lines(machine: Machine, notebook: TrainNotebook) -> list[str]:
    """What `run` offers on this machine; of what it never does here, only what the cells call."""
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
