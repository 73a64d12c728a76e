// The attention of training by kernels against all pairs written out in double: outputs and all gradients, with the
// dropout that the kernels drew.
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "mtad_gat/attention_kernels.h"
#include "support/catch.h"

using namespace anomctl;

namespace {

struct Case {
  std::int64_t b, w, k, d;
  bool sensors, pairs;
  double dropout;
  std::int64_t n() const { return sensors ? k : w; }
  std::int64_t m() const { return sensors ? w : k; }
};

at::Tensor random(at::IntArrayRef shape, double size) {
  return ((at::rand(shape, at::kDouble) * 2 - 1) * size).to(at::kFloat);
}

// x, lin.weight, lin.bias, a, pairs, and the gradient of the output.
std::vector<at::Tensor> inputs(const Case& c) {
  at::manual_seed(1);
  return {random({c.b, c.w, c.k}, 1), random({c.d, 2 * c.m()}, 0.5), random({c.d}, 0.5),
          random({c.d}, 1),           random({c.n(), c.n()}, 1),     random({c.b, c.w, c.k}, 1)};
}

AttentionInput with(const Case& c, const std::vector<at::Tensor>& t) {
  return {t[0], c.sensors, t[1], t[2], t[3], c.pairs ? t[4] : at::Tensor(), 0.2, c.dropout};
}

// Output, then the gradients of x, lin.weight, lin.bias, a and the pairs' bias.
template <class Attend>
std::vector<at::Tensor> results(const Case& c, const std::vector<at::Tensor>& given, at::ScalarType type,
                                const Attend& attend) {
  std::vector<at::Tensor> leaves;
  for (std::size_t i = 0; i < (c.pairs ? 5 : 4); ++i)
    leaves.push_back(given[i].detach().to(type, false, true).requires_grad_(true));
  at::manual_seed(2);
  const at::Tensor out = attend(with(c, leaves));
  auto all = torch::autograd::grad({out}, leaves, {given[5].to(type)});
  all.insert(all.begin(), out.detach());
  return all;
}
std::vector<at::Tensor> by_kernels(const Case& c, const std::vector<at::Tensor>& given) {
  return results(c, given, at::kFloat, attend_by_kernels);
}

// (b, n, n): 0 where dropout drops, else 1 / (1 - dropout). Nodes that are the unit vectors show it.
at::Tensor drawn(const Case& c) {
  REQUIRE(c.n() == c.m());
  const at::NoGradGuard no_gradient;
  std::vector<at::Tensor> t = inputs(c);
  t[0] = at::eye(c.n(), at::kFloat).expand({c.b, c.n(), c.n()}).contiguous();
  at::manual_seed(2);
  const at::Tensor out = attend_by_kernels(with(c, t));
  const at::Tensor by_node = c.sensors ? out.transpose(1, 2) : out;
  return (by_node != 0.5).to(at::kDouble) / (1 - c.dropout);
}

at::Tensor naive(const AttentionInput& in, const at::Tensor& dropped) {
  const at::Tensor v = in.sensors ? in.x.transpose(1, 2) : in.x;
  const std::int64_t b = v.size(0), n = v.size(1), m = v.size(2);
  const at::Tensor pairs =
      at::cat({v.unsqueeze(2).expand({b, n, n, m}), v.unsqueeze(1).expand({b, n, n, m})}, 3);  // (b, n, n, 2 m)
  at::Tensor e = at::matmul(at::leaky_relu(at::linear(pairs, in.weight, in.bias), in.alpha), in.a);
  if (in.pairs.defined()) e = e + in.pairs;
  at::Tensor weights = at::softmax(e, 2);
  if (dropped.defined()) weights = weights * dropped;
  const at::Tensor out = at::sigmoid(at::matmul(weights, v));
  return in.sensors ? out.transpose(1, 2) : out;
}

const std::vector<Case> kCases = {
    {1, 1, 1, 2, false, true, 0},     {3, 20, 5, 10, false, true, 0}, {37, 17, 6, 34, true, true, 0},
    {2, 33, 17, 34, false, false, 0}, {2, 9, 17, 21, true, false, 0}, {40, 12, 12, 24, false, true, 0.3},
    {3, 21, 21, 5, true, true, 0.5},
};

}  // namespace

TEST_CASE("attention by kernels: outputs and gradients of all pairs in double") {
  for (const Case& c : kCases) {
    const auto given = inputs(c);
    const at::Tensor dropped = c.dropout > 0 ? drawn(c) : at::Tensor();
    const auto ours = by_kernels(c, given),
               theirs = results(c, given, at::kDouble, [&](const AttentionInput& in) { return naive(in, dropped); });
    for (std::size_t i = 0; i < ours.size(); ++i) {
      INFO(c.b << " windows " << c.w << " x " << c.k << (c.sensors ? ", sensors" : ", time") << ", result " << i);
      REQUIRE(ours[i].sizes() == theirs[i].sizes());
      const double size = std::max(1.0, theirs[i].abs().max().item<double>());
      CHECK((ours[i].to(at::kDouble) - theirs[i]).abs().max().item<double>() < 3e-6 * size);
    }
  }
}

TEST_CASE("dropout of attention: its share, and another one each time") {
  Case c{64, 24, 24, 4, false, true, 0.2};
  const at::Tensor dropped = drawn(c);
  CHECK((dropped == 0).to(at::kDouble).mean().item<double>() == Approx(0.2).margin(0.01));
  CHECK(!dropped[0].equal(dropped[1]));
  const auto given = inputs(c);
  CHECK(by_kernels(c, given)[0].equal(by_kernels(c, given)[0]));  // the seed decides
  const AttentionInput in = with(c, given);
  CHECK(!attend_by_kernels(in).equal(attend_by_kernels(in)));
}

TEST_CASE("a window's attention does not depend on its batch, nor anything on the number of threads") {
  const int before = at::get_num_threads();
  for (const Case& c : kCases) {
    const auto given = inputs(c);
    at::set_num_threads(1);
    const auto one = by_kernels(c, given);
    at::set_num_threads(3);
    const auto three = by_kernels(c, given);
    for (std::size_t i = 0; i < one.size(); ++i) CHECK(one[i].equal(three[i]));
    if (c.dropout > 0) continue;  // drawn by place
    auto alone = given;
    alone[0] = given[0].narrow(0, c.b / 2, 1);
    alone[5] = given[5].narrow(0, c.b / 2, 1);
    const auto single = by_kernels(c, alone);
    for (std::size_t i = 0; i < 2; ++i) CHECK(single[i].equal(one[i].narrow(0, c.b / 2, 1)));
  }
  at::set_num_threads(before);
}
