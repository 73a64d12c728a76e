#include "mtad_gat/gru_input.h"

#include <algorithm>

#include "anomctl/kernels/kernels.h"
#include "mtad_gat/window_blocks.h"

namespace anomctl {
namespace {

// Where gate `g` of torch's r, z, n lies among n | r | z.
constexpr std::int64_t place_of_gate(std::int64_t g) { return (g + 1) % 3; }

// (3 h, in) -> (3 ldh, ldin), gates as n | r | z, zeros between.
at::Tensor padded_gates(const at::Tensor& weight, const GruShape& s) {
  const std::int64_t in = weight.size(1);
  at::Tensor out = at::zeros({3, s.ldh, padded_size(in)}, weight.options());
  for (std::int64_t g = 0; g < 3; ++g)
    out[place_of_gate(g)].narrow(0, 0, s.h).narrow(1, 0, in).copy_(weight.narrow(0, g * s.h, s.h));
  return out.view({3 * s.ldh, -1});
}

// The way back.
at::Tensor torch_gates(const at::Tensor& padded_weight, const GruShape& s, std::int64_t in) {
  const at::Tensor all = padded_weight.view({3, s.ldh, -1}).narrow(1, 0, s.h).narrow(2, 0, in);
  return at::cat({all[1], all[2], all[0]}, 0);
}

class RowsInput : public GruInput {
 public:
  RowsInput(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const GruShape& shape)
      : s_(shape), in_(x.size(2)), ld_(padded_size(in_)), x_(x), rows_(padded_gates(weight, shape)) {
    columns_ = rows_.narrow(1, 0, in_).t().contiguous();  // (in, 3 ldh)
    bias_ = padded_gates(bias.unsqueeze(1), shape).select(1, 0).contiguous();
  }

  void project(std::int64_t block, std::int64_t t, float* gates) const override {
    kernels().product(size(windows_of(block, s_.b)), size(3 * s_.ldh), size(in_), row(block, t), size(s_.w * in_),
                      columns_.const_data_ptr<float>(), size(3 * s_.ldh), bias_.const_data_ptr<float>(), gates,
                      size(4 * s_.ldh));
  }

  void prepare_backward(std::int64_t steps) override {
    d_x_ = at::empty({s_.b, s_.w, ld_}, x_.options());
    d_weight_ = at::zeros({blocks_of(s_.b), 3 * s_.ldh, ld_}, x_.options());
    scratch_ = at::zeros({blocks_of(s_.b), steps, kBlockWindows, ld_}, x_.options());
  }

  void backward(std::int64_t block, std::int64_t t, std::int64_t steps, const float* d_gates) override {
    const std::int64_t rows = windows_of(block, s_.b), wide = 3 * s_.ldh;
    float* copy = scratch_.data_ptr<float>() + block * scratch_.stride(0);
    for (std::int64_t step = 0; step < steps; ++step) {
      for (std::int64_t i = 0; i < rows; ++i)
        std::copy_n(row(block, t + step) + i * s_.w * in_, in_, copy + (step * kBlockWindows + i) * ld_);
      kernels().product(size(rows), size(ld_), size(wide), d_gates + step * kBlockWindows * 4 * s_.ldh,
                        size(4 * s_.ldh), rows_.const_data_ptr<float>(), size(ld_), nullptr,
                        d_x_.data_ptr<float>() + (first_of(block) * s_.w + t + step) * ld_, size(s_.w * ld_));
    }
    kernels().add_product_turned(size(wide), size(ld_), size(steps * kBlockWindows), d_gates, size(4 * s_.ldh), copy,
                                 size(ld_), d_weight_.data_ptr<float>() + block * wide * ld_, size(ld_));
  }

  Gradients gradients() override { return {d_x_.narrow(2, 0, in_), torch_gates(sum_of_blocks(d_weight_), s_, in_)}; }

 private:
  const float* row(std::int64_t block, std::int64_t t) const {
    return x_.const_data_ptr<float>() + (first_of(block) * s_.w + t) * in_;
  }

  GruShape s_;
  std::int64_t in_, ld_;
  at::Tensor x_, rows_, columns_, bias_;
  at::Tensor d_x_, d_weight_, scratch_;
};

// A row holds few different values: its projection is as many axpys of columns that were summed beforehand.
class SpreadRows : public GruInput {
 public:
  SpreadRows(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const GruShape& shape)
      : s_(shape), in_(x.size(1)), wide_(3 * shape.ldh), x_(x) {
    std::int64_t values = 0;
    for (std::int64_t t = 0; t < s_.w; ++t) {
      const std::int64_t from = t * in_ / s_.w, to = ((t + 1) * in_ - 1) / s_.w;
      rows_.push_back({from, to - from + 1, values});
      values += rows_.back().count;
    }
    const at::Tensor columns = padded_gates(weight, shape).narrow(1, 0, in_).t().contiguous();  // (in, 3 ldh)
    sums_ = at::zeros({values, wide_}, x.options());
    for_each_unit([&](std::int64_t value, std::int64_t unit) {
      add(columns.const_data_ptr<float>() + unit * wide_, sums_.data_ptr<float>() + value * wide_);
    });
    bias_ = padded_gates(bias.unsqueeze(1), shape).select(1, 0).contiguous();
  }

  void project(std::int64_t block, std::int64_t t, float* gates) const override {
    const Row& r = rows_[size(t)];
    kernels().product(size(windows_of(block, s_.b)), size(wide_), size(r.count), values(x_, block, r), size(in_),
                      sums_.const_data_ptr<float>() + r.at * wide_, size(wide_), bias_.const_data_ptr<float>(), gates,
                      size(4 * s_.ldh));
  }

  void prepare_backward(std::int64_t) override {
    d_x_ = at::zeros_like(x_);
    d_sums_ = at::zeros({blocks_of(s_.b), sums_.size(0), wide_}, x_.options());
  }

  void backward(std::int64_t block, std::int64_t t, std::int64_t steps, const float* d_gates) override {
    for (std::int64_t step = 0; step < steps; ++step, d_gates += kBlockWindows * 4 * s_.ldh) {
      const Row& r = rows_[size(t + step)];
      kernels().add_product_turned(size(r.count), size(wide_), size(windows_of(block, s_.b)), values(x_, block, r),
                                   size(in_), d_gates, size(4 * s_.ldh),
                                   d_sums_.data_ptr<float>() + (block * sums_.size(0) + r.at) * wide_, size(wide_));
      kernels().add_dots(size(windows_of(block, s_.b)), size(r.count), size(wide_), d_gates, size(4 * s_.ldh),
                         sums_.const_data_ptr<float>() + r.at * wide_, size(wide_),
                         d_x_.data_ptr<float>() + first_of(block) * in_ + r.from, size(in_));
    }
  }

  Gradients gradients() override {
    const at::Tensor d_sums = sum_of_blocks(d_sums_);
    at::Tensor d_columns = at::zeros({in_, wide_}, x_.options());
    for_each_unit([&](std::int64_t value, std::int64_t unit) {
      add(d_sums.const_data_ptr<float>() + value * wide_, d_columns.data_ptr<float>() + unit * wide_);
    });
    return {d_x_, torch_gates(d_columns.t().contiguous(), s_, in_)};
  }

 private:
  struct Row {
    std::int64_t from, count, at;  // first value, how many, where their summed columns begin
  };

  // visit(summed column, unit) for each unit of each row.
  template <class Visit>
  void for_each_unit(const Visit& visit) const {
    for (std::int64_t t = 0; t < s_.w; ++t) {
      const Row& r = rows_[size(t)];
      for (std::int64_t j = 0; j < in_; ++j) visit(r.at + (t * in_ + j) / s_.w - r.from, j);
    }
  }
  void add(const float* from, float* to) const {
    for (std::int64_t i = 0; i < wide_; ++i) to[i] += from[i];
  }
  const float* values(const at::Tensor& x, std::int64_t block, const Row& r) const {
    return x.const_data_ptr<float>() + first_of(block) * in_ + r.from;
  }

  GruShape s_;
  std::int64_t in_, wide_;
  at::Tensor x_, sums_, bias_;
  std::vector<Row> rows_;
  at::Tensor d_x_, d_sums_;
};

}  // namespace

std::unique_ptr<GruInput> make_gru_input(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                                         const GruShape& shape, std::int64_t steps) {
  if (steps == 0) return std::make_unique<RowsInput>(x, weight, bias, shape);
  return std::make_unique<SpreadRows>(x, weight, bias, shape);
}

}  // namespace anomctl
