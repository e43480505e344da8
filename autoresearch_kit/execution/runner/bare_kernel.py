"""The kernel of a run, started as `python -P -m` this module; it ends with its runner."""

import runpy

from autoresearch_kit.execution.processes.starter import end_with_starter

if __name__ == "__main__":
    end_with_starter()
    runpy.run_module("ipykernel_launcher", run_name="__main__")
