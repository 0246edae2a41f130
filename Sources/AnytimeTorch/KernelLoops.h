// Included once for every level of vector instructions, in a namespace and with kBlock and the number of images or
// pixels that a block of channels is summed for together: as many sums as the level has registers for.
//
// All levels do the same in the same order: sums in sixteen explicit lanes, multiply-adds fused where the caller says
// so and nowhere else. So every processor gives the same bits.

template <bool kFused>
INLINE void multiply_add(const Sixteen &a, const Sixteen &b, Sixteen &sum) {
  if constexpr (kFused)
    sum = __builtin_elementwise_fma(a, b, sum);
  else
    sum += a * b;
}

// Convolutions

// Sums of kOut channels for kMany images or pixels, `step` apart, all in registers. Weights are [number][in][kOut].
template <int kOut, int kMany, bool kFused>
INLINE void tile(const float *x, int64_t step, int64_t plane, int64_t in, const Tap *taps, int64_t tap_count,
                 const float *weights, float *y, int64_t y_step, bool adds) {
  Sixteen sums[kOut][kMany];
  for (int o = 0; o < kOut; ++o)
    for (int n = 0; n < kMany; ++n) sums[o][n] = Sixteen{};
  if (adds)
    for (int o = 0; o < kOut; ++o)
      for (int n = 0; n < kMany; ++n) sums[o][n] = at_place(y + n * y_step + o * plane);
  for (int64_t k = 0; k < tap_count; ++k) {
    const float *from = x + taps[k].place, *w = weights + taps[k].number * in * kOut;
    for (int64_t i = 0; i < in; ++i, from += plane, w += kOut) {
      Sixteen values[kMany];
      for (int n = 0; n < kMany; ++n) values[n] = at_place(from + n * step);
      for (int o = 0; o < kOut; ++o)
        for (int n = 0; n < kMany; ++n) multiply_add<kFused>(w[o] - Sixteen{}, values[n], sums[o][n]);
    }
  }
  for (int o = 0; o < kOut; ++o)
    for (int n = 0; n < kMany; ++n) at_place(y + n * y_step + o * plane) = sums[o][n];
}

template <int kOut, int kMost, bool kFused>
INLINE void tiles(const float *x, int64_t step, int64_t many, int64_t plane, int64_t in, const Tap *taps,
                  int64_t tap_count, const float *weights, float *y, int64_t y_step, bool adds) {
  int64_t n = 0;
  for (; n + kMost <= many; n += kMost)
    tile<kOut, kMost, kFused>(x + n * step, step, plane, in, taps, tap_count, weights, y + n * y_step, y_step, adds);
  for (; kMost > 2 && n + 2 <= many; n += 2)
    tile<kOut, 2, kFused>(x + n * step, step, plane, in, taps, tap_count, weights, y + n * y_step, y_step, adds);
  for (; n < many; ++n)
    tile<kOut, 1, kFused>(x + n * step, step, plane, in, taps, tap_count, weights, y + n * y_step, y_step, adds);
}

// Pixels first..<last of a row (with windows of one pixel, of an image) of `many` groups.
//
// Neighbours whose windows have the same pixels are summed together; in narrow images, which have few of them, the same
// pixel of several groups.
template <int kOut, int kMost, bool kFused>
INLINE void pixels(const Convolution &c, int64_t plane, int64_t in, int64_t first, int64_t last, const float *x,
                   int64_t many, const float *weights, bool adds, float *y) {
  for (int64_t p = first; p < last;) {
    const int64_t taps = c.starts[p + 1] - c.starts[p];
    int64_t end = p + 1;
    if (many == 1 && c.window == 1) end = last;
    if (many == 1 && c.window > 1 && p > first && p < last - 1) end = last - 1;
    const bool neighbours = many == 1;
    tiles<kOut, kMost, kFused>(x + (c.window == 1 ? p * kWidth : 0), neighbours ? kWidth : c.x.group,
                               neighbours ? end - p : many, plane, in, c.taps + (c.window == 1 ? 0 : c.starts[p]), taps,
                               weights, y + p * kWidth, neighbours ? kWidth : c.y.group, adds);
    p = end;
  }
}

// With windows of one pixel: pixels that all channels are computed for before the next ones, and channels that are
// added up before the next ones, so that what they need stays in the first cache and is fetched in time. Else: the
// width from which on neighbours are summed together.
constexpr int64_t kRun = 24, kDeep = 16, kWide = 12;

template <bool kFused>
INLINE void convolve_all(const Shape &shape, const Convolution &c) {
  const int64_t together = c.window == 1 || shape.width >= kWide ? 1 : c.out >= kBlock ? kMany : 4;
  const int64_t run = c.window == 1 ? kRun : shape.width, deep = c.window > 1 ? c.in : c.in > c.out ? kDeep : 2 * kDeep;
  for (int64_t g = 0; g < shape.groups; g += together) {
    const int64_t many = shape.groups - g < together ? shape.groups - g : together;
    for (int64_t first = 0; first < shape.pixels; first += run)
      for (int64_t i = 0; i < c.in; i += deep) {
        const int64_t last = first + run < shape.pixels ? first + run : shape.pixels;
        const int64_t in = c.in - i < deep ? c.in - i : deep;
        const float *x = c.x.start + g * c.x.group + i * shape.plane, *weights = c.weights;
        const bool adds = c.adds || i > 0;
        float *y = c.y.start + g * c.y.group;
        for (int64_t left = c.out; left > 0;) {
          int64_t size = kBlock;
          while (size > left) size /= 2;
          const float *w = weights + i * size;
          switch (size) {
            case 8: pixels<8, kMany, kFused>(c, shape.plane, in, first, last, x, many, w, adds, y); break;
            case 4:
              pixels<4, kBlock == 4 ? kMany : 4, kFused>(c, shape.plane, in, first, last, x, many, w, adds, y);
              break;
            case 2:
              pixels<2, kBlock == 4 ? 2 : 4, kFused>(c, shape.plane, in, first, last, x, many, w, adds, y);
              break;
            default: pixels<1, 4, kFused>(c, shape.plane, in, first, last, x, many, w, adds, y);
          }
          weights += size * c.in * c.window;
          y += size * shape.plane;
          left -= size;
        }
      }
  }
}

void convolve(const Shape &shape, const Convolution &c) {
  if (c.fused)
    convolve_all<true>(shape, c);
  else
    convolve_all<false>(shape, c);
}

INLINE float folded(const Sixteen &values) {
  float sum = 0;
  for (int64_t i = 0; i < kWidth; ++i) sum += values[i];
  return sum;
}

INLINE double folded(const Sixteen &values, const int32_t *lanes) {
  double sum = 0;
  for (int64_t i = 0; i < kWidth; ++i) sum += lanes[i] ? values[i] : 0;
  return sum;
}

// Adds the products of kOut channels of gradients with kIn channels of images at `count` neighbouring pixels.
template <int kOut, int kIn, bool kFused>
INLINE void add_products(const float *x, const float *gradient, int64_t plane, int64_t count,
                         Sixteen (&sums)[kOut][kIn]) {
  for (int64_t p = 0; p < count * kWidth; p += kWidth) {
    Sixteen values[kIn];
    for (int b = 0; b < kIn; ++b) values[b] = at_place(x + b * plane + p);
    for (int a = 0; a < kOut; ++a) {
      const Sixteen d = at_place(gradient + a * plane + p);
      for (int b = 0; b < kIn; ++b) multiply_add<kFused>(d, values[b], sums[a][b]);
    }
  }
}

struct Gradients {
  const Shape *shape;
  Source x, gradient;
  int64_t in, size;
  // The pixels that are gone through now, with windows of one pixel.
  int64_t group, first, count;
  float *scratch, *result;
};

// Pixels, in whole rows, that are taken together, so that what a block of channels needs stays in the first cache.
constexpr int64_t kChunk = 56;

// With windows of 3x3 pixels: kOut x kIn weights at a time, over all images.
template <int kOut, int kIn, bool kFused>
INLINE void windows(const Gradients &s, int64_t o, int64_t i) {
  Sixteen sums[9][kOut][kIn];
  const Shape &shape = *s.shape;
  for (int64_t k = 0; k < 9; ++k)
    for (int a = 0; a < kOut; ++a)
      for (int b = 0; b < kIn; ++b) sums[k][a][b] = Sixteen{};
  const int64_t rows = kChunk / shape.width > 1 ? kChunk / shape.width : 1;
  for (int64_t g = 0; g < shape.groups; ++g) {
    const float *from = s.x.start + g * s.x.group + i * shape.plane;
    const float *back = s.gradient.start + g * s.gradient.group + o * shape.plane;
    for (int64_t top = 0; top < shape.height; top += rows)
      for (int64_t k = 0; k < 9; ++k) {
        const int64_t dy = k / 3 - 1, dx = k % 3 - 1;
        const int64_t first = top > -dy ? top : -dy;
        int64_t last = top + rows < shape.height ? top + rows : shape.height;
        if (last > shape.height - dy) last = shape.height - dy;
        const int64_t left = dx < 0 ? 1 : 0, count = shape.width - (dx != 0);
        Sixteen part[kOut][kIn];
        for (int a = 0; a < kOut; ++a)
          for (int b = 0; b < kIn; ++b) part[a][b] = sums[k][a][b];
        for (int64_t y = first; y < last; ++y)
          add_products<kOut, kIn, kFused>(from + ((y + dy) * shape.width + left + dx) * kWidth,
                                          back + (y * shape.width + left) * kWidth, shape.plane, count, part);
        for (int a = 0; a < kOut; ++a)
          for (int b = 0; b < kIn; ++b) sums[k][a][b] = part[a][b];
      }
  }
  for (int a = 0; a < kOut; ++a)
    for (int b = 0; b < kIn; ++b)
      for (int64_t k = 0; k < 9; ++k) s.result[((o + a) * s.in + i + b) * 9 + k] = folded(sums[k][a][b]);
}

// With windows of one pixel: some pixels at a time, for all weights, whose sums are kept in memory.
template <int kOut, int kIn, bool kFused>
INLINE void single_pixels(const Gradients &s, int64_t o, int64_t i) {
  const int64_t plane = s.shape->plane;
  Sixteen part[kOut][kIn];
  for (int a = 0; a < kOut; ++a)
    for (int b = 0; b < kIn; ++b) part[a][b] = at_place(s.scratch + ((o + a) * s.in + i + b) * kWidth);
  add_products<kOut, kIn, kFused>(s.x.start + s.group * s.x.group + i * plane + s.first * kWidth,
                                  s.gradient.start + s.group * s.gradient.group + o * plane + s.first * kWidth, plane,
                                  s.count, part);
  for (int a = 0; a < kOut; ++a)
    for (int b = 0; b < kIn; ++b) at_place(s.scratch + ((o + a) * s.in + i + b) * kWidth) = part[a][b];
}

template <int kOut, int kIn, bool kFused>
INLINE void weights(const Gradients &s, int64_t o, int64_t i) {
  if (s.size == 3)
    windows<kOut, kIn, kFused>(s, o, i);
  else
    single_pixels<kOut, kIn, kFused>(s, o, i);
}

template <int kOut, bool kFused>
INLINE void weights(const Gradients &s, int64_t o) {
  int64_t i = 0;
  for (; i + kSide <= s.in; i += kSide) weights<kOut, kSide, kFused>(s, o, i);
  for (; kSide > 2 && i + 2 <= s.in; i += 2) weights<kOut, 2, kFused>(s, o, i);
  for (; i < s.in; ++i) weights<kOut, 1, kFused>(s, o, i);
}

template <bool kFused>
INLINE void all_weights(const Gradients &s, int64_t out) {
  int64_t o = 0;
  for (; o + kSide <= out; o += kSide) weights<kSide, kFused>(s, o);
  for (; kSide > 2 && o + 2 <= out; o += 2) weights<2, kFused>(s, o);
  for (; o < out; ++o) weights<1, kFused>(s, o);
}

void weight_gradient(const Shape &shape, Source x, Source gradient, int64_t in, int64_t out, int64_t size, bool fused,
                     float *scratch, float *result) {
  Gradients s{&shape, x, gradient, in, size, 0, 0, 0, scratch, result};
  if (size == 3) {
    fused ? all_weights<true>(s, out) : all_weights<false>(s, out);
    return;
  }
  for (int64_t n = 0; n < in * out * kWidth; n += kWidth) at_place(scratch + n) = Sixteen{};
  // So many pixels that all their channels stay in the second cache.
  const int64_t chunk = in + out < 256 ? 4096 / (in + out) : 16;
  for (s.group = 0; s.group < shape.groups; ++s.group)
    for (s.first = 0; s.first < shape.pixels; s.first += chunk) {
      s.count = shape.pixels - s.first < chunk ? shape.pixels - s.first : chunk;
      fused ? all_weights<true>(s, out) : all_weights<false>(s, out);
    }
  for (int64_t n = 0; n < in * out; ++n) result[n] = folded(at_place(scratch + n * kWidth));
}

// One channel of a group

double sum(const float *x, int64_t count, const int32_t *lanes) {
  Sixteen sums{};
  for (int64_t p = 0; p < count; p += kWidth) sums += at_place(x + p);
  return folded(sums, lanes);
}

double squares(const float *x, int64_t count, const int32_t *lanes, float mean) {
  Sixteen sums{};
  for (int64_t p = 0; p < count; p += kWidth) {
    const Sixteen distance = at_place(x + p) - mean;
    sums += distance * distance;
  }
  return folded(sums, lanes);
}

template <bool kRectifies, bool kAdds>
INLINE void normalize(const float *x, int64_t count, const Norm &norm, float w, float *y) {
  for (int64_t p = 0; p < count; p += kWidth) {
    Sixteen value = at_place(x + p) * norm.scale + norm.shift;
    if (kRectifies) value = value < 0.0f ? Sixteen{} : value;  // no number stays no number
    value = value * w;
    at_place(y + p) = kAdds ? at_place(y + p) + value : value;
  }
}

void normalize(const float *x, int64_t count, const Norm &norm, float w, bool adds, float *y) {
  if (norm.rectifies)
    adds ? normalize<true, true>(x, count, norm, w, y) : normalize<true, false>(x, count, norm, w, y);
  else
    adds ? normalize<false, true>(x, count, norm, w, y) : normalize<false, false>(x, count, norm, w, y);
}

// The gradients of sixteen images that the rectifier lets through.
INLINE void let_through(const Sixteen &x, const Norm &norm, const Whole &exists, const float *gradient, Sixteen &g) {
  const Whole isKept = norm.rectifies ? exists & ~(x * norm.scale + norm.shift <= 0.0f) : exists;
  g = isKept ? at_place(gradient) : Sixteen{};
}

void gradient_sums(const float *x, int64_t count, const int32_t *lanes, const Norm &norm, const float *gradient,
                   double *sums) {
  const Whole exists = *reinterpret_cast<const Whole *>(lanes);
  Sixteen plain{}, weighted{};
  for (int64_t p = 0; p < count; p += kWidth) {
    const Sixteen values = at_place(x + p);
    Sixteen g;
    let_through(values, norm, exists, gradient + p, g);
    plain += g;
    weighted += g * (values - norm.mean);
  }
  for (int64_t i = 0; i < kWidth; ++i) {
    sums[0] += plain[i];
    sums[1] += weighted[i];
  }
}

void input_gradient(const float *x, int64_t count, const int32_t *lanes, const Norm &norm, const float *gradient,
                    float factor, float slope, float offset, float *result) {
  const Whole exists = *reinterpret_cast<const Whole *>(lanes);
  for (int64_t p = 0; p < count; p += kWidth) {
    const Sixteen values = at_place(x + p);
    Sixteen g;
    let_through(values, norm, exists, gradient + p, g);
    const Sixteen d = factor * g - slope * (values - norm.mean) - offset;
    at_place(result + p) = exists ? d : Sixteen{};
  }
}

void scale(const float *x, int64_t count, float w, bool adds, float *y) {
  for (int64_t p = 0; p < count; p += kWidth) {
    const Sixteen value = at_place(x + p) * w;
    at_place(y + p) = adds ? at_place(y + p) + value : value;
  }
}

double product(const float *x, const float *y, int64_t count) {
  Sixteen sums[4] = {};
  int64_t p = 0;
  for (; p + 4 * kWidth <= count; p += 4 * kWidth)
    for (int64_t n = 0; n < 4; ++n) sums[n] += at_place(x + p + n * kWidth) * at_place(y + p + n * kWidth);
  for (; p < count; p += kWidth) sums[0] += at_place(x + p) * at_place(y + p);
  double total = 0;
  for (int64_t n = 0; n < 4; ++n)
    for (int64_t i = 0; i < kWidth; ++i) total += sums[n][i];
  return total;
}

// Max pooling

void pool(const float *x, int64_t windows, const Tap *taps, const int64_t *starts, float *best, int8_t *numbers) {
  for (int64_t p = 0; p < windows; ++p) {
    const Tap *tap = taps + starts[p], *end = taps + starts[p + 1];
    Sixteen greatest = at_place(x + tap->place);
    Whole number = Whole{} + static_cast<int32_t>(tap->number);
    for (++tap; tap < end; ++tap) {
      const Sixteen other = at_place(x + tap->place);
      const Whole wins = (other > greatest) | (other != other);
      greatest = wins ? other : greatest;
      number = wins ? Whole{} + static_cast<int32_t>(tap->number) : number;
    }
    at_place(best + p * kWidth) = greatest;
    at_place(numbers + p * kWidth) = __builtin_convertvector(number, Bytes);
  }
}

void unpool(const float *gradient, const int8_t *numbers, int64_t windows, const Tap *taps, const int64_t *starts,
            float w, float *result) {
  for (int64_t p = windows - 1; p >= 0; --p) {
    const Sixteen own = at_place(gradient + p * kWidth) * w;
    for (const Tap *tap = taps + starts[p]; tap < taps + starts[p + 1]; ++tap) {
      const Bytes isHere = at_place(numbers + p * kWidth) == static_cast<int8_t>(tap->number);
      at_place(result + tap->place) += __builtin_convertvector(isHere, Whole) ? own : Sixteen{};
    }
  }
}

void mean(const float *x, int64_t count, float *means) {
  Sixteen sums{};
  for (int64_t p = 0; p < count; p += kWidth) sums += at_place(x + p);
  at_place(means) = sums / static_cast<float>(count / kWidth);
}
