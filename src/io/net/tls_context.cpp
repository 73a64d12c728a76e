#include "io/net/tls_context.h"

#include "anomctl/core/error.h"

namespace anomctl::net {

namespace ssl = boost::asio::ssl;

namespace {

void check(const boost::system::error_code& ec, const std::string& what, const fs::path& path) {
  if (ec)
    throw input_error(what + " " + path.string() + " cannot be used: " + ec.message() +
                      "; it must be a readable PEM file");
}

void use_pair(ssl::context& context, const fs::path& cert_file, const fs::path& key_file) {
  boost::system::error_code ec;
  context.use_certificate_chain_file(cert_file.string(), ec);
  check(ec, "TLS certificate", cert_file);
  context.use_private_key_file(key_file.string(), ssl::context::pem, ec);
  const bool other_pair = ERR_GET_LIB(static_cast<unsigned long>(ec.value())) == ERR_LIB_X509;
  if (!other_pair) check(ec, "TLS key", key_file);
  if (other_pair || SSL_CTX_check_private_key(context.native_handle()) != 1)
    throw input_error("TLS key " + key_file.string() + " does not belong to certificate " + cert_file.string());
}

}  // namespace

std::unique_ptr<ssl::context> server_context(const TlsServerSettings& settings) {
  auto context = std::make_unique<ssl::context>(ssl::context::tls_server);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  use_pair(*context, settings.cert_file, settings.key_file);
  if (!settings.client_ca_file.empty()) {
    boost::system::error_code ec;
    context->load_verify_file(settings.client_ca_file.string(), ec);
    check(ec, "TLS client authority", settings.client_ca_file);
    context->set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
    // Without it OpenSSL refuses to resume a session of a client with a certificate.
    static constexpr unsigned char kContext[] = "anomctl";
    SSL_CTX_set_session_id_context(context->native_handle(), kContext, sizeof kContext - 1);
  }
  return context;
}

std::unique_ptr<ssl::context> client_context(const fs::path& ca_file, const fs::path& cert_file,
                                             const fs::path& key_file) {
  auto context = std::make_unique<ssl::context>(ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  boost::system::error_code ec;
  if (ca_file.empty())
    context->set_default_verify_paths(ec);
  else
    context->load_verify_file(ca_file.string(), ec);
  check(ec, "TLS authority", ca_file);
  if (!cert_file.empty()) use_pair(*context, cert_file, key_file);
  context->set_verify_mode(ssl::verify_peer);
  return context;
}

std::string peer_common_name(SSL* connection) {
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(SSL_get1_peer_certificate(connection), X509_free);
  if (!certificate) return {};
  char name[256] = {};
  const int length = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name,
                                               static_cast<int>(sizeof name));
  return length > 0 ? std::string(name, static_cast<std::size_t>(length)) : std::string();
}

}  // namespace anomctl::net
