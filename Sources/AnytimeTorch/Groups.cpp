#include "Shared.h"

#include <cmath>
#include <cstring>
#include <memory>

using namespace ours;

// Images in groups of sixteen, for networks of few channels: [group, channel, pixels x 16], the sixteen images of a
// group side by side at every pixel. A vector is then one pixel of sixteen images: none of its lanes is empty however
// few channels there are, neighbours are whole vectors, and windows leave the border out instead of reading zeros.
// Where the last group lacks images, there may be anything that is a number; sums and gradients leave it out.

namespace {

// Sixteen neighbouring numbers.
typedef float Sixteen __attribute__((vector_size(64), aligned(4)));
typedef int32_t Whole __attribute__((vector_size(64), aligned(4)));
typedef int8_t Bytes __attribute__((vector_size(16), aligned(1)));
constexpr int64_t kWidth = 16;

Sixteen &at_place(float *x) { return *reinterpret_cast<Sixteen *>(x); }
const Sixteen &at_place(const float *x) { return *reinterpret_cast<const Sixteen *>(x); }
Bytes &at_place(int8_t *x) { return *reinterpret_cast<Bytes *>(x); }

// A pixel in a window: its number in the window, row by row, and where it is in a channel.
struct Tap {
  int64_t number, place;
};

// The windows of an image, without what is beyond the border: of odd sizes around every pixel, of even ones side by
// side.
struct Windows {
  int64_t height, width, size;
  std::vector<Tap> taps;
  // Where each window's begin; one more at the end.
  std::vector<int64_t> starts;

  Windows(int64_t height, int64_t width, int64_t size) : height(height), width(width), size(size) {
    const int64_t stride = size % 2 == 0 ? size : 1, reach = (size - stride) / 2;
    for (int64_t top = -reach; top < height - reach; top += stride)
      for (int64_t left = -reach; left < width - reach; left += stride) {
        starts.push_back(taps.size());
        for (int64_t y = top; y < top + size; ++y)
          for (int64_t x = left; x < left + size; ++x)
            if (y >= 0 && y < height && x >= 0 && x < width)
              taps.push_back({(y - top) * size + x - left, (y * width + x) * kWidth});
      }
    starts.push_back(taps.size());
  }

  // Stays until this thread has asked for sixteen others.
  static const Windows &of(int64_t height, int64_t width, int64_t size) {
    static thread_local std::vector<std::unique_ptr<Windows>> made;
    for (const auto &windows : made)
      if (windows->height == height && windows->width == width && windows->size == size) return *windows;
    if (made.size() == 16) made.erase(made.begin());
    made.push_back(std::make_unique<Windows>(height, width, size));
    return *made.back();
  }
};

// The shape of images in groups.
struct Grid {
  int64_t images, height, width;
  int64_t groups, pixels;
  // From a channel to the next.
  int64_t plane;

  Grid(int64_t images, int64_t height, int64_t width) : images(images), height(height), width(width) {
    groups = (images + kWidth - 1) / kWidth;
    pixels = height * width;
    plane = pixels * kWidth;
  }
  explicit Grid(const std::vector<int64_t> &shape) : Grid(shape[0], shape[1], shape[2]) {}

  std::vector<int64_t> shape() const { return {images, height, width}; }

  // What windows make of it.
  Grid pooled(int64_t size) const {
    return size % 2 == 0 ? Grid(images, (height + size - 1) / size, (width + size - 1) / size) : *this;
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

// Convolutions

// Sums of kOut channels at a pixel of kGroups groups, all in registers. Weights are [number][in][kOut].
template <int kOut, int kGroups>
inline __attribute__((always_inline)) void tile(const float *x, int64_t x_group, int64_t plane, int64_t in,
                                                const Tap *taps, int64_t tap_count, const float *weights, float *out,
                                                int64_t out_group) {
  Sixteen sums[kOut][kGroups];
  for (int o = 0; o < kOut; ++o)
    for (int g = 0; g < kGroups; ++g) sums[o][g] = Sixteen{};
  for (int64_t k = 0; k < tap_count; ++k) {
    const float *from = x + taps[k].place, *w = weights + taps[k].number * in * kOut;
    for (int64_t i = 0; i < in; ++i, from += plane, w += kOut) {
      Sixteen values[kGroups];
      for (int g = 0; g < kGroups; ++g) values[g] = at_place(from + g * x_group);
      for (int o = 0; o < kOut; ++o)
        for (int g = 0; g < kGroups; ++g) sums[o][g] += w[o] * values[g];
    }
  }
  for (int o = 0; o < kOut; ++o)
    for (int g = 0; g < kGroups; ++g) at_place(out + g * out_group + o * plane) = sums[o][g];
}

template <int kOut, int kGroups>
inline __attribute__((always_inline)) void image(const float *x, int64_t x_group, const Grid &grid, int64_t in,
                                                 const Tap *taps, const int64_t *starts, const float *weights,
                                                 float *out, int64_t out_group) {
  for (int64_t p = 0; p < grid.pixels; ++p)
    tile<kOut, kGroups>(x, x_group, grid.plane, in, taps + starts[p], starts[p + 1] - starts[p], weights,
                        out + p * kWidth, out_group);
}

template <int kOut, int kGroups>
inline __attribute__((always_inline)) void images(const Input &x, const Grid &grid, int64_t in, const Tap *taps,
                                                  const int64_t *starts, const float *weights, const Output &out,
                                                  int64_t o) {
  int64_t g = 0;
  for (; g + kGroups <= grid.groups; g += kGroups)
    image<kOut, kGroups>(x.at(g, 0), x.group, grid, in, taps, starts, weights, out.at(g, o), out.group);
  for (; g < grid.groups; ++g)
    image<kOut, 1>(x.at(g, 0), x.group, grid, in, taps, starts, weights, out.at(g, o), out.group);
}

// How many of the channels that are left are summed together.
int64_t block(int64_t left) { return left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1; }

// Sums over channels and windows. Weights are in blocks of channels, each [number][in][channel].
VECTORISED void convolve(const Input &x, const Grid &grid, int64_t in, int64_t out, const Tap *taps,
                         const int64_t *starts, int64_t window, const float *weights, const Output &result) {
  for (int64_t o = 0; o < out;) {
    const int64_t size = block(out - o);
    switch (size) {
      case 8: images<8, 1>(x, grid, in, taps, starts, weights, result, o); break;
      case 4: images<4, 2>(x, grid, in, taps, starts, weights, result, o); break;
      case 2: images<2, 4>(x, grid, in, taps, starts, weights, result, o); break;
      default: images<1, 4>(x, grid, in, taps, starts, weights, result, o);
    }
    weights += size * in * window;
    o += size;
  }
}

// The weights [out, in, window] of a convolution as `convolve` wants them; or those of the convolution that takes
// gradients back, with the roles of channels exchanged and the windows mirrored.
std::vector<float> arranged(const float *weight, int64_t in, int64_t out, int64_t window, bool back) {
  const int64_t from = back ? out : in, to = back ? in : out;
  std::vector<float> result(in * out * window);
  float *next = result.data();
  for (int64_t o = 0; o < to;) {
    const int64_t size = block(to - o);
    for (int64_t k = 0; k < window; ++k)
      for (int64_t i = 0; i < from; ++i)
        for (int64_t lane = 0; lane < size; ++lane)
          *next++ = back ? weight[(i * in + o + lane) * window + window - 1 - k]
                         : weight[((o + lane) * in + i) * window + k];
    o += size;
  }
  return result;
}

inline __attribute__((always_inline)) float folded(const Sixteen &values) {
  float sum = 0;
  for (int64_t i = 0; i < kWidth; ++i) sum += values[i];
  return sum;
}

inline __attribute__((always_inline)) double folded(const Sixteen &values, const int32_t *lanes) {
  double sum = 0;
  for (int64_t i = 0; i < kWidth; ++i) sum += lanes[i] ? values[i] : 0;
  return sum;
}

// Pixels, in whole rows, that are taken together, so that what a block of channels needs stays in the first cache.
constexpr int64_t kChunk = 56;

// The gradients of the weights from kIn to kOut channels, [kOut][in][window]: inner products of images, shifted, with
// gradients.
template <int kOut, int kIn>
inline __attribute__((always_inline)) void products(const Input &x, const Input &gradient, const Grid &grid, int64_t o,
                                                    int64_t i, int64_t in, int64_t size, float *result) {
  Sixteen sums[9][kOut][kIn];
  const int64_t reach = size / 2, window = size * size;
  for (int64_t k = 0; k < window; ++k)
    for (int a = 0; a < kOut; ++a)
      for (int b = 0; b < kIn; ++b) sums[k][a][b] = Sixteen{};
  const int64_t rows = std::max<int64_t>(1, kChunk / grid.width);
  for (int64_t g = 0; g < grid.groups; ++g) {
    const float *from = x.at(g, i), *back = gradient.at(g, o);
    for (int64_t top = 0; top < grid.height; top += rows)
      for (int64_t k = 0; k < window; ++k) {
        const int64_t dy = k / size - reach, dx = k % size - reach;
        const int64_t first = std::max(top, -dy), last = std::min(std::min(top + rows, grid.height), grid.height - dy);
        const int64_t left = std::max<int64_t>(0, -dx), right = std::min(grid.width, grid.width - dx);
        Sixteen part[kOut][kIn];
        for (int a = 0; a < kOut; ++a)
          for (int b = 0; b < kIn; ++b) part[a][b] = sums[k][a][b];
        for (int64_t y = first; y < last; ++y) {
          const float *values = from + ((y + dy) * grid.width + dx) * kWidth, *row = back + y * grid.width * kWidth;
          for (int64_t p = left * kWidth; p < right * kWidth; p += kWidth) {
            Sixteen v[kIn];
            for (int b = 0; b < kIn; ++b) v[b] = at_place(values + b * grid.plane + p);
            for (int a = 0; a < kOut; ++a) {
              const Sixteen d = at_place(row + a * grid.plane + p);
              for (int b = 0; b < kIn; ++b) part[a][b] += d * v[b];
            }
          }
        }
        for (int a = 0; a < kOut; ++a)
          for (int b = 0; b < kIn; ++b) sums[k][a][b] = part[a][b];
      }
  }
  for (int a = 0; a < kOut; ++a)
    for (int b = 0; b < kIn; ++b)
      for (int64_t k = 0; k < window; ++k) result[((o + a) * in + i + b) * window + k] = folded(sums[k][a][b]);
}

template <int kOut>
inline __attribute__((always_inline)) void products(const Input &x, const Input &gradient, const Grid &grid, int64_t o,
                                                    int64_t in, int64_t size, float *result) {
  int64_t i = 0;
  for (; i + 4 <= in; i += 4) products<kOut, 4>(x, gradient, grid, o, i, in, size, result);
  for (; i + 2 <= in; i += 2) products<kOut, 2>(x, gradient, grid, o, i, in, size, result);
  for (; i < in; ++i) products<kOut, 1>(x, gradient, grid, o, i, in, size, result);
}

// Gradients of weights, [out][in][window], with windows of `size` x `size`.
VECTORISED void weight_gradient(const Input &x, const Input &gradient, const Grid &grid, int64_t in, int64_t out,
                                int64_t size, float *result) {
  int64_t o = 0;
  for (; o + 4 <= out; o += 4) products<4>(x, gradient, grid, o, in, size, result);
  for (; o + 2 <= out; o += 2) products<2>(x, gradient, grid, o, in, size, result);
  for (; o < out; ++o) products<1>(x, gradient, grid, o, in, size, result);
}

// Batch norm and rectifier, of one channel of a group

VECTORISED double sum(const float *x, int64_t count, const int32_t *lanes) {
  Sixteen sums{};
  for (int64_t p = 0; p < count; p += kWidth) sums += at_place(x + p);
  return folded(sums, lanes);
}

VECTORISED double squares(const float *x, int64_t count, const int32_t *lanes, float mean) {
  Sixteen sums{};
  for (int64_t p = 0; p < count; p += kWidth) {
    const Sixteen distance = at_place(x + p) - mean;
    sums += distance * distance;
  }
  return folded(sums, lanes);
}

VECTORISED void rectify(const float *x, int64_t count, float scale, float shift, float *y) {
  for (int64_t p = 0; p < count; p += kWidth) {
    const Sixteen value = at_place(x + p) * scale + shift;
    at_place(y + p) = value < 0.0f ? Sixteen{} : value;  // no number stays no number
  }
}

// The gradients that the rectifier lets through, and adds them to `sums`, alone and times the distance to the mean.
VECTORISED void rectified_gradient(const float *x, int64_t count, const int32_t *lanes, float scale, float shift,
                                   float mean, const float *gradient, float *result, double *sums) {
  const Whole exists = *reinterpret_cast<const Whole *>(lanes);
  Sixteen plain{}, weighted{};
  for (int64_t p = 0; p < count; p += kWidth) {
    const Sixteen values = at_place(x + p);
    const Whole isKept = exists & ~(values * scale + shift <= 0.0f);
    const Sixteen g = isKept ? at_place(gradient + p) : Sixteen{};
    at_place(result + p) = g;
    plain += g;
    weighted += g * (values - mean);
  }
  for (int64_t i = 0; i < kWidth; ++i) {
    sums[0] += plain[i];
    sums[1] += weighted[i];
  }
}

VECTORISED void input_gradient(const float *x, int64_t count, const int32_t *lanes, float mean, float scale,
                               float slope, float offset, float *gradient) {
  const Whole exists = *reinterpret_cast<const Whole *>(lanes);
  for (int64_t p = 0; p < count; p += kWidth) {
    const Sixteen g = scale * at_place(gradient + p) - slope * (at_place(x + p) - mean) - offset;
    at_place(gradient + p) = exists ? g : Sixteen{};
  }
}

// gamma (convolution - mean) / deviation + beta, cut at zero.
struct GroupUnit : torch::autograd::Function<GroupUnit> {
  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &x, int64_t image_count,
                            int64_t height, int64_t width, const at::Tensor &weight, const at::Tensor &gamma,
                            const at::Tensor &beta, at::Tensor running_mean, at::Tensor running_variance,
                            bool training, double momentum, double epsilon) {
    const Grid grid(image_count, height, width);
    const at::Tensor w = weight.contiguous();
    const int64_t in = x.size(1), out = w.size(0), size = w.size(2);
    const Windows &windows = Windows::of(height, width, size);
    at::Tensor sums = grid.empty(out, x.options());
    at::Tensor y = training ? at::empty_like(sums) : sums;  // without a way back, in place
    const Output convolved(sums, grid), result(y, grid);
    convolve(Input(x, grid), grid, in, out, windows.taps.data(), windows.starts.data(), size * size,
             arranged(w.data_ptr<float>(), in, out, size * size, false).data(), convolved);

    // By channel; what the way back needs beside the sums.
    at::Tensor saved = at::empty({4, out}, x.options());
    float *means = saved.data_ptr<float>(), *inverses = means + out, *scales = inverses + out, *shifts = scales + out;
    const std::vector<double> gammas = numbers(gamma), betas = numbers(beta);
    float *old_mean = running_mean.data_ptr<float>(), *old_variance = running_variance.data_ptr<float>();
    const double count = static_cast<double>(grid.images * grid.pixels);
    for (int64_t c = 0; c < out; ++c) {
      double mean, variance;
      if (training) {
        double total = 0, distances = 0;
        for (int64_t g = 0; g < grid.groups; ++g) total += sum(convolved.at(g, c), grid.plane, grid.lanes(g));
        mean = total / count;
        for (int64_t g = 0; g < grid.groups; ++g)
          distances += squares(convolved.at(g, c), grid.plane, grid.lanes(g), static_cast<float>(mean));
        variance = distances / count;
        const double unbiased = distances / std::max(1.0, count - 1);
        old_mean[c] = static_cast<float>((1 - momentum) * old_mean[c] + momentum * mean);
        old_variance[c] = static_cast<float>((1 - momentum) * old_variance[c] + momentum * unbiased);
      } else {
        mean = old_mean[c];
        variance = old_variance[c];
      }
      const double inverse = 1 / std::sqrt(variance + epsilon), scale = gammas[c] * inverse;
      means[c] = static_cast<float>(mean);
      inverses[c] = static_cast<float>(inverse);
      scales[c] = static_cast<float>(scale);
      shifts[c] = static_cast<float>(betas[c] - mean * scale);
      for (int64_t g = 0; g < grid.groups; ++g)
        rectify(convolved.at(g, c), grid.plane, scales[c], shifts[c], result.at(g, c));
    }
    if (training) {
      context->save_for_backward({x, sums, w, saved});
      context->saved_data["shape"] = grid.shape();
    }
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    TORCH_CHECK(!saved.empty(), "a unit with given statistics cannot be differentiated");
    const Grid grid(context->saved_data["shape"].toIntVector());
    const at::Tensor &x = saved[0], &sums = saved[1], &w = saved[2];
    const int64_t in = x.size(1), out = w.size(0), size = w.size(2);
    const double count = static_cast<double>(grid.images * grid.pixels);
    const float *means = saved[3].data_ptr<float>(), *inverses = means + out, *scales = inverses + out,
                *shifts = scales + out;

    // The gradients of the convolution's sums.
    const at::Tensor given = gradients[0].contiguous();
    at::Tensor back = at::empty_like(given);
    const Input convolved(sums, grid), from(given, grid);
    const Output to(back, grid);
    std::vector<double> gamma_gradient(out), beta_gradient(out);
    for (int64_t c = 0; c < out; ++c) {
      double parts[2] = {0, 0};
      for (int64_t g = 0; g < grid.groups; ++g)
        rectified_gradient(convolved.at(g, c), grid.plane, grid.lanes(g), scales[c], shifts[c], means[c],
                           from.at(g, c), to.at(g, c), parts);
      beta_gradient[c] = parts[0];
      gamma_gradient[c] = parts[1] * inverses[c];
      const double scale = scales[c];
      const float slope = static_cast<float>(scale * inverses[c] * gamma_gradient[c] / count);
      const float offset = static_cast<float>(scale * beta_gradient[c] / count);
      for (int64_t g = 0; g < grid.groups; ++g)
        input_gradient(convolved.at(g, c), grid.plane, grid.lanes(g), means[c], scales[c], slope, offset,
                       to.at(g, c));
    }

    at::Tensor weight_result = at::empty_like(w), result;
    const Input sum_gradients(back, grid);
    weight_gradient(Input(x, grid), sum_gradients, grid, in, out, size, weight_result.data_ptr<float>());
    if (context->needs_input_grad(0)) {
      const Windows &windows = Windows::of(grid.height, grid.width, size);
      result = grid.empty(in, given.options());
      convolve(sum_gradients, grid, out, in, windows.taps.data(), windows.starts.data(), size * size,
               arranged(w.data_ptr<float>(), in, out, size * size, true).data(), Output(result, grid));
    }
    return {result, {}, {}, {}, weight_result, tensor(gamma_gradient), tensor(beta_gradient), {}, {}, {}, {}, {}};
  }
};

// Max pooling

// The greatest number of some and which it is; the first of equal ones, and what is no number.
struct Greatest {
  Sixteen value;
  Whole number;

  inline __attribute__((always_inline)) void meet(const Sixteen &other, int32_t its_number) {
    const Whole wins = (other > value) | (other != other);
    value = wins ? other : value;
    number = wins ? Whole{} + its_number : number;
  }
};

VECTORISED void pool_plane(const float *x, int64_t windows, const Tap *taps, const int64_t *starts, float *best,
                           int8_t *numbers) {
  for (int64_t p = 0; p < windows; ++p) {
    const Tap *tap = taps + starts[p], *end = taps + starts[p + 1];
    Greatest greatest{at_place(x + tap->place), Whole{} + static_cast<int32_t>(tap->number)};
    for (++tap; tap < end; ++tap) greatest.meet(at_place(x + tap->place), static_cast<int32_t>(tap->number));
    at_place(best + p * kWidth) = greatest.value;
    at_place(numbers + p * kWidth) = __builtin_convertvector(greatest.number, Bytes);
  }
}

// Adds every window's gradient to the pixel that was its greatest.
VECTORISED void unpool_plane(const float *gradient, int8_t *numbers, int64_t windows, const Tap *taps,
                             const int64_t *starts, float *result) {
  for (int64_t p = windows - 1; p >= 0; --p) {
    const Sixteen own = at_place(gradient + p * kWidth);
    for (const Tap *tap = taps + starts[p]; tap < taps + starts[p + 1]; ++tap) {
      const Bytes isHere = at_place(numbers + p * kWidth) == static_cast<int8_t>(tap->number);
      at_place(result + tap->place) += __builtin_convertvector(isHere, Whole) ? own : Sixteen{};
    }
  }
}

// Windows of 3x3 pixels around every pixel, or of 2x2 side by side. They are scanned in the library's order, so values
// and gradients are the library's (gradients up to the order of summation).
struct GroupPool : torch::autograd::Function<GroupPool> {
  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &x, int64_t images,
                            int64_t height, int64_t width, int64_t size) {
    const Grid grid(images, height, width), pooled = grid.pooled(size);
    const Windows &windows = Windows::of(height, width, size);
    at::Tensor y = pooled.empty(x.size(1), x.options()), numbers = at::empty_like(y, at::kChar);
    const Input from(x, grid);
    const Output best(y, pooled);
    const Channels<int8_t> chosen(numbers, pooled);
    for (int64_t g = 0; g < grid.groups; ++g)
      for (int64_t c = 0; c < x.size(1); ++c)
        pool_plane(from.at(g, c), pooled.pixels, windows.taps.data(), windows.starts.data(), best.at(g, c),
                   chosen.at(g, c));
    context->save_for_backward({numbers});
    context->saved_data["shape"] = grid.shape();
    context->saved_data["size"] = size;
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list gradients) {
    const at::Tensor numbers = context->get_saved_variables()[0];
    const int64_t size = context->saved_data["size"].toInt();
    const Grid grid(context->saved_data["shape"].toIntVector()), pooled = grid.pooled(size);
    const Windows &windows = Windows::of(grid.height, grid.width, size);
    const at::Tensor given = gradients[0].contiguous();
    at::Tensor result = at::zeros({grid.groups, given.size(1), grid.plane}, given.options());
    const Input from(given, pooled);
    const Output to(result, grid);
    const Channels<int8_t> chosen(numbers, pooled);
    for (int64_t g = 0; g < grid.groups; ++g)
      for (int64_t c = 0; c < given.size(1); ++c)
        unpool_plane(from.at(g, c), chosen.at(g, c), pooled.pixels, windows.taps.data(), windows.starts.data(),
                     to.at(g, c));
    return {result, {}, {}, {}, {}};
  }
};

// The mean of every image in every channel: [images, channels].
VECTORISED void mean_plane(const float *x, int64_t count, float *means) {
  Sixteen sums{};
  for (int64_t p = 0; p < count; p += kWidth) sums += at_place(x + p);
  at_place(means) = sums / static_cast<float>(count / kWidth);
}

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
        mean_plane(from.at(g, c), grid.plane, own);
        for (int64_t n = g * kWidth; n < std::min(images, (g + 1) * kWidth); ++n)
          to[n * channels + c] = own[n - g * kWidth];
      }
    context->saved_data["shape"] = grid.shape();
    return means;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list gradients) {
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

}  // namespace

ct_tensor *ours::ct_groups(const ct_tensor *images) {
  return made([&] {
    const at::Tensor &x = images->value;
    TORCH_CHECK(x.dim() == 4, "images are [count, channels, height, width], not ", x.sizes());
    const Grid grid(x.size(0), x.size(2), x.size(3));
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
    const Grid grid(size.images, size.height, size.width);
    grid.check(x->value);
    const int64_t channels = x->value.size(1);
    return x->value.reshape({grid.groups, channels, grid.pixels, kWidth})
        .permute({0, 3, 1, 2})
        .reshape({grid.groups * kWidth, channels, grid.height, grid.width})
        .slice(0, 0, grid.images)
        .contiguous();
  });
}

ct_tensor *ours::ct_group_unit(const ct_tensor *x, ct_geometry size, const ct_tensor *weight, const ct_tensor *gamma,
                         const ct_tensor *beta, ct_tensor *mean, ct_tensor *variance, int training, double momentum,
                         double epsilon) {
  return made([&] {
    const at::Tensor &w = weight->value;
    Grid(size.images, size.height, size.width).check(x->value);
    TORCH_CHECK(w.dim() == 4 && x->value.size(1) == w.size(1), "a weight of shape ", w.sizes(), " does not fit ",
                x->value.size(1), " channels");
    TORCH_CHECK((w.size(2) == 1 || w.size(2) == 3) && w.size(3) == w.size(2), "windows are 1x1 or 3x3, not ",
                w.sizes());
    return GroupUnit::apply(x->value, size.images, size.height, size.width, w, gamma->value, beta->value, mean->value,
                            variance->value, training != 0, momentum, epsilon);
  });
}

ct_tensor *ours::ct_group_pool(const ct_tensor *x, ct_geometry size, int64_t window) {
  return made([&] {
    Grid(size.images, size.height, size.width).check(x->value);
    TORCH_CHECK(window == 2 || window == 3, "windows are 2x2 or 3x3, not ", window, "x", window);
    return GroupPool::apply(x->value, size.images, size.height, size.width, window);
  });
}

ct_tensor *ours::ct_group_mean(const ct_tensor *x, ct_geometry size) {
  return made([&] {
    Grid(size.images, size.height, size.width).check(x->value);
    return GroupMean::apply(x->value, size.images, size.height, size.width);
  });
}
