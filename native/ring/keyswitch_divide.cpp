// The divisions that end a key switch: by the special primes, and by the last prime of a product that is rescaled.
#include "machine/division_queue.h"
#include "ring/keyswitch.h"

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

// The divisions one after another, x -> (x - [x]_s) / s with [x]_s centred, for the primes s_0 s_1 ... of a chain: the
// special primes from the last, then q_l when the result is rescaled. Together they are (x - R) / (s_0 s_1 ...) with
// R = r_0 + s_0 (r_1 + s_1 (r_2 + ...)) and r_t = [(x - r_0 - s_0 r_1 - ...) / (s_0 ... s_(t-1))] mod s_t: so every limb
// that stays needs one transform per part, however long the chain.
size_t KeySwitch::chainLimb(size_t t) const {
  const size_t specials = shape_.p.size();
  return t < specials ? shape_.p[specials - 1 - t] : shape_.q.back();
}

Factor KeySwitch::chainProduct(size_t length, size_t limb, bool inverted) const {
  const Prime& p = ring_.prime(limb);
  unsigned __int128 value = 1;
  for (size_t t = 0; t < length; t++)
    value = value * (inverted ? ring_.inverse(chainLimb(t), limb) : ring_.prime(chainLimb(t)).q % p.q) % p.q;
  return makeFactor(static_cast<uint64_t>(value), p);
}

// r_t of both parts before those below t are taken away, at r + (part * length + t) * step_. `factors`, when not
// null: ciphertexts whose tensor product, times the product of the special primes, is part of x modulo q_l.
void KeySwitch::remainder(uint64_t* r, size_t length, const Source& source, const Factors* factors, size_t t,
                          uint64_t* buffer) const {
  const size_t specials = shape_.p.size(), limbs = shape_.q.size();
  const size_t position = t < specials ? shape_.limbs() - 1 - t : limbs - 1, limbAt = shape_.q.back();
  const Prime& p = primeAt(position);
  uint64_t* sum[2] = {buffer, buffer + step_};
  product(sum[0], sum[1], source, position, buffer + 2 * step_);
  for (size_t part = 0; part < 2; part++) {
    if (t == specials) addTensor(sum[part], *factors, part, position, chainProduct(specials, limbAt, false).value);
    op_.inverseCentred(p, r + (part * length + t) * step_, sum[part], nullptr);
  }
}

// out += scale times part 0 or 1 of the tensor product: a_0 b_0, or a_0 b_1 + a_1 b_0, of which a square has one twice.
void KeySwitch::addTensor(uint64_t* out, const Factors& factors, size_t part, size_t position, uint64_t scale) const {
  const Prime& p = primeAt(position);
  const size_t poly = shape_.q.size() * n_;
  const uint64_t *a = factors.a + position * n_, *b = factors.b + position * n_;
  const bool doubled = part == 1 && a == b;
  op_.addScaledProduct(p, out, a, b + part * poly, makeFactor((doubled ? 2 : 1) * scale % p.q, p));
  if (part == 1 && !doubled) op_.addScaledProduct(p, out, a + poly, b, makeFactor(scale, p));
}

// Takes from each remainder of one part what those before it account for.
void KeySwitch::joinRemainders(uint64_t* own, size_t length) const {
  for (size_t t = 1; t < length; t++)
    for (size_t s = 0; s < t; s++)
      op_.differenceCentred(ring_.prime(chainLimb(t)), own + t * step_, own + t * step_, own + s * step_,
                            inverseFactor(ring_, chainLimb(s), chainLimb(t)));
}

// Lazy NTT of R modulo the limb.
void KeySwitch::transformRemainder(uint64_t* out, const uint64_t* r, size_t length, size_t limb) const {
  const Prime& p = ring_.prime(limb);
  if (length == 1) return op_.forwardCentred(p, out, r, halfOf(ring_.prime(chainLimb(0))));
  Factor products[maxRingPrimes];
  for (size_t t = 0; t < length; t++) products[t] = chainProduct(t, limb, false);
  if (length > 2) op_.combineCentred(p, out, r, step_, length - 1, products);
  op_.forwardCombined(p, out, length == 2 ? r : out, r + (length - 1) * step_, products[length - 1]);
}

// One loop for the chain and the limbs that stay, so that no thread waits for the few limbs of the chain: the sums of a
// limb go to its place in `out`, and whoever has nothing better to do divides them once all remainders are there.
// divide(j, part, buffer) takes the sums out of and puts the result into place.
template <typename Divide>
void KeySwitch::sumAndDivide(uint64_t* out, size_t limbs, const Source& source, const Factors* factors, size_t length,
                             uint64_t* r, Divide&& divide) const {
  DivisionQueue queue(length, 2 * limbs);
  forEachLimb(length + limbs, [&](size_t task, uint64_t* buffer) {
    if (task < length) {
      remainder(r, length, source, factors, task, buffer);
      if (queue.remainderDone()) {
        for (size_t part = 0; part < 2; part++) joinRemainders(r + part * length * step_, length);
        queue.open();
      }
    } else {
      const size_t j = task - length;
      product(out + j * n_, out + (limbs + j) * n_, source, j, buffer);
      queue.push(2 * j);
      queue.push(2 * j + 1);
    }
    size_t next;
    while (queue.pop(next)) divide(next / 2, next % 2, buffer);
  });
}

void KeySwitch::divideBySpecials(uint64_t* out, const Source& source, const uint64_t* c0, const uint32_t* galoisTable,
                                 uint64_t* r) const {
  const size_t limbs = shape_.q.size(), length = shape_.p.size();
  sumAndDivide(out, limbs, source, nullptr, length, r, [&](size_t j, size_t part, uint64_t* buffer) {
    const Prime& p = primeAt(j);
    uint64_t* moved = buffer + step_;
    const uint64_t* addend = part == 0 && c0 ? c0 + j * n_ : nullptr;
    if (addend && galoisTable) {
      op_.permute(p, moved, addend, galoisTable);
      addend = moved;
    }
    transformRemainder(buffer, r + part * length * step_, length, shape_.q[j]);
    uint64_t* to = out + (part * limbs + j) * n_;
    op_.subtractScale(p, to, to, buffer, chainProduct(length, shape_.q[j], true), addend, makeFactor(1, p));
  });
}

void KeySwitch::modDown(uint64_t* out, const uint64_t* a, uint64_t* r) const {
  const size_t limbs = shape_.q.size(), length = shape_.p.size();
  forEachLimb(length, [&](size_t t, uint64_t*) {
    const size_t position = shape_.limbs() - 1 - t;
    op_.inverseCentred(primeAt(position), r + t * step_, a + position * n_, nullptr);
  });
  joinRemainders(r, length);
  forEachLimb(limbs, [&](size_t j, uint64_t* buffer) {
    const Factor w = chainProduct(length, shape_.q[j], true);
    transformRemainder(buffer, r, length, shape_.q[j]);
    op_.subtractScale(primeAt(j), out + j * n_, a + j * n_, buffer, w, nullptr, w);
  });
}

// With s the key-switched sum, P the product of the special primes and d the tensor product, the result is
// (s + P d - R) / (P q_l), where the chain of divisions ends with q_l.
void KeySwitch::multiplyRelinearizeRescale(uint64_t* out, const uint64_t* a, const uint64_t* b, const uint64_t* key,
                                           uint64_t* scratch) const {
  const size_t limbs = shape_.q.size(), last = limbs - 1, length = shape_.p.size() + 1, poly = limbs * n_;
  const Factors factors = {a, b};
  uint64_t* d = scratch;
  uint64_t* coefficient = d + limbs * step_;
  uint64_t* r = coefficient + limbs * step_;
  forEachLimb(limbs, [&](size_t j, uint64_t*) {
    op_.mul(primeAt(j), d + j * n_, a + poly + j * n_, b + poly + j * n_);
    coefficients(coefficient, d, j);
  });
  const Source source = {key, d, coefficient, nullptr, nullptr};
  sumAndDivide(out, last, source, &factors, length, r, [&](size_t j, size_t part, uint64_t* buffer) {
    const Prime& p = primeAt(j);
    const uint64_t lastInverse = ring_.inverse(shape_.q[last], shape_.q[j]);
    const Factor w = chainProduct(length, shape_.q[j], true);
    const bool doubled = part == 1 && a == b;
    transformRemainder(buffer, r + part * length * step_, length, shape_.q[j]);
    uint64_t* to = out + (part * last + j) * n_;
    // As in addTensor, its first product together with the division.
    op_.subtractScaleProduct(p, to, to, buffer, w, a + j * n_, b + part * poly + j * n_,
                             makeFactor((doubled ? 2 : 1) * lastInverse % p.q, p));
    if (part == 1 && !doubled)
      op_.addScaledProduct(p, to, a + poly + j * n_, b + j * n_, makeFactor(lastInverse, p));
  });
}

}  // namespace subrosa
