#include "keyswitch.h"

#include <cstring>

#include "memory.h"
#include "pool.h"

namespace subrosa {

namespace {

double halfOf(const Prime& p) { return 0.5 * p.qDouble; }

Factor inverseFactor(const Ring& ring, size_t from, size_t to) {
  return makeFactor(ring.inverse(from, to), ring.prime(to));
}

}  // namespace

void rescale(const Ring& ring, uint64_t* out, const uint64_t* a, const size_t* mods, size_t count, uint64_t* scratch) {
  const size_t n = ring.n();
  const Operations& op = ring.operations();
  uint64_t* remainder = scratch;
  uint64_t* transformed = scratch + n;
  const size_t last = mods[count - 1];
  op.inverseCentred(ring.prime(last), remainder, a + (count - 1) * n, nullptr);
  for (size_t j = 0; j + 1 < count; j++) {
    const Prime& p = ring.prime(mods[j]);
    const Factor w = inverseFactor(ring, last, mods[j]);
    op.forwardCentred(p, transformed, remainder, halfOf(ring.prime(last)));
    op.subtractScale(p, out + j * n, a + j * n, transformed, w, nullptr, w);
  }
}

KeySwitch::KeySwitch(const Ring& ring, const KeyShape& shape, bool spread)
    : ring_(ring), shape_(shape), op_(ring.operations()), n_(ring.n()), step_(n_ + 72), spread_(spread) {
  if (shape.alpha == 1) return;
  for (size_t i = 0; i < shape.q.size(); i++) {
    const size_t first = i / shape.alpha * shape.alpha;
    const size_t end = first + shape.alpha < shape.q.size() ? first + shape.alpha : shape.q.size();
    const auto cofactorModulo = [&](size_t limb, bool inverted) {
      const Prime& p = ring.prime(limb);
      unsigned __int128 value = 1;
      for (size_t k = first; k < end; k++) {
        if (k == i) continue;
        value = value * (inverted ? ring.inverse(shape.q[k], limb) : ring.prime(shape.q[k]).q % p.q) % p.q;
      }
      return makeFactor(static_cast<uint64_t>(value), p);
    };
    scale_.push_back(cofactorModulo(shape.q[i], true));
    for (size_t j = 0; j < shape.limbs(); j++) cofactor_.push_back(cofactorModulo(shape.limb(j), false));
  }
}

// The digits that an inner product reads: prepared ones, or those of the polynomial d made limb by limb.
struct KeySwitch::Source {
  const uint64_t* key;
  const uint64_t* d;
  const uint64_t* coefficients;
  const uint64_t* digits;
  const uint32_t* galoisTable;
};

size_t KeySwitch::scratchWords() const {
  const size_t limbs = shape_.limbs();
  return (2 * limbs + 4 * shape_.q.size() + shape_.digits() + 10) * step_;
}

// Calls body(i, buffer) for each i < count, with a buffer of one limb per digit for the calling thread.
template <typename Body>
void KeySwitch::forEachLimb(size_t count, Body&& body) const {
  parallelFor(count, spread_, [&](size_t i) {
    void* buffer = threadScratch(1, shape_.digits() * step_ * sizeof(uint64_t));
    if (buffer)
      body(i, static_cast<uint64_t*>(buffer));
    else
      exhausted_ = true;
  });
}

void KeySwitch::coefficients(uint64_t* out, const uint64_t* d) const {
  forEachLimb(shape_.q.size(), [&](size_t i, uint64_t*) {
    op_.inverseCentred(primeAt(i), out + i * step_, d + i * n_, shape_.alpha == 1 ? nullptr : &scale_[i]);
  });
}

// Lazy NTT modulo the limb at `position`, which does not belong to the digit.
void KeySwitch::digitLimb(uint64_t* out, const uint64_t* coefficients, size_t digit, size_t position) const {
  const Prime& p = primeAt(position);
  const size_t first = digit * shape_.alpha;
  if (shape_.alpha == 1 || first + 1 == shape_.q.size()) {
    op_.forwardCentred(p, out, coefficients + first * step_, halfOf(primeAt(first)));
    return;
  }
  // The buffer serves as the sum, too: forwardCentred reads each word before it writes it.
  for (size_t i = first; i < first + shape_.alpha && i < shape_.q.size(); i++)
    op_.combineCentred(p, out, i == first ? nullptr : out, coefficients + i * step_,
                       cofactor_[i * shape_.limbs() + position]);
  op_.forwardCentred(p, out, out, p.qDouble);
}

// Reduced inner product with the key modulo the limb at `position`; the buffer holds one limb for each digit.
void KeySwitch::product(uint64_t* out0, uint64_t* out1, const Source& source, size_t position,
                        uint64_t* buffer) const {
  const Prime& p = primeAt(position);
  const size_t digits = shape_.digits();
  InnerTerm terms[maxRingPrimes];
  for (size_t digit = 0; digit < digits; digit++) {
    const uint64_t* key = source.key + (2 * digit * shape_.keyLimbs + shape_.slots[position]) * n_;
    InnerTerm& term = terms[digit];
    term = {nullptr, key, key + shape_.keyLimbs * n_, true};
    uint64_t* x = buffer + digit * step_;
    if (source.digits) {
      term.x = source.digits + (digit * shape_.limbs() + position) * n_;
      if (source.galoisTable) {
        op_.permute(p, x, term.x, source.galoisTable);
        term.x = x;
      }
    } else if (inDigit(digit, position)) {
      term.x = source.d + position * n_;
    } else {
      digitLimb(x, source.coefficients, digit, position);
      term.x = x;
      term.canonical = false;
    }
  }
  op_.innerProduct(p, out0, out1, terms, digits);
}

void KeySwitch::divideByOneSpecial(uint64_t* out, const Source& source, const uint64_t* c0, const uint32_t* galoisTable,
                                   uint64_t* scratch) const {
  const size_t limbs = shape_.q.size();
  uint64_t* sum[2] = {scratch, scratch + step_};
  uint64_t* remainder[2] = {scratch + 2 * step_, scratch + 3 * step_};
  uint64_t* transformed = scratch + 4 * step_;
  uint64_t* moved = scratch + 5 * step_;
  uint64_t* buffer = scratch + 6 * step_;
  const Prime& special = primeAt(limbs);
  product(sum[0], sum[1], source, limbs, buffer);
  for (int part = 0; part < 2; part++) op_.inverseCentred(special, remainder[part], sum[part], nullptr);
  for (size_t j = 0; j < limbs; j++) {
    const Prime& p = primeAt(j);
    const Factor w = inverseFactor(ring_, shape_.p[0], shape_.q[j]);
    const Factor one = makeFactor(1, p);
    product(sum[0], sum[1], source, j, buffer);
    for (int part = 0; part < 2; part++) {
      const uint64_t* addend = nullptr;
      if (part == 0 && c0) {
        addend = c0 + j * n_;
        if (galoisTable) {
          op_.permute(p, moved, addend, galoisTable);
          addend = moved;
        }
      }
      op_.forwardCentred(p, transformed, remainder[part], halfOf(special));
      op_.subtractScale(p, out + (part * limbs + j) * n_, sum[part], transformed, w, addend, one);
    }
  }
}

// Divides two parts, each over the limbs up to the position `last`, by that limb and rounds. A part has `inLimbs`
// limbs in memory and `outLimbs` in the result, which may be the input.
void KeySwitch::divideParts(uint64_t* out, size_t outLimbs, const uint64_t* in, size_t inLimbs, size_t last,
                            uint64_t* scratch) const {
  const Prime& divisor = primeAt(last);
  forEachLimb(2, [&](size_t part, uint64_t*) {
    op_.inverseCentred(divisor, scratch + part * step_, in + (part * inLimbs + last) * n_, nullptr);
  });
  forEachLimb(2 * last, [&](size_t i, uint64_t* buffer) {
    const size_t part = i % 2, j = i / 2;
    const Factor w = inverseFactor(ring_, shape_.limb(last), shape_.limb(j));
    op_.forwardCentred(primeAt(j), buffer, scratch + part * step_, halfOf(divisor));
    op_.subtractScale(primeAt(j), out + (part * outLimbs + j) * n_, in + (part * inLimbs + j) * n_, buffer, w, nullptr,
                      w);
  });
}

// Any number of special primes, or limbs shared between threads: the whole sum first, then one division after
// another.
void KeySwitch::divideBySpecials(uint64_t* out, const Source& source, const uint64_t* c0, const uint32_t* galoisTable,
                                 uint64_t* scratch) const {
  if (shape_.p.size() == 1 && !spread_) return divideByOneSpecial(out, source, c0, galoisTable, scratch);
  const size_t limbs = shape_.limbs(), kept = shape_.q.size();
  uint64_t* sum[2] = {scratch, scratch + limbs * n_};
  uint64_t* work = scratch + 2 * limbs * n_;
  forEachLimb(limbs, [&](size_t j, uint64_t* buffer) {
    product(sum[0] + j * n_, sum[1] + j * n_, source, j, buffer);
  });
  for (size_t left = limbs; left > kept; left--) {
    const bool finished = left == kept + 1;
    divideParts(finished ? out : scratch, finished ? kept : limbs, scratch, limbs, left - 1, work);
  }
  if (!c0) return;
  forEachLimb(kept, [&](size_t j, uint64_t* buffer) {
    const uint64_t* addend = c0 + j * n_;
    if (galoisTable) {
      op_.permute(primeAt(j), buffer, addend, galoisTable);
      addend = buffer;
    }
    op_.add(primeAt(j), out + j * n_, out + j * n_, addend);
  });
}

void KeySwitch::decompose(uint64_t* out, const uint64_t* d, uint64_t* scratch) const {
  coefficients(scratch, d);
  const size_t limbs = shape_.limbs();
  forEachLimb(shape_.digits() * limbs, [&](size_t i, uint64_t*) {
    const size_t digit = i / limbs, j = i % limbs;
    uint64_t* to = out + i * n_;
    if (inDigit(digit, j)) {
      memcpy(to, d + j * n_, n_ * sizeof(uint64_t));
    } else {
      digitLimb(to, scratch, digit, j);
      op_.canonical(primeAt(j), to, to);
    }
  });
}

void KeySwitch::applyKey(uint64_t* out, const uint64_t* digits, const uint64_t* key, const uint32_t* galoisTable,
                         uint64_t* scratch) const {
  const Source source = {key, nullptr, nullptr, digits, galoisTable};
  divideBySpecials(out, source, nullptr, nullptr, scratch);
}

void KeySwitch::switchKey(uint64_t* out, const uint64_t* d, const uint64_t* c0, const uint64_t* key,
                          const uint32_t* galoisTable, uint64_t* scratch) const {
  const size_t limbs = shape_.q.size();
  // The automorphism permutes coefficients up to sign and centring is symmetric, so it commutes with the digits:
  // moving d costs fewer words than moving its digits.
  uint64_t* moved = scratch;
  scratch += limbs * n_;
  for (size_t j = 0; galoisTable && j < limbs; j++) op_.permute(primeAt(j), moved + j * n_, d + j * n_, galoisTable);
  if (galoisTable) d = moved;
  coefficients(scratch, d);
  const Source source = {key, d, scratch, nullptr, nullptr};
  divideBySpecials(out, source, c0, galoisTable, scratch + limbs * step_);
}

void KeySwitch::squareRelinearizeRescale(uint64_t* out, const uint64_t* a, const uint64_t* key,
                                         uint64_t* scratch) const {
  const size_t limbs = shape_.q.size();
  const uint64_t* a1 = a + limbs * n_;
  uint64_t* d = scratch;
  uint64_t* coefficient = scratch + limbs * step_;
  for (size_t j = 0; j < limbs; j++) op_.mul(primeAt(j), d + j * n_, a1 + j * n_, a1 + j * n_);
  coefficients(coefficient, d);
  scratch += 2 * limbs * step_;
  const Source source = {key, d, coefficient, nullptr, nullptr};
  if (shape_.p.size() == 1 && !spread_) return squareFused(out, a, source, scratch);
  squareStepwise(out, a, source, scratch);
}

// With several special primes, or limbs shared between threads: key switch, addition and rescaling one after the other.
void KeySwitch::squareStepwise(uint64_t* out, const uint64_t* a, const Source& source, uint64_t* scratch) const {
  const size_t limbs = shape_.q.size();
  const uint64_t* a1 = a + limbs * n_;
  uint64_t* switched = scratch;
  scratch += 2 * limbs * n_;
  divideBySpecials(switched, source, nullptr, nullptr, scratch);
  forEachLimb(limbs, [&](size_t j, uint64_t* buffer) {
    const Prime& p = primeAt(j);
    const uint64_t *x0 = a + j * n_, *x1 = a1 + j * n_;
    op_.mulAdd(p, switched + j * n_, x0, x0);
    op_.crossProduct(p, buffer, x0, x1, x0, x1);
    op_.add(p, switched + (limbs + j) * n_, switched + (limbs + j) * n_, buffer);
  });
  divideParts(out, limbs - 1, switched, limbs, limbs - 1, scratch);
}

// One special prime P, last prime q_l: with s the key-switched sum, d the tensor part, c = [s]_P and
// z = [d + (s - c) / P]_{q_l}, both centred, the two divisions in one are (s - (c + P z)) / (P q_l) + d / q_l.
void KeySwitch::squareFused(uint64_t* out, const uint64_t* a, const Source& source, uint64_t* scratch) const {
  const size_t limbs = shape_.q.size(), last = limbs - 1;
  const Prime& special = primeAt(limbs);
  const Prime& lastPrime = primeAt(last);
  uint64_t* sum[2] = {scratch, scratch + step_};
  uint64_t* c[2] = {scratch + 2 * step_, scratch + 3 * step_};
  uint64_t* z[2] = {scratch + 4 * step_, scratch + 5 * step_};
  uint64_t* work = scratch + 6 * step_;
  uint64_t* buffer = scratch + 7 * step_;
  // Part k of the tensor product is x_0 x_0 or 2 x_0 x_1: the factor and the second operand that make it.
  const auto partOf = [&](size_t j, int part) { return a + (part * limbs + j) * n_; };
  const auto timesPart = [&](const Prime& p, uint64_t factor, int part) {
    return makeFactor((part + 1) * factor % p.q, p);
  };
  product(sum[0], sum[1], source, limbs, buffer);
  for (int part = 0; part < 2; part++) op_.inverseCentred(special, c[part], sum[part], nullptr);
  product(sum[0], sum[1], source, last, buffer);
  const Factor pInverse = inverseFactor(ring_, shape_.p[0], shape_.q[last]);
  for (int part = 0; part < 2; part++) {
    op_.addScaledProduct(lastPrime, sum[part], partOf(last, 0), partOf(last, part),
                         timesPart(lastPrime, special.q % lastPrime.q, part));
    op_.inverseCentred(lastPrime, z[part], sum[part], nullptr);
    op_.differenceCentred(lastPrime, z[part], z[part], c[part], pInverse);
  }
  for (size_t j = 0; j < last; j++) {
    const Prime& p = primeAt(j);
    const Factor pModulo = makeFactor(special.q % p.q, p);
    const uint64_t lastInverse = ring_.inverse(shape_.q[last], shape_.q[j]);
    const unsigned __int128 both =
        static_cast<unsigned __int128>(lastInverse) * ring_.inverse(shape_.p[0], shape_.q[j]);
    const Factor bothInverse = makeFactor(static_cast<uint64_t>(both % p.q), p);
    product(sum[0], sum[1], source, j, buffer);
    for (int part = 0; part < 2; part++) {
      op_.forwardCombined(p, work, c[part], z[part], pModulo);
      op_.subtractScaleProduct(p, out + (part * last + j) * n_, sum[part], work, bothInverse, partOf(j, 0),
                               partOf(j, part), timesPart(p, lastInverse, part));
    }
  }
}

}  // namespace subrosa
