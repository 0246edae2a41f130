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

// Where new tensors of a thread lie, and whether only operations that can be differentiated twice may be used.
thread_local at::Device device(at::kCPU);
thread_local bool differentiates_twice = false;

}  // namespace

bool ours::is_ours(const at::Tensor &x) {
  return x.device().is_cpu() && x.scalar_type() == at::kFloat && !differentiates_twice;
}

namespace {

// Sums in order, whatever the processor, where a BLAS would take its own: result += a b of a [n, in] and b [in, out].
VECTORISED void add_product(const float *__restrict a, const float *__restrict b, int64_t n, int64_t in, int64_t out,
                            float *__restrict result) {
  for (int64_t row = 0; row < n; ++row)
    for (int64_t i = 0; i < in; ++i) {
      const float factor = a[row * in + i];
      for (int64_t o = 0; o < out; ++o) result[row * out + o] += factor * b[i * out + o];
    }
}

at::Tensor product(const at::Tensor &a, const at::Tensor &b) {
  const at::Tensor x = a.contiguous(), y = b.contiguous(), result = at::zeros({a.size(0), b.size(1)}, a.options());
  add_product(x.data_ptr<float>(), y.data_ptr<float>(), x.size(0), x.size(1), y.size(1), result.data_ptr<float>());
  return result;
}

// x w + b.
struct Linear : torch::autograd::Function<Linear> {
  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &x, const at::Tensor &w,
                            const c10::optional<at::Tensor> &b) {
    context->save_for_backward({x, w});
    context->saved_data["adds"] = b.has_value();
    const at::Tensor start = b ? *b : at::zeros({w.size(1)}, w.options());
    at::Tensor result = start.expand({x.size(0), w.size(1)}).clone(at::MemoryFormat::Contiguous);
    const at::Tensor from = x.contiguous(), weight = w.contiguous();
    add_product(from.data_ptr<float>(), weight.data_ptr<float>(), from.size(0), from.size(1), weight.size(1),
                result.data_ptr<float>());
    return result;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list gradients) {
    check_once();
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &w = saved[1], &gradient = gradients[0];
    at::Tensor to_x, to_w;
    if (context->needs_input_grad(0)) to_x = product(gradient, w.t());
    if (context->needs_input_grad(1)) to_w = product(x.t(), gradient);
    return {to_x, to_w, context->saved_data["adds"].toBool() ? gradient.sum(0) : at::Tensor()};
  }
};

at::Tensor times(const at::Tensor &x, const at::Tensor &w, const c10::optional<at::Tensor> &b) {
  TORCH_CHECK(x.dim() == 2 && w.dim() == 2 && x.size(1) == w.size(0) && (!b || b->numel() == w.size(1)),
              "matrices of shapes ", x.sizes(), " and ", w.sizes(), " have no product");
  if (is_ours(x)) return Linear::apply(x, w, b);
  return b ? at::addmm(*b, x, w) : at::mm(x, w);
}

// A step of gradient descent in one pass.
VECTORISED void descend(const float *__restrict gradient, int64_t size, float rate, float momentum, float decay,
                        bool nesterov, float *__restrict velocity, float *__restrict parameter) {
  for (int64_t i = 0; i < size; ++i) {
    const float g = gradient[i] + decay * parameter[i], v = momentum * velocity[i] + g;
    velocity[i] = v;
    parameter[i] -= rate * (nesterov ? g + momentum * v : v);
  }
}

constexpr int64_t kLanes = 64;

VECTORISED void add_squares(const float *__restrict x, int64_t size, float *__restrict total) {
  int64_t start = 0;
  for (; start + kLanes <= size; start += kLanes)
    for (int64_t i = 0; i < kLanes; ++i) total[i] += x[start + i] * x[start + i];
  for (int64_t i = 0; start + i < size; ++i) total[i] += x[start + i] * x[start + i];
}

double sum_squares(const at::Tensor &x) {
  if (!is_ours(x)) return at::sum(x * x).item<double>();
  const at::Tensor plain = x.contiguous();
  std::vector<float> total(kLanes, 0.0f);
  add_squares(plain.data_ptr<float>(), plain.numel(), total.data());
  double sum = 0;
  for (const float part : total) sum += part;
  return sum;
}

std::vector<at::Tensor> listed(ct_tensor *const *tensors, int count) {
  std::vector<at::Tensor> values;
  for (int i = 0; i < count; ++i) values.push_back(tensors[i]->value);
  return values;
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
      level = text.substr(from, text.find_first_of("\n", from) - from);
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
    double squares = 0;
    for (int i = 0; i < count; ++i)
      if (tensors[i]->value.grad().defined()) squares += sum_squares(tensors[i]->value.grad());
    *norm = std::sqrt(squares);
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

ct_tensor *ct_relu(const ct_tensor *x) {
  return made([&] { return at::relu(x->value); });
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

ct_tensor *ct_dense(const ct_tensor *x, const ct_tensor *weight) {
  return made([&] { return times(x->value, weight->value.t(), c10::nullopt); });
}

int ct_lstm_cell(const ct_tensor *x, const ct_tensor *h, const ct_tensor *c, ct_tensor *const *weights,
                 ct_tensor **results) {
  return done([&] {
    // The gates in PyTorch's order.
    const at::Tensor sums = times(x->value, weights[0]->value.t(), weights[2]->value) +
                            times(h->value, weights[1]->value.t(), weights[3]->value);
    const auto gates = sums.chunk(4, 1);
    const at::Tensor cell = at::sigmoid(gates[1]) * c->value + at::sigmoid(gates[0]) * at::tanh(gates[2]);
    results[0] = new ct_tensor{at::sigmoid(gates[3]) * at::tanh(cell)};
    results[1] = new ct_tensor{cell};
  });
}

ct_tensor *ct_concatenate(ct_tensor *const *tensors, int count, int dimension) {
  return made([&] {
    return at::cat(listed(tensors, count), dimension);
  });
}

ct_tensor *ct_channels(const ct_tensor *x, int64_t start, int64_t end) {
  return made([&] { return x->value.slice(1, start, end); });
}

ct_tensor *ct_linear(const ct_tensor *x, const ct_tensor *weight, const ct_tensor *bias) {
  return made([&] { return times(x->value, weight->value, bias->value); });
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
    .relu = ct_relu,
    .add = ct_add,
    .multiply = ct_multiply,
    .scale = ct_scale,
    .tanh = ct_tanh,
    .sum = ct_sum,
    .softmax = ct_softmax,
    .straight_through = ct_straight_through,
    .dense = ct_dense,
    .lstm_cell = ct_lstm_cell,
    .concatenate = ct_concatenate,
    .channels = ct_channels,
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
    .group_units = ct_group_units,
    .group_operations = ct_group_operations,
    .group_pool = ct_group_pool,
    .group_mean = ct_group_mean,
    .group_scale = ct_group_scale,
    .group_place = ct_group_place,
    .mixture = ct_mixture,
    .weighted_concatenation = ct_weighted_concatenation,
};

}  // namespace

const ct_functions *anytime_torch(void) { return &functions; }
