// Readings as they arrived, a line each: when (seconds since 1970, nine digits behind the point), the topic, the
// payload, with tabs between. `mosquitto_sub -F '%U\t%t\t%p'` writes the same. A payload that is not one line of text
// is written as hex: and its bytes. Private to manage. Thread rule: one thread an object.
#pragma once

#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

#include "anomctl/core/files.h"
#include "roles/manage/inbox.h"

namespace anomctl::manage {

class Recorder {
 public:
  // Appends. Throws Error(failed).
  Recorder(const fs::path& path, std::string topic_front);
  void write(const Reading& reading);

 private:
  fs::path path_;
  std::string topic_front_;
  std::ofstream out_;
  bool told_ = false;
};

class Recording {
 public:
  explicit Recording(const fs::path& path);
  // Nothing at the end. Throws Error(bad_input) with the line's number.
  std::optional<Reading> next();

 private:
  fs::path path_;
  std::ifstream in_;
  std::string text_;  // of the line
  bool read_line();
  std::int64_t line_ = 0;
};

}  // namespace anomctl::manage
