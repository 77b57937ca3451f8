// Linear transforms of a ciphertext by double hoisting (Bossuat, Mouchet, Troncoso-Pastoriza, Hubaux 2021), one prime of q and p
// outermost: its digits are transformed once and stay in the caches while every key and every weight is read once, in order.
//
// With t_b = P c(X^b) plus the products of the digits of c_1(X^b) and the key, over q and p, a giant step's inner sum is the sum of
// w t_b; P c is a multiple of P, so that the divisions by P leave it as it is.
#include <algorithm>
#include <cstring>

#include "machine/memory.h"
#include "ring/keyswitch.h"

namespace subrosa {

namespace {

constexpr size_t innerTerms = 64;  // Of Operations::innerProduct.
constexpr size_t chunkWords = size_t{1} << 13;  // Of all baby steps together and each part, in the second-level cache.

struct Block {
  explicit Block(size_t words) : bytes(words * sizeof(uint64_t)), data(static_cast<uint64_t*>(allocateUnfilled(bytes))) {}
  ~Block() { freeBlock(data, bytes); }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  size_t bytes;
  uint64_t* data;
};

// A power of two of at least 8 and at most n.
size_t chunkOf(size_t babies, size_t n) {
  size_t chunk = n;
  while (chunk > 8 && chunk * babies > chunkWords) chunk /= 2;
  return chunk;
}

}  // namespace

struct KeySwitch::TransformMemory {
  uint64_t* coefficients;  // Of the part that is decomposed: for the babies one, then one for each giant.
  uint64_t* sums;          // Two parts over q and p for each giant.
  uint64_t* remainders;
};

// The digits of d, whose coefficients are given, modulo the limb at `position`, as terms with the key; buffer: a limb for each.
size_t KeySwitch::digitTerms(InnerTerm* terms, const uint64_t* d, const uint64_t* coefficients,
                             const TransformRotation& by, size_t position, uint64_t* buffer) const {
  const size_t digits = shape_.digits();
  for (size_t digit = 0; digit < digits; digit++) {
    const uint64_t* x = d + position * n_;
    if (!inDigit(digit, position)) {
      uint64_t* transformed = buffer + digit * step_;
      if (coefficients) {
        digitLimb(transformed, coefficients, digit, position);
        // A permutation reads residues.
        op_.canonical(primeAt(position), transformed, transformed);
      }
      x = transformed;
    }
    const uint64_t* key = by.key + (2 * digit * by.keyLimbs + by.slots[position]) * n_;
    terms[digit] = {x, key, key + by.keyLimbs * n_, true};
  }
  return digits;
}

// The sums of all giant steps modulo the limb j.
void KeySwitch::sumChunks(const uint64_t* a, const TransformPlan& plan, const TransformMemory& memory, size_t j,
                          uint64_t* buffer) const {
  const Prime& p = primeAt(j);
  const size_t q = shape_.q.size(), poly = shape_.limbs() * n_, babies = plan.babies.size();
  const uint64_t* part[2] = {a + j * n_, a + (q + j) * n_};
  const size_t chunk = chunkOf(babies, n_);
  uint64_t* scaled = static_cast<uint64_t*>(threadScratch(3, (2 * babies + 5) * chunk * sizeof(uint64_t)));
  if (!scaled) {
    exhausted_ = true;
    return;
  }
  // P, or 1, and 0 as factors: a term of an inner product that adds to one part.
  uint64_t *one = scaled + chunk, *zero = one + chunk, *partial = zero + chunk, *t = partial + 2 * chunk;
  const uint64_t specials = j < q ? chainProduct(shape_.p.size(), shape_.q[j], false).value : 0;
  std::fill(scaled, scaled + chunk, specials);
  std::fill(one, one + chunk, uint64_t{1});
  std::fill(zero, zero + chunk, uint64_t{0});
  std::vector<std::vector<InnerTerm>> products(babies);
  const uint64_t* coefficients = memory.coefficients;
  for (size_t b = 0; b < babies; b++) {
    if (!plan.babies[b].key) continue;
    products[b].resize(shape_.digits() + 1);
    digitTerms(products[b].data(), a + q * n_, coefficients, plan.babies[b], j, buffer);
    coefficients = nullptr;  // The digits are the same for all.
  }
  InnerTerm terms[innerTerms];
  for (size_t from = 0; from < n_; from += chunk) {
    for (size_t b = 0; b < babies; b++) {
      uint64_t *to0 = t + 2 * b * chunk - from, *to1 = to0 + chunk;
      const InnerTerm add0 = {part[0], scaled - from, zero - from, true};
      const InnerTerm add1 = {part[1], zero - from, scaled - from, true};
      const TransformRotation& by = plan.babies[b];
      if (by.key) {
        const size_t digits = shape_.digits();
        products[b][digits] = add0;
        op_.innerProduct(p, to0, to1, products[b].data(), digits + (j < q), by.galoisTable, from, from + chunk);
      } else if (j < q) {
        const InnerTerm both[2] = {add0, add1};
        op_.innerProduct(p, to0, to1, both, 2, nullptr, from, from + chunk);
      }
    }
    for (size_t g = 0; g < plan.giants.size(); g++) {
      uint64_t *out0 = memory.sums + 2 * g * poly + j * n_, *out1 = out0 + poly;
      size_t count = 0;
      bool empty = true;
      const auto flush = [&] {
        op_.innerProduct(p, out0, out1, terms, count, nullptr, from, from + chunk);
        empty = false;
        count = 0;
      };
      for (size_t b = 0; b < babies; b++) {
        const uint64_t* weight = plan.weights[g * babies + b];
        if (!weight || (!plan.babies[b].key && j >= q)) continue;
        if (count == innerTerms) {
          flush();
          memcpy(partial, out0 + from, chunk * sizeof(uint64_t));
          memcpy(partial + chunk, out1 + from, chunk * sizeof(uint64_t));
          terms[count++] = {partial - from, one - from, zero - from, true};
          terms[count++] = {partial + chunk - from, zero - from, one - from, true};
        }
        uint64_t* at = t + 2 * b * chunk - from;
        terms[count++] = {weight + j * n_, at, at + chunk, true};
      }
      if (count > 0) flush();
      if (empty) {
        memset(out0 + from, 0, chunk * sizeof(uint64_t));
        memset(out1 + from, 0, chunk * sizeof(uint64_t));
      }
    }
  }
}

void KeySwitch::weightedSums(const uint64_t* a, const TransformPlan& plan, const TransformMemory& memory) const {
  const size_t q = shape_.q.size();
  const bool rotates = std::any_of(plan.babies.begin(), plan.babies.end(), [](const auto& by) { return by.key; });
  if (rotates)
    forEachLimb(q, [&](size_t i, uint64_t*) { coefficients(memory.coefficients, a + q * n_, i); });
  forEachLimb(shape_.limbs(), [&](size_t j, uint64_t* buffer) { sumChunks(a, plan, memory, j, buffer); });
}

// Rotates the sums of all giant steps and adds them, modulo q and p, in the place of the first.
void KeySwitch::rotateSums(const TransformPlan& plan, const TransformMemory& memory) const {
  const size_t q = shape_.q.size(), poly = shape_.limbs() * n_, giants = plan.giants.size();
  for (size_t g = 0; g < giants; g++) {
    if (!plan.giants[g].key) continue;
    uint64_t* second = memory.sums + (2 * g + 1) * poly;
    modDown(second, second, memory.remainders);
    forEachLimb(q, [&](size_t i, uint64_t*) { coefficients(memory.coefficients + g * q * step_, second, i); });
  }
  forEachLimb(shape_.limbs(), [&](size_t j, uint64_t* buffer) {
    const Prime& p = primeAt(j);
    uint64_t* sum[2] = {buffer, buffer + step_};
    uint64_t* added[2] = {buffer + 2 * step_, buffer + 3 * step_};
    InnerTerm terms[maxRingPrimes];
    for (size_t g = 0; g < giants; g++) {
      const TransformRotation& by = plan.giants[g];
      const uint64_t* own[2] = {memory.sums + 2 * g * poly, memory.sums + (2 * g + 1) * poly};
      uint64_t* const* to = g == 0 ? sum : added;
      if (by.key) {
        const uint64_t* from = memory.coefficients + g * q * step_;
        const size_t digits = digitTerms(terms, own[1], from, by, j, buffer + 4 * step_);
        op_.innerProduct(p, to[0], to[1], terms, digits, by.galoisTable, 0, n_);
        // The digits are used up.
        uint64_t* moved = buffer + 4 * step_;
        op_.permute(p, moved, own[0] + j * n_, by.galoisTable);
        op_.add(p, to[0], to[0], moved);
      } else {
        for (size_t part = 0; part < 2; part++) memcpy(to[part], own[part] + j * n_, n_ * sizeof(uint64_t));
      }
      if (g > 0)
        for (size_t part = 0; part < 2; part++) op_.add(p, sum[part], sum[part], added[part]);
    }
    for (size_t part = 0; part < 2; part++)
      memcpy(memory.sums + part * poly + j * n_, sum[part], n_ * sizeof(uint64_t));
  });
}

void KeySwitch::linearTransform(uint64_t* out, const uint64_t* a, const TransformPlan& plan) const {
  const size_t q = shape_.q.size(), poly = shape_.limbs() * n_, giants = plan.giants.size();
  const Block coefficients(giants * q * step_), sums(giants * 2 * poly), remainders(shape_.p.size() * step_);
  if (!coefficients.data || !sums.data || !remainders.data) {
    exhausted_ = true;
    return;
  }
  const TransformMemory memory = {coefficients.data, sums.data, remainders.data};
  weightedSums(a, plan, memory);
  if (giants > 1 || plan.giants[0].key) rotateSums(plan, memory);
  for (size_t part = 0; part < 2; part++) modDown(out + part * q * n_, sums.data + part * poly, remainders.data);
}

}  // namespace subrosa
