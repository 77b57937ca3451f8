#include "addon/addon.h"
#include "addon/arguments.h"
#include "integer/residue_product.h"

namespace subrosa {
namespace {

constexpr int64_t primeBound = int64_t{1} << 26;

// subtractProduct(isa, prime, out, rows, factors, stride, first): false, with out as it was, when memory is exhausted
Napi::Value subtractProductCall(const Napi::CallbackInfo& info) {
  Arguments args(info);
  const Isa isa = args.isa(0);
  const double p = static_cast<double>(args.integer(1, "the prime", 5, primeBound - 1));
  const Span<double> out = args.doubles(2, "out");
  const Span<double> rows = args.doubles(3, "the rows");
  const Span<double> factors = args.doubles(4, "the factors");
  const size_t stride = static_cast<size_t>(args.integer(5, "the length of a row", 1, int64_t{1} << 32));
  const size_t first = static_cast<size_t>(args.integer(6, "the first column", 0, static_cast<int64_t>(stride)));
  if (!args.ok()) return info.Env().Undefined();
  const size_t targets = out.length / stride, sources = rows.length / stride;
  args.requireSize(out.length, targets * stride, "out");
  args.requireSize(rows.length, sources * stride, "the rows");
  args.requireSize(factors.length, targets * sources, "the factors");
  if (!args.ok()) return info.Env().Undefined();
  const ResidueProduct product = {{p, 1 / p}, out.data, rows.data, factors.data, targets, sources, stride, first};
  return Napi::Boolean::New(info.Env(), subtractProduct(isa, product));
}

}  // namespace

void registerResidueProduct(Napi::Env, Napi::Object exports) {
  addFunction(exports, "subtractProduct", subtractProductCall);
}

}  // namespace subrosa
