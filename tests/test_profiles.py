import pytest

from autoresearch_kit import profiles
from autoresearch_kit.errors import InputError


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="no profile 'h100'; profiles: cpu, cpu-eager"):
        profiles.find("h100")


def test_without_a_compiler_nothing_is_compiled(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path_factory.mktemp("empty")))
    assert profiles.choose().constants["COMPILE"] is False


def test_with_a_compiler_the_loss_is_compiled(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("bin")
    (folder / "g++").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(folder))
    assert profiles.choose().constants["COMPILE"] is True
