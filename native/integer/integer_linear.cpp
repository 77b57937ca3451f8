#include "integer/integer_linear.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "machine/divide_up.h"
#include "machine/memory.h"
#include "machine/pool.h"

namespace subrosa {
namespace {

constexpr size_t parallelFrom = size_t{1} << 20;  // Multiply-adds, about 50 microseconds of one core.
constexpr size_t rowsPerTask = 32;
constexpr size_t blockVectors = 64;               // Dense: vectors whose halves are held at a time.
constexpr size_t blockValues = size_t{1} << 22;   // Convolution: padded values held at a time, one image at least.

const IntegerPath& pathFor(Isa isa) {
  switch (isa) {
#ifdef SUBROSA_AVX2
    case Isa::avx2:
      return integerAvx2;
#endif
#ifdef SUBROSA_X86
    case Isa::avx512Ifma:
      return integerAvx512;
#endif
    case Isa::avx512Emulated:
      return integerEmulated;
    default:
      return integerScalar;
  }
}

void packStrips(IntegerWeights& packed, const int8_t* weights) {
  const IntegerShape& shape = packed.shape;
  const size_t terms = shape.terms(), rows = shape.outChannels / shape.groups;
  int32_t* out = packed.strips;
  for (size_t group = 0; group < shape.groups; group++)
    for (size_t strip = 0; strip < packed.stripsPerGroup; strip++)
      for (size_t p = 0; p < packed.pairs; p++)
        for (size_t r = 0; r < integerTileRows; r++) {
          const size_t row = strip * integerTileRows + r;
          const int8_t* from = weights + (group * rows + row) * terms + 2 * p;
          const int16_t first = row < rows ? from[0] : 0;
          const int16_t second = row < rows && 2 * p + 1 < terms ? from[1] : 0;
          *out++ = static_cast<int32_t>(static_cast<uint16_t>(first) | static_cast<uint32_t>(second) << 16);
        }
}

void fillOffsets(IntegerWeights& packed) {
  const IntegerShape& shape = packed.shape;
  int32_t* out = packed.termOffset;
  for (size_t c = 0; c < shape.channels / shape.groups; c++)
    for (size_t ky = 0; ky < shape.kernelHeight; ky++)
      for (size_t kx = 0; kx < shape.kernelWidth; kx++)
        *out++ = static_cast<int32_t>(c * shape.paddedPlane() + ky * shape.dilationY * shape.paddedWidth() +
                                      kx * shape.dilationX);
  // The second half of an odd last pair: its weight is zero, its address must only be valid.
  if (shape.terms() % 2 == 1) out[0] = out[-1];
}

bool denseProduct(const IntegerWeights& weights, const IntegerPath& path, const int32_t* x, int32_t* out, size_t batch,
                  bool parallel) {
  const size_t inputs = weights.shape.channels, outputs = weights.shape.outChannels, terms = weights.rowBytes;
  for (size_t start = 0; start < batch; start += blockVectors) {
    const size_t vectors = std::min(blockVectors, batch - start);
    int16_t* low = static_cast<int16_t*>(threadScratch(0, 2 * vectors * terms * sizeof(int16_t)));
    if (!low) return false;
    int16_t* high = low + vectors * terms;
    for (size_t i = 0; i < vectors; i++) {
      const int32_t* from = x + (start + i) * inputs;
      for (size_t j = 0; j < inputs; j++) {
        low[i * terms + j] = static_cast<int16_t>(from[j]);
        high[i * terms + j] = static_cast<int16_t>((static_cast<uint32_t>(from[j]) + 0x8000u) >> 16);
      }
      memset(low + i * terms + inputs, 0, (terms - inputs) * sizeof(int16_t));
      memset(high + i * terms + inputs, 0, (terms - inputs) * sizeof(int16_t));
    }
    parallelFor(divideUp(outputs, rowsPerTask), parallel, [&](size_t task) {
      const size_t end = std::min(outputs, (task + 1) * rowsPerTask);
      for (size_t row = task * rowsPerTask; row < end; row++)
        for (size_t i = 0; i < vectors; i += integerDotBatch)
          path.dot(weights.rows + row * terms, low + i * terms, high + i * terms, terms,
                   std::min(integerDotBatch, vectors - i), out + (start + i) * outputs + row, outputs);
    });
  }
  return true;
}

void padPlane(const IntegerShape& shape, const int32_t* from, int32_t* to) {
  const size_t width = shape.paddedWidth();
  memset(to, 0, shape.paddedPlane() * sizeof(int32_t));
  for (size_t y = 0; y < shape.height; y++)
    memcpy(to + (y + shape.padY) * width + shape.padX, from + y * shape.width, shape.width * sizeof(int32_t));
}

// The column strips first .. first + count - 1 of one image and group, for all its rows.
bool convolveStrips(const IntegerWeights& weights, const IntegerPath& path, const int32_t* image, int32_t* out,
                    size_t group, size_t first, size_t count) {
  const IntegerShape& shape = weights.shape;
  const size_t lanes = path.lanes, positions = shape.positions(), rows = shape.outChannels / shape.groups;
  const size_t panelWords = integerDepth * 2 * lanes, tileWords = integerTileRows * lanes;
  const size_t stripTiles = weights.stripsPerGroup * tileWords;
  int32_t* panels = static_cast<int32_t*>(threadScratch(1, integerGroupStrips * panelWords * sizeof(int32_t)));
  int32_t* tiles = static_cast<int32_t*>(threadScratch(2, integerGroupStrips * stripTiles * sizeof(int32_t)));
  if (!panels || !tiles) return false;
  int32_t base[integerGroupStrips][integerLanes];
  for (size_t s = 0; s < count; s++)
    for (size_t j = 0; j < lanes; j++) {
      const size_t position = std::min((first + s) * lanes + j, positions - 1);
      const size_t y = position / shape.outWidth, column = position % shape.outWidth;
      base[s][j] = static_cast<int32_t>(y * shape.strideY * shape.paddedWidth() + column * shape.strideX);
    }
  for (size_t pair = 0; pair < weights.pairs; pair += integerDepth) {
    const size_t pairs = std::min(integerDepth, weights.pairs - pair);
    for (size_t s = 0; s < count; s++)
      path.pack(panels + s * panelWords, image, base[s], weights.termOffset + 2 * pair, pairs);
    for (size_t strip = 0; strip < weights.stripsPerGroup; strip++) {
      const size_t at = (group * weights.stripsPerGroup + strip) * weights.pairs + pair;
      for (size_t s = 0; s < count; s++)
        path.tile(weights.strips + at * integerTileRows, panels + s * panelWords, pairs,
                  tiles + s * stripTiles + strip * tileWords, pair > 0);
    }
  }
  for (size_t s = 0; s < count; s++) {
    const size_t column = (first + s) * lanes, width = std::min(lanes, positions - column);
    for (size_t row = 0; row < rows; row++)
      memcpy(out + (group * rows + row) * positions + column, tiles + s * stripTiles + row * lanes,
             width * sizeof(int32_t));
  }
  return true;
}

bool convolution(const IntegerWeights& weights, const IntegerPath& path, const int32_t* x, int32_t* out, size_t batch,
                 bool parallel) {
  const IntegerShape& shape = weights.shape;
  const bool padded = shape.padX + shape.padY > 0;
  const size_t plane = shape.paddedPlane(), imageValues = shape.channels * plane;
  const size_t block = padded ? std::max<size_t>(1, blockValues / imageValues) : batch;
  const size_t strips = divideUp(shape.positions(), path.lanes), tasks = divideUp(strips, integerGroupStrips);
  bool exhausted = false;
  for (size_t start = 0; start < batch; start += block) {
    const size_t images = std::min(block, batch - start);
    const int32_t* source = x + start * shape.inputs();
    if (padded) {
      int32_t* buffer = static_cast<int32_t*>(threadScratch(0, images * imageValues * sizeof(int32_t)));
      if (!buffer) return false;
      parallelFor(images * shape.channels, parallel, [&](size_t i) {
        padPlane(shape, x + start * shape.inputs() + i * shape.height * shape.width, buffer + i * plane);
      });
      source = buffer;
    }
    parallelFor(images * shape.groups * tasks, parallel, [&](size_t task) {
      const size_t image = task / (shape.groups * tasks), group = task / tasks % shape.groups;
      const size_t first = task % tasks * integerGroupStrips;
      const int32_t* from = source + image * imageValues + group * (shape.channels / shape.groups) * plane;
      if (!convolveStrips(weights, path, from, out + (start + image) * shape.outputs(), group, first,
                          std::min(integerGroupStrips, strips - first)))
        exhausted = true;
    });
  }
  return !exhausted;
}

}  // namespace

IntegerWeights* packIntegerWeights(Isa isa, const IntegerShape& shape, const int8_t* weights) {
  IntegerWeights* packed = new (std::nothrow) IntegerWeights{};
  if (!packed) return nullptr;
  packed->isa = isa;
  packed->shape = shape;
  packed->pairs = divideUp(shape.terms(), 2);
  packed->stripsPerGroup = divideUp(shape.outChannels / shape.groups, integerTileRows);
  if (shape.dense) {
    packed->rowBytes = divideUp(shape.channels, integerDotTerms) * integerDotTerms;
    packed->bytes = shape.outChannels * packed->rowBytes;
    packed->rows = static_cast<int8_t*>(allocateBlock(packed->bytes));
    if (packed->rows)
      for (size_t row = 0; row < shape.outChannels; row++)
        memcpy(packed->rows + row * packed->rowBytes, weights + row * shape.channels, shape.channels);
  } else {
    const size_t stripWords = shape.groups * packed->stripsPerGroup * packed->pairs * integerTileRows;
    packed->bytes = (stripWords + 2 * packed->pairs) * sizeof(int32_t);
    packed->strips = static_cast<int32_t*>(allocateBlock(packed->bytes));
    if (packed->strips) {
      packed->termOffset = packed->strips + stripWords;
      packStrips(*packed, weights);
      fillOffsets(*packed);
    }
  }
  if (packed->rows || packed->strips) return packed;
  delete packed;
  return nullptr;
}

void freeIntegerWeights(IntegerWeights* weights) {
  if (!weights) return;
  if (weights->rows)
    freeBlock(weights->rows, weights->bytes);
  else
    freeBlock(weights->strips, weights->bytes);
  delete weights;
}

size_t integerMultiplyAdds(Isa isa, size_t turns) { return pathFor(isa).peak(turns); }

bool integerLinear(const IntegerWeights& weights, const int32_t* x, int32_t* out, size_t batch) {
  const IntegerShape& shape = weights.shape;
  const IntegerPath& path = pathFor(weights.isa);
  const bool parallel = batch * shape.outputs() * shape.terms() > parallelFrom;
  return shape.dense ? denseProduct(weights, path, x, out, batch, parallel)
                     : convolution(weights, path, x, out, batch, parallel);
}

}  // namespace subrosa
