# Measurements; see bench/README.md. They assert nothing and are no part of `make check`.
$(BUILD)/bench/placement_sim: $(BUILD)/bench/placement_sim.o $(BUILD)/extension/choice.o
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lm

.PHONY: bench-placement
bench-placement: deps
	@$(MAKE) --no-print-directory $(BUILD)/bench/placement_sim private-pg >/dev/null
	@$(AS_USER) bench/placement.sh
