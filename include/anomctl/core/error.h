// What can go wrong and how the program ends. Two exception types, caught in main and at the top of a thread or
// request; a failure that is data (a bad row, a bad message) is a counted return value, never an exception.
// Thread rule: values, free to move between threads.
#pragma once

#include <stdexcept>
#include <string>

namespace anomctl {

// Exit codes of the command line (contract, section 1).
enum class ExitCode : int {
  done = 0,
  failed = 1,
  usage = 2,
  bound_missed = 3,
  bad_input = 4,
  unreachable = 5,
};

// One line for the user: what, where (file, line, column, key), the value, the next step. `detail` is shown with
// --verbose.
class Error : public std::runtime_error {
 public:
  explicit Error(ExitCode code, const std::string& what, std::string detail = {})
      : std::runtime_error(what), code_(code), detail_(std::move(detail)) {}
  ExitCode code() const { return code_; }
  const std::string& detail() const { return detail_; }

 private:
  ExitCode code_;
  std::string detail_;
};

// Wrong flags, settings or combination of them: exit code 2.
class UsageError : public Error {
 public:
  explicit UsageError(const std::string& what, std::string detail = {})
      : Error(ExitCode::usage, what, std::move(detail)) {}
};

inline Error failed(const std::string& what) { return Error(ExitCode::failed, what); }
// Input data or a file is unusable: exit code 4.
inline Error input_error(const std::string& what) { return Error(ExitCode::bad_input, what); }
// Another service cannot be reached: exit code 5.
inline Error unreachable_error(const std::string& what) { return Error(ExitCode::unreachable, what); }

}  // namespace anomctl
