// One loaded bundle with its model and its batcher: what a request is answered from. Thread rule: constant but for the
// batcher, which is safe from any thread; shared by pointer, so a replaced model goes on until its last request is
// answered.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "anomctl/core/files.h"
#include "anomctl/detection/bundle.h"
#include "anomctl/model/window_model.h"
#include "roles/serve/batcher.h"

namespace anomctl::serve {

using ModelFactory = std::function<std::shared_ptr<const WindowModel>(const Bundle&)>;

struct ModelSource {
  std::string name;  // empty: the bundle's own
  std::string version = "1";
  fs::path folder;
  std::string id;  // of a registered version, "pump/3": takes the place of the bundle's own name; empty: of none
};

struct ServedModel {
  std::string name, version;
  std::shared_ptr<const Bundle> bundle;
  std::shared_ptr<const WindowModel> model;
  std::unique_ptr<Batcher> batcher;

  std::size_t window() const { return static_cast<std::size_t>(bundle->settings.window_size); }
  std::size_t sensors() const { return bundle->columns.size(); }
};

// Loads the folder and scores one window, so that a model which cannot is never served. Throws Error.
std::shared_ptr<ServedModel> load_served_model(const ModelSource& source, const ModelFactory& factory,
                                               const BatchSettings& batching);

// GET /v2/models/NAME as JSON.
std::string model_metadata(const ServedModel& served);

}  // namespace anomctl::serve
