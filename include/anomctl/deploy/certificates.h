// A local certificate authority with certificates for servers and clients, in PEM. Keys are EC P-256, signatures SHA-256.
// Source: RFC 5280. Thread rule: pure functions, safe from any thread.
#pragma once

#include <string>
#include <vector>

namespace anomctl {

struct Certificate {
  std::string certificate, key;  // PEM
};

// Signs for ten years.
Certificate make_authority(const std::string& name);
// For the host names and addresses in `hosts` (the first is also the common name). Throws UsageError where there is none.
Certificate make_server_certificate(const Certificate& authority, const std::vector<std::string>& hosts, int days);
// The common name is the user's name, which a broker may take for its user.
Certificate make_client_certificate(const Certificate& authority, const std::string& user, int days);

}  // namespace anomctl
