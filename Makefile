# Two commands: `make demo` does the main job, `make test` passes the tests. Both do all the set-up themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
LOCK := uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml
# What a hundred processes of one run import is compiled once, whatever the shell says.
unexport PYTHONDONTWRITEBYTECODE
OURS := --no-emit-package rotator --no-emit-package rotator-sandbox

.PHONY: demo test shuffle test-providers verifiers test-gateways check field faults fuzz bench mutants audit chart-test generate pictures docs lock clean help
help: ## say what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

# Pinned with hashes; the stamp makes a second run free.
$(VENV)/.ready: requirements-dev.txt pyproject.toml sandbox/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("rotator needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . -e sandbox
	@touch $@

demo: $(VENV)/.ready ## rotate real credentials under real traffic, on this machine (ARGS='--json --seed 7')
	@$(BIN)/rotator demo $(ARGS)

test: check ## all tests that need no provider's own server or SDK
	$(BIN)/pytest -n auto --dist worksteal -m 'not real_provider' -p no:randomly $(ARGS)

shuffle: $(VENV)/.ready ## the same in a new order each time (ARGS=--randomly-seed=N: in that one), and how much of the product they run
	$(BIN)/pytest -n auto --dist worksteal -m 'not real_provider' --cov --cov-report= $(ARGS)

test-providers: $(VENV)/.ready ## install real Keycloak, oidc-provider, slapd, the vendors' SDKs and libraries of applications below build/, and rotate there
	$(BIN)/python -m tests.providers.install
	$(BIN)/pytest -m real_provider -p no:randomly tests/providers tests/consumers $(ARGS)

verifiers: $(VENV)/.ready ## real verifiers read what `rotator serve` answers with, through a rotation (25 minutes; ARGS=--bounded: one)
	$(BIN)/python -m tests.verifiers $(ARGS)

test-gateways: $(VENV)/.ready ## a real Envoy checks tokens through a rotation, on connections that stay open and on new ones
	$(BIN)/python -m tests.gateways $(ARGS)

check: $(VENV)/.ready ## style, types, architecture, generated texts
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m docs.generate --check
	$(BIN)/python -m tests.chart.write_schema --check
	$(BIN)/python -m observability.dashboard --check
	$(BIN)/python -m docs.pages --check

faults: $(VENV)/.ready ## every fault at every call that a run makes for a rotation, and drawn pairs (ARGS=--bounded for less)
	$(BIN)/python -m tests.faults $(ARGS)

field: $(VENV)/.ready ## what other people's worlds hold, case by case (ARGS='--only 01 13' for some)
	$(BIN)/python -m tests.field $(ARGS)

fuzz: $(VENV)/.ready ## foreign bytes at every place where something is read (ARGS=--bounded for a minute)
	$(BIN)/python -m tests.fuzz $(ARGS)

mutants: $(VENV)/.ready ## change every line of the core, and count what no test noticed (list: .venv/bin/mutmut results)
	$(BIN)/mutmut run --max-children 2

bench: $(VENV)/.ready ## speed as ratios, each measured in one run
	$(BIN)/python -m benchmarks $(ARGS)

audit: $(VENV)/.ready ## look every dependency that is shipped up in public advisories, and what looks old in the index
	$(BIN)/python -m tests.supply.audit $(ARGS)
	$(BIN)/python -m tests.supply.releases

chart-test: $(VENV)/.ready ## the chart and the plain manifests: rendered, checked, installed where there is a kube-apiserver
	$(BIN)/pytest tests/chart $(ARGS)

generate: $(VENV)/.ready ## write what is generated anew: parts of the texts, the custom resource, dashboard, references
	$(BIN)/python -m docs.generate
	$(BIN)/python -m tests.chart.write_schema
	$(BIN)/python -m observability.dashboard
	$(BIN)/python -m docs.pages

pictures: $(VENV)/.ready ## record real runs for two minutes, and draw the dashboard of the pages (needs Prometheus and its Pushgateway, Chromium)
	$(BIN)/python -m observability.record $(ARGS)
	$(BIN)/pytest -q -k pictured -p no:randomly tests/serving/test_page.py
	cp build/pictures/serve-light.png docs/pictures/

docs: generate ## the pages, into build/docs; a warning is an error
	$(BIN)/sphinx-build -W -n --keep-going -q -b html docs build/docs

lock: ## pin all dependencies with hashes (needs uv)
	$(LOCK) --extra ldap --extra serve -o requirements.txt
	$(LOCK) --extra ldap --extra otel --extra serve -o requirements-otel.txt
	$(LOCK) --extra demo --extra ldap --extra otel --extra serve --group dev --group docs --override overrides-dev.txt $(OURS) -o requirements-dev.txt
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --group image -c requirements-dev.txt -o cronjobs/image/requirements-build.txt
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --group sdk -c requirements-dev.txt -o tests/providers/requirements-sdk.txt

clean: ## remove what was made
	rm -rf $(VENV) build dist mutants .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
