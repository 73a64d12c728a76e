#include "anomctl/data/scaler.h"

#include <array>
#include <cmath>
#include <limits>

#include "anomctl/core/error.h"
#include "support/catch.h"

using namespace anomctl;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Matrix<double> rows_of(const std::vector<std::vector<double>>& rows) {
  Matrix<double> m;
  for (const auto& row : rows) m.append_row(row);
  return m;
}

}  // namespace

TEST_CASE("scaler: minmax and standard, fitted on the rows in use", "[scaler]") {
  const Matrix<double> rows = rows_of({{0, 10, 7}, {10, kNan, 7}, {5, 30, 7}, {1000, 1000, 9}});
  const std::vector<std::uint8_t> use = {1, 1, 1, 0};
  const Scaler minmax = Scaler::fit(Scaler::Kind::minmax, rows, use);
  std::array<float, 3> scaled{};
  minmax.apply(rows.row(2), scaled);
  CHECK(scaled[0] == 0.5f);
  CHECK(scaled[1] == 1.0f);
  CHECK(scaled[2] == 0.0f);
  CHECK(minmax.scale_value(2, 9) == 2);  // a constant column is only shifted
  CHECK(minmax.unscale_value(0, 0.5) == 5);
  minmax.apply(rows.row(1), scaled);
  CHECK(std::isnan(scaled[1]));

  const Scaler standard = Scaler::fit(Scaler::Kind::standard, rows, use);
  CHECK(standard.scale_value(0, 5) == Approx(0).margin(1e-12));
  CHECK(standard.scale(0) == Approx(std::sqrt(50.0 / 3)));
  CHECK(standard.scale(1) == Approx(10));
  CHECK(standard.scale(2) == 1);
}

TEST_CASE("scaler: a constant that is no short binary number stays constant, columns without values are left alone",
          "[scaler]") {
  Matrix<double> rows;
  for (int i = 0; i < 1000; ++i) rows.append_row(std::vector<double>{0.1, kNan});
  for (const auto kind : {Scaler::Kind::minmax, Scaler::Kind::standard}) {
    const Scaler scaler = Scaler::fit(kind, rows);
    CHECK(scaler.scale_value(0, 0.1) == 0);
    CHECK(scaler.scale(0) == 1);
    CHECK(scaler.scale_value(1, 3) == 3);
  }
}

TEST_CASE("scaler: JSON gives the same numbers back", "[scaler]") {
  const Matrix<double> rows = rows_of({{0.1, 5, 1e9}, {0.7, 5, 1e9 + 1e-6}, {0.35, 5, 1e9 + 0.37}});
  for (const auto kind : {Scaler::Kind::none, Scaler::Kind::minmax, Scaler::Kind::standard}) {
    const Scaler scaler = Scaler::fit(kind, rows);
    const Scaler again = Scaler::from_json(Json::parse(scaler.to_json().dump()), 3);
    CHECK(again.kind() == kind);
    for (std::size_t c = 0; c < 3; ++c) CHECK(again.scale_value(c, rows(2, c)) == scaler.scale_value(c, rows(2, c)));
  }
  const Scaler foreign = Scaler::from_json(Json::parse(R"({"kind":"minmax","min":[0,1],"max":[10,1]})"), 2);
  CHECK(foreign.scale_value(0, 5) == 0.5);
  CHECK(foreign.scale_value(1, 2) == 1);
  CHECK_THROWS_AS(Scaler::from_json(Json::parse(R"({"kind":"minmax","min":[0],"max":[10]})"), 2), Error);
  CHECK_THROWS_AS(Scaler::from_json(Json::parse(R"({"kind":"standard","mean":[0],"std":[-1]})"), 1), Error);
  CHECK_THROWS_AS(Scaler::from_json(Json::parse(R"({"kind":"robust"})"), 1), UsageError);
}
