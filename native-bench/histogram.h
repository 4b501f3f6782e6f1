/*
 * Counts of latencies in buckets whose width grows with the value, as HdrHistogram has them: 256 to each
 * power of two, so that a reading is off by less than 0.4 %, from a nanosecond to hours, in fixed memory.
 */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H
#include <stdint.h>
#include <stdio.h>

#define SUB_BITS 8
#define SUB_COUNT (1u << SUB_BITS)
#define BUCKETS ((64 - SUB_BITS) * SUB_COUNT)

typedef struct histogram {
  uint64_t total, largest;
  uint64_t counts[BUCKETS];
} histogram;

static inline unsigned bucket_of(uint64_t value) {
  if (value < SUB_COUNT) return (unsigned)value;
  unsigned shift = 63u - (unsigned)__builtin_clzll(value) - SUB_BITS;
  return (shift + 1) * SUB_COUNT + (unsigned)((value >> shift) - SUB_COUNT);
}

/* The largest value that falls into the bucket: a percentile is then never told smaller than it was. */
static inline uint64_t bucket_top(unsigned bucket) {
  if (bucket < SUB_COUNT) return bucket;
  unsigned shift = bucket / SUB_COUNT - 1;
  uint64_t first = (uint64_t)(bucket % SUB_COUNT + SUB_COUNT) << shift;
  return first + ((1ull << shift) - 1);
}

static inline void record_ns(histogram *h, uint64_t ns) {
  unsigned bucket = bucket_of(ns);
  h->counts[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
  h->total++;
  if (ns > h->largest) h->largest = ns;
}

static inline double percentile_us(const histogram *h, double share) {
  uint64_t rank = (uint64_t)((double)h->total * share), seen = 0;
  for (unsigned i = 0; i < BUCKETS; i++)
    if ((seen += h->counts[i]) > rank) {
      uint64_t top = bucket_top(i);
      return (double)(top < h->largest ? top : h->largest) / 1000;
    }
  return (double)h->largest / 1000;
}

/* {"p50":…,"p90":…,"p99":…,"p999":…,"max":…}, in microseconds */
static inline void print_percentiles(const histogram *h) {
  printf("{\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f}", percentile_us(h, 0.5),
         percentile_us(h, 0.9), percentile_us(h, 0.99), percentile_us(h, 0.999), (double)h->largest / 1000);
}

/* [[1, …], [1.58, …], [2.5, …], …]: what one of so many exceeds, five points to each power of ten, as far
   as there are values; the axis of a percentile plot. */
static inline void print_curve(const histogram *h) {
  static const double steps[] = {1, 1.585, 2.512, 3.981, 6.31};
  double decade = 1;
  printf("[");
  for (int i = 0; decade * steps[i % 5] <= (double)h->total; i++) {
    double one_of = decade * steps[i % 5];
    printf("%s[%.3f,%.1f]", i == 0 ? "" : ",", one_of, percentile_us(h, 1 - 1 / one_of));
    if (i % 5 == 4) decade *= 10;
  }
  printf("]");
}

#endif
