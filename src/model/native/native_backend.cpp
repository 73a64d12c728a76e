#include "model/native/native_backend.h"

#include <fmt/core.h>

#include <algorithm>
#include <new>

namespace anomctl {
namespace {
constexpr std::size_t kBlockFloats = 1 << 20;
}

float* Arena::take(std::size_t floats) {
  floats = padded(floats);
  for (Block& b : blocks_) {
    if (b.size - b.used >= floats) return b.memory.get() + std::exchange(b.used, b.used + floats);
  }
  const std::size_t size = std::max(floats, kBlockFloats);
  blocks_.push_back({std::make_unique<float[]>(size), size, floats});
  return blocks_.back().memory.get();
}

void Arena::reset() {
  for (Block& b : blocks_) b.used = 0;
}

NativeBackend::Array NativeBackend::make(std::size_t batch, std::size_t steps, std::size_t width) {
  return {arena_.take(batch * steps * padded(width)), batch, steps, width, padded(width)};
}

float* NativeBackend::transposed(const float* from, std::size_t m, std::size_t n, std::size_t ld) {
  const std::size_t ldt = padded(m);
  float* to = arena_.take(n * ldt);
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t i = 0; i < m; ++i) to[j * ldt + i] = from[i * ld + j];
    std::fill(to + j * ldt + m, to + (j + 1) * ldt, 0.0F);
  }
  return to;
}

// Rows stay unpadded: the convolution reads several at once as one long row.
NativeBackend::Array NativeBackend::input(const float* x, std::size_t batch) {
  const auto w = static_cast<std::size_t>(w_.settings.window_size),
             k = static_cast<std::size_t>(w_.settings.n_features);
  return {const_cast<float*>(x), batch, w, k, k};
}

NativeBackend::Array NativeBackend::conv1d_relu(const Array& x, const std::string&) {
  const auto width = static_cast<std::size_t>(w_.settings.kernel_size);
  const std::size_t side = (width - 1) / 2, k = x.width;
  Array out = make(x.batch, x.steps, k);
  const std::size_t padded_rows = x.steps + 2 * side;
  float* series = arena_.take(padded_rows * k);
  std::fill(series, series + side * k, 0.0F);
  std::fill(series + (side + x.steps) * k, series + padded_rows * k, 0.0F);
  for (std::size_t b = 0; b < x.batch; ++b) {
    std::copy_n(x.row(b, 0), x.steps * k, series + side * k);
    k_.product(x.steps, out.ld, width * k, series, k, w_.conv.weights.data(), w_.conv.ld, w_.conv.bias.data(),
               out.row(b, 0), out.ld);
  }
  k_.relu(x.batch * x.steps * out.ld, out.data);
  return out;
}

float* NativeBackend::attend(const PackedAttention& g, const float* nodes, std::size_t ldn, const float* other,
                             std::size_t ldo, float alpha) {
  const std::size_t ldp = padded(g.d), ldq = padded(g.n), ldv = padded(g.m);
  float* p = arena_.take(g.n * ldp);
  float* q = arena_.take(g.d * ldq);
  float* weights = arena_.take(g.n * ldq);
  float* out = arena_.take(g.n * ldv);
  k_.product(g.n, ldp, g.m, nodes, ldn, g.left.weights.data(), g.left.ld, g.left.bias.data(), p, ldp);
  k_.product(g.d, ldq, g.m, g.right.data(), g.m, other, ldo, nullptr, q, ldq);
  k_.attention(g.n, g.d, p, ldp, q, ldq, g.a.data(), alpha, g.bias.empty() ? nullptr : g.bias.data(), ldq, weights,
               ldq);
  k_.product(g.n, ldv, g.n, weights, ldq, nodes, ldn, nullptr, out, ldv);
  k_.sigmoid(g.n * ldv, out);
  return out;
}

NativeBackend::Array NativeBackend::attend_sensors(const Array& x, const Attention& attention) {
  Array out = make(x.batch, x.steps, x.width);
  std::fill(out.data, out.data + x.batch * x.steps * out.ld, 0.0F);
  for (std::size_t b = 0; b < x.batch; ++b) {
    const float* nodes = transposed(x.row(b, 0), x.steps, x.width, x.ld);  // (k, w)
    const float* h = attend(w_.sensors, nodes, padded(x.steps), x.row(b, 0), x.ld, static_cast<float>(attention.alpha));
    for (std::size_t t = 0; t < x.steps; ++t) {
      for (std::size_t i = 0; i < x.width; ++i) out.row(b, t)[i] = h[i * padded(x.steps) + t];
    }
  }
  return out;
}

NativeBackend::Array NativeBackend::attend_time(const Array& x, const Attention& attention) {
  Array out = make(x.batch, x.steps, x.width);
  for (std::size_t b = 0; b < x.batch; ++b) {
    const float* other = transposed(x.row(b, 0), x.steps, x.width, x.ld);  // (k, w)
    const float* h = attend(w_.time, x.row(b, 0), x.ld, other, padded(x.steps), static_cast<float>(attention.alpha));
    for (std::size_t t = 0; t < x.steps; ++t) {
      std::copy_n(h + t * x.ld, x.width, out.row(b, t));
      std::fill(out.row(b, t) + x.width, out.row(b, t) + out.ld, 0.0F);
    }
  }
  return out;
}

NativeBackend::Array NativeBackend::concat(const Array& x, const Array& y, const Array& z) {
  Array out = make(x.batch, x.steps, x.width + y.width + z.width);
  for (std::size_t b = 0; b < x.batch; ++b) {
    for (std::size_t t = 0; t < x.steps; ++t) {
      float* to = out.row(b, t);
      for (const Array* part : {&x, &y, &z}) to = std::copy_n(part->row(b, t), part->width, to);
      std::fill(to, out.row(b, t) + out.ld, 0.0F);
    }
  }
  return out;
}

NativeBackend::Array NativeBackend::recurrence(const PackedGru& g, const float* projected, std::size_t batch,
                                               std::size_t steps) {
  Array out = make(batch, steps, g.units);
  float* before = arena_.take(batch * g.ld);
  float* after = arena_.take(batch * g.ld);
  std::fill(before, before + batch * g.ld, 0.0F);
  for (std::size_t t = 0; t < steps; ++t) {
    k_.gru_step(batch, g.units, g.ld, projected + t * 3 * g.ld, steps * 3 * g.ld, g.hidden.data(), g.hidden_bias.data(),
                before, after);
    for (std::size_t b = 0; b < batch; ++b) std::copy_n(after + b * g.ld, g.ld, out.row(b, t));
    std::swap(before, after);
  }
  return out;
}

NativeBackend::Array NativeBackend::gru(const Array& x, const std::string& layer, std::int64_t n) {
  const PackedGru& g = w_.gru.at(fmt::format("{}.{}", layer, n));
  float* projected = arena_.take(x.batch * x.steps * 3 * g.ld);
  k_.product(x.batch * x.steps, 3 * g.ld, g.in, x.data, x.ld, g.input.data(), 3 * g.ld, g.input_bias.data(), projected,
             3 * g.ld);
  return recurrence(g, projected, x.batch, x.steps);
}

NativeBackend::Array NativeBackend::last_step(const Array& x) {
  Array out = make(x.batch, 1, x.width);
  for (std::size_t b = 0; b < x.batch; ++b) std::copy_n(x.row(b, x.steps - 1), x.ld, out.row(b, 0));
  return out;
}

NativeBackend::Array NativeBackend::spread_gru(const Array& x, std::int64_t n_steps, const std::string& layer,
                                               std::int64_t n) {
  const PackedGru& g = w_.gru.at(fmt::format("{}.{}", layer, n));
  const auto steps = static_cast<std::size_t>(n_steps);
  const std::size_t wide = 3 * g.ld;
  float* projected = arena_.take(x.batch * steps * wide);
  for (std::size_t b = 0; b < x.batch; ++b) {
    const float* h = x.row(b, 0);
    for (std::size_t t = 0; t < steps; ++t) {
      float* to = projected + (b * steps + t) * wide;
      std::copy_n(g.input_bias.data(), wide, to);
      for (const SpreadInput::Part& part : w_.spread.rows[t]) {
        k_.add_product(1, wide, 1, h + part.unit, 1, w_.spread.sums.data() + part.at, wide, to, wide);
      }
    }
  }
  return recurrence(g, projected, x.batch, steps);
}

NativeBackend::Array NativeBackend::linear(const Array& x, const std::string& layer) {
  const PackedLinear& l = w_.linear.at(layer);
  Array out = make(x.batch, x.steps, l.out);
  k_.product(x.batch * x.steps, l.ld, l.in, x.data, x.ld, l.weights.data(), l.ld, l.bias.data(), out.data, out.ld);
  return out;
}

NativeBackend::Array NativeBackend::relu(const Array& x) {
  k_.relu(x.batch * x.steps * x.ld, x.data);
  return x;
}

}  // namespace anomctl
