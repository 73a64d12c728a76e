// Series -> columns: which tags tell series apart, what columns are called, which follow one another in time.
#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <set>

#include "anomctl/core/error.h"
#include "data/column_names.h"
#include "data/influx/series.h"

namespace anomctl {
namespace {

using Keys = std::vector<std::string>;

std::string identity_of(const InfluxSeries& s, const Keys& keys) {
  std::string identity = s.field;
  for (const std::string& key : keys) {
    const auto found = s.tags.find(key);
    identity += '\x1f' + (found == s.tags.end() ? std::string() : found->second);
  }
  return identity;
}

// Series by identity, each group in order of time.
std::map<std::string, std::vector<const InfluxSeries*>> group_by(const std::vector<InfluxSeries>& series,
                                                                 const Keys& keys) {
  std::map<std::string, std::vector<const InfluxSeries*>> groups;
  for (const InfluxSeries& s : series) groups[identity_of(s, keys)].push_back(&s);
  for (auto& [identity, group] : groups) {
    std::sort(group.begin(), group.end(),
              [](const InfluxSeries* a, const InfluxSeries* b) { return a->times.front() < b->times.front(); });
  }
  return groups;
}

bool follow_one_another(const std::vector<InfluxSeries>& series, const Keys& keys) {
  for (const auto& [identity, group] : group_by(series, keys)) {
    for (std::size_t i = 1; i < group.size(); ++i) {
      if (group[i]->times.front() <= group[i - 1]->times.back()) return false;
    }
  }
  return true;
}

// The fewest tags without which series that overlap in time could not be told apart.
Keys telling_keys(const std::vector<InfluxSeries>& series, Keys& sequential) {
  std::map<std::string, std::set<std::string>> values;
  std::set<std::string> all;
  for (const InfluxSeries& s : series) {
    for (const auto& [key, value] : s.tags) all.insert(key);
  }
  for (const InfluxSeries& s : series) {
    for (const std::string& key : all) {
      const auto found = s.tags.find(key);
      values[key].insert(found == s.tags.end() ? std::string() : found->second);
    }
  }
  Keys keys;
  for (const auto& [key, seen] : values) {
    if (seen.size() > 1) keys.push_back(key);
  }
  // What the answer is called and where it was measured go first, so that a real tag names the column.
  std::stable_partition(keys.begin(), keys.end(),
                        [](const std::string& k) { return k == "result" || k == "_measurement"; });
  for (const std::string& key : Keys(keys)) {
    Keys without = keys;
    std::erase(without, key);
    if (!follow_one_another(series, without)) continue;
    const bool merges = group_by(series, without).size() < group_by(series, keys).size();
    if (merges) sequential.push_back(key);
    keys = std::move(without);
  }
  return keys;
}

bool named(const std::vector<std::string>& names, const InfluxColumn& column) {
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& n) { return n == column.name || n == column.field; });
}

void check_known(const std::vector<std::string>& names, const std::vector<InfluxColumn>& columns,
                 const std::set<std::string>& fields, const char* option) {
  std::vector<std::string> known(fields.begin(), fields.end());
  for (const InfluxColumn& column : columns) {
    if (fields.count(column.name) == 0) known.push_back(column.name);
  }
  for (const std::string& name : names) column_index(known, name, option);
}

void keep_tagged(std::vector<InfluxSeries>& series, const std::vector<std::string>& tags) {
  for (const std::string& tag : tags) {
    const std::size_t equals = tag.find('=');
    if (equals == std::string::npos) throw UsageError(fmt::format("--tag '{}': expected KEY=VALUE", tag));
    const std::string key = tag.substr(0, equals), value = tag.substr(equals + 1);
    std::set<std::string> seen;
    std::erase_if(series, [&](const InfluxSeries& s) {
      const auto found = s.tags.find(key);
      if (found != s.tags.end()) seen.insert(found->second);
      return found == s.tags.end() || found->second != value;
    });
    if (series.empty()) {
      throw UsageError(
          fmt::format("--tag '{}': no series has it{}", tag,
                      seen.empty() ? "" : fmt::format("; '{}' is {}", key, list_names({seen.begin(), seen.end()}))));
    }
  }
}

// Series that no tag tells apart (one lacks a tag that is empty in the other) may overlap: of a stamp the first stays.
void put_in_order(InfluxColumn& column, ReadReport& report) {
  if (std::is_sorted(column.times.begin(), column.times.end(), std::less_equal<>())) return;
  std::vector<std::size_t> order(column.times.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return column.times[a] < column.times[b]; });
  const InfluxColumn from = std::move(column);
  column = {from.name, from.field, {}, {}};
  for (const std::size_t i : order) {
    if (!column.times.empty() && column.times.back() == from.times[i]) {
      report.duplicate_stamps.add(fmt::format("'{}' at {}", column.name, format_stamp(from.times[i])));
      continue;
    }
    column.times.push_back(from.times[i]);
    column.values.push_back(from.values[i]);
  }
}

std::vector<InfluxColumn> join(const std::vector<InfluxSeries>& series, const Keys& keys,
                               std::vector<Nanoseconds>& starts, ReadReport& report) {
  std::vector<InfluxColumn> columns;
  for (const auto& [identity, group] : group_by(series, keys)) {
    InfluxColumn column;
    column.field = group.front()->field;
    std::string suffix;
    for (const std::string& key : keys) {
      const auto found = group.front()->tags.find(key);
      if (found != group.front()->tags.end() && !found->second.empty())
        suffix += (suffix.empty() ? "@" : ",") + found->second;
    }
    // Only fields that come more than once need to be told apart.
    const bool alone = std::all_of(series.begin(), series.end(), [&](const InfluxSeries& s) {
      return s.field != column.field || identity_of(s, keys) == identity;
    });
    column.name = alone ? column.field : column.field + suffix;
    for (std::size_t i = 0; i < group.size(); ++i) {
      if (i > 0) starts.push_back(group[i]->times.front());
      column.times.insert(column.times.end(), group[i]->times.begin(), group[i]->times.end());
      column.values.insert(column.values.end(), group[i]->values.begin(), group[i]->values.end());
    }
    put_in_order(column, report);
    columns.push_back(std::move(column));
  }
  return columns;
}

}  // namespace

InfluxColumns name_columns(std::vector<InfluxSeries> series, const InfluxSettings& settings, const std::string& file,
                           ReadReport& report) {
  keep_tagged(series, settings.tags);
  std::set<std::string> fields;
  std::vector<std::string> texts, empties;
  for (const InfluxSeries& s : series) {
    fields.insert(s.field);
    if (!s.times.empty()) continue;
    auto& list = s.texts > 0 ? texts : empties;
    const std::string told = s.texts > 0 ? fmt::format("{} ({})", s.field, s.example) : s.field;
    if (std::find(list.begin(), list.end(), told) == list.end()) list.push_back(told);
  }
  if (!texts.empty()) report.notes.push_back(fmt::format("left out, for they hold text: {}", list_names(texts)));
  if (!empties.empty())
    report.notes.push_back(fmt::format("left out, for they hold no value: {}", list_names(empties)));
  std::erase_if(series, [](const InfluxSeries& s) { return s.times.empty(); });
  if (series.empty()) throw input_error(fmt::format("{} holds no series of numbers", file));

  Keys sequential;
  const Keys keys = telling_keys(series, sequential);
  InfluxColumns out;
  std::vector<InfluxColumn> all = join(series, keys, out.run_starts, report);
  std::sort(out.run_starts.begin(), out.run_starts.end());
  if (!sequential.empty()) {
    report.notes.push_back(
        fmt::format("series that differ in {} follow one another in time: each field is one column, with runs",
                    list_names(sequential)));
  }
  check_known(settings.exclude, all, fields, "--exclude");
  check_known(settings.columns, all, fields, "--columns");
  if (!settings.label_column.empty() && settings.label_column != "none") {
    check_known({settings.label_column}, all, fields, "--label-column");
  }
  std::vector<std::string> labels;
  for (InfluxColumn& column : all) {
    const bool asked = named(settings.columns, column);
    const bool told = column.name == settings.label_column || column.field == settings.label_column;
    const bool guessed = settings.label_column.empty() && out.label.empty() && column.field == "anomaly" && !asked;
    if (out.label.empty() && (told || guessed)) {
      if (guessed) report.notes.push_back(fmt::format("label column: '{}'", column.name));
      out.label.push_back(std::move(column));
    } else if (named(settings.exclude, column) || (!settings.columns.empty() && !asked)) {
      continue;
    } else if (!asked && looks_like_label(column.field)) {
      labels.push_back(column.name);
    } else {
      out.data.push_back(std::move(column));
    }
  }
  if (!labels.empty()) {
    report.notes.push_back(
        fmt::format("left out, for they look like labels: {} (--columns takes them in)", list_names(labels)));
  }
  if (out.data.empty()) throw input_error(fmt::format("{}: no column is left", file));
  // In the order asked for, else by name as the groups are.
  std::stable_sort(out.data.begin(), out.data.end(), [&](const InfluxColumn& a, const InfluxColumn& b) {
    const auto rank = [&](const InfluxColumn& c) {
      for (std::size_t i = 0; i < settings.columns.size(); ++i) {
        if (settings.columns[i] == c.name || settings.columns[i] == c.field) return i;
      }
      return settings.columns.size();
    };
    return rank(a) < rank(b);
  });
  return out;
}

}  // namespace anomctl
