"""Check tasks' folders: what is wrong is found without running anything."""

import json
import os
from pathlib import Path

import pytest

from autoresearch_kit.notebook.cells import Cell
from autoresearch_kit.records import Metric, Task
from autoresearch_kit.tasks.measured.check import problems
from autoresearch_kit.tasks.measured.measure_notebook import measure_problems
from tests.tasks.measured.folders import SHORT, scaffolded, write_task

TASK = Task("toy", (Metric("error"), Metric("speed")), ("error",))


def measuring(source: str, task: Task = TASK) -> list[str]:
    return list(measure_problems([Cell("measure", source)], task))


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_new_task_has_nothing_to_mend(tmp_path: Path) -> None:
    scaffolded(tmp_path)
    assert problems(tmp_path, "toy") == []


def test_all_files_are_checked_at_once(tmp_path: Path) -> None:
    folder = scaffolded(tmp_path)
    replace_in(folder / "task.toml", "zero_is_floor = true", "zero_is_floor = 1")
    replace_in(folder / "train.ipynb", "SEED = 0", "SEEDS = 0")
    (folder / "data" / "out").symlink_to("/etc/passwd")
    found = "\n".join(problems(tmp_path, "toy"))
    assert "toy/task.toml, [[metrics]] 1: zero_is_floor is 1" in found
    assert "toy/train.ipynb: cell 'parameters' gives no value to SEED" in found
    assert "toy/data/out is a link" in found


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("run.submit(model)", "print(model)", "'submit' does not call run.submit(), which hands"),
        ("run = measured.start(", "run = start(", "'setup' does not call measured.start()"),
        ('"name": "setup"', '"name": "set-up"', "no locked cell 'setup'"),
        ("TRAIN_SECONDS = 5.0", "pass", "write there: SEED = 0; TRAIN_SECONDS = 300.0"),
        ("model = Model()", "model = Modell()", "no cell defines 'Modell'"),
    ],
)
def test_a_training_notebook_is_told_what_it_lacks(
    old: str, new: str, words: str, tmp_path: Path
) -> None:
    replace_in(scaffolded(tmp_path) / "train.ipynb", old, new)
    assert any(words in each for each in problems(tmp_path, "toy"))


def test_paths_that_training_is_to_see_must_be_there(tmp_path: Path) -> None:
    scaffolded(tmp_path)
    replace_in(tmp_path / "toy" / "task.toml", "sees = []", 'sees = ["/nowhere"]')
    [found] = problems(tmp_path, "toy")
    assert "toy/task.toml: sees /nowhere, which is not on this machine" in found


def test_training_is_to_see_nothing_of_the_project(tmp_path: Path) -> None:
    scaffolded(tmp_path)
    replace_in(tmp_path / "toy" / "task.toml", "sees = []", f'sees = ["{tmp_path.parent}"]')
    [found] = problems(tmp_path, "toy")
    assert f"sees {tmp_path.parent}, and the project with all that is hidden is {tmp_path}" in found


def test_a_measuring_notebook_is_read_beside_a_wrong_task_file(tmp_path: Path) -> None:
    folder = scaffolded(tmp_path)
    replace_in(folder / "task.toml", "train_seconds = 5", "train_seconds = 0")
    replace_in(folder / "measure.ipynb", "import numpy as np", "import numpy as")
    assert [each.partition(":")[0] for each in problems(tmp_path, "toy")] == [
        "toy/task.toml", "toy/measure.ipynb",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_what_is_no_plain_file_is_not_read(kind: str, tmp_path: Path) -> None:
    path = scaffolded(tmp_path) / "more.py"
    os.mkfifo(path) if kind == "pipe" else path.symlink_to(path)
    assert problems(tmp_path, "toy") == [
        "toy/more.py is no plain file, or a link to nothing; remove it"
    ]


def test_a_link_is_named_by_what_it_leads_to(tmp_path: Path) -> None:
    scaffolded(tmp_path)
    (tmp_path / "words").symlink_to("/usr")
    replace_in(tmp_path / "toy" / "task.toml", "sees = []", f'sees = ["{tmp_path}/words"]')
    [found] = problems(tmp_path, "toy")
    assert found.endswith("words, a link to /usr: name that, runs see it by no other name")


def test_hidden_files_that_runs_see_too_are_named(tmp_path: Path) -> None:
    folder = scaffolded(tmp_path)
    (folder / "data" / "all.npz").write_bytes((folder / "hidden/audit/test.npz").read_bytes())
    assert problems(tmp_path, "toy") == [
        "toy/hidden/audit/test.npz is also in data/all.npz, which runs see; remove it from one of "
        "them"
    ]


def test_a_notebook_in_another_language_is_refused(tmp_path: Path) -> None:
    path = scaffolded(tmp_path) / "measure.ipynb"
    notebook = json.loads(path.read_text())
    spec = {"name": "ir", "display_name": "R", "language": "R"}
    path.write_text(json.dumps(notebook | {"metadata": {"kernelspec": spec}}))
    (found,) = problems(tmp_path, "toy")
    assert found.startswith("toy/measure.ipynb: its language is 'r'; the kit runs notebooks of Pyt")


def test_a_folder_needs_both_notebooks(tmp_path: Path) -> None:
    write_task(tmp_path)
    found = problems(tmp_path, "toy")
    assert "no notebook at" in found[0]
    assert "or name a command: measure = ... in task.toml" in found[1]


@pytest.mark.parametrize(
    ("toml", "mode", "words"),
    [
        ('measure = "./gone.sh"', 0o755, "there is no ./gone.sh in the folder"),
        ('measure = "./x.sh --fast"', 0o644, "./x.sh is no program yet; chmod +x"),
        ('measure = "sh x.sh"\nchecks = "./c.sh"', 0o755, 'checks = "./c.sh": there is no ./c.sh'),
        (
            'measure = "sh x.sh"\nobjectives = ["inference_seconds"]',
            0o755,
            "inference_seconds is not measured where a command measures; leave it out",
        ),
    ],
)
def test_a_command_must_be_there(toml: str, mode: int, words: str, tmp_path: Path) -> None:
    folder = write_task(tmp_path, f"{toml}\n{SHORT}", **{"x.sh": "exit 0"})
    (folder / "x.sh").chmod(mode)
    assert any(words in each for each in problems(tmp_path, "toy"))


@pytest.mark.parametrize("command", ["'./my x.sh'", "$PWD/x.sh", "./x.sh;"])
def test_a_command_that_a_shell_must_read_is_believed(command: str, tmp_path: Path) -> None:
    write_task(tmp_path, f'measure = "{command}"\n{SHORT}')
    assert not [each for each in problems(tmp_path, "toy") if "measure =" in each]


def test_a_command_leaves_no_use_for_a_measuring_notebook(tmp_path: Path) -> None:
    folder = scaffolded(tmp_path)
    replace_in(folder / "task.toml", "train_seconds = 5", 'measure = "sh x.sh"')
    assert problems(tmp_path, "toy") == [
        "toy/measure.ipynb is not used where task.toml has measure = ...; remove one of them"
    ]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("x = 1", "never calls measure.report; the last cell should"),
        ("measure.report(error=1)", "never reports speed; add speed=..."),
        ("measure.report(error=1, speed=2, sped=3)", "reports sped, which is no metric"),
        ("x = = 1", "cell 'measure', line 1: invalid syntax: x = = 1"),
    ],
)
def test_a_measuring_notebook_must_report_each_metric(source: str, words: str) -> None:
    (found,) = measuring(source)
    assert words in found


def test_a_metric_in_microseconds_is_found_in_the_code() -> None:
    task = Task("toy", (Metric("\u00b5s"),), ("\u00b5s",))
    assert measuring("measure.report(\u00b5s=1)", task) == []


@pytest.mark.parametrize(
    "source",
    [
        "measure.report(error=1)\nmeasure.report(speed=2, speed_se=0.1)",
        "measure.report(**values)",
        "%run other.py",
        "measure.report?\n!ls",
    ],
)
def test_what_the_code_does_not_show_is_left_to_the_run(source: str) -> None:
    assert measuring(source) == []


@pytest.mark.parametrize(
    "call",
    [
        "import pickle\npickle.load(open(path, 'rb'))",
        "from pickle import loads as read\nread(path.read_bytes())",
        "import torch as t\nt.load(path, weights_only=False)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "import joblib\njoblib.load(path)",
        "import pandas as pd\npd.read_pickle(path)",
        "exec(path.read_text())",
        "import sys\nsys.path.insert(0, str(path))",
    ],
)
def test_files_that_a_run_left_are_never_read_as_code(call: str) -> None:
    report = "\nmeasure.report(error=1, speed=1)"
    found = measuring(f"path = measure.output / 'x'\n{call}{report}")
    assert len(found) == 1
    assert "can run code that is in a file; files in measure.output are unreviewed" in found[0]
    assert measuring(f"path = measure.hidden / 'x'\n{call}{report}") == []
    trusted = Task("toy", TASK.metrics, ("error",), trusted=True)
    assert measuring(f"path = measure.output / 'x'\n{call}{report}", trusted) == []


def test_numbers_that_a_run_left_may_be_read() -> None:
    source = (
        "import numpy as np\nimport torch\n"
        "a = np.load(measure.output / 'a.npy')\nb = torch.load(measure.output / 'b.pt')\n"
        "b.eval()\nmeasure.report(error=1, speed=1)"
    )
    assert measuring(source) == []


def test_modules_beside_the_measuring_notebook_are_read_too(tmp_path: Path) -> None:
    folder = scaffolded(tmp_path)
    (folder / "reading.py").write_text("import pickle\npickle.load(measure.output)\n")
    (found,) = problems(tmp_path, "toy")
    assert found.startswith("toy/reading.py: pickle.load(measure.output) can run code")
