# The commands of the project; `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The first interpreter that is new enough; PYTHON=… overrides it.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
SCENARIO ?= bad-deploy
# The number of test files that run in parallel. Most tests wait, so two cores serve three; time limits grow with the load
# (tests/support/limits.py).
JOBS ?= 3
# The fast tests wait for timers as long as they compute; six of them keep two cores busy.
FAST_JOBS ?= 6

.PHONY: help
help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: python
python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is missing: sudo apt-get install python3 python3-venv" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "the venv module of $(PYTHON) is missing: sudo apt-get install python3-venv" >&2; exit 1; }

# Every dependency is installed by hash and as a wheel: a source archive would need unlocked build requirements. The project itself is
# installed without an index. pip is the interpreter's own.
PIP_LOCKED := -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --requirement
# The same with its output, which INSTALL_PROGRESS counts up to the packages of that lock, on one line of a terminal.
PIP_SHOWN := -m pip install --progress-bar off --disable-pip-version-check --require-hashes --only-binary :all: --requirement
INSTALL_PROGRESS = { \
	begin='  ' end='\n' done='' count=0 failed=0 total=$$(grep -c '^[^ ].*==' $(1)); \
	if [ -t 1 ] && [ "$$TERM" != dumb ]; then begin='\033[K  ' end='\r' done='\033[K'; fi; \
	while read -r word rest; do case "$$word" in \
	Collecting|Requirement) count=$$((count + 1)); \
		[ "$$end" = '\n' ] && [ "$$count" -gt 1 ] || printf "$${begin}fetching package $$count of $$total$$end";; \
	Installing) printf "$${begin}unpacking $$total packages …$$end";; \
	pip-failed) failed=1;; \
	esac; done; printf "$$done"; exit $$failed; }
PIP_OWN := -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation --editable

$(STAMP): pyproject.toml requirements-test.lock | python
	@echo "installing into $(VENV) …"
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	@{ $(BIN)/python $(PIP_SHOWN) requirements-test.lock || echo pip-failed; } | $(call INSTALL_PROGRESS,requirements-test.lock)
	@$(BIN)/python $(PIP_OWN) .
	@touch $@

.PHONY: install
install: $(STAMP) ## create .venv with .venv/bin/cad-console
	@echo "ready: $(BIN)/cad-console"

.PHONY: demo
demo: $(STAMP) ## open the console on an embedded stack (SCENARIO=bad-deploy)
	@$(BIN)/cad-console demo --scenario $(SCENARIO)

.PHONY: test
test: $(STAMP) ## run the whole test suite: 15 minutes on two quiet cores (JOBS=2 if they are busy)
	@$(BIN)/python tests/support/suite.py -n $(JOBS) --dist loadfile --no-loadscope-reorder

.PHONY: test-fast
test-fast: $(STAMP) ## run the tests that need no server or terminal and are not slow: under 3 minutes
	@$(BIN)/python -m pytest --fast -n $(FAST_JOBS) --dist loadfile --no-loadscope-reorder

.PHONY: rules-test
rules-test: $(STAMP) ## run promtool and amtool on every rule, unit test and route
	@PYTHONPATH=. $(BIN)/python tests/rules/run.py

.PHONY: lint
lint: $(STAMP) ## check style, types and import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/vulture
	@$(BIN)/lint-imports

.PHONY: bench
bench: $(STAMP) ## measure speed, size and growth (BENCH="start wire"; BENCH_BASE=REV compares, BENCH_PAIRS=5)
	@PYTHONPATH=.:tests/support:tests/bench $(BIN)/python tests/bench/$(if $(BENCH_BASE),compare.py --base '$(BENCH_BASE)' \
		--pairs $(or $(BENCH_PAIRS),5),run.py) $(BENCH)

.PHONY: bench-peers
bench-peers: $(STAMP) ## build the programs that the benchmarks run beside the console: k9s and pint (needs Go)
	@$(BIN)/python tests/bench/build_peers.py

.PHONY: profile
profile: $(STAMP) ## profile a refresh into build/profile.md (takes over the terminal for two minutes)
	@mkdir -p build
	@BENCH_PROFILE=build/profile.md PYTHONPATH=. $(BIN)/cad-console demo --scenario calm --run \
		$(BIN)/python tests/bench/refresh_profile.py --refresh 1
	@cat build/profile.md

.PHONY: soak
soak: $(STAMP) ## run an hour at twenty times the cadence, and 500 starts (SOAK_SECONDS, SOAK_STARTS)
	@PYTHONPATH=.:tests/support $(BIN)/python tests/soak/run.py

.PHONY: past-truth
past-truth: $(STAMP) ## compare the past with what was seen, after 20 minutes of random events on real servers (PAST_TRUTH_SECONDS)
	@PAST_TRUTH_SECONDS=$(or $(PAST_TRUTH_SECONDS),1200) $(BIN)/python -m pytest -q -n 0 tests/e2e/test_past_truth.py

.PHONY: cluster-assets
cluster-assets: $(STAMP) ## fetch a real Kubernetes control plane for the contract suite
	@$(BIN)/python tests/control_plane/build_assets.py

.PHONY: alertmanager-assets
alertmanager-assets: $(STAMP) ## fetch a newer Alertmanager for the tests that must also pass against new releases
	@$(BIN)/python tests/alertmanager/build_assets.py

.PHONY: newest-servers
newest-servers: $(STAMP) ## build the newest Prometheus with Go and run the tests against it
	@NEWEST_PROMETHEUS="$$($(BIN)/python tests/newest/build_assets.py)" $(BIN)/python -m pytest -q -n 0 tests/newest

.PHONY: screenshots
screenshots: $(STAMP) ## draw the main screens on the embedded stack for the manual
	@$(BIN)/python tests/support/screenshots.py build/screenshots
	@for name in start overview alert runbook workloads rollback dashboards heat-map; do cp build/screenshots/$$name.svg docs/$$name.svg; done

SECURITY := build/security
$(SECURITY)/.installed: deploy/security.lock | python
	@test -x $(SECURITY)/bin/python || "$(PYTHON)" -m venv $(SECURITY)
	@$(SECURITY)/bin/python $(PIP_LOCKED) $<
	@touch $@

.PHONY: security
security: $(SECURITY)/.installed ## check locks, vulnerabilities, unsafe code and secrets; write the bill of materials
	@$(SECURITY)/bin/python deploy/security.py

PIP_COMPILE = $(SECURITY)/bin/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header --no-annotate \
	--no-emit-index-url --no-emit-trusted-host --no-emit-options
.PHONY: lock
lock: $(SECURITY)/.installed ## write the locks from pyproject.toml, constraints.txt and deploy/security.in
	@$(PIP_COMPILE) --constraint constraints.txt --all-build-deps --output-file requirements.lock pyproject.toml
	@$(PIP_COMPILE) --constraint constraints.txt --all-build-deps --extra test --output-file requirements-test.lock pyproject.toml
	@$(PIP_COMPILE) --output-file deploy/security.lock deploy/security.in
	@$(SECURITY)/bin/python deploy/extra.py docs | $(PIP_COMPILE) --constraint constraints.txt --output-file requirements-docs.lock -
	@$(SECURITY)/bin/python deploy/extra.py mutation | $(PIP_COMPILE) --constraint constraints.txt --output-file requirements-mutation.lock -

.PHONY: manifests
manifests: $(STAMP) ## regenerate the files in deploy/ that come from rules and dashboards
	@$(BIN)/python deploy/generate.py

.PHONY: validate
validate: $(STAMP) ## check deploy/ without a cluster
	@deploy/validate

.PHONY: docs
docs: $(STAMP) ## regenerate the references in docs/ from the program
	@$(BIN)/python docs/generate.py

# MkDocs is in neither the console's environment nor that of the tests.
SITE := build/site-tools
$(SITE)/.installed: requirements-docs.lock | python
	@test -x $(SITE)/bin/python || "$(PYTHON)" -m venv $(SITE)
	@$(SITE)/bin/python $(PIP_LOCKED) $<
	@touch $@

.PHONY: site
site: $(SITE)/.installed ## build the manual strictly into build/site and check its links
	@$(SITE)/bin/mkdocs build --strict --clean

# The tests run in a separate environment that also has mutmut.
MUTATION := build/mutation/tools
$(MUTATION)/.installed: requirements-test.lock requirements-mutation.lock | python
	@test -x $(MUTATION)/bin/python || "$(PYTHON)" -m venv $(MUTATION)
	@$(MUTATION)/bin/python $(PIP_LOCKED) requirements-test.lock --requirement requirements-mutation.lock
	@touch $@

.PHONY: mutation
mutation: $(MUTATION)/.installed ## mutate samples of the code and report the mutants that survive (PACKAGES="widgets" SAMPLE=60 SEED=1 TESTS=tests); takes hours
	@$(MUTATION)/bin/python tests/mutation/run.py $(PACKAGES) --sample $(or $(SAMPLE),60) --seed '$(or $(SEED),1)' \
		--tests $(or $(TESTS),tests)

.PHONY: truth
truth: $(STAMP) ## compare every panel with counted events on real servers, into docs/truth.md
	@TRUTH_PAGE=write $(BIN)/python -m pytest -q tests/queries/test_truth.py

.PHONY: clean
clean: ## remove everything that these commands created
	@rm -rf $(VENV) build dist
