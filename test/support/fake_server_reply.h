// A reply that is kept instead of sent, so that a service is tested without sockets.
#pragma once

#include <future>
#include <memory>

#include "anomctl/io/net/http_server.h"

namespace anomctl::test {

class KeptReply {
 public:
  Reply reply() const { return Reply(sink_); }
  // Waits for the answer.
  HttpResponse answer() { return sink_->promise.get_future().get(); }

 private:
  struct Sink : Reply::Sink {
    void send(HttpResponse response) override { promise.set_value(std::move(response)); }
    std::promise<HttpResponse> promise;
  };
  std::shared_ptr<Sink> sink_ = std::make_shared<Sink>();
};

}  // namespace anomctl::test
