// The N-API module: instruction sets, threads and memory; the arithmetic registers itself from its own files.
//
// Every function that depends on the instruction set either takes its number first or takes a handle that was opened with
// one, so that one process can hold kernels of several instruction sets.
#include "addon.h"

#include "arguments.h"
#include "memory.h"
#include "pool.h"

namespace subrosa {
namespace {

Napi::Value listIsas(const Napi::CallbackInfo& info) {
  Napi::Array names = Napi::Array::New(info.Env());
  for (int isa = 0; isa < isaCount; isa++)
    if (isaAvailable(static_cast<Isa>(isa)))
      names.Set(static_cast<uint32_t>(isa), Napi::String::New(info.Env(), isaName(static_cast<Isa>(isa))));
  return names;
}

Napi::Value setThreads(const Napi::CallbackInfo& info) {
  Arguments args(info);
  const int64_t threads = args.integer(0, "the number of threads", 0, 1024);
  if (!args.ok()) return info.Env().Undefined();
  setPoolThreads(static_cast<size_t>(threads));
  return Napi::Number::New(info.Env(), static_cast<double>(poolThreads()));
}

constexpr napi_type_tag allocationTag = {0x3f8a6c21d07b4e95, 0xb25e91c4f3a7086d};

// One allocation shared by an ArrayBuffer and a handle, each with a finalizer; the last one deletes it. `block` is null once
// it was freed by hand. Only the JavaScript thread touches it.
struct Allocation {
  void* block;
  size_t bytes;
  int owners;
};

void forgetAllocation(Allocation* allocation) {
  if (--allocation->owners == 0) delete allocation;
}

void finalizeBuffer(napi_env, void*, void* hint) {
  Allocation* allocation = static_cast<Allocation*>(hint);
  freeBlock(allocation->block, allocation->bytes);
  allocation->block = nullptr;
  forgetAllocation(allocation);
}

// allocate(words) -> { buffer, handle }: zero-filled words in an ArrayBuffer outside the JavaScript heap.
Napi::Value allocate(const Napi::CallbackInfo& info) {
  Arguments args(info);
  const int64_t words = args.integer(0, "the number of words", 1, int64_t{1} << 36);
  if (!args.ok()) return info.Env().Undefined();
  const size_t bytes = static_cast<size_t>(words) * 8;
  Allocation* allocation = new Allocation{allocateBlock(bytes), bytes, 1};
  napi_value buffer = nullptr;
  if (!allocation->block ||
      napi_create_external_arraybuffer(info.Env(), allocation->block, bytes, finalizeBuffer, allocation, &buffer) !=
          napi_ok) {
    finalizeBuffer(nullptr, nullptr, allocation);
    args.fail("kernel", "memory", "available", "exhausted");
    return info.Env().Undefined();
  }
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("buffer", Napi::Value(info.Env(), buffer));
  allocation->owners++;
  auto handle = Napi::External<Allocation>::New(info.Env(), allocation,
                                                [](Napi::Env, Allocation* dead) { forgetAllocation(dead); });
  napi_type_tag_object(info.Env(), handle, &allocationTag);
  result.Set("handle", handle);
  return result;
}

// release(buffer, handle): detaches every view, then frees at once instead of at some later collection.
Napi::Value release(const Napi::CallbackInfo& info) {
  Arguments args(info);
  Allocation* allocation = args.handle<Allocation>(1, "the memory's handle", allocationTag);
  if (!allocation) return info.Env().Undefined();
  void* block = allocation->block;
  const bool belongs = info[0].IsArrayBuffer() && block && info[0].As<Napi::ArrayBuffer>().Data() == block;
  if (!args.require(belongs, "the buffer", "the live one of its handle", "another")) return info.Env().Undefined();
  const size_t bytes = allocation->bytes;
  // Detaching may run the buffer's finalizer: so take the block away from it first.
  allocation->block = nullptr;
  info[0].As<Napi::ArrayBuffer>().Detach();
  freeBlock(block, bytes);
  return info.Env().Undefined();
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  addFunction(exports, "listIsas", listIsas);
  addFunction(exports, "setThreads", setThreads);
  addFunction(exports, "allocate", allocate);
  addFunction(exports, "release", release);
  registerEmbedding(env, exports);
  registerFractions(env, exports);
  registerGemm(env, exports);
  registerInteger(env, exports);
  registerResidueProduct(env, exports);
  registerRing(env, exports);
  return exports;
}

}  // namespace

}  // namespace subrosa

static Napi::Object initializeModule(Napi::Env env, Napi::Object exports) {
  return subrosa::initialize(env, exports);
}

NODE_API_MODULE(subrosa, initializeModule)
