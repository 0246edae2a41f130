#include "Kernels.h"

#include <cstdlib>
#include <cstring>

#pragma clang fp contract(off)

#define INLINE inline __attribute__((always_inline))

namespace ours {
namespace {

// Sixteen neighbouring numbers.
typedef float Sixteen __attribute__((vector_size(64), aligned(4)));
typedef int32_t Whole __attribute__((vector_size(64), aligned(4)));
typedef int8_t Bytes __attribute__((vector_size(16), aligned(1)));

// Handed over by reference: how a vector of this size is passed would depend on the level.
INLINE Sixteen &at_place(float *x) { return *reinterpret_cast<Sixteen *>(x); }
INLINE const Sixteen &at_place(const float *x) { return *reinterpret_cast<const Sixteen *>(x); }
INLINE Bytes &at_place(int8_t *x) { return *reinterpret_cast<Bytes *>(x); }
INLINE const Bytes &at_place(const int8_t *x) { return *reinterpret_cast<const Bytes *>(x); }

#define TABLE(name)                                                                                        \
  {                                                                                                        \
    name, kBlock, convolve, weight_gradient, sum, squares, normalize, gradient_sums, input_gradient, scale, \
        product, pool, unpool, mean                                                                        \
  }

#ifdef __x86_64__

namespace avx512 {
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), \
                             apply_to = function)
constexpr int64_t kBlock = 8, kMany = 2, kSide = 4;
#include "KernelLoops.h"
#pragma clang attribute pop
const Kernels table = TABLE("avx512");
}  // namespace avx512

namespace avx2 {
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
constexpr int64_t kBlock = 4, kMany = 1, kSide = 2;
#include "KernelLoops.h"
#pragma clang attribute pop
const Kernels table = TABLE("avx2");
}  // namespace avx2

#endif

// Fused multiply-adds without an instruction for them are exact too, but slow.
namespace plain {
constexpr int64_t kBlock = 4, kMany = 1, kSide = 2;
#include "KernelLoops.h"
const Kernels table = TABLE("none");
}  // namespace plain

const Kernels &chosen() {
  const char *limit = std::getenv("ANYTIME_VECTORS");
  const auto allows = [&](const char *level) { return limit == nullptr || std::strcmp(limit, level) == 0; };
#ifdef __x86_64__
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (allows("avx512") && has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return avx512::table;
  if (has_avx2 && (limit == nullptr || std::strcmp(limit, "none") != 0)) return avx2::table;
#endif
  return plain::table;
}

}  // namespace

const Kernels &kernels() {
  static const Kernels &result = chosen();
  return result;
}

}  // namespace ours
