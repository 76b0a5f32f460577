# Start with `make repro` and `make test`. Each creates the environment first if it is missing or outdated.

PYTHON ?= python3.11
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
COMPILE := pip-compile -q --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options --strip-extras
DEV_EXTRA := import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["dev"], sep="\n")

.PHONY: help repro test check smoke fast verify compare crash cpus fuzz readme lock clean

repro: .venv/ready ## run the pipeline: data, models, predictions, metrics, report
	papertrail check # before DVC removes outputs that it is about to rebuild
	dvc repro

test: check ## run the checks, then all tests
	pytest -n 2 --dist loadfile --no-loadscope-reorder

check: .venv/ready ## check format, lint, imports between rooms, types and dvc.yaml
	ruff format --check .
	ruff check .
	lint-imports --no-logo
	mypy
	dvc stage list --fail > /dev/null

smoke: .venv/ready ## run the pipeline on tiny subsets in build/smoke
	papertrail profile smoke --run build/smoke

fast: .venv/ready ## run the pipeline at runtime level native and bf16 in build/fast
	papertrail profile fast --run build/fast

verify: .venv/ready ## rebuild in build/verify and compare every output hash; optional STAGES=..., PROFILE=smoke
	papertrail verify $(STAGES) $(if $(PROFILE),--profile $(PROFILE))

compare: .venv/ready ## compare params and scores with another revision; REV=main by default
	papertrail compare $(or $(REV),main)

crash: .venv/ready ## kill stages at many points, rerun them, compare the outputs; writes docs/kill_points.md
	python -m tests.crash

cpus: .venv/ready ## run training, embedding and evaluation on an emulated CPU of the same maker (qemu-user)
	pytest -m emulated

fuzz: .venv/ready ## send thousands of generated requests to the server (schemathesis)
	pytest -m fuzzed

readme: .venv/ready ## regenerate the tables of README.md from params.yaml and metrics/
	papertrail readme

lock: .venv/ready ## compile requirements.txt (run time) and requirements-dev.txt (development tools) from pyproject.toml
	$(COMPILE) -o requirements.txt pyproject.toml
	sed -i 's/^\(torch==[0-9.]*\)+cpu$$/\1/' requirements.txt
	python -c '$(DEV_EXTRA)' | $(COMPILE) -c requirements.txt -o requirements-dev.txt -

# pip 26 builds source packages in isolation, which seqeval needs. The last install adds the command papertrail. Mode
# compat appends this folder to sys.path, so stages in a copy of the repository import the code of the copy.
.venv/ready: requirements.txt requirements-dev.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check pip==26.1.1
	$(BIN)/pip install -q -r requirements.txt -r requirements-dev.txt
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --config-settings editable_mode=compat -e .
	touch $@

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile

clean: ## remove the environment, build/ and checkpoints/
	rm -rf .venv build checkpoints
