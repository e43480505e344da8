"""The pool over a real Ray cluster of two nodes on this machine, of which parts are killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from autoresearch_kit.errors import ExecutionError
from autoresearch_kit.execution.pool import Delivery, Lost
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.ray.link import BRIDGE
from autoresearch_kit.execution.ray.pool import RayPool
from tests.execution.ray.cluster import Cluster, connect_to, open_pool, order

# nodes of Ray that start on a busy machine give up after 15 s without their agents
pytestmark = [pytest.mark.slow, pytest.mark.alone]

PATIENCE = 120.0

LONG = 600.0

RUN = "night-run"
"""The mark that the processes of every run here carry."""


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    port = 20000 + os.getpid() % 10000
    made = Cluster(tmp_path_factory.mktemp("ray"), port)
    with pytest.MonkeyPatch.context() as patch:
        try:
            made.start_head(patch)
            yield made
        finally:
            made.end()


@pytest.fixture(scope="module")
def cluster(head: Cluster) -> Cluster:
    for name, number in (("one", 3), ("two", 4)):  # both at once may need more than Ray's 30 s
        head.start_node(name, number)
    return head


@pytest.fixture(scope="module")
def opened(cluster: Cluster) -> Iterator[RayPool]:
    """Yield a pool that has all nodes, for the tests after those in which others have them."""
    with closing(open_pool(cluster.address, cluster.folder)) as opened:
        until(opened, lambda: len(ready(opened)) == len(cluster.nodes))
        opened.choose()
        yield opened


@pytest.fixture
def pool(opened: RayPool) -> Iterator[RayPool]:
    yield opened
    assert not reap.members(RUN)


def until(pool: RayPool, happened: Callable[[], bool]) -> list[Delivery | Lost]:
    """Wait on the pool until something has happened; what was over meanwhile."""
    over, end = list[Delivery | Lost](), time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, [str(slot) for slot in pool.slots()]
        over += pool.wait(0.1)
    return over


def next_over(pool: RayPool, count: int = 1) -> list[Delivery | Lost]:
    """Wait until so many orders are over."""
    over, end = list[Delivery | Lost](), time.monotonic() + PATIENCE
    while len(over) < count:
        assert time.monotonic() < end, [str(slot) for slot in pool.slots()]
        over += pool.wait(0.1)
    return over


def ready(pool: RayPool) -> list[str]:
    return [slot.name for slot in pool.slots() if not slot.left_out]


def begun(pool: RayPool) -> None:
    """Wait until a node carries something out."""
    until(pool, lambda: bool(reap.members(RUN)))


def keys(over: Sequence[Delivery | Lost]) -> list[str]:
    return sorted(each.key for each in over if isinstance(each, Delivery))


def test_nothing_is_left_of_a_killed_campaign(cluster: Cluster) -> None:
    code = (
        "import sys; from pathlib import Path; "
        "from tests.execution.ray.cluster import open_pool, order; "
        "pool = open_pool(sys.argv[1], Path(sys.argv[2])); pool.choose(); "
        f"pool.submit(order('a', {LONG})); print('ready', flush=True)\n"
        "while True: pool.wait(1)"
    )
    argv = [sys.executable, "-c", code, cluster.address, str(cluster.folder)]
    root = Path(__file__).parents[3]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=root, env=os.environ) as campaign:
        assert campaign.stdout is not None
        assert campaign.stdout.readline() == b"ready\n"
        end = time.monotonic() + PATIENCE
        while not (there := reap.members(RUN)):
            assert time.monotonic() < end
        there += psutil.Process(campaign.pid).children()
        campaign.kill()
    killed = time.monotonic()
    _, alive = psutil.wait_procs(there, PATIENCE)
    print(f"campaign: nothing left after {time.monotonic() - killed:.1f} s")
    assert not alive


def test_a_second_campaign_gets_devices_when_the_first_leaves(cluster: Cluster) -> None:
    with closing(open_pool(cluster.address, cluster.folder)) as first:
        until(first, lambda: len(ready(first)) == len(cluster.nodes))
        with closing(open_pool(cluster.address, cluster.folder, "second")) as second:
            until(second, lambda: any("others of the clus" in s.left_out for s in second.slots()))
            first.choose()
            first.submit(order("a"))
            assert keys(next_over(first)) == ["a"]
            first.close()
            second.choose()
            second.submit(order("a"))
            assert keys(next_over(second)) == ["a"]


def test_another_ray_version_is_told_in_one_line(head: Cluster) -> None:
    code = (
        "from autoresearch_kit.execution.ray import joined; joined.set_environment(); "
        "import ray, runpy; ray.__version__ = '9.9'; "
        f"runpy.run_module('{BRIDGE}', run_name='__main__')"
    )
    connect = connect_to(head.address, head.folder)
    argv = [sys.executable, "-P", "-c", code]
    pool = RayPool(connect, head.folder / "ray.log", argv=argv)
    with closing(pool), pytest.raises(ExecutionError, match=r"another version.*Ray: 9\.9.*same"):
        pool.choose()


def test_another_token_is_refused_in_one_line(
    head: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH")
    with (
        closing(open_pool(head.address, head.folder)) as pool,
        pytest.raises(ExecutionError, match="token is another one"),
    ):
        pool.choose()


def test_orders_are_delivered_with_their_files(pool: RayPool) -> None:
    for number in range(5):
        pool.submit(order(f"k{number}"))
        pool.submit(order(f"k{number}"))  # the same key twice is once
    over = next_over(pool, 5)
    assert keys(over) == [f"k{number}" for number in range(5)]
    assert {each.slot for each in over} == {"one/cpu0", "two/cpu0"}
    folders = [each.folder for each in over if isinstance(each, Delivery)]
    assert all((folder / "executed.ipynb").read_text() == "{}" for folder in folders)
    assert not pool.wait(0.5)


def test_a_cancelled_order_leaves_its_slot_free(pool: RayPool) -> None:
    pool.submit(order("long", LONG, slot="one/cpu0"))
    begun(pool)
    pool.cancel("long")
    pool.submit(order("next", slot="one/cpu0"))
    assert keys(next_over(pool)) == ["next"]


@pytest.mark.parametrize("part", ["actor", "all"])
def test_what_a_killed_node_carried_out_is_lost(pool: RayPool, cluster: Cluster, part: str) -> None:
    pool.submit(order(part, LONG, slot="two/cpu0"))
    pool.submit(order(f"{part}-other", 1.0, slot="one/cpu0"))
    begun(pool)
    killed = time.monotonic()
    if part == "actor":
        cluster.actor("two").kill()
    else:
        cluster.kill("two")
    over = until(pool, lambda: "two/cpu0" not in ready(pool))
    print(f"{part}: known after {time.monotonic() - killed:.1f} s")
    while len(over) < 2:
        over += next_over(pool)
    (lost,) = [each for each in over if isinstance(each, Lost)]
    assert (lost.key, lost.slot) == (part, "two/cpu0")
    assert keys(over) == [f"{part}-other"]
    if part == "all":
        cluster.start_node("two", 4)
    until(pool, lambda: len(ready(pool)) == 2)
    print(f"{part}: back after {time.monotonic() - killed:.1f} s")
    pool.submit(order(part, slot="two/cpu0"))
    assert keys(next_over(pool)) == [part]


def test_a_killed_bridge_is_started_again(pool: RayPool) -> None:
    pool.submit(order("held", LONG))
    begun(pool)
    killed = time.monotonic()
    (bridge,) = [
        child for child in psutil.Process().children() if BRIDGE in " ".join(child.cmdline())
    ]
    bridge.kill()
    (lost,) = next_over(pool)
    assert isinstance(lost, Lost)
    until(pool, lambda: len(ready(pool)) == 2)
    print(f"bridge: back after {time.monotonic() - killed:.1f} s")
    pool.submit(order("held"))
    assert keys(next_over(pool)) == ["held"]


def test_a_frozen_node_that_comes_back_delivers_nothing_twice(
    pool: RayPool, cluster: Cluster
) -> None:
    pool.submit(order("slow", 3.0, slot="two/cpu0"))
    begun(pool)
    frozen = time.monotonic()
    cluster.signal("two", signal.SIGSTOP)
    try:
        (lost,) = next_over(pool)
        print(f"frozen: known after {time.monotonic() - frozen:.1f} s")
        assert isinstance(lost, Lost)
        pool.submit(order("slow"))
    finally:
        cluster.signal("two", signal.SIGCONT)
    assert keys(next_over(pool)) == ["slow"]
    assert not until(pool, lambda: not cluster.all("two", "raylet"))
    cluster.kill("two")  # what the other tests show, one node shows


def test_without_its_gcs_the_pool_ends_and_so_do_runs(pool: RayPool, cluster: Cluster) -> None:
    pool.submit(order("held", LONG))
    begun(pool)
    killed = time.monotonic()
    cluster.one("head", "gcs_server").kill()
    (lost,) = next_over(pool)
    print(f"gcs: known after {time.monotonic() - killed:.1f} s")
    assert isinstance(lost, Lost)
    with pytest.raises(ExecutionError, match=r"4 times in a row: .*\. Start Ray again, then go on"):
        until(pool, lambda: False)
    # a node without its head ends by itself, and its run with it
    psutil.wait_procs(reap.members(RUN), timeout=PATIENCE)
