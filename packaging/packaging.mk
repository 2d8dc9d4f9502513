# Installing and releasing.
.PHONY: install install-extension install-programs uninstall installcheck dist updatecheck

BINDIR = $(DESTDIR)$(PREFIX)/bin
LIBDIR = $(DESTDIR)$(PREFIX)/lib
INCLUDEDIR = $(DESTDIR)$(PREFIX)/include
MANDIR = $(DESTDIR)$(PREFIX)/share/man
BASHDIR = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSHDIR = $(DESTDIR)$(PREFIX)/share/zsh/site-functions
FISHDIR = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
UNITDIR = $(DESTDIR)$(PREFIX)/lib/systemd/system
EXAMPLEDIR = $(DESTDIR)$(PREFIX)/share/doc/groupshare/examples

install: install-extension install-programs

install-extension: extension
	$(MAKE) -C extension PG_CONFIG=$(PG_CONFIG) install

install-programs: daemons client
	install -d $(BINDIR) $(LIBDIR) $(INCLUDEDIR) $(UNITDIR) $(EXAMPLEDIR)
	install -m 755 $(BUILD)/groupshare-gateway $(BUILD)/groupshare-storaged $(BUILD)/groupshare $(BINDIR)
	install -m 644 $(BUILD)/libgroupshare.a $(LIBDIR)
	cp -P $(BUILD)/libgroupshare.so* $(LIBDIR)
	install -m 644 client/groupshare.h $(INCLUDEDIR)
	for unit in packaging/*.service; do \
		sed 's,@PREFIX@,$(PREFIX),g' $$unit > $(UNITDIR)/$$(basename $$unit) || exit 1; \
	done
	install -m 644 packaging/*.ini $(EXAMPLEDIR)

uninstall:
	$(MAKE) -C extension PG_CONFIG=$(PG_CONFIG) uninstall
	cd $(BINDIR) && rm -f groupshare groupshare-gateway groupshare-storaged
	cd $(LIBDIR) && rm -f libgroupshare.a libgroupshare.so*
	rm -f $(INCLUDEDIR)/groupshare.h $(UNITDIR)/groupshare-gateway.service $(UNITDIR)/groupshare-storaged@.service

# Against a running server in which the extension is installed, as PGXS has it (PGHOST, PGPORT, PGUSER).
installcheck:
	@mkdir -p build/regress
	$(MAKE) -C extension PG_CONFIG=$(PG_CONFIG) installcheck

dist:
	@mkdir -p build/dist
	git archive --format=zip --prefix=groupshare-$(VERSION)/ -o build/dist/groupshare-$(VERSION).zip HEAD
	@echo build/dist/groupshare-$(VERSION).zip
