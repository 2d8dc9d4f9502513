STORAGED_OBJS := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard storaged/*.c)))

$(BUILD)/groupshare-storaged: $(STORAGED_OBJS) $(BUILD)/libgsdaemon.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)
