"""Records that campaigns write: frozen dataclasses and enums, standard library only."""

from autoresearch_kit.records.experiments import (
    Experiment,
    Gain,
    Noise,
    Usage,
    Verdict,
    best_of,
    judged_since,
    latest_noise,
    profiled_before,
)
from autoresearch_kit.records.fingerprints import (
    Accelerator,
    Clock,
    DatasetInfo,
    Fingerprint,
    Leak,
    LeakPlace,
    Machine,
)
from autoresearch_kit.records.proposals import Attempt, CellEdit, Constant, EditAction, Proposal
from autoresearch_kit.records.runs import (
    Arm,
    CacheUse,
    Conditions,
    GpuConditions,
    Measured,
    Reason,
    Run,
    RunPlace,
    RunSpec,
    SandboxLevel,
    Score,
    Sight,
    strongest,
)
from autoresearch_kit.records.settings import (
    EditProtocol,
    Errands,
    Limits,
    Prices,
    Research,
    Rule,
    Settings,
)
from autoresearch_kit.records.states import Command, Request, Stage, State
from autoresearch_kit.records.steps import Probe, Profiled, ProfileRow, StepProfile
from autoresearch_kit.records.text import speed, speed_by_run, steps_apart
