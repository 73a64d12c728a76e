// OpenSSL contexts for our HTTP server and client: TLS 1.2 or newer. Thread rule: free functions.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

#include "anomctl/io/net/http_server.h"

namespace anomctl::net {

// Throws Error(bad_input) naming the file that cannot be used.
std::unique_ptr<boost::asio::ssl::context> server_context(const TlsServerSettings& settings);
// Trusts `ca_file`, or the system's authorities when it is empty; `cert_file` and `key_file` may be empty.
std::unique_ptr<boost::asio::ssl::context> client_context(const fs::path& ca_file, const fs::path& cert_file,
                                                          const fs::path& key_file);
// Common name of the other side's certificate, empty without one.
std::string peer_common_name(SSL* connection);

}  // namespace anomctl::net
