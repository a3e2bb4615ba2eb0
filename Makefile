# Everything below needs Python 3.11 and make, nothing else. `make demo` and `make test` set up what they need.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
FRAMEWORKS := .venv-frameworks
PIP_FLAGS := --quiet --disable-pip-version-check
PROJECTS := pyproject.toml client/pyproject.toml client/trackside/_version.py

# Debian's python3 makes half an environment, without pip, until python3-venv is installed: no half may stay behind.
define environment
	test -x $(1)/bin/pip || $(PYTHON) -m venv $(1) || { rm -rf $(1); \
		echo "No virtual environment can be made with $(PYTHON). On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
endef

help: ## What there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/.run: requirements.lock $(PROJECTS)
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Trackside needs Python 3.11; name one: make PYTHON=/path/to/python3.11 ...")'
	$(call environment,$(VENV))
	$(VENV)/bin/python -m pip install $(PIP_FLAGS) --require-hashes -r requirements.lock
	$(VENV)/bin/python -m pip install $(PIP_FLAGS) --no-deps -e ./client -e .
	@touch $@

$(VENV)/.test: $(VENV)/.run tests/requirements.lock
	$(VENV)/bin/python -m pip install $(PIP_FLAGS) --require-hashes -r tests/requirements.lock
	@touch $@

$(FRAMEWORKS)/.test: requirements.lock tests/requirements.lock tests/requirements-frameworks.txt $(PROJECTS)
	$(call environment,$(FRAMEWORKS))
	$(FRAMEWORKS)/bin/python -m pip install $(PIP_FLAGS) --require-hashes -r requirements.lock
	$(FRAMEWORKS)/bin/python -m pip install $(PIP_FLAGS) --require-hashes -r tests/requirements.lock
	$(FRAMEWORKS)/bin/python -m pip install $(PIP_FLAGS) -r tests/requirements-frameworks.txt
	$(FRAMEWORKS)/bin/python -m pip install $(PIP_FLAGS) --no-deps -e ./client -e .
	@touch $@

.PHONY: needs help demo test test-service test-frameworks check bench faults study lock docs clean

demo: $(VENV)/.run ## The main job on real input: two trainings, watched from start to end
	$(VENV)/bin/trackside demo

test: test-service test-frameworks ## All tests: SQLite and a real Postgres, then the real torch and paddle

# What the tests call beside Python: the commands of README and docs. A bare Debian gets them here.
needs:
	@missing=$$(for tool in bash curl git; do command -v $$tool > /dev/null || echo $$tool; done); \
	if [ -z "$$missing" ]; then exit 0; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		apt-get update -qq && apt-get install -qq -y --no-install-recommends $$missing ca-certificates; \
	else echo "the tests need: $$missing" >&2; exit 1; fi

test-service: needs $(VENV)/.test
	$(VENV)/bin/python -m pytest tests --ignore=tests/frameworks --numprocesses=auto --dist=loadfile --no-loadscope-reorder

test-frameworks: $(FRAMEWORKS)/.test
	$(FRAMEWORKS)/bin/python -m pytest tests/frameworks

check: $(VENV)/.test ## Static checks: format, lint, types, floors, compose file, Dockerfile, repository
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/vermin --quiet --no-tips --violations -t=3.9- client/trackside
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(VENV)/bin/hadolint service/Dockerfile
	$(VENV)/bin/python -m tests.support.repository

bench: $(VENV)/.test ## The project's benchmarks; read the ratios, these machines are noisy
	$(VENV)/bin/python -m tests.bench

lock: ## Resolve the requirement files anew (needs uv)
	uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate -p 3.11 --extra demo --no-emit-package trackside pyproject.toml client/pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate -p 3.11 -c requirements.lock pyproject.toml -o service/requirements.lock
	uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate -p 3.11 --group test --group check -c requirements.lock -o tests/requirements.lock

faults: $(VENV)/.test ## The client under every fault of service, disk and process, as a table
	$(VENV)/bin/python -m tests.faults

study: $(FRAMEWORKS)/.test ## Trainings with planted faults, and docs/detection.md from them
	$(FRAMEWORKS)/bin/python -m tests.study > docs/detection.md

docs: $(VENV)/.run ## Write the generated pages
	$(VENV)/bin/python -m trackside_service.rules.pages > docs/rules.md
	$(VENV)/bin/python -m trackside_service.schedules.pages > docs/schedules.md
	$(VENV)/bin/python -m trackside_service.channels.pages > docs/channels.md

clean: ## Remove what was set up and built
	rm -rf $(VENV) $(FRAMEWORKS) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
