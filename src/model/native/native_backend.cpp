#include "model/native/native_backend.h"

#include <algorithm>
#include <utility>

namespace anomctl {
namespace {
constexpr std::size_t kBlockFloats = 1 << 20;
constexpr std::size_t kProjectedRows = 8;

// (m, n) with ld -> (n, m) with ldt
void transpose(const float* from, std::size_t m, std::size_t n, std::size_t ld, float* to, std::size_t ldt) {
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < n; ++j) to[j * ldt + i] = from[i * ld + j];
  }
}

}  // namespace

float* Arena::take(std::size_t floats) {
  floats = (floats + kLineFloats - 1) / kLineFloats * kLineFloats;
  for (Block& b : blocks_) {
    if (b.memory.size() - b.used >= floats) return b.memory.data() + std::exchange(b.used, b.used + floats);
  }
  blocks_.push_back({AlignedFloats(std::max(floats, kBlockFloats)), floats});
  return blocks_.back().memory.data();
}

const float* Arena::zeros(std::size_t floats) {
  float* memory = take(floats);
  std::fill_n(memory, floats, 0.0F);
  return memory;
}

void Arena::reset() {
  for (Block& b : blocks_) b.used = 0;
}

void NativeBackend::take_scratch(const PackedAttention& g) {
  const std::size_t ld = padded(g.n);
  scratch_ = {arena_.take(g.d * ld), arena_.take(g.n * g.key.ld), arena_.take(g.n * ld), arena_.take(ld)};
}

NativeBackend::Array NativeBackend::make(std::size_t batch, std::size_t steps, std::size_t width, bool step_first) {
  return {arena_.take(batch * steps * padded(width)), batch, steps, width, padded(width), step_first};
}

// Rows stay unpadded: the convolution reads several at once as one long row.
NativeBackend::Array NativeBackend::input(const float* x, std::size_t batch) {
  const auto w = static_cast<std::size_t>(w_.settings.window_size),
             k = static_cast<std::size_t>(w_.settings.n_features);
  return {const_cast<float*>(x), batch, w, k, k};
}

NativeBackend::Array NativeBackend::conv1d_relu(const Array& x, std::string_view) {
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

void NativeBackend::attend(const PackedAttention& g, const float* nodes, std::size_t ldn, const float* turned,
                           float* out) {
  const std::size_t ld = padded(g.n);
  k_.product(g.d, ld, g.m, g.query.data(), g.m, turned, ld, nullptr, scratch_.query, ld);
  k_.product(g.n, g.key.ld, g.m, nodes, ldn, g.key.weights.data(), g.key.ld, g.key.bias.data(), scratch_.key, g.key.ld);
  k_.attention(g.n, g.d, g.d_max, scratch_.query, scratch_.key, g.key.ld, g.bias.empty() ? nullptr : g.bias.data(),
               scratch_.weights, scratch_.scale);
  k_.product(g.m, ld, g.n, turned, ld, scratch_.weights, ld, nullptr, out, ld);
  k_.scaled_sigmoid(g.m, ld, scratch_.scale, out);
}

NativeBackend::Array NativeBackend::attend_sensors(const Array& x, const Attention&) {
  Array out = make(x.batch, x.steps, x.width);
  const std::size_t ldt = padded(x.steps);
  float* sensors = arena_.take(x.width * ldt);  // (k, w)
  take_scratch(w_.sensors);
  for (std::size_t b = 0; b < x.batch; ++b) {
    transpose(x.row(b, 0), x.steps, x.width, x.ld, sensors, ldt);
    attend(w_.sensors, sensors, ldt, x.row(b, 0), out.row(b, 0));
  }
  return out;
}

NativeBackend::Array NativeBackend::attend_time(const Array& x, const Attention&) {
  Array out = make(x.batch, x.steps, x.width);
  const std::size_t ldt = padded(x.steps);
  float* sensors = arena_.take(x.width * ldt);  // (k, w)
  float* attended = arena_.take(x.width * ldt);
  take_scratch(w_.time);
  for (std::size_t b = 0; b < x.batch; ++b) {
    transpose(x.row(b, 0), x.steps, x.width, x.ld, sensors, ldt);
    attend(w_.time, x.row(b, 0), x.ld, sensors, attended);
    transpose(attended, x.width, x.steps, ldt, out.row(b, 0), out.ld);
  }
  return out;
}

NativeBackend::Array NativeBackend::concat(const Array& x, const Array& y, const Array& z) {
  Array out = make(x.batch, x.steps, x.width + y.width + z.width, true);
  for (std::size_t b = 0; b < x.batch; ++b) {
    for (std::size_t t = 0; t < x.steps; ++t) {
      float* to = out.row(b, t);
      for (const Array* part : {&x, &y, &z}) to = std::copy_n(part->row(b, t), part->width, to);
    }
  }
  return out;
}

template <class Project>
NativeBackend::Array NativeBackend::recurrence(const PackedGru& g, std::size_t batch, std::size_t steps,
                                               std::size_t block, const Project& project) {
  Array out = make(batch, steps, g.units, true);
  const std::size_t wide = 3 * g.ld;
  float* projected = arena_.take(block * batch * wide);
  const float* before = arena_.zeros(batch * g.ld);
  for (std::size_t t = 0; t < steps; ++t) {
    if (t % block == 0) project(t, projected);
    k_.gru_step(batch, g.units, g.ld, projected + t % block * batch * wide, g.hidden.data(), g.hidden_bias.data(),
                before, out.row(0, t));
    before = out.row(0, t);
  }
  return out;
}

NativeBackend::Array NativeBackend::gru(const Array& x, std::string_view layer, std::int64_t n) {
  const PackedGru& g = w_.gru.find(layer)->second[static_cast<std::size_t>(n)];
  // Enough rows at a time for the product's tiles, few enough that they are still in the cache when they are used.
  const std::size_t block = (kProjectedRows + x.batch - 1) / x.batch;
  return recurrence(g, x.batch, x.steps, block, [&](std::size_t t, float* to) {
    k_.product(std::min(block, x.steps - t) * x.batch, 3 * g.ld, g.in, x.row(0, t), x.ld, g.input.data(), 3 * g.ld,
               g.input_bias.data(), to, 3 * g.ld);
  });
}

NativeBackend::Array NativeBackend::last_step(const Array& x) {
  Array out = make(x.batch, 1, x.width);
  for (std::size_t b = 0; b < x.batch; ++b) std::copy_n(x.row(b, x.steps - 1), x.ld, out.row(b, 0));
  return out;
}

NativeBackend::Array NativeBackend::spread_gru(const Array& x, std::int64_t steps, std::string_view layer,
                                               std::int64_t n) {
  const PackedGru& g = w_.gru.find(layer)->second[static_cast<std::size_t>(n)];
  return recurrence(g, x.batch, static_cast<std::size_t>(steps), 1, [&](std::size_t t, float* to) {
    const SpreadInput::Row& row = w_.spread.rows[t];
    k_.product(x.batch, 3 * g.ld, row.units, x.data + row.unit, x.ld, w_.spread.sums.data() + row.at, 3 * g.ld,
               g.input_bias.data(), to, 3 * g.ld);
  });
}

NativeBackend::Array NativeBackend::linear(const Array& x, std::string_view layer, std::int64_t n) {
  const PackedLinear& l = w_.linear.find(layer)->second[static_cast<std::size_t>(n)];
  Array out = make(x.batch, x.steps, l.out, x.step_first);
  k_.product(x.batch * x.steps, l.ld, l.in, x.data, x.ld, l.weights.data(), l.ld, l.bias.data(), out.data, out.ld);
  return out;
}

NativeBackend::Array NativeBackend::add_linear_part(const Array& y, const Array& x, std::int64_t rows) {
  const PackedLinear& l = w_.linear_part;
  const auto first = x.steps - static_cast<std::size_t>(rows);
  float* past = arena_.take(l.in);
  float* forecast = arena_.take(l.ld);
  for (std::size_t b = 0; b < x.batch; ++b) {
    for (std::size_t t = first; t < x.steps; ++t)
      for (std::size_t i = 0; i < x.width; ++i)
        past[(t - first) * x.width + i] = std::max(std::min(x.row(b, t)[i], w_.high[i]), w_.low[i]);
    k_.product(1, l.ld, l.in, past, l.in, l.weights.data(), l.ld, l.bias.data(), forecast, l.ld);
    for (std::size_t i = 0; i < y.width; ++i) y.row(b, 0)[i] += forecast[i];
  }
  return y;
}

NativeBackend::Array NativeBackend::relu(const Array& x) {
  k_.relu(x.batch * x.steps * x.ld, x.data);
  return x;
}

}  // namespace anomctl
