#include "ring/keyswitch.h"

#include <cstring>

namespace subrosa {

KeySwitch::KeySwitch(const Ring& ring, const KeyShape& shape, bool spread)
    : ring_(ring), shape_(shape), op_(ring.operations()), n_(ring.n()), step_(n_ + 72), spread_(spread) {
  if (shape.alpha == 1) return;
  cofactor_.resize(shape.limbs() * shape.q.size());
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
    for (size_t j = 0; j < shape.limbs(); j++)
      cofactor_[j * shape.q.size() + i] = cofactorModulo(shape.limb(j), false);
  }
}

size_t KeySwitch::scratchWords() const { return 2 * (shape_.q.size() + shape_.p.size() + 2) * step_; }

// Centred coefficients of limb i of the polynomial d, times what its digit wants.
void KeySwitch::coefficients(uint64_t* out, const uint64_t* d, size_t i) const {
  op_.inverseCentred(primeAt(i), out + i * step_, d + i * n_, shape_.alpha == 1 ? nullptr : &scale_[i]);
}

// Lazy NTT modulo the limb at `position`, which does not belong to the digit.
void KeySwitch::digitLimb(uint64_t* out, const uint64_t* coefficients, size_t digit, size_t position) const {
  const Prime& p = primeAt(position);
  const size_t first = digit * shape_.alpha;
  if (shape_.alpha == 1 || first + 1 == shape_.q.size()) {
    op_.forwardCentred(p, out, coefficients + first * step_, 0.5 * primeAt(first).qDouble);
    return;
  }
  const size_t next = first + shape_.alpha;
  const size_t last = (next < shape_.q.size() ? next : shape_.q.size()) - 1;
  // The last term joins in the transform.
  const Factor* cofactors = cofactor_.data() + position * shape_.q.size();
  op_.combineCentred(p, out, coefficients + first * step_, step_, last - first, cofactors + first);
  op_.forwardCombined(p, out, out, coefficients + last * step_, cofactors[last]);
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
    } else if (inDigit(digit, position)) {
      term.x = source.d + position * n_;
    } else {
      digitLimb(x, source.coefficients, digit, position);
      term.x = x;
      term.canonical = false;
    }
  }
  op_.innerProduct(p, out0, out1, terms, digits, source.galoisTable, 0, n_);
}

void KeySwitch::decompose(uint64_t* out, const uint64_t* d, uint64_t* scratch) const {
  forEachLimb(shape_.q.size(), [&](size_t i, uint64_t*) { coefficients(scratch, d, i); });
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

void KeySwitch::accumulateKey(uint64_t* sum, const uint64_t* digits, const uint64_t* key, const uint32_t* galoisTable,
                              const uint64_t* weight) const {
  const size_t limbs = shape_.limbs();
  const Source source = {key, nullptr, nullptr, digits, galoisTable};
  forEachLimb(limbs, [&](size_t j, uint64_t* buffer) {
    const Prime& p = primeAt(j);
    uint64_t* own[2] = {buffer, buffer + step_};
    product(own[0], own[1], source, j, buffer + 2 * step_);
    for (size_t part = 0; part < 2; part++) {
      uint64_t* to = sum + (part * limbs + j) * n_;
      if (weight)
        op_.mulAdd(p, to, own[part], weight + j * n_);
      else
        op_.add(p, to, to, own[part]);
    }
  });
}

void KeySwitch::switchKey(uint64_t* out, const uint64_t* d, const uint64_t* c0, const uint64_t* key,
                          const uint32_t* galoisTable, uint64_t* scratch) const {
  const size_t limbs = shape_.q.size();
  // The automorphism permutes coefficients up to sign and centring is symmetric, so it commutes with the digits:
  // moving d costs fewer words than moving its digits.
  uint64_t* moved = scratch;
  scratch += limbs * n_;
  const uint64_t* own = galoisTable ? moved : d;
  forEachLimb(limbs, [&](size_t j, uint64_t*) {
    if (galoisTable) op_.permute(primeAt(j), moved + j * n_, d + j * n_, galoisTable);
    coefficients(scratch, own, j);
  });
  const Source source = {key, own, scratch, nullptr, nullptr};
  divideBySpecials(out, source, c0, galoisTable, scratch + limbs * step_);
}

}  // namespace subrosa
