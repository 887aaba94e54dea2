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
ENGINES ?=
# Without kept bytecode every start of a job would compile TensorFlow or Airflow anew: seconds each.
unexport PYTHONDONTWRITEBYTECODE
export SHOP AS_OF CUTOFFS PROMOTE RESTATE BUDGET SEARCH SCREENSHOTS
#: What SHOP= names, nothing where it is the default: `make airflow` then has a shop of its own.
export GIVEN_SHOP := $(if $(filter file,$(origin SHOP)),,$(SHOP))

#: A misspelt variable would be ignored without a word. Another Makefile that calls this one may have its own.
VARIABLES := SHOP AS_OF CUTOFFS BUDGET SEARCH SCREENSHOTS PROMOTE ACTION RESTATE SIZES FULL ENGINES
GIVEN := $(foreach word,$(subst \ ,_,$(MAKEOVERRIDES)),$(if $(findstring =,$(word)),$(firstword $(subst =, ,$(subst :=,=,$(word))))))
UNKNOWN := $(filter-out $(VARIABLES) UV SHELL,$(GIVEN))
ifneq ($(and $(UNKNOWN),$(filter 0,$(MAKELEVEL))),)
  $(error no command has the variable $(firstword $(UNKNOWN)); there are $(VARIABLES))
endif

#: As `setup` finds it.
UV = $(shell command -v uv || echo .tools/bin/uv)

JOBS := .venv/bin/python -m
AIRFLOW := .venv-airflow/bin/python -m
CHURN := .venv/bin/python -m infra.cli

.DEFAULT_GOAL := help
.PHONY: help setup spark environments demo nightly train backtest status sql airflow cluster stop check test test-cases test-airflow
.PHONY: test-cluster faults bench ablate

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

#: Runs setup with the first Python that fits, and these options.
RUN_SETUP = for python in python3.13 python3.12 python3.11 python3; do \
	  if $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then \
	    exec $$python -m infra.local.setup $(1); \
	  fi; \
	done; echo 'error: Python 3.11, 3.12 or 3.13 is needed: install one, or put it on PATH' >&2; exit 1

setup: ## the environments; needs Python 3.11 to 3.13
	@$(call RUN_SETUP)

spark: ## setup, and asks for Java 17 or 21: for what must run Spark
	@$(call RUN_SETUP,--with-java)

environments: ## setup, never asks for Java: for status, sql and stop
	@$(call RUN_SETUP,--without-java)

demo: setup ## raw logs to risks, on a real shop's data; SHOP=
	@$(CHURN) demo --shop "$$SHOP"

nightly: setup ## one night; SHOP= AS_OF= (else yesterday) RESTATE= (later)
	@$(CHURN) night --shop "$$SHOP" --as-of "$$AS_OF" --restate "$$RESTATE"

train: setup ## one training; SHOP= AS_OF=, PROMOTE=1 approves its model
	@$(CHURN) train --shop "$$SHOP" --as-of "$$AS_OF" $${PROMOTE:+--approve}

backtest: setup ## train as of past days, and compare; SHOP= CUTOFFS=day,day
	@$(CHURN) backtest --shop "$$SHOP" --cutoffs "$$CUTOFFS"

status: environments ## the newest night, and what is late or wrong; SHOP=
	@$(CHURN) status --shop "$$SHOP"

sql: environments ## psql on the warehouse; SHOP=
	@$(CHURN) sql --shop "$$SHOP"

airflow: setup ## Airflow on localhost:8080 until Ctrl-C; SHOP= (or several)
	@$(CHURN) airflow --shops "$$GIVEN_SHOP"

cluster: spark ## a Spark cluster on this machine; ACTION=start, status, stop
	@$(JOBS) infra.local.cluster $(ACTION)

stop: environments ## stop Airflow, the engine, the cluster, the warehouse
	@$(CHURN) stop

check: setup ## style, import rules, types, commands, docs; a minute
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/lint-imports --no-logo
	@.venv/bin/mypy
	@$(JOBS) infra.local.check_commands
	@$(JOBS) infra.local.generate_docs --check
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --quiet --strict -f infra/mkdocs.yml

test: spark ## every test that needs no cluster
	@$(JOBS) infra.local.run_tests

test-cases: spark ## exports, histories, jobs on Spark; half an hour
	@$(JOBS) infra.local.run_tests --cases

test-airflow: spark ## a live Airflow, pages in Chromium; SCREENSHOTS= (a folder)
	@$(AIRFLOW) pytest tests/airflow --confcutdir=tests/airflow --timeout=1500 --screenshots="$$SCREENSHOTS"

test-cluster: spark ## nights on a cluster, with kills; needs libraries for s3://
	@$(JOBS) pytest -m cluster tests/flows/test_cluster.py

faults: spark ## dying writers and servers, nights in any order; minutes
	@$(JOBS) pytest -m "slow or not slow" tests/faults tests/flows/test_three_logs.py tests/cases/test_layouts.py

#: SIZES= numbers of customers; FULL=1 adds 300,000; ENGINES= by default connect and sail. Half an hour, FULL=1 hours.
bench: spark ## a night beside DuckDB, Polars; SIZES= FULL=1 ENGINES=
	@UV_PROJECT_ENVIRONMENT=.venv $(UV) sync --locked --inexact --only-group bench
	@$(JOBS) infra.bench.nights --sizes $(or $(SIZES),3000 30000 $(if $(FULL),300000)) $(if $(ENGINES),--engines $(ENGINES)) \
	  $(if $(SIZES)$(ENGINES),,--docs infra/docs)

#: BUDGET= minutes; SEARCH= settings to try.
ablate: setup ## each part of the model; SHOP= CUTOFFS= BUDGET= SEARCH=
	@$(JOBS) infra.bench.ablate --shop "$$SHOP" --cutoffs "$$CUTOFFS" --budget "$$BUDGET" --search "$$SEARCH"
