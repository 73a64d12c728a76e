// Flux scripts from what a user names. Whatever a text holds, it stays a text in the script. Source: the Flux
// specification, "String literals" (https://docs.influxdata.com/flux/v0/spec/lexical-elements/). Thread rule: pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "anomctl/core/time.h"

namespace anomctl {

// A string literal: quotes, backslashes, interpolation ("${") and control characters escaped.
std::string flux_string(std::string_view text);

struct FluxSelection {
  std::string bucket;
  std::vector<std::string> measurements;                  // any of these; empty: all
  std::vector<std::pair<std::string, std::string>> tags;  // key, value: all of these
  std::string field;                                      // empty: all
};
// The points of [start, stop) in that bucket.
std::string flux_query(const FluxSelection& selection, Nanoseconds start, Nanoseconds stop);

}  // namespace anomctl
