#include <fmt/core.h>

#include <algorithm>

#include "anomctl/data/source.h"

namespace anomctl {
namespace {

std::string first_of(const Tally& tally) {
  return tally.first.empty() ? "" : fmt::format(" (first at {})", tally.first);
}

}  // namespace

std::vector<std::string> ReadReport::sentences(const std::vector<std::string>& columns) const {
  std::vector<std::string> out = notes;
  const auto tell = [&](const Tally& tally, const char* what) {
    if (tally.count > 0) out.push_back(fmt::format("{} {}{}", tally.count, what, first_of(tally)));
  };
  tell(duplicate_stamps, "rows dropped: their stamp was there before");
  tell(backward_stamps, "rows dropped: their stamp goes back in time");
  tell(repeated_hour,
       "stamps lie in the hour that the end of summer time repeats: the earlier instant was taken, or the "
       "later when that had passed");
  tell(skipped_hour, "stamps lie in the hour that the start of summer time skips: the moment of the jump was taken");
  tell(missing_cells, "cells hold no value");
  tell(text_cells, "cells hold text in a number column and count as missing");
  if (filled_cells > 0) out.push_back(fmt::format("{} cells filled", filled_cells));
  tell(dropped_rows, "rows dropped: a value is missing for too long to be filled");
  for (std::size_t c = 0; c < std::min(columns.size(), dropped_by_column.size()); ++c) {
    if (dropped_by_column[c] * 10 > rows_read && dropped_by_column[c] * 2 > dropped_rows.count) {
      out.push_back(fmt::format("column '{}' is missing in {} dropped rows: --exclude {} would keep them", columns[c],
                                dropped_by_column[c], columns[c]));
    }
  }
  if (gaps > 0) out.push_back(fmt::format("{} gaps end a run", gaps));
  return out;
}

Json ReadReport::to_json() const {
  Json json = Json::object();
  json["rows_read"] = rows_read;
  json["duplicate_stamps"] = duplicate_stamps.count;
  json["backward_stamps"] = backward_stamps.count;
  json["repeated_hour_stamps"] = repeated_hour.count;
  json["skipped_hour_stamps"] = skipped_hour.count;
  json["missing_cells"] = missing_cells.count;
  json["text_cells"] = text_cells.count;
  json["filled_cells"] = filled_cells;
  json["dropped_rows"] = dropped_rows.count;
  json["gaps"] = gaps;
  return json;
}

Nanoseconds median_step(std::vector<Nanoseconds>& steps) {
  std::erase_if(steps, [](Nanoseconds s) { return s <= 0; });
  if (steps.empty()) return 0;
  const auto middle = steps.begin() + static_cast<std::ptrdiff_t>(steps.size() / 2);
  std::nth_element(steps.begin(), middle, steps.end());
  return *middle;
}

}  // namespace anomctl
