/* Put before the C library by LD_PRELOAD, counts the allocations of any program by who asked: the
 * program itself, libmicrohttpd, or other libraries. The counts are in the file that the
 * environment's NTK_TEST_ALLOCATIONS names, three size_t in this order, which a test maps or reads.
 */
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PROGRAM, MICROHTTPD, OTHERS, CALLERS };

/* Until the file is mapped, and without one, what is counted is lost. */
static atomic_size_t lost[CALLERS];
static atomic_size_t *counts = lost;
static uintptr_t first[OTHERS], last[OTHERS]; /* where each one's code is */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static int find_code(struct dl_phdr_info *object, size_t size, void *user)
{
    (void)size, (void)user;
    int which = !*object->dlpi_name                             ? PROGRAM
                : strstr(object->dlpi_name, "libmicrohttpd.so") ? MICROHTTPD
                                                                : OTHERS;
    for (int i = 0; i < object->dlpi_phnum && which != OTHERS; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        if (part->p_type == PT_LOAD && part->p_flags & PF_X) {
            first[which] = object->dlpi_addr + part->p_vaddr;
            last[which] = first[which] + part->p_memsz;
        }
    }
    return 0;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("NTK_TEST_ALLOCATIONS");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    dl_iterate_phdr(find_code, NULL);
    if (file < 0)
        return;
    void *shared = mmap(NULL, sizeof lost, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (shared != MAP_FAILED)
        counts = shared;
}

static void count(void *caller)
{
    uintptr_t at = (uintptr_t)caller;
    int which = PROGRAM;
    while (which < OTHERS && !(at >= first[which] && at < last[which]))
        which++;
    atomic_fetch_add(&counts[which], 1);
}

void *malloc(size_t size)
{
    count(__builtin_return_address(0));
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_memalign(alignment, size);
}

/* Whoever has a text copied asks, not the C library. */
char *strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    count(__builtin_return_address(0));
    char *copy = __libc_malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}
