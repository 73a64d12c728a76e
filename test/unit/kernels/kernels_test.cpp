// Each kernel on every instruction set of this CPU against its definition in double, at sizes with all kinds of tails.
#include "anomctl/kernels/kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "support/catch.h"
#include "support/kernel_inputs.h"

using namespace anomctl;

TEST_CASE("product: every row and column tail") {
  for (const Kernels* k : available_kernels()) {
    for (const std::size_t m : {1U, 2U, 3U, 7U, 8U, 17U}) {
      for (const std::size_t n : {1U, 8U, 17U, 24U, 40U, 56U, 150U}) {
        const std::size_t inner = 19, ld = padded(n);
        const Floats a = random_floats(m * inner, 1), b = random_floats(inner * ld, 2), bias = random_floats(ld, 3);
        Floats c(m * ld);
        k->product(m, ld, inner, a.data(), inner, b.data(), ld, bias.data(), c.data(), ld);
        double worst = 0;
        for (std::size_t i = 0; i < m; ++i) {
          for (std::size_t j = 0; j < n; ++j) {
            double sum = at(bias, j);
            for (std::size_t l = 0; l < inner; ++l) sum += at(a, i * inner + l) * at(b, l * ld + j);
            worst = std::max(worst, std::fabs(sum - at(c, i * ld + j)));
          }
        }
        INFO(k->name << ' ' << m << " x " << n);
        CHECK(worst < 5e-6);
      }
    }
  }
}

TEST_CASE("gru_step: every number of rows, bit for bit as one row alone") {
  for (const Kernels* k : available_kernels()) {
    for (const std::size_t units : {5U, 8U, 21U, 40U}) {
      const std::size_t ld = padded(units), most = 19;
      const Floats w = random_floats(3 * units * units, 1, 0.5F), bias = random_floats(ld, 2);
      const Floats weights = tiled(w, units, k->width);
      const Floats x = random_floats(most * 3 * ld, 3, 4), h = random_floats(most * ld, 4);
      Floats alone(most * ld);
      for (std::size_t r = 0; r < most; ++r) {
        k->gru_step(1, units, ld, x.data() + r * 3 * ld, weights.data(), bias.data(), h.data() + r * ld,
                    alone.data() + r * ld);
      }
      double worst = 0;
      for (std::size_t r = 0; r < most; ++r) {
        for (std::size_t u = 0; u < units; ++u) {
          double gate[3] = {at(x, r * 3 * ld + u), at(x, r * 3 * ld + ld + u), at(bias, u)};
          for (std::size_t g = 0; g < 3; ++g) {
            for (std::size_t i = 0; i < units; ++i) gate[g] += at(w, (g * units + u) * units + i) * at(h, r * ld + i);
          }
          const double z = sigmoid(gate[1]), n = std::tanh(at(x, r * 3 * ld + 2 * ld + u) + sigmoid(gate[0]) * gate[2]);
          worst = std::max(worst, std::fabs((1 - z) * n + z * at(h, r * ld + u) - at(alone, r * ld + u)));
        }
      }
      INFO(k->name << ", units " << units);
      CHECK(worst < 2e-6);
      for (std::size_t rows = 2; rows <= most; ++rows) {
        Floats together(rows * ld);
        k->gru_step(rows, units, ld, x.data(), weights.data(), bias.data(), h.data(), together.data());
        bool same = true;
        for (std::size_t r = 0; r < rows; ++r) {
          for (std::size_t u = 0; u < units; ++u) same = same && together[r * ld + u] == alone[r * ld + u];
        }
        INFO("rows " << rows);
        CHECK(same);
      }
    }
  }
}

TEST_CASE("attention: the softmax of the pairs written out") {
  const float alpha = 0.2F;
  for (const Kernels* k : available_kernels()) {
    for (const std::size_t n : {1U, 5U, 17U, 40U}) {
      const std::size_t d = 11, ld = padded(n), ldq = padded(d + 1);
      Floats a = random_floats(d, 1);
      std::sort(a.begin(), a.end(), std::greater<>());
      const auto d_max = static_cast<std::size_t>(std::count_if(a.begin(), a.end(), [](float v) { return v >= 0; }));
      const Floats p = random_floats(d * ld, 2, 3), q = random_floats(n * ldq, 3, 3), bias = random_floats(n * ld, 4);
      Floats p_scaled(d * ld), q_scaled(n * ldq), out(n * ld), scale(ld);
      for (std::size_t c = 0; c < d; ++c) {
        const float factor = (1 - alpha) * a[c];
        for (std::size_t i = 0; i < n; ++i) p_scaled[c * ld + i] = factor * p[c * ld + i];
        for (std::size_t j = 0; j < n; ++j) {
          q_scaled[j * ldq + c] = -factor * q[j * ldq + c];
          q_scaled[j * ldq + d] += a[c] * q[j * ldq + c];
        }
      }
      k->attention(n, d, d_max, p_scaled.data(), q_scaled.data(), ldq, bias.data(), out.data(), scale.data());
      double worst = 0;
      for (std::size_t i = 0; i < n; ++i) {
        std::vector<double> e(n);
        double total = 0;
        for (std::size_t j = 0; j < n; ++j) {
          double logit = at(bias, j * ld + i);
          for (std::size_t c = 0; c < d; ++c) {
            const double z = at(p, c * ld + i) + at(q, j * ldq + c);
            logit += at(a, c) * std::max(z, static_cast<double>(alpha) * z);
          }
          total += e[j] = std::exp(logit);
        }
        for (std::size_t j = 0; j < n; ++j)
          worst = std::max(worst, std::fabs(e[j] / total - at(out, j * ld + i) * at(scale, i)));
      }
      INFO(k->name << ", n " << n);
      CHECK(worst < 5e-6);
    }
  }
}

TEST_CASE("not a number is not hidden") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const Kernels* k : available_kernels()) {
    INFO(k->name);
    Floats x(8, 1);
    x[3] = nan;
    k->relu(8, x.data());
    CHECK(std::isnan(x[3]));
    const Floats ones(8, 1);
    k->scaled_sigmoid(1, 8, ones.data(), x.data());
    CHECK(std::isnan(x[3]));
    CHECK(std::fabs(at(x, 0) - sigmoid(1)) < 1e-6);
  }
}
