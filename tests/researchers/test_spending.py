"""A language model's usage is counted once, and held against the caps before it is spent."""

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.errors import LimitReached
from autoresearch_kit.records import Limits, Prices, Usage
from autoresearch_kit.researchers.spending import REPLY_TOKENS, Meter, per
from tests.researchers.fake_campaign import FakeCampaign

ONE = Usage(requests=1, tokens_in=900, tokens_out=100, tokens_cached=300, seconds=2.0, usd=0.5)


@pytest.fixture
def meter(tmp_path: Path) -> Meter:
    return Meter(tmp_path / "usage.jsonl")


def ask(meter: Meter, prompt_tokens: int) -> None:
    with meter.request([], prompt_tokens):
        pass


def test_the_requests_for_an_experiment_add_up(meter: Meter) -> None:
    assert meter.total([]) == Usage()
    for number in (3, 4, 3):
        meter.add(number, ONE)
    assert meter.spent_on(3) == ONE + ONE


def test_what_is_recorded_is_not_counted_twice(meter: Meter) -> None:
    for number in (0, 1, 2):
        meter.add(number, ONE)
    recorded = replace(FakeCampaign("WIDTH = 8", lambda _: 1.0).best, usage=ONE)
    assert meter.total([recorded]) == ONE + ONE + ONE
    assert meter.in_flight({0, 2}) == ONE


def test_a_line_that_a_full_disk_cut_is_not_read(meter: Meter) -> None:
    meter.add(0, ONE)
    with meter.path.open("ab") as file:
        file.write(b'{"number": 1, "us')
    assert meter.total([]) == ONE


def test_without_caps_everything_may_be_asked(meter: Meter) -> None:
    meter.add(0, replace(ONE, tokens_in=10**9))
    ask(meter, 10**6)


def test_the_cap_on_tokens_counts_requests_in_flight(tmp_path: Path) -> None:
    meter = Meter(tmp_path / "usage.jsonl", Limits(tokens=REPLY_TOKENS + 1_500))
    meter.add(0, ONE)
    ask(meter, 500)
    with pytest.raises(LimitReached, match=r"1,000 tokens are spent.*--max-tokens"):
        ask(meter, 501)


def test_the_cap_on_dollars_counts_the_next_request(tmp_path: Path) -> None:
    prices = Prices(input=1000.0, output=0.0, cached=0.0)
    meter = Meter(tmp_path / "usage.jsonl", Limits(usd=1.0), prices)
    meter.add(0, ONE)
    ask(meter, 500)
    with pytest.raises(LimitReached, match=r"0\.50 USD are spent.*--max-usd"):
        ask(meter, 501)


def test_a_request_waits_for_those_that_might_pass_the_cap(tmp_path: Path) -> None:
    meter = Meter(tmp_path / "usage.jsonl", Limits(tokens=2 * REPLY_TOKENS + 999))
    with ThreadPoolExecutor() as threads:
        with meter.request([], 500):
            waiting = threads.submit(ask, meter, 500)
            assert wait([waiting], timeout=0.2).not_done
        waiting.result(60)


def test_a_request_that_can_not_fit_does_not_wait(tmp_path: Path) -> None:
    meter = Meter(tmp_path / "usage.jsonl", Limits(tokens=REPLY_TOKENS + 999))
    with meter.request([], 500), pytest.raises(LimitReached):
        ask(meter, 1_000)


def test_what_is_asked_under_a_number_after_its_record_counts(meter: Meter) -> None:
    meter.add(0, ONE)
    meter.add(0, ONE)
    recorded = replace(FakeCampaign("WIDTH = 8", lambda _: 1.0).best, usage=ONE)
    assert meter.total([recorded]) == ONE + ONE


def test_a_model_that_writes_at_length_is_expected_to(tmp_path: Path) -> None:
    meter = Meter(tmp_path / "usage.jsonl", Limits(tokens=100_000))
    meter.add(0, Usage(requests=1, tokens_out=50_000))
    with pytest.raises(LimitReached):
        ask(meter, 500)


def test_usage_is_told_in_dollars_where_its_price_is_known() -> None:
    assert (Usage(requests=1) + Usage(requests=1)).usd is None
    assert per(Usage(requests=1, tokens_in=30), 3) == "10 tokens"
    assert per(ONE + ONE, 4) == "0.250 USD"
    assert str(ONE) == "1 request, 900 tokens in, 100 out, 0.50 USD"
