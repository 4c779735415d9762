# For newcomers: make demo, make dashboard, make test, make dev.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UMG_HOME ?= $(CURDIR)/umg_home
export UMG_HOME

comma := ,
define install
	@if command -v uv >/dev/null 2>&1; then \
		VIRTUAL_ENV=$(CURDIR)/$(VENV) uv pip install -q --compile-bytecode -c constraints.txt -e '.[$(1)]'; \
	else \
		$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[$(1)]'; \
	fi
endef

.PHONY: demo dashboard test test-all dev lint bench bench-experiments bench-ledger soak clean
.DEFAULT_GOAL := demo

$(VENV)/.made: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 ..." if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the versions that constraints.txt pins (once) ..."
	$(call install,dev)
	@touch $@

$(VENV)/.made-all: $(VENV)/.made
	@echo "Installing what only the exhaustive tests need (once) ..."
	$(call install,dev$(comma)exhaustive)
	@touch $@

demo: $(VENV)/.made
	@$(BIN)/umg demo

dashboard: $(VENV)/.made
	@$(BIN)/umg dashboard

test: $(VENV)/.made
	@$(BIN)/python -m umg_assets_tests

test-all: $(VENV)/.made-all
	@$(BIN)/python -m umg_assets_tests --all

dev: $(VENV)/.made
	@$(BIN)/umg dev

lint: $(VENV)/.made
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright

bench: $(VENV)/.made
	@$(BIN)/python -m bench

bench-experiments: $(VENV)/.made
	@$(BIN)/python -m bench.experiments

bench-ledger: $(VENV)/.made
	@$(BIN)/python -m bench.ledger

soak: $(VENV)/.made
	@$(BIN)/python -m soak --minutes $(or $(MINUTES),20) --seed $(or $(SEED),7)

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .hypothesis
	@echo "UMG_HOME ($(UMG_HOME)) holds data: remove it yourself if you mean it"
