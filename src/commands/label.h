// `anomctl label`: lists the alerts of a store and notes what a person says of them, as the page does.
#pragma once

#include <string>

#include "anomctl/core/files.h"
#include "commands/command.h"

namespace anomctl {

struct LabelOptions {
  fs::path store = "anomctl.store";
  std::string episode, asset, start, end;
  std::string as;
  std::string comment;
  std::string author;
  bool unjudged = false;
  std::int64_t limit = 50;

  static void fields(auto& self, auto&& field) {
    field("store", self.store, "the store of anomctl manage --store, or of up");
    field("episode", self.episode, "id of the alert that is judged");
    field("asset", self.asset, "list alerts of this asset only; with start, end and as: judge this span of its rows");
    field("start", self.start, "first stamp of the span, such as 2026-01-02T03:04:05Z");
    field("end", self.end, "last stamp of the span");
    field("as", self.as,
          "what it was: true (an anomaly), false (a false alarm), none (neither any more), acknowledged, comment; left "
          "out: alerts are listed");
    field("comment", self.comment, "some words");
    field("author", self.author, "who says so (default: your user name)");
    field("unjudged", self.unjudged, "list alerts only that nobody has judged");
    field("limit", self.limit, "most alerts to list, the newest", Between{1, 1e6});
  }
};

CommandSpec label_command();

}  // namespace anomctl
