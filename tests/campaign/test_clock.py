"""A clock on the wall that is set back, or forward, while a campaign runs."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from autoresearch_kit.campaign import heartbeat
from autoresearch_kit.campaign.heartbeat import Heartbeat
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Limits
from autoresearch_kit.reports.status import words
from autoresearch_kit.reports.summary import summarise
from tests.campaign import made_up_runs
from tests.ledger import ledger

HOUR = 3600.0


@dataclass
class Clock:
    """The time on the wall, and the time since the machine started."""

    wall: float = 1_800_000_000.0
    since: float = 5_000.0

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.since += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    made = Clock()
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: made.wall)
        patch.setattr(time, "monotonic", lambda: made.since)
        yield made


@pytest.fixture
def beating(project: Path, clock: Clock) -> Heartbeat:
    place = Workspace(project, "night")
    place.create()
    return Heartbeat(place, Limits())


@pytest.mark.parametrize("hours", [-10.0, 10.0])
def test_durations_do_not_depend_on_the_wall_clock(
    beating: Heartbeat, clock: Clock, hours: float
) -> None:
    clock.wall += hours * HOUR
    clock.pass_by(60.0)
    assert beating.seconds == 60.0


def test_its_heart_beats_on(beating: Heartbeat, clock: Clock, project: Path) -> None:
    clock.wall -= HOUR
    clock.pass_by(heartbeat.HEARTBEAT_SECONDS + 1)
    beating.cancelled()
    state = Workspace(project, "night").state()
    assert state is not None
    assert state.heartbeat == clock.wall


def test_nobody_is_seen_in_the_future(beating: Heartbeat, clock: Clock, project: Path) -> None:
    state = Workspace(project, "night").state()
    assert words(state, True, None, clock.wall - HOUR).endswith("seen 0 s ago")


def test_hours_end_a_campaign_whose_clock_stands_still(project: Path, clock: Clock) -> None:
    """An hour passes with each experiment, and the wall says that none did."""
    done = 0
    with made_up_runs.made_up():
        for _ in made_up_runs.campaign_in(project, Limits(experiments=20, hours=2.5)):
            clock.since += HOUR
            done += 1
    assert done == 3


def test_a_campaign_never_took_less_than_no_time() -> None:
    set_back = replace(ledger.experiment(0), finished="2026-03-08T19:00:00+00:00")
    assert summarise("night", [set_back]).hours == 0.0
