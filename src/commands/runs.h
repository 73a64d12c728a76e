// `anomctl runs list|show|compare|sync|export`: the tracked runs.
#pragma once

#include <string>

#include "anomctl/registry/tracking_settings.h"
#include "commands/command.h"

namespace anomctl {

struct RunsListOptions {
  std::string dataset;
  TrackingSettings tracking;

  static void fields(auto& self, auto&& field) {
    field("dataset", self.dataset, "only runs on this data set");
    TrackingSettings::fields(self.tracking, field);
  }
};

struct RunsShowOptions {
  std::string run;
  TrackingSettings tracking;

  static void fields(auto& self, auto&& field) {
    field("run", self.run, "id, the beginning of one, name, -1 for the latest, -2 for the one before", Required{},
          Positional{});
    TrackingSettings::fields(self.tracking, field);
  }
};

struct RunsCompareOptions {
  std::string first, second;
  TrackingSettings tracking;

  static void fields(auto& self, auto&& field) {
    field("first", self.first, "a run: id, the beginning of one, name, -1 for the latest", Required{}, Positional{});
    field("second", self.second, "the run beside it", Required{}, Positional{});
    TrackingSettings::fields(self.tracking, field);
  }
};

struct RunsSyncOptions {
  std::string run;
  TrackingSettings tracking;

  static void fields(auto& self, auto&& field) {
    field("run", self.run, "only this run: id, the beginning of one, name, -1 for the latest (default: all)",
          Positional{});
    TrackingSettings::fields(self.tracking, field);
  }
};

struct RunsExportOptions {
  std::string run;
  fs::path output;
  TrackingSettings tracking;

  static void fields(auto& self, auto&& field) {
    field("run", self.run, "only this run: id, the beginning of one, name, -1 for the latest (default: all)",
          Positional{});
    field("output", self.output, "SQLite file to write", Required{});
    TrackingSettings::fields(self.tracking, field);
  }
};

CommandSpec runs_list_command();
CommandSpec runs_show_command();
CommandSpec runs_compare_command();
CommandSpec runs_sync_command();
CommandSpec runs_export_command();

}  // namespace anomctl
