#include <algorithm>
#include <cmath>
#include <random>

#include "anomctl/model/relation_network.h"

// Several instruction sets, chosen when the program starts; not under sanitizers, which cannot run the choice.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && defined(__GNUC__) && \
    !defined(__clang__)
#define ANOMCTL_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define ANOMCTL_CLONES
#endif
// What a clone calls is compiled with it only where it is inlined.
#define ANOMCTL_INLINE inline __attribute__((always_inline))

namespace anomctl {
namespace {

constexpr double kSlope = 0.2;  // of LeakyReLU, as in GATv2

struct Sizes {
  std::size_t k, l, d, h, u, hd;
};
template <class T>
Sizes sizes(const RelationParameters<T>& p) {
  const auto n = [](std::int64_t v) { return static_cast<std::size_t>(v); };
  const RelationSettings& s = p.settings;
  return {p.sensors, n(s.rows), n(s.width), n(s.heads), n(s.hidden), n(s.heads * s.width)};
}

// y (m) += x (n) * a (n, m)
template <class T>
ANOMCTL_INLINE void add_product(std::size_t n, std::size_t m, const T* x, const T* a, T* y) {
  for (std::size_t i = 0; i < n; ++i) {
    const T xi = x[i];
    if (xi == T(0)) continue;
    for (std::size_t j = 0; j < m; ++j) y[j] += xi * a[i * m + j];
  }
}
// d_x (n) += a (n, m) * d_y (m);  d_a (n, m) += x * d_y
template <class T>
ANOMCTL_INLINE void product_backward(std::size_t n, std::size_t m, const T* x, const T* a, const T* d_y, T* d_x,
                                     T* d_a) {
  for (std::size_t i = 0; i < n; ++i) {
    T sum = 0;
    for (std::size_t j = 0; j < m; ++j) sum += a[i * m + j] * d_y[j];
    d_x[i] += sum;
    const T xi = x[i];
    if (xi == T(0)) continue;
    for (std::size_t j = 0; j < m; ++j) d_a[i * m + j] += xi * d_y[j];
  }
}

}  // namespace

template <class T>
typename RelationParameters<T>::Layout RelationParameters<T>::layout() const {
  const Sizes s = sizes(*this);
  Layout at{};
  std::size_t next = 0;
  const auto block = [&next](std::size_t n) { return std::exchange(next, next + n); };
  at.encoder = block(s.k * s.l * s.d);
  at.shift = block(s.k * s.d);
  at.identity = block(s.k * s.d);
  at.query = block(s.d * s.hd);
  at.query_bias = block(s.hd);
  at.key = block(s.d * s.hd);
  at.attention = block(s.hd);
  at.value = block(s.d * s.hd);
  at.value_bias = block(s.hd);
  at.edge = block(s.h * s.k * s.k);
  at.w1 = block(s.k * s.hd * s.u);
  at.b1 = block(s.k * s.u);
  at.w2 = block(s.k * s.u);
  at.b2 = block(s.k);
  at.total = next;
  return at;
}

template <class T>
RelationParameters<T> make_relation_parameters(const RelationSettings& settings,
                                               std::vector<std::vector<std::uint32_t>> neighbours, std::uint64_t seed) {
  RelationParameters<T> p;
  p.settings = settings;
  p.sensors = neighbours.size();
  p.neighbours = std::move(neighbours);
  const auto at = p.layout();
  const Sizes s = sizes(p);
  p.values.assign(at.total, T(0));
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  const auto fill = [&](std::size_t first, std::size_t count, double deviation) {
    for (std::size_t i = first; i < first + count; ++i) p.values[i] = static_cast<T>(deviation * normal(random));
  };
  const double d = static_cast<double>(s.d);
  fill(at.encoder, s.k * s.l * s.d, 1 / std::sqrt(static_cast<double>(s.l)));
  fill(at.identity, s.k * s.d, 0.3);
  fill(at.query, s.d * s.hd, 1 / std::sqrt(d));
  fill(at.key, s.d * s.hd, 1 / std::sqrt(d));
  fill(at.attention, s.hd, 0.3);
  fill(at.value, s.d * s.hd, 1 / std::sqrt(d));
  fill(at.w1, s.k * s.hd * s.u, 1 / std::sqrt(static_cast<double>(s.hd)));
  return p;  // w2 is zero: an untrained network corrects nothing
}

template <class T>
void prepare_relation(const RelationParameters<T>& p, RelationWorkspace<T>& w) {
  const Sizes s = sizes(p);
  const auto at = p.layout();
  const T* v = p.values.data();
  w.query.assign(s.k * s.hd, T(0));
  for (std::size_t i = 0; i < s.k; ++i) {
    std::copy_n(v + at.query_bias, s.hd, w.query.data() + i * s.hd);
    add_product(s.d, s.hd, v + at.identity + i * s.d, v + at.query, w.query.data() + i * s.hd);
  }
  for (auto* block : {&w.code, &w.d_code}) block->assign(s.k * s.d, T(0));
  for (auto* block : {&w.key, &w.value, &w.context, &w.d_key, &w.d_value, &w.d_context})
    block->assign(s.k * s.hd, T(0));
  for (auto* block : {&w.weight, &w.d_weight}) block->assign(s.k * s.k * s.h, T(0));
  for (auto* block : {&w.hidden, &w.d_hidden}) block->assign(s.k * s.u, T(0));
  w.d_query.resize(s.k * s.hd, T(0));
}

namespace {

template <class T>
ANOMCTL_INLINE void forward_row(const RelationParameters<T>& p, RelationWorkspace<T>& w, const T* x, T* out) {
  const Sizes s = sizes(p);
  const auto at = p.layout();
  const T* v = p.values.data();
  for (std::size_t j = 0; j < s.k; ++j) {
    T* code = w.code.data() + j * s.d;
    for (std::size_t c = 0; c < s.d; ++c) code[c] = v[at.shift + j * s.d + c] + v[at.identity + j * s.d + c];
    for (std::size_t l = 0; l < s.l; ++l) {
      const T input = x[l * s.k + j];
      const T* encoder = v + at.encoder + (j * s.l + l) * s.d;
      for (std::size_t c = 0; c < s.d; ++c) code[c] += input * encoder[c];
    }
    for (std::size_t c = 0; c < s.d; ++c) code[c] = code[c] > T(0) ? code[c] : T(0);
    T* key = w.key.data() + j * s.hd;
    T* value = w.value.data() + j * s.hd;
    std::fill_n(key, s.hd, T(0));
    std::copy_n(v + at.value_bias, s.hd, value);
    add_product(s.d, s.hd, code, v + at.key, key);
    add_product(s.d, s.hd, code, v + at.value, value);
  }
  for (std::size_t i = 0; i < s.k; ++i) {
    T* context = w.context.data() + i * s.hd;
    std::fill_n(context, s.hd, T(0));
    for (std::size_t h = 0; h < s.h; ++h) {
      const T* query = w.query.data() + i * s.hd + h * s.d;
      const T* a = v + at.attention + h * s.d;
      T* weight = w.weight.data() + (i * s.h + h) * s.k;
      T largest = -std::numeric_limits<T>::infinity(), total = 0;
      for (const std::uint32_t j : p.neighbours[i]) {
        const T* key = w.key.data() + j * s.hd + h * s.d;
        T e = v[at.edge + (h * s.k + i) * s.k + j];
        for (std::size_t c = 0; c < s.d; ++c) {
          const T z = query[c] + key[c];
          e += a[c] * (z > T(0) ? z : T(kSlope) * z);
        }
        weight[j] = e;
        largest = std::max(largest, e);
      }
      for (const std::uint32_t j : p.neighbours[i]) total += weight[j] = std::exp(weight[j] - largest);
      for (const std::uint32_t j : p.neighbours[i]) {
        weight[j] /= total;
        const T* value = w.value.data() + j * s.hd + h * s.d;
        for (std::size_t c = 0; c < s.d; ++c) context[h * s.d + c] += weight[j] * value[c];
      }
    }
    T* hidden = w.hidden.data() + i * s.u;
    std::copy_n(v + at.b1 + i * s.u, s.u, hidden);
    add_product(s.hd, s.u, context, v + at.w1 + i * s.hd * s.u, hidden);
    T sum = v[at.b2 + i];
    for (std::size_t c = 0; c < s.u; ++c) {
      hidden[c] = hidden[c] > T(0) ? hidden[c] : T(0);
      sum += hidden[c] * v[at.w2 + i * s.u + c];
    }
    out[i] = sum;
  }
}

template <class T>
ANOMCTL_INLINE void backward_row(const RelationParameters<T>& p, RelationWorkspace<T>& w, const T* x, const T* d_out,
                                 T* g) {
  const Sizes s = sizes(p);
  const auto at = p.layout();
  const T* v = p.values.data();
  for (auto* block : {&w.d_code, &w.d_key, &w.d_value, &w.d_context}) std::fill(block->begin(), block->end(), T(0));
  for (std::size_t i = 0; i < s.k; ++i) {
    if (d_out[i] == T(0)) continue;
    g[at.b2 + i] += d_out[i];
    T* d_hidden = w.d_hidden.data() + i * s.u;
    for (std::size_t c = 0; c < s.u; ++c) {
      const T hidden = w.hidden[i * s.u + c];
      g[at.w2 + i * s.u + c] += d_out[i] * hidden;
      d_hidden[c] = hidden > T(0) ? d_out[i] * v[at.w2 + i * s.u + c] : T(0);
      g[at.b1 + i * s.u + c] += d_hidden[c];
    }
    product_backward(s.hd, s.u, w.context.data() + i * s.hd, v + at.w1 + i * s.hd * s.u, d_hidden,
                     w.d_context.data() + i * s.hd, g + at.w1 + i * s.hd * s.u);
    for (std::size_t h = 0; h < s.h; ++h) {
      const T* weight = w.weight.data() + (i * s.h + h) * s.k;
      T* d_weight = w.d_weight.data() + (i * s.h + h) * s.k;
      const T* d_context = w.d_context.data() + i * s.hd + h * s.d;
      const T* query = w.query.data() + i * s.hd + h * s.d;
      const T* a = v + at.attention + h * s.d;
      T mean = 0;
      for (const std::uint32_t j : p.neighbours[i]) {
        const T* value = w.value.data() + j * s.hd + h * s.d;
        T* d_value = w.d_value.data() + j * s.hd + h * s.d;
        T sum = 0;
        for (std::size_t c = 0; c < s.d; ++c) {
          sum += d_context[c] * value[c];
          d_value[c] += weight[j] * d_context[c];
        }
        d_weight[j] = sum;
        mean += weight[j] * sum;
      }
      for (const std::uint32_t j : p.neighbours[i]) {
        const T d_e = weight[j] * (d_weight[j] - mean);
        g[at.edge + (h * s.k + i) * s.k + j] += d_e;
        const T* key = w.key.data() + j * s.hd + h * s.d;
        T* d_key = w.d_key.data() + j * s.hd + h * s.d;
        T* d_query = w.d_query.data() + i * s.hd + h * s.d;
        T* d_a = g + at.attention + h * s.d;
        for (std::size_t c = 0; c < s.d; ++c) {
          const T z = query[c] + key[c];
          const T slope = z > T(0) ? T(1) : T(kSlope);
          d_a[c] += d_e * slope * z;
          const T through = d_e * a[c] * slope;
          d_key[c] += through;
          d_query[c] += through;
        }
      }
    }
  }
  for (std::size_t j = 0; j < s.k; ++j) {
    const T* code = w.code.data() + j * s.d;
    T* d_code = w.d_code.data() + j * s.d;
    const T* d_value = w.d_value.data() + j * s.hd;
    product_backward(s.d, s.hd, code, v + at.key, w.d_key.data() + j * s.hd, d_code, g + at.key);
    product_backward(s.d, s.hd, code, v + at.value, d_value, d_code, g + at.value);
    for (std::size_t c = 0; c < s.hd; ++c) g[at.value_bias + c] += d_value[c];
    for (std::size_t c = 0; c < s.d; ++c) {
      if (code[c] <= T(0)) d_code[c] = T(0);
      g[at.shift + j * s.d + c] += d_code[c];
      g[at.identity + j * s.d + c] += d_code[c];
    }
    for (std::size_t l = 0; l < s.l; ++l) {
      const T input = x[l * s.k + j];
      T* d_encoder = g + at.encoder + (j * s.l + l) * s.d;
      for (std::size_t c = 0; c < s.d; ++c) d_encoder[c] += input * d_code[c];
    }
  }
}

ANOMCTL_CLONES void forward_float(const RelationParameters<float>& p, RelationWorkspace<float>& w, const float* x,
                                  float* out) {
  forward_row(p, w, x, out);
}
ANOMCTL_CLONES void backward_float(const RelationParameters<float>& p, RelationWorkspace<float>& w, const float* x,
                                   const float* d_out, float* g) {
  backward_row(p, w, x, d_out, g);
}

}  // namespace

template <class T>
void relation_forward(const RelationParameters<T>& p, RelationWorkspace<T>& w, std::span<const T> x, std::span<T> out) {
  if constexpr (std::same_as<T, float>)
    forward_float(p, w, x.data(), out.data());
  else
    forward_row(p, w, x.data(), out.data());
}

template <class T>
void relation_backward(const RelationParameters<T>& p, RelationWorkspace<T>& w, std::span<const T> x,
                       std::span<const T> d_out, std::span<T> gradient) {
  if constexpr (std::same_as<T, float>)
    backward_float(p, w, x.data(), d_out.data(), gradient.data());
  else
    backward_row(p, w, x.data(), d_out.data(), gradient.data());
}

template <class T>
void relation_finish(const RelationParameters<T>& p, RelationWorkspace<T>& w, std::span<T> gradient) {
  const Sizes s = sizes(p);
  const auto at = p.layout();
  const T* v = p.values.data();
  for (std::size_t i = 0; i < s.k; ++i) {
    const T* d_query = w.d_query.data() + i * s.hd;
    product_backward(s.d, s.hd, v + at.identity + i * s.d, v + at.query, d_query,
                     gradient.data() + at.identity + i * s.d, gradient.data() + at.query);
    for (std::size_t c = 0; c < s.hd; ++c) gradient[at.query_bias + c] += d_query[c];
  }
  std::fill(w.d_query.begin(), w.d_query.end(), T(0));
}

#define ANOMCTL_RELATION(T)                                                                                           \
  template struct RelationParameters<T>;                                                                              \
  template RelationParameters<T> make_relation_parameters<T>(const RelationSettings&,                                 \
                                                             std::vector<std::vector<std::uint32_t>>, std::uint64_t); \
  template void prepare_relation<T>(const RelationParameters<T>&, RelationWorkspace<T>&);                             \
  template void relation_forward<T>(const RelationParameters<T>&, RelationWorkspace<T>&, std::span<const T>,          \
                                    std::span<T>);                                                                    \
  template void relation_backward<T>(const RelationParameters<T>&, RelationWorkspace<T>&, std::span<const T>,         \
                                     std::span<const T>, std::span<T>);                                               \
  template void relation_finish<T>(const RelationParameters<T>&, RelationWorkspace<T>&, std::span<T>);
ANOMCTL_RELATION(float)
ANOMCTL_RELATION(double)
#undef ANOMCTL_RELATION

}  // namespace anomctl
