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

// One allocation shared by an ArrayBuffer and its finalizer. `block` is null once it was freed by hand.
struct Allocation {
  void* block;
  size_t bytes;
};

void finalizeAllocation(napi_env, void*, void* hint) {
  Allocation* allocation = static_cast<Allocation*>(hint);
  freeBlock(allocation->block, allocation->bytes);
  delete allocation;
}

// allocate(words) -> { buffer, handle }: zero-filled words in an ArrayBuffer outside the JavaScript heap.
Napi::Value allocate(const Napi::CallbackInfo& info) {
  Arguments args(info);
  const int64_t words = args.integer(0, "the number of words", 1, int64_t{1} << 36);
  if (!args.ok()) return info.Env().Undefined();
  const size_t bytes = static_cast<size_t>(words) * 8;
  Allocation* allocation = new Allocation{allocateBlock(bytes), bytes};
  napi_value buffer = nullptr;
  if (!allocation->block ||
      napi_create_external_arraybuffer(info.Env(), allocation->block, bytes, finalizeAllocation, allocation, &buffer) !=
          napi_ok) {
    finalizeAllocation(nullptr, nullptr, allocation);
    args.fail("kernel", "memory", "available", "exhausted");
    return info.Env().Undefined();
  }
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("buffer", Napi::Value(info.Env(), buffer));
  result.Set("handle", Napi::External<Allocation>::New(info.Env(), allocation));
  return result;
}

// release(buffer, handle): detaches every view, then frees at once instead of at some later collection.
Napi::Value release(const Napi::CallbackInfo& info) {
  Arguments args(info);
  if (!args.require(info.Length() == 2 && info[0].IsArrayBuffer() && info[1].IsExternal(), "the arguments",
                    "a buffer and its handle", "something else"))
    return info.Env().Undefined();
  Allocation* allocation = info[1].As<Napi::External<Allocation>>().Data();
  void* block = allocation->block;
  const size_t bytes = allocation->bytes;
  // Detaching may run the finalizer, which deletes the allocation: so take the block away from it first.
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
  registerGemm(env, exports);
  registerRing(env, exports);
  return exports;
}

}  // namespace

}  // namespace subrosa

static Napi::Object initializeModule(Napi::Env env, Napi::Object exports) {
  return subrosa::initialize(env, exports);
}

NODE_API_MODULE(subrosa, initializeModule)
