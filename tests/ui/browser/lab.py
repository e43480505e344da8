"""A real JupyterLab, and a real chromium that looks at it."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import FloatRect, Locator, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false"},
    "notebook-extension/tracker": {"windowingMode": "none"},
}
"""Show every cell on a screenshot, and no question about news."""

PATIENCE = 300_000
"""Milliseconds to wait for anything to appear."""

ADDRESS = re.compile(r"(http://127\.0\.0\.1:\d+/lab)/tree/notebooks/control\.ipynb\?")

AUTORESEARCH = [sys.executable, "-c", "from autoresearch_kit.ui import cli; cli.main()"]


def environment(home: Path) -> dict[str, str]:
    """Return an environment in which JupyterLab keeps its files in `home`."""
    folders = {"JUPYTERLAB_SETTINGS_DIR": home, "JUPYTER_CONFIG_DIR": home}
    folders["JUPYTER_RUNTIME_DIR"] = home / "runtime"
    return {**os.environ, **{name: str(folder) for name, folder in folders.items()}}


@contextmanager
def jupyter_lab(root: Path, home: Path) -> Iterator[str]:
    """Run `autoresearch lab` in the project at `root`, and yield its address."""
    for name, values in SETTINGS.items():
        path = home / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    argv = [*AUTORESEARCH, "lab", "--no-browser", "--allow-root", "--port=0", "--ip=127.0.0.1"]
    argv += ["--IdentityProvider.token=t", "--LabApp.expose_app_in_browser=True"]
    log = home / "lab.log"
    with log.open("wb") as file:
        server = subprocess.Popen(argv, cwd=root, env=environment(home), stdout=file, stderr=file)
        try:
            yield _address(server, log)
        finally:
            server.terminate()
            server.wait()


def _address(server: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + PATIENCE / 1000
    while not (printed := ADDRESS.search(log.read_text())):
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)
    return printed[1]


@contextmanager
def browser(width: int = 1280) -> Iterator[Page]:
    """Yield a page of a chromium without a window."""
    argv = ["--no-sandbox", "--disable-dev-shm-usage"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=argv)
        context = chromium.new_context(viewport={"width": width, "height": 1000})
        context.set_default_timeout(PATIENCE)  # of tabs that the page opens too
        yield context.new_page()
        chromium.close()


def open_notebook(page: Page, address: str, path: str) -> None:
    """Open a notebook and wait until its kernel answers."""
    page.goto(f"{address}/tree/{path}?reset&token=t")
    page.wait_for_function("window.jupyterapp !== undefined")
    page.evaluate("window.jupyterapp.restored")
    wait_for_file(page, path)
    page.evaluate(
        """async () => {
            const widget = window.jupyterapp.shell.currentWidget;
            await widget.context.ready;
            await widget.sessionContext.ready;
            await widget.sessionContext.session.kernel.info;
        }"""
    )


def wait_for_file(page: Page, path: str) -> None:
    """Wait until JupyterLab shows this file of the project."""
    page.wait_for_function(
        """path => {
            const context = window.jupyterapp?.shell.currentWidget?.context;
            return context?.path === path && context.isReady;
        }""",
        arg=path,
    )


def open_from_root(page: Page, name: str) -> str:
    """Open a file of the project's top folder by hand, close it, and return its first lines."""
    page.locator(".jp-BreadCrumbs-home").click()
    page.locator(".jp-DirListing-item", has_text=name).dblclick()
    wait_for_file(page, name)
    text = page.locator(".jp-FileEditor .cm-content").inner_text()
    page.evaluate("window.jupyterapp.commands.execute('application:close')")
    return text


def run_all(page: Page) -> None:
    """Run every cell."""
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")


def wait_for_all(page: Page) -> None:
    """Wait until every code cell has run."""
    page.wait_for_function(
        """() => Array.from(document.querySelectorAll(".jp-CodeCell .jp-InputArea-prompt"))
            .every(prompt => /^\\[\\d+\\]:$/.test(prompt.innerText.trim()))"""
    )


def restart_kernel(page: Page) -> None:
    """Restart the kernel, without the question that the menu asks."""
    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")


def errors(page: Page) -> list[str]:
    """Return the tracebacks that cells show."""
    return page.locator(".jp-OutputArea-output[data-mime-type*='error']").all_inner_texts()


def button(page: Page, name: str) -> Locator:
    """Return a widget's button by its words."""
    return page.locator("button.jupyter-button", has_text=re.compile(f"^{name}$"))


def screenshot(page: Page, path: Path, first: str = "", most: int = 8000) -> None:
    """Save a picture of the notebook, from the cell with the words `first`, `most` pixels high."""
    page.evaluate(
        "window.jupyterapp.shell.leftCollapsed || "
        "window.jupyterapp.commands.execute('application:toggle-left-area')"
    )
    scroller = page.locator(".jp-WindowedPanel-outer").first
    width = page.viewport_size["width"] if page.viewport_size else 1280
    height = int(scroller.evaluate("node => node.scrollHeight"))
    page.set_viewport_size({"width": width, "height": min(height + 150, 8000)})
    scroller.evaluate("node => { node.scrollTop = 0 }")
    page.mouse.move(0, 0)
    box = page.locator(".jp-Notebook-cell", has_text=first).first.bounding_box() if first else None
    area = scroller.bounding_box()
    assert area is not None
    top = box["y"] if box else area["y"]
    last = page.locator(".jp-Notebook-cell").last.bounding_box()
    bottom = last["y"] + last["height"] + 12 if last else area["y"] + height
    clip = FloatRect(x=area["x"], y=top, width=area["width"], height=min(bottom - top, most))
    page.screenshot(path=path, clip=clip)
    page.set_viewport_size({"width": width, "height": 1000})
