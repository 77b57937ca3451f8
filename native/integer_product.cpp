#include "integer_product.h"

#include <algorithm>

#include "memory.h"
#include "pool.h"

namespace subrosa {
namespace {

constexpr size_t parallelFrom = size_t{1} << 20;  // Multiply-adds, about 50 microseconds of one core.
// Parts of rows lie far apart where few weights changed, and no processor foresees which are next.
constexpr size_t prefetchedRows = 3, prefetchedTerms = 32;
constexpr size_t cacheLine = 64;
constexpr size_t blockWeights = 16;               // Compared at a time: nearly all blocks have no difference.

const IntegerProductPath& pathFor(Isa isa) {
  switch (isa) {
#ifdef SUBROSA_X86
    case Isa::avx2:
      return integerProductAvx2;
    case Isa::avx512Ifma:
      return integerProductAvx512;
#endif
    case Isa::avx512Emulated:
      return integerProductEmulated;
    default:
      return integerProductScalar;
  }
}

// A panel's part of one row.
template <typename Entry, bool forWriting>
inline void prefetchLines(Entry* row) {
  for (size_t c = 0; c < panelColumns; c += cacheLine / sizeof(Entry)) __builtin_prefetch(row + c, forWriting);
}

struct Counts {
  size_t nonzero = 0, changed = 0;
};

Counts countTerms(const int32_t* weights, const int32_t* before, size_t count, size_t length) {
  Counts counts;
  for (size_t i = 0; i < count; i++, weights += length) {
    uint32_t nonzero = 0, changed = 0;
    for (size_t j = 0; j < length; j++) nonzero += weights[j] != 0;
    if (before) {
      for (size_t j = 0; j < length; j++) changed += weights[j] != before[j];
      before += length;
    }
    counts.nonzero += nonzero;
    counts.changed += changed;
  }
  return counts;
}

// The terms of one row of weights, from `weights` or, where given, their differences from `before`.
IntegerTerm* collectTerms(IntegerTerm* to, const int32_t* weights, const int32_t* before, size_t length) {
  for (size_t start = 0; start < length; start += blockWeights) {
    const size_t end = std::min(start + blockWeights, length);
    uint32_t factors[blockWeights] = {}, any = 0;
    for (size_t j = start; j < end; j++)
      factors[j - start] = static_cast<uint32_t>(weights[j]) - (before ? static_cast<uint32_t>(before[j]) : 0u);
    for (uint32_t factor : factors) any |= factor;
    if (any == 0) continue;
    for (size_t j = start; j < end; j++)
      if (factors[j - start] != 0) *to++ = {static_cast<uint32_t>(j), static_cast<int32_t>(factors[j - start])};
  }
  return to;
}

// Whether all factors fit 16 bits.
bool areNarrow(const IntegerTerm* terms, size_t count) {
  uint32_t beyond = 0;
  for (size_t i = 0; i < count; i++) beyond |= (static_cast<uint32_t>(terms[i].factor) + 0x8000u) >> 16;
  return beyond == 0;
}

}  // namespace

bool updateIntegerProduct(Isa isa, int32_t* out, const IntegerRows& rows, const int32_t* weights, const int32_t* before,
                          size_t count) {
  const Counts counts = countTerms(weights, before, count, rows.count);
  if (!before || counts.nonzero <= counts.changed) before = nullptr;
  const size_t total = before ? counts.changed : counts.nonzero;
  size_t* ends = static_cast<size_t*>(threadScratch(0, count * sizeof(size_t)));
  IntegerTerm* terms = static_cast<IntegerTerm*>(threadScratch(1, std::max<size_t>(total, 1) * sizeof(IntegerTerm)));
  if (!ends || !terms) return false;
  IntegerTerm* to = terms;
  for (size_t i = 0; i < count; i++) {
    to = collectTerms(to, weights + i * rows.count, before ? before + i * rows.count : nullptr, rows.count);
    ends[i] = static_cast<size_t>(to - terms);
  }
  const IntegerProductPath& path = pathFor(isa);
  const auto narrow = areNarrow(terms, total) ? path.narrow : path.mixed;
  parallelFor(rows.n / panelColumns, total * rows.n > parallelFrom, [&](size_t panel) {
    const size_t first = panel * rows.count * panelColumns;
    for (size_t i = 0, start = 0; i < count; start = ends[i++]) {
      if (i + prefetchedRows < count) {
        const size_t ahead = i + prefetchedRows;
        prefetchLines<const int32_t, true>(out + ahead * rows.n + panel * panelColumns);
        const size_t end = std::min(ends[ahead], ends[ahead - 1] + prefetchedTerms);
        for (size_t t = ends[ahead - 1]; t < end; t++) {
          if (rows.narrow)
            prefetchLines<const int16_t, false>(rows.narrow + first + terms[t].row * panelColumns);
          else
            prefetchLines<const int32_t, false>(rows.wide + first + terms[t].row * panelColumns);
        }
      }
      if (before && ends[i] == start) continue;
      int32_t* sums = out + i * rows.n + panel * panelColumns;
      if (rows.narrow)
        narrow(sums, rows.narrow + first, terms + start, ends[i] - start, before);
      else
        path.wide(sums, rows.wide + first, terms + start, ends[i] - start, before);
    }
  });
  return true;
}

}  // namespace subrosa
