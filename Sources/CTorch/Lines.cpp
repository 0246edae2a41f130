#include "Shared.h"

#ifdef ANYTIME_TORCH

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

using namespace ours;

// Images as lines, for networks of few channels: a channel after another, each a single line of all images, so that a
// shift by a pixel is a shift of the line and every loop is long. A zero follows each row and a row of zeros each
// image: they are the border of both neighbours. With so few channels, convolutions that take the channels of a pixel
// together leave most lanes of a vector empty.

namespace {

// Sixteen neighbouring numbers, wherever they begin.
typedef float Sixteen __attribute__((vector_size(64), aligned(4)));
typedef int32_t Whole __attribute__((vector_size(64)));
typedef int8_t Bytes __attribute__((vector_size(16), aligned(1)));
constexpr int64_t kWidth = 16;

Sixteen &at_place(float *x) { return *reinterpret_cast<Sixteen *>(x); }
const Sixteen &at_place(const float *x) { return *reinterpret_cast<const Sixteen *>(x); }

// Where things are in a line.
struct Lines {
  int64_t images, height, width;
  // From a row to the next, and from an image to the next.
  int64_t row, image;
  // Zeros before the first pixel; all images; then zeros, with room to read and write on.
  int64_t first, count, length;

  Lines(int64_t images, int64_t height, int64_t width) : images(images), height(height), width(width) {
    row = width + 1;
    image = row * (height + 1);
    first = rounded(row + 1);
    count = images * image;
    length = first + rounded(count) + 8 * kWidth + rounded(row + 1);
  }

  static int64_t rounded(int64_t value) { return (value + kWidth - 1) / kWidth * kWidth; }

  int64_t pixels() const { return images * height * width; }

  // As far as loops over a line go, in steps of sixteen.
  int64_t extent() const { return rounded(count); }

  // Which of the places from the first pixel on are pixels (all bits set) and which are between or behind them (none).
  // It stays until this thread works on another shape.
  const int8_t *pixel_mask() const {
    struct Mask {
      int64_t images, height, width;
      std::vector<int8_t> bytes;
    };
    static thread_local std::vector<Mask> masks;
    for (const Mask &mask : masks)
      if (mask.images == images && mask.height == height && mask.width == width) return mask.bytes.data();
    if (masks.size() == 16) masks.clear();
    Mask mask{images, height, width, std::vector<int8_t>(extent())};
    for (int64_t n = 0; n < images; ++n)
      for (int64_t y = 0; y < height; ++y) std::fill_n(mask.bytes.data() + n * image + y * row, width, -1);
    masks.push_back(std::move(mask));
    return masks.back().bytes.data();
  }

  // Zeros at all places but the pixels.
  void clear_borders(float *line) const {
    for (int64_t n = 0; n < images; ++n) {
      float *start = line + first + n * image;
      for (int64_t y = 0; y < height; ++y) start[y * row + width] = 0;
      std::fill_n(start + height * row, row, 0.0f);
    }
    fill_ends(line, 0);
  }

  // Writes a value before the first place, and zeros behind the last.
  void fill_ends(float *line, float value) const {
    std::fill_n(line, first, value);
    std::fill(line + first + count, line + length, 0.0f);
  }

  // What a pixel's neighbours are away, row by row; only itself with 1x1 windows.
  std::vector<int64_t> taps(int64_t size) const {
    if (size == 1) return {0};
    std::vector<int64_t> result;
    for (int64_t y = -1; y <= 1; ++y)
      for (int64_t x = -1; x <= 1; ++x) result.push_back(y * row + x);
    return result;
  }

  void check(const at::Tensor &x) const {
    TORCH_CHECK(x.dim() == 2 && x.size(1) == length && x.is_contiguous() && x.scalar_type() == at::kFloat &&
                    x.device().is_cpu(),
                "these are no lines of ", images, " images of ", height, " x ", width, ": ", x.sizes());
  }
};

// All bits set where there is a pixel.
#define ARE_PIXELS(mask) __builtin_convertvector(*reinterpret_cast<const Bytes *>(mask), Whole)

// Sums into kOut lines at kPlaces times sixteen pixels, all in registers. Weights are [in][tap][kOut].
template <int kOut, int kPlaces>
inline __attribute__((always_inline)) void tile(const float *x, int64_t length, int64_t in, const int64_t *taps,
                                                int64_t tap_count, const float *weights, float *out) {
  Sixteen sums[kOut][kPlaces];
  for (int o = 0; o < kOut; ++o)
    for (int p = 0; p < kPlaces; ++p) sums[o][p] = Sixteen{};
  for (int64_t i = 0; i < in; ++i, x += length)
    for (int64_t k = 0; k < tap_count; ++k, weights += kOut) {
      Sixteen values[kPlaces];
      for (int p = 0; p < kPlaces; ++p) values[p] = at_place(x + taps[k] + p * kWidth);
      for (int o = 0; o < kOut; ++o)
        for (int p = 0; p < kPlaces; ++p) sums[o][p] += weights[o] * values[p];
    }
  for (int o = 0; o < kOut; ++o)
    for (int p = 0; p < kPlaces; ++p) at_place(out + o * length + p * kWidth) = sums[o][p];
}

template <int kOut, int kPlaces>
inline __attribute__((always_inline)) void strip(const float *x, const Lines &lines, int64_t start, int64_t end,
                                                 int64_t in, const int64_t *taps, int64_t tap_count,
                                                 const float *weights, float *out) {
  for (int64_t p = start; p < end; p += kPlaces * kWidth)
    tile<kOut, kPlaces>(x + lines.first + p, lines.length, in, taps, tap_count, weights, out + lines.first + p);
}

// Pixels whose neighbourhoods in all channels stay in the second cache.
constexpr int64_t kChunk = 1024;

// How many of the lines that are left are summed together: eight, four, two or one.
int64_t block(int64_t left) { return left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1; }

// Lines of sums over channels and neighbours. Weights are in blocks of lines, each [in][tap][line]. What is written
// between the pixels means nothing.
VECTORISED void convolve(const float *x, const Lines &lines, int64_t in, int64_t out, const int64_t *taps,
                         int64_t tap_count, const float *weights, float *result) {
  for (int64_t start = 0; start < lines.count; start += kChunk) {
    const int64_t end = std::min(start + kChunk, lines.count);
    const float *w = weights;
    for (int64_t o = 0; o < out;) {
      const int64_t size = block(out - o);
      float *to = result + o * lines.length;
      switch (size) {
        case 8: strip<8, 1>(x, lines, start, end, in, taps, tap_count, w, to); break;
        case 4: strip<4, 4>(x, lines, start, end, in, taps, tap_count, w, to); break;
        case 2: strip<2, 4>(x, lines, start, end, in, taps, tap_count, w, to); break;
        default: strip<1, 8>(x, lines, start, end, in, taps, tap_count, w, to);
      }
      w += size * in * tap_count;
      o += size;
    }
  }
}

// The weights [out, in, taps] of a convolution as `convolve` wants them; or those of the convolution that takes
// gradients back, with the roles of channels exchanged and the neighbours mirrored.
std::vector<float> arranged(const float *weight, int64_t in, int64_t out, int64_t tap_count, bool back) {
  const int64_t from = back ? out : in, to = back ? in : out;
  std::vector<float> result(in * out * tap_count);
  float *next = result.data();
  for (int64_t o = 0; o < to;) {
    const int64_t size = block(to - o);
    for (int64_t i = 0; i < from; ++i)
      for (int64_t k = 0; k < tap_count; ++k)
        for (int64_t lane = 0; lane < size; ++lane)
          *next++ = back ? weight[(i * in + o + lane) * tap_count + tap_count - 1 - k]
                         : weight[((o + lane) * in + i) * tap_count + k];
    o += size;
  }
  return result;
}

inline __attribute__((always_inline)) float folded(const Sixteen &values) {
  float sum = 0;
  for (int64_t i = 0; i < kWidth; ++i) sum += values[i];
  return sum;
}

// The inner products of kIn lines, shifted by kTaps, with kOut lines of gradients, which are zero between the pixels.
// Two lines of gradients share what is loaded; each sum is the same whoever stands beside it.
template <int kOut, int kIn, int kTaps>
inline __attribute__((always_inline)) void products(const float *x, const float *gradient, const Lines &lines,
                                                    const int64_t *taps, float *result, int64_t result_row) {
  Sixteen sums[kOut][kIn][kTaps];
  for (int o = 0; o < kOut; ++o)
    for (int i = 0; i < kIn; ++i)
      for (int k = 0; k < kTaps; ++k) sums[o][i][k] = Sixteen{};
  for (int64_t p = 0; p < lines.count; p += kWidth) {
    Sixteen g[kOut];
    for (int o = 0; o < kOut; ++o) g[o] = at_place(gradient + o * lines.length + p);
    for (int i = 0; i < kIn; ++i)
      for (int k = 0; k < kTaps; ++k) {
        const Sixteen value = at_place(x + i * lines.length + p + taps[k]);
        for (int o = 0; o < kOut; ++o) sums[o][i][k] += g[o] * value;
      }
  }
  for (int o = 0; o < kOut; ++o)
    for (int i = 0; i < kIn; ++i)
      for (int k = 0; k < kTaps; ++k) result[o * result_row + i * kTaps + k] = folded(sums[o][i][k]);
}

// The gradients [kOut][in][tap] of the weights of kOut lines.
template <int kOut>
inline __attribute__((always_inline)) void weight_gradients(const float *x, const float *gradient, const Lines &lines,
                                                            int64_t in, const int64_t *taps, int64_t tap_count,
                                                            float *result) {
  for (int64_t i = 0; i < in;) {
    const float *from = x + i * lines.length + lines.first;
    float *to = result + i * tap_count;
    if (tap_count == 9) {
      products<kOut, 1, 9>(from, gradient, lines, taps, to, in * tap_count);
      i += 1;
    } else if (in - i >= 8) {
      products<kOut, 8, 1>(from, gradient, lines, taps, to, in * tap_count);
      i += 8;
    } else if (in - i >= 4) {
      products<kOut, 4, 1>(from, gradient, lines, taps, to, in * tap_count);
      i += 4;
    } else {
      products<kOut, 1, 1>(from, gradient, lines, taps, to, in * tap_count);
      i += 1;
    }
  }
}

VECTORISED void weight_gradient(const float *x, const float *gradient, const Lines &lines, int64_t in, int64_t out,
                                const int64_t *taps, int64_t tap_count, float *result) {
  gradient += lines.first;
  int64_t o = 0;
  for (; o + 2 <= out; o += 2)
    weight_gradients<2>(x, gradient + o * lines.length, lines, in, taps, tap_count, result + o * in * tap_count);
  if (o < out)
    weight_gradients<1>(x, gradient + o * lines.length, lines, in, taps, tap_count, result + o * in * tap_count);
}

// Sums over a line's pixels, in sixteen lanes.
VECTORISED double line_sum(const float *x, const int8_t *mask, int64_t count) {
  Sixteen sums{};
  for (int64_t p = 0; p < count; p += kWidth) sums += ARE_PIXELS(mask + p) ? at_place(x + p) : Sixteen{};
  double total = 0;
  for (int64_t i = 0; i < kWidth; ++i) total += sums[i];
  return total;
}

VECTORISED double squares_sum(const float *x, const int8_t *mask, int64_t count, float mean) {
  Sixteen sums{};
  for (int64_t p = 0; p < count; p += kWidth) {
    const Sixteen distance = ARE_PIXELS(mask + p) ? at_place(x + p) - mean : Sixteen{};
    sums += distance * distance;
  }
  double total = 0;
  for (int64_t i = 0; i < kWidth; ++i) total += sums[i];
  return total;
}

// What is no pixel becomes zero.
VECTORISED void rectify(const float *x, const int8_t *mask, int64_t count, float scale, float shift, float *y) {
  for (int64_t p = 0; p < count; p += kWidth) {
    const Sixteen value = at_place(x + p) * scale + shift;
    const Whole isKept = ARE_PIXELS(mask + p) & ~(value < 0.0f);  // no number stays no number
    at_place(y + p) = isKept ? value : Sixteen{};
  }
}

// The gradients that the rectifier lets through, and their `sums`, alone and times the distance to the mean.
VECTORISED void rectified_gradient(const float *x, const int8_t *mask, int64_t count, float scale, float shift,
                                   float mean, const float *gradient, float *result, double *sums) {
  Sixteen plain{}, weighted{};
  for (int64_t p = 0; p < count; p += kWidth) {
    const Sixteen values = at_place(x + p);
    const Whole isKept = ARE_PIXELS(mask + p) & ~(values * scale + shift <= 0.0f);
    const Sixteen g = isKept ? at_place(gradient + p) : Sixteen{};
    at_place(result + p) = g;
    plain += g;
    weighted += isKept ? g * (values - mean) : Sixteen{};
  }
  sums[0] = sums[1] = 0;
  for (int64_t i = 0; i < kWidth; ++i) {
    sums[0] += plain[i];
    sums[1] += weighted[i];
  }
}

VECTORISED void input_gradient(const float *x, const int8_t *mask, int64_t count, float mean, float scale,
                               float slope, float offset, float *gradient) {
  for (int64_t p = 0; p < count; p += kWidth) {
    const Sixteen g = scale * at_place(gradient + p) - slope * (at_place(x + p) - mean) - offset;
    at_place(gradient + p) = ARE_PIXELS(mask + p) ? g : Sixteen{};
  }
}

// gamma (convolution - mean) / deviation + beta, cut at zero.
struct LineUnit : torch::autograd::Function<LineUnit> {
  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &x, int64_t images,
                            int64_t height, int64_t width, const at::Tensor &weight, const at::Tensor &gamma,
                            const at::Tensor &beta, at::Tensor running_mean, at::Tensor running_variance,
                            bool training, double momentum, double epsilon) {
    const Lines lines(images, height, width);
    const at::Tensor w = weight.contiguous();
    const int64_t in = x.size(0), out = w.size(0);
    const auto taps = lines.taps(w.size(2));
    at::Tensor sums = at::empty({out, lines.length}, x.options());
    at::Tensor y = training ? at::empty_like(sums) : sums;  // without a way back, in place
    convolve(x.data_ptr<float>(), lines, in, out, taps.data(), taps.size(),
             arranged(w.data_ptr<float>(), in, out, taps.size(), false).data(), sums.data_ptr<float>());

    std::vector<double> means(out), scales(out), shifts(out), inverses(out);
    const std::vector<double> gammas = numbers(gamma), betas = numbers(beta);
    float *old_mean = running_mean.data_ptr<float>(), *old_variance = running_variance.data_ptr<float>();
    const double pixels = static_cast<double>(lines.pixels());
    const int64_t count = lines.extent();
    const int8_t *mask = lines.pixel_mask();
    for (int64_t c = 0; c < out; ++c) {
      const float *values = sums.data_ptr<float>() + c * lines.length + lines.first;
      float *result = y.data_ptr<float>() + c * lines.length;
      double variance;
      if (training) {
        means[c] = line_sum(values, mask, count) / pixels;
        const double squares = squares_sum(values, mask, count, static_cast<float>(means[c]));
        variance = squares / pixels;
        const double unbiased = squares / std::max(1.0, pixels - 1);
        old_mean[c] = static_cast<float>((1 - momentum) * old_mean[c] + momentum * means[c]);
        old_variance[c] = static_cast<float>((1 - momentum) * old_variance[c] + momentum * unbiased);
      } else {
        means[c] = old_mean[c];
        variance = old_variance[c];
      }
      inverses[c] = 1 / std::sqrt(variance + epsilon);
      scales[c] = gammas[c] * inverses[c];
      shifts[c] = betas[c] - means[c] * scales[c];
      lines.fill_ends(result, 0);
      rectify(values, mask, count, static_cast<float>(scales[c]), static_cast<float>(shifts[c]),
              result + lines.first);
    }
    if (training) {
      context->save_for_backward(
          {x, sums, w, gamma, tensor(means), tensor(inverses), tensor(scales), tensor(shifts)});
      context->saved_data["shape"] = std::vector<int64_t>{images, height, width};
    }
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    TORCH_CHECK(!saved.empty(), "a unit with given statistics cannot be differentiated");
    const auto shape = context->saved_data["shape"].toIntVector();
    const Lines lines(shape[0], shape[1], shape[2]);
    const at::Tensor &x = saved[0], &sums = saved[1], &w = saved[2];
    const int64_t in = x.size(0), out = w.size(0);
    const auto taps = lines.taps(w.size(2));
    const double pixels = static_cast<double>(lines.pixels());
    const std::vector<double> gammas = numbers(saved[3]), means = numbers(saved[4]), inverses = numbers(saved[5]),
                              scales = numbers(saved[6]), shifts = numbers(saved[7]);

    // The gradients of the convolution's sums. Between the pixels, what comes may be anything.
    const at::Tensor given = gradients[0].contiguous();
    at::Tensor back = at::empty_like(given);
    std::vector<double> gamma_gradient(out), beta_gradient(out);
    const int64_t count = lines.extent();
    const int8_t *mask = lines.pixel_mask();
    for (int64_t c = 0; c < out; ++c) {
      const float *values = sums.data_ptr<float>() + c * lines.length + lines.first;
      const float *from = given.data_ptr<float>() + c * lines.length + lines.first;
      float *line = back.data_ptr<float>() + c * lines.length;
      const float mean = static_cast<float>(means[c]), scale = static_cast<float>(scales[c]);
      double parts[2];
      lines.fill_ends(line, 0);
      rectified_gradient(values, mask, count, scale, static_cast<float>(shifts[c]), mean, from, line + lines.first,
                         parts);
      beta_gradient[c] = parts[0];
      gamma_gradient[c] = parts[1] * inverses[c];
      const double slope = scales[c] * inverses[c] * gamma_gradient[c] / pixels;
      const double offset = scales[c] * beta_gradient[c] / pixels;
      input_gradient(values, mask, count, mean, scale, static_cast<float>(slope), static_cast<float>(offset),
                     line + lines.first);
    }

    at::Tensor weight_result = at::empty_like(w), result;
    weight_gradient(x.data_ptr<float>(), back.data_ptr<float>(), lines, in, out, taps.data(), taps.size(),
                    weight_result.data_ptr<float>());
    if (context->needs_input_grad(0)) {
      // Zeros at the ends of lines, most of which `convolve` leaves alone: sums of gradients go over whole lines.
      result = at::empty({in, lines.length}, given.options());
      for (int64_t c = 0; c < in; ++c) lines.fill_ends(result.data_ptr<float>() + c * lines.length, 0);
      convolve(back.data_ptr<float>(), lines, out, in, taps.data(), taps.size(),
               arranged(w.data_ptr<float>(), in, out, taps.size(), true).data(), result.data_ptr<float>());
    }
    return {result, {}, {}, {}, weight_result, tensor(gamma_gradient), tensor(beta_gradient), {}, {}, {}, {}, {}};
  }
};

// A copy in which what is no pixel has another value.
VECTORISED void surrounded(const float *x, const int8_t *mask, int64_t count, float value, float *result) {
  for (int64_t p = 0; p < count; p += kWidth)
    at_place(result + p) = ARE_PIXELS(mask + p) ? at_place(x + p) : Sixteen{} + value;
}

// The greatest number of each window and its place there; the first of equal ones, and what is no number.
VECTORISED void pool_line(const float *x, const int8_t *mask, int64_t count, const int64_t *taps, float *best,
                          float *place) {
  for (int64_t p = 0; p < count; p += kWidth) {
    Sixteen most = at_place(x + p + taps[0]), where{};
    for (int k = 1; k < 9; ++k) {
      const Sixteen value = at_place(x + p + taps[k]);
      const auto wins = (value > most) | (value != value);
      most = wins ? value : most;
      where = wins ? Sixteen{} + static_cast<float>(k) : where;
    }
    at_place(best + p) = ARE_PIXELS(mask + p) ? most : Sixteen{};
    at_place(place + p) = where;
  }
}

VECTORISED void unpool_line(const float *gradient, const float *place, int64_t count, const int64_t *taps,
                            float *result) {
  for (int64_t p = 0; p < count; p += kWidth) {
    Sixteen sum{};
    for (int k = 0; k < 9; ++k) {
      const auto isHere = at_place(place + p - taps[k]) == static_cast<float>(k);
      sum += isHere ? at_place(gradient + p - taps[k]) : Sixteen{};
    }
    at_place(result + p) = sum;
  }
}

// 3x3 windows, stride 1. Windows are scanned in the library's order, so values and gradients are the library's
// (gradients up to the order of summation).
struct LinePool : torch::autograd::Function<LinePool> {
  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &x, int64_t images,
                            int64_t height, int64_t width) {
    const Lines lines(images, height, width);
    const auto taps = lines.taps(3);
    at::Tensor y = at::empty_like(x), places = at::empty_like(x);
    constexpr float kLeast = -std::numeric_limits<float>::infinity();
    std::unique_ptr<float[]> line(new float[lines.length]);
    lines.fill_ends(line.get(), kLeast);
    for (int64_t c = 0; c < x.size(0); ++c) {
      surrounded(x.data_ptr<float>() + c * lines.length + lines.first, lines.pixel_mask(), lines.extent(), kLeast,
                 line.get() + lines.first);
      float *best = y.data_ptr<float>() + c * lines.length, *place = places.data_ptr<float>() + c * lines.length;
      lines.fill_ends(best, 0);
      pool_line(line.get() + lines.first, lines.pixel_mask(), lines.extent(), taps.data(), best + lines.first,
                place + lines.first);
      // There are no gradients at a line's ends, but what is read there must be numbers.
      std::fill_n(place, lines.first, 0.0f);
      std::fill(place + lines.first + lines.extent(), place + lines.length, 0.0f);
    }
    context->save_for_backward({places});
    context->saved_data["shape"] = std::vector<int64_t>{images, height, width};
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list gradients) {
    const at::Tensor places = context->get_saved_variables()[0];
    const auto shape = context->saved_data["shape"].toIntVector();
    const Lines lines(shape[0], shape[1], shape[2]);
    const auto taps = lines.taps(3);
    const at::Tensor given = gradients[0].contiguous();
    at::Tensor result = at::empty_like(given);
    std::unique_ptr<float[]> line(new float[lines.length]);
    lines.fill_ends(line.get(), 0);
    for (int64_t c = 0; c < given.size(0); ++c) {
      surrounded(given.data_ptr<float>() + c * lines.length + lines.first, lines.pixel_mask(), lines.extent(), 0,
                 line.get() + lines.first);
      float *to = result.data_ptr<float>() + c * lines.length;
      lines.fill_ends(to, 0);
      unpool_line(line.get() + lines.first, places.data_ptr<float>() + c * lines.length + lines.first,
                  lines.extent(), taps.data(), to + lines.first);
    }
    return {result, {}, {}, {}};
  }
};

// The greatest of some numbers and where it is; the first of equal ones, and what is no number.
struct Greatest {
  Sixteen value;
  Whole place;

  inline __attribute__((always_inline)) void meet(const Greatest &other) {
    const Whole wins = (other.value > value) | (other.value != other.value);
    value = wins ? other.value : value;
    place = wins ? other.place : place;
  }
};

#define EVEN(first, second) \
  __builtin_shufflevector(first, second, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
#define ODD(first, second) \
  __builtin_shufflevector(first, second, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31)

// Two rows make one. `places` are of the larger line. What is written beyond a row is overwritten by the next one.
VECTORISED void halve_line(const float *x, const Lines &lines, const Lines &small, float *y, int32_t *places) {
  Whole steps;
  for (int32_t i = 0; i < kWidth; ++i) steps[i] = 2 * i;
  for (int64_t image = 0; image < lines.images; ++image)
    for (int64_t row = 0; row < small.height; ++row) {
      const int64_t upper = lines.first + image * lines.image + 2 * row * lines.row;
      const int64_t lower = 2 * row + 1 < lines.height ? upper + lines.row : upper;
      const int64_t target = small.first + image * small.image + row * small.row;
      for (int64_t column = 0; column < lines.width; column += 2 * kWidth) {
        const Sixteen a = at_place(x + upper + column), b = at_place(x + upper + column + kWidth);
        const Sixteen c = at_place(x + lower + column), d = at_place(x + lower + column + kWidth);
        const Whole left = steps + static_cast<int32_t>(column);
        const Whole hasRight = left + 1 < static_cast<int32_t>(lines.width);
        const Whole right = hasRight ? left + 1 : left;
        const Sixteen top = EVEN(a, b), bottom = EVEN(c, d), top_right = ODD(a, b), bottom_right = ODD(c, d);
        Greatest best{top, left + static_cast<int32_t>(upper)};
        best.meet({hasRight ? top_right : top, right + static_cast<int32_t>(upper)});
        best.meet({bottom, left + static_cast<int32_t>(lower)});
        best.meet({hasRight ? bottom_right : bottom, right + static_cast<int32_t>(lower)});
        at_place(y + target + column / 2) = best.value;
        std::memcpy(places + target + column / 2, &best.place, sizeof(best.place));
      }
    }
}

// 2x2 windows, stride 2; the last row and column of an odd size have windows of their own.
struct LineHalving : torch::autograd::Function<LineHalving> {
  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &x, int64_t images,
                            int64_t height, int64_t width) {
    const Lines lines(images, height, width), small(images, (height + 1) / 2, (width + 1) / 2);
    const int64_t channels = x.size(0);
    at::Tensor y = at::empty({channels, small.length}, x.options());
    at::Tensor places = at::empty({channels, small.length}, x.options().dtype(at::kInt));
    for (int64_t c = 0; c < channels; ++c) {
      float *line = y.data_ptr<float>() + c * small.length;
      halve_line(x.data_ptr<float>() + c * lines.length, lines, small, line,
                 places.data_ptr<int32_t>() + c * small.length);
      small.clear_borders(line);
    }
    context->save_for_backward({places});
    context->saved_data["shape"] = std::vector<int64_t>{images, height, width};
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list gradients) {
    const at::Tensor places = context->get_saved_variables()[0];
    const auto shape = context->saved_data["shape"].toIntVector();
    const Lines lines(shape[0], shape[1], shape[2]), small(shape[0], (shape[1] + 1) / 2, (shape[2] + 1) / 2);
    const at::Tensor given = gradients[0].contiguous();
    at::Tensor result = at::zeros({given.size(0), lines.length}, given.options());
    for (int64_t c = 0; c < given.size(0); ++c) {
      const float *from = given.data_ptr<float>() + c * small.length;
      const int32_t *place = places.data_ptr<int32_t>() + c * small.length;
      float *to = result.data_ptr<float>() + c * lines.length;
      for (int64_t image = 0; image < small.images; ++image)
        for (int64_t row = 0; row < small.height; ++row) {
          const int64_t start = small.first + image * small.image + row * small.row;
          for (int64_t p = start; p < start + small.width; ++p) to[place[p]] = from[p];
        }
    }
    return {result, {}, {}, {}};
  }
};

// The mean of every image in every channel: [images, channels].
struct LineMean : torch::autograd::Function<LineMean> {
  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &x, int64_t images,
                            int64_t height, int64_t width) {
    const Lines lines(images, height, width);
    const int64_t channels = x.size(0);
    at::Tensor means = at::empty({images, channels}, x.options());
    const float *values = x.data_ptr<float>() + lines.first;
    float *result = means.data_ptr<float>();
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t image = 0; image < images; ++image) {
        const float *start = values + c * lines.length + image * lines.image;
        float sum = 0;
        for (int64_t y = 0; y < height; ++y)
          for (int64_t p = 0; p < width; ++p) sum += start[y * lines.row + p];
        result[image * channels + c] = sum / static_cast<float>(height * width);
      }
    context->saved_data["shape"] = std::vector<int64_t>{images, height, width};
    return means;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list gradients) {
    const auto shape = context->saved_data["shape"].toIntVector();
    const Lines lines(shape[0], shape[1], shape[2]);
    const at::Tensor given = gradients[0].contiguous();
    const int64_t channels = given.size(1);
    at::Tensor result = at::zeros({channels, lines.length}, given.options());
    const float *from = given.data_ptr<float>();
    float *to = result.data_ptr<float>() + lines.first;
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t image = 0; image < lines.images; ++image) {
        const float part = from[image * channels + c] / (lines.height * lines.width);
        // Between the pixels, too: nothing depends on it.
        std::fill_n(to + c * lines.length + image * lines.image, lines.image, part);
      }
    return {result, {}, {}, {}};
  }
};

at::Tensor planes(const at::Tensor &x, const Lines &lines) {
  return x.as_strided({lines.images, x.size(0), lines.height, lines.width},
                      {lines.image, lines.length, lines.row, 1}, x.storage_offset() + lines.first);
}

}  // namespace

ct_tensor *ct_lines(const ct_tensor *images) {
  return made([&] {
    const at::Tensor &x = images->value;
    TORCH_CHECK(x.dim() == 4, "images are [count, channels, height, width], not ", x.sizes());
    const Lines lines(x.size(0), x.size(2), x.size(3));
    at::Tensor result = at::zeros({x.size(1), lines.length}, x.options());
    planes(result, lines).copy_(x);
    lines.check(result);
    return result;
  });
}

ct_tensor *ct_planes(const ct_tensor *x, ct_geometry size) {
  return made([&] {
    const Lines lines(size.images, size.height, size.width);
    lines.check(x->value);
    return planes(x->value, lines).contiguous();
  });
}

ct_tensor *ct_line_unit(const ct_tensor *x, ct_geometry size, const ct_tensor *weight, const ct_tensor *gamma,
                        const ct_tensor *beta, ct_tensor *mean, ct_tensor *variance, int training, double momentum,
                        double epsilon) {
  return made([&] {
    const at::Tensor &w = weight->value;
    Lines(size.images, size.height, size.width).check(x->value);
    TORCH_CHECK(w.dim() == 4 && x->value.size(0) == w.size(1), "a weight of shape ", w.sizes(), " does not fit ",
                x->value.size(0), " channels");
    TORCH_CHECK((w.size(2) == 1 || w.size(2) == 3) && w.size(3) == w.size(2), "windows are 1x1 or 3x3, not ",
                w.sizes());
    return LineUnit::apply(x->value, size.images, size.height, size.width, w, gamma->value, beta->value, mean->value,
                           variance->value, training != 0, momentum, epsilon);
  });
}

ct_tensor *ct_line_pool_3x3(const ct_tensor *x, ct_geometry size) {
  return made([&] {
    Lines(size.images, size.height, size.width).check(x->value);
    return LinePool::apply(x->value, size.images, size.height, size.width);
  });
}

ct_tensor *ct_line_pool_2x2(const ct_tensor *x, ct_geometry size) {
  return made([&] {
    Lines(size.images, size.height, size.width).check(x->value);
    return LineHalving::apply(x->value, size.images, size.height, size.width);
  });
}

ct_tensor *ct_line_mean(const ct_tensor *x, ct_geometry size) {
  return made([&] {
    Lines(size.images, size.height, size.width).check(x->value);
    return LineMean::apply(x->value, size.images, size.height, size.width);
  });
}

#endif
