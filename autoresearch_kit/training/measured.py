"""Training notebooks of a task that is a folder import this: its data, a budget, the hand-over.

    run = measured.start(TRAIN_SECONDS, SEED)
    rows = np.load(run.data / "rows.npy")
    for step in run.steps():
        loss = ...
        run.log(loss=loss)
    run.submit(model)

A training that is no loop leaves out `steps` and `log`: it fits, or only defines a function, and
submits that. Files that are left in `run.output` are handed over too; where they are all, it is
`run.submit()`.

Under the runner, all files go to the run's work folder. By hand, in JupyterLab, the notebook is run
in its task's folder; the run shows a progress bar, and `submit` draws the loss curve, if there is
one, measures at once and prints each metric.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from autoresearch_kit.errors import InputError, SubmissionError
from autoresearch_kit.execution import handover
from autoresearch_kit.records import Reason
from autoresearch_kit.tasks.measured import layout
from autoresearch_kit.training.budgeted_run import BudgetedRun, seed_all, work_folder
from autoresearch_kit.training.submission import RunStub

NOTHING = "nothing is handed over: pass run.submit what was trained, or write files into run.output"


class MeasuredRun(BudgetedRun):
    """One training for a task that is a folder, made by `start`.

    `data` is the task's `data/`, `output` the folder for files to hand over.
    """

    def __init__(self, data: Path, train_seconds: float, seed: int, work: Path) -> None:
        self.data = data
        self.output = work / handover.OUTPUT_FOLDER
        self.output.mkdir(exist_ok=True)
        self._in_steps = False
        self._spent = False
        super().__init__(train_seconds, seed, work)

    def _steps(self) -> Iterator[int]:
        self._in_steps = True
        yield from super()._steps()
        self._in_steps = False
        self._spent = True

    def log(self, *, loss: float | Tensor, tokens: int = 0, **extra: float) -> None:
        """Note a loss, in any unit, and numbers to keep beside it.

        In a loop that is not over `steps`, each call is a step of the loss curve.

        Raises:
            TrainingError: the loss is not finite.
        """
        super().log(loss=loss, tokens=tokens, **extra)
        self.step += not self._in_steps

    def submit(self, thing: object = None) -> None:
        """Hand over `thing`, which can be all that can be pickled, and the files in `output`.

        Functions and classes of the notebook's cells are pickled by value. By hand, it is measured
        at once, and the metrics are printed.

        Raises:
            SubmissionError: it can't be pickled, and the message names what stands in the way; or
                there is neither a thing nor a file.
        """
        self._curve.flush()
        model = self._work / handover.MODEL_FILE
        model.unlink(missing_ok=True)  # by hand, of an earlier call
        if thing is not None:
            with model.open("wb") as file:
                self._pickle(thing, "submission", file)
        elif not any(path.is_file() for path in self.output.rglob("*")):
            self._fail(Reason.BAD_SUBMISSION, SubmissionError(NOTHING))
        # a loop that ends by itself says nothing of how fast the machine is
        counts = (self.step, self.tokens) if self._spent else (0, 0)
        self._claim_submitted(*counts)
        if not self._headless:
            from autoresearch_kit.training.by_hand import show_measured

            show_measured(self.data.parent, self._work, self.device, self.train_seconds)

    def __reduce__(self) -> tuple[type[RunStub], tuple[dict[str, int]]]:
        # what refers to its run takes only a constant along
        return RunStub, ({"seed": self.seed},)


def start(train_seconds: float, seed: int) -> MeasuredRun:
    """Seed everything, and start the budget's clock.

    Raises:
        InputError: the notebook is run by hand, and not in a task's folder.
        ExecutionError: the runner says on which device to compute, and torch can't.
    """
    prepared = os.environ.get(handover.DATASET)
    folder = Path(prepared) if prepared else Path.cwd()
    if not prepared and not (folder / layout.TASK_FILE).is_file():
        raise InputError(
            f"no {layout.TASK_FILE} in {folder}; a task's notebook is run by hand in the task's "
            "folder: open it there"
        )
    seed_all(seed)
    return MeasuredRun(folder / layout.DATA_FOLDER, train_seconds, seed, work_folder())
