#include "anomctl/io/net/http.h"

#include "anomctl/core/error.h"
#include "anomctl/io/net/gzip.h"
#include "anomctl/io/net/http_client.h"
#include "anomctl/io/net/http_server.h"
#include "io/net/http_message.h"
#include "support/catch.h"

using namespace anomctl;

TEST_CASE("paths are split and unescaped") {
  CHECK(path_segments("/v2/models/a%20b/infer") == std::vector<std::string>{"v2", "models", "a b", "infer"});
  CHECK(path_segments("/") == std::vector<std::string>{""});
  CHECK(path_segments("/v2/") == std::vector<std::string>{"v2", ""});
  CHECK_FALSE(path_segments("v2"));
  CHECK_FALSE(path_segments("/a%2"));
  CHECK_FALSE(path_segments("/a%zz"));
  CHECK_FALSE(path_segments("/a%00"));
  CHECK(path_segments("/a%2Fb") == std::vector<std::string>{"a/b"});
}

TEST_CASE("escapes go both ways") {
  const std::string text = "a b/c?d=%&\xc3\xa4";
  CHECK(percent_decode(percent_encode(text)) == text);
  CHECK(percent_encode("a-b_c.d~e") == "a-b_c.d~e");
}

TEST_CASE("query values") {
  CHECK(query_value("a=1&b=x%20y&c", "b") == "x y");
  CHECK(query_value("b=x+y%2Bz", "b") == "x y+z");
  CHECK(query_value("a=1&b=2&c", "c") == "");
  CHECK_FALSE(query_value("ab=1", "a"));
  CHECK_FALSE(query_value("", "a"));
}

TEST_CASE("header names have no case, and no value can add a header") {
  Headers headers;
  headers.add("Content-Type", "a");
  headers.set("content-TYPE", "b");
  CHECK(headers.get("CONTENT-TYPE") == "b");
  CHECK(headers.items().size() == 1);
  HttpResponse response;
  response.headers.add("x", "1\r\nset-cookie: a");
  response.body = "abc";
  const std::string head = net::response_head(response, {}, net::BodyKind::sized);
  CHECK(head ==
        "HTTP/1.1 200 OK\r\nserver: anomctl\r\nx: 1set-cookie: a\r\nconnection: close\r\ncontent-length: 3\r\n\r\n");
}

TEST_CASE("gzip goes both ways and cannot unpack to a huge body") {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += std::to_string(i) + ",";
  const std::string packed = gzip(text);
  std::string back;
  CHECK(gunzip(packed, text.size(), back) == GunzipResult::done);
  CHECK(back == text);
  CHECK(gunzip(packed, text.size() - 1, back) == GunzipResult::too_large);
  CHECK(gunzip(packed.substr(0, packed.size() / 2), text.size(), back) == GunzipResult::damaged);
  CHECK(gunzip("no gzip at all", 100, back) == GunzipResult::damaged);
  CHECK(gunzip("", 100, back) == GunzipResult::damaged);
  CHECK(gunzip(gzip("one ") + gzip("two"), 100, back) == GunzipResult::done);  // members (RFC 1952, 2.2)
  CHECK(back == "one two");
  CHECK(gunzip(gzip("one") + "rest", 100, back) == GunzipResult::damaged);
  CHECK(gunzip(gzip(std::string(10'000'000, 'a')), 1000, back) == GunzipResult::too_large);
}

TEST_CASE("requests are read from bytes within bounds") {
  HttpBounds bounds;
  bounds.max_header_bytes = 1024;
  bounds.max_body_bytes = 1024;
  int status = 0;
  const auto request =
      parse_http_request("POST /a?b=1 HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nContent-Length: 3\r\n\r\nabc", bounds, status);
  REQUIRE(request);
  CHECK(request->method == "POST");
  CHECK(request->path == "/a");
  CHECK(request->query == "b=1");
  CHECK(request->headers.get("x-a") == "1");
  CHECK(request->body == "abc");
  const auto chunked = parse_http_request(
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", bounds,
      status);
  REQUIRE(chunked);
  CHECK(chunked->body == "abcd");
  CHECK_FALSE(parse_http_request("POST / HTTP/1.1\r\nContent-Length: 2000\r\n\r\n", bounds, status));
  CHECK(status == 413);
  CHECK_FALSE(parse_http_request("GET / HTTP/1.1\r\nX: " + std::string(2000, 'a') + "\r\n\r\n", bounds, status));
  CHECK(status == 431);
  CHECK_FALSE(parse_http_request("nonsense\r\n\r\n", bounds, status));
  CHECK(status == 400);
  // Both lengths given is how requests are smuggled past a proxy.
  CHECK_FALSE(parse_http_request("POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                                 bounds, status));
  CHECK(status == 400);
  // A coding that one side does not understand frames the body differently for the two.
  for (const char* coding : {"xchunked", "gzip, chunked", "chunked, identity", "identity"}) {
    INFO(coding);
    CHECK_FALSE(parse_http_request(
        std::string("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: ") + coding + "\r\n\r\n0\r\n\r\n", bounds,
        status));
    CHECK(status == 501);
  }
  for (const char* head : {"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                           "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}) {
    INFO(head);
    CHECK_FALSE(parse_http_request(head, bounds, status));
    CHECK(status == 400);
  }
  CHECK(parse_http_request("GET / HTTP/1.0\r\n\r\n", bounds, status));
  const auto absolute = parse_http_request("GET http://x:1/v2?a=1 HTTP/1.1\r\nHost: x:1\r\n\r\n", bounds, status);
  REQUIRE(absolute);
  CHECK(absolute->path == "/v2");
  CHECK(absolute->query == "a=1");
  CHECK_FALSE(
      parse_http_request("POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", bounds, status));
  CHECK(status == 400);
}

TEST_CASE("addresses of servers") {
  const HttpUrl url = parse_http_url("https://example.org:8443/api/");
  CHECK(url.tls);
  CHECK(url.host == "example.org");
  CHECK(url.port == 8443);
  CHECK(url.path == "/api");
  CHECK(parse_http_url("http://[::1]:9/x").host == "::1");
  CHECK(parse_http_url("http://a").port == 80);
  for (const char* wrong : {"ftp://a", "http://", "http://a:0", "http://a:x", "http://u:p@a", "http://a b", "a:80"})
    CHECK_THROWS_AS(parse_http_url(wrong), UsageError);
  CHECK(without_secrets("https://hooks.example.org:8443/T0/B0/key?x=y") == "https://hooks.example.org:8443/..");
  CHECK(without_secrets("http://me:word@[::1]:9?key=word") == "http://..@[::1]:9?..");
  CHECK(without_secrets("me:word@host") == "..@host");
  CHECK(without_secrets("http://me:wo/rd@host/x") == "http://..");
  CHECK(without_secrets("https://host/@key") == "https://..");
  CHECK(without_secrets("http://a") == "http://a");
  for (const char* wrong : {"http://me:word@host/x", "http://host/word?x", "ftp://host/word", "word:x@"})
    CHECK_THROWS_WITH(parse_http_url(wrong), !Contains("word"));
}
