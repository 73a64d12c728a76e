// The bodies of MLflow's POST /invocations as a V2 request. Thread rule: pure functions.
#pragma once

#include <string_view>
#include <variant>

#include "anomctl/detection/bundle.h"
#include "anomctl/io/openinference/infer_request.h"

namespace anomctl::serve {

// {"inputs": nested array or {name: nested array}}, {"instances": nested array}, {"dataframe_split": {"columns",
// "data"}} or
// {"dataframe_records": [{column: value}]}.
std::variant<v2::InferRequest, v2::Refusal> read_invocation(std::string_view body, std::string_view content_type,
                                                            const Bundle& bundle, const v2::InferLimits& limits);

}  // namespace anomctl::serve
