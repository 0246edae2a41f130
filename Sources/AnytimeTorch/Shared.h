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

// The loops of our own operations do the same in the same order whatever the width of the vectors: no fused
// multiply-add, sums in explicit lanes. So every processor gives the same bits.
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

// Images in groups: Groups.cpp.
ct_tensor *ct_groups(const ct_tensor *images);
ct_tensor *ct_ungrouped(const ct_tensor *x, ct_geometry size);
ct_tensor *ct_group_unit(const ct_tensor *x, ct_geometry size, const ct_tensor *weight, const ct_tensor *gamma,
                         const ct_tensor *beta, ct_tensor *mean, ct_tensor *variance, int training, double momentum,
                         double epsilon);
ct_tensor *ct_group_pool(const ct_tensor *x, ct_geometry size, int64_t window);
ct_tensor *ct_group_mean(const ct_tensor *x, ct_geometry size);

}  // namespace ours
