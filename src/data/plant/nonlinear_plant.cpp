// The equations stand in plant.h.
#include <algorithm>
#include <array>
#include <cmath>

#include "data/plant/plant_model.h"

namespace anomctl {
namespace {

constexpr std::size_t kSources = 6, kRelations = 7;
constexpr double kTimeConstants[kSources] = {60, 120, 200, 350, 600, 1000};  // s
constexpr double kLag = 2;                                                   // s
constexpr double kNoise = 0.1;

class NonlinearPlant : public PlantModel {
 public:
  void set_leak(double share) override { leak_ = share; }
  void step(FaultRandom& random, std::span<double> readings) override {
    for (std::size_t j = 0; j < kSources; ++j) {
      const double tau = kTimeConstants[j];
      u_[j] += -u_[j] / tau + std::sqrt(2 / tau) * random.normal();
    }
    if (until_switch_-- <= 0) {
      up_ = !up_;
      until_switch_ = between(random, 300, 1200);
    }
    const std::array<double, kRelations> told = {u_[0] * u_[1],
                                                 u_[4] * u_[5],
                                                 up_ ? u_[2] : -u_[2],
                                                 up_ ? u_[0] : u_[5],
                                                 std::clamp(u_[3] + u_[4], -1.0, 1.0),
                                                 u_[2] * u_[2],
                                                 2 * std::tanh(u_[1] * u_[3])};
    for (std::size_t i = 0; i < kRelations; ++i) follow(shown_[i], told[i], kLag);
    std::size_t at = 0;
    for (const double u : u_) readings[at++] = 10 + u + kNoise * random.normal();
    readings[at++] = up_ ? 1 : 0;
    for (std::size_t i = 0; i < kRelations; ++i)
      readings[at++] = 10 + shown_[i] * (i == 0 ? 1 - leak_ : 1) + kNoise * random.normal();
  }

 private:
  double u_[kSources] = {}, shown_[kRelations] = {}, leak_ = 0, until_switch_ = 0;
  bool up_ = false;
};

}  // namespace

const std::vector<Column>& nonlinear_plant_columns() {
  static const std::vector<Column> columns = {
      {"u1", "", "source"},
      {"u2", "", "source"},
      {"u3", "", "source"},
      {"u4", "", "source"},
      {"u5", "", "source"},
      {"u6", "", "source"},
      {"mode", "", "the switch, 0 or 1"},
      {"product_12", "", "u1 u2"},
      {"product_56", "", "u5 u6"},
      {"signed_3", "", "u3 or -u3, as the switch stands"},
      {"chosen_16", "", "u1 or u6, as the switch stands"},
      {"limited_45", "", "u4 + u5, held in [-1, 1]"},
      {"square_3", "", "u3 squared"},
      {"bent_24", "", "2 tanh(u2 u4)"},
  };
  return columns;
}

const std::vector<std::string>& nonlinear_plant_leak_shows() {
  static const std::vector<std::string> names = {"product_12"};
  return names;
}

std::unique_ptr<PlantModel> make_nonlinear_plant(bool) { return std::make_unique<NonlinearPlant>(); }

}  // namespace anomctl
