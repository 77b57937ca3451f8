// y = W x modulo 2^32 for int8 weights and int32 vectors: dense maps and convolutions, exact for any x.
//
// x = low + 2^16 high with low = the signed low half and high = (x + 2^15) >> 16, so W x = W low + 2^16 (W high), and both
// parts are sums of products of 16-bit pairs: one instruction per 16 products in AVX2 (vpmaddwd), per 32 with AVX-512 VNNI
// (vpdpwssd). A pair's sum is at most 2 * 128 * 2^15 = 2^23 in size; all longer sums wrap as they should.
#pragma once

#include <cstddef>
#include <cstdint>

#include "machine/cpu.h"

namespace subrosa {

// A dense map is a convolution of a 1 x 1 image by a 1 x 1 kernel, done by dot products instead of panels.
struct IntegerShape {
  bool dense;
  size_t channels, height, width;
  size_t outChannels, outHeight, outWidth;
  size_t kernelHeight, kernelWidth;
  size_t strideY, strideX, padY, padX, dilationY, dilationX;
  size_t groups;

  size_t inputs() const { return channels * height * width; }
  size_t outputs() const { return outChannels * outHeight * outWidth; }
  size_t positions() const { return outHeight * outWidth; }
  size_t terms() const { return channels / groups * kernelHeight * kernelWidth; }
  size_t paddedWidth() const { return width + 2 * padX; }
  size_t paddedPlane() const { return (height + 2 * padY) * paddedWidth(); }
};

constexpr size_t integerTileRows = 6;
constexpr size_t integerLanes = 16;         // The widest path; buffers are padded for it.
constexpr size_t integerDotTerms = 2 * integerLanes;
constexpr size_t integerDotBatch = 4;       // Vectors that share one pass over the weights of a dense map.
constexpr size_t integerDepth = 128;       // Pairs of terms per pass, and
constexpr size_t integerGroupStrips = 3;    // strips of columns per task: three of 8 KiB (AVX2) stay in the first-level cache.

// Dense: rows of int8 padded with zeros to a multiple of integerDotTerms. Convolution: per group, strips of integerTileRows
// rows; pair p of row r of a strip is one 32-bit word of two int16, at (strip * pairs + p) * integerTileRows + r.
struct IntegerWeights {
  Isa isa;
  IntegerShape shape;
  size_t rowBytes;     // Dense.
  size_t pairs;        // Convolution: (terms + 1) / 2.
  size_t stripsPerGroup;
  int8_t* rows;
  int32_t* strips;
  // Where a term lies in the padded image, relative to the first value of the window and of the group.
  int32_t* termOffset;
  size_t bytes;
};

// Null when memory is exhausted. The shape must have been checked.
IntegerWeights* packIntegerWeights(Isa isa, const IntegerShape& shape, const int8_t* weights);
void freeIntegerWeights(IntegerWeights* weights);

// x is batch x inputs, out batch x outputs, apart. Returns false when memory is exhausted.
bool integerLinear(const IntegerWeights& weights, const int32_t* x, int32_t* out, size_t batch);

struct IntegerPath {
  size_t lanes;
  // out[i * outStep] = dot product of a weight row and vector i, for `count` <= integerDotBatch vectors of `terms` (a multiple
  // of integerDotTerms) low and high halves, `terms` apart.
  void (*dot)(const int8_t* row, const int16_t* low, const int16_t* high, size_t terms, size_t count, int32_t* out,
              size_t outStep);
  // One strip of the panel: `lanes` columns at base[0..] of `image`, pairs of the terms at offset[0 .. 2 * pairs - 1].
  // Per pair: `lanes` words of low halves, then of high halves.
  void (*pack)(int32_t* panel, const int32_t* image, const int32_t* base, const int32_t* offset, size_t pairs);
  // integerTileRows x lanes sums over the pairs, written to tile; added to it when `add`.
  void (*tile)(const int32_t* strip, const int32_t* panel, size_t pairs, int32_t* tile, bool add);
  // The multiply-add of the tile on registers alone, for measuring the peak of one core; returns how many maps' multiply-adds
  // (two 16-bit products each) `turns` turns were.
  size_t (*peak)(size_t turns);
};

// IntegerPath::peak of an instruction set.
size_t integerMultiplyAdds(Isa isa, size_t turns);

extern const IntegerPath integerScalar;
extern const IntegerPath integerEmulated;
#ifdef SUBROSA_AVX2
extern const IntegerPath integerAvx2;
#endif
#ifdef SUBROSA_X86
extern const IntegerPath integerAvx512;
#endif

}  // namespace subrosa
