#include "mtad_gat/gru.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "anomctl/kernels/kernels.h"
#include "mtad_gat/gru_input.h"
#include "mtad_gat/window_blocks.h"

namespace anomctl {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

GruShape shape_of(const at::Tensor& x, std::int64_t steps, std::int64_t units) {
  return {x.size(0), steps == 0 ? x.size(1) : steps, units, padded_size(units)};
}

// W_hh (3 h, h) in the tiles of gru_forward.
at::Tensor tiled(const at::Tensor& weight, const GruShape& s) {
  const auto width = static_cast<std::int64_t>(kernels().width);
  const at::Tensor turned = at::zeros({s.h, 3, s.ldh}, weight.options());  // (units before, gate, unit)
  turned.narrow(2, 0, s.h).copy_(weight.view({3, s.h, s.h}).permute({2, 0, 1}));
  std::vector<at::Tensor> tiles;
  for (std::int64_t u = 0; u < s.ldh; u += width)
    tiles.push_back(turned.narrow(2, u, std::min(width, s.ldh - u)).flatten());
  return at::cat(tiles);
}

// W_hh as rows r | z | n (3 ldh, ldh), zeros between.
at::Tensor padded_rows(const at::Tensor& weight, const GruShape& s) {
  at::Tensor out = at::zeros({3, s.ldh, s.ldh}, weight.options());
  out.narrow(1, 0, s.h).narrow(2, 0, s.h).copy_(weight.view({3, s.h, s.h}));
  return out.view({3 * s.ldh, s.ldh});
}

// What the way back needs: a block's steps together, each of kBlockWindows rows.
struct Kept {
  at::Tensor gates,
      hidden;  // (blocks, w, kBlockWindows, 4 ldh), (blocks, w + 1, kBlockWindows, ldh): hidden[0] is zero
};

Kept memory(const GruShape& s, bool keep, const at::TensorOptions& options) {
  return {at::empty({blocks_of(s.b), keep ? s.w : 1, kBlockWindows, 4 * s.ldh}, options),
          at::empty({blocks_of(s.b), keep ? s.w + 1 : 2, kBlockWindows, s.ldh}, options)};
}

// keep false: `kept` has one step's gates and two steps' units, used in turn.
at::Tensor run(const GruInput& input, const GruParameters& p, const GruShape& s, GruOutput output, bool keep,
               Kept& kept) {
  const at::Tensor weights = tiled(p.weight_hh, s);
  const at::Tensor bias = at::constant_pad_nd(p.bias_hh.narrow(0, 2 * s.h, s.h), {0, s.ldh - s.h});
  at::Tensor out = output == GruOutput::all ? at::empty({s.b, s.w, s.h}, weights.options())
                                            : at::empty({s.b, s.h}, weights.options());
  const std::int64_t steps = output == GruOutput::all ? s.w : 1;
  at::parallel_for(0, blocks_of(s.b), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) {
      const std::int64_t gates_size = kBlockWindows * 4 * s.ldh, hidden_size = kBlockWindows * s.ldh;
      float* all_gates = kept.gates.data_ptr<float>() + block * kept.gates.size(1) * gates_size;
      float* all_hidden = kept.hidden.data_ptr<float>() + block * kept.hidden.size(1) * hidden_size;
      // Zero before the first step, and where there are no windows: the way back sums over whole blocks.
      std::fill_n(all_hidden, windows_of(block, s.b) < kBlockWindows ? kept.hidden.stride(0) : hidden_size, 0.0F);
      for (std::int64_t t = 0; t < s.w; ++t) {
        float* gates = all_gates + (keep ? t : 0) * gates_size;
        const float* before = all_hidden + (keep ? t : t % 2) * hidden_size;
        float* after = all_hidden + (keep ? t + 1 : (t + 1) % 2) * hidden_size;
        input.project(block, t, gates);
        kernels().gru_forward(size(windows_of(block, s.b)), size(s.h), size(s.ldh), weights.const_data_ptr<float>(),
                              bias.const_data_ptr<float>(), before, gates, after);
        if (output == GruOutput::last && t + 1 < s.w) continue;
        const std::int64_t to = output == GruOutput::all ? t : 0;
        for (std::int64_t i = 0; i < windows_of(block, s.b); ++i) {
          std::copy_n(after + i * s.ldh, s.h, out.data_ptr<float>() + ((first_of(block) + i) * steps + to) * s.h);
        }
      }
    }
  });
  return out;
}

struct Back {
  GruInput::Gradients input;
  at::Tensor weight_hh, bias_ih, bias_hh;
};

// Steps whose part of the weights' gradient is summed at once: enough for long sums in registers, few enough to be still
// in the cache.
constexpr std::int64_t kStepsAtOnce = 4;

Back back(GruInput& input, const at::Tensor& weight_hh, const GruShape& s, const Kept& kept, const at::Tensor& d_out) {
  const at::Tensor weights = padded_rows(weight_hh, s);
  const bool all = d_out.dim() == 3;
  const std::int64_t steps = all ? s.w : 1, wide = 3 * s.ldh, gates_size = kBlockWindows * 4 * s.ldh;
  const auto options = weights.options();
  at::Tensor d_weight = at::zeros({blocks_of(s.b), wide, s.ldh}, options);
  at::Tensor d_bias = at::zeros({blocks_of(s.b), 4 * s.ldh}, options);
  at::Tensor d_hidden = at::zeros({blocks_of(s.b), kBlockWindows, s.ldh}, options);
  at::Tensor d_gates = at::zeros({blocks_of(s.b), kStepsAtOnce, gates_size}, options);
  input.prepare_backward(kStepsAtOnce);
  at::parallel_for(0, blocks_of(s.b), 1, [&](std::int64_t begin, std::int64_t end) {
    const Kernels& k = kernels();
    for (std::int64_t block = begin; block < end; ++block) {
      const std::int64_t rows = windows_of(block, s.b);
      float* d_h = d_hidden.data_ptr<float>() + block * d_hidden.stride(0);
      float* d_steps = d_gates.data_ptr<float>() + block * d_gates.stride(0);
      const float* gates = kept.gates.const_data_ptr<float>() + block * kept.gates.stride(0);
      const float* hidden = kept.hidden.const_data_ptr<float>() + block * kept.hidden.stride(0);
      for (std::int64_t t = s.w - 1; t >= 0; --t) {
        if (all || t == s.w - 1) {
          const float* from = d_out.const_data_ptr<float>() + (first_of(block) * steps + (all ? t : 0)) * s.h;
          for (std::int64_t i = 0; i < rows; ++i) {
            for (std::int64_t u = 0; u < s.h; ++u) d_h[i * s.ldh + u] += from[i * steps * s.h + u];
          }
        }
        const float* before = hidden + t * kBlockWindows * s.ldh;
        float* d_step = d_steps + t % kStepsAtOnce * gates_size;
        k.gru_backward(size(rows), size(s.ldh), before, gates + t * gates_size, d_step, d_h,
                       d_bias.data_ptr<float>() + block * 4 * s.ldh);
        if (t > 0) {  // before it there is nothing but zeros
          k.add_product(size(rows), size(s.ldh), size(wide), d_step + s.ldh, size(4 * s.ldh),
                        weights.const_data_ptr<float>(), size(s.ldh), d_h, size(s.ldh));
        }
        if (t % kStepsAtOnce != 0) continue;
        const std::int64_t count = std::min(kStepsAtOnce, s.w - t);
        input.backward(block, t, count, d_steps);
        k.add_product_turned(size(wide), size(s.ldh), size(count * kBlockWindows), d_steps + s.ldh, size(4 * s.ldh),
                             before, size(s.ldh), d_weight.data_ptr<float>() + block * wide * s.ldh, size(s.ldh));
      }
    }
  });
  const at::Tensor weight = sum_of_blocks(d_weight).view({3, s.ldh, s.ldh}).narrow(1, 0, s.h).narrow(2, 0, s.h);
  const at::Tensor bias = sum_of_blocks(d_bias).view({4, s.ldh}).narrow(1, 0, s.h);  // n, r, z, the fourth
  return {input.gradients(), weight.reshape({3 * s.h, s.h}), at::cat({bias[1], bias[2], bias[0]}),
          at::cat({bias[1], bias[2], bias[3]})};
}

// All biases but that of n in the recurrence, which r multiplies.
at::Tensor input_bias(const GruParameters& p, std::int64_t h) {
  at::Tensor bias = p.bias_ih.clone();
  bias.narrow(0, 0, 2 * h).add_(p.bias_hh.narrow(0, 0, 2 * h));
  return bias;
}

class Gru : public torch::autograd::Function<Gru> {
 public:
  // steps as make_gru_input
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight_ih,
                            const at::Tensor& weight_hh, const at::Tensor& bias_ih, const at::Tensor& bias_hh,
                            std::int64_t steps, bool last, bool keep) {
    const GruParameters p{weight_ih.contiguous(), weight_hh.contiguous(), bias_ih.contiguous(), bias_hh.contiguous()};
    const at::Tensor rows = x.contiguous();
    const std::int64_t h = weight_hh.size(1);
    const GruShape s = shape_of(rows, steps, h);
    Kept kept = memory(s, keep, rows.options());
    const auto input = make_gru_input(rows, p.weight_ih, input_bias(p, h), s, steps);
    const at::Tensor out = run(*input, p, s, last ? GruOutput::last : GruOutput::all, keep, kept);
    if (keep) {
      context->save_for_backward({rows, p.weight_ih, p.weight_hh});
      context->saved_data["gates"] = kept.gates;
      context->saved_data["hidden"] = kept.hidden;
      context->saved_data["steps"] = steps;
    }
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list d_out) {
    const auto saved = context->get_saved_variables();
    const Kept kept{context->saved_data["gates"].toTensor(), context->saved_data["hidden"].toTensor()};
    const std::int64_t steps = context->saved_data["steps"].toInt(), h = saved[2].size(1);
    const GruShape s = shape_of(saved[0], steps, h);
    const at::Tensor no_bias = at::zeros({3 * h}, saved[0].options());
    const auto input = make_gru_input(saved[0], saved[1], no_bias, s, steps);
    Back b = back(*input, saved[2], s, kept, d_out[0].contiguous());
    return {b.input.x, b.input.weight, b.weight_hh, b.bias_ih, b.bias_hh, {}, {}, {}};
  }
};

at::Tensor apply(const at::Tensor& x, std::int64_t steps, const GruParameters& p, GruOutput output) {
  return Gru::apply(x, p.weight_ih, p.weight_hh, p.bias_ih, p.bias_hh, steps, output == GruOutput::last,
                    at::GradMode::is_enabled());
}

}  // namespace

at::Tensor gru_of_rows(const at::Tensor& x, const GruParameters& parameters, GruOutput output) {
  return apply(x, 0, parameters, output);
}

at::Tensor gru_of_spread(const at::Tensor& x, std::int64_t steps, const GruParameters& parameters, GruOutput output) {
  return apply(x, steps, parameters, output);
}

}  // namespace anomctl
