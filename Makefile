# SPDX-License-Identifier: GPL-3.0-or-later
#
# Two commands do everything: `make demo` and `make test`. The rest are their parts; `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Ansible refuses to start in a locale that is not UTF-8, which a bare container has.
export LC_ALL := C.UTF-8

# SLURM=26.05 is another release than the default's.
ifdef SLURM
export LAB_SLURM_VERSION := $(SLURM)
endif

# What `make test` runs; each is a target below.
LINTERS := ansible-lint mypy nox shellcheck ruff changelog workflows
# The gates with a lab wait more than they work, and the scenarios leave a fourth of both cores: the rest runs beside them.
# Galaxy's importer gives its linter three minutes, which a low priority may make too few.
FIRST := lab-test demo-test oldest newest artifact
ALONE := molecule
BESIDE := unit sanity site $(LINTERS) docs bench-smoke
# The same gates as jobs of a code host; the linters are one.
JOBS := lint $(filter-out $(LINTERS),$(FIRST) $(ALONE) $(BESIDE))

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^##@ / {print "\n" substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-14s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ The two commands

.PHONY: demo test
demo: setup ## Start a Slurm cluster in containers, apply playbooks/site.yml to it and show jobs going through the hooks
	@lab/demo $(VARS:%=--vars %) $(INVENTORY:%=--inventory %)

test: setup ## Run every check and every test
	@# The scenarios watch the clock of a Slurm, so nothing runs beside them that claims a core.
	@python tools/gates.py $(FIRST) --alone $(ALONE) --beside $(BESIDE)

##@ The parts

.PHONY: setup lint
setup: ## Install what is missing: packages, .venv, the other collections
	@tools/setup

lint: setup ## All linters
	@python tools/gates.py $(LINTERS)

.PHONY: fix ruff mypy shellcheck ansible-lint nox changelog workflows
fix: setup ## Let the linters mend what they can
	@tools/scripts python | xargs --null ruff check --fix . || true
	@tools/scripts python | xargs --null ruff format .
	@tools/scripts sh | xargs --null shfmt --write --indent 4 --case-indent

ruff: setup ## Python: rules and format
	@tools/scripts python | xargs --null ruff check .
	@tools/scripts python | xargs --null ruff format --check .

PACKAGE := ansible_collections.nodecycle.slurm.plugins
SHORT_PATHS := sed 's|^.cache/collections/ansible_collections/nodecycle/slurm/||'
mypy: setup ## Python: types of plugins/, tools/ and every script
	@MYPYPATH=.cache/collections mypy --package $(PACKAGE) | $(SHORT_PATHS)
	@# What runs on managed hosts, against the standard library of the oldest Python that mypy knows.
	@MYPYPATH=.cache/collections mypy --python-version 3.10 --package $(PACKAGE).modules --package $(PACKAGE).module_utils \
		| $(SHORT_PATHS)
	@tools/scripts python | MYPYPATH=tools:lab xargs --null mypy --scripts-are-modules noxfile.py tools
	@MYPYPATH=tests/bench:.cache/collections:tests/unit/plugins/plugin_utils/_lint/script mypy $$(git ls-files 'tests/bench/*.py')

shellcheck: setup ## Shell: shellcheck and shfmt over each file with a shell's first line
	@tools/scripts sh | xargs --null shellcheck --external-sources
	@tools/scripts sh | xargs --null shfmt --diff --indent 4 --case-indent

ansible-lint: setup ## Roles and playbooks: the production profile
	@ansible-lint --offline --strict --format pep8 --nocolor

nox: setup ## What antsibull-nox checks (antsibull-nox.toml): form of YAML, licences, action groups, unwanted files
	@nox --no-venv

changelog: setup ## Changelog fragments: form
	@antsibull-changelog lint

SCHEMA := check-jsonschema --builtin-schema
workflows: setup ## What a code host reads: workflows, pipelines, forms of issues, updates of dependencies
	@actionlint
	@zizmor --offline --quiet --no-progress .github
	@$(SCHEMA) vendor.github-workflows .github/workflows/*.yml
	@$(SCHEMA) custom.github-workflows-require-timeout .github/workflows/*.yml
	@$(SCHEMA) vendor.dependabot .github/dependabot.yml
	@$(SCHEMA) vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	@$(SCHEMA) vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	@mkdir -p build
	@python tools/jobs.py gitlab build/jobs.yml $(JOBS)
	@$(SCHEMA) vendor.gitlab-ci --data-transform gitlab-ci .gitlab-ci.yml build/jobs.yml

.PHONY: unit oldest newest matrix docs site sanity build artifact package importer
unit: setup ## Unit tests (ARGS='-k name' for some)
	@pytest --numprocesses 2 tests/unit $(ARGS)

OLDEST := $(shell sed -n 's/^requires_ansible: ">=\(.*\)"/\1/p' meta/runtime.yml)
NEWEST := $(shell sed -n 's/^NEWEST = "\(.*\)"/\1/p' noxfile.py)
oldest: setup ## Whole runs with the oldest ansible-core, the demo on the oldest Slurm, and the modules' code on a host's oldest Python
	@nox --session runs-$(OLDEST) host -- $(ARGS)

newest: setup ## Whole runs with the newest ansible-core, and the demo on the newest Slurm
	@nox --session runs-$(NEWEST) -- $(ARGS)

# One after the other; nox goes on after a failure, and ends with the outcome of each.
MATRIX := $(OLDEST) 2.18 2.20 $(NEWEST)
matrix: setup ## Unit tests, sanity and whole runs on several ansible-cores (an hour; not in `make test`)
	@nox --session $(MATRIX:%=unit-%) $(MATRIX:%=sanity-%) $(MATRIX:%=runs-%)

docs: setup ## Documentation of modules, roles and docs/: form and references
	@antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=all --check-extra-docs-refs .

site: setup ## The documentation site, in build/site/html, and its links
	@nox --session site -- $(ARGS)

sanity: setup ## ansible-test sanity (ARGS='--test pylint' for one)
	@python tools/sanity.py $(ARGS)

build: setup ## The artifact, in build/
	@rm -f build/nodecycle-slurm-*.tar.gz
	@ansible-galaxy collection build --output-path build

artifact: package importer ## All checks of the artifact, which is built once for them

package: build ## The artifact: its content, and its installation into an empty directory
	@pytest tests/package $(ARGS)

importer: build ## What Galaxy's importer says of the artifact
	@nox --session importer

##@ What a code host calls

.PHONY: jobs session release publish
jobs: setup ## The targets that cover `make test`, and nox's sessions (FORMAT=github or gitlab, FILE=name)
	@python tools/jobs.py $(FORMAT) $(FILE) $(JOBS)

session: setup ## One session of nox (SESSION=name)
	@nox --session "$(SESSION)" -- $(ARGS)

release: setup ## Check that everything says the version of the tag, and build the artifact (TAG=v1.2.3)
	@python tools/release.py check "$(TAG)"
	@$(MAKE) build

publish: setup ## Put the artifact of `make release` on Galaxy (TAG=v1.2.3; the token is in GALAXY_TOKEN)
	@python tools/release.py publish "$(TAG)"

##@ The lab

.PHONY: lab-up lab-down demo-down lab-test demo-test molecule matrix-slurm bench bench-smoke
lab-up: setup ## Start the lab's cluster
	@lab/lab up

lab-down: ## Remove the lab's cluster
	@lab/lab down

demo-down: lab-down ## Remove the cluster of the demo (its images stay for the next time)

# The tests have labs of their own: the demo's cluster, and yours, stay as they are.
lab-test demo-test oldest newest molecule: export LAB_NAME := $(or $(LAB_NAME),nodecycle-test)

lab-test: lab-up ## The lab itself, our checker of slurm.conf beside Slurm, and the benchmark's part on a lab
	@pytest tests/lab tests/integration tests/bench/test_bench_lab.py $(ARGS)

demo-test: setup ## The demo
	@pytest tests/demo/test_demo.py $(ARGS)

molecule: setup ## Scenarios against the lab (SCENARIO=name for one, ARGS='-k name' for some of its tests)
	@ARGS="$(ARGS)" tools/scenarios $(SCENARIO)

matrix-slurm: setup ## All scenarios on each Slurm of the lab: three times as long (SLURM=26.05 for one)
	@tools/scenarios --matrix $(SLURM)

bench: setup ## Measure; writes the tables of docs/
	@tests/bench/run

bench-smoke: setup ## Whether the benchmark's other parts work, with the smallest numbers
	@pytest tests/bench/test_bench.py $(ARGS)
