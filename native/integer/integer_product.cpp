#include "integer/integer_product.h"

#include <algorithm>

#include "machine/divide_up.h"
#include "machine/memory.h"
#include "machine/pool.h"

namespace subrosa {
namespace {

constexpr size_t parallelFrom = size_t{1} << 20;  // Multiply-adds, about 50 microseconds of one core.
// Parts of rows lie far apart where few weights changed, and no processor foresees which are next.
constexpr size_t prefetchedRows = 3;
constexpr size_t cacheLine = 64;
constexpr size_t parallelWeights = size_t{1} << 15;  // Weights whose comparison is shared out, so many rows
constexpr size_t weightRowsPerTask = 8;              // at a time.
constexpr size_t fewPanels = 16;
constexpr double denseShare = 0.6;  // Of weights that are not zero: from here on all of them take less.
constexpr size_t blockWeights = 16;               // Compared at a time: nearly all blocks have no difference.

const IntegerProductPath& pathFor(Isa isa) {
  switch (isa) {
#ifdef SUBROSA_AVX2
    case Isa::avx2:
      return integerProductAvx2;
#endif
#ifdef SUBROSA_X86
    case Isa::avx512Ifma:
      return integerProductAvx512;
#endif
    case Isa::avx512Emulated:
      return integerProductEmulated;
    default:
      return integerProductScalar;
  }
}

// A panel's part of one row of sums.
inline void prefetchForWriting(int32_t* row) {
  for (size_t c = 0; c < panelColumns; c += cacheLine / sizeof(int32_t)) __builtin_prefetch(row + c, 1);
}

// Of one row of weights: how many are not zero, how many terms there are, and whether the factors of those fit 16 bits.
struct Counts {
  uint32_t nonzero, terms;
  bool narrow;
};

uint32_t countNonzero(const int32_t* weights, size_t length) {
  uint32_t nonzero = 0;
  for (size_t j = 0; j < length; j++) nonzero += weights[j] != 0;
  return nonzero;
}

// The terms of one row of weights, from `weights` or, where given, their differences from `before`.
Counts collectTerms(IntegerTerm* to, const int32_t* weights, const int32_t* before, size_t length) {
  IntegerTerm* const first = to;
  uint32_t beyond = 0, nonzero = 0;
  for (size_t start = 0; start < length; start += blockWeights) {
    const size_t end = std::min(start + blockWeights, length);
    uint32_t factors[blockWeights] = {}, any = 0;
    nonzero += countNonzero(weights + start, end - start);
    for (size_t j = start; j < end; j++)
      factors[j - start] = static_cast<uint32_t>(weights[j]) - (before ? static_cast<uint32_t>(before[j]) : 0u);
    for (uint32_t factor : factors) {
      any |= factor;
      beyond |= (factor + 0x8000u) >> 16;
    }
    if (any == 0) continue;
    for (size_t j = start; j < end; j++)
      if (factors[j - start] != 0) *to++ = {static_cast<uint32_t>(j), static_cast<int32_t>(factors[j - start])};
  }
  return {nonzero, static_cast<uint32_t>(to - first), beyond == 0};
}

// What all tasks share: the terms of the rows of weights, room for `rows.count` each, and how many there are.
struct Plan {
  const IntegerRows& rows;
  const IntegerProductPath& path;
  const IntegerTerm* terms;
  const Counts* counts;
  bool narrow, add;
  int32_t* out;
  // The rows that any term takes, in order.
  uint32_t* used;
  size_t usedCount;

  // The part of a panel that is due when `row` is done, so that all its rows in use are there after the last one: read in order, they come
  // at the memory's speed, while rows of few terms would wait for line after line.
  void prefetch(size_t row, size_t count, const char* panel, size_t rowBytes) const {
    const size_t end = (row + 1) * usedCount / count;
    for (size_t i = row * usedCount / count; i < end; i++)
      for (size_t at = 0; at < rowBytes; at += cacheLine) __builtin_prefetch(panel + used[i] * rowBytes + at, 0, 2);
  }

  // The columns of one panel for the rows first .. end - 1.
  void multiply(size_t panel, size_t firstRow, size_t endRow, bool nextFollows) const {
    const size_t first = panel * rows.count * panelColumns, size = rows.count * panelColumns;
    const char* next = rows.wide ? reinterpret_cast<const char*>(rows.wide + first + size)
                                 : reinterpret_cast<const char*>(rows.narrow + first + size);
    const size_t rowBytes = panelColumns * (rows.wide ? sizeof(int32_t) : sizeof(int16_t));
    for (size_t row = firstRow; row < endRow; row++) {
      if (row + prefetchedRows < endRow) prefetchForWriting(out + (row + prefetchedRows) * rows.n + panel * panelColumns);
      if (nextFollows) prefetch(row - firstRow, endRow - firstRow, next, rowBytes);
      const size_t count = counts[row].terms;
      if (add && count == 0) continue;
      int32_t* sums = out + row * rows.n + panel * panelColumns;
      const IntegerTerm* own = terms + row * rows.count;
      if (rows.wide)
        path.wide(sums, rows.wide + first, own, count, add);
      else if (narrow)
        path.narrow(sums, rows.narrow + first, own, count, add);
      else
        path.mixed(sums, rows.narrow + first, own, count, add);
    }
  }
};

// Calls body(row) for each row of weights.
template <typename Body>
void eachRow(size_t count, bool parallel, Body&& body) {
  parallelFor(divideUp(count, weightRowsPerTask), parallel, [&](size_t group) {
    const size_t end = std::min(count, (group + 1) * weightRowsPerTask);
    for (size_t row = group * weightRowsPerTask; row < end; row++) body(row);
  });
}

// Calls body(panel, first row, end of rows, whether the next panel follows) in tasks. Few panels are shared out by rows as well, many
// several at a time. Parts begin at multiples of integerDenseRows.
template <typename Body>
void eachPanel(size_t panels, size_t count, bool parallel, Body&& body) {
  const size_t parts = panels < fewPanels ? std::min(divideUp(fewPanels, panels), divideUp(count, integerDenseRows)) : 1;
  const size_t partRows = divideUp(divideUp(count, parts), integerDenseRows) * integerDenseRows;
  const size_t together = divideUp(panels, fewPanels);
  parallelFor(divideUp(panels, together) * parts, parallel, [&](size_t task) {
    const size_t firstRow = std::min(count, task % parts * partRows), endRow = std::min(count, firstRow + partRows);
    const size_t first = task / parts * together, end = std::min(panels, first + together);
    for (size_t panel = first; panel < end; panel++) body(panel, firstRow, endRow, panel + 1 < end);
  });
}

// All weights, as pairs of 16 bits. False when they do not fit or memory is exhausted.
bool denseProduct(const IntegerProductPath& path, int32_t* out, const IntegerRows& rows, const int32_t* weights, size_t count,
                  bool manyWeights) {
  const size_t length = rows.count, pairs = divideUp(length, 2);
  int32_t* factors = static_cast<int32_t*>(threadScratch(2, count * pairs * sizeof(int32_t)));
  bool* fits = static_cast<bool*>(threadScratch(3, count * sizeof(bool)));
  if (!factors || !fits) return false;
  eachRow(count, manyWeights, [&](size_t row) {
    const int32_t* from = weights + row * length;
    int32_t* to = factors + row * pairs;
    uint32_t beyond = 0;
    for (size_t j = 0; j < length; j++) beyond |= (static_cast<uint32_t>(from[j]) + 0x8000u) >> 16;
    for (size_t p = 0; p < length / 2; p++) to[p] = factorPair(from[2 * p], from[2 * p + 1]);
    if (length % 2 == 1) to[pairs - 1] = factorPair(from[length - 1], 0);
    fits[row] = beyond == 0;
  });
  if (!std::all_of(fits, fits + count, [](bool fit) { return fit; })) return false;
  eachPanel(rows.n / panelColumns, count, count * length * rows.n > parallelFrom,
            [&](size_t panel, size_t first, size_t end, bool) {
              for (size_t row = first; row < end; row += integerDenseRows)
                path.dense(out + row * rows.n + panel * panelColumns, rows.n, rows.narrow + panel * length * panelColumns,
                           length, factors + row * pairs, std::min(integerDenseRows, end - row));
            });
  return true;
}

}  // namespace

bool updateIntegerProduct(Isa isa, int32_t* out, const IntegerRows& rows, const int32_t* weights, const int32_t* before,
                          size_t count) {
  if (count == 0) return true;
  const size_t length = rows.count;
  Counts* counts = static_cast<Counts*>(threadScratch(0, count * sizeof(Counts)));
  if (!counts) return false;
  const bool manyWeights = count * length > parallelWeights;
  if (!before) {
    eachRow(count, manyWeights, [&](size_t row) { counts[row].nonzero = countNonzero(weights + row * length, length); });
    size_t nonzero = 0;
    for (size_t row = 0; row < count; row++) nonzero += counts[row].nonzero;
    const bool isDense = rows.narrow && static_cast<double>(nonzero) > denseShare * static_cast<double>(count * length);
    if (isDense && denseProduct(pathFor(isa), out, rows, weights, count, manyWeights)) return true;
  }
  IntegerTerm* terms = static_cast<IntegerTerm*>(threadScratch(2, count * length * sizeof(IntegerTerm)));
  uint32_t* used = static_cast<uint32_t*>(threadScratch(1, length * sizeof(uint32_t)));
  if (!terms || !used) return false;
  Plan plan = {rows, pathFor(isa), terms, counts, true, before != nullptr, out, used, 0};
  size_t nonzero = 0, total = 0;
  eachRow(count, manyWeights, [&](size_t row) {
    counts[row] = collectTerms(terms + row * length, weights + row * length, before ? before + row * length : nullptr, length);
  });
  std::fill(used, used + length, 0);
  for (size_t row = 0; row < count; row++) {
    nonzero += counts[row].nonzero;
    total += counts[row].terms;
    plan.narrow &= counts[row].narrow;
    for (size_t i = 0; i < counts[row].terms; i++) used[terms[row * length + i].row] = 1;
  }
  // Where more changed than there is, all of it is less.
  if (before && nonzero <= total) return updateIntegerProduct(isa, out, rows, weights, nullptr, count);
  for (size_t row = 0; row < length; row++) {
    const bool isUsed = used[row] != 0;
    used[plan.usedCount] = static_cast<uint32_t>(row);
    plan.usedCount += isUsed;
  }
  eachPanel(rows.n / panelColumns, count, total * rows.n > parallelFrom,
            [&](size_t panel, size_t first, size_t end, bool nextFollows) { plan.multiply(panel, first, end, nextFollows); });
  return true;
}

}  // namespace subrosa
