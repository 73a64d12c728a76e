#include "anomctl/io/metrics/metrics.h"

#include "anomctl/core/error.h"
#include "support/catch.h"

using namespace anomctl;

TEST_CASE("metrics are written in Prometheus' text format") {
  Metrics metrics;
  metrics.declare_counter("a_total", "counts a");
  metrics.declare_gauge("b", "gauge b");
  metrics.declare_histogram("c_seconds", "times", {0.1, 1});
  metrics.declare_summary("d", "sums");
  metrics.add("a_total", {{"model", "m\"x"}}, 2);
  metrics.add("a_total", {{"model", "m\"x"}});
  metrics.set("b", {}, 4);
  metrics.change("b", {}, -1);
  metrics.observe("c_seconds", {}, 0.5);
  metrics.observe("d", {}, 2.5);
  const std::string text = metrics.text();
  CHECK_THAT(text, Contains("# TYPE a_total counter\na_total{model=\"m\\\"x\"} 3\n"));
  CHECK_THAT(text, Contains("a_created{model="));
  CHECK_THAT(text, Contains("\nb 3\n"));
  CHECK_THAT(text, Contains("c_seconds_bucket{le=\"0.1\"} 0\n"));
  CHECK_THAT(text, Contains("c_seconds_bucket{le=\"1\"} 1\n"));
  CHECK_THAT(text, Contains("c_seconds_bucket{le=\"+Inf\"} 1\n"));
  CHECK_THAT(text, Contains("d_count 1\n"));
  CHECK_THAT(text, Contains("d_sum 2.5\n"));
  CHECK_THAT(text, Contains("\nprocess_resident_memory_bytes "));
  CHECK_THROWS_AS(metrics.add("never_declared_total"), Error);
}
