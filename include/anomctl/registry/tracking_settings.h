// Where runs and registered models are kept, and how to speak to a tracking server. Thread rule: a value.
#pragma once

#include <stop_token>
#include <string>

#include "anomctl/core/fields.h"
#include "anomctl/core/files.h"

namespace anomctl {

struct TrackingSettings {
  std::string tracking_uri = "mlruns";
  fs::path tracking_dir = "mlruns";
  fs::path tracking_cache;
  std::string tracking_token, tracking_username, tracking_password;
  fs::path tracking_ca_file;
  Duration tracking_timeout = seconds(30);
  Duration tracking_wait = seconds(60);
  std::stop_token stop;  // no setting: calls to a server end soon after, and a run's end hardly waits for one

  static void fields(auto& self, auto&& field) {
    field("tracking_uri", self.tracking_uri,
          "where runs and registered models are kept: a folder, or http(s)://HOST:PORT of an MLflow server");
    field("tracking_dir", self.tracking_dir, "with a server: the folder that runs are written to first");
    field("tracking_cache", self.tracking_cache,
          "with a server: the folder of fetched bundles (default: anomctl/tracking in the user's cache)");
    field("tracking_token", self.tracking_token,
          "bearer token for the server (else MLFLOW_TRACKING_TOKEN of the environment)", Secret{});
    field("tracking_username", self.tracking_username,
          "user at the server, by basic authentication (else MLFLOW_TRACKING_USERNAME)");
    field("tracking_password", self.tracking_password, "password of the user (else MLFLOW_TRACKING_PASSWORD)",
          Secret{});
    field("tracking_ca_file", self.tracking_ca_file,
          "authority of the server's certificate (else MLFLOW_TRACKING_SERVER_CERT_PATH, else the system's)");
    field("tracking_timeout", self.tracking_timeout, "longest wait for an answer of the server");
    field("tracking_wait", self.tracking_wait,
          "at the end of a run: longest wait until the server has all of it (anomctl runs sync sends the rest)");
  }

  // What is here, without the server.
  TrackingSettings local() const {
    TrackingSettings here = *this;
    if (has_server()) here.tracking_uri = tracking_dir.string();
    return here;
  }
  bool has_server() const { return tracking_uri.starts_with("http://") || tracking_uri.starts_with("https://"); }
};

}  // namespace anomctl
