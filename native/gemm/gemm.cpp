#include "gemm/gemm.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "machine/memory.h"
#include "machine/pool.h"

namespace subrosa {
namespace {

constexpr size_t panelBytes = size_t{1} << 18;  // Half of a common second-level cache.
constexpr size_t widest = 128;
constexpr double exactLimit = 9007199254740992.0;  // 2^53

const GemmPath& pathFor(Isa isa) {
  switch (isa) {
    case Isa::avx512Emulated:
      return gemmEmulated;
#ifdef SUBROSA_X86
    case Isa::avx2:
      return gemmAvx2;
    case Isa::avx512Ifma:
      return gemmAvx512;
#endif
    default:
      return gemmScalar;
  }
}

bool usesIntegers(Isa isa) { return isa == Isa::avx512Emulated || isa == Isa::avx512Ifma; }

// The constants of one prime together with the blocks that its size allows.
struct PrimePlan {
  GemmPrime prime;
  std::vector<uint32_t> ends;
  std::vector<uint32_t> firstEnd;
};

// Cuts the terms of every strip into the longest blocks in which no row's sum can leave the exact range.
void cutBlocks(const PackedWeights& weights, double q, PrimePlan& plan) {
  // A reduced remainder is at most q/2 + 1 in size: the 2 below covers it.
  const double limit = exactLimit / (q / 2) - 2;
  for (size_t strip = 0; strip < weights.strips; strip++) {
    plan.firstEnd.push_back(static_cast<uint32_t>(plan.ends.size()));
    const double* values = weights.values + strip * weights.cols * gemmTileRows;
    double norm[gemmTileRows] = {};
    for (size_t j = 0; j < weights.cols; j++) {
      double most = 0;
      for (size_t i = 0; i < gemmTileRows; i++) most = std::max(most, norm[i] + std::fabs(values[j * gemmTileRows + i]));
      if (most > limit && j > 0) {
        plan.ends.push_back(static_cast<uint32_t>(j));
        std::fill(norm, norm + gemmTileRows, 0.0);
      }
      for (size_t i = 0; i < gemmTileRows; i++) norm[i] += std::fabs(values[j * gemmTileRows + i]);
    }
    plan.ends.push_back(static_cast<uint32_t>(weights.cols));
  }
}

// Per strip and per block end, in cycles of a processor with two FMA units: a term costs 6, a reduction about 22; the split
// representation doubles the terms. A single weight too large for one exact product leaves no choice.
bool splitIsFaster(const PackedWeights& weights, double q, const PrimePlan& plan) {
  double most = 0;
  for (size_t i = 0; i < weights.strips * weights.cols * gemmTileRows; i++)
    most = std::max(most, std::fabs(weights.values[i]));
  if ((most + 2) * (q / 2) > exactLimit) return true;
  const double terms = 6.0 * static_cast<double>(weights.strips * weights.cols);
  return terms + 22.0 * static_cast<double>(plan.ends.size()) > 2 * terms + 40.0 * static_cast<double>(weights.strips);
}

void planPrime(const PackedWeights& weights, const GemmPath& path, double q, PrimePlan& plan) {
  GemmPrime& prime = plan.prime;
  prime.q = static_cast<uint64_t>(q);
  prime.value = q;
  prime.inverse = 1 / q;
  prime.shift = static_cast<double>((uint64_t{1} << gemmSplitBits) % prime.q);
  prime.shiftOverQ = prime.shift / q;
  prime.split = path.alwaysSplits;
  if (path.splits) {
    cutBlocks(weights, q, plan);
    prime.split = splitIsFaster(weights, q, plan);
  }
  if (path.splits && prime.split) {
    plan.ends.assign(1, static_cast<uint32_t>(weights.cols));
    plan.firstEnd.assign(weights.strips, 0);
  }
  prime.ends = plan.ends.data();
  prime.firstEnd = plan.firstEnd.data();
}

size_t panelWidth(const PackedWeights& weights, const GemmPath& path, bool split, size_t n) {
  const size_t perStrip = weights.cols * path.stripColumns * 8 * (split ? 2 : 1);
  const size_t strips = std::max<size_t>(1, std::min(panelBytes / perStrip, widest / path.stripColumns));
  return std::min(strips * path.stripColumns, n);
}

}  // namespace

PackedWeights* packWeights(Isa isa, const int32_t* weights, size_t rows, size_t cols) {
  const size_t strips = (rows + gemmTileRows - 1) / gemmTileRows;
  const size_t bytes = strips * cols * gemmTileRows * 8;
  void* memory = allocateBlock(bytes);
  if (!memory) return nullptr;
  const int64_t least = *std::min_element(weights, weights + rows * cols);
  const int64_t most = *std::max_element(weights, weights + rows * cols);
  const int64_t offset = std::max<int64_t>(0, -least);
  PackedWeights* packed = new PackedWeights{};
  packed->isa = isa;
  packed->rows = rows;
  packed->cols = cols;
  packed->strips = strips;
  packed->bytes = bytes;
  packed->offset = static_cast<uint64_t>(offset);
  packed->maxOffset = static_cast<uint64_t>(std::max<int64_t>(0, most + offset));
  packed->values = static_cast<double*>(memory);
  packed->integers = static_cast<uint64_t*>(memory);
  const bool integers = usesIntegers(isa);
  for (size_t i = 0; i < rows; i++) {
    const size_t first = i / gemmTileRows * cols * gemmTileRows + i % gemmTileRows;
    const int32_t* row = weights + i * cols;
    if (integers)
      for (size_t j = 0; j < cols; j++)
        packed->integers[first + j * gemmTileRows] = static_cast<uint64_t>(row[j] + offset);
    else
      for (size_t j = 0; j < cols; j++) packed->values[first + j * gemmTileRows] = row[j];
  }
  return packed;
}

void freeWeights(PackedWeights* weights) {
  if (!weights) return;
  freeBlock(weights->values, weights->bytes);
  delete weights;
}

size_t gemmMultiplyAdds(Isa isa, size_t turns) {
  const GemmPath& path = pathFor(isa);
  return path.multiplyAdds ? path.multiplyAdds(turns) : 0;
}

bool gemm(const PackedWeights& weights, const GemmCall& call) {
  const GemmPath& path = pathFor(weights.isa);
  std::vector<PrimePlan> plans(call.limbs);
  std::vector<size_t> widths(call.limbs);
  // Panels of a limb never cross into the next one; the prefix sums number them through.
  std::vector<size_t> firstPanel(call.parts * call.limbs + 1, 0);
  for (size_t limb = 0; limb < call.limbs; limb++) {
    planPrime(weights, path, call.primes[limb], plans[limb]);
    widths[limb] = panelWidth(weights, path, plans[limb].prime.split, call.n);
  }
  for (size_t poly = 0; poly < call.parts * call.limbs; poly++) {
    const size_t width = widths[poly % call.limbs];
    firstPanel[poly + 1] = firstPanel[poly] + (call.n + width - 1) / width;
  }
  const size_t stride = call.parts * call.limbs * call.n;
  const size_t panels = firstPanel.back();
  const bool parallel = stride * weights.rows * weights.cols > (size_t{1} << 20);
  bool exhausted = false;
  parallelFor(panels, parallel, [&](size_t index) {
    const size_t poly =
        static_cast<size_t>(std::upper_bound(firstPanel.begin(), firstPanel.end(), index) - firstPanel.begin()) - 1;
    const size_t limb = poly % call.limbs;
    const size_t column = (index - firstPanel[poly]) * widths[limb];
    GemmPanel panel;
    panel.weights = &weights;
    panel.prime = &plans[limb].prime;
    panel.c = call.c + poly * call.n + column;
    panel.rowIndex = call.rowIndex;
    panel.out = call.out + poly * call.n + column;
    panel.stride = stride;
    panel.width = std::min(widths[limb], call.n - column);
    panel.scratch = threadScratch(2, path.scratchBytes(weights.cols, widths[limb], panel.prime->split));
    if (panel.scratch)
      path.run(panel);
    else
      exhausted = true;
  });
  return !exhausted;
}

}  // namespace subrosa
