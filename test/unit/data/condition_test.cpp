#include "anomctl/data/condition.h"

#include <limits>

#include "anomctl/core/error.h"
#include "support/catch.h"

using namespace anomctl;

namespace {

const std::vector<std::string> kColumns = {"rpm", "valve", "Volume Flow", "temp@u1"};

bool holds(const std::string& text, std::vector<double> row) { return Condition::parse(text, kColumns).holds(row); }

}  // namespace

TEST_CASE("condition: comparisons and their combination", "[condition]") {
  CHECK(holds("rpm > 100", {101, 0, 0, 0}));
  CHECK_FALSE(holds("rpm > 100", {100, 0, 0, 0}));
  CHECK(holds("rpm>=100 and valve<=2", {100, 2, 0, 0}));
  CHECK_FALSE(holds("rpm>=100&&valve<=2", {100, 3, 0, 0}));
  CHECK(holds("rpm < -1.5e1 || 'Volume Flow' == 3", {0, 0, 3, 0}));
  CHECK(holds("temp@u1 != 1", {0, 0, 0, 2}));
  CHECK(holds("`Volume Flow` = valve", {0, 4, 4, 2}));
  CHECK(holds("", {0, 0, 0, 0}));
  CHECK(Condition::parse(" ", kColumns).always());
}

TEST_CASE("condition: and binds closer than or, not closer than both", "[condition]") {
  for (const double a : {0.0, 1.0}) {
    for (const double b : {0.0, 1.0}) {
      for (const double c : {0.0, 1.0}) {
        const std::vector<double> row = {a, b, c, 0};
        const bool x = a > 0, y = b > 0, z = c > 0;
        CHECK(holds("rpm > 0 or valve > 0 and 'Volume Flow' > 0", row) == (x || (y && z)));
        CHECK(holds("(rpm > 0 or valve > 0) and 'Volume Flow' > 0", row) == ((x || y) && z));
        CHECK(holds("not rpm > 0 and !(valve > 0 or 'Volume Flow' > 0)", row) == (!x && !(y || z)));
      }
    }
  }
}

TEST_CASE("condition: a comparison with a missing value does not hold", "[condition]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_FALSE(holds("rpm > 1", {nan, 0, 0, 0}));
  CHECK_FALSE(holds("rpm <= 1", {nan, 0, 0, 0}));
  CHECK_FALSE(holds("rpm != 1", {nan, 0, 0, 0}));
  CHECK(holds("not rpm > 1", {nan, 0, 0, 0}));
}

TEST_CASE("condition: mistakes are told with their place", "[condition]") {
  const auto told = [](const std::string& text, const std::string& expected) {
    CHECK_THROWS_WITH(Condition::parse(text, kColumns), Contains(expected));
    CHECK_THROWS_AS(Condition::parse(text, kColumns), UsageError);
  };
  told("rpn > 1", "no column 'rpn': did you mean 'rpm'?");
  told("rpm >", "expected a column or a number at 'the end'");
  told("rpm 5", "expected < <= > >= == or != at '5'");
  told("rpm > 1 valve", "expected 'and', 'or' or the end at 'valve'");
  told("(rpm > 1", "expected ')'");
  told("'rpm > 1", "the quote is never closed");
  told(std::string(200, '(') + "rpm > 1", "nested too deeply");
}
