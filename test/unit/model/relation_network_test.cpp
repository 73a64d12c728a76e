#include "anomctl/model/relation_network.h"

#include <cmath>
#include <random>

#include "anomctl/core/error.h"
#include "support/catch.h"

using namespace anomctl;

namespace {

std::vector<std::vector<std::uint32_t>> everyone(std::size_t k) {
  std::vector<std::vector<std::uint32_t>> out(k);
  for (std::uint32_t i = 0; i < k; ++i) {
    for (std::uint32_t j = 0; j < k; ++j) {
      if (j != i) out[i].push_back(j);
    }
  }
  return out;
}

RelationSettings tiny() {
  RelationSettings s;
  s.rows = 2;
  s.width = 4;
  s.heads = 2;
  s.hidden = 5;
  return s;
}

}  // namespace

TEST_CASE("the relation network's gradient agrees with differences, in double") {
  auto p = make_relation_parameters<double>(tiny(), everyone(4), 3);
  p.neighbours[1] = {0, 3};
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal;
  for (double& v : p.values) v += 0.3 * normal(random);
  std::vector<double> x(8), d_out(4), out(4);
  for (auto* v : {&x, &d_out}) {
    for (double& e : *v) e = normal(random);
  }
  const auto value = [&] {
    RelationWorkspace<double> w;
    prepare_relation(p, w);
    relation_forward<double>(p, w, x, out);
    double sum = 0;
    for (std::size_t i = 0; i < 4; ++i) sum += out[i] * d_out[i];
    return sum;
  };
  RelationWorkspace<double> w;
  prepare_relation(p, w);
  relation_forward<double>(p, w, x, out);
  std::vector<double> gradient(p.values.size(), 0);
  relation_backward<double>(p, w, x, d_out, gradient);
  relation_finish<double>(p, w, gradient);
  double worst = 0;
  for (std::size_t i = 0; i < p.values.size(); ++i) {
    const double kept = p.values[i], step = 1e-6;
    p.values[i] = kept + step;
    const double up = value();
    p.values[i] = kept - step;
    const double down = value();
    p.values[i] = kept;
    worst = std::max(worst, std::fabs((up - down) / (2 * step) - gradient[i]));
  }
  CHECK(worst < 1e-6);
}

TEST_CASE("a sensor's own rows never reach its prediction") {
  auto p = make_relation_parameters<float>(tiny(), everyone(3), 7);
  for (float& v : p.values) v += 0.1F;
  RelationWorkspace<float> w;
  prepare_relation(p, w);
  std::vector<float> x = {1, 2, 3, 4, 5, 6}, before(3), after(3);
  relation_forward<float>(p, w, x, before);
  x[1] = -9;
  x[4] = 9;
  relation_forward<float>(p, w, x, after);
  CHECK(before[1] == after[1]);
  CHECK(before[0] != after[0]);
}

TEST_CASE("a product that no linear relation sees is learned; noise gives the network no voice") {
  const std::size_t n = 3000;
  std::mt19937_64 random(11);
  std::normal_distribution<float> normal;
  Matrix<float> inputs(n, 3), residual(n, 3), noise(n, 3);
  std::vector<std::int64_t> start(n, 0), usable(n);
  for (std::size_t r = 0; r < n; ++r) {
    usable[r] = static_cast<std::int64_t>(r);
    for (std::size_t i = 0; i < 3; ++i) inputs(r, i) = normal(random), noise(r, i) = normal(random);
    residual(r, 2) = inputs(r, 0) * inputs(r, 1);
  }
  RelationSettings s;
  s.epochs = 25;
  s.width = 8;
  s.hidden = 16;
  const RelationNetwork learned = fit_relation(inputs, residual, start, usable, 0.2, s);
  CHECK(learned.explained[2] > 0.7);
  CHECK(learned.voice > 0.7);
  const RelationNetwork silent = fit_relation(inputs, noise, start, usable, 0.2, s);
  CHECK(silent.voice < 0.02);

  const RelationNetwork again = fit_relation(inputs, residual, start, usable, 0.2, s);
  CHECK(again.parameters.values == learned.parameters.values);
  const RelationNetwork copy = RelationNetwork::from(Json::parse(learned.to_json().dump()), learned.to_tensor(), 3);
  CHECK(copy.parameters.values == learned.parameters.values);
  CHECK(copy.gate == learned.gate);
  CHECK_THROWS_AS(RelationNetwork::from(learned.to_json(), Tensor{{2}, {1, 2}}, 3), Error);
}
