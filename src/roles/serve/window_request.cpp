#include "roles/serve/window_request.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "anomctl/core/fields.h"

namespace anomctl::serve {

namespace {

using v2::bad_request;

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ",") + std::to_string(shape[i]);
  return text + "]";
}

// Elements of BYTES as numbers; false for a text that is none.
bool numbers_of_texts(const std::vector<std::string>& texts, std::vector<double>& numbers) {
  numbers.resize(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::string& text = texts[i];
    const auto result = std::from_chars(text.data(), text.data() + text.size(), numbers[i]);
    if (result.ec != std::errc() || result.ptr != text.data() + text.size() || !std::isfinite(numbers[i])) return false;
  }
  return true;
}

// A sensor's missing values become its last one; those before its first value become that.
void hold_missing(std::span<double> window, std::size_t rows, std::size_t k) {
  for (std::size_t c = 0; c < k; ++c) {
    double last = std::numeric_limits<double>::quiet_NaN();
    for (std::size_t r = 0; r < rows && std::isnan(last); ++r)
      if (std::isfinite(window[r * k + c])) last = window[r * k + c];
    for (std::size_t r = 0; r < rows; ++r) {
      double& value = window[r * k + c];
      if (std::isfinite(value))
        last = value;
      else
        value = last;
    }
  }
}

std::optional<v2::Refusal> make_finite(WindowRequest& request, const ServedModel& served) {
  if (std::all_of(request.windows.begin(), request.windows.end(), [](double v) { return std::isfinite(v); }))
    return std::nullopt;
  const std::size_t rows = served.window() + 1, k = served.sensors();
  for (std::size_t i = 0; i < request.n; ++i) {
    const auto window = std::span(request.windows).subspan(i * rows * k, rows * k);
    hold_missing(window, rows, k);
    for (std::size_t c = 0; c < k; ++c)
      if (!std::isfinite(window[c]))
        return bad_request("window " + std::to_string(i) + " holds no value of " + served.bundle->columns[c].name);
  }
  return std::nullopt;
}

std::variant<WindowRequest, v2::Refusal> windows_of_array(const v2::InferRequest& request, const ServedModel& served,
                                                          std::size_t max_windows) {
  const bool tells_missing = request.inputs.size() == 2 && request.inputs.back().name == "missing";
  if (request.inputs.size() != 1 && !tells_missing)
    return bad_request(
        "There was an error encoding / decoding the payload: The 'np' codec only supports a single input tensor (" +
        std::to_string(request.inputs.size()) + " were received)");
  const v2::InferInput& input = request.inputs.front();
  const auto rows = static_cast<std::int64_t>(served.window() + 1), k = static_cast<std::int64_t>(served.sensors());
  const auto& shape = input.shape;
  const bool single = shape.size() == 2;
  if ((shape.size() != 3 && !single) || shape[shape.size() - 2] != rows || shape.back() != k)
    return bad_request("tensor '" + input.name + "' has shape " + shape_text(shape) + "; model " + served.name +
                       " takes [n," + std::to_string(rows) + "," + std::to_string(k) + "]: windows of " +
                       std::to_string(rows) + " rows of " + std::to_string(k) +
                       " sensors, the last row being the one that is judged");
  WindowRequest made;
  made.n = single ? 1 : static_cast<std::size_t>(shape[0]);
  if (made.n == 0) return bad_request("tensor '" + input.name + "' holds no window");
  if (made.n > max_windows)
    return bad_request("tensor '" + input.name + "' holds " + std::to_string(made.n) + " windows, at most " +
                       std::to_string(max_windows) + " are taken at once (max_request_windows)");
  if (input.datatype != v2::DataType::bytes)
    made.windows = input.numbers;
  else if (!numbers_of_texts(input.texts, made.windows))
    return bad_request("tensor '" + input.name + "' is BYTES and holds a text that is no number");
  if (!tells_missing) return made;
  const v2::InferInput& missing = request.inputs.back();
  const std::vector<std::int64_t> wanted{static_cast<std::int64_t>(made.n), k};
  if (missing.numbers.size() != made.n * served.sensors() ||
      (missing.shape != wanted && !(single && missing.shape.size() == 1)))
    return bad_request("tensor 'missing' has shape " + shape_text(missing.shape) + ", [" + std::to_string(made.n) +
                       "," + std::to_string(k) + "] is needed: a flag for each sensor of each window's last row");
  for (const double flag : missing.numbers) made.missing.push_back(flag != 0 ? 1 : 0);
  for (std::size_t i = 0; i < made.n; ++i) {
    const auto flags = std::span(made.missing).subspan(i * served.sensors(), served.sensors());
    if (std::all_of(flags.begin(), flags.end(), [](std::uint8_t flag) { return flag != 0; }))
      return bad_request("window " + std::to_string(i) + " is missing every sensor: there is nothing to judge");
  }
  return made;
}

std::variant<WindowRequest, v2::Refusal> windows_of_table(const v2::InferRequest& request, const ServedModel& served,
                                                          std::size_t max_windows) {
  const std::size_t w = served.window(), k = served.sensors();
  std::vector<std::vector<double>> columns(k);
  std::size_t rows = 0;
  for (std::size_t c = 0; c < k; ++c) {
    const std::string& name = served.bundle->columns[c].name;
    const auto input =
        std::find_if(request.inputs.begin(), request.inputs.end(), [&](const auto& i) { return i.name == name; });
    if (input == request.inputs.end()) return bad_request("Model is missing inputs ['" + name + "']");
    if (input->shape.size() > 2 || (input->shape.size() == 2 && input->shape[1] != 1))
      return bad_request("column '" + name + "' has shape " + shape_text(input->shape) +
                         ", [rows] or [rows,1] is needed");
    if (input->datatype != v2::DataType::bytes)
      columns[c] = input->numbers;
    else if (!numbers_of_texts(input->texts, columns[c]))
      return bad_request("column '" + name + "' holds a text that is no number");
    if (c == 0) rows = columns[c].size();
    if (columns[c].size() != rows)
      return bad_request("column '" + name + "' has another number of rows than the first one");
  }
  if (rows <= w)
    return bad_request("the table has " + std::to_string(rows) + " rows, " + std::to_string(w + 1) +
                       " or more are needed");
  WindowRequest made;
  made.n = rows - w;
  if (made.n > max_windows)
    return bad_request("the table has " + std::to_string(rows) + " rows, at most " + std::to_string(max_windows + w) +
                       " are taken at once (max_request_windows)");
  made.windows.resize(made.n * (w + 1) * k);
  for (std::size_t i = 0; i < made.n; ++i)
    for (std::size_t r = 0; r <= w; ++r)
      for (std::size_t c = 0; c < k; ++c) made.windows[(i * (w + 1) + r) * k + c] = columns[c][i + r];
  return made;
}

// Whether the tensors are the columns of a table, and not one array of windows.
bool is_table(const v2::InferRequest& request, const ServedModel& served) {
  if (request.inputs.empty()) return false;
  const v2::InferInput& first = request.inputs.front();
  const bool alone = request.inputs.size() == 1;
  if (alone && first.shape.size() > 2) return false;
  const std::string& type = request.content_type.empty() ? first.content_type : request.content_type;
  if (type == "np") return false;
  const auto& columns = served.bundle->columns;
  const bool column =
      std::any_of(columns.begin(), columns.end(), [&](const Column& c) { return c.name == first.name; });
  return column || (type == "pd" && !alone);
}

}  // namespace

std::variant<WindowRequest, v2::Refusal> windows_of(const v2::InferRequest& request, const ServedModel& served,
                                                    std::size_t max_windows) {
  for (const v2::InferInput& input : request.inputs)
    for (const std::string& type : {request.content_type, input.content_type})
      if (!type.empty() && type != "np" && type != "pd")
        return bad_request("content_type '" + type + "' is not offered: use np (arrays) or pd (columns)");
  auto made = is_table(request, served) ? windows_of_table(request, served, max_windows)
                                        : windows_of_array(request, served, max_windows);
  if (auto* windows = std::get_if<WindowRequest>(&made))
    if (auto refusal = make_finite(*windows, served)) return *refusal;
  return made;
}

std::vector<v2::InferOutput> outputs_of(const v2::InferRequest& request, const WindowScores& scores,
                                        std::optional<double> threshold) {
  const auto n = static_cast<std::int64_t>(scores.score.size());
  const auto k = static_cast<std::int64_t>(scores.contribution.cols());
  auto values_of = [](const Matrix<double>& m) { return std::vector<double>(m.values().begin(), m.values().end()); };
  // What a window alone cannot tell, smoothing over rows, is not in these scores.
  static const std::string kStateless = "\"stateless\":true";
  auto make = [&](const std::string& name) -> std::optional<v2::InferOutput> {
    if (name == "score") return v2::InferOutput{name, v2::DataType::fp64, {n}, scores.score, kStateless, false};
    if (name == "output-1") return v2::InferOutput{name, v2::DataType::fp32, {n, 1}, scores.score, kStateless, false};
    if (name == "is_anomaly" && threshold) {
      std::vector<double> over(scores.score.size());
      std::transform(scores.score.begin(), scores.score.end(), over.begin(),
                     [&](double s) { return s >= *threshold ? 1.0 : 0.0; });
      return v2::InferOutput{name, v2::DataType::boolean, {n}, std::move(over), kStateless, false};
    }
    if (name == "contribution")
      return v2::InferOutput{name, v2::DataType::fp64, {n, k}, values_of(scores.contribution), "", false};
    if (name == "expected")
      return v2::InferOutput{name, v2::DataType::fp64, {n, k}, values_of(scores.expected), "", false};
    if (name == "members" && scores.members.cols() > 0) {
      const auto parts = static_cast<std::int64_t>(kMemberParts);
      return v2::InferOutput{name, v2::DataType::fp64, {n, parts, k}, values_of(scores.members), kStateless, false};
    }
    return std::nullopt;
  };
  std::vector<v2::InferOutput> outputs;
  for (const v2::RequestedOutput& wanted : request.outputs) {
    if (auto output = make(wanted.name)) {
      output->binary = wanted.binary.value_or(request.binary_output);
      if (output->name == "output-1" && !output->binary)
        for (double& value : output->numbers) value = static_cast<double>(static_cast<float>(value));
      outputs.push_back(std::move(*output));
    }
  }
  if (!outputs.empty()) return outputs;
  for (const char* name : {"score", "is_anomaly", "contribution", "expected"}) {
    if (auto output = make(name)) {
      output->binary = request.binary_output;
      outputs.push_back(std::move(*output));
    }
  }
  return outputs;
}

}  // namespace anomctl::serve
