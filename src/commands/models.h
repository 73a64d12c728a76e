// `anomctl models list|show|export`: bundles as folders.
#pragma once

#include <string>
#include <vector>

#include "anomctl/core/fields.h"
#include "anomctl/core/files.h"
#include "anomctl/detection/bundle.h"
#include "anomctl/registry/tracking_settings.h"
#include "commands/command.h"

namespace anomctl {

struct ModelsListOptions {
  fs::path models_dir = "models";
  TrackingSettings tracking;

  static void fields(auto& self, auto&& field) {
    field("models_dir", self.models_dir, "folder with bundles, at any depth");
    TrackingSettings::fields(self.tracking, field);
  }
};

struct ModelsShowOptions {
  ModelsListOptions where;
  std::string bundle;

  static void fields(auto& self, auto&& field) {
    field("bundle", self.bundle,
          "folder of the bundle, the name of a listed one, or a registered model: NAME@champion, NAME/3", Required{},
          Positional{});
    ModelsListOptions::fields(self.where, field);
  }
};

struct ModelsExportOptions {
  ModelsListOptions where;
  std::string bundle;
  fs::path output;

  static void fields(auto& self, auto&& field) {
    field("bundle", self.bundle, "folder of the bundle, or the name of a listed one", Required{}, Positional{});
    field("output", self.output, "folder to write", Required{});
    ModelsListOptions::fields(self.where, field);
  }
};

// Folders with a bundle.json below `models_dir` and where runs are kept here, newest first.
std::vector<fs::path> find_bundles(const ModelsListOptions& options);
// `text` as a folder, else as the name of the newest listed bundle. Throws UsageError with the names there are.
fs::path find_bundle(const std::string& text, const ModelsListOptions& options);

// "0.4 (pot)".
std::string limit_text(const Bundle& bundle);

CommandSpec models_list_command();
CommandSpec models_show_command();
CommandSpec models_export_command();

}  // namespace anomctl
