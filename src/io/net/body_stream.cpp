#include "anomctl/io/net/http_server.h"

namespace anomctl {

bool BodyStream::push(std::string chunk) {
  std::function<void()> notify;
  {
    std::lock_guard lock(mutex_);
    if (client_gone_ || closed_ || waiting_.size() >= max_waiting_) return false;
    if (!chunk.empty()) waiting_.push_back(std::move(chunk));
    notify = notify_;
  }
  if (notify) notify();
  return true;
}

void BodyStream::close() {
  std::function<void()> notify;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    notify = notify_;
  }
  if (notify) notify();
}

bool BodyStream::client_gone() const {
  std::lock_guard lock(mutex_);
  return client_gone_;
}

std::deque<std::string> BodyStream::take(bool& closed) {
  std::lock_guard lock(mutex_);
  closed = closed_;
  return std::exchange(waiting_, {});
}

void BodyStream::attach(std::function<void()> notify) {
  std::lock_guard lock(mutex_);
  notify_ = std::move(notify);
}

void BodyStream::set_client_gone() {
  std::lock_guard lock(mutex_);
  client_gone_ = true;
  notify_ = nullptr;
}

}  // namespace anomctl
