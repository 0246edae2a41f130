// The loops over images in groups: plain C++ on pointers, compiled once for every level of vector instructions.

#pragma once

#include <cstdint>

namespace ours {

// The images of a group, side by side at every pixel.
constexpr int64_t kWidth = 16;

// The shape of images in groups.
struct Shape {
  int64_t images, height, width;
  int64_t groups, pixels;
  // From a channel to the next.
  int64_t plane;

  Shape(int64_t images, int64_t height, int64_t width) : images(images), height(height), width(width) {
    groups = (images + kWidth - 1) / kWidth;
    pixels = height * width;
    plane = pixels * kWidth;
  }
};

// A pixel in a window: its number in the window, row by row, and where it is in a channel.
struct Tap {
  int64_t number, place;
};

// Channels of all groups, and the distance from a group to the next.
struct Source {
  const float *start;
  int64_t group;
};
struct Target {
  float *start;
  int64_t group;
};

// Sums over channels and windows of 1x1 or 3x3 pixels.
struct Convolution {
  Source x;
  int64_t in, out;
  // Where the windows of every pixel begin among the taps; one more at the end.
  const Tap *taps;
  const int64_t *starts;
  int64_t window;
  // In blocks of at most `block` channels, each [number][in][channel].
  const float *weights;
  Target y;
  // Whether a product and its sum are rounded once.
  bool fused;
  // Whether to add to what is in `y`.
  bool adds;
};

// Batch norm of one channel: scale x + shift, and what its gradient needs.
struct Norm {
  float scale, shift, mean;
  bool rectifies;
};

struct Kernels {
  const char *level;
  int64_t block;

  void (*convolve)(const Shape &, const Convolution &);
  // Gradients of weights, [out][in][window], with windows of `size` x `size` pixels: inner products of images, shifted,
  // with gradients. `scratch` has kWidth numbers for every weight.
  void (*weight_gradient)(const Shape &, Source x, Source gradient, int64_t in, int64_t out, int64_t size, bool fused,
                          float *scratch, float *result);

  // The following take `count` numbers, of one channel of a group. `lanes` has all bits set where the group has an
  // image.
  double (*sum)(const float *x, int64_t count, const int32_t *lanes);
  double (*squares)(const float *x, int64_t count, const int32_t *lanes, float mean);
  // y = w norm(x), or y += w norm(x).
  void (*normalize)(const float *x, int64_t count, const Norm &norm, float w, bool adds, float *y);
  // Adds the gradients that the rectifier lets through to `sums`, alone and times the distance to the mean.
  void (*gradient_sums)(const float *x, int64_t count, const int32_t *lanes, const Norm &norm, const float *gradient,
                        double *sums);
  // factor gradient - slope (x - mean) - offset, with the gradient that the rectifier lets through.
  void (*input_gradient)(const float *x, int64_t count, const int32_t *lanes, const Norm &norm, const float *gradient,
                         float factor, float slope, float offset, float *result);
  // y = w x, or y += w x; and the inner product.
  void (*scale)(const float *x, int64_t count, float w, bool adds, float *y);
  double (*product)(const float *x, const float *y, int64_t count);
  // The greatest number of every window and which it is; the first of equal ones, and what is no number.
  void (*pool)(const float *x, int64_t windows, const Tap *taps, const int64_t *starts, float *best, int8_t *numbers);
  // Adds every window's gradient, times w, to the pixel that was its greatest.
  void (*unpool)(const float *gradient, const int8_t *numbers, int64_t windows, const Tap *taps, const int64_t *starts,
                 float w, float *result);
  // The mean of every image.
  void (*mean)(const float *x, int64_t count, float *means);
};

// Those of the highest level that this processor has; or of a lower one that the environment variable ANYTIME_VECTORS
// names (avx512, avx2 or none). All levels give the same bits.
const Kernels &kernels();

}  // namespace ours
