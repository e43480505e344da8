"""A proposal says how it was made."""

import hashlib
from dataclasses import replace

from autoresearch_kit.records import Attempt, Provenance, Reason, Research, codec
from autoresearch_kit.researchers.llm.endpoint import host_of
from autoresearch_kit.researchers.llm.prompt import digest
from tests.researchers.llm.conftest import Asked, run_of
from tests.researchers.llm.server import Answer, calls
from tests.researchers.llm.test_researcher import (
    BLOCKS,
    FAILING,
    FASTER,
    NO_TOOLS,
    READ,
    SUBMIT,
    WIDER,
)


def provenance(asked: Asked, *answers: Answer) -> Provenance:
    made = asked.propose(*answers).provenance
    assert made
    return made


def test_it_digests_the_messages_that_were_sent_first(asked: Asked) -> None:
    made = provenance(asked, calls(WIDER, SUBMIT))
    sent = codec.compact(asked.bodies[0]["messages"])
    assert made.prompts == (hashlib.sha256(sent).hexdigest(),)


def test_it_names_the_calls_in_order(asked: Asked) -> None:
    made = provenance(asked, calls(READ), calls(FAILING, SUBMIT), calls(WIDER, SUBMIT))
    assert made.tools == ("read", "edit_cell", "set_constants", "submit")


def test_calls_in_text_are_named_too(asked: Asked) -> None:
    assert provenance(asked, NO_TOOLS, BLOCKS).tools == ("edit_cell", "submit")


def test_a_repair_adds_to_what_led_to_the_idea(asked: Asked) -> None:
    made = asked.propose(calls(WIDER, SUBMIT))
    crashed = Attempt(made.edits, made.constants, run_of(None, Reason.ERROR, "a bug"), "a bug")
    bug = replace(made, attempts=(crashed,))
    mended = asked.by(calls(READ), calls(FASTER, SUBMIT)).repair(asked.ledger.view, bug)
    assert mended
    assert mended.provenance
    assert len(set(mended.provenance.prompts)) == 2
    assert mended.provenance.tools == (
        *("set_constants", "submit"),
        *("read", "set_constants", "submit"),
    )


def test_no_secret_of_an_address_is_recorded() -> None:
    secret = "https://user:password@llm.example.org:8443/v1?key=sk-123"
    assert host_of(Research("m", secret)) == "llm.example.org:8443"
    assert host_of(Research("m")) == "api.openai.com"


def test_the_directive_is_kept_for_the_record(asked: Asked) -> None:
    (asked.ledger.root / "program.md").write_text("Only ever simplify.")
    asked.propose(calls(WIDER, SUBMIT))
    assert asked.ledger.workspace.directive(digest("Only ever simplify.")) == b"Only ever simplify."
