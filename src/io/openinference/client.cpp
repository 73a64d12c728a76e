#include "anomctl/io/openinference/client.h"

#include <charconv>
#include <limits>

#include "anomctl/core/error.h"
#include "anomctl/io/openinference/tensor.h"

namespace anomctl::v2 {

namespace {

// What the server gives as reason, else the beginning of its answer.
std::string reason_of(const HttpResponse& response) {
  try {
    const Json body = Json::parse(response.body);
    if (const Json* error = body.find("error"); error && error->is_string()) return error->as_string();
    if (const Json* detail = body.find("detail")) return detail->dump();
  } catch (const Error&) {
  }
  return response.body.substr(0, 200);
}

void require_ok(const HttpResponse& response, const std::string& what) {
  if (response.status == 200) return;
  const std::string text =
      what + ": the server answered " + std::to_string(response.status) + " " + reason_of(response);
  if (response.status == 401) throw failed(text + ": it wants an API token that it knows (manage --server-token-file)");
  if (response.status == 403) throw failed(text + ": the API token needs the scopes infer and read");
  if (response.status == 429 || response.status == 503) throw unreachable_error(text);
  throw failed(text);
}

std::size_t json_size(const HttpResponse& response) {
  const std::string_view text = response.headers.get("inference-header-content-length");
  if (text.empty()) return response.body.size();
  std::size_t size = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), size);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size() || size > response.body.size())
    throw failed("the server's Inference-Header-Content-Length does not fit its answer");
  return size;
}

void flatten(const Json& data, std::vector<double>& numbers) {
  if (data.is_array())
    for (const Json& item : data.as_array()) flatten(item, numbers);
  else
    numbers.push_back(data.is_null()   ? std::numeric_limits<double>::quiet_NaN()
                      : data.is_bool() ? static_cast<double>(data.as_bool())
                                       : data.as_double());
}

}  // namespace

std::vector<double> output_numbers(const Json& answer, std::string_view blob, std::string_view name,
                                   std::size_t wanted) {
  std::size_t at = 0;  // binary outputs follow one another in their order
  for (const Json& output : answer.at("outputs").as_array()) {
    const bool found = output.at("name").as_string() == name;
    const Json* parameters = output.find("parameters");
    const Json* size = parameters ? parameters->find("binary_data_size") : nullptr;
    std::vector<double> numbers;
    if (size) {
      const auto bytes = static_cast<std::size_t>(size->as_int());
      if (size->as_int() < 0 || bytes > blob.size() - at) throw failed("output '" + std::string(name) + "' is cut off");
      if (found) {
        const auto type = parse_data_type(output.at("datatype").as_string());
        if (!type || element_size(*type) == 0 || bytes % element_size(*type) != 0)
          throw failed("output '" + std::string(name) + "' has a datatype that does not fit");
        numbers = decode_numbers(*type, blob.substr(at, bytes));
      }
      at += bytes;
    } else if (found) {
      flatten(output.at("data"), numbers);
    }
    if (!found) continue;
    if (numbers.size() != wanted)
      throw failed("output '" + std::string(name) + "' has " + std::to_string(numbers.size()) + " numbers, " +
                   std::to_string(wanted) + " were expected");
    return numbers;
  }
  throw failed("the server's answer has no output '" + std::string(name) + "': is it anomctl serve?");
}

Client::Client(const std::string& url, const std::string& model, HttpClientSettings settings, const std::string& token)
    : http_(url, std::move(settings)), model_(model) {
  if (!token.empty()) http_.headers.set("authorization", "Bearer " + token);
}

Json Client::get_json(const std::string& target) {
  const HttpResponse response = http_.get(target);
  require_ok(response, "GET " + target);
  return Json::parse(response.body, "the server's answer");
}

void Client::find_model() {
  if (!model_.empty()) return;
  const HttpResponse response = http_.post("/v2/repository/index", "{}");
  require_ok(response, "POST /v2/repository/index");
  const Json index = Json::parse(response.body, "the server's answer");
  if (index.size() != 1)
    throw UsageError("the server has " + std::to_string(index.size()) + " models: say which one with --model");
  model_ = index.as_array().front().at("name").as_string();
}

bool Client::ready() {
  try {
    find_model();
    return http_.get("/v2/models/" + percent_encode(model_) + "/ready").status == 200;
  } catch (const Error&) {
    return false;
  }
}

RemoteModel Client::describe() {
  find_model();
  RemoteModel model;
  model.metadata = get_json("/v2/models/" + percent_encode(model_));
  model.name = model.metadata.at("name").as_string();
  if (const Json* versions = model.metadata.find("versions"); versions && versions->size() > 0)
    model.version = versions->as_array().back().as_string();
  const Json::Array& inputs = model.metadata.at("inputs").as_array();
  if (inputs.empty() || inputs.front().at("shape").size() != 3)
    throw failed("model " + model_ + " does not take windows");
  const Json::Array& shape = inputs.front().at("shape").as_array();
  if (shape[1].as_int() < 2 || shape[2].as_int() < 1)
    throw failed("model " + model_ + " does not say how long its windows are");
  model.window = static_cast<std::size_t>(shape[1].as_int() - 1);
  model.sensors = static_cast<std::size_t>(shape[2].as_int());
  if (const Json* parameters = model.metadata.find("parameters")) {
    if (const Json* limit = parameters->find("threshold"); limit && limit->is_number())
      model.threshold = limit->as_double();
    if (const Json* columns = parameters->find("columns")) model.columns = strings(*columns);
    if (const Json* units = parameters->find("units")) model.units = strings(*units);
  }
  return model;
}

RemoteScores Client::judge(const WindowQuestion& question) {
  find_model();
  const std::size_t n = question.n, k = question.sensors;
  Json inputs = Json::array(), outputs = Json::array();
  const auto tensor = [&](const char* name, Json::Array shape, const char* type, std::size_t bytes) {
    Json input = Json::object();
    input["name"] = name;
    input["shape"] = std::move(shape);
    input["datatype"] = type;
    input["parameters"]["binary_data_size"] = static_cast<std::int64_t>(bytes);
    inputs.push_back(std::move(input));
  };
  const auto size = [](std::size_t value) { return Json(static_cast<std::int64_t>(value)); };
  tensor("input-0", {size(n), size(question.rows), size(k)}, "FP64", question.windows.size() * sizeof(double));
  if (!question.missing.empty()) tensor("missing", {size(n), size(k)}, "BOOL", question.missing.size());
  std::vector<std::string> wanted{"score", "contribution", "expected"};
  if (question.member_parts > 0) wanted.push_back("members");
  for (const std::string& name : wanted) {
    Json output = Json::object();
    output["name"] = name;
    outputs.push_back(std::move(output));
  }
  Json body = Json::object();
  body["inputs"] = std::move(inputs);
  body["outputs"] = std::move(outputs);
  body["parameters"]["binary_data_output"] = true;
  HttpRequest request;
  request.method = "POST";
  request.target = "/v2/models/" + percent_encode(model_) + "/infer";
  request.headers.add("content-type", "application/octet-stream");
  request.body = body.dump();
  request.headers.add("inference-header-content-length", std::to_string(request.body.size()));
  request.body.reserve(request.body.size() + question.windows.size() * sizeof(double) + question.missing.size());
  for (const double value : question.windows) append_number(DataType::fp64, value, request.body);
  for (const std::uint8_t flag : question.missing) append_number(DataType::boolean, flag, request.body);
  const HttpResponse response = http_.send(request);
  require_ok(response, "POST " + request.target);
  const std::size_t json_bytes = json_size(response);
  const Json answer = Json::parse(std::string_view(response.body).substr(0, json_bytes), "the server's answer");
  const std::string_view blob = std::string_view(response.body).substr(json_bytes);
  const auto read = [&](const char* name, std::size_t columns) {
    Matrix<double> matrix(n, columns);
    const std::vector<double> numbers = output_numbers(answer, blob, name, n * columns);
    std::copy(numbers.begin(), numbers.end(), matrix.data());
    return matrix;
  };
  RemoteScores scores{output_numbers(answer, blob, "score", n), read("contribution", k), read("expected", k), {}};
  if (question.member_parts > 0) scores.members = read("members", question.member_parts * k);
  return scores;
}

}  // namespace anomctl::v2
