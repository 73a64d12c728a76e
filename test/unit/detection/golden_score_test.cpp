// Scores of the Python original (test/golden/model), through a saved bundle, the native engine and the Detector.
#include <cmath>
#include <string>

#include "anomctl/detection/replay.h"
#include "anomctl/model/native_model.h"
#include "support/catch.h"

using namespace anomctl;

namespace {

const fs::path kGolden = fs::path(ANOMCTL_TEST_DIR) / "golden/model";

struct Case {
  Bundle bundle;
  TensorMap vectors;
  double gamma = 1;
};

Case load_case(const std::string& name, const fs::path& folder) {
  Case golden;
  const Json json = Json::parse(read_file(kGolden / (name + ".json")), name);
  Bundle bundle;
  bundle.name = name;
  bundle.settings = MtadGatSettings::from_json(json);
  const auto sensors = static_cast<std::size_t>(bundle.settings.n_features);
  for (std::size_t c = 0; c < sensors; ++c) bundle.columns.push_back({"c" + std::to_string(c), "", ""});
  bundle.scaler = Scaler::none(sensors);
  golden.gamma = json.number_or("gamma", 1);
  bundle.score = ScoreSettings::reference(golden.gamma);
  bundle.weights = load_safetensors(kGolden / (name + ".weights.safetensors"));
  golden.vectors = load_safetensors(kGolden / (name + ".vectors.safetensors"));
  save_bundle(bundle, folder);
  golden.bundle = load_bundle(folder);
  return golden;
}

Row row_of(const Tensor& series, std::size_t r) {
  const auto k = static_cast<std::size_t>(series.shape[1]);
  Row row{static_cast<Nanoseconds>(r) * kSecond, {}};
  for (std::size_t c = 0; c < k; ++c) row.values.push_back(static_cast<double>(series.values[r * k + c]));
  return row;
}

}  // namespace

TEST_CASE("the reference's scores come out of bundle and detector") {
  for (const char* name : {"small_w20_k5", "small_gatv1", "embed_gatv1", "embed_gatv2", "deep_layers", "nobias",
                           "kernel3_alpha01_gamma05", "target_dims", "univariate_k1"}) {
    INFO(name);
    const TemporaryFolder folder;
    const Case golden = load_case(name, folder.path());
    const auto bundle = std::make_shared<const Bundle>(golden.bundle);
    const auto model = make_native_model(bundle->settings, bundle->weights);
    const Tensor& series = golden.vectors.at("series");
    const Tensor& total = golden.vectors.at("score.total");
    const Tensor& per_feature = golden.vectors.at("score.per_feature");
    const std::size_t window = static_cast<std::size_t>(bundle->settings.window_size);
    const std::size_t o = bundle->targets().size();
    // The case with chosen targets was scored by ML4ITS: no division by 1 + gamma, mean instead of sum.
    const bool ml4its = std::string(name) == "target_dims";
    const double part_factor = ml4its ? 1 + golden.gamma : 1;
    const double total_factor = ml4its ? (1 + golden.gamma) / static_cast<double>(o) : 1;

    Detector detector(bundle, nullptr, {});
    double worst = 0;
    std::size_t judged = 0;
    BatchJudge judge(detector, *model, 16, [&](std::size_t number, const Verdict& verdict, const RowScore& score) {
      REQUIRE(score.scored == (number >= window));
      if (!score.scored) return;
      const std::size_t i = number - window;
      worst = std::max(worst, std::abs(total_factor * verdict.score - static_cast<double>(total.values[i])));
      for (std::size_t t = 0; t < o; ++t) {
        worst = std::max(
            worst, std::abs(part_factor * score.per_sensor[t] - static_cast<double>(per_feature.values[i * o + t])));
      }
      ++judged;
    });
    for (std::size_t r = 0; r < static_cast<std::size_t>(series.shape[0]); ++r) judge.push(row_of(series, r));
    judge.flush();
    CHECK(judged == total.values.size());
    CHECK(worst <= 2e-6);
  }
}

TEST_CASE("row by row and in batches the native engine gives the same scores, bit for bit") {
  const TemporaryFolder folder;
  const Case golden = load_case("small_w20_k5", folder.path());
  const auto bundle = std::make_shared<const Bundle>(golden.bundle);
  const auto model = make_native_model(bundle->settings, bundle->weights);
  const Tensor& series = golden.vectors.at("series");
  Detector one(bundle, model, {}), many(bundle, nullptr, {});
  std::vector<double> expected, found;
  BatchJudge judge(many, *model, 33, [&](std::size_t, const Verdict& verdict, const RowScore& score) {
    if (score.scored) found.push_back(verdict.score);
  });
  for (std::size_t r = 0; r < static_cast<std::size_t>(series.shape[0]); ++r) {
    const Verdict verdict = one.push(row_of(series, r));
    if (one.last_score().scored) expected.push_back(verdict.score);
    judge.push(row_of(series, r));
  }
  judge.flush();
  CHECK(expected.size() == 180);
  CHECK(found == expected);
}
