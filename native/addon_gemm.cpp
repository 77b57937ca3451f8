// Matrix products as seen from JavaScript.
#include "addon.h"
#include "arguments.h"
#include "sgemm.h"

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

}  // namespace

void registerGemm(Napi::Env, Napi::Object exports) { addFunction(exports, "sgemm", sgemmCall); }

}  // namespace subrosa
