#include "gemm/gemm.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "machine/memory.h"
#include "machine/pool.h"

namespace subrosa {
namespace {

constexpr size_t panelBytes = size_t{1} << 18;  // Half of a common second-level cache.
constexpr size_t widest = 128;
// Of several positions: wider, since their rows are read and written in runs as long as the panel is wide.
constexpr size_t windowBytes = size_t{1} << 20;
constexpr size_t streamedBytes = size_t{1} << 25;  // What is larger than common last-level caches.
constexpr double exactLimit = 9007199254740992.0;  // 2^53

const GemmPath& pathFor(Isa isa) {
  switch (isa) {
    case Isa::avx512Emulated:
      return gemmEmulated;
#ifdef SUBROSA_AVX2
    case Isa::avx2:
      return gemmAvx2;
#endif
#ifdef SUBROSA_X86
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

// Neighbouring positions that share a panel: the rows that it holds, and which of them each position's terms take.
struct Group {
  size_t firstPosition = 0, positions = 0;
  std::vector<uint32_t> sources, taps;
};

// As many positions a group as need `mostSources` rows.
std::vector<Group> groupPositions(const GemmCall& call, size_t cols, size_t mostSources) {
  std::vector<Group> groups(1);
  if (!call.rowIndex || call.positions == 1) {
    Group& all = groups[0];
    all.positions = 1;
    all.taps.resize(cols);
    std::iota(all.taps.begin(), all.taps.end(), 0u);
    all.sources = call.rowIndex ? std::vector<uint32_t>(call.rowIndex, call.rowIndex + cols) : all.taps;
    return groups;
  }
  const size_t rows = *std::max_element(call.rowIndex, call.rowIndex + call.positions * cols) + size_t{1};
  // Where a row lies in the panel of the group, counted from 1, that it was last seen in.
  std::vector<uint32_t> place(rows), group(rows);
  for (size_t position = 0; position < call.positions; position++) {
    const uint32_t* index = call.rowIndex + position * cols;
    const auto isNew = [&](uint32_t row) { return group[row] != groups.size(); };
    const size_t added = static_cast<size_t>(std::count_if(index, index + cols, isNew));
    if (groups.back().positions > 0 && groups.back().sources.size() + added > mostSources) {
      groups.emplace_back();
      groups.back().firstPosition = position;
    }
    Group& last = groups.back();
    for (size_t j = 0; j < cols; j++) {
      if (isNew(index[j])) {
        group[index[j]] = static_cast<uint32_t>(groups.size());
        place[index[j]] = static_cast<uint32_t>(last.sources.size());
        last.sources.push_back(index[j]);
      }
      last.taps.push_back(place[index[j]]);
    }
    last.positions++;
  }
  return groups;
}

size_t panelWidth(size_t sources, size_t most, const GemmPath& path, bool split, size_t n) {
  const size_t perStrip = sources * path.stripColumns * 8 * (split ? 2 : 1);
  const size_t strips = std::max<size_t>(1, std::min(most / perStrip, widest / path.stripColumns));
  return std::min(strips * path.stripColumns, n);
}

}  // namespace

PackedWeights* packWeights(Isa isa, const int32_t* weights, size_t rows, size_t cols) {
  const size_t strips = (rows + gemmTileRows - 1) / gemmTileRows;
  const size_t stripRows = (rows + strips - 1) / strips;
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
  packed->strips = (rows + stripRows - 1) / stripRows;
  packed->stripRows = stripRows;
  packed->bytes = bytes;
  packed->offset = static_cast<uint64_t>(offset);
  packed->maxOffset = static_cast<uint64_t>(std::max<int64_t>(0, most + offset));
  packed->values = static_cast<double*>(memory);
  packed->integers = static_cast<uint64_t*>(memory);
  const bool integers = usesIntegers(isa);
  for (size_t i = 0; i < rows; i++) {
    const size_t first = i / stripRows * cols * gemmTileRows + i % stripRows;
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
  const std::vector<Group> groups = groupPositions(call, weights.cols, windowBytes / (8 * widest));
  size_t sources = 0;
  for (const Group& group : groups) sources = std::max(sources, group.sources.size());
  std::vector<PrimePlan> plans(call.limbs);
  std::vector<size_t> widths(call.limbs);
  // Panels of a limb never cross into the next one; the prefix sums number them through.
  std::vector<size_t> firstPanel(call.parts * call.limbs + 1, 0);
  for (size_t limb = 0; limb < call.limbs; limb++) {
    planPrime(weights, path, call.primes[limb], plans[limb]);
    const size_t most = call.positions > 1 ? windowBytes : panelBytes;
    widths[limb] = panelWidth(sources, most, path, plans[limb].prime.split, call.n);
  }
  for (size_t poly = 0; poly < call.parts * call.limbs; poly++) {
    const size_t width = widths[poly % call.limbs];
    firstPanel[poly + 1] = firstPanel[poly] + (call.n + width - 1) / width;
  }
  const size_t stride = call.parts * call.limbs * call.n;
  const size_t panels = firstPanel.back();
  const size_t outRows = call.positions * weights.rows;
  const bool parallel = stride * outRows * weights.cols > (size_t{1} << 20);
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
    panel.stride = stride;
    panel.width = std::min(widths[limb], call.n - column);
    panel.streams = outRows * stride * sizeof(uint64_t) > streamedBytes;
    panel.scratch = threadScratch(2, path.scratchBytes(sources, widths[limb], panel.prime->split));
    if (!panel.scratch) {
      exhausted = true;
      return;
    }
    for (const Group& group : groups) {
      panel.sources = group.sources.data();
      panel.sourceCount = group.sources.size();
      panel.taps = group.taps.data();
      panel.positions = group.positions;
      panel.out = call.out + group.firstPosition * weights.rows * stride + poly * call.n + column;
      path.run(panel);
    }
  });
  return !exhausted;
}

}  // namespace subrosa
