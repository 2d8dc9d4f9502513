# groupshare-storaged; and build/faults/groupshare-storaged, the same with the armed points of storaged/fault.h (tests only)
STORAGED_OBJS := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard storaged/*.c)))
STORAGED_FAULT_OBJS := $(patsubst %.c,$(BUILD)/faults/%.o,$(sort $(wildcard storaged/*.c)))

$(BUILD)/groupshare-storaged: $(STORAGED_OBJS) $(BUILD)/libgsdaemon.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)

$(BUILD)/faults/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(GS_CFLAGS) $(CFLAGS) $(PKG_CFLAGS) -DGS_FAULTS -MMD -MP -c -o $@ $<

$(BUILD)/faults/groupshare-storaged: $(STORAGED_FAULT_OBJS) $(BUILD)/libgsdaemon.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)

TEST_PROGRAMS += $(BUILD)/faults/groupshare-storaged
