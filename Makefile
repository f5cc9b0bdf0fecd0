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
# How smoke and browser tests get into TARGET; these are the files of the stack that `make up` runs here.
OPTIONS ?= $(if $(ENV),,--project $$(sed -n 's/^COMPOSE_PROJECT_NAME=//p' compose/.env) --ca compose/tls/ca.pem --password-file compose/secrets/demo_password)
# PASSWORD=show: `make up` prints the first password again; where CI is set, never.
PASSWORD ?=
export ENV CONFIRM TIME PASSWORD

STACK := PYTHONPATH=src/channels_stack_deploy python3 -m channels_stack_deploy --env "$$ENV"
COMPOSE := $(STACK) compose
PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest
# The tests of a running stack: that of TARGET, or the environment ENV. Neither: the tests start stacks of their own.
RUNNING = $(if $(ENV),IFS=$$'\n'; options=$$($(STACK) target); )$(PYTEST)
INTO = $(if $(ENV),$$options )$(if $(TARGET),--target $(TARGET) $(OPTIONS))

##@ Run

## Make this machine run the stack: engine, images, secrets, release, services (ENV=staging: an environment of its own)
up:
	@$(STACK) up

## A development stack: code mounted, autoreload, `runserver` from Daphne
dev:
	@$(STACK) --overlay dev up

## Follow what the services say
logs:
	@$(COMPOSE) logs --follow --tail 20

## What runs, and how healthy it is
ps:
	@$(COMPOSE) ps --all

## A command of the application's manage.py, in a container of http (C="createsuperuser")
manage:
	@$(COMPOSE) exec http python -m django $(or $(C),help)

## What every process says of itself: sockets, delays, jobs that wait, memory
status:
	@$(COMPOSE) exec -T ws channels-stack status

## Stop the stack; its data stays
down:
	@$(STACK) down

## Remove the stack with all its data and secrets (CONFIRM=yes)
purge:
	@$(STACK) purge

## Make a backup now, and tell how old the others are (docs/how-to/backups.md)
backup:
	@$(STACK) backup

## Replace the database by a backup, of TIME=... or the newest (after `make down`; CONFIRM=yes)
restore:
	@$(STACK) restore

## Restore the newest backup beside the running stack and compare: tells RPO and RTO
restore-drill:
	@$(STACK) drill

## Look whether this machine can run the stack; ENGINE=keep installs nothing
check:
	@$(STACK) check

## Your own project: find out what runs it, and write that to stack.env and app.env (P=../myproject)
adopt:
	@$(STACK) adopt "$(P)"

## What will break in production in a Channels project (P=path; default: the one that stack.env names)
doctor:
	@$(STACK) doctor "$(P)"

##@ Servers

PLAY = cd ansible && ../.venv/bin/ansible-playbook -i inventory/$(or $(ENV),$(error say which: ENV=staging, a folder of ansible/inventory))

## Ansible's own environment, .venv, for who calls ansible-playbook himself (docs/how-to/deploy.md)
controller:
	@python3 tests/prepare.py controller

## Make the hosts of an environment able to run the stack (ENV=staging)
bootstrap: controller
	@$(PLAY) bootstrap.yml

## Put a release on them, without a gap
deploy: controller
	@$(PLAY) deploy.yml

## Go back to the release before
rollback: controller
	@$(PLAY) rollback.yml

## Make new secrets and let them come into force, without a dropped session (W=secret_key,db,redis for some)
rotate: controller
	@$(PLAY) rotate-secrets.yml $(if $(W),-e what=$(W))

##@ Test

## Everything: unit, image, smoke, browser
test: unit image smoke browser

## The application and the runtime, in a container with Redis and PostgreSQL (T=path for one)
unit: images
	@docker run --rm --init --network none --read-only --tmpfs /tmp:exec,size=1g,mode=1777 --volume "$(CURDIR)":/src:ro \
	  $$(sed -n 's/^TEST_IMAGE=//p' .images) python -m pytest -c tests/unit/pytest.ini -p no:cacheprovider \
	  $(or $(T),tests/unit --numprocesses $(JOBS) --dist worksteal)

## Each image: contents, contracts, behaviour (T=path for one)
image: images prepare
	@env $$(cat .images) $(PYTEST) $(or $(T),tests/image -m "not alone" --numprocesses $$(($$(nproc) + 1)) --dist loadfile)
	@$(if $(T),,env $$(cat .images) $(PYTEST) tests/image -m alone)

## Services and routing of stacks made for it, or of a running one (ENV=staging, or TARGET=https://...)
smoke: prepare
	@$(RUNNING) $(or $(T),tests/smoke) $(INTO)

## Two people in a room, with a real browser
browser: prepare
	@$(RUNNING) $(or $(T),tests/browser) $(INTO)

## Our worker beside Channels' own: jobs lost, jobs run twice, jobs per second
bench-worker: images
	@docker run --rm --init --network none --read-only --tmpfs /tmp:exec,size=1g,mode=1777 --volume "$(CURDIR)":/src:ro \
	  $$(sed -n 's/^TEST_IMAGE=//p' .images) python tests/bench/worker/bench.py

## An event's way to the members of a group: the groups layer alongside channels_redis (T="members events rounds")
bench-groups: images
	@docker run --rm --init --network none --read-only --tmpfs /tmp:exec,size=1g,mode=1777 --volume "$(CURDIR)":/src:ro \
	  $$(sed -n 's/^TEST_IMAGE=//p' .images) python tests/bench/groups/bench.py $(T)

## What idle websockets cost, service by service (T=how many; default 2000)
bench-sockets: prepare
	@$(PYTHON) tests/bench/sockets/bench.py $(T)

## Sample projects of every shape, built and run as they are (T=name for one)
apps: prepare
	@$(PYTEST) tests/apps $(if $(T),-k $(T))

## Redis restarted, emptied, killed, paused under open sockets: ours beside stock (T='-m "not long"' without the minute)
test-faults: images
	@docker run --rm --init --network none --read-only --tmpfs /tmp:exec,size=1g,mode=1777 --volume "$(CURDIR)":/src:ro \
	  $$(sed -n 's/^TEST_IMAGE=//p' .images) python -m pytest -c tests/fault/pytest.ini -p no:cacheprovider tests/fault $(T)

## How far the doctor and the truth agree: precision and recall over the projects of tests/unit/doctor/shapes
test-doctor:
	@python3 -B tests/unit/doctor/agreement.py

## The Channels 4.0 notes' minimal project on every row of versions; writes docs/reference/versions.md (T=name for one row)
test-versions: prepare
	@$(PYTEST) tests/versions $(if $(T),-k $(T))

## Servers made for it: bootstrap, deploy, faults, over real SSH (T=path for one; T='tests/deploy -m more': options)
test-deploy: prepare
	@$(PYTEST) -s $(or $(T),tests/deploy -m "not more")

## Every linter
lint: images prepare
	@env $$(cat .images) $(PYTHON) tests/lint.py

##@ Build

## Build all images; their names are left in .images
images:
	@$(STACK) images

## Compile the lock files anew (LOCK=--upgrade for newest versions)
lock: prepare
	@PYTHONPATH=src/channels_stack_deploy $(PYTHON) -m channels_stack_deploy.build.locks $(LOCK)

## Virtual environment and browser of the tests
prepare:
	@python3 tests/prepare.py

## This list
help:
	@awk '/^##@ /{print "\n" substr($$0, 5)} /^## /{text = substr($$0, 4)} \
	  /^[a-z-]+:/{split($$1, name, ":"); printf "  make %-12s %s\n", name[1], text}' Makefile

.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*/\1/p' Makefile)
