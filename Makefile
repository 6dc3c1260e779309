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
.PHONY: help demo show test lint sanity unit integration app molecule build bench clean run-tools dev-tools

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

test: lint sanity unit integration app build molecule  ## all that proves it
	@echo "make test: all passed"

lint: dev-tools  ## ansible-lint, yamllint, ruff, changelog fragments
	@ruff check .
	ruff format --check .
	yamllint --strict .
	ansible-lint --offline --strict
	antsibull-changelog lint

sanity: dev-tools  ## ansible-test sanity, newest and oldest ansible-core
	@tests/sanity

unit: dev-tools  ## unit tests, newest and oldest ansible-core
	@pytest -q tests/unit
	.venv-oldest/bin/pytest -q tests/unit

integration: dev-tools  ## the modules against a real agent
	@CONSUL_BIN=$$(lab/consul-binary) pytest -q tests/integration

app: dev-tools  ## the app against a real agent and a real Redis
	@CONSUL_BIN=$$(lab/consul-binary) pytest -q tests/app

build: dev-tools  ## build the collection, install the tarball into an empty folder and run its playbook from there
	@tests/tarball

SCENARIOS ?= default locked install debian13
molecule: dev-tools  ## the scenarios, in the lab
	@for scenario in $(SCENARIOS); do
	    molecule test --scenario-name "$$scenario"
	done

bench: dev-tools  ## how long the modules take, beside community.general's
	@CONSUL_BIN=$$(lab/consul-binary) bench/run

clean:  ## take away what demo and test made, and nothing else
	@lab/remove
	for image in $$(docker images --quiet 'dockyard-lab*' 2>/dev/null | sort -u); do docker rmi --force "$$image" >/dev/null; done
	rm -rf .cache .venv .venv-oldest .ansible tests/output dockyard-consul-*.tar.gz
