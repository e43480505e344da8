"""An experiment in words."""

from dataclasses import replace

from autoresearch_kit.records import LANGUAGE_MODELLING, Bound, CacheUse
from autoresearch_kit.reports.experiment import CLAIMED, TRUSTED, experiment_rows, how_scored, marks
from tests.ledger.ledger import experiment, run, score


def test_a_score_says_in_what_precision_it_was_measured() -> None:
    half = replace(score(1.5), precision="bfloat16", rounding=3e-6, on_device=True)
    assert how_scored(half) == (
        "predicted in bfloat16; half precision is +3e-06 off float32; logits stayed on the GPU"
    )


def test_rows_tell_of_the_compile_cache_and_the_score() -> None:
    ran = replace(run(value=1.5), cache=CacheUse(lent=300, made=2, kept=1))
    shown = dict(experiment_rows(replace(experiment(1), runs=(ran,))))
    assert shown["compile cache"] == "300 files of earlier runs, 2 made, 1 of them kept"
    assert shown["scored"] == "predicted in float32"
    assert "compile cache" not in dict(experiment_rows(experiment(1)))


def test_numbers_that_the_kit_does_not_vouch_for_are_marked() -> None:
    bounded = replace(LANGUAGE_MODELLING, bounds=(Bound("parameters", 9.0),))
    assert marks(LANGUAGE_MODELLING) == ""
    assert marks(bounded) == CLAIMED
    assert marks(replace(bounded, trusted=True)) == f"{TRUSTED}   ·   {CLAIMED}"
