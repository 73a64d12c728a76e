// A real mosquitto on loopback for the life of the object: a free port, passwords made for it, nothing kept.
// Thread rule: one thread an object.
#pragma once

#include <sys/types.h>

#include <string>

#include "anomctl/core/files.h"

namespace anomctl {

class LocalBroker {
 public:
  // Throws Error(failed) when mosquitto is not installed or does not start within five seconds.
  explicit LocalBroker(const std::string& topic_org = "windmill");
  ~LocalBroker();  // ends it and waits
  LocalBroker(const LocalBroker&) = delete;
  LocalBroker& operator=(const LocalBroker&) = delete;

  const std::string& url() const { return url_; }  // mqtt://127.0.0.1:PORT
  struct User {
    std::string name, password;
  };
  const User& sensor() const { return sensor_; }
  const User& manager() const { return manager_; }

 private:
  TemporaryFolder folder_;
  std::string url_;
  User sensor_, manager_;
  pid_t process_ = -1;
};

}  // namespace anomctl
