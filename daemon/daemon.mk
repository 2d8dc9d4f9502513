# What both daemons share: build/libgsdaemon.a
DAEMON_PKGS := libnghttp2 libssl libcrypto libuv jansson libpq
PKG_CFLAGS += $(shell pkg-config --cflags $(DAEMON_PKGS) 2>/dev/null)
DAEMON_LIBS := $(shell pkg-config --libs $(DAEMON_PKGS) 2>/dev/null) -linih
DAEMON_OBJS := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard daemon/*.c)))

$(BUILD)/libgsdaemon.a: $(DAEMON_OBJS)
	rm -f $@ && $(AR) rcs $@ $^

# A small daemon on top of the library, driven by test/t/010_daemon.t.
$(BUILD)/test/probe-daemon: $(BUILD)/test/unit/probe_daemon.o $(BUILD)/libgsdaemon.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)
TEST_PROGRAMS += $(BUILD)/test/probe-daemon
