"""The file that an auditor gets."""

import json
import re
from dataclasses import replace

import pytest

from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Experiment, Proposal, Provenance, Verdict, codec
from autoresearch_kit.reports.audit_trail import Trail, audit_page
from autoresearch_kit.researchers import View
from tests.campaign import made_up_runs, tiny
from tests.campaign.stub_pool import StubPool, Wants, run

GATED = replace(made_up_runs.SETTINGS, approve=True)
HOSTILE = "</script><script>alert(1)</script>"
DIGEST = "0123456789ab"
PROVENANCE = Provenance("llm.example.org", ("f" * 64,), ("read", "submit"), "2026-03-08T21:00:00Z")


class ClockReading(Wants):
    """Proposes as a model would that says hostile things."""

    def propose(self, view: View) -> Proposal:
        made = super().propose(view)
        return replace(made, idea=HOSTILE, directive=DIGEST, model="a-model", provenance=PROVENANCE)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    """Make a campaign with an approved keep, one that waits, and a discard."""
    root = tiny.make_project(tmp_path_factory.mktemp("audited") / "project")
    tiny.git(root, "config", "user.name", "Ada")
    tiny.git(root, "config", "user.email", "ada@example.org")
    workspace = Workspace(root, "night")
    workspace.create()
    workspace.keep_directive(DIGEST, "Only ever <simplify>.")
    pool = StubPool(workspace.runs, slots=1)
    run(root, pool, ClockReading({"WIDTH": 64}, {"WIDTH": 65}, {"WIDTH": 4}), GATED, experiments=3)
    made = History(root, "night")
    made.answer(1, approved=True, note="looked at it")
    return made


@pytest.fixture(scope="module")
def page(history: History) -> str:
    return audit_page(history, "2026-03-09T08:00:00+00:00")


def test_each_keep_has_its_diff_commits_and_approval(page: str, history: History) -> None:
    entry = history.entries()[1]
    part = page.partition('id="experiment-1"')[2].partition('id="experiment-2"')[0]
    for words in (
        "+WIDTH = 64",
        entry.code_commit,
        entry.record_commit,
        str(entry.approval_commit),
        "approved by Ada &lt;ada@example.org&gt; at",
        "looked at it",
        "llm.example.org",
        "read, submit",
        f"sha256 {'f' * 64}",
        "a-model",
    ):
        assert words in part


def test_keeps_that_wait_and_discards_are_in_it(page: str) -> None:
    assert "waits for approval" in page.partition('id="experiment-2"')[2]
    assert "discard (worse)" in page.partition("<h2>Not kept</h2>")[2]


def test_its_counts_leave_the_baseline_out(page: str, history: History) -> None:
    after = history.experiments()[1:]
    kept = sum(each.verdict is Verdict.KEEP for each in after)
    assert f"{len(after)} experiments after the baseline, {kept} kept." in page


def test_settings_and_directive_are_in_it(page: str) -> None:
    assert "<th>approve</th><td>True</td>" in page
    assert "<th>vocab_size</th><td>not set</td>" in page
    assert "<th>task.metrics 1.name</th><td>val_bpb</td>" in page
    assert "<pre>Only ever &lt;simplify&gt;.</pre>" in page


def test_what_a_model_said_stays_text(page: str) -> None:
    assert "alert(1)</script>" not in page
    assert page.count("</script>") == 1


def test_a_program_reads_the_same_records(page: str, history: History) -> None:
    found = re.search(r'<script type="application/json" id="records">(.*)</script>', page)
    assert found
    assert json.loads(found[1])["tag"] == "night"
    assert codec.decode(Trail, found[1]).experiments == tuple(history.entries())


def test_a_record_keeps_its_provenance(history: History) -> None:
    recorded: Experiment = history.experiment(1)
    assert recorded.proposal.provenance == PROVENANCE
    assert history.file(1, "program.md") == b"Only ever <simplify>."
