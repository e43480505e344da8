PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

GPU_REPORT ?= gpu-report
GPU_PYTHON ?= 3.12

.PHONY: demo examples test test-all check lab gpu gpu-wheels clean

demo: $(VENV)/installed  ## set up, then a short campaign of five experiments
	$(BIN)/autoresearch demo

examples: $(VENV)/installed  ## improve the tasks in examples/ a little, in a few minutes
	$(BIN)/python examples/improve.py

test: $(VENV)/installed  ## set up, then lint, types and every test but the slow ones
	$(MAKE) check
	$(BIN)/python -m pytest

test-all: $(VENV)/installed  ## what CI runs: the slow tests too; names those that took longest
	$(MAKE) check
	$(BIN)/python -m pytest -m alone -n 2 --dist loadfile --no-loadscope-reorder --durations=10
	$(BIN)/python -m pytest -m "not alone" -n 4 --dist loadfile --no-loadscope-reorder --durations=30

check: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lab: $(VENV)/installed  ## JupyterLab on the control notebook
	$(BIN)/autoresearch lab

gpu:  ## on a machine with a GPU, no network needed: install into $(PYTHON), which has torch; measure
	$(PYTHON) benchmarks/gpu.py --out $(GPU_REPORT)
	$(PYTHON) benchmarks/several_gpus.py

gpu-wheels: $(VENV)/installed  ## what `make gpu` installs on a machine without a network; THERE lists what it has
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/python benchmarks/collect_wheels.py --python $(GPU_PYTHON) $(if $(THERE),--there $(THERE))

# Byte code is made on all cores, where pip uses one; sandboxes can't make any. It is no failure that
# some packages have templates among their .py files.
$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --editable '.[lab,test]'
	$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true
	touch $@

clean:
	rm -rf $(VENV) .gpu-wheels gpu-report .mypy_cache .pytest_cache .ruff_cache
