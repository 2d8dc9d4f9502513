# Tests: `make check` runs all of them in one prove, `make check TESTS="test/t/001_main.t"` some. See test/README.md.

# Unit tests: build/test/unit/NAME from test/unit/NAME.c, whose first comments say what else is linked:
#   /* objects: extension/ticket.o */   relative to build/
#   /* libs: cmocka jansson */          as pkg-config knows them
UNIT_SOURCES := $(sort $(wildcard test/unit/test_*.c))
UNIT_TESTS := $(patsubst %.c,$(BUILD)/%,$(UNIT_SOURCES))
PKG_CFLAGS += $(shell pkg-config --cflags cmocka 2>/dev/null)

unit_says = $(shell sed -n 's,^/\* $(1): \(.*\) \*/$$,\1,p' test/unit/$(2).c)

define unit_rule
$(BUILD)/test/unit/$(1): $(BUILD)/test/unit/$(1).o $(addprefix $(BUILD)/,$(call unit_says,objects,$(1)))
	$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$^ $$(shell pkg-config --libs $(call unit_says,libs,$(1))) -lm
endef
$(foreach test,$(notdir $(basename $(UNIT_SOURCES))),$(eval $(call unit_rule,$(test))))

# Preloaded into daemons by tests of failing calls (test/faults); its wrappers stand before the C library's functions, not
# before their fortified twins.
$(BUILD)/test/faults.so: test/faults/calls.c test/faults/faults.h
	@mkdir -p $(@D)
	$(CC) $(filter-out -D_FORTIFY_SOURCE=2,$(GS_CFLAGS)) -O2 -g -U_FORTIFY_SOURCE -fPIC -shared -o $@ $<

$(BUILD)/test/heap.so: test/faults/heap.c
	@mkdir -p $(@D)
	$(CC) $(GS_CFLAGS) -O2 -g -fPIC -shared -o $@ $<

TEST_PROGRAMS += $(BUILD)/test/faults.so $(BUILD)/test/heap.so

.SECONDARY:
.PHONY: unit private-pg check check-unit check-sql check-isolation check-t asan valgrind demo up down

# Parts add what only tests need: TEST_PROGRAMS += $(BUILD)/faults/groupshare-storaged
unit: $(UNIT_TESTS) $(TEST_PROGRAMS)

# A PostgreSQL tree with the extension, for tests only.
private-pg: extension
	@PG_CONFIG=$(PG_CONFIG) test/bin/private-pg $(BUILD_PG) >/dev/null
	@flock $(BUILD_PG).lock $(MAKE) -s -C extension PG_CONFIG=$(PG_CONFIG) install DESTDIR=$(abspath $(BUILD_PG)) >/dev/null

BUILD_PG := build/pg
TESTS ?=
AS_USER = PG_CONFIG=$(PG_CONFIG) test/bin/as-user

# What only single tests need; each of them is skipped, and says so, where it can't be had.
TEST_PACKAGES := python3-h2 nghttp2-client nftables iproute2 util-linux e2fsprogs xfsprogs faketime chromium
.PHONY: test-deps
test-deps: deps
	@test/bin/install-deps $(TEST_PACKAGES) || echo "some tests will be skipped" >&2
	@BUILD=$(BUILD) test/bin/install-foreign || echo "test/t/420_foreign.t will do without tus-js-client" >&2

check: test-deps
	@$(MAKE) --no-print-directory all unit private-pg
	@$(AS_USER) test/bin/check $(TESTS)

# One kind of tests, with no more built than it needs.
check-unit: NEEDS = unit
check-unit: TESTS = $(BUILD)/test/unit/test_*
check-sql: NEEDS = private-pg
check-sql: TESTS = test/sql/*.sql
check-isolation: NEEDS = private-pg
check-isolation: TESTS = test/isolation/specs/*.spec
check-t: NEEDS = all private-pg $(TEST_PROGRAMS)
check-t: TESTS = test/t/*.t
check-t: test-deps
check-unit check-sql check-isolation check-t: deps
	@$(MAKE) --no-print-directory $(NEEDS)
	@$(AS_USER) test/bin/check $(TESTS)

# All tests that have a long version, in it: for about SOAK_SECONDS in all, and besides those whose long version has a size, not a time; a
# table; the exit status is the checkers'.
SOAK_SECONDS ?= 600
SOAK_TESTS ?= $(shell grep -lE 'GS_LONG|[$$]LONG' test/t/*.t)
.PHONY: soak
soak: test-deps
	@$(MAKE) --no-print-directory all private-pg $(TEST_PROGRAMS)
	@GS_LONG=1 GS_SOAK_SECONDS=$(SOAK_SECONDS) $(AS_USER) test/bin/soak $(SOAK_TESTS)

# Unit tests and daemons under the sanitizers, and the tests over real processes with them.
ASAN_FLAGS := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined -U_FORTIFY_SOURCE
asan: deps
	@$(MAKE) --no-print-directory private-pg
	@$(MAKE) --no-print-directory BUILD=build/asan CFLAGS="$(ASAN_FLAGS)" daemons client unit
	@GS_BUILD=build/asan ASAN_OPTIONS=abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1 $(AS_USER) test/bin/check \
		$(if $(TESTS),$(TESTS),build/asan/test/unit/test_* test/t/*.t)

# The extension in a PostgreSQL that runs under valgrind; what it does wrong with memory, for some of the SQL tests.
valgrind:
	@test/bin/install-deps valgrind
	@$(MAKE) --no-print-directory private-pg
	@$(AS_USER) test/bin/valgrind $(TESTS)

demo: deps
	@$(MAKE) --no-print-directory all private-pg >/dev/null
	@$(AS_USER) test/bin/demo

up: deps
	@$(MAKE) --no-print-directory all private-pg >/dev/null
	@PG_CONFIG=$(PG_CONFIG) test/bin/up

down:
	@test/bin/down
