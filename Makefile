# Every target works on a machine with Python >= 3.11 and make: what it needs it sets up first.
.DEFAULT_GOAL := help
.PHONY: help setup lock demo test e2e soak load up down build plan deploy destroy lint typecheck check asl diagram fix clean

PYTHON ?= python3
BIN := .venv/bin
# What was installed, where, and with which Python: scripts in .venv/bin hold absolute paths.
hash = $(shell { cat $1; sed -n '/^\[build-system\]/,/^\[tool.ruff\]/p' pyproject.toml; pwd; $(PYTHON) -V; } 2>&1 | cksum | cut -d' ' -f1)
# `make demo` needs the first alone; the AWS command line, the tests and what checks the Terraform come when they are needed.
READY := .venv/.ready-$(call hash,infra/build/requirements.py requirements/uv.txt requirements/run.txt)
AWSCLI := .venv-tools/.ready-$(call hash,infra/build/requirements.py infra/local/aws requirements/tools.txt)
TESTS := .venv/.tests-$(call hash,requirements/test.txt)
CHECKS := .venv-tools/.checks-$(call hash,requirements/checks.txt)
INSTALL := $(BIN)/python infra/build/requirements.py

# Given on the command line only: PORT in an environment is somebody else's. They reach the shell through the
# environment, so that a name may hold quotes, dollars and spaces.
given = $(if $(filter command line,$(origin $1)),$(value $1))
export FERRY_FILE = $(call given,FILE)
export FERRY_KEY = $(call given,KEY)
export FERRY_PORT = $(call given,PORT)
export FERRY_PART = $(call given,PART)
export FERRY_RULES = $(call given,RULES)
export FERRY_E2E_OUTPUTS = $(call given,OUTPUTS)
export FERRY_UPLOADS = $(call given,N)
YES_GIVEN = $(if $(filter 1 yes true,$(call given,YES)),--yes)
ALLOW_DATA_LOSS_GIVEN = $(if $(filter 1 yes true,$(call given,ALLOW_DATA_LOSS)),--allow-data-loss)
ifneq ($(call given,LOSE),)
$(error LOSE was renamed. Use ALLOW_DATA_LOSS=1: make deploy YES=1 ALLOW_DATA_LOSS=1)
endif

help: ## Show this list
	@awk -F':.*## ' '/^[a-z0-9]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) $(AWSCLI) $(TESTS) $(CHECKS) ## Make .venv with everything that is needed, and nothing else
	@$(BIN)/python -m infra.build.layer

$(READY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "S3 Ferry needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V)"; exit 1; }
	@echo "Setting up .venv (once, about 15 seconds)"
	@test ! -x $(BIN)/ferry || $(BIN)/ferry down > /dev/null 2>&1 || true
	@rm -rf .venv .venv-tools
	@$(PYTHON) -m venv .venv
	@$(INSTALL) install requirements/run.txt
	@$(INSTALL) install-project
	@touch $@

$(AWSCLI): $(READY)
	@echo "Setting up the AWS command line (once, a few seconds)"
	@rm -rf .venv-tools
	@$(PYTHON) -m venv --without-pip .venv-tools
	@$(INSTALL) install --into .venv-tools requirements/tools.txt
	@cp infra/local/aws $(BIN)/aws
	@touch $@

$(TESTS): $(READY)
	@echo "Setting up what the tests need (once, a few seconds)"
	@$(INSTALL) install requirements/test.txt
	@touch $@

$(CHECKS): $(AWSCLI)
	@echo "Setting up checkov (once, about 15 seconds)"
	@$(INSTALL) install --into .venv-tools requirements/checks.txt
	@touch $@

lock: $(READY) ## Compile requirements/*.in to hashed files, and prove them: make lock [UPGRADE=1]
	@$(INSTALL) lock $(if $(filter 1 yes true,$(call given,UPGRADE)),--upgrade)

demo: $(READY) ## Move a real file through a cloud of its own: make demo [FILE=path] [KEY=key]
	@$(BIN)/ferry demo $${FERRY_FILE:+"$$FERRY_FILE"} $${FERRY_KEY:+--key "$$FERRY_KEY"}

# The tests wait for clouds half of their time, so there are more workers than cores. Python keeps what it compiles,
# whatever the shell says: else each worker compiles every test by itself.
test e2e soak: export PYTHONDONTWRITEBYTECODE :=

test: $(TESTS) ## Run every test, with coverage
	@$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder --cov --cov-report=term --durations=10

e2e: $(TESTS) ## Run the end-to-end tests here, or against a deployment on AWS: make e2e [OUTPUTS=path]
	@if test -n "$$FERRY_E2E_OUTPUTS"; then FERRY_TEST_OUTPUTS="$$FERRY_E2E_OUTPUTS" $(BIN)/python -m pytest -n 0 tests/e2e; \
	else $(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder --durations=10 tests/e2e; fi

soak: $(TESTS) ## Move a 6 GB object, try 5,000 random cases and every order with faults, or a part: make soak [PART=n]
	@$(BIN)/python -m tests.soak $${FERRY_PART:+"$$FERRY_PART"}

load: $(READY) ## Upload many files at once to a cloud of its own, and print the figures: make load [N=1000]
	@$(BIN)/python -m tests.load.run $${FERRY_UPLOADS:+"$$FERRY_UPLOADS"}

up: $(READY) $(AWSCLI) ## Start the embedded cloud in the background: make up [PORT=n] [RULES=path]
	@$(BIN)/ferry up $${FERRY_PORT:+--port "$$FERRY_PORT"} $${FERRY_RULES:+--rules "$$FERRY_RULES"}

down: $(READY) ## Stop the embedded cloud
	@$(BIN)/ferry down

build: $(READY) ## Build dist/<function>.zip and dist/layer.zip, the same bytes each time
	@$(BIN)/python -m infra.build.function_zips

plan: $(READY) ## Show what `make deploy` would change on AWS; change nothing
	@$(BIN)/ferry plan

deploy: $(READY) ## Deploy to AWS, after showing the plan and asking: make deploy [YES=1 [ALLOW_DATA_LOSS=1]]
	@$(BIN)/ferry deploy $(YES_GIVEN) $(ALLOW_DATA_LOSS_GIVEN)

destroy: $(READY) ## Remove the deployment from AWS, after showing the plan and asking: make destroy [YES=1]
	@$(BIN)/ferry destroy $(YES_GIVEN)

asl: $(READY) ## Render the state machine to statemachine/migrate.asl.json
	@$(BIN)/python -m statemachine.render

diagram: $(TESTS) ## Draw the resources of infra/aws in docs/resources.md
	@$(BIN)/python -m infra.docs.resource_diagram

lint: $(TESTS) ## Check style, change nothing
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

typecheck: $(TESTS) ## Check types, strictly
	@$(BIN)/mypy

check: lint typecheck $(CHECKS) ## Check style, types, the state machine and the Terraform, change nothing
	@$(BIN)/python -m statemachine.check
	@if command -v terraform > /dev/null; then terraform fmt -check -recursive infra/aws; \
	else echo "terraform is not installed here: the format of infra/aws is not checked"; fi
	@told=$$(.venv-tools/bin/checkov --config-file infra/aws/.checkov.yaml -d infra/aws) || failed=1; echo "$$told"; \
	case "$$told" in *"Parsing errors"*) echo "checkov cannot read a file of infra/aws: it has checked nothing in it"; exit 1;; esac; exit $${failed:-0}

fix: $(TESTS) ## Format, and mend what can be mended by itself
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@if command -v terraform > /dev/null; then terraform fmt -recursive infra/aws; fi

clean: ## Remove everything that was built or installed here
	@test ! -x $(BIN)/ferry || $(BIN)/ferry down
	@test -e .ferry/outputs.json || rm -rf .ferry
	@rm -rf .venv .venv-tools dist infra/aws/.terraform .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
