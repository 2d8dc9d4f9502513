# Installing and releasing.
.PHONY: install installcheck uninstall dist updatecheck

BINDIR = $(DESTDIR)$(PREFIX)/bin
LIBDIR = $(DESTDIR)$(PREFIX)/lib

dist:
	@mkdir -p build/dist
	git archive --format=zip --prefix=groupshare-$(VERSION)/ -o build/dist/groupshare-$(VERSION).zip HEAD
