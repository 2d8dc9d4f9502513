# Measurements; see bench/README.md. They assert nothing and are no part of `make check`.
BENCH_TOOLS := $(addprefix $(BUILD)/bench/,pipeline append requests hold congestion.so)

$(BUILD)/bench/pipeline: PKG_CFLAGS += -I$(shell $(PG_CONFIG) --includedir)
$(BUILD)/bench/pipeline: $(BUILD)/bench/pipeline.o
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -L$(shell $(PG_CONFIG) --libdir) -lpq

$(BUILD)/bench/append: $(BUILD)/bench/append.o
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lpthread

$(BUILD)/bench/hold: $(BUILD)/bench/hold.o
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lssl -lcrypto

$(BUILD)/bench/requests: $(BUILD)/bench/requests.o
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(shell pkg-config --libs libcurl 2>/dev/null)

$(BUILD)/bench/congestion.o: PKG_CFLAGS += -fPIC
$(BUILD)/bench/congestion.so: $(BUILD)/bench/congestion.o
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -o $@ $^ -ldl

$(BUILD)/bench/placement_sim: $(BUILD)/bench/placement_sim.o $(BUILD)/extension/choice.o
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lm

.PHONY: bench bench-tools bench-placement bench-groups bench-scaling
bench-tools: $(BENCH_TOOLS)

# BENCH_ROWS="download upload": only these. BENCH_RUNS=5, BENCH_SECONDS=2, BENCH_MIB=1024.
bench: deps
	@bench/install-peers
	@$(MAKE) --no-print-directory all private-pg bench-tools >/dev/null
	@$(AS_USER) bench/run 3>$(BUILD)/bench.json

bench-placement: deps
	@$(MAKE) --no-print-directory $(BUILD)/bench/placement_sim private-pg >/dev/null
	@$(AS_USER) bench/placement.sh

# GROUPS_MADE=100000, EVENTS=100000, SECONDS_EACH=2.
bench-groups: deps
	@$(MAKE) --no-print-directory all private-pg >/dev/null
	@$(AS_USER) bench/groups.sh

# SCALE_MOST=100000, SCALE_DEVICES=100000, SECONDS_EACH=1.
bench-scaling: deps
	@$(MAKE) --no-print-directory all private-pg >/dev/null
	@$(AS_USER) bench/scaling.sh
