"""A campaign started, watched and steered in the browser, and read there in the morning.

One campaign is run, with a language model whose answers are scripted; each test checks one thing
that the browser showed. SCREENSHOTS=docs runs it with optuna and the shipped training notebook, and
keeps the pictures that the docs show.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page

from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Request, Research, Stage
from tests.campaign import scripted, tiny
from tests.researchers.llm.server import Answer, Body, ChatServer, calls, said, text
from tests.ui.browser import lab

pytestmark = [
    pytest.mark.alone,  # its campaign has the defaults, by which a busy machine disturbs runs
    pytest.mark.slow,
    pytest.mark.skipif(lab.CHROMIUM is None, reason="no chromium; on Debian: apt install chromium"),
]

SHIPPED = Path(__file__).parents[3]
UPSTREAM = SHIPPED / "tests" / "data" / "h100_mar8_results.tsv"
PICTURES = os.environ.get("SCREENSHOTS", "")
RESULTS = {"results": "night"} | ({"upstream": str(UPSTREAM)} if PICTURES else {})
"""Copies of the results notebook, and what each shows."""
TRAIN_SECONDS = 60 if PICTURES else 2
HALF_TRAINED = re.compile(r"training, [34]\d of 60 s")
NOTEBOOK = "opened/night/0001.ipynb"
SAID = "fewer constants at a time"


@dataclass
class Observations:
    """Observations made in the browser while the campaign ran."""

    project: Path
    pictures: Path
    pids: list[int] = field(default_factory=list)
    seen: dict[str, str] = field(default_factory=dict)
    errors: dict[str, list[str]] = field(default_factory=dict)

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.project, "night")


def script(body: Body) -> Answer:
    """Propose another learning rate for each experiment."""
    if "Answer with one word" in said(body):
        return text("ready")
    if scripted.is_lessons(body):
        return text("worked: small steps")
    rate = 0.03 + scripted.experiment_of(body) / 100
    return calls(scripted.constants(RATE=rate), scripted.submit(f"a rate of {rate:.2f}"))


def make_project(root: Path, corpus: Path) -> Path:
    """Make a project with the shipped notebooks, on a small corpus and a small model."""
    project = tiny.make_project(root)
    for name in ("control.ipynb", *(["train.ipynb"] if PICTURES else [])):
        shutil.copy(SHIPPED / "notebooks" / name, project / "notebooks" / name)
    shutil.copy(SHIPPED / "program.md", project)
    if not PICTURES:
        choice = f'TAG = "night"\nCORPUS = {str(corpus)!r}'
        set_cell(project / "notebooks" / "control.ipynb", "choice", choice)
    for name, tag in RESULTS.items():
        path = project / "notebooks" / f"{name}.ipynb"
        shutil.copy(SHIPPED / "notebooks" / "results.ipynb", path)
        set_cell(path, "choice", f"TAG = {tag!r}\nOTHERS = []")
    return project


def set_cell(path: Path, name: str, source: str) -> None:
    """Replace the source of a cell."""
    book = nbformat.read(path, as_version=4)
    [cell] = [cell for cell in book.cells if cell.metadata["name"] == name]
    cell.source = source
    nbformat.write(book, path)


@pytest.fixture(scope="module")
def observations(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Observations:
    folder = tmp_path_factory.mktemp("browser")
    pictures = SHIPPED / PICTURES if PICTURES else folder
    observed = Observations(make_project(folder / "project", corpus), pictures)
    with (
        ChatServer(script) as server,
        lab.jupyter_lab(observed.project, folder / "lab") as address,
        lab.browser() as page,
    ):
        lab.open_notebook(page, address, "notebooks/control.ipynb")
        observed.seen["program.md"] = lab.open_from_root(page, "program.md")
        with campaign(page, observed, server):
            watch(page, observed)
            steer(page, observed)
            observed.seen["open"] = open_by_command(observed, folder / "lab", address)
            come_back(page, observed)
        for name in RESULTS:
            read(page, observed, address, name)
    return observed


@contextmanager
def campaign(page: Page, observed: Observations, server: ChatServer) -> Iterator[None]:
    """Start a campaign from the panel; end it if a scene fails."""
    observed.workspace.create()
    observed.workspace.write_research(Research("scripted", optuna_every=0))
    lab.run_all(page)
    page.get_by_label("training seconds").fill(str(TRAIN_SECONDS))
    if not PICTURES:
        page.get_by_label("researcher").select_option("llm: a language model")
        page.get_by_label("verdict").select_option("greedy: one run against one")
        page.get_by_label("endpoint").fill(server.url)
        page.get_by_label("API key").fill(scripted.KEY)
    lab.button(page, "Start").click()
    try:
        yield
    finally:
        if observed.workspace.running():
            observed.workspace.ask(Request.STOP_NOW)


def watch(page: Page, observed: Observations) -> None:
    for number in (0, 1, 2, 3) if PICTURES else (0, 1):
        lab.button(page, str(number)).wait_for()
    wait_for(page, "the best's there")
    if PICTURES:
        page.locator(".ark", has_text=HALF_TRAINED).first.wait_for()
    lab.screenshot(page, observed.pictures / "control.png", "Choose who proposes")
    observed.pids.append(pid(observed))


def steer(page: Page, observed: Observations) -> None:
    lab.button(page, "Pause").click()
    wait_for(page, "paused, experiment")
    observed.seen["paused"] = str(observed.workspace.state())
    lab.button(page, "1").click()
    wait_for(page, "Experiment 1, from 0")
    observed.seen["opened"] = page.locator(".ark .scroll").last.inner_text()
    lab.button(page, "Open its notebook").click()
    with page.context.expect_page() as another:
        page.get_by_role("link", name=NOTEBOOK).click()
    lab.wait_for_file(another.value, NOTEBOOK)
    observed.seen["notebook"] = another.value.locator(".jp-Notebook").inner_text()
    another.value.close()
    page.get_by_placeholder("try wider").fill(SAID)
    lab.button(page, "Send").click()
    wait_for(page, f"now: {SAID}")
    lab.button(page, "Resume").click()
    wait_for(page, "running, experiment")


def open_by_command(observed: Observations, home: Path, address: str) -> str:
    """Return what `autoresearch open` prints, without JupyterLab's address."""
    argv = [*lab.AUTORESEARCH, "open", "night", "1"]
    env = {**lab.environment(home), "BROWSER": "true"}
    done = subprocess.run(argv, cwd=observed.project, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].removeprefix(address)


def come_back(page: Page, observed: Observations) -> None:
    """Restart the kernel while a run is under way, and show the panel again."""
    lab.restart_kernel(page)
    lab.run_all(page)
    wait_for(page, " s ago")
    observed.pids.append(pid(observed))
    lab.button(page, "Stop after this").click()
    wait_for(page, "ended: stopped, as asked")
    observed.errors["control"] = lab.errors(page)
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")


def read(page: Page, observed: Observations, address: str, name: str) -> None:
    lab.open_notebook(page, address, f"notebooks/{name}.ipynb")
    lab.run_all(page)
    lab.wait_for_all(page)
    observed.errors[name] = lab.errors(page)
    lab.screenshot(page, observed.pictures / f"{name}.png", "Every experiment is a mark", most=1500)


def wait_for(page: Page, words: str) -> None:
    page.locator(".ark", has_text=words).first.wait_for()


def pid(observed: Observations) -> int:
    state = observed.workspace.state()
    assert state is not None
    return state.pid


def test_no_cell_fails(observations: Observations) -> None:
    assert observations.errors == {"control": []} | {name: [] for name in RESULTS}


def test_a_pause_holds(observations: Observations) -> None:
    assert Stage.PAUSED in observations.seen["paused"]


def test_an_experiment_is_opened_from_the_table(observations: Observations) -> None:
    assert "Experiment 1, from 0" in observations.seen["opened"]
    assert "config (changed)" in observations.seen["opened"]
    assert "RATE = 0.04" in observations.seen["notebook"] or PICTURES
    assert "run.submit(model)" in observations.seen["notebook"]


def test_jupyterlab_shows_the_whole_project(observations: Observations) -> None:
    first = (SHIPPED / "program.md").read_text().splitlines()[0]
    assert first in observations.seen["program.md"]


def test_the_command_opens_it_in_the_running_jupyterlab(observations: Observations) -> None:
    assert observations.seen["open"] == f"/tree/{NOTEBOOK}?token=t"


def test_campaign_survives_a_kernel_restart_and_then_stops(observations: Observations) -> None:
    assert observations.pids[0] == observations.pids[1]
    state = observations.workspace.state()
    assert state is not None
    assert state.stage is Stage.ENDED


@pytest.mark.skipif(bool(PICTURES), reason="optuna is not guided, and has no key")
def test_guidance_is_prompted_and_the_key_is_in_no_file(observations: Observations) -> None:
    [prepared] = observations.workspace.under_way.prepared()
    assert prepared.guidance == SAID
    files = [path for path in observations.project.rglob("*") if path.is_file()]
    assert observations.project / "notebooks" / "control.ipynb" in files
    assert not [path for path in files if scripted.KEY.encode() in path.read_bytes()]
