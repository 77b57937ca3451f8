// What the files of the addon register with.
#pragma once

#include <napi.h>

namespace subrosa {

void registerEmbedding(Napi::Env env, Napi::Object exports);
void registerFractions(Napi::Env env, Napi::Object exports);
void registerGemm(Napi::Env env, Napi::Object exports);
void registerInteger(Napi::Env env, Napi::Object exports);
void registerResidueProduct(Napi::Env env, Napi::Object exports);
void registerRing(Napi::Env env, Napi::Object exports);

inline void addFunction(Napi::Object exports, const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) {
  exports.Set(name, Napi::Function::New(exports.Env(), function, name));
}

}  // namespace subrosa
