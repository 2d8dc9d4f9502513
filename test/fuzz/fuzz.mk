# Fuzzers (libFuzzer with AddressSanitizer and UBSan): build/fuzz/test/fuzz/NAME from test/fuzz/NAME.c, whose first comments say
# what else is linked, as those of unit tests do. What a run found new stays in build/fuzz/corpus/NAME and is where the next begins.
FUZZ_SECONDS ?= 20
FUZZERS ?= $(notdir $(basename $(sort $(wildcard test/fuzz/fuzz_*.c))))
FUZZ_FLAGS := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -U_FORTIFY_SOURCE
fuzz_says = $(shell sed -n 's,^/\* $(1): \(.*\) \*/$$,\1,p' test/fuzz/$(2).c)

define fuzz_rule
$(BUILD)/test/fuzz/$(1): $(BUILD)/test/fuzz/$(1).o $(addprefix $(BUILD)/,$(call fuzz_says,objects,$(1)))
	$$(CC) $$(CFLAGS) -fsanitize=fuzzer -o $$@ $$^ $$(shell pkg-config --libs $(filter-out inih,$(call fuzz_says,libs,$(1))) 2>/dev/null) $$(if $(filter inih,$(call fuzz_says,libs,$(1))),-linih)
endef
$(foreach fuzzer,$(FUZZERS),$(eval $(call fuzz_rule,$(fuzzer))))

.PHONY: fuzz fuzzers
fuzzers: $(addprefix $(BUILD)/test/fuzz/,$(FUZZERS))

fuzz:
	@test/bin/install-deps clang libclang-rt-14-dev
	@$(MAKE) --no-print-directory BUILD=build/fuzz CC=clang CFLAGS="$(FUZZ_FLAGS)" fuzzers
	@for fuzzer in $(FUZZERS); do \
		mkdir -p build/fuzz/corpus/$$fuzzer; \
		echo "$$fuzzer, $(FUZZ_SECONDS) s"; \
		build/fuzz/test/fuzz/$$fuzzer -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -max_len=8192 -verbosity=0 \
			-print_final_stats=1 -artifact_prefix=build/fuzz/$$fuzzer- build/fuzz/corpus/$$fuzzer test/fuzz/seeds/$$fuzzer \
			> build/fuzz/$$fuzzer.log 2>&1 || { tail -n 40 build/fuzz/$$fuzzer.log; exit 1; }; \
		sed -n 's/^stat::number_of_executed_units: */    runs: /p' build/fuzz/$$fuzzer.log; \
	done
