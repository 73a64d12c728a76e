// The golden cases of the network: weights, inputs and outputs of the Python reference.
#pragma once

#include <cstdlib>
#include <string>
#include <vector>

#include "anomctl/core/json.h"
#include "anomctl/model/mtad_gat_settings.h"
#include "anomctl/model/tensors.h"

namespace anomctl::golden {

struct Case {
  std::string name;
  Json json;
  MtadGatSettings settings;
  TensorMap weights, vectors;
};

inline const std::vector<std::string>& small_cases() {
  static const std::vector<std::string> names = {
      "small_w20_k5", "small_gatv1",  "embed_gatv1", "embed_gatv2", "deep_layers", "nobias", "kernel3_alpha01_gamma05",
      "target_dims",  "univariate_k1"};
  return names;
}

inline Case load_case(const std::string& name, const fs::path& folder = fs::path(ANOMCTL_TEST_DIR) / "golden/model") {
  Case c;
  c.name = name;
  c.json = Json::parse(read_file(folder / (name + ".json")));
  Json settings = c.json;
  if (const Json* inner = c.json.find("hp")) {
    for (const auto& [key, value] : inner->as_object()) settings[key] = value;
  }
  c.settings = MtadGatSettings::from_json(settings);
  c.weights = load_safetensors(folder / (name + ".weights.safetensors"));
  c.vectors = load_safetensors(folder / (name + ".vectors.safetensors"));
  return c;
}

// The folder of the large cases beside the checkout, or empty.
inline fs::path large_cases() {
  const char* shared = std::getenv("ANOMCTL_SHARED");
  const fs::path folder =
      (shared != nullptr ? fs::path(shared) : fs::path(ANOMCTL_TEST_DIR) / "../../shared") / "vectors";
  return fs::exists(folder / "default_w100_k17.weights.safetensors") ? folder : fs::path();
}

}  // namespace anomctl::golden
