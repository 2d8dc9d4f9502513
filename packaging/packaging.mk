# Installing and releasing.
.PHONY: install install-extension install-daemons uninstall installcheck dist updatecheck

BINDIR = $(DESTDIR)$(PREFIX)/bin
UNITDIR = $(DESTDIR)$(PREFIX)/lib/systemd/system
EXAMPLEDIR = $(DESTDIR)$(PREFIX)/share/doc/groupshare/examples

# install-client is in client/client.mk.
install: install-extension install-daemons install-client

install-extension: extension
	$(MAKE) -C extension PG_CONFIG=$(PG_CONFIG) install

install-daemons: daemons
	install -d $(BINDIR) $(UNITDIR) $(EXAMPLEDIR)
	install -m 755 $(BUILD)/groupshare-gateway $(BUILD)/groupshare-storaged $(BINDIR)
	install -m 644 packaging/gateway.ini packaging/storaged.ini $(EXAMPLEDIR)
	for unit in $(notdir $(wildcard packaging/*.service)); do \
		sed 's,@PREFIX@,$(PREFIX),g' packaging/$$unit > $(UNITDIR)/$$unit && chmod 644 $(UNITDIR)/$$unit || exit 1; \
	done

uninstall:
	$(MAKE) -C extension PG_CONFIG=$(PG_CONFIG) uninstall
	cd $(DESTDIR)$(PREFIX) && rm -f bin/groupshare bin/groupshare-gateway bin/groupshare-storaged include/groupshare.h include/groupshare_shares.h \
		lib/libgroupshare.* lib/pkgconfig/libgroupshare.pc share/man/man1/groupshare.1 share/man/man3/libgroupshare.3 \
		share/bash-completion/completions/groupshare share/zsh/site-functions/_groupshare \
		share/fish/vendor_completions.d/groupshare.fish lib/systemd/system/groupshare-gateway.service \
		lib/systemd/system/groupshare-storaged@.service share/doc/groupshare/examples/gateway.ini \
		share/doc/groupshare/examples/storaged.ini

# Against a running server in which the extension is installed, as PGXS has it (PGHOST, PGPORT, PGUSER).
installcheck:
	@mkdir -p build/regress
	$(MAKE) -C extension PG_CONFIG=$(PG_CONFIG) installcheck

dist:
	@mkdir -p build/dist
	git archive --format=zip --prefix=groupshare-$(VERSION)/ -o build/dist/groupshare-$(VERSION).zip HEAD
	@echo build/dist/groupshare-$(VERSION).zip

# A database upgraded from each release (tags vX.Y.Z) has the same catalog as a new one.
updatecheck: deps
	@$(MAKE) --no-print-directory private-pg
	@rm -rf build/releases && mkdir -p build/releases
	@for tag in $$(git tag -l 'v[0-9]*'); do \
		test/bin/release-script $$tag > build/releases/groupshare--$${tag#v}.sql || exit 1; \
	done
	@$(AS_USER) test/bin/updatecheck
