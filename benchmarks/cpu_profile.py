"""Trains variants of the training notebook through the whole kit and prints a markdown table.

    python benchmarks/cpu_profile.py                                  # as it is, for 300 s
    python benchmarks/cpu_profile.py --seconds 60 --seeds 2 base depth-1 batch-2
    python benchmarks/cpu_profile.py --seconds 60 base bfloat16 float32 eager

Nothing else should run on the machine: a training budget is wall-clock.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from autoresearch_kit.campaign import context
from autoresearch_kit.errors import InputError, KitError
from autoresearch_kit.execution import launch
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import CellEdit, Constant, EditAction, Run, RunSpec

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Variant:
    """Constants of `config` that differ, and pieces of code: (cell, old, new)."""

    constants: Mapping[str, Constant] = field(default_factory=dict)
    code: tuple[tuple[str, str, str], ...] = ()

    def of(self, notebook: TrainNotebook) -> TrainNotebook:
        """Return the notebook, changed so."""
        for cell, old, new in self.code:
            source = notebook.cell(cell).source
            if old not in source:
                raise InputError(f"cell '{cell}' has no {old!r}; mend VARIANTS")
            edit = CellEdit(EditAction.REPLACE, cell, source.replace(old, new))
            notebook = notebook.apply([edit])
        return notebook.set_constants(self.constants)


def precision(bfloat16: bool) -> tuple[str, str, str]:
    autocast = f"torch.autocast(run.device.type, torch.bfloat16, enabled={bfloat16})"
    return ("train", "run.autocast()", autocast)


VARIANTS = {
    "base": Variant(),
    "depth-1": Variant({"DEPTH": 1}),
    "depth-3": Variant({"DEPTH": 3}),
    "depth-4": Variant({"DEPTH": 4}),
    "depth-1-wide": Variant({"DEPTH": 1, "HEADS": 3}),
    "width-128": Variant({"HEAD_DIM": 64}),
    "width-256": Variant({"HEAD_DIM": 128}),
    "width-288": Variant({"HEADS": 3}),
    "head-32": Variant({"HEADS": 6, "HEAD_DIM": 32}),
    "mlp-3": Variant({"MLP_RATIO": 3}),
    "batch-2": Variant({"DEVICE_BATCH_SIZE": 2}),
    "batch-8": Variant({"DEVICE_BATCH_SIZE": 8}),
    "muon-0.02": Variant({"MATRIX_LR": 0.02}),
    "muon-0.045": Variant({"MATRIX_LR": 0.045}),
    "embedding-0.2": Variant({"EMBEDDING_LR": 0.2}),
    "embedding-0.8": Variant({"EMBEDDING_LR": 0.8}),
    "momentum-0.9": Variant({"MUON_MOMENTUM": 0.9}),
    "no-weight-decay": Variant({"WEIGHT_DECAY": 0.0}),
    "warmdown-0.6": Variant({"WARMDOWN": 0.6}),
    "no-smear": Variant(code=(("model", "x + self.smear_lambda * smear * shift(x)", "x"),)),
    "no-key-offset": Variant(
        code=(("attention", "shift(k[..., rotary_dim:])", "k[..., rotary_dim:]"),)
    ),
    "no-value-embeddings": Variant(code=(("attention", "v = v + ve", ""),)),
    "eager": Variant({"COMPILE": False}),
    "bfloat16": Variant(code=(precision(bfloat16=True),)),
    "float32": Variant(code=(precision(bfloat16=False),)),
    "eager-float32": Variant({"COMPILE": False}, (precision(bfloat16=False),)),
}


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("variants", nargs="*", metavar="VARIANT", help=", ".join(VARIANTS))
    parser.add_argument("--seconds", type=float, default=300.0, help="training budget of a run")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each variant")
    parser.add_argument("--dataset", default="stdlib")
    parsed = parser.parse_args(argv)
    if unknown := set(parsed.variants) - set(VARIANTS):
        parser.error(f"no variant {', '.join(sorted(unknown))}; variants: {', '.join(VARIANTS)}")
    return parsed


def run(workspace: Workspace, dataset: Path, notebook: str, name: str, seconds: float) -> Run:
    folder = workspace.runs / name
    folder.mkdir(parents=True)
    (folder / "input.ipynb").write_text(notebook, encoding="utf-8")
    spec = RunSpec(
        run_id=name,
        folder=folder,
        notebook=folder / "input.ipynb",
        dataset=dataset,
        kit=workspace.kit,
        compile_cache=workspace.compile_cache,
        seed=int(name.rpartition("-")[2]),
        train_seconds=seconds,
        wall_seconds=2 * seconds + 600,
        compile_seconds=600,
        memory_mb=6000,
        sandbox=bubblewrap.level(),
        waits=False,
        ahead=False,
    )
    return launch.execute(spec)


def row(name: str, runs: Sequence[Run], first: Sequence[Run]) -> str:
    scores = [f"{r.score.value:.4f}" if r.score else f"{r.failure}: {r.detail}" for r in runs]
    speed, base = (fmean(r.tokens / r.train_seconds for r in some) for some in (runs, first))
    compiling = ", ".join(f"{r.compile_seconds:.0f}" for r in runs)
    steps = round(fmean(r.steps for r in runs))
    return (
        f"| {name} | {', '.join(scores)} | {steps:,} | {speed:,.0f} | {speed / base:.2f} "
        f"| {compiling} | {fmean(r.wall_seconds for r in runs):.0f} |"
    )


def main() -> None:
    wanted = parse()
    dataset = context.prepare(wanted.dataset)
    baseline = TrainNotebook.read(ROOT / "notebooks" / "train.ipynb")
    print("| variant | val_bpb | steps | tokens/s | speed | compile s | wall s |")
    print("|---|---|---|---|---|---|---|")
    first: list[Run] = []
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder), "cpu-profile")
        workspace.create()
        workspace.copy_kit()
        for name in wanted.variants or ["base"]:
            notebook = VARIANTS[name].of(baseline).text()
            seeds = [f"{name}-{seed}" for seed in range(wanted.seeds)]
            runs = [run(workspace, dataset, notebook, s, wanted.seconds) for s in seeds]
            first = first or runs
            print(row(name, runs, first), flush=True)


if __name__ == "__main__":
    try:
        main()
    except KitError as error:
        sys.exit(f"error: {error}")
