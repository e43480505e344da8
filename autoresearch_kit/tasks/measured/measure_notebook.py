"""The requirements for `measure.ipynb`, as far as its code shows whether they are met.

What a run handed over as files was written by unreviewed code. Where a measurement touches such
files, it must not read anything in a way that can run code: that could report any number.
"""

import ast
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from autoresearch_kit.notebook.cells import Cell
from autoresearch_kit.notebook.syntax import nodes_of, parse_cell, syntax_problem
from autoresearch_kit.records import Task
from autoresearch_kit.tasks.measured.task_file import STANDARD_ERROR

REPORT = "report"
OUTPUT = "output"

UNPICKLES = frozenset({
    "cloudpickle.load", "cloudpickle.loads", "dill.load", "dill.loads", "joblib.load",
    "marshal.load", "marshal.loads", "pandas.read_pickle", "pickle.Unpickler", "pickle.load",
    "pickle.loads", "shelve.open", "yaml.unsafe_load",
})  # fmt: skip
RUNS = frozenset({
    "__import__", "compile", "eval", "exec", "importlib.import_module", "runpy.run_module",
    "runpy.run_path", "sys.path.append", "sys.path.insert",
})  # fmt: skip

SAFE_WAYS = (
    "files in measure.output are unreviewed: have the run save numbers (.npy, .json, "
    ".safetensors), or submit an object and call measure.predict; or set trusted = true in "
    "task.toml"
)


def measure_problems(cells: Sequence[Cell], task: Task | None) -> Iterator[str]:
    """Yield what is wrong with a measuring notebook; without its task, only what is no Python."""
    code = [cell for cell in cells if not cell.markdown]
    named = [replace(cell, name=cell.name or str(number)) for number, cell in enumerate(code, 1)]
    python = list(map(without_magic, named))
    if syntax := list(filter(None, (syntax_problem(each.name, each.source) for each in python))):
        yield from syntax
    if syntax or task is None:
        return
    trees = [parse_cell(each.name, each.source) for each in python]
    yield from _report_problems(trees, task, all_read=python == named)
    if not task.trusted:
        yield from unsafe_reads(trees)


def without_magic(cell: Cell) -> Cell:
    """Return a cell with the calls that IPython makes of its magic and shell lines."""
    if not syntax_problem(cell.name, cell.source):
        return cell
    from IPython.core.inputtransformer2 import TransformerManager  # most notebooks need it not

    with suppress(SyntaxError):
        return replace(cell, source=TransformerManager().transform_cell(cell.source))
    return cell


def unsafe_reads(trees: Sequence[ast.Module]) -> Iterator[str]:
    """Yield the calls that run code out of files, in code that touches what was handed over."""
    nodes = [node for tree in trees for node in nodes_of(tree)]
    if not any(isinstance(node, ast.Attribute) and node.attr == OUTPUT for node in nodes):
        return
    names = _imported(nodes)
    for node in nodes:
        if isinstance(node, ast.Call) and _runs_code(node, names):
            yield f"{ast.unparse(node)[:80]} can run code that is in a file; {SAFE_WAYS}"


def _report_problems(trees: Sequence[ast.Module], task: Task, *, all_read: bool) -> Iterator[str]:
    """Yield metrics that are not reported, and others that are, where the code says which."""
    nodes = [node for tree in trees for node in nodes_of(tree)]
    calls = [node for node in nodes if isinstance(node, ast.Call) and _is_report(node)]
    keywords = [keyword for call in calls for keyword in call.keywords]
    given = dict.fromkeys(keyword.arg for keyword in keywords if keyword.arg)
    # the syntax tree has names as Python spells them
    metrics = [unicodedata.normalize("NFKC", metric.name) for metric in task.metrics]
    allowed = {*metrics, *(f"{name}{STANDARD_ERROR}" for name in metrics)}
    for name in given:
        if name not in allowed:
            yield f"reports {name}, which is no metric of task.toml; there: {', '.join(metrics)}"
    if not calls and all_read:
        first = f"measure.{REPORT}({metrics[0]}=...)"
        yield f"never calls measure.{REPORT}; the last cell should, as in {first}"
    elif all_read and all(keyword.arg for keyword in keywords):
        for name in metrics:
            if name not in given:
                yield f"never reports {name}; add {name}=... to measure.{REPORT}(...)"


def _is_report(call: ast.Call) -> bool:
    match call.func:
        case ast.Attribute(attr="report") | ast.Name(id="report"):
            return True
    return False


def _imported(nodes: Sequence[ast.AST]) -> Mapping[str, str]:
    """Return what imported names stand for, in full."""
    names: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {each.asname: each.name for each in node.names if each.asname}
        elif isinstance(node, ast.ImportFrom):
            names |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
    return names


def _runs_code(call: ast.Call, names: Mapping[str, str]) -> bool:
    first, dot, rest = ast.unparse(call.func).partition(".")
    name = f"{names.get(first, first)}{dot}{rest}"
    options = {each.arg: ast.unparse(each.value) for each in call.keywords}
    if name == "torch.load":
        return options.get("weights_only", "True") != "True"
    if name == "numpy.load":
        return options.get("allow_pickle", "False") != "False"
    if name == "yaml.load":
        return "safe" not in options.get("Loader", "").lower()
    return name in UNPICKLES | RUNS
