"""Test which models a notebook may hand over.

Its code runs in a module called __main__, as in a kernel.
"""

import io
import mmap
import pickle
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from autoresearch_kit.errors import SubmissionError
from autoresearch_kit.training import submission

MODEL = """
import torch
from torch import nn

class GPT(nn.Module):
    def __init__(self, part=None):
        super().__init__()
        self.embed = nn.Embedding(8, 4)
        self.head = nn.Linear(4, 8, bias=False)
        self.blocks = nn.ModuleList([nn.Linear(4, 4)])
        self.blocks[0].cache = part

    def forward(self, x):
        return self.head(self.blocks[0](self.embed(x)))
"""


def notebook(code: str, **names: object) -> dict[str, object]:
    """Return the namespace after cells `MODEL` and `code` ran, with `names` in it at first."""
    namespace: dict[str, object] = {"__name__": "__main__", **names}
    exec(MODEL + code, namespace)
    return namespace


def pickled(namespace: Mapping[str, object]) -> nn.Module:
    file = io.BytesIO()
    submission.save(namespace["model"], file)
    loaded = pickle.loads(file.getvalue())
    assert isinstance(loaded, nn.Module)
    return loaded


@pytest.fixture(params=["generator", "file", "memmap", "view of a memmap", "mmap", "lock"])
def part(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[object]:
    """Yield something that can't, or must not, be pickled."""
    path = tmp_path / "tokens.bin"
    path.write_bytes(bytes(64))
    memmap = np.memmap(path, dtype=np.uint16, mode="r")
    with path.open("rb") as file:
        made: dict[str, object] = {
            "file": file,
            "generator": (i for i in range(3)),
            "memmap": memmap,
            "view of a memmap": np.asarray(memmap),
            "mmap": mmap.mmap(-1, 16),
            "lock": threading.Lock(),
        }
        yield made[request.param]


def test_a_culprit_in_an_attribute_is_named(part: object) -> None:
    names = notebook("model = GPT(part)", part=part)
    with pytest.raises(SubmissionError, match=r"model\.blocks\.0\.cache is or holds"):
        pickled(names)


def test_a_culprit_in_a_global_is_named(part: object) -> None:
    code = """
class Peeking(GPT):
    def forward(self, x):
        return [lookup for _ in range(1)]
model = Peeking()
"""
    with pytest.raises(SubmissionError, match=r"the global 'lookup' used by Peeking\.forward"):
        pickled(notebook(code, lookup=part))


def test_a_hook_with_an_open_file_is_refused(tmp_path: Path) -> None:
    code = """
model = GPT()
log = open(path, 'w')
model.head.register_forward_hook(lambda *_: print('x', file=log))
"""
    names = notebook(code, path=tmp_path / "log")
    with pytest.raises(SubmissionError, match=r"the global 'log' used by <lambda> .*an open file"):
        pickled(names)
    log = names["log"]
    assert isinstance(log, io.TextIOBase)
    log.close()


def test_a_model_predicts_the_same_after_the_journey() -> None:
    names = notebook("model = GPT(); model.head.weight = model.embed.weight")
    before, after = names["model"], pickled(names)
    assert isinstance(before, nn.Module)
    assert torch.equal(after(torch.arange(8)), before(torch.arange(8)))
    assert after.get_parameter("head.weight") is after.get_parameter("embed.weight")


@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated")
@pytest.mark.parametrize(
    "code",
    [
        "model = torch.compile(GPT())",
        "model = GPT(); model.blocks[0] = torch.compile(model.blocks[0])",
        "model = GPT(); model.compile()",
        "helper = torch.compile(torch.relu)\n"
        "class Helped(GPT):\n"
        "    def forward(self, x):\n"
        "        return helper(super().forward(x))\n"
        "model = Helped()",
        "@torch.compile\n"
        "def helper(x):\n"
        "    return x * 2\n"
        "class Helped(GPT):\n"
        "    def forward(self, x):\n"
        "        return helper(super().forward(x))\n"
        "model = Helped()",
    ],
    ids=["model", "block", "in place", "built-in", "decorated"],
)
def test_what_was_compiled_arrives_eager(code: str) -> None:
    model = pickled(notebook(code))
    assert "OptimizedModule" not in repr(model)
    assert model(torch.arange(8)).shape == (8, 8)


def test_pickling_can_be_tried_without_a_file() -> None:
    with tempfile.TemporaryFile() as file:
        model = notebook("model = GPT(file)", file=file)["model"]
        with pytest.raises(SubmissionError, match="an open file"):
            submission.save(model)
