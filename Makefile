# Everything a newcomer needs: `make demo` shows qks at work, `make test` runs every check.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test clean

demo: $(VENV)/installed
	rm -rf $(VENV)/demo && mkdir -p $(VENV)/demo
	QKS_DB=$(VENV)/demo/library.db $(BIN)/qks tag examples/photos --format table
	QKS_DB=$(VENV)/demo/library.db $(BIN)/qks search "a cup of coffee" --limit 3 --format table

test: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -e .
	touch $@

$(VENV)/installed-dev: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -e '.[dev]'
	touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) dist build
