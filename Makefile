# What one does with this repository. `make` alone lists it.
#
# Recipes start the last program of a line with `exec`: make then signals the program itself, not a shell around it,
# so that ending make ends what it runs.

PYTHON ?= python3
PYTEST_ARGS ?=
INSTALLED := .venv/.installed
NPM := .venv/bin/python -m local.node npm --prefix demo_client
HUB := demo_client/node_modules/.served
HUB_TOOLS := demo_client/node_modules/.checked
COMPILE := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-header
SOURCES := $(wildcard api worker baseline client bench service workloads protocol local migrations tests)

.DEFAULT_GOAL := help
.PHONY: help up check-migrations test unit bench compare compose-test screenshots chaos check check-hub fmt lock upgrade install hub clean clean-data

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: $(INSTALLED) $(HUB) ## run everything on this machine: servers, migrations, api, worker, baseline, demo hub (Ctrl-C ends it)
	@exec .venv/bin/python -m local up

test: $(INSTALLED) $(HUB_TOOLS) ## every test but the benchmarks and those of compose, against servers of its own
	@exec $(NPM) run --silent test
	@exec .venv/bin/python -m pytest -n 2 --dist loadfile --benchmark-disable -m "not benchmark and not compose" $(PYTEST_ARGS)

unit: $(INSTALLED) ## the tests that need no server
	@exec .venv/bin/python -m pytest -n 2 --benchmark-disable -m "not servers and not benchmark and not compose" $(PYTEST_ARGS)

bench: $(INSTALLED) ## the benchmarks: they measure and assert nothing about time
	@exec .venv/bin/python -m pytest -m benchmark $(PYTEST_ARGS)

compare: $(INSTALLED) ## measure the event-driven side and the polling one, of what `make up` runs (ARGS="--strategy long")
	@exec .venv/bin/python -m bench compare --url http://127.0.0.1:$(or $(HUB_PORT),8080) $(ARGS)

compose-test: $(INSTALLED) ## docker compose up, scaled, restarted and killed under load (needs a Docker engine)
	@exec .venv/bin/python -m pytest -m compose --benchmark-disable tests/compose $(PYTEST_ARGS)

screenshots: $(INSTALLED) ## the pictures of demo_guide.md, of the hub that runs on HUB_PORT (8080)
	@exec .venv/bin/python -m tests.browser.screenshots --url http://127.0.0.1:$(or $(HUB_PORT),8080)

chaos: $(INSTALLED) ## a storm of faults under load, then proof that nothing was lost (SEED=7 TASKS=300 SECONDS=120 CLUSTER=1)
	@exec .venv/bin/python -m tests.chaos.storm $(if $(SEED),--seed $(SEED)) --tasks $(or $(TASKS),300) --seconds $(or $(SECONDS),120) \
		$(if $(CLUSTER),--cluster)

check: $(INSTALLED) check-hub ## lint, format, types, import rules, and whether the migrations match the tables
	@exec .venv/bin/ruff check
	@exec .venv/bin/ruff format --check
	@exec .venv/bin/mypy $(SOURCES)
	@exec .venv/bin/lint-imports
	@exec .venv/bin/python -m local check-migrations
	@docker compose version >/dev/null 2>&1 || exit 0; exec docker compose config --quiet

check-hub: $(HUB_TOOLS) ## only the browser's part of check: types and lint
	@exec $(NPM) run --silent types
	@exec $(NPM) run --silent lint

check-migrations: $(INSTALLED) ## only the last part of check: migrate an empty database and compare
	@exec .venv/bin/python -m local check-migrations

fmt: $(INSTALLED) $(HUB_TOOLS) ## format, and fix what ruff and biome can fix
	@exec .venv/bin/ruff check --fix --exit-zero --quiet
	@exec .venv/bin/ruff format
	@exec $(NPM) run --silent format

lock: $(INSTALLED) ## lock requirements/*.in again, keeping the versions that still fit
	@exec $(COMPILE) requirements/run.in --output-file requirements/run.txt
	@exec $(COMPILE) requirements/dev.in --constraint requirements/run.txt --output-file requirements/dev.txt

upgrade: $(INSTALLED) ## lock the newest versions of everything
	@exec $(COMPILE) --upgrade requirements/run.in --output-file requirements/run.txt
	@exec $(COMPILE) --upgrade requirements/dev.in --constraint requirements/run.txt --output-file requirements/dev.txt

install: $(INSTALLED) ## make the virtual environment from the lock (the other targets do it when it is needed)

# The stamp is written last. Without it the environment is one that was never finished, and is made anew.
$(INSTALLED): requirements/dev.txt
	@exec $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@test -e $@ || exec rm -rf .venv
	@rm -f $@
	@echo "Installing the locked dependencies into .venv (once; about a minute)"
	@test -d .venv || exec $(PYTHON) -m venv .venv
	@exec .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@exec touch $@

hub: $(HUB) ## install what the demo hub serves from npm (make up does it when it is needed)

# npm removes node_modules, and with it both stamps, before it installs: what has the tools has what is served too.
$(HUB): demo_client/package-lock.json demo_client/vendor.mjs | $(INSTALLED)
	@exec $(NPM) ci --silent --omit=dev
	@exec touch $@

$(HUB_TOOLS): demo_client/package-lock.json demo_client/vendor.mjs | $(INSTALLED)
	@exec $(NPM) ci --silent
	@exec touch $(HUB) $@

clean: ## remove the virtual environment and every cache; the data stays
	@rm -rf .venv demo_client/node_modules demo_client/site/vendor .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .benchmarks
	@find . -name __pycache__ -type d -not -path './.local/*' -prune -exec rm -rf {} +

clean-data: $(INSTALLED) ## remove the data that `make up` keeps in LOCAL_DIR (.local)
	@exec .venv/bin/python -m local clean-data
