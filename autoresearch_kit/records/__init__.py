"""Records that campaigns write: frozen dataclasses and enums, standard library only."""

from autoresearch_kit.records.experiments import (
    Experiment,
    Gain,
    Noise,
    Passed,
    Usage,
    Verdict,
    best_of,
    by_finish,
    judged_since,
    latest_noise,
    next_number,
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
from autoresearch_kit.records.proposals import (
    Approval,
    Attempt,
    CellEdit,
    Constant,
    EditAction,
    Proposal,
    Provenance,
)
from autoresearch_kit.records.run_specs import (
    RunSetup,
    RunSpec,
    SandboxLevel,
    VisibleFiles,
    strongest,
)
from autoresearch_kit.records.runs import (
    Arm,
    CacheUse,
    Conditions,
    GpuConditions,
    Measured,
    Run,
    failed_by_kit,
    other_values,
    speed,
    speed_by_run,
    steps_apart,
    values_of,
)
from autoresearch_kit.records.scores import Reason, Score
from autoresearch_kit.records.settings import (
    NO_LIMITS,
    Destinations,
    EditProtocol,
    Limits,
    Prices,
    Research,
    Rule,
    Settings,
)
from autoresearch_kit.records.states import Command, Request, Slot, SlotUse, Stage, State
from autoresearch_kit.records.steps import Probe, Profiled, ProfileRow, StepProfile
from autoresearch_kit.records.tasks import (
    KIT_METRICS,
    LANGUAGE_MODELLING,
    VAL_BPB,
    Bound,
    Direction,
    Metric,
    Task,
    TaskInfo,
)
