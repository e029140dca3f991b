# `make demo` and `make test` are all that a newcomer needs; `make help` lists the rest.
PYTHON ?= python3
PORT ?= 8080
VENV := .venv
BIN := $(VENV)/bin
# On a machine without a GPU the CPU build of torch saves some gigabytes:
#   make install TORCH_INDEX=https://download.pytorch.org/whl/cpu
PIP := $(BIN)/python -m pip --disable-pip-version-check
INDEX := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.DEFAULT_GOAL := help
.PHONY: help install demo test lint types clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }

# One stamp for each set of extras: installed again only when pyproject.toml changes.
$(VENV)/.installed-%: $(BIN)/python pyproject.toml
	@echo "Installing Magic Pencil ($*); torch is large, so the first time takes some minutes."
	@$(PIP) install --quiet $(INDEX) -e ".[$*]"
	@touch $@

install: $(VENV)/.installed-base ## Make .venv with the magic-pencil command
$(VENV)/.installed-base: $(BIN)/python pyproject.toml
	@echo "Installing Magic Pencil; torch is large, so the first time takes some minutes."
	@$(PIP) install --quiet $(INDEX) -e .
	@touch $@

demo: $(VENV)/.installed-demo ## The real bot in the browser, offline (PHOTOS=folder, ONCE=drawing.png, PORT=8080)
	@PORT=$(PORT) $(BIN)/magic-pencil demo $(if $(PHOTOS),--photos "$(PHOTOS)") $(if $(ONCE),--once "$(ONCE)") $(if $(OUT),--out "$(OUT)")

test: $(VENV)/.installed-test ## Run all tests; as root on Debian, Chromium is installed for those of the pages
	@tests/get-chromium
	@$(BIN)/python -m pytest -n auto $(ARGS)

lint: $(VENV)/.installed-test ## Style, and which room may import from which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.installed-test ## Types, strictly
	$(BIN)/mypy

clean: ## Remove .venv and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
