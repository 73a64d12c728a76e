#include "anomctl/detection/bundle.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <set>
#include <system_error>

#include "anomctl/core/error.h"
#include "anomctl/data/condition.h"

namespace anomctl {
namespace {

constexpr std::int64_t kFormat = 1;
constexpr std::uint64_t kMaxBundleJson = 16 * kMiB;
constexpr std::uint64_t kMaxWeights = 2048 * kMiB;
constexpr std::size_t kMaxSensors = 4096;
constexpr std::array<std::string_view, 3> kKinds = {"mtad-gat", "panel", "panel+mtad-gat"};
constexpr const char* kRelationValues = "relation_network.values";  // among the weights

bool is_sha256(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

Json columns_to_json(const std::vector<Column>& columns) {
  Json list = Json::array();
  for (const Column& column : columns) {
    Json item = Json::object();
    item["name"] = column.name;
    if (!column.unit.empty()) item["unit"] = column.unit;
    if (!column.description.empty()) item["description"] = column.description;
    list.push_back(std::move(item));
  }
  return list;
}

std::vector<Column> columns_from_json(const Json& json) {
  const Json::Array& items = json.as_array();
  if (items.empty() || items.size() > kMaxSensors) {
    throw input_error(fmt::format("columns holds {} entries, 1 to {} are possible", items.size(), kMaxSensors));
  }
  std::vector<Column> columns;
  std::set<std::string> seen;
  for (const Json& item : items) {
    Column column{item.at("name").as_string(), item.string_or("unit", ""), item.string_or("description", "")};
    if (!seen.insert(column.name).second) throw input_error(fmt::format("columns names '{}' twice", column.name));
    columns.push_back(std::move(column));
  }
  return columns;
}

std::map<std::string, double> thresholds_from_json(const Json& json) {
  std::map<std::string, double> thresholds;
  for (const auto& [name, value] : json.as_object()) {
    if (!std::isfinite(value.as_double())) throw input_error(fmt::format("thresholds.{} is not finite", name));
    thresholds[name] = value.as_double();
  }
  return thresholds;
}

void check_network(const Bundle& bundle) {
  const auto sensors = static_cast<std::int64_t>(bundle.columns.size());
  if (bundle.settings.n_features != sensors) {
    throw input_error(
        fmt::format("settings.n_features is {} and there are {} columns", bundle.settings.n_features, sensors));
  }
  try {
    bundle.settings.validate();
  } catch (const UsageError& error) {
    throw input_error(fmt::format("settings: {}", error.what()));
  }
  const auto targets = static_cast<std::int64_t>(bundle.settings.target_dims.size());
  const std::int64_t outputs = bundle.settings.out_dim > 0 ? bundle.settings.out_dim : sensors;
  if (outputs > sensors || (targets > 0 && targets != outputs)) {
    throw input_error(
        fmt::format("settings: out_dim {} and {} target_dims do not fit {} columns", outputs, targets, sensors));
  }
  for (const std::int64_t target : bundle.settings.target_dims) {
    if (target < 0 || target >= sensors) throw input_error(fmt::format("settings.target_dims holds {}", target));
  }
}

void check_condition(const Bundle& bundle) {
  try {
    Condition::parse(bundle.active_when, bundle.column_names());
  } catch (const UsageError& error) {
    throw input_error(fmt::format("active_when: {}", error.what()));
  }
}

Bundle parse(const Json& json) {
  const std::int64_t format = json.at("format").as_int();
  if (format != kFormat) {
    throw input_error(fmt::format("format {} is not known, this program reads format {}: use the anomctl that wrote it",
                                  format, kFormat));
  }
  Bundle bundle;
  bundle.kind = json.at("kind").as_string();
  if (std::find(kKinds.begin(), kKinds.end(), bundle.kind) == kKinds.end())
    throw input_error(fmt::format("kind '{}' is not known to this program", bundle.kind));
  bundle.name = json.at("name").as_string();
  bundle.columns = columns_from_json(json.at("columns"));
  bundle.period_s = json.at("period_s").as_double();
  if (!(bundle.period_s > 0) || !std::isfinite(bundle.period_s))
    throw input_error(fmt::format("period_s is {}", bundle.period_s));
  bundle.scaler = Scaler::from_json(json.at("scaler"), bundle.columns.size());
  bundle.settings = MtadGatSettings::from_json(json.at("settings"));
  check_network(bundle);
  const Json& score = json.at("score");
  const Json* fitted = score.find("forecast_center");
  const bool no_errors = bundle.kind == "panel" && fitted != nullptr && fitted->size() == 0;  // of a network
  bundle.score = ScoreSettings::from_json(score, no_errors ? 0 : bundle.targets().size());
  bundle.thresholds = thresholds_from_json(json.at("thresholds"));
  bundle.chosen_threshold = json.string_or("chosen_threshold", "");
  if (!bundle.chosen_threshold.empty() && !bundle.thresholds.contains(bundle.chosen_threshold)) {
    throw input_error(fmt::format("chosen_threshold '{}' is not among the thresholds", bundle.chosen_threshold));
  }
  if (const Json* budget = json.find("budget")) bundle.budget = BudgetCalibration::from_json(*budget);
  bundle.active_when = json.string_or("active_when", "");
  check_condition(bundle);
  bundle.settle_s = json.number_or("settle_s", 0);
  if (!(bundle.settle_s >= 0)) throw input_error(fmt::format("settle_s is {}", bundle.settle_s));
  if (const Json* limits = json.find("sensor_limits"))
    bundle.sensor_limits = sensor_limits_from_json(*limits, bundle.columns.size());
  if (const Json* provenance = json.find("provenance")) bundle.provenance = *provenance;
  bundle.network_voice = json.number_or("network_voice", 0);
  if (!(bundle.network_voice >= 0 && bundle.network_voice <= 1))
    throw input_error(fmt::format("network_voice {} is outside 0 to 1", bundle.network_voice));
  if (const Json* tail = json.find("network_tail")) bundle.network_tail = TailCurve::from_json(*tail);
  if (const Json* voices = json.find("panel_voices"))
    bundle.voices = std::make_shared<const PanelVoices>(PanelVoices::from_json(*voices, bundle.columns.size()));
  if (bundle.kind != "mtad-gat" && json.find("panel") == nullptr && bundle.voices == nullptr)
    throw input_error("the panel is missing");
  return bundle;
}

struct Document {
  Json json;
  std::string hash;
};

Document read_document(const fs::path& folder) {
  const fs::path path = folder / kBundleFile;
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    throw input_error(fmt::format("{} is no bundle: a folder with {} is needed", folder.string(), kBundleFile));
  }
  if (!fs::exists(path, error))
    throw input_error(fmt::format("{} is no bundle: it holds no {}", folder.string(), kBundleFile));
  const std::string bytes = read_file(path, kMaxBundleJson);
  return {Json::parse(bytes, path.string()), sha256_hex(bytes)};
}

// The listed size and hash of `name`, compared with the file on disk without holding it in memory.
void check_file(const Json& files, const fs::path& folder, const char* name) {
  const fs::path path = folder / name;
  const std::string where = (folder / kBundleFile).string();
  const Json* entry = files.find(name);
  if (entry == nullptr) throw input_error(fmt::format("{}: files does not list {}", where, name));
  const std::int64_t size = entry->at("size").as_int();
  const std::string hash = entry->at("sha256").as_string();
  if (size < 0 || static_cast<std::uint64_t>(size) > kMaxWeights || !is_sha256(hash)) {
    throw input_error(
        fmt::format("{}: files.{} needs a size up to {} MiB and a SHA-256", where, name, kMaxWeights / kMiB));
  }
  std::error_code error;
  const std::uintmax_t found = fs::file_size(path, error);
  if (error) throw input_error(fmt::format("cannot read {}: {}", path.string(), error.message()));
  if (found != static_cast<std::uintmax_t>(size)) {
    throw input_error(
        fmt::format("{} has {} bytes, {} says {}: copy the bundle again", path.string(), found, kBundleFile, size));
  }
  if (sha256_file(path) != hash) {
    throw input_error(fmt::format("{} is not the file that {} describes (SHA-256 differs): copy the bundle again",
                                  path.string(), kBundleFile));
  }
}

void read_panel(Bundle& bundle, const Json& json, const std::string& where) {
  Tensor relation;
  if (auto node = bundle.weights.extract(kRelationValues)) relation = std::move(node.mapped());
  if (bundle.kind == "mtad-gat") return;
  try {
    bundle.panel = std::make_shared<const PanelModel>(PanelModel::from_json(json.at("panel"), relation));
  } catch (const std::exception& error) {
    throw input_error(fmt::format("{}: {}", where, error.what()));
  }
  if (bundle.panel->sensors() != bundle.columns.size())
    throw input_error(fmt::format("{}: the panel has {} sensors, there are {} columns", where, bundle.panel->sensors(),
                                  bundle.columns.size()));
}

Bundle header_of(const Document& document, const fs::path& folder) {
  Bundle bundle = bundle_from_json(document.json, (folder / kBundleFile).string());
  bundle.hash = document.hash;
  return bundle;
}

}  // namespace

Bundle as_reference(Bundle bundle) {
  if (bundle.weights.empty())
    throw UsageError(fmt::format("--compat reference: the bundle {} holds no MTAD-GAT", bundle.name));
  if (bundle.panel != nullptr || bundle.score.kind != "reference") {
    bundle.chosen_threshold.clear();
    bundle.budget.reset();
  }
  bundle.panel.reset();
  bundle.network_voice = 0;
  bundle.kind = "mtad-gat";
  bundle.score = ScoreSettings::reference(bundle.score.gamma);
  return bundle;
}

std::vector<std::string> Bundle::column_names() const {
  std::vector<std::string> names;
  for (const Column& column : columns) names.push_back(column.name);
  return names;
}

std::optional<double> Bundle::threshold() const {
  const auto chosen = thresholds.find(chosen_threshold);
  if (chosen == thresholds.end()) return std::nullopt;
  return chosen->second;
}

std::vector<std::size_t> Bundle::targets() const {
  if (!settings.target_dims.empty()) {
    std::vector<std::size_t> chosen;
    for (const std::int64_t t : settings.target_dims) chosen.push_back(static_cast<std::size_t>(t));
    return chosen;
  }
  const std::int64_t o = settings.out_dim > 0 ? settings.out_dim : settings.n_features;
  std::vector<std::size_t> all(static_cast<std::size_t>(o));
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

namespace {

Json shared_part(const Bundle& bundle) {
  Json json = Json::object();
  json["format"] = kFormat;
  json["kind"] = bundle.kind;
  json["name"] = bundle.name;
  json["columns"] = columns_to_json(bundle.columns);
  json["period_s"] = bundle.period_s;
  json["scaler"] = bundle.scaler.to_json();
  json["settings"] = bundle.settings.to_json();
  json["score"] = bundle.score.to_json();
  Json thresholds = Json::object();
  for (const auto& [name, value] : bundle.thresholds) thresholds[name] = value;
  json["thresholds"] = std::move(thresholds);
  json["chosen_threshold"] = bundle.chosen_threshold;
  if (bundle.budget) json["budget"] = bundle.budget->to_json();
  json["active_when"] = bundle.active_when;
  json["settle_s"] = bundle.settle_s;
  if (!bundle.sensor_limits.empty()) json["sensor_limits"] = to_json(bundle.sensor_limits);
  json["provenance"] = bundle.provenance;
  if (bundle.panel_voices() != nullptr) {
    json["network_voice"] = bundle.network_voice;
    if (bundle.network_voice > 0) json["network_tail"] = bundle.network_tail.to_json();
  }
  return json;
}

}  // namespace

Json bundle_to_json(const Bundle& bundle) {
  Json json = shared_part(bundle);
  if (bundle.panel != nullptr) json["panel"] = bundle.panel->to_json();
  return json;
}

Json bundle_for_client(const Bundle& bundle) {
  Json json = shared_part(bundle);
  if (bundle.panel_voices() != nullptr) json["panel_voices"] = bundle.panel_voices()->to_json();
  return json;
}

Bundle bundle_from_json(const Json& json, const std::string& where) {
  try {
    return parse(json);
  } catch (const Error& error) {
    throw input_error(fmt::format("{}: {}", where, error.what()));
  }
}

Bundle load_bundle_header(const fs::path& folder) { return header_of(read_document(folder), folder); }

Bundle load_bundle(const fs::path& folder) {
  const Document document = read_document(folder);
  Bundle bundle = header_of(document, folder);
  try {
    const Json& files = document.json.at("files");
    check_file(files, folder, kWeightsFile);
  } catch (const Error& error) {
    const std::string text = error.what();
    if (text.find(folder.string()) != std::string::npos) throw;
    throw input_error(fmt::format("{}: {}", (folder / kBundleFile).string(), text));
  }
  bundle.weights = load_safetensors(folder / kWeightsFile, kMaxWeights);
  read_panel(bundle, document.json, (folder / kBundleFile).string());
  return bundle;
}

namespace {

// JSON has no NaN: a bundle that held one could not be read again.
void check_finite(const Json& json, const std::string& key) {
  if (json.is_object())
    for (const auto& [name, value] : json.as_object()) check_finite(value, key.empty() ? name : key + "." + name);
  else if (json.is_array())
    for (const Json& value : json.as_array()) check_finite(value, key);
  else if (json.is_number() && !std::isfinite(json.as_double()))
    throw failed(fmt::format("the bundle is not written: {} is no finite number", key));
}

}  // namespace

void save_bundle(const Bundle& bundle, const fs::path& folder) {
  Json json = bundle_to_json(bundle);
  check_finite(json, "");
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw failed(fmt::format("cannot make the folder {}: {}", folder.string(), error.message()));
  TensorMap tensors = bundle.weights;
  if (bundle.panel != nullptr && bundle.panel->network) tensors[kRelationValues] = bundle.panel->network_values();
  const std::string weights = to_safetensors(tensors);
  const std::string hash = sha256_hex(weights);
  const fs::path path = folder / kWeightsFile;
  // Weights that stay the same (a new threshold) are not written again: then the replacement of bundle.json is the
  // whole change.
  if (fs::file_size(path, error) != weights.size() || error || sha256_file(path) != hash)
    write_file_atomic(path, weights);
  Json entry = Json::object();
  entry["size"] = weights.size();
  entry["sha256"] = hash;
  Json files = Json::object();
  files[kWeightsFile] = std::move(entry);
  json["files"] = std::move(files);
  write_file_atomic(folder / kBundleFile, json.dump(1) + "\n");
}

}  // namespace anomctl
