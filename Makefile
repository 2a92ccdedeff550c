# Builds and installs libchat for C, C++ and Python programs. Needs Rust, binutils and a C compiler.
#
#   make                           the library, shared and static, in target/release
#   make install                   into /usr/local; PREFIX=, LIBDIR=, DESTDIR= say where else
#   make install-strip             the same without debug information
#   make uninstall                 with the same variables
#   make examples                  the C examples, against the library in the build tree
#   make abi                       writes down the binary interface anew (needs abidw)
#
# Rust programs use the crate engine/ and need none of this; `cargo build -p chat-cli` makes the program.

PREFIX ?= /usr/local
EXEC_PREFIX ?= $(PREFIX)
LIBDIR ?= $(EXEC_PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DATADIR ?= $(PREFIX)/share
MANDIR ?= $(DATADIR)/man
PKGCONFIGDIR ?= $(LIBDIR)/pkgconfig
CMAKEDIR ?= $(LIBDIR)/cmake/chat
PYTHONDIR ?= $(DATADIR)/chat/python

CARGO ?= cargo
INSTALL ?= install
LD ?= ld
OBJCOPY ?= objcopy
STRIP ?= strip
# make sets AR=ar, and LD=ld, by itself; another archiver must understand `crs`.

# A profile of cargo; `dev` builds fast.
PROFILE ?= release
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
OUT := $(TARGET)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
# What cargo does not make: the archive with one object, and what describes the library.
CAPI := $(OUT)/capi

VERSION := $(shell sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
# The promise of the binary interface; a break makes it another number. ffi/build.rs has it, too.
SOVERSION := 0
SONAME := libchat.so.$(SOVERSION)
REALNAME := libchat.so.$(VERSION)

# What the Rust part of a static link needs from the system, as `rustc --print native-static-libs` says.
STATIC_LIBS := -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc

HEADERS := include/chat.h include/chat.hpp include/chat_plugin.h
# The directories in a file that may be moved are relative to it.
relative = $(shell realpath -m --relative-to=$(1) $(2))

SMALL := $(if $(filter dev,$(PROFILE)),,--config 'profile.$(PROFILE).package.chat-plugins.opt-level="s"')

.PHONY: all library install install-strip uninstall examples abi clean FORCE
all: library

library: $(CAPI)/libchat.a $(CAPI)/pkgconfig/chat.pc

# One crate type less than in ffi/Cargo.toml: with `rlib` among them there is no link-time optimization. All of it
# at once makes the library a twentieth smaller than piece by piece, as the profile has it for programs.
#
# The plugin host is made small for the library and fast for chat-cli: a program has few plugins, a server may ask
# them about every entry.
$(OUT)/libchat.so: FORCE
	$(CARGO) rustc --locked --profile $(PROFILE) $(SMALL) -p chat-ffi --lib --crate-type cdylib,staticlib \
		$(if $(filter dev,$(PROFILE)),,-- -C lto=fat)
	@# Programs that are linked in the build tree ask for this name when they start.
	ln -sf libchat.so $(OUT)/$(SONAME)
FORCE:

# One object in which only the functions of chat.h have names for others. Otherwise the host's SQLite
# would be taken in place of ours without a word, and two Rust libraries would not link at all.
# Sections that nothing of chat.h reaches are left out. No groups are left either: another Rust library has
# some of the same name, and the linker would drop those in favour of ours, whose names are hidden.
$(CAPI)/libchat.a: $(OUT)/libchat.so ffi/symbols.txt
	@mkdir -p $(CAPI)
	@echo "$(LD) -r ... -o $(CAPI)/chat.o"
	@$(LD) -r --gc-sections --force-group-allocation $(addprefix -u ,$(shell cat ffi/symbols.txt)) \
		--whole-archive $(OUT)/libchat.a -o $(CAPI)/chat.o
	@# The bitcode that the standard library carries chokes archivers that look into it.
	@# What is undefined and nothing refers to any more goes as well: it would turn weak symbols of other
	@# libraries into ones that have to be there.
	$(OBJCOPY) --strip-unneeded -R .llvmbc -R .llvmcmd --wildcard --keep-global-symbol='chat_*' $(CAPI)/chat.o
	rm -f $@
	$(AR) crs $@ $(CAPI)/chat.o
	rm -f $(CAPI)/chat.o

# $(call fill,LIBDIR,INCLUDEDIR,PYTHONDIR,the flag for its directory,names of the libraries)
fill = sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(1)|' -e 's|@INCLUDEDIR@|$(2)|' \
	-e 's|@PYTHONDIR@|$(3)|' -e 's|@RPATH@|$(4)|' -e 's|@VERSION@|$(VERSION)|' \
	-e 's|@STATIC_LIBS@|$(STATIC_LIBS)|'

# For programs that are built against the build tree: they find the library when they run.
$(CAPI)/pkgconfig/chat.pc: packaging/chat.pc.in Makefile Cargo.toml | $(OUT)/libchat.so
	@mkdir -p $(CAPI)/pkgconfig
	$(call fill,$(OUT),$(abspath include),$(abspath bindings/python), -Wl$(comma)-rpath$(comma)$(OUT)) $< > $@
comma := ,

# What `make` built before, if it did: `sudo make install` needs no Rust, and leaves nothing of root's behind.
install: $(if $(wildcard $(CAPI)/libchat.a),,library)
	$(INSTALL) -d $(DESTDIR)$(LIBDIR) $(DESTDIR)$(INCLUDEDIR) $(DESTDIR)$(PKGCONFIGDIR) \
		$(DESTDIR)$(CMAKEDIR) $(DESTDIR)$(PYTHONDIR) $(DESTDIR)$(MANDIR)/man3
	$(INSTALL) -m 644 $(HEADERS) $(DESTDIR)$(INCLUDEDIR)
	$(INSTALL) -m 755 $(OUT)/libchat.so $(DESTDIR)$(LIBDIR)/$(REALNAME)
	ln -sf $(REALNAME) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libchat.so
	$(INSTALL) -m 644 $(CAPI)/libchat.a $(DESTDIR)$(LIBDIR)
	$(call fill,$(LIBDIR),$(INCLUDEDIR),$(PYTHONDIR),) packaging/chat.pc.in > $(DESTDIR)$(PKGCONFIGDIR)/chat.pc
	$(call fill,$(call relative,$(CMAKEDIR),$(LIBDIR)),$(call relative,$(CMAKEDIR),$(INCLUDEDIR)),,) \
		packaging/chat-config.cmake.in > $(DESTDIR)$(CMAKEDIR)/chat-config.cmake
	$(call fill,,,,) packaging/chat-config-version.cmake.in > $(DESTDIR)$(CMAKEDIR)/chat-config-version.cmake
	$(INSTALL) -m 644 bindings/python/chat.py $(DESTDIR)$(PYTHONDIR)
	$(call fill,,,,) docs/libchat.3 > $(DESTDIR)$(MANDIR)/man3/libchat.3
	chmod 644 $(addprefix $(DESTDIR),$(PKGCONFIGDIR)/chat.pc $(CMAKEDIR)/chat-config.cmake \
		$(CMAKEDIR)/chat-config-version.cmake $(MANDIR)/man3/libchat.3)
	@# The loader's cache is the system's: a package's own scripts renew it.
	$(if $(DESTDIR),,-ldconfig)

install-strip: install
	$(STRIP) --strip-unneeded $(DESTDIR)$(LIBDIR)/$(REALNAME)

uninstall:
	rm -f $(addprefix $(DESTDIR)$(INCLUDEDIR)/,chat.h chat.hpp chat_plugin.h)
	rm -f $(addprefix $(DESTDIR)$(LIBDIR)/,$(REALNAME) $(SONAME) libchat.so libchat.a)
	rm -f $(DESTDIR)$(PKGCONFIGDIR)/chat.pc $(DESTDIR)$(PYTHONDIR)/chat.py $(DESTDIR)$(MANDIR)/man3/libchat.3
	rm -f $(DESTDIR)$(CMAKEDIR)/chat-config.cmake $(DESTDIR)$(CMAKEDIR)/chat-config-version.cmake
	-rmdir $(DESTDIR)$(CMAKEDIR) $(DESTDIR)$(PYTHONDIR) $(DESTDIR)$(DATADIR)/chat 2>/dev/null
	$(if $(DESTDIR),,-ldconfig)

examples: library
	PKG_CONFIG_PATH=$(CAPI)/pkgconfig:$$PKG_CONFIG_PATH $(MAKE) -C examples/c
	PKG_CONFIG_PATH=$(CAPI)/pkgconfig:$$PKG_CONFIG_PATH $(MAKE) -C examples/cpp

# A difference to this file is a change of what programs were compiled against: tests/packaging says which.
abi: library
	abidw $(shell cat packaging/abidw.options) --out-file ffi/libchat.abi $(OUT)/libchat.so

clean:
	$(MAKE) -C examples/c clean
	$(MAKE) -C examples/cpp clean
	rm -rf $(CAPI)
