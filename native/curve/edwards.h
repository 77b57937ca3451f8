// The curve edwards25519 [RFC 8032] for whoever evaluates: products of public powers, and logarithms in a known interval.
// Everything here runs in variable time and must see no secret.
//
// Points cross the border as 64 bytes, x then y, affine, little-endian and below 2^255 - 19.
#pragma once

#include <cstddef>
#include <cstdint>

namespace subrosa {

constexpr size_t edwardsBytes = 64;
constexpr size_t scalarBytes = 32;

struct EdwardsProducts {
  const uint8_t* points;   // heads, then small ones
  size_t heads, smalls;
  const uint8_t* scalars;  // [rows, heads], each below 2^254
  const int32_t* exponents;  // [rows, smalls]
  size_t rows;
};

// out[row] = sum of exponents[row][j] * small[j] - sum of scalars[row][h] * head[h]. Tables are made once per call.
void edwardsProducts(const EdwardsProducts& call, uint8_t* out);

// The table of baby steps: slots of two words, a power of two of them, at least twice `steps`. Word 0 is the low half of y of
// 4 i G, word 1 is i (0: empty) and, from bit 32, the low bits of x.
void edwardsLogTable(uint64_t* table, size_t slots, size_t steps);

// Logarithms to the generator of points up to torsion, NaN where none is at most `bound` in size. `steps` as the table was made.
void edwardsLogs(const uint64_t* table, size_t slots, size_t steps, double bound, const uint8_t* points, size_t count,
                 double* out);

}  // namespace subrosa
