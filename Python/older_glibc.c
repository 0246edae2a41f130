// Functions that programs linked on a newer Linux take from its C library and that Debian 11's (glibc 2.31) lacks.
// Linked into the program of a wheel by wheel.py, beside jumps to the older versions of functions that have one.

#define _GNU_SOURCE
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

struct stat;

// Before glibc 2.33, these were in the static part of the library. On x86-64, the kernel's structure is the library's.
int stat(const char *path, struct stat *status) { return (int)syscall(SYS_stat, path, status); }
int lstat(const char *path, struct stat *status) { return (int)syscall(SYS_lstat, path, status); }
int fstat(int file, struct stat *status) { return (int)syscall(SYS_fstat, file, status); }
int fstatat(int folder, const char *path, struct stat *status, int flags) {
  return (int)syscall(SYS_newfstatat, folder, path, status, flags);
}
int stat64(const char *path, struct stat *status) { return stat(path, status); }
int lstat64(const char *path, struct stat *status) { return lstat(path, status); }
int fstat64(int file, struct stat *status) { return fstat(file, status); }
int fstatat64(int folder, const char *path, struct stat *status, int flags) {
  return fstatat(folder, path, status, flags);
}

// glibc 2.36
uint32_t arc4random(void) {
  uint32_t value;
  ssize_t count;
  do count = getrandom(&value, sizeof(value), 0);
  while (count < 0 && errno == EINTR);
  if (count != sizeof(value)) abort();
  return value;
}

// glibc 2.35: where the unwinder finds how to leave the function at an address. Found as the unwinder did before.
#if __GLIBC_PREREQ(2, 35)
struct search {
  uintptr_t address;
  struct dl_find_object *found;
};

static int look(struct dl_phdr_info *object, size_t size, void *data) {
  const struct search *search = data;
  const ElfW(Phdr) *frames = NULL;
  int is_here = 0;
  for (int i = 0; i < object->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = &object->dlpi_phdr[i];
    const uintptr_t start = object->dlpi_addr + part->p_vaddr;
    if (part->p_type == PT_GNU_EH_FRAME) frames = part;
    if (part->p_type == PT_LOAD && search->address >= start && search->address < start + part->p_memsz) {
      is_here = 1;
      search->found->dlfo_map_start = (void *)start;
      search->found->dlfo_map_end = (void *)(start + part->p_memsz);
    }
  }
  if (!is_here || frames == NULL) return 0;
  search->found->dlfo_eh_frame = (void *)(object->dlpi_addr + frames->p_vaddr);
  return 1;
}

int _dl_find_object(void *address, struct dl_find_object *found) {
  struct search search = {(uintptr_t)address, found};
  *found = (struct dl_find_object){0};
  return dl_iterate_phdr(look, &search) == 1 ? 0 : -1;
}
#endif

// glibc 2.32: whether the process has one thread only, so that libstdc++ may count without atomics. Never, to be safe.
char __libc_single_threaded = 0;

// Before glibc 2.34, a program ran its own constructors, by a function that it gave to the library; now, the library
// runs them unless it is given one.
typedef void (*constructor)(int, char **, char **);
extern const constructor __init_array_start[], __init_array_end[];
extern void _init(void);
extern int older_libc_start_main(int (*)(int, char **, char **), int, char **, constructor, void (*)(void),
                                 void (*)(void), void *);
__asm__(".symver older_libc_start_main, __libc_start_main@GLIBC_2.2.5");

static void construct(int count, char **arguments, char **environment) {
  _init();
  for (const constructor *next = __init_array_start; next != __init_array_end; next++) {
    (*next)(count, arguments, environment);
  }
}

int __libc_start_main(int (*main)(int, char **, char **), int count, char **arguments, constructor initial,
                      void (*final)(void), void (*loader_final)(void), void *stack) {
  if (initial == NULL) initial = construct;
  return older_libc_start_main(main, count, arguments, initial, final, loader_final, stack);
}
