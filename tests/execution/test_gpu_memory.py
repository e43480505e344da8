"""Real runs with a driver whose GPU fills up while it is looked at."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.execution.launch import execute
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.records import Accelerator, Reason, Run
from tests.execution.notebooks import make_spec, notebook

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("cc") is None or sys.platform != "linux", reason="no C compiler, or not Linux"
    ),
]

DRIVER = r"""
#include <string.h>
typedef unsigned int u;
static unsigned long long used = 1000000000ULL;
int nvmlInitWithFlags(u flags) { return 0; }
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetCount_v2(u *count) { *count = 1; return 0; }
int nvmlDeviceGetHandleByIndex_v2(u index, void **gpu) { *gpu = (void *)"GPU-7"; return 0; }
int nvmlDeviceGetUUID(void *gpu, char *out, u n) { strncpy(out, gpu, n); return 0; }
int nvmlDeviceGetMemoryInfo(void *gpu, unsigned long long *bytes) {
    bytes[0] = 80000000000ULL; bytes[1] = bytes[0] - used; bytes[2] = used;
    used = used < 10000000000ULL ? used + 3000000000ULL : used; /* with each look, up to 10 GB */
    return 0;
}
"""

ITS_GPU = Accelerator("cuda", (9, 0), 80_000.0, uuid="GPU-7")
"""What that driver has. The notebooks here do not look whether torch sees it."""

CLAIMS = """
import json, os
work = os.environ['AUTORESEARCH_WORK']
open(work + '/submission.pkl', 'wb').close()
with open(work + '/part', 'w') as file:
    claim = {'steps': 7, 'tokens': 70, 'compile_seconds': 0.0, 'gpu_allocated_mb': CLAIMED}
    json.dump(claim, file)
os.rename(work + '/part', work + '/submission.json')
"""


@pytest.fixture(autouse=True)
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "driver"
    folder.mkdir()
    build = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(folder / "libnvidia-ml.so.1")]
    subprocess.run(build, input=DRIVER, text=True, check=True)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(folder))


def run(folder: Path, train: str, claimed: float, allowed: float | None) -> Run:
    book = notebook(train, submit=CLAIMS.replace("CLAIMED", str(claimed)))
    level = bubblewrap.level()
    spec = make_spec(folder, book, sandbox=level, train_seconds=60, gpu_memory_mb=allowed)
    return execute(replace(spec, gpu=ITS_GPU))


def test_a_run_over_its_gpu_memory_is_ended(tmp_path: Path) -> None:
    ended = run(tmp_path, "import time\ntime.sleep(60)", 0.0, allowed=5000.0)
    assert ended.failure is Reason.OUT_OF_MEMORY
    assert ended.detail == "6,000 MB of the GPU's memory used, 5,000 MB allowed"
    assert ended.gpu_mb == 6000.0


def test_the_allocators_claim_is_bounded(tmp_path: Path) -> None:
    ended = run(tmp_path, "", 1e300, allowed=None)
    assert ended.gpu_allocated_mb == 80000.0
    assert ended.gpu_mb in (3000.0, 6000.0, 9000.0)
