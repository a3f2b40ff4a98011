# The whole of a newcomer's life: `make serve` and `make test`. Both set up .venv on first use.
PYTHON ?= python3.11
VENV := .venv
STAMP := $(VENV)/.installed

.PHONY: install serve test check clean docs docs-serve

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt pip setuptools wheel
	$(VENV)/bin/python -m pip install --quiet --only-binary=tokenizers --constraint constraints.txt torch
	$(VENV)/bin/python -m pip install --quiet --only-binary=tokenizers --no-build-isolation --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

install: $(STAMP) ## Create .venv with the pinned dependencies

serve: install ## Start the service with the embedded demo model on 127.0.0.1:8000
	$(VENV)/bin/trimtab serve

test: install ## Lint, types, import rules and the whole test suite
	scripts/check
	scripts/test

check: install ## ruff, strict mypy, import-linter
	scripts/check

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .coverage

docs: install ## Build the documentation's site into build/site
	$(VENV)/bin/python -m docs_site build

docs-serve: install ## Serve the documentation's site on localhost:8001 and follow changes
	$(VENV)/bin/python -m docs_site serve
