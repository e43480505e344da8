"""The probes that a model may make of its draft, and what it is told of each."""

from collections.abc import Callable

from autoresearch_kit.errors import EditError, ExecutionError
from autoresearch_kit.execution.probed import Probed
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Run, StepProfile
from autoresearch_kit.researchers.llm.curve import curve
from autoresearch_kit.researchers.llm.quoting import quote

PRINTED_LENGTH = 5_000
TRACEBACK_LENGTH = 4_000
"""Characters that are quoted, head and tail."""

PROFILE_LENGTH = 2_000


class ProbeFailedError(EditError):
    """A probe crashed, or could not be made; the message is all that is said of it."""


class Probes:
    """At most `most` probes of drafts; `run` makes one, and waits until the device is free."""

    def __init__(self, run: Callable[[TrainNotebook], Probed], most: int) -> None:
        self._run = run
        self._most = most
        self._made = 0

    def probe(self, notebook: TrainNotebook) -> str:
        """Run the draft; return what is said of it to the model.

        Raises:
            EditError: no probe is left.
            ProbeFailedError: it crashed, or could not be made.
        """
        if self._made >= self._most:
            raise EditError("no probe is left; go on without one, and submit")
        self._made += 1
        left = f"{self._most - self._made} of {self._most} probes left"
        try:
            probed = self._run(notebook)
        except ExecutionError as error:
            raise ProbeFailedError(f"the probe could not be made: {error}\n{left}") from error
        said = f"{describe(probed)}\n{left}"
        if probed.run.failure:
            raise ProbeFailedError(said)
        return said


def describe(probed: Probed) -> str:
    """Return what a probe came to: its numbers, step times, profile, prints, and its error."""
    run = probed.run
    lines = [_ended(run), _numbers(run)]
    drawn = curve(probed.metrics)
    lines += [drawn] if drawn else []
    lines += step_lines(probed.steps) if probed.steps else ["no step was timed"]
    if run.failure:
        lines += [quote(run.detail, TRACEBACK_LENGTH)]
    if probed.traceback:
        lines += ["traceback:", quote(probed.traceback, TRACEBACK_LENGTH)]
    if probed.printed:
        lines += ["printed:", quote(probed.printed, PRINTED_LENGTH)]
    else:
        lines.append("it printed nothing")
    return "\n".join(lines)


def step_lines(steps: StepProfile) -> list[str]:
    """Return how long steps take and what their time goes to, in lines for a model."""
    lines = [f"step times: {steps.times()}"]
    if steps.rows:
        what = "kernels on the GPU" if steps.on_gpu else "operators"
        lines.append(
            f"where the time of a step goes, by torch.profiler ({steps.steps} profiled), the "
            f"{what} with most time of their own: share, ms a step, calls a step, name"
        )
        lines.append(quote("\n".join(map(str, steps.rows)), PROFILE_LENGTH))
    if steps.trouble:
        lines.append(f"no profile:\n{quote(steps.trouble, PROFILE_LENGTH)}")
    return lines


def _ended(run: Run) -> str:
    if run.failure:
        return f"the probe crashed: {run.failure}"
    return "the probe ran to its end, and handed a model over, which was not scored"


def _numbers(run: Run) -> str:
    return (
        f"{run.trained}, {run.compile_seconds:.1f} s of compilation, "
        f"{run.steps:,} steps, {run.tokens:,} tokens, {run.tokens_per_second:,.0f} tokens/s, "
        f"{run.memory} at most; {run.wall_seconds:.1f} s in all"
    )
