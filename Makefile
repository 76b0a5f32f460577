# The two commands are `make repro` and `make test`; each makes the environment first when it is missing or outdated.

PYTHON ?= python3.11
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help repro test check smoke fast verify compare crash cpus fuzz readme lock clean

repro: .venv/ready ## the default pipeline: models and metrics
	python -m scholar.check # a wrong value is told before DVC removes what it would rebuild
	dvc repro

test: check ## checks, then all tests
	pytest -n 2 --dist loadfile --no-loadscope-reorder

check: .venv/ready ## format, lint, types, pipeline file
	ruff format --check .
	ruff check .
	mypy
	dvc stage list --fail > /dev/null

smoke: .venv/ready ## the whole pipeline on tiny subsets, in build/smoke
	python -m scholar.profile smoke --run build/smoke

fast: .venv/ready ## the whole pipeline with this machine's own instructions and bf16, in build/fast
	python -m scholar.profile fast --run build/fast

verify: .venv/ready ## everything anew in other surroundings, each hash compared with dvc.lock; or STAGES=..., PROFILE=smoke
	python -m scholar.verify $(STAGES) $(if $(PROFILE),--profile $(PROFILE))

compare: .venv/ready ## what changed since another revision, with verdicts; REV=main unless told
	python -m scholar.compare $(or $(REV),main)

crash: .venv/ready ## end stages at many points, repeat them, compare; writes docs/kill_points.md
	python -m tests.crash

cpus: .venv/ready ## a short training, embeddings and an evaluation as another CPU of the same maker (qemu-user)
	pytest -m emulated

fuzz: .venv/ready ## thousands of made-up requests to the server (schemathesis)
	pytest -m fuzzed

readme: .venv/ready ## write the tables of README.md anew from params.yaml and metrics/
	python -m scholar.readme

lock: .venv/ready ## compile requirements.txt from pyproject.toml
	pip-compile -q --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options --strip-extras \
	  --extra dev -o requirements.txt pyproject.toml
	sed -i 's/^\(torch==[0-9.]*\)+cpu$$/\1/' requirements.txt

# pip 26 builds every source package in isolation, which seqeval's needs. The last line adds the command papertrail. Mode
# compat puts this folder at the end of sys.path, so that stages started in a copy elsewhere run the code of that copy;
# the default would answer for modules that the copy lacks.
.venv/ready: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check pip==26.1.1
	$(BIN)/pip install -q -r requirements.txt
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --config-settings editable_mode=compat -e .
	touch $@

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile

clean: ## remove the environment, build/ and checkpoints/
	rm -rf .venv build checkpoints
