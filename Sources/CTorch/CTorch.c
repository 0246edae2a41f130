#define _GNU_SOURCE
#include "CTorch.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// What is left where no library can be loaded: all that begins without a tensor fails, and nothing else can be
// reached.

static char problem[2048];

static const char *missing_last_error(void) { return problem; }
static const char *missing_version(void) { return NULL; }
static int missing_start(int threads) { return 1; }
static int missing_set_device(const char *name) { return 1; }
static int missing_mode(int on) { return 0; }
static ct_tensor *missing_from_floats(const float *values, const int64_t *shape, int rank) { return NULL; }
static ct_tensor *missing_from_doubles(const double *values, const int64_t *shape, int rank) { return NULL; }
static ct_tensor *missing_from_integers(const int64_t *values, int64_t count) { return NULL; }
static ct_tensor *missing_zeros(const int64_t *shape, int rank) { return NULL; }
static ct_tensor *missing_concatenate(ct_tensor *const *tensors, int count, int dimension) { return NULL; }
static int missing_clip(ct_tensor *const *tensors, int count, double limit, double *norm) { return 1; }
static int missing_sgd_step(ct_tensor *const *parameters, ct_tensor *const *velocities, int count, double learning_rate,
                            double momentum, double weight_decay, int nesterov) {
  return 1;
}
static int missing_rmsprop_step(ct_tensor *const *parameters, ct_tensor *const *squares, ct_tensor *const *velocities,
                                int count, double learning_rate, double decay, double momentum, double epsilon,
                                double weight_decay) {
  return 1;
}
static int missing_adam_step(ct_tensor *const *parameters, ct_tensor *const *means, ct_tensor *const *squares,
                             int count, int64_t step, double learning_rate, double beta1, double beta2, double epsilon,
                             double weight_decay) {
  return 1;
}

static const ct_functions missing = {
    .interface = CT_INTERFACE,
    .bytes = sizeof(ct_functions),
    .last_error = missing_last_error,
    .version = missing_version,
    .level = missing_version,
    .start = missing_start,
    .set_device = missing_set_device,
    .set_twice_differentiable = missing_mode,
    .set_recording = missing_mode,
    .from_floats = missing_from_floats,
    .from_doubles = missing_from_doubles,
    .from_integers = missing_from_integers,
    .zeros = missing_zeros,
    .concatenate = missing_concatenate,
    .clip_gradients = missing_clip,
    .sgd_step = missing_sgd_step,
    .rmsprop_step = missing_rmsprop_step,
    .adam_step = missing_adam_step,
};

#ifdef __x86_64__
// Sets two variables of the environment in a copy of it, so that threads which read the old one meanwhile are not
// disturbed. (Nor before main: Swift's static library finds the arguments of the process beside the old one.)
static void set_both(const char *first, const char *first_value, const char *second, const char *second_value) {
  char *texts[2] = {NULL, NULL};
  size_t count = 0;
  while (environ != NULL && environ[count] != NULL) count++;
  char **copy = malloc((count + 3) * sizeof(char *));
  if (copy == NULL || asprintf(&texts[0], "%s=%s", first, first_value) < 0 ||
      asprintf(&texts[1], "%s=%s", second, second_value) < 0) {
    abort();
  }
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    const size_t length = strcspn(environ[i], "=") + 1;
    if (strncmp(environ[i], texts[0], length) != 0 && strncmp(environ[i], texts[1], length) != 0) {
      copy[kept++] = environ[i];
    }
  }
  copy[kept++] = texts[0];
  copy[kept++] = texts[1];
  copy[kept] = NULL;
  environ = copy;
}

// The last bits of libtorch's own kernels depend on their level of vector instructions. That of AVX2, which every
// x86-64 processor of the last ten years has, gives equal results everywhere; older ones get the lowest, not each its
// own. Set before libtorch is loaded.
static void pin_level(void) {
  __builtin_cpu_init();
  const int is_recent = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  set_both("ATEN_CPU_CAPABILITY", is_recent ? "avx2" : "default", "ONEDNN_MAX_CPU_ISA", is_recent ? "AVX2" : "SSE41");
}
#else
static void pin_level(void) {}
#endif

static const char *const library_name = "libAnytimeTorch.so";
static const char *const remedy =
    "run 'swift build -c release --product AnytimeTorch' in the folder of the package's source and, for a program that "
    "is installed elsewhere, let ANYTIME_TORCH_LIBRARY name the .build/release/libAnytimeTorch.so there";

// The library that the environment names, or the one in the program's folder; empty where it cannot be told.
static void find(char *path, size_t size) {
  const char *named = getenv("ANYTIME_TORCH_LIBRARY");
  if (named != NULL && *named != 0) {
    snprintf(path, size, "%s", named);
    return;
  }
  const ssize_t length = readlink("/proc/self/exe", path, size);
  path[length > 0 && (size_t)length < size ? length : 0] = 0;
  char *slash = strrchr(path, '/');
  const size_t folder = slash == NULL ? 0 : (size_t)(slash - path) + 1;
  snprintf(path + folder, size - folder, "%s", library_name);
}

static const ct_functions *load(void) {
  char path[4096];
  find(path, sizeof(path));
  if (strchr(path, '/') != NULL && access(path, F_OK) != 0) {
    snprintf(problem, sizeof(problem),
             "to train networks, libtorch is needed: install it with 'apt-get install libtorch-dev', then %s, as "
             "there is no %s",
             remedy, path);
    return &missing;
  }
  pin_level();
  // Symbols are bound when they are used: most of the library's are never.
  void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
  if (library == NULL) {
    const char *reason = dlerror();
    snprintf(problem, sizeof(problem),
             "to train networks, libtorch is needed, and %s cannot be loaded (%s): install libtorch with 'apt-get "
             "install libtorch-dev', then %s",
             path, reason == NULL ? "no reason is given" : reason, remedy);
    return &missing;
  }
  const ct_functions *_Nonnull (*entry)(void) = NULL;
  *(void **)&entry = dlsym(library, "anytime_torch");
  const ct_functions *functions = entry == NULL ? NULL : entry();
  if (functions == NULL || functions->interface != CT_INTERFACE || functions->bytes != sizeof(ct_functions)) {
    snprintf(problem, sizeof(problem), "%s is of another version of this program: %s", path, remedy);
    return &missing;
  }
  return functions;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const ct_functions *loaded = &missing;

static void load_once(void) { loaded = load(); }

const ct_functions *ct_open(void) {
  pthread_once(&once, load_once);
  return loaded;
}
