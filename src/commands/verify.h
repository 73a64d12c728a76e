// `anomctl verify`: judges verdicts of a store again from the readings beside them, and compares.
#pragma once

#include <string>
#include <vector>

#include "anomctl/core/fields.h"
#include "anomctl/core/files.h"
#include "anomctl/registry/tracking_settings.h"
#include "commands/command.h"

namespace anomctl {

struct VerifyOptions {
  fs::path store = "anomctl.store";
  fs::path bundle;
  std::string run, model;
  TrackingSettings tracking;
  std::string asset, verdict, start, end;
  std::int64_t limit = 20;
  std::vector<std::string> fail_on;

  static void fields(auto& self, auto&& field) {
    field("store", self.store, "the store of anomctl manage --store, or of up");
    field("bundle", self.bundle, "folder of the bundle that judged (default: that of the run)");
    field("run", self.run, "run whose bundle judged: id, name, -1 for the latest (the default)");
    field("model", self.model, "registered model that judged: NAME/3, NAME@champion");
    TrackingSettings::fields(self.tracking, field);
    field("asset", self.asset, "verdicts of this asset only");
    field("verdict", self.verdict, "the verdict of this id only");
    field("start", self.start, "verdicts from this stamp on, such as 2026-01-02T03:04:05Z");
    field("end", self.end, "verdicts up to this stamp");
    field("limit", self.limit, "most differences to tell", Between{1, 1000});
    field("fail_on", self.fail_on,
          "exit with 3 where a bound on a count holds, as in 'not_judged>0'; may be repeated; known are rows, judged, "
          "equal, within, not_judged, missing");
  }
};

CommandSpec verify_command();

}  // namespace anomctl
