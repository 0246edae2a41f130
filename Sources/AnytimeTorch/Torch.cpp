#include "Shared.h"

#include <ATen/Parallel.h>
#include <malloc.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/variable.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#define STRING_OF(x) #x
#define STRING(x) STRING_OF(x)

using namespace ours;

thread_local std::string ours::last_error;

namespace {

// Turns recording off while in scope.
struct NoRecording {
  bool before = at::GradMode::is_enabled();
  NoRecording() { at::GradMode::set_enabled(false); }
  ~NoRecording() { at::GradMode::set_enabled(before); }
};

// Images lie in memory as [count, height, width, channels] ("channels last"): with the few channels of our
// networks, the library's convolutions take half the time. Its pooling and batch norm are slow on this form,
// so that those two are written here. Narrowed tensors are copied.
at::Tensor channels_last(const at::Tensor &x) {
  const auto format = at::MemoryFormat::ChannelsLast;
  return x.suggest_memory_format() == format && x.is_contiguous(format) ? x : x.clone(format);
}

// Where new tensors lie, and whether only operations that can be differentiated twice may be used. Our own
// cannot.
at::Device device(at::kCPU);
thread_local bool differentiates_twice = false;

bool is_ours(const at::Tensor &x) {
  return x.device().is_cpu() && x.scalar_type() == at::kFloat && !differentiates_twice;
}

// Copies an image of rows of `wide` numbers into one with a border of `border` numbers left and right and a row
// above and below.
void pad(const float *image, float *padded, int64_t height, int64_t wide, int64_t border, float value) {
  const int64_t stride = wide + 2 * border;
  std::fill(padded, padded + (height + 2) * stride, value);
  for (int64_t y = 0; y < height; ++y)
    std::copy_n(image + y * wide, wide, padded + (y + 1) * stride + border);
}

// Both loops run over whole padded images, borders included: what they compute there is never read.
VECTORISED void pool_image(const float *__restrict padded, float *__restrict best, float *__restrict place,
                           int64_t height, int64_t stride, int64_t channels) {
  const int64_t count = height * stride - 2 * channels;
  for (int64_t i = 0; i < count; ++i) {
    best[i] = padded[i];
    place[i] = 0;
  }
  for (int k = 1; k < 9; ++k) {
    const float *__restrict shifted = padded + (k / 3) * stride + (k % 3) * channels;
    for (int64_t i = 0; i < count; ++i) {
      const float value = shifted[i];
      const bool wins = value > best[i] || value != value;
      best[i] = wins ? value : best[i];
      place[i] = wins ? static_cast<float>(k) : place[i];
    }
  }
}

VECTORISED void unpool_image(const float *__restrict gradient, const float *__restrict place,
                             float *__restrict padded, int64_t height, int64_t stride, int64_t channels) {
  const int64_t count = height * stride - 2 * channels;
  for (int k = 0; k < 9; ++k) {
    float *__restrict shifted = padded + (k / 3) * stride + (k % 3) * channels;
    for (int64_t i = 0; i < count; ++i)
      shifted[i] += place[i] == static_cast<float>(k) ? gradient[i] : 0.0f;
  }
}

// The library's pooling visits one window after another; here each of the nine neighbours is a whole shifted
// image, so that the compiler makes vector instructions of the inner loops. Windows are scanned in the same
// order, and the first of equal values wins, so values and gradients are the library's (gradients up to the
// order of summation).
struct MaxPool3x3 : torch::autograd::Function<MaxPool3x3> {
  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &input) {
    const at::Tensor x = channels_last(input);
    const int64_t images = x.size(0), channels = x.size(1), height = x.size(2), wide = x.size(3) * channels;
    const int64_t stride = wide + 2 * channels, area = height * stride;
    at::Tensor output = at::empty_like(x);
    // Which neighbour won, in rows of the padded stride.
    at::Tensor winners = at::empty({images, area}, x.options());
    std::vector<float> padded((height + 2) * stride), best(area);
    for (int64_t image = 0; image < images; ++image) {
      pad(x.data_ptr<float>() + image * height * wide, padded.data(), height, wide, channels,
          -std::numeric_limits<float>::infinity());
      pool_image(padded.data(), best.data(), winners.data_ptr<float>() + image * area, height, stride,
                 channels);
      float *to = output.data_ptr<float>() + image * height * wide;
      for (int64_t y = 0; y < height; ++y) std::copy_n(best.data() + y * stride, wide, to + y * wide);
    }
    context->save_for_backward({winners});
    return output;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list gradients) {
    const at::Tensor winners = context->get_saved_variables()[0];
    const at::Tensor gradient = channels_last(gradients[0]);
    const int64_t images = gradient.size(0), channels = gradient.size(1);
    const int64_t height = gradient.size(2), wide = gradient.size(3) * channels;
    const int64_t stride = wide + 2 * channels, area = height * stride;
    at::Tensor result = at::empty_like(gradient);
    std::vector<float> padded((height + 2) * stride), spread(area, 0.0f);
    for (int64_t image = 0; image < images; ++image) {
      const float *from = gradient.data_ptr<float>() + image * height * wide;
      // The columns between rows stay zero.
      for (int64_t y = 0; y < height; ++y) std::copy_n(from + y * wide, wide, spread.data() + y * stride);
      std::fill(padded.begin(), padded.end(), 0.0f);
      unpool_image(spread.data(), winners.data_ptr<float>() + image * area, padded.data(), height, stride,
                   channels);
      float *to = result.data_ptr<float>() + image * height * wide;
      for (int64_t y = 0; y < height; ++y)
        std::copy_n(padded.data() + (y + 1) * stride + channels, wide, to + y * wide);
    }
    return {result};
  }
};

// Per-channel numbers, repeated so often that a loop over them is long enough for vectors.
struct Lanes {
  int64_t channels, count;
  explicit Lanes(int64_t channels) : channels(channels), count(channels * ((63 + channels) / channels)) {}

  std::vector<float> repeated(const std::vector<double> &values) const {
    std::vector<float> lanes(count);
    for (int64_t i = 0; i < count; ++i) lanes[i] = static_cast<float>(values[i % channels]);
    return lanes;
  }

  std::vector<double> folded(const std::vector<float> &lanes) const {
    std::vector<double> sums(channels, 0.0);
    for (int64_t i = 0; i < count; ++i) sums[i % channels] += lanes[i];
    return sums;
  }
};

// Each takes `size` numbers, of which number i belongs to lane i % lanes.
VECTORISED void sum(const float *__restrict x, int64_t size, int64_t lanes, float *__restrict total) {
  for (int64_t start = 0; start < size; start += lanes) {
    const int64_t count = std::min(lanes, size - start);
    for (int64_t i = 0; i < count; ++i) total[i] += x[start + i];
  }
}

VECTORISED void sum_squares(const float *__restrict x, int64_t size, int64_t lanes,
                            const float *__restrict mean, float *__restrict total) {
  for (int64_t start = 0; start < size; start += lanes) {
    const int64_t count = std::min(lanes, size - start);
    for (int64_t i = 0; i < count; ++i) {
      const float distance = x[start + i] - mean[i];
      total[i] += distance * distance;
    }
  }
}

VECTORISED void scale_and_rectify(const float *__restrict x, int64_t size, int64_t lanes,
                                  const float *__restrict scale, const float *__restrict shift,
                                  float *__restrict y) {
  for (int64_t start = 0; start < size; start += lanes) {
    const int64_t count = std::min(lanes, size - start);
    for (int64_t i = 0; i < count; ++i) {
      const float value = x[start + i] * scale[i] + shift[i];
      y[start + i] = value < 0 ? 0 : value;  // no number stays no number
    }
  }
}

VECTORISED void sum_gradients(const float *__restrict gradient, const float *__restrict x,
                              const float *__restrict y, int64_t size, int64_t lanes,
                              const float *__restrict mean, float *__restrict plain,
                              float *__restrict weighted) {
  for (int64_t start = 0; start < size; start += lanes) {
    const int64_t count = std::min(lanes, size - start);
    for (int64_t i = 0; i < count; ++i) {
      const float g = y[start + i] <= 0 ? 0 : gradient[start + i];
      plain[i] += g;
      weighted[i] += g * (x[start + i] - mean[i]);
    }
  }
}

VECTORISED void input_gradient(const float *__restrict gradient, const float *__restrict x,
                               const float *__restrict y, int64_t size, int64_t lanes,
                               const float *__restrict mean, const float *__restrict scale,
                               const float *__restrict slope, const float *__restrict offset,
                               float *__restrict result) {
  for (int64_t start = 0; start < size; start += lanes) {
    const int64_t count = std::min(lanes, size - start);
    for (int64_t i = 0; i < count; ++i) {
      const float g = y[start + i] <= 0 ? 0 : gradient[start + i];
      result[start + i] = scale[i] * g - slope[i] * (x[start + i] - mean[i]) - offset[i];
    }
  }
}

// gamma (x - mean) / deviation + beta, cut at zero, with the given statistics.
at::Tensor normalized(const at::Tensor &x, const std::vector<double> &mean,
                      const std::vector<double> &inverse_deviation, const at::Tensor &gamma,
                      const at::Tensor &beta) {
  const Lanes lanes(x.size(1));
  std::vector<double> scale = numbers(gamma), shift = numbers(beta);
  for (size_t c = 0; c < scale.size(); ++c) {
    scale[c] *= inverse_deviation[c];
    shift[c] -= mean[c] * scale[c];
  }
  at::Tensor y = at::empty_like(x);
  scale_and_rectify(x.data_ptr<float>(), x.numel(), lanes.count, lanes.repeated(scale).data(),
                    lanes.repeated(shift).data(), y.data_ptr<float>());
  return y;
}

// Batch norm with the batch's own statistics, then a rectifier, in three passes over the data and two back.
struct BatchNormRelu : torch::autograd::Function<BatchNormRelu> {
  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &input,
                            const at::Tensor &gamma, const at::Tensor &beta, at::Tensor running_mean,
                            at::Tensor running_variance, double momentum, double epsilon) {
    const at::Tensor x = channels_last(input);
    const float *values = x.data_ptr<float>();
    const int64_t size = x.numel();
    const double rows = static_cast<double>(size / x.size(1));
    const Lanes lanes(x.size(1));
    std::vector<float> total(lanes.count, 0.0f), squares(lanes.count, 0.0f);
    sum(values, size, lanes.count, total.data());
    std::vector<double> mean = lanes.folded(total);
    for (double &m : mean) m /= rows;
    sum_squares(values, size, lanes.count, lanes.repeated(mean).data(), squares.data());
    std::vector<double> inverse = lanes.folded(squares);
    float *old_mean = running_mean.data_ptr<float>(), *old_variance = running_variance.data_ptr<float>();
    for (size_t c = 0; c < mean.size(); ++c) {
      const double variance = inverse[c] / rows, unbiased = inverse[c] / std::max(1.0, rows - 1);
      old_mean[c] = static_cast<float>((1 - momentum) * old_mean[c] + momentum * mean[c]);
      old_variance[c] = static_cast<float>((1 - momentum) * old_variance[c] + momentum * unbiased);
      inverse[c] = 1 / std::sqrt(variance + epsilon);
    }
    const at::Tensor y = normalized(x, mean, inverse, gamma, beta);
    context->save_for_backward({x, y, gamma, tensor(mean), tensor(inverse)});
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &y = saved[1];
    const at::Tensor gradient = channels_last(gradients[0]);
    const int64_t size = x.numel();
    const double rows = static_cast<double>(size / x.size(1));
    const Lanes lanes(x.size(1));
    const std::vector<double> gamma = numbers(saved[2]), inverse = numbers(saved[4]);
    const std::vector<float> mean = lanes.repeated(numbers(saved[3]));
    std::vector<float> plain(lanes.count, 0.0f), weighted(lanes.count, 0.0f);
    sum_gradients(gradient.data_ptr<float>(), x.data_ptr<float>(), y.data_ptr<float>(), size, lanes.count,
                  mean.data(), plain.data(), weighted.data());
    const std::vector<double> beta_gradient = lanes.folded(plain);
    std::vector<double> gamma_gradient = lanes.folded(weighted), scale = gamma, slope(gamma.size()),
                        offset(gamma.size());
    for (size_t c = 0; c < gamma.size(); ++c) {
      gamma_gradient[c] *= inverse[c];
      scale[c] *= inverse[c];
      slope[c] = scale[c] * inverse[c] * gamma_gradient[c] / rows;
      offset[c] = scale[c] * beta_gradient[c] / rows;
    }
    at::Tensor result = at::empty_like(x);
    input_gradient(gradient.data_ptr<float>(), x.data_ptr<float>(), y.data_ptr<float>(), size, lanes.count,
                   mean.data(), lanes.repeated(scale).data(), lanes.repeated(slope).data(),
                   lanes.repeated(offset).data(), result.data_ptr<float>());
    return {result, tensor(gamma_gradient), tensor(beta_gradient), {}, {}, {}, {}};
  }
};

// y += w x, and the sum of x g.
VECTORISED void add_scaled(const float *__restrict x, float w, int64_t size, float *__restrict y) {
  for (int64_t i = 0; i < size; ++i) y[i] += w * x[i];
}

VECTORISED void scale(const float *__restrict x, float w, int64_t size, float *__restrict y) {
  for (int64_t i = 0; i < size; ++i) y[i] = w * x[i];
}

constexpr int64_t kLanes = 64;

VECTORISED void add_products(const float *__restrict x, const float *__restrict g, int64_t size,
                             float *__restrict total) {
  int64_t start = 0;
  for (; start + kLanes <= size; start += kLanes)
    for (int64_t i = 0; i < kLanes; ++i) total[i] += x[start + i] * g[start + i];
  for (int64_t i = 0; start + i < size; ++i) total[i] += x[start + i] * g[start + i];
}

// Tensors of a mixture are gone through together, in pieces that stay in the first cache.
constexpr int64_t kPiece = 2048;

// Functions of autograd take a fixed number of tensors, of which some may be absent.
constexpr size_t kMost = 7;
using Maybe = const c10::optional<at::Tensor> &;

template <typename Function>
at::Tensor applied(const at::Tensor &weights, const std::vector<at::Tensor> &inputs) {
  TORCH_CHECK(inputs.size() <= kMost, "at most ", kMost, " tensors can be mixed");
  std::vector<c10::optional<at::Tensor>> x(inputs.begin(), inputs.end());
  x.resize(kMost);
  return Function::apply(weights, x[0], x[1], x[2], x[3], x[4], x[5], x[6]);
}

std::vector<at::Tensor> present(std::initializer_list<c10::optional<at::Tensor>> inputs) {
  std::vector<at::Tensor> result;
  for (const auto &input : inputs)
    if (input) result.push_back(channels_last(*input));
  return result;
}

// w[0] x[0] + w[1] x[1] + …, one node of the graph, one pass over the data each way.
struct Mixture : torch::autograd::Function<Mixture> {
  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &weights,
                            Maybe a, Maybe b, Maybe c, Maybe d, Maybe e, Maybe f, Maybe g) {
    auto saved = present({a, b, c, d, e, f, g});
    at::Tensor result = at::empty_like(saved[0]);
    const at::Tensor w = weights.contiguous();
    const float *weight = w.data_ptr<float>();
    const int64_t size = result.numel();
    float *y = result.data_ptr<float>();
    for (int64_t start = 0; start < size; start += kPiece) {
      const int64_t count = std::min(kPiece, size - start);
      scale(saved[0].data_ptr<float>() + start, weight[0], count, y + start);
      for (size_t k = 1; k < saved.size(); ++k)
        add_scaled(saved[k].data_ptr<float>() + start, weight[k], count, y + start);
    }
    saved.push_back(w);
    context->saved_data["learns"] = weights.requires_grad();
    context->save_for_backward(saved);
    return result;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list gradients) {
    auto inputs = context->get_saved_variables();
    const at::Tensor w = inputs.back();
    inputs.pop_back();
    const bool learns = context->saved_data["learns"].toBool();
    const at::Tensor gradient = channels_last(gradients[0]);
    const float *g = gradient.data_ptr<float>();
    const int64_t size = gradient.numel();
    torch::autograd::variable_list results;
    for (size_t k = 0; k < inputs.size(); ++k) results.push_back(at::empty_like(gradient));
    std::vector<std::vector<float>> totals(inputs.size(), std::vector<float>(kLanes, 0.0f));
    for (int64_t start = 0; start < size; start += kPiece) {
      const int64_t count = std::min(kPiece, size - start);
      for (size_t k = 0; k < inputs.size(); ++k) {
        scale(g + start, w.data_ptr<float>()[k], count, results[k].data_ptr<float>() + start);
        if (learns) add_products(inputs[k].data_ptr<float>() + start, g + start, count, totals[k].data());
      }
    }
    at::Tensor weights;
    if (learns) {
      weights = at::empty_like(w);
      for (size_t k = 0; k < inputs.size(); ++k) {
        double sum = 0;
        for (const float part : totals[k]) sum += part;
        weights.data_ptr<float>()[k] = static_cast<float>(sum);
      }
    }
    results.insert(results.begin(), weights);
    results.resize(kMost + 1);
    return results;
  }
};

// The output of a supernet's cell: w[0] x[0] plus the others, each times its weight, one after another along
// the channels. x[0] has as many channels as all others together.
struct WeightedConcatenation : torch::autograd::Function<WeightedConcatenation> {
  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &weights,
                            Maybe a, Maybe b, Maybe c, Maybe d, Maybe e, Maybe f, Maybe g) {
    auto saved = present({a, b, c, d, e, f, g});
    at::Tensor result = at::empty_like(saved[0]);
    const at::Tensor w = weights.contiguous();
    const float *weight = w.data_ptr<float>();
    const int64_t wide = saved[0].size(1), rows = saved[0].numel() / wide;
    scale(saved[0].data_ptr<float>(), weight[0], result.numel(), result.data_ptr<float>());
    int64_t first = 0;
    for (size_t k = 1; k < saved.size(); ++k) {
      const int64_t channels = saved[k].size(1);
      const float *x = saved[k].data_ptr<float>();
      float *y = result.data_ptr<float>() + first;
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t c = 0; c < channels; ++c) y[row * wide + c] += weight[k] * x[row * channels + c];
      first += channels;
    }
    saved.push_back(w);
    context->saved_data["learns"] = weights.requires_grad();
    context->save_for_backward(saved);
    return result;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list gradients) {
    auto inputs = context->get_saved_variables();
    const at::Tensor w = inputs.back();
    inputs.pop_back();
    const bool learns = context->saved_data["learns"].toBool();
    const at::Tensor gradient = channels_last(gradients[0]);
    const float *weight = w.data_ptr<float>();
    const int64_t wide = gradient.size(1), rows = gradient.numel() / wide;
    std::vector<double> sums(inputs.size(), 0.0);
    torch::autograd::variable_list results{at::Tensor(), at::empty_like(gradient)};
    scale(gradient.data_ptr<float>(), weight[0], gradient.numel(), results[1].data_ptr<float>());
    std::vector<float> total(kLanes, 0.0f);
    if (learns) {
      add_products(inputs[0].data_ptr<float>(), gradient.data_ptr<float>(), gradient.numel(), total.data());
      for (const float part : total) sums[0] += part;
    }
    int64_t first = 0;
    for (size_t k = 1; k < inputs.size(); ++k) {
      results.push_back(at::empty_like(inputs[k]));
      const int64_t channels = inputs[k].size(1);
      const float *g = gradient.data_ptr<float>() + first, *x = inputs[k].data_ptr<float>();
      float *to = results[k + 1].data_ptr<float>();
      for (int64_t row = 0; row < rows; ++row) {
        float sum = 0;
        for (int64_t c = 0; c < channels; ++c) {
          to[row * channels + c] = weight[k] * g[row * wide + c];
          sum += x[row * channels + c] * g[row * wide + c];
        }
        sums[k] += sum;
      }
      first += channels;
    }
    if (learns) results[0] = tensor(sums);
    results.resize(kMost + 1);
    return results;
  }
};

// A step of gradient descent in one pass.
VECTORISED void descend(const float *__restrict gradient, int64_t size, float rate, float momentum, float decay,
                        bool nesterov, float *__restrict velocity, float *__restrict parameter) {
  for (int64_t i = 0; i < size; ++i) {
    const float g = gradient[i] + decay * parameter[i], v = momentum * velocity[i] + g;
    velocity[i] = v;
    parameter[i] -= rate * (nesterov ? g + momentum * v : v);
  }
}

std::vector<at::Tensor> listed(ct_tensor *const *tensors, int count) {
  std::vector<at::Tensor> values;
  for (int i = 0; i < count; ++i) values.push_back(tensors[i]->value);
  return values;
}

// The sum of tensors, each times its weight, by the library alone.
at::Tensor mixed(const at::Tensor &weights, const std::vector<at::Tensor> &inputs) {
  at::Tensor sum = weights[0] * inputs[0];
  for (size_t k = 1; k < inputs.size(); ++k) sum = sum + weights[static_cast<int64_t>(k)] * inputs[k];
  return sum;
}

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

// What else than the version decides the last bits: the instruction levels of ATen's kernels and of oneDNN's.
const char *ct_level(void) {
  static const std::string level = [] {
    const std::string text = at::show_config();
    const std::string name = "CPU capability usage: ";
    const auto start = text.find(name);
    std::string level = "unknown";
    if (start != std::string::npos) {
      const auto from = start + name.size();
      level = text.substr(from, text.find_first_of(" \n", from) - from);
    }
    const char *limit = std::getenv("ONEDNN_MAX_CPU_ISA");
    return limit ? level + ", oneDNN " + limit : level;
  }();
  return level.c_str();
}

int ct_start(int threads) {
  return done([&] {
    at::set_num_threads(threads);
    // Buffers of a training step are of a few sizes, used again and again: keep them in the heap.
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
  });
}

int ct_set_device(const char *name) {
  return done([&] {
    const at::Device wanted(name);
    at::zeros({1}, at::TensorOptions(wanted));  // refused here, not in the middle of a training
    device = wanted;
  });
}

int ct_set_twice_differentiable(int on) {
  const int before = differentiates_twice;
  differentiates_twice = on != 0;
  return before;
}

ct_tensor *ct_from_floats(const float *values, const int64_t *shape, int rank) {
  return made([&] {
    return at::from_blob(const_cast<float *>(values), at::IntArrayRef(shape, rank), at::kFloat)
        .clone()
        .to(device);
  });
}

ct_tensor *ct_from_doubles(const double *values, const int64_t *shape, int rank) {
  return made([&] {
    return at::from_blob(const_cast<double *>(values), at::IntArrayRef(shape, rank), at::kDouble)
        .clone()
        .to(device);
  });
}

ct_tensor *ct_from_integers(const int64_t *values, int64_t count) {
  return made(
      [&] { return at::from_blob(const_cast<int64_t *>(values), {count}, at::kLong).clone().to(device); });
}

ct_tensor *ct_zeros(const int64_t *shape, int rank) {
  return made([&] { return at::zeros(at::IntArrayRef(shape, rank), at::TensorOptions(device)); });
}

ct_tensor *ct_zeros_like(const ct_tensor *tensor) {
  return made([&] { return at::zeros_like(tensor->value).detach(); });
}

ct_tensor *ct_copy(const ct_tensor *tensor) {
  return made([&] { return tensor->value.detach().clone(); });
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

int ct_copy_doubles(const ct_tensor *tensor, double *values) {
  return done([&] {
    const at::Tensor plain = tensor->value.detach().to(at::kCPU, at::kDouble).contiguous();
    std::copy_n(plain.data_ptr<double>(), plain.numel(), values);
  });
}

int ct_assign(ct_tensor *tensor, const ct_tensor *source) {
  return done([&] {
    NoRecording scope;
    tensor->value.copy_(source->value);
  });
}

int ct_increase(ct_tensor *tensor, const ct_tensor *source, double factor) {
  return done([&] {
    NoRecording scope;
    tensor->value.add_(source->value, factor);
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

int ct_backward_to(const ct_tensor *loss, ct_tensor *const *inputs, int count) {
  return done([&] {
    torch::autograd::backward({loss->value}, {}, {}, false, listed(inputs, count));
  });
}

int ct_gradients(const ct_tensor *loss, ct_tensor *const *inputs, int count, int create_graph,
                 ct_tensor **results) {
  return done([&] {
    const auto variables = listed(inputs, count);
    const auto gradients = torch::autograd::grad({loss->value}, variables, {}, {},
                                                 create_graph != 0, true);
    for (int i = 0; i < count; ++i)
      results[i] = new ct_tensor{gradients[i].defined() ? gradients[i] : at::zeros_like(variables[i])};
  });
}

int ct_set_gradient(ct_tensor *tensor, const ct_tensor *gradient) {
  return done([&] { tensor->value.mutable_grad() = gradient->value.detach().clone(); });
}

int ct_clip_gradients(ct_tensor *const *tensors, int count, double limit, double *norm) {
  return done([&] {
    NoRecording scope;
    std::vector<at::Tensor> norms;
    for (int i = 0; i < count; ++i)
      if (tensors[i]->value.grad().defined()) norms.push_back(at::norm(tensors[i]->value.grad()));
    if (norms.empty()) {
      *norm = 0;
      return;
    }
    *norm = at::norm(at::stack(norms)).item<double>();
    const double factor = limit / (*norm + 1e-6);
    if (factor >= 1) return;
    for (int i = 0; i < count; ++i)
      if (tensors[i]->value.grad().defined()) tensors[i]->value.mutable_grad().mul_(factor);
  });
}

int ct_set_recording(int on) {
  const int before = at::GradMode::is_enabled();
  at::GradMode::set_enabled(on);
  return before;
}

ct_tensor *ct_convolution(const ct_tensor *x, const ct_tensor *weight, int padding) {
  return made([&] { return at::conv2d(channels_last(x->value), weight->value, {}, 1, padding); });
}

ct_tensor *ct_batch_norm(const ct_tensor *x, const ct_tensor *gamma, const ct_tensor *beta, ct_tensor *mean,
                         ct_tensor *variance, int training, double momentum, double epsilon) {
  return made([&] {
    return at::batch_norm(x->value, gamma->value, beta->value, mean->value, variance->value, training != 0,
                          momentum, epsilon, false);
  });
}

ct_tensor *ct_batch_norm_relu(const ct_tensor *x, const ct_tensor *gamma, const ct_tensor *beta,
                              ct_tensor *mean, ct_tensor *variance, int training, double momentum,
                              double epsilon) {
  return made([&] {
    if (training && is_ours(x->value))
      return BatchNormRelu::apply(x->value, gamma->value, beta->value, mean->value, variance->value, momentum,
                                  epsilon);
    if (!at::GradMode::is_enabled() && is_ours(x->value)) {
      std::vector<double> inverse = numbers(variance->value);
      for (double &v : inverse) v = 1 / std::sqrt(v + epsilon);
      return normalized(channels_last(x->value), numbers(mean->value), inverse, gamma->value, beta->value);
    }
    return at::relu(at::batch_norm(x->value, gamma->value, beta->value, mean->value, variance->value,
                                   training != 0, momentum, epsilon, false));
  });
}

ct_tensor *ct_relu(ct_tensor *x) {
  return made([&] { return at::relu_(x->value); });
}

ct_tensor *ct_add(const ct_tensor *a, const ct_tensor *b, double factor) {
  return made([&] { return at::add(a->value, b->value, factor); });
}

ct_tensor *ct_multiply(const ct_tensor *a, const ct_tensor *b) {
  return made([&] { return at::mul(a->value, b->value); });
}

ct_tensor *ct_scale(const ct_tensor *x, double factor) {
  return made([&] { return at::mul(x->value, factor); });
}

ct_tensor *ct_tanh(const ct_tensor *x) {
  return made([&] { return at::tanh(x->value); });
}

ct_tensor *ct_sum(const ct_tensor *x) {
  return made([&] { return at::sum(x->value); });
}

ct_tensor *ct_softmax(const ct_tensor *x, int logarithm) {
  return made([&] { return logarithm ? at::log_softmax(x->value, -1) : at::softmax(x->value, -1); });
}

ct_tensor *ct_straight_through(const ct_tensor *soft) {
  return made([&] {
    const at::Tensor &y = soft->value;
    const at::Tensor hard = at::zeros_like(y).scatter_(-1, y.argmax(-1, true), 1.0);
    return hard - y.detach() + y;
  });
}

ct_tensor *ct_mixture(const ct_tensor *weights, ct_tensor *const *tensors, int count) {
  return made([&] {
    const auto inputs = listed(tensors, count);
    return is_ours(inputs[0]) ? applied<Mixture>(weights->value, inputs) : mixed(weights->value, inputs);
  });
}

ct_tensor *ct_weighted_concatenation(const ct_tensor *weights, ct_tensor *const *tensors, int count) {
  return made([&] {
    auto inputs = listed(tensors, count);
    if (is_ours(inputs[0])) return applied<WeightedConcatenation>(weights->value, inputs);
    for (size_t k = 0; k < inputs.size(); ++k) inputs[k] = weights->value[static_cast<int64_t>(k)] * inputs[k];
    const at::Tensor first = inputs[0];
    inputs.erase(inputs.begin());
    return first + at::cat(inputs, 1);
  });
}

ct_tensor *ct_shuffle_channels(const ct_tensor *x, int64_t groups) {
  return made([&] {
    const at::Tensor &value = x->value;
    const int64_t channels = value.size(1);
    std::vector<int64_t> order;
    for (int64_t i = 0; i < channels; ++i) order.push_back(i % groups * (channels / groups) + i / groups);
    const at::Tensor index = at::from_blob(order.data(), {channels}, at::kLong).clone().to(value.device());
    return at::index_select(value, 1, index);
  });
}

ct_tensor *ct_dense(const ct_tensor *x, const ct_tensor *weight) {
  return made([&] { return at::matmul(x->value, weight->value.t()); });
}

int ct_lstm_cell(const ct_tensor *x, const ct_tensor *h, const ct_tensor *c, ct_tensor *const *weights,
                 ct_tensor **results) {
  return done([&] {
    const auto next = at::lstm_cell(x->value, {h->value, c->value}, weights[0]->value, weights[1]->value,
                                    weights[2]->value, weights[3]->value);
    results[0] = new ct_tensor{std::get<0>(next)};
    results[1] = new ct_tensor{std::get<1>(next)};
  });
}

ct_tensor *ct_max_pool_3x3(const ct_tensor *x) {
  return made([&] {
    if (!is_ours(x->value)) return at::max_pool2d(x->value, 3, 1, 1);
    return MaxPool3x3::apply(x->value);
  });
}

ct_tensor *ct_max_pool(const ct_tensor *x, int window, int stride, int padding) {
  return made([&] { return at::max_pool2d(x->value, window, stride, padding, 1, true); });
}

ct_tensor *ct_concatenate(ct_tensor *const *tensors, int count, int dimension) {
  return made([&] {
    return at::cat(listed(tensors, count), dimension);
  });
}

ct_tensor *ct_channels(const ct_tensor *x, int64_t start, int64_t end) {
  return made([&] { return x->value.slice(1, start, end); });
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
    // A copy: what goes back needs the places too.
    const at::Tensor index = at::from_blob(const_cast<int64_t *>(places), {count}, at::kLong).clone();
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
      at::Tensor &velocity = velocities[i]->value;
      if (is_ours(parameter) && parameter.is_contiguous() && velocity.is_contiguous()) {
        gradient = gradient.contiguous();
        descend(gradient.data_ptr<float>(), parameter.numel(), static_cast<float>(learning_rate),
                static_cast<float>(momentum), static_cast<float>(weight_decay), nesterov != 0,
                velocity.data_ptr<float>(), parameter.data_ptr<float>());
        continue;
      }
      if (weight_decay != 0) gradient.add_(parameter, weight_decay);
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

int ct_adam_step(ct_tensor *const *parameters, ct_tensor *const *means, ct_tensor *const *squares, int count,
                 int64_t step, double learning_rate, double beta1, double beta2, double epsilon,
                 double weight_decay) {
  return done([&] {
    NoRecording scope;
    const double correction1 = 1 - std::pow(beta1, step), correction2 = 1 - std::pow(beta2, step);
    for (int i = 0; i < count; ++i) {
      at::Tensor &parameter = parameters[i]->value;
      at::Tensor &slot = parameter.mutable_grad();
      if (!slot.defined()) continue;
      at::Tensor gradient = slot;
      slot = at::Tensor();
      if (weight_decay != 0) gradient = gradient.add(parameter, weight_decay);
      means[i]->value.mul_(beta1).add_(gradient, 1 - beta1);
      squares[i]->value.mul_(beta2).addcmul_(gradient, gradient, 1 - beta2);
      const at::Tensor deviation = squares[i]->value.sqrt().div_(std::sqrt(correction2)).add_(epsilon);
      parameter.addcdiv_(means[i]->value, deviation, -learning_rate / correction1);
    }
  });
}

const ct_functions functions = {
    .interface = CT_INTERFACE,
    .bytes = sizeof(ct_functions),
    .last_error = ct_last_error,
    .version = ct_version,
    .level = ct_level,
    .start = ct_start,
    .set_device = ct_set_device,
    .set_twice_differentiable = ct_set_twice_differentiable,
    .from_floats = ct_from_floats,
    .from_doubles = ct_from_doubles,
    .from_integers = ct_from_integers,
    .zeros = ct_zeros,
    .zeros_like = ct_zeros_like,
    .copy = ct_copy,
    .free = ct_free,
    .count = ct_count,
    .rank = ct_rank,
    .size = ct_size,
    .copy_floats = ct_copy_floats,
    .copy_doubles = ct_copy_doubles,
    .assign = ct_assign,
    .increase = ct_increase,
    .require_gradient = ct_require_gradient,
    .gradient = ct_gradient,
    .backward = ct_backward,
    .backward_to = ct_backward_to,
    .gradients = ct_gradients,
    .set_gradient = ct_set_gradient,
    .clip_gradients = ct_clip_gradients,
    .set_recording = ct_set_recording,
    .convolution = ct_convolution,
    .batch_norm = ct_batch_norm,
    .batch_norm_relu = ct_batch_norm_relu,
    .relu = ct_relu,
    .add = ct_add,
    .multiply = ct_multiply,
    .scale = ct_scale,
    .tanh = ct_tanh,
    .sum = ct_sum,
    .softmax = ct_softmax,
    .straight_through = ct_straight_through,
    .mixture = ct_mixture,
    .weighted_concatenation = ct_weighted_concatenation,
    .shuffle_channels = ct_shuffle_channels,
    .dense = ct_dense,
    .lstm_cell = ct_lstm_cell,
    .max_pool_3x3 = ct_max_pool_3x3,
    .max_pool = ct_max_pool,
    .concatenate = ct_concatenate,
    .channels = ct_channels,
    .global_mean = ct_global_mean,
    .linear = ct_linear,
    .cross_entropy = ct_cross_entropy,
    .count_correct = ct_count_correct,
    .select = ct_select,
    .rows = ct_rows,
    .sgd_step = ct_sgd_step,
    .rmsprop_step = ct_rmsprop_step,
    .adam_step = ct_adam_step,
    .groups = ct_groups,
    .ungrouped = ct_ungrouped,
    .group_unit = ct_group_unit,
    .group_pool = ct_group_pool,
    .group_mean = ct_group_mean,
};

}  // namespace

const ct_functions *anytime_torch(void) { return &functions; }
