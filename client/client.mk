# build/libgroupshare.{a,so}, build/groupshare (the CLI), build/groupshare.pc
CLIENT_PKGS := libcurl jansson libcrypto libutf8proc
PKG_CFLAGS += $(shell pkg-config --cflags $(CLIENT_PKGS) 2>/dev/null)
CLIENT_LIBS := $(shell pkg-config --libs $(CLIENT_PKGS) 2>/dev/null) -linih -lpthread
CLIENT_SONAME := libgroupshare.so.0
CLIENT_LIB_OBJS := $(patsubst %.c,$(BUILD)/%.o,$(sort $(filter-out client/example.c,$(wildcard client/*.c))))
CLIENT_CLI_OBJS := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard client/cli/*.c)))

.PHONY: client install-client
client: $(BUILD)/groupshare $(BUILD)/libgroupshare.a $(BUILD)/libgroupshare.so $(BUILD)/libgroupshare.pc \
	$(BUILD)/groupshare-example

# One set of objects for both libraries. Only what groupshare.h marks is visible outside the shared one.
$(CLIENT_LIB_OBJS): PKG_CFLAGS += -fPIC -fvisibility=hidden

$(BUILD)/libgroupshare.a: $(CLIENT_LIB_OBJS)
	rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/$(CLIENT_SONAME): $(CLIENT_LIB_OBJS)
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,$(CLIENT_SONAME) -Wl,-z,defs -o $@ $^ $(CLIENT_LIBS)

$(BUILD)/libgroupshare.so: $(BUILD)/$(CLIENT_SONAME)
	ln -sf $(CLIENT_SONAME) $@

# The CLI carries the library, so that it runs from the build folder as from anywhere.
$(BUILD)/groupshare: $(CLIENT_CLI_OBJS) $(BUILD)/libgroupshare.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CLIENT_LIBS)

# The program of the manual, linked as a user of the shared library would.
$(BUILD)/groupshare-example: $(BUILD)/client/example.o $(BUILD)/libgroupshare.so
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< -L$(BUILD) -lgroupshare -ljansson -Wl,-rpath,'$$ORIGIN'

$(BUILD)/libgroupshare.pc: client/libgroupshare.pc.in extension/groupshare.control client/client.mk
	@mkdir -p $(@D)
	sed -e 's|@VERSION@|$(VERSION)|' $< > $@

install-client: client
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/lib/pkgconfig \
		$(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man3 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	install -m 755 $(BUILD)/groupshare $(DESTDIR)$(PREFIX)/bin/
	install -m 644 client/groupshare.h client/groupshare_shares.h $(DESTDIR)$(PREFIX)/include/
	install -m 644 $(BUILD)/libgroupshare.a $(DESTDIR)$(PREFIX)/lib/
	install -m 755 $(BUILD)/$(CLIENT_SONAME) $(DESTDIR)$(PREFIX)/lib/
	ln -sf $(CLIENT_SONAME) $(DESTDIR)$(PREFIX)/lib/libgroupshare.so
	sed 's|@PREFIX@|$(PREFIX)|' $(BUILD)/libgroupshare.pc > $(DESTDIR)$(PREFIX)/lib/pkgconfig/libgroupshare.pc
	chmod 644 $(DESTDIR)$(PREFIX)/lib/pkgconfig/libgroupshare.pc
	install -m 644 client/man/groupshare.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 client/man/libgroupshare.3 $(DESTDIR)$(PREFIX)/share/man/man3/
	install -m 644 client/completion/groupshare.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/groupshare
	install -m 644 client/completion/_groupshare $(DESTDIR)$(PREFIX)/share/zsh/site-functions/
	install -m 644 client/completion/groupshare.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/
