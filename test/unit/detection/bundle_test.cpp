#include "anomctl/detection/bundle.h"

#include "anomctl/core/error.h"
#include "support/catch.h"
#include "support/fake_model.h"

using namespace anomctl;
using namespace anomctl::test;

namespace {

Bundle sample() {
  Bundle bundle = fake_bundle();
  bundle.scaler = Scaler::from_json(Json::parse(R"({"kind":"minmax","min":[0,1,2],"max":[1,3,2]})"), 3);
  bundle.settings.out_dim = 3;
  bundle.period_s = 0.5;
  bundle.thresholds = {{"pot", 1.25}, {"epsilon", 0.1}};
  bundle.chosen_threshold = "pot";
  bundle.active_when = "a > 1";
  bundle.settle_s = 60;
  bundle.provenance["seed"] = 7;
  bundle.weights["conv.conv.bias"] = {{3}, {0.1F, -1e23F, 3}};
  bundle.weights["gru.w"] = {{2, 2}, {1, 2, 3, 4}};
  return bundle;
}

void replace_in_file(const fs::path& path, const std::string& from, const std::string& to) {
  std::string text = read_file(path);
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  write_file_atomic(path, text.replace(at, from.size(), to));
}

}  // namespace

TEST_CASE("a bundle is read back as it was written") {
  const TemporaryFolder folder;
  const Bundle bundle = sample();
  save_bundle(bundle, folder.path() / "b");
  const Bundle read = load_bundle(folder.path() / "b");
  CHECK(bundle_to_json(read).dump() == bundle_to_json(bundle).dump());
  CHECK(read.weights.size() == 2);
  CHECK(read.weights.at("conv.conv.bias").values == bundle.weights.at("conv.conv.bias").values);
  CHECK(read.weights.at("gru.w").shape == bundle.weights.at("gru.w").shape);
  CHECK(read.hash == sha256_file(folder.path() / "b" / kBundleFile));
  CHECK(read.threshold() == 1.25);
  CHECK(read.columns[1].unit == "l/min");
  CHECK(load_bundle_header(folder.path() / "b").weights.empty());
}

TEST_CASE("a new threshold leaves the weights on disk untouched") {
  const TemporaryFolder folder;
  Bundle bundle = sample();
  save_bundle(bundle, folder.path());
  const auto written = fs::last_write_time(folder.path() / kWeightsFile);
  bundle.thresholds["pot"] = 3;
  save_bundle(bundle, folder.path());
  CHECK(fs::last_write_time(folder.path() / kWeightsFile) == written);
  CHECK(load_bundle(folder.path()).threshold() == 3);
}

TEST_CASE("what is wrong with a bundle is said with the file's name") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "b";
  CHECK_THROWS_WITH(load_bundle(path), Contains("is no bundle") && Contains(path.string()));
  const auto refused = [&](const std::string& text, auto spoil) {
    save_bundle(sample(), path);
    CHECK_NOTHROW(load_bundle(path));
    spoil();
    CHECK_THROWS_WITH(load_bundle(path), Contains(text) && Contains(path.string()));
  };
  refused("has 3 bytes", [&] { write_file_atomic(path / kWeightsFile, "abc"); });
  refused("SHA-256 differs", [&] {
    std::string weights = read_file(path / kWeightsFile);
    weights.back() = static_cast<char>(weights.back() ^ 1);
    write_file_atomic(path / kWeightsFile, weights);
  });
  refused("cannot read", [&] { fs::remove(path / kWeightsFile); });
  refused("not valid JSON", [&] { write_file_atomic(path / kBundleFile, "{"); });
  refused("holds no bundle.json", [&] { fs::remove(path / kBundleFile); });
  const auto refused_edit = [&](const std::string& text, const std::string& from, const std::string& to) {
    refused(text, [&] { replace_in_file(path / kBundleFile, from, to); });
  };
  refused_edit("format 99 is not known", "\"format\": 1", "\"format\": 99");
  refused_edit("missing key 'scaler'", "\"scaler\"", "\"scalar\"");
  refused_edit("missing key 'files'", "\"files\"", "\"file\"");
  refused_edit("a size up to", "\"size\": ", "\"size\": 9999999999");
  refused_edit("chosen_threshold 'best' is not among the thresholds", "\"chosen_threshold\": \"pot\"",
               "\"chosen_threshold\": \"best\"");
}

TEST_CASE("sizes that a file claims are checked before they are believed") {
  const Json good = bundle_to_json(sample());
  const auto refused = [&](const char* key, const char* inner, Json value) {
    Json json = good;
    (inner != nullptr ? json[key][inner] : json[key]) = std::move(value);
    CHECK_THROWS_AS(bundle_from_json(json, "f"), Error);
  };
  CHECK_NOTHROW(bundle_from_json(good, "f"));
  refused("settings", "window_size", 1'000'000'000'000);
  refused("settings", "window_size", 0);
  refused("settings", "gru_hid_dim", -1);
  refused("settings", "n_features", 4);
  refused("settings", "kernel_size", 4);
  refused("settings", "out_dim", 4);
  refused("settings", "target_dims", std::vector<int>{0, 3, 1});
  refused("settings", "target_dims", std::vector<int>{1});
  refused("period_s", nullptr, 0);
  refused("columns", nullptr, Json::array());
  refused("thresholds", nullptr, Json::parse(R"({"pot":"high"})"));
  refused("kind", nullptr, "unknown");
  refused("settle_s", nullptr, -1);
  Json twice = good;
  twice["columns"].as_array()[1]["name"] = "a";
  CHECK_THROWS_WITH(bundle_from_json(twice, "f"), Contains("f: columns names 'a' twice"));
}

TEST_CASE("targets are all columns unless some are named") {
  Bundle bundle = fake_bundle();
  CHECK(bundle.targets() == std::vector<std::size_t>{0, 1, 2});
  bundle.settings.out_dim = 2;
  bundle.settings.target_dims = {2, 0};
  CHECK(bundle.targets() == std::vector<std::size_t>{2, 0});
}
