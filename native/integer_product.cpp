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
constexpr size_t parallelWeights = size_t{1} << 15;  // Weights whose comparison is shared out, so many rows
constexpr size_t weightRowsPerTask = 8;              // at a time.
constexpr size_t fewPanels = 16;
constexpr size_t blockWeights = 16;               // Compared at a time: nearly all blocks have no difference.

size_t divideUp(size_t a, size_t b) { return (a + b - 1) / b; }

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

// How many of one row of weights are not zero, and how many differ from `before`.
struct Counts {
  uint32_t nonzero, changed;
};

Counts countTerms(const int32_t* weights, const int32_t* before, size_t length) {
  Counts counts = {0, 0};
  for (size_t j = 0; j < length; j++) counts.nonzero += weights[j] != 0;
  if (before)
    for (size_t j = 0; j < length; j++) counts.changed += weights[j] != before[j];
  return counts;
}

// The terms of one row of weights, from `weights` or, where given, their differences from `before`.
void collectTerms(IntegerTerm* to, const int32_t* weights, const int32_t* before, size_t length) {
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
}

// Whether all factors fit 16 bits.
bool areNarrow(const IntegerTerm* terms, size_t count) {
  uint32_t beyond = 0;
  for (size_t i = 0; i < count; i++) beyond |= (static_cast<uint32_t>(terms[i].factor) + 0x8000u) >> 16;
  return beyond == 0;
}

// What all tasks share: the terms of all rows of weights, and where those of each end.
struct Plan {
  const IntegerRows& rows;
  const IntegerProductPath& path;
  IntegerTerm* terms;
  size_t* ends;
  bool narrow, add;
  int32_t* out;

  size_t start(size_t row) const { return row == 0 ? 0 : ends[row - 1]; }

  void prefetch(size_t row, size_t panel) const {
    const size_t first = panel * rows.count * panelColumns;
    prefetchLines<const int32_t, true>(out + row * rows.n + panel * panelColumns);
    const size_t end = std::min(ends[row], start(row) + prefetchedTerms);
    for (size_t t = start(row); t < end; t++) {
      if (rows.narrow)
        prefetchLines<const int16_t, false>(rows.narrow + first + terms[t].row * panelColumns);
      else
        prefetchLines<const int32_t, false>(rows.wide + first + terms[t].row * panelColumns);
    }
  }

  // The columns of one panel for the rows first .. end - 1.
  void multiply(size_t panel, size_t firstRow, size_t endRow) const {
    const size_t first = panel * rows.count * panelColumns;
    for (size_t row = firstRow; row < endRow; row++) {
      if (row + prefetchedRows < endRow) prefetch(row + prefetchedRows, panel);
      const size_t count = ends[row] - start(row);
      if (add && count == 0) continue;
      int32_t* sums = out + row * rows.n + panel * panelColumns;
      const IntegerTerm* own = terms + start(row);
      if (rows.wide)
        path.wide(sums, rows.wide + first, own, count, add);
      else if (narrow)
        path.narrow(sums, rows.narrow + first, own, count, add);
      else
        path.mixed(sums, rows.narrow + first, own, count, add);
    }
  }
};

}  // namespace

bool updateIntegerProduct(Isa isa, int32_t* out, const IntegerRows& rows, const int32_t* weights, const int32_t* before,
                          size_t count) {
  const size_t length = rows.count;
  Counts* counts = static_cast<Counts*>(threadScratch(0, count * sizeof(Counts)));
  size_t* ends = static_cast<size_t*>(threadScratch(1, count * sizeof(size_t)));
  if (!counts || !ends) return false;
  const size_t groups = divideUp(count, weightRowsPerTask);
  const bool manyWeights = count * length > parallelWeights;
  const auto eachRow = [&](auto&& body) {
    parallelFor(groups, manyWeights, [&](size_t group) {
      const size_t end = std::min(count, (group + 1) * weightRowsPerTask);
      for (size_t row = group * weightRowsPerTask; row < end; row++) body(row);
    });
  };
  eachRow([&](size_t row) {
    counts[row] = countTerms(weights + row * length, before ? before + row * length : nullptr, length);
  });
  size_t nonzero = 0, changed = 0;
  for (size_t row = 0; row < count; row++) {
    nonzero += counts[row].nonzero;
    changed += counts[row].changed;
  }
  if (nonzero <= changed) before = nullptr;
  const size_t total = before ? changed : nonzero;
  IntegerTerm* terms = static_cast<IntegerTerm*>(threadScratch(2, std::max<size_t>(total, 1) * sizeof(IntegerTerm)));
  if (!terms) return false;
  for (size_t row = 0, end = 0; row < count; row++)
    ends[row] = end += before ? counts[row].changed : counts[row].nonzero;
  Plan plan = {rows, pathFor(isa), terms, ends, true, before != nullptr, out};
  eachRow([&](size_t row) {
    collectTerms(terms + plan.start(row), weights + row * length, before ? before + row * length : nullptr, length);
  });
  plan.narrow = areNarrow(terms, total);
  const size_t panels = rows.n / panelColumns;
  // Few panels are shared out by rows as well.
  const size_t parts = panels < fewPanels ? std::min(divideUp(fewPanels, panels), groups) : 1;
  const size_t partRows = divideUp(count, parts);
  parallelFor(panels * parts, total * rows.n > parallelFrom, [&](size_t task) {
    const size_t firstRow = std::min(count, task % parts * partRows);
    plan.multiply(task / parts, firstRow, std::min(count, firstRow + partRows));
  });
  return true;
}

}  // namespace subrosa
