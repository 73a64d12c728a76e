// MLflow's file store of registered models and logged models:
//   <root>/models/<name>/{meta.yaml, tags/<key>, aliases/<alias>, version-<n>/{meta.yaml, tags/<key>}}
//   <root>/<experiment>/models/m-<32 hex>/{meta.yaml, artifacts/, metrics/, params/, tags/}
//   <root>/<experiment>/<run>/outputs/m-<32 hex>/meta.yaml
#include <algorithm>
#include <charconv>

#include "anomctl/core/error.h"
#include "anomctl/core/json.h"
#include "anomctl/core/log.h"
#include "registry/run_meta.h"
#include "registry/store_lock.h"
#include "registry/version_bundle.h"

namespace anomctl {
namespace {

constexpr std::string_view kVersionFolder = "version-";

std::int64_t number_in(const std::string& text) {
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::map<std::string, std::string> read_texts(const fs::path& folder) {
  std::map<std::string, std::string> texts;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (!entry.is_regular_file(error) || entry.path().filename().string().starts_with(".")) continue;
    std::string text = read_file(entry.path(), kMiB);
    while (text.ends_with('\n')) text.pop_back();
    texts[entry.path().filename().string()] = std::move(text);
  }
  return texts;
}

class FolderModelRegistry : public ModelRegistry {
 public:
  FolderModelRegistry(const TrackingSettings& settings, const Clock& clock)
      : root_(fs::absolute(tracking_folder(settings.tracking_uri)).lexically_normal()), clock_(clock) {}

  std::vector<RegisteredModel> list() override {
    std::vector<RegisteredModel> models;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(root_ / "models", error)) {
      if (!fs::exists(entry.path() / "meta.yaml")) continue;
      try {
        if (auto model = find_model(entry.path().filename().string())) models.push_back(std::move(*model));
      } catch (const UsageError& other) {
        log_warning("left out: {}", other.what());  // a name that only MLflow takes
      }
    }
    std::sort(models.begin(), models.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return models;
  }

  std::optional<RegisteredModel> find_model(const std::string& name) override {
    check_model_name(name);
    const fs::path folder = folder_of(name);
    if (!fs::exists(folder / "meta.yaml")) return std::nullopt;
    RegisteredModel model;
    model.name = name;
    model.tags = read_texts(folder / "tags");
    for (const auto& [alias, number] : read_texts(folder / "aliases")) model.aliases[alias] = number_in(number);
    for (const std::int64_t number : numbers(name)) model.versions.push_back(version(name, number));
    return model;
  }

  std::int64_t alias_number(const std::string& name, const std::string& alias) override {
    check_model_name(name);
    const fs::path file = folder_of(name) / "aliases" / alias;
    std::error_code error;
    return fs::exists(file, error) ? number_in(read_file(file, kMiB)) : 0;
  }

  ModelVersion version(const std::string& name, std::int64_t number) override {
    check_model_name(name);
    const fs::path folder = folder_of(name) / (std::string(kVersionFolder) + std::to_string(number));
    if (!fs::exists(folder / "meta.yaml"))
      throw UsageError("model " + name + " has no version " + std::to_string(number) + " in " + where());
    auto meta = parse_flat_yaml(read_file(folder / "meta.yaml", kMiB));
    ModelVersion out;
    out.name = name;
    out.number = number;
    out.run_id = meta["run_id"];
    out.source = meta["source"];
    out.storage = meta["storage_location"].empty() ? out.source : meta["storage_location"];
    out.created = number_in(meta["creation_timestamp"]) * kMillisecond;
    out.tags = read_texts(folder / "tags");
    for (const auto& [alias, to] : read_texts(folder_of(name) / "aliases"))
      if (number_in(to) == number) out.aliases.push_back(alias);
    return out;
  }

  ModelVersion add(const NewVersion& fresh) override {
    check_model_name(fresh.name);
    const auto tags = lineage_tags(fresh.bundle);
    make_folders(root_);
    const StoreLock lock(root_);
    for (const std::int64_t number : numbers(fresh.name))
      if (ModelVersion known = version(fresh.name, number); known.tag(kBundleHashTag) == tags.at(kBundleHashTag))
        return known;
    const auto there = numbers(fresh.name);
    const std::int64_t number = there.empty() ? 1 : there.front() + 1;
    const std::string now = std::to_string(clock_.now() / kMillisecond), model_id = "m-" + random_hex(16);
    const fs::path files = log_model(fresh, model_id, number, now);
    const fs::path folder = folder_of(fresh.name);
    if (!fs::exists(folder / "meta.yaml"))
      write(folder, "meta.yaml",
            "aliases: {}\ncreation_timestamp: " + now +
                "\ndeployment_job_id: null\ndeployment_job_state: null\ndescription: null\n"
                "last_updated_timestamp: " +
                now + "\nname: " + yaml_quoted(fresh.name) + "\n");
    const fs::path place = folder / (std::string(kVersionFolder) + std::to_string(number));
    for (const auto& [key, value] : tags) write(place / "tags", key, value);
    // Last: from now on others see the version.
    write(place, "meta.yaml",
          "aliases: []\ncreation_timestamp: " + now +
              "\ncurrent_stage: None\ndeployment_job_state: null\ndescription: null\nlast_updated_timestamp: " + now +
              "\nmetrics: null\nmodel_id: " + model_id + "\nname: " + yaml_quoted(fresh.name) +
              "\nparams: null\nrun_id: " + (fresh.run ? yaml_quoted(fresh.run->id) : "null") +
              "\nrun_link: null\nsource: models:/" + model_id +
              "\nstatus: READY\nstatus_message: null\nstorage_location: " + yaml_quoted(file_uri(files)) +
              "\nuser_id: null\nversion: " + std::to_string(number) + "\n");
    return version(fresh.name, number);
  }

  void set_alias(const std::string& name, const std::string& alias, std::int64_t number) override {
    version(name, number);
    write(folder_of(name) / "aliases", alias, std::to_string(number));
  }
  void set_model_tag(const std::string& name, const std::string& key, const std::string& value) override {
    write(folder_of(name) / "tags", key, value);
  }
  void set_version_tag(const ModelVersion& version, const std::string& key, const std::string& value) override {
    write(folder_of(version.name) / (std::string(kVersionFolder) + std::to_string(version.number)) / "tags", key,
          value);
  }

  fs::path bundle(const ModelVersion& version) override {
    fs::path files = path_of_uri(version.storage);
    if (!fs::exists(files)) files = moved(version);
    fs::path folder = files.empty() ? fs::path() : bundle_below(files);
    if (!has_hash(version, folder)) refuse_bundle(version, folder);
    return folder;
  }

  std::string where() const override { return root_.string(); }
  std::shared_ptr<void> hold() override { return std::make_shared<StoreLock>(root_); }

 private:
  void write(const fs::path& folder, const std::string& name, const std::string& text) const {
    write_value(folder, name, text, root_);
  }
  fs::path folder_of(const std::string& name) const { return root_ / "models" / name; }

  std::vector<std::int64_t> numbers(const std::string& name) const {
    std::vector<std::int64_t> found;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder_of(name), error)) {
      const std::string file = entry.path().filename().string();
      if (file.starts_with(kVersionFolder) && fs::exists(entry.path() / "meta.yaml"))
        found.push_back(number_in(file.substr(kVersionFolder.size())));
    }
    std::sort(found.rbegin(), found.rend());
    return found;
  }

  // The copy of the bundle as a logged model of the run's experiment; its files' folder.
  fs::path log_model(const NewVersion& fresh, const std::string& model_id, std::int64_t number,
                     const std::string& now) const {
    const fs::path run = fresh.run ? fresh.run->artifacts.parent_path() : fs::path();
    const fs::path experiment = run.empty() ? root_ / "0" : run.parent_path();
    const fs::path folder = experiment / "models" / model_id, files = folder / "artifacts";
    for (const char* part : {"artifacts", "metrics", "params", "tags"}) make_folders(folder / part);
    std::error_code error;
    fs::copy(fresh.bundle, files, fs::copy_options::recursive | fs::copy_options::overwrite_existing, error);
    if (error) throw failed("cannot copy " + fresh.bundle.string() + " to " + files.string() + ": " + error.message());
    Json versions = Json::array();
    Json item = Json::object();
    item["name"] = fresh.name;
    item["version"] = number;
    versions.push_back(std::move(item));
    write(folder / "tags", "mlflow.modelVersions", versions.dump());
    write(folder, "meta.yaml",
          "artifact_location: " + yaml_quoted(file_uri(files)) + "\ncreation_timestamp: " + now +
              "\nexperiment_id: " + yaml_quoted(experiment.filename().string()) + "\nlast_updated_timestamp: " + now +
              "\nmodel_id: " + model_id + "\nmodel_type: anomctl\nname: " + yaml_quoted(fresh.name) +
              "\nsource_run_id: " + (fresh.run ? yaml_quoted(fresh.run->id) : "null") +
              "\nstatus: 2\nstatus_message: null\n");
    if (!run.empty())
      write(run / "outputs" / model_id, "meta.yaml",
            "destination_id: " + model_id + "\ndestination_type: MODEL_OUTPUT\nsource_id: " + model_id +
                "\nsource_type: RUN_OUTPUT\nstep: 0\ntags: {}\n");
    return files;
  }

  // Of a store that was moved: the logged model below the present root.
  fs::path moved(const ModelVersion& version) const {
    if (!version.source.starts_with("models:/m-")) return {};
    const std::string id = version.source.substr(8);
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(root_, error))
      if (const fs::path files = entry.path() / "models" / id / "artifacts"; fs::exists(files)) return files;
    return {};
  }

  fs::path root_;
  const Clock& clock_;
};

}  // namespace

std::unique_ptr<ModelRegistry> open_folder_registry(const TrackingSettings& settings, const Clock& clock) {
  return std::make_unique<FolderModelRegistry>(settings, clock);
}

}  // namespace anomctl
