// The role `dashboard`: the page that people look at, with what a manager of the same process says and what its store
// keeps. Thread rule: attach's callbacks run on the manager's thread and only note down; everything else happens on
// threads of its own.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "anomctl/core/fields.h"
#include "anomctl/io/net/http_server.h"
#include "anomctl/roles/manage.h"

namespace anomctl {

inline constexpr int kPagePort = 8090;

struct DashboardSettings {
  bool page = true;
  std::string page_host = "127.0.0.1";
  std::optional<std::int64_t> page_port;
  fs::path page_token_file;
  TlsServerSettings page_tls;
  bool page_insecure = false;

  static void fields(auto& self, auto&& field) {
    field("page", self.page, "serve the page: fleet, sensors, alerts, labels");
    field("page_host", self.page_host, "address that the page listens on");
    field("page_port", self.page_port,
          "port of the page, 0: any free one; left out: 8090, or any free one where that is taken", Between{0, 65'535});
    field("page_token_file", self.page_token_file,
          "callers and the hashes of their API tokens, as anomctl api-token writes them: scope read to look, label to "
          "judge alerts");
    field("page_tls_cert_file", self.page_tls.cert_file, "certificate chain in PEM: the page by HTTPS");
    field("page_tls_key_file", self.page_tls.key_file, "private key of the certificate");
    field("page_insecure", self.page_insecure, "listen beyond this machine although nobody is asked who he is");
  }
};

// Throws UsageError for settings that do not go together.
void validate(const DashboardSettings& settings);
// Whether this program was built with the page.
bool has_page();

class Dashboard {
 public:
  // Listens at once. `store`: the manager's. Throws UsageError, Error(failed) when it cannot listen.
  Dashboard(const DashboardSettings& settings, fs::path store);
  ~Dashboard();  // ends it; connections under way get a moment
  Dashboard(const Dashboard&) = delete;
  Dashboard& operator=(const Dashboard&) = delete;

  // The manager with these parts is what is shown. Requires: the manager ends before this does.
  void attach(ManageParts& parts);
  std::string url() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace anomctl
