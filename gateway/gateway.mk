GATEWAY_OBJS := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard gateway/*.c)))

$(BUILD)/groupshare-gateway: $(GATEWAY_OBJS) $(BUILD)/libgsdaemon.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)
