// Integer linear maps as seen from JavaScript.
#include "addon.h"

#include "arguments.h"
#include "integer_linear.h"

namespace subrosa {
namespace {

constexpr napi_type_tag integerTag = {0x3e9d5b1c70f24a86, 0xb58a1f46d90c7e23};
constexpr size_t shapeFields = 16;
// The bounds of integer-linear-map.ts; a padded image may be larger than the image.
constexpr uint64_t mostElements = uint64_t{1} << 26, mostWeights = uint64_t{1} << 28, mostPadded = uint64_t{1} << 29;

// What a handle points to: weights, or null once they were released.
struct IntegerHandle {
  IntegerWeights* weights;
};

bool within(uint64_t limit, std::initializer_list<uint64_t> factors) {
  uint64_t product = 1;
  for (uint64_t factor : factors) {
    if (factor == 0 || factor > limit || product > limit / factor) return false;
    product *= factor;
  }
  return true;
}

// Checks everything that addresses depend on again: JavaScript is not believed here.
bool shapeFits(const IntegerShape& s) {
  if (!within(mostElements, {s.channels, s.height, s.width}) ||
      !within(mostElements, {s.outChannels, s.outHeight, s.outWidth}) ||
      !within(mostElements, {s.kernelHeight, s.kernelWidth, s.channels}))
    return false;
  for (size_t value : {s.strideY, s.strideX, s.dilationY, s.dilationX, s.groups})
    if (value == 0 || value > mostElements) return false;
  if (s.padY > mostElements || s.padX > mostElements || s.channels % s.groups != 0 || s.outChannels % s.groups != 0)
    return false;
  if (!within(mostPadded, {s.channels, s.height + 2 * s.padY, s.width + 2 * s.padX})) return false;
  const uint64_t lastY = (s.outHeight - 1) * s.strideY + (s.kernelHeight - 1) * s.dilationY;
  const uint64_t lastX = (s.outWidth - 1) * s.strideX + (s.kernelWidth - 1) * s.dilationX;
  if (lastY >= s.height + 2 * s.padY || lastX >= s.width + 2 * s.padX) return false;
  return within(mostWeights, {s.outChannels, s.terms()});
}

// prepareIntegerLinear(isa, fields, weights) -> handle; fields in the order of IntegerShape.
Napi::Value prepareIntegerLinear(const Napi::CallbackInfo& info) {
  Arguments args(info);
  const Isa isa = args.isa(0);
  const Span<uint32_t> f = args.uint32s(1, "the shape of an integer map", shapeFields);
  if (!args.ok()) return info.Env().Undefined();
  const uint32_t* d = f.data;
  const IntegerShape shape = {d[0] != 0, d[1], d[2],  d[3],  d[4],  d[5],  d[6],  d[7], d[8],
                              d[9],      d[10], d[11], d[12], d[13], d[14], d[15]};
  if (!args.require(shapeFits(shape), "the shape of an integer map", "consistent", "not")) return info.Env().Undefined();
  const Span<int8_t> weights = args.int8s(2, "the weights", shape.outChannels * shape.terms());
  if (!args.ok()) return info.Env().Undefined();
  IntegerWeights* packed = packIntegerWeights(isa, shape, weights.data);
  if (!args.require(packed != nullptr, "memory", "available", "exhausted", "kernel")) return info.Env().Undefined();
  auto handle = Napi::External<IntegerHandle>::New(info.Env(), new IntegerHandle{packed},
                                                   [](Napi::Env, IntegerHandle* finished) {
                                                     freeIntegerWeights(finished->weights);
                                                     delete finished;
                                                   });
  napi_type_tag_object(info.Env(), handle, &integerTag);
  return handle;
}

// releaseIntegerLinear(handle)
Napi::Value releaseIntegerLinear(const Napi::CallbackInfo& info) {
  Arguments args(info);
  IntegerHandle* handle = args.handle<IntegerHandle>(0, "the weights", integerTag);
  if (!args.ok()) return info.Env().Undefined();
  freeIntegerWeights(handle->weights);
  handle->weights = nullptr;
  return info.Env().Undefined();
}

// integerLinear(out, handle, x, batch)
Napi::Value integerLinearCall(const Napi::CallbackInfo& info) {
  Arguments args(info);
  IntegerHandle* handle = args.handle<IntegerHandle>(1, "the weights", integerTag);
  const size_t batch = static_cast<size_t>(args.integer(3, "the batch", 1, int64_t{1} << 26));
  args.require(args.ok() && handle->weights, "the weights", "live", "released", "kernel");
  if (!args.ok()) return info.Env().Undefined();
  const IntegerWeights& weights = *handle->weights;
  const Span<int32_t> out = args.int32s(0, "the outputs", batch * weights.shape.outputs());
  const Span<int32_t> x = args.int32s(2, "the inputs", batch * weights.shape.inputs());
  const bool apart = out.data + out.length <= x.data || x.data + x.length <= out.data;
  args.require(apart, "the outputs", "apart from the inputs", "overlapping");
  if (args.ok() && !integerLinear(weights, x.data, out.data, batch))
    args.fail("kernel", "memory", "available", "exhausted");
  return info.Env().Undefined();
}

}  // namespace

void registerInteger(Napi::Env, Napi::Object exports) {
  addFunction(exports, "prepareIntegerLinear", prepareIntegerLinear);
  addFunction(exports, "releaseIntegerLinear", releaseIntegerLinear);
  addFunction(exports, "integerLinear", integerLinearCall);
}

}  // namespace subrosa
