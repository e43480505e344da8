PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test test-all check lab clean

demo: $(VENV)/installed  ## set up, then a short campaign of five experiments
	$(BIN)/autoresearch prepare stdlib
	$(BIN)/autoresearch demo

test: $(VENV)/installed  ## set up, then lint, types and every test but the slow ones
	$(MAKE) check
	$(BIN)/python -m pytest

test-all: $(VENV)/installed  ## what CI runs: the slow tests too, with branch coverage
	$(MAKE) check
	$(BIN)/python -m pytest -m "slow or not slow" -n 4 --dist loadfile --no-loadscope-reorder --cov --cov-report=term

check: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lab: $(VENV)/installed  ## JupyterLab on the control notebook
	$(BIN)/autoresearch lab

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[lab,test]'
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .coverage*
