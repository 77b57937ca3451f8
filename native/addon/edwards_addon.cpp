// The curve as functions of the addon.
#include "curve/edwards.h"

#include "addon/addon.h"
#include "addon/arguments.h"
#include "addon/ring_arguments.h"

namespace subrosa {
namespace {

constexpr int64_t mostPoints = int64_t{1} << 20;
constexpr int64_t mostSteps = int64_t{1} << 24;

// edwardsProducts(out, points, heads, scalars, exponents, rows)
Napi::Value products(const Napi::CallbackInfo& info) {
  Arguments args(info);
  const size_t heads = static_cast<size_t>(args.integer(2, "the heads", 0, 16));
  const size_t rows = static_cast<size_t>(args.integer(5, "the rows", 1, mostPoints));
  const Span<uint8_t> out = args.bytes(0, "the products", rows * edwardsBytes);
  const Span<uint8_t> points = args.bytes(1, "the points");
  const Span<uint8_t> scalars = args.bytes(3, "the scalars", rows * heads * scalarBytes);
  if (!args.ok()) return info.Env().Undefined();
  const bool isWhole = points.length % edwardsBytes == 0 && points.length / edwardsBytes >= heads &&
                       points.length / edwardsBytes <= static_cast<size_t>(mostPoints);
  if (!args.require(isWhole, "the points", "whole, and as many as the heads", "others")) return info.Env().Undefined();
  const size_t smalls = points.length / edwardsBytes - heads;
  const Span<int32_t> exponents = args.int32s(4, "the exponents", rows * smalls);
  if (!args.ok()) return info.Env().Undefined();
  edwardsProducts({points.data, heads, smalls, scalars.data, exponents.data, rows}, out.data);
  return info.Env().Undefined();
}

bool fits(size_t words, size_t steps) {
  const size_t slots = words / 2;
  return words % 2 == 0 && slots != 0 && (slots & (slots - 1)) == 0 && slots >= 2 * steps;
}

// edwardsLogTable(table, steps)
Napi::Value logTable(const Napi::CallbackInfo& info) {
  Arguments args(info);
  const Span<uint64_t> table = args.words(0, "the table");
  const size_t steps = static_cast<size_t>(args.integer(1, "the steps", 1, mostSteps));
  if (!args.ok() || !args.require(fits(table.length, steps), "the table", "a power of two and large enough", "not"))
    return info.Env().Undefined();
  edwardsLogTable(table.data, table.length / 2, steps);
  return info.Env().Undefined();
}

// edwardsLogs(out, table, steps, bound, points)
Napi::Value logs(const Napi::CallbackInfo& info) {
  Arguments args(info);
  const Span<double> out = args.doubles(0, "the logarithms");
  const Span<uint64_t> table = args.words(1, "the table");
  const size_t steps = static_cast<size_t>(args.integer(2, "the steps", 1, mostSteps));
  const int64_t bound = args.integer(3, "the bound", 1, int64_t{1} << 40);
  const Span<uint8_t> points = args.bytes(4, "the points", out.length * edwardsBytes);
  if (!args.ok() || !args.require(fits(table.length, steps), "the table", "a power of two and large enough", "not"))
    return info.Env().Undefined();
  // A full table would make a search endless; an index beyond the steps is only a wrong result.
  size_t used = 0;
  for (size_t i = 1; i < table.length; i += 2) used += (table.data[i] & 0xffffffff) != 0;
  if (!args.require(used <= steps, "the table", "as edwardsLogTable made it", "another")) return info.Env().Undefined();
  edwardsLogs(table.data, table.length / 2, steps, static_cast<double>(bound), points.data, out.length, out.data);
  return info.Env().Undefined();
}

}  // namespace

void registerEdwards(Napi::Env, Napi::Object exports) {
  addFunction(exports, "edwardsProducts", products);
  addFunction(exports, "edwardsLogTable", logTable);
  addFunction(exports, "edwardsLogs", logs);
}

}  // namespace subrosa
