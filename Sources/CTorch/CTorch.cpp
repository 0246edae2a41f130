#include "CTorch.h"

#ifdef ANYTIME_TORCH

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <malloc.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/variable.h>

#include <limits>
#include <string>
#include <vector>

#define STRING_OF(x) #x
#define STRING(x) STRING_OF(x)

struct ct_tensor {
  at::Tensor value;
};

namespace {

thread_local std::string last_error;

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

// Copies a plane into one with a border of one cell on each side.
void pad(const float *plane, float *padded, int64_t height, int64_t width, float border) {
  const int64_t stride = width + 2;
  std::fill(padded, padded + (height + 2) * stride, border);
  for (int64_t y = 0; y < height; ++y)
    std::copy(plane + y * width, plane + (y + 1) * width, padded + (y + 1) * stride + 1);
}

// Both loops run over whole padded planes, borders included: what they compute there is never read. Only
// comparisons, selections and additions in a fixed order: every processor gives the same bits.
#define VECTORISED __attribute__((target_clones("avx512f", "avx2", "default")))

VECTORISED void pool_plane(const float *__restrict padded, float *__restrict best, float *__restrict place,
                           int64_t height, int64_t stride) {
  const int64_t count = height * stride - 2;
  for (int64_t i = 0; i < count; ++i) {
    best[i] = padded[i];
    place[i] = 0;
  }
  for (int k = 1; k < 9; ++k) {
    const float *__restrict shifted = padded + (k / 3) * stride + k % 3;
    for (int64_t i = 0; i < count; ++i) {
      const float value = shifted[i];
      const bool wins = value > best[i] || value != value;
      best[i] = wins ? value : best[i];
      place[i] = wins ? static_cast<float>(k) : place[i];
    }
  }
}

VECTORISED void unpool_plane(const float *__restrict gradient, const float *__restrict place,
                             float *__restrict padded, int64_t height, int64_t stride) {
  const int64_t count = height * stride - 2;
  for (int k = 0; k < 9; ++k) {
    float *__restrict shifted = padded + (k / 3) * stride + k % 3;
    for (int64_t i = 0; i < count; ++i)
      shifted[i] += place[i] == static_cast<float>(k) ? gradient[i] : 0.0f;
  }
}

// The library's pooling visits one window after another; here each of the nine neighbours is a whole shifted
// plane, so that the compiler makes vector instructions of the inner loops. Windows are scanned in the same
// order, and the first of equal values wins, so values and gradients are the library's (gradients up to the
// order of summation).
struct MaxPool3x3 : torch::autograd::Function<MaxPool3x3> {
  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &input) {
    const at::Tensor x = input.contiguous();
    const int64_t planes = x.size(0) * x.size(1), height = x.size(2), width = x.size(3);
    const int64_t stride = width + 2, area = height * stride;
    at::Tensor output = at::empty_like(x);
    // Which neighbour won, in rows of the padded stride.
    at::Tensor winners = at::empty({planes, area}, x.options());
    std::vector<float> padded((height + 2) * stride), best(area);
    for (int64_t plane = 0; plane < planes; ++plane) {
      pad(x.data_ptr<float>() + plane * height * width, padded.data(), height, width,
          -std::numeric_limits<float>::infinity());
      pool_plane(padded.data(), best.data(), winners.data_ptr<float>() + plane * area, height, stride);
      float *to = output.data_ptr<float>() + plane * height * width;
      for (int64_t y = 0; y < height; ++y)
        std::copy_n(best.data() + y * stride, width, to + y * width);
    }
    context->save_for_backward({winners});
    return output;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list gradients) {
    const at::Tensor winners = context->get_saved_variables()[0];
    const at::Tensor gradient = gradients[0].contiguous();
    const int64_t planes = gradient.size(0) * gradient.size(1);
    const int64_t height = gradient.size(2), width = gradient.size(3);
    const int64_t stride = width + 2, area = height * stride;
    at::Tensor result = at::empty_like(gradient);
    std::vector<float> padded((height + 2) * stride), wide(area, 0.0f);
    for (int64_t plane = 0; plane < planes; ++plane) {
      const float *from = gradient.data_ptr<float>() + plane * height * width;
      // The columns between rows stay zero.
      for (int64_t y = 0; y < height; ++y) std::copy_n(from + y * width, width, wide.data() + y * stride);
      std::fill(padded.begin(), padded.end(), 0.0f);
      unpool_plane(wide.data(), winners.data_ptr<float>() + plane * area, padded.data(), height, stride);
      float *to = result.data_ptr<float>() + plane * height * width;
      for (int64_t y = 0; y < height; ++y)
        std::copy_n(padded.data() + (y + 1) * stride + 1, width, to + y * width);
    }
    return {result};
  }
};

}  // namespace

const char *ct_last_error(void) { return last_error.c_str(); }

const char *ct_version(void) {
#ifdef TORCH_VERSION
  return TORCH_VERSION;
#else
  static const std::string version = [] {
    // ATen's configuration begins with a line for people; the version itself has no call in these headers.
    const std::string text = at::show_config();
    const auto start = text.find("TORCH_VERSION=");
    if (start == std::string::npos) return std::string("unknown");
    return text.substr(start + 14, text.find_first_of(", \n", start) - start - 14);
  }();
  return version.c_str();
#endif
}

int ct_start(int threads) {
  return done([&] {
    at::set_num_threads(threads);
    // Buffers of a training step are of a few sizes, used again and again: keep them in the heap.
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
  });
}

ct_tensor *ct_from_floats(const float *values, const int64_t *shape, int rank) {
  return made([&] {
    return at::from_blob(const_cast<float *>(values), at::IntArrayRef(shape, rank), at::kFloat).clone();
  });
}

ct_tensor *ct_from_integers(const int64_t *values, int64_t count) {
  return made([&] { return at::from_blob(const_cast<int64_t *>(values), {count}, at::kLong).clone(); });
}

ct_tensor *ct_zeros(const int64_t *shape, int rank) {
  return made([&] { return at::zeros(at::IntArrayRef(shape, rank), at::kFloat); });
}

void ct_free(ct_tensor *tensor) { delete tensor; }

int64_t ct_count(const ct_tensor *tensor) { return tensor->value.numel(); }

int ct_rank(const ct_tensor *tensor) { return static_cast<int>(tensor->value.dim()); }

int64_t ct_size(const ct_tensor *tensor, int dimension) { return tensor->value.size(dimension); }

int ct_copy_floats(const ct_tensor *tensor, float *values) {
  return done([&] {
    const at::Tensor plain = tensor->value.detach().to(at::kCPU, at::kFloat).contiguous();
    std::copy_n(plain.data_ptr<float>(), plain.numel(), values);
  });
}

int ct_require_gradient(ct_tensor *tensor) {
  return done([&] { tensor->value.requires_grad_(true); });
}

ct_tensor *ct_gradient(const ct_tensor *tensor) {
  return made([&] {
    const at::Tensor gradient = tensor->value.grad();
    return gradient.defined() ? gradient : at::zeros_like(tensor->value);
  });
}

int ct_backward(const ct_tensor *loss) {
  return done([&] { torch::autograd::backward({loss->value}, {}); });
}

int ct_set_recording(int on) {
  const int before = at::GradMode::is_enabled();
  at::GradMode::set_enabled(on);
  return before;
}

ct_tensor *ct_convolution(const ct_tensor *x, const ct_tensor *weight, int padding) {
  return made([&] { return at::conv2d(x->value, weight->value, {}, 1, padding); });
}

ct_tensor *ct_batch_norm(const ct_tensor *x, const ct_tensor *gamma, const ct_tensor *beta, ct_tensor *mean,
                         ct_tensor *variance, int training, double momentum, double epsilon) {
  return made([&] {
    return at::batch_norm(x->value, gamma->value, beta->value, mean->value, variance->value, training != 0,
                          momentum, epsilon, false);
  });
}

ct_tensor *ct_relu(ct_tensor *x) {
  return made([&] { return at::relu_(x->value); });
}

ct_tensor *ct_add(const ct_tensor *a, const ct_tensor *b) {
  return made([&] { return at::add(a->value, b->value); });
}

ct_tensor *ct_max_pool_3x3(const ct_tensor *x) {
  return made([&] {
    if (!x->value.device().is_cpu()) return at::max_pool2d(x->value, 3, 1, 1);
    return MaxPool3x3::apply(x->value);
  });
}

ct_tensor *ct_max_pool(const ct_tensor *x, int window, int stride, int padding) {
  return made([&] { return at::max_pool2d(x->value, window, stride, padding); });
}

ct_tensor *ct_average_pool(const ct_tensor *x, int window) {
  return made([&] { return at::avg_pool2d(x->value, window); });
}

ct_tensor *ct_concatenate(ct_tensor *const *tensors, int count) {
  return made([&] {
    std::vector<at::Tensor> values;
    for (int i = 0; i < count; ++i) values.push_back(tensors[i]->value);
    return at::cat(values, 1);
  });
}

ct_tensor *ct_first_channels(const ct_tensor *x, int64_t channels) {
  return made([&] { return x->value.narrow(1, 0, channels); });
}

ct_tensor *ct_global_mean(const ct_tensor *x) {
  return made([&] { return x->value.mean({2, 3}); });
}

ct_tensor *ct_linear(const ct_tensor *x, const ct_tensor *weight, const ct_tensor *bias) {
  return made([&] { return at::addmm(bias->value, x->value, weight->value); });
}

ct_tensor *ct_cross_entropy(const ct_tensor *logits, const ct_tensor *labels) {
  return made([&] { return at::nll_loss(at::log_softmax(logits->value, 1), labels->value); });
}

int64_t ct_count_correct(const ct_tensor *logits, const ct_tensor *labels) {
  return guarded(static_cast<int64_t>(-1), [&] {
    const at::Tensor valid = at::isnan(logits->value).any(1).logical_not();
    const at::Tensor right = at::eq(logits->value.argmax(1), labels->value).logical_and(valid);
    return right.sum().item<int64_t>();
  });
}

ct_tensor *ct_select(const ct_tensor *x, const int64_t *places, int64_t count) {
  return made([&] {
    const at::Tensor index = at::from_blob(const_cast<int64_t *>(places), {count}, at::kLong);
    return at::index_select(x->value, 0, index.to(x->value.device()));
  });
}

ct_tensor *ct_rows(const ct_tensor *x, int64_t start, int64_t end) {
  return made([&] { return x->value.slice(0, start, end); });
}

int ct_sgd_step(ct_tensor *const *parameters, ct_tensor *const *velocities, int count, double learning_rate,
                double momentum, double weight_decay, int nesterov) {
  return done([&] {
    NoRecording scope;
    for (int i = 0; i < count; ++i) {
      at::Tensor &parameter = parameters[i]->value;
      at::Tensor &slot = parameter.mutable_grad();
      if (!slot.defined()) continue;
      at::Tensor gradient = slot;
      slot = at::Tensor();
      if (weight_decay != 0) gradient.add_(parameter, weight_decay);
      at::Tensor &velocity = velocities[i]->value;
      velocity.mul_(momentum).add_(gradient);
      if (nesterov)
        parameter.add_(gradient.add_(velocity, momentum), -learning_rate);
      else
        parameter.add_(velocity, -learning_rate);
    }
  });
}

int ct_rmsprop_step(ct_tensor *const *parameters, ct_tensor *const *squares, ct_tensor *const *velocities,
                    int count, double learning_rate, double decay, double momentum, double epsilon,
                    double weight_decay) {
  return done([&] {
    NoRecording scope;
    for (int i = 0; i < count; ++i) {
      at::Tensor &parameter = parameters[i]->value;
      at::Tensor &slot = parameter.mutable_grad();
      if (!slot.defined()) continue;
      at::Tensor gradient = slot;
      slot = at::Tensor();
      if (weight_decay != 0) gradient.add_(parameter, weight_decay);
      squares[i]->value.mul_(decay).addcmul_(gradient, gradient, 1 - decay);
      velocities[i]->value.mul_(momentum).addcdiv_(gradient, at::sqrt(squares[i]->value + epsilon),
                                                   learning_rate);
      parameter.sub_(velocities[i]->value);
    }
  });
}

#else

const char *ct_version(void) { return nullptr; }

#endif
