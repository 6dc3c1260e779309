# The only list of commands. CI calls `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
MAKEFLAGS += --no-print-directory
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# One spelling for all runs: in a terminal, in a pipe, in CI.
export LC_ALL := C.UTF-8
export PY_COLORS := 0
export ANSIBLE_FORCE_COLOR := 0

.DEFAULT_GOAL := help
.PHONY: help demo show docs test lint sanity unit integration app images molecule chaos build bench bench-site clean run-tools dev-tools

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/  make \1\t\2/p' Makefile | expand -t 22

run-tools:
	@lab/venv run
dev-tools:
	@lab/venv dev
	lab/tools

demo: run-tools  ## bring the whole system up on this machine, and show it
	@ansible-playbook lab/create.yml
	mkdir -p .cache
	ansible-playbook site.yml | tee .cache/site.log
	lab/show
	lab/changes <.cache/site.log

show: run-tools  ## show the running demo again
	@lab/show

# What is quick to fail comes first. A scenario that measures runs alone; all else shares the cores by two, each
# one's output in one piece.
test: dev-tools  ## all that proves it
	@$(MAKE) --jobs 2 --output-sync lint images sanity unit build app
	$(MAKE) molecule-default molecule-production
	$(MAKE) --jobs 2 --output-sync molecule-install molecule-alone molecule-locked molecule-debian13 molecule-single molecule-brownfield integration
	echo "make test: all passed in $$((SECONDS / 60)) min $$((SECONDS % 60)) s"

lint: dev-tools  ## ansible-lint, yamllint, ruff, changelog fragments, tables of the READMEs
	@ruff check .
	ruff format --check .
	python lab/docs.py --check
	yamllint --strict .
	ansible-lint --offline --strict
	antsibull-changelog lint

docs: dev-tools  ## write the tables of variables in the roles' READMEs, from their argument specs
	@python lab/docs.py

sanity: dev-tools  ## ansible-test sanity, newest and oldest ansible-core
	@tests/sanity

# Over all cores; each worker starts programs of its own.
SPREAD := --quiet --numprocesses auto --maxprocesses 4

unit: dev-tools  ## unit tests, newest and oldest ansible-core
	@pytest $(SPREAD) tests/unit
	.venv-oldest/bin/pytest $(SPREAD) tests/unit

integration: dev-tools  ## the modules against a real agent
	@CONSUL_BIN=$$(lab/consul-binary) pytest $(SPREAD) tests/integration

app: dev-tools  ## the app against a real agent and a real Redis
	@CONSUL_BIN=$$(lab/consul-binary) pytest $(SPREAD) tests/app

build: dev-tools  ## build the collection, install the tarball into an empty folder and run its playbook from there
	@tests/tarball

SCENARIOS ?= default production install locked alone debian13 single brownfield
molecule: dev-tools  ## the scenarios, in the lab (SCENARIOS="locked install")
	@$(MAKE) $(addprefix molecule-,$(SCENARIOS))

images: dev-tools  ## the images of the lab's hosts; made by the scenarios too, where they are missing
	@lab/engine
	lab/image/build bookworm
	lab/image/build trixie

# It runs what was built.
molecule-debian13: build

molecule-%: dev-tools
	@molecule test --scenario-name $*

chaos: dev-tools  ## what make test has no time for: both load balancers, and all that breaks under load, in tables
	@molecule test --scenario-name balancers
	for step in destroy create prepare converge; do molecule $$step --scenario-name production; done
	pytest -m 'chaos or not chaos' molecule/production/tests molecule/production/chaos
	molecule destroy --scenario-name production
	pytest -m chaos molecule/brownfield/variants
	CONSUL_BIN=$$(lab/consul-binary) pytest -m chaos tests/integration

bench: dev-tools  ## how long the modules take, beside community.general's
	@CONSUL_BIN=$$(lab/consul-binary) bench/run

bench-site: run-tools  ## how long runs of the site take, as ratios (WHAT="production growth preflight --runs 1")
	@bench/site $(WHAT)

clean:  ## take away the test hosts, their images and what these commands made in this folder
	@if command -v docker >/dev/null; then
		docker info >/dev/null 2>&1 || { echo >&2 "make clean: no Docker engine answers this user, so the test hosts cannot be removed: start it with lab/engine, or use sudo"; exit 1; }
		lab/remove
		docker images --format '{{.Repository}}:{{.Tag}}' 'dockyard-lab*' | xargs --no-run-if-empty docker rmi --force >/dev/null
	fi
	rm -rf .cache .venv .venv-oldest .ansible .hypothesis .pytest_cache .ruff_cache tests/output
	find . -name __pycache__ -prune -exec rm -rf {} +
