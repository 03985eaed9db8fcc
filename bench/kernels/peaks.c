/* What this CPU can do at most, as JSON: multiplications and additions in registers alone, and bytes a second
 * from every level of memory. Built by kernels.py with -O2 -march=native; runs on one core. */
#define _GNU_SOURCE
#include <immintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#ifdef __AVX512F__
typedef __m512 Floats;
typedef __m512i Bytes;
#define FLOATS 16
#define SET_F _mm512_set1_ps
#define FMA _mm512_fmadd_ps
#define SET_I _mm512_set1_epi32
#define LOAD(p) _mm512_load_si512((const void *)(p))
#define STORE(p, v) _mm512_store_si512((void *)(p), v)
#define XOR _mm512_xor_si512
#else
typedef __m256 Floats;
typedef __m256i Bytes;
#define FLOATS 8
#define SET_F _mm256_set1_ps
#define FMA _mm256_fmadd_ps
#define SET_I _mm256_set1_epi32
#define LOAD(p) _mm256_load_si256((const __m256i *)(p))
#define STORE(p, v) _mm256_store_si256((__m256i *)(p), v)
#define XOR _mm256_xor_si256
#endif
#define WIDTH sizeof(Bytes)

/* Enough independent chains to hide the latency of any of the instructions. */
#define CHAINS 12
#define ROUNDS 4000000L
#define TRIES 5

/* Best of some tries, in operations a nanosecond: `step` advances chain number i. */
#define MEASURE(type, start, step, operations)                                                               \
  double best = 1e9;                                                                                         \
  for (int attempt = 0; attempt < TRIES; ++attempt) {                                                        \
    type chain[CHAINS];                                                                                      \
    for (int i = 0; i < CHAINS; ++i)                                                                         \
      chain[i] = start;                                                                                      \
    double from = now();                                                                                     \
    for (long k = 0; k < ROUNDS; ++k) {                                                                      \
      _Pragma("clang loop unroll(full)") for (int i = 0; i < CHAINS; ++i) {                                  \
        step;                                                                                                \
        __asm__ volatile("" : "+x"(chain[i]));                                                               \
      }                                                                                                      \
    }                                                                                                        \
    double time = now() - from;                                                                              \
    best = time < best ? time : best;                                                                        \
  }                                                                                                          \
  return (double)(operations) * CHAINS * ROUNDS / best / 1e9

static double f32Peak(void) {
  Floats x = SET_F(1.0000001f), y = SET_F(1e-9f);
  __asm__ volatile("" : "+x"(x), "+x"(y));
  MEASURE(Floats, SET_F((float)i), chain[i] = FMA(chain[i], x, y), 2 * FLOATS);
}

static double int8Peak(void) {
  Bytes x = SET_I(0x01020301), y = SET_I(0x01ff0201);
  __asm__ volatile("" : "+x"(x), "+x"(y));
#if defined(__AVX512VNNI__)
  MEASURE(Bytes, SET_I(i), chain[i] = _mm512_dpbusd_epi32(chain[i], x, y), 8 * FLOATS);
#elif defined(__AVXVNNI__)
  MEASURE(Bytes, SET_I(i), chain[i] = _mm256_dpbusd_avx_epi32(chain[i], x, y), 8 * FLOATS);
#elif defined(__AVX512F__)
  MEASURE(Bytes, SET_I(i), chain[i] = _mm512_add_epi32(chain[i], _mm512_madd_epi16(x, y)), 4 * FLOATS);
#else /* bytes widened to 16 bits: exact for all values */
  MEASURE(Bytes, SET_I(i),
          chain[i] = _mm256_add_epi32(chain[i], _mm256_madd_epi16(x, _mm256_xor_si256(y, chain[i]))),
          4 * FLOATS);
#endif
}

#ifdef __AVX512BF16__
static double bf16Peak(void) {
  Bytes x = SET_I(0x3f803f80), y = SET_I(0x3f80);
  __asm__ volatile("" : "+x"(x), "+x"(y));
  MEASURE(Floats, SET_F((float)i), chain[i] = _mm512_dpbf16_ps(chain[i], (__m512bh)x, (__m512bh)y),
          4 * FLOATS);
}
#endif

/* Gigabytes a second of reading; `sink` keeps the loads. */
static double readBandwidth(const char *data, size_t size, long repeats) {
  Bytes a = SET_I(0), b = a, c = a, d = a;
  double from = now();
  for (long r = 0; r < repeats; ++r) {
    for (size_t i = 0; i < size; i += 4 * WIDTH) {
      a = XOR(a, LOAD(data + i));
      b = XOR(b, LOAD(data + i + WIDTH));
      c = XOR(c, LOAD(data + i + 2 * WIDTH));
      d = XOR(d, LOAD(data + i + 3 * WIDTH));
    }
    __asm__ volatile("" : "+x"(a), "+x"(b), "+x"(c), "+x"(d) : : "memory");
  }
  return (double)size * (double)repeats / (now() - from) / 1e9;
}

/* The same of four places at once, which CPUs follow faster as a rule. */
static double readFourStreams(const char *data, size_t size, long repeats) {
  Bytes a = SET_I(0), b = a, c = a, d = a;
  size_t quarter = size / 4;
  double from = now();
  for (long r = 0; r < repeats; ++r) {
    for (size_t i = 0; i < quarter; i += WIDTH) {
      a = XOR(a, LOAD(data + i));
      b = XOR(b, LOAD(data + quarter + i));
      c = XOR(c, LOAD(data + 2 * quarter + i));
      d = XOR(d, LOAD(data + 3 * quarter + i));
    }
    __asm__ volatile("" : "+x"(a), "+x"(b), "+x"(c), "+x"(d) : : "memory");
  }
  return (double)size * (double)repeats / (now() - from) / 1e9;
}

/* Gigabytes a second of copying one half to the other: read and written. */
static double copyBandwidth(char *data, size_t size, long repeats) {
  size_t half = size / 2;
  double from = now();
  for (long r = 0; r < repeats; ++r) {
    for (size_t i = 0; i < half; i += 2 * WIDTH) {
      STORE(data + half + i, LOAD(data + i));
      STORE(data + half + i + WIDTH, LOAD(data + i + WIDTH));
    }
    __asm__ volatile("" : : : "memory");
  }
  return (double)size * (double)repeats / (now() - from) / 1e9;
}

static double bestOf(double (*measure)(char *, size_t, long), char *data, size_t size, long repeats) {
  double best = 0;
  for (int attempt = 0; attempt < TRIES; ++attempt) {
    double found = measure(data, size, repeats);
    best = found > best ? found : best;
  }
  return best;
}

static double readMutable(char *data, size_t size, long repeats) {
  double one = readBandwidth(data, size, repeats), four = readFourStreams(data, size, repeats);
  return one > four ? one : four;
}

/* Without arguments everything; with `f32` that alone. */
int main(int count, char **arguments) {
  if (count > 1 && strcmp(arguments[1], "f32") == 0) {
    printf("{\"f32_gflops\": %.2f}\n", f32Peak());
    return 0;
  }
  const size_t largest = (size_t)256 << 20, traffic = (size_t)128 << 20;
  char *data = aligned_alloc((size_t)2 << 20, largest);
  if (!data)
    return 1;
  memset(data, 1, largest);
  printf("{\"f32_gflops\": %.2f, \"int8_gops\": %.2f, ", f32Peak(), int8Peak());
#ifdef __AVX512BF16__
  printf("\"bf16_gflops\": %.2f, ", bf16Peak());
#endif
  printf("\"bandwidth\": [");
  for (size_t size = (size_t)16 << 10; size <= largest; size *= 2) {
    long repeats = size < traffic ? (long)(traffic / size) : 1;
    printf("%s{\"bytes\": %zu, \"read_gbs\": %.2f, \"copy_gbs\": %.2f}", size > (size_t)16 << 10 ? ", " : "",
           size, bestOf(readMutable, data, size, repeats), bestOf(copyBandwidth, data, size, repeats));
  }
  printf("]}\n");
  free(data);
  return 0;
}
