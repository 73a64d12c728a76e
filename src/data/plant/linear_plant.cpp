// The equations stand in plant.h.
#include <cmath>
#include <numbers>

#include "data/plant/plant_model.h"

namespace anomctl {
namespace {

constexpr std::size_t kSources = 4, kSensors = 12;
constexpr double kTimeConstants[kSources] = {60, 200, 500, 1200};  // s
constexpr double kNoise = 0.1;

// How much of source j sensor i shows.
double weight(std::size_t i, std::size_t j) {
  return std::cos(0.7 * static_cast<double>(i + 1) * static_cast<double>(j + 1) + static_cast<double>(j));
}

class LinearPlant : public PlantModel {
 public:
  void set_leak(double share) override { leak_ = share; }
  void step(FaultRandom& random, std::span<double> readings) override {
    for (std::size_t j = 0; j < kSources; ++j) {
      const double tau = kTimeConstants[j];
      source_[j] += -source_[j] / tau + std::sqrt(2 / tau) * random.normal();
    }
    for (std::size_t i = 0; i < kSensors; ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < kSources; ++j) sum += weight(i, j) * source_[j];
      shown_[i] += (sum - shown_[i]) / (1.0 + static_cast<double>(i % 4));
      readings[i] = 10 + shown_[i] * (i == 0 ? 1 - leak_ : 1) + kNoise * random.normal();
    }
  }

 private:
  double source_[kSources] = {}, shown_[kSensors] = {}, leak_ = 0;
};

}  // namespace

const std::vector<Column>& linear_plant_columns() {
  static const std::vector<Column> columns = [] {
    std::vector<Column> all;
    for (std::size_t i = 1; i <= kSensors; ++i)
      all.push_back({"x" + std::to_string(i), "", "a mixture of four sources"});
    return all;
  }();
  return columns;
}

const std::vector<std::string>& linear_plant_leak_shows() {
  static const std::vector<std::string> names = {"x1"};
  return names;
}

std::unique_ptr<PlantModel> make_linear_plant(bool) { return std::make_unique<LinearPlant>(); }

}  // namespace anomctl
