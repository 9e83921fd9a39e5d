#include "workers/os/curl_reactor.h"

#include <asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <utility>

namespace muster {

// A socket of curl's that asio watches. curl opens and closes it; asio only borrows it.
struct CurlReactor::Socket {
  Socket(asio::io_context& io, curl_socket_t number) : fd(number), descriptor(io) {}
  ~Socket() { Release(); }
  void Release() {
    want = 0;
    if (descriptor.is_open()) descriptor.release();
  }

  const curl_socket_t fd;
  asio::posix::stream_descriptor descriptor;
  int want = 0;   // CURL_POLL_IN | CURL_POLL_OUT
  int armed = 0;  // the same, of the waits that asio holds
};

CurlReactor::CurlReactor(OsRuntime& rt) : rt_(rt), multi_(curl_multi_init()), timer_(rt.context()) {
  MUSTER_CHECK(multi_ != nullptr);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlReactor::OnSocket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlReactor::OnTimer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
}

CurlReactor::~CurlReactor() {
  MUSTER_CHECK(transfers_.empty());
  curl_multi_cleanup(multi_);  // closes idle connections, and says so through OnSocket
  *alive_ = false;
}

bool CurlReactor::Add(CURL* easy, const Done& done) {
  if (curl_multi_add_handle(multi_, easy) != CURLM_OK) return false;
  transfers_.emplace(easy, done);
  return true;
}

void CurlReactor::Remove(CURL* easy) {
  if (transfers_.erase(easy) > 0) curl_multi_remove_handle(multi_, easy);
}

int CurlReactor::OnSocket(CURL*, curl_socket_t fd, int what, void* self, void*) {
  return static_cast<CurlReactor*>(self)->Watch(fd, what);
}

int CurlReactor::OnTimer(CURLM*, long wait_ms, void* self) {
  auto* reactor = static_cast<CurlReactor*>(self);
  if (wait_ms < 0) {
    reactor->timer_.cancel();
    return 0;
  }
  reactor->timer_.expires_after(std::chrono::milliseconds(wait_ms));
  reactor->timer_.async_wait([reactor, alive = reactor->alive_](const asio::error_code& error) {
    if (!error && *alive) reactor->Act(CURL_SOCKET_TIMEOUT, 0);
  });
  return 0;
}

int CurlReactor::Watch(curl_socket_t fd, int what) {
  const auto found = sockets_.find(fd);
  if (what == CURL_POLL_REMOVE) {
    if (found == sockets_.end()) return 0;
    found->second->Release();  // curl closes the socket next; its number may come back at once
    sockets_.erase(found);
    return 0;
  }
  std::shared_ptr<Socket> socket;
  if (found != sockets_.end()) {
    socket = found->second;
  } else {
    socket = std::make_shared<Socket>(rt_.context(), fd);
    asio::error_code error;
    socket->descriptor.assign(fd, error);
    if (error) return -1;
    sockets_.emplace(fd, socket);
  }
  socket->want = what & CURL_POLL_INOUT;
  Arm(socket);
  return 0;
}

void CurlReactor::Arm(const std::shared_ptr<Socket>& socket) {
  for (const int direction : {CURL_POLL_IN, CURL_POLL_OUT}) {
    if ((socket->want & ~socket->armed & direction) != 0) ArmOne(socket, direction);
  }
}

void CurlReactor::ArmOne(const std::shared_ptr<Socket>& socket, int direction) {
  using Descriptor = asio::posix::stream_descriptor;
  const bool in = direction == CURL_POLL_IN;
  socket->armed |= direction;
  socket->descriptor.async_wait(
      in ? Descriptor::wait_read : Descriptor::wait_write,
      [this, alive = alive_, socket, direction, in](const asio::error_code& error) {
        socket->armed &= ~direction;
        if (error || !*alive || (socket->want & direction) == 0) return;
        Act(socket->fd, in ? CURL_CSELECT_IN : CURL_CSELECT_OUT);
        Arm(socket);  // wants nothing when curl let it go meanwhile
      });
}

void CurlReactor::Act(curl_socket_t fd, int events) {
  int running = 0;
  curl_multi_socket_action(multi_, fd, events, &running);
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* const easy = message->easy_handle;
    const CURLcode code = message->data.result;
    curl_multi_remove_handle(multi_, easy);  // `message` is gone from here on
    const auto found = transfers_.find(easy);
    if (found == transfers_.end()) continue;
    const Done done = std::move(found->second);
    transfers_.erase(found);
    done(code);
  }
}

}  // namespace muster
