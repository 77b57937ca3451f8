#include "machine/cpu.h"

#include <thread>

#ifdef __linux__
#include <sched.h>
#endif

namespace subrosa {

const char* isaName(Isa isa) {
  switch (isa) {
    case Isa::scalar:
      return "scalar";
    case Isa::avx512Emulated:
      return "avx512-emulated";
    case Isa::avx2:
#ifdef SUBROSA_NEON
      return "neon";
#else
      return "avx2";
#endif
    case Isa::avx512Ifma:
      return "avx512ifma";
  }
  return "unknown";
}

bool isaAvailable(Isa isa) {
  switch (isa) {
    case Isa::scalar:
    case Isa::avx512Emulated:
      return true;
#ifdef SUBROSA_X86
    case Isa::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    case Isa::avx512Ifma:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512ifma") && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx2") &&
             __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
#elif defined(SUBROSA_NEON)
    // Of every 64-bit ARM processor.
    case Isa::avx2:
      return true;
#endif
    default:
      return false;
  }
}

size_t availableCpus() {
#ifdef __linux__
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
    const int count = CPU_COUNT(&allowed);
    if (count > 0) return static_cast<size_t>(count);
  }
#endif
  const unsigned count = std::thread::hardware_concurrency();
  return count > 0 ? count : 1;
}

}  // namespace subrosa
