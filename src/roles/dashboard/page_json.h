// The JSON that the page gets, written at once as text: there is much of it. Private to dashboard. Thread rule: pure
// functions.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "anomctl/io/store/record_store.h"

namespace anomctl::dashboard {

// Six digits, which no screen shows; null for what is no number.
void add_number(std::string& json, double value);
std::string json_text(std::string_view text);
double milliseconds_of(Nanoseconds time);

// {"columns": [{"name", "unit"}..], "model", "period_s"}
std::string layout_json(const StoredLayout& layout);
// {"times": [ms..], "score": [..], "limit": [..], "state": [..], "values": [[..] a column..], "expected": [[..]..]};
// every list has one item a row.
std::string rows_json(std::span<const StoredRow> rows, std::size_t columns);
// {"alert": as published, "labels": [{"kind", "comment", "author", "time"}..]}
std::string episode_json(std::string_view alert, std::span<const StoredLabel> labels);
std::string label_json(const StoredLabel& label);
// "event: NAME\ndata: JSON\n\n"
std::string event_text(std::string_view name, std::string_view json);

}  // namespace anomctl::dashboard
