#include "anomctl/deploy/certificates.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>
#include <memory>

#include "anomctl/core/error.h"

namespace anomctl {
namespace {

constexpr int kAuthorityDays = 3650;
constexpr long kDay = 24 * 60 * 60;
constexpr std::size_t kLongestName = 64;  // of a common name

struct Free {
  void operator()(EVP_PKEY* it) const { EVP_PKEY_free(it); }
  void operator()(X509* it) const { X509_free(it); }
  void operator()(BIO* it) const { BIO_free(it); }
  void operator()(X509_EXTENSION* it) const { X509_EXTENSION_free(it); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

template <class T>
T* checked(T* it) {
  if (it == nullptr) throw failed("OpenSSL could not make a certificate");
  return it;
}
void check(int status) {
  if (status <= 0) throw failed("OpenSSL could not make a certificate");
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long n = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<std::size_t>(n));
}
std::string pem(X509* certificate) {
  const Owned<BIO> bio(checked(BIO_new(BIO_s_mem())));
  check(PEM_write_bio_X509(bio.get(), certificate));
  return text_of(bio.get());
}
std::string pem(EVP_PKEY* key) {
  const Owned<BIO> bio(checked(BIO_new(BIO_s_mem())));
  check(PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr));
  return text_of(bio.get());
}
Owned<BIO> reader(const std::string& text) {
  return Owned<BIO>(checked(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))));
}

void add(X509* certificate, X509* issuer, int what, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Owned<X509_EXTENSION> extension(checked(X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str())));
  check(X509_add_ext(certificate, extension.get(), -1));
}

Owned<X509> blank(EVP_PKEY* key, const std::string& name, int days) {
  if (name.empty() || name.size() > kLongestName)
    throw UsageError(
        fmt::format("'{}' cannot be the name in a certificate: it needs 1 to {} characters", name, kLongestName));
  Owned<X509> made(checked(X509_new()));
  check(X509_set_version(made.get(), X509_VERSION_3));
  std::array<unsigned char, 8> random{};
  check(RAND_bytes(random.data(), static_cast<int>(random.size())));
  std::uint64_t serial = 0;
  for (const unsigned char byte : random) serial = serial << 8 | byte;
  check(ASN1_INTEGER_set_uint64(X509_get_serialNumber(made.get()), serial >> 1 | 1));
  // An hour back, for clocks that are a little behind.
  checked(X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600));
  checked(X509_gmtime_adj(X509_getm_notAfter(made.get()), days * kDay));
  check(X509_set_pubkey(made.get(), key));
  X509_NAME* subject = X509_get_subject_name(made.get());
  check(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(name.data()),
                                   static_cast<int>(name.size()), -1, 0));
  return made;
}

Certificate signed_by(const Certificate& authority, const std::string& name, int days, const std::string& usage,
                      const std::string& hosts) {
  const Owned<BIO> certificate_text = reader(authority.certificate), key_text = reader(authority.key);
  const Owned<X509> issuer(checked(PEM_read_bio_X509(certificate_text.get(), nullptr, nullptr, nullptr)));
  const Owned<EVP_PKEY> issuer_key(checked(PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr)));
  const Owned<EVP_PKEY> key(checked(EVP_EC_gen("P-256")));
  const Owned<X509> made = blank(key.get(), name, days);
  check(X509_set_issuer_name(made.get(), X509_get_subject_name(issuer.get())));
  add(made.get(), issuer.get(), NID_basic_constraints, "critical,CA:FALSE");
  add(made.get(), issuer.get(), NID_key_usage, "critical,digitalSignature");
  add(made.get(), issuer.get(), NID_ext_key_usage, usage);
  add(made.get(), issuer.get(), NID_subject_key_identifier, "hash");
  add(made.get(), issuer.get(), NID_authority_key_identifier, "keyid");
  if (!hosts.empty()) add(made.get(), issuer.get(), NID_subject_alt_name, hosts);
  check(X509_sign(made.get(), issuer_key.get(), EVP_sha256()));
  return {pem(made.get()), pem(key.get())};
}

bool is_address(const std::string& host) {
  return host.find_first_not_of("0123456789.") == std::string::npos || host.find(':') != std::string::npos;
}

}  // namespace

Certificate make_authority(const std::string& name) {
  const Owned<EVP_PKEY> key(checked(EVP_EC_gen("P-256")));
  const Owned<X509> made = blank(key.get(), name, kAuthorityDays);
  check(X509_set_issuer_name(made.get(), X509_get_subject_name(made.get())));
  add(made.get(), made.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  add(made.get(), made.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  add(made.get(), made.get(), NID_subject_key_identifier, "hash");
  check(X509_sign(made.get(), key.get(), EVP_sha256()));
  return {pem(made.get()), pem(key.get())};
}

Certificate make_server_certificate(const Certificate& authority, const std::vector<std::string>& hosts, int days) {
  if (hosts.empty()) throw UsageError("a server's certificate needs a host name");
  std::string names;
  for (const std::string& host : hosts) {
    if (host.empty() || host.find_first_of(", \n\r=;/") != std::string::npos)
      throw UsageError(fmt::format("'{}' is no host name", host));
    names += fmt::format("{}{}:{}", names.empty() ? "" : ",", is_address(host) ? "IP" : "DNS", host);
  }
  return signed_by(authority, hosts.front(), days, "serverAuth", names);
}

Certificate make_client_certificate(const Certificate& authority, const std::string& user, int days) {
  return signed_by(authority, user, days, "clientAuth", {});
}

}  // namespace anomctl
