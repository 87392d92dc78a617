# A thin front to CMake (CMakePresets.json) and busted. `make help` says what there is.
#
# Works from a bare Debian: what is missing is installed first (deps/install.sh, which returns at
# once when nothing is).
.DEFAULT_GOAL := all
.PHONY: all run test asan browser bench lint fuzz coverage install clean help deps

JOBS        := $(shell nproc)
CMAKE_FLAGS ?=
SPECS       ?=
FUZZ_SECONDS ?= 5
PREFIX      ?= /usr/local
DESTDIR     ?=
ASAN_PRELOAD = $(shell gcc -print-file-name=libasan.so) $(shell gcc -print-file-name=libubsan.so)

SHELL       := /bin/bash
.SHELLFLAGS := -o pipefail -c

# $(call build,PRESET): configures when the build tree is older than the presets or flags are given,
# from scratch when it was made elsewhere or is not complete; then builds.
define build
	@cached() { grep -qsxF "$$1" build/$(1)/CMakeCache.txt; }; fresh=; \
	cached 'CMAKE_HOME_DIRECTORY:INTERNAL=$(CURDIR)' && cached CMAKE_GENERATOR:INTERNAL=Ninja && \
	  [ -f build/$(1)/build.ninja ] || fresh=--fresh; \
	if [ -n "$$fresh$(CMAKE_FLAGS)" ] || [ CMakePresets.json -nt build/$(1)/build.ninja ]; then \
	  echo "configuring build/$(1)"; \
	  cmake $$fresh --preset $(1) $(CMAKE_FLAGS) >build/.configure.log 2>&1 || \
	    { cat build/.configure.log >&2; rm -f build/$(1)/build.ninja; exit 1; }; \
	fi
	@cmake --build build/$(1) -j $(JOBS) -- --quiet | sed -u '/^ninja: no work to do.$$/d; /^-- /d'
endef

all: deps  ## build build/release/justhttp
	$(call build,release)

deps:
	@mkdir -p build
	@deps/install.sh build

run: all  ## build, then serve apps/hello on 127.0.0.1:8080
	@echo "try: curl -i http://127.0.0.1:8080/"
	@exec build/release/justhttp run apps/hello --listen 127.0.0.1:8080

test:  ## build and run every spec (SPECS=path for some)
	@mkdir -p build
	@deps/install.sh build test
	$(call build,release)
	@JUSTHTTP_BUILD=build/release luajit /usr/bin/busted $(SPECS)

asan:  ## the specs on the AddressSanitizer and UBSan build
	@mkdir -p build
	@deps/install.sh build test
	$(call build,asan)
	@LD_PRELOAD="$(ASAN_PRELOAD)" ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
	  JUSTHTTP_BUILD=build/asan luajit /usr/bin/busted $(SPECS)

browser:  ## the apps in headless Chromium
	@mkdir -p build/browser
	@deps/install.sh build test
	@deps/install.sh browser || echo "no Chromium: what needs it is pending"
	$(call build,release)
	@if ! [ -d build/browser/node_modules ] || \
	  ! cmp -s spec/browser/package-lock.json build/browser/package-lock.json; then \
	  cp spec/browser/package.json spec/browser/package-lock.json build/browser/ && \
	  npm ci --prefix build/browser --no-audit --no-fund --loglevel=error || \
	  echo "no playwright-core: what needs it is pending"; \
	fi
	@JUSTHTTP_BUILD=build/release luajit /usr/bin/busted spec/browser

bench:  ## measure beside a floor and nginx; takes some minutes
	@mkdir -p build
	@deps/install.sh build bench
	$(call build,release)
	@spec/bench/run

lint:  ## clang-format, clang-tidy, luacheck
	@mkdir -p build
	@deps/install.sh build lint
	@.ci/lint

fuzz:  ## every fuzzer for FUZZ_SECONDS (5) each, over spec/fuzz/corpus
	@mkdir -p build
	@deps/install.sh build fuzz
	$(call build,fuzz)
	@.ci/fuzz $(FUZZ_SECONDS)

coverage:  ## run the specs on the gcov build; counters are left in build/coverage
	@mkdir -p build
	@deps/install.sh build test
	$(call build,coverage)
	@JUSTHTTP_BUILD=build/coverage luajit /usr/bin/busted $(SPECS)

install: all  ## install justhttp, libjusthttp and its header below PREFIX (/usr/local), in DESTDIR
	@DESTDIR="$(DESTDIR)" cmake --install build/release --prefix "$(PREFIX)"

clean:  ## remove build/
	rm -rf build

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile | expand -t 18
