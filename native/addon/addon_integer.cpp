// Integer linear maps as seen from JavaScript.
#include "addon/addon.h"

#include <cstring>
#include <memory>

#include "addon/arguments.h"
#include "integer/integer_linear.h"
#include "integer/integer_product.h"

namespace subrosa {
namespace {

constexpr napi_type_tag integerTag = {0x3e9d5b1c70f24a86, 0xb58a1f46d90c7e23};
constexpr size_t shapeFields = 16;
// The bounds of integer-linear-map.ts; a padded image may be larger than the image.
constexpr uint64_t mostElements = uint64_t{1} << 26, mostWeights = uint64_t{1} << 28, mostPadded = uint64_t{1} << 29;

// What a handle points to: weights, or null once they were released. Work in the background shares them.
struct IntegerHandle {
  std::shared_ptr<const IntegerWeights> weights;
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
  auto handle = std::make_unique<IntegerHandle>(
      IntegerHandle{std::shared_ptr<IntegerWeights>(packed, freeIntegerWeights)});
  return makeHandle(info.Env(), std::move(handle), integerTag);
}

// releaseIntegerLinear(handle)
Napi::Value releaseIntegerLinear(const Napi::CallbackInfo& info) {
  Arguments args(info);
  IntegerHandle* handle = args.handle<IntegerHandle>(0, "the weights", integerTag);
  if (!args.ok()) return info.Env().Undefined();
  handle->weights.reset();
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

// One map on a thread of libuv, which shares the loops out to the pool as the caller of a synchronous call does. Its arrays
// are copies that no JavaScript can detach or write to before the promise resolves. Not a Napi::AsyncWorker: that aborts the
// process when its environment ends meanwhile, since nothing can be thrown then.
struct IntegerWork {
  std::shared_ptr<const IntegerWeights> weights;
  const int32_t* x;
  int32_t* out;
  size_t batch;
  bool done;
  napi_ref keptX, keptOut;
  napi_deferred deferred;
  napi_async_work handle;

  static void execute(napi_env, void* data) {
    IntegerWork& work = *static_cast<IntegerWork*>(data);
    work.done = integerLinear(*work.weights, work.x, work.out, work.batch);
  }

  // In an environment that ends the promise stays as it is.
  static void complete(napi_env env, napi_status, void* data) {
    const std::unique_ptr<IntegerWork> work(static_cast<IntegerWork*>(data));
    napi_value result;
    const napi_status read = work->done ? napi_get_reference_value(env, work->keptOut, &result)
                                        : napi_get_undefined(env, &result);
    if (read == napi_ok) napi_resolve_deferred(env, work->deferred, result);
    napi_delete_reference(env, work->keptX);
    napi_delete_reference(env, work->keptOut);
    napi_delete_async_work(env, work->handle);
  }
};

// A new Int32Array; `make` is false when none can be made, and JavaScript then has an exception to see.
struct Int32s {
  napi_value array = nullptr;
  int32_t* data = nullptr;

  bool make(napi_env env, size_t length) {
    napi_value buffer = nullptr;
    void* start = nullptr;
    const bool made = napi_create_arraybuffer(env, length * sizeof(int32_t), &start, &buffer) == napi_ok &&
                      napi_create_typedarray(env, napi_int32_array, length, buffer, 0, &array) == napi_ok;
    data = static_cast<int32_t*>(start);
    return made;
  }
};

// integerLinearAsync(handle, x, batch) -> promise of the outputs, of undefined when memory is exhausted.
Napi::Value integerLinearAsync(const Napi::CallbackInfo& info) {
  Arguments args(info);
  const Napi::Env env = info.Env();
  IntegerHandle* handle = args.handle<IntegerHandle>(0, "the weights", integerTag);
  const size_t batch = static_cast<size_t>(args.integer(2, "the batch", 1, int64_t{1} << 26));
  args.require(args.ok() && handle->weights, "the weights", "live", "released", "kernel");
  if (!args.ok()) return env.Undefined();
  const IntegerShape& shape = handle->weights->shape;
  const Span<int32_t> x = args.int32s(1, "the inputs", batch * shape.inputs());
  if (!args.ok()) return env.Undefined();
  Int32s copy, out;
  if (!copy.make(env, x.length) || !out.make(env, batch * shape.outputs())) return env.Undefined();
  memcpy(copy.data, x.data, x.length * sizeof(int32_t));
  auto work = std::make_unique<IntegerWork>(
      IntegerWork{handle->weights, copy.data, out.data, batch, false, nullptr, nullptr, nullptr, nullptr});
  napi_value name = nullptr, promise = nullptr;
  const bool queued =
      napi_create_reference(env, copy.array, 1, &work->keptX) == napi_ok &&
      napi_create_reference(env, out.array, 1, &work->keptOut) == napi_ok &&
      napi_create_promise(env, &work->deferred, &promise) == napi_ok &&
      napi_create_string_utf8(env, "integerLinear", NAPI_AUTO_LENGTH, &name) == napi_ok &&
      napi_create_async_work(env, nullptr, name, IntegerWork::execute, IntegerWork::complete, work.get(),
                             &work->handle) == napi_ok &&
      napi_queue_async_work(env, work->handle) == napi_ok;
  if (!args.require(queued, "the background work", "queued", "refused", "kernel")) return env.Undefined();
  work.release();
  return Napi::Value(env, promise);
}

// updateIntegerProduct(isa, out, rows, n, weights, before); rows of int16 or int32 in panels, before may be undefined
Napi::Value updateIntegerProductCall(const Napi::CallbackInfo& info) {
  Arguments args(info);
  const Isa isa = args.isa(0);
  const Span<int32_t> out = args.int32s(1, "out");
  const bool isNarrow = args.holds(2, napi_int16_array);
  const Span<int16_t> narrow = isNarrow ? args.int16s(2, "the rows") : Span<int16_t>{};
  const Span<int32_t> wide = isNarrow ? Span<int32_t>{} : args.int32s(2, "the rows");
  const size_t n = static_cast<size_t>(args.integer(3, "the length of a row", 1, int64_t{1} << 26));
  const Span<int32_t> weights = args.int32s(4, "the weights");
  const Span<int32_t> before = args.absent(5) ? Span<int32_t>{} : args.int32s(5, "the weights before", weights.length);
  if (!args.ok()) return info.Env().Undefined();
  const size_t values = narrow.length + wide.length, length = values / n;
  args.require(n % panelColumns == 0 && values % n == 0 && length > 0, "the rows", "whole panels", "not");
  if (!args.ok()) return info.Env().Undefined();
  args.require(weights.length % length == 0 && out.length % n == 0 && out.length / n == weights.length / length, "out",
               "a row for each row of weights", "not");
  const char* start = reinterpret_cast<const char*>(out.data);
  const auto apart = [&](const void* data, size_t bytes) {
    const char* other = static_cast<const char*>(data);
    return other + bytes <= start || start + out.length * sizeof(int32_t) <= other;
  };
  args.require(apart(narrow.data, narrow.length * sizeof(int16_t)) && apart(wide.data, wide.length * sizeof(int32_t)) &&
                   apart(weights.data, weights.length * sizeof(int32_t)) && apart(before.data, before.length * sizeof(int32_t)),
               "out", "apart from rows and weights", "overlapping");
  if (!args.ok()) return info.Env().Undefined();
  const IntegerRows rows = {narrow.data, wide.data, length, n};
  if (!updateIntegerProduct(isa, out.data, rows, weights.data, before.data, weights.length / length))
    args.fail("kernel", "memory", "available", "exhausted");
  return info.Env().Undefined();
}

// integerMultiplyAdds(isa, turns) -> how many multiply-adds were made; see IntegerPath
Napi::Value integerMultiplyAddsCall(const Napi::CallbackInfo& info) {
  Arguments args(info);
  const Isa isa = args.isa(0);
  const size_t turns = static_cast<size_t>(args.integer(1, "the turns", 0, int64_t{1} << 26));
  if (!args.ok()) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), static_cast<double>(integerMultiplyAdds(isa, turns)));
}

}  // namespace

void registerInteger(Napi::Env, Napi::Object exports) {
  addFunction(exports, "prepareIntegerLinear", prepareIntegerLinear);
  addFunction(exports, "releaseIntegerLinear", releaseIntegerLinear);
  addFunction(exports, "integerLinear", integerLinearCall);
  addFunction(exports, "integerLinearAsync", integerLinearAsync);
  addFunction(exports, "updateIntegerProduct", updateIntegerProductCall);
  addFunction(exports, "integerMultiplyAdds", integerMultiplyAddsCall);
}

}  // namespace subrosa
