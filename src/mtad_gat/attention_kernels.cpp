#include "mtad_gat/attention_kernels.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

#include "anomctl/kernels/kernels.h"
#include "mtad_gat/window_blocks.h"

namespace anomctl {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Sizes, as AttentionInput has them; ld, ldm, ldd: padded n, m, d. lin's two halves stand side by side: 2 ldd channels.
struct Shape {
  bool sensors = false;
  std::int64_t b = 0, w = 0, k = 0, n = 0, m = 0, d = 0, ld = 0, ldm = 0, ldd = 0;
};

Shape shape_of(const at::Tensor& x, const at::Tensor& weight, bool sensors) {
  Shape s{sensors, x.size(0), x.size(1), x.size(2)};
  s.n = sensors ? s.k : s.w;
  s.m = sensors ? s.w : s.k;
  s.d = weight.size(0);
  s.ld = padded_size(s.n);
  s.ldm = padded_size(s.m);
  s.ldd = padded_size(s.d);
  return s;
}

struct Weights {
  at::Tensor rows, columns, shift, a, pairs,
      ones;  // (2 ldd, ldm), (m, 2 ldd), (2 ldd), (ldd), (n, ld) or undefined, (ldm)
};

Weights pack(const Shape& s, const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& a,
             const at::Tensor& pairs) {
  Weights out;
  out.rows = at::zeros({2 * s.ldd, s.ldm}, weight.options());
  for (std::int64_t half = 0; half < 2; ++half)
    out.rows.narrow(0, half * s.ldd, s.d).narrow(1, 0, s.m).copy_(weight.narrow(1, half * s.m, s.m));
  out.columns = out.rows.narrow(1, 0, s.m).t().contiguous();
  out.shift = at::constant_pad_nd(bias, {0, 2 * s.ldd - s.d});
  out.a = at::constant_pad_nd(a, {0, s.ldd - s.d});
  if (pairs.defined()) out.pairs = at::constant_pad_nd(pairs, {0, s.ld - s.n}).contiguous();
  out.ones = at::ones({s.ldm}, weight.options());
  return out;
}

// Memory of one block of windows.
struct Scratch {
  explicit Scratch(const Shape& s, const at::TensorOptions& options)
      : all(at::zeros(
            {2 * s.n * s.ldm + s.m * s.ld + s.d * s.ld + 4 * s.n * s.ldd + 2 * s.n * s.ld + s.n * s.ldm + 2 * s.ld},
            options)) {
    float* at = all.data_ptr<float>();
    const auto take = [&at](std::int64_t floats) { return std::exchange(at, at + floats); };
    nodes = take(s.n * s.ldm);
    turned = take(s.m * s.ld);
    keys = take(s.d * s.ld);
    channels = take(2 * s.n * s.ldd);
    d_channels = take(2 * s.n * s.ldd);
    weights = take(s.n * s.ld);
    d_weights = take(s.n * s.ld);
    out = take(s.n * s.ldm);
    d_nodes = take(s.n * s.ldm);
    sums = take(2 * s.ld);
  }
  at::Tensor all;
  float *nodes, *turned, *keys, *channels, *d_channels, *weights, *d_weights, *out, *d_nodes, *sums;
};

// (rows, columns) to (columns, ld).
void turn(const float* from, std::int64_t rows, std::int64_t columns, std::int64_t ld_from, float* to,
          std::int64_t ld) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) to[c * ld + r] = from[r * ld_from + c];
  }
}
void copy_rows(const float* from, std::int64_t rows, std::int64_t columns, std::int64_t ld_from, float* to,
               std::int64_t ld) {
  for (std::int64_t r = 0; r < rows; ++r) std::copy_n(from + r * ld_from, columns, to + r * ld);
}

// Between a window (w, k) and nodes (n, ldm).
void to_nodes(const Shape& s, const float* window, float* nodes) {
  if (s.sensors) return turn(window, s.w, s.k, s.k, nodes, s.ldm);
  copy_rows(window, s.w, s.k, s.k, nodes, s.ldm);
}
void to_window(const Shape& s, const float* nodes, float* window) {
  if (s.sensors) return turn(nodes, s.n, s.m, s.ldm, window, s.k);
  copy_rows(nodes, s.n, s.m, s.ldm, window, s.k);
}

Dropout dropout_of(double share, std::uint64_t key) {
  const double kept = 1 - share;
  Dropout out;
  out.kept = static_cast<std::uint32_t>(std::min(kept * 4294967296.0, 4294967295.0));
  out.scale = kept > 0 ? static_cast<float>(1 / kept) : 0;
  out.key[0] = static_cast<std::uint32_t>(key);
  out.key[1] = static_cast<std::uint32_t>(key >> 32U);
  return out;
}
// Another key for each window (splitmix64).
Dropout of_window(Dropout dropout, std::int64_t window) {
  std::uint64_t x = (std::uint64_t{dropout.key[1]} << 32U | dropout.key[0]) +
                    static_cast<std::uint64_t>(window + 1) * 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
  x ^= x >> 31U;
  dropout.key[0] = static_cast<std::uint32_t>(x);
  dropout.key[1] = static_cast<std::uint32_t>(x >> 32U);
  return dropout;
}

void load_window(const Shape& s, const float* window, const Scratch& at) {
  to_nodes(s, window, at.nodes);
  if (s.sensors) return copy_rows(window, s.w, s.k, s.k, at.turned, s.ld);
  turn(window, s.w, s.k, s.k, at.turned, s.ld);
}

// weights: where the softmax goes, marked where it is dropped.
void forward_window(const Shape& s, const Weights& w, double alpha, const Dropout* dropout, const float* window,
                    const Scratch& at, float* weights, float* out) {
  const Kernels& k = kernels();
  load_window(s, window, at);
  k.product(size(s.n), size(s.ldd), size(s.m), at.nodes, size(s.ldm), w.columns.const_data_ptr<float>(),
            size(2 * s.ldd), w.shift.const_data_ptr<float>(), at.channels, size(2 * s.ldd));
  k.product(size(s.d), size(s.ld), size(s.m), w.rows.const_data_ptr<float>() + s.ldd * s.ldm, size(s.ldm), at.turned,
            size(s.ld), nullptr, at.keys, size(s.ld));
  k.logits(size(s.n), size(s.d), at.channels, size(2 * s.ldd), at.keys, size(s.ld), w.a.const_data_ptr<float>(),
           static_cast<float>(alpha), w.pairs.defined() ? w.pairs.const_data_ptr<float>() : nullptr, size(s.ld),
           weights, size(s.ld));
  k.softmax(size(s.n), size(s.n), weights);
  if (dropout != nullptr) k.drop(size(s.n * s.ld), *dropout, weights, at.weights);
  k.product(size(s.n), size(s.ldm), size(s.n), dropout != nullptr ? at.weights : weights, size(s.ld), at.nodes,
            size(s.ldm), nullptr, at.out, size(s.ldm));
  k.scaled_sigmoid(size(s.n), size(s.ldm), w.ones.const_data_ptr<float>(), at.out);
  to_window(s, at.out, out);
}

// A block's sums.
struct Sums {
  Sums(const Shape& s, bool with_pairs, const at::TensorOptions& options)
      : weight(at::zeros({blocks_of(s.b), 2 * s.ldd, s.ldm}, options)),
        shift(at::zeros({blocks_of(s.b), s.ldd}, options)),
        a(at::zeros({blocks_of(s.b), s.ldd}, options)) {
    if (with_pairs) pairs = at::zeros({blocks_of(s.b), s.n, s.ld}, options);
  }
  at::Tensor weight, shift, a, pairs;
  float* of(const at::Tensor& t, std::int64_t block) const { return t.data_ptr<float>() + block * t.stride(0); }
};

void add(std::int64_t n, const float* from, float* to) {
  for (std::int64_t i = 0; i < n; ++i) to[i] += from[i];
}

// softmax: as forward_window left it, marked where something was dropped. y: its output.
void backward_window(const Shape& s, const Weights& w, double alpha, const Dropout* dropout, const float* window,
                     const float* softmax, const float* y, const float* d_y, const Scratch& at, const Sums& sums,
                     std::int64_t block, float* d_window) {
  const Kernels& k = kernels();
  load_window(s, window, at);
  k.product(size(s.n), size(2 * s.ldd), size(s.m), at.nodes, size(s.ldm), w.columns.const_data_ptr<float>(),
            size(2 * s.ldd), w.shift.const_data_ptr<float>(), at.channels, size(2 * s.ldd));
  // d_window serves for the gradient before the sigmoid.
  for (std::int64_t i = 0; i < s.w * s.k; ++i) d_window[i] = d_y[i] * y[i] * (1 - y[i]);
  to_nodes(s, d_window, at.out);
  k.product(size(s.n), size(s.ld), size(s.m), at.out, size(s.ldm), at.turned, size(s.ld), nullptr, at.d_weights,
            size(s.ld));
  const float scale = dropout != nullptr ? dropout->scale : 1;
  if (dropout != nullptr) k.kept_part(size(s.n * s.ld), softmax, scale, at.weights);
  std::fill_n(at.d_nodes, s.n * s.ldm, 0.0F);
  k.add_product_turned(size(s.n), size(s.ldm), size(s.n), dropout != nullptr ? at.weights : softmax, size(s.ld), at.out,
                       size(s.ldm), at.d_nodes, size(s.ldm));
  k.softmax_backward(size(s.n), size(s.n), softmax, scale, at.d_weights);
  if (sums.pairs.defined()) add(s.n * s.ld, at.d_weights, sums.of(sums.pairs, block));
  k.logits_backward(size(s.n), size(s.ldd), at.channels, at.channels + s.ldd, size(2 * s.ldd),
                    w.a.const_data_ptr<float>(), static_cast<float>(alpha), at.d_weights, size(s.ld), at.d_channels,
                    at.d_channels + s.ldd, sums.of(sums.a, block), at.sums);
  for (std::int64_t i = 0; i < s.n; ++i) add(s.ldd, at.d_channels + 2 * i * s.ldd, sums.of(sums.shift, block));
  k.add_product(size(s.n), size(s.ldm), size(2 * s.ldd), at.d_channels, size(2 * s.ldd), w.rows.const_data_ptr<float>(),
                size(s.ldm), at.d_nodes, size(s.ldm));
  k.add_product_turned(size(2 * s.ldd), size(s.ldm), size(s.n), at.d_channels, size(2 * s.ldd), at.nodes, size(s.ldm),
                       sums.of(sums.weight, block), size(s.ldm));
  to_window(s, at.d_nodes, d_window);
}

// body(block, its scratch, window, its dropout or null), a thread a block.
template <class Body>
void over_windows(const Shape& s, const at::TensorOptions& options, double dropout, std::uint64_t key,
                  const Body& body) {
  at::parallel_for(0, blocks_of(s.b), 1, [&](std::int64_t begin, std::int64_t end) {
    const Scratch scratch(s, options);
    for (std::int64_t block = begin; block < end; ++block) {
      for (std::int64_t i = first_of(block); i < first_of(block) + windows_of(block, s.b); ++i) {
        const Dropout drop = of_window(dropout_of(dropout, key), i);
        body(block, scratch, i, dropout > 0 ? &drop : nullptr);
      }
    }
  });
}

class Attend : public torch::autograd::Function<Attend> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& given, const at::Tensor& weight,
                            const at::Tensor& bias, const at::Tensor& a, const std::optional<at::Tensor>& given_pairs,
                            bool sensors, double alpha, double dropout, std::int64_t key, bool keep) {
    const at::Tensor x = given.contiguous(), pairs = given_pairs.value_or(at::Tensor());
    const Shape s = shape_of(x, weight, sensors);
    const Weights w = pack(s, weight, bias, a, pairs);
    at::Tensor out = at::empty_like(x);
    at::Tensor softmax = keep ? at::empty({s.b, s.n, s.ld}, x.options()) : at::Tensor();
    over_windows(s, x.options(), dropout, static_cast<std::uint64_t>(key),
                 [&](std::int64_t, const Scratch& at, std::int64_t i, const Dropout* drop) {
                   const std::int64_t place = i * s.w * s.k;
                   forward_window(s, w, alpha, drop, x.const_data_ptr<float>() + place, at,
                                  keep ? softmax.data_ptr<float>() + i * s.n * s.ld : at.d_weights,
                                  out.data_ptr<float>() + place);
                 });
    if (keep) {
      context->save_for_backward({x, weight, bias, a, pairs, out});
      context->saved_data["softmax"] = softmax;
      context->saved_data["sensors"] = sensors;
      context->saved_data["alpha"] = alpha;
      context->saved_data["dropout"] = dropout;
      context->saved_data["key"] = key;
    }
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list d_out) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &pairs = saved[4], &y = saved[5];
    const at::Tensor softmax = context->saved_data["softmax"].toTensor(), d_y = d_out[0].contiguous();
    const Shape s = shape_of(x, saved[1], context->saved_data["sensors"].toBool());
    const Weights w = pack(s, saved[1], saved[2], saved[3], pairs);
    const double alpha = context->saved_data["alpha"].toDouble();
    const Sums sums(s, pairs.defined(), x.options());
    at::Tensor d_x = at::empty_like(x);
    over_windows(s, x.options(), context->saved_data["dropout"].toDouble(),
                 static_cast<std::uint64_t>(context->saved_data["key"].toInt()),
                 [&](std::int64_t block, const Scratch& at, std::int64_t i, const Dropout* drop) {
                   const std::int64_t place = i * s.w * s.k;
                   backward_window(s, w, alpha, drop, x.const_data_ptr<float>() + place,
                                   softmax.const_data_ptr<float>() + i * s.n * s.ld, y.const_data_ptr<float>() + place,
                                   d_y.const_data_ptr<float>() + place, at, sums, block, d_x.data_ptr<float>() + place);
                 });
    const at::Tensor d_rows = sum_of_blocks(sums.weight);
    const at::Tensor d_weight =
        at::cat({d_rows.narrow(0, 0, s.d).narrow(1, 0, s.m), d_rows.narrow(0, s.ldd, s.d).narrow(1, 0, s.m)}, 1);
    return {d_x,
            d_weight,
            sum_of_blocks(sums.shift).narrow(0, 0, s.d),
            sum_of_blocks(sums.a).narrow(0, 0, s.d),
            pairs.defined() ? sum_of_blocks(sums.pairs).narrow(1, 0, s.n) : at::Tensor(),
            {},
            {},
            {},
            {},
            {}};
  }
};

std::int64_t drawn_key() {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard lock(generator.mutex());
  return static_cast<std::int64_t>(at::check_generator<at::CPUGeneratorImpl>(generator)->random64());
}

}  // namespace

at::Tensor attend_by_kernels(const AttentionInput& input) {
  const auto pairs = input.pairs.defined() ? std::optional(input.pairs) : std::nullopt;
  return Attend::apply(input.x, input.weight, input.bias, input.a, pairs, input.sensors, input.alpha, input.dropout,
                       input.dropout > 0 ? drawn_key() : 0, at::GradMode::is_enabled());
}

}  // namespace anomctl
