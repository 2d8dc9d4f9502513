# groupshare: everything is built under build/ (the extension, by PGXS, in extension/).
# What each target is for: `make help`.
#
#@ Use it (each installs missing packages first; as root, what PostgreSQL refuses to do as root runs as another user):
#@   make demo          the whole main job with real files, then nothing is left running; FILE=path shares that file
#@   make up, make down a running system to try: prints how to be a terminal, leaves build/run/env
#@ Install it:
#@   make all           build everything under build/ (the extension in extension/)
#@   make install       the extension, by PGXS (PG_CONFIG=...), and programs, library, manuals, units (PREFIX, DESTDIR)
#@   make installcheck  pg_regress against a running server in which the extension is installed (PGHOST, PGPORT, ...)
#@ Work on it:
#@   make check         all tests; TESTS="test/t/001_main.t ..." only those; GS_JOBS=n at once (2)
#@   make check-unit check-sql check-isolation check-t    one kind of them
#@   make bench         what is fast and what is not, beside other servers in one run: a table and build/bench.json (bench/README.md)
#@   make bench-placement   what placement costs against the number of devices, and a simulated day (doc/placement.md)
#@   make bench-groups      what search, group info and undelivered events cost at scale (doc/groups.md)
#@   make bench-scaling     each call's cost against the number of terminals, members, groups, shares, devices (doc/scaling.md)
#@   make soak          the long tests of faults, for about SOAK_SECONDS (600), with a table of what was done
#@   make asan          unit tests and tests over real processes with AddressSanitizer and UBSan
#@   make valgrind      SQL tests of the extension in a PostgreSQL under valgrind; TESTS="test/sql/x.sql" only those; in pieces: test/bin/valgrind
#@   make fuzz          each parser under libFuzzer, FUZZ_SECONDS=n each (20); FUZZERS="fuzz_range" only those
#@   make lint          style, sizes, boundaries, agreement of versions; seconds
#@   make format        clang-format of all C files
#@   make updatecheck   an upgraded installation has the same catalog as a new one
#@   make dist          build/dist/groupshare-VERSION.zip, as PGXN takes it
#@   make deps          install the Debian packages that are missing
#@   make clean         remove all that was built

VERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" extension/groupshare.control)
PG_CONFIG ?= $(firstword $(wildcard /usr/lib/postgresql/15/bin/pg_config) pg_config)
PREFIX ?= /usr/local
BUILD ?= build
CC ?= gcc

CFLAGS ?= -O2 -g
GS_CFLAGS := -std=gnu11 -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
	-fstack-protector-strong -D_FORTIFY_SOURCE=2 -D_GNU_SOURCE -DGS_VERSION='"$(VERSION)"' -I.

.DEFAULT_GOAL := all
.PHONY: all clean

all: extension daemons client

include daemon/daemon.mk gateway/gateway.mk storaged/storaged.mk client/client.mk test/test.mk test/fuzz/fuzz.mk bench/bench.mk packaging/packaging.mk

.PHONY: extension daemons
extension:
	@mkdir -p $(BUILD)
	flock $(BUILD)/extension.lock $(MAKE) -C extension PG_CONFIG=$(PG_CONFIG) all

daemons: $(BUILD)/groupshare-gateway $(BUILD)/groupshare-storaged

# One rule for every C object: build/<path>.o from <path>.c, with its dependencies.
$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(GS_CFLAGS) $(CFLAGS) $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

.PHONY: deps help lint format

deps:
	@test/bin/install-deps

lint: deps
	@$(MAKE) --no-print-directory all unit
	@test/bin/lint

format:
	clang-format -i $(shell find daemon gateway storaged client extension test bench -name '*.[ch]')

clean:
	$(MAKE) -C extension PG_CONFIG=$(PG_CONFIG) clean
	rm -rf $(BUILD)

help:
	@sed -n 's/^#@ \{0,1\}//p' Makefile
