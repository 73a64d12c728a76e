// The GRUs by kernels against at::gru in double: outputs and all gradients.
#include "mtad_gat/gru.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "support/catch.h"

using namespace anomctl;

namespace {

struct Case {
  std::int64_t b, w, in, h;
  bool spread;
  GruOutput output;
};

at::Tensor random(at::IntArrayRef shape, double size) {
  return ((at::rand(shape, at::kDouble) * 2 - 1) * size).to(at::kFloat);
}

struct Inputs {
  at::Tensor x, d_out;
  GruParameters p;
};
Inputs inputs(const Case& c) {
  at::manual_seed(1);
  return {c.spread ? random({c.b, c.in}, 1) : random({c.b, c.w, c.in}, 1),
          c.output == GruOutput::all ? random({c.b, c.w, c.h}, 1) : random({c.b, c.h}, 1),
          {random({3 * c.h, c.in}, 0.4), random({3 * c.h, c.h}, 0.4), random({3 * c.h}, 0.4), random({3 * c.h}, 0.4)}};
}

// Output, then the gradients of x and the parameters.
std::vector<at::Tensor> by_kernels(const Case& c, const Inputs& in) {
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& t : {in.x, in.p.weight_ih, in.p.weight_hh, in.p.bias_ih, in.p.bias_hh})
    leaves.push_back(t.detach().requires_grad_(true));
  const GruParameters p{leaves[1], leaves[2], leaves[3], leaves[4]};
  const at::Tensor out = c.spread ? gru_of_spread(leaves[0], c.w, p, c.output) : gru_of_rows(leaves[0], p, c.output);
  auto all = torch::autograd::grad({out}, leaves, {in.d_out});
  all.insert(all.begin(), out.detach());
  return all;
}

std::vector<at::Tensor> by_torch(const Case& c, const Inputs& in) {
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& t : {in.x, in.p.weight_ih, in.p.weight_hh, in.p.bias_ih, in.p.bias_hh})
    leaves.push_back(t.detach().to(at::kDouble).requires_grad_(true));
  const at::Tensor x = c.spread ? leaves[0].repeat_interleave(c.w, 1).view({c.b, c.w, c.in}) : leaves[0];
  at::Tensor out = std::get<0>(at::gru(x, at::zeros({1, c.b, c.h}, at::kDouble),
                                       {leaves[1], leaves[2], leaves[3], leaves[4]}, true, 1, 0.0, true, false, true));
  if (c.output == GruOutput::last) out = out.select(1, c.w - 1);
  auto all = torch::autograd::grad({out}, leaves, {in.d_out.to(at::kDouble)});
  all.insert(all.begin(), out.detach());
  return all;
}

const std::vector<Case> kCases = {
    {1, 1, 1, 1, false, GruOutput::all},    {1, 3, 2, 5, false, GruOutput::last},
    {70, 7, 51, 21, false, GruOutput::all}, {33, 9, 8, 40, false, GruOutput::last},
    {1, 1, 3, 2, true, GruOutput::all},     {65, 10, 15, 15, true, GruOutput::all},
    {33, 12, 5, 24, true, GruOutput::all},  {40, 4, 30, 9, true, GruOutput::last},
};

}  // namespace

TEST_CASE("GRUs by kernels: outputs and gradients of at::gru in double") {
  for (const Case& c : kCases) {
    const Inputs in = inputs(c);
    const auto ours = by_kernels(c, in), theirs = by_torch(c, in);
    for (std::size_t i = 0; i < ours.size(); ++i) {
      INFO(c.b << " windows of " << c.w << " x " << c.in << ", " << c.h << " units" << (c.spread ? ", spread" : "")
               << ": " << (i == 0 ? "output" : "gradient ") << i);
      REQUIRE(ours[i].sizes() == theirs[i].sizes());
      const double size = std::max(1.0, theirs[i].abs().max().item<double>());
      CHECK((ours[i].to(at::kDouble) - theirs[i]).abs().max().item<double>() < 2e-6 * size);
    }
  }
}

TEST_CASE("a window's GRU does not depend on its batch, nor anything on the number of threads") {
  const int before = at::get_num_threads();
  for (const Case& c : kCases) {
    const Inputs in = inputs(c);
    at::set_num_threads(1);
    const auto one = by_kernels(c, in);
    at::set_num_threads(3);
    const auto three = by_kernels(c, in);
    for (std::size_t i = 0; i < one.size(); ++i) CHECK(one[i].equal(three[i]));
    const std::int64_t window = c.b / 2;
    Inputs alone = in;
    alone.x = in.x.narrow(0, window, 1);
    alone.d_out = in.d_out.narrow(0, window, 1);
    const auto single = by_kernels(c, alone);
    for (std::size_t i = 0; i < 2; ++i) CHECK(single[i].equal(one[i].narrow(0, window, 1)));  // output, gradient of x
    const at::NoGradGuard no_gradient;
    const at::Tensor kept_nothing =
        c.spread ? gru_of_spread(in.x, c.w, in.p, c.output) : gru_of_rows(in.x, in.p, c.output);
    CHECK(kept_nothing.equal(one[0]));
  }
  at::set_num_threads(before);
}
