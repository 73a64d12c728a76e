#include "mtad_gat/checkpoint.h"

#include "anomctl/core/error.h"
#include "anomctl/core/log.h"

namespace anomctl {
namespace {

Json json_of(const EpochLosses& e) {
  return Json(Json::Array{e.epoch, e.train_forecast, e.train_reconstruction, e.train_total, e.val_forecast,
                          e.val_reconstruction, e.val_total, e.learning_rate, e.seconds});
}
EpochLosses losses_from(const Json& j) {
  const auto& a = j.as_array();
  if (a.size() != 9) throw input_error("an epoch of the checkpoint has the wrong length");
  const auto at = [&](std::size_t i) {
    return a[i].is_null() ? std::numeric_limits<double>::quiet_NaN() : a[i].as_double();
  };
  return {a[0].as_int(), at(1), at(2), at(3), at(4), at(5), at(6), at(7), at(8)};
}

}  // namespace

Json progress_of(const Checkpoint& c) {
  Json j = Json::object();
  j["fingerprint"] = c.fingerprint;
  j["steps"] = c.steps;
  j["best_epoch"] = c.best_epoch;
  j["best_loss"] = c.best_loss;
  j["waited"] = c.waited;
  j["epochs"] = Json::array();
  for (const EpochLosses& e : c.epochs) j["epochs"].push_back(json_of(e));
  return j;
}

void read_progress(const Json& j, Checkpoint& c) {
  c.fingerprint = j.at("fingerprint").as_string();
  c.steps = j.at("steps").as_int();
  c.best_epoch = j.at("best_epoch").as_int();
  c.best_loss = j.at("best_loss").is_null() ? std::numeric_limits<double>::infinity() : j.at("best_loss").as_double();
  c.waited = j.at("waited").as_int();
  for (const Json& e : j.at("epochs").as_array()) c.epochs.push_back(losses_from(e));
}

void save_checkpoint(const Checkpoint& c, const fs::path& folder) {
  fs::create_directories(folder);
  TensorMap all;
  for (const auto& [prefix, part] :
       {std::pair{"weights.", &c.weights}, {"best.", &c.best}, {"first.", &c.first}, {"second.", &c.second}}) {
    for (const auto& [name, tensor] : *part) all[prefix + name] = tensor;
  }
  const std::string bytes = to_safetensors(all);
  write_file_atomic(folder / "checkpoint.safetensors", bytes);
  Json j = progress_of(c);
  j["sha256"] = sha256_hex(bytes);
  write_file_atomic(folder / "checkpoint.json", j.dump(1));
}

std::optional<Checkpoint> load_checkpoint(const fs::path& folder, const std::string& fingerprint) {
  if (!fs::exists(folder / "checkpoint.json")) return std::nullopt;
  const Json j = Json::parse(read_file(folder / "checkpoint.json", 16 * kMiB), (folder / "checkpoint.json").string());
  if (j.at("fingerprint").as_string() != fingerprint) {
    throw UsageError(
        "the checkpoint belongs to a training with other settings or data: give the same, or begin anew without "
        "--resume");
  }
  const std::string bytes = read_file(folder / "checkpoint.safetensors", 2048 * kMiB);
  if (sha256_hex(bytes) != j.at("sha256").as_string()) {
    log_warning("{} was being written when the training was killed: starting anew", folder.string());
    return std::nullopt;
  }
  Checkpoint c;
  for (auto& [name, tensor] : parse_safetensors(bytes, folder.string())) {
    const std::size_t dot = name.find('.');
    const std::string part = name.substr(0, dot), key = name.substr(dot + 1);
    TensorMap& into = part == "weights" ? c.weights : part == "best" ? c.best : part == "first" ? c.first : c.second;
    into[key] = tensor;
  }
  read_progress(j, c);
  return c;
}

}  // namespace anomctl
