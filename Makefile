# What can be done here: `make help`.

SHELL := /bin/bash
PREFIX ?= /usr/local
DESTDIR ?=

# Every crate with a main.rs is a program.
PROGRAMS := $(patsubst crates/%/src/main.rs,%,$(wildcard crates/*/src/main.rs))
HOST = $(shell rustc -vV | sed -n 's/^host: //p')

# Static programs start three times as fast, and a supervisor forked from a static fleet-spawn stays
# smaller in memory. That needs the static C library; crt-static needs an explicit --target, or
# procedural macros fail. fleet-shim is executed only to adopt, so that it may be dynamic, and small;
# fleet-gpus must be dynamic, because it loads the library of a GPU's driver.
DYNAMIC := fleet-shim fleet-gpus
LIBC_A := $(wildcard $(shell $(CC) -print-file-name=libc.a 2>/dev/null))
# Functions of the same code are kept once, where the linker can do that (rustc's own, lld, does).
FOLD = $(shell folder=$$(mktemp -d) && echo 'fn main() {}' | rustc - -o $$folder/probe \
	-C link-arg=-Wl,--icf=all 2>/dev/null && echo -C link-arg=-Wl,--icf=all; rm -r $$folder)
SMALL_FLAGS = -C relocation-model=static $(FOLD) \
	-C link-arg=-Wl,-T,$(CURDIR)/scripts/no-unwind.ld,-z,noseparate-code
STATIC_FLAGS = -C target-feature=+crt-static $(SMALL_FLAGS)

# The daily targets use what was built here, else what is installed.
export PATH := $(CURDIR)/target/release:$(CURDIR)/target/debug:$(PATH)
CONFIG_DIR = $(if $(XDG_CONFIG_HOME),$(XDG_CONFIG_HOME),$(HOME)/.config)/fleet

.DEFAULT_GOAL := help
.PHONY: help demo build install uninstall test test-full bench lint clean setup \
	init list health metrics logs stop-all cleanup

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## The whole story in under a minute, in a temporary home
	cargo build --workspace --bins
	FLEET_BIN=$(CURDIR)/target/debug scripts/demo.sh

build: ## Release programs in target/release: small, quick to start
ifneq ($(LIBC_A),)
	RUSTFLAGS="$(STATIC_FLAGS)" cargo build --release --workspace --bins \
		$(DYNAMIC:%=--exclude %) --target $(HOST)
	@# One by one: together each would get what the other one wants of their libraries.
	for program in $(DYNAMIC); do RUSTFLAGS="$(SMALL_FLAGS)" \
		cargo build --profile small -p $$program --target $(HOST) || exit; done
	mkdir -p target/release
	cd target/$(HOST)/release && install -t $(CURDIR)/target/release $(filter-out $(DYNAMIC),$(PROGRAMS))
	@# Cargo does not strip a program whose package has a profile of its own.
	cd target/$(HOST)/small && install -s -t $(CURDIR)/target/release $(DYNAMIC)
	@# Static programs must be able to fail with words, also where backtraces are asked for.
	@RUST_BACKTRACE=1 target/release/fleet-ps --home /dev/null/none none 2>/dev/null; [ $$? -eq 2 ]
else
	@echo "make build: no static C library here (Debian, Ubuntu: apt-get install libc6-dev;" \
		"Fedora: dnf install glibc-static); building dynamic programs, which start slower" >&2
	cargo build --release --workspace --bins
endif

install: build ## Install to $(DESTDIR)$(PREFIX)/bin; PREFIX=~/.local needs no root
	install -d "$(DESTDIR)$(PREFIX)/bin"
	cd target/release && install -t "$(DESTDIR)$(PREFIX)/bin" $(PROGRAMS)

uninstall: ## Remove what install installed; no process is touched
	cd "$(DESTDIR)$(PREFIX)/bin" && rm -f $(PROGRAMS)

test: ## All tests but the slow ones, and every command of the README
	@scripts/test.sh

test-full: ## All tests
	@scripts/test.sh --full

bench: build ## Figures and ratios against what one would use instead (at most 12 minutes)
	scripts/bench.py

lint: ## Formatting, clippy, documentation and shell scripts, warnings denied
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
	@if command -v shellcheck >/dev/null; then shellcheck scripts/*.sh scripts/vm/*.sh .ci/run; \
	else echo "make lint: no shellcheck here, scripts are not checked (scripts/setup.sh)" >&2; fi

clean: ## Remove everything that was built
	cargo clean

setup: ## Install what the tests need
	scripts/setup.sh

init: ## Put the example alert rules where fleet-alert looks, unless there are some
	@mkdir -p "$(CONFIG_DIR)"
	@if [ -e "$(CONFIG_DIR)/alerts.toml" ]; then echo "$(CONFIG_DIR)/alerts.toml is there already"; \
	else cp configs/alerts.toml "$(CONFIG_DIR)/alerts.toml" && echo "$(CONFIG_DIR)/alerts.toml"; fi

list: ## What lives, and what ended today
	@fleet-ps -o table

health: ## How each is; fails unless all are well
	@fleet-ps --health -o table

metrics: ## What each uses
	@fleet-metrics -o table

logs: ## Follow the output of all, or of ID=name
	@fleet-logs -f -o table $(ID)

stop-all: ## Stop all
	@fleet-stop --all -o table

cleanup: ## Forget ended runs beyond the last 200 and 30 days, with their logs
	@fleet-ps --prune -o table
