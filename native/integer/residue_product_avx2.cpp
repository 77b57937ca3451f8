#include "machine/avx2.h"

#include "integer/residue_product_loops.h"

namespace subrosa {
namespace {

struct FourResidues {
  static constexpr size_t width = 4;
  __m256d v;
  static FourResidues all(double x) { return {_mm256_set1_pd(x)}; }
  static FourResidues load(const double* x) { return {_mm256_loadu_pd(x)}; }
  void store(double* out) const { _mm256_storeu_pd(out, v); }
  FourResidues operator+(FourResidues o) const { return {_mm256_add_pd(v, o.v)}; }
  FourResidues operator-(FourResidues o) const { return {_mm256_sub_pd(v, o.v)}; }
  FourResidues operator*(FourResidues o) const { return {_mm256_mul_pd(v, o.v)}; }
};

inline FourResidues minusProduct(FourResidues x, FourResidues a, FourResidues b) {
  return {_mm256_fnmadd_pd(a.v, b.v, x.v)};
}

}  // namespace

void subtractTermsAvx2(ResiduePrime prime, double* out, const ResidueTerm* terms, size_t count) {
  subtractTermsBy<FourResidues>(prime, out, terms, count);
}

}  // namespace subrosa
