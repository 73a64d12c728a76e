#include <algorithm>
#include <charconv>

#include "anomctl/core/error.h"
#include "anomctl/io/net/http_client.h"

namespace anomctl {

// A user's password, and keys that receivers of messages have in path and query, are not for errors and logs.
std::string without_secrets(const std::string& url) {
  const std::size_t scheme = url.find("://"), begin = scheme == std::string::npos ? 0 : scheme + 3;
  const std::size_t end = std::min(url.size(), url.find_first_of("/?#", begin));
  // A password may hold a slash, and what stands before it is no host then.
  if (url.find('@', end) != std::string::npos) return url.substr(0, begin) + "..";
  const std::size_t at = url.rfind('@', end == 0 ? 0 : end - 1);
  const bool user = at != std::string::npos && at >= begin;
  const std::string host = user ? "..@" + url.substr(at + 1, end - at - 1) : url.substr(begin, end - begin);
  return url.substr(0, begin) + host + (end < url.size() ? url.substr(end, 1) + ".." : "");
}

HttpUrl parse_http_url(const std::string& url) {
  const auto wrong = [&](const std::string& why) {
    return UsageError("'" + without_secrets(url) + "' is no HTTP address (" + why +
                      "): write http://host:port or https://host:port");
  };
  HttpUrl parsed;
  std::string_view rest = url;
  if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
    parsed.tls = true;
    parsed.port = 443;
  } else {
    throw wrong("it begins with neither http:// nor https://");
  }
  const std::size_t slash = rest.find('/');
  std::string_view authority = rest.substr(0, slash);
  if (slash != std::string_view::npos) parsed.path = rest.substr(slash);
  while (parsed.path.ends_with('/')) parsed.path.pop_back();
  if (authority.find('@') != std::string_view::npos)
    throw wrong("it holds a user: secrets do not belong into an address");
  if (url.find_first_of("\r\n ?#") != std::string::npos) throw wrong("it holds a blank, '?' or '#'");
  std::string_view port;
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) throw wrong("a ']' is missing");
    parsed.host = authority.substr(1, close - 1);
    authority.remove_prefix(close + 1);
    if (!authority.empty() && authority.front() != ':') throw wrong("a ':' is missing after ']'");
    if (!authority.empty()) port = authority.substr(1);
  } else {
    const std::size_t colon = authority.find(':');
    parsed.host = authority.substr(0, colon);
    if (colon != std::string_view::npos) port = authority.substr(colon + 1);
  }
  if (parsed.host.empty()) throw wrong("it names no host");
  if (!port.empty()) {
    const auto result = std::from_chars(port.data(), port.data() + port.size(), parsed.port);
    if (result.ec != std::errc() || result.ptr != port.data() + port.size() || parsed.port < 1 || parsed.port > 65'535)
      throw wrong("'" + std::string(port) + "' is no port");
  }
  return parsed;
}

}  // namespace anomctl
