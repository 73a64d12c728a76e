// `anomctl models register|promote|rollback`: registered models, their versions and aliases.
#pragma once

#include <string>

#include "anomctl/registry/model_registry.h"
#include "commands/command.h"

namespace anomctl {

struct ModelsRegisterOptions {
  std::string name, run;
  fs::path bundle;
  std::string alias;
  TrackingSettings tracking;

  static void fields(auto& self, auto&& field) {
    field("name", self.name, "registered model that gets a version", Required{}, Positional{});
    field("run", self.run, "run whose bundle it is: id, name, -1 for the latest (the default)");
    field("bundle", self.bundle, "folder of a bundle, instead of a run");
    field("alias", self.alias, "also let this alias name the version: challenger, say");
    TrackingSettings::fields(self.tracking, field);
  }
};

struct ModelsPromoteOptions {
  std::string model;
  std::string alias = kChampion;
  TrackingSettings tracking;

  static void fields(auto& self, auto&& field) {
    field("model", self.model, "version that the alias shall name: NAME/3, NAME@challenger", Required{}, Positional{});
    field("alias", self.alias, "alias that moves");
    TrackingSettings::fields(self.tracking, field);
  }
};

struct ModelsRollbackOptions {
  std::string name;
  std::string alias = kChampion;
  TrackingSettings tracking;

  static void fields(auto& self, auto&& field) {
    field("name", self.name, "registered model", Required{}, Positional{});
    field("alias", self.alias, "alias that goes back to the version it named before");
    TrackingSettings::fields(self.tracking, field);
  }
};

// A registered model with aliases and versions, and their lineage, as lines and as JSON.
Json registered_json(const RegisteredModel& model);
std::string registered_text(const RegisteredModel& model);
Json version_json(const ModelVersion& version);

CommandSpec models_register_command();
CommandSpec models_promote_command();
CommandSpec models_rollback_command();

}  // namespace anomctl
