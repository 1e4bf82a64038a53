# Every target works from a fresh clone: it first makes the virtual environment that it needs.
#   make demo, make test       run the demonstration; run all tests
#   make smoke, make lint      the checks to run before each commit
#   make format                format, fix what ruff can fix, write the generated files anew
#   make oracle                compare with PyTorch, in an environment of its own
#   make shape                 the sizes of rooms, files and functions; BASE=main also shows what has changed
# PYTHON=/path/to/python3 chooses the interpreter, WORKERS=4 the number of test processes,
# ARGS="--epochs 3" goes to the demonstration.

PYTHONS = $(or $(PYTHON),python3.13 python3.12 python3.11 python3)
WORKERS ?= auto
INSTALL = -m pip install --quiet --disable-pip-version-check
COMPILE = -m compileall -q src
BIN = .venv/bin
PYTEST = $(BIN)/python -m pytest -q
SMOKE = $(addprefix tests/test_,smoke.py size.py data.py module.py)
# What has no part in how operations are run, or chooses that itself, need not be run in each mode.
ONCE = $(addprefix tests/test_, budgets.py cli.py compile.py compile_programs.py contraction.py conv_kernels.py docs.py \
    examples.py explain.py fusion.py generator.py kernel_cache.py native_training.py nest.py ops.py passes.py profiler.py \
    reference_kernels.py reference_special.py runtime.py scalar.py sorting_kernels.py)
AGAIN = $(filter-out $(ONCE),$(wildcard tests/test_*.py))
NATIVE = $(addprefix tests/test_, attention.py autograd.py core.py function.py functional.py functions.py nn_layers.py \
    op_programs.py ops.py optim.py programs.py rnn.py smoke.py)
PEERS = $(addprefix tests/oracle/test_, functional.py programs.py)
TORCH = torch==2.13.0

.PHONY: demo test smoke lint format oracle shape clean

demo: .venv/demo-installed
	@$(BIN)/python $(COMPILE)
	$(BIN)/flambeau demo $(ARGS)

test: .venv/dev-installed
	@$(BIN)/python $(COMPILE)
	$(PYTEST) -n $(WORKERS)
	FLAMBEAU_MODE=compile $(PYTEST) -n $(WORKERS) $(NATIVE)
	FLAMBEAU_MODE=eager $(PYTEST) -n $(WORKERS) $(AGAIN)

smoke: .venv/dev-installed
	$(PYTEST) -m 'not slow' $(SMOKE)

lint: .venv/dev-installed
	$(BIN)/ruff format --check --quiet --diff
	$(BIN)/ruff check --quiet
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: .venv/dev-installed
	$(BIN)/ruff check --quiet --fix
	$(BIN)/ruff format --quiet
	$(BIN)/python tools/exports.py
	$(BIN)/python tools/stubs.py
	$(BIN)/python tools/coverage.py

shape: .venv/dev-installed
	@$(BIN)/python tools/shape.py $(if $(BASE),--base $(BASE))

# Where PyTorch cannot be installed there is nothing to compare with, which is no failure of Flambeau.
oracle: .venv-oracle/dev-installed
	@.venv-oracle/bin/python $(COMPILE)
	@if .venv-oracle/bin/python $(INSTALL) $(TORCH); then \
	    .venv-oracle/bin/python -m pytest -q -n $(WORKERS) tests/oracle && \
	    FLAMBEAU_MODE=compile .venv-oracle/bin/python -m pytest -q -n $(WORKERS) $(PEERS); \
	else \
	    echo "oracle: skipped, $(TORCH) could not be installed"; \
	fi

clean:
	rm -rf .venv .venv-oracle .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
	find src tests tools -name __pycache__ -prune -exec rm -rf {} +

.venv/demo-installed: pyproject.toml | .venv/bin/python
	$(BIN)/python $(INSTALL) --editable '.[demo]'
	@touch $@

.venv/dev-installed .venv-oracle/dev-installed: %/dev-installed: pyproject.toml | %/bin/python
	$*/bin/python $(INSTALL) --editable '.[dev]'
	@touch $@ $*/demo-installed

.venv/bin/python .venv-oracle/bin/python: %/bin/python:
	@for python in $(PYTHONS); do \
	    if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "$$python -m venv $*"; exec $$python -m venv $*; \
	    fi; \
	done; \
	echo "Flambeau needs Python 3.11 or newer with its venv module; none of these is one: $(PYTHONS)." >&2; \
	echo "Install it, or name it: make PYTHON=/path/to/python3" >&2; exit 1
