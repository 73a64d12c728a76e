// Raw maths on plain memory for one thread: skinny matrix products, graph attention, GRU recurrence. Chosen at run time
// for the CPU. A row's result depends neither on the rows computed beside it nor on its place among them. Rows are
// padded: a leading dimension ("ld", in floats) that is a multiple of kLanes; what the padding holds reaches only
// padding, and it may be anything (where it is summed over, in add_dots, it is zero). Not a number stays that.
// Thread rule: pure functions of their arguments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace anomctl {

inline constexpr std::size_t kLanes = 8;
constexpr std::size_t padded(std::size_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

// Which elements are dropped is a function of key and index, the same on every instruction set.
struct Dropout {
  std::uint32_t key[2] = {0, 0};
  std::uint32_t kept = 0;  // of 2^32 elements
  float scale = 1;
};

struct Kernels {
  const char* name;   // "portable", "avx2", "avx512"
  std::size_t width;  // floats a vector

  // c (m, n) = a (m, k) b (k, n) + bias (n, or null), n padded; lda may be less than k (overlapping rows of a
  // convolution).
  void (*product)(std::size_t m, std::size_t n, std::size_t k, const float* a, std::size_t lda, const float* b,
                  std::size_t ldb, const float* bias, float* c, std::size_t ldc);
  // c += a b; c (m, n) += a^T b for a (k, m); n padded. c (m, n) += a b^T for b (n, k), k padded, n small.
  void (*add_product)(std::size_t m, std::size_t n, std::size_t k, const float* a, std::size_t lda, const float* b,
                      std::size_t ldb, float* c, std::size_t ldc);
  void (*add_product_turned)(std::size_t m, std::size_t n, std::size_t k, const float* a, std::size_t lda,
                             const float* b, std::size_t ldb, float* c, std::size_t ldc);
  void (*add_dots)(std::size_t m, std::size_t n, std::size_t k, const float* a, std::size_t lda, const float* b,
                   std::size_t ldb, float* c, std::size_t ldc);
  // Attention logits for training: for i, j < n: out_ij = bias_ij + sum_c a_c leaky(p_ic + q_cj), leaky(z) = max(z,
  // alpha z). p (n, d) with ldp, q (d, n) with ldq, bias (n, n) with ldb or null, out (n, n) with ldo.
  void (*logits)(std::size_t n, std::size_t d, const float* p, std::size_t ldp, const float* q, std::size_t ldq,
                 const float* a, float alpha, const float* bias, std::size_t ldb, float* out, std::size_t ldo);
  // From d_out (n, n) with ldo, zero in the padding: d_p, d_q (n, d) and, added, d_a (d). Here q lies as p: both (n, d)
  // with ld. z is computed again. sums: room for 2 padded(n).
  void (*logits_backward)(std::size_t n, std::size_t d, const float* p, const float* q, std::size_t ld, const float* a,
                          float alpha, const float* d_out, std::size_t ldo, float* d_p, float* d_q, float* d_a,
                          float* sums);
  // Each row of x (rows, padded(n)) becomes its softmax, zero in the padding.
  void (*softmax)(std::size_t rows, std::size_t n, float* x);
  // to_i = x_i scale, or 0 for what is dropped, which x marks by its sign; x not negative before, n padded.
  void (*drop)(std::size_t n, const Dropout& dropout, float* x, float* to);
  // The same `to` from the marked x.
  void (*kept_part)(std::size_t n, const float* x, float scale, float* to);
  // From d (rows, padded(n)), the gradient of kept_part(y, scale), that of the argument of the softmax y, marked.
  void (*softmax_backward)(std::size_t rows, std::size_t n, const float* y, float scale, float* d);
  // Attention for scoring, keys j before queries i: out_ji = exp(e_ij - max_j e_ij) and scale_i = 1 / sum_j out_ji of
  // e_ij = bias_ji + q_jd + sum over c < d_max of max(p_ci, q_jc) + sum over the other c < d of min(p_ci, q_jc), which
  // is sum_c a_c leaky(p_ci + q_jc) but for what softmax takes away (attention.inc). p (d, n), bias (n, n) or null, out
  // (n, n) and scale have padded(n) columns, q (n, d + 1) has ldq.
  void (*attention)(std::size_t n, std::size_t d, std::size_t d_max, const float* p, const float* q, std::size_t ldq,
                    const float* bias, float* out, float* scale);
  // x_rj = 1 / (1 + exp(-scale_j x_rj)), x (m, n), n padded.
  void (*scaled_sigmoid)(std::size_t m, std::size_t n, const float* scale, float* x);
  void (*relu)(std::size_t n, float* x);
  // One step of a GRU for `rows` sequences (Cho et al. 2014, torch's gates r, z, n). x (rows, 3 ldh): projected inputs
  // r | z | n with every bias but that of n in the recurrence, which is `bias` (ldh); h_in, h_out: (rows, ldh).
  // weights: W_hh transposed, in tiles of `width` units (the last of what is left of ldh), each (units, 3 gates, tile).
  void (*gru_step)(std::size_t rows, std::size_t units, std::size_t ldh, const float* x, const float* weights,
                   const float* bias, const float* h_in, float* h_out);
  // The same for training. gates (rows, 4 ldh): n | r | z hold the projected inputs and become the gates; the fourth
  // becomes the recurrence's part of n before r multiplies it.
  void (*gru_forward)(std::size_t rows, std::size_t units, std::size_t ldh, const float* weights, const float* bias,
                      const float* h_in, float* gates, float* h_out);
  // From d_h (rows, ldh), the gradient of h_out: d_gates (rows, 4 ldh) become the gradients of what gru_forward found in
  // n | r | z, and of the fourth; d_h becomes that of h_in but for what comes through W_hh (add d_(r | z | fourth) W_hh).
  // Sums over the rows are added to d_bias (4 ldh). Padding that is zero stays zero.
  void (*gru_backward)(std::size_t rows, std::size_t ldh, const float* h_in, const float* gates, float* d_gates,
                       float* d_h, float* d_bias);
};

// The widest that this CPU runs, or the one that ANOMCTL_ISA names (portable, avx2, avx512). Throws UsageError when
// that cannot be run.
const Kernels& kernels();
// All that this CPU runs.
std::vector<const Kernels*> available_kernels();

}  // namespace anomctl
