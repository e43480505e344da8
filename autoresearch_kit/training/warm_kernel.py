"""Start the kernel of a run before its turn: `python -P -m` this, like ipykernel_launcher.

It has imported what every training notebook imports first, touches no GPU before its turn, and ends
with its runner.
"""

import runpy

from autoresearch_kit.execution.processes.starter import (
    end_with_starter,
    without_garbage_collection,
)

if __name__ == "__main__":
    end_with_starter()

with without_garbage_collection():
    import torch  # noqa: F401

    import autoresearch_kit.training.kernel
    import autoresearch_kit.training.measured  # noqa: F401

if __name__ == "__main__":
    runpy.run_module("ipykernel_launcher", run_name="__main__")
