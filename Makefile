# Thin on purpose: most commands are aliases of `churn`, which .venv/bin/activate puts on PATH; `churn --help` has more.

SHOP ?= infra/demo/online_retail/shop.toml
AS_OF ?=
CUTOFFS ?=
BUDGET ?=
SEARCH ?= 0
SCREENSHOTS ?=
PROMOTE ?=
ACTION ?= start
RESTATE ?=
SIZES ?=
FULL ?=
# Without kept bytecode every start of a job would compile TensorFlow or Airflow anew: seconds each.
unexport PYTHONDONTWRITEBYTECODE
export SHOP AS_OF CUTOFFS PROMOTE RESTATE BUDGET SEARCH SCREENSHOTS
#: What SHOP= names, nothing where it is the default: `make airflow` then has a shop of its own.
export GIVEN_SHOP := $(if $(filter file,$(origin SHOP)),,$(SHOP))

#: As `setup` finds it.
UV = $(shell command -v uv || echo .tools/bin/uv)

JOBS := .venv/bin/python -m
AIRFLOW := .venv-airflow/bin/python -m
CHURN := .venv/bin/python -m infra.cli

.DEFAULT_GOAL := help
.PHONY: help setup environments demo nightly train backtest status sql airflow cluster stop check test test-cases test-airflow
.PHONY: test-cluster faults bench ablate

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

#: Runs setup with the first Python that fits, and these options.
RUN_SETUP = for python in python3.13 python3.12 python3.11 python3; do \
	  if $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then \
	    exec $$python -m infra.local.setup $(1); \
	  fi; \
	done; echo 'error: Python 3.11, 3.12 or 3.13 is needed: install one, or put it on PATH' >&2; exit 1

setup: ## both environments (.venv and .venv-airflow); needs Python 3.11 to 3.13 and Java 17 or 21
	@$(call RUN_SETUP)

environments: ## both environments without Java, which is enough for status, sql and stop
	@$(call RUN_SETUP,--without-java)

demo: setup ## the main job on a real shop's data, from raw logs to risks in the warehouse; SHOP=
	@$(CHURN) demo --shop "$$SHOP"

nightly: setup ## one night through the DAGs: histories, then scores; SHOP= AS_OF= (else yesterday) RESTATE= (a later day)
	@$(CHURN) night --shop "$$SHOP" --as-of "$$AS_OF" --restate "$$RESTATE"

train: setup ## one training through its DAG; SHOP= AS_OF=, PROMOTE=1 to approve its model, which then scores
	@$(CHURN) train --shop "$$SHOP" --as-of "$$AS_OF" $${PROMOTE:+--approve}

backtest: setup ## trains and judges at past days, with every contender; SHOP= CUTOFFS=day,day
	@$(CHURN) backtest --shop "$$SHOP" --cutoffs "$$CUTOFFS"

status: environments ## one screen: newest day, complete or not, what is late or wrong, which model; SHOP=
	@$(CHURN) status --shop "$$SHOP"

sql: environments ## a psql prompt on the warehouse; SHOP=
	@$(CHURN) sql --shop "$$SHOP"

airflow: setup ## Airflow on localhost:8080, with a small shop that lives, or SHOP= (files, folders); Ctrl-C ends it
	@$(CHURN) airflow --shops "$$GIVEN_SHOP"

cluster: setup ## a Spark master and two workers on this machine, authenticated and encrypted; ACTION=start, status or stop
	@$(JOBS) infra.local.cluster $(ACTION)

stop: environments ## stops what runs in the background: Airflow and the warehouse
	@$(CHURN) stop

check: setup ## style, import rules, types, commands, documentation: seconds
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/lint-imports --no-logo
	@.venv/bin/mypy
	@$(JOBS) infra.local.check_commands
	@$(JOBS) infra.local.generate_docs --check
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --quiet --strict -f infra/mkdocs.yml

test: setup ## every test that needs no cluster
	@$(JOBS) infra.local.run_tests

test-cases: setup ## exports as shops really have them, whole shops too, and fuzzed ones, checked and counted; minutes
	@$(JOBS) infra.local.run_tests --cases

test-airflow: setup ## the product in a live Airflow, its pages in Chromium; minutes; SCREENSHOTS= (a folder)
	@$(AIRFLOW) pytest tests/airflow --confcutdir=tests/airflow --timeout=1500 --screenshots="$$SCREENSHOTS"

test-cluster: setup ## the histories on that cluster, whose workers share only an object store; needs the libraries for s3://
	@$(JOBS) pytest -m cluster tests/flows/test_cluster.py

faults: setup ## the long suites: writers and servers that die, a month of nights in any order, 100,000 files; minutes
	@$(JOBS) pytest -m "slow or not slow" tests/faults tests/flows/test_three_logs.py tests/cases/test_layouts.py

bench: setup ## what a night costs, by step, beside DuckDB and Polars; SIZES= (customers), FULL=1 adds 300,000; an hour
	@UV_PROJECT_ENVIRONMENT=.venv $(UV) sync --locked --inexact --only-group bench
	@$(JOBS) infra.bench.nights --sizes $(or $(SIZES),3000 30000 $(if $(FULL),300000)) $(if $(SIZES),,--docs infra/docs)

ablate: setup ## what each part of the model is worth; SHOP= CUTOFFS=, BUDGET= minutes, SEARCH= settings to try
	@$(JOBS) infra.bench.ablate --shop "$$SHOP" --cutoffs "$$CUTOFFS" --budget "$$BUDGET" --search "$$SEARCH"
