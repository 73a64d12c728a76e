// The kernels of training on every instruction set of this CPU, against sums and finite differences in double.
#include <array>

#include "support/catch.h"
#include "support/kernel_inputs.h"

using namespace anomctl;

namespace {

// One GRU step of one row in double; x: n | r | z.
struct Step {
  std::size_t units;
  std::vector<double> w, bias;  // (3 units, units) as r, z, n; of n in the recurrence

  std::vector<double> operator()(const std::vector<double>& x, const std::vector<double>& h) const {
    std::vector<double> out(units);
    for (std::size_t u = 0; u < units; ++u) {
      std::array<double, 3> sum = {x[units + u], x[2 * units + u], bias[u]};  // r, z, n
      for (std::size_t g = 0; g < 3; ++g) {
        for (std::size_t i = 0; i < units; ++i) sum[g] += w[(g * units + u) * units + i] * h[i];
      }
      const double z = sigmoid(sum[1]), n = std::tanh(x[u] + sigmoid(sum[0]) * sum[2]);
      out[u] = (1 - z) * n + z * h[u];
    }
    return out;
  }
};

// How much sum_u weight_u f(at)_u changes with at[i].
template <class F>
double slope(const F& f, std::vector<double> at, std::size_t i, const std::vector<double>& weight) {
  const double size = 1e-5;
  double sum = 0;
  for (const double side : {1.0, -1.0}) {
    at[i] += side * size;
    const std::vector<double> y = f(at);
    for (std::size_t u = 0; u < y.size(); ++u) sum += side * weight[u] * y[u];
    at[i] -= side * size;
  }
  return sum / (2 * size);
}

}  // namespace

TEST_CASE("products that add: every tail, turned and as dots") {
  for (const Kernels* k : available_kernels()) {
    for (const std::size_t m : {1U, 3U, 8U, 19U}) {
      for (const std::size_t n : {1U, 8U, 24U, 56U, 150U}) {
        const std::size_t inner = 40, ld = padded(n);
        const Floats a = random_floats(m * inner, 1), b = random_floats(inner * ld, 2),
                     before = random_floats(m * ld, 3);
        Floats a_turned(inner * m), b_turned(n * inner);
        for (std::size_t i = 0; i < inner; ++i) {
          for (std::size_t r = 0; r < m; ++r) a_turned[i * m + r] = a[r * inner + i];
          for (std::size_t j = 0; j < n; ++j) b_turned[j * inner + i] = b[i * ld + j];
        }
        Floats plain = before, turned = before, dots = before;
        k->add_product(m, ld, inner, a.data(), inner, b.data(), ld, plain.data(), ld);
        k->add_product_turned(m, ld, inner, a_turned.data(), m, b.data(), ld, turned.data(), ld);
        k->add_dots(m, n, inner, a.data(), inner, b_turned.data(), inner, dots.data(), ld);
        double worst = 0;
        for (std::size_t i = 0; i < m; ++i) {
          for (std::size_t j = 0; j < n; ++j) {
            double sum = at(before, i * ld + j);
            for (std::size_t l = 0; l < inner; ++l) sum += at(a, i * inner + l) * at(b, l * ld + j);
            for (const Floats* c : {&plain, &turned, &dots})
              worst = std::max(worst, std::fabs(sum - at(*c, i * ld + j)));
          }
        }
        INFO(k->name << ' ' << m << " x " << n);
        CHECK(worst < 1e-5);
      }
    }
  }
}

TEST_CASE("gru_forward and gru_backward: finite differences in double, and rows as if alone") {
  for (const Kernels* k : available_kernels()) {
    for (const std::size_t units : {5U, 16U, 21U, 40U}) {
      INFO(k->name << ", units " << units);
      const std::size_t ld = padded(units), rows = 11;
      const Floats w = random_floats(3 * units * units, 1, 0.5F), bias = random_floats(ld, 2);
      const Floats x = random_floats(rows * 4 * ld, 3, 2), h = random_floats(rows * ld, 4),
                   d = random_floats(rows * ld, 5);
      const Floats weights = tiled(w, units, k->width);
      Floats gates = x, out(rows * ld), d_gates(rows * 4 * ld), d_h = d, d_bias(4 * ld, 0);
      k->gru_forward(rows, units, ld, weights.data(), bias.data(), h.data(), gates.data(), out.data());
      k->gru_backward(rows, ld, h.data(), gates.data(), d_gates.data(), d_h.data(), d_bias.data());

      const Step step{units, {w.begin(), w.end()}, {bias.begin(), bias.end()}};
      double worst = 0, worst_gradient = 0;
      for (const std::size_t r : {std::size_t{0}, rows - 1}) {
        std::vector<double> inputs(3 * units), state(units), weight(units);
        for (std::size_t u = 0; u < units; ++u) {
          for (std::size_t g = 0; g < 3; ++g) inputs[g * units + u] = at(x, (4 * r + g) * ld + u);
          state[u] = at(h, r * ld + u);
          weight[u] = at(d, r * ld + u);
        }
        const std::vector<double> expected = step(inputs, state);
        for (std::size_t u = 0; u < units; ++u) {
          worst = std::max(worst, std::fabs(expected[u] - at(out, r * ld + u)));
          for (std::size_t g = 0; g < 3; ++g) {
            const double s = slope([&](const auto& v) { return step(v, state); }, inputs, g * units + u, weight);
            worst_gradient = std::max(worst_gradient, std::fabs(s - at(d_gates, (4 * r + g) * ld + u)));
          }
          double total = at(d_h, r * ld + u);
          for (std::size_t g = 0; g < 3; ++g) {
            for (std::size_t i = 0; i < units; ++i)
              total += at(d_gates, (4 * r + 1 + g) * ld + i) * at(w, (g * units + i) * units + u);
          }
          const double s = slope([&](const auto& v) { return step(inputs, v); }, state, u, weight);
          worst_gradient = std::max(worst_gradient, std::fabs(s - total));
        }
      }
      CHECK(worst < 2e-6);
      CHECK(worst_gradient < 1e-5);
      for (std::size_t i = 0; i < 4 * ld; ++i) {
        if (i % ld >= units) continue;
        double sum = 0;
        for (std::size_t r = 0; r < rows; ++r) sum += at(d_gates, r * 4 * ld + i);
        if (std::fabs(sum - at(d_bias, i)) > 1e-5) FAIL("bias " << i);
      }
      bool same = true;
      for (std::size_t r = 0; r < rows; ++r) {
        Floats one(x.begin() + static_cast<std::ptrdiff_t>(r * 4 * ld),
                   x.begin() + static_cast<std::ptrdiff_t>((r + 1) * 4 * ld));
        Floats after(ld), back(d.begin() + static_cast<std::ptrdiff_t>(r * ld),
                               d.begin() + static_cast<std::ptrdiff_t>((r + 1) * ld));
        Floats ignored(4 * ld), d_one(4 * ld);
        k->gru_forward(1, units, ld, weights.data(), bias.data(), h.data() + r * ld, one.data(), after.data());
        k->gru_backward(1, ld, h.data() + r * ld, one.data(), d_one.data(), back.data(), ignored.data());
        for (std::size_t u = 0; u < units; ++u) {
          same = same && after[u] == out[r * ld + u] && back[u] == d_h[r * ld + u];
          for (std::size_t g = 0; g < 4; ++g) same = same && d_one[g * ld + u] == d_gates[(4 * r + g) * ld + u];
        }
      }
      CHECK(same);
    }
  }
}

TEST_CASE("drop: the share that is kept, the same on every instruction set, without order") {
  const std::size_t n = 100'000;
  Floats ones(n, 1);
  Dropout dropout;
  dropout.key[0] = 12345;
  dropout.key[1] = 6789;
  dropout.kept = 3'435'973'837U;  // 0.8
  dropout.scale = 1.25F;
  Floats first;
  for (const Kernels* k : available_kernels()) {
    Floats out(n);
    k->drop(n, dropout, ones.data(), out.data());
    if (first.empty()) first = out;
    CHECK(out == first);
    k->kept_part(n, ones.data(), dropout.scale, out.data());
    CHECK(out == first);
    for (float& v : ones) v = std::fabs(v);
  }
  const auto kept_together = [&](std::size_t lag) {  // of two elements `lag` apart
    double both = 0;
    for (std::size_t i = 0; i < n - lag; ++i) both += first[i] != 0 && first[i + lag] != 0 ? 1 : 0;
    return both / static_cast<double>(n - lag);
  };
  CHECK(kept_together(0) == Approx(0.8).margin(0.005));
  for (const std::size_t lag : {1U, 2U, 8U, 16U, 104U}) CHECK(kept_together(lag) == Approx(0.64).margin(0.006));
  CHECK(*std::max_element(first.begin(), first.end()) == 1.25F);
  for (const std::size_t place : {0U, 1U}) {
    Dropout other = dropout;
    other.key[place] += 1;
    Floats out(n);
    std::fill(ones.begin(), ones.end(), 1.0F);
    kernels().drop(n, other, ones.data(), out.data());
    double same = 0;
    for (std::size_t i = 0; i < n; ++i) same += out[i] == first[i] ? 1 : 0;
    CHECK(same / static_cast<double>(n) == Approx(0.68).margin(0.006));  // as two independent ones agree
  }
}
