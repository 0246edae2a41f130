// The parts of GSL that AnytimeNAS uses, and one random number generator that GSL lacks.
#pragma once

#include <stdint.h>

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_eigen.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_fit.h>
#include <gsl/gsl_integration.h>
#include <gsl/gsl_linalg.h>
#include <gsl/gsl_multifit.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>

// xoshiro256** 1.0 (Blackman and Vigna 2018, https://prng.di.unimi.it), as a `gsl_rng_type` whose state
// is the caller's own four words: a generator that Swift can copy, store and send, and that every
// sampler of GSL accepts.
static inline uint64_t anytime_rotl(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

static inline uint64_t anytime_xoshiro_next(uint64_t s[4]) {
  const uint64_t result = anytime_rotl(s[1] * 5, 7) * 9;
  const uint64_t t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = anytime_rotl(s[3], 45);
  return result;
}

static inline unsigned long anytime_xoshiro_get(void *state) {
  return (unsigned long)anytime_xoshiro_next((uint64_t *)state);
}

static inline double anytime_xoshiro_get_double(void *state) {
  return (double)(anytime_xoshiro_next((uint64_t *)state) >> 11) * 0x1.0p-53;
}

static inline void anytime_xoshiro_set(void *state, unsigned long seed) {
  (void)state;
  (void)seed;  // seeded on the Swift side
}

// A standard normal deviate (Marsaglia and Tsang's ziggurat).
static inline double anytime_gaussian(uint64_t state[4]) {
  static const gsl_rng_type type = {
      "xoshiro256**",      0xffffffffffffffffUL, 0, 4 * sizeof(uint64_t), anytime_xoshiro_set,
      anytime_xoshiro_get, anytime_xoshiro_get_double};
  const gsl_rng rng = {&type, state};
  return gsl_ran_gaussian_ziggurat(&rng, 1.0);
}
