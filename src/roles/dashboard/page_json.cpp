#include "roles/dashboard/page_json.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "anomctl/core/json.h"

namespace anomctl::dashboard {

void add_number(std::string& json, double value) {
  if (!std::isfinite(value))
    json += "null";
  else
    fmt::format_to(std::back_inserter(json), "{:.6g}", value);
}

std::string json_text(std::string_view text) { return Json(text).dump(); }

double milliseconds_of(Nanoseconds time) { return static_cast<double>(time) / 1e6; }

namespace {

// [a, b, ..] with one item a row.
template <class F>
void add_list(std::string& json, std::span<const StoredRow> rows, F add) {
  json += '[';
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i > 0) json += ',';
    add(rows[i]);
  }
  json += ']';
}

void add_columns(std::string& json, std::span<const StoredRow> rows, std::size_t columns,
                 std::vector<double> StoredRow::*values) {
  json += '[';
  for (std::size_t c = 0; c < columns; ++c) {
    if (c > 0) json += ',';
    add_list(json, rows, [&](const StoredRow& row) {
      add_number(json, c < (row.*values).size() ? (row.*values)[c] : std::nan(""));
    });
  }
  json += ']';
}

}  // namespace

std::string layout_json(const StoredLayout& layout) {
  std::string json = "{\"columns\":[";
  for (std::size_t i = 0; i < layout.columns.size(); ++i)
    json += fmt::format("{}{{\"name\":{},\"unit\":{}}}", i > 0 ? "," : "", json_text(layout.columns[i].name),
                        json_text(layout.columns[i].unit));
  return json + fmt::format("],\"model\":{},\"period_s\":{:.6g}}}", json_text(layout.model), layout.period_s);
}

std::string rows_json(std::span<const StoredRow> rows, std::size_t columns) {
  std::string json = "{\"times\":";
  add_list(json, rows, [&](const StoredRow& row) { json += fmt::format("{:.3f}", milliseconds_of(row.time)); });
  json += ",\"score\":";
  add_list(json, rows, [&](const StoredRow& row) { add_number(json, row.score); });
  json += ",\"limit\":";
  add_list(json, rows, [&](const StoredRow& row) { add_number(json, row.threshold); });
  json += ",\"state\":";
  add_list(json, rows, [&](const StoredRow& row) { json += json_text(row.state); });
  json += ",\"values\":";
  add_columns(json, rows, columns, &StoredRow::values);
  json += ",\"expected\":";
  add_columns(json, rows, columns, &StoredRow::expected);
  return json + "}";
}

std::string label_json(const StoredLabel& label) {
  return fmt::format("{{\"episode\":{},\"asset\":{},\"kind\":{},\"comment\":{},\"author\":{},\"time\":{:.3f}}}",
                     json_text(label.episode), json_text(label.asset), json_text(label.kind), json_text(label.comment),
                     json_text(label.author), milliseconds_of(label.time));
}

std::string episode_json(std::string_view alert, std::span<const StoredLabel> labels) {
  std::string json = fmt::format("{{\"alert\":{},\"labels\":[", alert);
  for (std::size_t i = 0; i < labels.size(); ++i) json += (i > 0 ? "," : "") + label_json(labels[i]);
  return json + "]}";
}

std::string event_text(std::string_view name, std::string_view json) {
  return fmt::format("event: {}\ndata: {}\n\n", name, json);
}

}  // namespace anomctl::dashboard
