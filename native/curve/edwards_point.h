// Field and point arithmetic of edwards25519 in five limbs of 51 bits.
//
// Ranges: mul() takes limbs below 2^55 and leaves them below 2^52; add() and sub() do not carry. sub() needs a subtrahend below
// 2^53 - 76, which sums of two products are not: see where it is used.
#pragma once

#include <cstdint>
#include <cstring>

namespace subrosa {

struct Fe {
  uint64_t v[5];
};

constexpr uint64_t feMask = (uint64_t{1} << 51) - 1;
constexpr Fe feZero = {{0, 0, 0, 0, 0}};
constexpr Fe feOne = {{1, 0, 0, 0, 0}};

inline Fe add(const Fe& a, const Fe& b) {
  Fe r;
  for (int i = 0; i < 5; i++) r.v[i] = a.v[i] + b.v[i];
  return r;
}

// a + 4p - b
inline Fe sub(const Fe& a, const Fe& b) {
  Fe r;
  r.v[0] = a.v[0] + 0x1fffffffffffb4 - b.v[0];
  for (int i = 1; i < 5; i++) r.v[i] = a.v[i] + 0x1ffffffffffffc - b.v[i];
  return r;
}

inline Fe mul(const Fe& a, const Fe& b) {
  using Wide = unsigned __int128;
  const uint64_t* x = a.v;
  const uint64_t* y = b.v;
  const uint64_t y1 = 19 * y[1], y2 = 19 * y[2], y3 = 19 * y[3], y4 = 19 * y[4];
  Wide r0 = Wide(x[0]) * y[0] + Wide(x[1]) * y4 + Wide(x[2]) * y3 + Wide(x[3]) * y2 + Wide(x[4]) * y1;
  Wide r1 = Wide(x[0]) * y[1] + Wide(x[1]) * y[0] + Wide(x[2]) * y4 + Wide(x[3]) * y3 + Wide(x[4]) * y2;
  Wide r2 = Wide(x[0]) * y[2] + Wide(x[1]) * y[1] + Wide(x[2]) * y[0] + Wide(x[3]) * y4 + Wide(x[4]) * y3;
  Wide r3 = Wide(x[0]) * y[3] + Wide(x[1]) * y[2] + Wide(x[2]) * y[1] + Wide(x[3]) * y[0] + Wide(x[4]) * y4;
  Wide r4 = Wide(x[0]) * y[4] + Wide(x[1]) * y[3] + Wide(x[2]) * y[2] + Wide(x[3]) * y[1] + Wide(x[4]) * y[0];
  r1 += static_cast<uint64_t>(r0 >> 51);
  r2 += static_cast<uint64_t>(r1 >> 51);
  r3 += static_cast<uint64_t>(r2 >> 51);
  r4 += static_cast<uint64_t>(r3 >> 51);
  // The carry out of the top limb is below 2^63: times 19 it needs 128 bits.
  const Wide low = (static_cast<uint64_t>(r0) & feMask) + Wide(static_cast<uint64_t>(r4 >> 51)) * 19;
  Fe r;
  r.v[0] = static_cast<uint64_t>(low) & feMask;
  r.v[1] = (static_cast<uint64_t>(r1) & feMask) + static_cast<uint64_t>(low >> 51);
  r.v[2] = static_cast<uint64_t>(r2) & feMask;
  r.v[3] = static_cast<uint64_t>(r3) & feMask;
  r.v[4] = static_cast<uint64_t>(r4) & feMask;
  r.v[2] += r.v[1] >> 51;
  r.v[1] &= feMask;
  return r;
}

inline Fe square(const Fe& a) { return mul(a, a); }

// a^(p - 2) [Fermat]; zero gives zero.
inline Fe inverse(const Fe& a) {
  Fe r = a;
  // p - 2 = 2^255 - 21: all ones but for bits 2 and 4.
  for (int bit = 253; bit >= 0; bit--) {
    r = square(r);
    if (bit != 2 && bit != 4) r = mul(r, a);
  }
  return r;
}

inline Fe load(const uint8_t* bytes) {
  uint64_t w[4];
  memcpy(w, bytes, sizeof w);
  return {{w[0] & feMask, (w[0] >> 51 | w[1] << 13) & feMask, (w[1] >> 38 | w[2] << 26) & feMask,
           (w[2] >> 25 | w[3] << 39) & feMask, w[3] >> 12 & feMask}};
}

// The canonical representative, as four words.
inline void words(Fe a, uint64_t w[4]) {
  for (int round = 0; round < 2; round++) {
    uint64_t carry = 0;
    for (int i = 0; i < 5; i++) {
      a.v[i] += carry;
      carry = a.v[i] >> 51;
      a.v[i] &= feMask;
    }
    a.v[0] += 19 * carry;
  }
  // Now below 2^255 + 19 at most: subtract p once where adding 19 overflows 255 bits.
  uint64_t carry = 19;
  for (int i = 0; i < 5; i++) carry = (a.v[i] + carry) >> 51;
  a.v[0] += 19 * carry;
  for (int i = 0; i < 4; i++) {
    a.v[i + 1] += a.v[i] >> 51;
    a.v[i] &= feMask;
  }
  a.v[4] &= feMask;
  w[0] = a.v[0] | a.v[1] << 51;
  w[1] = a.v[1] >> 13 | a.v[2] << 38;
  w[2] = a.v[2] >> 26 | a.v[3] << 25;
  w[3] = a.v[3] >> 39 | a.v[4] << 12;
}

// Extended coordinates, x = X/Z, y = Y/Z, T = XY/Z [Hisil, Wong, Carter, Dawson 2008].
struct Point {
  Fe x, y, z, t;
};

// What an addition needs of its second operand.
struct Cached {
  Fe sum, difference, z2, t2d;
};

// 2 d, d = -121665 / 121666.
constexpr Fe twoD = {{0x69b9426b2f159, 0x35050762add7a, 0x3cf44c0038052, 0x6738cc7407977, 0x2406d9dc56dff}};
constexpr Point identity = {feZero, feOne, feOne, feZero};

inline Cached cached(const Point& p) {
  return {add(p.y, p.x), sub(p.y, p.x), add(p.z, p.z), mul(p.t, twoD)};
}

// The formulas are complete on this curve: no case is special. Coordinates of points are products, below 2^52.
inline Point sum(const Point& p, const Fe& plus, const Fe& minus, const Fe& z2, const Fe& c) {
  const Fe a = mul(sub(p.y, p.x), minus);
  const Fe b = mul(add(p.y, p.x), plus);
  const Fe d = mul(p.z, z2);
  const Fe e = sub(b, a), f = sub(d, c), g = add(d, c), h = add(b, a);
  return {mul(e, f), mul(g, h), mul(f, g), mul(e, h)};
}

inline Point plus(const Point& p, const Cached& q) { return sum(p, q.sum, q.difference, q.z2, mul(p.t, q.t2d)); }
inline Point minus(const Point& p, const Cached& q) {
  // sub() alone would leave limbs over the range of a subtrahend.
  const Fe negative = mul(sub(feZero, p.t), q.t2d);
  return sum(p, q.difference, q.sum, q.z2, negative);
}

inline Point twice(const Point& p) {
  const Fe a = square(p.x), b = square(p.y), z = square(p.z);
  const Fe h = add(a, b);
  const Fe e = sub(h, square(add(p.x, p.y)));
  const Fe g = sub(a, b);
  const Fe f = add(add(z, z), g);
  return {mul(e, f), mul(g, h), mul(f, g), mul(e, h)};
}

inline Point loadPoint(const uint8_t* bytes) {
  const Fe x = load(bytes), y = load(bytes + 32);
  return {x, y, feOne, mul(x, y)};
}

// Affine coordinates of `count` points with one inversion; `scratch` holds `count` elements.
inline void affine(Point* points, size_t count, Fe* scratch) {
  Fe product = feOne;
  for (size_t i = 0; i < count; i++) {
    scratch[i] = product;
    product = mul(product, points[i].z);
  }
  Fe left = inverse(product);
  for (size_t i = count; i-- > 0;) {
    const Fe inverted = mul(left, scratch[i]);
    left = mul(left, points[i].z);
    points[i] = {mul(points[i].x, inverted), mul(points[i].y, inverted), feOne, feZero};
  }
}

}  // namespace subrosa
