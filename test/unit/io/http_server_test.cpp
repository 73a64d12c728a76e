#include "anomctl/io/net/http_server.h"
#include "anomctl/io/net/reach.h"

#include <latch>
#include <thread>

#include "anomctl/core/error.h"
#include "anomctl/io/net/http_client.h"
#include "support/catch.h"

using namespace anomctl;

namespace {

HttpResponse text_response(std::string text) {
  HttpResponse response;
  response.body = std::move(text);
  return response;
}

std::string url_of(const HttpServer& server) { return "http://127.0.0.1:" + std::to_string(server.port()); }

HttpRequest post_request(const std::string& target, std::string body) {
  HttpRequest request;
  request.method = "POST";
  request.target = target;
  request.body = std::move(body);
  return request;
}

}  // namespace

TEST_CASE("requests on one connection are answered in their order") {
  HttpServer server({}, [](const HttpRequest& request, Reply reply) {
    reply.send(text_response(request.method + " " + request.path + " " + request.body));
  });
  server.start();
  HttpClient client(url_of(server));
  for (int i = 0; i < 20; ++i) {
    const HttpResponse response = client.send(post_request("/a", std::to_string(i)));
    CHECK(response.status == 200);
    CHECK(response.body == "POST /a " + std::to_string(i));
  }
  CHECK(server.connections() == 1);
}

TEST_CASE("an answer may come from another thread, and late") {
  std::vector<std::jthread> threads;
  HttpServer server({}, [&threads](HttpRequest request, Reply reply) {
    threads.emplace_back([body = std::move(request.body), reply = std::make_shared<Reply>(std::move(reply))] {
      reply->send(text_response(body + "!"));
    });
  });
  server.start();
  HttpClient client(url_of(server));
  CHECK(client.post("/", "a").body == "a!");
  CHECK(client.post("/", "b").body == "b!");
}

TEST_CASE("a handler that fails or forgets its reply answers 500") {
  HttpServer server({}, [](const HttpRequest& request, Reply) {
    if (request.path == "/throw") throw failed("on purpose");
  });
  server.start();
  HttpClient client(url_of(server));
  CHECK(client.get("/throw").status == 500);
  CHECK(client.get("/forget").status == 500);
}

TEST_CASE("bounds are answered with their status") {
  HttpServerSettings settings;
  settings.bounds.max_body_bytes = 1024;
  settings.bounds.max_header_bytes = 1024;
  std::atomic<int> refused{0};
  settings.on_refused = [&](int) { ++refused; };
  HttpServer server(settings, [](const HttpRequest&, Reply reply) { reply.send(text_response("")); });
  server.start();
  HttpClient client(url_of(server));
  CHECK(client.send(post_request("/", std::string(1024, 'a'))).status == 200);
  CHECK(client.send(post_request("/", std::string(5000, 'a'))).status == 413);
  HttpRequest long_header = post_request("/", "");
  long_header.headers.add("x", std::string(5000, 'a'));
  CHECK(client.send(long_header).status == 431);
  CHECK(refused == 2);
}

TEST_CASE("more connections than allowed are told so") {
  HttpServerSettings settings;
  settings.bounds.max_connections = 1;
  HttpServer server(settings, [](const HttpRequest&, Reply reply) { reply.send(text_response("")); });
  server.start();
  HttpClient first(url_of(server)), second(url_of(server));
  CHECK(first.get("/").status == 200);
  const HttpResponse refused = second.get("/");
  CHECK(refused.status == 503);
  CHECK(refused.headers.get("retry-after") == "1");
}

TEST_CASE("drain answers what is under way and leaves no connection") {
  std::latch arrived(1);
  std::optional<Reply> waiting;
  HttpServer server({}, [&](const HttpRequest&, Reply reply) {
    waiting.emplace(std::move(reply));
    arrived.count_down();
  });
  server.start();
  HttpResponse response;
  std::jthread asking([&] { response = HttpClient(url_of(server)).get("/"); });
  arrived.wait();
  std::int64_t left = -1;
  std::jthread draining([&] { left = server.drain(milliseconds(1), seconds(20)); });
  while (why_unreachable("127.0.0.1", server.port(), seconds(1)).empty()) std::this_thread::yield();
  waiting->send(text_response("late"));
  draining.join();
  asking.join();
  CHECK(left == 0);
  CHECK(server.connections() == 0);
  CHECK(response.body == "late");
  CHECK(response.headers.get("connection") == "close");
  CHECK_THROWS_AS(HttpClient(url_of(server)).get("/"), Error);
}

TEST_CASE("drain gives up after its time and says how many were left") {
  std::latch arrived(1);
  std::optional<Reply> waiting;
  auto server = std::make_unique<HttpServer>(HttpServerSettings{}, [&](const HttpRequest&, Reply reply) {
    waiting.emplace(std::move(reply));
    arrived.count_down();
  });
  server->start();
  bool lost = false;
  std::jthread asking([&, url = url_of(*server)] {
    try {
      HttpClient(url).get("/");
    } catch (const Error&) {
      lost = true;
    }
  });
  arrived.wait();
  CHECK(server->drain(milliseconds(1), milliseconds(50)) == 1);
  server.reset();
  asking.join();
  CHECK(lost);
  waiting->send(text_response("nobody listens"));  // harmless after the server's end
}

TEST_CASE("a streamed body arrives chunk by chunk") {
  auto stream = std::make_shared<BodyStream>();
  HttpServer server({}, [&](const HttpRequest&, Reply reply) {
    HttpResponse response;
    response.headers.add("content-type", "text/event-stream");
    response.stream = stream;
    reply.send(std::move(response));
  });
  server.start();
  std::jthread pushing([&] {
    stream->push("data: 1\n\n");
    stream->push("data: 2\n\n");
    stream->close();
  });
  CHECK(HttpClient(url_of(server)).get("/").body == "data: 1\n\ndata: 2\n\n");
  pushing.join();
  CHECK_FALSE(stream->push("after the end"));
}

TEST_CASE("a port that is taken is said so") {
  HttpServer first({}, [](const HttpRequest&, Reply) {});
  HttpServerSettings same;
  same.port = first.port();
  CHECK_THROWS_WITH(HttpServer(same, [](const HttpRequest&, Reply) {}), Contains("cannot listen on"));
}
