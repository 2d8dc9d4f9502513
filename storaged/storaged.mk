# groupshare-storaged; and build/faults/groupshare-storaged, the same with the armed points of storaged/fault.h (tests only)
STORAGED_LIBS = $(DAEMON_LIBS) $(shell pkg-config --libs libcurl 2>/dev/null)
STORAGED_OBJS := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard storaged/*.c)))
STORAGED_FAULT_OBJS := $(patsubst %.c,$(BUILD)/faults/%.o,$(sort $(wildcard storaged/*.c)))

$(BUILD)/groupshare-storaged: $(STORAGED_OBJS) $(BUILD)/libgsdaemon.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(STORAGED_LIBS)

$(BUILD)/faults/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(GS_CFLAGS) $(CFLAGS) $(PKG_CFLAGS) -DGS_FAULTS -MMD -MP -c -o $@ $<

$(BUILD)/faults/groupshare-storaged: $(STORAGED_FAULT_OBJS) $(BUILD)/libgsdaemon.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(STORAGED_LIBS)

TEST_PROGRAMS += $(BUILD)/faults/groupshare-storaged
