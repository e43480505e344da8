"""The audit's scores are for people: nothing that a model is told has them."""

import json
from dataclasses import replace

from autoresearch_kit.records import Proposal, Reason, Verdict
from autoresearch_kit.verdicts.audit import second_opinion
from tests.campaign import tiny
from tests.researchers import fake_campaign
from tests.researchers.llm.conftest import Asked, Ledger
from tests.researchers.llm.server import calls, text
from tests.researchers.llm.test_researcher import SUBMIT, WIDER, crashed

AUDITS = (7.111111, 9.333333)
TRACES = ("7.11", "9.33", "2.32", "2.22", "5.51", "7.83")
"""The two scores, their difference, their rise, and their distance to val, shortened."""


def test_no_model_is_told_of_the_audit(asked: Asked) -> None:
    asked.ledger = ledger = Ledger(tiny.make_project(asked.ledger.root.parent / "audited"))
    ledger.workspace.create()
    ledger.add(fake_campaign.BASELINE, Verdict.KEEP, Reason.BASELINE, 1.6, audit=AUDITS[0])
    wider = Proposal(1, 0, "llm", "Wider", "", constants={"WIDTH": 12}, lessons="go wider")
    ledger.add(wider, Verdict.KEEP, Reason.BETTER, 1.5, audit=AUDITS[1])
    ledger.constants(2, 1.9, WIDTH=4)
    assert len(second_opinion(ledger.history.experiments()).keeps) == 2
    reads = [("read", {"what": what}) for what in ("notebook", 0, 1, 2)]
    llm = asked.by(text("lessons"), calls(*reads), calls(WIDER, SUBMIT))
    proposal = llm.propose(replace(ledger.view, number=8))
    llm.repair(ledger.view, crashed())
    told = json.dumps(asked.bodies) + str(proposal) + ledger.history.source(1)
    for shown in ("1.500000", "experiment 1, made from 0", "has taught", "crashed on a bug"):
        assert shown in told
    assert not [trace for trace in TRACES if trace in told]
