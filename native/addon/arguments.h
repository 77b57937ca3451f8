// Reads and checks the arguments of an addon function. The first violation becomes a JavaScript exception with the
// properties code ('shape', 'range' or 'kernel'), what, needed, got; reads after it return zeros, so that a function reads
// everything, then asks ok() once.
//
// A worker thread may be ended at any moment. From then on calls of Node-API that could run JavaScript fail and nothing can be
// thrown; napi.h would abort the process over that. So whatever is made here for JavaScript is made with the C functions, and
// a failure of theirs frees what it concerns and returns null, which no JavaScript will see.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <napi.h>
#include <vector>

#include "machine/cpu.h"

namespace subrosa {

template <typename T>
struct Span {
  T* data = nullptr;
  size_t length = 0;
};

constexpr size_t anyLength = ~size_t{0};

class Arguments {
 public:
  explicit Arguments(const Napi::CallbackInfo& info) : info_(info) {}

  bool ok() const { return ok_; }
  Napi::Env env() const { return info_.Env(); }
  size_t count() const { return info_.Length(); }
  bool absent(size_t index) const {
    return index >= info_.Length() || info_[index].IsUndefined() || info_[index].IsNull();
  }

  // Typed arrays of exactly `length` elements, or of any length.
  Span<uint64_t> words(size_t index, const char* what, size_t length = anyLength) {
    return array<uint64_t>(index, what, napi_biguint64_array, "a BigUint64Array", length);
  }
  Span<double> doubles(size_t index, const char* what, size_t length = anyLength) {
    return array<double>(index, what, napi_float64_array, "a Float64Array", length);
  }
  Span<float> floats(size_t index, const char* what, size_t length = anyLength) {
    return array<float>(index, what, napi_float32_array, "a Float32Array", length);
  }
  Span<int32_t> int32s(size_t index, const char* what, size_t length = anyLength) {
    return array<int32_t>(index, what, napi_int32_array, "an Int32Array", length);
  }
  Span<uint32_t> uint32s(size_t index, const char* what, size_t length = anyLength) {
    return array<uint32_t>(index, what, napi_uint32_array, "a Uint32Array", length);
  }
  Span<int16_t> int16s(size_t index, const char* what, size_t length = anyLength) {
    return array<int16_t>(index, what, napi_int16_array, "an Int16Array", length);
  }
  Span<int8_t> int8s(size_t index, const char* what, size_t length = anyLength) {
    return array<int8_t>(index, what, napi_int8_array, "an Int8Array", length);
  }
  Span<uint8_t> bytes(size_t index, const char* what, size_t length = anyLength) {
    return array<uint8_t>(index, what, napi_uint8_array, "a Uint8Array", length);
  }

  // An array of such typed arrays.
  std::vector<Span<uint64_t>> wordLists(size_t index, const char* what) {
    return lists<uint64_t>(index, what, napi_biguint64_array, "BigUint64Arrays");
  }
  std::vector<Span<uint32_t>> uint32Lists(size_t index, const char* what) {
    return lists<uint32_t>(index, what, napi_uint32_array, "Uint32Arrays");
  }

  // Whether the argument is a typed array of this type.
  bool holds(size_t index, napi_typedarray_type wanted) {
    napi_typedarray_type type;
    return ok_ && index < info_.Length() &&
           napi_get_typedarray_info(env(), info_[index], &type, nullptr, nullptr, nullptr, nullptr) == napi_ok &&
           type == wanted;
  }

  double number(size_t index, const char* what) {
    double value = 0;
    if (!ok_) return 0;
    if (index >= info_.Length() || napi_get_value_double(env(), info_[index], &value) != napi_ok) {
      fail("shape", what, "a number", "something else");
      return 0;
    }
    return value;
  }

  // An integer in [low, high]; both at most 2^53 in size.
  int64_t integer(size_t index, const char* what, int64_t low, int64_t high) {
    const double value = number(index, what);
    if (!ok_) return 0;
    if (!(value >= static_cast<double>(low) && value <= static_cast<double>(high)) ||
        value != static_cast<double>(static_cast<int64_t>(value))) {
      char needed[64], got[32];
      snprintf(needed, sizeof needed, "an integer in [%lld, %lld]", static_cast<long long>(low),
               static_cast<long long>(high));
      snprintf(got, sizeof got, "%.17g", value);
      fail("range", what, needed, got);
      return 0;
    }
    return static_cast<int64_t>(value);
  }

  bool boolean(size_t index, const char* what) {
    bool value = false;
    if (!ok_) return false;
    if (index >= info_.Length() || napi_get_value_bool(env(), info_[index], &value) != napi_ok)
      fail("shape", what, "a boolean", "something else");
    return value;
  }

  Isa isa(size_t index) {
    const auto isa = static_cast<Isa>(integer(index, "the instruction set", 0, isaCount - 1));
    if (ok_ && !isaAvailable(isa)) fail("kernel", "the instruction set", "available", isaName(isa));
    return isa;
  }

  // The object behind a handle made by Napi::External<T>, tagged with the type's name.
  template <typename T>
  T* handle(size_t index, const char* what, const napi_type_tag& tag) {
    if (!ok_) return nullptr;
    bool matches = false;
    void* pointer = nullptr;
    if (index >= info_.Length() || !info_[index].IsExternal() ||
        napi_check_object_type_tag(env(), info_[index], &tag, &matches) != napi_ok || !matches ||
        napi_get_value_external(env(), info_[index], &pointer) != napi_ok || !pointer) {
      fail("shape", what, "a handle of this kernel", "something else");
      return nullptr;
    }
    return static_cast<T*>(pointer);
  }

  // Records that a condition was violated when it is false.
  bool require(bool holds, const char* what, const char* needed, const char* got, const char* code = "shape") {
    if (ok_ && !holds) fail(code, what, needed, got);
    return ok_;
  }
  bool requireSize(size_t size, size_t needed, const char* what) {
    if (!ok_ || size == needed) return ok_;
    char neededText[32], gotText[32];
    snprintf(neededText, sizeof neededText, "%zu", needed);
    snprintf(gotText, sizeof gotText, "%zu", size);
    fail("shape", what, neededText, gotText);
    return false;
  }

  void fail(const char* code, const char* what, const char* needed, const char* got) {
    if (!ok_) return;
    ok_ = false;
    char message[256];
    snprintf(message, sizeof message, "%s must be %s but is %s", what, needed, got);
    napi_value error = nullptr;
    if (napi_create_error(env(), nullptr, text(message), &error) != napi_ok) return;
    setText(error, "code", code);
    setText(error, "what", what);
    setText(error, "needed", needed);
    setText(error, "got", got);
    napi_throw(env(), error);
  }

 private:
  template <typename T>
  Span<T> array(size_t index, const char* what, napi_typedarray_type wanted, const char* name, size_t length) {
    return arrayOf<T>(index < info_.Length() ? static_cast<napi_value>(info_[index]) : nullptr, what, wanted, name, length);
  }

  template <typename T>
  std::vector<Span<T>> lists(size_t index, const char* what, napi_typedarray_type wanted, const char* name) {
    std::vector<Span<T>> all;
    uint32_t length = 0;
    if (!ok_) return all;
    if (index >= info_.Length() || napi_get_array_length(env(), info_[index], &length) != napi_ok) {
      fail("shape", what, "an array", "something else");
      return all;
    }
    for (uint32_t i = 0; i < length && ok_; i++) {
      napi_value element = nullptr;
      napi_get_element(env(), info_[index], i, &element);
      all.push_back(arrayOf<T>(element, what, wanted, name, anyLength));
    }
    return ok_ ? all : std::vector<Span<T>>();
  }

  template <typename T>
  Span<T> arrayOf(napi_value value, const char* what, napi_typedarray_type wanted, const char* name, size_t length) {
    Span<T> span;
    if (!ok_) return span;
    napi_typedarray_type type;
    napi_value buffer = nullptr;
    void* data = nullptr;
    if (!value || napi_get_typedarray_info(env(), value, &type, &span.length, &data, &buffer, nullptr) != napi_ok ||
        type != wanted) {
      span.length = 0;
      fail("shape", what, name, "something else");
      return span;
    }
    // Another thread could change shared memory between a check and the use of what was checked.
    bool isOwn = false;
    if (napi_is_arraybuffer(env(), buffer, &isOwn) != napi_ok || !isOwn) {
      span.length = 0;
      fail("shape", what, "an array over memory that is not shared", "over a SharedArrayBuffer");
      return span;
    }
    span.data = static_cast<T*>(data);
    if (length != anyLength && span.length != length) {
      requireSize(span.length, length, what);
      span = {};
    }
    return span;
  }

  napi_value text(const char* characters) {
    napi_value value = nullptr;
    napi_create_string_utf8(env(), characters, NAPI_AUTO_LENGTH, &value);
    return value;
  }
  void setText(napi_value object, const char* name, const char* characters) {
    napi_set_named_property(env(), object, name, text(characters));
  }

  const Napi::CallbackInfo& info_;
  bool ok_ = true;
};

// A tagged handle that deletes `object` when it is collected or its environment ends; null, and the object deleted at once,
// when no handle can be made.
template <typename T>
Napi::Value makeHandle(Napi::Env env, std::unique_ptr<T> object, const napi_type_tag& tag) {
  napi_value handle = nullptr;
  const auto finalize = [](napi_env, void* data, void*) { delete static_cast<T*>(data); };
  if (napi_create_external(env, object.get(), finalize, nullptr, &handle) != napi_ok) return Napi::Value();
  object.release();
  napi_type_tag_object(env, handle, &tag);
  return Napi::Value(env, handle);
}

}  // namespace subrosa
