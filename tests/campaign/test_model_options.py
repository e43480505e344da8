"""What the language model is asked with: said now, said at the last start, or the default."""

from pathlib import Path

import pytest

from autoresearch_kit.campaign.model_options import ModelWishes, find_model
from autoresearch_kit.errors import InputError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Limits, Prices, Research, Settings
from autoresearch_kit.researchers import Model

LLM = Settings("stdlib", 300, 720, 90, 4000, "llm", "cpu")
OPTUNA = Settings("stdlib", 300, 720, 90, 4000, "optuna", "cpu")
KEY = {"OPENAI_API_KEY": "sk-123"}
LOCAL = {"OPENAI_BASE_URL": "http://127.0.0.1:11434/v1"}


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path, "night")
    workspace.create()
    return workspace


def find(
    place: Workspace,
    wishes: ModelWishes,
    environment: dict[str, str],
    limits: Limits = Limits(),  # noqa: B008
) -> Model:
    model = find_model(place, LLM, limits, wishes, environment)
    assert model is not None
    return model


def test_a_key_and_a_name_are_enough(place: Workspace) -> None:
    model = find(place, ModelWishes("gpt"), KEY)
    assert (model.research, model.key) == (Research("gpt"), "sk-123")


def test_a_server_of_ones_own_needs_no_key(place: Workspace) -> None:
    model = find(place, ModelWishes("qwen"), LOCAL)
    assert (model.research.base_url, model.key) == ("http://127.0.0.1:11434/v1", "")


def test_without_an_endpoint_there_is_no_model(place: Workspace) -> None:
    assert find_model(place, LLM, Limits(), ModelWishes("gpt"), {}) is None


def test_the_key_shows_in_no_repr(place: Workspace) -> None:
    assert "sk-123" not in repr(find(place, ModelWishes("gpt"), KEY))


def test_a_later_start_goes_on_as_the_last_one(place: Workspace) -> None:
    first = ModelWishes("gpt", optuna_every=7, usd_in=1.0, usd_out=2.0, probes=0)
    place.write_research(find(place, first, LOCAL).research)
    again = find(place, ModelWishes(prompt_tokens=9000), KEY).research
    assert again == Research(
        "gpt",
        LOCAL["OPENAI_BASE_URL"],
        prompt_tokens=9000,
        optuna_every=7,
        prices=Prices(1, 2, 1),
        probes=0,
    )


def test_a_model_must_be_named(place: Workspace) -> None:
    with pytest.raises(InputError, match="--model NAME"):
        find_model(place, LLM, Limits(), ModelWishes(), KEY)


def test_a_cap_in_dollars_needs_prices(place: Workspace) -> None:
    with pytest.raises(InputError, match="--usd-in and --usd-out"):
        find_model(place, LLM, Limits(usd=5.0), ModelWishes("gpt"), KEY)


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        (ModelWishes("gpt", usd_in=1.0), "say both"),
        (ModelWishes("gpt", usd_in=-1.0, usd_out=1.0), "--usd-in is -1"),
        (ModelWishes("gpt", prompt_tokens=10), "--prompt-tokens is 10; it must be at least"),
        (ModelWishes("gpt", optuna_every=1), "--optuna-every is 1"),
        (ModelWishes("gpt", probes=-1), "--probes is -1; it must be from 0"),
        (ModelWishes("gpt", probes=11), "--probes is 11"),
    ],
)
def test_what_is_out_of_bounds_is_named(place: Workspace, wishes: ModelWishes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        find_model(place, LLM, Limits(), wishes, KEY)


@pytest.mark.parametrize(
    ("wishes", "limits", "flag"),
    [
        (ModelWishes("gpt"), Limits(), "--model"),
        (ModelWishes(), Limits(tokens=5), "--max-tokens"),
        (ModelWishes(), Limits(usd=5.0), "--max-usd"),
    ],
)
def test_a_campaign_of_optunas_takes_no_settings_of_a_model(
    place: Workspace, wishes: ModelWishes, limits: Limits, flag: str
) -> None:
    with pytest.raises(InputError, match=f"{flag} is about a language model"):
        find_model(place, OPTUNA, limits, wishes, KEY)
