// From the tensors of a request to the windows that a model judges, and back to the tensors of its answer.
// Thread rule: pure functions.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "anomctl/io/openinference/infer_request.h"
#include "anomctl/io/openinference/infer_response.h"
#include "roles/serve/served_model.h"

namespace anomctl::serve {

struct WindowRequest {
  std::size_t n = 0;
  std::vector<double> windows;        // (n, w + 1, k), in the sensors' units, finite
  std::vector<std::uint8_t> missing;  // (n, k), or empty
};

// np: one tensor [n, w + 1, k] or [w + 1, k], and a second one `missing` [n, k] where values of the last rows only stand
// in for missing ones. pd: one tensor a column, each [rows] or [rows, 1], named after the
// model's columns; every row after the first w is judged. Values that are not finite (let through by a setting) become
// the sensor's value of the row before, as the live detector does it.
std::variant<WindowRequest, v2::Refusal> windows_of(const v2::InferRequest& request, const ServedModel& served,
                                                    std::size_t max_windows);

// The outputs that the request names, where it names none that exist all but `members` and MLServer's "output-1", which
// is the score as [n, 1].
std::vector<v2::InferOutput> outputs_of(const v2::InferRequest& request, const WindowScores& scores,
                                        std::optional<double> threshold);

}  // namespace anomctl::serve
