# Everything a newcomer needs: `make demo` shows qks at work, `make test` runs every check.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := $(VENV)/demo
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test docs clean

# The demo's library and cache stay inside the environment; the light install has no torch.
demo: export QKS_DB := $(DEMO)/library.db
demo: export QKS_CACHE := $(DEMO)/cache
demo: $(VENV)/installed
	@rm -rf $(DEMO) && mkdir -p $(DEMO)
	$(BIN)/qks tag examples/photos --format table
	$(BIN)/qks search flowers --limit 3 --format table
	@printf '%s\n' '' 'qks is installed at $(abspath $(BIN)/qks). To tag your own photos:' \
		'    $(abspath $(BIN)/qks) tag ~/Photos' '`make clean` removes it again.'

test: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto --dist loadgroup

# The site, into site/. No --quiet: with it mkdocs hides warnings from --strict, too. The variable keeps
# a notice of the theme about its successor off the screen.
docs: $(VENV)/installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

$(VENV)/installed: pyproject.toml hatch_build.py
	$(PYTHON) -m venv $(VENV)
	QKS_LIGHT=1 $(BIN)/pip install --quiet -e .
	@touch $@

$(VENV)/installed-dev: pyproject.toml hatch_build.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -e '.[dev]'
	@touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) dist build site
