// What the files of this target share; nothing for Swift.

#pragma once

#include "AnytimeTorch.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <string>
#include <vector>

struct ct_tensor {
  at::Tensor value;
};

namespace ours {

extern thread_local std::string last_error;

// C++ exceptions must not reach Swift.
template <typename Body>
auto guarded(decltype(std::declval<Body>()()) failure, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const c10::Error &error) {
    last_error = error.what_without_backtrace();
  } catch (const std::exception &error) {
    last_error = error.what();
  } catch (...) {
    last_error = "unknown C++ exception";
  }
  return failure;
}

template <typename Body>
ct_tensor *made(Body body) {
  return guarded(static_cast<ct_tensor *>(nullptr), [&] { return new ct_tensor{body()}; });
}

template <typename Body>
int done(Body body) {
  return guarded(1, [&] {
    body();
    return 0;
  });
}

// Turns recording off while in scope.
struct NoRecording {
  bool before = at::GradMode::is_enabled();
  NoRecording() { at::GradMode::set_enabled(false); }
  ~NoRecording() { at::GradMode::set_enabled(before); }
};

// These loops do the same in the same order whatever the width of the vectors, so every processor gives the same bits,
// and it is no matter that the processor alone chooses among the versions, not ANYTIME_VECTORS: each result is a sum of
// its own, in explicit lanes, which no compiler reorders without -ffast-math, and no multiply-add is fused. The pragma
// sees to the latter: AVX-512 brings fused ones, and clang makes them within an expression where it is not told
// otherwise (-ffp-contract=on).
#define VECTORISED __attribute__((target_clones("avx512f", "avx2", "default")))
#pragma clang fp contract(off)

inline std::vector<double> numbers(const at::Tensor &values) {
  const at::Tensor plain = values.contiguous();
  return std::vector<double>(plain.data_ptr<float>(), plain.data_ptr<float>() + plain.numel());
}

inline at::Tensor tensor(const std::vector<double> &values) {
  at::Tensor result = at::empty({static_cast<int64_t>(values.size())}, at::kFloat);
  std::copy(values.begin(), values.end(), result.data_ptr<float>());
  return result;
}

// Whether our own operations may be used: they are of single precision, on the processor, and can be differentiated
// once.
bool is_ours(const at::Tensor &x);

// The gradients of our own operations are plain numbers: a gradient of gradients would take them for constants.
inline void check_once() {
  TORCH_CHECK(!at::GradMode::is_enabled(), "what is made for speed cannot be differentiated twice");
}

// Images in groups: Groups.cpp.
ct_tensor *ct_groups(const ct_tensor *images);
ct_tensor *ct_ungrouped(const ct_tensor *x, ct_geometry size);
int ct_group_units(const ct_tensor *x, ct_geometry size, const ct_unit *units, int count, ct_norm norm,
                   ct_tensor **results);
ct_tensor *ct_group_operations(const ct_tensor *images, ct_geometry size, const ct_unit *units, int count, int pools,
                               const ct_tensor *weights, int64_t parts, ct_norm norm);
ct_tensor *ct_group_pool(const ct_tensor *x, ct_geometry size, int64_t window, int64_t padding);
ct_tensor *ct_group_mean(const ct_tensor *x, ct_geometry size);
ct_tensor *ct_group_scale(const ct_tensor *x, ct_geometry size, const ct_tensor *factors);
ct_tensor *ct_group_place(ct_tensor *const *tensors, const int64_t *starts, int count, int64_t channels, int reuses);
ct_tensor *ct_mixture(const ct_tensor *weights, ct_tensor *const *tensors, int count);
ct_tensor *ct_weighted_concatenation(const ct_tensor *weights, ct_tensor *const *tensors, int count);

}  // namespace ours
