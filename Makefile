# ntkuqd: `make help` lists what can be made.
#
# MODE=release|debug|asan|tsan|cov|fuzz selects how things are built; each mode has its own folder
# below build/. MPI=1 makes ntkuq a program that several processes may run together (build/MODE-mpi).
# A folder of sources is one library; an archive lists what it may call to its right.

MODE    ?= release
MPI     ?=
B       := build/$(MODE)$(if $(MPI),-mpi)
DATA    ?=
VERSION := 0.1.0

CC_release := gcc
CC_debug   := gcc
CC_asan    := gcc
CC_tsan    := gcc
CC_cov     := gcc
CC_fuzz    := clang
FLAGS_release := -O3 -D_FORTIFY_SOURCE=2 -fstack-protector-strong
FLAGS_debug   := -O0
FLAGS_asan    := -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
FLAGS_tsan    := -O1 -fsanitize=thread
FLAGS_cov     := -O0 --coverage
FLAGS_fuzz    := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer
ifeq ($(FLAGS_$(MODE)),)
$(error MODE is '$(MODE)'; it may be release, debug, asan, tsan, cov or fuzz)
endif

CC       := $(CC_$(MODE))
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
            -Wformat=2 -Wvla
# Outputs are written on success alone, which -O3 cannot follow; texts are cut on purpose.
WARNINGS += -Wno-maybe-uninitialized -Wno-format-truncation
ifeq ($(CC),clang)
WARNINGS += -Wno-unknown-warning-option
endif
CFLAGS   := -std=c17 -g $(FLAGS_$(MODE)) $(WARNINGS)
CPPFLAGS := -I. -D_GNU_SOURCE -DNTK_VERSION='"$(VERSION)"' -MMD -MP
LDFLAGS  := $(filter -fsanitize% --coverage,$(FLAGS_$(MODE))) -Wl,-z,relro,-z,now

# What each part may link: the daemon never sees NetCDF or HDF5.
.DEFAULT_GOAL := all

pkg = $(shell pkg-config --$(1) $(2) 2>/dev/null)
LIBS_core   := -llapacke -lopenblas -lm
LIBS_io     := $(call pkg,libs,jansson libsodium)
LIBS_netcdf := $(call pkg,libs,netcdf hdf5) -ludunits2
LIBS_cli    := $(call pkg,libs,libseccomp)
LIBS_server := $(call pkg,libs,libmicrohttpd sqlite3 gnutls libsystemd) -lpthread -lm
CPPFLAGS    += $(call pkg,cflags,jansson libsodium netcdf hdf5 libseccomp libmicrohttpd sqlite3 gnutls libsystemd)

ifneq ($(MPI),)
LIBS_cli    += $(call pkg,libs,ompi-c)
CPPFLAGS    += $(patsubst -I%,-isystem %,$(call pkg,cflags,ompi-c))
CLI_WITHOUT := cli/ranks/ranks_alone.c
else
CLI_WITHOUT := $(wildcard cli/ranks/ranks_mpi*.c)
endif

# One file is C++, for a library that has no other face; nothing of the C++ runtime is linked.
CXX      := $(patsubst clang,clang++,$(patsubst gcc,g++,$(CC)))
CXXFLAGS := -std=c++17 -fno-exceptions -fno-rtti -g $(FLAGS_$(MODE)) \
            $(patsubst %,-isystem %,$(wildcard /usr/include/dragonbox-*)) \
            $(filter-out -Wstrict-prototypes -Wmissing-prototypes,$(WARNINGS))

objects = $(patsubst %.c,$(B)/%.o,$(wildcard $(1)/*.c)) $(patsubst %.cc,$(B)/%.o,$(wildcard $(1)/*.cc))
CORE    := $(B)/libcore.a
IO      := $(B)/libio.a
NETCDF  := $(B)/libnetcdf_io.a
CONFIG  := $(B)/libconfig.a
CLI     := $(B)/libcli.a
SERVER  := $(B)/libserver.a
$(CORE):   $(call objects,core)
$(IO):     $(call objects,io)
$(NETCDF): $(call objects,io/netcdf)
$(CONFIG): $(call objects,config)
CLI_OBJECTS := $(foreach part,cli $(wildcard cli/*),$(call objects,$(part)))
$(CLI):    $(filter-out $(B)/cli/main.o $(CLI_WITHOUT:%.c=$(B)/%.o),$(CLI_OBJECTS))
SERVER_OBJECTS := $(foreach part,server $(wildcard server/*),$(call objects,$(part)))
$(SERVER): $(filter-out $(B)/server/main.o,$(SERVER_OBJECTS)) $(B)/server/display/page_files.o \
           $(B)/server/http/openapi_file.o
SUPPORT := $(B)/libsupport.a
$(SUPPORT): $(call objects,tests/support)

.PHONY: all
all: $(B)/ntkuq $(B)/ntkuqd  ## build both programs (default)

$(B)/ntkuq: $(B)/cli/main.o $(CLI) $(NETCDF) $(CONFIG) $(IO) $(CORE)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_netcdf) $(LIBS_cli) $(LIBS_io) $(LIBS_core)

$(B)/ntkuqd: $(B)/server/main.o $(SERVER) $(CONFIG) $(IO) $(CORE)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_server) $(LIBS_io) $(LIBS_core)

$(B)/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	@ar rcs $@ $^

$(B)/%.o: %.c | toolchain
	@mkdir -p $(@D)
	@echo "  CC $(MODE) $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(B)/%.o: %.cc | toolchain
	@mkdir -p $(@D)
	@echo "  CXX $(MODE) $<"
	@$(CXX) $(CPPFLAGS) $(CXXFLAGS) -c -o $@ $<

# The assembler takes the page's files and the schemas into the program.
$(B)/%.o: %.S | toolchain
	@mkdir -p $(@D)
	@echo "  AS $(MODE) $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<
$(B)/server/display/page_files.o: $(wildcard server/web/*.* server/web/vendor/*.*)
$(B)/server/http/openapi_file.o: server/http/schemas.json

# ---- dependencies -----------------------------------------------------------------------------

.PHONY: deps toolchain
deps:  ## install the Debian packages that are missing (asks nothing, needs root or sudo)
	deploy/install-deps.sh build test

toolchain:
	@pkg-config --exists jansson libsodium netcdf hdf5 libseccomp libmicrohttpd sqlite3 gnutls libsystemd || \
	  { echo "libraries are missing: run 'make deps' (deploy/install-deps.sh)" >&2; exit 1; }
ifneq ($(MPI),)
	@pkg-config --exists ompi-c || { echo "Open MPI is missing: run deploy/install-deps.sh mpi" >&2; exit 1; }
endif

# ---- demo and tests ---------------------------------------------------------------------------

.PHONY: demo test check bench bench-baseline bench-count mpi-programs
demo:  ## install, build, run the whole main job once; DATA=archive.nc takes your archive
	deploy/install-deps.sh build
	$(MAKE) --no-print-directory all
	deploy/demo.sh $(B) $(DATA)

test:  ## install, build, run every test, also in the asan mode
	deploy/install-deps.sh build test
	$(MAKE) --no-print-directory -j2 all test-programs
	$(MAKE) --no-print-directory -j2 MODE=asan all test-programs
	$(MAKE) --no-print-directory -j2 MPI=1 mpi-programs
	tests/run.sh release asan

check: all test-programs  ## run every test of one MODE, without installing
	tests/run.sh $(MODE)

TESTS := $(foreach area,core io netcdf jail cli server http,$(B)/tests/test_$(area))
.PHONY: test-programs
test-programs: $(TESTS) $(B)/tests/load_client $(B)/tests/allocations.so $(B)/tests/flush.so $(B)/bench

CHECK_LIBS := $(call pkg,libs,check) -lpthread
$(B)/tests/test_core:   $(call objects,tests/core)   $(SUPPORT) $(CORE)
$(B)/tests/test_io:     $(call objects,tests/io)     $(SUPPORT) $(CONFIG) $(IO) $(CORE)
$(B)/tests/test_netcdf: $(call objects,tests/netcdf) $(SUPPORT) $(CLI) $(NETCDF) $(CONFIG) $(IO) $(CORE)
$(B)/tests/test_jail:   $(call objects,tests/jail)   $(SUPPORT) $(CLI) $(NETCDF) $(CONFIG) $(IO) $(CORE)
$(B)/tests/test_cli:    $(call objects,tests/cli)    $(SUPPORT) $(CLI) $(NETCDF) $(CONFIG) $(IO) $(CORE)
$(B)/tests/test_server: $(call objects,tests/server) $(SUPPORT) $(SERVER) $(CONFIG) $(IO) $(CORE)
$(B)/tests/test_http:   $(call objects,tests/http)   $(SUPPORT) $(SERVER) $(NETCDF) $(CONFIG) $(IO) $(CORE)
$(TESTS):
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(CHECK_LIBS) $(LIBS_netcdf) $(LIBS_cli) $(LIBS_server) $(LIBS_io) $(LIBS_core)

$(B)/tests/load_client: $(call objects,tests/operations)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^

# Processes that work together: ntkuq, and a rank that does what a test says.
mpi-programs: $(B)/ntkuq $(B)/tests/ranks
$(B)/tests/ranks: $(call objects,tests/mpi) $(CLI) $(NETCDF) $(CONFIG) $(IO) $(CORE)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_netcdf) $(LIBS_cli) $(LIBS_io) $(LIBS_core)

# Put before the C library of a program that is tested; it has the sanitizers' allocator otherwise.
$(B)/tests/%.so: tests/preload/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -std=c17 -g -O1 $(WARNINGS) -shared -fPIC -o $@ $<

BENCHES := $(B)/bench $(B)/bench_copy
bench: all $(BENCHES) $(B)-mpi  ## figures as ratios to their rivals in the same run; BENCH=part of a name
	tests/bench/bench.py $(B) "$(BENCH)"

bench-baseline: all $(BENCHES) $(B)-mpi  ## the same, kept as what later runs are compared with
	tests/bench/bench.py --store $(B) "$(BENCH)"

.PHONY: $(B)-mpi
$(B)-mpi:  # where there is an MPI
	@! pkg-config --exists ompi-c || $(MAKE) --no-print-directory MPI=1 $(B)-mpi/ntkuq

bench-count: all $(BENCHES)  ## instructions of kernels and endpoints; STORE=--store keeps them
	NTK_BUILD=$(B) tests/bench/test_counts.py $(STORE)

.PHONY: bench-skill
bench-skill: all  ## the intervals against the baselines on a folder of archives (docs/skill.md)
	tests/bench/skill.py $(B) $(or $(DATA),../shared/testbed)

$(B)/bench: $(filter-out $(B)/tests/bench/copy.o,$(call objects,tests/bench)) $(IO) $(CORE)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_server) $(LIBS_io) $(LIBS_core)

$(B)/bench_copy: $(B)/tests/bench/copy.o
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_netcdf)

# The hand-written rival is compiled for this processor alone.
$(B)/tests/bench/fused.o: CFLAGS += -march=native -ffast-math

# ---- housekeeping -----------------------------------------------------------------------------

PREFIX ?= /usr/local
.PHONY: install format clean help coverage fuzz vendor screenshots
install: all  ## install programs and the systemd unit below PREFIX (/usr/local)
	install -D -m 0755 $(B)/ntkuq $(DESTDIR)$(PREFIX)/bin/ntkuq
	install -D -m 0755 $(B)/ntkuqd $(DESTDIR)$(PREFIX)/bin/ntkuqd
	install -D -m 0644 deploy/ntkuqd.service $(DESTDIR)$(PREFIX)/lib/systemd/system/ntkuqd.service

coverage:  ## line coverage of the tests, as text
	$(MAKE) MODE=cov all test-programs
	tests/run.sh cov
	gcovr --root . --exclude tests build/cov

fuzz:  ## build and run each fuzzer for FUZZ_SECONDS (30)
	$(MAKE) MODE=fuzz fuzzers
	tests/fuzz/run.sh build/fuzz $(or $(FUZZ_SECONDS),30)

FUZZERS := $(patsubst tests/fuzz/%.c,$(B)/fuzz_%,$(wildcard tests/fuzz/*.c))
.PHONY: fuzzers
fuzzers: $(FUZZERS)
$(B)/fuzz_edr_text: $(B)/server/edr/edr_text.o
$(B)/fuzz_range: $(B)/server/http/range.o
$(B)/fuzz_%: $(B)/tests/fuzz/%.o $(CONFIG) $(IO) $(CORE)
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS_io) $(LIBS_core)

vendor:  ## fetch again what server/web/vendor holds (needs npm)
	deploy/vendor.sh

screenshots: all  ## pictures of the page for docs/, through a real daemon; DATA=archive.nc
	deploy/install-deps.sh test
	tests/web/screenshots.py $(B) docs $(DATA)

format:  ## lay out all sources with clang-format
	git ls-files '*.c' '*.cc' '*.h' | xargs clang-format -i

clean:  ## remove everything built
	rm -rf build

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  MODE=release|debug|asan|tsan|cov|fuzz   MPI=1   DATA=archive.nc   PREFIX=/usr/local"

.SECONDARY:
-include $(shell find $(B) -name '*.d' 2>/dev/null)
