#include "io/tracking/mlflow_json.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>

#include "anomctl/core/error.h"
#include "anomctl/core/text.h"

namespace anomctl::tracking {
namespace {

constexpr std::size_t kMetricsAtOnce = 1000, kPairsAtOnce = 100, kItemsAtOnce = 1000;
constexpr std::size_t kBytesAtOnce = 900'000;  // of 1 MB
constexpr std::size_t kErrorBytes = 300;       // of a server's words, which can be a whole SQL statement

std::int64_t whole_of(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  if (value == nullptr || value->is_null()) return 0;
  if (value->is_number()) return static_cast<std::int64_t>(std::clamp(value->as_double(), -9.2e18, 9.2e18));
  std::int64_t number = 0;  // whole numbers of 64 bits may be texts
  if (value->is_string())
    std::from_chars(value->as_string().data(), value->as_string().data() + value->as_string().size(), number);
  return number;
}

double real_of(const Json& value) {
  if (value.is_number()) return value.as_double();
  const std::string& text = value.as_string();
  if (text == "NaN" || text == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity" || text == "inf") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity" || text == "-inf") return -std::numeric_limits<double>::infinity();
  throw input_error("'" + text + "' is no value of a metric");
}

std::map<std::string, std::string> pairs_of(const Json* data, std::string_view key) {
  std::map<std::string, std::string> out;
  const Json* list = data != nullptr ? data->find(key) : nullptr;
  if (list == nullptr || !list->is_array()) return out;
  for (const Json& item : list->as_array()) out[text_of(item, "key")] = text_of(item, "value");
  return out;
}

Json metric_json(const MlflowMetric& metric) {
  Json item = Json::object();
  item["key"] = metric.key;
  item["value"] = std::isnan(metric.value)   ? Json("NaN")
                  : std::isinf(metric.value) ? Json(metric.value > 0 ? "Infinity" : "-Infinity")
                                             : Json(metric.value);
  item["timestamp"] = metric.time_ms;
  item["step"] = metric.step;
  return item;
}

Json pair_json(const std::pair<std::string, std::string>& pair, std::size_t max_bytes) {
  Json item = Json::object();
  item["key"] = pair.first;
  item["value"] = cut(pair.second, max_bytes);
  return item;
}

// Gathers items into bodies.
class Bodies {
 public:
  explicit Bodies(const std::string& run_id) : run_id_(run_id) {}
  void add(const char* kind, Json item, std::size_t most) {
    const std::size_t bytes = item.dump().size() + 1;
    const Json* list = body_.find(kind);
    const std::size_t there = list != nullptr ? list->size() : 0;
    if (body_.is_null() || there >= most || items_ >= kItemsAtOnce || bytes_ + bytes > kBytesAtOnce) next();
    Json& kept = body_[kind];
    if (kept.is_null()) kept = Json::array();
    kept.push_back(std::move(item));
    ++items_;
    bytes_ += bytes;
  }
  std::vector<Json> take() {
    if (items_ > 0) done_.push_back(std::move(body_));
    return std::move(done_);
  }

 private:
  void next() {
    if (items_ > 0) done_.push_back(std::move(body_));
    body_ = Json::object();
    body_["run_id"] = run_id_;
    items_ = bytes_ = 0;
  }
  std::string run_id_;
  Json body_;
  std::vector<Json> done_;
  std::size_t items_ = 0, bytes_ = 0;
};

}  // namespace

std::string text_of(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  if (value == nullptr || value->is_null()) return {};
  if (value->is_string()) return value->as_string();
  return value->is_number() ? value->dump() : std::string();
}

MlflowRefusal refusal_of(const std::string& body, const std::vector<std::string>& secrets) {
  try {
    const Json json = Json::parse(body);
    MlflowRefusal refusal{text_of(json, "error_code"), text_of(json, "message")};
    for (const std::string& secret : secrets)
      if (!secret.empty()) replace_all(refusal.message, secret, "***");
    refusal.message = cut(refusal.message.substr(0, refusal.message.find('\n')), kErrorBytes);
    return refusal;
  } catch (const Error&) {
    return {};
  }
}

MlflowRun run_of(const Json& run) {
  const Json& info = run.at("info");
  MlflowRun out;
  out.id = text_of(info, "run_id");
  out.experiment_id = text_of(info, "experiment_id");
  out.name = text_of(info, "run_name");
  out.status = text_of(info, "status");
  out.artifact_uri = text_of(info, "artifact_uri");
  out.user = text_of(info, "user_id");
  out.start_ms = whole_of(info, "start_time");
  out.end_ms = whole_of(info, "end_time");
  out.deleted = text_of(info, "lifecycle_stage") == "deleted";
  // It becomes a folder's name.
  if (out.id.empty() || out.id.size() > 64 || !std::all_of(out.id.begin(), out.id.end(), [](unsigned char c) {
        return std::isalnum(c) || c == '-' || c == '_';
      }))
    throw input_error("the tracking server names a run '" + cut(out.id, kErrorBytes) + "'");
  const Json* data = run.find("data");
  out.params = pairs_of(data, "params");
  out.tags = pairs_of(data, "tags");
  if (const Json* list = data != nullptr ? data->find("metrics") : nullptr; list != nullptr && list->is_array()) {
    for (const Json& item : list->as_array()) {
      const MlflowMetric metric = metric_of(item);
      out.metrics[metric.key] = metric.value;
    }
  }
  return out;
}

MlflowMetric metric_of(const Json& metric) {
  return {text_of(metric, "key"), real_of(metric.at("value")), whole_of(metric, "timestamp"), whole_of(metric, "step")};
}

std::vector<File> files_of(const std::string& body) {
  std::vector<File> files;
  const Json answer = Json::parse(body, "the list of artifacts");
  const Json* list = answer.find("files");
  if (list == nullptr || !list->is_array()) return files;
  for (const Json& item : list->as_array())
    files.push_back({text_of(item, "path"), item.bool_or("is_dir", false),
                     static_cast<std::uint64_t>(std::max<std::int64_t>(0, whole_of(item, "file_size")))});
  return files;
}

std::string cut(const std::string& text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  std::size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

Json pairs_json(const MlflowPairs& pairs, std::size_t max_bytes) {
  Json list = Json::array();
  for (const auto& pair : pairs) list.push_back(pair_json(pair, max_bytes));
  return list;
}

std::vector<Json> batch_bodies(const std::string& run_id, const MlflowBatch& batch) {
  Bodies bodies(run_id);
  for (const auto& pair : batch.params) bodies.add("params", pair_json(pair, kMlflowParamBytes), kPairsAtOnce);
  for (const auto& pair : batch.tags) bodies.add("tags", pair_json(pair, kMlflowTagBytes), kPairsAtOnce);
  for (const MlflowMetric& metric : batch.metrics) bodies.add("metrics", metric_json(metric), kMetricsAtOnce);
  return bodies.take();
}

}  // namespace anomctl::tracking
