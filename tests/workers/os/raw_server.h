// RawServer: a TCP (or TLS) server on a loopback port of its own that does what a test's script
// says byte by byte, on the same reactor as the client under test.
#pragma once

#include <asio/ip/tcp.hpp>
#include <asio/ssl.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "workers/os/os_runtime.h"

namespace muster {

// A self-signed certificate for 127.0.0.1 and its key, PEM.
struct TestCertificate {
  std::string certificate;
  std::string key;
};
TestCertificate MakeTestCertificate();

// One connection, seen from the server.
class Peer {
 public:
  Peer(asio::ip::tcp::socket socket, asio::ssl::context* tls);
  // The next request, head and body; "" when the client has closed.
  Task<std::string> ReadRequest();
  Task<void> Write(std::string bytes);
  void Close();
  void Reset();  // RST, without a goodbye
  Task<bool> Handshake();

 private:
  Task<bool> ReadSome();
  asio::ip::tcp::socket& socket() { return stream_.next_layer(); }

  const bool tls_;
  asio::ssl::context plain_{asio::ssl::context::tls_server};
  asio::ssl::stream<asio::ip::tcp::socket> stream_;
  std::string buffer_;
};

class RawServer {
 public:
  // Runs for each connection; `number` counts them from 1.
  using Script =
      std::function<Task<void>(RawServer& server, std::shared_ptr<Peer> peer, int number)>;

  RawServer(OsRuntime& rt, Script script, const TestCertificate* certificate = nullptr);
  std::string origin() const;  // "http://127.0.0.1:PORT"
  int connections() const { return connections_; }
  OsRuntime& rt() { return rt_; }
  void StopListening() { acceptor_.close(); }

  std::vector<std::string> requests;           // scripts add what they read
  int closed = 0;                              // connections that a script has closed
  std::vector<std::string> offered_protocols;  // by the last TLS client, for what follows

 private:
  static Task<void> Accept(RawServer* server);
  static Task<void> Serve(RawServer* server, std::shared_ptr<Peer> peer, int number);

  OsRuntime& rt_;
  const Script script_;
  std::unique_ptr<asio::ssl::context> tls_;
  asio::ip::tcp::acceptor acceptor_;
  const int port_;
  int connections_ = 0;
};

// An answer with a body and its length.
std::string Answer(int status, std::string_view body, std::string_view more_headers = "");

}  // namespace muster
