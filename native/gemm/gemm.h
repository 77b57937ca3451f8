// Exact matrix products over Z_q: small signed weights times rows of residues.
//
// out[p][i][x] = sum over j of w[i][j] * c[row(p, j)][x] mod q, with q fixed per run of columns. The work is cut into panels of
// columns; a panel is packed once (and converted) so that it stays in the second-level cache while all row tiles of the
// weights pass over it. A convolution has many positions p, whose windows share rows: the panel holds each row once, and
// every position reads its own through `taps`.
//
// Two representations of the panel, both exact in binary64 arithmetic, chosen per prime:
// - direct: residues centred in [-(q-1)/2, (q-1)/2]. A sum stays exact while (sum of |w|, plus 1 for the remainder that is
//   carried on) * q/2 < 2^53; at the end of such a block of terms the sums are reduced and go on.
// - split: residue = high * 2^25 + low with |low|, |high| <= 2^24. Two products, and no reduction as long as the sum of
//   |w| over a row is below 2^28, which prepareGemm demands.
// The AVX-512 path works on integers, see gemm_avx512.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

#include "machine/cpu.h"

namespace subrosa {

constexpr size_t gemmTileRows = 6;
constexpr int gemmSplitBits = 25;
constexpr int64_t gemmRowNormLimit = int64_t{1} << 28;

// Weights in strips of stripRows rows, at most gemmTileRows and as equal as can be: value (i, j) of a strip at
// strip * cols * 6 + j * 6 + i, zero beyond the last row.
// Binary64 values, or (for AVX-512) 64-bit integers w + offset >= 0.
struct PackedWeights {
  Isa isa;
  size_t rows, cols, strips, stripRows;
  uint64_t offset;
  uint64_t maxOffset;  // The largest w + offset.
  double* values;
  uint64_t* integers;
  size_t bytes;
};

// Null when memory is exhausted. Every row's sum of |w| must be below gemmRowNormLimit.
PackedWeights* packWeights(Isa isa, const int32_t* weights, size_t rows, size_t cols);
void freeWeights(PackedWeights* weights);

// What a panel needs to know about its prime.
struct GemmPrime {
  uint64_t q;
  double value, inverse;
  // Split representation: 2^25 mod q and its quotient by q.
  bool split;
  double shift, shiftOverQ;
  // Direct representation: where the blocks of terms end, strip after strip; strip s begins at ends[firstEnd[s]].
  const uint32_t* ends;
  const uint32_t* firstEnd;
};

// One panel of columns for some positions. c points at its first column in row 0, out at that of the first position's row
// 0; rows are `stride` words apart in both.
struct GemmPanel {
  const PackedWeights* weights;
  const GemmPrime* prime;
  const uint64_t* c;
  const uint32_t* sources;  // The rows of c that the panel holds.
  size_t sourceCount;
  const uint32_t* taps;  // Of each position in turn, for every term which row of the panel it takes.
  size_t positions;
  uint64_t* out;
  size_t stride;
  size_t width;
  bool streams;   // The product is larger than the caches: written past them.
  void* scratch;  // scratchBytes(), 64-byte aligned.
};

struct GemmPath {
  size_t stripColumns;
  bool splits;        // Chooses between direct and split.
  bool alwaysSplits;
  size_t (*scratchBytes)(size_t sources, size_t width, bool split);
  void (*run)(const GemmPanel& panel);
  // The multiply-add that run() is made of, on registers alone and with nothing to wait for: what no product can exceed.
  // Makes `turns` turns and returns how many multiply-adds they were. Null where run() has no vector instruction.
  size_t (*multiplyAdds)(size_t turns);
};

extern const GemmPath gemmScalar;
extern const GemmPath gemmEmulated;
#ifdef SUBROSA_AVX2
extern const GemmPath gemmAvx2;
#endif
#ifdef SUBROSA_X86
extern const GemmPath gemmAvx512;
#endif

struct GemmCall {
  const uint64_t* c;
  const uint32_t* rowIndex;  // Of each position in turn; null: one position that takes row j for term j.
  size_t positions;
  uint64_t* out;
  size_t n, parts, limbs;
  const double* primes;
};

// See GemmPath::multiplyAdds; 0 where it is null.
size_t gemmMultiplyAdds(Isa isa, size_t turns);

// Returns false when memory is exhausted. Arguments are checked by the caller.
bool gemm(const PackedWeights& weights, const GemmCall& call);

}  // namespace subrosa
