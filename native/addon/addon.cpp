// The N-API module: instruction sets, threads and memory; the arithmetic registers itself from its own files.
//
// Every function that depends on the instruction set either takes its number first or takes a handle that was opened with
// one, so that one process can hold kernels of several instruction sets.
#include "addon/addon.h"

#include "addon/arguments.h"
#include "machine/memory.h"
#include "machine/pool.h"

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

// One allocation shared by an ArrayBuffer, a handle and the call that makes them; the last one deletes it. `block` is null once
// it was freed. Only the JavaScript thread touches it.
struct Allocation {
  void* block;
  size_t bytes;
  int owners;
};

struct Forget {
  void operator()(Allocation* allocation) const {
    if (--allocation->owners == 0) delete allocation;
  }
};
using Share = std::unique_ptr<Allocation, Forget>;

Share share(Allocation* allocation) {
  allocation->owners++;
  return Share(allocation);
}

void freeAllocation(void* data) {
  Allocation* allocation = static_cast<Allocation*>(data);
  freeBlock(allocation->block, allocation->bytes);
  allocation->block = nullptr;
}

void finalizeBuffer(napi_env, void*, void* hint) {
  const Share dying(static_cast<Allocation*>(hint));
  freeAllocation(hint);
}

// An ArrayBuffer over the block; null when Node makes none: it is too large, or the environment is ending. Node may have kept the
// block all the same, and may or may not have called the finalizer. So the buffer's share is not taken back, and a block that
// is still there stays until nobody can read it any more.
napi_value makeBuffer(napi_env env, Allocation* allocation) {
  napi_value buffer = nullptr;
  Allocation* shared = share(allocation).release();
  if (napi_create_external_arraybuffer(env, shared->block, shared->bytes, finalizeBuffer, shared, &buffer) == napi_ok)
    return buffer;
  if (allocation->block) napi_add_env_cleanup_hook(env, freeAllocation, share(allocation).release());
  return nullptr;
}

// allocate(words) -> { buffer, handle }: zero-filled words in an ArrayBuffer outside the JavaScript heap.
Napi::Value allocate(const Napi::CallbackInfo& info) {
  Arguments args(info);
  const Napi::Env env = info.Env();
  const int64_t words = args.integer(0, "the number of words", 1, int64_t{1} << 36);
  if (!args.ok()) return env.Undefined();
  const size_t bytes = static_cast<size_t>(words) * 8;
  const Share allocation = share(new Allocation{allocateBlock(bytes), bytes, 0});
  const napi_value buffer = allocation->block ? makeBuffer(env, allocation.get()) : nullptr;
  if (!buffer) {
    // Node may have thrown an error of its own.
    napi_value replaced = nullptr;
    napi_get_and_clear_last_exception(env, &replaced);
    args.fail("kernel", "memory", "available", "exhausted");
    return env.Undefined();
  }
  const napi_value handle = makeHandle(env, std::make_unique<Share>(share(allocation.get())), allocationTag);
  napi_value result = nullptr;
  if (napi_create_object(env, &result) == napi_ok && handle) {
    napi_set_named_property(env, result, "buffer", buffer);
    napi_set_named_property(env, result, "handle", handle);
  }
  return Napi::Value(env, result);
}

// release(buffer, handle): detaches every view, then frees at once instead of at some later collection.
Napi::Value release(const Napi::CallbackInfo& info) {
  Arguments args(info);
  const Share* handle = args.handle<Share>(1, "the memory's handle", allocationTag);
  if (!handle) return info.Env().Undefined();
  Allocation* allocation = handle->get();
  void* block = allocation->block;
  const bool belongs = info[0].IsArrayBuffer() && block && info[0].As<Napi::ArrayBuffer>().Data() == block;
  if (!args.require(belongs, "the buffer", "the live one of its handle", "another")) return info.Env().Undefined();
  const size_t bytes = allocation->bytes;
  // Detaching may run the buffer's finalizer: so take the block away from it first.
  allocation->block = nullptr;
  napi_detach_arraybuffer(info.Env(), info[0]);
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
