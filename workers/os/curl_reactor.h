// CurlReactor: libcurl's transfers on the reactor thread, by its multi-socket interface.
//
// curl says which sockets and which moment it waits for; asio waits. A transfer that hangs costs
// its memory and nothing else. Made and used on the reactor thread; must not outlive the OsRuntime.
#pragma once

#include <curl/curl.h>

// clang-format off
#include <version>  // first: asio asks it what the standard library has
// clang-format on

#include <asio/steady_timer.hpp>
#include <functional>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "workers/os/os_runtime.h"

namespace muster {

class CurlReactor {
 public:
  using Done = std::function<void(CURLcode)>;

  explicit CurlReactor(OsRuntime& rt);
  ~CurlReactor();  // REQUIRES: no transfer is left
  CurlReactor(const CurlReactor&) = delete;

  // Starts `easy`. `done` is called once, never from inside Add, after the handle was taken out
  // again. False when curl refused; then `done` is not called.
  bool Add(CURL* easy, const Done& done);
  // Takes `easy` out and forgets its `done`. Not from inside a callback of curl's.
  void Remove(CURL* easy);

  std::size_t transfers() const { return transfers_.size(); }

 private:
  struct Socket;
  static int OnSocket(CURL*, curl_socket_t fd, int what, void* self, void*);
  static int OnTimer(CURLM*, long wait_ms, void* self);
  int Watch(curl_socket_t fd, int what);
  void Arm(const std::shared_ptr<Socket>& socket);
  void ArmOne(const std::shared_ptr<Socket>& socket, int direction);
  void Act(curl_socket_t fd, int events);

  OsRuntime& rt_;
  CURLM* const multi_;
  asio::steady_timer timer_;
  absl::flat_hash_map<curl_socket_t, std::shared_ptr<Socket>> sockets_;
  absl::flat_hash_map<CURL*, Done> transfers_;
  // Handlers that asio still holds look here before they touch this object.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace muster
