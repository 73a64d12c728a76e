// The role `serve`: bundles behind the V2 Open Inference Protocol until told to stop. Thread rule: `run_server` is
// called once, from one thread; it starts and ends its own.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "anomctl/core/fields.h"
#include "anomctl/core/files.h"
#include "anomctl/detection/bundle.h"
#include "anomctl/io/net/http_server.h"
#include "anomctl/model/window_model.h"
#include "anomctl/registry/tracking_settings.h"

namespace anomctl {

struct ServeSettings {
  std::vector<std::string> bundle;  // DIR or NAME=DIR
  std::string run;
  std::vector<std::string> model;  // REFERENCE or NAME=REFERENCE
  Duration follow = seconds(5);
  TrackingSettings tracking;
  fs::path model_repository;
  std::string host = "127.0.0.1";
  std::int64_t http_port = 8080;
  std::int64_t metrics_port = 8082;
  std::int64_t http_threads = 0;
  bool insecure = false;
  fs::path token_file;
  TlsServerSettings tls;
  HttpBounds bounds;
  std::int64_t max_batch_size = 64;
  Duration max_batch_delay = {};
  std::int64_t max_queue = 4096;
  std::int64_t workers = 0;
  std::string device = "auto";
  std::int64_t max_request_windows = 4096;
  std::int64_t max_json_depth = 32;
  bool allow_not_finite = false;
  Duration watch = seconds(5);
  Duration drain_grace = milliseconds(200);
  Duration drain_timeout = seconds(30);
  bool access_log = true;

  static void fields(auto& self, auto&& field) {
    field("bundle", self.bundle,
          "bundle to serve: DIR or NAME=DIR, may be repeated; the name defaults to the bundle's own");
    field("run", self.run, "run whose bundle is served: id, name, -1 for the latest");
    field("model", self.model,
          "registered model to serve, NAME@champion or NAME/3, or OTHER=NAME@champion to serve it by another name; may "
          "be "
          "repeated. An alias is followed: when it moves, the version it names is loaded and takes over");
    field("follow", self.follow, "look this often where aliases point, 0: never");
    TrackingSettings::fields(self.tracking, field);
    field("model_repository", self.model_repository, "folder of bundles: NAME/bundle.json or NAME/VERSION/bundle.json");
    field("host", self.host, "address to listen on");
    field("http_port", self.http_port, "port of the V2 protocol (0: any free one)", Between{0, 65'535});
    field("metrics_port", self.metrics_port, "port of /metrics (0: any free one, -1: none)", Between{-1, 65'535});
    field("http_threads", self.http_threads, "threads that read and write requests (0: two, or one on a single core)",
          Between{0, 64});
    field("insecure", self.insecure, "listen beyond this machine although nobody is asked who he is");
    field("token_file", self.token_file,
          "callers and the hashes of their API tokens, as anomctl api-token writes them");
    field("tls_cert_file", self.tls.cert_file, "certificate chain in PEM: HTTPS instead of HTTP");
    field("tls_key_file", self.tls.key_file, "private key of the certificate");
    field("tls_client_ca_file", self.tls.client_ca_file, "authority whose certificates clients must show");
    HttpBounds::fields(self.bounds, field);
    field("max_batch_size", self.max_batch_size, "most windows that are scored together", Between{1, 65'536});
    field("max_batch_delay", self.max_batch_delay, "longest time a request waits for others to share its batch");
    field("max_queue", self.max_queue, "windows that may wait; more are answered 429", Between{1, 1e7});
    field("workers", self.workers, "threads that score (0: one a core)", Between{0, 256});
    field("device", self.device, "auto, cpu, cuda or cuda:N");
    field("max_request_windows", self.max_request_windows, "most windows of one request", Between{1, 1e6});
    field("max_json_depth", self.max_json_depth, "deepest nesting of a request's JSON", Between{4, 200});
    field("allow_not_finite", self.allow_not_finite,
          "take NaN, Infinity and null in data as missing values instead of refusing them");
    field("watch", self.watch, "look for changed bundles this often, 0: never");
    field("drain_grace", self.drain_grace, "after SIGTERM new connections are still taken for this long");
    field("drain_timeout", self.drain_timeout, "after SIGTERM requests under way get this long");
    field("access_log", self.access_log, "one line a request");
  }
};

// Throws UsageError for settings that do not go together.
void validate(const ServeSettings& settings);

struct ServerPorts {
  int http = 0;
  int metrics = 0;  // 0: none
};

struct ServeParts {
  std::function<std::shared_ptr<const WindowModel>(const Bundle&)> make_model;
  std::function<void(const ServerPorts&)> on_listening;  // may be empty
  std::string version;                                   // of this program
};

// Serves until `stop`. True when every accepted request was answered.
bool run_server(const ServeSettings& settings, const ServeParts& parts, std::stop_token stop);

}  // namespace anomctl
