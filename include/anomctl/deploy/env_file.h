// The .env of a composition: NAME=value lines as Compose reads them, with quotes, comments, `export` and CRLF. Source:
// compose-go's dotenv. What Compose would fill in from elsewhere ($..) or read over several lines is refused, never
// guessed. Thread rule: a value, one thread at a time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace anomctl {

class EnvFile {
 public:
  // `where` names it in errors. Throws Error(bad_input) with the line that Compose would refuse, or read on in the next.
  EnvFile(std::string_view text, std::string where);

  // The last line of that name counts; empty where there is none. Throws Error(bad_input) for a value that is not there
  // as it is meant.
  std::string value(std::string_view name) const;
  bool names(std::string_view name) const;
  // In place of the first line of that name, the others go; at the end where there is none. The value is written as it
  // is: env_takes(value) must hold.
  void set(const std::string& name, const std::string& value);
  std::string text() const;

 private:
  struct Line {
    std::string text, name, value, trouble;  // without a name: a comment or blank
  };
  const Line* last(std::string_view name) const;
  std::vector<Line> lines_;
  std::string where_;
};

// Whether .env holds the value without quotes, and gives it back as it is.
bool env_takes(std::string_view value);

}  // namespace anomctl
