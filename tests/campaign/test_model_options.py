"""Options of the language model: given now, at the last start, or the default."""

from pathlib import Path

import pytest

from autoresearch_kit.campaign.model_options import ModelOptions, find_model
from autoresearch_kit.errors import InputError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Limits, Prices, Research, Settings
from autoresearch_kit.researchers import Model

LLM = Settings("stdlib", 300, 720, 90, 4000, "llm", "cpu")
OPTUNA = Settings("stdlib", 300, 720, 90, 4000, "optuna", "cpu")
KEY = {"OPENAI_API_KEY": "sk-123"}
LOCAL = {"OPENAI_BASE_URL": "http://127.0.0.1:11434/v1"}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path, "night")
    made.create()
    return made


def find(workspace: Workspace, options: ModelOptions, environment: dict[str, str]) -> Model:
    model = find_model(workspace, LLM, Limits(), options, environment)
    assert model is not None
    return model


def test_a_key_and_a_name_are_enough(workspace: Workspace) -> None:
    model = find(workspace, ModelOptions("gpt"), KEY)
    assert (model.research, model.key) == (Research("gpt"), "sk-123")
    assert "sk-123" not in repr(model)


def test_a_server_of_ones_own_needs_no_key(workspace: Workspace) -> None:
    model = find(workspace, ModelOptions("qwen"), LOCAL)
    assert (model.research.base_url, model.key) == ("http://127.0.0.1:11434/v1", "")


def test_without_an_endpoint_there_is_no_model(workspace: Workspace) -> None:
    assert find_model(workspace, LLM, Limits(), ModelOptions("gpt"), {}) is None


def test_a_later_start_goes_on_as_the_last_start_did(workspace: Workspace) -> None:
    first = ModelOptions("gpt", optuna_every=7, usd_in=1.0, usd_out=2.0, probes=0)
    workspace.write_research(find(workspace, first, LOCAL).research)
    assert find(workspace, ModelOptions(prompt_tokens=9000), KEY).research == Research(
        "gpt",
        LOCAL["OPENAI_BASE_URL"],
        prompt_tokens=9000,
        optuna_every=7,
        prices=Prices(1, 2, 1),
        probes=0,
    )


@pytest.mark.parametrize(
    ("settings", "options", "limits", "words"),
    [
        (LLM, ModelOptions(), Limits(), "--model NAME"),
        (LLM, ModelOptions("gpt"), Limits(usd=5.0), "--usd-in and --usd-out"),
        (LLM, ModelOptions("gpt", usd_in=1.0), Limits(), "say both"),
        (LLM, ModelOptions("gpt", usd_in=-1.0, usd_out=1.0), Limits(), "--usd-in is -1"),
        (
            LLM,
            ModelOptions("gpt", prompt_tokens=10),
            Limits(),
            "--prompt-tokens is 10; .* at least",
        ),
        (LLM, ModelOptions("gpt", optuna_every=1), Limits(), "--optuna-every is 1"),
        (LLM, ModelOptions("gpt", probes=-1), Limits(), "--probes is -1; it must be from 0"),
        (LLM, ModelOptions("gpt", probes=11), Limits(), "--probes is 11"),
        (OPTUNA, ModelOptions("gpt"), Limits(), "--model is about a language model"),
        (OPTUNA, ModelOptions(), Limits(tokens=5), "--max-tokens is about a language model"),
        (OPTUNA, ModelOptions(), Limits(usd=5.0), "--max-usd is about a language model"),
    ],
)
def test_options_that_do_not_fit_are_named(
    workspace: Workspace, settings: Settings, options: ModelOptions, limits: Limits, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        find_model(workspace, settings, limits, options, KEY)
