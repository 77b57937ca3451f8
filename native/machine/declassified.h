// What may show although it was computed from a secret: which of a sampler's candidates were rejected, as that does not depend on
// the values kept. native/checks/secrets_check.cpp runs the loops under valgrind with every secret marked; this takes the mark off.
#pragma once

#ifdef SUBROSA_CHECK_SECRETS
#include <valgrind/memcheck.h>
#endif

namespace subrosa {

template <typename T>
inline T declassified(T value) {
#ifdef SUBROSA_CHECK_SECRETS
  (void)VALGRIND_MAKE_MEM_DEFINED(&value, sizeof value);
#endif
  return value;
}

}  // namespace subrosa
