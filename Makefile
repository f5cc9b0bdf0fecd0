# Everything people and CI do with the stack. Logic lives in src/channels_stack_deploy and in tests/.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# ENV: on this machine a folder of compose/environments (docs/how-to/environments.md), without it the stack in compose/; for servers a
# folder of ansible/inventory. A path is neither: sh calls so the file that it reads at its start.
ENV ?=
ifeq ($(origin ENV):$(findstring /,$(ENV)),environment:/)
override ENV :=
endif
# T: one test file or folder.  TARGET: a running stack's address.  CONFIRM=yes: for what removes data.
T ?=
TARGET ?=
CONFIRM ?=
# JOBS: how many processes run the tests of `make unit`: two for each core, because most of them wait.
JOBS ?= $$((2 * $$(nproc)))
# TIME: the moment to restore, 2026-03-31T17:05:00+00:00.
TIME ?=
# OPTIONS: of the tests of TARGET: --ca FILE, --probes FILE; --user NAME and --password-file FILE for the reference application.
OPTIONS ?=
# PASSWORD=show: `make up` prints the first password again; where CI is set, never.
PASSWORD ?=
# MINUTES: how long `make capacity` may take.  APPLY=yes: it writes the settings that it would change.
MINUTES ?= 5
APPLY ?=
# BUNDLE: the file of `make bundle`, for a machine that reaches nothing.
BUNDLE ?=
# SHARE: so many percent of the visitors try a new release before it is rolled out.
SHARE ?=
export ENV TARGET OPTIONS CONFIRM TIME PASSWORD MINUTES APPLY BUNDLE SHARE

STACK := PYTHONPATH=src/channels_stack_deploy python3 -m channels_stack_deploy --env "$$ENV"
COMPOSE := $(STACK) compose
PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest
# A whole suite: what fails is run again, alone, and printed as unstable where it passes then. With T= there is one try.
SUITE = $(PYTHON) $(if $(T),-m pytest,tests/suite.py)
# The tests $(1), "": those that fit, of a running stack: ENV, or TARGET with OPTIONS. Neither: the tests start stacks of their own.
RUNNING = $(if $(ENV)$(TARGET),IFS=$$'\n'; arguments=$$($(STACK) target '$(1)'); $(PYTEST) $(1) $$arguments,\
  $(SUITE) $(1)) $(if $(TARGET),--target $(TARGET) $(OPTIONS))

# Whether ENV names an inventory; an environment of this machine wins, unless there is a slash (config/inventories.py).
SERVERS = $(if $(ENV),$(if $(findstring /,$(ENV)),yes,$(if $(wildcard compose/environments/$(ENV)/.),,$(wildcard ansible/inventory/$(ENV)/.))))

##@ Run

## Run the stack on this machine: install the engine, build images, create secrets, release, start (ENV=staging: another stack; SHARE=10)
up:
	@$(STACK) up

## Roll back to the release that served before, on this machine or on the servers of ENV (RELEASE=name: to that one)
rollback: $(if $(SERVERS),controller)
	@$(if $(SERVERS),$(PLAY) rollback.yml $(if $(RELEASE),-e release=$(RELEASE)),$(STACK) rollback)

## Start a development stack: mounted code, autoreload, Daphne's `runserver`
dev:
	@$(STACK) --overlay dev up

## List the containers with their health
ps:
	@$(COMPOSE) ps --all

## Stop the stack and keep its data
down:
	@$(STACK) down

## Remove the stack with all its data and secrets (CONFIRM=yes)
purge:
	@$(STACK) purge

## Make a backup now and print the age of the others (docs/how-to/backups.md)
backup:
	@$(STACK) backup

## Restore the database from a backup, to TIME=... or the newest (after `make down`; CONFIRM=yes)
restore:
	@$(STACK) restore

## Restore the newest backup alongside the running stack, compare the data, print RPO and RTO
restore-drill:
	@$(STACK) drill

## Check that this machine can run the stack (ENGINE=keep: do not install Docker)
check:
	@$(STACK) check

## Ramp visitors against this stack until a limit breaks: how many it can serve, and which limit that is (MINUTES=5, APPLY=yes)
capacity:
	@$(STACK) capacity

## Detect the settings of your own project and write them to stack.env and app.env (P=../myproject)
adopt:
	@$(STACK) adopt "$(P)"

## Report what will break in production in a Channels project (P=path; default: the project in stack.env)
doctor:
	@$(STACK) doctor "$(P)"

##@ Operate, here and on servers (ENV=staging, ENV=production)

# S: a service, or one of its containers.  HOST: only there.  C: the words of a command.
# W: what, of a few words.
S ?=
HOST ?=
W ?=
C ?=
# Of the logs: this LEVEL or worse; the id of a REQUEST or connection; containers of a RELEASE; SINCE=10m; TAIL=100 lines of each;
# FOLLOW=no; RAW=yes: as they were written.
LEVEL ?=
REQUEST ?=
RELEASE ?=
SINCE ?=
TAIL ?=
FOLLOW ?=
RAW ?=
export S HOST W C LEVEL REQUEST RELEASE SINCE TAIL FOLLOW RAW

## Follow the logs of all hosts, in the order of time (S="http ws" LEVEL=warning REQUEST=id RELEASE=name SINCE=10m FOLLOW=no)
logs:
	@$(STACK) logs

## Open a shell in a container (S=http), or run C in it
shell:
	@$(STACK) shell

## Run a manage.py command of the application in a container that runs (C="createsuperuser")
manage:
	@$(STACK) manage

## Open a console of the database, or run one statement (C="select 1")
dbshell:
	@$(STACK) dbshell

## Run a command once, in a container of its own (C="python -m django clearsessions")
job:
	@$(STACK) job

## Begin or end maintenance: the edges answer 503 with Retry-After, sockets are closed with 1013 (W=on, W=off; without: show)
maintenance:
	@$(STACK) maintenance

## Show the status of every process: sockets, event loop lag, waiting jobs, memory
status:
	@$(STACK) status

## Show what runs where: release, since when, by whom
details:
	@$(STACK) details

## Show the releases that are kept, and what each changed (W=NAME, W="ONE OTHER": the settings and images that differ)
releases:
	@$(STACK) releases

## Show who did what, and when
audit:
	@$(STACK) audit

##@ Servers

PLAY = cd ansible && ANSIBLE_LOG_PATH=log/$$(date +%Y%m%dT%H%M%S)-$@.log ../.venv/bin/ansible-playbook -i inventory/$(or $(ENV),$(error say which: ENV=staging, a folder of ansible/inventory))

## Install Ansible into .venv, to call ansible-playbook directly (docs/how-to/deploy.md)
controller:
	@python3 tests/prepare.py controller

## Prepare the hosts of an environment to run the stack (ENV=staging)
bootstrap: controller
	@$(PLAY) bootstrap.yml

## Deploy a release to the hosts with zero downtime (SHARE=10: 10 % of the visitors try it first)
deploy: controller
	@$(PLAY) deploy.yml $(if $(SHARE),-e share=$(SHARE))

## Remove a host from the cluster permanently: what it runs moves, then it leaves (HOST=host2.example.org)
retire: controller
	@$(PLAY) retire.yml -e node=$(or $(HOST),$(error say which host: HOST=host2.example.org))

## Rotate the secrets without losing a session (W=secret_key,db,redis: only these)
rotate: controller
	@$(PLAY) rotate-secrets.yml $(if $(W),-e what=$(W))

##@ Test

## Run the unit, image, smoke and browser tests
test: unit image smoke browser

# The unit tests in their image, with Redis and PostgreSQL; $(1): further options.
UNIT = docker run --rm --init --network none --read-only --tmpfs /tmp:exec,size=1g,mode=1777 --volume "$(CURDIR)":/src:ro \
  $$(sed -n 's/^TEST_IMAGE=//p' .images) python $(if $(T),-m pytest $(T),tests/suite.py tests/unit --numprocesses $(JOBS) --dist worksteal) \
  -c tests/unit/pytest.ini -p no:cacheprovider $(1)

## Test the application and the runtime in a container with Redis and PostgreSQL (T=path: only this)
unit: images
	@$(call UNIT)

## Run the unit tests and print which lines and branches of src they cover; fails below the floor (T=path: only this, no floor)
coverage: images
	@$(call UNIT,--cov --cov-config=tests/unit/coverage.ini $(if $(T),--cov-fail-under=0))

## Test each image: contents, contract, behaviour (T=path: only this)
image: images prepare
	@env $$(cat .images) $(SUITE) $(or $(T),tests/image -m "not alone" --numprocesses $$(($$(nproc) + 1)) --dist loadfile --no-loadscope-reorder)
	@$(if $(T),,env $$(cat .images) $(SUITE) tests/image -m alone)

## Test services and routing of temporary stacks, or check a running one (ENV=staging, ENV=production: servers, TARGET=https://...)
smoke: prepare
	@$(call RUNNING,$(or $(T),$(if $(ENV)$(TARGET),,tests/smoke tests/operator --numprocesses 2 --dist loadscope --no-loadscope-reorder)))

## Test a chat of two users in a real browser
browser: prepare
	@$(call RUNNING,$(or $(T),tests/browser))

# A script of tests/bench in the image of the tests.
BENCH = docker run --rm --init --network none --read-only --tmpfs /tmp:exec,size=1g,mode=1777 --volume "$(CURDIR)":/src:ro \
  --env PYTHONPATH=/src/src/channels_stack:/src/tests/unit/runtime:/src/tests:/src/tests/bench/realtime $$(sed -n 's/^TEST_IMAGE=//p' .images) python

## Compare echoes, broadcasts, joins, handshakes, memory with stock uvicorn and Daphne (T="--rounds 5 echo group_send")
bench: images
	@mkdir -p tests/.artifacts
	@$(BENCH) tests/bench/realtime/bench.py $(T) >tests/.artifacts/bench.json
	@python3 tests/bench/realtime/plot.py tests/.artifacts/bench.json tests/.artifacts/bench.svg

# An earlier revision to compare with, or to upgrade.
EARLIER = $(or $(REV),$$(git describe --tags --abbrev=0 2>/dev/null || git rev-parse HEAD~20))

## Compare the same with our library of an earlier revision (REV; default: the last tag, or 20 commits ago); fails where this one costs more in every round
bench-compare: images
	@rm -rf tests/.artifacts/before && mkdir -p tests/.artifacts/before
	@git archive $(EARLIER) src/channels_stack | tar -x -C tests/.artifacts/before
	@$(BENCH) tests/bench/realtime/bench.py \
	  --before /src/tests/.artifacts/before/src/channels_stack $(T) >tests/.artifacts/bench-compare.json

## Compare our worker with Channels' own: lost jobs, duplicate runs, jobs per second
bench-worker: images
	@$(BENCH) tests/bench/worker/bench.py

## Compare delivery to the members of a group: groups layer and channels_redis (T="members events rounds")
bench-groups: images
	@$(BENCH) tests/bench/groups/bench.py $(T)

## Compare pages on each HTTP_HANDLER with stock uvicorn and Daphne (T="rounds seconds"; default 5 2)
bench-pages: images
	@$(BENCH) tests/bench/pages/bench.py $(T)

## Compare pages and messages with TRACING on and off (T="turns seconds"; default 40 0.5)
bench-tracing: images
	@$(BENCH) tests/bench/tracing/cost.py $(T)

## Measure what a line of the log costs its process (T="turns lines"; default 9 10000)
bench-logs: images
	@$(BENCH) tests/bench/logs/cost.py $(T)

## Measure the cost of idle WebSockets, service by service (T=how many; default 2000)
bench-sockets: prepare
	@PYTHONPATH=tests:tests/smoke $(PYTHON) tests/bench/sockets/bench.py $(T)

## Fill a stack with idle WebSockets, and then some (T=how many; default 20000)
bench-full: prepare
	@PYTHONPATH=tests:tests/bench/realtime:tests/smoke $(PYTHON) tests/bench/sockets/full.py $(T)

## Compare pages and messages of one process through the edge with its own port (T="turns seconds messages"; default 20 1, both)
bench-edge: prepare
	@PYTHONPATH=tests:tests/smoke:tests/unit/runtime:tests/bench/realtime $(PYTHON) tests/bench/edge/cost.py $(T)

## Build and run sample projects of every shape, unchanged (T=name: only this)
apps: prepare
	@$(PYTEST) tests/apps $(if $(T),-k $(T))

## Restart, empty, kill and pause Redis under open sockets: ours and stock (T='-m "not long"': without the minute-long test)
test-faults: images
	@docker run --rm --init --network none --read-only --tmpfs /tmp:exec,size=1g,mode=1777 --volume "$(CURDIR)":/src:ro \
	  $$(sed -n 's/^TEST_IMAGE=//p' .images) python tests/suite.py tests/fault -c tests/fault/pytest.ini -p no:cacheprovider $(T)

## Cut a thousand WebSockets again and again, ours and stock, then the groups layer under faults and a deploy (PEOPLE=100 T=-x: only that)
test-realtime: images
	@docker run --rm --init --network none --read-only --tmpfs /tmp:exec,size=1g,mode=1777 --volume "$(CURDIR)":/src:ro \
	  --env PEOPLE=$(or $(PEOPLE),1000) $$(sed -n 's/^TEST_IMAGE=//p' .images) \
	  python -m pytest tests/realtime $(T) -c tests/realtime/pytest.ini -p no:cacheprovider
	@$(if $(T),,$(MAKE) unit T="tests/unit/runtime --keyword groups" && $(MAKE) test-faults && $(MAKE) test-deploy T=tests/deploy/test_deploy.py)

## Measure precision and recall of the doctor over the projects of tests/unit/doctor/shapes
test-doctor:
	@PYTHONPATH=src/channels_stack python3 -B tests/unit/doctor/agreement.py

## Test the JavaScript client in Chromium, with a server that is killed, restarted, stopped
test-client: images prepare
	@env $$(cat .images) $(PYTEST) $(or $(T),tests/client)

## Test the monitoring: a stack with MONITORING=on, whose faults become alerts
test-monitoring: prepare
	@$(PYTEST) $(or $(T),tests/monitoring)

## Test a minimal Channels project on every row of versions; writes docs/reference/versions.md (T=name: only this row)
test-versions: prepare
	@$(PYTEST) tests/versions $(if $(T),-k $(T))

## Upgrade an earlier revision (REV; default: the last tag, or 20 commits ago) under visitors: by `make up`, and on a temporary server (T=path: only this)
test-upgrade: prepare
	@$(PYTEST) $(or $(T),tests/upgrade) -s --revision $(EARLIER)

## Test bootstrap, deploys and faults on temporary servers over SSH (T=path: only this; T='tests/deploy -m more': options)
test-deploy: prepare
	@$(PYTHON) tests/suite.py $(or $(T),tests/deploy -m "not more") -s

## Run every linter
lint: images prepare
	@env $$(cat .images) $(PYTHON) tests/lint.py

##@ Build

## Build all images and write their names to .images
images:
	@$(STACK) images

## Make one file of all that a machine needs which reaches nothing: packages, images, wheels, playbooks (W="bookworm trixie")
bundle: controller
	@PYTHONPATH=src/channels_stack_deploy $(PYTHON) -m channels_stack_deploy --env "$$ENV" bundle

## Make what a release consists of, in dist/: wheel, source, notes, a bill of materials of each image
release: images prepare
	@env $$(cat .images) PYTHONPATH=src/channels_stack_deploy $(PYTHON) -m channels_stack_deploy.build.distribution

## Recompile the lock files (LOCK=--upgrade: newest versions)
lock: prepare
	@PYTHONPATH=src/channels_stack_deploy $(PYTHON) -m channels_stack_deploy.build.locks $(LOCK)

## Install the virtual environment and the browser of the tests
prepare:
	@python3 tests/prepare.py

## Show this help
help:
	@awk '/^##@ /{print "\n" substr($$0, 5)} /^## /{text = substr($$0, 4)} \
	  /^[a-z-]+:/{split($$1, name, ":"); printf "  make %-14s %s\n", name[1], text}' Makefile

.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*/\1/p' Makefile)
