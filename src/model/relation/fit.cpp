// Training of the relation network: AdamW with a cosine rate on the rows before the held-out ones, early stopping, then
// a gate a sensor and the network's voice from rows that took no part.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <future>
#include <limits>
#include <numbers>
#include <numeric>
#include <random>

#include "anomctl/core/error.h"
#include "anomctl/model/relation_network.h"
#include "model/gate.h"

namespace anomctl {
namespace {

constexpr double kTargetClip = 8;    // deviations; a few wild residuals must not steer the fit
constexpr double kStopShare = 0.15;  // of each segment of the training rows, its last ones: they stop it
constexpr std::size_t kStopSegments = 4;
constexpr double kWeightDecay = 0.1;  // decoupled (Loshchilov and Hutter 2019): slow sensors invite chance relations
constexpr std::size_t kRowsAnEpoch = 8192;  // drawn anew each epoch, so that long data sets cost no more
constexpr std::size_t kChunks = 4;   // a batch is always summed in four parts, so that threads do not change a bit
constexpr double kLeastGain = 1e-4;  // of the stopping loss

struct Rows {
  const Matrix<float>& inputs;
  const Matrix<float>& residual;
  std::span<const std::int64_t> start;
};

float target_of(const Rows& rows, std::int64_t r, std::size_t i) {
  return std::clamp(rows.residual(static_cast<std::size_t>(r), i), -static_cast<float>(kTargetClip),
                    static_cast<float>(kTargetClip));
}

// The sensors whose size goes with the residual's size: products show there, not in plain correlation.
std::vector<std::vector<std::uint32_t>> choose_neighbours(const Rows& rows, std::span<const std::int64_t> usable,
                                                          std::size_t most) {
  const std::size_t k = rows.inputs.cols();
  std::vector<std::vector<std::uint32_t>> out(k);
  const auto all_but = [&](std::size_t i) {
    std::vector<std::uint32_t> others;
    for (std::uint32_t j = 0; j < k; ++j) {
      if (j != i) others.push_back(j);
    }
    return others;
  };
  for (std::size_t i = 0; i < k; ++i) out[i] = all_but(i);
  if (k <= most + 1) return out;
  const std::size_t step = std::max<std::size_t>(1, usable.size() / 4000);
  for (std::size_t i = 0; i < k; ++i) {
    std::vector<double> relevance(k, 0);
    for (std::size_t n = 0; n < usable.size(); n += step) {
      const float target = std::fabs(target_of(rows, usable[n], i));
      const auto x = rows.inputs.row(static_cast<std::size_t>(usable[n]));
      for (std::size_t j = 0; j < k; ++j) relevance[j] += static_cast<double>(target * std::fabs(x[j]));
    }
    std::stable_sort(out[i].begin(), out[i].end(), [&](auto a, auto b) { return relevance[a] > relevance[b]; });
    out[i].resize(most);
    std::sort(out[i].begin(), out[i].end());
  }
  return out;
}

struct Chunk {
  RelationWorkspace<float> work;
  std::vector<float> gradient, x, out, d_out;
};

class Trainer {
 public:
  Trainer(const Rows& rows, RelationParameters<float>& p) : rows_(rows), p_(p) {
    const std::size_t k = p.sensors;
    for (Chunk& c : chunks_) {
      c.gradient.assign(p.values.size(), 0);
      c.x.resize(static_cast<std::size_t>(p.settings.rows) * k);
      c.out.resize(k);
      c.d_out.resize(k);
    }
    mean_.assign(p.values.size(), 0);
    square_.assign(p.values.size(), 0);
  }

  void step(std::span<const std::int64_t> batch, double rate) {
    const auto scale = static_cast<float>(2.0 / static_cast<double>(batch.size() * p_.sensors));
    for_chunks(batch, [&](Chunk& c, std::span<const std::int64_t> part) {
      std::fill(c.gradient.begin(), c.gradient.end(), 0.0F);
      for (const std::int64_t r : part) {
        predict(c, r);
        for (std::size_t i = 0; i < p_.sensors; ++i) c.d_out[i] = scale * (c.out[i] - target_of(rows_, r, i));
        relation_backward<float>(p_, c.work, c.x, c.d_out, c.gradient);
      }
      relation_finish<float>(p_, c.work, c.gradient);
    });
    ++steps_;
    const double first = 1 - std::pow(0.9, steps_), second = 1 - std::pow(0.999, steps_);
    const auto step_size = static_cast<float>(rate * std::sqrt(second) / first);
    const auto epsilon = static_cast<float>(1e-8 * std::sqrt(second));
    const auto shrink = static_cast<float>(rate * kWeightDecay);
    for (std::size_t i = 0; i < mean_.size(); ++i) {
      float g = 0;
      for (const Chunk& c : chunks_) g += c.gradient[i];
      mean_[i] = 0.9F * mean_[i] + 0.1F * g;
      square_[i] = 0.999F * square_[i] + 0.001F * g * g;
      p_.values[i] -= step_size * mean_[i] / (std::sqrt(square_[i]) + epsilon) + shrink * p_.values[i];
    }
  }

  double loss(std::span<const std::int64_t> over) {
    std::array<double, kChunks> sums{};
    for_chunks(over, [&](Chunk& c, std::span<const std::int64_t> part) {
      double sum = 0;
      for (const std::int64_t r : part) {
        predict(c, r);
        for (std::size_t i = 0; i < p_.sensors; ++i) {
          const double d = static_cast<double>(c.out[i] - target_of(rows_, r, i));
          sum += d * d;
        }
      }
      sums[static_cast<std::size_t>(&c - chunks_.data())] = sum;
    });
    return std::accumulate(sums.begin(), sums.end(), 0.0) / static_cast<double>(over.size() * p_.sensors);
  }

  Matrix<float> predict_all(std::span<const std::int64_t> over) {
    Matrix<float> out;
    Chunk& c = chunks_[0];
    prepare_relation(p_, c.work);
    for (const std::int64_t r : over) {
      predict(c, r);
      out.append_row(c.out);
    }
    return out;
  }

 private:
  void predict(Chunk& c, std::int64_t r) {
    gather_relation_input(rows_.inputs, r, rows_.start[static_cast<std::size_t>(r)], p_.settings.rows, c.x);
    relation_forward<float>(p_, c.work, c.x, c.out);
  }

  template <class Work>
  void for_chunks(std::span<const std::int64_t> over, Work&& work) {
    std::array<std::future<void>, kChunks> running;
    for (std::size_t i = 0; i < kChunks; ++i) {
      const std::size_t from = over.size() * i / kChunks, to = over.size() * (i + 1) / kChunks;
      running[i] = std::async(std::launch::async, [&, i, from, to] {
        prepare_relation(p_, chunks_[i].work);
        work(chunks_[i], over.subspan(from, to - from));
      });
    }
    for (auto& r : running) r.get();
  }

  const Rows& rows_;
  RelationParameters<float>& p_;
  std::array<Chunk, kChunks> chunks_;
  std::vector<float> mean_, square_;
  int steps_ = 0;
};

// Gate, voice and what each sensor gains, from rows that took no part in training.
void judge(RelationNetwork& n, const Rows& rows, std::span<const std::int64_t> held, const Matrix<float>& predicted) {
  const std::size_t k = n.parameters.sensors;
  n.gate.assign(k, 0);
  n.explained.assign(k, 0);
  double before = 0, after = 0;
  for (std::size_t i = 0; i < k; ++i) {
    const auto pair = [&](std::size_t r) {
      return std::pair<double, double>(predicted(r, i), target_of(rows, held[r], i));
    };
    n.gate[i] = held_out_gate(held.size(), pair);
    double sensor_before = 0, sensor_after = 0;
    for (std::size_t r = 0; r < held.size(); ++r) {
      const auto [g, y] = pair(r);
      sensor_before += y * y;
      sensor_after += (y - n.gate[i] * g) * (y - n.gate[i] * g);
    }
    n.explained[i] = sensor_before > 0 ? std::max(0.0, 1 - sensor_after / sensor_before) : 0;
    before += sensor_before;
    after += sensor_after;
  }
  n.voice = before > 0 ? std::clamp(1 - after / before, 0.0, 1.0) : 0;
}

}  // namespace

void gather_relation_input(const Matrix<float>& inputs, std::int64_t row, std::int64_t first, std::int64_t rows,
                           std::span<float> x) {
  const std::size_t k = inputs.cols();
  for (std::int64_t l = 0; l < rows; ++l) {
    const auto from = inputs.row(static_cast<std::size_t>(std::max(row - l, first)));
    std::copy(from.begin(), from.end(), x.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(l) * k));
  }
}

RelationNetwork fit_relation(const Matrix<float>& inputs, const Matrix<float>& residual,
                             std::span<const std::int64_t> start, std::span<const std::int64_t> usable, double holdout,
                             const RelationSettings& settings) {
  const Rows rows{inputs, residual, start};
  const auto cut = static_cast<std::size_t>(static_cast<double>(usable.size()) * (1 - holdout));
  // What stops the training is taken from several times, each the end of a segment: a plant that wanders slowly is at
  // another place at each, and one piece would tell of one place only.
  std::vector<std::int64_t> order, stopping;
  for (std::size_t b = 0; b < kStopSegments; ++b) {
    const std::size_t from = cut * b / kStopSegments, to = cut * (b + 1) / kStopSegments;
    const std::size_t stop = to - static_cast<std::size_t>(static_cast<double>(to - from) * kStopShare);
    const auto at = [&](std::size_t i) { return usable.begin() + static_cast<std::ptrdiff_t>(i); };
    order.insert(order.end(), at(from), at(stop));
    stopping.insert(stopping.end(), at(stop), at(to));
  }
  RelationNetwork n;
  const std::size_t k = inputs.cols();
  n.gate.assign(k, 0);
  n.explained.assign(k, 0);
  if (settings.epochs == 0 || k < 2 || order.size() < static_cast<std::size_t>(settings.batch)) return n;

  n.parameters = make_relation_parameters<float>(
      settings, choose_neighbours(rows, usable.first(cut), static_cast<std::size_t>(settings.neighbours)),
      settings.seed);
  Trainer trainer(rows, n.parameters);
  std::mt19937_64 random(settings.seed + 1);
  const auto begin = std::chrono::steady_clock::now();
  std::vector<float> best = n.parameters.values;
  // The first epochs may be worse than no network at all: the gates judge that, not this.
  double best_loss = std::numeric_limits<double>::infinity();
  std::int64_t waited = 0;
  for (std::int64_t epoch = 0; epoch < settings.epochs && waited <= settings.patience; ++epoch) {
    for (std::size_t i = order.size(); i > 1; --i)
      std::swap(order[i - 1], order[random() % i]);  // the same on every machine
    const double rate =
        settings.learning_rate * 0.5 *
        (1 + std::cos(std::numbers::pi * static_cast<double>(epoch) / static_cast<double>(settings.epochs)));
    const auto batch = static_cast<std::size_t>(settings.batch);
    const std::size_t seen = std::min(order.size(), kRowsAnEpoch);
    for (std::size_t i = 0; i + batch <= seen; i += batch) trainer.step(std::span(order).subspan(i, batch), rate);
    const double loss = trainer.loss(stopping);
    if (!std::isfinite(loss)) break;
    ++waited;
    if (loss < best_loss - kLeastGain) {
      best_loss = loss;
      best = n.parameters.values;
      n.epochs = epoch + 1;
      waited = 0;
    }
    if (settings.budget.ns > 0 &&
        std::chrono::steady_clock::now() - begin > std::chrono::nanoseconds(settings.budget.ns))
      break;
  }
  n.parameters.values = std::move(best);
  const auto held = usable.subspan(cut);
  judge(n, rows, held, trainer.predict_all(held));
  return n;
}

}  // namespace anomctl
