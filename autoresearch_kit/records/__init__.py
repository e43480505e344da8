"""What a campaign writes down: frozen dataclasses and closed sets, standard library only."""

from autoresearch_kit.records.experiments import (
    Experiment,
    Noise,
    Usage,
    Verdict,
    best_of,
    latest_noise,
)
from autoresearch_kit.records.grounds import Accelerator, DatasetInfo, Fingerprint, Machine
from autoresearch_kit.records.proposals import Attempt, CellEdit, Constant, EditAction, Proposal
from autoresearch_kit.records.runs import (
    Arm,
    Conditions,
    GpuConditions,
    Measured,
    Reason,
    Run,
    RunSpec,
    SandboxLevel,
    Score,
    strongest,
    weakest,
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
from autoresearch_kit.records.states import Request, Stage, State

__all__ = [
    "Accelerator",
    "Arm",
    "Attempt",
    "CellEdit",
    "Conditions",
    "Constant",
    "DatasetInfo",
    "EditAction",
    "EditProtocol",
    "Errands",
    "Experiment",
    "Fingerprint",
    "GpuConditions",
    "Limits",
    "Machine",
    "Measured",
    "Noise",
    "Prices",
    "Proposal",
    "Reason",
    "Request",
    "Research",
    "Rule",
    "Run",
    "RunSpec",
    "SandboxLevel",
    "Score",
    "Settings",
    "Stage",
    "State",
    "Usage",
    "Verdict",
    "best_of",
    "latest_noise",
    "strongest",
    "weakest",
]
