// The kernels over vectors of ANOMCTL_WIDTH floats, compiled once an instruction set. Only raw memory and builtins: no
// inline function of the standard library may be compiled for an instruction set that another machine lacks.
#include <cstddef>

#include "anomctl/kernels/kernels.h"

namespace anomctl {
namespace {

constexpr std::size_t W = ANOMCTL_WIDTH;
using Vec = float __attribute__((vector_size(ANOMCTL_WIDTH * 4), aligned(4), may_alias));
using Int = int __attribute__((vector_size(ANOMCTL_WIDTH * 4)));
#define ANOMCTL_INLINE inline __attribute__((always_inline))

ANOMCTL_INLINE void load(Vec& v, const float* p) { v = *reinterpret_cast<const Vec*>(p); }
ANOMCTL_INLINE void store(float* p, const Vec& v) { *reinterpret_cast<Vec*>(p) = v; }
ANOMCTL_INLINE void greater(Vec& out, const Vec& a, const Vec& b) { out = a > b ? a : b; }

// exp(x), |relative error| < 2e-7: x = n ln 2 + r, a polynomial of degree 6 in r (Cephes).
ANOMCTL_INLINE void exponential(Vec& x) {
  const Vec lowest = Vec{} - 87.0F, highest = Vec{} + 88.0F;
  x = x > lowest ? x : lowest;
  x = x < highest ? x : highest;
  const Vec scaled = x * 1.44269504088896341F;
  // Rounding to nearest by adding and taking away 1.5 * 2^23.
  const Vec shifted = scaled + 12582912.0F;
  const Vec n = shifted - 12582912.0F;
  const Vec r = (x - n * 0.693359375F) - n * -2.12194440e-4F;
  Vec y = r * 1.9875691500e-4F + 1.3981999507e-3F;
  y = y * r + 8.3334519073e-3F;
  y = y * r + 4.1665795894e-2F;
  y = y * r + 1.6666665459e-1F;
  y = y * r + 5.0000001201e-1F;
  y = y * r * r + r + 1.0F;
  const Int exponent = (__builtin_convertvector(n, Int) + 127) << 23;
  x = y * (Vec)exponent;  // the bits, not the numbers
}

ANOMCTL_INLINE void sigmoid_of(Vec& x) {
  x = -x;
  exponential(x);
  x = 1.0F / (x + 1.0F);
}

// tanh(x) = sign(x) (1 - t) / (1 + t), t = exp(-2 |x|); an odd polynomial near 0, where that cancels (Cephes).
ANOMCTL_INLINE void tanh_of(Vec& x) {
  const Vec size = x < 0.0F ? -x : x;
  Vec t = size * -2.0F;
  exponential(t);
  Vec far = (1.0F - t) / (1.0F + t);
  far = x < 0.0F ? -far : far;
  const Vec s = x * x;
  Vec near = s * -5.70498872745e-3F + 2.06390887954e-2F;
  near = near * s - 5.37397155531e-2F;
  near = near * s + 1.33314422036e-1F;
  near = near * s - 3.33332819422e-1F;
  near = near * s * x + x;
  x = size < 0.625F ? near : far;
}

template <std::size_t R, bool Add>
ANOMCTL_INLINE void product_tile(std::size_t k, const float* a, std::size_t lda, const float* b, std::size_t ldb,
                                 const float* bias, float* c, std::size_t ldc) {
  Vec sum[R];
  for (std::size_t r = 0; r < R; ++r) {
    sum[r] = Vec{};
    if (Add)
      load(sum[r], c + r * ldc);
    else if (bias != nullptr)
      load(sum[r], bias);
  }
  for (std::size_t i = 0; i < k; ++i) {
    Vec row;
    load(row, b + i * ldb);
    for (std::size_t r = 0; r < R; ++r) sum[r] += row * a[r * lda + i];
  }
  for (std::size_t r = 0; r < R; ++r) store(c + r * ldc, sum[r]);
}

template <bool Add>
ANOMCTL_INLINE void product_all(std::size_t m, std::size_t n, std::size_t k, const float* a, std::size_t lda,
                                const float* b, std::size_t ldb, const float* bias, float* c, std::size_t ldc) {
  for (std::size_t col = 0; col < n; col += W) {
    const float* from = bias == nullptr ? nullptr : bias + col;
    std::size_t row = 0;
    for (; row + 8 <= m; row += 8)
      product_tile<8, Add>(k, a + row * lda, lda, b + col, ldb, from, c + row * ldc + col, ldc);
    for (; row < m; ++row) product_tile<1, Add>(k, a + row * lda, lda, b + col, ldb, from, c + row * ldc + col, ldc);
  }
}

void product(std::size_t m, std::size_t n, std::size_t k, const float* a, std::size_t lda, const float* b,
             std::size_t ldb, const float* bias, float* c, std::size_t ldc) {
  product_all<false>(m, n, k, a, lda, b, ldb, bias, c, ldc);
}

void add_product(std::size_t m, std::size_t n, std::size_t k, const float* a, std::size_t lda, const float* b,
                 std::size_t ldb, float* c, std::size_t ldc) {
  product_all<true>(m, n, k, a, lda, b, ldb, nullptr, c, ldc);
}

// Logits of four rows at a time share each load of q.
template <std::size_t R>
ANOMCTL_INLINE void logits_tile(std::size_t d, const float* p, std::size_t ldp, const float* q, std::size_t ldq,
                                const float* a, float alpha, const float* bias, std::size_t ldb, float* out,
                                std::size_t ldo) {
  Vec sum[R];
  for (std::size_t r = 0; r < R; ++r) {
    sum[r] = Vec{};
    if (bias != nullptr) load(sum[r], bias + r * ldb);
  }
  for (std::size_t c = 0; c < d; ++c) {
    Vec key;
    load(key, q + c * ldq);
    const float weight = a[c];
    for (std::size_t r = 0; r < R; ++r) {
      const Vec z = key + p[r * ldp + c];
      Vec leaky;
      greater(leaky, z, z * alpha);
      sum[r] += leaky * weight;
    }
  }
  for (std::size_t r = 0; r < R; ++r) store(out + r * ldo, sum[r]);
}

void logits(std::size_t n, std::size_t d, const float* p, std::size_t ldp, const float* q, std::size_t ldq,
            const float* a, float alpha, const float* bias, std::size_t ldb, float* out, std::size_t ldo) {
  for (std::size_t j = 0; j < n; j += W) {
    const float* from = bias == nullptr ? nullptr : bias + j;
    std::size_t i = 0;
    for (; i + 4 <= n; i += 4)
      logits_tile<4>(d, p + i * ldp, ldp, q + j, ldq, a, alpha, bias == nullptr ? nullptr : from + i * ldb, ldb,
                     out + i * ldo + j, ldo);
    for (; i < n; ++i)
      logits_tile<1>(d, p + i * ldp, ldp, q + j, ldq, a, alpha, bias == nullptr ? nullptr : from + i * ldb, ldb,
                     out + i * ldo + j, ldo);
  }
}

void logits_backward(std::size_t n, std::size_t d, const float* p, std::size_t ldp, const float* q, std::size_t ldq,
                     const float* a, float alpha, const float* d_out, std::size_t ldo, float* d_p, float* d_q,
                     float* d_a) {
  for (std::size_t c = 0; c < d; ++c) {
    const float* key = q + c * ldq;
    float* d_key = d_q + c * ldq;
    const float weight = a[c];
    Vec d_weight{};
    for (std::size_t i = 0; i < n; ++i) {
      const float query = p[i * ldp + c];
      Vec d_query{};
      for (std::size_t j = 0; j < n; j += W) {
        Vec z, d_e, sum;
        load(z, key + j);
        load(d_e, d_out + i * ldo + j);
        z += query;
        const Vec through = z > 0.0F ? d_e : d_e * alpha;
        d_weight += through * z;
        d_query += through;
        load(sum, d_key + j);
        store(d_key + j, sum + through * weight);
      }
      float total = 0;
      for (std::size_t l = 0; l < W; ++l) total += d_query[l];
      d_p[i * ldp + c] += weight * total;
    }
    for (std::size_t l = 0; l < W; ++l) d_a[c] += d_weight[l];
  }
}

void attention(std::size_t n, std::size_t d, const float* p, std::size_t ldp, const float* q, std::size_t ldq,
               const float* a, float alpha, const float* bias, std::size_t ldb, float* out, std::size_t ldo) {
  logits(n, d, p, ldp, q, ldq, a, alpha, bias, ldb, out, ldo);
  for (std::size_t i = 0; i < n; ++i) {
    float* row = out + i * ldo;
    float largest = row[0];
    for (std::size_t j = 1; j < n; ++j) largest = row[j] > largest ? row[j] : largest;
    for (std::size_t j = n; j < ldo; ++j) row[j] = largest - 1000.0F;
    for (std::size_t j = 0; j < ldo; j += W) {
      Vec e;
      load(e, row + j);
      e -= largest;
      exponential(e);
      store(row + j, e);
    }
    float total = 0;
    for (std::size_t j = 0; j < n; ++j) total += row[j];
    const float scale = 1.0F / total;
    for (std::size_t j = 0; j < n; ++j) row[j] *= scale;
    for (std::size_t j = n; j < ldo; ++j) row[j] = 0;
  }
}

void sigmoid(std::size_t n, float* x) {
  for (std::size_t i = 0; i < n; i += W) {
    Vec v;
    load(v, x + i);
    sigmoid_of(v);
    store(x + i, v);
  }
}

void relu(std::size_t n, float* x) {
  for (std::size_t i = 0; i < n; ++i) x[i] = x[i] > 0 ? x[i] : 0;
}

template <std::size_t R>
ANOMCTL_INLINE void gru_tile(std::size_t units, std::size_t ldh, std::size_t u, const float* x, std::size_t ldx,
                             const float* weights, const float* bias, const float* h_in, float* h_out) {
  Vec reset[R], update[R], fresh[R];
  for (std::size_t i = 0; i < R; ++i) {
    load(reset[i], bias + u);
    load(update[i], bias + ldh + u);
    load(fresh[i], bias + 2 * ldh + u);
  }
  for (std::size_t k = 0; k < units; ++k) {
    const float* w = weights + k * 3 * ldh + u;
    Vec wr, wz, wn;
    load(wr, w);
    load(wz, w + ldh);
    load(wn, w + 2 * ldh);
    for (std::size_t i = 0; i < R; ++i) {
      const float h = h_in[i * ldh + k];
      reset[i] += wr * h;
      update[i] += wz * h;
      fresh[i] += wn * h;
    }
  }
  for (std::size_t i = 0; i < R; ++i) {
    Vec xr, xz, xn, h;
    load(xr, x + i * ldx + u);
    load(xz, x + i * ldx + ldh + u);
    load(xn, x + i * ldx + 2 * ldh + u);
    load(h, h_in + i * ldh + u);
    Vec r = reset[i] + xr, z = update[i] + xz;
    sigmoid_of(r);
    sigmoid_of(z);
    Vec n = xn + r * fresh[i];
    tanh_of(n);
    h = n + z * (h - n);
    store(h_out + i * ldh + u, h);
  }
}

void gru_step(std::size_t rows, std::size_t units, std::size_t ldh, const float* x, std::size_t ldx,
              const float* weights, const float* bias, const float* h_in, float* h_out) {
  constexpr std::size_t R = ANOMCTL_GRU_ROWS;
  for (std::size_t u = 0; u < ldh; u += W) {
    std::size_t row = 0;
    for (; row + R <= rows; row += R) {
      gru_tile<R>(units, ldh, u, x + row * ldx, ldx, weights, bias, h_in + row * ldh, h_out + row * ldh);
    }
    for (; row < rows; ++row)
      gru_tile<1>(units, ldh, u, x + row * ldx, ldx, weights, bias, h_in + row * ldh, h_out + row * ldh);
  }
}

}  // namespace
}  // namespace anomctl
