#include <cstdint>
#include <cstring>

#include "machine/divide_up.h"
#include "machine/memory.h"
#include "machine/pool.h"
#include "integer/residue_product_loops.h"

namespace subrosa {
namespace {

constexpr size_t parallelFrom = size_t{1} << 19;  // Products.
// Rows of a panel: with residueColumns of each, half of a first-level cache.
constexpr size_t chunkRows = 64;
// Targets from which on rows are copied, so that they lie together.
constexpr size_t copiedFrom = 4;

struct OneResidue {
  static constexpr size_t width = 1;
  double v;
  static OneResidue all(double x) { return {x}; }
  static OneResidue load(const double* x) { return {*x}; }
  void store(double* out) const { *out = v; }
  OneResidue operator+(OneResidue o) const { return {v + o.v}; }
  OneResidue operator-(OneResidue o) const { return {v - o.v}; }
  OneResidue operator*(OneResidue o) const { return {v * o.v}; }
};

inline OneResidue minusProduct(OneResidue x, OneResidue a, OneResidue b) { return {x.v - a.v * b.v}; }

void subtractTermsScalar(ResiduePrime prime, double* out, const ResidueTerm* terms, size_t count) {
  subtractTermsBy<OneResidue>(prime, out, terms, count);
}

SubtractTerms chosenTerms(Isa isa) {
#ifdef SUBROSA_AVX2
  if (isa == Isa::avx2 || isa == Isa::avx512Ifma) return subtractTermsAvx2;
#endif
  return subtractTermsScalar;
}

// A factor that is not zero, of the row at `place` among those of its chunk that any target needs.
struct SparseFactor {
  double factor;
  size_t place;
};

template <size_t count>
bool areZero(const double* x) {
  uint64_t bits[count], any = 0;
  memcpy(bits, x, sizeof bits);
  for (size_t i = 0; i < count; i++) any |= bits[i];
  return any << 1 == 0;
}

// The factors that are not zero, chunk by chunk, of each chunk target by target; and the rows of each chunk that any target needs.
class SparseFactors {
 public:
  static size_t chunkCount(const ResidueProduct& by) { return divideUp(by.sources, chunkRows); }
  static size_t bytes(const ResidueProduct& by) {
    const size_t ends = chunkCount(by) * (by.targets + 1);
    return by.targets * by.sources * sizeof(SparseFactor) + (ends + by.sources) * sizeof(size_t);
  }

  SparseFactors(const ResidueProduct& by, void* memory) : targets_(by.targets), factors_(static_cast<SparseFactor*>(memory)) {
    const size_t chunks = chunkCount(by);
    ends_ = reinterpret_cast<size_t*>(factors_ + by.targets * by.sources);
    neededEnds_ = ends_ + chunks * by.targets;
    needed_ = neededEnds_ + chunks;
    for (size_t c = 0; c < chunks; c++) {
      const size_t first = count_;
      collect(by, c);
      findNeeded(c, factors_ + first, factors_ + count_);
    }
  }

  size_t count() const { return count_; }
  const SparseFactor* begin(size_t chunk, size_t target) const {
    const size_t i = chunk * targets_ + target;
    return factors_ + (i == 0 ? 0 : ends_[i - 1]);
  }
  const SparseFactor* end(size_t chunk, size_t target) const { return factors_ + ends_[chunk * targets_ + target]; }
  const size_t* neededBegin(size_t chunk) const { return needed_ + (chunk == 0 ? 0 : neededEnds_[chunk - 1]); }
  const size_t* neededEnd(size_t chunk) const { return needed_ + neededEnds_[chunk]; }

 private:
  // Factors with their rows in the chunk.
  void collect(const ResidueProduct& by, size_t chunk) {
    constexpr size_t group = 8;
    const size_t begin = chunk * chunkRows, left = by.sources - begin, rows = left < chunkRows ? left : chunkRows;
    for (size_t t = 0; t < by.targets; t++) {
      const double* from = by.factors + t * by.sources + begin;
      for (size_t k = 0; k < rows; k += group) {
        const size_t end = k + group < rows ? k + group : rows;
        if (end - k == group && areZero<group>(from + k)) continue;
        for (size_t i = k; i < end; i++)
          if (from[i] != 0) factors_[count_++] = {from[i], i};
      }
      ends_[chunk * targets_ + t] = count_;
    }
  }

  // Rows to places.
  void findNeeded(size_t chunk, SparseFactor* factor, const SparseFactor* end) {
    bool isNeeded[chunkRows] = {};
    size_t places[chunkRows];
    const size_t first = chunk == 0 ? 0 : neededEnds_[chunk - 1];
    size_t needed = first;
    for (; factor < end; factor++) {
      const size_t row = factor->place;
      if (!isNeeded[row]) {
        isNeeded[row] = true;
        places[row] = needed - first;
        needed_[needed++] = chunk * chunkRows + row;
      }
      factor->place = places[row];
    }
    neededEnds_[chunk] = needed;
  }

  size_t targets_, count_ = 0;
  SparseFactor* factors_;
  size_t *ends_, *neededEnds_, *needed_;
};

// Columns of the rows that a chunk needs.
class Panel {
 public:
  Panel(const ResidueProduct& by, size_t column) : by_(by), column_(column) {
    const size_t left = by.stride - column;
    width_ = left < residueColumns ? left : residueColumns;
  }

  void take(const size_t* row, const size_t* end) {
    const size_t length = by_.sources * by_.stride;
    double* to = copies_;
    for (size_t place = 0; row < end; row++, place++, to += residueColumns) {
      const size_t at = *row * by_.stride + column_;
      const double* from = by_.rows + at;
      // What stands behind the end of a row is worked on, too, and dropped.
      const bool isWhole = at + residueColumns <= length;
      rows_[place] = isWhole && by_.targets < copiedFrom ? from : to;
      if (rows_[place] != to) continue;
      if (isWhole)
        memcpy(to, from, residueColumns * sizeof(double));
      else
        copyPadded(to, from);
    }
  }

  void subtract(SubtractTerms subtractTerms, const SparseFactor* factor, const SparseFactor* end, double* out) {
    size_t count = 0;
    for (; factor < end; factor++) terms_[count++] = {factor->factor, rows_[factor->place]};
    if (count == 0) return;
    out += column_;
    if (width_ == residueColumns) return subtractTerms(by_.prime, out, terms_, count);
    copyPadded(tile_, out);
    subtractTerms(by_.prime, tile_, terms_, count);
    memcpy(out, tile_, width_ * sizeof(double));
  }

 private:
  void copyPadded(double* to, const double* from) const {
    memcpy(to, from, width_ * sizeof(double));
    memset(to + width_, 0, (residueColumns - width_) * sizeof(double));
  }

  const ResidueProduct& by_;
  size_t column_, width_;
  alignas(64) double copies_[chunkRows * residueColumns], tile_[residueColumns];
  const double* rows_[chunkRows];
  ResidueTerm terms_[chunkRows];
};

void subtractPanel(SubtractTerms subtractTerms, const ResidueProduct& by, const SparseFactors& factors, size_t column) {
  Panel panel(by, column);
  for (size_t c = 0; c < SparseFactors::chunkCount(by); c++) {
    panel.take(factors.neededBegin(c), factors.neededEnd(c));
    for (size_t t = 0; t < by.targets; t++)
      panel.subtract(subtractTerms, factors.begin(c, t), factors.end(c, t), by.out + t * by.stride);
  }
}

}  // namespace

bool subtractProduct(Isa isa, const ResidueProduct& by) {
  if (by.targets == 0 || by.sources == 0) return true;
  void* memory = threadScratch(0, SparseFactors::bytes(by));
  if (!memory) return false;
  const SparseFactors factors(by, memory);
  const size_t columns = by.stride - by.first;
  parallelFor(divideUp(columns, residueColumns), factors.count() * columns >= parallelFrom, [&](size_t panel) {
    subtractPanel(chosenTerms(isa), by, factors, by.first + panel * residueColumns);
  });
  return true;
}

}  // namespace subrosa
