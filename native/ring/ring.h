// Tables of one ring Z_q[X]/(X^n + 1) per prime, and the loops over one limb that each instruction set provides.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "sampler/sampler.h"

namespace subrosa {

constexpr size_t maxRingPrimes = 64;

// A residue with what multiplies by it fast: a Shoup quotient in the format of the instruction set.
struct Factor {
  uint64_t value;     // in [0, q)
  uint64_t shoup64;   // floor(value 2^64 / q)
  uint64_t shoup52;   // floor(value 2^52 / q)
  double centred;     // value in (-q/2, q/2)
  double quotient;    // centred / q
};

struct Prime {
  uint64_t q;
  uint64_t ratio64;   // floor(2^64 / q)
  uint64_t ratio128Low, ratio128High;  // floor(2^128 / q)
  uint64_t ratio52;   // floor(2^52 / q)
  // 104-bit Barrett: products of two residues are shifted right by `shift` = bits(q) - 1 before they are multiplied by
  // ratioShifted = floor(2^(52 + shift) / q) < 2^52.
  uint64_t shift, ratioShifted;
  double qDouble, qInverse;
  // 1.5 * 2^(52 + e): rounds sums of products to multiples of 2^e; see Operations::innerProduct in ring_avx2.cpp.
  double sumMagic;
  size_t n;
  unsigned logN;
  // Powers of psi in the order in which the NTT reads them, n each, in the format of the instruction set: value and
  // quotient. Index 0 of the inverse tables holds 1/n, index 1 the last stage's root times 1/n.
  void* root;
  void* rootQuotient;
  void* inverseRoot;
  void* inverseRootQuotient;
};

// Below it an inner product adds 8 products of a lazy word and a residue, else 4 of a reduced word and a residue.
constexpr double innerNarrowLimit = 140737488355328.0;  // 2^47

Factor makeFactor(uint64_t value, const Prime& prime);

// How Prime's tables are laid out.
enum class TableFormat { shoup64, doubles, shoup52 };

// One digit of an inner product: x * (key0, key1), all over one limb. `canonical` tells a residue in [0, q) from the
// lazy output of forwardCentred.
struct InnerTerm {
  const uint64_t* x;
  const uint64_t* key0;
  const uint64_t* key1;
  bool canonical;
};

// The primes of a number in residues, for the digits of its mixed-radix form.
struct MixedRadix {
  size_t n;
  size_t count;
  const Prime* const* primes;
  // inverses[i * count + j] is q_j^-1 mod q_i, for j < i.
  const Factor* inverses;
};

// Between residues and ordinary numbers; see ring_convert.h. The AVX2 loops serve the AVX-512 path, too.
struct Conversions {
  void (*fromSigned)(const Prime& p, uint64_t* out, const int8_t* small);
  void (*fromDoubles)(const Prime& p, uint64_t* out, const double* values);
  // Limb i of a begins at a + i n.
  void (*toDoubles)(const MixedRadix& radix, double* out, const uint64_t* a);
};

extern const Conversions scalarConversions;
#ifdef SUBROSA_AVX2
extern const Conversions avx2Conversions;
#endif

// Loops over one limb of n words. Words are residues in [0, q) unless stated otherwise.
//   "centred": a signed number of at most 2^50 in absolute value, as an int64 or a double, whichever the instruction
//   set works on. "lazy": the set's own form of an NTT value that has not been reduced.
// out may be an input everywhere but in permute and innerProduct.
struct Operations {
  TableFormat format;
  // Lanes of the final NTT stages: their roots are interleaved so that one load serves all lanes. 1: not.
  size_t lanes;

  void (*forward)(const Prime& p, uint64_t* x);
  void (*inverse)(const Prime& p, uint64_t* x);

  void (*add)(const Prime& p, uint64_t* out, const uint64_t* a, const uint64_t* b);
  void (*sub)(const Prime& p, uint64_t* out, const uint64_t* a, const uint64_t* b);
  void (*negate)(const Prime& p, uint64_t* out, const uint64_t* a);
  void (*mul)(const Prime& p, uint64_t* out, const uint64_t* a, const uint64_t* b);
  void (*mulAdd)(const Prime& p, uint64_t* out, const uint64_t* a, const uint64_t* b);
  void (*mulScalar)(const Prime& p, uint64_t* out, const uint64_t* a, const Factor& w);
  void (*addScalar)(const Prime& p, uint64_t* out, const uint64_t* a, uint64_t scalar);
  // out = a0 b1 + a1 b0.
  void (*crossProduct)(const Prime& p, uint64_t* out, const uint64_t* a0, const uint64_t* a1, const uint64_t* b0,
                       const uint64_t* b1);
  // out[i] = a[table[i]], the permutation of an automorphism: aligned runs of eight stay together.
  void (*permute)(const Prime& p, uint64_t* out, const uint64_t* a, const uint32_t* table);

  // Centred coefficients, exactly in [-(q-1)/2, (q-1)/2], of w * x given in the NTT domain; w null means 1.
  void (*inverseCentred)(const Prime& p, uint64_t* out, const uint64_t* x, const Factor* w);
  // Lazy NTT mod p of centred coefficients of at most `bound` in absolute value.
  void (*forwardCentred)(const Prime& p, uint64_t* out, const uint64_t* centred, double bound);
  // Centred out = the sum over i < count of w_i v_i mod q, |out| < 0.6 q; v_i at v + i * distance, at most 2^50 in size.
  void (*combineCentred)(const Prime& p, uint64_t* out, const uint64_t* v, size_t distance, size_t count,
                         const Factor* w);
  // out = (u - v) w mod q, centred exactly as inverseCentred does. |u - v| at most 2^50.
  void (*differenceCentred)(const Prime& p, uint64_t* out, const uint64_t* u, const uint64_t* v, const Factor& w);
  // Residues of a lazy polynomial.
  void (*canonical)(const Prime& p, uint64_t* out, const uint64_t* lazy);
  // out = (a - lazy) w + b v; b null means 0.
  void (*subtractScale)(const Prime& p, uint64_t* out, const uint64_t* a, const uint64_t* lazy, const Factor& w,
                        const uint64_t* b, const Factor& v);
  // out = (a - lazy) w + b c v.
  void (*subtractScaleProduct)(const Prime& p, uint64_t* out, const uint64_t* a, const uint64_t* lazy, const Factor& w,
                               const uint64_t* b, const uint64_t* c, const Factor& v);
  // out = out + b c v.
  void (*addScaledProduct)(const Prime& p, uint64_t* out, const uint64_t* b, const uint64_t* c, const Factor& v);
  // forwardCentred of u + w v, both at most 2^50 in size.
  void (*forwardCombined)(const Prime& p, uint64_t* out, const uint64_t* u, const uint64_t* v, const Factor& w);
  // (out0, out1) = sum over the terms, at most 64, of x (key0, key1), for the words from `from` to `to`, multiples of 8. With
  // a table, each x is read as permute reads it, and is canonical.
  void (*innerProduct)(const Prime& p, uint64_t* out0, uint64_t* out1, const InnerTerm* terms, size_t count,
                       const uint32_t* table, size_t from, size_t to);
  // For sampleUniformLanes; null where several states at once would not be faster.
  const KeccakLanes* keccak;
  const Conversions* conversions;
  // forward of what the conversions of the same name give; null where it would not be faster.
  void (*forwardSigned)(const Prime& p, uint64_t* out, const int8_t* small);
  void (*forwardDoubles)(const Prime& p, uint64_t* out, const double* values);
  // Centred digits of X^exponent a - a, coefficients: of each v, centred, floor((v + 2^(shift-1)) / 2^shift). out is not a.
  void (*rotationDigits)(const Prime& p, uint64_t* out, const uint64_t* a, size_t exponent, unsigned shift);
};

// Defined as constexpr: a table that is filled when the addon is loaded is filled by instructions of its set, on whichever processor.
extern const Operations scalarOperations;
#ifdef SUBROSA_AVX2
extern const Operations avx2Operations;
#endif
#ifdef SUBROSA_X86
extern const Operations avx512Operations;
#endif
extern const Operations emulatedOperations;

}  // namespace subrosa
