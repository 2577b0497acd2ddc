# The commands of the project. Each does its own set-up and says what it does; `tests/machine` is
# the one place that installs or starts anything on the machine.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

export PATH := $(HOME)/.cargo/bin:$(PATH)
CARGO ?= cargo
JOBS ?= 2
TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),$(CURDIR)/target)
PREFIX ?= /usr/local
PLUGINS := redis postgres ollama compose policy-example

.PHONY: help build plugins demo test lint bench fresh sabotage install clean

help:
	@echo 'make demo      run examples/quickstart: a real Redis and a web service, through a plugin'
	@echo 'make test      everything that can be checked here, engine included'
	@echo 'make lint      format, clippy, licences and bans'
	@echo 'make bench     side by side with what a user would pick instead'
	@echo 'make plugins   build the plugins into the target folder'
	@echo 'make install   PREFIX=/usr/local: the binary and the plugins'
	@echo 'make fresh     demo and test in a bare Debian root'
	@echo 'make sabotage  break the code on purpose; every test must notice'
	@echo 'make clean     remove what was built'

build: plugins
	@tests/machine compiler
	$(CARGO) build -j$(JOBS) --locked -p aspire-host

plugins:
	@tests/machine compiler
	$(CARGO) build -j$(JOBS) --locked --profile plugin --target wasm32-wasip2 $(PLUGINS:%=-p aspire-plugin-%)
	@mkdir -p "$(TARGET)/plugins"
	@for name in $(PLUGINS); do \
	  install -m 644 "$(TARGET)/wasm32-wasip2/plugin/$${name//-/_}.wasm" "$(TARGET)/plugins/.$$name.new" && \
	  mv "$(TARGET)/plugins/.$$name.new" "$(TARGET)/plugins/$$name.wasm" || exit 1; \
	done

demo: build
	@tests/machine redis-or-engine
	@echo 'demo: starting examples/quickstart; Ctrl-C stops everything'
	@images=$$(tests/machine quickstart-images) && cd examples/quickstart && { "$(TARGET)/debug/aspire-host" run $$images || [ $$? = 130 ]; }

test: build
	@tests/machine engine redis postgres python compose images clients
	$(CARGO) test -j$(JOBS) --locked --workspace $(TESTFLAGS)

lint:
	@tests/machine compiler deny
	$(CARGO) fmt --all --check
	$(CARGO) clippy -j$(JOBS) --locked --workspace --all-targets -- -D warnings
	@tests/machine check-deny

bench: plugins
	@tests/machine compiler peers
	@tests/machine engine images compose || echo 'bench: without containers'
	@tests/machine redis || echo 'bench: without Redis'
	$(CARGO) build -j$(JOBS) --locked --release -p aspire-host -p bench
	tests/bench/run $(BENCH)

fresh:
	tests/fresh/run

sabotage: build
	tests/sabotage/run

install: plugins
	$(CARGO) build -j$(JOBS) --locked --release -p aspire-host
	install -D -m 755 "$(TARGET)/release/aspire-host" "$(DESTDIR)$(PREFIX)/bin/aspire-host"
	@for name in $(PLUGINS); do \
	  install -D -m 644 "$(TARGET)/plugins/$$name.wasm" "$(DESTDIR)$(PREFIX)/lib/aspire-host/plugins/$$name.wasm" || exit 1; \
	done

clean:
	$(CARGO) clean
	rm -rf examples/*/.aspire-host
