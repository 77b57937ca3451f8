// A double of this size, 1.5 * 2^52, has no fraction: adding and subtracting it rounds one below 2^51 to the nearest integer, ties to even.
#pragma once

namespace subrosa {

constexpr double withoutFraction = 6755399441055744.0;

}  // namespace subrosa
