"""What records say of themselves."""

from dataclasses import replace

from autoresearch_kit.records import CacheUse
from tests.ledger.ledger import experiment, run, score


def test_a_score_says_in_what_precision_and_where_it_was_measured() -> None:
    plain = score(1.5)
    half = replace(plain, precision="bfloat16", rounding=3e-6, on_device=True)
    assert plain.how() == "predicted in float32"
    assert half.how() == (
        "predicted in bfloat16; half precision is +3e-06 off float32; logits stayed on the GPU"
    )


def test_an_experiment_shows_of_what_use_the_compile_cache_was() -> None:
    ran = replace(run(value=1.5), cache=CacheUse(lent=300, made=2, kept=1))
    shown = dict(replace(experiment(1), runs=(ran,)).rows())
    assert shown["compile cache"] == "300 files of earlier runs, 2 made, 1 of them kept"
    assert shown["scored"] == "predicted in float32"
