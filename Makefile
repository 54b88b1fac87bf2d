# Two commands matter: `make demo` (the whole way on one machine) and `make test` (what CI runs).
#
# Rules for whoever changes this: every target works from a clean clone and needs no root; what is
# missing is named together with the command that installs it; a second run starts at once.

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/pip install --quiet
PEERS := tests/peers/node_modules/.installed
export PATH := $(PATH):/usr/sbin:/sbin
# Images of containers set it. Each of four workers would compile every test anew, and each agent that a test starts itself.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test lint bench faults lock wheelhouse sbom clean

help:
	@echo "make demo    a simulated plant, rules, the page and a receiver on this machine (ARGS=--once: play it, print the ledger)"
	@echo "make test    lint and every test"
	@echo "make lint    ruff and mypy alone"
	@echo "make bench   the measurements of tests/bench"
	@echo "make faults  the same faults in greater numbers: 1,000 losses, 200 kills, 500 damaged stores, a million mad messages, ten times the random plants"
	@echo "make lock    resolve the dependencies anew into .ci/lock"
	@echo "make wheelhouse   fetch the locked wheels for an installation without a network"
	@echo "make sbom    the bill of materials of the agent (CycloneDX) from its lock, dist/sbom.json"
	@echo "make clean   remove what make made"
	@echo "PYTHON=...   the Python to use, 3.11 or newer (now: $(PYTHON))"

demo: .venv/.installed-demo
	@$(BIN)/edge-relay demo $(ARGS)

test: .venv/.installed-test lint $(PEERS)
	@sh .ci/needs chromium:chromium curl:curl mosquitto:mosquitto nats-server:nats-server openssl:openssl systemd-analyze:systemd
	@$(BIN)/pytest -n 4 --dist worksteal $(ARGS)

lint: .venv/.installed-test
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary

# A bench or fault target that finds nothing to run has measured nothing: it fails and says so.
bench: .venv/.installed-test
	@set -- tests/bench/*.py; test -e "$$1" || { echo "make bench: there are no measurements in tests/bench yet" >&2; exit 1; }; \
	for script in "$$@"; do echo "== $$script"; PYTHONPATH=tests $(BIN)/python "$$script" $(ARGS) || exit 1; done

faults: .venv/.installed-test
	@test -d tests/faults || { echo "make faults: there are no fault injections in tests/faults yet" >&2; exit 1; }
	@EDGE_RELAY_LOSSES=1000 EDGE_RELAY_KILLS=200 EDGE_RELAY_HISTORIES=200 EDGE_RELAY_DAMAGES=500 EDGE_RELAY_MESSAGES=1000000 \
		$(BIN)/pytest -n 2 --timeout 1800 --hypothesis-profile deep \
		tests/faults tests/process/test_agent_kill.py tests/process/test_inbound_kill.py tests/process/test_survival.py tests/incoming tests/store tests/rules tests/sources/mqtt/test_sparkplug_properties.py $(ARGS)

# The stamp is younger than what it was installed from, so nothing is asked of the network twice.
.venv/.installed-%: pyproject.toml .ci/lock/build.txt .ci/lock/%.txt | $(BIN)/pip
	@echo "installing into .venv ($*)"
	@$(PIP) --require-hashes -r .ci/lock/build.txt -r .ci/lock/$*.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	{ echo "make: $(PYTHON) is not Python 3.11 or newer; install one, or name one: make PYTHON=/usr/bin/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	{ echo "make: $(PYTHON) lacks venv; on Debian: apt install make python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv .venv

# Servers in JavaScript that the tests run; no script of a package runs, none of them needs to be built.
$(PEERS): tests/peers/package.json tests/peers/package-lock.json
	@sh .ci/needs node:nodejs npm:npm
	@node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' || \
	{ echo "make: node $$(node --version) is too old for the servers of the tests: install Node.js 18 or newer" >&2; exit 1; }
	@echo "installing into tests/peers/node_modules"
	@cd tests/peers && npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error --fetch-timeout=30000 >/dev/null || \
	{ echo "make: npm could not fetch the servers of the tests from $$(npm config get registry 2>/dev/null): see that it can be" \
	"reached, or name a mirror (npm_config_registry=URL make test) or a proxy (https_proxy=URL make test)" >&2; exit 1; }
	@touch $@

# One resolution (test.txt) rules the others, so that no two files name different versions.
# No index address is written: the files serve every mirror, the hashes say what may come from it.
COMPILE = SSL_CERT_FILE=$${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt} $(LOCKER)/bin/uv pip compile --quiet --no-config \
	--universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links
LOCKER := build/locker
BUILD_REQUIRES = $(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['build-system']['requires'], sep='\n')"

lock: $(LOCKER)/bin/uv
	@mkdir -p .ci/lock
	@$(BUILD_REQUIRES) > build/requires.in
	@$(COMPILE) --upgrade pyproject.toml --extra test build/requires.in -o build/all.txt
	@$(COMPILE) -c build/all.txt build/requires.in -o .ci/lock/build.txt
	@$(COMPILE) -c build/all.txt pyproject.toml -o .ci/lock/agent.txt
	@$(COMPILE) -c build/all.txt pyproject.toml --extra demo -o .ci/lock/demo.txt
	@$(COMPILE) -c build/all.txt pyproject.toml --extra test -o .ci/lock/test.txt

$(LOCKER)/bin/uv: | $(BIN)/pip
	@$(BIN)/python -m venv $(LOCKER)
	@PIP_DISABLE_PIP_VERSION_CHECK=1 $(LOCKER)/bin/pip install --quiet 'uv>=0.9,<1' 'cyclonedx-bom>=7,<8'

# For a machine like this one; `pip install --no-index --find-links wheelhouse` and the image read it.
wheelhouse: .ci/lock/agent.txt .ci/lock/build.txt | $(BIN)/pip
	@PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/pip download --quiet --only-binary :all: --require-hashes -d $@ -r .ci/lock/agent.txt -r .ci/lock/build.txt
	@echo "$@: $$(ls $@ | wc -l) wheels"

sbom: $(LOCKER)/bin/uv .ci/lock/agent.txt
	@mkdir -p dist
	@PYTHONWARNINGS=ignore $(LOCKER)/bin/cyclonedx-py requirements --output-reproducible --pyproject pyproject.toml -o dist/sbom.json .ci/lock/agent.txt

clean:
	@rm -rf .venv build dist wheelhouse tests/peers/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
