// The special FFT as functions of the addon.
#include "embedding/embedding.h"

#include "addon/addon.h"
#include "addon/arguments.h"

namespace subrosa {
namespace {

// What both functions take, after the number of the instruction set: cos, sin, re, im, coefficients, first.
struct Operands {
  Isa isa;
  EmbeddingRoots roots;
  double *re, *im, *coefficients;
  size_t gap;

  explicit Operands(Arguments& args) : isa(args.isa(0)) {
    const Span<double> cos = args.doubles(1, "the cosines");
    const Span<double> sin = args.doubles(2, "the sines", cos.length);
    const Span<double> real = args.doubles(3, "the real parts", cos.length);
    const Span<double> imaginary = args.doubles(4, "the imaginary parts", cos.length);
    const Span<double> values = args.doubles(5, "the coefficients");
    const size_t slots = cos.length;
    args.require(slots > 0 && (slots & (slots - 1)) == 0, "the number of slots", "a power of two", "not");
    args.require(args.ok() && values.length > 0 && values.length % (2 * slots) == 0, "the coefficients",
                 "a multiple of twice the slots", "not");
    if (!args.ok()) return;
    roots = {slots, cos.data, sin.data};
    re = real.data;
    im = imaginary.data;
    gap = values.length / (2 * slots);
    coefficients = values.data + args.integer(6, "the first coefficient", 0, static_cast<int64_t>(gap) - 1);
  }
};

// embed(isa, cos, sin, re, im, out, first, factor, bound)
Napi::Value embed(const Napi::CallbackInfo& info) {
  Arguments args(info);
  const Operands it(args);
  const double factor = args.number(7, "the factor"), bound = args.number(8, "the bound");
  if (!args.ok()) return info.Env().Undefined();
  const bool fits = embeddingLoops(it.isa).embed(it.roots, it.coefficients, it.gap, it.re, it.im, factor, bound);
  return Napi::Boolean::New(info.Env(), fits);
}

// unembed(isa, cos, sin, re, im, coefficients, first, scale)
Napi::Value unembed(const Napi::CallbackInfo& info) {
  Arguments args(info);
  const Operands it(args);
  const double scale = args.number(7, "the scale");
  if (args.ok()) embeddingLoops(it.isa).unembed(it.roots, it.re, it.im, it.coefficients, it.gap, scale);
  return info.Env().Undefined();
}

}  // namespace

void registerEmbedding(Napi::Env, Napi::Object exports) {
  addFunction(exports, "embed", embed);
  addFunction(exports, "unembed", unembed);
}

}  // namespace subrosa
