// Operations in 64-bit words, for any processor. "Centred" is an int64, "lazy" a word in [0, 4q).
#include "transform/ntt.h"
#include "ring/rotation_digits.h"
#include "machine/word.h"

namespace subrosa {
namespace {

// Any x < 2^108 to [0, q): Barrett with the 128-bit ratio, whose quotient is at most 2 too small.
inline uint64_t reduceProduct(unsigned __int128 x, const Prime& p) {
  const uint64_t low = static_cast<uint64_t>(x), high = static_cast<uint64_t>(x >> 64);
  const uint64_t carry = multiplyHigh(low, p.ratio128Low);
  const unsigned __int128 middle1 = static_cast<unsigned __int128>(low) * p.ratio128High;
  const unsigned __int128 middle2 = static_cast<unsigned __int128>(high) * p.ratio128Low;
  const unsigned __int128 middle = static_cast<unsigned __int128>(static_cast<uint64_t>(middle1)) +
                                   static_cast<uint64_t>(middle2) + carry;
  const uint64_t quotient = high * p.ratio128High + static_cast<uint64_t>(middle1 >> 64) +
                            static_cast<uint64_t>(middle2 >> 64) + static_cast<uint64_t>(middle >> 64);
  return reduceOnce(reduceOnce(low - quotient * p.q, 2 * p.q), p.q);
}

inline uint64_t mulMod(uint64_t a, uint64_t b, const Prime& p) {
  return reduceProduct(static_cast<unsigned __int128>(a) * b, p);
}

// Any |v| <= 2^50 to [0, q): 2^51 rounded up to a multiple of q is added first.
inline uint64_t residueOf(int64_t v, uint64_t lift, const Prime& p) {
  return reduceWord(static_cast<uint64_t>(v) + lift, p.q, p.ratio64);
}

inline uint64_t liftOf(const Prime& p) { return ((uint64_t{1} << 51) / p.q + 1) * p.q; }

inline uint64_t fromLazy(uint64_t x, uint64_t q) { return reduceOnce(reduceOnce(x, 2 * q), q); }

void forward(const Prime& p, uint64_t* x) {
  forwardScalar(p, x);
  for (size_t i = 0; i < p.n; i++) x[i] = fromLazy(x[i], p.q);
}

void add(const Prime& p, uint64_t* out, const uint64_t* a, const uint64_t* b) {
  for (size_t i = 0; i < p.n; i++) out[i] = addMod(a[i], b[i], p.q);
}

void sub(const Prime& p, uint64_t* out, const uint64_t* a, const uint64_t* b) {
  for (size_t i = 0; i < p.n; i++) out[i] = subMod(a[i], b[i], p.q);
}

void negate(const Prime& p, uint64_t* out, const uint64_t* a) {
  for (size_t i = 0; i < p.n; i++) out[i] = subMod(0, a[i], p.q);
}

void mul(const Prime& p, uint64_t* out, const uint64_t* a, const uint64_t* b) {
  for (size_t i = 0; i < p.n; i++) out[i] = mulMod(a[i], b[i], p);
}

void mulAdd(const Prime& p, uint64_t* out, const uint64_t* a, const uint64_t* b) {
  for (size_t i = 0; i < p.n; i++) out[i] = reduceProduct(static_cast<unsigned __int128>(a[i]) * b[i] + out[i], p);
}

void mulScalar(const Prime& p, uint64_t* out, const uint64_t* a, const Factor& w) {
  for (size_t i = 0; i < p.n; i++) out[i] = multiplyShoup(a[i], w.value, w.shoup64, p.q);
}

void addScalar(const Prime& p, uint64_t* out, const uint64_t* a, uint64_t scalar) {
  for (size_t i = 0; i < p.n; i++) out[i] = addMod(a[i], scalar, p.q);
}

void crossProduct(const Prime& p, uint64_t* out, const uint64_t* a0, const uint64_t* a1, const uint64_t* b0,
                  const uint64_t* b1) {
  for (size_t i = 0; i < p.n; i++) {
    const unsigned __int128 x = static_cast<unsigned __int128>(a0[i]) * b1[i];
    const unsigned __int128 y = static_cast<unsigned __int128>(a1[i]) * b0[i];
    out[i] = reduceProduct(x + y, p);
  }
}

void permute(const Prime& p, uint64_t* out, const uint64_t* a, const uint32_t* table) {
  for (size_t i = 0; i < p.n; i++) out[i] = a[table[i]];
}

void inverseCentred(const Prime& p, uint64_t* out, const uint64_t* x, const Factor* w) {
  const Factor one = makeFactor(1, p);
  const Factor& factor = w ? *w : one;
  mulScalar(p, out, x, factor);
  inverseScalar(p, out);
  for (size_t i = 0; i < p.n; i++) out[i] = static_cast<uint64_t>(centre(out[i], p.q));
}

void forwardCentred(const Prime& p, uint64_t* out, const uint64_t* centred, double bound) {
  (void)bound;
  const uint64_t lift = liftOf(p);
  for (size_t i = 0; i < p.n; i++) out[i] = residueOf(static_cast<int64_t>(centred[i]), lift, p);
  forwardScalar(p, out);
}

void combineCentred(const Prime& p, uint64_t* out, const uint64_t* v, size_t distance, size_t count,
                    const Factor* w) {
  const uint64_t lift = liftOf(p);
  for (size_t i = 0; i < p.n; i++) {
    // Each product is below 2^103: 32 of them fit.
    unsigned __int128 sum = 0;
    for (size_t t = 0; t < count; t++) {
      if (t % 16 == 15) sum = reduceProduct(sum, p);
      sum += static_cast<unsigned __int128>(v[t * distance + i] + lift) * w[t].value;
    }
    out[i] = static_cast<uint64_t>(centre(reduceProduct(sum, p), p.q));
  }
}

void differenceCentred(const Prime& p, uint64_t* out, const uint64_t* u, const uint64_t* v, const Factor& w) {
  const uint64_t lift = liftOf(p);
  for (size_t i = 0; i < p.n; i++)
    out[i] = static_cast<uint64_t>(centre(multiplyShoup(u[i] - v[i] + lift, w.value, w.shoup64, p.q), p.q));
}

void canonical(const Prime& p, uint64_t* out, const uint64_t* lazy) {
  for (size_t i = 0; i < p.n; i++) out[i] = fromLazy(lazy[i], p.q);
}

void subtractScale(const Prime& p, uint64_t* out, const uint64_t* a, const uint64_t* lazy, const Factor& w,
                   const uint64_t* b, const Factor& v) {
  const uint64_t fourQ = 4 * p.q;
  for (size_t i = 0; i < p.n; i++) {
    const uint64_t difference = multiplyShoup(a[i] + fourQ - lazy[i], w.value, w.shoup64, p.q);
    out[i] = b ? addMod(difference, multiplyShoup(b[i], v.value, v.shoup64, p.q), p.q) : difference;
  }
}

void subtractScaleProduct(const Prime& p, uint64_t* out, const uint64_t* a, const uint64_t* lazy, const Factor& w,
                          const uint64_t* b, const uint64_t* c, const Factor& v) {
  const uint64_t fourQ = 4 * p.q;
  for (size_t i = 0; i < p.n; i++) {
    const uint64_t difference = multiplyShoup(a[i] + fourQ - lazy[i], w.value, w.shoup64, p.q);
    out[i] = addMod(difference, multiplyShoup(mulMod(b[i], c[i], p), v.value, v.shoup64, p.q), p.q);
  }
}

void addScaledProduct(const Prime& p, uint64_t* out, const uint64_t* b, const uint64_t* c, const Factor& v) {
  for (size_t i = 0; i < p.n; i++)
    out[i] = addMod(out[i], multiplyShoup(mulMod(b[i], c[i], p), v.value, v.shoup64, p.q), p.q);
}

void forwardCombined(const Prime& p, uint64_t* out, const uint64_t* u, const uint64_t* v, const Factor& w) {
  const uint64_t lift = liftOf(p);
  for (size_t i = 0; i < p.n; i++) {
    const uint64_t product = multiplyShoup(v[i] + lift, w.value, w.shoup64, p.q);
    out[i] = static_cast<uint64_t>(centre(residueOf(static_cast<int64_t>(u[i] + product), lift, p), p.q));
  }
  forwardCentred(p, out, out, p.qDouble);
}

void innerProduct(const Prime& p, uint64_t* out0, uint64_t* out1, const InnerTerm* terms, size_t count,
                  const uint32_t* table, size_t from, size_t to) {
  for (size_t i = from; i < to; i++) {
    // Each product is below 2^102: 64 of them fit.
    unsigned __int128 sum0 = 0, sum1 = 0;
    for (size_t t = 0; t < count; t++) {
      const uint64_t x = terms[t].x[table ? table[i] : i];
      sum0 += static_cast<unsigned __int128>(x) * terms[t].key0[i];
      sum1 += static_cast<unsigned __int128>(x) * terms[t].key1[i];
    }
    out0[i] = reduceProduct(sum0, p);
    out1[i] = reduceProduct(sum1, p);
  }
}

}  // namespace

constexpr Operations scalarOperations = {
    TableFormat::shoup64, 1,         forward,  inverseScalar,  add,          sub,           negate,
    mul,                  mulAdd,    mulScalar, addScalar,     crossProduct, permute,       inverseCentred,
    forwardCentred,       combineCentred, differenceCentred, canonical, subtractScale,
    subtractScaleProduct, addScaledProduct,
    forwardCombined,      innerProduct,   nullptr,       &scalarConversions, nullptr, nullptr,
    rotationDigitsLoop<int64_t>,
};

}  // namespace subrosa
