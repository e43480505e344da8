import pytest

from autoresearch_kit.errors import EditError
from autoresearch_kit.notebook.constants import (
    Fixed,
    OneOf,
    Range,
    Span,
    constant_specs,
    constant_values,
    set_constants,
)
from autoresearch_kit.records import Constant
from tests.notebook.small import CONFIG


def test_constants_are_capital_literals_at_top_level() -> None:
    assert constant_values(CONFIG) == {
        "DEPTH": 2,
        "MATRIX_LR": 0.04,
        "WARMDOWN": 0.8,
        "WINDOW": "SL",
        "USE_SMEAR": True,
        "SOFT_CAP": -15.0,
        "VOCAB": 1024,
        "HEADS": 3,
    }
    assert constant_values("DEPTH: int = 2") == {"DEPTH": 2}


@pytest.mark.parametrize(
    "line",
    ["A = (1, 2)", "a = 1", "A = B = 1", "A = None", "A = 2**3", "A = -True", "A = '''\n'''"],
)
def test_other_statements_are_not_constants(line: str) -> None:
    assert constant_values(line) == {}


def test_setting_changes_the_literals_only() -> None:
    changed = set_constants(CONFIG, {"HEADS": 6, "VOCAB": 512, "WINDOW": "L", "SOFT_CAP": 0.5})
    expected = CONFIG.replace("VOCAB = 1024; HEADS = 3", "VOCAB = 512; HEADS = 6")
    expected = expected.replace('WINDOW = "SL"', 'WINDOW = "L"')
    assert changed == expected.replace("SOFT_CAP = -15.0", "SOFT_CAP = 0.5")
    assert set_constants(changed, constant_values(CONFIG)) == CONFIG


@pytest.mark.parametrize("value", [0.1 + 0.2, 1e-7, 1e22])
def test_a_value_round_trips_exactly(value: float) -> None:
    changed = set_constants(CONFIG, {"SOFT_CAP": value})
    assert constant_values(changed)["SOFT_CAP"] == value


def test_text_outside_ascii_and_odd_line_ends_stay() -> None:
    source = "Ä = 'é\x0c'; RATE = (1.0)  # größe\r\nB = 2\n"
    changed = source.replace("1.0", "2.0").replace("B = 2", "B = 3")
    assert set_constants(source, {"RATE": 2.0, "B": 3}) == changed


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("SOFT_CAP", 3, 3.0), ("DEPTH", 4.0, 4), ("USE_SMEAR", False, False)],
)
def test_the_type_is_kept(name: str, value: Constant, expected: Constant) -> None:
    changed = constant_values(set_constants(CONFIG, {name: value}))[name]
    assert (changed, type(changed)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("DEPTH", 2.5, "DEPTH = 2 is of type int; 2.5 can't take its place"),
        ("DEPTH", "2", "can't take its place"),
        ("SOFT_CAP", True, "can't take its place"),
        ("SOFT_CAP", float("nan"), "can't take its place"),
        ("WINDOW", 1, "can't take its place"),
        ("MATRX_LR", 0.1, "no constant 'MATRX_LR' in config; there are: DEPTH, MATRIX"),
    ],
)
def test_an_unknown_name_or_another_type_is_refused(
    name: str, value: Constant, message: str
) -> None:
    with pytest.raises(EditError, match=message):
        set_constants(CONFIG, {name: value})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("A = 1", None),
        ("A = 1  # layers; see the paper", None),
        ("A = 1  # layers; and so on...", None),
        ("A = 1  # layers; 1..8", Span(1, 8)),
        ("A = 0.1  # a; b; 1e-3 .. .5 log", Span(0.001, 0.5, log=True)),
        ("A = -0.5  # shift; -1.0..-0.1", Span(-1, -0.1)),
        ("A = 8  # size; one of 4, 8, 16", OneOf((4, 8, 16))),
        ("A = 0.5  # size; one of 0, 0.5, 1", OneOf((0.0, 0.5, 1.0))),
        ("A = 'x'  # kind; one of x, 'y z', x", OneOf(("x", "y z"))),
        ("A = True  # flag; one of True, False", OneOf((True, False))),
        ("A = 1  # vocabulary; fixed", Fixed()),
        ("A = '; 1..2'", None),
        ("A = 1  # a; 2-bit", None),
    ],
)
def test_ranges_are_read_from_the_comment(line: str, expected: Range | None) -> None:
    spec = constant_specs(line)["A"]
    assert spec.range == expected
    assert spec.comment == line.partition("# ")[2]


@pytest.mark.parametrize(
    "line",
    [
        "A = 1  # a; 1..x",
        "A = 1  # a; 1..8 lg",
        "A = 1  # a; 1-8",
        "A = 1.0  # a; 1e-4 to 0.1 log",
        "A = 1  # a; 0.5..8",
        "A = 1  # a; 8..1",
        "A = 1  # a; 0..8 log",
        "A = 1.0  # a; 0..inf",
        "A = 'x'  # a; 1..2",
        "A = 1  # a; one of 1, b",
        "A = 1  # a; one of 1, True",
    ],
)
def test_a_misspelt_range_is_refused_with_the_grammar(line: str) -> None:
    with pytest.raises(EditError, match=r"the range of A = .* write 'lo\.\.hi'"):
        constant_specs(line)
