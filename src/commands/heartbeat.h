// How a role does, said every two seconds in a file that `anomctl health` reads: the health check of a container that
// opens no port. The file goes when the role ends. Thread rule: every member is safe from any thread.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "anomctl/core/fields.h"
#include "anomctl/core/files.h"
#include "anomctl/core/time.h"
#include "anomctl/roles/manage.h"

namespace anomctl {

struct HeartbeatSettings {
  fs::path alive_file;

  static void fields(auto& self, auto&& field) {
    field("alive_file", self.alive_file, "say in this file every two seconds how it does: anomctl health reads it");
  }
};

class Heartbeat {
 public:
  // Begins as "starting". An empty path: nothing is written. A file that cannot be written is warned of, once. Throws
  // UsageError for what is no file.
  explicit Heartbeat(const HeartbeatSettings& settings, const Clock& clock = system_clock());
  ~Heartbeat();
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

  void say(const std::string& why);  // it cannot work; empty: it can
  // Told by the role's own callbacks, which go on to whom they went before. The heartbeat must outlive the role.
  void attach(ManageParts& parts);
  void attach(GenerateParts& parts);

 private:
  std::string text() const;  // under the lock
  void write(const std::string& text);
  void write_on(const std::stop_token& stop);

  fs::path file_;
  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::string why_ = "it is starting";
  Nanoseconds worked_ = 0;  // when the role's work last went round, steady; 0: it does not say
  bool news_ = false;
  bool told_ = false;  // that the file cannot be written
  std::jthread writer_;
};

// Why the role behind the file is not well, or empty. `only_alive`: it may wait for others. Throws Error(unreachable)
// where nobody writes the file, Error(bad_input) where it is none of ours.
std::string why_not_well(const fs::path& file, Duration max_age, bool only_alive);

}  // namespace anomctl
