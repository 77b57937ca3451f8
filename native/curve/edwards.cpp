#include "curve/edwards.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "curve/edwards_point.h"
#include "machine/pool.h"

namespace subrosa {
namespace {

constexpr int combBits = 5;
constexpr int combRows = 51;  // 254 bits and the carry of the signed digits.
constexpr int combDigits = 1 << (combBits - 1);
constexpr int oddMultiples = 8;  // 1, 3, .. 15
constexpr size_t smallDigits = 34;
constexpr size_t rowsAtOnce = 16;

// The generator of RFC 8032, x and y.
constexpr uint8_t generatorBytes[edwardsBytes] = {
    0x1a, 0xd5, 0x25, 0x8f, 0x60, 0x2d, 0x56, 0xc9, 0xb2, 0xa7, 0x25, 0x95, 0x60, 0xc7, 0x2c, 0x69,
    0x5c, 0xdc, 0xd6, 0xfd, 0x31, 0xe2, 0xa4, 0xc0, 0xfe, 0x53, 0x6e, 0xcd, 0xd3, 0x36, 0x69, 0x21,
    0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
    0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66};

// j * 2^(5 i) * base, 1 <= j <= 16.
void makeComb(const Point& base, Cached* comb) {
  Point step = base;
  for (int row = 0; row < combRows; row++) {
    Point multiple = step;
    const Cached one = cached(step);
    for (int j = 0; j < combDigits; j++) {
      comb[row * combDigits + j] = cached(multiple);
      if (j + 1 < combDigits) multiple = plus(multiple, one);
    }
    step = twice(multiple);
  }
}

// p - scalar * base
Point subtractPower(Point p, const Cached* comb, const uint8_t* scalar) {
  int carry = 0;
  for (int row = 0; row < combRows; row++) {
    const int bit = row * combBits;
    unsigned window = scalar[bit / 8];
    if (bit / 8 + 1 < static_cast<int>(scalarBytes)) window |= static_cast<unsigned>(scalar[bit / 8 + 1]) << 8;
    int digit = static_cast<int>(window >> bit % 8 & 31) + carry;
    carry = digit > combDigits;
    if (carry) digit -= 2 * combDigits;
    if (digit > 0) p = minus(p, comb[row * combDigits + digit - 1]);
    if (digit < 0) p = plus(p, comb[row * combDigits - digit - 1]);
  }
  return p;
}

// Signed digits of width 5, zero or odd, least significant first; returns their number.
size_t windowDigits(int64_t exponent, int8_t* digits) {
  size_t length = 0;
  for (; exponent != 0; exponent /= 2) {
    int64_t digit = 0;
    if (exponent % 2 != 0) {
      digit = exponent & 31;
      if (digit >= 16) digit -= 32;
      exponent -= digit;
    }
    digits[length++] = static_cast<int8_t>(digit);
  }
  return length;
}

// One row of small exponents [Straus].
Point smallPowers(const int32_t* exponents, size_t count, const Cached* tables, int8_t* digits) {
  size_t longest = 0;
  std::fill(digits, digits + count * smallDigits, int8_t{0});
  for (size_t j = 0; j < count; j++)
    longest = std::max(longest, windowDigits(exponents[j], digits + j * smallDigits));
  Point p = identity;
  for (size_t bit = longest; bit-- > 0;) {
    p = twice(p);
    for (size_t j = 0; j < count; j++) {
      const int digit = digits[j * smallDigits + bit];
      if (digit > 0) p = plus(p, tables[j * oddMultiples + digit / 2]);
      if (digit < 0) p = minus(p, tables[j * oddMultiples + -digit / 2]);
    }
  }
  return p;
}

uint64_t lowWord(const Fe& a) {
  uint64_t w[4];
  words(a, w);
  return w[0];
}

constexpr uint64_t indexMask = 0xffffffff;

struct Steps {
  const uint64_t* table;
  size_t mask;

  // i of a point equal to 4 i G, counted negative for its opposite; NaN where the table has none.
  double find(const Point& p) const {
    uint64_t y[4];
    words(p.y, y);
    const uint64_t x = lowWord(p.x);
    if (y[0] == 1 && x == 0) return 0;
    for (size_t slot = y[0] & mask;; slot = (slot + 1) & mask) {
      const uint64_t entry = table[2 * slot + 1];
      if ((entry & indexMask) == 0) return NAN;
      if (table[2 * slot] != y[0]) continue;
      const double index = static_cast<double>(entry & indexMask);
      return (entry >> 32) == (x & indexMask) ? index : -index;
    }
  }
};

Point generatorTimes(double factor) {
  Point p = identity;
  const Point base = loadPoint(generatorBytes);
  const Cached one = cached(base);
  const uint64_t bits = static_cast<uint64_t>(factor);
  for (int bit = 63; bit >= 0; bit--) {
    p = twice(p);
    if (bits >> bit & 1) p = plus(p, one);
  }
  return p;
}

struct Open {
  size_t index;
  Point up, down;
};

// Both directions of all open logarithms advance together, for one inversion a round.
void searchLogs(const Steps& steps, size_t size, double bound, const uint8_t* points, size_t count, double* out) {
  const double width = 2 * static_cast<double>(size) + 1;
  const Cached stride = cached(generatorTimes(4 * width));
  std::vector<Open> open(count);
  std::vector<Point> reached(2 * count);
  std::vector<Fe> scratch(2 * count);
  for (size_t i = 0; i < count; i++) {
    const Point start = twice(twice(loadPoint(points + i * edwardsBytes)));
    open[i] = {i, start, start};
    out[i] = NAN;
  }
  for (double step = 0; !open.empty() && step * width - static_cast<double>(size) <= bound; step++) {
    for (size_t i = 0; i < open.size(); i++) {
      reached[2 * i] = open[i].up;
      reached[2 * i + 1] = open[i].down;
    }
    affine(reached.data(), 2 * open.size(), scratch.data());
    size_t left = 0;
    for (size_t i = 0; i < open.size(); i++) {
      const double high = steps.find(reached[2 * i]), low = steps.find(reached[2 * i + 1]);
      if (!std::isnan(high))
        out[open[i].index] = step * width + high;
      else if (!std::isnan(low))
        out[open[i].index] = low - step * width;
      else
        open[left++] = {open[i].index, minus(open[i].up, stride), plus(open[i].down, stride)};
    }
    open.resize(left);
  }
  for (size_t i = 0; i < count; i++)
    if (std::fabs(out[i]) > bound) out[i] = NAN;
}

}  // namespace

void edwardsProducts(const EdwardsProducts& call, uint8_t* out) {
  std::vector<Cached> combs(call.heads * combRows * combDigits), tables(call.smalls * oddMultiples);
  for (size_t h = 0; h < call.heads; h++)
    makeComb(loadPoint(call.points + h * edwardsBytes), combs.data() + h * combRows * combDigits);
  for (size_t j = 0; j < call.smalls; j++) {
    Point multiple = loadPoint(call.points + (call.heads + j) * edwardsBytes);
    const Cached two = cached(twice(multiple));
    for (int odd = 0; odd < oddMultiples; odd++) {
      tables[j * oddMultiples + static_cast<size_t>(odd)] = cached(multiple);
      multiple = plus(multiple, two);
    }
  }
  const size_t chunks = (call.rows + rowsAtOnce - 1) / rowsAtOnce;
  parallelFor(chunks, [&](size_t chunk) {
    const size_t from = chunk * rowsAtOnce, count = std::min(rowsAtOnce, call.rows - from);
    std::vector<int8_t> digits(call.smalls * smallDigits);
    Point results[rowsAtOnce];
    Fe scratch[rowsAtOnce];
    for (size_t i = 0; i < count; i++) {
      const size_t row = from + i;
      results[i] = smallPowers(call.exponents + row * call.smalls, call.smalls, tables.data(), digits.data());
      for (size_t h = 0; h < call.heads; h++)
        results[i] = subtractPower(results[i], combs.data() + h * combRows * combDigits,
                                   call.scalars + (row * call.heads + h) * scalarBytes);
    }
    affine(results, count, scratch);
    for (size_t i = 0; i < count; i++) {
      uint64_t coordinates[8];
      words(results[i].x, coordinates);
      words(results[i].y, coordinates + 4);
      memcpy(out + (from + i) * edwardsBytes, coordinates, edwardsBytes);
    }
  });
}

void edwardsLogTable(uint64_t* table, size_t slots, size_t steps) {
  std::fill(table, table + 2 * slots, uint64_t{0});
  const Cached base = cached(generatorTimes(4));
  constexpr size_t batch = 256;
  Point current = identity, points[batch];
  Fe scratch[batch];
  for (size_t done = 0; done < steps; done += batch) {
    const size_t count = std::min(batch, steps - done);
    for (size_t i = 0; i < count; i++) points[i] = current = plus(current, base);
    affine(points, count, scratch);
    for (size_t i = 0; i < count; i++) {
      const uint64_t y = lowWord(points[i].y);
      size_t slot = y & (slots - 1);
      while ((table[2 * slot + 1] & indexMask) != 0) slot = (slot + 1) & (slots - 1);
      table[2 * slot] = y;
      table[2 * slot + 1] = lowWord(points[i].x) << 32 | (done + i + 1);
    }
  }
}

void edwardsLogs(const uint64_t* table, size_t slots, size_t steps, double bound, const uint8_t* points, size_t count,
                 double* out) {
  constexpr size_t atOnce = 32;
  const Steps found = {table, slots - 1};
  parallelFor((count + atOnce - 1) / atOnce, [&](size_t chunk) {
    const size_t from = chunk * atOnce;
    searchLogs(found, steps, bound, points + from * edwardsBytes, std::min(atOnce, count - from), out + from);
  });
}

}  // namespace subrosa
