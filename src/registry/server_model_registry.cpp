// Registered models of a tracking server. A version's files are a logged model's, and are brought to the cache.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"
#include "anomctl/io/net/http.h"
#include "anomctl/io/tracking/mlflow_pages.h"
#include "registry/server_run_store.h"
#include "registry/store_lock.h"
#include "registry/version_bundle.h"

namespace anomctl {
namespace {

constexpr std::int64_t kModelsAPage = 100, kVersionsAPage = 200;
constexpr const char* kSameContent = ".complete";  // in a version's folder of the cache: all of it has come

std::string text_in(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  if (value == nullptr || value->is_null()) return {};
  return value->is_string() ? value->as_string() : value->dump();
}

std::int64_t whole_in(const Json& object, std::string_view key) {
  const std::string text = text_in(object, key);
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::map<std::string, std::string> tags_in(const Json& object) {
  std::map<std::string, std::string> tags;
  if (const Json* list = object.find("tags"); list != nullptr && list->is_array())
    for (const Json& item : list->as_array()) tags[text_in(item, "key")] = text_in(item, "value");
  return tags;
}

ModelVersion version_of(const Json& json) {
  ModelVersion version;
  version.name = text_in(json, "name");
  version.number = whole_in(json, "version");
  version.run_id = text_in(json, "run_id");
  version.source = version.storage = text_in(json, "source");
  version.created = time_of_ms(whole_in(json, "creation_timestamp"));
  version.tags = tags_in(json);
  if (const Json* list = json.find("aliases"); list != nullptr && list->is_array())
    for (const Json& alias : list->as_array())
      if (alias.is_string()) version.aliases.push_back(alias.as_string());
  return version;
}

Json tags_json(const std::map<std::string, std::string>& tags) {
  Json list = Json::array();
  for (const auto& [key, value] : tags) {
    Json item = Json::object();
    item["key"] = key;
    item["value"] = value;
    list.push_back(std::move(item));
  }
  return list;
}

class ServerModelRegistry : public ModelRegistry {
 public:
  explicit ServerModelRegistry(const TrackingSettings& settings)
      : settings_(settings), client_(settings.tracking_uri, tracking_access(settings)) {}

  std::vector<RegisteredModel> list() override {
    std::vector<RegisteredModel> models;
    MlflowPages pages(where());
    bool more = false;
    do {
      const Json answer =
          client_.call("GET", fmt::format("registered-models/search?max_results={}{}", kModelsAPage,
                                          pages.next().empty() ? "" : "&page_token=" + percent_encode(pages.next())));
      if (const Json* list = answer.find("registered_models"); list != nullptr && list->is_array())
        for (const Json& item : list->as_array()) models.push_back(model_of(item));
      more = pages.more(text_in(answer, "next_page_token"), models.size());
    } while (more);
    std::sort(models.begin(), models.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return models;
  }

  std::optional<RegisteredModel> find_model(const std::string& name) override {
    check_model_name(name);
    const auto found = client_.ask("GET", "registered-models/get?name=" + percent_encode(name));
    return found ? std::optional(model_of(found->at("registered_model"))) : std::nullopt;
  }

  std::int64_t alias_number(const std::string& name, const std::string& alias) override {
    const auto model = client_.ask("GET", "registered-models/get?name=" + percent_encode(name));
    return model ? aliases_in(model->at("registered_model"))[alias] : 0;
  }

  ModelVersion version(const std::string& name, std::int64_t number) override {
    const auto found =
        client_.ask("GET", fmt::format("model-versions/get?name={}&version={}", percent_encode(name), number));
    if (!found) throw UsageError(fmt::format("model {} has no version {} on {}", name, number, where()));
    ModelVersion version = version_of(found->at("model_version"));
    version.number = number;
    version.name = name;
    return version;
  }

  ModelVersion add(const NewVersion& fresh) override {
    check_model_name(fresh.name);
    const auto tags = lineage_tags(fresh.bundle);
    const auto lock = hold();
    if (const auto known = find_model(fresh.name)) {
      for (const ModelVersion& one : known->versions)
        if (one.tag(kBundleHashTag) == tags.at(kBundleHashTag)) return version(one.name, one.number);
    } else {
      make_model(fresh.name);
    }
    std::string experiment = "0";
    if (fresh.run) {
      const auto run = client_.find_run(fresh.run->id);
      if (!run)
        throw UsageError(
            fmt::format("run {} is not on {} yet: send it with anomctl runs sync", fresh.run->name, where()));
      experiment = run->experiment_id;
    }
    const std::string model_id = log_model(fresh, experiment, tags);
    Json body = Json::object();
    body["name"] = fresh.name;
    body["source"] = "models:/" + model_id;
    if (fresh.run) body["run_id"] = fresh.run->id;
    body["model_id"] = model_id;
    body["tags"] = tags_json(tags);
    const ModelVersion made = version_of(client_.call("POST", "model-versions/create", body).at("model_version"));
    // Another machine may have had the same thought: the first of equal versions stays.
    const auto versions = versions_of(fresh.name);  // newest first
    for (auto one = versions.rbegin(); one != versions.rend() && one->number < made.number; ++one)
      if (one->tag(kBundleHashTag) == tags.at(kBundleHashTag)) {
        remove(fresh.name, made.number);
        return version(one->name, one->number);
      }
    name_version(model_id, made);
    return version(fresh.name, made.number);
  }

  void set_alias(const std::string& name, const std::string& alias, std::int64_t number) override {
    Json body = Json::object();
    body["name"] = name;
    body["alias"] = alias;
    body["version"] = std::to_string(number);
    client_.call("POST", "registered-models/alias", body);
  }
  void set_model_tag(const std::string& name, const std::string& key, const std::string& value) override {
    Json body = Json::object();
    body["name"] = name;
    body["key"] = key;
    body["value"] = value;
    client_.call("POST", "registered-models/set-tag", body);
  }
  void set_version_tag(const ModelVersion& version, const std::string& key, const std::string& value) override {
    Json body = Json::object();
    body["name"] = version.name;
    body["version"] = std::to_string(version.number);
    body["key"] = key;
    body["value"] = value;
    client_.call("POST", "model-versions/set-tag", body);
  }

  fs::path bundle(const ModelVersion& version) override {
    const fs::path files = cached_versions(settings_) / version.name / std::to_string(version.number);
    std::error_code error;
    if (fs::exists(files / kSameContent, error) && read_file(files / kSameContent) == sameness(version))
      if (fs::path folder = bundle_below(files); has_hash(version, folder)) return folder;
    const Json answer = client_.call("GET", fmt::format("model-versions/get-download-uri?name={}&version={}",
                                                        percent_encode(version.name), version.number));
    const std::string uri = text_in(answer, "artifact_uri");
    fs::remove(files / kSameContent, error);
    for (const auto& [path, size] : client_.artifacts(uri)) client_.get_artifact(uri, path, files / path);
    fs::path folder = bundle_below(files);
    if (!has_hash(version, folder)) refuse_bundle(version, folder);
    write_file_atomic(files / kSameContent, sameness(version));
    return folder;
  }

  std::string where() const override { return settings_.tracking_uri; }
  std::shared_ptr<void> hold() override {
    make_folders(server_cache(settings_));
    return std::make_shared<StoreLock>(server_cache(settings_));
  }

 private:
  // Of a version that a server which began anew gave the same number.
  static std::string sameness(const ModelVersion& version) {
    return version.source + "\n" + std::to_string(version.created) + "\n" + version.tag(kBundleHashTag) + "\n";
  }

  static std::map<std::string, std::int64_t> aliases_in(const Json& model) {
    std::map<std::string, std::int64_t> aliases;
    if (const Json* list = model.find("aliases"); list != nullptr && list->is_array())
      for (const Json& item : list->as_array()) aliases[text_in(item, "alias")] = whole_in(item, "version");
    return aliases;
  }

  RegisteredModel model_of(const Json& json) {
    RegisteredModel model;
    model.name = text_in(json, "name");
    model.aliases = aliases_in(json);
    model.tags = tags_in(json);
    // Names of others may hold quotes; those are not looked at.
    if (model.name.find('\'') == std::string::npos) model.versions = versions_of(model.name);
    for (ModelVersion& version : model.versions) {
      version.aliases.clear();
      for (const auto& [alias, number] : model.aliases)
        if (number == version.number) version.aliases.push_back(alias);
    }
    return model;
  }

  std::vector<ModelVersion> versions_of(const std::string& name) {
    std::vector<ModelVersion> versions;
    MlflowPages pages(where());
    bool more = false;
    do {
      const Json answer =
          client_.call("GET", fmt::format("model-versions/search?filter={}&max_results={}{}",
                                          percent_encode("name='" + name + "'"), kVersionsAPage,
                                          pages.next().empty() ? "" : "&page_token=" + percent_encode(pages.next())));
      if (const Json* list = answer.find("model_versions"); list != nullptr && list->is_array())
        for (const Json& item : list->as_array()) versions.push_back(version_of(item));
      more = pages.more(text_in(answer, "next_page_token"), versions.size());
    } while (more);
    std::sort(versions.begin(), versions.end(), [](const auto& a, const auto& b) { return a.number > b.number; });
    return versions;
  }

  void remove(const std::string& name, std::int64_t number) {
    Json body = Json::object();
    body["name"] = name;
    body["version"] = std::to_string(number);
    client_.call("DELETE", "model-versions/delete", body);
  }

  void make_model(const std::string& name) {
    Json body = Json::object();
    body["name"] = name;
    try {
      client_.call("POST", "registered-models/create", body);
    } catch (const Error&) {
      if (!client_.existed()) throw;  // another made it meanwhile
    }
  }

  std::string log_model(const NewVersion& fresh, const std::string& experiment,
                        const std::map<std::string, std::string>& tags) {
    Json body = Json::object();
    body["experiment_id"] = experiment;
    body["name"] = fresh.name;
    body["model_type"] = "anomctl";
    if (fresh.run) body["source_run_id"] = fresh.run->id;
    body["tags"] = tags_json(tags);
    const Json info = client_.call("POST", "logged-models", body).at("model").at("info");
    const std::string id = text_in(info, "model_id"), uri = text_in(info, "artifact_uri");
    for (const auto& entry : fs::recursive_directory_iterator(fresh.bundle))
      if (entry.is_regular_file())
        client_.put_artifact(uri, fs::relative(entry.path(), fresh.bundle).generic_string(), entry.path());
    Json ready = Json::object();
    ready["model_id"] = id;
    ready["status"] = "LOGGED_MODEL_READY";
    client_.call("PATCH", "logged-models/" + percent_encode(id), ready);
    if (fresh.run) {
      Json output = Json::object();
      output["model_id"] = id;
      output["step"] = 0;
      Json outputs = Json::object();
      outputs["run_id"] = fresh.run->id;
      outputs["models"] = Json::Array{output};
      client_.call("POST", "runs/outputs", outputs);
    }
    return id;
  }

  // As MLflow's client does, so that its page leads from the logged model to the version.
  void name_version(const std::string& model_id, const ModelVersion& version) {
    Json item = Json::object();
    item["name"] = version.name;
    item["version"] = version.number;
    Json body = Json::object();
    body["model_id"] = model_id;
    body["tags"] = tags_json({{"mlflow.modelVersions", Json(Json::Array{item}).dump()}});
    try {
      client_.call("PATCH", "logged-models/" + percent_encode(model_id) + "/tags", body);
    } catch (const Error& error) {
      log_warning("{}: the model's page will not name its version", error.what());
    }
  }

  const TrackingSettings settings_;
  MlflowClient client_;
};

}  // namespace

std::unique_ptr<ModelRegistry> open_server_registry(const TrackingSettings& settings) {
  return std::make_unique<ServerModelRegistry>(settings);
}

}  // namespace anomctl
