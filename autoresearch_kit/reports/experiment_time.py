"""The wall-clock of an experiment's runs, by part and by slot."""

from dataclasses import dataclass

from autoresearch_kit.records import Experiment

TRAINING = "training"  # the name of the budgeted part of the wall-clock


@dataclass(frozen=True)
class SlotShare:
    """The runs that a slot made for one experiment, and their seconds of wall-clock.

    `training` is the budgeted part of runs that were not mended, probes or profiles; `busy` is all.
    """

    runs: int = 0
    training: float = 0.0
    busy: float = 0.0


def seconds_by_part(experiment: Experiment) -> dict[str, float]:
    """Return the seconds of everything an experiment took; runs without a score are one part."""
    attempts, profiled = experiment.proposal.attempts, experiment.profiled
    seconds = {
        "mended crashes": sum(attempt.run.wall_seconds for attempt in attempts),
        "probes": sum(run.wall_seconds for run in experiment.probes),
        "profiles": profiled.run.wall_seconds if profiled else 0.0,
    }
    for run in experiment.all_runs[len(attempts) :]:
        training, compiling = run.training_wall_seconds, run.compiling_wall_seconds
        parts = {TRAINING: training, "compiling": compiling, **run.parts}
        # a run that failed early took more than its parts say
        parts["other"] = max(0.0, run.wall_seconds - sum(parts.values()))
        for name, part in parts.items():
            seconds[name] = seconds.get(name, 0.0) + part
    return seconds


def shares_by_slot(experiment: Experiment) -> dict[str, SlotShare]:
    """Return what each slot did for an experiment, by its name; empty in older records."""
    shares: dict[str, SlotShare] = {}
    profiled = (experiment.profiled.run,) if experiment.profiled else ()
    untrained = [attempt.run for attempt in experiment.proposal.attempts]
    untrained += [*experiment.probes, *profiled]
    trained = experiment.all_runs[len(experiment.proposal.attempts) :]
    seconds = [(run, 0.0) for run in untrained]
    seconds += [(run, run.training_wall_seconds) for run in trained]
    for run, training in seconds:
        share = shares.get(run.slot, SlotShare())
        shares[run.slot] = SlotShare(
            share.runs + 1, share.training + training, share.busy + run.wall_seconds
        )
    return shares
