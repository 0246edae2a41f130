#include "Kernels.h"
#include "Shared.h"

#include <cmath>
#include <cstring>
#include <memory>

#include <torch/csrc/autograd/functions/utils.h>

using namespace ours;

// Images in groups of sixteen, for networks of few channels: [group, channel, pixels x 16], the sixteen images of a
// group side by side at every pixel. A vector is then one pixel of sixteen images: none of its lanes is empty however
// few channels there are, neighbours are whole vectors, and windows leave the border out instead of reading zeros.
// Where the last group lacks images, there may be anything that is a number; sums and gradients leave it out.
//
// Double precision, other devices and what is to be differentiated twice stay images [count, channels, height, width],
// on which the library's own operations do the same.

namespace {

// The windows of an image, without what is beyond the border: of 3x3 pixels or one around every pixel, of 2x2 side by
// side, the first of them `padding` pixels beyond the border.
struct Windows {
  int64_t height, width, size, padding;
  std::vector<Tap> taps;
  // Where each window's begin; one more at the end.
  std::vector<int64_t> starts;

  Windows(int64_t height, int64_t width, int64_t size, int64_t padding)
      : height(height), width(width), size(size), padding(padding) {
    const int64_t stride = size == 2 ? 2 : 1, reach = size == 2 ? padding : size / 2;
    for (int64_t top = -reach; top < height - (size == 3); top += stride)
      for (int64_t left = -reach; left < width - (size == 3); left += stride) {
        starts.push_back(taps.size());
        for (int64_t y = top; y < top + size; ++y)
          for (int64_t x = left; x < left + size; ++x)
            if (y >= 0 && y < height && x >= 0 && x < width)
              taps.push_back({(y - top) * size + x - left, (y * width + x) * kWidth});
      }
    starts.push_back(taps.size());
  }

  // Stays until this thread has asked for sixteen others.
  static const Windows &of(int64_t height, int64_t width, int64_t size, int64_t padding = 0) {
    static thread_local std::vector<std::unique_ptr<Windows>> made;
    for (const auto &windows : made)
      if (windows->height == height && windows->width == width && windows->size == size && windows->padding == padding)
        return *windows;
    if (made.size() == 16) made.erase(made.begin());
    made.push_back(std::make_unique<Windows>(height, width, size, padding));
    return *made.back();
  }
};

struct Grid : Shape {
  using Shape::Shape;
  explicit Grid(ct_geometry size) : Shape(size.images, size.height, size.width) {}
  explicit Grid(const std::vector<int64_t> &shape) : Shape(shape[0], shape[1], shape[2]) {}

  std::vector<int64_t> shape() const { return {images, height, width}; }

  // What windows of 3x3 or 2x2 pixels make of it.
  Grid pooled(int64_t size, int64_t padding) const {
    return size == 2 ? Grid(images, (height + padding + 1) / 2, (width + padding + 1) / 2) : *this;
  }

  at::Tensor empty(int64_t channels, const at::TensorOptions &options) const {
    return at::empty({groups, channels, plane}, options);
  }

  // Sixteen numbers, with all bits set where a group has an image.
  const int32_t *lanes(int64_t group) const {
    static const std::vector<int32_t> marks = [] {
      std::vector<int32_t> marks(2 * kWidth, 0);
      std::fill_n(marks.begin(), kWidth, -1);
      return marks;
    }();
    return marks.data() + kWidth - std::min(kWidth, images - group * kWidth);
  }

  // Parts of the channels are allowed, so groups may lie further apart than their channels need.
  void check(const at::Tensor &x) const {
    TORCH_CHECK(x.dim() == 3 && x.size(0) == groups && x.size(2) == plane && x.stride(2) == 1 &&
                    (x.size(1) == 1 || x.stride(1) == plane) && x.scalar_type() == at::kFloat && x.device().is_cpu(),
                "these are no groups of ", images, " images of ", height, " x ", width, ": ", x.sizes());
  }
};

// Where the channels of groups are in memory.
template <typename Number>
struct Channels {
  Number *start;
  int64_t group, plane;

  Channels(const at::Tensor &x, const Grid &grid)
      : start(x.data_ptr<std::remove_const_t<Number>>()), group(x.stride(0)), plane(grid.plane) {}

  Number *at(int64_t g, int64_t c) const { return start + g * group + c * plane; }
};

using Input = Channels<const float>;
using Output = Channels<float>;

bool is_grouped(const at::Tensor &x) { return x.dim() == 3; }

bool is_recorded(const at::Tensor &x) { return x.defined() && x.requires_grad(); }

void check_unit(const ct_unit &unit, int64_t in) {
  const at::Tensor &w = unit.weight->value;
  TORCH_CHECK(w.dim() == 4 && w.size(1) == in, "a weight of shape ", w.sizes(), " does not fit ", in, " channels");
  TORCH_CHECK((w.size(2) == 1 || w.size(2) == 3) && w.size(3) == w.size(2), "windows are 1x1 or 3x3, not ", w.sizes());
  for (const ct_tensor *numbers :
       std::initializer_list<const ct_tensor *>{unit.gamma, unit.beta, unit.mean, unit.variance})
    TORCH_CHECK(numbers == nullptr || numbers->value.numel() == w.size(0), "batch norm has ",
                numbers->value.numel(), " numbers for ", w.size(0), " channels");
}

// The weights [out, in, window] of a convolution as `convolve` wants them; or those of the convolution that takes
// gradients back, with the roles of channels exchanged and the windows mirrored.
std::vector<float> arranged(const std::vector<float> &weight, int64_t in, int64_t out, int64_t window, bool back) {
  const int64_t from = back ? out : in, to = back ? in : out;
  std::vector<float> result(in * out * window);
  float *next = result.data();
  for (int64_t o = 0; o < to;) {
    int64_t size = kernels().block;
    while (size > to - o) size /= 2;
    for (int64_t k = 0; k < window; ++k)
      for (int64_t i = 0; i < from; ++i)
        for (int64_t lane = 0; lane < size; ++lane)
          *next++ = back ? weight[(i * in + o + lane) * window + window - 1 - k]
                         : weight[((o + lane) * in + i) * window + k];
    o += size;
  }
  return result;
}

// A convolution with batch norm.
struct Unit {
  at::Tensor weight, gamma, beta;
  int64_t out;
  // Which of the layer's two convolutions, with windows of 1x1 or 3x3 pixels, has its channels, and from where on.
  int64_t kind, first;
  // By channel.
  std::vector<Norm> norms;
  std::vector<double> gammas, betas, inverses;
};

// What all units of a layer of the same window size are.
struct Convolved {
  int64_t out = 0;
  std::vector<float> weight;
  at::Tensor sums;
};

// Some units and a 3x3 max pooling of the same images, in one node of the graph. Either every unit has an output of its
// own, or there is one output, to which all add up, each times its weight.
//
// What the rectifiers make of a unit's sums is computed where it is needed, forward and back, and never stored.
//
// Operations may see only the first of several equal parts of the channels, while the others pass by. Channels are then
// dealt out among the parts (PC-DARTS): channel c of part q becomes channel c x parts + q.
struct Layer : torch::autograd::Node {
  Grid grid;
  ct_norm norm;
  bool pools, adds_up;
  int64_t parts;
  at::Tensor x, weights;
  std::vector<Unit> units;
  Convolved kinds[2];
  at::Tensor pooled, numbers;
  std::vector<float> factors;

  Layer(const Grid &grid, ct_norm norm, bool pools, bool adds_up, int64_t parts)
      : grid(grid), norm(norm), pools(pools), adds_up(adds_up), parts(parts) {}

  static int64_t size(int64_t kind) { return kind == 0 ? 1 : 3; }
  const Windows &windows(int64_t kind) const { return Windows::of(grid.height, grid.width, size(kind)); }
  // The channels that operations see.
  int64_t in() const { return x.size(1) / parts; }

  // Calls `body` with every channel that passes by: before, and after.
  template <typename Body>
  void pass_by(Body body) const {
    for (int64_t q = 1; q < parts; ++q)
      for (int64_t c = 0; c < in(); ++c) body(q * in() + c, c * parts + q);
  }

  void convolve(const at::Tensor &from, const Convolved &convolved, int64_t kind, bool back, bool adds,
                const at::Tensor &to) const {
    const int64_t window = size(kind) * size(kind);
    const std::vector<float> weight = arranged(convolved.weight, in(), convolved.out, window, back);
    const Input source(from, grid);
    const Output target(to, grid);
    kernels().convolve(grid, {{source.start, source.group},
                              back ? convolved.out : in(),
                              back ? in() : convolved.out,
                              windows(kind).taps.data(),
                              windows(kind).starts.data(),
                              window,
                              weight.data(),
                              {target.start, target.group},
                              norm.fused != 0,
                              adds});
  }

  // Batch norm's statistics of every unit's channels.
  void find_norms(const ct_unit *given) {
    for (size_t u = 0; u < units.size(); ++u) {
      Unit &unit = units[u];
      const Input sums(kinds[unit.kind].sums, grid);
      float *old_mean = given[u].mean->value.data_ptr<float>();
      float *old_variance = given[u].variance->value.data_ptr<float>();
      unit.gammas = unit.gamma.defined() ? ours::numbers(unit.gamma) : std::vector<double>(unit.out, 1);
      unit.betas = unit.beta.defined() ? ours::numbers(unit.beta) : std::vector<double>(unit.out, 0);
      const double count = static_cast<double>(grid.images * grid.pixels);
      for (int64_t c = 0; c < unit.out; ++c) {
        double mean, variance;
        if (norm.training) {
          double total = 0, distances = 0;
          for (int64_t g = 0; g < grid.groups; ++g)
            total += kernels().sum(sums.at(g, unit.first + c), grid.plane, grid.lanes(g));
          mean = total / count;
          for (int64_t g = 0; g < grid.groups; ++g)
            distances +=
                kernels().squares(sums.at(g, unit.first + c), grid.plane, grid.lanes(g), static_cast<float>(mean));
          variance = distances / count;
          const double unbiased = distances / std::max(1.0, count - 1), momentum = norm.momentum;
          if (momentum != 0) {
            old_mean[c] = static_cast<float>((1 - momentum) * old_mean[c] + momentum * mean);
            old_variance[c] = static_cast<float>((1 - momentum) * old_variance[c] + momentum * unbiased);
          }
        } else {
          mean = old_mean[c];
          variance = old_variance[c];
        }
        const double inverse = 1 / std::sqrt(variance + norm.epsilon), scale = unit.gammas[c] * inverse;
        unit.inverses.push_back(inverse);
        unit.norms.push_back({static_cast<float>(scale), static_cast<float>(unit.betas[c] - mean * scale),
                              static_cast<float>(mean), norm.rectifies != 0});
      }
    }
  }

  // A unit's images, to `to` or added to what is there.
  void put(const Unit &unit, int64_t g, int64_t c, float factor, bool adds, float *to) const {
    const Input sums(kinds[unit.kind].sums, grid);
    kernels().normalize(sums.at(g, unit.first + c), grid.plane, unit.norms[c], factor, adds, to);
  }

  // Takes `x` and `units` as they are.
  std::vector<at::Tensor> forward(const ct_unit *given, bool is_recorded) {
    for (Unit &unit : units) {
      Convolved &kind = kinds[unit.kind];
      unit.first = kind.out;
      kind.out += unit.out;
      const at::Tensor w = unit.weight.contiguous();
      kind.weight.insert(kind.weight.end(), w.data_ptr<float>(), w.data_ptr<float>() + w.numel());
    }
    for (int64_t k = 0; k < 2; ++k)
      if (kinds[k].out > 0) {
        kinds[k].sums = grid.empty(kinds[k].out, x.options());
        convolve(x, kinds[k], k, false, false, kinds[k].sums);
      }
    find_norms(given);
    factors.assign(units.size() + pools, 1);
    if (weights.defined()) {
      const at::Tensor w = weights.contiguous();
      factors.assign(w.data_ptr<float>(), w.data_ptr<float>() + w.numel());
    }

    std::vector<at::Tensor> results;
    if (!adds_up) {
      for (const Unit &unit : units) {
        // Where there is no way back, in place.
        const bool inPlace = !is_recorded && units.size() == 1;
        const at::Tensor y = inPlace ? kinds[unit.kind].sums : grid.empty(unit.out, x.options());
        const Output to(y, grid);
        for (int64_t g = 0; g < grid.groups; ++g)
          for (int64_t c = 0; c < unit.out; ++c) put(unit, g, c, 1, false, to.at(g, c));
        results.push_back(y);
      }
      return results;
    }
    const int64_t channels = units.empty() ? in() : units[0].out;
    const bool inPlace =
        !is_recorded && parts == 1 && !units.empty() && kinds[units[0].kind].out == channels;
    const at::Tensor y = inPlace ? kinds[units[0].kind].sums : grid.empty(channels * parts, x.options());
    const Output to(y, grid);
    if (pools) {
      numbers = grid.empty(channels, x.options().dtype(at::kChar));
      // Their inner product with the gradient is wanted on the way back.
      if (is_recorded && weights.defined() && weights.requires_grad()) pooled = grid.empty(channels, x.options());
    }
    std::vector<float> plane(grid.plane);
    for (int64_t g = 0; g < grid.groups; ++g) {
      for (int64_t c = 0; c < channels; ++c) {
        float *result = to.at(g, c * parts);
        for (size_t u = 0; u < units.size(); ++u) put(units[u], g, c, factors[u], u > 0, result);
        if (!pools) continue;
        float *best = pooled.defined() ? Output(pooled, grid).at(g, c) : plane.data();
        kernels().pool(Input(x, grid).at(g, c), grid.pixels, windows(1).taps.data(), windows(1).starts.data(), best,
                       Channels<int8_t>(numbers, grid).at(g, c));
        kernels().scale(best, grid.plane, factors.back(), !units.empty(), result);
      }
      pass_by([&](int64_t before, int64_t after) {
        std::copy_n(Input(x, grid).at(g, before), grid.plane, to.at(g, after));
      });
    }
    results.push_back(y);
    return results;
  }

  // The places of gradients: the images', that of the weights of what adds up, then every unit's three.
  size_t place(size_t unit) const { return 2 + 3 * unit; }

  torch::autograd::variable_list apply(torch::autograd::variable_list &&gradients) override {
    TORCH_CHECK(x.defined(), "the graph is gone: it was gone back through before");
    check_once();
    TORCH_CHECK(norm.training, "units with given statistics cannot be differentiated");
    torch::autograd::variable_list results(place(units.size()));
    std::vector<at::Tensor> given;
    for (const at::Tensor &gradient : gradients) given.push_back(gradient.defined() ? gradient.contiguous() : gradient);
    std::vector<double> dots(factors.size(), 0.0);

    // The gradients of the convolutions' sums.
    at::Tensor back[2];
    for (int64_t k = 0; k < 2; ++k)
      if (kinds[k].out > 0) back[k] = grid.empty(kinds[k].out, x.options());
    for (size_t u = 0; u < units.size(); ++u) {
      const at::Tensor &gradient = given[adds_up ? 0 : u];
      Unit &unit = units[u];
      if (!gradient.defined()) {
        back[unit.kind].slice(1, unit.first, unit.first + unit.out).zero_();
        continue;
      }
      const Input sums(kinds[unit.kind].sums, grid), from(gradient, grid);
      const Output to(back[unit.kind], grid);
      const double count = static_cast<double>(grid.images * grid.pixels), w = factors[u];
      std::vector<double> gamma_gradient(unit.out), beta_gradient(unit.out);
      for (int64_t c = 0; c < unit.out; ++c) {
        const Norm &norm = unit.norms[c];
        double products[2] = {0, 0};
        for (int64_t g = 0; g < grid.groups; ++g)
          kernels().gradient_sums(sums.at(g, unit.first + c), grid.plane, grid.lanes(g), norm, from.at(g, c * parts),
                                  products);
        const double to_gamma = products[1] * static_cast<float>(unit.inverses[c]);
        // What the unit's images are, times their gradients, summed.
        dots[u] += unit.gammas[c] * to_gamma + unit.betas[c] * products[0];
        beta_gradient[c] = w * products[0];
        gamma_gradient[c] = w * to_gamma;
        const double scale = norm.scale;
        const float slope =
            static_cast<float>(scale * static_cast<float>(unit.inverses[c]) * gamma_gradient[c] / count);
        const float offset = static_cast<float>(scale * beta_gradient[c] / count);
        for (int64_t g = 0; g < grid.groups; ++g)
          kernels().input_gradient(sums.at(g, unit.first + c), grid.plane, grid.lanes(g), norm, from.at(g, c * parts),
                                   static_cast<float>(w) * norm.scale, slope, offset, to.at(g, unit.first + c));
      }
      if (task_should_compute_output(place(u) + 1)) results[place(u) + 1] = tensor(gamma_gradient);
      if (task_should_compute_output(place(u) + 2)) results[place(u) + 2] = tensor(beta_gradient);
    }

    for (size_t u = 0; u < units.size(); ++u) {
      const Unit &unit = units[u];
      if (!task_should_compute_output(place(u)) || !given[adds_up ? 0 : u].defined()) continue;
      results[place(u)] = at::empty(unit.weight.sizes(), x.options());
      std::vector<float> scratch(unit.kind == 0 ? unit.weight.numel() * kWidth : 0);
      const Input source(x, grid), sum_gradients(back[unit.kind], grid);
      kernels().weight_gradient(grid, {source.start, source.group},
                                {sum_gradients.at(0, unit.first), sum_gradients.group}, in(), unit.out,
                                size(unit.kind), norm.fused != 0, scratch.data(),
                                results[place(u)].data_ptr<float>());
    }

    const bool goes_on = task_should_compute_output(0);
    bool adds = false;
    if (goes_on) {
      results[0] = grid.empty(x.size(1), x.options());
      for (int64_t k = 0; k < 2; ++k)
        if (kinds[k].out > 0) {
          convolve(back[k], kinds[k], k, true, adds, results[0]);
          adds = true;
        }
      if (!adds) results[0].zero_();
      if (parts > 1)
        for (int64_t g = 0; g < grid.groups; ++g)
          pass_by([&](int64_t before, int64_t after) {
            std::copy_n(Input(given[0], grid).at(g, after), grid.plane, Output(results[0], grid).at(g, before));
          });
    }
    if (pools) {
      const Input from(given[0], grid);
      const Channels<const int8_t> chosen(numbers, grid);
      for (int64_t g = 0; g < grid.groups; ++g)
        for (int64_t c = 0; c < in(); ++c) {
          const float *gradient = from.at(g, c * parts);
          if (pooled.defined()) dots.back() += kernels().product(Input(pooled, grid).at(g, c), gradient, grid.plane);
          if (goes_on)
            kernels().unpool(gradient, chosen.at(g, c), grid.pixels, windows(1).taps.data(),
                             windows(1).starts.data(), factors.back(), Output(results[0], grid).at(g, c));
        }
    }
    if (task_should_compute_output(1)) results[1] = tensor(dots);
    return results;
  }

  void release_variables() override {
    x.reset();
    pooled.reset();
    numbers.reset();
    for (Convolved &kind : kinds) kind.sums.reset();
  }
};

// The results of a layer, recorded if a gradient can be wanted.
std::vector<at::Tensor> laid(const at::Tensor &x, ct_geometry size, const ct_unit *units, int count, bool pools,
                             bool adds_up, int64_t parts, const at::Tensor &weights, ct_norm norm) {
  const Grid grid(size);
  grid.check(x);
  auto layer = std::make_shared<Layer>(grid, norm, pools, adds_up, parts);
  bool recorded = is_recorded(x) || is_recorded(weights);
  torch::autograd::edge_list edges;
  const auto add = [&](const at::Tensor &tensor) {
    edges.push_back(is_recorded(tensor) ? torch::autograd::impl::gradient_edge(tensor) : torch::autograd::Edge());
    recorded = recorded || is_recorded(tensor);
  };
  add(x);
  add(weights);
  for (int u = 0; u < count; ++u) {
    Unit unit;
    unit.weight = units[u].weight->value;
    const at::Tensor &w = unit.weight;
    if (units[u].gamma != nullptr) unit.gamma = units[u].gamma->value;
    if (units[u].beta != nullptr) unit.beta = units[u].beta->value;
    unit.out = w.size(0);
    unit.kind = w.size(2) == 1 ? 0 : 1;
    add(unit.weight);
    add(unit.gamma);
    add(unit.beta);
    layer->units.push_back(std::move(unit));
  }
  recorded = recorded && at::GradMode::is_enabled();
  std::vector<at::Tensor> results;
  {
    NoRecording scope;
    layer->x = x.detach();
    layer->weights = weights;
    results = layer->forward(units, recorded);
    layer->weights.reset();
  }
  if (recorded) {
    layer->set_next_edges(std::move(edges));
    for (const at::Tensor &result : results) torch::autograd::set_history(const_cast<at::Tensor &>(result), layer);
  }
  return results;
}

// What a unit does, by the library's own operations on images.
at::Tensor plain_unit(const at::Tensor &x, const ct_unit &unit, ct_norm norm) {
  const at::Tensor &w = unit.weight->value;
  const at::Tensor y = at::batch_norm(
      at::conv2d(x, w, {}, 1, w.size(2) / 2), unit.gamma == nullptr ? at::Tensor() : unit.gamma->value,
      unit.beta == nullptr ? at::Tensor() : unit.beta->value, unit.mean->value, unit.variance->value,
      norm.training != 0, norm.momentum, norm.epsilon, false);
  return norm.rectifies ? at::relu(y) : y;
}

// Max pooling of 3x3 windows around every pixel, or of 2x2 side by side. They are scanned in the library's order, so
// values and gradients are the library's (gradients up to the order of summation).
struct GroupPool : torch::autograd::Function<GroupPool> {
  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &x, int64_t images,
                            int64_t height, int64_t width, int64_t size, int64_t padding) {
    const Grid grid(images, height, width), pooled = grid.pooled(size, padding);
    const Windows &windows = Windows::of(height, width, size, padding);
    at::Tensor y = pooled.empty(x.size(1), x.options()), numbers = at::empty_like(y, at::kChar);
    const Input from(x, grid);
    const Output best(y, pooled);
    const Channels<int8_t> chosen(numbers, pooled);
    for (int64_t g = 0; g < grid.groups; ++g)
      for (int64_t c = 0; c < x.size(1); ++c)
        kernels().pool(from.at(g, c), pooled.pixels, windows.taps.data(), windows.starts.data(), best.at(g, c),
                       chosen.at(g, c));
    context->save_for_backward({numbers});
    context->saved_data["shape"] = grid.shape();
    context->saved_data["size"] = size;
    context->saved_data["padding"] = padding;
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list gradients) {
    check_once();
    const at::Tensor numbers = context->get_saved_variables()[0];
    const int64_t size = context->saved_data["size"].toInt(), padding = context->saved_data["padding"].toInt();
    const Grid grid(context->saved_data["shape"].toIntVector()), pooled = grid.pooled(size, padding);
    const Windows &windows = Windows::of(grid.height, grid.width, size, padding);
    const at::Tensor given = gradients[0].contiguous();
    at::Tensor result = at::zeros({grid.groups, given.size(1), grid.plane}, given.options());
    const Input from(given, pooled);
    const Output to(result, grid);
    const Channels<int8_t> chosen(numbers, pooled);
    for (int64_t g = 0; g < grid.groups; ++g)
      for (int64_t c = 0; c < given.size(1); ++c)
        kernels().unpool(from.at(g, c), chosen.at(g, c), pooled.pixels, windows.taps.data(), windows.starts.data(), 1,
                         to.at(g, c));
    return {result, {}, {}, {}, {}, {}};
  }
};

// The mean of every image in every channel: [images, channels].
struct GroupMean : torch::autograd::Function<GroupMean> {
  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &x, int64_t images,
                            int64_t height, int64_t width) {
    const Grid grid(images, height, width);
    const int64_t channels = x.size(1);
    at::Tensor means = at::empty({images, channels}, x.options());
    const Input from(x, grid);
    float *to = means.data_ptr<float>();
    for (int64_t g = 0; g < grid.groups; ++g)
      for (int64_t c = 0; c < channels; ++c) {
        float own[kWidth];
        kernels().mean(from.at(g, c), grid.plane, own);
        for (int64_t n = g * kWidth; n < std::min(images, (g + 1) * kWidth); ++n)
          to[n * channels + c] = own[n - g * kWidth];
      }
    context->saved_data["shape"] = grid.shape();
    return means;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list gradients) {
    check_once();
    const Grid grid(context->saved_data["shape"].toIntVector());
    const at::Tensor given = gradients[0].contiguous();
    const int64_t channels = given.size(1);
    at::Tensor result = grid.empty(channels, given.options());
    const Output to(result, grid);
    const float *from = given.data_ptr<float>();
    for (int64_t g = 0; g < grid.groups; ++g)
      for (int64_t c = 0; c < channels; ++c) {
        float own[kWidth] = {};
        for (int64_t n = g * kWidth; n < std::min(grid.images, (g + 1) * kWidth); ++n)
          own[n - g * kWidth] = from[n * channels + c] / static_cast<float>(grid.pixels);
        for (int64_t p = 0; p < grid.plane; p += kWidth) std::memcpy(to.at(g, c) + p, own, sizeof(own));
      }
    return {result, {}, {}, {}};
  }
};

// Functions of autograd take a fixed number of tensors, of which some may be absent.
constexpr size_t kMost = 7;
using Maybe = const c10::optional<at::Tensor> &;

template <typename Function>
at::Tensor applied(const at::Tensor &weights, const std::vector<at::Tensor> &inputs) {
  TORCH_CHECK(inputs.size() <= kMost, "at most ", kMost, " images can be added");
  std::vector<c10::optional<at::Tensor>> x(inputs.begin(), inputs.end());
  x.resize(kMost);
  return Function::apply(weights, x[0], x[1], x[2], x[3], x[4], x[5], x[6]);
}

std::vector<at::Tensor> present(std::initializer_list<c10::optional<at::Tensor>> inputs) {
  std::vector<at::Tensor> result;
  for (const auto &input : inputs)
    if (input) result.push_back(input->contiguous());
  return result;
}

// w[0] x[0] + w[1] x[1] + …; or w[0] x[0] plus the others, each times its weight, one after another along the channels.
// One node of the graph, one pass over the data each way.
template <bool kConcatenates>
struct Weighted : torch::autograd::Function<Weighted<kConcatenates>> {
  // Numbers that are gone through together, so that they stay in the first cache.
  static constexpr int64_t kPiece = 2048;

  // Calls `body` with every piece of the result: its input, and where it is in the input, in the result, and its size.
  template <typename Body>
  static void pieces(const std::vector<at::Tensor> &x, Body body) {
    const int64_t groups = x[0].size(0), size = x[0].numel() / groups;
    for (int64_t g = 0; g < groups; ++g) {
      if constexpr (!kConcatenates) {
        for (int64_t start = 0; start < size; start += kPiece)
          for (size_t k = 0; k < x.size(); ++k)
            body(k, g * size + start, g * size + start, std::min(kPiece, size - start));
      } else {
        int64_t first = 0;
        for (size_t k = 1; k < x.size(); ++k) {
          const int64_t part = x[k].numel() / groups;
          for (int64_t start = 0; start < part; start += kPiece) {
            const int64_t to = g * size + first + start, count = std::min(kPiece, part - start);
            body(0, to, to, count);
            body(k, g * part + start, to, count);
          }
          first += part;
        }
      }
    }
  }

  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &weights, Maybe a, Maybe b,
                            Maybe c, Maybe d, Maybe e, Maybe f, Maybe g) {
    auto saved = present({a, b, c, d, e, f, g});
    at::Tensor result = at::empty_like(saved[0]);
    const at::Tensor w = weights.contiguous();
    const float *weight = w.data_ptr<float>();
    float *y = result.data_ptr<float>();
    pieces(saved, [&](size_t k, int64_t from, int64_t to, int64_t count) {
      kernels().scale(saved[k].data_ptr<float>() + from, count, weight[k], k > 0, y + to);
    });
    saved.push_back(w);
    context->saved_data["learns"] = weights.requires_grad();
    context->save_for_backward(saved);
    return result;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list gradients) {
    check_once();
    auto x = context->get_saved_variables();
    const at::Tensor w = x.back();
    x.pop_back();
    const bool learns = context->saved_data["learns"].toBool();
    const at::Tensor gradient = gradients[0].contiguous();
    const float *weight = w.data_ptr<float>(), *g = gradient.data_ptr<float>();
    torch::autograd::variable_list results;
    std::vector<bool> wanted;
    std::vector<double> dots(x.size(), 0.0);
    for (size_t k = 0; k < x.size(); ++k) {
      wanted.push_back(context->needs_input_grad(k + 1));
      results.push_back(wanted[k] ? at::empty_like(x[k]) : at::Tensor());
    }
    pieces(x, [&](size_t k, int64_t from, int64_t to, int64_t count) {
      if (wanted[k]) kernels().scale(g + to, count, weight[k], false, results[k].data_ptr<float>() + from);
      if (learns) dots[k] += kernels().product(x[k].data_ptr<float>() + from, g + to, count);
    });
    results.insert(results.begin(), learns ? tensor(dots) : at::Tensor());
    results.resize(kMost + 1);
    return results;
  }
};

using Mixture = Weighted<false>;
using WeightedConcatenation = Weighted<true>;

// The sum of images, each from a channel of the result on; zeros where there are none. One node of the graph, whose way
// back copies nothing.
struct Placed : torch::autograd::Function<Placed> {
  // The sum into the first ones, or into new memory.
  static at::Tensor sum(const std::vector<at::Tensor> &x, const std::vector<int64_t> &starts, int64_t channels,
                        bool reuses) {
    const at::Tensor y = reuses ? x[0] : at::empty({x[0].size(0), channels, x[0].size(2)}, x[0].options());
    const int64_t plane = y.size(2);
    float *to = y.data_ptr<float>();
    for (int64_t g = 0; g < y.size(0); ++g)
      for (int64_t c = 0; c < channels; ++c, to += plane) {
        bool adds = reuses;
        for (size_t k = reuses; k < x.size(); ++k) {
          const int64_t own = c - starts[k];
          if (own < 0 || own >= x[k].size(1)) continue;
          kernels().scale(x[k].data_ptr<float>() + (g * x[k].size(1) + own) * plane, plane, 1, adds, to);
          adds = true;
        }
        if (!adds) std::memset(to, 0, sizeof(float) * plane);
      }
    return y;
  }

  static at::Tensor forward(torch::autograd::AutogradContext *context, const std::vector<int64_t> &starts,
                            int64_t channels, bool reuses, Maybe a, Maybe b, Maybe c, Maybe d, Maybe e, Maybe f,
                            Maybe g) {
    const auto x = present({a, b, c, d, e, f, g});
    std::vector<int64_t> sizes;
    for (const at::Tensor &images : x) sizes.push_back(images.size(1));
    context->saved_data["starts"] = starts;
    context->saved_data["sizes"] = sizes;
    const at::Tensor y = sum(x, starts, channels, reuses);
    if (reuses) {
      // Whoever kept it for the way back finds that it has changed.
      y.unsafeGetTensorImpl()->bump_version();
      context->mark_dirty({y});
    }
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list gradients) {
    check_once();
    const auto starts = context->saved_data["starts"].toIntVector(), sizes = context->saved_data["sizes"].toIntVector();
    torch::autograd::variable_list results(3);
    for (size_t k = 0; k < starts.size(); ++k)
      results.push_back(context->needs_input_grad(k) ? gradients[0].narrow(1, starts[k], sizes[k]) : at::Tensor());
    results.resize(3 + kMost);
    return results;
  }
};

// Images that are to be added, each times its weight; or the first ones and the concatenation of the others.
std::vector<at::Tensor> weighable(const at::Tensor &weights, ct_tensor *const *tensors, int count, bool concatenates) {
  TORCH_CHECK(weights.numel() == count, weights.numel(), " weights of ", count, " images");
  TORCH_CHECK(!concatenates || count > 1, "there are no images to concatenate");
  std::vector<at::Tensor> values;
  for (int i = 0; i < count; ++i) values.push_back(tensors[i]->value);
  const at::Tensor &first = values[0];
  int64_t channels = 0;
  for (int i = 1; i < count; ++i) {
    const at::Tensor &x = values[i];
    TORCH_CHECK(x.dim() == first.dim() && x.size(0) == first.size(0) && x.sizes().slice(2) == first.sizes().slice(2) &&
                    (concatenates || x.size(1) == first.size(1)),
                "images of shapes ", first.sizes(), " and ", x.sizes(), " do not fit");
    channels += x.size(1);
  }
  TORCH_CHECK(!concatenates || channels == first.size(1), "images of ", first.size(1), " and of ", channels,
              " channels do not fit");
  return values;
}

}  // namespace

ct_tensor *ours::ct_groups(const ct_tensor *images) {
  return made([&] {
    const at::Tensor &x = images->value;
    TORCH_CHECK(x.dim() == 4, "images are [count, channels, height, width], not ", x.sizes());
    TORCH_CHECK(x.numel() > 0, "there are no images in ", x.sizes());
    if (!is_ours(x)) return x;
    const Grid grid(x.size(0), x.size(2), x.size(3));
    if (!is_recorded(x)) {
      // What the library would do, but faster for small images.
      const at::Tensor plain = x.contiguous(), result = at::zeros({grid.groups, x.size(1), grid.plane}, x.options());
      const Output to(result, grid);
      const float *from = plain.data_ptr<float>();
      for (int64_t n = 0; n < grid.images; ++n)
        for (int64_t c = 0; c < x.size(1); ++c, from += grid.pixels) {
          float *lane = to.at(n / kWidth, c) + n % kWidth;
          for (int64_t p = 0; p < grid.pixels; ++p) lane[p * kWidth] = from[p];
        }
      return result;
    }
    const int64_t lacking = grid.groups * kWidth - grid.images;
    const at::Tensor whole = lacking == 0 ? x : at::constant_pad_nd(x, {0, 0, 0, 0, 0, 0, 0, lacking});
    return whole.reshape({grid.groups, kWidth, x.size(1), grid.pixels})
        .permute({0, 2, 3, 1})
        .reshape({grid.groups, x.size(1), grid.plane})
        .contiguous();
  });
}

ct_tensor *ours::ct_ungrouped(const ct_tensor *x, ct_geometry size) {
  return made([&] {
    if (!is_grouped(x->value)) return x->value;
    const Grid grid(size);
    grid.check(x->value);
    const int64_t channels = x->value.size(1);
    return x->value.reshape({grid.groups, channels, grid.pixels, kWidth})
        .permute({0, 3, 1, 2})
        .reshape({grid.groups * kWidth, channels, grid.height, grid.width})
        .slice(0, 0, grid.images)
        .contiguous();
  });
}

int ours::ct_group_units(const ct_tensor *x, ct_geometry size, const ct_unit *units, int count, ct_norm norm,
                         ct_tensor **results) {
  return done([&] {
    for (int u = 0; u < count; ++u) check_unit(units[u], x->value.size(1));
    if (is_grouped(x->value)) {
      const auto made = laid(x->value, size, units, count, false, false, 1, {}, norm);
      for (int u = 0; u < count; ++u) results[u] = new ct_tensor{made[u]};
    } else {
      for (int u = 0; u < count; ++u) results[u] = new ct_tensor{plain_unit(x->value, units[u], norm)};
    }
  });
}

ct_tensor *ours::ct_group_operations(const ct_tensor *images, ct_geometry size, const ct_unit *units, int count,
                                     int pools, const ct_tensor *weights, int64_t parts, ct_norm norm) {
  return made([&] {
    const at::Tensor w = weights == nullptr ? at::Tensor() : weights->value, &whole = images->value;
    TORCH_CHECK(count + (pools != 0) > 0, "there is no operation");
    TORCH_CHECK(parts >= 1 && whole.size(1) % parts == 0, whole.size(1), " channels have no ", parts, " equal parts");
    const int64_t operations = count + (pools != 0), wide = whole.size(1) / parts;
    TORCH_CHECK(!w.defined() || w.numel() == operations, w.numel(), " weights of ", operations, " operations");
    for (int u = 0; u < count; ++u) {
      check_unit(units[u], wide);
      const int64_t out = units[u].weight->value.size(0);
      TORCH_CHECK(out == (pools != 0 || parts > 1 ? wide : units[0].weight->value.size(0)), "images of ", out,
                  " channels do not add up with others");
    }
    if (is_grouped(whole)) return laid(whole, size, units, count, pools != 0, true, parts, w, norm)[0];
    const at::Tensor x = whole.slice(1, 0, wide);
    at::Tensor sum;
    const auto add = [&](int64_t k, const at::Tensor &part) {
      const at::Tensor y = w.defined() ? w[k] * part : part;
      sum = sum.defined() ? sum + y : y;
    };
    for (int u = 0; u < count; ++u) add(u, plain_unit(x, units[u], norm));
    if (pools) add(count, at::max_pool2d(x, 3, 1, 1));
    if (parts == 1) return sum;
    // The library's own shuffle has no derivative.
    const at::Tensor all = at::cat({sum, whole.slice(1, wide)}, 1);
    return all.reshape({all.size(0), parts, wide, all.size(2), all.size(3)}).transpose(1, 2).reshape(all.sizes());
  });
}

ct_tensor *ours::ct_group_pool(const ct_tensor *x, ct_geometry size, int64_t window, int64_t padding) {
  return made([&] {
    TORCH_CHECK(window == 2 || window == 3, "windows are 2x2 or 3x3, not ", window, "x", window);
    if (!is_grouped(x->value))
      return window == 3 ? at::max_pool2d(x->value, 3, 1, 1) : at::max_pool2d(x->value, 2, 2, padding, 1, true);
    Grid(size).check(x->value);
    return GroupPool::apply(x->value, size.images, size.height, size.width, window, padding);
  });
}

ct_tensor *ours::ct_group_mean(const ct_tensor *x, ct_geometry size) {
  return made([&] {
    if (!is_grouped(x->value)) return x->value.mean({2, 3});
    Grid(size).check(x->value);
    return GroupMean::apply(x->value, size.images, size.height, size.width);
  });
}

ct_tensor *ours::ct_group_scale(const ct_tensor *x, ct_geometry size, const ct_tensor *factors) {
  return made([&] {
    const at::Tensor &f = factors->value;
    if (!is_grouped(x->value)) return x->value * f.view({-1, 1, 1, 1});
    const Grid grid(size);
    grid.check(x->value);
    const at::Tensor lanes = at::constant_pad_nd(f, {0, grid.groups * kWidth - grid.images});
    return (x->value.reshape({grid.groups, -1, grid.pixels, kWidth}) * lanes.view({grid.groups, 1, 1, kWidth}))
        .reshape({grid.groups, -1, grid.plane});
  });
}

ct_tensor *ours::ct_mixture(const ct_tensor *weights, ct_tensor *const *tensors, int count) {
  return made([&] {
    const auto inputs = weighable(weights->value, tensors, count, false);
    if (is_grouped(inputs[0])) return applied<Mixture>(weights->value, inputs);
    at::Tensor sum = weights->value[0] * inputs[0];
    for (size_t k = 1; k < inputs.size(); ++k) sum = sum + weights->value[static_cast<int64_t>(k)] * inputs[k];
    return sum;
  });
}

ct_tensor *ours::ct_weighted_concatenation(const ct_tensor *weights, ct_tensor *const *tensors, int count) {
  return made([&] {
    auto inputs = weighable(weights->value, tensors, count, true);
    if (is_grouped(inputs[0])) return applied<WeightedConcatenation>(weights->value, inputs);
    for (size_t k = 0; k < inputs.size(); ++k) inputs[k] = weights->value[static_cast<int64_t>(k)] * inputs[k];
    const at::Tensor first = inputs[0];
    inputs.erase(inputs.begin());
    return first + at::cat(inputs, 1);
  });
}

ct_tensor *ours::ct_group_place(ct_tensor *const *tensors, const int64_t *starts, int count, int64_t channels,
                                int reuses) {
  return made([&] {
    TORCH_CHECK(count > 0 && count <= static_cast<int>(kMost), "one to ", kMost, " images can be placed, not ", count);
    std::vector<at::Tensor> x;
    bool is_recorded = false;
    for (int k = 0; k < count; ++k) {
      const at::Tensor &images = tensors[k]->value, &first = tensors[0]->value;
      TORCH_CHECK(images.dim() == first.dim() && images.size(0) == first.size(0) &&
                      images.sizes().slice(2) == first.sizes().slice(2),
                  "images of shapes ", first.sizes(), " and ", images.sizes(), " do not fit");
      TORCH_CHECK(starts[k] >= 0 && starts[k] + images.size(1) <= channels, "images of ", images.size(1),
                  " channels do not fit into ", channels, " from ", starts[k], " on");
      x.push_back(images);
      is_recorded = is_recorded || ::is_recorded(images);
    }
    const bool isWhole = x[0].size(1) == channels;
    if (!is_grouped(x[0])) {
      at::Tensor sum;
      for (int k = 0; k < count; ++k) {
        const at::Tensor y = at::constant_pad_nd(x[k], {0, 0, 0, 0, starts[k], channels - starts[k] - x[k].size(1)});
        sum = sum.defined() ? sum + y : y;
      }
      return sum;
    }
    const std::vector<int64_t> begin(starts, starts + count);
    const bool is_reused = reuses != 0 && isWhole && x[0].is_contiguous();
    if (!is_recorded || !at::GradMode::is_enabled()) {
      for (at::Tensor &images : x) images = images.contiguous();
      return Placed::sum(x, begin, channels, is_reused);
    }
    std::vector<c10::optional<at::Tensor>> all(x.begin(), x.end());
    all.resize(kMost);
    return Placed::apply(begin, channels, is_reused, all[0], all[1], all[2], all[3], all[4], all[5], all[6]);
  });
}
