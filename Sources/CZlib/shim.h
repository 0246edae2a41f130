// zlib, and the checksum that it lacks: CRC-32C by the processor's own instruction.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>

#if defined(__x86_64__)

static inline int anytime_has_crc32c(void) { return __builtin_cpu_supports("sse4.2") != 0; }

// The remainder goes in and comes out uninverted. Only where anytime_has_crc32c() is true.
__attribute__((target("sse4.2"))) static inline uint32_t anytime_crc32c(
    const void *bytes, size_t count, uint32_t remainder) {
  const unsigned char *next = (const unsigned char *)bytes;
  uint64_t wide = remainder;
  for (; count >= 8; count -= 8, next += 8) {
    uint64_t word;
    memcpy(&word, next, 8);
    wide = __builtin_ia32_crc32di(wide, word);
  }
  remainder = (uint32_t)wide;
  for (; count > 0; count--) remainder = __builtin_ia32_crc32qi(remainder, *next++);
  return remainder;
}

#else

static inline int anytime_has_crc32c(void) { return 0; }

static inline uint32_t anytime_crc32c(const void *bytes, size_t count, uint32_t remainder) {
  (void)bytes;
  (void)count;
  return remainder;
}

#endif
