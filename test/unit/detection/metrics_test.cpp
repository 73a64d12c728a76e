#include "anomctl/detection/metrics.h"

#include <cmath>
#include <limits>

#include "anomctl/detection/metrics_reference.h"
#include "anomctl/detection/range_metrics.h"
#include "support/catch.h"
#include "support/metric_vectors.h"

using namespace anomctl;

namespace {

constexpr double kExact = 1e-9;

void check_ranges(const ReferenceLatency& latency, const Json& golden) {
  CHECK(latency.identified.size() == static_cast<std::size_t>(golden.at("n_identified").as_int()));
  CHECK(latency.average_delay == Approx(golden.at("avg_delay").as_double()).epsilon(kExact));
  const auto& identified = golden.at("identified").as_array();
  REQUIRE(latency.identified.size() == identified.size());
  for (std::size_t i = 0; i < identified.size(); ++i) {
    const auto& pair = identified[i].as_array();
    CHECK(latency.identified[i].rows == RowRange{pair[0].as_array()[0].as_int(), pair[0].as_array()[1].as_int()});
    CHECK(latency.identified[i].delay == pair[1].as_int());
  }
  CHECK(latency.not_identified.size() == golden.at("not_identified").size());
}

void check_reference(const Flags& predicted, const Flags& labels, const Json& golden) {
  CHECK(static_cast<std::int64_t>(std::count(predicted.begin(), predicted.end(), 1)) == golden.at("n_pred").as_int());
  const auto plain = reference_metrics(predicted, labels);
  CHECK(plain.f1 == Approx(golden.at("f1").as_double()).epsilon(kExact));
  CHECK(plain.precision == Approx(golden.at("precision").as_double()).epsilon(kExact));
  CHECK(plain.recall == Approx(golden.at("recall").as_double()).epsilon(kExact));
  const auto adjusted = reference_metrics(point_adjust(predicted, labels), labels);
  CHECK(adjusted.f1 == Approx(golden.at("pa_f1").as_double()).epsilon(kExact));
  CHECK(adjusted.precision == Approx(golden.at("pa_precision").as_double()).epsilon(kExact));
  CHECK(adjusted.recall == Approx(golden.at("pa_recall").as_double()).epsilon(kExact));
  check_ranges(reference_latency(predicted, labels), golden.at("latency"));
}

}  // namespace

TEST_CASE("areas and best F1 agree with the golden values", "[metrics]") {
  const auto vectors = test::metric_vectors();
  for (const auto& [name, golden] : vectors.at("series").as_object()) {
    INFO(name);
    const auto series = test::read_scores(name + ".test.csv");
    const auto& sklearn = golden.at("independent").at("sklearn");
    CHECK(roc_auc(series.scores, series.labels).value() == Approx(sklearn.at("roc_auc").as_double()).epsilon(kExact));
    CHECK(average_precision(series.scores, series.labels).value() ==
          Approx(sklearn.at("average_precision").as_double()).epsilon(kExact));
    const auto flags = predict(series.scores, golden.at("pred_threshold_for_metrics").as_double());
    const auto point = point_metrics(confusion(flags, series.labels));
    CHECK(point.f1 == Approx(sklearn.at("f1_at_pred").as_double()).epsilon(kExact));
    CHECK(point.precision == Approx(sklearn.at("precision_at_pred").as_double()).epsilon(kExact));
    CHECK(point.recall == Approx(sklearn.at("recall_at_pred").as_double()).epsilon(kExact));
    const auto& search = golden.at("best_f1_search_srigas");
    const auto best = best_f1(series.scores, series.labels);
    CHECK(best.f1 == Approx(search.at("exact_best_f1_over_all_thresholds").at("f1").as_double()).epsilon(kExact));
    CHECK(best.threshold ==
          Approx(search.at("exact_best_f1_over_all_thresholds").at("threshold").as_double()).epsilon(kExact));
  }
}

TEST_CASE("the reference's metrics are reproduced", "[metrics]") {
  const auto vectors = test::metric_vectors();
  for (const auto& [name, golden] : vectors.at("series").as_object()) {
    INFO(name);
    const auto series = test::read_scores(name + ".test.csv");
    check_reference(reference_predict(series.scores, golden.at("pred_threshold_for_metrics").as_double()),
                    series.labels, golden.at("reference_metrics_at_pot"));
    for (const auto& epsilon : golden.at("epsilon").as_array())
      if (epsilon.at("reg_level").as_int() == 1 && epsilon.at("ewma_span").is_null())
        check_reference(reference_predict(series.scores, epsilon.at("threshold").as_double()), series.labels,
                        golden.at("reference_metrics_at_epsilon_reg1"));
    for (const bool adjusted : {false, true}) {
      const auto& best = golden.at("best_f1_search_srigas").at(adjusted ? "best_pa_f1" : "best_f1");
      const auto found = reference_best_f1(series.scores, series.labels, adjusted);
      CHECK(found.index == static_cast<std::size_t>(best.at("index").as_int()));
      CHECK(found.threshold == Approx(best.at("threshold").as_double()).epsilon(kExact));
      CHECK(found.f1 == Approx(best.at(adjusted ? "pa_f1" : "f1").as_double()).epsilon(kExact));
      check_reference(reference_predict(series.scores, found.threshold), series.labels, best);
    }
  }
}

TEST_CASE("quirks of the reference's metrics", "[metrics]") {
  const auto latency = reference_latency(Flags{0, 0, 1, 0, 1, 0}, Flags{0, 1, 1, 0, 1, 1});
  REQUIRE(latency.identified.size() == 1);  // the event that touches the end is in neither list
  CHECK(latency.identified[0].rows == RowRange{1, 2});
  CHECK(latency.identified[0].delay == 1);
  CHECK(latency.not_identified.empty());
  CHECK(point_adjust(Flags{0, 0, 1, 0, 1, 0}, Flags{0, 1, 1, 0, 1, 1}) == Flags{0, 1, 1, 0, 1, 1});
  CHECK(point_adjust(Flags{0, 0, 1, 0}, Flags{1, 1, 1, 0}) == Flags{1, 1, 1, 0});
  const auto perfect = reference_metrics(Flags{0, 1, 1, 0}, Flags{0, 1, 1, 0});
  CHECK(perfect.f1 == Approx(0.9999900000499999).epsilon(1e-14));
  CHECK(perfect.precision == Approx(0.9999950000249999).epsilon(1e-14));
  CHECK(reference_metrics(Flags(4, 0), Flags(4, 0)).f1 == 0);
  const std::vector<double> scores{1, 2, std::numeric_limits<double>::quiet_NaN()};
  CHECK(reference_predict(scores, 2) == Flags{0, 1, 1});
  CHECK(predict(scores, 2) == Flags{0, 1, 0});
}

TEST_CASE("metrics without a class have no value", "[metrics]") {
  const std::vector<double> scores{1, 2, 3};
  CHECK_FALSE(roc_auc(scores, Flags{0, 0, 0}));
  CHECK_FALSE(roc_auc(scores, Flags{1, 1, 1}));
  CHECK_FALSE(average_precision(scores, Flags{0, 0, 0}));
  CHECK(average_precision(scores, Flags{1, 1, 1}) == 1.0);
  CHECK(best_f1(scores, Flags{0, 0, 0}).f1 == 0);
}

TEST_CASE("events are counted with their delay, false episodes by the day", "[metrics]") {
  //                   0  1  2  3  4  5  6  7  8  9
  const Flags labels{0, 0, 1, 1, 1, 0, 0, 0, 1, 1};
  const Flags predicted{0, 1, 0, 0, 1, 1, 0, 1, 0, 0};
  const Flags scored{0, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  const auto events = runs_of_ones(labels);
  const std::vector<RowRange> episodes{{1, 1}, {4, 5}, {7, 7}};
  const auto m = event_metrics({predicted, labels, scored, events, episodes, 8640});
  REQUIRE(m.events.size() == 2);
  CHECK(m.events[0].found);
  CHECK(m.events[0].delay_rows == 2);
  CHECK_FALSE(m.events[1].found);
  CHECK(m.recall == 0.5);
  CHECK(m.mean_delay_rows.value() == 2);
  CHECK(m.median_delay_rows.value() == 2);
  CHECK(m.episodes == 3);
  CHECK(m.false_episodes == 2);
  CHECK(m.normal_days == Approx(0.4));  // rows 1, 5, 6, 7 of 2.4 hours
  CHECK(m.false_episodes_per_day.value() == Approx(5));
}

TEST_CASE("an event that could not be judged is not held against the detector", "[metrics]") {
  const Flags labels{1, 1, 0, 0};
  const auto events = runs_of_ones(labels);
  const auto m = event_metrics({Flags{0, 0, 0, 0}, labels, Flags{0, 0, 1, 1}, events, {}, 1});
  CHECK(m.judged == 0);
  CHECK_FALSE(m.events[0].judged);
  CHECK_FALSE(m.mean_delay_rows);
}

TEST_CASE("volumes under the surface and affiliation agree with TSB-AD", "[metrics]") {
  const auto vectors = test::metric_vectors();
  for (const auto& [name, golden] : vectors.at("series").as_object()) {
    INFO(name);
    const auto series = test::read_scores(name + ".test.csv");
    for (const auto& [window, wanted] : golden.at("independent").at("vus_TSB_AD_opt_thre250").as_object()) {
      INFO(window);
      const auto volume =
          volume_under_surface(series.scores, series.labels, static_cast<std::size_t>(std::stoi(window.substr(6))));
      REQUIRE(volume);
      CHECK(volume->roc == Approx(wanted.at("VUS_ROC").as_double()).epsilon(kExact));
      CHECK(volume->pr == Approx(wanted.at("VUS_PR").as_double()).epsilon(kExact));
    }
    const auto flags = predict(series.scores, golden.at("pred_threshold_for_metrics").as_double());
    const auto& wanted = golden.at("independent").at("affiliation_TSB_AD");
    const auto found = affiliation(flags, series.labels);
    REQUIRE(found);
    CHECK(found->precision == Approx(wanted.at("Affiliation_Precision").as_double()).epsilon(kExact));
    CHECK(found->recall == Approx(wanted.at("Affiliation_Recall").as_double()).epsilon(kExact));
  }
}

TEST_CASE("figures over ranges say nothing where there is nothing to say", "[metrics]") {
  const std::vector<double> scores = {0.1, 0.9, 0.4, 0.2};
  CHECK_FALSE(volume_under_surface(scores, Flags{0, 0, 0, 0}, 10));
  CHECK_FALSE(volume_under_surface(scores, Flags{1, 1, 1, 1}, 10));
  CHECK_FALSE(affiliation(Flags{0, 0, 0, 0}, Flags{0, 1, 0, 0}));
  CHECK_FALSE(affiliation(Flags{0, 1, 0, 0}, Flags{0, 0, 0, 0}));
  const auto perfect = affiliation(Flags{0, 1, 1, 0}, Flags{0, 1, 1, 0});
  REQUIRE(perfect);
  CHECK(perfect->precision == Approx(1));
  CHECK(perfect->recall == Approx(1));
  const auto volume = volume_under_surface(scores, Flags{0, 1, 0, 0}, 0);
  REQUIRE(volume);
  CHECK(volume->roc == Approx(1));
}
