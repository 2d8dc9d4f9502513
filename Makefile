# groupshare: everything is built under build/ (the extension, by PGXS, in extension/).
# What each target is for: `make help`.

VERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" extension/groupshare.control)
PG_CONFIG ?= pg_config
PREFIX ?= /usr/local
BUILD ?= build
CC ?= gcc

CFLAGS ?= -O2 -g
GS_CFLAGS := -std=gnu11 -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
	-fstack-protector-strong -D_FORTIFY_SOURCE=2 -D_GNU_SOURCE -DGS_VERSION='"$(VERSION)"' -I.

.DEFAULT_GOAL := all
.PHONY: all clean

all: extension daemons client

include daemon/daemon.mk gateway/gateway.mk storaged/storaged.mk client/client.mk test/test.mk

.PHONY: extension daemons
extension:
	$(MAKE) -C extension PG_CONFIG=$(PG_CONFIG) all

daemons: $(BUILD)/groupshare-gateway $(BUILD)/groupshare-storaged

# One rule for every C object: build/<path>.o from <path>.c, with its dependencies.
$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(GS_CFLAGS) $(CFLAGS) $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

clean:
	$(MAKE) -C extension PG_CONFIG=$(PG_CONFIG) clean
	rm -rf $(BUILD)
