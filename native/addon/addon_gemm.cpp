// Matrix products as seen from JavaScript.
#include "addon/addon.h"

#include <cmath>
#include <cstdlib>
#include <vector>

#include "addon/arguments.h"
#include "gemm/gemm.h"
#include "gemm/sgemm.h"

namespace subrosa {
namespace {

constexpr int64_t sizeLimit = int64_t{1} << 31;

// sgemm(isa, transposeA, transposeB, m, n, k, alpha, a, b, beta, c)
Napi::Value sgemmCall(const Napi::CallbackInfo& info) {
  Arguments args(info);
  const Isa isa = args.isa(0);
  SgemmShape shape;
  shape.transposeA = args.boolean(1, "transposeA");
  shape.transposeB = args.boolean(2, "transposeB");
  shape.m = static_cast<size_t>(args.integer(3, "m", 0, sizeLimit));
  shape.n = static_cast<size_t>(args.integer(4, "n", 0, sizeLimit));
  shape.k = static_cast<size_t>(args.integer(5, "k", 0, sizeLimit));
  shape.alpha = static_cast<float>(args.number(6, "alpha"));
  const Span<float> a = args.floats(7, "the first factor", shape.m * shape.k);
  const Span<float> b = args.floats(8, "the second factor", shape.k * shape.n);
  shape.beta = static_cast<float>(args.number(9, "beta"));
  const Span<float> c = args.floats(10, "the product", shape.m * shape.n);
  if (args.ok() && !sgemm(isa, shape, a.data, b.data, c.data)) args.fail("kernel", "memory", "available", "exhausted");
  return info.Env().Undefined();
}

constexpr napi_type_tag weightsTag = {0x6b1c0f5e7d3a4f21, 0x9a4e2d7c51b86f03};

// What a handle points to: weights, or null once they were released.
struct WeightsHandle {
  PackedWeights* weights;
  ~WeightsHandle() { freeWeights(weights); }
};

bool rowNormsFit(const int32_t* weights, size_t rows, size_t cols) {
  for (size_t i = 0; i < rows; i++) {
    int64_t norm = 0;
    for (size_t j = 0; j < cols; j++) norm += std::abs(static_cast<int64_t>(weights[i * cols + j]));
    if (norm >= gemmRowNormLimit) return false;
  }
  return true;
}

// prepareGemm(isa, weights, rows, cols) -> handle
Napi::Value prepareGemm(const Napi::CallbackInfo& info) {
  Arguments args(info);
  const Isa isa = args.isa(0);
  const size_t rows = static_cast<size_t>(args.integer(2, "the rows of the weights", 1, sizeLimit));
  const size_t cols = static_cast<size_t>(args.integer(3, "the columns of the weights", 1, sizeLimit));
  const Span<int32_t> weights = args.int32s(1, "the weights", rows * cols);
  if (!args.ok()) return info.Env().Undefined();
  for (size_t i = 0; i < weights.length; i++)
    if (weights.data[i] <= -(1 << 15) || weights.data[i] >= 1 << 15) {
      args.fail("range", "every weight", "in (-2^15, 2^15)", "beyond that");
      return info.Env().Undefined();
    }
  args.require(rowNormsFit(weights.data, rows, cols), "the sum of |weights| over a row", "below 2^28", "larger",
               "range");
  if (!args.ok()) return info.Env().Undefined();
  PackedWeights* packed = packWeights(isa, weights.data, rows, cols);
  if (!args.require(packed != nullptr, "memory", "available", "exhausted", "kernel")) return info.Env().Undefined();
  return makeHandle(info.Env(), std::unique_ptr<WeightsHandle>(new WeightsHandle{packed}), weightsTag);
}

// multiplyAdds(isa, turns) -> how many multiply-adds were made; see GemmPath
Napi::Value multiplyAddsCall(const Napi::CallbackInfo& info) {
  Arguments args(info);
  const Isa isa = args.isa(0);
  const size_t turns = static_cast<size_t>(args.integer(1, "the turns", 0, sizeLimit));
  if (!args.ok()) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), static_cast<double>(gemmMultiplyAdds(isa, turns)));
}

// releaseGemm(handle)
Napi::Value releaseGemm(const Napi::CallbackInfo& info) {
  Arguments args(info);
  WeightsHandle* handle = args.handle<WeightsHandle>(0, "the weights", weightsTag);
  if (!args.ok()) return info.Env().Undefined();
  freeWeights(handle->weights);
  handle->weights = nullptr;
  return info.Env().Undefined();
}

bool primesFit(const Span<double>& primes) {
  for (size_t i = 0; i < primes.length; i++) {
    const double q = primes.data[i];
    if (!(q > 16 && q < 1125899906842624.0) || q != std::floor(q) || std::fmod(q, 2) != 1) return false;
  }
  return primes.length > 0;
}

bool overlap(const Span<uint64_t>& a, const Span<uint64_t>& b) {
  return a.data < b.data + b.length && b.data < a.data + a.length;
}

// gemm(out, handle, c, n, primes, parts, rowIndex?): a row index of several positions gives their products one after another
Napi::Value gemmCall(const Napi::CallbackInfo& info) {
  Arguments args(info);
  WeightsHandle* handle = args.handle<WeightsHandle>(1, "the weights", weightsTag);
  const size_t n = static_cast<size_t>(args.integer(3, "the ring degree", 1, 1 << 20));
  const Span<double> primes = args.doubles(4, "the primes");
  const size_t parts = static_cast<size_t>(args.integer(5, "the number of parts", 1, 1 << 16));
  args.require(args.ok() && handle->weights, "the weights", "live", "released", "kernel");
  args.require(primesFit(primes), "the primes", "odd, below 2^50, at least one", "otherwise", "range");
  if (!args.ok()) return info.Env().Undefined();
  const PackedWeights& weights = *handle->weights;
  const size_t run = parts * primes.length * n;
  const Span<uint64_t> c = args.words(2, "c");
  args.require(c.length % run == 0, "the length of c", "a whole number of rows", "otherwise");
  Span<uint32_t> rowIndex;
  if (!args.absent(6)) rowIndex = args.uint32s(6, "rowIndex");
  args.require(rowIndex.length % weights.cols == 0, "rowIndex", "one row per column of the weights for each position",
               "otherwise");
  args.require(args.absent(6) || rowIndex.length > 0, "rowIndex", "at least one position", "empty");
  if (!args.ok()) return info.Env().Undefined();
  const size_t positions = rowIndex.data ? rowIndex.length / weights.cols : 1;
  const Span<uint64_t> out = args.words(0, "out", positions * weights.rows * run);
  args.require(rowIndex.data || c.length / run >= weights.cols, "c", "one row per column of the weights", "shorter");
  for (size_t j = 0; j < rowIndex.length && args.ok(); j++)
    args.require(rowIndex.data[j] < c.length / run, "every row index", "below the rows of c", "beyond");
  args.require(!overlap(out, c), "out", "other words than c", "the same");
  if (!args.ok()) return info.Env().Undefined();
  const GemmCall call = {c.data, rowIndex.data, positions, out.data, n, parts, primes.length, primes.data};
  args.require(gemm(weights, call), "memory", "available", "exhausted", "kernel");
  return info.Env().Undefined();
}

}  // namespace

void registerGemm(Napi::Env, Napi::Object exports) {
  addFunction(exports, "sgemm", sgemmCall);
  addFunction(exports, "prepareGemm", prepareGemm);
  addFunction(exports, "releaseGemm", releaseGemm);
  addFunction(exports, "gemm", gemmCall);
  addFunction(exports, "multiplyAdds", multiplyAddsCall);
}

}  // namespace subrosa
