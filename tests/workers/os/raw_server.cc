#include "tests/workers/os/raw_server.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <cstdlib>

#include "eventstore/base/strings.h"

namespace muster {
namespace {

using asio::ip::tcp;

auto Into(asio::error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

std::string Drain(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

std::size_t BodyBytes(const std::string& head) {
  const std::size_t at = head.find("Content-Length: ");
  return at == std::string::npos ? 0 : std::strtoul(head.c_str() + at + 16, nullptr, 10);
}

// Notes what the client offers (each name after its length) and chooses none: HTTP/1.1.
int NoteProtocols(SSL*, const unsigned char**, unsigned char*, const unsigned char* in,
                  unsigned size, void* names) {
  auto* offered = static_cast<std::vector<std::string>*>(names);
  offered->clear();
  for (unsigned at = 0; at < size; at += 1u + in[at]) {
    offered->emplace_back(reinterpret_cast<const char*>(in) + at + 1, in[at]);
  }
  return SSL_TLSEXT_ERR_NOACK;
}

}  // namespace

TestCertificate MakeTestCertificate() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* x509 = X509_new();
  X509_set_version(x509, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
  X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
  X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
  X509_set_pubkey(x509, key);
  X509_NAME* name = X509_get_subject_name(x509);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("muster test"), -1, -1, 0);
  X509_set_issuer_name(x509, name);
  for (const auto& [nid, value] : {std::pair{NID_subject_alt_name, "IP:127.0.0.1"},
                                   std::pair{NID_basic_constraints, "critical,CA:TRUE"}}) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
    X509_add_ext(x509, extension, -1);
    X509_EXTENSION_free(extension);
  }
  X509_sign(x509, key, EVP_sha256());
  BIO* certificate_out = BIO_new(BIO_s_mem());
  BIO* key_out = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(certificate_out, x509);
  PEM_write_bio_PrivateKey(key_out, key, nullptr, nullptr, 0, nullptr, nullptr);
  X509_free(x509);
  EVP_PKEY_free(key);
  return {Drain(certificate_out), Drain(key_out)};
}

Peer::Peer(tcp::socket socket, asio::ssl::context* tls)
    : tls_(tls != nullptr), stream_(std::move(socket), tls != nullptr ? *tls : plain_) {}

Task<bool> Peer::Handshake() {
  if (!tls_) co_return true;
  asio::error_code error;
  co_await stream_.async_handshake(asio::ssl::stream_base::server, Into(error));
  co_return !error;
}

Task<bool> Peer::ReadSome() {
  char data[4096];
  asio::error_code error;
  std::size_t size = 0;
  if (tls_) {
    size = co_await stream_.async_read_some(asio::buffer(data), Into(error));
  } else {
    size = co_await socket().async_read_some(asio::buffer(data), Into(error));
  }
  buffer_.append(data, size);
  co_return !error;
}

Task<std::string> Peer::ReadRequest() {
  while (true) {
    const std::size_t end = buffer_.find("\r\n\r\n");
    if (end != std::string::npos) {
      const std::size_t size = end + 4 + BodyBytes(buffer_.substr(0, end + 4));
      if (buffer_.size() >= size) {
        std::string request = buffer_.substr(0, size);
        buffer_.erase(0, size);
        co_return request;
      }
    }
    const bool more = co_await ReadSome();
    if (!more) co_return "";
  }
}

Task<void> Peer::Write(std::string bytes) {
  asio::error_code error;
  if (tls_) {
    co_await asio::async_write(stream_, asio::buffer(bytes), Into(error));
  } else {
    co_await asio::async_write(socket(), asio::buffer(bytes), Into(error));
  }
}

void Peer::Close() {
  asio::error_code ignored;
  socket().shutdown(tcp::socket::shutdown_both, ignored);
  socket().close(ignored);
}

void Peer::Reset() {
  asio::error_code ignored;
  socket().set_option(asio::socket_base::linger(true, 0), ignored);
  socket().close(ignored);
}

RawServer::RawServer(OsRuntime& rt, Script script, const TestCertificate* certificate)
    : rt_(rt),
      script_(std::move(script)),
      acceptor_(rt.context(), tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
      port_(acceptor_.local_endpoint().port()) {
  if (certificate != nullptr) {
    tls_ = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
    tls_->use_certificate_chain(asio::buffer(certificate->certificate));
    tls_->use_private_key(asio::buffer(certificate->key), asio::ssl::context::pem);
    SSL_CTX_set_alpn_select_cb(tls_->native_handle(), &NoteProtocols, &offered_protocols);
  }
  rt.Spawn("accept", Accept(this));
}

std::string RawServer::origin() const {
  return Cat(tls_ != nullptr ? "https" : "http", "://127.0.0.1:", port_);
}

Task<void> RawServer::Accept(RawServer* server) {
  while (true) {
    asio::error_code error;
    tcp::socket socket = co_await server->acceptor_.async_accept(Into(error));
    if (error) co_return;
    auto peer = std::make_shared<Peer>(std::move(socket), server->tls_.get());
    server->rt_.Spawn("serve", Serve(server, std::move(peer), ++server->connections_));
  }
}

Task<void> RawServer::Serve(RawServer* server, std::shared_ptr<Peer> peer, int number) {
  const bool open = co_await peer->Handshake();
  if (open) co_await server->script_(*server, std::move(peer), number);
}

std::string Answer(int status, std::string_view body, std::string_view more_headers) {
  return Cat("HTTP/1.1 ", status, " Text\r\n", more_headers, "Content-Length: ", body.size(),
             "\r\n\r\n", body);
}

}  // namespace muster
