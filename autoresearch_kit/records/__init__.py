"""What a campaign writes down: frozen dataclasses and closed sets, standard library only."""

from autoresearch_kit.records.experiments import Experiment, Usage, Verdict
from autoresearch_kit.records.grounds import DatasetInfo, Fingerprint, Machine
from autoresearch_kit.records.proposals import Attempt, CellEdit, Constant, EditAction, Proposal
from autoresearch_kit.records.runs import Reason, Run, RunSpec, SandboxLevel, Score
from autoresearch_kit.records.settings import (
    EditProtocol,
    Errands,
    Limits,
    Prices,
    Research,
    Settings,
)
from autoresearch_kit.records.states import Request, Stage, State

__all__ = [
    "Attempt",
    "CellEdit",
    "Constant",
    "DatasetInfo",
    "EditAction",
    "EditProtocol",
    "Errands",
    "Experiment",
    "Fingerprint",
    "Limits",
    "Machine",
    "Prices",
    "Proposal",
    "Reason",
    "Request",
    "Research",
    "Run",
    "RunSpec",
    "SandboxLevel",
    "Score",
    "Settings",
    "Stage",
    "State",
    "Usage",
    "Verdict",
]
