// Asks a V2 server (ours, or another with the same outputs) to judge windows. Thread rule: one thread an object; calls
// block.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "anomctl/core/json.h"
#include "anomctl/core/matrix.h"
#include "anomctl/io/net/http_client.h"

namespace anomctl::v2 {

struct RemoteScores {
  std::vector<double> score;              // n
  Matrix<double> contribution, expected;  // (n, k)
  Matrix<double> members;                 // (n, parts * k), where they were asked for
};

struct WindowQuestion {
  std::size_t n = 0, rows = 0, sensors = 0;
  std::span<const double> windows;             // (n, rows, sensors) in the sensors' units
  std::span<const std::uint8_t> missing = {};  // (n, sensors): values of the last rows that only stand in
  std::size_t member_parts = 0;                // of the output `members`, 0: it is not asked for
};

// What a model says of itself.
struct RemoteModel {
  std::string name, version;
  std::size_t window = 0;  // w: it takes windows of w + 1 rows
  std::size_t sensors = 0;
  std::vector<std::string> columns, units;  // k, empty where the server does not say
  std::optional<double> threshold;
  Json metadata;
};

class Client {
 public:
  // `token`: of an API token, empty for none. `model`: empty takes the only one that is served.
  Client(const std::string& url, const std::string& model, HttpClientSettings settings, const std::string& token = {});

  // Throws Error(unreachable) when the server does not answer, Error(failed) when it refuses or answers something else.
  RemoteModel describe();
  bool ready();
  RemoteScores judge(const WindowQuestion& question);
  const std::string& model() const { return model_; }

 private:
  Json get_json(const std::string& target);
  void find_model();

  HttpClient http_;
  std::string model_;
};

// Reads one answer's output from its JSON and the bytes after it. Throws Error(failed) where it does not fit.
std::vector<double> output_numbers(const Json& answer, std::string_view blob, std::string_view name,
                                   std::size_t wanted);

}  // namespace anomctl::v2
